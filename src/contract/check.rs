//! What a rule asks of one value. Every detail that a rejection can need is composed when the contract is read, so that
//! rejecting formats nothing.

use super::decimal::{Decimal, DecimalBuf};
use super::ip::{AddressClass, parse_address};
use super::version::{Version, VersionBuf};
use crate::rejection::{Detail, Reason};
use regex::Regex;
use std::cmp::Ordering;

/// A field's value as it was found: strings unescaped, numbers in their digits.
///
/// Texts are bytes, known to be UTF-8: most checks look at nothing but ASCII, and a `str` costs a look at both of its ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    /// `null`, for every rule the same as an absent member.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number, as it is written.
    Number(&'a [u8]),
    /// A string without its quotes and escapes.
    Text(&'a [u8]),
    /// An array or an object.
    Composite,
}

/// Why a value fails; the rule adds the field's name.
pub(super) type Failure = (Reason, Detail);

/// What a field's type and limits ask for.
#[derive(Debug)]
pub(super) enum Check {
    Text(TextCheck),
    Integer { limits: Limits<i128>, one_of: Option<OneOf<i128>> },
    Number { limits: Limits<DecimalBuf>, one_of: Option<OneOf<DecimalBuf>> },
    Boolean,
    Version { limits: Limits<VersionBuf> },
    Ip { deny: Vec<AddressClass> },
    EpochSeconds { limits: Limits<u64> },
    Any,
}

/// What is asked of a string. Most contracts ask no more than that it is not empty; the rest is out of the way.
#[derive(Debug)]
pub(super) struct TextCheck {
    pub(super) non_empty: bool,
    pub(super) limits: Option<Box<TextLimits>>,
}

/// What else can be asked of a string, each with what a rejection says.
#[derive(Debug, Default)]
pub(super) struct TextLimits {
    /// In Unicode scalar values.
    pub(super) min_length: Option<(usize, Detail)>,
    pub(super) max_length: Option<(usize, Detail)>,
    /// Sorted.
    pub(super) one_of: Option<(Vec<Box<str>>, Detail)>,
    /// Matches the whole value.
    pub(super) pattern: Option<(Regex, Detail)>,
}

/// The least and the largest value that pass, each with what a rejection says.
#[derive(Debug)]
pub(super) struct Limits<T> {
    pub(super) min: Option<(T, Detail)>,
    pub(super) max: Option<(T, Detail)>,
}

/// The only values that pass, with what a rejection says.
#[derive(Debug)]
pub(super) struct OneOf<T> {
    pub(super) values: Vec<T>,
    pub(super) detail: Detail,
}

const fn wrong_type(detail: &'static str) -> Failure {
    (Reason::FieldType, Detail::Static(detail))
}

const fn invalid(detail: &'static str) -> Failure {
    (Reason::FieldInvalid, Detail::Static(detail))
}

impl Check {
    /// Judges a value that is not null.
    #[inline]
    pub(super) fn judge(&self, value: Value<'_>) -> Result<(), Failure> {
        match (self, value) {
            (Check::Text(check), Value::Text(text)) => check.judge(text),
            (Check::Text(_), _) => Err(wrong_type("expected a string")),
            (Check::Integer { limits, one_of }, Value::Number(digits)) => {
                judge_integer(limits, one_of.as_ref(), digits)
            }
            (Check::Integer { .. }, _) => Err(wrong_type("expected an integer")),
            (Check::Number { limits, one_of }, Value::Number(digits)) => {
                judge_number(limits, one_of.as_ref(), digits)
            }
            (Check::Number { .. }, _) => Err(wrong_type("expected a number")),
            (Check::Boolean, Value::Boolean) | (Check::Any, _) => Ok(()),
            (Check::Boolean, _) => Err(wrong_type("expected true or false")),
            (Check::Version { limits }, Value::Text(text)) => judge_version(limits, text),
            (Check::Version { .. }, _) => Err(wrong_type("expected a version in a string")),
            (Check::Ip { deny }, Value::Text(text)) => judge_address(deny, text),
            (Check::Ip { .. }, _) => Err(wrong_type("expected an address in a string")),
            (Check::EpochSeconds { limits }, Value::Text(digits) | Value::Number(digits)) => {
                judge_seconds(limits, digits)
            }
            (Check::EpochSeconds { .. }, _) => {
                Err(wrong_type("expected seconds, as an integer or a string of digits"))
            }
        }
    }
}

impl TextCheck {
    #[inline]
    pub(super) fn judge(&self, text: &[u8]) -> Result<(), Failure> {
        // A first character that is visible ASCII settles it for nearly every event.
        if self.non_empty && !text.first().is_some_and(u8::is_ascii_graphic) && is_blank(text) {
            return Err((Reason::FieldEmpty, Detail::Static("empty, or white space alone")));
        }
        match &self.limits {
            Some(limits) => limits.judge(text),
            None => Ok(()),
        }
    }
}

impl TextLimits {
    fn judge(&self, text: &[u8]) -> Result<(), Failure> {
        let Self { min_length, max_length, one_of, pattern } = self;
        if min_length.is_some() || max_length.is_some() {
            let length = utf8(text).chars().count();
            if let Some((_, detail)) = min_length.as_ref().filter(|(min, _)| length < *min) {
                return Err((Reason::FieldInvalid, detail.clone()));
            }
            if let Some((_, detail)) = max_length.as_ref().filter(|(max, _)| length > *max) {
                return Err((Reason::FieldInvalid, detail.clone()));
            }
        }
        if let Some((values, detail)) = one_of
            && values.binary_search_by(|value| value.as_bytes().cmp(text)).is_err()
        {
            return Err((Reason::FieldInvalid, detail.clone()));
        }
        if let Some((pattern, detail)) = pattern
            && !pattern.is_match(utf8(text))
        {
            return Err((Reason::FieldInvalid, detail.clone()));
        }
        Ok(())
    }
}

fn is_blank(text: &[u8]) -> bool {
    utf8(text).chars().all(char::is_whitespace)
}

/// The text of a value.
pub(crate) fn utf8(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("values are cut out of a text at quotes and digits, or made of one")
}

impl<T> Limits<T> {
    /// `compare` says where the value stands against a limit.
    pub(super) fn judge(&self, compare: impl Fn(&T) -> Ordering) -> Result<(), Failure> {
        if let Some((_, detail)) = self.min.as_ref().filter(|(min, _)| compare(min) == Ordering::Less) {
            return Err((Reason::FieldBelowMinimum, detail.clone()));
        }
        if let Some((_, detail)) = self.max.as_ref().filter(|(max, _)| compare(max) == Ordering::Greater) {
            return Err((Reason::FieldAboveMaximum, detail.clone()));
        }
        Ok(())
    }
}

impl<T> OneOf<T> {
    fn judge(one_of: Option<&Self>, equals: impl Fn(&T) -> bool) -> Result<(), Failure> {
        match one_of {
            Some(one_of) if !one_of.values.iter().any(equals) => {
                Err((Reason::FieldInvalid, one_of.detail.clone()))
            }
            _ => Ok(()),
        }
    }
}

fn judge_integer(limits: &Limits<i128>, one_of: Option<&OneOf<i128>>, digits: &[u8]) -> Result<(), Failure> {
    // JSON's grammar leaves only a fraction, an exponent or the size to fail here.
    let Ok(value) = utf8(digits).parse::<i128>() else {
        return Err(invalid("not an integer of at most 128 bits, without fraction and exponent"));
    };
    OneOf::judge(one_of, |allowed| *allowed == value)?;
    limits.judge(|limit| value.cmp(limit))
}

fn judge_number(
    limits: &Limits<DecimalBuf>,
    one_of: Option<&OneOf<DecimalBuf>>,
    digits: &[u8],
) -> Result<(), Failure> {
    if limits.min.is_none() && limits.max.is_none() && one_of.is_none() {
        return Ok(());
    }
    let value = Decimal::read(utf8(digits));
    OneOf::judge(one_of, |allowed| value.compare(&allowed.as_decimal()) == Ordering::Equal)?;
    limits.judge(|limit| value.compare(&limit.as_decimal()))
}

fn judge_version(limits: &Limits<VersionBuf>, text: &[u8]) -> Result<(), Failure> {
    let Some(version) = Version::parse(text) else {
        return Err(invalid("not a version: 1 to 3 dotted numbers, perhaps a pre-release and a build"));
    };
    limits.judge(|limit| version.precedence(&limit.as_version()))
}

fn judge_address(deny: &[AddressClass], text: &[u8]) -> Result<(), Failure> {
    let Some(address) = parse_address(text) else {
        return Err(invalid("not an IPv4 or IPv6 address"));
    };
    match deny.iter().find(|class| class.holds(address)) {
        Some(class) => Err((Reason::FieldDenied, Detail::Static(class.detail()))),
        None => Ok(()),
    }
}

fn judge_seconds(limits: &Limits<u64>, digits: &[u8]) -> Result<(), Failure> {
    let Some(value) = parse_seconds(digits) else {
        return Err(invalid("not a number of seconds: digits alone, at most 2^64-1"));
    };
    limits.judge(|limit| value.cmp(limit))
}

/// Digits alone; `u64::from_str` would take a plus sign too.
fn parse_seconds(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_digits_within_64_bits() {
        for (digits, value) in [
            ("0", Some(0)),
            ("1694479551", Some(1_694_479_551)),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("18446744073709551615", Some(u64::MAX)),
            ("0000000000000000000000007", Some(7)),
            ("18446744073709551616", None),
            ("", None),
            ("+1", None),
            ("-1", None),
            ("1.0", None),
            ("1e3", None),
            (" 1", None),
            ("١", None),
        ] {
            assert_eq!(parse_seconds(digits.as_bytes()), value, "{digits}");
        }
    }
}
