//! Batch → outcomes.

mod block;
mod judge;
mod scan;
mod splice;
mod stage;
#[doc(hidden)]
pub mod steps;
mod visit;

pub use judge::judge;
pub use stage::{CHUNK_RECORDS, Transform};
