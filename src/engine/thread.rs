//! Named threads, each with a guard: one that dies of a bug asks for the end at once, whoever is being waited for meanwhile.

use crate::error::{EngineError, ExitCode, Stage};
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Starts a thread. If its body panics, `shutdown` hears of it.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    shutdown: &Arc<Shutdown>,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, EngineError> {
    let guard = Guard { name: name.to_owned(), shutdown: shutdown.clone() };
    let guarded = move || {
        let _guard = guard;
        body()
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(guarded)
        .map_err(|error| cannot_spawn(&format!("thread {name}"), &error))
}

/// The system gives us no thread.
pub(super) fn cannot_spawn(what: &str, error: &dyn std::fmt::Display) -> EngineError {
    EngineError::new(Stage::Start, ExitCode::Bug, format!("{what} cannot be started: {error}"))
}

struct Guard {
    name: String,
    shutdown: Arc<Shutdown>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shutdown.died(&format!("thread {}", self.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown::Reason;
    use std::time::Duration;

    #[test]
    fn a_thread_that_dies_asks_for_the_end_and_one_that_ends_does_not() {
        let shutdown = Arc::new(Shutdown::new(Duration::from_secs(1)));
        let ended = spawn("source-0", &shutdown, || 7).expect("a thread");
        assert_eq!(ended.join().expect("it ends"), 7);
        assert!(!shutdown.is_requested());
        let died = spawn("sink", &shutdown, || panic!("as a test wants it")).expect("a thread");
        let died: std::thread::Result<()> = died.join();
        assert!(died.is_err());
        let Some(Reason::Failed(error)) = shutdown.reason() else { panic!("it is told: {shutdown:?}") };
        assert_eq!(error.code, ExitCode::Bug);
        assert!(error.message.contains("thread sink"), "{error}");
    }
}
