//! A member of the consumer group, read in batches.
//!
//! Records never pass through the group's main queue: each assigned partition's queue is forwarded to one queue of our own, which is
//! read with the client's batch call (about half the CPU a record of its `poll`). The main queue carries events alone: rebalances
//! and errors. (A batch call on the main queue would make the client unassign everything when a rebalance meets it there.)
//!
//! Rebalances are not answered inside the client's callback but by the thread that polls, right after `poll_events` returns: the
//! callback only notes what is asked, and whether the assignment is *lost*, which can be read nowhere else.

use super::apart::SetApart;
use super::code::{ClientError, Code};
use super::properties;
use super::queue::Queue;
use super::rebalance::{GroupContext, GroupEvent};
use super::wake::{QueueWake, WakeFn};
use crate::config::{Config, OffsetReset};
use crate::error::{EngineError, ExitCode, Stage};
use rdkafka::bindings as sys;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};
use std::ffi::CString;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A group member and its own queue of records.
pub struct GroupConsumer {
    // The order of the fields is the order of their end: callback, queues, client.
    wake: Mutex<Option<QueueWake>>,
    pub(super) apart: SetApart,
    pub(super) queue: Queue,
    pub(super) client: BaseConsumer<GroupContext>,
    pub(super) topic: String,
    pub(super) group: String,
    topic_c: CString,
    is_static: bool,
}

impl GroupConsumer {
    /// Makes the member of source thread `thread` and subscribes to the input topic.
    pub fn join(config: &Config, thread: usize) -> Result<Arc<Self>, EngineError> {
        let failed = |what: &str, error: KafkaError| {
            EngineError::new(
                Stage::Start,
                ExitCode::Config,
                format!("the consumer for group \"{}\" cannot {what}: {error}", config.group.id),
            )
        };
        let settings = client_config(config, thread);
        let is_static = settings.get("group.instance.id").is_some();
        let client: BaseConsumer<GroupContext> = settings
            .create_with_context(GroupContext::new(&config.topics.input))
            .map_err(|error| failed("be made", error))?;
        let queue = Queue::new(&client);
        client.subscribe(&[&config.topics.input]).map_err(|error| failed("subscribe", error))?;
        let topic_c = CString::new(config.topics.input.as_str())
            .expect("a topic's name has no NUL, configuration checked it");
        let (topic, group) = (config.topics.input.clone(), config.group.id.clone());
        Ok(Arc::new(Self {
            wake: Mutex::new(None),
            apart: SetApart::default(),
            queue,
            client,
            topic,
            group,
            topic_c,
            is_static,
        }))
    }

    /// Runs `wake` whenever records become available.
    pub fn wake_on_records(&self, wake: WakeFn) {
        // SAFETY: the queue lives as long as `self`, and the registration ends before it (order of fields).
        let wake = unsafe { QueueWake::new(self.queue.0.as_ptr(), wake) };
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(wake);
    }

    /// Serves the group: heartbeats' consequences, errors, rebalances; never a record. Call it often, from one thread. At
    /// most one event is handed out a call, and it must be answered before the next call.
    pub fn poll_events(&self) -> Result<Option<GroupEvent>, (Code, String)> {
        let polled = self.client.poll(Duration::ZERO);
        if let Some(event) = self.client.context().take_event() {
            return Ok(Some(event));
        }
        match polled {
            None => Ok(None),
            Some(Ok(message)) => {
                // Each partition's queue is forwarded before the partition is assigned, so this cannot carry a record.
                drop(message);
                Err((Code::UNKNOWN, "a record came through the event queue".to_owned()))
            }
            Some(Err(error)) => {
                let ClientError { code, text } = error.into();
                if code.is_transient() {
                    return Ok(None);
                }
                let reason = self.client.context().take_reason().unwrap_or(text);
                Err((code, reason))
            }
        }
    }

    /// Why the client is beyond use, if it is.
    pub fn fatal_error(&self) -> Option<ClientError> {
        // SAFETY: the client is valid.
        unsafe { ClientError::fatal_of(self.client.client().native_ptr()) }
    }

    /// Takes partitions up, each at its offset. Their queues are forwarded first, so that no record goes elsewhere, and once more
    /// when the client has taken the order: where it was still busy giving the partition back, it undid the first.
    pub fn assign(&self, starts: &[(i32, i64)]) -> Result<(), ClientError> {
        for &(partition, _) in starts {
            self.forward(partition);
        }
        self.client.incremental_assign(&list_at(&self.topic, starts)?)?;
        for &(partition, _) in starts {
            self.forward(partition);
        }
        Ok(())
    }

