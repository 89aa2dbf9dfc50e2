//! Produces records as they are, with the client's cheapest call that keeps headers and time stamps: `rd_kafka_produceva` with
//! a topic handle that is looked up once. Delivery reports are taken in bulk from the client's main queue.

use crate::error::{Error, Result};
use crate::reader::Record;
use rdkafka::ClientConfig;
use rdkafka::bindings as native;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::RDKafkaRespErr;
use std::ffi::{CString, c_void};
use std::time::Duration;

/// A producer for one topic that waits for every report.
pub struct Sender {
    // Dropped in this order: handles before the client that they belong to.
    topic: TopicHandle,
    reports: MainQueue,
    producer: BaseProducer,
    sent: u64,
    delivered: u64,
}

impl Sender {
    /// For `topic`, with these client properties.
    pub fn new(bootstrap: &str, topic: &str, properties: &[(&str, &str)]) -> Result<Sender> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("log_level", "2");
        // A producer asks for it, if not told otherwise.
        config.set("allow.auto.create.topics", "false");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        let producer: BaseProducer = config.create()?;
        let client = producer.client().native_ptr();
        let name = CString::new(topic).map_err(Error::while_doing("the topic's name"))?;
        // SAFETY: the client is alive and outlives both handles (see the order of the fields); `name` is copied by the call.
        let (topic, reports) = unsafe {
            let handle = native::rd_kafka_topic_new(client, name.as_ptr(), std::ptr::null_mut());
            (TopicHandle(handle), MainQueue(native::rd_kafka_queue_get_main(client)))
        };
        if topic.0.is_null() {
            return Err(Error("the client gave no handle for the topic".into()));
        }
        Ok(Sender { topic, reports, producer, sent: 0, delivered: 0 })
    }

    /// How many records have been handed over, and how many of them are delivered.
    pub fn counts(&self) -> (u64, u64) {
        (self.sent, self.delivered)
    }

    /// Hands over a record with another value, in its own partition; waits while the client's queue is full.
    pub fn send(&mut self, record: &Record<'_>, value: Option<&[u8]>) -> Result<()> {
        let (partition, timestamp, key) = (record.partition(), record.timestamp(), record.key());
        self.send_parts(&Parts { partition, timestamp, key, value, headers: record.native_headers() })
    }

    /// Hands over a new record, in the partition of its key; waits while the client's queue is full.
    pub fn send_new(&mut self, key: &[u8], value: &[u8], timestamp: i64) -> Result<()> {
        /// `RD_KAFKA_PARTITION_UA`: the client's partitioner decides.
        const UNASSIGNED: i32 = -1;
        let partition = UNASSIGNED;
        self.send_parts(&Parts { partition, timestamp, key: Some(key), value: Some(value), headers: None })
    }

    fn send_parts(&mut self, parts: &Parts<'_>) -> Result<()> {
        while !self.try_send(parts)? {
            self.serve(Duration::from_millis(10))?;
        }
        self.sent += 1;
        Ok(())
    }

    /// Takes the reports that are there; waits for the first at most as long as `timeout`.
    pub fn serve(&mut self, timeout: Duration) -> Result<()> {
        let mut timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        loop {
            // SAFETY: the queue is alive; the event is ours until it is destroyed by `Event`'s drop.
            let event = Event(unsafe { native::rd_kafka_queue_poll(self.reports.0, timeout) });
            if event.0.is_null() {
                return Ok(());
            }
            timeout = 0;
            self.delivered += event.count_reports()?;
        }
    }

    /// Waits until everything is delivered.
    pub fn finish(&mut self, within: Duration) -> Result<()> {
        let end = std::time::Instant::now() + within;
        while self.delivered < self.sent {
            // What lingers need not linger any more.
            self.serve(Duration::from_millis(5))?;
            if std::time::Instant::now() > end {
                let missing = self.sent - self.delivered;
                return Err(Error(format!("{missing} delivery reports are missing after {within:?}")));
            }
        }
        Ok(())
    }

    /// `false`: the client's queue is full.
    fn try_send(&self, parts: &Parts<'_>) -> Result<bool> {
        use native::rd_kafka_vtype_t as kind;
        type Slot = native::rd_kafka_vu_s__bindgen_ty_1;
        let memory = |bytes: Option<&[u8]>| {
            // Empty is not absent: an empty slice has an address, which is not null.
            let (ptr, size) = bytes.map_or((std::ptr::null(), 0), |bytes| (bytes.as_ptr(), bytes.len()));
            Slot {
                mem: native::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
                    ptr: ptr.cast_mut().cast::<c_void>(),
                    size,
                },
            }
        };
        let vu = |vtype, u| native::rd_kafka_vu_t { vtype, u };
        let mut call = [
            vu(kind::RD_KAFKA_VTYPE_RKT, Slot { rkt: self.topic.0 }),
            vu(kind::RD_KAFKA_VTYPE_PARTITION, Slot { i32_: parts.partition }),
            vu(kind::RD_KAFKA_VTYPE_MSGFLAGS, Slot { i: native::RD_KAFKA_MSG_F_COPY }),
            vu(kind::RD_KAFKA_VTYPE_TIMESTAMP, Slot { i64_: parts.timestamp }),
            vu(kind::RD_KAFKA_VTYPE_VALUE, memory(parts.value)),
            vu(kind::RD_KAFKA_VTYPE_KEY, memory(parts.key)),
            vu(kind::RD_KAFKA_VTYPE_END, Slot { i: 0 }),
        ];
        let mut count = call.len() - 1;
        // SAFETY: the headers belong to a record that is alive; the copy is ours until the client takes it.
        let headers = parts.headers.map(|headers| unsafe { native::rd_kafka_headers_copy(headers) });
        if let Some(headers) = headers {
            call[count] = vu(kind::RD_KAFKA_VTYPE_HEADERS, Slot { headers });
            count += 1;
        }
        // SAFETY: each slot holds what its type says; key and value are copied (MSG_F_COPY); the topic handle is alive. Headers
        // change owner only on success, so they are destroyed here otherwise.
        unsafe {
            let error = native::rd_kafka_produceva(self.producer.client().native_ptr(), call.as_ptr(), count);
            if error.is_null() {
                return Ok(true);
            }
            let code = native::rd_kafka_error_code(error);
            native::rd_kafka_error_destroy(error);
            if let Some(headers) = headers {
                native::rd_kafka_headers_destroy(headers);
            }
            match code {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__QUEUE_FULL => Ok(false),
                code => Err(Error(format!("producing: {code:?}"))),
            }
        }
    }
}

