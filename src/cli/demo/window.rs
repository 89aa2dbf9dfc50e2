//! How much the generator may be ahead of whoever reads back, so that the mock cluster's small retention never drops an event.
//!
//! An event is charged with the most it can cost in any partition of the three topics, from before it is sent until it was read
//! back. As long as all charges together stay below what a single partition keeps, no partition can overflow, however unevenly
//! the keys fall.

use crate::kafka::mock::{RETENTION_BATCHES, RETENTION_BYTES};
use std::sync::atomic::{AtomicU64, Ordering};

/// What an output event may weigh: its bytes, the member that is added, and a record batch of its own around it.
const OUTPUT_BYTES_MAX: u64 = 450;

/// What a dead letter may weigh: the event, perhaps wrapped in base64, and its headers.
const DEAD_LETTER_BYTES_MAX: u64 = 1100;

/// A fifth is left for what was sent but is being read at this moment.
const BUDGET_BYTES: u64 = RETENTION_BYTES as u64 / 5 * 4;

const _: () =
    assert!(BUDGET_BYTES / OUTPUT_BYTES_MAX < RETENTION_BATCHES as u64, "even in batches of one record");

/// The charges of the events between generator and reader.
#[derive(Debug, Default)]
pub(super) struct Window {
    charged: AtomicU64,
    released: AtomicU64,
}

/// The charge of an event.
pub(super) fn charge(is_flawed: bool) -> u64 {
    if is_flawed { DEAD_LETTER_BYTES_MAX } else { OUTPUT_BYTES_MAX }
}

impl Window {
    /// Takes room for an event; `false`: there is none yet. Only the generator calls this.
    pub(super) fn take(&self, charge: u64) -> bool {
        let charged = self.charged.load(Ordering::Relaxed);
        if charged - self.released.load(Ordering::Acquire) + charge > BUDGET_BYTES {
            return false;
        }
        self.charged.store(charged + charge, Ordering::Relaxed);
        true
    }

    /// Events with these charges were read back. Only the reader calls this, once for an event.
    pub(super) fn release(&self, charges: u64) {
        self.released.fetch_add(charges, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_never_exceeds_what_a_partition_keeps() {
        let window = Window::default();
        let mut between = 0;
        while window.take(charge(true)) {
            between += DEAD_LETTER_BYTES_MAX;
        }
        assert!(between <= BUDGET_BYTES && between + DEAD_LETTER_BYTES_MAX > BUDGET_BYTES, "{between}");
        window.release(DEAD_LETTER_BYTES_MAX);
        assert!(window.take(charge(false)));
        assert!(window.take(charge(false)));
        assert!(!window.take(charge(false)), "two events fit where a dead letter was");
    }
}
