//! What was typed, and the scale of the tests that follows from it.

use clap::{Parser, ValueEnum};
use perf::command_line::pair;
use std::path::PathBuf;

/// Measure and break gristmill against a real Kafka, and account for every event. Exit code 0: every requirement is met.
///
/// Uses the broker of GRISTMILL_TEST_KAFKA, else starts one with Java and Maven, and stops what it started.
#[derive(Parser)]
pub(crate) struct Args {
    /// Everything small: minutes become seconds, and ratios are printed but not judged
    #[arg(long)]
    pub(crate) quick: bool,
    /// The parts to run; all of them by default
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// The engine's binary; by default target/release/gristmill, built first
    #[arg(long, value_name = "PATH")]
    engine: Option<PathBuf>,
    /// The seed of events, rounds and moments of killing
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Events in the input
    #[arg(long)]
    events: Option<u32>,
    /// Rounds of engine and copy
    #[arg(long)]
    rounds: Option<u32>,
    /// kill -9 that have to count
    #[arg(long)]
    kills: Option<u32>,
    /// Times of SIGTERM
    #[arg(long)]
    stops: Option<u32>,
    /// Events a second while it is being killed, so that the load outlasts the kills
    #[arg(long)]
    crash_rate: Option<u32>,
    /// Further variables for the engine, as NAME=VALUE
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) env: Vec<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Throughput, CPU and memory against the plain copy
    Speed,
    /// Memory with records of 900 KB
    Large,
    /// kill -9
    Crash,
    /// SIGTERM under full load
    Stop,
}

/// How much of everything.
pub(crate) struct Scale {
    pub(crate) events: u32,
    pub(crate) rounds: u32,
    pub(crate) large: u32,
    pub(crate) kills: u32,
    pub(crate) crash_rate: u32,
    pub(crate) stops: u32,
    /// Whether a run is long enough for its speed to be judged.
    pub(crate) judges_speed: bool,
}

impl Args {
    pub(crate) fn does(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    pub(crate) fn engine(&self) -> Option<&PathBuf> {
        self.engine.as_ref()
    }

    pub(crate) fn scale(&self) -> Scale {
        let full = |small, full| if self.quick { small } else { full };
        Scale {
            events: self.events.unwrap_or(full(200_000, 3_000_000)).max(1),
            rounds: self.rounds.unwrap_or(full(1, 5)).max(1),
            large: full(200, 2_000),
            kills: self.kills.unwrap_or(full(2, 10)),
            crash_rate: self.crash_rate.unwrap_or(full(20_000, 50_000)).max(1),
            stops: self.stops.unwrap_or(full(1, 5)),
            judges_speed: !self.quick,
        }
    }
}
