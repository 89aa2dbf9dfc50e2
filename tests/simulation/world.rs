//! The group: its members, its broker, the time, and the scheduler that draws each step from the seed.

use crate::batch::Verdict;
use crate::broker::{Broker, Commit, PARTITIONS, START};
use crate::canary::Broken;
use crate::member::{Member, Revoke};
use gristmill::kafka::Code;
use gristmill::telemetry::metrics::Metrics;
use perf::random::Random;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Steps with faults.
const STEPS: u64 = 120;

/// Without faults so many rounds get to the end, from wherever it is. Each gives every member a turn of everything.
const ROUNDS_MAX: u32 = 500;

/// Codes of commits that failed, of which a member gets over: `NOT_COORDINATOR`, `REBALANCE_IN_PROGRESS`, `_TIMED_OUT`.
const FAILED: [Code; 3] = [Code(16), Code(27), Code(-185)];

/// `FENCED_INSTANCE_ID`: another process took the member's place.
const FENCED: Code = Code(82);

/// `_STATE`: the client does not take a commit.
const NOT_TAKEN: Code = Code(-172);

/// What can happen next, to the member with a number where it has one.
#[derive(Clone, Copy, Debug)]
enum Step {
    Read(usize),
    FinishOne(usize),
    Produce(usize),
    Store(usize),
    Report(usize),
    Settle(usize),
    Commit(usize),
    Answer(usize),
    BlockQueue(usize),
    RefuseCommit(usize),
    /// A partition is asked back.
    Revoke(usize),
    /// The drain goes on.
    Drain(usize),
    /// The group gives a partition that nobody has to a member.
    Assign(usize),
    /// The group takes all partitions away, and the member does not know.
    Expel(usize),
    /// It hears that its partitions are lost.
    Lose(usize),
    Kill(usize),
}

/// A step for a member, and how often it is drawn.
type Weighted = (fn(usize) -> Step, u64);

impl Step {
    /// Out of the sum of all.
    const WEIGHTS: [Weighted; 16] = [
        (Step::Read, 18),
        (Step::FinishOne, 18),
        (Step::Produce, 16),
        (Step::Store, 10),
        (Step::Report, 30),
        (Step::Settle, 16),
        (Step::Commit, 16),
        (Step::Answer, 12),
        (Step::BlockQueue, 3),
        (Step::RefuseCommit, 2),
        (Step::Revoke, 4),
        (Step::Drain, 10),
        (Step::Assign, 12),
        (Step::Expel, 1),
        (Step::Lose, 4),
        (Step::Kill, 1),
    ];

    fn draw(random: &mut Random, members: usize) -> Step {
        const SUM: u64 = {
            let (mut sum, mut at) = (0, 0);
            while at < Step::WEIGHTS.len() {
                sum += Step::WEIGHTS[at].1;
                at += 1;
            }
            sum
        };
        let mut left = random.below(SUM);
        let member = random.below(members as u64) as usize;
        for (step, weight) in Step::WEIGHTS {
            if left < weight {
                return step(member);
            }
            left -= weight;
        }
        unreachable!("the weights add up to the sum")
    }
}

/// Everything there is.
pub(crate) struct World {
    random: Random,
    broken: Option<Broken>,
    metrics: Arc<Metrics>,
    broker: Broker,
    members: Vec<Member>,
    /// The group has put these out, and they do not know.
    zombies: Vec<bool>,
    now: Instant,
    /// The steps so far, in words.
    trace: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(
        mut random: Random,
        broken: Option<Broken>,
        metrics: &Arc<Metrics>,
        is_traced: bool,
    ) -> Self {
        let now = Instant::now();
        let broker = Broker::new(&mut random);
        let count = 1 + random.below(3) as usize;
        let members = (0..count).map(|_| Member::new(&mut random, now, broken, metrics)).collect();
        Self {
            random,
            broken,
            metrics: metrics.clone(),
            broker,
            members,
            zombies: vec![false; count],
            now,
            trace: is_traced.then(Vec::new),
        }
    }

