//! The line that a command leaves in the log when it was asked to change the cluster: who, where, what, and what came of it.

use crate::config::Kafka;
use crate::error::EngineError;
use crate::telemetry::AUDIT;
use std::os::unix::fs::MetadataExt;

/// What a command did, as far as it got.
#[derive(Debug, Default)]
pub(super) struct Deed {
    /// What became of each thing, a phrase for each.
    pub(super) done: Vec<String>,
    /// What kept it from the rest.
    pub(super) failed: Option<EngineError>,
}

impl Deed {
    /// Writes the line, and gives the failure back.
    pub(super) fn audit(self, action: &str, group: Option<&str>, kafka: &Kafka) -> Result<(), EngineError> {
        let error = self.failed.as_ref().map(ToString::to_string);
        tracing::info!(
            target: AUDIT,
            action,
            group,
            outcome = if error.is_some() { "failed" } else { "done" },
            done = (!self.done.is_empty()).then(|| self.done.join("; ")),
            error,
            cluster = kafka.bootstrap_servers,
            kafka_user = kafka.security.sasl_username,
            uid = uid(),
            "audit"
        );
        self.failed.map_or(Ok(()), Err)
    }
}

/// The user that the process runs as, where the system says so.
fn uid() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|process| process.uid())
}
