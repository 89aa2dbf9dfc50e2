//! Whose turn it is while more comes than is read: partitions that have records to read and gave none in the last turn are set apart,
//! those first that wait longest. Why they would stand still otherwise: [`GroupConsumer::set_apart`].
//!
//! What a turn brings comes on top of the limits of the client's queue. So the next turn begins when as many records have been read as
//! the last one brought, and as many bytes as it can have brought: the queue does not grow.
//!
//! [`GroupConsumer::set_apart`]: crate::kafka::GroupConsumer::set_apart

use super::lifecycle::Source;
use crate::progress::Span;
use std::collections::BTreeMap;

/// Set apart at once. A response is full after a few: each may give a quarter of it.
const AT_ONCE: usize = 4;

/// The turns of one source.
#[derive(Debug)]
pub(super) struct Turns {
    /// What a turn brings at most, as it is sent.
    bytes_max: usize,
    /// Read since the turn began.
    records: u64,
    bytes: usize,
    /// Still set apart.
    apart: usize,
    /// What came of those that were.
    came: u64,
    /// Records read in all.
    total: u64,
    /// How many records had been read when a partition gave something last, or was set apart.
    served: BTreeMap<i32, u64>,
}

impl Turns {
    /// For a client that takes so many bytes at most of one partition in one response.
    pub(super) fn new(partition_bytes_max: usize) -> Self {
        Self {
            bytes_max: AT_ONCE * partition_bytes_max,
            records: 0,
            bytes: 0,
            apart: 0,
            came: 0,
            total: 0,
            served: BTreeMap::new(),
        }
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

    /// What came of partitions that were set apart, and how many still are.
    fn put_back(&mut self, came: usize, apart: usize) {
        self.came += came as u64;
        self.apart = apart;
    }

    fn is_over(&self) -> bool {
        self.apart == 0 && self.records >= self.came && self.bytes >= self.bytes_max
    }

    /// Begins a turn: who is to be set apart, of these partitions that have more to read.
    fn next(&mut self, behind: impl Iterator<Item = i32>) -> Vec<i32> {
        let began = self.total - self.records;
        let served = |partition| self.served.get(&partition).copied().unwrap_or(0);
        let mut waiting: Vec<(u64, i32)> = behind
            .map(|partition| (served(partition), partition))
            .filter(|(served, _)| *served <= began)
            .collect();
        waiting.sort_unstable();
        waiting.truncate(AT_ONCE);
        (self.records, self.bytes, self.came, self.apart) = (0, 0, 0, waiting.len());
        let next: Vec<i32> = waiting.into_iter().map(|(_, partition)| partition).collect();
        self.served.extend(next.iter().map(|partition| (*partition, self.total)));
        next
    }
}

impl Source {
    /// Puts back who has had a turn, and gives the next ones theirs when it is time.
    pub(super) fn take_turns(&mut self) {
        let (came, apart) = self.consumer.put_back();
        self.turns.put_back(came, apart);
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
        if !next.is_empty() {
            tracing::debug!(source = self.number, partitions = ?next, "fetched out of turn");
            self.consumer.set_apart(&next);
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

    fn next(turns: &mut Turns) -> Vec<i32> {
        assert!(turns.is_over());
        turns.next(0..8)
    }

    #[test]
    fn those_that_gave_nothing_come_next_and_who_waits_longest_first() {
        let mut turns = Turns::new(PARTITION_BYTES);
        read(&mut turns, 0, 20);
        read(&mut turns, 1, 20);
        assert_eq!(next(&mut turns), [2, 3, 4, 5]);
        turns.put_back(40, 0);
        read(&mut turns, 0, 40);
        assert_eq!(next(&mut turns), [6, 7, 1, 2], "0 gave, 3 to 5 were set apart after 2");
    }

    #[test]
    fn a_turn_lasts_until_what_it_brought_is_made_up_for() {
        let mut turns = Turns::new(PARTITION_BYTES);
        read(&mut turns, 0, 39);
        assert!(!turns.is_over(), "four responses may bring 400 bytes, 390 were read");
        read(&mut turns, 0, 1);
        next(&mut turns);
        read(&mut turns, 0, 1_000);
        assert!(!turns.is_over(), "nothing has come yet");
        turns.put_back(2_000, 1);
        assert!(!turns.is_over(), "one has not come yet");
        turns.put_back(500, 0);
        read(&mut turns, 0, 1_499);
        assert!(!turns.is_over(), "2,500 came, 2,499 were read");
        read(&mut turns, 0, 1);
        assert!(turns.is_over());
    }

    #[test]
    fn who_always_gives_is_never_set_apart() {
        let mut turns = Turns::new(PARTITION_BYTES);
        for _ in 0..3 {
            (0..8).for_each(|partition| read(&mut turns, partition, 10));
            assert_eq!(next(&mut turns), [0; 0]);
        }
    }
}
