//! What may be committed, and why.
//!
//! A record is *settled* when the broker has confirmed its output or its dead letter, or when it was passed on as a tombstone and
//! confirmed. Batches settle in any order; the group's offset may only move over a **contiguous prefix** of settled spans, in
//! the order in which they were dispatched. Offsets have holes (compaction, transaction markers), so the order is the order of
//! dispatch, never arithmetic on offsets.
//!
//! - [`CommitToken`] is the right and the duty to commit one batch: a value that must be redeemed.
//! - [`Ledger`] holds the spans of one source and finds the prefix.
//! - [`Board`] knows which assignment of a partition is current (its *epoch*) and what is committable; it is the fence that stops
//!   a late commit from moving the offset of a partition that belongs to somebody else by now.
//!
//! Nothing here does I/O, starts a thread, or reads a clock of its own accord.

mod board;
mod ledger;
mod token;

pub use board::{Answer, Board, CommitPlan};
pub use ledger::Ledger;
pub use token::{CommitToken, Span, Spans};

/// The generation of a partition's assignment in this process. A new one is drawn at each assignment; an older one is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// The settled prefix of a partition has reached `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committable {
    /// The input partition.
    pub partition: i32,
    /// The assignment under which the records were read.
    pub epoch: Epoch,
    /// The next offset: last settled + 1, what a commit carries.
    pub next: i64,
    /// The newest record timestamp in the span that was settled last, in ms since 1970.
    pub timestamp_ms: i64,
}
