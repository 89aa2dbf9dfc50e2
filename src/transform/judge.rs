//! One event's verdict: output bytes or a rejection.
//!
//! The checks stand in the order in which they win: length, UTF-8, depth, JSON, object, repeated fields, then field by field in
//! the contract's order. One pass over the event sees to nearly all of it: it tracks depth itself, and knows whether a byte is not
//! ASCII. Only where it fails is the whole event looked at again, because what comes later in it may outrank what the pass
//! stopped at.

use super::scan::{Flaw, depth};
use super::splice::{Edit, Edits, Replacement, splice};
use super::visit::{Event, Span, unescape, visit};
use crate::contract::{Additions, Case, Plan, Value, utf8};
use crate::rejection::{Reason, Rejection};
use bumpalo::Bump;
use std::ops::Range;

/// Runs the contract over one event. What passes is appended to `out` as output bytes, and its range there is the answer; on a
/// rejection `out` is as it was. `arena` holds scratch strings and may be reset after each chunk.
///
/// Total: whatever the bytes, it neither panics nor recurses, and its time is linear in their number.
///
/// # Errors
///
/// The first reason, in the contract's order of checks, why the event does not pass.
pub fn judge(
    plan: &Plan,
    additions: &Additions,
    event: &[u8],
    arena: &Bump,
    out: &mut Vec<u8>,
) -> Result<Range<usize>, Rejection> {
    if event.len() > plan.max_bytes() {
        return Err(Rejection::of_event(Reason::TooLarge, "longer than the contract's max_bytes"));
    }
    let mut few = [Span::default(); MEMBERS_INLINE];
    let values = match few.get_mut(..plan.members()) {
        Some(values) => values,
        None => arena.alloc_slice_fill_copy(plan.members(), Span::default()),
    };
    let object = match visit(plan, event, arena, values) {
        Ok(Event::Object(object)) => object,
        Ok(Event::NoObject) => return Err(refuse(None, event, plan.max_depth())),
        Err(flaw) => return Err(refuse(Some(flaw), event, plan.max_depth())),
    };
    if object.beyond_ascii && std::str::from_utf8(event).is_err() {
        return Err(INVALID_UTF8);
    }
    if let Some(member) = object.duplicate {
        return Err(plan.duplicate(member));
    }
    let (fields, added) = values.split_at(plan.rules().len());
    let mut edits = Edits::new();
    for (rule, &span) in plan.rules().iter().zip(fields) {
        let value = value(event, span, arena);
        rule.judge(value)?;
        if let (Some(case), Value::Text(text)) = (rule.case(), value)
            && let Some(with) = change(case, text, span.escaped, arena)
        {
            edits.push(Edit { start: span.start(), end: span.end(), with });
        }
    }
    Ok(splice(event, &object, added, edits, additions, out))
}

/// Members of a contract whose places fit the stack; those of a longer contract are in the arena.
const MEMBERS_INLINE: usize = 16;

const INVALID_UTF8: Rejection = Rejection::of_event(Reason::InvalidUtf8, "the bytes are not UTF-8");

/// The reason that wins where the event is no object; `flaw` is what the reading stopped at, if it did.
#[cold]
fn refuse(flaw: Option<Flaw>, event: &[u8], max_depth: usize) -> Rejection {
    if std::str::from_utf8(event).is_err() {
        return INVALID_UTF8;
    }
    match flaw {
        None => Rejection::of_event(Reason::NotAnObject, "JSON, but not an object"),
        Some(Flaw::NotJson) if depth(event) <= max_depth => {
            Rejection::of_event(Reason::NotJson, "not one JSON value")
        }
        Some(_) => Rejection::of_event(Reason::TooDeep, "nested deeper than the contract's max_depth"),
    }
}

/// The value at `span`.
#[inline]
fn value<'a>(event: &'a [u8], span: Span, arena: &'a Bump) -> Value<'a> {
    if span.is_absent() {
        return Value::Null;
    }
    match &event[span.start()..span.end()] {
        [b'"', raw @ .., _] if span.escaped => {
            Value::Text(unescape(raw, arena).expect("lone surrogates were refused when the event was read"))
        }
        [b'"', text @ .., _] => Value::Text(text),
        [b'{' | b'[', ..] => Value::Composite,
        [b't' | b'f', ..] => Value::Boolean,
        [b'n', ..] => Value::Null,
        digits => Value::Number(digits),
    }
}

/// How the value is written in the case that the contract sets; `None` where it is in it.
fn change<'a>(case: Case, text: &[u8], escaped: bool, arena: &'a Bump) -> Option<Replacement<'a>> {
    if text.is_ascii() {
        let differs = match case {
            Case::Lower => text.iter().any(u8::is_ascii_uppercase),
            Case::Upper => text.iter().any(u8::is_ascii_lowercase),
        };
        if !differs {
            return None;
        }
        if !escaped {
            return Some(Replacement::Ascii(case));
        }
    }
    let text = utf8(text);
    let changed = match case {
        Case::Lower => text.to_lowercase(),
        Case::Upper => text.to_uppercase(),
    };
    (changed != text).then(|| Replacement::Text(arena.alloc_str(&changed)))
}
