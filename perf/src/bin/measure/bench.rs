//! The workbench: a world to measure in, a folder to write to, and the part that is under way.

use crate::options::{Args, Part, Scale};
use crate::progress::Progress;
use perf::error::{Error, Result};
use perf::noise::Noise;
use perf::results::{Machine, PartResults, Raw, Sample};
use perf::world::{Names, Plan, World};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) scale: Scale,
    pub(crate) seed: u64,
    pub(crate) rates: Vec<u32>,
    pub(crate) feeder: Vec<(String, String)>,
    pub(crate) reader: Vec<(String, String)>,
    pub(crate) quick: bool,
    pub(crate) progress: Progress,
    /// What does not count, and why.
    pub(crate) failed: Vec<String>,
    folder: PathBuf,
    machine: Machine,
    raw: Raw,
    part: PartResults,
    command: String,
    /// Events in the common input so far.
    filled: u32,
    /// Runs so far, for names that never come twice: a group remembers its offsets.
    named: u32,
}

/// What came of a run, before it is known whether it counts.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) figures: BTreeMap<String, f64>,
    /// What has to be accounted for.
    pub(crate) account: Option<Names>,
    /// Why it does not count, if not for the ledger.
    pub(crate) void: Option<String>,
    pub(crate) files: Vec<String>,
}

impl Outcome {
    pub(crate) fn of<const N: usize>(figures: [(&str, f64); N]) -> Outcome {
        let figures = figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect();
        Outcome { figures, ..Outcome::default() }
    }
}

/// Which run it is.
#[derive(Clone, Copy)]
pub(crate) struct Label<'a> {
    pub(crate) group: &'a str,
    pub(crate) who: &'a str,
    pub(crate) round: u32,
    pub(crate) command: &'a str,
}

impl Bench {
    pub(crate) fn open(args: &Args) -> Result<Bench> {
        let outside = std::env::var("KAFKA_BOOTSTRAP_SERVERS").ok().filter(|address| !address.is_empty());
        let world = World::build(&Plan {
            name: "measure".into(),
            engine: args.engine(),
            seed: args.seed,
            env: args.env.clone(),
            bootstrap: outside,
            broker: broker_properties(),
        })?;
        let machine = Machine::look(world.engine_path(), world.broker.is_own());
        let folder = match &args.into {
            Some(folder) => folder.clone(),
            None if args.quick => {
                std::env::temp_dir().join(format!("gristmill-measure-{}", std::process::id()))
            }
            None => new_folder(&format!("{}-{}", day(SystemTime::now()), machine.short_name())),
        };
        let raw = Raw::read(&folder)?;
        std::fs::create_dir_all(&folder)?;
        let typed = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
        let mut progress = Progress::default();
        let scale = args.scale();
        for part in args.parts() {
            let (steps, guess) = planned(part, &scale, !args.rate.is_empty(), args.quick);
            progress.plan(part.name(), steps, guess);
        }
        println!("seed {}, broker {}, results in {}", args.seed, world.bootstrap, folder.display());
        Ok(Bench {
            world,
            scale,
            seed: args.seed,
            rates: args.rate.clone(),
            feeder: args.feeder.clone(),
            reader: args.reader.clone(),
            quick: args.quick,
            progress,
            failed: Vec::new(),
            folder,
            machine,
            raw,
            part: PartResults::default(),
            command: without_root(&format!("perf/run {typed}")).trim_end().to_owned(),
            filled: 0,
            named: 0,
        })
    }

    /// Begins a part; `settings` are told above its table.
    pub(crate) fn begin_part(&mut self, part: Part, settings: &[(&str, String)]) -> Result<()> {
        let own = settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.part = PartResults {
            part: part.name().to_owned(),
            date: day(SystemTime::now()),
            command: self.command.clone(),
            gristmill: self.machine.gristmill.clone(),
            settings: own.chain([("seed".to_owned(), self.seed.to_string())]).collect(),
            ..PartResults::default()
        };
        Ok(())
    }

    /// In which order the table's lines come: `group/who` of each.
    pub(crate) fn set_order(&mut self, lines: &[(&str, &str)]) {
        let lines: Vec<String> = lines.iter().map(|(group, who)| format!("{group}/{who}")).collect();
        self.part.settings.insert("order".to_owned(), lines.join("|"));
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.part.notes.push(note.into());
    }

