//! A queue of the client, held by reference.

use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use std::ffi::CStr;
use std::ptr::{NonNull, null_mut};

/// A reference to a queue of a client; given back before the client ends.
pub(super) struct Queue(pub(super) NonNull<sys::rd_kafka_queue_t>);

// SAFETY: the client's queues are thread-safe.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// A new one.
    pub(super) fn new<C: ConsumerContext>(client: &BaseConsumer<C>) -> Self {
        // SAFETY: the client is valid; the new queue is ours.
        let queue = unsafe { sys::rd_kafka_queue_new(client.client().native_ptr()) };
        Self(NonNull::new(queue).expect("a queue of a valid client"))
    }

    /// The one that a partition's records are fetched into.
    pub(super) fn of_partition<C: ConsumerContext>(
        client: &BaseConsumer<C>,
        topic: &CStr,
        partition: i32,
    ) -> Option<Self> {
        let client = client.client().native_ptr();
        // SAFETY: client and name are valid; the reference is ours.
        NonNull::new(unsafe { sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition) })
            .map(Self)
    }

    /// From now on what comes in here, and what is here already, goes to the end of `to`; with `None` it stays here.
    pub(super) fn forward(&self, to: Option<&Queue>) {
        // SAFETY: both queues are valid; the client keeps a reference of its own to where it forwards.
        unsafe { sys::rd_kafka_queue_forward(self.0.as_ptr(), to.map_or(null_mut(), |to| to.0.as_ptr())) };
    }

    /// How much there is in it, or where it is forwarded to.
    pub(super) fn len(&self) -> usize {
        // SAFETY: the queue is valid.
        unsafe { sys::rd_kafka_queue_length(self.0.as_ptr()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: a reference of ours, given back once, before the client ends.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}
