//! What a transaction holds: nothing of it counts as settled before the transaction is committed.

use crate::dlq_guard::DlqGuard;
use crate::progress::{Committable, Epoch, Span};
use crate::telemetry::metrics::{BatchTimes, Metrics, Settlement};
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

/// The accounts of the batches in a transaction.
pub(super) struct Contents {
    /// For each source, how far each partition's records reach, by the assignment under which they were read: where a partition was
    /// lost and came back, its old records are in here a second time, and the older entry is what keeps them from being committed.
    reached: Vec<BTreeMap<(i32, Epoch), Committable>>,
    batches: Vec<(Settlement, BatchTimes)>,
    timestamps: Vec<(i64, u64)>,
}

impl Contents {
    pub(super) fn new(sources: usize) -> Self {
        Self { reached: vec![BTreeMap::new(); sources], batches: Vec::new(), timestamps: Vec::new() }
    }

    /// Every record of a batch was reported. `timestamps`: its input time stamps in runs.
    pub(super) fn add(
        &mut self,
        source: usize,
        spans: &[Span],
        account: (Settlement, BatchTimes),
        timestamps: &[(i64, u64)],
    ) {
        for &Span { partition, epoch, next, timestamp_ms, .. } in spans {
            // Batches that are decided at once come in any order.
            let reached = Committable { partition, epoch, next, timestamp_ms };
            let furthest = self.reached[source].entry((partition, epoch)).or_insert(reached);
            if next > furthest.next {
                *furthest = reached;
            }
        }
        self.batches.push(account);
        self.timestamps.extend_from_slice(timestamps);
    }

    /// How far the records of a source reach.
    pub(super) fn reached(&self, source: usize) -> Vec<Committable> {
        self.reached[source].values().copied().collect()
    }

    /// How far the records reach, of all sources.
    pub(super) fn all_reached(&self) -> impl Iterator<Item = &Committable> {
        self.reached.iter().flat_map(BTreeMap::values)
    }

    /// It is committed: its records are settled.
    pub(super) fn settle(&mut self, metrics: &Metrics, dlq_guard: &DlqGuard) {
        let now = Instant::now();
        for (settlement, times) in self.batches.drain(..) {
            metrics.batch_settled(&settlement, &BatchTimes { settled: now, ..times });
            dlq_guard.settled(&settlement);
        }
        metrics.end_to_end_batch(&self.timestamps, SystemTime::now());
        self.timestamps.clear();
        for reached in self.reached.iter_mut().flat_map(|source| std::mem::take(source).into_values()) {
            metrics.settled_position(reached.partition, reached.next, reached.timestamp_ms);
        }
    }

    /// It is rolled back: its records will be read again.
    pub(super) fn abandon(&mut self, metrics: &Metrics) {
        for (settlement, _) in self.batches.drain(..) {
            metrics.batch_abandoned(settlement.records());
        }
        self.timestamps.clear();
        self.reached.iter_mut().for_each(BTreeMap::clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Board;
    use crate::telemetry::health::Health;
    use std::time::Duration;

    fn times() -> BatchTimes {
        let now = Instant::now();
        BatchTimes { read: now, transform_started: now, transform_ended: now, produced: now, settled: now }
    }

    fn span(partition: i32, first: i64, next: i64) -> Span {
        Span { partition, epoch: Epoch(1), first, next, timestamp_ms: next }
    }

    #[test]
    fn nothing_is_settled_before_its_transaction_is_committed() {
        let metrics = Metrics::new();
        let mut contents = Contents::new(2);
        let add = |contents: &mut Contents, source, span: Span| {
            let records = (span.next - span.first) as u64;
            metrics.batch_sealed(records, 0);
            let settlement = Settlement { output: records, ..Settlement::default() };
            contents.add(source, &[span], (settlement, times()), &[(1, records)]);
        };
        add(&mut contents, 0, span(3, 10, 15));
        add(&mut contents, 0, span(3, 0, 10));
        add(&mut contents, 1, span(4, 7, 9));
        let next = |contents: &Contents, source| contents.reached(source).first().map(|reached| reached.next);
        assert_eq!((next(&contents, 0), next(&contents, 1)), (Some(15), Some(9)));
        assert_eq!(metrics.accounting().in_flight(), 17);
        contents.abandon(&metrics);
        assert_eq!((next(&contents, 0), metrics.accounting().abandoned), (None, 17));
        add(&mut contents, 0, span(3, 0, 10));
        let health = Health::new(0, &[], Duration::from_secs(1));
        contents.settle(&metrics, &DlqGuard::new(None, None, (metrics.clone(), health)));
        let accounting = metrics.accounting();
        assert_eq!((accounting.settled.output, accounting.in_flight()), (10, 0));
        contents.abandon(&metrics);
        assert_eq!(metrics.accounting().abandoned, 17, "what is committed stays so");
    }

    #[test]
    fn what_was_read_before_a_partition_was_lost_is_not_forgotten() {
        let (metrics, board) = (Metrics::new(), Board::default());
        let mut contents = Contents::new(1);
        let add = |contents: &mut Contents, epoch| {
            let settlement = Settlement { output: 10, ..Settlement::default() };
            let span = Span { epoch, ..span(3, 0, 10) };
            contents.add(0, &[span], (settlement, times()), &[]);
            let reached = Committable { partition: 3, epoch, next: 10, timestamp_ms: 10 };
            assert_eq!(board.record(&[reached]), 0, "it is ours when it is settled");
            metrics.batch_sealed(10, 0);
        };
        let old = board.assign(3, Some(0), 0);
        add(&mut contents, old);
        board.release(3);
        let new = board.assign(3, Some(0), 0);
        add(&mut contents, new);
        assert_eq!(contents.reached(0).len(), 2);
        assert_eq!(board.commit_together(&contents.reached(0)), None, "the same records are in it twice");
        contents.abandon(&metrics);
        assert!(contents.reached(0).is_empty());
    }
}
