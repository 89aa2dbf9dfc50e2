//! The accounting at the end of a run: what became of every record that was read.

use crate::error::{EngineError, ExitCode};
use crate::rejection::Reason;
use crate::shutdown;
use crate::telemetry::metrics::Metrics;
use std::fmt;
use std::time::Duration;

/// What became of every record.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// Records read.
    pub consumed: u64,
    /// Delivered to the output topic.
    pub output: u64,
    /// Delivered to the dead letter topic, by [`Reason::index`].
    pub dead_letters: [u64; Reason::ALL.len()],
    /// Tombstones passed on.
    pub passed: u64,
    /// Read, but not settled at the end: they will be read again.
    pub not_committed: u64,
    /// Whether the drain was over in time.
    pub drained: bool,
    /// How long the engine ran.
    pub elapsed: Duration,
    /// Why it ended, if it failed.
    pub failure: Option<EngineError>,
}

impl RunReport {
    pub(super) fn new(
        metrics: &Metrics,
        reason: Option<shutdown::Reason>,
        drained: bool,
        elapsed: Duration,
    ) -> RunReport {
        let accounting = metrics.accounting();
        let failure = match reason {
            Some(shutdown::Reason::Failed(error)) => Some(error),
            _ => None,
        };
        let settled = &accounting.settled;
        let dead_letters: u64 = settled.dead_letters.iter().sum();
        RunReport {
            consumed: accounting.consumed,
            output: settled.output,
            dead_letters: settled.dead_letters,
            passed: settled.passed,
            not_committed: accounting.consumed - settled.output - dead_letters - settled.passed,
            drained,
            elapsed,
            failure,
        }
    }

    /// Dead letters of all reasons together.
    pub fn dead_lettered(&self) -> u64 {
        self.dead_letters.iter().sum()
    }

    /// What the process answers.
    pub fn exit_code(&self) -> ExitCode {
        match (&self.failure, self.drained) {
            (Some(error), _) => error.code,
            (None, true) => ExitCode::Clean,
            (None, false) => ExitCode::DrainTimeout,
        }
    }
}

/// `consumed = output + dead letters + passed + not committed`, in numbers.
impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.consumed as f64 / self.elapsed.as_secs_f64().max(0.001);
        write!(
            f,
            "consumed {} = output {} + dead letters {} + passed {} + not committed {} in {:.1} s ({rate:.0}/s)",
            self.consumed,
            self.output,
            self.dead_lettered(),
            self.passed,
            self.not_committed,
            self.elapsed.as_secs_f64(),
        )
    }
}
