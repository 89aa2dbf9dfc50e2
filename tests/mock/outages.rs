//! Brokers that go away, and come back or not.

use crate::rig::{GROUP, INPUT, PATIENCE, Rig, count, until};
use gristmill::cli::events::Events;
use gristmill::engine::RunOptions;
use gristmill::error::ExitCode;
use gristmill::kafka::Code;
use gristmill::kafka::admin::Admin;
use gristmill::kafka::mock::Request;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const EVENTS: Events = Events { seed: 6, invalid: 0.1, keys: 100 };

#[test]
fn an_outage_is_waited_for_and_costs_no_event() {
    let rig = Rig::new(2, [4, 4, 2], &[]);
    rig.feed(&EVENTS, 0..3_000);
    let running = rig.start_with(RunOptions::default(), |config| {
        config.pipeline.rate_limit = std::num::NonZeroU64::new(1_000);
    });
    running.wait_settled(300);
    rig.cluster.take_down(None).expect("brokers");
    let metrics = running.engine.metrics().clone();
    until("reading has stopped", || {
        let before = metrics.accounting().settled.records();
        std::thread::park_timeout(Duration::from_millis(300));
        metrics.accounting().settled.records() == before
    });
    assert!(running.settled() < 3_000, "the outage came in the middle");
    rig.cluster.bring_up(None).expect("brokers");
    running.wait_settled(3_000);
    let report = running.stop();
    assert_eq!(report.exit_code(), ExitCode::Clean);
    // The mock does not recognise what a producer sends again when the answer was lost: repeated is possible, missing is not.
    let count = count(&rig.read(), &EVENTS, 3_000);
    assert!(count.missing.is_empty(), "{:?}", count.missing);
}

#[test]
fn an_end_without_a_coordinator_is_an_end() {
    let rig = Rig::new(2, [6, 4, 2], &[("GRISTMILL_DRAIN_TIMEOUT", "1s")]);
    rig.feed(&EVENTS, 0..200);
    // The ends of the partitions are asked all the time, so that the question is under way when the answers stop.
    let running = rig.start_with(RunOptions::default(), |config| {
        config.pipeline.report_interval = Duration::from_millis(10);
    });
    running.wait_settled(200);
    until("all is committed", || running.engine.metrics().snapshot().events.commits.iter().sum::<u64>() > 0);
    // Everything is settled. Nobody answers any more, and nobody refuses either.
    rig.cluster.set_round_trip(None, 2 * PATIENCE).expect("brokers");
    let asked = Instant::now();
    let report = running.stop();
    assert!(report.not_committed == 0);
    assert!(asked.elapsed() < Duration::from_secs(20), "the end took {:?}", asked.elapsed());
}

#[test]
fn an_input_partition_without_a_leader_is_waited_for() {
    let rig = Rig::new(2, [2, 2, 1], &[]);
    rig.feed(&EVENTS, 0..200);
    rig.cluster.set_leader(INPUT, 1, None).expect("a partition");
    let running = rig.start_with(RunOptions::default(), |config| {
        config.pipeline.stall_after = Duration::from_secs(1);
        config.telemetry.http_addr = Some(([127, 0, 0, 1], 0).into());
    });
    let ready = || {
        let mut connection =
            TcpStream::connect(running.engine.http_addr().expect("it serves")).expect("it listens");
        connection.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").expect("it reads");
        std::io::read_to_string(connection).expect("it answers")
    };
    // After several questions that were of no use.
    until("readiness says what is waited for", || {
        assert!(!running.engine.shutdown().is_requested(), "it ended for a partition that is away");
        ready().contains("source-0 has had no answer")
    });
    rig.cluster.set_leader(INPUT, 1, Some(1)).expect("a broker");
    running.wait_settled(200);
    assert!(ready().ends_with("\r\nready\n"), "{}", ready());
    assert_eq!(running.stop().exit_code(), ExitCode::Clean);
}

#[test]
fn a_request_to_end_while_the_cluster_is_asked_is_no_failure() {
    let rig = Rig::new(2, [2, 2, 1], &[]);
    rig.feed(&EVENTS, 0..10);
    for _ in 0..50 {
        rig.cluster.delay_request(1, Request::OffsetFetch, Code::OK, 2 * PATIENCE).expect("a broker");
    }
    let running = rig.start();
    until("the group has assigned partitions", || {
        running.engine.metrics().snapshot().events.rebalances.iter().sum::<u64>() > 0
    });
    let report = running.stop();
    assert!(report.failure.is_none(), "{:?}", report.failure);
    assert_eq!(report.consumed, 0);
}

