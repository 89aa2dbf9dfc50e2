//! `check`: everything that `run` looks at before it starts, told; nothing is written.

use super::command_line::{sources, with_settings};
use super::failure::Failure;
use super::output::{counted, grouped, say, tell, warn};
use super::run;
use crate::config::settings::Command as Reads;
use crate::config::values::{show_duration, show_size};
use crate::config::{Config, Delivery, Limits, OffsetReset};
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::admin::{Admin, TopicFacts};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) fn command() -> Command {
    let command = Command::new("check")
        .about("Check configuration, contract, connection, topics and group, and say what run would do; it reads and writes no \
                record, so access for that is not checked")
        .arg(
            Arg::new("offline")
                .long("offline")
                .action(ArgAction::SetTrue)
                .help("Configuration and contract alone, without a connection"),
        );
    with_settings(command, Reads::Run)
}

pub(super) fn run(typed: &ArgMatches) -> Result<ExitCode, Failure> {
    note_unread_file(typed);
    let ((config, contract), warnings) = run::resolve(&sources(typed)?)?;
    warn(&warnings);
    report("configuration", format_args!("in order"));
    report("contract", format_args!("{} ({})", contract.name(), origin(&config)));
    report_limits(&config);
    if typed.get_flag("offline") {
        report("cluster", format_args!("not asked (--offline)"));
        report_plan(&config);
        return Ok(ExitCode::Clean);
    }
    let admin = Admin::connect(&config.kafka)?;
    let protocol = config.kafka.security.protocol.as_deref().unwrap_or("plaintext");
    report("cluster", format_args!("{} answers over {protocol}", config.kafka.bootstrap_servers));
    let input = check_topics(&admin, &config)?;
    check_group(&admin, &config, input.partitions)?;
    report_access(&config);
    report_plan(&config);
    Ok(ExitCode::Clean)
}

/// `.env` is for compose; who expects it to be read here should hear that it is not.
fn note_unread_file(typed: &ArgMatches) {
    let read: Option<&PathBuf> = typed.get_one("env-file");
    let same = |path: &PathBuf| path.canonicalize().ok() == Path::new(".env").canonicalize().ok();
    if Path::new(".env").is_file() && !read.is_some_and(same) {
        tell(format_args!("note: a file .env lies here and is not read; --env-file .env would read it"));
    }
}

/// The three topics: they must exist, and a record of the input must fit into memory.
fn check_topics(admin: &Admin, config: &Config) -> Result<TopicFacts, Failure> {
    let topics = &config.topics;
    let names = [topics.input.as_str(), topics.output.as_str(), topics.dead_letter.as_str()];
    let found = admin.topics(&names, config.kafka.connect_timeout)?;
    let mut missing = Vec::new();
    for ((name, facts), label) in
        names.iter().zip(&found).zip(["input topic", "output topic", "dead letters"])
    {
        match facts {
            Some(facts) => report(label, format_args!("{}", describe(facts))),
            None => {
                report(label, format_args!("{name} does not exist"));
                missing.push(*name);
            }
        }
    }
    let mut found = found.into_iter().flatten();
    let (Some(input), true) = (found.next(), missing.is_empty()) else {
        let message =
            format!("missing in the cluster: {}; `gristmill topics create` makes them", missing.join(", "));
        return Err(EngineError::new(Stage::Start, ExitCode::Config, message).into());
    };
    let records = count_records(admin, &input, config.kafka.connect_timeout)?;
    report("input", format_args!("every leader answers, {}", counted(records, "offset")));
    for other in found.filter(|other| other.record_bytes_max() < input.record_bytes_max()) {
        let (given, taken) = (input.record_bytes_max() as u64, other.record_bytes_max() as u64);
        let (given, taken) = (grouped(given), grouped(taken));
        tell(format_args!(
            "note: {} takes records up to {taken} bytes, the input gives up to {given}",
            other.name
        ));
    }
    let needed = Limits::smallest_for_record(input.record_bytes_max(), config.pipeline.source_threads);
    if config.limits.memory_bytes < needed {
        let message = format!(
            "GRISTMILL_MEMORY_LIMIT (--memory-limit) is {}, but a record of topic {} may have {} bytes: it takes at least {}",
            show_size(config.limits.memory_bytes),
            input.name,
            grouped(input.record_bytes_max() as u64),
            show_size(needed.next_multiple_of(1 << 20)),
        );
        return Err(EngineError::new(Stage::Start, ExitCode::Config, message).into());
    }
    Ok(input)
}

