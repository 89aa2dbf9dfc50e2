//! A strict reader of JSON's grammar (RFC 8259) that builds nothing: it moves over one value at a time and tells where it ends.
//!
//! Strings are searched in blocks of 64 bytes: a word tells by a bit for each byte which of them can end a string or break it, and
//! serves all the strings in the block. Brackets are kept in a stack of bits, so that nesting costs neither recursion nor the heap.

use super::block::{BLOCK, Block};
use crate::contract::MAX_DEPTH_MAX;

/// Why the reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The bytes so far are no beginning of a JSON text.
    NotJson,
    /// They are, but go deeper than is allowed.
    TooDeep,
}

/// A place in a text, and the way on from there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the block begins whose special bytes are known; never behind `at`, but for the last block of the text.
    block: usize,
    /// A bit for each byte of the block, the first lowest.
    special: u64,
    /// Whether a byte of the blocks so far is not ASCII. What is outside of strings always is, or the text is not JSON.
    beyond_ascii: bool,
}

/// A member's name, and how its value begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    /// The place behind the opening quote.
    pub(super) start: usize,
    /// The place of the closing quote.
    pub(super) end: usize,
    /// Whether the name has escapes.
    pub(super) escaped: bool,
    /// The value's first byte, the next one.
    pub(super) first: u8,
}

const OBJECT: bool = true;
const ARRAY: bool = false;

