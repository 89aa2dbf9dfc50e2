//! `offsets`: where a group stands in the input topic, and where it is to go on: a replay from a time, or a start after a mirror.
//!
//! Offsets are moved for a group without members alone. The broker sees to that: it refuses a commit from outside while there are
//! any, so nothing can happen between a look and the order.

mod table;

use self::table::{Move, Standing};
use super::audit::Deed;
use super::command_line::{format, is_json, point_in_time, sources, with_settings};
use super::failure::Failure;
use super::output::{say, tell, warn};
use crate::config::settings::Command as Reads;
use crate::config::{Kafka, LogOutput, Mistake, Resolver};
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::admin::{Admin, Moved};
use crate::kafka::properties;
use crate::telemetry::init_audit;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use std::io::{IsTerminal, stderr};
use std::time::{Duration, SystemTime};

/// An order is answered when all replicas have heard of it.
const ORDER_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn command() -> Command {
    let goal = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let show = Command::new("show")
        .about("The group's committed offsets, the topic's first and end offsets, and the lag")
        .arg(format());
    let reset = Command::new("reset")
        .about("Let the group go on elsewhere; refused while it has members")
        .arg(
            Arg::new("to-time")
                .long("to-time")
                .value_name("TIME")
                .value_parser(point_in_time)
                .help("At the first record from this time on, such as 2026-01-01T00:00:00Z; at the end where there is none"),
        )
        .arg(goal("to-earliest", "At the first record that is there"))
        .arg(goal("to-latest", "At the end: what is there is skipped"))
        .arg(
            Arg::new("to-offset")
                .long("to-offset")
                .value_name("OFFSET")
                .value_parser(clap::value_parser!(i64).range(0..))
                .allow_negative_numbers(true)
                .help("At this offset, in each partition that is meant"),
        )
        .group(ArgGroup::new("goal").args(["to-time", "to-earliest", "to-latest", "to-offset"]).required(true))
        .arg(
            Arg::new("partition")
                .long("partition")
                .value_name("N,…")
                .value_delimiter(',')
                .value_parser(clap::value_parser!(i32).range(0..))
                .help("These partitions alone"),
        )
        .arg(goal("dry-run", "Say what would be done, and change nothing"))
        .arg(format());
    Command::new("offsets")
        .about("Show where the group stands, or let it go on elsewhere")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands([show, reset].map(|command| with_settings(command, Reads::Offsets)))
}

/// What both orders are about.
struct Subject {
    kafka: Kafka,
    group: String,
    topic: String,
    log: LogOutput,
}

pub(super) fn run(typed: &ArgMatches) -> Result<ExitCode, Failure> {
    let (order, typed) = typed.subcommand().expect("clap requires one");
    let subject = resolve(typed)?;
    let admin = Admin::connect(&subject.kafka)?;
    match order {
        "show" => show(&admin, &subject, is_json(typed))?,
        _ => reset(&admin, &subject, typed)?,
    }
    Ok(ExitCode::Clean)
}

fn resolve(typed: &ArgMatches) -> Result<Subject, Failure> {
    let sources = sources(typed)?;
    let mut resolver = Resolver::new(&sources, properties::judge);
    let topic = resolver.input_topic();
    if sources.find("KAFKA_INPUT_TOPIC").is_none() {
        let problem = "required, but not set: the topic whose offsets are meant";
        resolver.mistake(Mistake::about(&["KAFKA_INPUT_TOPIC"], problem));
    }
    let subject = Subject {
        kafka: resolver.kafka(),
        group: resolver.group_id(),
        topic: topic.unwrap_or_default(),
        log: resolver.log_output(stderr().is_terminal()),
    };
    let (subject, warnings) = resolver.finish(Reads::Offsets, subject)?;
    warn(&warnings);
    Ok(subject)
}

fn show(admin: &Admin, subject: &Subject, json: bool) -> Result<(), EngineError> {
    let Subject { kafka, group, topic, .. } = subject;
    let standings = standings(admin, subject)?;
    let members = admin.members(group, kafka.connect_timeout)?;
    if json {
        standings
            .iter()
            .for_each(|standing| say(format_args!("{}", standing.json(group, topic, members.len()))));
        return Ok(());
    }
    let who = if members.is_empty() { "no members".to_owned() } else { table::listed(&members) };
    say(format_args!("group {group}: {who}"));
    say(format_args!("topic {topic}:"));
    say(format_args!("{}", table::of(&standings)));
    Ok(())
}

/// Where the group stands in each partition.
fn standings(admin: &Admin, subject: &Subject) -> Result<Vec<Standing>, EngineError> {
    let Subject { kafka, group, topic, .. } = subject;
    let timeout = kafka.connect_timeout;
    let facts = admin.topics(&[topic.as_str()], timeout)?.pop().flatten().ok_or_else(|| {
        refused(format!("topic {topic} (KAFKA_INPUT_TOPIC) does not exist; correct the name"))
    })?;
    let committed = admin.committed(group, topic, facts.partitions, timeout)?;
    let mut standings = Vec::with_capacity(committed.len());
    for (partition, committed) in (0..).zip(committed) {
        let (first, end) = admin.watermarks(topic, partition, timeout)?;
        standings.push(Standing { partition, committed, first, end });
    }
    Ok(standings)
}

