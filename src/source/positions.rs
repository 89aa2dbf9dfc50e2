//! Where the reading stands in each partition of a source, and the spans of the batch that is being sealed.

use crate::kafka::{Notice, Records};
use crate::progress::{Epoch, Span, Spans};
use std::collections::BTreeMap;

/// The partitions that a source owns.
#[derive(Debug, Default)]
pub(super) struct Positions {
    partitions: BTreeMap<i32, Position>,
}

/// One partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    /// The assignment under which it is read.
    pub(super) epoch: Epoch,
    /// Where the reading began.
    pub(super) start: i64,
    /// The next offset to read.
    pub(super) next: i64,
    /// Where the reading ends, if it does.
    pub(super) end: Option<i64>,
}

/// What a batch of records amounts to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) spans: Spans,
    /// What the records pin.
    pub(super) held_bytes: usize,
    /// Keys and values.
    pub(super) payload_bytes: usize,
}

impl Position {
    /// Moves over a record, if it is ours to read: not below the position, nor at or behind the end.
    fn pass(&mut self, offset: i64) -> bool {
        if let Some(end) = self.end.filter(|end| offset >= *end) {
            // What lies before the end and has not come by now is no record, but a marker, say. The client may never find itself at an
            // end where transactions go on.
            self.next = self.next.max(end);
            return false;
        }
        let is_ours = offset >= self.next;
        if is_ours {
            self.next = offset + 1;
        }
        is_ours
    }
}

impl Positions {
    pub(super) fn insert(&mut self, partition: i32, position: Position) {
        self.partitions.insert(partition, position);
    }

    pub(super) fn remove(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    pub(super) fn get(&self, partition: i32) -> Option<&Position> {
        self.partitions.get(&partition)
    }

    pub(super) fn partitions(&self) -> Vec<i32> {
        self.partitions.keys().copied().collect()
    }

    /// Each partition and its next offset.
    pub(super) fn places(&self) -> impl Iterator<Item = (i32, i64)> {
        self.partitions.iter().map(|(&partition, position)| (partition, position.next))
    }

    /// The same of those that are not at their end.
    pub(super) fn open_places(&self) -> impl Iterator<Item = (i32, i64)> {
        let is_open = |position: &Position| position.end.is_none_or(|end| position.next < end);
        let open = self.partitions.iter().filter(move |(_, position)| is_open(position));
        open.map(|(&partition, position)| (partition, position.next))
    }

    /// Partitions are to be read from these offsets again.
    pub(super) fn go_back(&mut self, places: &[(i32, i64)]) {
        for (partition, offset) in places {
            if let Some(position) = self.partitions.get_mut(partition) {
                position.next = *offset;
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Whether every partition has reached its end.
    pub(super) fn at_end(&self) -> bool {
        self.partitions.values().all(|position| position.end.is_some_and(|end| position.next >= end))
    }

    /// The partitions whose reading began behind the end that is to be reached, and where.
    pub(super) fn starts_behind_end(&self) -> impl Iterator<Item = (i32, i64)> {
        let began = self.partitions.iter().filter(|(_, it)| it.end.is_some_and(|end| it.start > end));
        began.map(|(&partition, position)| (partition, position.start))
    }

    /// Moves the positions over the records, and answers with their spans and sizes. Records that are not ours to read are
    /// given back: of a partition that is not assigned, below the position, or at and behind the end.
    pub(super) fn advance(&mut self, records: &mut Records, record_overhead: usize) -> Tally {
        let mut tally = Tally::default();
        // Records come in runs of a partition: the look-ups are once a run.
        let mut run: Option<(i32, usize, Position)> = None;
        let Positions { partitions } = self;
        records.retain_sized(|record| {
            if run.is_none_or(|(partition, _, _)| partition != record.partition) {
                if let Some((partition, _, position)) = run.take() {
                    partitions.insert(partition, position);
                }
                let Some(position) = partitions.get(&record.partition) else { return false };
                let at = span_of(&mut tally.spans, record.partition, position);
                run = Some((record.partition, at, *position));
            }
            let Some((_, at, position)) = &mut run else { return false };
            let is_ours = position.pass(record.offset);
            tally.spans[*at].next = position.next;
            if !is_ours {
                return false;
            }
            tally.payload_bytes += record.payload_bytes;
            tally.held_bytes += record.payload_bytes + record.header_bytes + record_overhead;
            true
        });
        if let Some((partition, _, position)) = run {
            partitions.insert(partition, position);
        }
        tally.spans.retain(|span| span.first < span.next);
        self.stamp(records, &mut tally.spans);
        tally
    }

    /// Moves a position over an end of partition: markers, aborted or compacted records lie before it.
    pub(super) fn reach(&mut self, notice: &Notice, spans: &mut Spans) {
        let Notice::EndOfPartition { partition, offset } = notice else { return };
        let Some(position) = self.partitions.get_mut(partition) else { return };
        let offset = position.end.map_or(*offset, |end| (*offset).min(end));
        if offset <= position.next {
            return;
        }
        let at = span_of(spans, *partition, position);
        spans[at].next = offset;
        position.next = offset;
    }

    /// The newest time stamp of each span: of its last record, found from the batch's end.
    fn stamp(&self, records: &Records, spans: &mut Spans) {
        let mut missing = spans.len();
        for row in (0..records.len()).rev() {
            if missing == 0 {
                break;
            }
            let partition = records.partition(row);
            if let Some(span) =
                spans.iter_mut().find(|span| span.partition == partition && span.timestamp_ms < 0)
            {
                span.timestamp_ms = records.timestamp_ms(row).max(0);
                missing -= 1;
            }
        }
    }
}

fn span_of(spans: &mut Spans, partition: i32, position: &Position) -> usize {
    if let Some(at) = spans.iter().position(|span| span.partition == partition) {
        return at;
    }
    spans.push(Span {
        partition,
        epoch: position.epoch,
        first: position.next,
        next: position.next,
        timestamp_ms: -1,
    });
    spans.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(next: i64, end: Option<i64>) -> Position {
        Position { epoch: Epoch(1), start: next, next, end }
    }

    #[test]
    fn records_come_once_and_in_order() {
        let mut position = position(5, None);
        assert!(!position.pass(4) && position.pass(5) && !position.pass(5) && position.pass(9));
        assert_eq!(position.next, 10);
    }

    #[test]
    fn what_lies_behind_the_end_proves_that_it_is_reached() {
        let mut position = position(5, Some(8));
        assert!(position.pass(5));
        // 6 and 7 are markers.
        assert!(!position.pass(9));
        assert_eq!(position.next, 8);
        assert!(!position.pass(7) && !position.pass(10));
        assert_eq!(position.next, 8);
    }
}
