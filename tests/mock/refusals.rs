//! What a broker refuses: the record for what it is, or for no fault of the record's.

use crate::rig::{
    DEAD, OUTPUT, Rig, Written, assert_ascending_by_key, assert_exactly_once, producer_property, until,
};
use gristmill::cli::events::Events;
use gristmill::engine::RunReport;
use gristmill::error::ExitCode;
use gristmill::kafka::Code;
use gristmill::kafka::mock::{MockCluster, Request};
use std::time::{Duration, Instant};

const EVENTS: Events = Events { seed: 3, invalid: 0.0, keys: 1 };

const INVALID_RECORD: Code = Code(87);
const INVALID_TIMESTAMP: Code = Code(32);
const MSG_SIZE_TOO_LARGE: Code = Code(10);
const TOPIC_AUTHORIZATION_FAILED: Code = Code(29);
const OUT_OF_ORDER_SEQUENCE_NUMBER: Code = Code(45);
const GROUP_AUTHORIZATION_FAILED: Code = Code(30);
const CLUSTER_AUTHORIZATION_FAILED: Code = Code(31);

/// A record is tried alone so often.
const RETRIES: usize = 3;

/// One partition, and requests that hold whatever is sent within 100 ms, so that it is known which request a refusal meets.
fn rig() -> Rig {
    let mut rig = Rig::new(2, [1, 1, 1], &[("KAFKA_RETRY_LIMIT", "3")]);
    producer_property(&mut rig.config, "linger.ms", "100");
    rig
}

fn refuse(cluster: &MockCluster, codes: &[Code]) {
    for code in codes {
        cluster.delay_request(2, Request::Produce, *code, Duration::ZERO).expect("a broker");
    }
}

/// Ten events in one request, of which the broker refuses as many requests as there are codes.
fn with_refusals(codes: &[Code]) -> (RunReport, Written) {
    let rig = rig();
    refuse(&rig.cluster, codes);
    rig.feed(&EVENTS, 0..10);
    let running = rig.start();
    until("all is settled, or the engine gives up", || {
        running.settled() == 10 || running.engine.shutdown().is_requested()
    });
    let report = running.stop();
    assert!(report.drained);
    (report, rig.read())
}

fn numbers(records: &[crate::rig::Record]) -> Vec<u64> {
    records.iter().map(|record| record.number).collect()
}

#[test]
fn a_refused_batch_is_sent_again_one_by_one() {
    for code in [MSG_SIZE_TOO_LARGE, INVALID_RECORD] {
        let (report, written) = with_refusals(&[code]);
        assert_eq!((report.output, report.dead_lettered(), report.exit_code()), (10, 0, ExitCode::Clean));
        assert_eq!(numbers(&written.output), (0..10).collect::<Vec<_>>(), "neither order nor number suffers");
        assert!(written.dead.is_empty());
    }
}

#[test]
fn what_is_refused_alone_too_is_a_dead_letter_and_its_neighbours_are_not() {
    let (report, written) = with_refusals(&[INVALID_RECORD; 1 + RETRIES]);
    assert_eq!((report.output, report.dead_lettered(), report.exit_code()), (9, 1, ExitCode::Clean));
    assert_eq!(numbers(&written.output), (1..10).collect::<Vec<_>>());
    let [dead] = written.dead.as_slice() else { panic!("one dead letter: {:?}", written.dead) };
    assert_eq!((dead.number, dead.header("dlq.reason")), (0, "delivery_failed"));
    assert_eq!(dead.value, written.input[0].value, "the original, not what was to be written");
    assert_eq!(dead.header("dlq.truncated"), "");
}

#[test]
fn a_dead_letter_that_is_refused_goes_without_its_value() {
    let (report, written) = with_refusals(&[MSG_SIZE_TOO_LARGE; 1 + RETRIES + 1 + RETRIES]);
    assert_eq!((report.output, report.dead_lettered(), report.exit_code()), (9, 1, ExitCode::Clean));
    let [dead] = written.dead.as_slice() else { panic!("one dead letter: {:?}", written.dead) };
    assert_eq!((dead.header("dlq.reason"), dead.header("dlq.truncated")), ("delivery_failed", "true"));
    assert_eq!(dead.value, None);
    assert_eq!(dead.header("dlq.offset"), "0", "the original stays addressable");
}

#[test]
fn a_dead_letter_that_is_refused_for_its_timestamp_goes_whole() {
    let (report, written) = with_refusals(&[INVALID_TIMESTAMP; 1 + RETRIES + 1]);
    assert_eq!((report.output, report.dead_lettered(), report.exit_code()), (9, 1, ExitCode::Clean));
    let [dead] = written.dead.as_slice() else { panic!("one dead letter: {:?}", written.dead) };
    assert_eq!((dead.header("dlq.reason"), dead.header("dlq.truncated")), ("delivery_failed", ""));
    assert_eq!(dead.value, written.input[0].value);
}

#[test]
fn when_even_the_stub_is_refused_the_engine_stops_and_skips_nothing() {
    let rig = rig().with_short_session();
    refuse(&rig.cluster, &[MSG_SIZE_TOO_LARGE; 3 * (1 + RETRIES)]);
    rig.feed(&EVENTS, 0..10);
    let report = rig.start().join();
    assert_eq!(report.exit_code(), ExitCode::Delivery);
    assert!(report.drained, "what is impossible to deliver is given up, not waited for");
    assert_eq!(report.output + report.dead_lettered(), 0, "one batch: all or nothing of it is settled");
    // The next one finds the same events and a cluster that takes them.
    let running = rig.start();
    running.wait_settled(10);
    assert!(running.stop().drained);
    let written = rig.read();
    let again = &numbers(&written.output)[written.output.len() - 10..];
    assert_eq!(again, (0..10).collect::<Vec<_>>());
    assert!(written.dead.is_empty());
}

