//! Follows topics from where they end now, and hands on each record as soon as it can be read.

use super::{BATCH, Batch, Queue, Record, WITHIN};
use crate::error::{Error, Result};
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::ffi::CString;
use std::marker::PhantomData;
use std::time::Duration;

/// A reader without an end.
pub struct Tail {
    room: Vec<*mut native::rd_kafka_message_t>,
    // Dropped in this order: the queue before the client that it belongs to.
    queue: Queue,
    consumer: BaseConsumer,
}

impl Tail {
    /// Looks up the ends and begins to fetch. The client properties win over ours.
    pub fn open(bootstrap: &str, topics: &[&str], properties: &[(String, String)]) -> Result<Tail> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("group.id", "perf-tail");
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error").set("log_level", "2");
        // The broker answers as soon as there is anything; a full queue here is looked at again after 1 ms.
        config.set("fetch.min.bytes", "1").set("fetch.wait.max.ms", "10").set("fetch.queue.backoff.ms", "1");
        for (name, value) in properties {
            config.set(name, value);
        }
        let consumer: BaseConsumer = config.create()?;
        let admin = crate::topics::Topics::new(bootstrap)?;
        let queue = Queue::of(&consumer);
        let mut list = TopicPartitionList::new();
        for topic in topics {
            let name = CString::new(*topic).map_err(Error::while_doing("the topic's name"))?;
            for (partition, end) in (0..).zip(admin.written_ends(topic)?) {
                queue.take_over(&consumer, &name, partition);
                list.add_partition_offset(topic, partition, Offset::Offset(end))?;
            }
            // A client that does not know the leaders yet would ask for them a second later.
            consumer.fetch_metadata(Some(topic), WITHIN)?;
        }
        consumer.assign(&list)?;
        Ok(Tail { room: Vec::with_capacity(BATCH), queue, consumer })
    }

    /// Waits for a record, at most as long as `timeout`, and gives it and all that are there with it. Returns at once when there
    /// is one: unlike [`super::Reader::read`], it does not wait for more.
    pub fn read(&mut self, timeout: Duration, mut each: impl FnMut(&Record<'_>)) -> Result<usize> {
        if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
            return Err(Error(format!("following topics: {error}")));
        }
        let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is ours and alive; `room` has room for BATCH pointers: the first call gives one or null, the second
        // fills as many of the others as it says.
        unsafe {
            let first = native::rd_kafka_consume_queue(self.queue.0, timeout);
            if first.is_null() {
                return Ok(0);
            }
            let room = self.room.as_mut_ptr();
            *room = first;
            let more = native::rd_kafka_consume_batch_queue(self.queue.0, 0, room.add(1), BATCH - 1);
            self.room.set_len(1 + usize::try_from(more).unwrap_or(0).min(BATCH - 1));
        }
        let batch = Batch(&mut self.room);
        for message in batch.0.iter() {
            // SAFETY: the client gave this message to us; it lives until `batch` is dropped.
            let error = unsafe { (**message).err };
            if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(Error(format!("following topics: {error:?}")));
            }
            each(&Record { message: *message, lives: PhantomData });
        }
        Ok(batch.0.len())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        // What is still under way would otherwise keep the client from closing at once.
        self.consumer.unassign().ok();
    }
}

// SAFETY: the pointers in `room` are owned, the queue may be used by any thread, one at a time.
unsafe impl Send for Tail {}