    /// Does one run, judges it and writes it down. What goes wrong in it makes it void; the measurement goes on.
    pub(crate) fn sample(&mut self, label: Label<'_>, work: impl FnOnce(&mut Bench) -> Result<Outcome>) {
        let Label { group, who, round, command } = label;
        let part = self.part.part.clone();
        let title = format!("{group} {who}, round {round}");
        self.progress.step(&part, title.trim());
        let noise = Noise::begin();
        let outcome =
            work(self).unwrap_or_else(|error| Outcome { void: Some(error.0), ..Outcome::default() });
        let noise = noise.end();
        let Outcome { figures, account, mut void, files } = outcome;
        let mut ledger = None;
        if let Some(names) = &account {
            match self.world.account(names) {
                Ok(account) if account.is_clean() && account.input > 0 => ledger = Some("clean".to_owned()),
                Ok(account) => ledger = Some(format!("not clean: {account}").replace('\n', "; ")),
                Err(error) => ledger = Some(error.0),
            }
            if ledger.as_deref() != Some("clean") {
                void =
                    void.or_else(|| Some(format!("the ledger is {}", ledger.as_deref().unwrap_or_default())));
            }
            // Their data are no longer needed; what cannot be deleted does no harm.
            self.world.discard(names).ok();
        }
        let told: Vec<String> = figures.iter().map(|(name, figure)| format!("{name} {figure:.0}")).collect();
        println!("{part}: {title}: {}", told.join(", "));
        if let Some(why) = &void {
            println!("  DOES NOT COUNT: {why}");
            self.failed.push(format!("{part}: {title}: {}", why.lines().next().unwrap_or_default()));
        }
        let [group, who, command] = [group, who, command].map(without_root);
        self.part.runs.push(Sample { group, who, round, command, figures, ledger, void, noise, files });
        self.progress.pause(&part);
    }

    /// Writes the part into the folder.
    pub(crate) fn finish_part(&mut self, part: Part, measured: Result<()>) -> Result<()> {
        self.progress.over(part.name());
        self.part.complete = measured.is_ok();
        if !self.part.runs.is_empty() {
            let before = self.raw.files();
            self.raw.replace(std::mem::take(&mut self.part), &Part::order());
            self.raw.write(&self.folder, &self.machine)?;
            // Of runs that are replaced.
            for file in before.difference(&self.raw.files()) {
                std::fs::remove_file(self.path(file)).ok();
            }
        }
        measured.map_err(|error| Error(format!("{}: {error}", part.name())))
    }

    /// Deletes what is left.
    pub(crate) fn close(&self) {
        self.world.clean_up();
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub(crate) fn summary_path(&self) -> PathBuf {
        self.path("summary.md")
    }

    /// A name for a run's topics and group.
    pub(crate) fn next_name(&mut self) -> String {
        self.named += 1;
        format!("run-{}", self.named)
    }

    /// The runs of the part under way.
    pub(crate) fn runs(&self) -> &[Sample] {
        &self.part.runs
    }

    /// The common input, with as many events as the scale says.
    pub(crate) fn common_input(&mut self) -> Result<String> {
        if self.filled < self.scale.events {
            eprintln!("filling in {} events", self.scale.events - self.filled);
            self.world.append(self.scale.events - self.filled)?;
            self.filled = self.scale.events;
        }
        Ok(self.world.input())
    }
}

/// A folder that is not there yet: what was published stays, unless `--into` names it.
fn new_folder(name: &str) -> PathBuf {
    let results = root().join("perf/results");
    let again = (2..).map(|time| results.join(format!("{name}-{time}")));
    let mut folders = std::iter::once(results.join(name)).chain(again);
    folders.find(|folder| !folder.exists()).expect("there is always a further number")
}

/// Steps, and what one is thought to take in seconds, on two cores.
fn planned(part: Part, scale: &Scale, fixed_rates: bool, quick: bool) -> (u32, f64) {
    let run = 2.0 + f64::from(scale.events) / 250_000.0;
    let probe = |counted: Duration| 6.0 + 1.5 * (scale.warm_up + counted).as_secs_f64();
    let sweep = scale.sweep_rounds;
    match part {
        Part::Throughput => (5 * (scale.rounds + u32::from(!quick)), run),
        Part::Classic => (2 * scale.rounds.min(3), 2.0 * run),
        Part::Latency if fixed_rates => (4, probe(scale.seconds)),
        Part::Latency => (if quick { 4 } else { 16 }, probe(scale.seconds)),
        Part::Memory => (if quick { 3 } else { 8 }, 30.0 + 1.3 * scale.memory.as_secs_f64()),
        Part::Scaling => (if quick { 3 } else { 5 * sweep }, run),
        Part::Sizes => (if quick { 4 } else { 10 * sweep }, run),
        Part::Compression => (if quick { 4 } else { 6 * sweep }, run),
        Part::Batching => (if quick { 4 } else { 14 * (sweep + 1) }, run),
    }
}

/// Deletes what exceeds a topic's size soon, and lets a session be short where a member is to lose it on purpose.
fn broker_properties() -> Vec<(String, String)> {
    let ours = [("log.retention.check.interval.ms", "2000"), ("group.min.session.timeout.ms", "1000")];
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap_or(root)
}

/// A command as it would be typed at the repository's root.
fn without_root(text: &str) -> String {
    text.replace(&format!("{}/", root().display()), "")
}

/// The day, UTC.
fn day(at: SystemTime) -> String {
    OffsetDateTime::from(at).date().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    #[test]
    fn days_have_dates() {
        let day = |number: u64| super::day(SystemTime::UNIX_EPOCH + Duration::from_secs(number * 86_400));
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(19_782), "2024-02-29");
        assert_eq!(day(20_454), "2026-01-01");
    }
}
