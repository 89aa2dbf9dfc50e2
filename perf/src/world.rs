//! What measured runs share: a broker, the programs, an input that is filled once, and topics made anew for each run.

use crate::broker::{Broker, Options};
use crate::child::{Child, Exit, Spawn};
use crate::error::{Error, Result};
use crate::events::Shape;
use crate::fill::{Fill, Filled, fill};
use crate::ledger::{Account, Ledger};
use crate::topics::Topics;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Of a topic, unless said otherwise.
pub const PARTITIONS: i32 = 6;

/// The engine's default `GRISTMILL_MEMORY_LIMIT`, and what the process may need beside it.
pub const PEAK_BYTES_MAX: u64 = (256 + 64) << 20;

/// What the engine adds to a value: `,"processed_at":"2026-01-01T00:00:00Z"`.
pub const ADDED_BYTES: usize = 38;

/// No run takes longer, unless it hangs.
pub const RUN_WITHIN: Duration = Duration::from_secs(900);

/// Larger than any record here.
const MAX_MESSAGE_BYTES: &str = "1100000";

/// What a world is made of.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Topics and groups begin with it, and with the process's id, so that those of different runs on one broker differ.
    pub name: String,
    /// The engine's binary; `None`: it is built.
    pub engine: Option<PathBuf>,
    /// Of the events.
    pub seed: u64,
    /// Further variables for the engine.
    pub env: Vec<(String, String)>,
    /// A broker that runs already; `None`: that of `GRISTMILL_TEST_KAFKA`, else one is started.
    pub bootstrap: Option<String>,
    /// Further properties of a broker that is started.
    pub broker: Vec<(String, String)>,
}

/// A broker with a common input, and the programs that are run on it.
pub struct World {
    /// The broker's address.
    pub bootstrap: String,
    /// A connection to it.
    pub topics: Topics,
    /// Of the events.
    pub seed: u64,
    /// The broker itself: to be paused, if it is our own.
    pub broker: Broker,
    prefix: String,
    env: Vec<(String, String)>,
    engine: PathBuf,
    copy: PathBuf,
    /// The next event's number in the common input.
    next_number: u32,
    /// Inputs that were made, to be deleted at the end.
    inputs: std::cell::RefCell<Vec<String>>,
}

/// The names of one run: its group, and topics that are empty at first.
#[derive(Clone, Debug)]
pub struct Names {
    /// The topic that is read.
    pub input: String,
    /// The output topic.
    pub output: String,
    /// The dead letter topic.
    pub dlq: String,
    /// The consumer group.
    pub group: String,
}

impl World {
    /// Finds or starts a broker, finds or builds the programs, and makes the common input, which is empty.
    pub fn build(plan: &Plan) -> Result<World> {
        let engine = match &plan.engine {
            Some(path) => path.clone(),
            None => built(&["--bin", "gristmill"], "gristmill")?,
        };
        let beside = std::env::current_exe()?.with_file_name("copy");
        let copy = if beside.exists() { beside } else { built(&["-p", "perf", "--bin", "copy"], "copy")? };
        let options = Options { outside: plan.bootstrap.clone(), ..Options::default() }
            .heap_mb(1024)
            .property("message.max.bytes", 2_000_000);
        let options = plan.broker.iter().fold(options, |all, (name, value)| all.property(name, value));
        let broker = Broker::start(options).map_err(|error| Error(error.to_string()))?;
        let world = World {
            topics: broker.topics()?,
            bootstrap: broker.bootstrap().to_owned(),
            seed: plan.seed,
            broker,
            prefix: format!("{}-{}", plan.name, std::process::id()),
            env: plan.env.clone(),
            engine,
            copy,
            next_number: 0,
            inputs: std::cell::RefCell::default(),
        };
        world.new_input("in", PARTITIONS)?;
        Ok(world)
    }

    /// The common input.
    pub fn input(&self) -> String {
        format!("{}-in", self.prefix)
    }

    /// Adds events to the common input.
    pub fn append(&mut self, count: u32) -> Result<Filled> {
        let mut order = Fill::new(&self.bootstrap, &self.input(), count);
        order.shape.seed = self.seed;
        order.first = self.next_number;
        self.next_number += count;
        fill(&order)
    }

    /// Makes an empty input of its own.
    pub fn new_input(&self, name: &str, partitions: i32) -> Result<String> {
        let topic = format!("{}-{name}", self.prefix);
        self.create(&topic, partitions, &[])?;
        self.inputs.borrow_mut().push(topic.clone());
        Ok(topic)
    }

    /// Fills an input of its own with events of this size.
    pub fn large_input(&self, count: u32, bytes: usize) -> Result<String> {
        let topic = self.new_input("large", PARTITIONS)?;
        let mut order = Fill::new(&self.bootstrap, &topic, count);
        order.shape = Shape { seed: self.seed, pad_to: bytes, ..Shape::default() };
        fill(&order)?;
        Ok(topic)
    }

