//! Latency, open loop: each event has a time at which it is meant to be sent, and its latency runs from there to when a reader
//! has it from the output topic. A delay anywhere, the feeder's own included, is in every event that it holds up.
//!
//! A feeder thread sends what is due once a millisecond, a watcher thread follows the output topics, the engine is a child
//! process. At first single events go through until one comes out: then all have joined, and the clock starts. The first
//! seconds are not counted.

mod feeder;
mod watcher;

use crate::child::{Child, SIGTERM, Spawn};
use crate::error::{Error, Result};
use crate::histogram::{Percentiles, Times};
use crate::world::{Names, World, clean_exit, died};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A feeder that is later than this at its 99th percentile has not kept to its times: the figure is not valid.
pub const FEEDER_LATE_MAX: Duration = Duration::from_millis(5);

/// How events come.
#[derive(Clone, Debug)]
pub struct OpenLoop {
    /// Events a second.
    pub rate: u32,
    /// What is not counted, after the first event has come out.
    pub warm_up: Duration,
    /// What is counted.
    pub measured: Duration,
    /// Client properties of the feeder, beside ours.
    pub feeder: Vec<(String, String)>,
    /// Client properties of the reader, beside ours.
    pub reader: Vec<(String, String)>,
}

impl OpenLoop {
    /// This many events a second for so long, after 5 s of warm-up.
    pub fn new(rate: u32, measured: Duration) -> Self {
        Self { rate, warm_up: Duration::from_secs(5), measured, feeder: Vec::new(), reader: Vec::new() }
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Latency {
    /// From the intended time of sending to having been read, of the events after the warm-up.
    pub times: Times,
    /// How late the feeder was with them.
    pub late: Times,
    /// Events in all.
    pub sent: u64,
    /// Ten times a second while events were counted: seconds since then, events meant to be sent, events read.
    pub progress: Vec<(f64, u64, u64)>,
    /// CPU time of feeder and reader together a record, in ns.
    pub own_cpu_ns: f64,
    /// CPU time of the engine a record, in ns; `None` without an engine.
    pub cpu_ns: Option<f64>,
    /// The engine's peak memory, in bytes; `None` without an engine.
    pub peak_rss_bytes: Option<u64>,
}

impl Latency {
    /// Whether the feeder kept to its times.
    pub fn is_valid(&self) -> bool {
        Duration::from_micros(self.late.percentiles().p99) <= FEEDER_LATE_MAX
    }

    /// By how many events the reader was behind, on average: in the first and in the last third of what was counted.
    pub fn backlog(&self) -> (f64, f64) {
        let third = self.progress.len() / 3;
        let mean = |part: &[(f64, u64, u64)]| {
            let behind = part.iter().map(|(_, due, seen)| due.saturating_sub(*seen) as f64);
            behind.sum::<f64>() / part.len().max(1) as f64
        };
        (mean(&self.progress[..third]), mean(&self.progress[self.progress.len() - third..]))
    }
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let late: Percentiles = self.late.percentiles();
        writeln!(f, "{}", self.times.percentiles())?;
        write!(f, "          feeder late by {late}")?;
        if !self.is_valid() {
            write!(f, ": NOT VALID, the feeder did not keep to its times")?;
        }
        write!(f, "\n          feeder and reader {:.0} ns of CPU a record", self.own_cpu_ns)?;
        if let (Some(cpu), Some(peak)) = (self.cpu_ns, self.peak_rss_bytes) {
            write!(f, ", engine {cpu:.0}, peak {} MiB", peak >> 20)?;
        }
        Ok(())
    }
}

/// What the threads have in common.
#[derive(Default)]
struct Course {
    schedule: OnceLock<Schedule>,
    /// Events read.
    seen: AtomicU64,
    /// Nothing more will come, or nobody waits for it.
    over: AtomicBool,
}

/// When events are meant to be sent.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    start: Instant,
    rate: u32,
    /// The number of the event that is due at `start`.
    first: u32,
    /// The first one that counts.
    counted: u32,
    /// The one that is not sent any more.
    end: u32,
}

impl Schedule {
    fn new(open_loop: &OpenLoop, start: Instant, first: u32) -> Schedule {
        let events = |time: Duration| (time.as_secs_f64() * f64::from(open_loop.rate)) as u32;
        let counted = first + events(open_loop.warm_up);
        Schedule {
            start,
            rate: open_loop.rate,
            first,
            counted,
            end: counted + events(open_loop.measured).max(1),
        }
    }

    /// When this event is meant to be sent.
    fn intended(&self, number: u32) -> Instant {
        self.start
            + Duration::from_nanos(u64::from(number - self.first) * 1_000_000_000 / u64::from(self.rate))
    }

    /// The number after the last one that is meant to be sent by then.
    fn due(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.start);
        let events = since.as_nanos() * u128::from(self.rate) / 1_000_000_000 + 1;
        self.end.min(self.first + u32::try_from(events).unwrap_or(u32::MAX - self.first))
    }
}

