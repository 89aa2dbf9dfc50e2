//! What the tests share: a cluster with three topics, events in the first, engines, and what was written to the other two.

use gristmill::cli::events::{Events, Flaw};
use gristmill::config::settings::Command;
use gristmill::config::{Config, Limits, Resolver, Sources};
use gristmill::contract::Plan;
use gristmill::engine::{Engine, Prepared, RunOptions, RunReport};
use gristmill::kafka::Code;
use gristmill::kafka::feeder::Feeder;
use gristmill::kafka::mock::{MockCluster, Request};
use gristmill::kafka::properties;
use gristmill::kafka::reader::TopicReader;
use gristmill::shutdown::Reason;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub(crate) const INPUT: &str = "in";
pub(crate) const OUTPUT: &str = "out";
pub(crate) const DEAD: &str = "dead";
pub(crate) const GROUP: &str = "mill";

/// Nothing in these tests takes this long, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster and how engines are configured for it.
pub(crate) struct Rig {
    pub(crate) cluster: MockCluster,
    pub(crate) config: Config,
    partitions: [i32; 3],
}

/// A record that was read back.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    /// The event's number.
    pub(crate) number: u64,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Record {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// All there is in the topics, in the order of each partition.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) input: Vec<Record>,
    pub(crate) output: Vec<Record>,
    pub(crate) dead: Vec<Record>,
}

impl Rig {
    /// Brokers 1 to `brokers`, and partitions of input, output and dead letter topic. With more than one broker, the input and the
    /// group are at broker 1, what is written at broker 2: so each can be disturbed for itself.
    pub(crate) fn new(brokers: i32, partitions: [i32; 3], settings: &[(&str, &str)]) -> Rig {
        let cluster = MockCluster::start(brokers).expect("sockets on loopback");
        for ((topic, partitions), broker) in [INPUT, OUTPUT, DEAD].into_iter().zip(partitions).zip([1, 2, 2])
        {
            cluster.create_topic(topic, partitions, 1).expect("a new topic");
            for partition in 0..partitions {
                cluster.set_leader(topic, partition, Some(broker.min(brokers))).expect("a broker");
            }
        }
        cluster.set_coordinator(GROUP, 1).expect("a broker");
        let mut config = config(settings);
        config.kafka.bootstrap_servers = cluster.bootstrap_servers();
        if std::env::var_os("GRISTMILL_TEST_LOG").is_some() {
            gristmill::telemetry::init_logs(&config.telemetry).expect("standard error can be written");
        }
        // The mock answers an empty fetch only after this, and members learn of a rebalance from a heartbeat.
        consumer_property(&mut config, "fetch.wait.max.ms", "5");
        consumer_property(&mut config, "heartbeat.interval.ms", "300");
        // A machine that stands still for a moment must not cost a membership.
        config.kafka.session_timeout = Duration::from_secs(20);
        Rig { cluster, config, partitions }
    }

    /// For members that come and go: a second less than the session is what the mock waits for members at every rebalance, and at
    /// every start in a group that had members, whether all are there or not.
    pub(crate) fn with_short_session(mut self) -> Rig {
        self.config.kafka.session_timeout = Duration::from_secs(4);
        self
    }

    /// An engine that joins the group.
    pub(crate) fn start(&self) -> Running {
        self.start_with(RunOptions::default(), |_| {})
    }

    pub(crate) fn start_with(&self, options: RunOptions, change: impl FnOnce(&mut Config)) -> Running {
        let mut config = self.config.clone();
        change(&mut config);
        let prepared = Prepared::new(config, Plan::user_login(), options).expect("the topics are there");
        Running { engine: Engine::start(prepared).expect("an engine starts") }
    }

    /// An engine that joins a group of one member.
    ///
    /// The mock refuses a follower that syncs after the leader did, which a real broker does not, and then puts out the leader that is
    /// busy with its revoke. So the leader, which joins second in the first round and first in the second, gets its answers late.
    pub(crate) fn start_second(&self, change: impl FnOnce(&mut Config)) -> Running {
        for late in [false, true, true, false] {
            self.answer_join(late);
        }
        self.start_with(RunOptions::default(), change)
    }

    /// An engine whose two members join together; see [`Rig::start_second`].
    pub(crate) fn start_two(&self, options: RunOptions) -> Running {
        self.cluster.set_initial_rebalance_delay(Duration::from_secs(2));
        self.answer_join(true);
        self.answer_join(false);
        self.start_with(options, |config| {
            config.pipeline.source_threads = 2;
            config.limits =
                Limits::derive(config.limits.memory_bytes, 2, config.limits.batch_records_max, None);
        })
    }

    fn answer_join(&self, late: bool) {
        let time = Duration::from_millis(if late { 800 } else { 0 });
        self.cluster.delay_request(1, Request::JoinGroup, Code::OK, time).expect("a broker");
    }

    /// Sends events and waits until they are in the input topic.
    pub(crate) fn feed(&self, events: &Events, numbers: Range<u64>) {
        let mut feeder = Feeder::new(&self.config.kafka, INPUT).expect("a producer");
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let due = numbers.end - numbers.start;
        for number in numbers {
            events.write(number, &mut key, &mut value);
            feeder
                .send(Some(key.as_slice()).filter(|key| !key.is_empty()), &value, || false)
                .expect("it fits");
        }
        assert_eq!(feeder.finish(|| false).ok, due, "{:?}", feeder.first_failure());
    }

