//! Ends: asked for, reached, and what the next start finds.

use crate::rig::{Rig, assert_ascending_by_key, assert_exactly_once, until};
use gristmill::cli::events::Events;
use gristmill::engine::RunOptions;
use gristmill::error::ExitCode;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

const EVENTS: Events = Events { seed: 7, invalid: 0.1, keys: 100 };

const UNTIL_END: RunOptions = RunOptions { until_end: true, leave: false };

#[test]
fn a_restart_under_load_repeats_nothing() {
    let rig = Rig::new(2, [4, 4, 2], &[]).with_short_session();
    rig.feed(&EVENTS, 0..4_000);
    let mut consumed = 0;
    let mut starts = 0;
    while consumed < 4_000 {
        let running = rig
            .start_with(RunOptions::default(), |config| config.pipeline.rate_limit = NonZeroU64::new(1_000));
        running.wait_settled((4_000 - consumed).min(700));
        let report = running.stop();
        assert_eq!((report.exit_code(), report.not_committed), (ExitCode::Clean, 0));
        consumed += report.consumed;
        starts += 1;
    }
    assert!(starts > 1, "an end came under load");
    assert_eq!(consumed, 4_000);
    let written = rig.read();
    assert_exactly_once(&written, &EVENTS, 4_000);
    assert_ascending_by_key(&written.output);
}

#[test]
fn until_end_ends_where_the_end_was() {
    let rig = Rig::new(2, [4, 4, 2], &[]).with_short_session();
    rig.feed(&EVENTS, 0..1_000);
    let running = rig.start_two(UNTIL_END);
    // What comes now is not for this run, whenever it comes.
    rig.feed(&EVENTS, 1_000..1_500);
    let report = running.join();
    assert_eq!((report.exit_code(), report.consumed, report.not_committed), (ExitCode::Clean, 1_000, 0));
    let report = rig.start_with(UNTIL_END, |_| {}).join();
    assert_eq!((report.exit_code(), report.consumed), (ExitCode::Clean, 500));
    let report = rig.start_with(UNTIL_END, |_| {}).join();
    assert_eq!((report.exit_code(), report.consumed), (ExitCode::Clean, 0));
    assert_exactly_once(&rig.read(), &EVENTS, 1_500);
}

#[test]
fn a_start_at_the_end_is_decided_once() {
    let rig = Rig::new(2, [4, 4, 2], &[("KAFKA_AUTO_OFFSET_RESET", "latest")]).with_short_session();
    rig.feed(&EVENTS, 0..100);
    let idle = rig.start();
    until("the start is committed", || idle.engine.metrics().snapshot().events.commits[0] > 0);
    assert_eq!(idle.stop().consumed, 0);
    rig.feed(&EVENTS, 100..105);
    let running = rig.start();
    running.wait_settled(5);
    assert_eq!(running.stop().consumed, 5);
}

#[test]
fn a_rate_limit_limits() {
    let rig = Rig::new(2, [4, 4, 2], &[("GRISTMILL_RATE_LIMIT", "1000")]);
    rig.feed(&EVENTS, 0..2_000);
    let started = Instant::now();
    let report = rig.start_with(UNTIL_END, |_| {}).join();
    assert_eq!(report.consumed, 2_000);
    // 2,000 events at 1,000 a second, less the hundredth of a second that may come at once.
    assert!(started.elapsed() >= Duration::from_millis(1_940), "it took {:?}", started.elapsed());
    assert_exactly_once(&rig.read(), &EVENTS, 2_000);
}