/// What a record is made of.
struct Parts<'a> {
    partition: i32,
    timestamp: i64,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Option<*mut native::rd_kafka_headers_t>,
}

struct TopicHandle(*mut native::rd_kafka_topic_t);

impl Drop for TopicHandle {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: made by rd_kafka_topic_new, destroyed once, before its client.
            unsafe { native::rd_kafka_topic_destroy(self.0) };
        }
    }
}

struct MainQueue(*mut native::rd_kafka_queue_t);

impl Drop for MainQueue {
    fn drop(&mut self) {
        // SAFETY: a reference from rd_kafka_queue_get_main, given back once, before its client goes.
        unsafe { native::rd_kafka_queue_destroy(self.0) };
    }
}

struct Event(*mut native::rd_kafka_event_t);

impl Event {
    /// How many deliveries it reports; 0 for another kind of event. The first failed delivery is an error.
    fn count_reports(&self) -> Result<u64> {
        let mut count = 0;
        let mut room = [std::ptr::null(); 512];
        // SAFETY: the event is alive, the array has as much room as is said, and the messages live as long as the event. For
        // events of another type the call finds no messages.
        unsafe {
            if native::rd_kafka_event_type(self.0) != native::RD_KAFKA_EVENT_DR {
                return Ok(0);
            }
            loop {
                let found = native::rd_kafka_event_message_array(self.0, room.as_mut_ptr(), room.len());
                if found == 0 {
                    return Ok(count);
                }
                for message in &room[..found] {
                    let code = (**message).err;
                    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                        return Err(Error(format!("a record was not delivered: {code:?}")));
                    }
                }
                count += found as u64;
            }
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: given to us by rd_kafka_queue_poll, destroyed once.
            unsafe { native::rd_kafka_event_destroy(self.0) };
        }
    }
}

// SAFETY: librdkafka's handles may be used by any thread.
unsafe impl Send for Sender {}
