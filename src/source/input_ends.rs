//! Which partitions the input has, and where they end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The ends of input partitions, as a broker last told them: housekeeping asks, sources look.
#[derive(Debug)]
pub struct InputEnds {
    partitions_at_start: i32,
    told: Mutex<BTreeMap<i32, (i64, Instant)>>,
}

impl InputEnds {
    /// Of a topic that has so many partitions when the process starts.
    pub fn new(partitions_at_start: i32) -> Self {
        Self { partitions_at_start, told: Mutex::default() }
    }

    /// Whether the topic was enlarged by this partition since the process started.
    pub(super) fn is_added(&self, partition: i32) -> bool {
        partition >= self.partitions_at_start
    }

    /// A broker said that a partition ends at this offset.
    pub fn tell(&self, partition: i32, end: i64, at: Instant) {
        self.all().insert(partition, (end, at));
    }

    /// Each partition's end, and when it was told.
    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<i32, (i64, Instant)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
