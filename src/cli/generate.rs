//! `generate`: login events into a topic.

pub mod events;

use self::events::Events;
use super::command_line::{sources, with_settings};
use super::failure::Failure;
use super::output::{counted, grouped, say, warn};
use super::signals::SignalWatch;
use crate::config::mistakes::quoted;
use crate::config::settings::{Command as Reads, TOPIC_NAMES};
use crate::config::values::{self, show_duration};
use crate::config::{Kafka, Mistake, Resolver, Sources};
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::admin::Admin;
use crate::kafka::feeder::Feeder;
use crate::kafka::properties;
use clap::{Arg, ArgMatches, Command};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::num::NonZeroU64;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// What was asked for.
struct Order {
    topic: String,
    count: Option<u64>,
    rate: Option<NonZeroU64>,
    events: Events,
}

/// How long after a signal delivery reports are waited for: less than the 10 s after which container engines kill.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Since when the end is asked for.
#[derive(Clone, Default)]
struct Stop(Arc<OnceLock<Instant>>);

impl Stop {
    fn is_asked(&self) -> bool {
        self.0.get().is_some()
    }

    /// Nothing is waited for any more.
    fn is_over(&self) -> bool {
        self.0.get().is_some_and(|since| since.elapsed() > DRAIN_TIMEOUT)
    }
}

/// A share between 0 and 1.
pub(super) fn share(name: &'static str, default: &'static str) -> Arg {
    let parse = |text: &str| {
        let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
        share.ok_or_else(|| "takes a number from 0 to 1".to_owned())
    };
    Arg::new(name)
        .long(name)
        .value_name("SHARE")
        .default_value(default)
        .value_parser(parse)
        .allow_negative_numbers(true)
        .help("The share of events that the built-in contract refuses")
}

pub(super) fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .value_parser(clap::value_parser!(u64))
            .allow_negative_numbers(true)
            .help(help)
    };
    let positive = |text: &str| {
        let number = text.parse::<NonZeroU64>();
        number.map_err(|_| "takes a whole number from 1; leave it out for as many as there can be".to_owned())
    };
    let rate =
        Arg::new("rate").long("rate").value_name("N").value_parser(positive).allow_negative_numbers(true);
    let command = Command::new("generate")
        .about("Login events into a topic")
        .arg(
            Arg::new("topic")
                .long("topic")
                .value_name("TOPIC")
                .help("Where the events go; it must exist [default: KAFKA_INPUT_TOPIC]"),
        )
        .arg(number("count", "How many events; without it until SIGTERM or SIGINT"))
        .arg(rate.help("Events a second, at most"))
        .arg(number("seed", "The same seed gives the same events").default_value("1"))
        .arg(share("invalid", "0.05"))
        .arg(number("keys", "How many different keys; with 0 the records have none").default_value("1000"));
    with_settings(command, Reads::Generate)
}

pub(super) fn run(typed: &ArgMatches, signals: &SignalWatch) -> Result<ExitCode, Failure> {
    let sources = sources(typed)?;
    let mut resolver = Resolver::new(&sources, properties::judge);
    let kafka = resolver.kafka();
    let topic = topic(typed.get_one::<String>("topic"), &sources, &mut resolver);
    let ((kafka, topic), warnings) = resolver.finish(Reads::Generate, (kafka, topic))?;
    warn(&warnings);
    let order = Order {
        topic,
        count: typed.get_one("count").copied(),
        rate: typed.get_one("rate").copied(),
        events: Events {
            seed: *typed.get_one("seed").expect("it has a default"),
            invalid: *typed.get_one("invalid").expect("it has a default"),
            keys: *typed.get_one("keys").expect("it has a default"),
        },
    };
    feed(&kafka, &order, signals)
}

/// Where the events go; after a mistake nowhere.
fn topic(typed: Option<&String>, sources: &Sources, resolver: &mut Resolver<'_>) -> String {
    let Some(typed) = typed else {
        if sources.find(TOPIC_NAMES[0]).is_none() {
            let problem = "required, as KAFKA_INPUT_TOPIC is not set either";
            resolver.mistake(Mistake::of("--topic", problem));
        }
        return resolver.input_topic().unwrap_or_default();
    };
    values::topic(typed).unwrap_or_else(|takes| {
        let problem = format!("got {}; takes {takes}", quoted(typed));
        resolver.mistake(Mistake::of("--topic", problem));
        String::new()
    })
}

