//! Fields → output bytes: the event's own bytes, but for the values that the contract changes and the members it adds.

use super::visit::{Object, Span};
use crate::contract::{Additions, Case, write_string};
use smallvec::SmallVec;
use std::ops::Range;

/// A value that is written anew.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) with: Replacement<'a>,
}

/// What is written in a value's place.
#[derive(Debug)]
pub(super) enum Replacement<'a> {
    /// The value itself, an ASCII string without escapes, in the other case: as long as it was, and as little to escape.
    Ascii(Case),
    /// A string, quoted and escaped on the way out.
    Text(&'a str),
    /// JSON text.
    Json(&'a [u8]),
}

/// The edits of one event; few contracts have more.
pub(super) type Edits<'a> = SmallVec<[Edit<'a>; 4]>;

/// Appends the output bytes to `out` and says where they are. `added` has the places of the values that the event
/// brought for what is added.
pub(super) fn splice<'a>(
    event: &[u8],
    object: &Object,
    added: &[Span],
    mut edits: Edits<'a>,
    additions: &'a Additions,
    out: &mut Vec<u8>,
) -> Range<usize> {
    let start = out.len();
    let some_present = added.iter().any(|span| !span.is_absent());
    if some_present {
        for (index, span) in added.iter().enumerate().filter(|(_, span)| !span.is_absent()) {
            let with = Replacement::Json(additions.value(index));
            edits.push(Edit { start: span.start(), end: span.end(), with });
        }
    }
    if edits.len() > 1 {
        edits.sort_unstable_by_key(|edit| edit.start);
    }
    out.reserve(event.len() + additions.all().len());
    let mut copied = 0;
    for edit in &edits {
        if let Replacement::Ascii(case) = edit.with {
            out.extend_from_slice(&event[copied..edit.end]);
            let value_start = out.len() - (edit.end - edit.start);
            match case {
                Case::Lower => out[value_start..].make_ascii_lowercase(),
                Case::Upper => out[value_start..].make_ascii_uppercase(),
            }
            copied = edit.end;
            continue;
        }
        out.extend_from_slice(&event[copied..edit.start]);
        match edit.with {
            Replacement::Ascii(_) => unreachable!("written above"),
            Replacement::Text(text) => write_string(text, out),
            Replacement::Json(json) => out.extend_from_slice(json),
        }
        copied = edit.end;
    }
    out.extend_from_slice(&event[copied..object.close]);
    if some_present {
        for (index, _) in added.iter().enumerate().filter(|(_, span)| span.is_absent()) {
            out.extend_from_slice(additions.member(index));
        }
    } else if object.has_members {
        out.extend_from_slice(additions.all());
    } else {
        // Each member comes with a comma in front; the first of an object without members does without.
        out.extend_from_slice(additions.all().get(1..).unwrap_or_default());
    }
    // Nearly always the brace alone.
    out.push(b'}');
    if object.close + 1 < event.len() {
        out.extend_from_slice(&event[object.close + 1..]);
    }
    start..out.len()
}
