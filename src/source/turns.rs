//! Whose turn it is while more comes than is read: of the partitions that have records to read and gave none in the last turn, the one that
//! waits longest is set apart. Why it would stand still otherwise: [`GroupConsumer::set_apart`].
//!
//! What a turn brings comes on top of the limits of the client's queue. So the next turn begins when as many records have been read as
//! the last one brought, and as many bytes as it can have brought: the queue does not grow.
//!
//! [`GroupConsumer::set_apart`]: crate::kafka::GroupConsumer::set_apart

use super::lifecycle::Source;
use crate::progress::Span;
use std::collections::BTreeMap;

/// The turns of one source.
#[derive(Debug)]
pub(super) struct Turns {
    /// What a turn brings at most, as it is sent.
    bytes_max: usize,
    /// Read since the turn began.
    records: u64,
    bytes: usize,
    /// Records that it brought; `None`: they have not come yet.
    came: Option<u64>,
    /// Records read in all.
    total: u64,
    /// How many records had been read when a partition gave something last, or was set apart.
    served: BTreeMap<i32, u64>,
}

impl Turns {
    /// For a client that takes so many bytes at most of one partition in one response.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, records: 0, bytes: 0, came: Some(0), total: 0, served: BTreeMap::new() }
    }

    /// Records were read.
    pub(super) fn read(&mut self, spans: &[Span], records: usize, bytes: usize) {
        self.records += records as u64;
        self.total += records as u64;
        self.bytes += bytes;
        for span in spans {
            self.served.insert(span.partition, self.total);
        }
    }

    /// A partition is no longer ours.
    pub(super) fn give_up(&mut self, partition: i32) {
        self.served.remove(&partition);
    }

    /// So many records came of the partition that was set apart, and it is so no longer.
    fn came(&mut self, records: usize) {
        self.came.get_or_insert(records as u64);
    }

    fn is_over(&self) -> bool {
        self.came.is_some_and(|came| self.records >= came) && self.bytes >= self.bytes_max
    }

    /// Begins a turn: who is to be set apart, of these partitions that have more to read.
    fn next(&mut self, behind: impl Iterator<Item = i32>) -> Option<i32> {
        let began = self.total - self.records;
        let served = |partition| (self.served.get(&partition).copied().unwrap_or(0), partition);
        let next = behind.map(served).filter(|(served, _)| *served <= began).min();
        let next = next.map(|(_, partition)| partition);
        (self.records, self.bytes) = (0, 0);
        self.came = if next.is_some() { None } else { Some(0) };
        self.served.extend(next.map(|partition| (partition, self.total)));
        next
    }
}

impl Source {
    /// Puts back who has had a turn, and gives the next one its turn when it is time.
    pub(super) fn take_turns(&mut self) {
        if let Some(came) = self.consumer.put_back() {
            self.turns.came(came);
        }
        if !self.turns.is_over() {
            return;
        }
        let ends = self.ends.input_ends.all();
        let has_more = |&(partition, next): &(i32, i64)| {
            !self.paused.contains(&partition) && ends.get(&partition).is_some_and(|(end, _)| next < *end)
        };
        let behind = self.positions.open_places().filter(has_more).map(|(partition, _)| partition);
        let next = self.turns.next(behind);
        drop(ends);
        if let Some(partition) = next {
            tracing::debug!(source = self.number, partition, "fetched out of turn");
            self.consumer.set_apart(partition);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Board;

    const PARTITION_BYTES: usize = 100;

    /// Reads `records` of a partition, 10 bytes each.
    fn read(turns: &mut Turns, partition: i32, records: usize) {
        let board = Board::default();
        let epoch = board.assign(partition, Some(0), 0);
        let span = Span { partition, epoch, first: 0, next: records as i64, timestamp_ms: -1 };
        turns.read(&[span], records, 10 * records);
    }

    fn next(turns: &mut Turns) -> Option<i32> {
        assert!(turns.is_over());
        turns.next(0..4)
    }

    #[test]
    fn of_those_that_gave_nothing_who_waits_longest_is_next() {
        let mut turns = Turns::new(PARTITION_BYTES);
        read(&mut turns, 0, 5);
        read(&mut turns, 1, 5);
        for expected in [2, 3, 1, 2] {
            assert_eq!(next(&mut turns), Some(expected), "0 gives, who was set apart waits anew");
            turns.came(10);
            read(&mut turns, 0, 10);
        }
    }

    #[test]
    fn a_turn_lasts_until_what_it_brought_is_made_up_for() {
        let mut turns = Turns::new(PARTITION_BYTES);
        read(&mut turns, 0, 9);
        assert!(!turns.is_over(), "a response may bring 100 bytes, 90 were read");
        read(&mut turns, 0, 1);
        assert_eq!(next(&mut turns), Some(1));
        read(&mut turns, 0, 1_000);
        assert!(!turns.is_over(), "nothing has come yet");
        turns.came(1_500);
        read(&mut turns, 0, 499);
        assert!(!turns.is_over(), "1,500 came, 1,499 were read");
        read(&mut turns, 0, 1);
        assert!(turns.is_over());
    }

    #[test]
    fn who_always_gives_is_never_set_apart() {
        let mut turns = Turns::new(PARTITION_BYTES);
        for _ in 0..3 {
            (0..4).for_each(|partition| read(&mut turns, partition, 10));
            assert_eq!(next(&mut turns), None);
        }
    }
}