impl<'a> Scanner<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let Block { special, beyond_ascii, .. } = Block::of(bytes, 0);
        Self { bytes, at: 0, block: 0, special, beyond_ascii }
    }

    /// The place of the next byte.
    #[inline(always)]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Moves over the byte that was looked at.
    #[inline(always)]
    pub(super) fn step(&mut self) {
        self.at += 1;
    }

    /// Moves to the next byte that is not white space, and looks at it.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<u8, Flaw> {
        let byte = self.peek()?;
        if byte > b' ' {
            return Ok(byte);
        }
        // One blank after a comma or a colon is what most writers put there.
        if byte == b' ' {
            self.at += 1;
            let byte = self.peek()?;
            if byte > b' ' {
                return Ok(byte);
            }
        }
        self.at = after_white_space(self.bytes, self.at);
        self.peek()
    }

    /// Whether what was read is not all ASCII.
    #[inline(always)]
    pub(super) fn beyond_ascii(&self) -> bool {
        self.beyond_ascii
    }

    /// Whether nothing but white space is left.
    #[inline(always)]
    pub(super) fn ended(&self) -> bool {
        self.at == self.bytes.len() || after_white_space(self.bytes, self.at) == self.bytes.len()
    }

    /// Moves over a string, its opening quote included; says whether it has escapes.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Result<bool, Flaw> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.seek_special();
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(escaped);
                }
                b'\\' => {
                    // Whether surrogates stand in pairs is asked only where the string is read.
                    escaped = true;
                    self.at += escape_length(&self.bytes[self.at..]).ok_or(Flaw::NotJson)?;
                }
                _ => return Err(Flaw::NotJson),
            }
        }
    }

    /// Moves over a member's name, the next byte its quote, and to the value behind the colon.
    #[inline(always)]
    pub(super) fn name(&mut self) -> Result<Name, Flaw> {
        let start = self.at + 1;
        let escaped = self.string()?;
        let end = self.at - 1;
        let ahead = self.ahead();
        // A string behind the colon, and one blank or none, is what most values are.
        let first = if ahead & 0xff_ffff == u32::from_le_bytes(*b": \"\0") {
            self.at += 2;
            b'"'
        } else if ahead & 0xffff == u32::from_le_bytes(*b":\"\0\0") {
            self.at += 1;
            b'"'
        } else {
            if self.next()? != b':' {
                return Err(Flaw::NotJson);
            }
            self.at += 1;
            self.next()?
        };
        Ok(Name { start, end, escaped, first })
    }

    /// Moves from a member's end to the quote of the next member's name, or to the closing brace; says whether there is a next.
    #[inline(always)]
    pub(super) fn next_member(&mut self) -> Result<bool, Flaw> {
        let ahead = self.ahead();
        if ahead & 0xff_ffff == u32::from_le_bytes(*b", \"\0") {
            self.at += 2;
            return Ok(true);
        }
        match self.next()? {
            b'}' => Ok(false),
            b',' => {
                self.at += 1;
                if self.next()? == b'"' { Ok(true) } else { Err(Flaw::NotJson) }
            }
            _ => Err(Flaw::NotJson),
        }
    }

    /// The next four bytes; zeros where there are fewer.
    #[inline(always)]
    fn ahead(&self) -> u32 {
        self.bytes[self.at..].first_chunk().map_or(0, |ahead| u32::from_le_bytes(*ahead))
    }

    /// Moves over a value that begins with `first`, the next byte; `depth_left` brackets may be open in it at a time. Says
    /// whether it is a string with escapes.
    #[inline(always)]
    pub(super) fn value(&mut self, first: u8, depth_left: usize) -> Result<bool, Flaw> {
        match first {
            b'"' => return self.string(),
            b'{' | b'[' => *self = nested(*self, depth_left)?,
            _ => self.word_or_number(first)?,
        }
        Ok(false)
    }

    #[inline(always)]
    fn word_or_number(&mut self, first: u8) -> Result<(), Flaw> {
        match first {
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => Err(Flaw::NotJson),
        }
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), Flaw> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if let Some(b'.') = self.bytes.get(self.at) {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let b'+' | b'-' = self.peek()? {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    #[inline(always)]
    fn digits(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        if self.at == start { Err(Flaw::NotJson) } else { Ok(()) }
    }

    #[inline(always)]
    fn word(&mut self, word: &[u8]) -> Result<(), Flaw> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(Flaw::NotJson);
        }
        self.at += word.len();
        Ok(())
    }

    /// Moves from a value's end over the brackets that close to the next value, and looks at it; `None` where all are closed.
    #[inline(always)]
    fn next_in_brackets(&mut self, open: &mut Brackets) -> Result<Option<u8>, Flaw> {
        while open.depth > 0 {
            match (open.innermost(), self.next()?) {
                (OBJECT, b'}') | (ARRAY, b']') => {
                    self.at += 1;
                    open.depth -= 1;
                }
                (OBJECT, b',') => {
                    let more = self.next_member()?;
                    debug_assert!(more, "a comma is no closing brace");
                    return Ok(Some(self.name()?.first));
                }
                (ARRAY, b',') => {
                    self.at += 1;
                    return self.next().map(Some);
                }
                _ => return Err(Flaw::NotJson),
            }
        }
        Ok(None)
    }

    /// The next byte; where there is none, the text is not whole.
    #[inline(always)]
    fn peek(&self) -> Result<u8, Flaw> {
        self.bytes.get(self.at).copied().ok_or(Flaw::NotJson)
    }

    /// Moves to the next quote, backslash or control, or to the end.
    #[inline(always)]
    fn seek_special(&mut self) {
        let offset = self.at - self.block;
        if offset < BLOCK {
            let special = self.special >> offset;
            if special != 0 {
                self.at += special.trailing_zeros() as usize;
                return;
            }
            self.at = self.bytes.len().min(self.block + BLOCK);
        }
        while self.at < self.bytes.len() {
            let block = Block::of(self.bytes, self.at);
            (self.block, self.special) = (block.start, block.special);
            self.beyond_ascii |= block.beyond_ascii;
            let special = self.special >> (self.at - self.block);
            if special != 0 {
                self.at += special.trailing_zeros() as usize;
                return;
            }
            self.at = self.block + BLOCK;
        }
    }
}

