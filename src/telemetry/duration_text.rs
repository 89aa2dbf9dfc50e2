//! A duration for people: three digits and a unit.

use std::fmt;
use std::time::Duration;

/// Prints `870 µs`, `4.13 ms`, `1.20 s`, `12.5 min`, `3.00 h`; nothing is wider than ten columns below 10,000 hours.
#[derive(Clone, Copy, Debug)]
pub struct DurationText(pub Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A unit is left where its three digits would round up to the next one.
        let seconds = self.0.as_secs_f64();
        let (value, unit) = match seconds {
            s if s < 0.000_999_5 => return f.pad(&format!("{:.0} µs", s * 1e6)),
            s if s < 0.999_5 => (s * 1e3, "ms"),
            s if s < 99.95 => (s, "s"),
            s if s < 99.95 * 60.0 => (s / 60.0, "min"),
            s => (s / 3600.0, "h"),
        };
        let decimals = match value {
            v if v < 9.995 => 2,
            v if v < 99.95 => 1,
            _ => 0,
        };
        f.pad(&format!("{value:.decimals$} {unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let texts: Vec<String> = [
            0,
            7,
            870,
            999,
            1_000,
            4_126,
            9_996,
            41_260,
            412_600,
            999_400,
            999_600,
            59_000_000,
            99_940_000,
            99_960_000,
            3_600_000_000,
            86_400_000_000,
        ]
        .iter()
        .map(|&us| DurationText(Duration::from_micros(us)).to_string())
        .collect();
        let expected = [
            "0 µs", "7 µs", "870 µs", "999 µs", "1.00 ms", "4.13 ms", "10.0 ms", "41.3 ms", "413 ms",
            "999 ms", "1.00 s", "59.0 s", "99.9 s", "1.67 min", "60.0 min", "24.0 h",
        ];
        assert_eq!(texts, expected);
        assert_eq!(format!("{:>9}", DurationText(Duration::from_millis(5))), "  5.00 ms");
    }
}
