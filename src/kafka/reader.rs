//! Reads whole topics from their first record on, as a member of no group: for whoever checks what was written.
//!
//! It starts at offset 0 and never jumps: a record that the broker dropped before it was read is an error, not a gap.

use super::code::ClientError;
use super::context::Context;
use super::properties::base;
use crate::config::Kafka;
use crate::error::{EngineError, ExitCode, Stage};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// Reads some topics.
pub struct TopicReader {
    consumer: BaseConsumer<Context>,
    topics: Vec<Topic>,
}

struct Topic {
    name: String,
    /// The next offset of each partition.
    next: Vec<i64>,
}

/// A record that was read.
pub struct ReadRecord<'a> {
    /// Which of the reader's topics.
    pub topic: usize,
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    message: &'a BorrowedMessage<'a>,
}

impl ReadRecord<'_> {
    /// The key.
    pub fn key(&self) -> Option<&[u8]> {
        self.message.key()
    }

    /// The value.
    pub fn value(&self) -> Option<&[u8]> {
        self.message.payload()
    }

    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.message.headers()?.iter().find(|header| header.key == name)?.value
    }

    /// Names and values of the headers, in their order.
    pub fn headers(&self) -> Vec<(&str, Option<&[u8]>)> {
        self.message
            .headers()
            .into_iter()
            .flat_map(Headers::iter)
            .map(|header| (header.key, header.value))
            .collect()
    }

    /// Key, value and headers, without the few bytes that frame them.
    pub fn bytes(&self) -> usize {
        let headers = self.message.headers().into_iter().flat_map(Headers::iter);
        let headers: usize =
            headers.map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum();
        self.key().map_or(0, <[u8]>::len) + self.value().map_or(0, <[u8]>::len) + headers
    }
}

impl TopicReader {
    /// A reader of all partitions of these topics, given as name and number of partitions.
    ///
    /// # Errors
    /// The client does not take its settings (78).
    pub fn new(kafka: &Kafka, topics: &[(&str, i32)]) -> Result<TopicReader, EngineError> {
        let failed = |error: KafkaError| {
            EngineError::new(Stage::Start, ExitCode::Config, format!("the reader cannot be made: {error}"))
        };
        let mut config = base(kafka);
        config
            // Assignments need the name of a group; nobody joins it and nothing is committed.
            .set("group.id", "gristmill-reader")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "true")
            .set("fetch.wait.max.ms", "5")
            .set("fetch.queue.backoff.ms", "2");
        let consumer: BaseConsumer<Context> =
            config.create_with_context(Context::default()).map_err(failed)?;
        let mut assignment = TopicPartitionList::new();
        for (topic, partitions) in topics {
            for partition in 0..*partitions {
                assignment.add_partition_offset(topic, partition, Offset::Offset(0)).map_err(failed)?;
            }
        }
        consumer.assign(&assignment).map_err(failed)?;
        let topics = topics.iter().map(|(name, partitions)| Topic {
            name: (*name).to_owned(),
            next: vec![0; usize::try_from(*partitions).unwrap_or_default()],
        });
        Ok(TopicReader { topics: topics.collect(), consumer })
    }

    /// Hands what is there to `take`, waiting at most `wait` for the first record. Answers how many there were.
    ///
    /// # Errors
    /// A record was dropped before it was read, or the client cannot go on (74).
    pub fn read(
        &mut self,
        wait: Duration,
        mut take: impl FnMut(&ReadRecord<'_>),
    ) -> Result<usize, EngineError> {
        /// Then the caller gets a turn.
        const RECORDS_MAX: usize = 4096;
        let mut wait = wait;
        let mut records = 0;
        while records < RECORDS_MAX {
            let message = match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    is_survivable(error)?;
                    break;
                }
            };
            wait = Duration::ZERO;
            let topic = self.topics.iter().position(|topic| topic.name == message.topic());
            let Some(topic) = topic else { continue };
            let next = &mut self.topics[topic].next[message.partition() as usize];
            if message.offset() < *next {
                continue;
            }
            *next = message.offset() + 1;
            records += 1;
            take(&ReadRecord {
                topic,
                partition: message.partition(),
                offset: message.offset(),
                message: &message,
            });
        }
        Ok(records)
    }

    /// Whether everything was read that is in the topics at this moment.
    ///
    /// # Errors
    /// No answer within `wait` a partition (69).
    pub fn is_at_end(&self, wait: Duration) -> Result<bool, EngineError> {
        for topic in &self.topics {
            for (partition, next) in topic.next.iter().enumerate() {
                let answer = self.consumer.fetch_watermarks(&topic.name, partition as i32, wait);
                let (_, end) = answer.map_err(|error| {
                    let message = format!("the end of topic {} cannot be asked: {error}", topic.name);
                    EngineError::new(Stage::Start, ExitCode::Unavailable, message)
                })?;
                if *next < end {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn is_survivable(error: KafkaError) -> Result<(), EngineError> {
    let code = error.rdkafka_error_code();
    let ClientError { code: sorted, text } = error.into();
    if sorted.is_transient() {
        return Ok(());
    }
    let message = match code {
        Some(RDKafkaErrorCode::AutoOffsetReset) => {
            "records were dropped by their broker before they could be read back".to_owned()
        }
        _ => format!("reading back failed: {text}"),
    };
    Err(EngineError::new(Stage::Source, ExitCode::Delivery, message))
}
