//! Reads a topic from its start to where it ended when the reader was opened, in batches, with the client's cheapest call.
//!
//! All partitions are assigned by hand and their queues forwarded to one queue of ours, from which
//! `rd_kafka_consume_batch_queue` takes many records at once; a call for each record costs nearly twice the CPU.

mod tail;

pub use tail::Tail;

use crate::error::{Error, Result};
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// What is to be read.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The cluster.
    pub bootstrap: &'a str,
    /// The topic.
    pub topic: &'a str,
    /// Whether records of open and aborted transactions are read too.
    pub uncommitted: bool,
    /// Client properties; they win over ours.
    pub properties: &'a [(&'a str, &'a str)],
}

/// A reader with a place in each partition.
pub struct Reader {
    topic: String,
    /// Room for what one call gives; empty between calls.
    room: Vec<*mut native::rd_kafka_message_t>,
    // Dropped in this order: the queue before the client that it belongs to.
    queue: Queue,
    consumer: BaseConsumer,
    ends: Vec<i64>,
    done: Vec<bool>,
}

/// A record, valid until the next one.
pub struct Record<'a> {
    message: *const native::rd_kafka_message_t,
    lives: PhantomData<&'a ()>,
}

const BATCH: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(60);
const WITHIN: Duration = Duration::from_secs(30);

impl Reader {
    /// Looks up the ends and begins to fetch.
    pub fn open(source: &Source<'_>) -> Result<Reader> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", source.bootstrap).set("group.id", "perf-reader");
        config.set("isolation.level", if source.uncommitted { "read_uncommitted" } else { "read_committed" });
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("enable.partition.eof", "true").set("auto.offset.reset", "error").set("log_level", "2");
        config.set("fetch.queue.backoff.ms", "2").set("fetch.message.max.bytes", "4194304");
        // Several readers may be open at once: what they prefetch must not become the memory that the ledger needs.
        config.set("queued.min.messages", "20000").set("queued.max.messages.kbytes", "16384");
        for (name, value) in source.properties {
            config.set(*name, *value);
        }
        let consumer: BaseConsumer = config.create()?;
        let topics = crate::topics::Topics::new(source.bootstrap)?;
        let starts = topics.starts(source.topic)?;
        let ends = if source.uncommitted {
            topics.written_ends(source.topic)?
        } else {
            topics.settled_ends(source.topic)?
        };
        let queue = Queue::of(&consumer);
        let name = CString::new(source.topic).map_err(Error::while_doing("the topic's name"))?;
        let mut list = TopicPartitionList::new();
        for (partition, start) in (0..).zip(&starts) {
            queue.take_over(&consumer, &name, partition);
            list.add_partition_offset(source.topic, partition, Offset::Offset(*start))?;
        }
        let done = starts.iter().zip(&ends).map(|(start, end)| start >= end).collect();
        // A client that does not know the leaders yet would ask for them a second later.
        consumer.fetch_metadata(Some(source.topic), WITHIN)?;
        consumer.assign(&list)?;
        Ok(Reader {
            topic: source.topic.to_owned(),
            room: Vec::with_capacity(BATCH),
            queue,
            consumer,
            ends,
            done,
        })
    }

    /// How many partitions the topic has.
    pub fn partitions(&self) -> i32 {
        i32::try_from(self.ends.len()).expect("a topic has fewer partitions than that")
    }

