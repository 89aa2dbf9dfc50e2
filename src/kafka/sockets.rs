//! The sockets of a client, so that a connection can be broken from outside.
//!
//! For one purpose. `rd_kafka_send_offsets_to_transaction` has no end while it waits for a coordinator of the group that is gone from
//! the cluster: the client remembers that broker, looks again only when a connection to some broker comes up or breaks, and does not keep
//! to the call's time-out (librdkafka#5511, librdkafka#5456; open in 2.14). A connection that breaks makes it look.

use rdkafka::bindings as sys;
use socket2::Socket;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::raw::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sockets that are open, the one that was made or broken last at the end.
#[derive(Default)]
pub(super) struct Sockets(Mutex<Vec<Socket>>);

impl Sockets {
    /// Has the client that is made from this configuration open and close its sockets here.
    ///
    /// # Safety
    /// The configuration is valid and has no other opaque; the address of `self` stays, and the client ends before `self`.
    pub(super) unsafe fn register(&self, config: *mut sys::rd_kafka_conf_t) {
        // SAFETY: the configuration is valid by contract; the callbacks get this address, valid by contract, and only read it.
        unsafe {
            sys::rd_kafka_conf_set_opaque(config, std::ptr::from_ref(self).cast_mut().cast::<c_void>());
            sys::rd_kafka_conf_set_socket_cb(config, Some(open));
            sys::rd_kafka_conf_set_closesocket_cb(config, Some(close));
        }
    }

    /// Breaks one connection, another one each time; the client makes it anew. One only: a client without any connection has nobody
    /// to ask.
    pub(super) fn break_one(&self) {
        let mut sockets = self.lock();
        // One that is not connected yet, or not any more, does not count.
        if let Some(at) = sockets.iter().position(|socket| socket.shutdown(Shutdown::Both).is_ok()) {
            let broken = sockets.remove(at);
            sockets.push(broken);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As the client would: with close-on-exec, and no signal where the other side is gone.
unsafe extern "C" fn open(domain: c_int, kind: c_int, protocol: c_int, sockets: *mut c_void) -> c_int {
    // SAFETY: the address that was registered, which lives as long as the client.
    let sockets = unsafe { &*sockets.cast::<Sockets>() };
    // On failure the client reads the reason from `errno`, which is as the call left it.
    let Ok(socket) = Socket::new(domain.into(), kind.into(), Some(protocol.into())) else { return -1 };
    let descriptor = socket.as_raw_fd();
    sockets.lock().push(socket);
    descriptor
}

unsafe extern "C" fn close(descriptor: c_int, sockets: *mut c_void) -> c_int {
    // SAFETY: as in `open`.
    let sockets = unsafe { &*sockets.cast::<Sockets>() };
    // Closed with the lock held: no other can have got its number while somebody breaks it.
    sockets.lock().retain(|socket| socket.as_raw_fd() != descriptor);
    0
}
