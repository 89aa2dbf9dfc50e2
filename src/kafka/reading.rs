//! Reading a batch of records from a member's queue.

use super::code::Code;
use super::consumer::GroupConsumer;
use super::message::{Records, destroy};
use crate::config::limits::HELD_OVERHEAD_BYTES;
use rdkafka::bindings as sys;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// Something among the records that is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The partition has no record below this offset that we have not been given.
    EndOfPartition {
        /// The partition.
        partition: i32,
        /// The end.
        offset: i64,
    },
    /// The client cannot go on with this partition, or with its connection.
    Error {
        /// Why.
        code: Code,
        /// The partition.
        partition: i32,
        /// Where, if known; else negative.
        offset: i64,
        /// The client's own words.
        text: String,
    },
}

/// What the client says where the log of a partition was cut below what it had read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The offset at which the client stood.
    pub from: i64,
    /// The offset at which the log was cut; unknown where nothing is left of what the client had read.
    pub at: Option<i64>,
}

impl Cut {
    /// Reads it from the client's words (librdkafka 2.12.1): there is no other way to learn the broker's answer.
    pub fn told(text: &str) -> Option<Cut> {
        let number = |text: &str| text.split([' ', '.', ':']).next()?.parse::<i64>().ok();
        let known = "Partition log truncation detected at offset ";
        let unknown = "No epoch found less or equal to offset ";
        let from = number(text.strip_prefix(known).or_else(|| text.strip_prefix(unknown))?)?;
        let (_, end) = text.split_once("broker end offset is ")?;
        Some(Cut { from, at: number(end).filter(|end| *end >= 0) })
    }
}

/// What a batch has room for.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Records, at most.
    pub records: usize,
    /// What the records may pin, keys, values and bookkeeping: when there is as much, nothing more is read.
    pub bytes: usize,
    /// What a record is expected to pin, so that the last ones that are read do not go far beyond.
    pub record_bytes: usize,
}

/// What reading a batch gave beside its records.
#[derive(Debug, Default)]
pub struct Reading {
    /// What is no record, each with the row before which it stood.
    pub notices: Vec<(usize, Notice)>,
    /// Whether there was less than there was room for.
    pub ran_dry: bool,
}

/// Read at once, for records may turn out to be larger than expected.
const RECORDS_AT_ONCE: usize = 512;

impl GroupConsumer {
    /// Reads into `records`, which must be empty: returns when the room is used up, or after `wait`.
    pub fn read(&self, records: &mut Records, room: Room, wait: Duration) -> Reading {
        assert!(records.is_empty(), "a batch is read once");
        let deadline = Instant::now() + wait;
        let mut read = [std::ptr::null_mut(); RECORDS_AT_ONCE];
        let (mut reading, mut bytes, mut left) = (Reading::default(), 0, wait);
        while records.len() < room.records && bytes < room.bytes {
            let fit = (room.bytes - bytes) / room.record_bytes.max(1);
            let wanted = fit.clamp(1, RECORDS_AT_ONCE).min(room.records - records.len());
            // SAFETY: the call writes `wanted` pointers at most, for which there is room.
            let count = unsafe {
                sys::rd_kafka_consume_batch_queue(
                    self.queue.0.as_ptr(),
                    left.as_micros().div_ceil(1000).min(i32::MAX as u128) as i32,
                    read.as_mut_ptr(),
                    wanted,
                )
            };
            let count = usize::try_from(count).unwrap_or(0);
            for message in &read[..count] {
                let message = NonNull::new(*message).expect("the client hands out messages");
                // SAFETY: the call has written so many valid messages, each of which is ours now.
                bytes += unsafe { take_in(message, records, &mut reading.notices) };
            }
            if count < wanted {
                reading.ran_dry = true;
                break;
            }
            left = deadline.saturating_duration_since(Instant::now());
        }
        reading
    }
}

/// Takes a message in, as a record or as a notice; answers what it pins.
///
/// # Safety
/// The message is valid, and nobody else's.
unsafe fn take_in(
    message: NonNull<sys::rd_kafka_message_t>,
    records: &mut Records,
    notices: &mut Vec<(usize, Notice)>,
) -> usize {
    // SAFETY: the message is valid. The code is read as a number: a broker may send one that the binding's enum lacks.
    let code = Code(unsafe { (&raw const (*message.as_ptr()).err).cast::<i32>().read() });
    if code == Code::OK {
        // SAFETY: as promised to us.
        return unsafe { records.push(message) } + HELD_OVERHEAD_BYTES;
    }
    notices.push((records.len(), notice(message, code)));
    destroy(message);
    0
}

fn notice(message: NonNull<sys::rd_kafka_message_t>, code: Code) -> Notice {
    // SAFETY: the message is valid; its error text is a C string that lives as long as it.
    unsafe {
        let (partition, offset) = (message.as_ref().partition, message.as_ref().offset);
        if code.is(sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            return Notice::EndOfPartition { partition, offset };
        }
        let text = sys::rd_kafka_message_errstr(message.as_ptr());
        let text = if text.is_null() {
            String::new()
        } else {
            std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned()
        };
        Notice::Error { code, partition, offset, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_log_was_cut_is_read_from_the_clients_words() {
        let cut = "Partition log truncation detected at offset 1000 (leader epoch 1): broker end offset is 500 (offset leader epoch 1). \
                   Reset to INVALID.: Local: Partition log truncation detected (broker 1)";
        assert_eq!(Cut::told(cut), Some(Cut { from: 1000, at: Some(500) }));
        let gone = "No epoch found less or equal to offset 1000 (leader epoch 1): broker end offset is -1 (offset leader epoch -1). \
                    Reset using configured policy.: Local: Partition log truncation detected (broker 1)";
        assert_eq!(Cut::told(gone), Some(Cut { from: 1000, at: None }));
        assert_eq!(Cut::told("fetch failed due to requested offset not available on the broker"), None);
        assert_eq!(Cut::told(""), None);
    }
}
