//! A scene: three topics and a group that no other test knows, on a broker, and what is asked about them afterwards.

use crate::mill::Mill;
use perf::child::Spawn;
use perf::events::Shape;
use perf::fill::{Fill, Filled, fill};
use perf::ledger::{Account, Ledger};
use perf::reader::{Reader, Source};
use perf::topics::{Topics, wait_until};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The binary under test.
pub(crate) const GRISTMILL: &str = env!("CARGO_BIN_EXE_gristmill");

/// How long anything may take that should take a moment. The machine may be busy.
pub(crate) const WITHIN: Duration = Duration::from_secs(180);

/// Whether what takes a time takes less than `most` in one of three tries: the machine may stand still in one.
pub(crate) fn is_within(most: Duration, mut took: impl FnMut() -> Duration) -> bool {
    (0..3).any(|_| took() < most)
}

/// How topics are made: partitions, and configuration as name and value.
pub(crate) struct Topic<'a>(pub(crate) i32, pub(crate) &'a [(&'a str, &'a str)]);

/// Names that belong to one test, and a connection to ask about them.
pub(crate) struct Scene {
    pub(crate) bootstrap: String,
    pub(crate) topics: Topics,
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) dlq: String,
    pub(crate) group: String,
}

/// A record as it was found, or as it is to be put.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) timestamp_ms: i64,
}

impl Plain {
    /// A record with this value in partition 0, without key and headers.
    pub(crate) fn of(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// A header's only value; `None` where it is absent.
    ///
    /// # Panics
    /// If the header stands there more than once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(at, _)| at == name);
        let value = found.next().map(|(_, value)| std::str::from_utf8(value).expect("headers are text"));
        assert!(found.next().is_none(), "{name} stands there more than once: {:?}", self.headers);
        value
    }
}

/// Events of which some are always left to do: what is to happen under load finds it, however long a start takes.
pub(crate) struct Load<'a> {
    scene: &'a Scene,
    shape: Shape,
    /// So many were put into the input.
    pub(crate) count: u32,
}

impl Load<'_> {
    /// Appends events until the group has at least so many before it.
    pub(crate) fn keep(&mut self, wanted: u32) {
        let missing = i64::from(wanted) - self.scene.lag();
        if let Ok(missing @ 1..) = u32::try_from(missing) {
            self.scene.fill(self.count, missing, self.shape.clone());
            self.count += missing;
        }
    }
}

impl Scene {
    /// Names alone; no topic is made.
    pub(crate) fn nameless_topics(bootstrap: &str, name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let stem = format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let named = |role: &str| format!("{stem}.{role}");
        Self {
            bootstrap: bootstrap.to_owned(),
            topics: Topics::new(bootstrap).unwrap(),
            input: named("in"),
            output: named("out"),
            dlq: named("dlq"),
            group: named("group"),
        }
    }

    /// Makes the three topics.
    pub(crate) fn with(
        bootstrap: &str,
        name: &str,
        input: Topic<'_>,
        output: Topic<'_>,
        dlq: Topic<'_>,
    ) -> Self {
        let scene = Self::nameless_topics(bootstrap, name);
        for (name, Topic(partitions, config)) in
            [(&scene.input, input), (&scene.output, output), (&scene.dlq, dlq)]
        {
            scene.topics.create(name, partitions, 0, config).unwrap();
        }
        scene
    }

    /// Six partitions in, four out, three for dead letters: no number is another's multiple by accident.
    pub(crate) fn new(bootstrap: &str, name: &str) -> Self {
        Self::with(bootstrap, name, Topic(6, &[]), Topic(4, &[]), Topic(3, &[]))
    }

    /// A scene whose input is this one's dead letter topic, with a group and topics of its own.
    pub(crate) fn replay(&self, name: &str) -> Self {
        let scene = Self::nameless_topics(&self.bootstrap, name);
        scene.topics.create(&scene.output, 4, 0, &[]).unwrap();
        scene.topics.create(&scene.dlq, 3, 0, &[]).unwrap();
        Self { input: self.dlq.clone(), ..scene }
    }

    /// Fills the input with `count` events from number `first` on.
    pub(crate) fn fill(&self, first: u32, count: u32, shape: Shape) -> Filled {
        self.fill_as(|fill| Fill { first, count, shape, ..fill })
    }