/// Moves over an array or object and all that is in it.
#[inline(never)]
fn nested(mut scanner: Scanner<'_>, depth_left: usize) -> Result<Scanner<'_>, Flaw> {
    let mut open = Brackets::default();
    let mut first = scanner.peek()?;
    loop {
        match first {
            b'{' | b'[' => {
                if open.depth == depth_left.min(MAX_DEPTH_MAX) {
                    return Err(Flaw::TooDeep);
                }
                scanner.at += 1;
                open.push(first == b'{');
                let next = scanner.next()?;
                match (first, next) {
                    (b'{', b'}') | (b'[', b']') => {}
                    (b'{', b'"') => {
                        first = scanner.name()?.first;
                        continue;
                    }
                    (b'{', _) => return Err(Flaw::NotJson),
                    _ => {
                        first = next;
                        continue;
                    }
                }
            }
            b'"' => drop(scanner.string()?),
            _ => scanner.word_or_number(first)?,
        }
        match scanner.next_in_brackets(&mut open)? {
            Some(next) => first = next,
            None => return Ok(scanner),
        }
    }
}

#[cold]
fn after_white_space(bytes: &[u8], at: usize) -> usize {
    let white = bytes[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    at + white.count()
}

/// The brackets that are open inside a value, a bit each.
#[derive(Debug, Default)]
struct Brackets {
    kinds: [u64; MAX_DEPTH_MAX / 64],
    depth: usize,
}

impl Brackets {
    fn push(&mut self, kind: bool) {
        let (word, bit) = (self.depth / 64, self.depth % 64);
        self.kinds[word] = self.kinds[word] & !(1 << bit) | u64::from(kind) << bit;
        self.depth += 1;
    }

    fn innermost(&self) -> bool {
        let (word, bit) = ((self.depth - 1) / 64, (self.depth - 1) % 64);
        self.kinds[word] >> bit & 1 == 1
    }
}

/// The length of the escape at the start of `bytes`, a backslash: one of `"\/bfnrt`, or `u` and four hex digits.
pub(super) fn escape_length(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [_, b'u', digits @ ..] if digits.len() >= 4 && digits[..4].iter().all(u8::is_ascii_hexdigit) => {
            Some(6)
        }
        _ => None,
    }
}

/// How deep the brackets go, whatever the rest is: opening less closing ones, never below zero, outside strings; in a string a
/// backslash takes the next byte with it.
pub(super) fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = rest.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => drop(rest.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_where_they_end_whatever_the_blocks() {
        for before in 0..3 * BLOCK {
            for length in [0, 1, 7, 62, 63, 64, 65, 127, 128, 200] {
                let (before, string) = (" ".repeat(before), format!("\"{}\"", "x".repeat(length)));
                for after in ["", ",", " ".repeat(70).as_str(), "\"more\"\n"] {
                    let text = format!("{before}{string}{after}");
                    let mut scanner = Scanner::new(text.as_bytes());
                    assert_eq!(scanner.next(), Ok(b'"'));
                    assert_eq!(scanner.string(), Ok(false), "{text:?}");
                    assert_eq!(scanner.at(), before.len() + string.len(), "{text:?}");
                }
                let open = &format!("{before}{string}")[..before.len() + string.len() - 1];
                let mut scanner = Scanner::new(open.as_bytes());
                assert_eq!(scanner.next(), Ok(b'"'));
                assert_eq!(scanner.string(), Err(Flaw::NotJson), "{open:?}");
            }
        }
    }

    #[test]
    fn depth_counts_brackets_outside_strings() {
        for (text, expected) in [
            ("", 0),
            ("{}", 1),
            ("[{}]", 2),
            ("]]]][[", 2),
            ("[][][]", 1),
            ("\"[[[\"[", 1),
            ("\"\\\"[[[\"[", 1),
            ("\"\\\\\"[[", 2),
            ("\\\"[[", 0),
            ("\"\\", 0),
            ("{]{]", 1),
            ("{]{{", 2),
        ] {
            assert_eq!(depth(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded_by_what_is_left() {
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        for left in [0, 1, 63, 64, 65, 511, 512] {
            let (fits, over) = (deep(left), deep(left + 1));
            assert_eq!(Scanner::new(over.as_bytes()).value(b'[', left), Err(Flaw::TooDeep), "{left}");
            if left > 0 {
                assert_eq!(Scanner::new(fits.as_bytes()).value(b'[', left), Ok(false), "{left}");
            }
        }
    }
}