/// Through the engine, into empty topics. Every event has to come out; whether as it should, the ledger has to say.
pub fn through(world: &World, names: &Names, engine: Spawn, open_loop: &OpenLoop) -> Result<Latency> {
    let watcher = watcher::Watcher::open(&world.bootstrap, &[&names.output, &names.dlq], &open_loop.reader)?;
    let engine = engine.start()?;
    let mut latency = measure(world, names, watcher, Some(&engine), open_loop)?;
    engine.signal(SIGTERM);
    let exit = clean_exit(&engine)?;
    latency.cpu_ns = Some(exit.cpu.as_nanos() as f64 / latency.sent as f64);
    latency.peak_rss_bytes = Some(exit.peak_rss_bytes);
    Ok(latency)
}

/// Without an engine: the reader follows the input itself. What broker, feeder and reader take by themselves.
pub fn floor(world: &World, names: &Names, open_loop: &OpenLoop) -> Result<Latency> {
    let watcher = watcher::Watcher::open(&world.bootstrap, &[&names.input], &open_loop.reader)?;
    measure(world, names, watcher, None, open_loop)
}

fn measure(
    world: &World,
    names: &Names,
    watcher: watcher::Watcher,
    engine: Option<&Child>,
    open_loop: &OpenLoop,
) -> Result<Latency> {
    let course = Arc::new(Course::default());
    let cpu_before = crate::usage::cpu();
    let feeder = feeder::Feeder::open(world, &names.input, open_loop.clone())?;
    let watching = spawn("watcher", Arc::clone(&course), move |course| watcher.watch(course))?;
    let feeding = spawn("feeder", Arc::clone(&course), move |course| feeder.feed(course))?;
    let progress = look_on(&course, &feeding, engine);
    let fed = joined(feeding);
    let arrived = fed.and_then(|fed| wait_for_all(&course, fed.sent, engine).map(|()| fed));
    course.over.store(true, Ordering::Relaxed);
    let times = joined(watching)?;
    let fed = arrived?;
    let own_cpu_ns = (crate::usage::cpu() - cpu_before).as_nanos() as f64 / fed.sent as f64;
    let (late, sent) = (fed.late, fed.sent);
    Ok(Latency { times, late, sent, progress, own_cpu_ns, cpu_ns: None, peak_rss_bytes: None })
}

/// Writes down how far both ends are, until the feeder has ended. Ends it when the engine is gone.
fn look_on<T>(
    course: &Course,
    feeding: &std::thread::JoinHandle<T>,
    engine: Option<&Child>,
) -> Vec<(f64, u64, u64)> {
    let mut progress = Vec::new();
    while !feeding.is_finished() {
        std::thread::sleep(Duration::from_millis(100));
        if engine.is_some_and(|engine| !engine.is_running()) {
            course.over.store(true, Ordering::Relaxed);
        }
        let Some(schedule) = course.schedule.get() else { continue };
        let now = Instant::now();
        let due = schedule.due(now);
        if due >= schedule.counted && due < schedule.end {
            let since = now.duration_since(schedule.intended(schedule.counted)).as_secs_f64();
            progress.push((since, u64::from(due), course.seen.load(Ordering::Relaxed)));
        }
    }
    progress
}

fn wait_for_all(course: &Course, sent: u64, engine: Option<&Child>) -> Result<()> {
    const WITHIN: Duration = Duration::from_secs(120);
    let seen = || course.seen.load(Ordering::Relaxed);
    let gone = || engine.is_some_and(|engine| !engine.is_running());
    let waited =
        crate::topics::wait_until("not every event came out", WITHIN, || Ok(seen() >= sent || gone()));
    match engine {
        Some(engine) if seen() < sent => Err(died(engine, &format!("{} of {sent} events came out", seen()))),
        _ => waited,
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    course: Arc<Course>,
    work: impl FnOnce(&Course) -> Result<T> + Send + 'static,
) -> Result<std::thread::JoinHandle<Result<T>>> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    Ok(thread.spawn(move || {
        let done = work(&course);
        if done.is_err() {
            course.over.store(true, Ordering::Relaxed);
        }
        done
    })?)
}

fn joined<T>(thread: std::thread::JoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| Error::new("a thread of the latency measurement panicked"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_due_at_its_time_and_not_before() {
        let start = Instant::now();
        let open_loop =
            OpenLoop { warm_up: Duration::from_secs(1), ..OpenLoop::new(1000, Duration::from_secs(2)) };
        let schedule = Schedule::new(&open_loop, start, 7);
        assert_eq!((schedule.counted, schedule.end), (1007, 3007));
        assert_eq!(schedule.due(start), 8, "the first is due at once");
        for number in [8, 100, 1007, 3006] {
            let intended = schedule.intended(number);
            assert_eq!(schedule.due(intended), number + 1);
            assert_eq!(schedule.due(intended - Duration::from_nanos(1)), number);
        }
        assert_eq!(schedule.due(start + Duration::from_secs(60)), 3007, "and none after the last");
    }

    #[test]
    fn a_growing_backlog_shows() {
        let progress =
            (0..30).map(|at| (f64::from(at), 1000 * u64::from(at as u32), 900 * u64::from(at as u32)));
        let times = Times::new().unwrap();
        let latency = Latency {
            times: times.clone(),
            late: times,
            sent: 0,
            progress: progress.collect(),
            own_cpu_ns: 0.0,
            cpu_ns: None,
            peak_rss_bytes: None,
        };
        assert_eq!(latency.backlog(), (450.0, 2450.0));
    }
}
