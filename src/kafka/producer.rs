//! The producer: one client for output and dead letters, topic handles cached, delivery reports read in bulk.
//!
//! `rd_kafka_producev` with a cached topic handle costs what the batch call costs and keeps headers and time stamps, which the
//! batch call cannot. (`rd_kafka_produceva` wants 72 bytes written for each of its eight arguments. Tried and lost, as no gain that
//! could be measured: this client with `-O3` and hidden symbols; the allocator with larger thread caches, one arena or huge pages; a
//! queue of half or a quarter of the records; reports by callback, or of failures alone with an interceptor that counts the rest.)

use super::code::{ClientError, Code};
use super::context::forward_event;
use super::headers::Headers;
use super::outage::ErrorLines;
use super::properties;
use super::sockets::Sockets;
use super::transactions::{TRANSACTION_TIMEOUT, Transactions};
use super::wake::{QueueWake, WakeFn};
use crate::config::{Config, Delivery, Kafka};
use crate::error::{EngineError, ExitCode, Stage};
use rdkafka::bindings as sys;
use rdkafka::config::ClientConfig;
use std::ffi::{CStr, CString, c_void};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A record on its way out. `None` as partition lets the client place it by its key, as the Java clients do (murmur2).
pub struct Outgoing<'a> {
    /// Which of the producer's topics: an index into those it was made with.
    pub topic: usize,
    /// The partition, or by key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// ms since 1970. The client takes 0 for "now".
    pub timestamp_ms: i64,
    /// Comes back with the delivery report.
    pub opaque: usize,
}

/// Why a record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The client's queue is full: serve reports, then try the same record again.
    QueueFull,
    /// The record is larger than any request may be.
    TooLarge,
    /// Anything else.
    Refused(Code),
}

/// The broker's verdict on one record.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// What was sent with it.
    pub opaque: usize,
    /// The verdict.
    pub code: Code,
    /// Where it went.
    pub partition: i32,
}

/// The producing client.
pub struct Producer {
    client: Arc<Handle>,
    queue: NonNull<sys::rd_kafka_queue_t>,
    topics: Vec<NonNull<sys::rd_kafka_topic_t>>,
    wake: Option<QueueWake>,
    reported: Vec<*const sys::rd_kafka_message_t>,
    was_disturbed: bool,
    lines: ErrorLines,
}

// SAFETY: the client is thread-safe; the scratch vector holds no pointers between calls.
unsafe impl Send for Producer {}

/// The client itself, which whoever ends its transactions shares.
pub(super) struct Handle {
    client: NonNull<sys::rd_kafka_t>,
    // Boxed: the client has its address.
    sockets: Box<Sockets>,
}

// SAFETY: the client is thread-safe.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_t {
        self.client.as_ptr()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the last reference to the client; the producer gave its topics and its queue back before it let go of it.
        unsafe { sys::rd_kafka_destroy(self.client.as_ptr()) };
    }
}

impl Producer {
    /// A producer for these topics. `wake` runs when reports are there.
    pub fn new(
        config: &Config,
        topics: &[&str],
        record_bytes_max: usize,
        batch_bytes_max: usize,
        wake: WakeFn,
    ) -> Result<Self, EngineError> {
        let failed = |error: &dyn std::fmt::Display| {
            EngineError::new(Stage::Start, ExitCode::Config, format!("the producer cannot be made: {error}"))
        };
        let client_config = client_config(config, record_bytes_max, batch_bytes_max);
        let native = client_config.create_native_config().map_err(|error| failed(&error))?;
        let mut text = [0 as std::ffi::c_char; 512];
        let sockets = Box::<Sockets>::default();
        // SAFETY: the configuration is valid, and has no opaque; on success the client owns it, so it is not dropped here; on failure it
        // leaks, once, in a process that is about to end. The sockets are boxed, and end after the client, with its handle.
        let client = unsafe {
            sys::rd_kafka_conf_set_events(
                native.ptr(),
                sys::RD_KAFKA_EVENT_DR | sys::RD_KAFKA_EVENT_ERROR | sys::RD_KAFKA_EVENT_LOG,
            );
            if matches!(config.delivery, Delivery::ExactlyOnce { .. }) {
                sockets.register(native.ptr());
            }
            let native = ManuallyDrop::new(native);
            sys::rd_kafka_new(
                sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
                native.ptr(),
                text.as_mut_ptr(),
                text.len(),
            )
        };
        let Some(client) = NonNull::new(client) else {
            // SAFETY: the client wrote a C string into the buffer.
            return Err(failed(&unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy()));
        };
        let client = Arc::new(Handle { client, sockets });
        // SAFETY: the client is valid; its main queue takes the log lines too; the reference is given back in `drop`.
        let queue = unsafe {
            let queue = sys::rd_kafka_queue_get_main(client.as_ptr());
            sys::rd_kafka_set_log_queue(client.as_ptr(), queue);
            NonNull::new(queue).expect("a client has a main queue")
        };
        // SAFETY: the queue lives until `drop`, which ends the registration first.
        let wake = Some(unsafe { QueueWake::new(queue.as_ptr(), wake) });
        let mut producer = Self {
            client,
            queue,
            topics: Vec::new(),
            wake,
            reported: Vec::new(),
            was_disturbed: false,
            lines: ErrorLines::default(),
        };
        for topic in topics {
            producer.open(topic).map_err(|error| failed(&error))?;
        }
        Ok(producer)
    }

