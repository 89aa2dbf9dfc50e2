//! The order to stop: one flag, the first reason wins, one deadline for the whole drain.

use crate::error::{EngineError, ExitCode, Stage};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Why the engine stops.
#[derive(Clone, Debug)]
pub enum Reason {
    /// SIGTERM or SIGINT, or whoever runs the engine in process asks for it.
    Requested,
    /// `--until-end`: everything that was there at start is done.
    EndReached,
    /// Something that cannot be got over.
    Failed(EngineError),
}

/// Shared by every thread. Shutdown itself is end-of-stream that travels downstream; this only says that it begins.
#[derive(Debug)]
pub struct Shutdown {
    requested: AtomicBool,
    first: Mutex<Option<(Reason, Instant)>>,
    drain_timeout: Duration,
}

impl Shutdown {
    /// Not requested; once it is, the drain may take `drain_timeout`.
    pub fn new(drain_timeout: Duration) -> Self {
        Self { requested: AtomicBool::new(false), first: Mutex::new(None), drain_timeout }
    }

    /// Asks for the end. The first reason wins, but a failure overrides a friendlier one: it decides the exit code.
    pub fn request(&self, reason: Reason) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if let Reason::Failed(error) = &reason {
            tracing::error!(stage = %error.stage, exit_code = error.code as u8, "{error}");
        }
        match (&mut *first, reason) {
            (None, reason) => *first = Some((reason, Instant::now() + self.drain_timeout)),
            (Some((held, _)), reason @ Reason::Failed(_)) if !matches!(held, Reason::Failed(_)) => {
                *held = reason
            }
            _ => {}
        }
        self.requested.store(true, Ordering::Release);
    }

    /// A failure that ends the engine.
    pub fn fail(&self, error: EngineError) {
        self.request(Reason::Failed(error));
    }

    /// A thread panicked: a bug.
    pub fn died(&self, what: &str) {
        let message = format!("{what} died of a bug; nothing unsettled was committed, please report this");
        self.fail(EngineError::new(Stage::Start, ExitCode::Bug, message));
    }

    /// Whether the end has begun.
    pub fn is_requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Why, if it has begun.
    pub fn reason(&self) -> Option<Reason> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(reason, _)| reason.clone())
    }

    /// When the drain must be over, if it has begun.
    pub fn deadline(&self) -> Option<Instant> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(_, deadline)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_wins_but_a_failure_overrides() {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        assert!(!shutdown.is_requested() && shutdown.deadline().is_none());
        shutdown.request(Reason::Requested);
        let deadline = shutdown.deadline();
        shutdown.request(Reason::EndReached);
        assert!(matches!(shutdown.reason(), Some(Reason::Requested)));
        shutdown.fail(EngineError::new(Stage::Sink, ExitCode::Delivery, "first"));
        shutdown.fail(EngineError::new(Stage::Sink, ExitCode::Bug, "second"));
        assert!(matches!(shutdown.reason(), Some(Reason::Failed(error)) if error.code == ExitCode::Delivery));
        assert_eq!(shutdown.deadline(), deadline, "the deadline does not move");
    }
}
