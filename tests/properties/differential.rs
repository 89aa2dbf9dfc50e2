//! "Is it JSON", against `std::str::from_utf8` and `serde_json`, which read every byte of what they skip.
//!
//! Two differences are meant, and no others: nesting is counted before anything else (so events here stay within 127, which is as
//! deep as serde_json goes), and a lone surrogate in a top-level member's name or in the value of a contract field is refused,
//! where serde_json does not look into strings that it skips. The contract here has no field, so that only names remain.

use crate::events;
use bumpalo::Bump;
use gristmill::contract::Plan;
use gristmill::rejection::Reason;
use gristmill::transform::judge;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

#[derive(Debug, PartialEq)]
enum Verdict {
    InvalidUtf8,
    NotJson,
    NotAnObject,
    Object,
}

static PLAN: LazyLock<Plan> =
    LazyLock::new(|| Plan::parse("name = \"t\"\nmax_depth = 127\n[add]\n\"no such name\" = 1", "t").unwrap());

fn ours(event: &[u8]) -> Option<Verdict> {
    match judge(&PLAN, &PLAN.additions(UNIX_EPOCH), event, &Bump::new(), &mut Vec::new()) {
        Ok(_) => Some(Verdict::Object),
        Err(rejection) => match rejection.reason {
            Reason::InvalidUtf8 => Some(Verdict::InvalidUtf8),
            Reason::NotJson => Some(Verdict::NotJson),
            Reason::NotAnObject => Some(Verdict::NotAnObject),
            Reason::TooDeep => None,
            other => panic!("{other:?} of a contract without fields"),
        },
    }
}

fn theirs(event: &[u8]) -> Verdict {
    let Ok(text) = std::str::from_utf8(event) else { return Verdict::InvalidUtf8 };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Verdict::NotJson;
    }
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Verdict::NotAnObject;
    }
    // Names are read here, and lone surrogates in them refused.
    match serde_json::from_str::<HashMap<String, IgnoredAny>>(text) {
        Ok(_) => Verdict::Object,
        Err(_) => Verdict::NotJson,
    }
}

fn agree(event: &[u8]) -> Result<(), TestCaseError> {
    if let Some(ours) = ours(event) {
        prop_assert_eq!(ours, theirs(event), "{}", String::from_utf8_lossy(event));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

    #[test]
    fn on_events(event in prop_oneof![events::login(), events::value()]) {
        agree(event.as_bytes())?;
    }

    #[test]
    fn on_broken_events(event in events::mutated()) {
        agree(&event)?;
    }

    #[test]
    fn on_soups_of_tokens(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ":", ",", "\"a\"", "\"", "\\", "\\u12", "\\u1234", "0", "-", "1", ".5", "e", "E+", "true", "null",
        "fals", " ", "\n", "\t", "\r", "\u{0}", "\u{1f}", "\u{7f}", "é", "\u{feff}", "\u{a0}", "/", "\\n", "\\x",
    ]), 0..12)) {
        agree(tokens.concat().as_bytes())?;
    }
}

#[test]
fn on_every_short_text_of_telling_bytes() {
    let telling = b"{}[]:,\"\\0-1.eEtn \n\x00\x80";
    let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
    for _ in 0..3 {
        let longer =
            texts.iter().flat_map(|text| telling.iter().map(move |&byte| [&text[..], &[byte]].concat()));
        texts = std::iter::once(Vec::new()).chain(longer).collect();
        for text in &texts {
            for (before, after) in
                [("", ""), ("{\"a\":", "}"), ("[", "]"), ("{\"a\":\"", "\"}"), ("{\"a\":[0,{\"b\":", "}]}")]
            {
                let event = [before.as_bytes(), text, after.as_bytes()].concat();
                agree(&event).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}

#[test]
fn on_every_short_row_of_structural_tokens() {
    let tokens = ["{", "}", "[", "]", ",", ":", "\"a\"", "1"];
    for length in 0..=5u32 {
        for mut number in 0..8usize.pow(length) {
            let mut row = String::new();
            for _ in 0..length {
                row.push_str(tokens[number % 8]);
                number /= 8;
            }
            for event in [&row, &format!("[{row}]"), &format!("{{\"a\":{row}}}")] {
                agree(event.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}
