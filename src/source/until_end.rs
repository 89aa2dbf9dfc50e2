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

    /// The partitions that have something to read, without some.
    pub fn partitions_but(&self, owned: impl Fn(i32) -> bool) -> Vec<i32> {
        let bounds = self.bounds.iter().filter(|&(&partition, &(low, end))| low < end && !owned(partition));
        bounds.map(|(&partition, _)| partition).collect()
    }

    /// Those of the partitions whose end the group's committed offset has not reached.
    pub fn not_reached(&self, partitions: &[i32], stored: &[Stored]) -> Vec<i32> {
        let reaches = |one: &Stored, end| one.offset.is_some_and(|next| next >= end);
        let is_reached = |partition| {
            stored.iter().any(|one| one.partition == partition && reaches(one, self.end(partition)))
        };
        partitions.iter().copied().filter(|&partition| !is_reached(partition)).collect()
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
        let has_none = self.positions.is_empty();
        let at_end = match has_none {
            true => self.others_reached_the_end(&until_end),
            false => self.positions.at_end() && self.are_starts_there(),
        };
        // A drain has a time limit, and what a transaction rolls back has to be read again: the end is asked for when all is done. The
        // others may fail, and what was theirs becomes ours.
        let is_over = at_end && self.is_committed() && (has_none || self.others_reached_the_end(&until_end));
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
        let board = &self.ends.board;
        // In this order: a roll-back in between has nothing left to commit either.
        self.at_home.len() == self.config.limits.batches_per_source
            && !board.has_uncommitted()
            && !board.is_rolled_back()
    }

    /// Whether the offsets exist that reading began at. One behind the end may be of a topic that was made anew or cut, which the client
    /// finds out with its first fetch; or, where the group has read uncommitted records, lie behind the last stable offset alone.
    fn are_starts_there(&self) -> bool {
        let mut starts = self.positions.starts_behind_end();
        starts.all(|(partition, start)| self.consumer.fetched_end(partition).is_some_and(|end| start <= end))
    }

    /// The group's offsets tell how far the others are.
    fn others_reached_the_end(&mut self, until_end: &UntilEnd) -> bool {
        let others = until_end.partitions_but(|partition| self.positions.get(partition).is_some());
        if others.is_empty() {
            return true;
        }
        if self.others_asked.is_none_or(|asked| asked.elapsed() >= Duration::from_secs(1)) {
            let committed = self.consumer.committed(&others, QUESTION_TIMEOUT);
            let left =
                committed.map_or(others.clone(), |committed| until_end.not_reached(&others, &committed));
            if left.is_empty() {
                return true;
            }
            if !self.positions.is_empty() && !std::mem::replace(&mut self.others_told, true) {
                tracing::info!(source = self.number, partitions = ?left, "at the end, but for partitions of others: waiting for them");
            }
            self.others_asked = Some(Instant::now());
        }
        false
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
        assert_eq!(until_end.partitions_but(|_| false), [0], "partition 1 is empty");
        assert!(until_end.partitions_but(|partition| partition == 0).is_empty());
        assert!(until_end.not_reached(&[0], &[stored(1, Some(5)), stored(0, Some(10))]).is_empty());
        assert_eq!(until_end.not_reached(&[0], &[stored(0, Some(9)), stored(1, Some(10))]), [0]);
        assert_eq!(until_end.not_reached(&[0], &[stored(0, None)]), [0]);
        assert_eq!(until_end.end(7), 0);
    }
}