    /// The steps so far, in words.
    pub(crate) fn steps(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    /// A schedule with faults, then on to the end without.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        for partition in 0..PARTITIONS {
            let member = self.random.below(self.members.len() as u64) as usize;
            self.assign_to(member, partition);
        }
        for _ in 0..self.random.below(STEPS) {
            let step = Step::draw(&mut self.random, self.members.len());
            if let Some(trace) = &mut self.trace {
                trace.push(format!("{step:?}"));
            }
            self.now += Duration::from_millis(self.random.below(40));
            self.step(step)?;
        }
        self.finish()
    }

    fn step(&mut self, step: Step) -> Result<(), String> {
        let Self { random, broker, members, .. } = self;
        match step {
            Step::Read(at) => members[at].read(random, broker),
            Step::FinishOne(at) => members[at].finish_one(random),
            Step::Produce(at) => members[at].produce()?,
            Step::Store(at) if members[at].queued() > 0 => {
                let queued = members[at].next_report(random);
                members[at].store(queued, broker);
            }
            Step::Report(at) if members[at].queued() > 0 => {
                let queued = members[at].next_report(random);
                let verdict = match random.below(200) {
                    0 => Verdict::Failed,
                    1..20 => Verdict::Refused,
                    _ => Verdict::Stored,
                };
                members[at].report(queued, verdict, broker);
            }
            Step::Store(_) | Step::Report(_) => {}
            Step::Settle(at) => members[at].settle(),
            Step::Commit(at) => members[at].commit(self.now, broker)?,
            Step::Answer(at) => self.answer(at)?,
            Step::BlockQueue(at) => members[at].is_queue_blocked = !members[at].is_queue_blocked,
            Step::RefuseCommit(at) => members[at].wire.refuse(NOT_TAKEN),
            Step::Revoke(at) => self.revoke(at),
            Step::Drain(at) => self.drain(at),
            Step::Assign(at) => self.assign(at),
            Step::Expel(at) => self.expel(at),
            Step::Lose(at) if self.zombies[at] => self.lose(at),
            Step::Lose(_) => {}
            Step::Kill(at) => self.kill(at)?,
        }
        Ok(())
    }

    /// The broker's answer to a commit: stored, failed, or stored with the answer lost.
    fn answer(&mut self, at: usize) -> Result<(), String> {
        let Some(commit) = self.members[at].commit.clone() else { return Ok(()) };
        let failed = FAILED[self.random.below(3) as usize];
        let code = match self.random.below(100) {
            0..10 => failed,
            10..15 => self.store(at, &commit).map(|_| failed)?,
            15 => {
                self.members[at].has_failed = true;
                FENCED
            }
            _ => self.store(at, &commit)?,
        };
        self.members[at].answer(code);
        Ok(())
    }

    fn store(&mut self, at: usize, commit: &Commit) -> Result<Code, String> {
        let code = self.broker.store(commit)?;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("  {commit:?} of member {at}: {code}"));
        }
        Ok(code)
    }

    /// Asks some of a member's partitions back.
    fn revoke(&mut self, at: usize) {
        let owned: Vec<usize> =
            (0..PARTITIONS).filter(|partition| self.broker.owners[*partition] == Some(at)).collect();
        if owned.is_empty() || self.members[at].revoke.is_some() {
            return;
        }
        let some = 1 + self.random.below(owned.len() as u64) as usize;
        let deadline = self.now + Duration::from_millis(self.random.below(2_000));
        self.members[at].revoke = Some(Revoke { partitions: owned[..some].to_vec(), deadline });
    }

    fn drain(&mut self, at: usize) {
        if !self.members[at].is_drained(self.now) {
            return;
        }
        let partitions = self.members[at].revoke.take().map(|revoke| revoke.partitions);
        for partition in partitions.unwrap_or_default() {
            self.members[at].release(partition);
            if self.broker.owners[partition] == Some(at) {
                self.broker.owners[partition] = None;
            }
        }
        self.rebalance();
    }

    fn assign(&mut self, at: usize) {
        let is_ready = !self.zombies[at] && self.members[at].revoke.is_none() && !self.members[at].has_failed;
        let free = self.broker.owners.iter().position(Option::is_none);
        if let (Some(partition), true) = (free, is_ready) {
            self.assign_to(at, partition);
        }
    }

    fn assign_to(&mut self, at: usize, partition: usize) {
        self.broker.owners[partition] = Some(at);
        self.rebalance();
        let committed = self.broker.offsets[partition];
        self.members[at].assign(partition, committed, committed.unwrap_or(START));
    }

    fn expel(&mut self, at: usize) {
        self.zombies[at] = true;
        self.give_up(at);
    }

    fn lose(&mut self, at: usize) {
        for partition in 0..PARTITIONS {
            self.members[at].release(partition);
        }
        self.members[at].revoke = None;
        self.zombies[at] = false;
        self.rebalance();
    }

    fn kill(&mut self, at: usize) -> Result<(), String> {
        // What lay in its queue may have been on its way, and so may its commit.
        for queued in 0..self.members[at].queued() {
            if self.random.chance(0.3) {
                self.members[at].store(queued, &mut self.broker);
            }
        }
        if let Some(commit) = self.members[at].commit.take()
            && self.random.chance(0.5)
        {
            self.store(at, &commit)?;
        }
        self.members[at] = Member::new(&mut self.random, self.now, self.broken, &self.metrics);
        self.zombies[at] = false;
        self.give_up(at);
        Ok(())
    }

    /// The group takes a member's partitions away.
    fn give_up(&mut self, at: usize) {
        for owner in &mut self.broker.owners {
            owner.take_if(|owner| *owner == at);
        }
        self.rebalance();
    }

    /// A new generation, of which all hear but those that the group has put out.
    fn rebalance(&mut self) {
        self.broker.generation += 1;
        for (member, is_zombie) in self.members.iter_mut().zip(&self.zombies) {
            if !is_zombie {
                member.generation = self.broker.generation;
            }
        }
    }

    /// From wherever it is to the end, without further faults.
    fn finish(&mut self) -> Result<(), String> {
        if let Some(trace) = &mut self.trace {
            trace.push("the faults end".to_owned());
        }
        for _ in 0..ROUNDS_MAX {
            if self.broker.is_done() && self.members.iter().all(Member::is_idle) {
                return Ok(());
            }
            self.now += Duration::from_millis(100);
            for at in 0..self.members.len() {
                self.round(at)?;
            }
        }
        let left = (0..PARTITIONS).map(|partition| {
            let (offset, end) = (self.broker.offsets[partition], self.broker.end(partition));
            format!("partition {partition}: committed {offset:?}, end {end}")
        });
        Err(format!("does not get to the end: {}", left.collect::<Vec<_>>().join(", ")))
    }

    /// A member's turn of everything.
    fn round(&mut self, at: usize) -> Result<(), String> {
        if self.zombies[at] {
            self.lose(at);
        }
        if self.members[at].has_failed {
            self.kill(at)?;
        }
        self.drain(at);
        self.assign(at);
        let Self { random, broker, members, .. } = self;
        let member = &mut members[at];
        member.is_queue_blocked = false;
        member.read(random, broker);
        member.finish_one(random);
        member.finish_one(random);
        member.produce()?;
        while member.queued() > 0 {
            member.report(0, Verdict::Stored, broker);
            member.produce()?;
        }
        member.settle();
        member.commit(self.now, broker)?;
        if let Some(commit) = self.members[at].commit.clone() {
            let code = self.store(at, &commit)?;
            self.members[at].answer(code);
        }
        Ok(())
    }
}
