//! What the sink is wired to: its channels, its sources, what it produces with.

use super::transaction::Renewal;
use crate::batch::Batch;
use crate::dlq_guard::DlqGuard;
use crate::kafka::{CommitReplies, GroupConsumer, Producer};
use crate::progress::Board;
use crossbeam_channel::{Receiver, Sender};
use std::sync::Arc;

/// Its channels, and who listens.
pub struct SinkEnds {
    /// From the pool; closed when the last source has ended and the last job is done.
    pub processed: Receiver<Box<Batch>>,
    /// Signalled when delivery reports or answers to commits are there.
    pub woken: Receiver<()>,
    /// The other side of it.
    pub wake: Sender<()>,
    /// Hears of what is settled.
    pub dlq_guard: Arc<DlqGuard>,
}

/// What the sink produces with.
pub struct Producing {
    /// The first producer.
    pub producer: Producer,
    /// Makes further ones.
    pub renewal: Renewal,
    /// Where they write to.
    pub targets: TargetTopics,
}

/// One source, as the sink sees it.
pub struct SourceLane {
    /// Commits go through it.
    pub consumer: Arc<GroupConsumer>,
    /// Epochs and committable offsets.
    pub board: Arc<Board>,
    /// The answers to its commits.
    pub replies: CommitReplies,
    /// The way home; it has room for every batch.
    pub home: Sender<Box<Batch>>,
}

/// What the sink must know of the topics it writes to: partitions and `max.message.bytes`, output first.
pub type TargetTopics = [(i32, usize); 2];
