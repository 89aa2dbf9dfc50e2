//! The group's offsets: as they are stored, and commits of them, handed to the client without waiting, each answered on a queue of
//! the committer's own.
//!
//! The client's blocking commit has no time limit, and its commit callback is not called for commits that were asked for.

use super::code::{ClientError, Code};
use super::consumer::{GroupConsumer, list_at, list_of};
use super::queue::Queue;
use super::wake::{QueueWake, WakeFn};
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the group has stored of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The partition.
    pub partition: i32,
    /// The next offset; `None`: there is none.
    pub offset: Option<i64>,
    /// What was committed with it; empty if nothing was.
    pub metadata: String,
}

impl GroupConsumer {
    /// What the group has stored of these partitions, asked of its coordinator now.
    pub fn committed(&self, partitions: &[i32], wait: Duration) -> Result<Vec<Stored>, ClientError> {
        let list = self.client.committed_offsets(list_of(&self.topic, partitions), wait)?;
        let elements = list.elements();
        let stored = elements.iter().enumerate().map(|(at, element)| {
            element.error()?;
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            Ok(Stored { partition: element.partition(), offset, metadata: metadata(&list, at) })
        });
        stored.collect()
    }

    /// Hands a commit of next offsets with their metadata to the client. Never waits.
    pub fn commit_with_metadata(&self, offsets: &[(i32, i64, String)]) -> Result<Reply, Code> {
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset, metadata) in offsets {
            let mut element = list.add_partition(&self.topic, *partition);
            element.set_offset(Offset::Offset(*offset)).map_err(|error| Code::of(&error))?;
            element.set_metadata(metadata);
        }
        let queue = Queue::new(&self.client);
        commit(&self.client, &list, &queue)?;
        Ok(Reply(queue))
    }

    /// Hands a commit of next offsets to the client; the answer comes to `replies`. Never waits.
    pub fn commit(&self, offsets: &[(i32, i64)], replies: &CommitReplies) -> Result<(), Code> {
        let list = list_at(&self.topic, offsets).map_err(|_| Code::UNKNOWN)?;
        commit(&self.client, &list, &replies.queue)
    }
}

/// The answer to one commit. Whoever lets it go before it is there must not commit these partitions again: the client may still send
/// the commit, after a later one.
pub struct Reply(Queue);

impl Reply {
    /// The commit's code; `None`: it did not come in time.
    pub fn wait(&self, wait: Duration) -> Option<Code> {
        next_answer(&self.0, Instant::now() + wait)
    }
}

/// What an element was committed with. It may be anybody's, and anything: the binding's own accessor panics at what is not UTF-8.
fn metadata(list: &TopicPartitionList, at: usize) -> String {
    // SAFETY: the list is valid and has this element; its metadata, where it has any, is so many bytes.
    let bytes = unsafe {
        let element = &*(*list.ptr()).elems.add(at);
        if element.metadata.is_null() {
            return String::new();
        }
        std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size)
    };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Hands a commit to a client; the answer comes to `answers`. Never waits.
pub(super) fn commit<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    list: &TopicPartitionList,
    answers: &Queue,
) -> Result<(), Code> {
    // SAFETY: client, list and queue are valid; the list is copied by the call.
    let code = Code::from(unsafe {
        sys::rd_kafka_commit_queue(
            client.client().native_ptr(),
            list.ptr(),
            answers.0.as_ptr(),
            None,
            std::ptr::null_mut(),
        )
    });
    if code == Code::OK { Ok(()) } else { Err(code) }
}

/// The answers to one consumer's commits.
pub struct CommitReplies {
    // The order of the fields is the order of their end.
    wake: QueueWake,
    queue: Queue,
    // The queue belongs to this client.
    _consumer: Arc<GroupConsumer>,
}

impl CommitReplies {
    /// A reply queue that runs `wake` when an answer comes.
    pub fn new(consumer: &Arc<GroupConsumer>, wake: WakeFn) -> Self {
        let queue = Queue::new(&consumer.client);
        // SAFETY: the queue is ours, and its registration ends before it (order of fields).
        let wake = unsafe { QueueWake::new(queue.0.as_ptr(), wake) };
        Self { wake, queue, _consumer: consumer.clone() }
    }

    /// The next answer, if one is there: the commit's code.
    pub fn poll(&self) -> Option<Code> {
        let _ = &self.wake;
        next_answer(&self.queue, Instant::now())
    }
}

/// The next answer to a commit that arrives before `deadline`: the commit's code.
pub(super) fn next_answer(queue: &Queue, deadline: Instant) -> Option<Code> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now()).as_millis();
        let left_ms = i32::try_from(left).unwrap_or(i32::MAX);
        // SAFETY: the queue is valid; the event is ours and destroyed once.
        unsafe {
            let event = sys::rd_kafka_queue_poll(queue.0.as_ptr(), left_ms);
            if event.is_null() {
                return None;
            }
            let is_answer = sys::rd_kafka_event_type(event) == sys::RD_KAFKA_EVENT_OFFSET_COMMIT;
            let mut code = Code::from(sys::rd_kafka_event_error(event));
            let list = sys::rd_kafka_event_topic_partition_list(event);
            if code == Code::OK && !list.is_null() {
                for at in 0..(*list).cnt as usize {
                    let error = Code((&raw const (*(*list).elems.add(at)).err).cast::<i32>().read());
                    if error != Code::OK {
                        code = error;
                    }
                }
            }
            sys::rd_kafka_event_destroy(event);
            if is_answer {
                return Some(code);
            }
        }
    }
}