    /// Hands a record to the client, which copies key and value (handing values over in place, with the batch kept until its last
    /// report, was tried: no difference that could be measured). Headers change owner on success; else they are dropped, so
    /// a further try makes them anew.
    pub fn send(&self, record: &Outgoing<'_>, headers: Option<Headers>) -> Result<(), SendError> {
        use sys::rd_kafka_vtype_t as Kind;
        let start = |bytes: Option<&[u8]>| bytes.map_or(std::ptr::null(), <[u8]>::as_ptr).cast::<c_void>();
        let size = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        // SAFETY: client and topic are valid. Each kind is followed by the arguments it asks for, in C's types, and the last by nothing;
        // key and value are copied by the call (`MSG_F_COPY`); no headers are a null.
        let code = Code::from(unsafe {
            sys::rd_kafka_producev(
                self.client.as_ptr(),
                Kind::RD_KAFKA_VTYPE_RKT,
                self.topics[record.topic].as_ptr(),
                Kind::RD_KAFKA_VTYPE_PARTITION,
                record.partition.unwrap_or(PARTITION_BY_KEY),
                Kind::RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                Kind::RD_KAFKA_VTYPE_VALUE,
                start(record.value),
                size(record.value),
                Kind::RD_KAFKA_VTYPE_KEY,
                start(record.key),
                size(record.key),
                Kind::RD_KAFKA_VTYPE_OPAQUE,
                record.opaque,
                Kind::RD_KAFKA_VTYPE_TIMESTAMP,
                record.timestamp_ms,
                Kind::RD_KAFKA_VTYPE_HEADERS,
                headers.as_ref().map_or(std::ptr::null_mut(), Headers::as_ptr),
                Kind::RD_KAFKA_VTYPE_END,
            )
        });
        if code == Code::OK {
            // The client owns them now.
            std::mem::forget(headers);
            return Ok(());
        }
        use sys::rd_kafka_resp_err_t as Native;
        Err(if code.is(Native::RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            SendError::QueueFull
        } else if code.is(Native::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
            SendError::TooLarge
        } else {
            SendError::Refused(code)
        })
    }

    /// Serves what the client has to say, waiting at most `wait` for the first of it: delivery reports go to `report`, one call
    /// each. A fatal error of the client is the answer.
    pub fn serve(&mut self, wait: Duration, mut report: impl FnMut(Report)) -> Result<(), ClientError> {
        let mut wait_ms = wait.as_millis().min(i32::MAX as u128) as i32;
        loop {
            // SAFETY: the queue is valid; the event is ours, and destroyed once below.
            let event = unsafe { sys::rd_kafka_queue_poll(self.queue.as_ptr(), wait_ms) };
            if event.is_null() {
                return Ok(());
            }
            wait_ms = 0;
            // SAFETY: the event is valid.
            let outcome = match unsafe { sys::rd_kafka_event_type(event) } {
                sys::RD_KAFKA_EVENT_DR => {
                    self.serve_reports(event, &mut report);
                    Ok(())
                }
                sys::RD_KAFKA_EVENT_ERROR => self.serve_error(event),
                sys::RD_KAFKA_EVENT_LOG => {
                    // SAFETY: the event is valid, and of this type.
                    unsafe { forward_event(event) };
                    Ok(())
                }
                _ => Ok(()),
            };
            // SAFETY: ours, and not used after this.
            unsafe { sys::rd_kafka_event_destroy(event) };
            outcome?;
        }
    }

