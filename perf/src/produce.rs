//! Produces events from memory, as fast as the client takes them: what an engine on this client can send at most.

use crate::error::Result;
use crate::events::Shape;
use crate::pool::Pool;
use crate::sender::Sender;
use crate::settings;
use std::time::Duration;

/// Sends `count` events, each `pad_by` bytes longer than it comes, with the engine's producer settings, and waits for every
/// delivery report.
pub fn produce(bootstrap: &str, topic: &str, count: u32, seed: u64, pad_by: usize) -> Result<()> {
    let properties: Vec<_> =
        settings::PRODUCER.into_iter().chain([("partitioner", "murmur2_random")]).collect();
    let mut pool = Pool::new(&Shape { seed, ..Shape::default() }, 65_536)?;
    pool.pad(pad_by);
    let mut sender = Sender::new(bootstrap, topic, &properties)?;
    for number in 0..count {
        let (key, value) = pool.event(number);
        // 0: the client takes its own clock.
        sender.send_new(key, value, 0)?;
        // Reports are taken as a copy takes them: once a batch.
        if number % 4096 == 0 {
            sender.serve(Duration::ZERO)?;
        }
    }
    sender.finish(Duration::from_secs(60))
}
