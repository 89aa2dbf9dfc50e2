//! The ledger of one source: which spans were dispatched, which are settled, and how far the settled prefix reaches.

use super::{CommitToken, Committable, Epoch, Span};
use crate::faults::{self, Fault};
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};

/// Spans in the order of their dispatch, a lane for each partition.
#[derive(Debug, Default)]
pub struct Ledger {
    lanes: HashMap<i32, Lane>,
}

#[derive(Debug)]
struct Lane {
    epoch: Epoch,
    spans: VecDeque<Entry>,
}

#[derive(Debug)]
struct Entry {
    sequence: u64,
    next: i64,
    timestamp_ms: i64,
    settled: bool,
}

impl Ledger {
    /// Enters the spans of a batch that goes to the producer now. Batches of a source are entered in their order.
    ///
    /// # Panics
    /// If a span lies before one of the same epoch that was entered earlier: the source's order is broken.
    pub fn dispatch(&mut self, sequence: u64, spans: &[Span]) {
        for span in spans {
            let lane = self
                .lanes
                .entry(span.partition)
                .or_insert_with(|| Lane { epoch: span.epoch, spans: VecDeque::new() });
            if span.epoch > lane.epoch {
                // The partition left and came back: what is still under way of the old assignment is fenced anyway.
                lane.epoch = span.epoch;
                lane.spans.clear();
            }
            if span.epoch < lane.epoch {
                continue;
            }
            if let Some(last) = lane.spans.back() {
                assert!(last.sequence < sequence, "batches of a source are dispatched in their order");
                assert!(last.next <= span.first, "spans of a partition are dispatched in their order");
            }
            lane.spans.push_back(Entry {
                sequence,
                next: span.next,
                timestamp_ms: span.timestamp_ms,
                settled: false,
            });
        }
    }

    /// Spends the token of a batch whose last record is settled, and answers with the partitions whose settled prefix grew.
    pub fn settle(&mut self, token: CommitToken) -> SmallVec<[Committable; 8]> {
        let (sequence, spans) = token.settle();
        let mut grown = SmallVec::new();
        for span in &spans {
            let Some(lane) = self.lanes.get_mut(&span.partition).filter(|lane| lane.epoch == span.epoch)
            else {
                continue;
            };
            let Ok(at) = lane.spans.binary_search_by_key(&sequence, |entry| entry.sequence) else {
                continue;
            };
            lane.spans[at].settled = true;
            if faults::breaks(Fault::CommitHighest) {
                lane.spans.range_mut(..at).for_each(|entry| entry.settled = true);
            }
            let mut reached = None;
            while lane.spans.front().is_some_and(|entry| entry.settled) {
                reached = lane.spans.pop_front();
            }
            if let Some(entry) = reached {
                grown.push(Committable {
                    partition: span.partition,
                    epoch: span.epoch,
                    next: entry.next,
                    timestamp_ms: entry.timestamp_ms,
                });
            }
        }
        grown
    }

    /// Spans that are dispatched but not yet part of a settled prefix.
    pub fn open_spans(&self) -> usize {
        self.lanes.values().map(|lane| lane.spans.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Spans;
    use super::*;

    fn span(partition: i32, epoch: u64, first: i64, next: i64) -> Span {
        Span { partition, epoch: Epoch(epoch), first, next, timestamp_ms: next }
    }

    fn dispatch(ledger: &mut Ledger, sequence: u64, spans: &[Span]) -> CommitToken {
        let token = CommitToken::seal(sequence, Spans::from_slice(spans));
        ledger.dispatch(sequence, token.spans());
        token
    }

    #[test]
    fn only_the_contiguous_prefix_is_committable() {
        let mut ledger = Ledger::default();
        let first = dispatch(&mut ledger, 0, &[span(0, 1, 0, 10)]);
        let second = dispatch(&mut ledger, 1, &[span(0, 1, 10, 25)]);
        let third = dispatch(&mut ledger, 2, &[span(0, 1, 30, 40)]);
        assert!(ledger.settle(second).is_empty(), "the first is still under way");
        assert_eq!(ledger.settle(first)[0].next, 25);
        assert_eq!(ledger.settle(third)[0].next, 40, "a hole in the offsets does not matter");
        assert_eq!(ledger.open_spans(), 0);
    }

    #[test]
    fn partitions_do_not_wait_for_each_other() {
        let mut ledger = Ledger::default();
        let first = dispatch(&mut ledger, 0, &[span(0, 1, 0, 10)]);
        let second = dispatch(&mut ledger, 1, &[span(1, 2, 0, 5)]);
        let grown = ledger.settle(second);
        assert_eq!((grown.len(), grown[0].partition, grown[0].next), (1, 1, 5));
        first.abandon();
    }

    #[test]
    fn a_new_epoch_forgets_the_old_one() {
        let mut ledger = Ledger::default();
        let old = dispatch(&mut ledger, 0, &[span(0, 1, 0, 10)]);
        let new = dispatch(&mut ledger, 1, &[span(0, 2, 0, 5)]);
        assert!(ledger.settle(old).is_empty(), "a late settlement of an old assignment commits nothing");
        assert_eq!(ledger.settle(new)[0].next, 5);
    }
}
