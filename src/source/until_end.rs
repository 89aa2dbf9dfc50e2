//! `--until-end`: the ends that were there at start, and which sources have reached theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

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
    pub fn reached_by(&self, committed: &[(i32, Option<i64>)]) -> bool {
        self.bounds.iter().all(|(partition, &(low, end))| {
            low >= end
                || committed.iter().any(|(of, next)| of == partition && next.is_some_and(|next| next >= end))
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
        assert!(until_end.reached_by(&[(0, Some(10)), (1, None)]), "partition 1 is empty");
        assert!(!until_end.reached_by(&[(0, Some(9)), (1, Some(5))]));
        assert!(!until_end.reached_by(&[(0, None)]));
        assert_eq!(until_end.end(7), 0);
    }
}
