//! The broker for tests, tried: it starts, keeps its data over a crash, hangs and recovers, and leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

use perf::broker::{Broker, Options};
use perf::cluster::Cluster;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);

fn producer(bootstrap: &str) -> BaseProducer {
    ClientConfig::new().set("bootstrap.servers", bootstrap).set("acks", "all").create().unwrap()
}

fn send(bootstrap: &str, topic: &str, count: usize) {
    let producer = producer(bootstrap);
    for number in 0..count {
        let value = format!("{number}");
        producer
            .send(BaseRecord::<(), str>::to(topic).partition(0).payload(&value))
            .map_err(|(error, _)| error)
            .unwrap();
    }
    producer.flush(WITHIN).unwrap();
}

#[test]
fn one_broker_lives_dies_and_keeps_its_data() {
    let options = Options::own().property("message.max.bytes", 2_000_000);
    let Some(broker) = Broker::for_tests(options) else { return };
    let topics = broker.topics().unwrap();
    topics.create("t", 2, 1, &[("retention.ms", "-1")]).unwrap();
    assert_eq!(topics.partitions("t").unwrap(), Some(2));
    assert_eq!(topics.partitions("none").unwrap(), None);
    send(broker.bootstrap(), "t", 100);
    assert_eq!(topics.ends("t").unwrap(), [100, 0]);

    broker.kill().unwrap();
    broker.restart().unwrap();
    assert_eq!(topics.ends("t").unwrap(), [100, 0]);

    broker.pause().unwrap();
    let late = producer(broker.bootstrap());
    late.send(BaseRecord::<(), str>::to("t").partition(1).payload("x")).map_err(|(error, _)| error).unwrap();
    assert!(late.flush(Duration::from_millis(300)).is_err(), "a paused broker does not answer");
    broker.resume().unwrap();
    late.flush(WITHIN).unwrap();
    assert_eq!(topics.ends("t").unwrap(), [100, 1]);

    topics.delete_records("t", 0, 40).unwrap();
    assert_eq!(topics.starts("t").unwrap(), [40, 0]);
    assert_eq!(topics.group_offsets("g", "t").unwrap(), [None, None]);
    assert_eq!(topics.lag("g", "t").unwrap(), 61);
    topics.commit("g", "t", &[100, 0]).unwrap();
    assert_eq!(topics.lag("g", "t").unwrap(), 1);
    topics.alter_config("t", &[("max.message.bytes", "1000")]).unwrap();
    topics.add_partitions("t", 3).unwrap();
    assert_eq!(topics.ends("t").unwrap(), [100, 1, 0]);
    topics.delete_group("g").unwrap();
    topics.delete("t").unwrap();
}

#[test]
fn ends_follow_the_isolation_level() {
    let Some(broker) = Broker::shared() else { return };
    let topics = broker.topics().unwrap();
    topics.create("open", 1, 1, &[]).unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.bootstrap()).set("transactional.id", "open");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(WITHIN).unwrap();
    producer.begin_transaction().unwrap();
    producer.send(BaseRecord::<(), str>::to("open").payload("x")).map_err(|(error, _)| error).unwrap();
    producer.flush(WITHIN).unwrap();
    assert_eq!(topics.ends("open").unwrap(), [0], "a record of an open transaction is not readable");
    assert_eq!(topics.written_ends("open").unwrap(), [1]);
    producer.commit_transaction(WITHIN).unwrap();
    // The marker is written after the commit's answer.
    perf::topics::wait_until("no marker", WITHIN, || Ok(topics.ends("open")? == [2])).unwrap();
    topics.delete("open").unwrap();
}

#[test]
fn a_cluster_goes_on_without_one_node() {
    let Some(cluster) = Cluster::for_tests(3, &Options::default()) else { return };
    let topics = cluster.topics().unwrap();
    topics.create("t", 1, 0, &[]).unwrap();
    let leader = topics.leader("t", 0).unwrap();
    cluster.kill(leader).unwrap();
    send(cluster.bootstrap(), "t", 10);
    assert_eq!(topics.ends("t").unwrap(), [10]);
    assert_ne!(topics.leader("t", 0).unwrap(), leader);
    cluster.restart(leader).unwrap();
    let other = leader % 3 + 1;
    cluster.pause(other).unwrap();
    cluster.resume(other).unwrap();
    cluster.stop(other).unwrap();
    assert!(cluster.stop(4).is_err());
}
