//! `demo`: the whole job with nothing installed.
//!
//! A cluster in this process, a generator, the engine as `run` has it, and an auditor that reads back what it wrote. The generator is held
//! back to what the auditor has seen, because the cluster keeps little.

mod account;
mod auditor;
mod ledger;
mod window;

use self::account::Account;
use self::auditor::{Auditor, Progress};
use self::ledger::Ledger;
use self::window::charge;
use super::command_line::{sources, with_settings};
use super::failure::Failure;
use super::generate::{events::Events, progress_bar, share};
use super::output::{counted, grouped, say};
use super::signals::SignalWatch;
use crate::config::settings::{Command as Reads, TOPIC_NAMES};
use crate::config::{Config, Kafka, Resolver, Sources};
use crate::contract::Plan;
use crate::engine::{Engine, Prepared, RunOptions};
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::feeder::Feeder;
use crate::kafka::mock::MockCluster;
use crate::kafka::properties;
use crate::shutdown::{Reason, Shutdown};
use crate::telemetry::chart::{ChartStyle, latency_chart};
use crate::telemetry::latency::Leg;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{color_wanted, init_logs};
use clap::{Arg, ArgMatches, Command};
use indicatif::ProgressBar;
use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

/// What is asked of the demo.
#[derive(Clone, Copy, Debug)]
pub struct DemoOptions {
    /// How many events there are.
    pub events: u64,
    /// The generator's seed.
    pub seed: u64,
    /// The share of events that the contract refuses.
    pub invalid: f64,
}

/// Partitions of each of the three topics.
const PARTITIONS: i32 = 6;

/// Different keys.
const KEYS: u64 = 1_000;

/// When nothing was found for so long, the rest is taken to be lost.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn command() -> Command {
    let number = |name: &'static str, default: &'static str, help: &'static str| {
        let parser = clap::value_parser!(u64);
        let arg = Arg::new(name).long(name).value_name("N").default_value(default).value_parser(parser);
        arg.allow_negative_numbers(true).help(help)
    };
    let command = Command::new("demo")
        .about("The whole job with nothing installed: a cluster in this process, events, the engine, an account of every event")
        .arg(number("events", "200000", "How many events").value_parser(clap::value_parser!(u64).range(1..=100_000_000)))
        .arg(number("seed", "1", "The same seed gives the same events"))
        .arg(share("invalid", "0.05"));
    with_settings(command, Reads::Demo)
}

pub(super) fn run(typed: &ArgMatches, signals: &SignalWatch) -> Result<ExitCode, Failure> {
    // Its account goes by the built-in contract.
    let mut sources = sources(typed)?.without_kafka().without(|name| name == "GRISTMILL_CONTRACT");
    for (variable, topic) in TOPIC_NAMES.into_iter().zip(["events", "events.checked", "events.dead"]) {
        sources.set_flag(variable, topic.to_owned());
    }
    // A mock cluster knows no transactions.
    sources.set_flag("GRISTMILL_DELIVERY", "at-least-once".to_owned());
    // However many events are to be invalid, each is accounted for.
    sources.set_flag("GRISTMILL_DLQ_LIMIT", "off".to_owned());
    be_quiet(&mut sources);
    let mut resolver = Resolver::new(&sources, properties::judge);
    let config = resolver.config(std::io::stderr().is_terminal());
    let (config, warnings) = resolver.finish(Reads::Demo, config)?;
    super::output::warn(&warnings);
    let options = DemoOptions {
        events: *typed.get_one("events").expect("it has a default"),
        seed: *typed.get_one("seed").expect("it has a default"),
        invalid: *typed.get_one("invalid").expect("it has a default"),
    };
    init_logs(&config.telemetry)?;
    play(config, options, signals)
}

/// Neither a port nor log lines, unless they were asked for.
fn be_quiet(sources: &mut Sources) {
    if sources.find("GRISTMILL_HTTP_ADDR").is_none() {
        sources.set_flag("GRISTMILL_HTTP_ADDR", "off".to_owned());
    }
    if sources.find("LOG_LEVEL").is_none() && sources.find("LEVEL").is_none() {
        sources.set_flag("LOG_LEVEL", "warn".to_owned());
    }
}

/// Plays the demo on a cluster of its own, whatever the configuration says of brokers.
fn play(mut config: Config, options: DemoOptions, signals: &SignalWatch) -> Result<ExitCode, Failure> {
    // Declared first, so that it ends last: everything else talks to it.
    let cluster = cluster(&config)?;
    config.kafka.bootstrap_servers = cluster.bootstrap_servers();
    // The cluster answers an empty fetch only when this is over, even if records have come meanwhile.
    set(&mut config.kafka.consumer_properties, "fetch.wait.max.ms", "5");
    let events = Events { seed: options.seed, invalid: options.invalid, keys: KEYS };
    let mut feeder = Feeder::new(&feeding(&config.kafka), &config.topics.input)?;
    let prepared = Prepared::new(config, Plan::user_login(), RunOptions::default())?;
    let auditor = Auditor::start(prepared.config(), PARTITIONS, Ledger::new(events))?;
    signals.drain(prepared.shutdown());
    let bar = progress_bar(Some(options.events));
    let engine = match Engine::start(prepared) {
        Ok(engine) => engine,
        Err(error) => {
            // It would go on reading from a cluster that is gone, and complain of that.
            drop(auditor.finish());
            return Err(error.into());
        }
    };
    let (metrics, shutdown) = (engine.metrics().clone(), engine.shutdown().clone());
    let mut generator = Generator {
        events,
        feeder: &mut feeder,
        progress: auditor.progress(),
        shutdown: &shutdown,
        bar: &bar,
    };
    // Joining a group takes a moment, which is no latency of an event's.
    generator.wait_until(|_| !metrics.snapshot().partitions.is_empty());
    let started = Instant::now();
    let made = generator.run(options.events);
    let elapsed = started.elapsed();
    let is_cut_short = shutdown.is_requested();
    shutdown.request(Reason::EndReached);
    let report = engine.join();
    let ledger = auditor.finish();
    bar.finish_and_clear();
    let (made, mut ledger) = (made?, ledger?);
    ledger.close(made);
    let account = Account { ledger, report, is_cut_short };
    show(&account, &metrics, elapsed);
    if let Some(failure) = account.report.failure.clone() {
        return Err(failure.into());
    }
    Ok(account.exit_code())
}

