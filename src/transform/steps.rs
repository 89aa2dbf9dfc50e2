//! The steps of [`judge`](super::judge()) one by one, for `benches/` and `tests/allocations.rs` alone.

use super::block::{BLOCK, Block};
use super::scan;
use super::splice::{Edit, Edits, Replacement, splice};
use super::visit::{Event, Object, Span, visit};
use crate::contract::{Additions, Plan};
use bumpalo::Bump;
use std::ops::Range;

pub use super::stage::judge_rows;

/// How deep an event is nested: the scan that decides between `too_deep` and `not_json`.
pub fn depth(event: &[u8]) -> usize {
    scan::depth(event)
}

/// Looks at an event block by block. How many of its bytes can end a string or break it, and whether one is not ASCII.
pub fn blocks(event: &[u8]) -> (u32, bool) {
    let (mut special, mut beyond_ascii, mut at) = (0, false, 0);
    while at < event.len() {
        let block = Block::of(event, at);
        // What lies before `at` was in the block before, what lies behind the end is no byte of the event.
        let known = at - block.start;
        let inside = u64::MAX >> (BLOCK - (event.len() - block.start).min(BLOCK));
        special += (block.special >> known << known & inside).count_ones();
        beyond_ascii |= block.beyond_ascii;
        at = block.start + BLOCK;
    }
    (special, beyond_ascii)
}

/// An object that was read, with the places of the contract's members in it.
#[derive(Debug)]
pub struct Read {
    object: Object,
    values: Vec<Span>,
}

/// Finds the contract's members in an event, and judges none; `None` if it is no object.
pub fn read(plan: &Plan, event: &[u8], arena: &Bump) -> Option<Read> {
    let mut values = vec![Span::default(); plan.members()];
    match visit(plan, event, arena, &mut values) {
        Ok(Event::Object(object)) => Some(Read { object, values }),
        _ => None,
    }
}

/// Writes an event's output, with the value of the contract's field number `anew`, if it has one, replaced by `text`.
pub fn write(
    plan: &Plan,
    additions: &Additions,
    event: &[u8],
    read: &Read,
    anew: Option<(usize, &str)>,
    out: &mut Vec<u8>,
) -> Range<usize> {
    let (fields, added) = read.values.split_at(plan.rules().len());
    let mut edits = Edits::new();
    if let Some((field, text)) = anew
        && let Some(span) = fields.get(field).filter(|span| !span.is_absent())
    {
        edits.push(Edit { start: span.start(), end: span.end(), with: Replacement::Text(text) });
    }
    splice(event, &read.object, added, edits, additions, out)
}
