//! TOML values as a contract writes them: each reader takes one shape and names what is not of that shape.

use super::decimal::{Decimal, DecimalBuf};
use super::mistakes::Mistakes;
use super::version::{Version, VersionBuf};
use std::cmp::Ordering;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with the place where it is written.
pub(super) type Written<'t> = Spanned<DeValue<'t>>;

/// One line of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a, 't> {
    pub(super) key: &'a str,
    /// The key's first byte.
    pub(super) at: usize,
    pub(super) value: &'a Written<'t>,
}

/// The entries of a table as they follow each other in the text.
pub(super) fn in_order<'a, 't>(table: &'a DeTable<'t>) -> Vec<Entry<'a, 't>> {
    let entries = table.iter().map(|(key, value)| Entry { key: key.get_ref(), at: key.span().start, value });
    // A table whose header is broken has the name of its last line: a key that stands behind its value.
    let mut entries: Vec<_> = entries.filter(|entry| entry.at < entry.value.span().end).collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

impl<'a, 't> Entry<'a, 't> {
    /// Says what the key takes instead of what it got.
    pub(super) fn refuse(&self, mistakes: &mut Mistakes<'_>, takes: &str) {
        let (key, got) = (self.key, shown(self.value.get_ref()));
        mistakes.push(self.value.span().start, format!("`{key}` is {got}; it takes {takes}"));
    }

    pub(super) fn boolean(&self, mistakes: &mut Mistakes<'_>) -> Option<bool> {
        let value = self.value.get_ref().as_bool();
        if value.is_none() {
            self.refuse(mistakes, "true or false");
        }
        value
    }

    /// `takes` names the texts that are accepted.
    pub(super) fn text(&self, mistakes: &mut Mistakes<'_>, takes: &str) -> Option<&'a str> {
        let value = self.value.get_ref().as_str();
        if value.is_none() {
            self.refuse(mistakes, takes);
        }
        value
    }

    /// An integer from `min` to `max`.
    pub(super) fn count(&self, mistakes: &mut Mistakes<'_>, min: usize, max: usize) -> Option<usize> {
        let value = integer(self.value.get_ref()).and_then(|value| usize::try_from(value).ok());
        let value = value.filter(|value| (min..=max).contains(value));
        if value.is_none() {
            self.refuse(mistakes, &format!("an integer from {min} to {max}"));
        }
        value
    }

    /// A list with at least one element.
    pub(super) fn list(&self, mistakes: &mut Mistakes<'_>, takes: &str) -> Option<&'a [Written<'t>]> {
        let list =
            self.value.get_ref().as_array().map(|array| array.as_ref()).filter(|list| !list.is_empty());
        if list.is_none() {
            self.refuse(mistakes, &format!("a list of {takes}, at least one"));
        }
        list
    }

    pub(super) fn table(&self, mistakes: &mut Mistakes<'_>, takes: &str) -> Option<&'a DeTable<'t>> {
        let table = self.value.get_ref().as_table();
        if table.is_none() {
            self.refuse(mistakes, takes);
        }
        table
    }
}

/// A value as a message names it.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(digits) => digits.to_string(),
        DeValue::Float(digits) => digits.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(array) if array.is_empty() => "an empty list".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// How a type's limits and sets are written, and how they compare.
pub(super) struct Scale<T> {
    pub(super) read: fn(&DeValue<'_>) -> Option<T>,
    pub(super) compare: fn(&T, &T) -> Ordering,
    /// What is accepted, in the singular.
    pub(super) takes: &'static str,
}

pub(super) const INTEGERS: Scale<i128> =
    Scale { read: integer, compare: i128::cmp, takes: "an integer of at most 128 bits" };

pub(super) const NUMBERS: Scale<DecimalBuf> = Scale {
    read: number,
    compare: |left, right| left.as_decimal().compare(&right.as_decimal()),
    takes: "a finite number",
};

pub(super) const VERSIONS: Scale<VersionBuf> = Scale {
    read: |value| value.as_str().and_then(|text| Version::parse(text.as_bytes())).map(Version::to_buf),
    compare: |left, right| left.as_version().precedence(&right.as_version()),
    takes: "a version in a string, such as \"2.0.0\"",
};

pub(super) const SECONDS: Scale<u64> = Scale {
    read: |value| integer(value).and_then(|seconds| u64::try_from(seconds).ok()),
    compare: u64::cmp,
    takes: "a number of seconds, from 0 to 2^64-1",
};

fn integer(value: &DeValue<'_>) -> Option<i128> {
    let digits = value.as_integer()?;
    i128::from_str_radix(digits.as_str(), digits.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<DecimalBuf> {
    let text = number_text(value)?;
    Some(Decimal::read(&text).to_buf())
}

/// A finite number in JSON's grammar, as it is written but for a plus sign and what only TOML knows.
pub(super) fn number_text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(digits) if digits.radix() == 10 => {
            Some(digits.as_str().trim_start_matches('+').to_owned())
        }
        DeValue::Integer(_) => integer(value).map(|value| value.to_string()),
        DeValue::Float(digits) => {
            let text = digits.as_str().trim_start_matches('+');
            let finite =
                text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
            finite.then(|| text.to_owned())
        }
        _ => None,
    }
}
