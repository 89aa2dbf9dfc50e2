//! The binary on a real Kafka: what a user's process does, and what is in the topics afterwards.
//!
//! Each test has topics and a group of its own. After each, the ledger reads all that went in and came out, and accounts for
//! every event. Without a Kafka to test with, each test says `skipped`; with `CI=true` that is a failure.

#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

mod access;
mod broken;
mod crash;
mod crash_loop;
mod ends;
mod engine_with_faults;
mod exactly;
mod guards;
mod hostile;
mod letters;
mod members;
mod mill;
mod offsets;
mod offsets_command;
mod outage;
mod oversize;
mod scene;
mod stop;
mod takeover;
mod through;
mod topics;
mod turns;

use perf::events::Shape;
use scene::Plain;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, as in a record's timestamp.
fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A good event, keyless, in partition 0.
fn event(number: u32) -> Plain {
    let shape = Shape { refused: 0.0, ..Shape::default() };
    let mut value = Vec::new();
    shape.value(number, &mut value);
    Plain::of(value)
}
