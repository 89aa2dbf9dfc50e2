//! A stage that dies: the others end, soon, and the process says 70.

use crate::rig::{PATIENCE, Rig};
use crossbeam_channel::bounded;
use gristmill::dlq_guard::DlqGuard;
use gristmill::error::ExitCode;
use gristmill::kafka::GroupConsumer;
use gristmill::shutdown::{Reason, Shutdown};
use gristmill::source::{InputEnds, Source, SourceEnds};
use gristmill::telemetry::health::Health;
use gristmill::telemetry::metrics::Metrics;
use std::sync::{Arc, mpsc};

#[test]
fn a_source_ends_when_the_sink_is_gone() {
    let rig = Rig::new(2, [1, 1, 1], &[]);
    let config = Arc::new(rig.config.clone());
    let consumer = GroupConsumer::join(&config, 0).expect("a member");
    // All batches were with the sink, which has died: none comes home any more.
    let (_, home) = bounded(1);
    let (filled, _filled) = bounded(1);
    let (_readable, readable) = bounded(1);
    let (wake_sink, _woken) = bounded(1);
    // So long a drain could wait.
    let shutdown = Arc::new(Shutdown::new(2 * PATIENCE));
    let told = (Metrics::new(), Health::new(1, &["sink"], PATIENCE));
    let dlq_guard = Arc::new(DlqGuard::new(None, None, told.clone()));
    let (board, solitude) = <(_, _)>::default();
    let input_ends = Arc::new(InputEnds::new(1));
    let ends = SourceEnds { home, filled, readable, wake_sink, board, dlq_guard, input_ends, solitude };
    let source = Source::new(config, 0, consumer, ends, shutdown.clone(), told);
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || done.send(source.run(false)).ok());
    assert!(!ended.recv_timeout(PATIENCE).expect("the source ends"), "nothing was drained");
    assert!(matches!(shutdown.reason(), Some(Reason::Failed(error)) if error.code == ExitCode::Bug));
}
