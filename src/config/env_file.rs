//! The file of `--env-file`: `NAME=value` lines, taken literally.
//!
//! Nothing is expanded: a password may hold a `$`. A line is blank, a comment, or `NAME=value`, perhaps behind `export`. A value is bare
//! (trimmed; ` #` begins a comment), in single quotes (as it stands) or in double quotes, where `\n`, `\t`, `\"` and `\\` are escapes.

/// Reads the lines: every name with its value, in their order.
///
/// # Errors
/// What is wrong, for each line that is: named by its number, never quoted, for it may hold a secret.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, Vec<String>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut values, mut problems) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        match assignment(line.trim()) {
            Ok(found) => values.extend(found),
            Err(problem) => problems.push(format!("line {} {problem}", index + 1)),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// `None` for a blank line and a comment.
fn assignment(line: &str) -> Result<Option<(String, String)>, &'static str> {
    const NO_ASSIGNMENT: &str = "is not NAME=value";
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let exported = line.strip_prefix("export").filter(|rest| rest.starts_with(char::is_whitespace));
    let (name, written) = exported.unwrap_or(line).split_once('=').ok_or(NO_ASSIGNMENT)?;
    let name = name.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || !name.chars().all(legal) {
        return Err(NO_ASSIGNMENT);
    }
    let quoted = written.trim_start();
    let value = if let Some(inside) = quoted.strip_prefix('\'') {
        single_quoted(inside)?
    } else if let Some(inside) = quoted.strip_prefix('"') {
        double_quoted(inside)?
    } else {
        bare(written).to_owned()
    };
    Ok(Some((name.to_owned(), value)))
}

/// Up to a comment, which white space precedes.
fn bare(written: &str) -> &str {
    let mut comments = written.match_indices('#').map(|(at, _)| at);
    let comment = comments.find(|at| written[..*at].ends_with(char::is_whitespace));
    written[..comment.unwrap_or(written.len())].trim()
}

fn single_quoted(inside: &str) -> Result<String, &'static str> {
    let (value, rest) = inside
        .split_once('\'')
        .ok_or("has a single quote that is not closed; close it, or put the value in double quotes")?;
    nothing_follows(rest)?;
    Ok(value.to_owned())
}

fn double_quoted(inside: &str) -> Result<String, &'static str> {
    const NOT_CLOSED: &str =
        "has a double quote that is not closed; close it, or put the value in single quotes";
    let mut value = String::new();
    let mut rest = inside.chars();
    loop {
        match rest.next().ok_or(NOT_CLOSED)? {
            '"' => break,
            '\\' => value.push(match rest.next().ok_or(NOT_CLOSED)? {
                'n' => '\n',
                't' => '\t',
                literal @ ('"' | '\\') => literal,
                _ => {
                    return Err(
                        r#"has a backslash in double quotes that begins none of \n \t \" \\; in single quotes it is literal"#,
                    );
                }
            }),
            literal => value.push(literal),
        }
    }
    nothing_follows(rest.as_str())?;
    Ok(value)
}

/// Behind the closing quote a comment may stand, and nothing else.
fn nothing_follows(rest: &str) -> Result<(), &'static str> {
    if bare(rest).is_empty() {
        return Ok(());
    }
    Err("goes on behind the closing quote; put the whole value into one pair of quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> String {
        let values = parse(line).expect("a good line");
        assert_eq!(values.len(), 1, "{line}");
        values[0].1.clone()
    }

    #[test]
    fn values_are_taken_literally() {
        for (line, expected) in [
            ("A=pa$HOME${HOME}$$word", "pa$HOME${HOME}$$word"),
            ("A=\"pa$HOME\"", "pa$HOME"),
            ("A='pa$HOME\\n\"'", "pa$HOME\\n\""),
            ("A=\"a\\tb\\nc\\\"d\\\\e'\"", "a\tb\nc\"d\\e'"),
            ("A=two words  ", "two words"),
            ("  export\tA = x=y ", "x=y"),
            ("A=back\\slash", "back\\slash"),
            ("A=it's", "it's"),
            ("A=", ""),
            ("A=x # note", "x"),
            ("A= # note", ""),
            ("A=#1#2", "#1#2"),
            ("A='x' # note", "x"),
            ("A=\"x # y\"\t#note", "x # y"),
            ("A=x\r\n", "x"),
        ] {
            assert_eq!(value(line), expected, "{line}");
        }
        let values = parse("\u{feff}# note\n\nA=1\nexport=2\nB.c-D_1=3").expect("three");
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["A", "export", "B.c-D_1"]);
    }

    #[test]
    fn every_bad_line_is_numbered_and_none_is_quoted() {
        let text = "A=1\nA=1\ncanary\nexport canary\n=canary\nca nary=1\nA='canary\nA=\"canary\\\nA=\"can\\ary\"\nA='can'ary";
        let problems = parse(text).expect_err("eight bad lines");
        let starts = [
            "line 3 is not NAME=value",
            "line 4 is not NAME=value",
            "line 5 is not NAME=value",
            "line 6 is not NAME=value",
            "line 7 has a single quote that is not closed",
            "line 8 has a double quote that is not closed",
            "line 9 has a backslash in double quotes",
            "line 10 goes on behind the closing quote",
        ];
        assert_eq!(problems.len(), starts.len(), "{problems:?}");
        for (problem, start) in problems.iter().zip(starts) {
            assert!(problem.starts_with(start) && !problem.contains("can"), "{problem}");
        }
    }
}
