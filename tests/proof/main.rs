//! The long proof: crashes by the hundred, and a ledger that accounts for every event after them.
//!
//! Not a part of `cargo test`: `.ci/long` runs it. An *episode* is a load of its own, worked off by an engine that is killed again and
//! again, at random times and at named points, and whose topics the ledger then reads. All of it follows from a seed. Each fault and each
//! account is a line of JSON in the results; an episode that has its account there is not run again, so that a run that was
//! interrupted goes on. The table is made from the lines.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `PROOF_DELIVERY` | `at-least-once` | `GRISTMILL_DELIVERY` of the engine |
//! | `PROOF_KILLS` | 500 | kills that count, over all episodes |
//! | `PROOF_SEED` | 1 | of the first episode |
//! | `PROOF_RESULTS` | `tests/proof/results` | where lines and table go |
//!
//! A kill counts if the output had grown since the process started and the group had lag when it died.

#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

#[path = "../kafka/engine_with_faults.rs"]
mod engine_with_faults;
mod episode;
#[expect(dead_code, reason = "shared with tests/kafka, which uses more of it")]
#[path = "../kafka/mill.rs"]
mod mill;
mod results;
#[expect(dead_code, reason = "shared with tests/kafka, which uses more of it")]
#[path = "../kafka/scene.rs"]
mod scene;

use episode::Episode;
use perf::broker::Broker;
use results::Results;
use std::path::PathBuf;

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned())
}

fn number(name: &str, default: &str) -> u64 {
    let text = variable(name, default);
    text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
}

#[test]
#[ignore = "takes hours: .ci/long"]
fn crashes_lose_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let delivery = variable("PROOF_DELIVERY", "at-least-once");
    let kills = number("PROOF_KILLS", "500");
    let mut results =
        Results::open(&PathBuf::from(variable("PROOF_RESULTS", "tests/proof/results")), &delivery);
    let mut seed = number("PROOF_SEED", "1");
    while results.kills_that_count() < kills {
        if !results.has_account(seed) {
            let account = Episode::new(broker.bootstrap(), seed, &delivery).run(&mut results);
            results.write_table();
            println!("seed {seed}: {} kills count so far\n{account}", results.kills_that_count());
            assert!(account.is_clean_but_for_repeats(), "seed {seed}\n{account}");
            assert!(delivery != "exactly-once" || account.repeated == 0, "seed {seed}\n{account}");
        }
        seed += 1;
    }
    results.write_table();
}
