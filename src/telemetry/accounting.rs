//! The books: what was read, and what became of it. One equation holds whenever somebody looks:
//! consumed = output + dead letters + passed + in flight + abandoned.
//!
//! In flight is never counted, it is what the other five leave over. So the equation cannot drift; what can be wrong is the
//! engine, when it ends more records than it began, and that is asserted.

use crate::rejection::Reason;

/// What became of one batch, reported when its last record is settled.
#[derive(Clone, Debug, Default)]
pub struct Settlement {
    /// Records delivered to the output topic.
    pub output: u64,
    /// Bytes of their keys and values.
    pub output_bytes: u64,
    /// Records delivered to the dead letter topic, by [`Reason::index`].
    pub dead_letters: [u64; Reason::ALL.len()],
    /// Bytes of their keys and values.
    pub dead_letter_bytes: u64,
    /// Tombstones passed on.
    pub passed: u64,
    /// Dead letters that had to be cut to a stub.
    pub truncated: u64,
}

impl Settlement {
    /// Records delivered to the dead letter topic, whatever the reason.
    pub fn dead_lettered(&self) -> u64 {
        self.dead_letters.iter().sum()
    }

    /// Every record of the batch.
    pub fn records(&self) -> u64 {
        self.output + self.passed + self.dead_lettered()
    }
}

/// The sums over all batches since the process started. A copy of it is consistent in itself.
#[derive(Clone, Debug, Default)]
pub struct Accounting {
    /// Records in sealed batches.
    pub consumed: u64,
    /// Bytes of their keys, values and headers, as the source counted them.
    pub consumed_bytes: u64,
    /// Sums over every settled batch.
    pub settled: Settlement,
    /// Records given up unsettled: somebody will read them again.
    pub abandoned: u64,
    /// Batches that were sealed.
    pub batches_sealed: u64,
    /// Batches that were settled or abandoned.
    pub batches_ended: u64,
}

impl Accounting {
    /// Records read whose fate is open.
    pub fn in_flight(&self) -> u64 {
        self.consumed - self.settled.records() - self.abandoned
    }

    /// Batches away from home.
    pub fn batches_in_flight(&self) -> u64 {
        self.batches_sealed - self.batches_ended
    }

    pub(super) fn seal(&mut self, records: u64, bytes: u64) {
        self.consumed += records;
        self.consumed_bytes += bytes;
        self.batches_sealed += 1;
    }

    /// # Panics
    /// If more would end than was begun: a batch was settled or abandoned twice.
    pub(super) fn settle(&mut self, batch: &Settlement) {
        self.end_batch(batch.records());
        let sums = &mut self.settled;
        sums.output += batch.output;
        sums.output_bytes += batch.output_bytes;
        for (sum, count) in sums.dead_letters.iter_mut().zip(batch.dead_letters) {
            *sum += count;
        }
        sums.dead_letter_bytes += batch.dead_letter_bytes;
        sums.passed += batch.passed;
        sums.truncated += batch.truncated;
    }

    /// # Panics
    /// As [`settle`](Self::settle).
    pub(super) fn abandon(&mut self, records: u64) {
        self.end_batch(records);
        self.abandoned += records;
    }

    fn end_batch(&mut self, records: u64) {
        assert!(records <= self.in_flight(), "a batch ends with records that were never in flight");
        assert!(self.batches_in_flight() > 0, "a batch ends that was never sealed");
        self.batches_ended += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_ends_twice_is_a_bug() {
        let mut books = Accounting::default();
        books.seal(3, 300);
        books.seal(5, 500);
        books.abandon(3);
        let twice = std::panic::catch_unwind(move || {
            books.abandon(3);
            books.abandon(3);
        });
        assert!(twice.is_err());
    }

    #[test]
    fn an_empty_batch_is_a_batch_in_flight() {
        let mut books = Accounting::default();
        books.seal(0, 0);
        assert_eq!((books.in_flight(), books.batches_in_flight()), (0, 1));
        books.settle(&Settlement::default());
        assert_eq!((books.in_flight(), books.batches_in_flight()), (0, 0));
    }
}
