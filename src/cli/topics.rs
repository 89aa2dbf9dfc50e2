//! `topics`: the three topics, or those of `KAFKA_CREATE_TOPICS`: make them, list them, give them more partitions.

use super::audit::Deed;
use super::command_line::{sources, with_settings};
use super::failure::Failure;
use super::output::{counted, grouped, say, tell, warn};
use crate::config::settings::{Command as Reads, TOPIC_NAMES};
use crate::config::{Kafka, LogOutput, Mistake, NewTopic, Resolver};
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::admin::{Admin, Created, CreatedTopic};
use crate::kafka::properties;
use crate::telemetry::init_audit;
use clap::{Arg, ArgMatches, Command};
use std::io::{IsTerminal, stderr};
use std::time::Duration;

/// An order is answered when all replicas have heard of it.
const ORDER_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn command() -> Command {
    let number = |name: &'static str, max: i64, help: &'static str| {
        let parser = clap::value_parser!(i32).range(1..=max);
        Arg::new(name).long(name).value_name("N").value_parser(parser).help(help)
    };
    let partitions =
        || number("partitions", 100_000, "How many partitions each topic has [default: the broker's]");
    let replication =
        number("replication-factor", 1_000, "How many replicas each partition has [default: the broker's]");
    let create = Command::new("create")
        .about("Make the topics; one that is there already stays as it is")
        .args([partitions(), replication]);
    let list = Command::new("list").about("What the topics are like; without any named, all of the cluster");
    let alter =
        Command::new("alter")
            .about("Give the topics more partitions; keys move to other partitions by it")
            .arg(partitions().help(
                "How many partitions each topic is to have that KAFKA_CREATE_TOPICS names no number for",
            ));
    Command::new("topics")
        .about("Make, list or enlarge the three topics")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommands([create, list, alter].map(|command| with_settings(command, Reads::Topics)))
}

pub(super) fn run(typed: &ArgMatches) -> Result<ExitCode, Failure> {
    let (order, typed) = typed.subcommand().expect("clap requires one");
    let (kafka, topics, log) = resolve(typed, order)?;
    let admin = Admin::connect(&kafka)?;
    if order == "list" {
        list(&admin, &topics, kafka.connect_timeout)?;
        return Ok(ExitCode::Clean);
    }
    // Before anything is changed: what cannot be written down is not done.
    init_audit(&log)?;
    let mut deed = Deed::default();
    let ended = match order {
        "create" => create(&admin, &topics, &mut deed.done),
        _ => alter(&admin, &topics, kafka.connect_timeout, &mut deed.done),
    };
    deed.done.iter().for_each(|line| say(format_args!("{line}")));
    deed.failed = ended.err();
    deed.audit(&format!("topics {order}"), None, &kafka)?;
    Ok(ExitCode::Clean)
}

/// The cluster, the topics with the numbers that are meant, and where the audit line goes. Numbers beside a topic's name go before those
/// of the flags.
fn resolve(typed: &ArgMatches, order: &str) -> Result<(Kafka, Vec<NewTopic>, LogOutput), Failure> {
    let sources = sources(typed)?;
    let mut resolver = Resolver::new(&sources, properties::judge);
    let kafka = resolver.kafka();
    let log = resolver.log_output(stderr().is_terminal());
    let listed = resolver.create_topics();
    let mut topics = match listed {
        Some(topics) => topics,
        None => {
            let names = resolver.topic_names().into_iter().flatten();
            names.map(|name| NewTopic { name, partitions: None, replication: None }).collect()
        }
    };
    let none_is_set =
        TOPIC_NAMES.iter().chain(&["KAFKA_CREATE_TOPICS"]).all(|name| sources.find(name).is_none());
    if none_is_set && order != "list" {
        let problem = "none is set, nor is KAFKA_CREATE_TOPICS (--create-topics)";
        resolver.mistake(Mistake::about(&TOPIC_NAMES, problem));
    }
    // An order may not know the flag.
    let flag = |name| typed.try_get_one::<i32>(name).ok().flatten().copied();
    for topic in &mut topics {
        topic.partitions = topic.partitions.or(flag("partitions"));
        topic.replication = topic.replication.or(flag("replication-factor"));
    }
    let countless = topics.iter().filter(|topic| topic.partitions.is_none()).map(|topic| topic.name.as_str());
    let countless: Vec<&str> = countless.collect();
    if order == "alter" && !countless.is_empty() {
        let names = countless.join(", ");
        let problem = format!("required, as KAFKA_CREATE_TOPICS names no number for {names}");
        resolver.mistake(Mistake::of("--partitions", problem));
    }
    let (resolved, warnings) = resolver.finish(Reads::Topics, (kafka, topics, log))?;
    warn(&warnings);
    Ok(resolved)
}

