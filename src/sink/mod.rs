//! Outcomes → topics and offsets: one thread restores each source's order, produces, awaits every delivery report, and commits
//! what is settled.

#[cfg(feature = "faults")]
mod broken;
mod commits;
mod committer;
mod contents;
mod dead_letter;
mod delivery;
mod ends;
mod failures;
mod outbox;
mod poison;
mod repair;
mod search;
mod sequencer;
mod stage;
mod transaction;
mod transactor;
mod wire;

/// For `tests/simulation/` alone.
#[doc(hidden)]
pub use committer::{Committer, Coordinator};
pub use ends::{Producing, SinkEnds, SourceLane, TargetTopics};
/// For `benches/` and `tests/simulation/` alone.
#[doc(hidden)]
pub use sequencer::Sequencer;
pub use stage::Sink;
pub use transaction::Renewal;
pub use transactor::Transactor;