/// Whether reading and writing are allowed shows by doing it alone.
fn report_access(config: &Config) {
    let (topics, group) = (&config.topics, &config.group.id);
    report("access", format_args!("not checked beyond DESCRIBE; run is the first to need"));
    report(
        "",
        format_args!(
            "READ on {} and group {group}, WRITE on {} and {}",
            topics.input, topics.output, topics.dead_letter
        ),
    );
    if let Delivery::ExactlyOnce { transactional_id, .. } = &config.delivery {
        report("", format_args!("and WRITE on transactional id {transactional_id}"));
    }
}

/// Asks every partition for its offsets, which shows that its leader answers us.
fn count_records(admin: &Admin, topic: &TopicFacts, timeout: Duration) -> Result<u64, Failure> {
    let mut records = 0;
    for partition in 0..topic.partitions {
        let (first, end) = admin.watermarks(&topic.name, partition, timeout)?;
        records += u64::try_from(end - first).unwrap_or_default();
    }
    Ok(records)
}

fn check_group(admin: &Admin, config: &Config, partitions: i32) -> Result<(), Failure> {
    let group = &config.group.id;
    let offsets = admin.committed(group, &config.topics.input, partitions, config.kafka.connect_timeout)?;
    let committed = offsets.iter().flatten().count();
    let start = match config.group.auto_offset_reset {
        OffsetReset::Earliest => "start at the earliest record",
        OffsetReset::Latest => "start behind the latest record",
        OffsetReset::None => "are an error (KAFKA_AUTO_OFFSET_RESET is none)",
    };
    let rest = offsets.len() - committed;
    match rest {
        0 => report("group", format_args!("{group} goes on from its committed offsets")),
        _ => report(
            "group",
            format_args!("{group} has committed offsets in {committed} partitions; {rest} {start}"),
        ),
    }
    Ok(())
}

fn describe(facts: &TopicFacts) -> String {
    let partitions = counted(facts.partitions.unsigned_abs().into(), "partition");
    match facts.max_message_bytes {
        Some(bytes) => format!("{}: {partitions}, max.message.bytes {}", facts.name, grouped(bytes as u64)),
        None => format!("{}: {partitions}, max.message.bytes is not shown to us", facts.name),
    }
}

fn origin(config: &Config) -> String {
    config.contract.as_ref().map_or_else(|| "built in".to_owned(), |path| path.display().to_string())
}

fn report_limits(config: &Config) {
    let limits = &config.limits;
    report(
        "memory",
        format_args!(
            "{}: {} in {} of up to {} records or {} bytes each",
            show_size(limits.memory_bytes),
            counted(config.pipeline.source_threads as u64, "source thread"),
            counted(limits.batches_per_source as u64, "batch").replace("batchs", "batches"),
            grouped(limits.batch_records_max as u64),
            grouped(limits.batch_bytes_max as u64),
        ),
    );
}

fn report_plan(config: &Config) {
    let topics = &config.topics;
    report(
        "run would",
        format_args!(
            "read {} as group {}, write to {} and {}, {}, with {} parsing; drain within {}",
            topics.input,
            config.group.id,
            topics.output,
            topics.dead_letter,
            config.delivery.as_str().replace('-', " "),
            counted(config.pipeline.worker_threads as u64, "thread"),
            show_duration(config.pipeline.drain_timeout),
        ),
    );
    match config.telemetry.http_addr {
        Some(address) => report("", format_args!("and serve /metrics, /livez, /readyz at {address}")),
        None => report("", format_args!("and serve no metrics (GRISTMILL_HTTP_ADDR is off)")),
    }
}

fn report(label: &str, text: std::fmt::Arguments<'_>) {
    say(format_args!("{label:<14}{text}"));
}
