//! SIGTERM and SIGINT: the first asks for a drain, the second ends the process at once.

use crate::error::{EngineError, ExitCode, Stage};
use crate::shutdown::{Reason, Shutdown};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::time::Duration;

/// What arrives this soon after the first signal is the same request: `timeout` and others signal the process and then its group,
/// on a busy machine some time later. Nobody presses Ctrl-C twice so fast to mean two things.
const SAME_REQUEST: Duration = Duration::from_millis(200);

/// Watches for signals on a thread of its own, which lives as long as the process.
pub(super) fn drain_on_signal(shutdown: &Arc<Shutdown>) -> Result<(), EngineError> {
    let failed = |error: std::io::Error| {
        EngineError::new(Stage::Start, ExitCode::Bug, format!("signals cannot be watched: {error}"))
    };
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(failed)?;
    let shutdown = shutdown.clone();
    let watch = move || {
        let name = |signal| if signal == SIGINT { "SIGINT" } else { "SIGTERM" };
        let first = signals.forever().next();
        shutdown.request(Reason::Requested);
        tracing::info!(signal = first.map(name), "draining");
        std::thread::sleep(SAME_REQUEST);
        drop(signals.pending());
        tracing::info!("still draining; a second signal ends at once");
        if let Some(signal) = signals.forever().next() {
            let name = name(signal);
            tracing::warn!("{name} again: ending at once; what is not committed will be read again");
            // Without exit handlers: the client's threads still run.
            signal_hook::low_level::exit(if signal == SIGINT {
                ExitCode::Interrupted
            } else {
                ExitCode::Terminated
            } as i32);
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(failed)?;
    Ok(())
}
