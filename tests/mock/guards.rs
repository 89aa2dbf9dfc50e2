//! A contract that does not fit: reading stops, and what was not read is there for the next start.

use crate::rig::{Rig, assert_exactly_once, until};
use gristmill::cli::events::Events;
use gristmill::config::Config;
use gristmill::engine::RunOptions;
use gristmill::error::ExitCode;
use std::num::NonZeroU64;

/// All of them are rejected.
const EVENTS: Events = Events { seed: 8, invalid: 1.0, keys: 100 };

const COUNT: u64 = 6_000;

fn rig() -> Rig {
    let rig = Rig::new(2, [4, 4, 2], &[("GRISTMILL_DLQ_LIMIT", "50%/200")]).with_short_session();
    rig.feed(&EVENTS, 0..COUNT);
    rig
}

/// So slow that the topic outlasts the first hundred rejections.
fn slow(config: &mut Config) {
    config.pipeline.rate_limit = NonZeroU64::new(4_000);
}

#[test]
fn reading_stops_and_the_next_start_goes_on() {
    let rig = rig();
    let running = rig.start_with(RunOptions::default(), slow);
    let metrics = running.engine.metrics().clone();
    until("the limit trips", || metrics.snapshot().facts.dlq_limit_tripped);
    until("what is in flight is settled", || metrics.accounting().in_flight() == 0);
    let report = running.stop();
    assert_eq!((report.exit_code(), report.not_committed), (ExitCode::Clean, 0));
    assert!((101..COUNT).contains(&report.consumed), "{report}");

    let left = COUNT - report.consumed;
    let running = rig.start_with(RunOptions::default(), |config| config.pipeline.dlq_limit = None);
    running.wait_settled(left);
    assert_eq!(running.stop().consumed, left);
    assert_exactly_once(&rig.read(), &EVENTS, COUNT);
}

#[test]
fn a_run_to_the_end_has_a_code_for_it() {
    let report = rig().start_with(RunOptions { until_end: true, leave: false }, slow).join();
    assert_eq!((report.exit_code(), report.not_committed), (ExitCode::DlqLimit, 0));
    assert!((101..COUNT).contains(&report.consumed), "{report}");
}
