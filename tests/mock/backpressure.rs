//! A sink that is slow, and what must not grow then.

use crate::rig::{Rig, assert_exactly_once, until};
use gristmill::cli::events::Events;
use std::time::Duration;

const EVENTS: Events = Events { seed: 4, invalid: 0.1, keys: 100 };

/// The share of the memory limit is not what binds here, but the number of batches.
const BATCHES: u64 = 16;
const BATCH_RECORDS: u64 = 20;

#[test]
fn reading_stops_when_all_batches_are_out() {
    let rig = Rig::new(2, [4, 4, 2], &[("GRISTMILL_BATCH_SIZE", "20")]);
    assert_eq!(rig.config.limits.batches_per_source as u64, BATCHES);
    rig.feed(&EVENTS, 0..2_000);
    rig.cluster.set_round_trip(Some(2), Duration::from_millis(300)).expect("a broker");
    let running = rig.start();
    let metrics = running.engine.metrics().clone();
    let mut most = (0, 0);
    until("some records are through", || {
        let now = metrics.accounting();
        most = (most.0.max(now.in_flight()), most.1.max(now.batches_in_flight()));
        assert!(now.in_flight() <= BATCHES * BATCH_RECORDS, "{} records in flight", now.in_flight());
        now.settled.records() >= 600
    });
    assert_eq!(most.1, BATCHES, "all batches were out, with {} records", most.0);
    assert!(metrics.snapshot().events.backpressure > Duration::from_millis(500));
    rig.cluster.set_round_trip(Some(2), Duration::ZERO).expect("a broker");
    running.wait_settled(2_000);
    assert!(running.stop().drained);
    assert_exactly_once(&rig.read(), &EVENTS, 2_000);
}

#[test]
fn a_revoke_while_everything_is_full_repeats_nothing() {
    // All batches once in a round trip, for four times as long as the second one takes to get its partitions.
    const LOAD: u64 = 30_000;
    let rig = Rig::new(2, [4, 4, 2], &[("GRISTMILL_BATCH_SIZE", "20")]).with_short_session();
    rig.feed(&EVENTS, 0..LOAD);
    rig.cluster.set_round_trip(Some(2), Duration::from_millis(300)).expect("a broker");
    let first = rig.start();
    until("all batches are out", || first.engine.metrics().accounting().batches_in_flight() == BATCHES);
    let second = rig.start_second(|_| {});
    second.wait_settled(20);
    rig.cluster.set_round_trip(Some(2), Duration::ZERO).expect("a broker");
    until("both are through", || first.settled() + second.settled() >= LOAD);
    let revoked = first.engine.metrics().snapshot().events.rebalances;
    assert!(revoked.iter().sum::<u64>() >= 2, "the first one gave partitions up: {revoked:?}");
    assert!(first.stop().drained && second.stop().drained);
    assert_exactly_once(&rig.read(), &EVENTS, LOAD);
}
