//! One episode: a load of its own, what happens to the engines that work it off, and the account at its end.

use crate::kind::{Delivery, Kind};
use crate::mill::Mill;
use crate::results::{Fault, Record};
use crate::scene::{GRISTMILL, Scene};
use crate::watch::Watch;
use crate::world::World;
use perf::child::Spawn;
use perf::error::Result;
use perf::events::Shape;
use perf::fill::{Fill, Transactions};
use perf::random::Random;
use perf::topics::wait_until;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long anything may take. What a process left open when it was killed holds up its successor until its session (6 s) and its
/// transaction (40 s, looked for every 10 s) have ended.
pub(crate) const PATIENCE: Duration = Duration::from_secs(150);

/// A member that is silent for so long is put out of the group; the shortest time that a broker takes.
const SESSION_MS: u32 = 6_000;

/// A load, and what is done to the engines that work it off. All of it follows from the seed.
pub(crate) struct Episode<'a> {
    pub(crate) world: &'a World,
    pub(crate) scene: Scene,
    pub(crate) random: Random,
    pub(crate) delivery: Delivery,
    pub(crate) is_static: bool,
    /// Of each engine, the last one too: a static member that nobody is any more would keep its partitions to itself for a while.
    pub(crate) sources: u32,
    pad_to: usize,
    seed: u64,
    started: Instant,
    /// The first number that is not in the input yet.
    next: u32,
    watch: Watch,
    faults: Vec<Fault>,
}

/// The time in which a fault is looked at.
pub(crate) struct Window {
    opened: Instant,
    delivered: i64,
    committed: i64,
}

/// Plays one, to its account.
pub(crate) fn play(world: &World, kind: Kind, delivery: Delivery, seed: u64) -> Record {
    let mut episode = Episode::new(world, kind, delivery, seed);
    kind.run(&mut episode);
    episode.finish()
}

impl<'a> Episode<'a> {
    fn new(world: &'a World, kind: Kind, delivery: Delivery, seed: u64) -> Self {
        let started = Instant::now();
        let scene = Scene::new(world.bootstrap(), &format!("{}-{seed}", kind.name()));
        let watch = Watch::start(world.bootstrap(), &scene.output);
        let mut random = Random::new(seed, kind as u64);
        let is_static = kind.is_static(delivery, random.chance(0.5));
        let (pad_to, next, sources, faults) = (kind.pad_to(), 0, 1, Vec::new());
        Self {
            world,
            scene,
            random,
            delivery,
            is_static,
            sources,
            pad_to,
            seed,
            started,
            next,
            watch,
            faults,
        }
    }

    /// Fills the input up to this many offsets ahead of the group.
    pub(crate) fn keep_lag(&mut self, wanted: u32) {
        let missing = i64::from(wanted) - self.lag(self.committed().iter().sum());
        if let Ok(count @ 1..) = u32::try_from(missing) {
            self.fill(count, self.pad_to);
        }
    }

    /// Appends so many events of at least so many bytes to the input. In every fourth episode they are written by transactions, of which
    /// some are aborted; large ones, or an engine reads as fast as they are written.
    pub(crate) fn fill(&mut self, count: u32, pad_to: usize) {
        let shape = Shape { seed: self.seed, tombstones: 0.01, pad_to, ..Shape::default() };
        let transactions = self.seed.is_multiple_of(4).then_some(Transactions {
            events: 500,
            aborted: 0.3,
            aborted_end: false,
        });
        self.scene.fill_as(|fill| Fill { first: self.next, count, shape, transactions, ..fill });
        self.next += count;
    }

    /// An engine of this episode.
    pub(crate) fn member(&self, engine: impl AsRef<Path>, args: &[&str], instance: &str) -> Spawn {
        let mut spawn = self
            .scene
            .command(engine, args)
            .env("KAFKA_BOOTSTRAP_SERVERS", self.world.for_engines())
            .env("KAFKA_SESSION_TIMEOUT", SESSION_MS.to_string())
            .env("GRISTMILL_SOURCE_THREADS", self.sources.to_string())
            .env("GRISTMILL_DELIVERY", self.delivery.name());
        if self.pad_to > 0 {
            spawn = spawn.env("GRISTMILL_MEMORY_LIMIT", "32MiB");
        }
        if self.is_static { spawn.env("GRISTMILL_INSTANCE_ID", instance) } else { spawn }
    }

    /// Starts a member that leaves the group when it ends, and waits until it has partitions.
    pub(crate) fn start_assigned(&self, instance: &str, rate: u32) -> Mill {
        let engine = self.member(GRISTMILL, &["run", "--leave"], instance);
        let mill = Mill::start(engine.env("GRISTMILL_RATE_LIMIT", rate.to_string()));
        let assigned = mill.child().wait_for_line("partitions assigned", PATIENCE);
        assigned.unwrap_or_else(|error| panic!("{error}\n{}", mill.told()));
        mill
    }