    /// A load that begins with so many events.
    pub(crate) fn load(&self, first: u32, shape: Shape) -> Load<'_> {
        let mut load = Load { scene: self, shape, count: 0 };
        load.keep(first);
        load
    }

    /// Fills the input as ordered.
    pub(crate) fn fill_as(&self, how: impl FnOnce(Fill) -> Fill) -> Filled {
        fill(&how(Fill::new(&self.bootstrap, &self.input, 0))).unwrap()
    }

    /// Puts records into a topic, in their order, each in the partition it names.
    pub(crate) fn put(&self, topic: &str, records: &[Plain]) {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("enable.idempotence", "true")
            .set("message.max.bytes", "70000000")
            .set("queue.buffering.max.kbytes", "1000000")
            .set("log_level", "2")
            .create()
            .unwrap();
        for record in records {
            let mut sent = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition);
            if let Some(key) = &record.key {
                sent = sent.key(key);
            }
            if let Some(value) = &record.value {
                sent = sent.payload(value);
            }
            if record.timestamp_ms > 0 {
                sent = sent.timestamp(record.timestamp_ms);
            }
            if !record.headers.is_empty() {
                let headers = record.headers.iter().fold(OwnedHeaders::new(), |all, (key, value)| {
                    all.insert(Header { key, value: Some(value) })
                });
                sent = sent.headers(headers);
            }
            producer.send(sent).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(WITHIN).unwrap();
    }

    /// All records of a topic, partition by partition.
    pub(crate) fn read(&self, topic: &str) -> Vec<Plain> {
        let source = Source { bootstrap: &self.bootstrap, topic, uncommitted: false, properties: &[] };
        let mut records = Vec::new();
        let each = |record: &perf::reader::Record<'_>| {
            let mut headers = Vec::new();
            record.headers(|name, value| {
                headers
                    .push((String::from_utf8_lossy(name).into_owned(), value.unwrap_or_default().to_vec()));
            });
            records.push((
                (record.partition(), record.offset()),
                Plain {
                    partition: record.partition(),
                    key: record.key().map(<[u8]>::to_vec),
                    value: record.value().map(<[u8]>::to_vec),
                    headers,
                    timestamp_ms: record.timestamp(),
                },
            ));
            Ok(())
        };
        Reader::open(&source).unwrap().for_each(each).unwrap();
        records.sort_by_key(|(at, _)| *at);
        records.into_iter().map(|(_, record)| record).collect()
    }

    /// `gristmill run` for these topics and this group, in an environment that has nothing else.
    pub(crate) fn run(&self) -> Spawn {
        self.run_of(GRISTMILL)
    }

    /// The same of another build of it.
    pub(crate) fn run_of(&self, engine: impl AsRef<Path>) -> Spawn {
        self.command(engine, &["run"])
    }

    /// `gristmill run --until-end`.
    pub(crate) fn run_until_end(&self) -> Spawn {
        self.command(GRISTMILL, &["run", "--until-end"])
    }

    /// An engine with these arguments, likewise.
    pub(crate) fn command(&self, engine: impl AsRef<Path>, args: &[&str]) -> Spawn {
        Spawn::new(engine)
            .args(args.iter().copied())
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.bootstrap)
            .env("KAFKA_INPUT_TOPIC", &self.input)
            .env("KAFKA_OUTPUT_TOPIC", &self.output)
            .env("KAFKA_DLQ_TOPIC", &self.dlq)
            .env("KAFKA_CONSUMER_GROUP", &self.group)
            .env("GRISTMILL_HTTP_ADDR", "off")
            .env("LOG_FORMAT", "text")
            .env("NO_COLOR", "1")
            // A group hears of a member that comes or goes with its next heartbeat.
            .env("KAFKA_CONSUMER__heartbeat_interval_ms", "300")
    }

    /// Runs to the end of the input, and expects exit 0 and a group that has committed all of it.
    pub(crate) fn run_to_the_end(&self) -> Mill {
        self.run_to_the_end_as(|spawn| spawn)
    }

    /// The same with other settings.
    pub(crate) fn run_to_the_end_as(&self, how: impl FnOnce(Spawn) -> Spawn) -> Mill {
        let mill = Mill::start(how(self.run_until_end()));
        mill.ends_with(0);
        self.assert_all_committed();
        mill
    }

    /// The group's offsets have reached the ends, except in partitions that are empty.
    pub(crate) fn assert_all_committed(&self) {
        let (starts, ends) =
            (self.topics.starts(&self.input).unwrap(), self.topics.ends(&self.input).unwrap());
        let committed = self.topics.group_offsets(&self.group, &self.input).unwrap();
        for (partition, ((start, end), committed)) in starts.iter().zip(&ends).zip(&committed).enumerate() {
            assert!(
                start == end || committed == &Some(*end),
                "{}[{partition}]: committed {committed:?}, and the end is {end}",
                self.input
            );
        }
    }

    /// Reads all three topics and accounts for every event.
    pub(crate) fn account(&self) -> Account {
        self.account_as(|_| {})
    }

    /// The same with other expectations.
    pub(crate) fn account_as(&self, how: impl FnOnce(&mut Ledger)) -> Account {
        let mut ledger = Ledger::new(&self.bootstrap, &self.input, &self.output, &self.dlq);
        how(&mut ledger);
        ledger.account().unwrap()
    }

    /// Expects a ledger without a fault, repeats included.
    pub(crate) fn assert_clean(&self) -> Account {
        let account = self.account();
        assert!(account.is_clean(), "\n{account}");
        account
    }

    /// Records in the output topic so far, by its end offsets.
    pub(crate) fn delivered(&self) -> i64 {
        self.topics.ends(&self.output).unwrap().iter().sum()
    }

    /// Waits until the output has grown by more than `more`.
    pub(crate) fn wait_for_delivery(&self, since: i64, more: i64) {
        let what = format!("the output of {} did not grow by {more}", self.input);
        wait_until(&what, WITHIN, || Ok(self.delivered() > since + more)).unwrap();
    }

    /// The same from now on.
    pub(crate) fn wait_for_more(&self, more: i64) {
        self.wait_for_delivery(self.delivered(), more);
    }

    /// Offsets that the group has not committed yet.
    pub(crate) fn lag(&self) -> i64 {
        self.topics.lag(&self.group, &self.input).unwrap()
    }

    /// Waits until the group has committed everything.
    pub(crate) fn wait_for_no_lag(&self) {
        let what = format!("group {} did not get to the end", self.group);
        wait_until(&what, WITHIN, || Ok(self.lag() == 0)).unwrap();
    }
}
