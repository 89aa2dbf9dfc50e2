//! What is promised of each record, and what exactly-once takes.

use super::Group;
use super::mistakes::Mistake;
use super::resolve::{AUTO_COMMIT_INTERVAL, Resolver};
use super::values::{duration, word};
use std::time::Duration;

/// What is promised of each record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// None is lost; a crash may repeat some.
    AtLeastOnce,
    /// None is lost and none repeated, for readers of committed records: what is written and the offsets are one transaction.
    ExactlyOnce {
        /// `transactional.id`: the same over restarts, and no other live process has it.
        transactional_id: String,
        /// A transaction is committed when it has been open for so long.
        interval: Duration,
    },
}

impl Delivery {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Delivery::AtLeastOnce => "at-least-once",
            Delivery::ExactlyOnce { .. } => "exactly-once",
        }
    }
}

impl Resolver<'_> {
    pub(super) fn delivery(&mut self, group: &Group) -> Delivery {
        let interval = self.get(
            "GRISTMILL_TRANSACTION_INTERVAL",
            duration(TRANSACTION_INTERVAL_MIN, TRANSACTION_INTERVAL_MAX),
        );
        if !self.get("GRISTMILL_DELIVERY", word(GUARANTEES)) {
            return Delivery::AtLeastOnce;
        }
        if group.commit_interval == AUTO_COMMIT_INTERVAL {
            self.mistake(Mistake::about(
                &["KAFKA_ENABLE_AUTO_COMMIT", "GRISTMILL_DELIVERY"],
                "with exactly-once, offsets are committed with what was written, by no interval of their own: leave it false",
            ));
        }
        if group.instance_id.is_none() && self.sources().find("GRISTMILL_INSTANCE_ID").is_none() {
            self.mistake(Mistake::about(
                &["GRISTMILL_INSTANCE_ID"],
                "required with GRISTMILL_DELIVERY=exactly-once, but not set: a name that this process keeps over restarts, and that no \
                 other live process has",
            ));
        }
        let instance = group.instance_id.as_deref().unwrap_or_default();
        Delivery::ExactlyOnce { transactional_id: format!("gristmill-{}-{instance}", group.id), interval }
    }
}

/// Whether it is exactly once.
const GUARANTEES: &[(&str, bool)] = &[("at-least-once", false), ("exactly-once", true)];

/// A commit costs a broker several writes.
const TRANSACTION_INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Well below the time after which a broker gives a transaction up (40 s), and below a session's default.
const TRANSACTION_INTERVAL_MAX: Duration = Duration::from_secs(10);
