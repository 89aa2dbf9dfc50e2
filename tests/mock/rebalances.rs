//! Members that come and go under load.

use crate::rig::{Rig, Running, assert_ascending_by_key, assert_exactly_once, count, until};
use gristmill::cli::events::Events;
use gristmill::config::Config;
use gristmill::engine::RunOptions;
use std::num::NonZeroU64;
use std::time::Duration;

const EVENTS: Events = Events { seed: 5, invalid: 0.1, keys: 200 };
const COUNT: u64 = 12_000;

/// Reads slowly enough that there is load for as long as the test takes.
fn slowly(config: &mut Config) {
    config.pipeline.rate_limit = NonZeroU64::new(300);
}

#[test]
fn members_that_come_and_go_lose_and_repeat_nothing() {
    let rig = Rig::new(2, [6, 4, 2], &[]).with_short_session();
    rig.feed(&EVENTS, 0..COUNT);
    let first = rig.start_with(RunOptions::default(), slowly);
    first.wait_settled(300);
    let second = rig.start_second(slowly);
    second.wait_settled(300);
    let report = first.stop();
    assert!(report.drained && report.not_committed == 0);
    let third = rig.start_second(|_| {});
    until("the third one has partitions", || !third.engine.metrics().snapshot().partitions.is_empty());
    let report_second = second.stop();
    assert!(report_second.drained && report_second.not_committed == 0);
    let others = report.consumed + report_second.consumed;
    assert!(others < COUNT, "there was load for as long as the members changed");
    until("the last one is through", || third.settled() >= COUNT - others);
    let last = third.stop();
    assert!(last.drained);
    let again = others + last.consumed - COUNT;
    assert_eq!(again, 0, "read twice: {report:?} {report_second:?} {last:?}");
    let written = rig.read();
    assert_exactly_once(&written, &EVENTS, COUNT);
    assert_ascending_by_key(&written.output);
}

#[test]
fn a_member_that_has_read_everything_keeps_its_place_in_a_rebalance() {
    let rig = Rig::new(2, [6, 4, 2], &[]).with_short_session();
    let first = rig.start();
    let mut fed = 0;
    let mut feed = |count| {
        rig.feed(&EVENTS, fed..fed + count);
        fed += count;
        fed
    };
    first.wait_settled(feed(60));
    // Events come one by one while a member comes and goes: nearly always all of a partition has been read.
    let second = rig.start_second(|_| {});
    until("the second one has partitions", || {
        feed(1);
        !second.engine.metrics().snapshot().partitions.is_empty()
    });
    feed(30);
    let report = second.stop();
    assert!(report.drained);
    until("the first one has all again", || {
        feed(1);
        first.engine.metrics().snapshot().partitions.len() == 6
    });
    let fed = feed(30);
    until("all was found", || count(&rig.read(), &EVENTS, fed).missing.is_empty());
    assert!(first.stop().drained);
    assert_exactly_once(&rig.read(), &EVENTS, fed);
}

#[test]
fn two_members_in_one_process_share_the_partitions() {
    let rig = Rig::new(2, [6, 4, 2], &[]).with_short_session();
    rig.feed(&EVENTS, 0..COUNT);
    let running = rig.start_two(RunOptions::default());
    running.wait_settled(COUNT);
    assert!(running.stop().drained);
    let written = rig.read();
    assert_exactly_once(&written, &EVENTS, COUNT);
    assert_ascending_by_key(&written.output);
}

#[test]
fn a_coordinator_that_moves_loses_and_repeats_nothing() {
    let rig = Rig::new(3, [4, 4, 2], &[]).with_short_session();
    rig.feed(&EVENTS, 0..COUNT / 2);
    let running = rig.start_with(RunOptions::default(), |config| {
        config.pipeline.rate_limit = NonZeroU64::new(2_000);
    });
    for (settled, broker) in [(300, 2), (900, 3), (1_500, 1)] {
        running.wait_settled(settled);
        rig.cluster.set_coordinator(crate::rig::GROUP, broker).expect("a broker");
    }
    running.wait_settled(COUNT / 2);
    let report = running.stop();
    assert!(report.drained, "{report:?}");
    // Nothing is left: a restart finds every offset committed.
    let again = rig.start_with(RunOptions { until_end: true, leave: false }, |_| {}).join();
    assert_eq!((again.consumed, again.drained), (0, true));
    assert_exactly_once(&rig.read(), &EVENTS, COUNT / 2);
}

#[test]
fn a_drain_that_is_too_slow_for_a_revoke_repeats_but_loses_nothing() {
    // More than the first one does until the second one has its partitions.
    const LOAD: u64 = 20_000;
    let rig = Rig::new(2, [4, 4, 2], &[("GRISTMILL_BATCH_SIZE", "50")]).with_short_session();
    // A fetch gives one of the producer's batches a partition: with small ones, what is in flight (800 records) is of each.
    for first in (0..LOAD).step_by(400) {
        rig.feed(&EVENTS, first..first + 400);
    }
    rig.cluster.set_round_trip(Some(2), Duration::from_millis(600)).expect("a broker");
    let slow_to_drain = |config: &mut Config| {
        config.pipeline.drain_timeout = Duration::from_millis(50);
    };
    let first = rig.start_with(RunOptions::default(), slow_to_drain);
    until("all batches are out", || first.engine.metrics().accounting().batches_in_flight() == 16);
    let second = rig.start_second(|_| {});
    second.wait_settled(20);
    rig.cluster.set_round_trip(Some(2), Duration::ZERO).expect("a broker");
    // What the first one had under way for partitions that it gave up is fenced, and read again by the second.
    until("the second one has read again", || first.settled() + second.settled() > LOAD);
    until("both are idle", || {
        let idle = |running: &Running| running.engine.metrics().accounting().in_flight() == 0;
        idle(&first) && idle(&second) && count(&rig.read(), &EVENTS, LOAD).missing.is_empty()
    });
    assert!(first.engine.metrics().snapshot().events.commits_fenced > 0);
    first.stop();
    second.stop();
}
