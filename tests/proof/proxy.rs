//! A TCP proxy that knows as much of Kafka's protocol as it takes to lose one request, or its answer, of a given kind.
//!
//! Both ways it passes on whole frames: a length of four bytes and as many bytes. A request begins with its kind (two bytes), a version
//! (two) and a number (four), with which its answer begins. Each connection has a thread a way.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the next request of a kind meets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trap {
    /// The connection breaks instead of passing it on.
    Request(i16),
    /// It is passed on, and the connection breaks instead of passing on the answer.
    Answer(i16),
}

/// A port of 127.0.0.1 behind which there is another one.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    upstream: u16,
    weather: Mutex<Weather>,
    changed: Condvar,
}

#[derive(Default)]
struct Weather {
    /// Before each frame.
    delay: Duration,
    is_stalled: bool,
    refuses: bool,
    trap: Option<Trap>,
    is_over: bool,
    /// Both ends of every connection.
    ends: Vec<TcpStream>,
    pumps: Vec<JoinHandle<()>>,
}

/// The number of the request whose answer is to be lost.
type Awaited = Arc<Mutex<Option<[u8; 4]>>>;

impl Proxy {
    /// Listens on a free port; connects to `upstream` for each connection.
    pub(crate) fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", perf::ports::free(1).unwrap()[0])).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared =
            Arc::new(Shared { upstream, weather: Mutex::new(Weather::default()), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let accept = move || {
            for client in listener.incoming() {
                if theirs.weather().is_over {
                    return;
                }
                // A connection that fails is the client's to make again.
                client.and_then(|client| theirs.connect(client)).ok();
            }
        };
        let acceptor = std::thread::Builder::new().name("proxy".into()).spawn(accept).unwrap();
        Self { port, shared, acceptor: Some(acceptor) }
    }

    /// For `bootstrap.servers` and as the broker's advertised listener.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Holds every frame back for so long before it goes on.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared.weather().delay = delay;
    }

    /// Passes nothing on, and keeps connections open.
    pub(crate) fn stall(&self) {
        self.shared.weather().is_stalled = true;
    }

    /// Breaks every connection.
    pub(crate) fn cut(&self) {
        self.shared.weather().cut();
    }

    /// Breaks every connection, and accepts no other.
    pub(crate) fn refuse(&self) {
        let mut weather = self.shared.weather();
        weather.refuses = true;
        weather.cut();
    }

    /// Lays a trap; `false` if nothing walked into it in time.
    pub(crate) fn trap(&self, trap: Trap, within: Duration) -> bool {
        let end = Instant::now() + within;
        self.shared.weather().trap = Some(trap);
        let weather = self.shared.weather();
        let left = end.saturating_duration_since(Instant::now());
        let is_laid = |weather: &mut Weather| weather.trap.is_some();
        let (mut weather, _) = self.shared.changed.wait_timeout_while(weather, left, is_laid).unwrap();
        weather.trap.take().is_none()
    }

    /// All is well again.
    pub(crate) fn mend(&self) {
        let mut weather = self.shared.weather();
        (weather.delay, weather.is_stalled, weather.refuses) = (Duration::ZERO, false, false);
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let pumps = {
            let mut weather = self.shared.weather();
            weather.is_over = true;
            weather.cut();
            std::mem::take(&mut weather.pumps)
        };
        self.mend();
        // Wakes the acceptor.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
        for thread in pumps.into_iter().chain(self.acceptor.take()) {
            thread.join().ok();
        }
    }
}

