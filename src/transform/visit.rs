//! Bytes → fields: where the members that the contract names have their values, found in one pass over the event.

use super::scan::{Flaw, Scanner, escape_length};
use crate::contract::Plan;
use bumpalo::Bump;

/// What an event turned out to be.
#[derive(Debug)]
pub(super) enum Event {
    /// A JSON value of another kind.
    NoObject,
    Object(Object),
}

/// What of an object is not a member of the contract.
#[derive(Debug)]
pub(super) struct Object {
    /// The member whose repetition comes first in the event.
    pub(super) duplicate: Option<usize>,
    /// Whether it has a member of any name.
    pub(super) has_members: bool,
    /// The place of the closing brace.
    pub(super) close: usize,
    /// Whether the event is not all ASCII: then it may not be UTF-8 either.
    pub(super) beyond_ascii: bool,
}

/// Where a value is; no value ends at 0.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    start: u32,
    end: u32,
    /// Whether it is a string with escapes.
    pub(super) escaped: bool,
}

impl Span {
    #[inline]
    pub(super) fn is_absent(self) -> bool {
        self.end == 0
    }

    #[inline]
    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    #[inline]
    pub(super) fn end(self) -> usize {
        self.end as usize
    }
}

/// Reads an event to its end, not minding whether it is UTF-8; `values` gets the places of the values, by their members' places in the
/// contract: fields, then what is added.
///
/// A lone surrogate in a top-level member's name, or in a string that is the value of a contract field, is no JSON here: the
/// text that the rules are about does not exist.
pub(super) fn visit(plan: &Plan, text: &[u8], arena: &Bump, values: &mut [Span]) -> Result<Event, Flaw> {
    assert!(u32::try_from(text.len()).is_ok(), "a contract allows fewer bytes than a span can count");
    assert_eq!(values.len(), plan.members());
    let mut scanner = Scanner::new(text);
    let first = scanner.next()?;
    if first != b'{' {
        scanner.value(first, plan.max_depth())?;
        return if scanner.ended() { Ok(Event::NoObject) } else { Err(Flaw::NotJson) };
    }
    scanner.step();
    let (has_members, duplicate) = match scanner.next()? {
        b'"' => (true, members(plan, text, arena, &mut scanner, values)?),
        b'}' => (false, None),
        _ => return Err(Flaw::NotJson),
    };
    let close = scanner.at();
    scanner.step();
    if !scanner.ended() {
        return Err(Flaw::NotJson);
    }
    Ok(Event::Object(Object { duplicate, has_members, close, beyond_ascii: scanner.beyond_ascii() }))
}

/// Reads one member after the other, up to the closing brace. Says which repetition comes first.
#[inline(always)]
fn members(
    plan: &Plan,
    text: &[u8],
    arena: &Bump,
    scanner: &mut Scanner<'_>,
    values: &mut [Span],
) -> Result<Option<usize>, Flaw> {
    let mut duplicate = None;
    loop {
        let name = scanner.name()?;
        let member = if name.escaped {
            let name = unescape(&text[name.start..name.end], arena).ok_or(Flaw::NotJson)?;
            plan.names().find(name, 0, name.len())
        } else {
            plan.names().find(text, name.start, name.end)
        };
        let start = scanner.at();
        let escaped = scanner.value(name.first, plan.max_depth() - 1)?;
        if let Some(span) = member.and_then(|member| values.get_mut(member)) {
            let end = scanner.at();
            if escaped && is_lone_surrogate_in_field(plan, member, &text[start..end]) {
                return Err(Flaw::NotJson);
            }
            if span.is_absent() {
                *span = Span { start: start as u32, end: end as u32, escaped };
            } else if duplicate.is_none() {
                duplicate = member;
            }
        }
        if !scanner.next_member()? {
            return Ok(duplicate);
        }
    }
}

#[cold]
fn is_lone_surrogate_in_field(plan: &Plan, member: Option<usize>, string: &[u8]) -> bool {
    member.is_some_and(|member| member < plan.rules().len()) && !surrogates_are_paired(string)
}

/// The text that a string with escapes stands for; `raw` is what was between its quotes. `None` at a lone surrogate.
pub(super) fn unescape<'a>(raw: &[u8], arena: &'a Bump) -> Option<&'a [u8]> {
    let text = arena.alloc_slice_copy(raw);
    let (mut read, mut written) = (0, 0);
    while read < text.len() {
        if text[read] != b'\\' {
            text[written] = text[read];
            (read, written) = (read + 1, written + 1);
            continue;
        }
        let (character, length) = escaped_character(&text[read..])?;
        // No escape is shorter than what it stands for: the write stays behind the read.
        written += character.encode_utf8(&mut text[written..read + length]).len();
        read += length;
    }
    Some(&text[..written])
}

fn surrogates_are_paired(string: &[u8]) -> bool {
    let mut at = 0;
    while at < string.len() {
        match string[at] {
            b'\\' => match escaped_character(&string[at..]) {
                Some((_, length)) => at += length,
                None => return false,
            },
            _ => at += 1,
        }
    }
    true
}

/// The character of the escape at the start of `bytes`, and the escape's length (12 for a pair of surrogates).
fn escaped_character(bytes: &[u8]) -> Option<(char, usize)> {
    let length = escape_length(bytes)?;
    let character = match bytes[1] {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return escaped_unicode(bytes),
        itself => char::from(itself),
    };
    Some((character, length))
}

fn escaped_unicode(bytes: &[u8]) -> Option<(char, usize)> {
    let unit = code_unit(bytes)?;
    if let Some(character) = char::from_u32(unit) {
        return Some((character, 6));
    }
    let low = bytes.get(6..).filter(|rest| rest.first() == Some(&b'\\')).and_then(code_unit)?;
    if unit >= 0xdc00 || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)).map(|character| (character, 12))
}

/// The number of a `\uXXXX`.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let digits = match bytes {
        [_, b'u', digits @ ..] => digits.get(..4)?,
        _ => return None,
    };
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_their_characters() {
        let arena = Bump::new();
        let raw = r#"a\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\uDE00é😀\u0000"#;
        let text = "a\"\\/\u{8}\u{c}\n\r\tAé€😀é😀\0";
        assert_eq!(unescape(raw.as_bytes(), &arena), Some(text.as_bytes()));
        assert!(surrogates_are_paired(raw.as_bytes()));
    }

    #[test]
    fn a_lone_surrogate_is_no_text() {
        let arena = Bump::new();
        for raw in [
            r"\ud800",
            r"\udc00",
            r"\ud800x",
            r"\ud800\n",
            r"\ud800\ud800",
            r"\udc00\ud800",
            r"\ud83d\u0041",
            r"\ud800xu0041",
        ] {
            assert_eq!(unescape(raw.as_bytes(), &arena), None, "{raw}");
            assert!(!surrogates_are_paired(raw.as_bytes()), "{raw}");
        }
        for raw in [r"\ud7ff", r"\ue000", r"\uffff", r"\udbff\udfff"] {
            assert!(unescape(raw.as_bytes(), &arena).is_some(), "{raw}");
        }
    }
}
