//! One run over a filled topic: records a second as seen from outside, and what the processes used.
//!
//! Counted are records a second between the first record seen in the output topics and the last, looked at every few
//! milliseconds from outside, for whatever runs in the same way. Start and join of the group are not in it; the whole time is
//! beside it.

use crate::child::{Child, Spawn};
use crate::error::Result;
use crate::world::{Names, RUN_WITHIN, World, clean_exit, died};
use std::time::{Duration, Instant};

/// The figures of one run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Records in the output topics at the end.
    pub records: i64,
    /// Records a second.
    pub rate: f64,
    /// CPU time a record of all processes together, in ns.
    pub cpu_ns: f64,
    /// The most memory that one of the processes had resident.
    pub peak_rss_bytes: u64,
    /// From the start of the first process to the end of the last.
    pub wall: Duration,
}

/// What comes out of a run: the first and the last look at which there was more than before, with the records there were.
#[derive(Clone, Copy, Debug)]
pub struct Outflow {
    first: Option<(Instant, i64)>,
    last: (Instant, i64),
}

impl Outflow {
    /// `records` are there before anything counts.
    pub fn above(records: i64) -> Self {
        Self { first: None, last: (Instant::now(), records) }
    }

    /// A look.
    pub fn seen(&mut self, at: Instant, records: i64) {
        if records > self.last.1 {
            self.last = (at, records);
            self.first.get_or_insert(self.last);
        }
    }

    /// The last look at which there was more.
    pub fn last(&self) -> (Instant, i64) {
        self.last
    }

    /// Records a second from the first such look to the last.
    pub fn rate(&self) -> f64 {
        let first = self.first.unwrap_or(self.last);
        let took = self.last.0.duration_since(first.0).as_secs_f64();
        (self.last.1 - first.1) as f64 / took.max(1e-3)
    }
}

/// Starts the processes, all at once, and waits for their ends, which have to be clean ones.
pub fn run(world: &World, names: &Names, spawns: Vec<Spawn>) -> Result<Run> {
    let started = Instant::now();
    let children: Vec<Child> = spawns.into_iter().map(Spawn::start).collect::<Result<_>>()?;
    let mut outflow = Outflow::above(0);
    while children.iter().any(Child::is_running) {
        let written = world.written(names)?;
        outflow.seen(Instant::now(), written);
        if started.elapsed() > RUN_WITHIN {
            return Err(died(&children[0], "it took too long"));
        }
        // Often enough for a run of seconds, seldom enough for the broker not to notice.
        std::thread::sleep(Duration::from_millis(10));
    }
    let wall = started.elapsed();
    let exits = children.iter().map(clean_exit).collect::<Result<Vec<_>>>()?;
    let records = world.written(names)?;
    // What came between the last look and the end of the process came by its end.
    outflow.seen(Instant::now(), records);
    let cpu: Duration = exits.iter().map(|exit| exit.cpu).sum();
    Ok(Run {
        records,
        rate: outflow.rate(),
        cpu_ns: cpu.as_nanos() as f64 / records.max(1) as f64,
        peak_rss_bytes: exits.iter().map(|exit| exit.peak_rss_bytes).max().unwrap_or(0),
        wall,
    })
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rate, cpu_ns, wall) = (self.rate, self.cpu_ns, self.wall.as_secs_f64());
        let peak = self.peak_rss_bytes >> 20;
        write!(
            f,
            "{rate:>9.0} records/s, {cpu_ns:>5.0} ns of CPU each, whole process {wall:.2} s, peak {peak} MiB"
        )
    }
}
