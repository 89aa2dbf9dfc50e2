//! Why a command ended without doing its work: a message for people and an exit code for programs.

use crate::config::Mistakes;
use crate::error::{EngineError, ExitCode};
use std::fmt;

/// What a command answers when it could not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// The configuration is wrong.
    Configuration(Mistakes),
    /// The cluster, the contract or the engine says no.
    Engine(EngineError),
}

impl Failure {
    pub(super) fn code(&self) -> ExitCode {
        match self {
            Failure::Configuration(_) => ExitCode::Config,
            Failure::Engine(error) => error.code,
        }
    }

    /// What may be behind it.
    pub(super) fn warnings(&self) -> &[String] {
        match self {
            Failure::Configuration(mistakes) => &mistakes.warnings,
            Failure::Engine(_) => &[],
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Configuration(mistakes) => mistakes.fmt(f),
            Failure::Engine(error) => error.fmt(f),
        }
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Failure::Configuration(mistakes)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Failure::Engine(error)
    }
}
