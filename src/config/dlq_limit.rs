//! How much may be rejected before nothing more is read: a share of the latest records.

use super::values::Parsed;
use std::fmt;

/// More than this share of the last records is too much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DlqLimit {
    /// Dead letters in a hundred records, from 0 to below 100.
    pub percent: f64,
    /// How many records are looked back at, at least 1.
    pub records: u64,
}

/// Longer memories would hide a fault for minutes.
const RECORDS_MAX: u64 = 100_000_000;

impl DlqLimit {
    /// `50%/10000`, or `off`.
    pub(super) fn parse(text: &str) -> Parsed<Option<DlqLimit>> {
        if text.eq_ignore_ascii_case("off") {
            return Ok(None);
        }
        let limit = text.split_once('/').and_then(|(share, records)| {
            let share = share.trim();
            let percent: f64 = share.strip_suffix('%').unwrap_or(share).trim_end().parse().ok()?;
            let records: u64 = records.trim().parse().ok()?;
            let is_legal = (0.0..100.0).contains(&percent) && (1..=RECORDS_MAX).contains(&records);
            is_legal.then_some(DlqLimit { percent, records })
        });
        limit.map(Some).ok_or_else(|| {
            format!(
                "a share from 0% to below 100% and a number of records from 1 to {RECORDS_MAX} (50%/10000), or off"
            )
        })
    }

    /// Whether so many dead letters among so many records are too much. Of fewer records than are looked back at, the rest counts as
    /// good: what comes next cannot bring the share below the limit.
    pub fn is_exceeded(&self, dead_letters: u64, records: u64) -> bool {
        dead_letters as f64 * 100.0 > self.percent * records.max(self.records) as f64
    }
}

/// As one would type it.
impl fmt::Display for DlqLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%/{}", self.percent, self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_so_many_records_or_off() {
        let limit = |percent, records| Ok(Some(DlqLimit { percent, records }));
        assert_eq!(DlqLimit::parse("50%/10000"), limit(50.0, 10_000));
        assert_eq!(DlqLimit::parse("2.5 / 1"), limit(2.5, 1));
        assert_eq!(DlqLimit::parse("0%/100"), limit(0.0, 100));
        assert_eq!(DlqLimit::parse("OFF"), Ok(None));
        for wrong in ["", "50%", "50%/", "/100", "100%/10", "-1%/10", "NaN/10", "50%/0", "50%/1e3", "on"] {
            let takes = DlqLimit::parse(wrong).expect_err(wrong);
            assert!(takes.starts_with("a share from"), "{takes}");
        }
    }

    #[test]
    fn the_share_itself_is_not_too_much_and_what_is_not_known_is_good() {
        let limit = DlqLimit { percent: 50.0, records: 100 };
        assert!(!limit.is_exceeded(50, 100) && limit.is_exceeded(51, 100));
        assert!(!limit.is_exceeded(50, 50), "of a hundred, no more than half is known to be dead");
        assert!(limit.is_exceeded(51, 51));
        assert!(!limit.is_exceeded(60, 120) && limit.is_exceeded(61, 120));
        assert!(DlqLimit { percent: 0.0, records: 1_000 }.is_exceeded(1, 1));
        assert_eq!(limit.to_string(), "50%/100");
    }
}
