//! The commit token: the right and the duty to commit one batch.

use super::Epoch;
use smallvec::SmallVec;

/// The records of one partition in one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The input partition.
    pub partition: i32,
    /// The assignment under which the records were read.
    pub epoch: Epoch,
    /// The first record's offset; for a sealed end of partition, where the reading stood.
    pub first: i64,
    /// The next offset: behind the last record, or behind the markers that end the partition.
    pub next: i64,
    /// The newest record timestamp in the span, in ms since 1970; -1 without records.
    pub timestamp_ms: i64,
}

/// Spans of a batch: few partitions, so no heap.
pub type Spans = SmallVec<[Span; 8]>;

/// Made when a batch is sealed, spent when it is settled or given up. There is one for each batch, it cannot be cloned, and
/// dropping it unspent is a bug that panics: a batch whose fate nobody decided would hold up its partitions for ever, or worse,
/// be skipped.
#[derive(Debug)]
pub struct CommitToken {
    sequence: u64,
    spans: Spans,
    spent: bool,
}

impl CommitToken {
    /// Seals the spans of the batch with this sequence number.
    ///
    /// # Panics
    /// If a span ends before it begins.
    pub fn seal(sequence: u64, spans: Spans) -> Self {
        for span in &spans {
            assert!(span.first <= span.next, "a span ends at or behind its first offset");
        }
        Self { sequence, spans, spent: false }
    }

    /// The batch's place in its source's order.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What the batch covers.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Every record is settled: the spans go to the ledger.
    pub fn settle(mut self) -> (u64, Spans) {
        self.spent = true;
        (self.sequence, std::mem::take(&mut self.spans))
    }

    /// The batch is given up: its records are not committed and will be read again.
    pub fn abandon(mut self) {
        self.spent = true;
    }
}

impl Drop for CommitToken {
    fn drop(&mut self) {
        assert!(
            self.spent || std::thread::panicking(),
            "a commit token was dropped without being settled or abandoned"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "dropped without")]
    fn dropping_an_unspent_token_is_a_bug() {
        drop(CommitToken::seal(0, Spans::new()));
    }

    #[test]
    fn a_spent_token_may_go() {
        CommitToken::seal(0, Spans::new()).abandon();
        let (sequence, spans) = CommitToken::seal(7, Spans::new()).settle();
        assert_eq!((sequence, spans.len()), (7, 0));
    }
}