    /// Asks the client to send what lingers now, and waits until nothing is left or the time is over; reports are still to
    /// be served.
    pub fn flush(&mut self, wait: Duration, mut report: impl FnMut(Report)) -> Result<bool, ClientError> {
        let deadline = Instant::now() + wait;
        loop {
            // SAFETY: the client is valid.
            let code = unsafe { sys::rd_kafka_flush(self.client.as_ptr(), 0) };
            self.serve(Duration::from_millis(10), &mut report)?;
            // SAFETY: the client is valid.
            let left = unsafe { sys::rd_kafka_outq_len(self.client.as_ptr()) };
            if Code::from(code) == Code::OK && left == 0 {
                return Ok(true);
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    /// Throws away what is queued or under way: each record is reported as purged. For a client that is beyond use.
    pub fn purge(&mut self) {
        // SAFETY: the client is valid.
        unsafe { sys::rd_kafka_purge(self.client.as_ptr(), PURGE_QUEUE_AND_INFLIGHT) };
    }

    /// Why the client is beyond use, if it is.
    pub fn fatal_error(&self) -> Option<ClientError> {
        // SAFETY: the client is valid.
        unsafe { ClientError::fatal_of(self.client.as_ptr()) }
    }

    /// The transactions of this client. It has some only where the configuration is exactly-once.
    pub fn transactions(&self) -> Transactions {
        Transactions::new(self.client.clone())
    }

    /// Whether, since this was last asked, a request may have been left without an answer: a connection that was up broke, or
    /// somebody did not answer in time.
    pub fn take_disturbed(&mut self) -> bool {
        std::mem::take(&mut self.was_disturbed)
    }

    /// Breaks a connection: for a commit that is not answered, perhaps because the client waits for a broker that is gone.
    pub fn break_connection(&mut self) {
        self.was_disturbed = true;
        self.client.sockets.break_one();
    }

    fn open(&mut self, topic: &str) -> Result<(), String> {
        let name = CString::new(topic).map_err(|_| "a topic's name holds a NUL".to_owned())?;
        // SAFETY: client and name are valid; without a configuration the client's own is used.
        let handle =
            unsafe { sys::rd_kafka_topic_new(self.client.as_ptr(), name.as_ptr(), std::ptr::null_mut()) };
        let handle = NonNull::new(handle).ok_or_else(|| format!("topic \"{topic}\" cannot be opened"))?;
        self.topics.push(handle);
        Ok(())
    }

    fn serve_reports(&mut self, event: *mut sys::rd_kafka_event_t, report: &mut impl FnMut(Report)) {
        // SAFETY: the event is valid and a delivery report; its messages live as long as it. Room for all of them is made first.
        unsafe {
            let count = sys::rd_kafka_event_message_count(event);
            self.reported.clear();
            self.reported.reserve(count);
            let got = sys::rd_kafka_event_message_array(event, self.reported.as_mut_ptr(), count);
            self.reported.set_len(got);
            for &message in &self.reported {
                report(Report {
                    opaque: (*message)._private as usize,
                    code: Code((&raw const (*message).err).cast::<i32>().read()),
                    partition: (*message).partition,
                });
            }
        }
        self.reported.clear();
    }

    fn serve_error(&mut self, event: *mut sys::rd_kafka_event_t) -> Result<(), ClientError> {
        // SAFETY: the event is valid and an error; its text lives as long as it.
        let (code, text) = unsafe {
            let text = sys::rd_kafka_event_error_string(event);
            let text = if text.is_null() {
                String::new()
            } else {
                CStr::from_ptr(text).to_string_lossy().into_owned()
            };
            (Code::from(sys::rd_kafka_event_error(event)), text)
        };
        if !code.is(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__FATAL) {
            self.lines.write("producer", code, &text);
            // A connection that could not be made carried nothing.
            self.was_disturbed |= code.is_transient() && !text.contains("in state CONNECT");
            return Ok(());
        }
        Err(self.fatal_error().unwrap_or(ClientError { code, text }))
    }
}

impl Drop for Producer {
    /// Whatever is still queued is lost here: flush first.
    fn drop(&mut self) {
        self.wake = None;
        // SAFETY: topic handles and queue reference are given back once each, then (by its handle) the client, as its documentation
        // asks. A purge makes the end quick.
        unsafe {
            sys::rd_kafka_purge(self.client.as_ptr(), PURGE_QUEUE_AND_INFLIGHT);
            for topic in self.topics.drain(..) {
                sys::rd_kafka_topic_destroy(topic.as_ptr());
            }
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

fn client_config(config: &Config, record_bytes_max: usize, batch_bytes_max: usize) -> ClientConfig {
    let Kafka { compression, producer_properties, .. } = &config.kafka;
    let mut client = properties::base(&config.kafka);
    client
        // Sets `acks=all` and at most five requests in flight; keeps the order over retries.
        .set("enable.idempotence", "true")
        // An outage of any length is waited for: the broker's failures are never the record's.
        .set("message.timeout.ms", "0")
        .set("partitioner", "murmur2_random")
        .set("compression.type", compression.as_str())
        .set("linger.ms", "3")
        .set("batch.size", batch_bytes_max.to_string())
        .set("batch.num.messages", "10000")
        // Whether a record fits its topic is decided before it is sent; this bound only keeps the client from deciding first.
        .set("message.max.bytes", record_bytes_max.to_string())
        .set("queue.buffering.max.messages", config.limits.producer_queue_records.to_string())
        .set("queue.buffering.max.kbytes", (config.limits.producer_queue_bytes / 1024).max(1).to_string())
        .set("log.queue", "true");
    if let Delivery::ExactlyOnce { transactional_id, .. } = &config.delivery {
        // A record that is not delivered while its transaction lives never will be: the transaction is rolled back then.
        client
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            .set("message.timeout.ms", MESSAGE_TIMEOUT.as_millis().to_string())
            .set(
                "socket.timeout.ms",
                config.kafka.socket_timeout.min(MESSAGE_TIMEOUT).as_millis().to_string(),
            );
    }
    for (name, value) in producer_properties {
        client.set(name, value);
    }
    client
}

/// In a transaction: so much below its own time limit that there is time left to end it.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// `RD_KAFKA_PARTITION_UA`: the client's partitioner decides.
const PARTITION_BY_KEY: i32 = -1;

/// `RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT`.
const PURGE_QUEUE_AND_INFLIGHT: i32 = 3;
