//! Source files as the rules see them: code without its comments and strings, and without its unit tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One source file.
pub(crate) struct Source {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// The same lines with comments and the contents of strings blank.
    pub(crate) code: String,
    /// The same lines with unit tests blank too.
    pub(crate) shipped: String,
    /// Lines, unit tests apart.
    pub(crate) lines: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = without_words(text);
        let (shipped, tests) = without_tests(&code);
        let lines = text.lines().count() - tests;
        Self { path: path.to_owned(), text: text.to_owned(), code, shipped, lines }
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
#[track_caller]
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every Rust file of the repository, in order.
pub(crate) fn all() -> Vec<Source> {
    let mut paths = BTreeSet::new();
    for folder in ["src", "tests", "benches", "perf/src", "perf/tests", "fuzz/fuzz_targets"] {
        collect(&root().join(folder), &mut paths);
    }
    assert!(paths.len() > 50, "the sources are found");
    let path = |path: &PathBuf| {
        let inside = path.strip_prefix(root()).expect("collected below the root");
        inside.to_string_lossy().replace('\\', "/")
    };
    paths.iter().map(|file| Source::new(&path(file), &read(&path(file)))).collect()
}

/// What is shipped: `src`, without files that are unit tests.
pub(crate) fn shipped() -> Vec<Source> {
    let sources: Vec<Source> = all().into_iter().filter(|source| source.path.starts_with("src/")).collect();
    let tests: BTreeSet<String> = sources.iter().flat_map(test_files).collect();
    sources.into_iter().filter(|source| !tests.contains(&source.path)).collect()
}

/// The files that a file declares as modules for tests alone.
pub(crate) fn test_files(source: &Source) -> Vec<String> {
    let folder = folder(&source.path);
    let parent = Path::new(&source.path).parent().map_or(String::new(), |path| path.display().to_string());
    let mut files = Vec::new();
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == "#[cfg(test)]") {
        let below = &lines[at + 1..];
        let named = below.first().and_then(|line| line.strip_prefix("#[path = \"")?.strip_suffix("\"]"));
        let module = below.iter().find(|line| !line.starts_with("#["));
        let name = module.and_then(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
        match (named, name) {
            (Some(file), _) => files.push(format!("{parent}/{file}")),
            (None, Some(name)) => {
                files.extend([format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")])
            }
            (None, None) => {}
        }
    }
    files
}

/// Where the modules of a file lie.
fn folder(path: &str) -> String {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    stem.strip_suffix("/mod")
        .or(stem.strip_suffix("/lib"))
        .or(stem.strip_suffix("/main"))
        .unwrap_or(stem)
        .to_owned()
}

fn collect(folder: &Path, into: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("a folder can be listed").path()) {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.insert(path);
        }
    }
}

/// Blanks comments and what stands between quotes; lines and columns stay.
fn without_words(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let (end, blank) = token(bytes, at);
        if blank {
            out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        }
        at = end;
    }
    String::from_utf8(out).expect("whole tokens are blanked")
}

/// Where the token at `at` ends, and whether it is a comment or a literal with text in it.
fn token(bytes: &[u8], at: usize) -> (usize, bool) {
    let rest = &bytes[at..];
    let upto = |end: Option<usize>| (end.map_or(bytes.len(), |end| at + end), true);
    match rest {
        [b'/', b'/', ..] => upto(find(rest, b"\n")),
        [b'/', b'*', ..] => upto(comment_end(rest)),
        [b'"', ..] => upto(string_end(rest)),
        [b'b' | b'c', b'"', ..] => upto(string_end(&rest[1..]).map(|end| end + 1)),
        [b'r', b'"' | b'#', ..] | [b'b' | b'c', b'r', b'"' | b'#', ..] if !is_word(bytes, at) => {
            raw_end(rest, at)
        }
        [b'\'', b'\\', ..] => {
            upto(rest[2..].iter().skip(1).position(|byte| *byte == b'\'').map(|end| end + 4))
        }
        [b'\'', ..] => {
            // A character ends with a quote right behind it; a lifetime does not.
            let width = std::str::from_utf8(&rest[1..])
                .ok()
                .and_then(|text| text.chars().next())
                .map_or(1, char::len_utf8);
            if rest.get(1 + width) == Some(&b'\'') { (at + width + 2, true) } else { (at + 1, false) }
        }
        _ => (at + 1, false),
    }
}

/// Whether a word goes on at `at`.
fn is_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn comment_end(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// A raw string or a raw identifier.
fn raw_end(rest: &[u8], at: usize) -> (usize, bool) {
    let start = rest.iter().position(|byte| *byte == b'r').expect("the caller saw it") + 1;
    let hashes = rest[start..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(start + hashes) != Some(&b'"') {
        return (at + start + hashes, false);
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = start + hashes + 1;
    let end = find(&rest[body..], &close).map_or(rest.len(), |end| body + end + close.len());
    (at + end, true)
}

/// Blanks `#[cfg(test)]` with the item below it, and says how many lines that was.
fn without_tests(code: &str) -> (String, usize) {
    const MARK: &str = "#[cfg(test)]";
    let mut out = code.to_owned();
    let mut lines = 0;
    while let Some(start) = out.find(MARK) {
        let body = &out[start..];
        let brace = body.find('{').unwrap_or(body.len());
        let end = match body.find(';').filter(|end| *end < brace) {
            Some(end) => end + 1,
            None => block_end(body, brace),
        };
        let blank: String =
            body[..end].chars().map(|character| if character == '\n' { '\n' } else { ' ' }).collect();
        lines += blank.matches('\n').count() + 1;
        out.replace_range(start..start + end, &blank);
    }
    (out, lines)
}

/// Behind the brace that closes the one at `open`.
pub(crate) fn block_end(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, character) in code[open..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

#[test]
fn words_and_tests_are_blanked_and_nothing_else() {
    let text = r###"
fn a<'a>(x: &'a str) -> char { '{' } // crate::x
/* crate::y /* nested */ */ let s = "crate::z \" {"; let r = r#"crate::w " {"#;
let q = '\''; let b = b"crate::v"; r#try();
#[cfg(test)]
mod tests {
    fn t() { crate::t(); }
}
fn z() {}
"###;
    let source = Source::new("src/a.rs", text);
    assert!(!source.code.contains("crate::x") && !source.code.contains("crate::w"), "{}", source.code);
    for gone in ["crate::y", "crate::z", "crate::v", "nested"] {
        assert!(!source.code.contains(gone), "{gone} in {}", source.code);
    }
    assert!(source.code.contains("fn a<'a>(x: &'a str)") && source.code.contains("r#try()"));
    assert!(source.code.contains("crate::t") && !source.shipped.contains("crate::t"));
    assert!(source.shipped.contains("fn z() {}"));
    assert_eq!(source.code.matches('{').count(), source.code.matches('}').count(), "{}", source.code);
    assert_eq!(source.code.lines().count(), text.lines().count());
}

#[test]
fn modules_for_tests_alone_are_found() {
    let text = "#[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;\n#[cfg(test)]\nmod b;\nmod c;\n";
    let files = test_files(&Source::new("src/x/a.rs", text));
    assert_eq!(files, ["src/x/a_tests.rs", "src/x/a/b.rs", "src/x/a/b/mod.rs"]);
}