#[test]
fn a_broker_in_trouble_is_waited_for() {
    // NOT_LEADER_FOR_PARTITION, REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS.
    for trouble in [6, 7, 19].map(Code) {
        let mut rig = Rig::new(2, [2, 2, 1], &[]);
        producer_property(&mut rig.config, "retry.backoff.ms", "20");
        let events = Events { keys: 20, ..EVENTS };
        refuse(&rig.cluster, &[trouble; 12]);
        rig.feed(&events, 0..500);
        let running = rig.start();
        running.wait_settled(500);
        let report = running.stop();
        assert_eq!((report.exit_code(), report.dead_lettered()), (ExitCode::Clean, 0), "{trouble}");
        let written = rig.read();
        assert_exactly_once(&written, &events, 500);
        assert_ascending_by_key(&written.output);
    }
}

#[test]
fn an_output_topic_that_may_not_be_written_stops_the_engine() {
    let (report, written) = with_refusals(&[TOPIC_AUTHORIZATION_FAILED]);
    let message = report.failure.clone().expect("a failure").message;
    assert_eq!(report.exit_code(), ExitCode::Refused, "{message}");
    assert!(message.contains(&format!("\"{OUTPUT}\"")), "{message}");
    assert_eq!(report.output + report.dead_lettered(), 0);
    assert!(written.output.is_empty() && written.dead.is_empty());
}

#[test]
fn a_producer_that_is_not_taken_names_the_missing_right() {
    let rig = rig();
    rig.feed(&EVENTS, 0..10);
    rig.cluster.fail_requests(Request::InitProducerId, &[CLUSTER_AUTHORIZATION_FAILED; 4]);
    let report = rig.start().join();
    let message = report.failure.clone().expect("a failure").message;
    assert_eq!(report.exit_code(), ExitCode::Refused, "{message}");
    for part in ["WRITE", OUTPUT, DEAD, "IdempotentWrite"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert_eq!(report.output + report.dead_lettered(), 0);
}

#[test]
fn a_producer_that_fails_for_good_leaves_the_group_with_what_was_delivered_committed() {
    let mut rig = rig().with_short_session();
    rig.config.pipeline.drain_timeout = Duration::from_secs(60);
    // What is delivered is not committed yet when it happens.
    rig.config.group.commit_interval = Duration::from_secs(30);
    // The second request cannot be: the client gives up for good, for it can no longer tell what was written.
    refuse(&rig.cluster, &[Code::OK, OUT_OF_ORDER_SEQUENCE_NUMBER]);
    rig.feed(&EVENTS, 0..5);
    let running = rig.start();
    running.wait_settled(5);
    rig.feed(&EVENTS, 5..10);
    let started = Instant::now();
    let report = running.join();
    assert_eq!(report.exit_code(), ExitCode::Delivery, "{report:?}");
    let message = report.failure.clone().expect("a failure").message;
    assert!(message.contains("the producer failed for good"), "{message}");
    assert!(report.drained, "there is nothing to wait for");
    let waited = started.elapsed();
    assert!(waited < rig.config.pipeline.drain_timeout / 2, "{waited:?}");
    // The next one begins behind what was delivered.
    let running = rig.start();
    running.wait_settled(5);
    assert_eq!(running.stop().output, 5);
    let written = rig.read();
    assert_eq!(numbers(&written.output), (0..10).collect::<Vec<_>>());
}

#[test]
fn a_commit_that_is_not_allowed_ends_the_engine_while_a_record_is_under_repair() {
    let mut rig = rig();
    producer_property(&mut rig.config, "linger.ms", "500");
    rig.config.pipeline.drain_timeout = Duration::from_secs(30);
    // The first request is taken, the second refused: then each of its ten records travels alone, 500 ms each.
    refuse(&rig.cluster, &[Code::OK, INVALID_RECORD]);
    // The first commit says where the reading starts, the second that it does, the third is answered in the middle of that.
    let delay = Duration::from_secs(3);
    for _ in 0..2 {
        rig.cluster.delay_request(1, Request::OffsetCommit, Code::OK, Duration::ZERO).expect("a broker");
    }
    rig.cluster.delay_request(1, Request::OffsetCommit, GROUP_AUTHORIZATION_FAILED, delay).expect("a broker");
    rig.feed(&EVENTS, 0..5);
    let drain = rig.config.pipeline.drain_timeout;
    let started = Instant::now();
    let running = rig.start();
    running.wait_settled(5);
    rig.feed(&EVENTS, 5..15);
    let metrics = running.engine.metrics().clone();
    let report = running.join();
    assert_eq!(report.exit_code(), ExitCode::Refused, "{report:?}");
    assert!(!report.drained, "nothing can be committed any more");
    assert!(metrics.snapshot().events.delivery_retries > 0, "a record was under repair");
    let waited = started.elapsed();
    assert!(
        waited < drain,
        "the record that was under way came home, or the end would take its whole time: {waited:?}"
    );
}
