//! Versions: 1 to 3 dotted numbers (a missing one is 0), then what SemVer allows, ordered by SemVer's precedence.
//!
//! Numbers have any size: up to 19 digits are compared as `u64`, longer ones saturate and are compared digit by digit.

use std::cmp::Ordering;

/// A version that borrows from the text it was read from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version<'a> {
    numbers: [Number<'a>; 3],
    /// Dotted identifiers, empty for a release.
    pre_release: &'a [u8],
}

/// A version that owns its text: a bound of the contract.
#[derive(Clone, Debug)]
pub(super) struct VersionBuf {
    numbers: [(u64, Box<[u8]>); 3],
    pre_release: Box<[u8]>,
}

#[derive(Clone, Copy, Debug)]
struct Number<'a> {
    /// The value, `u64::MAX` from 20 digits on.
    value: u64,
    digits: &'a [u8],
}

impl<'a> Version<'a> {
    /// `None` for what is no version: a leading zero, a sign, a `v`, white space, a fourth number, an empty identifier.
    pub(super) fn parse(text: &'a [u8]) -> Option<Self> {
        let mut rest = text;
        let mut numbers = [Number { value: 0, digits: b"0" }; 3];
        for (index, slot) in numbers.iter_mut().enumerate() {
            if index > 0 {
                match rest {
                    [b'.', after @ ..] => rest = after,
                    _ => break,
                }
            }
            (*slot, rest) = Number::split(rest)?;
        }
        let mut pre_release: &[u8] = b"";
        if let [b'-', after @ ..] = rest {
            let end = after.iter().position(|&byte| byte == b'+').unwrap_or(after.len());
            (pre_release, rest) = after.split_at(end);
            if !identifiers(pre_release, true) {
                return None;
            }
        }
        match rest {
            [] => {}
            [b'+', build @ ..] if identifiers(build, false) => {}
            _ => return None,
        }
        Some(Self { numbers, pre_release })
    }

    /// SemVer's precedence: a pre-release is below its release, build metadata does not count.
    pub(super) fn precedence(&self, other: &Version<'_>) -> Ordering {
        for (mine, theirs) in self.numbers.iter().zip(&other.numbers) {
            let order = mine.compare(theirs);
            if order != Ordering::Equal {
                return order;
            }
        }
        match (self.pre_release.is_empty(), other.pre_release.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre_release(self.pre_release, other.pre_release),
        }
    }

    pub(super) fn to_buf(self) -> VersionBuf {
        VersionBuf {
            numbers: self.numbers.map(|number| (number.value, number.digits.into())),
            pre_release: self.pre_release.into(),
        }
    }
}

impl VersionBuf {
    pub(super) fn as_version(&self) -> Version<'_> {
        let [major, minor, patch] = &self.numbers;
        Version {
            numbers: [major, minor, patch].map(|(value, digits)| Number { value: *value, digits }),
            pre_release: &self.pre_release,
        }
    }
}

impl<'a> Number<'a> {
    /// The number at the start of `text`, and what follows it.
    fn split(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut value = 0u64;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = text.get(length) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            length += 1;
        }
        let (digits, rest) = text.split_at(length);
        match digits {
            [] | [b'0', _, ..] => None,
            _ if length > 19 => Some((Self { value: u64::MAX, digits }, rest)),
            _ => Some((Self { value, digits }, rest)),
        }
    }

    fn compare(&self, other: &Number<'_>) -> Ordering {
        self.value.cmp(&other.value).then_with(|| match self.value {
            u64::MAX => compare_digits(self.digits, other.digits),
            _ => Ordering::Equal,
        })
    }
}

/// Numbers without leading zeros: the longer is the larger.
fn compare_digits(mine: &[u8], theirs: &[u8]) -> Ordering {
    mine.len().cmp(&theirs.len()).then_with(|| mine.cmp(theirs))
}

fn identifiers(text: &[u8], pre_release: bool) -> bool {
    text.split(|&byte| byte == b'.').all(|identifier| {
        let leading_zero = identifier.len() > 1 && identifier[0] == b'0' && is_numeric(identifier);
        !identifier.is_empty()
            && identifier.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !(pre_release && leading_zero)
    })
}

fn is_numeric(identifier: &[u8]) -> bool {
    identifier.iter().all(u8::is_ascii_digit)
}

fn compare_pre_release(mine: &[u8], theirs: &[u8]) -> Ordering {
    let mut theirs = theirs.split(|&byte| byte == b'.');
    for mine in mine.split(|&byte| byte == b'.') {
        let Some(theirs) = theirs.next() else { return Ordering::Greater };
        let order = match (is_numeric(mine), is_numeric(theirs)) {
            (true, true) => compare_digits(mine, theirs),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => mine.cmp(theirs),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    if theirs.next().is_some() { Ordering::Less } else { Ordering::Equal }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(left: &str, right: &str) -> Ordering {
        let (left, right) =
            (Version::parse(left.as_bytes()).unwrap(), Version::parse(right.as_bytes()).unwrap());
        let order = left.precedence(&right);
        assert_eq!(left.to_buf().as_version().precedence(&right.to_buf().as_version()), order);
        assert_eq!(right.precedence(&left), order.reverse());
        order
    }

    #[test]
    fn precedence_is_semvers() {
        let ascending = [
            "0",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-beta.100000000000000000000",
            "1.0.0-rc.1",
            "1",
            "1.9.99",
            "2.0.0-beta.1",
            "2",
            "2.0.1-beta.1",
            "2.3",
            "10.0.0",
            "9999999999999999999.0.0",
            "10000000000000000000",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
            "100000000000000000000",
        ];
        for (index, left) in ascending.iter().enumerate() {
            for right in &ascending[index + 1..] {
                assert_eq!(compare(left, right), Ordering::Less, "{left} {right}");
            }
        }
        for (left, right) in [("2", "2.0.0"), ("2.0.0+a", "2.0.0+b.7"), ("1.2.3-a+1", "1.2.3-a")] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "", " 1", "1 ", "v1", "V1", "+1", "-1", "1.", ".1", "1..2", "1.2.3.4", "01", "1.02", "1-", "1+",
            "1-a..b", "1-01", "1-a_b", "1+a+b", "1-é", "1.x", "1,2", "one", "1-a.", "1+.", "٣",
        ] {
            assert!(Version::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        for text in ["0", "1-0", "1-0a", "1-01a", "1+001", "1.0-x--y", "1.2.3--", "0.0.0-0+0"] {
            assert!(Version::parse(text.as_bytes()).is_some(), "{text:?}");
        }
    }
}