    /// Reads all three topics to their ends.
    pub(crate) fn read(&self) -> Written {
        let topics = [INPUT, OUTPUT, DEAD].into_iter().zip(self.partitions).collect::<Vec<_>>();
        let mut reader = TopicReader::new(&self.config.kafka, &topics).expect("a reader");
        let mut written = Written::default();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let take = |record: &gristmill::kafka::reader::ReadRecord<'_>| {
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
                let headers =
                    record.headers().into_iter().map(|(name, value)| (name.to_owned(), text(value)));
                let found = Record {
                    partition: record.partition,
                    key: record.key().map(<[u8]>::to_vec),
                    number: record.value().map_or(u64::MAX, number_of),
                    headers: headers.collect(),
                    value: record.value().map(<[u8]>::to_vec),
                };
                [&mut written.input, &mut written.output, &mut written.dead][record.topic].push(found);
            };
            let records = reader.read(Duration::from_millis(20), take).expect("nothing was dropped");
            if records == 0 && reader.is_at_end(PATIENCE).expect("the cluster answers") {
                return written;
            }
            assert!(Instant::now() < deadline, "the topics cannot be read to their ends");
        }
    }
}

/// A running engine.
pub(crate) struct Running {
    pub(crate) engine: Engine,
}

impl Running {
    /// Records whose fate is known.
    pub(crate) fn settled(&self) -> u64 {
        self.engine.metrics().accounting().settled.records()
    }

    pub(crate) fn wait_settled(&self, records: u64) {
        until(&format!("{records} records are settled"), || self.settled() >= records);
    }

    /// Asks for the end and waits for it.
    pub(crate) fn stop(self) -> RunReport {
        self.engine.shutdown().request(Reason::Requested);
        self.join()
    }

    /// Waits for the end. An engine that hangs is a failure here and now.
    pub(crate) fn join(self) -> RunReport {
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || drop(done.send(self.engine.join())));
        ended.recv_timeout(PATIENCE).expect("the engine ends")
    }
}

/// Waits for a condition.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

fn config(settings: &[(&str, &str)]) -> Config {
    let mut sources = Sources::default();
    let topics = [("KAFKA_INPUT_TOPIC", INPUT), ("KAFKA_OUTPUT_TOPIC", OUTPUT), ("KAFKA_DLQ_TOPIC", DEAD)];
    let own =
        [("KAFKA_CONSUMER_GROUP", GROUP), ("GRISTMILL_HTTP_ADDR", "off"), ("GRISTMILL_BATCH_SIZE", "64")];
    for (variable, value) in topics.iter().chain(&own).chain(settings) {
        sources.set_flag(variable, (*value).to_owned());
    }
    let mut resolver = Resolver::new(&sources, properties::judge);
    let config = resolver.config(false);
    resolver.finish(Command::Run, config).expect("the settings are right").0
}

pub(crate) fn consumer_property(config: &mut Config, name: &str, value: &str) {
    config.kafka.consumer_properties.push((name.to_owned(), value.to_owned()));
}

pub(crate) fn producer_property(config: &mut Config, name: &str, value: &str) {
    config.kafka.producer_properties.push((name.to_owned(), value.to_owned()));
}

fn number_of(event: &[u8]) -> u64 {
    let event = std::str::from_utf8(event).expect("events are ASCII");
    let (_, rest) = event.split_once("\"device_id\": \"").expect("in every event");
    let (id, _) = rest.split_once('"').expect("whole in every event");
    id.replace('-', "").parse().expect("digits")
}

/// How often each of the first `count` events was found, and that each lies where it belongs.
pub(crate) struct Count {
    pub(crate) missing: Vec<u64>,
    pub(crate) repeated: Vec<u64>,
}

/// Looks for each of the first `count` events; one in the wrong place or with the wrong reason is a failure.
pub(crate) fn count(written: &Written, events: &Events, count: u64) -> Count {
    let mut found = vec![0; count as usize];
    for record in &written.output {
        assert_eq!(events.flaw(record.number), None, "event {} is in the output", record.number);
        found[record.number as usize] += 1;
    }
    for record in &written.dead {
        let due = events.flaw(record.number).map(Flaw::reason).map(|reason| reason.as_str());
        assert_eq!(due, Some(record.header("dlq.reason")), "event {} is a dead letter", record.number);
        found[record.number as usize] += 1;
    }
    let with = |is: fn(u32) -> bool| (0..count).filter(|number| is(found[*number as usize])).collect();
    Count { missing: with(|times| times == 0), repeated: with(|times| times > 1) }
}

/// Each of the first `number` events is there, in its place, once.
pub(crate) fn assert_exactly_once(written: &Written, events: &Events, number: u64) {
    let Count { missing, repeated } = count(written, events, number);
    assert!(missing.is_empty(), "{} missing: {missing:?}", missing.len());
    assert!(repeated.is_empty(), "{} repeated: {repeated:?}", repeated.len());
}

/// The events of each key ascend in their partition, and all of a key are in one.
pub(crate) fn assert_ascending_by_key(records: &[Record]) {
    let mut last: BTreeMap<&[u8], (i32, u64)> = BTreeMap::new();
    for record in records {
        let key = record.key.as_deref().expect("keyed events");
        if let Some((partition, number)) = last.insert(key, (record.partition, record.number)) {
            assert_eq!(partition, record.partition, "a key has one partition");
            assert!(number < record.number, "event {} came before {number}", record.number);
        }
    }
}