    /// Reads no more of these partitions for now; what was fetched ahead of them is dropped.
    pub fn pause(&self, partitions: &[i32]) -> Result<(), ClientError> {
        Ok(self.client.pause(&list_of(&self.topic, partitions))?)
    }

    /// Reads these partitions again. Where the client goes on is for [`seek`](Self::seek) to say.
    pub fn resume(&self, partitions: &[i32]) -> Result<(), ClientError> {
        Ok(self.client.resume(&list_of(&self.topic, partitions))?)
    }

    /// Gives partitions back: the answer to a revoke. The client refuses it as a whole for one that it does not hold, as when it could
    /// not be taken up again, so only the others are named.
    pub fn unassign(&self, partitions: &[i32]) -> Result<(), ClientError> {
        self.apart.give_up(partitions);
        let held = self.client.assignment()?;
        let held: Vec<i32> = partitions
            .iter()
            .copied()
            .filter(|&partition| held.find_partition(&self.topic, partition).is_some())
            .collect();
        Ok(self.client.incremental_unassign(&list_of(&self.topic, &held))?)
    }

    /// Gives a partition up and takes it up again at an offset. Refused where the client does not hold it: the group has taken it, and
    /// we have not heard of it yet.
    pub fn take_up_again(&self, partition: i32, offset: i64) -> Result<(), ClientError> {
        self.client.incremental_unassign(&list_of(&self.topic, &[partition]))?;
        self.apart.give_up(&[partition]);
        self.assign(&[(partition, offset)])
    }

    /// Goes on elsewhere in partitions that are ours, each at its offset; what was fetched ahead of them is dropped. Answers with
    /// those that the client does not read at present: they must be taken up again.
    pub fn seek(&self, places: &[(i32, i64)], wait: Duration) -> Vec<(i32, i64)> {
        if places.is_empty() {
            return Vec::new();
        }
        let Ok(list) = list_at(&self.topic, places) else { return places.to_vec() };
        let Ok(answer) = self.client.seek_partitions(list, wait) else { return places.to_vec() };
        let failed = |partition: i32| {
            answer.find_partition(&self.topic, partition).is_none_or(|element| element.error().is_err())
        };
        places.iter().copied().filter(|&(partition, _)| failed(partition)).collect()
    }

    /// The oldest and the end offset of a partition, asked of the broker now. Under `read_committed` the end is the last
    /// stable offset.
    pub fn bounds(&self, partition: i32, wait: Duration) -> Result<(i64, i64), ClientError> {
        let error = match self.client.fetch_watermarks(&self.topic, partition, wait) {
            Ok(bounds) => return Ok(bounds),
            Err(error) => ClientError::from(error),
        };
        // What the client says of a partition without a leader too, and goes on saying until it has asked for metadata again
        // (librdkafka 2.12.1).
        if error.code == Code::UNKNOWN_PARTITION && partition < self.partitions(wait)? {
            let text = format!("partition {partition} of {} has no leader at present", self.topic);
            return Err(ClientError { code: Code::NO_LEADER, text });
        }
        Err(error)
    }

    /// The end of a partition as the last fetch had it, records of open transactions included; `None` before the first one.
    pub fn fetched_end(&self, partition: i32) -> Option<i64> {
        let topic = CString::new(self.topic.as_str()).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is valid, and topic and both numbers outlive the call.
        let code = unsafe {
            let native = self.client.client().native_ptr();
            sys::rd_kafka_get_watermark_offsets(
                native,
                topic.as_ptr(),
                partition,
                &raw mut low,
                &raw mut high,
            )
        };
        (Code::from(code) == Code::OK && high >= 0).then_some(high)
    }

    /// How many partitions the input topic has, asked of the broker now.
    pub fn partitions(&self, wait: Duration) -> Result<i32, ClientError> {
        let metadata = self.client.fetch_metadata(Some(&self.topic), wait)?;
        let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        Ok(i32::try_from(count).expect("a partition's number is an i32"))
    }