fn cluster(config: &Config) -> Result<MockCluster, EngineError> {
    let failed = |what: String| EngineError::new(Stage::Start, ExitCode::Unavailable, what);
    let cluster =
        MockCluster::start(1).map_err(|error| failed(format!("no cluster in this process: {error}")))?;
    for topic in [&config.topics.input, &config.topics.output, &config.topics.dead_letter] {
        cluster
            .create_topic(topic, PARTITIONS, 1)
            .map_err(|code| failed(format!("topic {topic} cannot be made in the cluster: {code}")))?;
    }
    Ok(cluster)
}

/// The generator's client: little delay, because the window is small.
fn feeding(kafka: &Kafka) -> Kafka {
    let mut kafka = kafka.clone();
    set(&mut kafka.producer_properties, "linger.ms", "2");
    kafka
}

fn set(properties: &mut Vec<(String, String)>, name: &str, value: &str) {
    properties.push((name.to_owned(), value.to_owned()));
}

/// Makes the events, as many at a time as the cluster can keep.
struct Generator<'a> {
    events: Events,
    feeder: &'a mut Feeder,
    progress: &'a Progress,
    shutdown: &'a Shutdown,
    bar: &'a ProgressBar,
}

impl Generator<'_> {
    /// Sends `count` events and waits until all were found; answers how many were sent. Ends early when the engine does, or when
    /// nothing is found any more.
    fn run(&mut self, count: u64) -> Result<u64, EngineError> {
        let made = self.send(count);
        let delivered = self.feeder.finish(|| false);
        let made = made?;
        if delivered.failed > 0 {
            let reason = self.feeder.first_failure().unwrap_or_default();
            let message = format!("{} could not be sent: {reason}", counted(delivered.failed, "event"));
            return Err(EngineError::new(Stage::Start, ExitCode::Delivery, message));
        }
        self.wait_until(|progress| progress.accounted() >= made);
        Ok(made)
    }

    fn send(&mut self, count: u64) -> Result<u64, EngineError> {
        const LOOK_UP_EVERY: u64 = 1_000;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for number in 0..count {
            let charge = charge(self.events.write(number, &mut key, &mut value).is_some());
            if number.is_multiple_of(LOOK_UP_EVERY) && self.shutdown.is_requested() {
                return Ok(number);
            }
            if !self.progress.window.take(charge) && !self.wait_until(|progress| progress.window.take(charge))
            {
                return Ok(number);
            }
            self.feeder.send(Some(&key), &value, || false)?;
        }
        Ok(count)
    }

    /// Waits until `is_so`; `false` if there is no point in waiting any longer.
    fn wait_until(&mut self, is_so: impl Fn(&Progress) -> bool) -> bool {
        let mut last = (self.progress.accounted(), Instant::now());
        loop {
            if is_so(self.progress) {
                return true;
            }
            if self.shutdown.is_requested() || self.progress.has_ended() || last.1.elapsed() > PATIENCE {
                return false;
            }
            self.feeder.serve(Duration::from_millis(1));
            let accounted = self.progress.accounted();
            if accounted > last.0 {
                last = (accounted, Instant::now());
                self.bar.set_position(accounted);
            }
        }
    }
}

/// The account, the picture, and what to try next.
fn show(account: &Account, metrics: &Metrics, elapsed: Duration) {
    let style = ChartStyle { columns: columns(), color: color_wanted(stdout().is_terminal()) };
    let latency = metrics.snapshot().latencies.leg(Leg::EndToEnd);
    let settled = account.report.output + account.report.dead_lettered();
    let seconds = elapsed.as_secs_f64().max(1e-3);
    say(format_args!(
        "{} through a cluster in this process in {seconds:.1} s, {} a second, made, checked and read back\n\n{account}\n\n{}",
        counted(settled, "event"),
        grouped((settled as f64 / seconds) as u64),
        latency_chart("from the event's time stamp to its delivery report", &latency, style),
    ));
    say(format_args!(
        "Next:\n  \
         echo '{{\"user_id\":\"u1\",\"app_version\":\"1.9.0\",\"device_type\":\"web\"}}' | gristmill try\n  \
         gristmill topics create --bootstrap-servers localhost:9092 --input-topic events --output-topic checked --dlq-topic dead\n  \
         gristmill run --bootstrap-servers localhost:9092 --input-topic events --output-topic checked --dlq-topic dead"
    ));
}

/// What the shell says the terminal's width is; else what every terminal has.
fn columns() -> usize {
    const EVERY_TERMINAL: usize = 80;
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(EVERY_TERMINAL)
}
