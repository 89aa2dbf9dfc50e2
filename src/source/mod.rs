//! Kafka → batches: a thread, a group member, a pool of batches.

mod assignment;
mod care;
mod crash_loop;
mod failures;
mod input_ends;
mod lifecycle;
mod positions;
mod rate;
mod reading;
mod resume;
mod turns;
mod until_end;
mod watchdog;

pub use care::Solitude;
pub use input_ends::InputEnds;
pub use lifecycle::{Source, SourceEnds};
pub use rate::RateLimit;
pub use until_end::UntilEnd;
