//! Fills a topic with numbered events, fast, and says what it has put there.

use crate::error::{Error, Result};
use crate::events::{Kind, NUMBER_MAX, Shape};
use crate::random::Random;
use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is to be put where.
#[derive(Clone, Debug)]
pub struct Fill {
    /// The cluster.
    pub bootstrap: String,
    /// A topic that exists.
    pub topic: String,
    /// The first number.
    pub first: u32,
    /// How many numbers.
    pub count: u32,
    /// What they look like.
    pub shape: Shape,
    /// Headers on each record, beside the one that carries a tombstone's number.
    pub headers: u32,
    /// In transactions; `None`: without.
    pub transactions: Option<Transactions>,
    /// Events a second, at most; `None`: as fast as it goes.
    pub rate: Option<u32>,
    /// Client properties, such as `compression.type`.
    pub properties: Vec<(String, String)>,
}

/// How events are bound into transactions.
#[derive(Clone, Copy, Debug)]
pub struct Transactions {
    /// Events in each.
    pub events: u32,
    /// The share of transactions that is aborted: their events are in the log, but a reader of committed records never sees them.
    pub aborted: f64,
    /// The last transaction is aborted, so that the topic ends with records that nobody sees and a marker. Else it is
    /// committed, and the topic ends with a marker alone.
    pub aborted_end: bool,
}

impl Default for Transactions {
    fn default() -> Self {
        Self { events: 1000, aborted: 0.3, aborted_end: false }
    }
}

impl Fill {
    /// `count` events with the default shape.
    pub fn new(bootstrap: &str, topic: &str, count: u32) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            topic: topic.to_owned(),
            first: 0,
            count,
            shape: Shape::default(),
            headers: 0,
            transactions: None,
            rate: None,
            properties: Vec::new(),
        }
    }
}

/// What is in the topic now.
#[derive(Clone, Copy, Debug)]
pub struct Filled {
    /// Events that a reader of committed records can see, by [`Kind::index`].
    pub kinds: [u64; Kind::ALL.len()],
    /// Events in aborted transactions.
    pub aborted: u64,
    /// Bytes of the values, aborted ones included.
    pub value_bytes: u64,
    /// From the first to the last delivery report.
    pub took: Duration,
}

impl Filled {
    /// Events that a reader of committed records can see.
    pub fn visible(&self) -> u64 {
        self.kinds.iter().sum()
    }

    /// Those that belong in the output: good ones and tombstones.
    pub fn good(&self) -> u64 {
        self.kinds[Kind::Good.index()] + self.kinds[Kind::Tombstone.index()]
    }

    /// Those that belong in the dead letter topic.
    pub fn refused(&self) -> u64 {
        self.visible() - self.good()
    }
}

/// Does it, and waits for every delivery report.
pub fn fill(fill: &Fill) -> Result<Filled> {
    let fits = fill.count.checked_add(fill.first).is_some_and(|end| end <= NUMBER_MAX + 1);
    fits.then_some(()).ok_or_else(|| Error::new("an event's number has nine digits"))?;
    let partitions = crate::topics::Topics::new(&fill.bootstrap)?.partitions(&fill.topic)?;
    let partitions = partitions.ok_or_else(|| Error(format!("there is no topic {}", fill.topic)))?;
    let mut run = Run::start(fill, partitions)?;
    let started = Instant::now();
    let end = fill.first + fill.count;
    let step = fill.transactions.map_or(fill.count.max(1), |transactions| transactions.events.max(1));
    for first in (fill.first..end).step_by(step as usize) {
        let numbers = first..end.min(first.saturating_add(step));
        match fill.transactions {
            None => run.send_all(numbers, true)?,
            Some(transactions) => {
                run.transaction(numbers, transactions, first.saturating_add(step) >= end)?
            }
        }
    }
    run.finish()?;
    run.filled.took = started.elapsed();
    Ok(run.filled)
}

const WITHIN: Duration = Duration::from_secs(120);

struct Run<'a> {
    fill: &'a Fill,
    partitions: u32,
    producer: ThreadedProducer<Reports>,
    filled: Filled,
    sent: u64,
    started: Instant,
    key: Vec<u8>,
    value: Vec<u8>,
}

#[derive(Default)]
struct Reports {
    delivered: AtomicU64,
    first_error: Mutex<Option<KafkaError>>,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        match result {
            Ok(_) => drop(self.delivered.fetch_add(1, Ordering::Relaxed)),
            Err((error, _)) => {
                self.first_error
                    .lock()
                    .expect("no one panics with this lock")
                    .get_or_insert_with(|| error.clone());
            }
        }
    }
}