    /// Whether everything has been read.
    pub fn is_done(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    /// Reads the whole topic, calling `each` for every record; those of a partition in their order.
    pub fn for_each(mut self, mut each: impl FnMut(&Record<'_>) -> Result<()>) -> Result<()> {
        let mut last = Instant::now();
        while !self.is_done() {
            if self.read(Duration::from_millis(10), &mut each)? > 0 {
                last = Instant::now();
            } else if last.elapsed() > PATIENCE {
                return Err(Error(format!(
                    "nothing came from {} for {PATIENCE:?}, and its end is not reached",
                    self.topic
                )));
            }
        }
        Ok(())
    }

    /// Reads one batch: what has come within `linger`, at most 4096 records. Gives how many messages came, ends of
    /// partitions included.
    pub fn read(
        &mut self,
        linger: Duration,
        mut each: impl FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<usize> {
        // Serves the client's own events. Records never come this way: their queues are forwarded.
        if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
            return Err(Error(format!("reading {}: {error}", self.topic)));
        }
        let linger = i32::try_from(linger.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is ours and alive; `room` has room for BATCH pointers, of which the call fills as many as it says.
        unsafe {
            let count =
                native::rd_kafka_consume_batch_queue(self.queue.0, linger, self.room.as_mut_ptr(), BATCH);
            self.room.set_len(usize::try_from(count).unwrap_or(0).min(BATCH));
        }
        let batch = Batch(&mut self.room);
        for message in batch.0.iter() {
            // SAFETY: the client gave this message to us; it lives until `batch` is dropped.
            let (error, partition, offset) =
                unsafe { ((**message).err, (**message).partition, (**message).offset) };
            let at = usize::try_from(partition).ok().filter(|at| *at < self.ends.len());
            match (error, at) {
                (RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, Some(at)) if offset < self.ends[at] => {
                    each(&Record { message: *message, lives: PhantomData })?;
                    self.done[at] |= offset + 1 >= self.ends[at];
                }
                // Written after the reader was opened.
                (RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, Some(_)) => {}
                // Behind the last record there may be markers and aborted records.
                (RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF, Some(at)) => {
                    self.done[at] |= offset >= self.ends[at];
                }
                (error, _) => {
                    return Err(Error(format!(
                        "reading {} [{partition}] at {offset}: {error:?}",
                        self.topic
                    )));
                }
            }
        }
        Ok(batch.0.len())
    }
}

impl<'a> Record<'a> {
    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.get().partition
    }

    /// Its offset.
    pub fn offset(&self) -> i64 {
        self.get().offset
    }

    /// Its value; `None` for a tombstone.
    pub fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: payload and len describe the value, which lives as long as the message.
        unsafe { slice(self.get().payload, self.get().len) }
    }

    /// Its key.
    pub fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: key and key_len describe the key, which lives as long as the message.
        unsafe { slice(self.get().key, self.get().key_len) }
    }

    /// Its time stamp, in ms.
    pub fn timestamp(&self) -> i64 {
        let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive and `kind` is ours to be written.
        unsafe { native::rd_kafka_message_timestamp(self.message, &mut kind) }
    }

    /// Calls `each` with the name and value of each header, in their order.
    pub fn headers(&self, mut each: impl FnMut(&'a [u8], Option<&'a [u8]>)) {
        let Some(headers) = self.native_headers() else { return };
        for at in 0.. {
            let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
            // SAFETY: the headers belong to the message, which is alive; name and value point into them, and are read only
            // when the call has found a header.
            unsafe {
                let found = native::rd_kafka_header_get_all(headers, at, &mut name, &mut value, &mut size);
                if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return;
                }
                each(CStr::from_ptr(name).to_bytes(), slice(value, size));
            }
        }
    }

    pub(crate) fn native_headers(&self) -> Option<*mut native::rd_kafka_headers_t> {
        let mut headers = std::ptr::null_mut();
        // SAFETY: the message is alive; the headers stay its own.
        let found = unsafe { native::rd_kafka_message_headers(self.message, &mut headers) };
        (found == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !headers.is_null()).then_some(headers)
    }

    fn get(&self) -> &native::rd_kafka_message_t {
        // SAFETY: a Record exists only inside the call that owns the message.
        unsafe { &*self.message }
    }
}

/// # Safety
/// `at` is null or points to `size` bytes that live as long as `'a`.
unsafe fn slice<'a>(at: *const std::ffi::c_void, size: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises; a null pointer is not looked at.
    (!at.is_null()).then(|| unsafe { std::slice::from_raw_parts(at.cast(), size) })
}

/// Gives the messages back, also when the caller's closure fails or panics.
struct Batch<'a>(&'a mut Vec<*mut native::rd_kafka_message_t>);

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for message in self.0.drain(..) {
            // SAFETY: the client gave the message to us, and it is given back once.
            unsafe { native::rd_kafka_message_destroy(message) };
        }
    }
}

/// A queue of ours, into which those of the partitions flow.
struct Queue(*mut native::rd_kafka_queue_t);

impl Queue {
    fn of(consumer: &BaseConsumer) -> Queue {
        // SAFETY: the client is alive; the queue is destroyed in drop, before it.
        Queue(unsafe { native::rd_kafka_queue_new(consumer.client().native_ptr()) })
    }

    fn take_over(&self, consumer: &BaseConsumer, topic: &CStr, partition: i32) {
        // SAFETY: client, name and queue are alive; the reference to the partition's queue is given back at once, the
        // forwarding stays.
        unsafe {
            let queue = native::rd_kafka_queue_get_partition(
                consumer.client().native_ptr(),
                topic.as_ptr(),
                partition,
            );
            assert!(!queue.is_null(), "a partition that exists has a queue");
            native::rd_kafka_queue_forward(queue, self.0);
            native::rd_kafka_queue_destroy(queue);
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made in `of`, destroyed once.
        unsafe { native::rd_kafka_queue_destroy(self.0) };
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // What is still under way would otherwise keep the client from closing at once.
        self.consumer.unassign().ok();
    }
}

// SAFETY: the pointers in `room` are owned, the queue may be used by any thread, one at a time.
unsafe impl Send for Reader {}
