//! From a row of a batch to a record on its way: where it goes, with which headers, and whether it fits.

use super::dead_letter::{Dresser, Origin, stub_key};
use super::delivery::tag;
use super::wire;
use crate::batch::{Batch, Outcome};
use crate::kafka::{Headers, HeadersRef, Outgoing, Producer, SendError};
use crate::rejection::{Reason, Rejection};
use crate::telemetry::metrics::Settlement;

/// The producer's topics, by their place in it.
pub(super) const OUTPUT: usize = 0;
/// See [`OUTPUT`].
pub(super) const DEAD_LETTER: usize = 1;

/// What must be known of a topic that is written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) partitions: i32,
    pub(super) message_bytes_max: usize,
}

/// The producer and what a record needs on its way to it.
pub(super) struct Outbox {
    pub(super) producer: Producer,
    pub(super) dresser: Dresser,
    /// By [`OUTPUT`] and [`DEAD_LETTER`].
    pub(super) targets: [Target; 2],
}

/// In which form a dead letter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it came.
    Whole,
    /// As it came, but for its time stamp, which the broker refused: that is the present.
    Now,
    /// Without its value and its own headers, at the present time: nothing of the original is left that could be refused.
    Stub,
}

/// How a row was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Output { bytes: u64 },
    Passed { bytes: u64 },
    DeadLetter { reason: Reason, bytes: u64, truncated: bool },
}

impl Sent {
    /// Enters the row into the batch's account.
    pub(super) fn enter(self, settlement: &mut Settlement) {
        match self {
            Sent::Output { bytes } => {
                settlement.output += 1;
                settlement.output_bytes += bytes;
            }
            Sent::Passed { bytes } => {
                settlement.passed += 1;
                settlement.output_bytes += bytes;
            }
            Sent::DeadLetter { reason, bytes, truncated } => {
                settlement.dead_letters[reason.index()] += 1;
                settlement.dead_letter_bytes += bytes;
                settlement.truncated += u64::from(truncated);
            }
        }
    }

    /// Takes the row out of the account: it will be sent as something else.
    pub(super) fn withdraw(self, settlement: &mut Settlement) {
        match self {
            Sent::Output { bytes } => {
                settlement.output -= 1;
                settlement.output_bytes -= bytes;
            }
            Sent::Passed { bytes } => {
                settlement.passed -= 1;
                settlement.output_bytes -= bytes;
            }
            Sent::DeadLetter { reason, bytes, truncated } => {
                settlement.dead_letters[reason.index()] -= 1;
                settlement.dead_letter_bytes -= bytes;
                settlement.truncated -= u64::from(truncated);
            }
        }
    }
}

/// The time stamp that the client replaces by the present.
const NOW: i64 = 0;

/// Records smaller than this less than the topic's bound fit for certain, if they have no headers: no sum is needed.
const FRAME_BYTES_MAX: usize = 128;

impl Outbox {
    /// Sends a row as its outcome says. An output too large for its topic becomes a dead letter; a dead letter too large for
    /// its topic goes as a stub, whatever its `form`. `attempts`: how often it was judged or sent, this time included.
    pub(super) fn send(
        &mut self,
        batch: &mut Batch,
        slot: usize,
        row: usize,
        attempts: u32,
        form: Form,
    ) -> Result<Sent, SendError> {
        if !matches!(batch.outcomes[row], Outcome::DeadLetter(_)) {
            match self.send_output(batch, slot, row) {
                Err(SendError::TooLarge) => {
                    let rejection = Rejection::of_event(
                        Reason::DeliveryFailed,
                        "the output is larger than its topic's max.message.bytes",
                    );
                    batch.outcomes[row] = Outcome::DeadLetter(rejection);
                }
                sent => return sent,
            }
        }
        self.send_dead_letter(batch, slot, row, attempts, form)
    }

    fn send_output(&mut self, batch: &mut Batch, slot: usize, row: usize) -> Result<Sent, SendError> {
        let headers = batch.records.headers(row).map(|own| self.passing_headers(own));
        let value = match batch.outcomes[row] {
            Outcome::Output { chunk, start, length } => Some(batch.output(chunk, start, length)),
            _ => None,
        };
        let key = batch.records.key(row);
        let target = self.targets[OUTPUT];
        let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
        let fits = headers.is_none() && bytes + FRAME_BYTES_MAX <= target.message_bytes_max;
        if !fits {
            let size = wire::batch_of_one(key, value, headers.as_ref().map(Headers::as_ref));
            if size > target.message_bytes_max {
                return Err(SendError::TooLarge);
            }
        }
        let record = Outgoing {
            topic: OUTPUT,
            // Without a key the input's order is kept by keeping its partition.
            partition: key.is_none().then(|| batch.records.partition(row) % target.partitions),
            key,
            value,
            timestamp_ms: batch.records.timestamp_ms(row),
            opaque: tag(slot, row),
        };
        self.producer.send(&record, headers)?;
        let bytes = bytes as u64;
        Ok(if value.is_some() { Sent::Output { bytes } } else { Sent::Passed { bytes } })
    }

    fn send_dead_letter(
        &mut self,
        batch: &mut Batch,
        slot: usize,
        row: usize,
        attempts: u32,
        form: Form,
    ) -> Result<Sent, SendError> {
        let Batch { records, outcomes, .. } = batch;
        let Outcome::DeadLetter(rejection) = &outcomes[row] else { unreachable!("the caller looked") };
        let origin = Origin {
            partition: records.partition(row),
            offset: records.offset(row),
            timestamp_ms: records.timestamp_ms(row),
        };
        let mut headers = self.dresser.headers(records.headers(row), origin, rejection, attempts);
        let target = self.targets[DEAD_LETTER];
        let (mut key, original) = (records.key(row), records.value(row));
        let mut value = self.dresser.value(original, origin, rejection);
        let truncated = form == Form::Stub
            || wire::batch_of_one(key, value, Some(headers.as_ref())) > target.message_bytes_max;
        if truncated {
            // The record's own headers may be what is too large: a stub has ours alone.
            headers = self.dresser.headers(None, origin, rejection, attempts);
            self.dresser.mark_stub(&mut headers, original);
            (key, value) = (stub_key(key), None);
        }
        let bytes = (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
        let record = Outgoing {
            topic: DEAD_LETTER,
            partition: Some(origin.partition % target.partitions),
            key,
            value,
            timestamp_ms: if truncated || form == Form::Now { NOW } else { origin.timestamp_ms },
            opaque: tag(slot, row),
        };
        self.producer.send(&record, Some(headers))?;
        Ok(Sent::DeadLetter { reason: rejection.reason, bytes, truncated })
    }

    /// The headers of an event that passes: its own, but for those that an earlier dead letter put there.
    fn passing_headers(&self, own: HeadersRef<'_>) -> Headers {
        if !own.iter().any(|(name, _)| self.dresser.is_ours(name)) {
            return own.to_owned();
        }
        let mut headers = Headers::with_capacity(8);
        for (name, value) in own.iter().filter(|(name, _)| !self.dresser.is_ours(name)) {
            headers.add(name, value);
        }
        headers
    }
}