#[test]
fn a_cluster_that_cannot_tell_its_limits_is_not_waited_for() {
    let rig = Rig::new(1, [3, 2, 1], &[]);
    let admin = Admin::connect(&rig.config.kafka).expect("a broker");
    let asked = Instant::now();
    let topics = admin.topics(&["in", "nowhere"], PATIENCE).expect("an answer");
    assert!(asked.elapsed() < PATIENCE / 4, "it took {:?}", asked.elapsed());
    let found = topics[0].as_ref().expect("it is there");
    assert_eq!((found.partitions, found.max_message_bytes), (3, None));
}

#[test]
fn a_coordinator_that_is_gone_for_good_holds_no_transaction_up() {
    let rig =
        Rig::new(3, [4, 4, 2], &[("GRISTMILL_DELIVERY", "exactly-once"), ("GRISTMILL_INSTANCE_ID", "a")]);
    rig.cluster.set_coordinator(GROUP, 3).expect("a broker");
    rig.feed(&EVENTS, 0..3_000);
    let running = rig.start_with(RunOptions::default(), |config| {
        config.pipeline.rate_limit = std::num::NonZeroU64::new(1_000);
    });
    running.wait_settled(500);
    rig.cluster.set_coordinator(GROUP, 1).expect("a broker");
    rig.cluster.remove(3).expect("a broker");
    let gone = Instant::now();
    let before = running.settled();
    assert!(before < 2_000, "it left in the middle");
    // The client keeps the broker in mind, and by itself never looks again.
    running.wait_settled(before + 500);
    assert!(gone.elapsed() < Duration::from_secs(20), "it took {:?} to get on", gone.elapsed());
    running.wait_settled(3_000);
    running.stop();
    let count = count(&rig.read(), &EVENTS, 3_000);
    assert!(count.missing.is_empty(), "{:?}", count.missing);
}

#[test]
fn a_member_that_is_fenced_while_it_joins_again_is_to_be_started_again() {
    const FENCED_INSTANCE_ID: Code = Code(82);
    let rig = Rig::new(2, [4, 4, 2], &[("GRISTMILL_INSTANCE_ID", "a")]).with_short_session();
    rig.feed(&EVENTS, 0..200);
    let running = rig.start();
    running.wait_settled(200);
    let assigned = || running.engine.metrics().snapshot().partitions.len();
    until("partitions are assigned", || assigned() > 0);
    // Longer than a session: the group knows it no more, and what it asks for next is answered too late.
    rig.cluster.take_down(None).expect("brokers");
    until("the partitions are lost", || assigned() == 0);
    rig.cluster.fail_requests(Request::JoinGroup, &[FENCED_INSTANCE_ID; 8]);
    rig.cluster.bring_up(None).expect("brokers");
    // Not 78, with which a supervisor would leave it as it is.
    assert_eq!(running.join().exit_code(), ExitCode::Delivery);
}

#[test]
fn a_commit_of_a_member_that_has_joined_again_since_is_rolled_back() {
    const FENCED_INSTANCE_ID: Code = Code(82);
    const UNKNOWN_MEMBER_ID: Code = Code(25);
    let rig =
        Rig::new(2, [4, 4, 2], &[("GRISTMILL_DELIVERY", "exactly-once"), ("GRISTMILL_INSTANCE_ID", "a")])
            .with_short_session();
    rig.feed(&EVENTS, 0..200);
    let running = rig.start();
    running.wait_settled(200);
    // A process stood still for longer than a session. The group has forgotten it, and takes it for another when it is back with its
    // static id, before its transaction that is still open is committed.
    rig.cluster.fail_requests(Request::Heartbeat, &[UNKNOWN_MEMBER_ID]);
    rig.cluster.fail_requests(Request::TxnOffsetCommit, &[FENCED_INSTANCE_ID]);
    rig.feed(&EVENTS, 200..400);
    running.wait_settled(400);
    running.stop();
    let count = count(&rig.read(), &EVENTS, 400);
    assert!(count.missing.is_empty(), "{:?}", count.missing);
}
