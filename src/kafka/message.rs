//! Records as the client hands them over: owned pointers into its fetch buffers, no copy.

use super::consumer::GroupConsumer;
use super::headers::HeadersRef;
use crate::config::limits::ROW_BYTES;
use rdkafka::bindings as sys;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

/// A batch's records, in the order in which they were read. They pin the client's fetch buffers until they are cleared, and keep
/// the consumer alive that they came from.
pub struct Records {
    rows: Vec<Row>,
    owner: Arc<GroupConsumer>,
}

/// A message, and what the stages ask of it, one behind the other: the message itself lies somewhere among the client's, and each stage
/// runs on another core. (This, with `producev`, took 6 % off the CPU of a record.)
#[derive(Clone, Copy)]
struct Row {
    message: NonNull<sys::rd_kafka_message_t>,
    value: *const u8,
    key: *const u8,
    offset: i64,
    timestamp_ms: i64,
    value_bytes: u32,
    key_bytes: u32,
    partition: i32,
    may_have_headers: bool,
}

const _: () = assert!(size_of::<Row>() <= ROW_BYTES);

/// Where a record is from and how large it is.
#[derive(Clone, Copy, Debug)]
pub struct RecordSize {
    /// The input partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
    /// Key and value.
    pub payload_bytes: usize,
    /// Header names and values.
    pub header_bytes: usize,
}

// SAFETY: a message is owned by this vector alone and may be read and destroyed on any thread; the client's messages are not
// bound to one.
unsafe impl Send for Records {}
// SAFETY: through `&self` only rows, keys and values are read, which nobody writes after the read. The headers are parsed lazily, which
// writes: they need `&mut self`.
unsafe impl Sync for Records {}

impl Records {
    /// An empty set with room for `capacity` records of this consumer.
    pub fn with_capacity(owner: Arc<GroupConsumer>, capacity: usize) -> Self {
        Self { rows: Vec::with_capacity(capacity), owner }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The consumer that they came from.
    pub fn owner(&self) -> &Arc<GroupConsumer> {
        &self.owner
    }

    /// The value; `None` is a tombstone.
    pub fn value(&self, row: usize) -> Option<&[u8]> {
        let row = &self.rows[row];
        // SAFETY: the client describes the value by pointer and length, both valid until the message is destroyed, which needs
        // `&mut self`.
        (!row.value.is_null()).then(|| unsafe { slice::from_raw_parts(row.value, row.value_bytes as usize) })
    }

    /// The key; `None` is no key.
    pub fn key(&self, row: usize) -> Option<&[u8]> {
        let row = &self.rows[row];
        // SAFETY: as for the value.
        (!row.key.is_null()).then(|| unsafe { slice::from_raw_parts(row.key, row.key_bytes as usize) })
    }

    /// The input partition.
    pub fn partition(&self, row: usize) -> i32 {
        self.rows[row].partition
    }

    /// The offset in the input partition.
    pub fn offset(&self, row: usize) -> i64 {
        self.rows[row].offset
    }

    /// The record's time stamp in ms since 1970; -1 if it has none.
    pub fn timestamp_ms(&self, row: usize) -> i64 {
        self.rows[row].timestamp_ms
    }

    /// The headers, parsed on the first call; `None` if there are none.
    pub fn headers(&mut self, row: usize) -> Option<HeadersRef<'_>> {
        // SAFETY: the message is valid for as long as it is borrowed, and `&mut self` keeps every other reader away while the
        // client parses.
        unsafe { headers(&self.rows[row]) }
    }

    /// Gives everything back to the client.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Gives back the records from `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        for row in self.rows.drain(rows..) {
            destroy(row.message);
        }
    }

    /// Keeps the records for which `keep` answers yes, and gives the others back. Order is kept.
    pub fn retain_sized(&mut self, mut keep: impl FnMut(RecordSize) -> bool) {
        self.rows.retain(|row| {
            let kept = keep(RecordSize {
                partition: row.partition,
                offset: row.offset,
                payload_bytes: row.value_bytes as usize + row.key_bytes as usize,
                // SAFETY: the message is valid, and `&mut self` keeps every other reader away.
                header_bytes: unsafe { headers(row) }.map_or(0, HeadersRef::bytes),
            });
            if !kept {
                destroy(row.message);
            }
            kept
        });
    }

    /// Takes over a message that is a record; answers with the bytes of its key and value.
    ///
    /// # Safety
    /// The message is valid, without an error, and nobody else's.
    pub(super) unsafe fn push(&mut self, message: NonNull<sys::rd_kafka_message_t>) -> usize {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid; the call only reads it.
        let (fields, timestamp_ms) =
            unsafe { (message.as_ref(), sys::rd_kafka_message_timestamp(message.as_ptr(), &mut kind)) };
        self.rows.push(Row {
            message,
            value: fields.payload.cast(),
            key: fields.key.cast(),
            offset: fields.offset,
            timestamp_ms,
            value_bytes: fields.len.try_into().expect("Kafka's sizes have 31 bits"),
            key_bytes: fields.key_len.try_into().expect("Kafka's sizes have 31 bits"),
            partition: fields.partition,
            may_have_headers: may_have_headers(message),
        });
        fields.len + fields.key_len
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The headers of a record, parsed on the first call.
///
/// # Safety
/// The message stays valid for `'a`, and nobody else looks at it during the call.
unsafe fn headers<'a>(row: &Row) -> Option<HeadersRef<'a>> {
    // SAFETY: as promised to us.
    let parse = || unsafe { parse_headers(row.message) };
    if row.may_have_headers {
        return parse();
    }
    debug_assert!(parse().is_none(), "the byte behind a value counts its headers");
    None
}

/// Asks the client, which makes and drops a whole buffer for it even where there are no headers.
///
/// # Safety
/// As for [`headers`].
unsafe fn parse_headers<'a>(message: NonNull<sys::rd_kafka_message_t>) -> Option<HeadersRef<'a>> {
    let mut headers = std::ptr::null_mut();
    // SAFETY: the message is valid, and ours alone meanwhile.
    let code = unsafe { sys::rd_kafka_message_headers(message.as_ptr(), &mut headers) };
    if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return None;
    }
    // SAFETY: on success the pointer is valid for as long as the message.
    NonNull::new(headers).map(|headers| unsafe { HeadersRef::new(headers) })
}

/// A look at the number of headers where the record lies; `true` where it cannot be seen.
///
/// In a record batch of version 2 the number of headers follows the value at once, as a varint, and the client hands a value out
/// where it lies in the batch (rdkafka_msgset_reader.c). Batches of that version alone have a leader epoch. A value of no bytes
/// is handed out from elsewhere.
fn may_have_headers(message: NonNull<sys::rd_kafka_message_t>) -> bool {
    // SAFETY: the message is valid; with a leader epoch there is a byte behind the value, in the same buffer.
    unsafe {
        let fields = message.as_ref();
        if fields.payload.is_null()
            || fields.len == 0
            || sys::rd_kafka_message_leader_epoch(message.as_ptr()) < 0
        {
            return true;
        }
        *fields.payload.cast::<u8>().add(fields.len) != 0
    }
}

/// Gives one message back to the client.
pub(super) fn destroy(message: NonNull<sys::rd_kafka_message_t>) {
    // SAFETY: called once for each message that the client handed to us, by its only owner.
    unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
}
