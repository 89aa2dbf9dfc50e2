//! The bookkeeping of `src/` under a seeded scheduler: ledger, board, sequencer and committer as they are, between sources, a pool,
//! a producer and a broker that do at every step whatever is worst.
//!
//! A few members of a group work off a few partitions. Batches leave the pool in any order; the producer's queue is full for as
//! long as it likes; delivery reports come late, in any order, refuse a record, or say that all is over; a record that was refused is
//! sent and reported again. Commits are stored, refused, or stored with the answer lost. Partitions are asked back, with time to
//! drain or without, or are lost while their owner goes on; processes are killed at any step. After a number of such steps the
//! faults end, and the members have to get to the end.
//!
//! What must hold at each commit: it passes no record that is not delivered, never goes back within an assignment, speaks for no
//! partition that was given up, and never moves the group's offset back. At each hand-over to the producer: the order of the
//! partition. At the end: the group's offsets are the ends, every batch is home, and nothing is left to commit.
//!
//! `SIMULATION_SCHEDULES` is how many schedules are run, `SIMULATION_SEED` where they begin: schedule n has seed + n, and a failure
//! says which it was and shows its last steps.

#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

mod batch;
mod broker;
mod canary;
mod member;
mod wire;
mod world;

use canary::Broken;
use gristmill::telemetry::metrics::Metrics;
use perf::random::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;
use world::World;

const SCHEDULES: u64 = 100_000;

/// A broken one has to be caught in so many.
const CANARY_SCHEDULES: u64 = 5_000;

/// Of the steps of a failed schedule, so many of the last are shown.
const STEPS_SHOWN: usize = 60;

/// Runs the schedule with this seed; what was broken, in words, with the steps that led there.
fn run(seed: u64, broken: Option<Broken>, metrics: &Arc<Metrics>) -> Result<(), String> {
    let attempt = |is_traced| {
        let mut world = World::new(Random::new(seed, 0), broken, metrics, is_traced);
        let walked = catch_unwind(AssertUnwindSafe(|| world.run()));
        let walked = walked.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied());
            Err(format!("panicked: {}", text.unwrap_or("without a word")))
        });
        walked.map_err(|error| (error, world.steps()))
    };
    attempt(false).map_err(|(error, _)| {
        let steps = attempt(true).err().map(|(_, steps)| steps).unwrap_or_default();
        let shown = &steps[steps.len().saturating_sub(STEPS_SHOWN)..];
        format!("seed {seed}: {error}\n  {}", shown.join("\n  "))
    })
}

/// Runs schedules on every processor, and answers with the first failure and how many schedules were run.
fn run_all(first: u64, count: u64, broken: Option<Broken>) -> (u64, Option<String>) {
    let (next, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let work = || {
        let metrics = Metrics::new();
        while !is_over.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            if let Err(error) = run(first.wrapping_add(number), broken, &metrics) {
                is_over.store(true, Ordering::Relaxed);
                return Some(error);
            }
        }
        None
    };
    let failure = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().filter_map(|worker| worker.join().unwrap()).next()
    });
    (next.into_inner().min(count), failure)
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Another one each time, so that the tests of many days are not one test.
fn seed() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    variable("SIMULATION_SEED").unwrap_or(since.as_millis() as u64)
}

#[test]
fn every_schedule_is_safe_and_gets_to_the_end() {
    let (seed, count) = (seed(), variable("SIMULATION_SCHEDULES").unwrap_or(SCHEDULES));
    println!("{count} schedules from seed {seed}");
    let (_, failure) = run_all(seed, count, None);
    if let Some(failure) = failure {
        panic!(
            "{failure}\nagain, alone: SIMULATION_SEED=… SIMULATION_SCHEDULES=1 cargo test --test simulation every"
        );
    }
}

#[test]
fn whatever_is_broken_is_caught() {
    let seed = seed();
    println!("from seed {seed}");
    for broken in Broken::ALL {
        let (count, failure) = run_all(seed, CANARY_SCHEDULES, Some(broken));
        let failure = failure.unwrap_or_else(|| panic!("{broken:?} was not caught in {count} schedules"));
        println!("{broken:?}: caught after {count} schedules: {}", failure.lines().next().unwrap());
    }
}

#[test]
fn a_seed_is_a_schedule() {
    let metrics = Metrics::new();
    let broken = Some(Broken::SkipsOnQueueFull);
    let (seed, failure) =
        (0..1_000).find_map(|seed| Some((seed, run(seed, broken, &metrics).err()?))).unwrap();
    assert_eq!(run(seed, broken, &metrics), Err(failure), "the same seed gives the same steps");
}