fn create(admin: &Admin, topics: &[NewTopic], done: &mut Vec<String>) -> Result<(), EngineError> {
    let (made, refused) = sum_up(admin.create(topics, ORDER_TIMEOUT)?);
    done.extend(made);
    refused.map_or(Ok(()), Err)
}

/// A line for each topic that is there now, and one error for all that are not.
fn sum_up(topics: Vec<CreatedTopic>) -> (Vec<String>, Option<EngineError>) {
    let mut made = Vec::new();
    let mut refused: Option<EngineError> = None;
    for (name, outcome) in topics {
        match outcome {
            Ok(Created::New) => made.push(format!("{name}: created")),
            Ok(Created::AlreadyThere) => made.push(format!("{name}: there already, left as it is")),
            Err(error) => match &mut refused {
                Some(first) => first.message = format!("{}; {error}", first.message),
                None => refused = Some(error),
            },
        }
    }
    (made, refused)
}

fn list(admin: &Admin, topics: &[NewTopic], timeout: Duration) -> Result<(), Failure> {
    let names: Vec<String> = if topics.is_empty() {
        admin.topic_names(timeout)?
    } else {
        topics.iter().map(|topic| topic.name.clone()).collect()
    };
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    for (name, facts) in names.iter().zip(admin.topics(&asked, timeout)?) {
        let Some(facts) = facts else {
            say(format_args!("{name}: does not exist"));
            continue;
        };
        let partitions = counted(facts.partitions.unsigned_abs().into(), "partition");
        match facts.max_message_bytes {
            Some(bytes) => {
                say(format_args!("{name}: {partitions}, max.message.bytes {}", grouped(bytes as u64)))
            }
            None => say(format_args!("{name}: {partitions}")),
        }
    }
    Ok(())
}

fn alter(
    admin: &Admin,
    topics: &[NewTopic],
    timeout: Duration,
    done: &mut Vec<String>,
) -> Result<(), EngineError> {
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    for (topic, facts) in topics.iter().zip(admin.topics(&names, timeout)?) {
        let name = &topic.name;
        let count = topic.partitions.expect("a mistake where there is none");
        let refused = |why: String| EngineError::new(Stage::Start, ExitCode::Config, why);
        let facts = facts.ok_or_else(|| {
            refused(format!("topic {name} does not exist; `gristmill topics create` makes it"))
        })?;
        if facts.partitions == count {
            done.push(format!("{name}: has {} already", counted(count.unsigned_abs().into(), "partition")));
            continue;
        }
        if facts.partitions > count {
            let has = facts.partitions;
            return Err(refused(format!("topic {name} has {has} partitions; Kafka cannot take any away")));
        }
        tell(format_args!(
            "warning: {name}: keys move to other partitions, so events of one key that are under way may overtake each other"
        ));
        admin.create_partitions(name, count, ORDER_TIMEOUT)?;
        done.push(format!("{name}: {count} partitions, were {}", facts.partitions));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_said_though_others_were_refused() {
        let refusal = |code, message: &str| Err(EngineError::new(Stage::Start, code, message));
        let (made, refused) = sum_up(vec![
            ("a".to_owned(), Ok(Created::New)),
            ("b".to_owned(), refusal(ExitCode::Refused, "not b")),
            ("c".to_owned(), Ok(Created::AlreadyThere)),
            ("d".to_owned(), refusal(ExitCode::Config, "not d")),
        ]);
        assert_eq!(made, ["a: created", "c: there already, left as it is"]);
        let refused = refused.expect("two were refused");
        assert_eq!((refused.code, refused.message.as_str()), (ExitCode::Refused, "not b; not d"));
        assert!(sum_up(vec![("a".to_owned(), Ok(Created::New))]).1.is_none());
    }
}