    /// An engine that lives for `life_ms` at most after its first record: how long that took to come, in the window of the life.
    pub(crate) fn live(&mut self, engine: Spawn, life_ms: u64) -> (Window, Mill, Duration) {
        self.live_in(engine, life_ms, |_| {})
    }

    /// The same in a place where `take` puts its process.
    pub(crate) fn live_in(
        &mut self,
        engine: Spawn,
        life_ms: u64,
        take: impl FnOnce(i32),
    ) -> (Window, Mill, Duration) {
        let life = Duration::from_millis(self.random.below(life_ms));
        let before = self.scene.delivered();
        let window = self.open();
        let started = Instant::now();
        let mill = Mill::start(engine);
        take(mill.child().pid());
        self.scene.wait_for_delivery(before, 0);
        let recovery = started.elapsed();
        // Not a wait for anything: the moment of the end is what is random.
        std::thread::sleep(life);
        (window, mill, recovery)
    }

    /// From here on.
    pub(crate) fn open(&self) -> Window {
        let (delivered, committed) = (self.scene.delivered(), self.committed().iter().sum());
        self.watch.begin();
        Window { opened: Instant::now(), delivered, committed }
    }

    /// Writes a fault down. It counts if the output or the group's offsets had moved and something was left to do.
    pub(crate) fn close(&mut self, window: Window, fault: impl Into<String>, recovery: Option<Duration>) {
        let (stall, lasted) = (self.watch.longest(), window.opened.elapsed());
        let delivered = self.scene.delivered() - window.delivered;
        let committed = self.committed().iter().sum();
        let lag = self.lag(committed);
        self.faults.push(Fault {
            fault: fault.into(),
            lasted,
            delivered,
            lag,
            stall,
            recovery,
            counts: lag > 0 && (delivered > 0 || committed > window.committed),
        });
    }

    /// Waits until the group gets on in every partition that has something left. `told`: what the engines say, should it not.
    pub(crate) fn wait_for_flow(&self, told: impl FnOnce() -> String) {
        self.wait_for_flow_with(|| {}, told);
    }

    /// The same; `look` is called now and then meanwhile.
    pub(crate) fn wait_for_flow_with(&self, mut look: impl FnMut(), told: impl FnOnce() -> String) {
        let before = self.committed();
        let flows = || {
            look();
            let ends = self.scene.topics.ends(&self.scene.input)?;
            let now = self.committed();
            Ok(before.iter().zip(&now).zip(&ends).all(|((before, now), end)| now > before || now >= end))
        };
        wait_until("not every partition gets on", PATIENCE, flows)
            .unwrap_or_else(|error| panic!("{error}: seed {}: {before:?}\n{}", self.seed, told()));
    }

    /// Records in output and dead letter topic, those of open and aborted transactions included.
    pub(crate) fn written(&self) -> Result<i64> {
        self.scene.topics.written_total(&[&self.scene.output, &self.scene.dlq])
    }

    /// What the group has committed in each partition so far.
    fn committed(&self) -> Vec<i64> {
        let offsets = self.scene.topics.group_offsets_so_far(&self.scene.group, &self.scene.input);
        offsets.unwrap().into_iter().map(|offset| offset.unwrap_or(0)).collect()
    }

    /// Offsets that the group has not committed so far.
    fn lag(&self, committed: i64) -> i64 {
        self.scene.topics.ends(&self.scene.input).unwrap().iter().sum::<i64>() - committed
    }

    /// Lets an engine get to the end, and accounts.
    fn finish(self) -> Record {
        // It reads as fast as it can; on a busy machine what it has in hand is seconds of work.
        let last = self.member(GRISTMILL, &["run", "--until-end"], "mill");
        let last = Mill::start(last.env("GRISTMILL_DRAIN_TIMEOUT", "60s"));
        last.child().wait(PATIENCE);
        last.ends_with(0);
        self.scene.assert_all_committed();
        for topic in [&self.scene.output, &self.scene.dlq] {
            let none_open = || Ok(self.scene.topics.ends(topic)? == self.scene.topics.written_ends(topic)?);
            wait_until("a transaction is still open", PATIENCE, none_open).unwrap();
        }
        let account = self.scene.account();
        drop(self.watch);
        for topic in [&self.scene.input, &self.scene.output, &self.scene.dlq] {
            self.scene.topics.delete(topic).unwrap();
        }
        let took = self.started.elapsed();
        Record { seed: self.seed, faults: self.faults, account, took }
    }
}
