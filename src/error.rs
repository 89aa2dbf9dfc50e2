//! What ends the engine: an error that names the stage it came from, and the exit code that a supervisor acts on.

use std::fmt;

/// Process exit codes. The numbers are an interface: unit files and scripts match on them (the values follow BSD's `sysexits.h`
/// where one fits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The work is done, or a signal's drain ended in time.
    Clean = 0,
    /// `healthcheck`: the engine is not ready.
    NotReady = 1,
    /// The command line cannot be understood.
    Usage = 64,
    /// `try --fail-on-dead-letter` saw at least one.
    DeadLetter = 65,
    /// No broker was reached at start within the connect timeout.
    Unavailable = 69,
    /// A bug in gristmill.
    Bug = 70,
    /// Delivery is impossible: the dead letter topic cannot be written, or the client failed for good.
    Delivery = 74,
    /// The drain's deadline passed; what was not settled will be read again.
    DrainTimeout = 75,
    /// The DLQ limit tripped under `--until-end`.
    DlqLimit = 76,
    /// Authentication or authorisation was refused.
    Refused = 77,
    /// Configuration, contract, or a missing topic.
    Config = 78,
    /// A second SIGINT, or one before the engine ran.
    Interrupted = 130,
    /// A second SIGTERM, or one before the engine ran.
    Terminated = 143,
}

/// Where an error arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the threads start: configuration, topics, the first connection.
    Start,
    /// Reading from the input topic, and the group.
    Source,
    /// The contract's work.
    Transform,
    /// Producing, delivery reports, commits.
    Sink,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Start => "start",
            Stage::Source => "source",
            Stage::Transform => "transform",
            Stage::Sink => "sink",
        })
    }
}

/// A fatal error: the engine drains what it can, commits only what is settled, and exits with `code`.
///
/// The message says what happened, to which topic or group, and what to do. It never quotes an event or a secret.
#[derive(Clone, Debug)]
pub struct EngineError {
    /// Where it arose.
    pub stage: Stage,
    /// What the process answers.
    pub code: ExitCode,
    /// What happened and what to do.
    pub message: String,
}

impl EngineError {
    /// An error of `stage` that ends the process with `code`.
    pub fn new(stage: Stage, code: ExitCode, message: impl Into<String>) -> Self {
        Self { stage, code, message: message.into() }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {}