    /// Makes a group's name and empty output topics for a run.
    pub fn names(&self, run: &str, input: &str) -> Result<Names> {
        self.names_of(run, input, PARTITIONS, &[])
    }

    /// The same with this many partitions, and with these settings of the output topics.
    pub fn names_of(
        &self,
        run: &str,
        input: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<Names> {
        let name = |end: &str| format!("{}-{run}{end}", self.prefix);
        let names =
            Names { input: input.to_owned(), output: name("-out"), dlq: name("-dlq"), group: name("") };
        self.create(&names.output, partitions, settings)?;
        self.create(&names.dlq, partitions, settings)?;
        Ok(names)
    }

    /// Deletes a run's output topics: a full run writes a gigabyte.
    pub fn discard(&self, names: &Names) -> Result<()> {
        self.topics.delete(&names.output)?;
        self.topics.delete(&names.dlq)
    }

    /// The engine's binary.
    pub fn engine_path(&self) -> &Path {
        &self.engine
    }

    /// A program that takes its topics from the same variables as the engine.
    pub fn program(&self, path: &Path, names: &Names) -> Spawn {
        Spawn::new(path)
            .env("KAFKA_BOOTSTRAP_SERVERS", &self.bootstrap)
            .env("KAFKA_INPUT_TOPIC", &names.input)
            .env("KAFKA_OUTPUT_TOPIC", &names.output)
            .env("KAFKA_DLQ_TOPIC", &names.dlq)
            .env("KAFKA_CONSUMER_GROUP", &names.group)
    }

    /// The engine for a run: default settings but for what is given.
    pub fn engine(&self, names: &Names, args: &[&str], env: &[(&str, &str)]) -> Spawn {
        let mut spawn = self.program(&self.engine, names).env("GRISTMILL_HTTP_ADDR", "off");
        spawn = spawn.args(["run"]).args(args.iter().copied());
        for (name, value) in env {
            spawn = spawn.env(name, *value);
        }
        self.env.iter().fold(spawn, |spawn, (name, value)| spawn.env(name, value))
    }

    /// The plain copy, with values padded to the engine's output size.
    pub fn copy(&self, names: &Names) -> Spawn {
        let padding = ADDED_BYTES.to_string();
        let args = ["--bootstrap", &self.bootstrap, "--input", &names.input, "--output", &names.output];
        Spawn::new(&self.copy).args(args).args(["--pad-by", &padding])
    }

    /// Accounts for a run.
    pub fn account(&self, names: &Names) -> Result<Account> {
        Ledger::new(&self.bootstrap, &names.input, &names.output, &names.dlq).account()
    }

    /// Records in a run's output topics.
    pub fn written(&self, names: &Names) -> Result<i64> {
        self.topics.written_total(&[&names.output, &names.dlq])
    }

    /// Waits until more than `above` records are in a run's output topics.
    pub fn wait_for_written(&self, names: &Names, child: &Child, above: i64) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            if self.written(names)? > above {
                return Ok(());
            }
            if !child.is_running() || Instant::now() > end {
                return Err(died(child, "it put nothing out"));
            }
        }
    }

    /// Deletes what is left, for a broker that was there before.
    pub fn clean_up(&self) {
        for topic in self.inputs.borrow_mut().drain(..) {
            // What cannot be deleted does no harm there.
            self.topics.delete(&topic).ok();
        }
    }

    fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Result<()> {
        let ours = [("max.message.bytes", MAX_MESSAGE_BYTES), ("retention.ms", "-1")];
        self.topics.create(topic, partitions, 0, &[&ours, settings].concat())
    }
}

/// Waits for a run's end, which has to be a clean one.
pub fn clean_exit(child: &Child) -> Result<Exit> {
    match child.wait(RUN_WITHIN) {
        Some(exit) if exit.is_success() => Ok(exit),
        _ => Err(died(child, "it should have ended with 0")),
    }
}

/// What a child that failed has said last.
pub fn died(child: &Child, what: &str) -> Error {
    let fate = child.wait(Duration::ZERO).map_or("still running".to_owned(), |exit| exit.to_string());
    let lines = child.stderr();
    let last = lines[lines.len().saturating_sub(10)..].join("\n  ");
    Error(format!("{what} ({fate}); its last lines:\n  {last}"))
}

fn built(args: &[&str], name: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    eprintln!("$ cargo build --release {}", args.join(" "));
    let status =
        Command::new("cargo").args(["build", "--release", "--quiet"]).args(args).current_dir(&root).status();
    match status.map_err(Error::while_doing("cargo does not run"))?.success() {
        true => {
            let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
            Ok(target.join("release").join(name))
        }
        false => Err(Error(format!("{name} could not be built"))),
    }
}
