//! Batches in flight: handed to the producer, waiting for the delivery report of each record.

use super::outbox::{Form, Outbox};
use super::poison::Place;
use crate::batch::Batch;
use crate::kafka::SendError;
use crate::telemetry::metrics::Settlement;
use std::time::Instant;

/// A batch between its dispatch and its settlement.
pub(super) struct InFlight {
    pub(super) batch: Box<Batch>,
    /// The next row to hand to the producer.
    pub(super) next_row: usize,
    /// Rows handed over whose fate is open.
    pub(super) pending: usize,
    /// What its rows were sent as.
    pub(super) settlement: Settlement,
    /// Its turn came and every row is handed over. A batch without rows waits for its turn too: spans settle in their order.
    pub(super) is_handed_over: bool,
    /// At least one row will not be delivered: the batch must not be committed.
    pub(super) is_lost: bool,
}

impl InFlight {
    /// Hands the next row to the producer: `attempts` is how often it was judged or sent, this time included.
    pub(super) fn send(
        &mut self,
        outbox: &mut Outbox,
        slot: usize,
        attempts: u32,
        form: Form,
    ) -> Result<(), SendError> {
        let sent = outbox.send(&mut self.batch, slot, self.next_row, attempts, form)?;
        sent.enter(&mut self.settlement);
        self.next_row += 1;
        self.pending += 1;
        Ok(())
    }

    /// Every row is with the producer.
    pub(super) fn hand_over(&mut self) {
        self.is_handed_over = true;
        self.batch.times.produced = Instant::now();
    }

    /// Where a row was read.
    pub(super) fn place(&self, row: usize) -> Place {
        (self.batch.records.partition(row), self.batch.records.offset(row))
    }
}

/// All batches in flight, by the place that delivery reports name.
pub(super) struct Deliveries {
    slots: Vec<Option<InFlight>>,
    batches_per_source: usize,
}

/// Names a row on its delivery report: the batch's place in the upper half, the row in the lower.
pub(super) fn tag(slot: usize, row: usize) -> usize {
    const { assert!(usize::BITS == 64, "a tag needs 64 bits") };
    slot << 32 | row
}

/// The place and the row of a tag.
pub(super) fn untag(tag: usize) -> (usize, usize) {
    (tag >> 32, tag & 0xffff_ffff)
}

impl Deliveries {
    pub(super) fn new(sources: usize, batches_per_source: usize) -> Self {
        let slots = (0..sources * batches_per_source).map(|_| None).collect();
        Self { slots, batches_per_source }
    }

    /// Takes a batch in and answers with its place.
    pub(super) fn insert(&mut self, batch: Box<Batch>) -> usize {
        let slot = batch.source * self.batches_per_source + batch.slot;
        let in_flight = InFlight {
            batch,
            next_row: 0,
            pending: 0,
            settlement: Settlement::default(),
            is_handed_over: false,
            is_lost: false,
        };
        assert!(self.slots[slot].replace(in_flight).is_none(), "a batch is in flight once");
        slot
    }

    /// The batch at a place.
    ///
    /// # Panics
    /// If there is none: a report came for a batch that is home.
    pub(super) fn get(&mut self, slot: usize) -> &mut InFlight {
        self.slots[slot].as_mut().expect("reports come for batches in flight")
    }

    /// Takes a batch out.
    pub(super) fn remove(&mut self, slot: usize) -> InFlight {
        self.slots[slot].take().expect("a batch that is settled was in flight")
    }

    /// The places of batches whose fate is decided: every row is handed over and reported, or the batch is lost and nothing of
    /// it is under way.
    pub(super) fn decided(&self, decided: &mut Vec<usize>) {
        decided.clear();
        for (slot, in_flight) in self.slots.iter().enumerate() {
            if in_flight
                .as_ref()
                .is_some_and(|batch| batch.pending == 0 && (batch.is_handed_over || batch.is_lost))
            {
                decided.push(slot);
            }
        }
    }

    /// Marks every batch in flight as one that is not committed.
    pub(super) fn lose_what_is_left(&mut self) {
        for in_flight in self.slots.iter_mut().flatten() {
            in_flight.is_lost |= !in_flight.is_handed_over;
        }
    }

    /// Nothing of what is in flight will be committed, and no report of it will come.
    pub(super) fn give_up(&mut self) {
        for in_flight in self.slots.iter_mut().flatten() {
            in_flight.is_lost = true;
            in_flight.pending = 0;
        }
    }

    /// Rows handed over whose fate is open.
    pub(super) fn pending(&self) -> usize {
        self.slots.iter().flatten().map(|in_flight| in_flight.pending).sum()
    }

    /// Whether a batch is handed over, or in part.
    pub(super) fn is_under_way(&self) -> bool {
        self.slots.iter().flatten().any(|in_flight| in_flight.is_handed_over || in_flight.next_row > 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }
}

/// The batch's time stamps in runs.
pub(super) fn end_to_end(batch: &Batch, runs: &mut Vec<(i64, u64)>) {
    runs.clear();
    for row in 0..batch.records.len() {
        let timestamp_ms = batch.records.timestamp_ms(row);
        match runs.last_mut() {
            Some((last, count)) if *last == timestamp_ms => *count += 1,
            _ => runs.push((timestamp_ms, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_place_and_row() {
        for (slot, row) in [(0, 0), (7, 4095), (1 << 20, u32::MAX as usize)] {
            assert_eq!(untag(tag(slot, row)), (slot, row));
        }
    }
}