impl Weather {
    fn cut(&mut self) {
        for end in self.ends.drain(..) {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}

impl Shared {
    fn weather(&self) -> MutexGuard<'_, Weather> {
        self.weather.lock().unwrap()
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> Result<()> {
        if self.weather().refuses {
            return Ok(());
        }
        let broker = TcpStream::connect(("127.0.0.1", self.upstream))?;
        for end in [&client, &broker] {
            end.set_nodelay(true)?;
        }
        let awaited = Awaited::default();
        let ways = [(client.try_clone()?, broker.try_clone()?), (broker.try_clone()?, client.try_clone()?)];
        let mut weather = self.weather();
        if weather.is_over {
            return Ok(());
        }
        weather.ends.extend([client, broker]);
        weather.pumps.retain(|pump| !pump.is_finished());
        for (way, (mut from, mut to)) in ways.into_iter().enumerate() {
            let (shared, awaited) = (Arc::clone(self), Arc::clone(&awaited));
            let pump = move || {
                while shared.pass_on(way == 0, &mut from, &mut to, &awaited).is_ok_and(|passed| passed) {}
                for end in [&from, &to] {
                    end.shutdown(Shutdown::Both).ok();
                }
            };
            weather.pumps.push(std::thread::Builder::new().name("proxy".into()).spawn(pump)?);
        }
        Ok(())
    }

    /// One frame; `false` where the connection is to break instead.
    fn pass_on(
        &self,
        is_request: bool,
        from: &mut TcpStream,
        to: &mut TcpStream,
        awaited: &Awaited,
    ) -> Result<bool> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        from.read_exact(&mut frame)?;
        let delay = {
            let stalled = |weather: &mut Weather| weather.is_stalled && !weather.is_over;
            let mut weather = self.changed.wait_while(self.weather(), stalled).unwrap();
            if is_request && self.is_caught(&mut weather, &frame, awaited) {
                return Ok(false);
            }
            weather.delay
        };
        if !is_request && awaited.lock().unwrap().is_some_and(|number| frame.starts_with(&number)) {
            return Ok(false);
        }
        std::thread::sleep(delay);
        to.write_all(&length)?;
        to.write_all(&frame)?;
        Ok(true)
    }

    /// Whether a request walks into the trap and is lost. If its answer is to be lost, its number is kept.
    fn is_caught(&self, weather: &mut Weather, frame: &[u8], awaited: &Awaited) -> bool {
        let Some((kind, number)) = frame.first_chunk::<2>().zip(frame.get(4..8)) else { return false };
        let kind = i16::from_be_bytes(*kind);
        match weather.trap {
            Some(Trap::Request(wanted)) if wanted == kind => {}
            Some(Trap::Answer(wanted)) if wanted == kind => {
                *awaited.lock().unwrap() = number.try_into().ok();
            }
            _ => return false,
        }
        let is_lost = matches!(weather.trap.take(), Some(Trap::Request(_)));
        self.changed.notify_all();
        is_lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(20);

    /// Answers each request with its number and its kind.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                std::thread::spawn(move || {
                    while let Ok(frame) = read(&mut client) {
                        let answer = [&[0, 0, 0, 6], &frame[4..8], &frame[..2]].concat();
                        client.write_all(&answer).ok();
                    }
                });
            }
        });
        port
    }

    fn read(from: &mut TcpStream) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        from.read_exact(&mut frame)?;
        Ok(frame)
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        stream
    }

    /// Sends a request of a kind with a number; `None` where the connection breaks.
    fn ask(stream: &mut TcpStream, kind: u8, number: u8) -> Option<Vec<u8>> {
        stream.write_all(&[0, 0, 0, 9, 0, kind, 0, 1, 0, 0, 0, number, 7]).ok()?;
        read(stream).ok()
    }

    #[test]
    fn frames_pass_and_a_cut_breaks_connections_that_can_be_made_again() {
        let proxy = Proxy::start(echo());
        let mut stream = connect(&proxy);
        assert_eq!(ask(&mut stream, 3, 5), Some(vec![0, 0, 0, 5, 0, 3]));
        proxy.cut();
        assert_eq!(ask(&mut stream, 3, 6), None);
        proxy.refuse();
        assert_eq!(ask(&mut connect(&proxy), 3, 7), None);
        proxy.mend();
        assert_eq!(ask(&mut connect(&proxy), 3, 8), Some(vec![0, 0, 0, 8, 0, 3]));
    }

    #[test]
    fn a_stall_holds_frames_back_until_it_is_over() {
        let proxy = Proxy::start(echo());
        let mut stream = connect(&proxy);
        proxy.stall();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        assert_eq!(ask(&mut stream, 3, 5), None);
        proxy.mend();
        stream.set_read_timeout(Some(WITHIN)).unwrap();
        assert_eq!(read(&mut stream).ok(), Some(vec![0, 0, 0, 5, 0, 3]));
    }

    #[test]
    fn a_trap_takes_one_request_of_its_kind_or_the_answer_to_it() {
        let proxy = Proxy::start(echo());
        for trap in [Trap::Request(26), Trap::Answer(26)] {
            std::thread::scope(|scope| {
                let laid = scope.spawn(|| proxy.trap(trap, WITHIN));
                let is_laid = || Ok(proxy.shared.weather().trap.is_some());
                perf::topics::wait_until("the trap is not laid", WITHIN, is_laid).unwrap();
                let mut stream = connect(&proxy);
                assert_eq!(ask(&mut stream, 3, 1), Some(vec![0, 0, 0, 1, 0, 3]));
                assert_eq!(ask(&mut stream, 26, 2), None);
                assert!(laid.join().unwrap());
            });
            assert_eq!(ask(&mut connect(&proxy), 26, 3), Some(vec![0, 0, 0, 3, 0, 26]));
        }
        assert!(!proxy.trap(Trap::Request(26), Duration::from_millis(10)));
    }
}
