//! Outcomes → topics and offsets: one thread restores each source's order, produces, awaits every delivery report, and commits
//! what is settled.

#[cfg(feature = "faults")]
mod broken;
mod committer;
mod dead_letter;
mod delivery;
mod failures;
mod outbox;
mod repair;
mod sequencer;
mod stage;
mod wire;

/// For `tests/simulation/` alone.
#[doc(hidden)]
pub use committer::{Committer, Coordinator};
/// For `benches/` and `tests/simulation/` alone.
#[doc(hidden)]
pub use sequencer::Sequencer;
pub use stage::{Sink, SinkEnds, SourceLane, TargetTopics};
