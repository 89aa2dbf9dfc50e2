//! The long proof: faults by the hundred, and a ledger that accounts for every event after them.
//!
//! Not a part of `cargo test`: `.ci/long` runs it. An *episode* is a load of its own, worked off by engines that are killed, stopped,
//! frozen, or cut off again and again, and whose topics the ledger then reads. What is done follows from a seed. Each fault and each
//! account is a line of JSON in the results; an episode that has its account there is not run again, so that a run that was
//! interrupted goes on. The table is made from the lines.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `PROOF_FAULTS` | all | which kinds, with commas: `kills`, `stops`, `rebalances`, `zombies`, `brokers`, `proxy`, `memory` |
//! | `PROOF_DELIVERY` | both | `GRISTMILL_DELIVERY` of the engines: `at-least-once`, `exactly-once` |
//! | `PROOF_KILLS` | 500, 300 exactly once | kills that count, over all episodes |
//! | `PROOF_STOPS`, `PROOF_REBALANCES`, `PROOF_ZOMBIES`, `PROOF_BROKERS`, `PROOF_MEMORY` | 100, 200, 50, 50, 20 | the same of the other kinds |
//! | `PROOF_PROXY` | 30 | minutes with a broken network |
//! | `PROOF_SEED` | 1 | of the first episode |
//! | `PROOF_RESULTS` | `tests/proof/results` | where lines and table go |
//!
//! A fault counts if the output had grown, or the group's offsets had moved, since it was looked at (in a kill's case: since the process
//! started), and the group had lag at its end.

#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

mod brokers;
#[path = "../kafka/engine_with_faults.rs"]
mod engine_with_faults;
mod episode;
mod kills;
mod kind;
mod memory;
#[expect(dead_code, reason = "shared with tests/kafka, which uses more of it")]
#[path = "../kafka/mill.rs"]
mod mill;
mod network;
mod proxy;
mod rebalances;
mod results;
#[expect(dead_code, reason = "shared with tests/kafka, which uses more of it")]
#[path = "../kafka/scene.rs"]
mod scene;
mod stops;
mod supervised;
mod table;
mod watch;
mod world;
mod zombies;

use kind::{Delivery, Kind};
use results::Results;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use world::World;

/// A variable; `None` where it is absent or empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that is a number.
fn number(name: &str, default: u64) -> u64 {
    let Some(text) = variable(name) else { return default };
    text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
}

/// A variable that has some of these names, with commas; all of them where it is absent.
fn some_of<T: Copy>(variable_name: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Vec<T> {
    let Some(text) = variable(variable_name) else { return all.to_vec() };
    let named = |word: &str| {
        let found = all.iter().find(|one| name(**one) == word.trim());
        let known = || all.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", ");
        *found.unwrap_or_else(|| panic!("{variable_name}: there is no {word}; there are {}", known()))
    };
    text.split(',').map(named).collect()
}

#[test]
#[ignore = "takes hours: .ci/long"]
fn faults_lose_nothing() {
    for kind in some_of("PROOF_FAULTS", &Kind::ALL, Kind::name) {
        let Some(world) = World::start(kind) else { return };
        for delivery in some_of("PROOF_DELIVERY", &Delivery::ALL, Delivery::name) {
            campaign(&world, kind, delivery);
        }
    }
}

/// Episodes until enough is reached. One that went wrong is written down as it was; the campaign then fails.
#[expect(clippy::print_stdout, reason = "a run of hours says how far it is")]
fn campaign(world: &World, kind: Kind, delivery: Delivery) {
    let folder = PathBuf::from(variable("PROOF_RESULTS").as_deref().unwrap_or("tests/proof/results"));
    let results = Mutex::new(Results::open(&folder, kind, delivery));
    let seeds = AtomicU64::new(number("PROOF_SEED", 1));
    let next = || {
        let results = results.lock().unwrap();
        if results.reached(kind) >= kind.target(delivery) {
            return None;
        }
        std::iter::repeat_with(|| seeds.fetch_add(1, Ordering::Relaxed))
            .find(|seed| !results.has_account(*seed))
    };
    let work = || {
        while let Some(seed) = next() {
            let record = episode::play(world, kind, delivery, seed);
            let reached = {
                let mut results = results.lock().unwrap();
                results.push(&record);
                results.reached(kind)
            };
            table::write(&folder);
            let account = &record.account;
            println!("{} {}, seed {seed}: {reached} so far\n{account}", kind.name(), delivery.name());
            let is_right =
                account.is_clean() || (kind.may_repeat(delivery) && account.is_clean_but_for_repeats());
            assert!(is_right, "{} {}, seed {seed}\n{account}", kind.name(), delivery.name());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..kind.side_by_side() {
            scope.spawn(work);
        }
    });
}