fn reset(admin: &Admin, subject: &Subject, typed: &ArgMatches) -> Result<(), EngineError> {
    let Subject { kafka, group, topic, log } = subject;
    let standings = chosen(standings(admin, subject)?, typed)?;
    let moves = goals(admin, subject, standings, typed)?;
    let dry_run = typed.get_flag("dry-run");
    if dry_run {
        let members = admin.members(group, kafka.connect_timeout)?;
        if !members.is_empty() {
            tell(format_args!("note: {}", in_use(group, &members)));
        }
    } else {
        // Before anything is changed: what cannot be written down is not done.
        init_audit(log)?;
        let mut deed = Deed::default();
        match order(admin, subject, &moves) {
            Ok(()) => deed.done = moves.iter().map(|moved| moved.text(topic)).collect(),
            Err(error) => deed.failed = Some(error),
        }
        deed.audit("offsets reset", Some(group), kafka)?;
    }
    for moved in &moves {
        match is_json(typed) {
            true => say(format_args!("{}", moved.json(group, topic, dry_run))),
            false => say(format_args!("{}", moved.text(topic))),
        }
    }
    if dry_run {
        tell(format_args!("dry run: nothing was changed"));
    }
    Ok(())
}

/// The partitions that are meant: all, or those of `--partition`.
fn chosen(standings: Vec<Standing>, typed: &ArgMatches) -> Result<Vec<Standing>, EngineError> {
    let Some(named) = typed.get_many::<i32>("partition") else { return Ok(standings) };
    let named: Vec<i32> = named.copied().collect();
    if let Some(missing) = named.iter().find(|named| !standings.iter().any(|at| at.partition == **named)) {
        let last = standings.len().saturating_sub(1);
        return Err(refused(format!("--partition: there is no partition {missing}; they are 0 to {last}")));
    }
    Ok(standings.into_iter().filter(|standing| named.contains(&standing.partition)).collect())
}

/// Where each partition goes on.
fn goals(
    admin: &Admin,
    subject: &Subject,
    standings: Vec<Standing>,
    typed: &ArgMatches,
) -> Result<Vec<Move>, EngineError> {
    if let Some(time) = typed.get_one::<SystemTime>("to-time") {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let time_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let partitions: Vec<i32> = standings.iter().map(|standing| standing.partition).collect();
        let found = admin.offsets_at(&subject.topic, &partitions, time_ms, subject.kafka.connect_timeout)?;
        let moves = standings.into_iter().zip(found);
        return Ok(moves.map(|(from, to)| Move { to: to.unwrap_or(from.end), from }).collect());
    }
    if let Some(&to) = typed.get_one::<i64>("to-offset") {
        let outside: Vec<String> = standings
            .iter()
            .filter(|at| !(at.first..=at.end).contains(&to))
            .map(|at| format!("partition {} has {} to {}", at.partition, at.first, at.end))
            .collect();
        if !outside.is_empty() {
            let message = format!(
                "--to-offset: {to} is not there: {}; --partition narrows it down",
                outside.join(", ")
            );
            return Err(refused(message));
        }
        return Ok(standings.into_iter().map(|from| Move { from, to }).collect());
    }
    let latest = typed.get_flag("to-latest");
    let goal = |from: Standing| Move { to: if latest { from.end } else { from.first }, from };
    Ok(standings.into_iter().map(goal).collect())
}

/// Has the broker do it.
fn order(admin: &Admin, subject: &Subject, moves: &[Move]) -> Result<(), EngineError> {
    let Subject { kafka, group, topic, .. } = subject;
    let offsets: Vec<(i32, i64)> = moves.iter().map(|moved| (moved.from.partition, moved.to)).collect();
    match admin.move_offsets(group, topic, &offsets, ORDER_TIMEOUT)? {
        Moved::Done => Ok(()),
        Moved::GroupInUse => {
            // Only for the words: that there were some is known.
            let members = admin.members(group, kafka.connect_timeout).unwrap_or_default();
            Err(refused(format!("nothing was changed: {}", in_use(group, &members))))
        }
    }
}

fn in_use(group: &str, members: &[String]) -> String {
    let who = if members.is_empty() { "members".to_owned() } else { table::listed(members) };
    format!(
        "group {group} has {who}, and the broker moves offsets only for a group without any; stop them all (one that was killed, \
         or stopped with GRISTMILL_INSTANCE_ID and without --leave, counts until its session ends: KAFKA_SESSION_TIMEOUT)"
    )
}

fn refused(message: String) -> EngineError {
    EngineError::new(Stage::Start, ExitCode::Config, message)
}
