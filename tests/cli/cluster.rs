//! Commands that speak to a cluster: to none, and to one in this process.

use super::{Answer, Gristmill};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, DefaultConsumerContext};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Child;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A port of this machine at which nobody listens.
pub(super) fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}

pub(super) fn cluster(topic: &str) -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).expect("a cluster in this process");
    cluster.create_topic(topic, 3, 1).expect("created");
    cluster
}

/// With the three topics that `run` wants.
fn whole_cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = cluster("in");
    for topic in ["out", "dlq"] {
        cluster.create_topic(topic, 1, 1).expect("created");
    }
    cluster
}

/// All of a topic: (partition, key, value), each partition in its order.
fn read_all(servers: &str, topic: &str, records: usize) -> Vec<(i32, Option<Vec<u8>>, Vec<u8>)> {
    let consumer: BaseConsumer<DefaultConsumerContext> = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("group.id", "reader")
        .set("auto.offset.reset", "earliest")
        .create_with_context(DefaultConsumerContext)
        .expect("a consumer");
    let mut partitions = rdkafka::TopicPartitionList::new();
    for partition in 0..3 {
        partitions.add_partition_offset(topic, partition, rdkafka::Offset::Beginning).expect("a partition");
    }
    consumer.assign(&partitions).expect("assigned");
    let deadline = Instant::now() + PATIENCE;
    let mut read = Vec::new();
    while read.len() < records {
        assert!(Instant::now() < deadline, "{} of {records} records", read.len());
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(100)) {
            let value = record.payload().expect("an event").to_vec();
            read.push((record.partition(), record.key().map(<[u8]>::to_vec), value));
        }
    }
    read.sort();
    read
}