fn feed(kafka: &Kafka, order: &Order, signals: &SignalWatch) -> Result<ExitCode, Failure> {
    let topic = &order.topic;
    let found = Admin::connect(kafka)?.topics(&[topic], kafka.connect_timeout)?;
    if found.iter().flatten().next().is_none() {
        let message = format!("topic {topic} does not exist; `gristmill topics create` makes it");
        return Err(EngineError::new(Stage::Start, ExitCode::Config, message).into());
    }
    let mut feeder = Feeder::new(kafka, topic)?;
    let stop = Stop::default();
    let asked = stop.clone();
    signals.end_with(move || {
        asked.0.get_or_init(Instant::now);
    });
    let bar = progress_bar(order.count);
    let started = Instant::now();
    let refused = send_all(order, &mut feeder, &bar, &stop);
    // What was sent before an error has reports to come all the same.
    let delivered = feeder.finish(|| stop.is_over());
    bar.finish_and_clear();
    let refused = refused?;
    let seconds = started.elapsed().as_secs_f64().max(1e-3);
    say(format_args!(
        "{} into topic {topic} in {seconds:.1} s, {} a second; {} of them the contract refuses",
        counted(delivered.ok, "event"),
        grouped((delivered.ok as f64 / seconds) as u64),
        grouped(refused),
    ));
    if delivered.failed > 0 {
        let reason = feeder.first_failure().unwrap_or_default();
        let failed = counted(delivered.failed, "event");
        let message = format!("{failed} could not be delivered to topic {topic}; the first: {reason}");
        return Err(EngineError::new(Stage::Sink, ExitCode::Delivery, message).into());
    }
    let open = feeder.in_flight();
    if open > 0 {
        let open = counted(open, "event");
        let waited = show_duration(DRAIN_TIMEOUT);
        let message = format!(
            "{open} more had no answer {waited} after the signal: whether they are in topic {topic} is not known"
        );
        return Err(EngineError::new(Stage::Sink, ExitCode::DrainTimeout, message).into());
    }
    Ok(ExitCode::Clean)
}

/// Sends until the count or a signal; answers how many of the events have a flaw.
fn send_all(order: &Order, feeder: &mut Feeder, bar: &ProgressBar, stop: &Stop) -> Result<u64, EngineError> {
    const LOOK_UP_EVERY: u64 = 1_000;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let mut flawed = 0;
    let started = Instant::now();
    for number in 0..order.count.unwrap_or(u64::MAX) {
        if let Some(rate) = order.rate {
            wait_for_turn(started, number, rate, feeder, stop);
        }
        if number % LOOK_UP_EVERY == 0 {
            bar.set_position(feeder.delivered().ok);
        }
        if stop.is_asked() {
            break;
        }
        let is_flawed = order.events.write(number, &mut key, &mut value).is_some();
        let key = Some(key.as_slice()).filter(|key| !key.is_empty());
        if !feeder.send(key, &value, || stop.is_asked())? {
            break;
        }
        flawed += u64::from(is_flawed);
    }
    Ok(flawed)
}

/// Event `number` is due `number / rate` seconds after the start; reports are served until then.
fn wait_for_turn(started: Instant, number: u64, rate: NonZeroU64, feeder: &mut Feeder, stop: &Stop) {
    // Events of the same millisecond go together: a wait for each would cost more than the event.
    const GRAIN: Duration = Duration::from_millis(1);
    const SIGNAL_GRAIN: Duration = Duration::from_millis(50);
    let due = started + Duration::from_secs_f64(number as f64 / rate.get() as f64);
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left < GRAIN || stop.is_asked() {
            return;
        }
        feeder.serve(left.min(SIGNAL_GRAIN));
    }
}

/// On a terminal alone; indicatif sees to that.
pub(super) fn progress_bar(count: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(count, ProgressDrawTarget::stderr());
    let template = match count {
        Some(_) => "{wide_bar} {human_pos}/{human_len} events, {per_sec}, {eta} left",
        None => "{spinner} {human_pos} events, {per_sec}",
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is fixed"))
}
