//! Numbers as they are written: sign, significant digits, power of ten. Compared exactly, whatever their size, without `f64`.

use std::cmp::Ordering;

/// Exponents are cut here: far beyond what a contract can name, far below what the arithmetic on them could overflow.
const EXPONENT_MAX: i128 = 10i128.pow(36);

/// A number that borrows its digits: `±0.d₁d₂d₃… × 10^magnitude`, neither end of the digits a zero; zero has no digits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal<'a> {
    negative: bool,
    /// The digits before the point, and those after it.
    digits: [&'a [u8]; 2],
    magnitude: i128,
}

/// A number of the contract.
#[derive(Clone, Debug)]
pub(super) struct DecimalBuf {
    negative: bool,
    digits: Box<[u8]>,
    magnitude: i128,
}

impl<'a> Decimal<'a> {
    /// Reads a number in JSON's or TOML's decimal grammar; the caller has checked the grammar.
    pub(super) fn read(text: &'a str) -> Self {
        let text = text.as_bytes();
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let mantissa_end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
        let (mantissa, exponent) = text.split_at(mantissa_end);
        let point = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
        let (whole, fraction) = mantissa.split_at(point);
        let whole = without_leading_zeros(whole);
        let fraction = fraction.get(1..).unwrap_or_default();
        let significant = if whole.is_empty() { without_leading_zeros(fraction) } else { fraction };
        let magnitude = match whole.len() {
            0 => -length(fraction.len() - significant.len()),
            digits => length(digits),
        };
        let fraction = without_trailing_zeros(significant);
        let whole = if fraction.is_empty() { without_trailing_zeros(whole) } else { whole };
        if whole.is_empty() && fraction.is_empty() {
            return Self { negative: false, digits: [b"", b""], magnitude: 0 };
        }
        Self { negative, digits: [whole, fraction], magnitude: magnitude + read_exponent(exponent) }
    }

    /// Which number is the larger.
    pub(super) fn compare(&self, other: &Decimal<'_>) -> Ordering {
        let order = match (self.sign(), other.sign()) {
            (mine, theirs) if mine != theirs => return mine.cmp(&theirs),
            (0, _) => return Ordering::Equal,
            _ => {
                self.magnitude.cmp(&other.magnitude).then_with(|| self.significant().cmp(other.significant()))
            }
        };
        if self.negative { order.reverse() } else { order }
    }

    pub(super) fn to_buf(self) -> DecimalBuf {
        DecimalBuf {
            negative: self.negative,
            digits: self.significant().copied().collect(),
            magnitude: self.magnitude,
        }
    }

    fn sign(&self) -> i8 {
        match (self.negative, self.digits) {
            (_, [[], []]) => 0,
            (true, _) => -1,
            (false, _) => 1,
        }
    }

    fn significant(&self) -> impl Iterator<Item = &'a u8> + use<'a> {
        let [whole, fraction] = self.digits;
        whole.iter().chain(fraction)
    }
}

impl DecimalBuf {
    pub(super) fn as_decimal(&self) -> Decimal<'_> {
        Decimal { negative: self.negative, digits: [&self.digits, b""], magnitude: self.magnitude }
    }
}

/// Lengths of slices fit: an address space has fewer than 2^127 bytes.
fn length(digits: usize) -> i128 {
    digits as i128
}

fn without_leading_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|&&digit| digit == b'0').count();
    &digits[zeros..]
}

fn without_trailing_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().rev().take_while(|&&digit| digit == b'0').count();
    &digits[..digits.len() - zeros]
}

/// `e`, perhaps a sign, digits; or nothing.
fn read_exponent(text: &[u8]) -> i128 {
    let (negative, digits) = match text {
        [_, b'-', digits @ ..] => (true, digits),
        [_, b'+', digits @ ..] | [_, digits @ ..] => (false, digits),
        [] => return 0,
    };
    let size = digits
        .iter()
        .fold(0i128, |size, digit| (size * 10 + i128::from(digit.wrapping_sub(b'0'))).min(EXPONENT_MAX));
    if negative { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_the_numbers() {
        let ascending = [
            "-1e99999999999999999999999999999999999999999999999999",
            "-1e999",
            "-123456789012345678901234567890",
            "-10.5",
            "-10.05",
            "-9",
            "-0.1",
            "-1e-400",
            "0",
            "1e-99999999999999999999999999999999999999999999999999",
            "0.000000001",
            "0.1",
            "0.1000000000000000055511151231257827021181583404541015625",
            "0.11",
            "1",
            "1.0000000000000000000000000000000000001",
            "9.99",
            "9007199254740992",
            "9007199254740993",
            "1e17",
            "1e999",
        ];
        for (index, left) in ascending.iter().enumerate() {
            for right in &ascending[index + 1..] {
                let (left, right) = (Decimal::read(left), Decimal::read(right));
                assert_eq!(left.compare(&right), Ordering::Less, "{left:?} {right:?}");
                assert_eq!(right.compare(&left), Ordering::Greater);
                assert_eq!(left.compare(&right.to_buf().as_decimal()), Ordering::Less);
            }
        }
    }

    #[test]
    fn spellings_of_one_number_are_equal() {
        for spellings in [
            &["0", "-0", "0.000", "0e9", "-0.0E-99999999999999999999999999999999999999999"][..],
            &["100", "1e2", "1E+02", "0.1e3", "100.00", "10000e-2", "0.0001e6"],
            &["-12.5", "-125e-1", "-0.00125e4", "-12.50"],
        ] {
            for left in spellings {
                for right in spellings {
                    assert_eq!(
                        Decimal::read(left).compare(&Decimal::read(right)),
                        Ordering::Equal,
                        "{left} {right}"
                    );
                }
            }
        }
    }
}
