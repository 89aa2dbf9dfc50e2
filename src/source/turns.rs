//! Whose turn it is while more comes than is read: of the partitions that have records to read and gave none in the last turn, the
//! one that waits longest is set apart. Why it would stand still otherwise: [`GroupConsumer::set_apart`].
//!
//! What a turn brings comes on top of what the client's queue may hold. So a turn begins only when the queue holds at most one and a
//! half times that, and when as many bytes have been read as the last one may have brought: the queue does not grow.
//!
//! [`GroupConsumer::set_apart`]: crate::kafka::GroupConsumer::set_apart

use super::lifecycle::Source;
use crate::progress::Span;
use std::collections::BTreeMap;

/// The turns of one source.
#[derive(Debug)]
pub(super) struct Turns {
    /// With so many records or bytes the client's queue is full.
    full: (usize, usize),
    /// What a turn brings at most, as it is sent: a response, and one that was asked for before the first was seen.
    brings_bytes: usize,
    /// Read since the turn began.
    records: u64,
    bytes: usize,
    /// Of the latest records, on average.
    record_bytes: usize,
    /// Records read in all.
    total: u64,
    /// How many records had been read when a partition gave something last, or was set apart.
    served: BTreeMap<i32, u64>,
}

impl Turns {
    /// For a client whose queue is full with so many records or bytes, and that takes so many bytes at most of one partition in one
    /// response.
    pub(super) fn new(full: (usize, usize), partition_bytes_max: usize) -> Self {
        let brings_bytes = 2 * partition_bytes_max;
        Self { full, brings_bytes, records: 0, bytes: 0, record_bytes: 1, total: 0, served: BTreeMap::new() }
    }

    /// Records were read; `bytes`: keys and values.
    pub(super) fn read(&mut self, spans: &[Span], records: usize, bytes: usize) {
        self.records += records as u64;
        self.total += records as u64;
        self.bytes += bytes;
        if let Some(average) = bytes.checked_div(records) {
            self.record_bytes = ((3 * self.record_bytes + average) / 4).max(1);
        }
        for span in spans {
            self.served.insert(span.partition, self.total);
        }
    }

    /// A partition is no longer ours.
    pub(super) fn give_up(&mut self, partition: i32) {
        self.served.remove(&partition);
    }

    /// Records with which the queue is full.
    fn full(&self) -> usize {
        let (records, bytes) = self.full;
        records.min(bytes / self.record_bytes)
    }

    /// Whether it is time for the next, with so many records in the client's queue.
    fn is_over(&self, queued: usize) -> bool {
        self.bytes >= self.brings_bytes && queued <= self.full() + self.full() / 2
    }

    /// Begins a turn: who is to be set apart, of these partitions and what each has left to read. It should be more than may lie in the
    /// queue already and than a turn brings: a fetch that finds nothing keeps all others waiting. With less left, a partition has its
    /// turn when a whole queue has passed without it.
    fn next(&mut self, behind: impl Iterator<Item = (i32, u64)>, queued: usize) -> Option<i32> {
        let began = self.total - self.records;
        let (there, passed) = ((queued + self.full()) as u64, 2 * queued.max(self.full()) as u64);
        let next = behind
            .map(|(partition, left)| (self.served.get(&partition).copied().unwrap_or(0), partition, left))
            .filter(|(served, _, _)| *served <= began)
            .filter(|(served, _, left)| *left > there || self.total - served > passed)
            .min();
        let next = next.map(|(_, partition, _)| partition);
        (self.records, self.bytes) = (0, 0);
        self.served.extend(next.map(|partition| (partition, self.total)));
        next
    }
}

impl Source {
    /// Puts back who has had a turn, and gives the next one its turn when it is time.
    pub(super) fn take_turns(&mut self) {
        if !self.consumer.put_back() {
            return;
        }
        let queued = self.consumer.queued();
        if !self.turns.is_over(queued) {
            return;
        }
        let ends = self.ends.input_ends.all();
        let behind = self.positions.open_places().filter(|(partition, _)| !self.paused.contains(partition));
        let left = |(partition, next)| {
            let (end, _) = ends.get(&partition)?;
            Some((partition, u64::try_from(end - next).ok().filter(|left| *left > 0)?))
        };
        let next = self.turns.next(behind.filter_map(left), queued);
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

    const FULL: (usize, usize) = (1_000, 100_000);
    const PARTITION_BYTES: usize = 50;

    /// Reads `records` of a partition.
    fn read(turns: &mut Turns, partition: i32, records: usize, record_bytes: usize) {
        let board = Board::default();
        let epoch = board.assign(partition, Some(0), 0);
        let span = Span { partition, epoch, first: 0, next: records as i64, timestamp_ms: -1 };
        turns.read(&[span], records, records * record_bytes);
    }

    /// With enough left in each of four partitions.
    fn next(turns: &mut Turns) -> Option<i32> {
        turns.next((0..4).map(|partition| (partition, 5_000)), 1_000)
    }

    #[test]
    fn who_may_have_all_in_the_queue_waits_until_that_has_passed() {
        let mut turns = Turns::new(FULL, PARTITION_BYTES);
        let behind = || [(1, 1_900)].into_iter();
        assert_eq!(turns.next([(1, 1_901)].into_iter(), 900), Some(1), "there are more");
        read(&mut turns, 0, 2_000, 10);
        assert_eq!(turns.next(behind(), 900), None);
        read(&mut turns, 0, 1, 10);
        assert_eq!(turns.next(behind(), 900), Some(1));
    }

    #[test]
    fn of_those_that_gave_nothing_who_waits_longest_is_next() {
        let mut turns = Turns::new(FULL, PARTITION_BYTES);
        read(&mut turns, 0, 5, 10);
        read(&mut turns, 1, 5, 10);
        for expected in [2, 3, 1, 2] {
            assert_eq!(next(&mut turns), Some(expected), "0 gives, who was set apart waits anew");
            read(&mut turns, 0, 10, 10);
        }
    }

    #[test]
    fn who_always_gives_is_never_set_apart() {
        let mut turns = Turns::new(FULL, PARTITION_BYTES);
        for _ in 0..3 {
            (0..4).for_each(|partition| read(&mut turns, partition, 10, 10));
            assert_eq!(next(&mut turns), None);
        }
    }

    #[test]
    fn a_turn_lasts_until_what_it_may_have_brought_was_read() {
        let mut turns = Turns::new(FULL, PARTITION_BYTES);
        read(&mut turns, 0, 99, 1);
        assert!(!turns.is_over(0), "two responses may have brought 100 bytes");
        read(&mut turns, 0, 1, 1);
        assert!(turns.is_over(0));
        next(&mut turns);
        assert!(!turns.is_over(0), "the next one has begun");
    }

    #[test]
    fn a_queue_that_is_more_than_full_gets_nothing_on_top() {
        let mut turns = Turns::new(FULL, PARTITION_BYTES);
        read(&mut turns, 0, 100, 1);
        assert!(turns.is_over(1_500) && !turns.is_over(1_501), "1,000 records are full");
        // Of large records fewer: 100,000 bytes are full.
        for _ in 0..40 {
            read(&mut turns, 0, 100, 1_000);
        }
        assert!(turns.is_over(150) && !turns.is_over(156), "{}", turns.record_bytes);
    }
}
