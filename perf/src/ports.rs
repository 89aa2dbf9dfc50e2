//! Free ports on 127.0.0.1, for servers that come back on the same port after a crash.
//!
//! They lie below the range from which the kernel picks ports for outgoing connections (32768 and up). A port that the
//! kernel would hand out itself can be taken by a client's own socket while its server is down, a client that keeps
//! knocking at it can even connect to itself, and the server cannot come back.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 24_000;
const COUNT: u32 = 8_000;

/// `count` different ports on which nobody listens at the moment.
pub fn free(count: usize) -> std::io::Result<Vec<u16>> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that start together begin their search in different places.
    let start = std::process::id().wrapping_mul(37);
    let mut held = Vec::with_capacity(count);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + start.wrapping_add(step) % COUNT;
        let port = u16::try_from(port).expect("FIRST + COUNT is below 65536");
        // Held until all are found, so that they differ.
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            held.push((port, listener));
        }
        if held.len() == count {
            return Ok(held.into_iter().map(|(port, _)| port).collect());
        }
    }
    Err(std::io::Error::other(format!("no {count} free ports from {FIRST} on")))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn ports_differ_and_can_be_bound() {
        let ports = super::free(4).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 4);
        for port in ports {
            std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        }
    }
}