impl<'a> Run<'a> {
    fn start(fill: &'a Fill, partitions: i32) -> Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &fill.bootstrap)
            .set("allow.auto.create.topics", "false")
            .set("enable.idempotence", "true")
            .set("linger.ms", "5");
        // The client's own hash decides where a key goes: the ledger's hash is checked against it.
        config
            .set("partitioner", "murmur2_random")
            .set("message.max.bytes", "10000000")
            .set("log_level", "2");
        if fill.transactions.is_some() {
            config.set("transactional.id", format!("fill-{}-{}", fill.topic, std::process::id()));
        }
        for (name, value) in &fill.properties {
            config.set(name, value);
        }
        let producer: ThreadedProducer<Reports> = config.create_with_context(Reports::default())?;
        if fill.transactions.is_some() {
            producer.init_transactions(WITHIN)?;
        }
        let filled = Filled { kinds: [0; Kind::ALL.len()], aborted: 0, value_bytes: 0, took: Duration::ZERO };
        let partitions = u32::try_from(partitions).map_err(Error::while_doing("partitions"))?;
        let (key, value) = (Vec::new(), Vec::new());
        Ok(Self { fill, partitions, producer, filled, sent: 0, started: Instant::now(), key, value })
    }

    fn transaction(&mut self, numbers: std::ops::Range<u32>, how: Transactions, last: bool) -> Result<()> {
        let mut random = Random::new(self.fill.shape.seed ^ 0xAB0, u64::from(numbers.start));
        let commit = if last { !how.aborted_end } else { !random.chance(how.aborted) };
        self.producer.begin_transaction()?;
        self.send_all(numbers, commit)?;
        if commit {
            return Ok(self.producer.commit_transaction(WITHIN)?);
        }
        // What is to be aborted has to reach the log first.
        self.producer.flush(WITHIN)?;
        Ok(self.producer.abort_transaction(WITHIN)?)
    }

    fn send_all(&mut self, numbers: std::ops::Range<u32>, visible: bool) -> Result<()> {
        for number in numbers {
            let kind = self.fill.shape.value(number, &mut self.value);
            let keyed = self.fill.shape.key(number, &mut self.key);
            self.hold_to_rate();
            self.send(number, kind, keyed)?;
            self.filled.value_bytes += self.value.len() as u64;
            if visible {
                self.filled.kinds[kind.index()] += 1;
            } else {
                self.filled.aborted += 1;
            }
        }
        Ok(())
    }

    fn send(&mut self, number: u32, kind: Kind, keyed: bool) -> Result<()> {
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.fill.topic);
        if kind != Kind::Tombstone {
            record = record.payload(&self.value);
        }
        if keyed {
            record = record.key(&self.key);
        } else {
            record = record.partition(i32::try_from(number % self.partitions).expect("below an i32"));
        }
        if kind == Kind::Tombstone || self.fill.headers > 0 {
            record = record.headers(self.headers(number));
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    // The producer's own thread serves the reports; there is nothing to do but to wait for room.
                    std::thread::sleep(Duration::from_millis(1));
                    self.fail_early()?;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
        self.sent += 1;
        Ok(())
    }

    fn headers(&self, number: u32) -> OwnedHeaders {
        let text = number.to_string();
        let headers = OwnedHeaders::new().insert(Header { key: "event", value: Some(&text) });
        let more = 0..self.fill.headers.saturating_sub(1);
        more.fold(headers, |all, at| all.insert(Header { key: &format!("header-{at}"), value: Some(&text) }))
    }

    fn hold_to_rate(&self) {
        let Some(rate) = self.fill.rate else { return };
        let due = Duration::from_secs_f64(self.sent as f64 / f64::from(rate.max(1)));
        if let Some(early) = due.checked_sub(self.started.elapsed()) {
            std::thread::sleep(early);
        }
    }

    fn fail_early(&self) -> Result<()> {
        let error = self.producer.context().first_error.lock().expect("no one panics with this lock").clone();
        error.map_or(Ok(()), |error| Err(Error(format!("filling {}: {error}", self.fill.topic))))
    }

    fn finish(&self) -> Result<()> {
        self.producer.flush(WITHIN)?;
        self.fail_early()?;
        let delivered = || self.producer.context().delivered.load(Ordering::Relaxed);
        // Flush returns when the last report is taken from the queue, a moment before it is counted.
        crate::topics::wait_until("reports are missing", WITHIN, || Ok(delivered() == self.sent))
    }
}