fn generate(servers: &str, more: &[&str]) -> Answer {
    let call = [&["generate", "--bootstrap-servers", servers, "--topic", "events"][..], more].concat();
    Gristmill::new(&call).run()
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn no_broker_is_69_with_the_likely_reasons() {
    let servers = format!("127.0.0.1:{}", closed_port());
    for command in [&["topics", "list"][..], &["generate", "--topic", "x", "--count", "1"]] {
        let call = [command, &["--bootstrap-servers", &servers, "--connect-timeout", "2s"]].concat();
        let answer = Gristmill::new(&call).run();
        answer.fails_with(69, &servers);
        for part in ["KAFKA_BOOTSTRAP_SERVERS", "2s", "Connection refused", "KAFKA_SECURITY_PROTOCOL"] {
            assert!(answer.stderr.contains(part), "{part}: {answer:?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_events() {
    let read = |seed: &str, keys: &str| {
        let cluster = cluster("events");
        let servers = cluster.bootstrap_servers();
        let answer =
            generate(&servers, &["--count", "1000", "--seed", seed, "--keys", keys, "--invalid", "0.1"]);
        answer.succeeds();
        assert!(answer.stdout.starts_with("1,000 events into topic events in "), "{answer:?}");
        read_all(&servers, "events", 1_000)
    };
    let first = read("7", "10");
    assert_eq!(first, read("7", "10"), "keys decide the partition, so even the places are the same");
    assert_ne!(first, read("8", "10"));
    let keys: std::collections::BTreeSet<_> = first.iter().map(|(_, key, _)| key).collect();
    assert_eq!(keys.len(), 10);
    assert!(read("7", "0").iter().all(|(_, key, _)| key.is_none()));
}

#[test]
fn a_topic_that_does_not_exist_is_78_and_is_not_made() {
    let cluster = cluster("other");
    generate(&cluster.bootstrap_servers(), &["--count", "1"]).fails_with(78, "gristmill topics create");
    let list = Gristmill::new(&["topics", "list", "--bootstrap-servers", &cluster.bootstrap_servers()]).run();
    assert_eq!(list.stdout, "other: 3 partitions\n", "{list:?}");
}

#[test]
fn an_event_that_is_not_delivered_is_74() {
    let cluster = cluster("events");
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.request_errors(RDKafkaApiKey::Produce, &[refusal; 3]);
    generate(&cluster.bootstrap_servers(), &["--count", "10"])
        .fails_with(74, "could not be delivered to topic events");
}

/// One that is at work, and whose directory it is at work in.
fn endless_generator(servers: &str, rate: &str) -> (Gristmill, Child) {
    let call = ["generate", "--bootstrap-servers", servers, "--topic", "events", "--rate", rate];
    let gristmill = Gristmill::new(&call);
    let child = gristmill.command().spawn().expect("the binary runs");
    read_all(servers, "events", 100);
    (gristmill, child)
}

#[test]
fn sigterm_ends_an_endless_generator_with_every_event_delivered() {
    let cluster = cluster("events");
    let servers = cluster.bootstrap_servers();
    let (_directory, child) = endless_generator(&servers, "500");
    // The second is the same request: a wrapper's signal to the group after that to the process.
    signal(&child, "-TERM");
    signal(&child, "-INT");
    let answer: Answer = child.wait_with_output().expect("it ends").into();
    answer.succeeds();
    let (count, _) = answer.stdout.split_once(" events into topic events").expect("the count");
    let count = count.replace(',', "").parse().expect("a number");
    assert_eq!(read_all(&servers, "events", count).len(), count);
}

#[test]
fn sigterm_ends_a_generator_whose_broker_is_away() {
    let cluster = cluster("events");
    let servers = cluster.bootstrap_servers();
    // So many events that some are always under way.
    let (_directory, child) = endless_generator(&servers, "5000");
    cluster.broker_down(1).expect("a broker");
    signal(&child, "-TERM");
    let asked = Instant::now();
    let answer: Answer = child.wait_with_output().expect("it ends").into();
    answer.fails_with(75, "after the signal: whether they are in topic events is not known");
    assert!(answer.stdout.contains(" events into topic events"), "what is known is told: {answer:?}");
    assert!(asked.elapsed() < PATIENCE, "the end took {:?}", asked.elapsed());
}

#[test]
fn an_outage_is_told_once_not_with_every_attempt() {
    let servers = format!("127.0.0.1:{}", closed_port());
    let call = ["run", "--bootstrap-servers", &servers, "--connect-timeout", "3s"];
    let answer = Gristmill::new(&call).with_topics().run();
    answer.fails_with(69, "Connection refused");
    let told = answer.stderr.lines().filter(|line| line.contains("brokers are down")).count();
    assert_eq!(told, 1, "{answer:?}");
}

#[test]
fn a_signal_before_the_engine_runs_ends_at_once() {
    let servers = format!("127.0.0.1:{}", closed_port());
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let call = ["run", "--bootstrap-servers", &servers, "--connect-timeout", "1h"];
        let gristmill = Gristmill::new(&call).with_topics();
        let mut child = gristmill.command().spawn().expect("the binary runs");
        let mut first = String::new();
        let mut lines = BufReader::new(child.stderr.take().expect("piped"));
        lines.read_line(&mut first).expect("a line says that no broker answers");
        signal(&child, name);
        let status = child.wait().expect("it ends");
        assert_eq!(status.code(), Some(code), "{name}: {status}, {first}");
    }
}

#[test]
fn topics_that_are_asked_for_are_listed_one_by_one() {
    let cluster = cluster("in");
    let call = ["topics", "list", "--bootstrap-servers", &cluster.bootstrap_servers()];
    let answer = Gristmill::new(&call).with_topics().run();
    answer.succeeds();
    assert_eq!(answer.stdout, "in: 3 partitions\nout: does not exist\ndlq: does not exist\n");
}

#[test]
fn alter_takes_the_numbers_that_stand_with_the_names() {
    let cluster = cluster("in");
    let call = |more: &[&str]| {
        let servers = cluster.bootstrap_servers();
        let call = [&["topics", "alter", "--bootstrap-servers", &servers][..], more].concat();
        Gristmill::new(&call).run()
    };
    let answer = call(&["--create-topics", "in:3:1"]);
    answer.succeeds();
    assert_eq!(answer.stdout, "in: has 3 partitions already\n");
    call(&["--create-topics", "in:2", "--partitions", "3"]).fails_with(78, "cannot take any away");
    call(&["--create-topics", "in:3,more,most"]).fails_with(
        78,
        "configuration: --partitions: required, as KAFKA_CREATE_TOPICS names no number for more, most",
    );
}

#[test]
fn a_demo_whose_port_is_taken_says_only_that() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let answer = Gristmill::new(&["demo", "--http-addr", &address]).run();
    answer.fails_with(78, "GRISTMILL_HTTP_ADDR");
    assert_eq!(answer.stderr.lines().count(), 1, "{answer:?}");
}

#[test]
fn check_names_the_topics_that_are_missing() {
    let cluster = cluster("in");
    let call = ["check", "--bootstrap-servers", &cluster.bootstrap_servers()];
    let answer = Gristmill::new(&call).with_topics().run();
    answer.fails_with(78, "missing in the cluster: out, dlq");
    assert!(answer.stdout.contains("input topic   in: 3 partitions"), "{answer:?}");
}

#[test]
fn check_of_what_is_in_order_says_what_run_would_do() {
    let cluster = whole_cluster();
    let call = ["check", "--bootstrap-servers", &cluster.bootstrap_servers()];
    let answer = Gristmill::new(&call).with_topics().run();
    answer.succeeds();
    for part in [
        "input         every leader answers, 0 offsets",
        "3 start at the earliest record",
        "WRITE on out and dlq",
        "read in as group gristmill",
    ] {
        assert!(answer.stdout.contains(part), "{part}: {answer:?}");
    }
}

#[test]
fn check_names_the_guarantee_and_what_it_needs() {
    let cluster = whole_cluster();
    let servers = cluster.bootstrap_servers();
    let call =
        ["check", "--bootstrap-servers", &servers, "--delivery", "exactly-once", "--instance-id", "mill"];
    let answer = Gristmill::new(&call).with_topics().run();
    answer.succeeds();
    for part in ["out and dlq, exactly once, with", "WRITE on transactional id gristmill-gristmill-mill"] {
        assert!(answer.stdout.contains(part), "{part}: {answer:?}");
    }
}

/// `check` of a cluster that settles: these errors answer the next questions of a kind.
fn check_while_settling(question: RDKafkaApiKey, errors: &[RDKafkaRespErr], timeout: &str) -> Answer {
    let cluster = whole_cluster();
    cluster.request_errors(question, errors);
    let servers = cluster.bootstrap_servers();
    Gristmill::new(&["check", "--bootstrap-servers", &servers, "--connect-timeout", timeout])
        .with_topics()
        .run()
}

const NO_COORDINATOR: [RDKafkaRespErr; 3] = [
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
];

#[test]
fn check_waits_for_the_coordinator_of_a_group_that_is_new() {
    let answer = check_while_settling(RDKafkaApiKey::OffsetFetch, &NO_COORDINATOR.repeat(2), "60s");
    answer.succeeds();
    assert!(answer.stdout.contains("3 start at the earliest record"), "{answer:?}");
}

#[test]
fn check_waits_for_the_leaders_of_a_topic_that_is_new() {
    let errors = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION; 6];
    let answer = check_while_settling(RDKafkaApiKey::ListOffsets, &errors, "60s");
    answer.succeeds();
    assert!(answer.stdout.contains("every leader answers"), "{answer:?}");
}

#[test]
fn check_without_a_coordinator_is_69() {
    check_while_settling(RDKafkaApiKey::OffsetFetch, &NO_COORDINATOR.repeat(30_000), "1s")
        .fails_with(69, "could not read the committed offsets of group gristmill: ");
}
