//! Where the input partitions end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The ends of input partitions, as a broker last told them: housekeeping asks, sources look.
#[derive(Debug, Default)]
pub struct InputEnds {
    told: Mutex<BTreeMap<i32, (i64, Instant)>>,
}

impl InputEnds {
    /// A broker said that a partition ends at this offset.
    pub fn tell(&self, partition: i32, end: i64, at: Instant) {
        self.all().insert(partition, (end, at));
    }

    /// Each partition's end, and when it was told.
    pub(super) fn all(&self) -> MutexGuard<'_, BTreeMap<i32, (i64, Instant)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
