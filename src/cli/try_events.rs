//! `try`: the contract over lines of JSON, no Kafka. What it prints is what the engine would do with the same events.

use crate::contract::Plan;
use crate::rejection::Rejection;
use crate::transform::judge;
use bumpalo::Bump;
use serde::Serialize;
use std::io::{self, BufRead, Read, Write};
use std::time::SystemTime;

/// How a verdict is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people: `line 2: dead letter: field_missing: user_id: …`.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// How the lines fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that pass.
    pub output: u64,
    /// Events that would be dead letters.
    pub dead_letters: u64,
}

/// One line of `--format json`; what does not apply is left out.
#[derive(Default, Serialize)]
struct Verdict<'a> {
    line: u64,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

/// Judges each line of `input` as one event at the time `now`, prints the verdicts to `out` and both counts, as the last line,
/// to `err`.
///
/// A line is what stands before a line feed, byte for byte: a carriage return in front of it is part of the event (white space,
/// to JSON), bytes that are no UTF-8 are `invalid_utf8`, an empty line is an empty value. The last line may lack its line feed.
///
/// # Errors
///
/// What reading or writing failed with.
pub fn run(
    plan: &Plan,
    mut input: impl BufRead,
    now: SystemTime,
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<Counts> {
    let additions = plan.additions(now);
    let (mut arena, mut counts) = (Bump::new(), Counts::default());
    let (mut event, mut value) = (Vec::new(), Vec::new());
    let mut line = 0;
    while next_line(&mut input, &mut event, plan.max_bytes())? {
        line += 1;
        arena.reset();
        value.clear();
        match judge(plan, &additions, &event, &arena, &mut value) {
            Ok(range) => {
                counts.output += 1;
                print_output(line, &value[range], format, out)?;
            }
            Err(rejection) => {
                counts.dead_letters += 1;
                print_dead_letter(line, &rejection, format, out)?;
            }
        }
    }
    out.flush()?;
    let Counts { output, dead_letters } = counts;
    writeln!(err, "{} events: {output} output, {dead_letters} dead letters", output + dead_letters)?;
    Ok(counts)
}

/// Reads a line without its line feed; false at the end. Of one that is longer than an event can be, the first bytes: enough to
/// be refused, whatever the length of the line.
fn next_line(input: &mut impl BufRead, event: &mut Vec<u8>, max_bytes: usize) -> io::Result<bool> {
    event.clear();
    let enough = max_bytes as u64 + 1;
    if input.by_ref().take(enough).read_until(b'\n', event)? == 0 {
        return Ok(false);
    }
    if event.last() == Some(&b'\n') {
        event.pop();
    } else if event.len() > max_bytes {
        input.skip_until(b'\n')?;
    }
    Ok(true)
}

fn print_output(line: u64, value: &[u8], format: Format, out: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Text => {
            write!(out, "line {line}: output: ")?;
            out.write_all(value)?;
            writeln!(out)
        }
        Format::Json => {
            let value =
                std::str::from_utf8(value).expect("an event that passes is UTF-8, and so is what is added");
            print_json(&Verdict { line, outcome: "output", value: Some(value), ..Verdict::default() }, out)
        }
    }
}

fn print_dead_letter(
    line: u64,
    rejection: &Rejection,
    format: Format,
    out: &mut impl Write,
) -> io::Result<()> {
    let (reason, field, detail) = (rejection.reason.as_str(), rejection.field.as_deref(), rejection.detail());
    match (format, field) {
        (Format::Text, None) => writeln!(out, "line {line}: dead letter: {reason}: {detail}"),
        (Format::Text, Some(field)) => writeln!(out, "line {line}: dead letter: {reason}: {field}: {detail}"),
        (Format::Json, _) => {
            let (reason, detail) = (Some(reason), Some(detail));
            print_json(&Verdict { line, outcome: "dead_letter", value: None, reason, field, detail }, out)
        }
    }
}

fn print_json(verdict: &Verdict<'_>, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, verdict)?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn printed(input: &[u8], format: Format) -> (Vec<String>, String, Counts) {
        let plan = Plan::parse("name = \"t\"\nmax_bytes = 20\n[field.a]\ntype = \"integer\"\nmin = 2\n", "t")
            .unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let counts = run(&plan, input, UNIX_EPOCH, format, &mut out, &mut err).unwrap();
        let lines = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
        (lines, String::from_utf8(err).unwrap(), counts)
    }

    #[test]
    fn json_lines_are_as_documented() {
        let (lines, last, counts) =
            printed(b"{\"a\": 2, \"b\":\"\\u00e9\"}\n{\"a\":1}\n\n\xff\n{\"a\":3}\r\n{ }", Format::Json);
        assert_eq!(
            lines,
            [
                r#"{"line":1,"outcome":"dead_letter","reason":"too_large","detail":"longer than the contract's max_bytes"}"#,
                r#"{"line":2,"outcome":"dead_letter","reason":"field_below_minimum","field":"a","detail":"below the minimum 2"}"#,
                r#"{"line":3,"outcome":"dead_letter","reason":"not_json","detail":"not one JSON value"}"#,
                r#"{"line":4,"outcome":"dead_letter","reason":"invalid_utf8","detail":"the bytes are not UTF-8"}"#,
                r#"{"line":5,"outcome":"output","value":"{\"a\":3}\r"}"#,
                r#"{"line":6,"outcome":"output","value":"{ }"}"#,
            ]
        );
        assert_eq!(last, "6 events: 2 output, 4 dead letters\n");
        assert_eq!(counts, Counts { output: 2, dead_letters: 4 });
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_an_event() {
        let exact = format!("{{\"a\":2,\"b\":\"{}\"}}", "x".repeat(6));
        assert_eq!(exact.len(), 20);
        let over = exact.replace("xx", "xxx");
        let (lines, ..) =
            printed(format!("{exact}\n{over}\n{over}{over}{over}\n{exact}").as_bytes(), Format::Text);
        assert_eq!(
            lines,
            [
                format!("line 1: output: {exact}"),
                "line 2: dead letter: too_large: longer than the contract's max_bytes".to_owned(),
                "line 3: dead letter: too_large: longer than the contract's max_bytes".to_owned(),
                format!("line 4: output: {exact}"),
            ]
        );
    }

    #[test]
    fn text_names_the_field() {
        let (lines, ..) = printed(b"{\"a\":true}\n", Format::Text);
        assert_eq!(lines, ["line 1: dead letter: field_type: a: expected an integer"]);
    }
}
