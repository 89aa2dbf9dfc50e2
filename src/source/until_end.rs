//! `--until-end`: the ends that were there at start, and which sources have reached theirs.

use super::lifecycle::{POLL_PERIOD, QUESTION_TIMEOUT, Source};
use crate::kafka::Stored;
use crate::shutdown::Reason;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shared by the sources of a process.
#[derive(Debug)]
pub struct UntilEnd {
    bounds: BTreeMap<i32, (i64, i64)>,
    sources: usize,
    done: Mutex<BTreeSet<usize>>,
}

impl UntilEnd {
    /// `bounds`: oldest and end offset of every partition of the input at start.
    pub fn new(bounds: BTreeMap<i32, (i64, i64)>, sources: usize) -> Self {
        Self { bounds, sources, done: Mutex::default() }
    }

    /// Where a partition ended at start; a partition that came later has nothing for us.
    pub fn end(&self, partition: i32) -> i64 {
        self.bounds.get(&partition).map_or(0, |&(_, end)| end)
    }

    /// All partitions there were.
    pub fn partitions(&self) -> Vec<i32> {
        self.bounds.keys().copied().collect()
    }

    /// Whether the group's committed offsets have reached all ends; a partition with nothing in it has no offset to commit.
    pub fn reached_by(&self, stored: &[Stored]) -> bool {
        self.bounds.iter().all(|(partition, &(low, end))| {
            let reaches =
                |one: &Stored| one.partition == *partition && one.offset.is_some_and(|next| next >= end);
            low >= end || stored.iter().any(reaches)
        })
    }

    /// Source `source` is at its ends, or is not after a rebalance. Answers whether all are.
    pub fn report(&self, source: usize, at_end: bool) -> bool {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if at_end {
            done.insert(source);
        } else {
            done.remove(&source);
        }
        done.len() == self.sources
    }
}

impl Source {
    /// Under `--until-end`: whether this source has nothing more to read; asks for the end when all sources have not.
    pub(super) fn is_at_end(&mut self) -> bool {
        let Some(until_end) = self.until_end.clone() else { return false };
        let at_end = if self.positions.is_empty() {
            self.others_reached_the_end(&until_end)
        } else {
            self.positions.at_end()
        };
        // A drain has a time limit, and what a transaction rolls back has to be read again: the end is asked for when all is done.
        let is_over = at_end && self.is_committed();
        if until_end.report(self.number, is_over) {
            self.shutdown.request(Reason::EndReached);
        } else if at_end {
            self.welcome_all();
            self.ends.readable.recv_timeout(POLL_PERIOD).ok();
        }
        at_end
    }

    /// Whether everything that was read is committed.
    fn is_committed(&self) -> bool {
        self.at_home.len() == self.config.limits.batches_per_source && !self.ends.board.has_uncommitted()
    }

    /// With no partition assigned the others have them all: the group's offsets tell how far they are.
    fn others_reached_the_end(&mut self, until_end: &UntilEnd) -> bool {
        if self.others_at_end.1.elapsed() >= Duration::from_secs(1) {
            let committed = self.consumer.committed(&until_end.partitions(), QUESTION_TIMEOUT);
            let reached = committed.is_ok_and(|committed| until_end.reached_by(&committed));
            self.others_at_end = (reached, Instant::now());
        }
        self.others_at_end.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sources_must_be_at_their_ends_at_once() {
        let until_end = UntilEnd::new(BTreeMap::from([(0, (0, 10)), (1, (5, 5))]), 2);
        assert!(!until_end.report(0, true));
        assert!(!until_end.report(0, false));
        assert!(!until_end.report(1, true));
        assert!(until_end.report(0, true));
    }

    #[test]
    fn committed_offsets_speak_for_partitions_that_others_hold() {
        let until_end = UntilEnd::new(BTreeMap::from([(0, (0, 10)), (1, (5, 5))]), 1);
        let stored = |partition, offset| Stored { partition, offset, metadata: String::new() };
        assert!(until_end.reached_by(&[stored(0, Some(10)), stored(1, None)]), "partition 1 is empty");
        assert!(!until_end.reached_by(&[stored(0, Some(9)), stored(1, Some(5))]));
        assert!(!until_end.reached_by(&[stored(0, None)]));
        assert_eq!(until_end.end(7), 0);
    }
}
