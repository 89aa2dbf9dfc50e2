//! What was typed, and the scale of the measurements that follows from it.

use clap::{Parser, ValueEnum};
use perf::command_line::pair;
use std::path::PathBuf;
use std::time::Duration;

/// Measure gristmill and what stands beside it, and write tables, pictures and every single run into a folder.
///
/// Uses the broker of GRISTMILL_TEST_KAFKA or KAFKA_BOOTSTRAP_SERVERS, else starts one with Java and Maven, and stops what it
/// started. Exit code 0: every run counts; 1: one does not, and the summary says which and why.
#[derive(Parser)]
pub(crate) struct Args {
    /// Tiny sizes, all parts, into a temporary folder: for the exit code, not for the figures
    #[arg(long)]
    pub(crate) quick: bool,
    /// The parts to measure; all of them by default
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Write into this folder; parts that are there already and are not measured now are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) into: Option<PathBuf>,
    /// The engine's binary; by default the one beside this program, else it is built
    #[arg(long, value_name = "PATH")]
    engine: Option<PathBuf>,
    /// The seed of events and of the order of runs
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Rounds of what is compared
    #[arg(long)]
    rounds: Option<u32>,
    /// Events in the common input
    #[arg(long)]
    events: Option<u32>,
    /// Latency at these rates, events a second, instead of shares of the sustained rate
    #[arg(long, value_delimiter = ',')]
    pub(crate) rate: Vec<u32>,
    /// Seconds that are counted at each rate
    #[arg(long)]
    seconds: Option<u64>,
    /// Minutes at full speed for each case of memory
    #[arg(long)]
    memory_minutes: Option<f64>,
    /// Small records that memory runs read again and again
    #[arg(long)]
    memory_events: Option<u32>,
    /// Further variables for the engine
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,
    /// Client properties of the latency's feeder
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) feeder: Vec<(String, String)>,
    /// Client properties of the latency's reader
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) reader: Vec<(String, String)>,
}

/// The order is that of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Engine, plain copy, and what each half costs
    Throughput,
    /// kafka-producer-perf-test, by itself and feeding the engine
    Classic,
    /// Open loop, at shares of the sustained rate
    Latency,
    /// Resident memory over minutes at full speed
    Memory,
    /// More source threads, more processes
    Scaling,
    /// 100 B to 100 KB
    Sizes,
    /// none, lz4, zstd
    Compression,
    /// Batch size and linger
    Batching,
}

/// How much of everything.
pub(crate) struct Scale {
    pub(crate) events: u32,
    pub(crate) rounds: u32,
    /// Of the sweeps, which compare with a reference of the same round too.
    pub(crate) sweep_rounds: u32,
    pub(crate) warm_up: Duration,
    pub(crate) seconds: Duration,
    pub(crate) rung: Duration,
    pub(crate) memory: Duration,
    pub(crate) stopped: Duration,
    pub(crate) memory_events: u32,
    pub(crate) memory_bytes: u64,
}

impl Part {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Throughput => "throughput",
            Part::Classic => "classic",
            Part::Latency => "latency",
            Part::Memory => "memory",
            Part::Scaling => "scaling",
            Part::Sizes => "sizes",
            Part::Compression => "compression",
            Part::Batching => "batching",
        }
    }

    /// All of them, in order.
    pub(crate) fn order() -> Vec<&'static str> {
        Part::value_variants().iter().map(|part| part.name()).collect()
    }
}

impl Args {
    /// The parts to measure, in their order.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let all = Part::value_variants().iter().copied();
        all.filter(|part| self.only.is_empty() || self.only.contains(part)).collect()
    }

    pub(crate) fn engine(&self) -> Option<PathBuf> {
        self.engine.clone().or_else(|| {
            let beside = std::env::current_exe().ok()?.with_file_name("gristmill");
            beside.exists().then_some(beside)
        })
    }

    pub(crate) fn scale(&self) -> Scale {
        let quick = self.quick;
        let full = |small: u32, full: u32| if quick { small } else { full };
        let seconds = |small: f64, full: f64| Duration::from_secs_f64(if quick { small } else { full });
        let rounds = self.rounds.unwrap_or(full(1, 7)).max(1);
        Scale {
            events: self.events.unwrap_or(full(50_000, 3_000_000)).max(1),
            rounds,
            sweep_rounds: if self.rounds.is_some() { rounds } else { full(1, 5) },
            warm_up: seconds(0.5, 5.0),
            seconds: self.seconds.map_or(seconds(1.0, 60.0), Duration::from_secs),
            rung: seconds(1.0, 10.0),
            memory: self
                .memory_minutes
                .map_or(seconds(2.0, 600.0), |minutes| Duration::from_secs_f64(60.0 * minutes.max(0.01))),
            stopped: seconds(2.0, 60.0),
            memory_events: self.memory_events.unwrap_or(full(200_000, 30_000_000)).max(1),
            memory_bytes: if quick { 30 << 20 } else { 2 << 30 },
        }
    }
}
