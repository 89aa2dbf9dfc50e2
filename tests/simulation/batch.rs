//! A batch on its way, and a record of it in the producer's queue with its delivery report.

use gristmill::progress::{CommitToken, Epoch};

/// A record of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) partition: usize,
    pub(crate) epoch: Epoch,
    pub(crate) offset: i64,
}

/// Records with their token.
pub(crate) struct Batch {
    pub(crate) token: Option<CommitToken>,
    pub(crate) rows: Vec<Row>,
    pub(crate) next_row: usize,
    pub(crate) pending: usize,
    /// Its turn came; until then it is in the pool, or waits for an earlier one.
    pub(crate) is_dispatched: bool,
    pub(crate) is_handed_over: bool,
    pub(crate) is_lost: bool,
}

impl Batch {
    /// A sealed batch.
    pub(crate) fn new(token: CommitToken, rows: Vec<Row>) -> Self {
        Self {
            token: Some(token),
            rows,
            next_row: 0,
            pending: 0,
            is_dispatched: false,
            is_handed_over: false,
            is_lost: false,
        }
    }
}

impl Drop for Batch {
    /// A process that is killed decides nothing about its batches.
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            token.abandon();
        }
    }
}

/// A record in the producer's queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    pub(crate) slot: usize,
    pub(crate) row: usize,
    pub(crate) is_stored: bool,
}

/// What a delivery report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Stored,
    /// For what it is: it is sent again.
    Refused,
    /// Nothing can be delivered any more.
    Failed,
}
