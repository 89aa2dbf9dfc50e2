//! One episode: a load, kills, and the account at its end.

use crate::engine_with_faults::engine_with_faults;
use crate::mill::Mill;
use crate::results::{Fault, Results};
use crate::scene::{Scene, WITHIN};
use perf::child::Spawn;
use perf::events::Shape;
use perf::ledger::Account;
use perf::random::Random;
use std::time::{Duration, Instant};

/// Kills of an episode.
const KILLS: u32 = 10;

/// Events a second.
const RATE: u32 = 4_000;

/// Each life is at most so long: the load outlasts them all.
const LIFE: Duration = Duration::from_millis(1_500);

/// Where a process may be told to die. `in-revoke` needs a second member.
const POINTS: [&str; 6] =
    ["after-read", "after-produce", "before-reports", "after-reports", "before-commit", "after-commit"];

/// A load of its own, and what is done to the engine that works it off.
pub(crate) struct Episode {
    scene: Scene,
    seed: u64,
    random: Random,
    delivery: String,
}

impl Episode {
    /// Fills the input.
    pub(crate) fn new(bootstrap: &str, seed: u64, delivery: &str) -> Self {
        let scene = Scene::new(bootstrap, &format!("proof-{seed}"));
        let count = RATE * (KILLS + 2) * u32::try_from(LIFE.as_millis()).unwrap() / 1_000;
        scene.fill(0, count, Shape { seed, tombstones: 0.01, ..Shape::default() });
        Self { scene, seed, random: Random::new(seed, 0), delivery: delivery.to_owned() }
    }

    /// Kills, lets the engine get to the end, and accounts. Every fault and the account are written down.
    pub(crate) fn run(mut self, results: &mut Results) -> Account {
        let started = Instant::now();
        for _ in 0..KILLS {
            let fault = self.kill();
            results.fault(&fault);
        }
        self.scene.run_to_the_end_as(|spawn| self.settings(spawn));
        let account = self.scene.account();
        results.account(self.seed, &account, started.elapsed());
        self.discard();
        account
    }

    /// One life of the engine and its end.
    fn kill(&mut self) -> Fault {
        let at_point = self.random.chance(0.5).then(|| self.random.pick(&POINTS).to_owned());
        let nth = 1 + self.random.below(200);
        let life = Duration::from_millis(self.random.below(LIFE.as_millis() as u64));
        let before = self.scene.delivered();
        let mut run = self.settings(self.scene.run_of(engine_with_faults()));
        if let Some(point) = &at_point {
            run = run.env("FAULTS_KILL_AT", format!("{point}:{nth}"));
        }
        let started = Instant::now();
        let mill = Mill::start(run);
        let recovery = if at_point.is_some() {
            // It may die before anything is delivered.
            let exit = mill.child().wait(WITHIN).unwrap_or_else(|| panic!("it lives\n{}", mill.told()));
            assert!(exit.signal.is_some(), "{exit}\n{}", mill.told());
            None
        } else {
            self.scene.wait_for_delivery(before, 0);
            let recovery = started.elapsed();
            // Not a wait for anything: the moment of the kill is what is random.
            std::thread::sleep(life);
            mill.child().kill();
            Some(recovery)
        };
        mill.assert_no_panic();
        let lag = self.scene.lag();
        let more = self.scene.delivered() - before;
        let name = at_point.map_or("kill -9".to_owned(), |point| format!("death {point}"));
        Fault {
            seed: self.seed,
            fault: name,
            after_ms: started.elapsed().as_millis() as u64,
            delivered: more,
            lag,
            recovery_ms: recovery.map(|time| time.as_millis() as u64),
            counts: more > 0 && lag > 0,
        }
    }

    fn settings(&self, spawn: Spawn) -> Spawn {
        spawn
            .env("GRISTMILL_INSTANCE_ID", "mill")
            .env("GRISTMILL_RATE_LIMIT", RATE.to_string())
            .env("GRISTMILL_DELIVERY", &self.delivery)
    }

    fn discard(&self) {
        for topic in [&self.scene.input, &self.scene.output, &self.scene.dlq] {
            self.scene.topics.delete(topic).unwrap();
        }
    }
}
