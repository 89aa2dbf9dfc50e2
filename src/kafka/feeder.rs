//! A producer for events that are made here: as fast as the client goes, every delivery report awaited and counted.

use super::code::Code;
use super::context::forward;
use super::outage::ErrorLines;
use super::properties::{base, pass_through};
use crate::config::Kafka;
use crate::error::{EngineError, ExitCode, Stage};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Sends records to one topic.
pub struct Feeder {
    producer: BaseProducer<Reports>,
    reports: Reports,
    topic: String,
    /// Records sent since the reports were last served.
    unserved: u32,
}

/// How many delivery reports came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Of records that are in the topic.
    pub ok: u64,
    /// Of records that are not.
    pub failed: u64,
}

#[derive(Clone, Default)]
struct Reports {
    counts: Arc<Counts>,
    lines: Arc<ErrorLines>,
}

#[derive(Default)]
struct Counts {
    ok: AtomicU64,
    failed: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

/// Reports are served after so many records: often enough that the queue does not fill with them.
const SERVE_EVERY: u32 = 1_000;

impl Feeder {
    /// A producer for `topic`, which should exist. A record that is not delivered within two minutes has failed.
    ///
    /// # Errors
    /// The client does not take its settings (78).
    pub fn new(kafka: &Kafka, topic: &str) -> Result<Feeder, EngineError> {
        let mut config = base(kafka);
        config
            .set("compression.codec", kafka.compression.as_str())
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", "120000")
            .set("linger.ms", "20")
            .set("batch.num.messages", "100000")
            .set("queue.buffering.max.messages", "500000")
            .set("queue.buffering.max.kbytes", "262144");
        pass_through(&mut config, &kafka.producer_properties);
        let reports = Reports::default();
        let producer = config.create_with_context(reports.clone()).map_err(|error| {
            let words = match error {
                KafkaError::ClientCreation(words) => words,
                _ => "a property is not taken".to_owned(),
            };
            let message = format!("the Kafka client does not take its settings: {words}");
            EngineError::new(Stage::Start, ExitCode::Config, message)
        })?;
        Ok(Feeder { producer, reports, topic: topic.to_owned(), unserved: 0 })
    }

    /// Hands a record to the client; waits while its queue is full. `false`: it still was when `is_over`, and the record was not
    /// taken.
    ///
    /// # Errors
    /// The client refuses the record for itself, or is finished for good (74).
    pub fn send(
        &mut self,
        key: Option<&[u8]>,
        value: &[u8],
        is_over: impl Fn() -> bool,
    ) -> Result<bool, EngineError> {
        self.unserved += 1;
        if self.unserved >= SERVE_EVERY {
            self.serve(Duration::ZERO);
        }
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic).payload(value);
        if let Some(key) = key {
            record = record.key(key);
        }
        while let Err((error, refused)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                let message = format!("cannot produce to topic {}: {error}", self.topic);
                return Err(EngineError::new(Stage::Sink, ExitCode::Delivery, message));
            }
            if is_over() {
                return Ok(false);
            }
            record = refused;
            self.producer.poll(Duration::from_millis(10));
        }
        Ok(true)
    }

    /// Serves delivery reports for so long.
    pub fn serve(&mut self, time: Duration) {
        self.unserved = 0;
        self.producer.poll(time);
    }

    /// Records whose report has not come.
    pub fn in_flight(&self) -> u64 {
        u64::try_from(self.producer.in_flight_count()).unwrap_or_default()
    }

    /// Reports up to now.
    pub fn delivered(&self) -> Delivered {
        let counts = &self.reports.counts;
        Delivered { ok: counts.ok.load(Ordering::Relaxed), failed: counts.failed.load(Ordering::Relaxed) }
    }

    /// Why the first record failed that did.
    pub fn first_failure(&self) -> Option<String> {
        self.reports.counts.first_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every record has its report, or until `is_over`.
    ///
    /// Each gets one: the client gives a record up when its time is over.
    pub fn finish(&mut self, is_over: impl Fn() -> bool) -> Delivered {
        while self.producer.in_flight_count() > 0 && !is_over() {
            // Sends what lingers, and serves reports meanwhile; a flush that ran out of time is simply flushed on.
            drop(self.producer.flush(Duration::from_millis(100)));
        }
        self.serve(Duration::ZERO);
        self.delivered()
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        forward(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.lines.write("client error", Code::of(&error), reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => self.counts.ok.fetch_add(1, Ordering::Relaxed),
            Err((error, _)) => {
                let mut first = self.counts.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| error.to_string());
                self.counts.failed.fetch_add(1, Ordering::Relaxed)
            }
        };
    }
}
