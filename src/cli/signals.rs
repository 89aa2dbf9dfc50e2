//! SIGTERM and SIGINT, watched from the first moment: process 1 of a container, as which this often runs, ignores what it does not
//! watch.
//!
//! Until a command has something to bring to an end, a signal ends the process at once. From then on the first asks for that end, the
//! second ends at once.

use crate::error::{EngineError, ExitCode, Stage};
use crate::shutdown::{Reason, Shutdown};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What arrives this soon after the first signal is the same request: `timeout` and others signal the process and then its group,
/// on a busy machine some time later. Nobody presses Ctrl-C twice so fast to mean two things.
const SAME_REQUEST: Duration = Duration::from_millis(200);

/// The watch, on a thread of its own, which lives as long as the process.
pub(super) struct SignalWatch {
    first: Arc<Mutex<Option<EndRequest>>>,
}

/// What the first signal does.
type EndRequest = Box<dyn FnOnce() + Send>;

impl SignalWatch {
    /// Watches; a signal ends the process at once.
    pub(super) fn start() -> Result<SignalWatch, EngineError> {
        let failed = |error: std::io::Error| {
            EngineError::new(Stage::Start, ExitCode::Bug, format!("signals cannot be watched: {error}"))
        };
        let signals = Signals::new([SIGTERM, SIGINT]).map_err(failed)?;
        let first = Arc::new(Mutex::new(None));
        let asked = first.clone();
        let thread = std::thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || watch(signals, &asked)).map_err(failed)?;
        Ok(SignalWatch { first })
    }

    /// From now on the first signal does this.
    pub(super) fn end_with(&self, request: impl FnOnce() + Send + 'static) {
        *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(request));
    }

    /// From now on the first signal asks for a drain.
    pub(super) fn drain(&self, shutdown: &Arc<Shutdown>) {
        let shutdown = shutdown.clone();
        self.end_with(move || shutdown.request(Reason::Requested));
    }
}

fn watch(mut signals: Signals, first: &Mutex<Option<EndRequest>>) {
    let Some(signal) = signals.forever().next() else { return };
    // Held until the process has ended: nothing may begin meanwhile.
    let mut request = first.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(request) = request.take() else {
        tracing::info!("{}: ending before anything began", name(signal));
        end(signal);
    };
    request();
    tracing::info!(signal = name(signal), "draining");
    std::thread::sleep(SAME_REQUEST);
    // They count as pending until they are taken.
    signals.pending().for_each(drop);
    tracing::info!("still draining; a second signal ends at once");
    if let Some(signal) = signals.forever().next() {
        tracing::warn!("{} again: ending at once; what is not committed will be read again", name(signal));
        end(signal);
    }
}

/// Without exit handlers: the client's threads still run.
fn end(signal: i32) -> ! {
    let code = if signal == SIGINT { ExitCode::Interrupted } else { ExitCode::Terminated };
    signal_hook::low_level::exit(code as i32)
}

fn name(signal: i32) -> &'static str {
    if signal == SIGINT { "SIGINT" } else { "SIGTERM" }
}
