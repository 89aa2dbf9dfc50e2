//! The errors of a client, as lines of our log. That all brokers are down a client says with every attempt to connect, ten times a
//! second: that is a line at once, and then one now and then, with how often it was said.

use super::code::Code;
use rdkafka::bindings::rd_kafka_resp_err_t as Native;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines that say that all brokers are down.
const PAUSE: Duration = Duration::from_secs(10);

/// What a client's error lines have in common.
#[derive(Debug, Default)]
pub(super) struct ErrorLines {
    outage: Mutex<Outage>,
}

#[derive(Debug, Default)]
struct Outage {
    /// When it had its last line.
    told: Option<Instant>,
    /// How often it was said since, without a line.
    suppressed: u64,
}

impl ErrorLines {
    /// Writes the line, if it is worth one. `client` is who says it.
    pub(super) fn write(&self, client: &str, code: Code, reason: &str) {
        let mut suppressed = None;
        if code.is(Native::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(count) = outage.said(Instant::now()) else { return };
            suppressed = Some(count).filter(|&count| count > 0);
        }
        tracing::warn!(target: "librdkafka", error = %code, reason, suppressed, "{client}");
    }
}

impl Outage {
    /// It was said once more: worth a line, with how often it had none since the last, or not.
    fn said(&mut self, now: Instant) -> Option<u64> {
        if self.told.is_some_and(|told| now < told + PAUSE) {
            self.suppressed += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_at_once_and_then_now_and_then() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let mut at = |ms: u64| outage.said(start + Duration::from_millis(ms));
        assert_eq!(at(0), Some(0));
        assert_eq!([at(100), at(5_000), at(9_999)], [None; 3]);
        assert_eq!(at(10_000), Some(3));
        assert_eq!(at(10_100), None);
        assert_eq!(at(600_000), Some(1), "the next outage is told at once");
    }
}
