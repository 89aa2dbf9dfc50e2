//! What is added to each event that passes, rendered once a batch.

use super::quote::write_string;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One member of `[add]`.
#[derive(Debug)]
pub(super) struct Added {
    pub(super) name: std::sync::Arc<str>,
    pub(super) value: AddedValue,
}

/// What a member of `[add]` is set to.
#[derive(Debug)]
pub(super) enum AddedValue {
    /// The batch's time.
    Now,
    /// JSON text.
    Constant(Box<str>),
}

/// The values of `[add]` for one batch: the clock is read once, so that every event of the batch carries the same time.
#[derive(Debug)]
pub struct Additions {
    /// `,"name":value` for each member.
    rendered: Vec<u8>,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    member: Range<usize>,
    value_start: usize,
}

impl Additions {
    pub(super) fn render(added: &[Added], now: SystemTime) -> Self {
        let mut rendered = Vec::new();
        let mut pieces = Vec::with_capacity(added.len());
        for Added { name, value } in added {
            let start = rendered.len();
            rendered.push(b',');
            write_string(name, &mut rendered);
            rendered.push(b':');
            let value_start = rendered.len();
            match value {
                AddedValue::Now => write_string(&rfc3339(now), &mut rendered),
                AddedValue::Constant(text) => rendered.extend_from_slice(text.as_bytes()),
            }
            pieces.push(Piece { member: start..rendered.len(), value_start });
        }
        Self { rendered, pieces }
    }

    /// All members, each behind a comma.
    pub(crate) fn all(&self) -> &[u8] {
        &self.rendered
    }

    /// The member at `index`, behind a comma.
    pub(crate) fn member(&self, index: usize) -> &[u8] {
        &self.rendered[self.pieces[index].member.clone()]
    }

    /// The value of the member at `index`.
    pub(crate) fn value(&self, index: usize) -> &[u8] {
        let piece = &self.pieces[index];
        &self.rendered[piece.value_start..piece.member.end]
    }
}

/// RFC 3339, UTC, whole seconds, `Z`. A clock outside the years 0 to 9999 is taken to the nearer end.
fn rfc3339(now: SystemTime) -> String {
    const YEAR_0: i64 = -62_167_219_200;
    const YEAR_9999_END: i64 = 253_402_300_799;
    let seconds = match now.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(error) => {
            let before = error.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX - 1);
            // Whole seconds are cut towards the past, on either side of 1970.
            -whole - i64::from(before > Duration::from_secs(before.as_secs()))
        }
    };
    OffsetDateTime::from_unix_timestamp(seconds.clamp(YEAR_0, YEAR_9999_END))
        .expect("the years 0 to 9999 are within the type's range")
        .format(&Rfc3339)
        .expect("RFC 3339 writes the years 0 to 9999")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_cut_to_whole_seconds() {
        let at = |seconds: u64, nanos| rfc3339(UNIX_EPOCH + Duration::new(seconds, nanos));
        assert_eq!(at(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(at(1_767_225_600, 999_999_999), "2026-01-01T00:00:00Z");
        assert_eq!(at(253_402_300_799, 0), "9999-12-31T23:59:59Z");
        assert_eq!(at(253_402_300_800, 0), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_millis(1)), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(62_167_219_201)), "0000-01-01T00:00:00Z");
    }
}
