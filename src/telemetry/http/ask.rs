//! The question of `gristmill healthcheck`: is the engine at this address ready? One request over a plain socket, because a
//! container's probe should start fast and bring no runtime.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// An answer of `/readyz` is a few lines; whoever sends more is not gristmill.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Asks `/readyz` at `addr`: ready or not, and the body that says why not. All of it takes `timeout` at most. An address that
/// means every interface (`0.0.0.0`, `[::]`) is asked at loopback.
///
/// # Errors
/// Nobody answers there in time, or somebody else than gristmill does.
pub fn ask_ready(addr: SocketAddr, timeout: Duration) -> Result<(bool, String), Error> {
    let addr = reachable(addr);
    let answer = ask(addr, Instant::now() + timeout).map_err(|error| match error.kind() {
        // A read that times out says so in two ways.
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            Error::new(ErrorKind::TimedOut, format!("no answer from http://{addr}/readyz within {timeout:?}"))
        }
        kind => Error::new(kind, format!("cannot ask http://{addr}/readyz: {error}")),
    })?;
    parse(&answer).ok_or_else(|| {
        let message = format!(
            "http://{addr}/readyz gave an answer that is not gristmill's; is GRISTMILL_HTTP_ADDR right?"
        );
        Error::new(ErrorKind::InvalidData, message)
    })
}

fn reachable(addr: SocketAddr) -> SocketAddr {
    let loopback = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(loopback, addr.port())
}

fn ask(addr: SocketAddr, deadline: Instant) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect_timeout(&addr, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream
        .write_all(format!("GET /readyz HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut part)? {
            0 => return Ok(answer),
            read => answer.extend_from_slice(&part[..read]),
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(Error::new(ErrorKind::InvalidData, "the answer does not end"));
        }
    }
}

fn left(deadline: Instant) -> Result<Duration, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The verdict and the body of a whole HTTP/1.1 answer, if it is one that `/readyz` gives.
fn parse(answer: &[u8]) -> Option<(bool, String)> {
    let (head, body) = std::str::from_utf8(answer).ok()?.split_once("\r\n\r\n")?;
    let ready = match head.strip_prefix("HTTP/1.1 ")?.split(' ').next()? {
        "200" => true,
        "503" => false,
        _ => return None,
    };
    Some((ready, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn every_interface_is_asked_at_loopback() {
        let asked = ["0.0.0.0:9090", "[::]:9090", "10.1.2.3:80"]
            .map(|addr| reachable(addr.parse().unwrap()).to_string());
        assert_eq!(asked, ["127.0.0.1:9090", "[::1]:9090", "10.1.2.3:80"]);
    }

    #[test]
    fn an_answer_is_read_or_refused() {
        let parsed = |answer: &str| parse(answer.as_bytes());
        assert_eq!(parsed("HTTP/1.1 200 OK\r\na: b\r\n\r\nready\n"), Some((true, "ready\n".to_owned())));
        assert_eq!(parsed("HTTP/1.1 503 X\r\n\r\nnot ready\n"), Some((false, "not ready\n".to_owned())));
        for other in ["", "HTTP/1.1 404 X\r\n\r\n", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n"] {
            assert_eq!(parsed(other), None, "{other}");
        }
    }

    #[test]
    fn nobody_there_and_nobody_answering_are_errors_that_name_the_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let error = ask_ready(addr, Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(error.to_string(), format!("no answer from http://{addr}/readyz within 50ms"));
        drop(listener);
        let error = ask_ready(addr, Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&format!("cannot ask http://{addr}/readyz: ")), "{error}");
    }
}
