//! How long files and functions may be, and which are longer for a reason.

use crate::assert_none;
use crate::source::{Source, all, block_end, test_files};
use std::collections::BTreeSet;

/// Lines of a file, unit tests apart.
const FILE_LINES_MAX: usize = 400;

/// Lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// What may be longer: path, function (empty: the file), lines, reason. The list only shrinks: an entry that is no longer
/// needed, or that allows another length than there is, fails.
const EXCEPTIONS: &[(&str, &str, usize, &str)] = &[];

/// What is too long: path, function, lines.
fn too_long(sources: &[Source]) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    for source in sources {
        if source.lines > FILE_LINES_MAX {
            found.push((source.path.clone(), String::new(), source.lines));
        }
        for (name, lines) in functions(&source.shipped) {
            if lines > FUNCTION_LINES_MAX {
                found.push((source.path.clone(), name, lines));
            }
        }
    }
    found
}

/// Every function with a body, and its lines.
fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(|character: char| character.is_alphanumeric() || character == '_') {
            continue;
        }
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let signature = &code[at..];
        let Some(open) = signature.find('{') else { continue };
        let has_body = signature.find(';').is_none_or(|end| open < end || signature[..open].contains('['));
        if !name.is_empty() && has_body {
            found.push((name, signature[..block_end(signature, open)].lines().count()));
        }
    }
    found
}

#[test]
fn files_and_functions_are_short() {
    let sources = all();
    let tests: BTreeSet<String> = sources.iter().flat_map(test_files).collect();
    let sources: Vec<Source> = sources.into_iter().filter(|source| !tests.contains(&source.path)).collect();
    let mut complaints = Vec::new();
    let found = too_long(&sources);
    for (path, function, lines) in &found {
        let allowed = EXCEPTIONS.iter().find(|exception| exception.0 == path && exception.1 == function);
        match allowed {
            Some((.., most, _)) if lines == most => {}
            Some((.., most, _)) => {
                complaints.push(format!(
                    "{path} {function}: {lines} lines, the exception is for {most}: correct it, downwards"
                ));
            }
            None => complaints.push(format!("{path} {function}: {lines} lines; split it by noun")),
        }
    }
    for (path, function, ..) in EXCEPTIONS {
        if !found.iter().any(|(at, name, _)| at == path && name == function) {
            complaints
                .push(format!("{path} {function}: the exception is no longer needed: take it off the list"));
        }
    }
    assert_none(complaints);
}

#[test]
fn what_is_too_long_is_found_and_unit_tests_are_not_counted() {
    let long = format!("fn short() {{}}\nfn long() {{\n{}}}\n", "    g();\n".repeat(FUNCTION_LINES_MAX));
    let found = too_long(&[Source::new("src/a.rs", &long)]);
    assert_eq!(found, [("src/a.rs".to_owned(), "long".to_owned(), FUNCTION_LINES_MAX + 2)]);
    let tests = format!("#[cfg(test)]\nmod tests {{\n{}{long}}}\n", "// words\n".repeat(FILE_LINES_MAX));
    assert_eq!(too_long(&[Source::new("src/a.rs", &tests)]), []);
    let file = "const A: u8 = 1;\n".repeat(FILE_LINES_MAX + 1);
    assert_eq!(too_long(&[Source::new("src/a.rs", &file)]).len(), 1);
}
