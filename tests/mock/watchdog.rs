//! Partitions that have records and give none.

use crate::rig::{Rig, Running, assert_exactly_once, count, until};
use gristmill::cli::events::Events;
use gristmill::config::Config;
use gristmill::engine::RunOptions;
use gristmill::error::ExitCode;
use gristmill::kafka::Code;
use gristmill::kafka::mock::Request;
use std::num::NonZeroU64;
use std::time::Duration;

const EVENTS: Events = Events { seed: 9, invalid: 0.1, keys: 100 };

/// The client asks a broker that says so again and again, and tells nobody.
const KAFKA_STORAGE_ERROR: Code = Code(56);

/// With an end that is asked for all the time.
fn start(rig: &Rig, change: impl FnOnce(&mut Config)) -> Running {
    rig.start_with(RunOptions::default(), |config| {
        config.pipeline.report_interval = Duration::from_millis(100);
        change(config);
    })
}

fn stalled(running: &Running) -> u64 {
    running.engine.metrics().snapshot().facts.stalled_partitions
}

/// A topic whose brokers answer everything but fetches.
fn without_fetches(exit: &str) -> Rig {
    let rig =
        Rig::new(2, [4, 4, 2], &[("GRISTMILL_WATCHDOG_AFTER", "1s"), ("GRISTMILL_WATCHDOG_EXIT", exit)]);
    rig.feed(&EVENTS, 0..1_000);
    rig.cluster.fail_requests(Request::Fetch, &[KAFKA_STORAGE_ERROR; 10_000]);
    rig
}

#[test]
fn partitions_that_give_nothing_are_counted_until_they_do() {
    let rig = without_fetches("false");
    let running = start(&rig, |_| {});
    until("all partitions have stalled", || stalled(&running) == 4);
    rig.cluster.stop_failing(Request::Fetch);
    running.wait_settled(1_000);
    until("none has", || stalled(&running) == 0);
    assert_eq!(running.stop().exit_code(), ExitCode::Clean);
    assert_exactly_once(&rig.read(), &EVENTS, 1_000);
}

#[test]
fn the_engine_ends_for_them_where_it_is_to() {
    let rig = without_fetches("true");
    let report = start(&rig, |_| {}).join();
    let failure = report.failure.as_ref().expect("a reason");
    assert_eq!((failure.code, report.consumed), (ExitCode::Delivery, 0));
    assert!(failure.message.contains("though the brokers answer"), "{failure}");
}

#[test]
fn without_brokers_they_are_counted_and_no_reason_to_end() {
    let rig =
        Rig::new(2, [4, 4, 2], &[("GRISTMILL_WATCHDOG_AFTER", "3s"), ("GRISTMILL_WATCHDOG_EXIT", "true")])
            .with_short_session();
    rig.feed(&EVENTS, 0..3_000);
    let running = start(&rig, |config| config.pipeline.rate_limit = NonZeroU64::new(500));
    let metrics = running.engine.metrics().clone();
    until("a lag is known", || metrics.snapshot().partitions.iter().any(|lag| lag.records > Some(100)));
    rig.cluster.take_down(None).expect("brokers");
    // They count even after the member's session is over.
    until("all are lost, and have stalled", || {
        metrics.snapshot().partitions.is_empty() && stalled(&running) > 0
    });
    rig.cluster.bring_up(None).expect("brokers");
    // What was on its way when the partitions were lost is read again.
    until("all is settled", || {
        let partitions = metrics.snapshot().partitions;
        partitions.len() == 4 && partitions.iter().all(|lag| lag.records == Some(0))
    });
    until("none has stalled", || stalled(&running) == 0);
    assert_eq!(running.stop().exit_code(), ExitCode::Clean);
    // As after any outage of the mock, there may be repeats.
    let count = count(&rig.read(), &EVENTS, 3_000);
    assert!(count.missing.is_empty(), "{:?}", count.missing);
}
