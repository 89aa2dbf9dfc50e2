//! What runs over a filled topic, and rounds of it in shuffled order.

use crate::bench::{Bench, Label, Outcome};
use perf::child::Spawn;
use perf::error::{Error, Result};
use perf::random::Random;
use perf::run::{Run, run};
use perf::world::{ADDED_BYTES, Names, RUN_WITHIN, died};
use std::path::PathBuf;

/// A filled topic.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) topic: String,
    pub(crate) partitions: i32,
    pub(crate) events: u32,
}

/// Who runs.
#[derive(Clone, Debug)]
pub(crate) enum Job {
    /// `gristmill run --until-end`, so many processes in one group.
    Engine { processes: u32 },
    /// The plain copy.
    Copy,
    /// The plain copy's reading half.
    Consume,
    /// Events from memory, as many as the input has.
    Produce,
    /// Another program for the same job.
    Peer(PathBuf),
}

/// A line of a table.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) group: String,
    pub(crate) who: String,
    pub(crate) job: Job,
    pub(crate) input: Input,
    /// Variables for an engine, client properties for a copy.
    pub(crate) settings: Vec<(String, String)>,
}

impl Case {
    pub(crate) fn new(group: &str, who: &str, job: Job, input: &Input) -> Case {
        let [group, who] = [group, who].map(str::to_owned);
        Case { group, who, job, input: input.clone(), settings: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Case {
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    fn spawns(&self, bench: &Bench, names: &Names) -> Result<Vec<Spawn>> {
        let world = &bench.world;
        let settings: Vec<(&str, &str)> =
            self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ok(match &self.job {
            Job::Engine { processes } => {
                (0..*processes).map(|_| world.engine(names, &["--until-end"], &settings)).collect()
            }
            Job::Copy => {
                let properties = self
                    .settings
                    .iter()
                    .flat_map(|(name, value)| ["-X".to_owned(), format!("{name}={value}")]);
                vec![world.copy(names).args(properties)]
            }
            Job::Consume => vec![world.copy(names).args(["--consume-only"])],
            Job::Produce => {
                let produce = std::env::current_exe()?.with_file_name("produce");
                let (count, seed) = (self.input.events.to_string(), bench.seed.to_string());
                let padding = ADDED_BYTES.to_string();
                let spawn =
                    Spawn::new(produce).args(["--bootstrap", &world.bootstrap, "--topic", &names.output]);
                vec![spawn.args(["--count", &count, "--seed", &seed, "--pad-by", &padding])]
            }
            Job::Peer(program) => vec![world.program(program, names)],
        })
    }

    fn run(&self, bench: &Bench, names: &Names, spawns: Vec<Spawn>) -> Result<Outcome> {
        let mut outcome = match self.job {
            Job::Consume => consumed(spawns)?,
            _ => of(&run(&bench.world, names, spawns)?),
        };
        if let Some(bytes) = bench.world.broker.disk_bytes(&names.output) {
            outcome.figures.insert("disk_bytes".to_owned(), bytes as f64);
        }
        if outcome.figures.get("records").is_some_and(|records| *records < f64::from(self.input.events)) {
            outcome.void = Some("not every record came out".to_owned());
        }
        Ok(outcome)
    }
}

fn of(run: &Run) -> Outcome {
    Outcome::of([
        ("records", run.records as f64),
        ("rate", run.rate),
        ("cpu_ns", run.cpu_ns),
        ("peak_rss_bytes", run.peak_rss_bytes as f64),
        ("wall_s", run.wall.as_secs_f64()),
    ])
}

/// Nothing comes out of it that could be seen from outside: its own word is taken.
fn consumed(spawns: Vec<Spawn>) -> Result<Outcome> {
    let spawn = spawns.into_iter().next().ok_or_else(|| Error::new("nothing to run"))?;
    let child = spawn.start()?;
    let exit = child
        .wait(RUN_WITHIN)
        .filter(|exit| exit.is_success())
        .ok_or_else(|| died(&child, "reading failed"))?;
    let said = child.stdout().pop().unwrap_or_default();
    let said: serde_json::Value =
        serde_json::from_str(&said).map_err(Error::while_doing("what the reader said"))?;
    let figure = |name: &str| said[name].as_f64().unwrap_or(0.0);
    let records = figure("records");
    Ok(Outcome::of([
        ("records", records),
        ("rate", figure("records_per_second")),
        ("cpu_ns", exit.cpu.as_nanos() as f64 / records.max(1.0)),
        ("peak_rss_bytes", exit.peak_rss_bytes as f64),
        ("wall_s", exit.wall.as_secs_f64()),
    ]))
}

/// Every case once in each round, in an order that the seed decides. `warm_up`: a round before them that does not count.
pub(crate) fn rounds(bench: &mut Bench, cases: &[Case], rounds: u32, warm_up: bool) -> Result<()> {
    let order: Vec<(&str, &str)> =
        cases.iter().map(|case| (case.group.as_str(), case.who.as_str())).collect();
    bench.set_order(&order);
    for round in u32::from(!warm_up)..=rounds {
        let mut shuffled: Vec<&Case> = cases.iter().collect();
        Random::new(bench.seed, 0x0D3 + u64::from(round)).shuffle(&mut shuffled);
        for case in shuffled {
            once(bench, case, round)?;
        }
    }
    Ok(())
}

fn once(bench: &mut Bench, case: &Case, round: u32) -> Result<()> {
    let run = bench.next_name();
    let names = bench.world.names_of(&run, &case.input.topic, case.input.partitions, &[])?;
    let spawns = case.spawns(bench, &names)?;
    let command = spawns.iter().map(Spawn::line).collect::<Vec<_>>().join(" & ");
    let label = Label { group: &case.group, who: &case.who, round, command: &command };
    let judged = matches!(case.job, Job::Engine { .. } | Job::Peer(_));
    let names_inside = names.clone();
    bench.sample(label, |bench| {
        let outcome = case.run(bench, &names_inside, spawns)?;
        Ok(Outcome { account: judged.then(|| names_inside.clone()), ..outcome })
    });
    if !judged || bench.runs().last().is_some_and(|run| run.ledger.is_none()) {
        bench.world.discard(&names)?;
    }
    Ok(())
}
