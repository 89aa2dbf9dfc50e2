//! A wake-up from the client: runs a closure when a queue becomes non-empty, so that a thread can sleep until there is work.

use rdkafka::bindings as sys;
use std::os::raw::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is run. It is called on threads of the client with a lock of the queue held: it may only signal.
pub type WakeFn = Box<dyn Fn() + Send + Sync>;

/// A closure that is tied to a queue for as long as this lives.
pub(super) struct QueueWake {
    queue: *mut sys::rd_kafka_queue_t,
    // Boxed twice: the inner pointer is fat, C keeps a thin one to it.
    _wake: Box<WakeFn>,
}

// SAFETY: the queue pointer is only used to switch the callback off, which the client does under its own lock; the closure is
// `Send + Sync` itself.
unsafe impl Send for QueueWake {}
// SAFETY: there is no method that takes `&self`.
unsafe impl Sync for QueueWake {}

impl QueueWake {
    /// Runs `wake` whenever `queue` becomes non-empty.
    ///
    /// # Safety
    /// `queue` is valid, and stays valid until this is dropped.
    pub(super) unsafe fn new(queue: *mut sys::rd_kafka_queue_t, wake: WakeFn) -> Self {
        let wake = Box::new(wake);
        // SAFETY: the queue is valid by contract; the closure's address is stable (boxed) and outlives the registration,
        // which ends in `drop`.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(
                queue,
                Some(run),
                (&raw const *wake).cast_mut().cast::<c_void>(),
            );
        }
        Self { queue, _wake: wake }
    }
}

impl Drop for QueueWake {
    fn drop(&mut self) {
        // SAFETY: the queue is still valid by the contract of `new`. The client holds the queue's lock while it runs the
        // callback and while it clears it, so none runs once this returns.
        unsafe { sys::rd_kafka_queue_cb_event_enable(self.queue, None, std::ptr::null_mut()) };
    }
}

unsafe extern "C" fn run(_client: *mut sys::rd_kafka_t, opaque: *mut c_void) {
    // SAFETY: `opaque` is the address of the boxed closure registered in `new`, alive until the registration ended.
    let wake = unsafe { &*opaque.cast::<WakeFn>() };
    // A panic must not cross into C; a wake-up that is missed costs one waiting period.
    drop(catch_unwind(AssertUnwindSafe(wake)));
}
