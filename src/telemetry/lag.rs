//! How far this member is behind, per partition that it owns: the end less what is settled, whether or not anything is read.

use std::collections::BTreeMap;
use std::time::SystemTime;

/// One owned partition at the moment of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionLag {
    /// The partition of the input topic.
    pub partition: i32,
    /// End offset less settled position, never negative; `None` until both are known.
    pub records: Option<u64>,
    /// The age of the last settled record while there is lag, else 0; `None` until a lag is known, and while there is one but
    /// nothing with a timestamp was settled yet.
    pub seconds: Option<f64>,
}

/// What is known of every partition that a source of this process owns.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    owned: BTreeMap<i32, Position>,
}

#[derive(Debug)]
struct Position {
    source: usize,
    end: Option<i64>,
    settled: Option<Settled>,
}

#[derive(Clone, Copy, Debug)]
struct Settled {
    next: i64,
    timestamp_ms: Option<i64>,
}

impl Partitions {
    /// `source` owns exactly `partitions`. One that it newly owns starts with nothing known, even where another source of this
    /// process had it before; one that another source took over in the meantime stays with that source.
    pub(super) fn assign(&mut self, source: usize, partitions: &[i32]) {
        self.owned.retain(|partition, position| position.source != source || partitions.contains(partition));
        for &partition in partitions {
            let position =
                self.owned.entry(partition).or_insert_with(|| Position { source, end: None, settled: None });
            if position.source != source {
                *position = Position { source, end: None, settled: None };
            }
        }
    }

    /// Ignored for a partition that is not owned: the answer came after the revoke.
    pub(super) fn set_end(&mut self, partition: i32, end: i64) {
        if let Some(position) = self.owned.get_mut(&partition) {
            position.end = Some(end);
        }
    }

    /// Ignored for a partition that is not owned. A timestamp of 0 or less is none: so are records that have none.
    pub(super) fn set_settled(&mut self, partition: i32, next: i64, timestamp_ms: i64) {
        if let Some(position) = self.owned.get_mut(&partition) {
            // A position without a record (the start, a span of markers) says nothing new about time.
            let before = position.settled.and_then(|settled| settled.timestamp_ms);
            let timestamp_ms = if timestamp_ms > 0 { Some(timestamp_ms) } else { before };
            position.settled = Some(Settled { next, timestamp_ms });
        }
    }

    pub(super) fn lags(&self, now: SystemTime) -> Vec<PartitionLag> {
        self.owned.iter().map(|(&partition, position)| position.lag(partition, now)).collect()
    }
}

impl Position {
    fn lag(&self, partition: i32, now: SystemTime) -> PartitionLag {
        let (Some(end), Some(settled)) = (self.end, self.settled) else {
            return PartitionLag { partition, records: None, seconds: None };
        };
        // The end is as old as the last answer of a broker: what was settled since may lie beyond it.
        let records = u64::try_from(end.saturating_sub(settled.next)).unwrap_or(0);
        let seconds = match (records, settled.timestamp_ms) {
            (0, _) => Some(0.0),
            (_, Some(timestamp_ms)) => Some(seconds_since(timestamp_ms, now)),
            (_, None) => None,
        };
        PartitionLag { partition, records: Some(records), seconds }
    }
}

/// Seconds from `timestamp_ms` (since 1970) to `now`; 0 for a timestamp of the future, as another machine's clock may give.
pub(super) fn seconds_since(timestamp_ms: i64, now: SystemTime) -> f64 {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    (now - timestamp_ms as f64 / 1000.0).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn lag(partition: i32, records: Option<u64>, seconds: Option<f64>) -> PartitionLag {
        PartitionLag { partition, records, seconds }
    }

    #[test]
    fn lag_is_end_less_settled_and_the_age_of_what_was_settled_last() {
        let mut partitions = Partitions::default();
        partitions.assign(0, &[3]);
        assert_eq!(partitions.lags(at(100)), [lag(3, None, None)]);
        partitions.set_settled(3, 40, -1);
        partitions.set_end(3, 50);
        assert_eq!(partitions.lags(at(100)), [lag(3, Some(10), None)], "nothing settled has a time yet");
        partitions.set_settled(3, 45, 90_000);
        assert_eq!(partitions.lags(at(100)), [lag(3, Some(5), Some(10.0))]);
        partitions.set_settled(3, 49, -1);
        assert_eq!(partitions.lags(at(100)), [lag(3, Some(1), Some(10.0))], "markers have no time");
        partitions.set_settled(3, 50, 91_000);
        assert_eq!(partitions.lags(at(100)), [lag(3, Some(0), Some(0.0))]);
        partitions.set_settled(3, 60, 200_000);
        assert_eq!(partitions.lags(at(100)), [lag(3, Some(0), Some(0.0))], "beyond an old end");
        partitions.set_end(3, 61);
        assert_eq!(partitions.lags(at(100)), [lag(3, Some(1), Some(0.0))], "a record from the future");
    }

    #[test]
    fn what_is_revoked_is_forgotten_and_late_news_of_it_ignored() {
        let mut partitions = Partitions::default();
        partitions.assign(0, &[0, 1]);
        partitions.set_settled(1, 7, 0);
        partitions.set_end(1, 9);
        partitions.assign(0, &[0]);
        partitions.set_settled(1, 8, 0);
        partitions.set_end(1, 10);
        assert_eq!(partitions.lags(at(0)), [lag(0, None, None)]);
        partitions.assign(0, &[0, 1]);
        assert_eq!(partitions.lags(at(0)), [lag(0, None, None), lag(1, None, None)]);
    }

    #[test]
    fn a_partition_that_changes_sources_has_one_owner() {
        let mut partitions = Partitions::default();
        partitions.assign(0, &[0, 1]);
        partitions.set_settled(1, 7, 0);
        partitions.set_end(1, 9);
        // The new owner may speak before the old one.
        partitions.assign(1, &[1]);
        assert_eq!(partitions.lags(at(0))[1], lag(1, None, None), "the new owner starts afresh");
        partitions.assign(0, &[0]);
        assert_eq!(partitions.lags(at(0)).len(), 2, "the old owner's list does not end the new one's series");
        partitions.assign(1, &[]);
        assert_eq!(partitions.lags(at(0)).len(), 1);
    }
}