    /// Leaves the group: a dynamic member at once; a static one stays known to the group until its session ends, unless
    /// `leave`. All records must be back. `false`: the deadline passed, and dropping this may hang.
    pub fn close(&self, leave: bool, deadline: Instant) -> bool {
        self.client.context().closing.store(true, Ordering::Release);
        let native = self.client.client().native_ptr();
        let is_idle = self.client.assignment().is_ok_and(|list| list.count() == 0);
        if leave || (is_idle && !self.is_static) {
            // A static member leaves when it unsubscribes, not when it closes. Nor does one without partitions (the client
            // forgets to tell the group), and whoever joins next would wait for the end of its session.
            self.client.unsubscribe();
            while self.client.assignment().is_ok_and(|list| list.count() > 0) && Instant::now() < deadline {
                drop(self.client.poll(Duration::from_millis(20)));
            }
        }
        // SAFETY: the client is valid. The queue reference is given back; the client keeps its own for as long as it closes.
        unsafe {
            let queue = sys::rd_kafka_queue_get_consumer(native);
            if queue.is_null() {
                return true;
            }
            let error = sys::rd_kafka_consumer_close_queue(native, queue);
            sys::rd_kafka_queue_destroy(queue);
            if !error.is_null() {
                // A client that was put out of the group does not leave it, one that has left does not leave it again.
                sys::rd_kafka_error_destroy(error);
                return sys::rd_kafka_consumer_closed(native) == 1;
            }
        }
        // SAFETY: the client is valid.
        while unsafe { sys::rd_kafka_consumer_closed(native) } == 0 {
            if Instant::now() >= deadline {
                return false;
            }
            drop(self.client.poll(Duration::from_millis(20)));
        }
        true
    }

    fn forward(&self, partition: i32) {
        if let Some(queue) = self.queue_of(partition) {
            queue.forward(Some(&self.queue));
        }
    }

    pub(super) fn queue_of(&self, partition: i32) -> Option<Queue> {
        Queue::of_partition(&self.client, &self.topic_c, partition)
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        // From here on nobody answers rebalances but the callback itself.
        self.client.context().closing.store(true, Ordering::Release);
    }
}

/// Partitions of a topic, each with an offset.
pub(super) fn list_at(topic: &str, places: &[(i32, i64)]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for &(partition, offset) in places {
        list.add_partition_offset(topic, partition, Offset::Offset(offset))?;
    }
    Ok(list)
}

pub(super) fn list_of(topic: &str, partitions: &[i32]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for &partition in partitions {
        list.add_partition(topic, partition);
    }
    list
}

fn client_config(config: &Config, thread: usize) -> ClientConfig {
    let limits = &config.limits;
    let mut client = properties::base(&config.kafka);
    client
        .set("group.id", &config.group.id)
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", config.kafka.session_timeout.as_millis().to_string())
        .set("heartbeat.interval.ms", heartbeat(config.kafka.session_timeout).as_millis().to_string())
        // The client may neither store nor commit an offset of its own accord: it knows nothing of epochs.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Where a partition starts is decided in `source`; the client must not jump.
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        // An end of partition behind transaction markers is progress too.
        .set("enable.partition.eof", "true")
        .set("queued.min.messages", limits.fetch_queue_records.to_string())
        .set("queued.max.messages.kbytes", (limits.fetch_queue_bytes / 1024).max(1).to_string())
        .set("fetch.max.bytes", limits.fetch_bytes_max.to_string())
        .set("fetch.message.max.bytes", limits.fetch_partition_bytes_max.to_string())
        // Of producers; but the client refuses a response that is smaller.
        .set("message.max.bytes", "1000")
        .set("receive.message.max.bytes", RECEIVE_BYTES_MAX.to_string())
        // The default of 1000 ms idles for a second whenever the queue was full.
        .set("fetch.queue.backoff.ms", "2")
        // While a broker waits for records of partitions at their ends, it is not asked for any other's: not for 500 ms, the default.
        .set("fetch.wait.max.ms", "100");
    if let Some(instance) = &config.group.instance_id {
        client.set("group.instance.id", format!("{instance}-{thread}"));
    }
    for (name, value) in &config.kafka.consumer_properties {
        client.set(name, value);
    }
    client
}

/// A third of the session, as Kafka recommends, and at most a second: a member hears of a rebalance by the answer to its heartbeat,
/// and partitions that move stand still for two of them. Kafka's default is 3 s.
fn heartbeat(session: Duration) -> Duration {
    (session / 3).min(Duration::from_secs(1))
}

/// A broker answers with at least one whole record batch, however large: the client must accept it.
const RECEIVE_BYTES_MAX: usize = 1_000_000_000;

/// What to do about a partition without a committed offset.
pub fn start_of(reset: OffsetReset, (low, high): (i64, i64)) -> Option<i64> {
    match reset {
        OffsetReset::Earliest => Some(low),
        OffsetReset::Latest => Some(high),
        OffsetReset::None => None,
    }
}
