//! `try`: the contract over lines of JSON, without Kafka.

use super::command_line::{self, is_json, point_in_time, sources, with_settings};
use super::contract;
use super::failure::Failure;
use super::try_events::{self, Format};
use crate::config::Resolver;
use crate::config::settings::Command as Reads;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::properties;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub(super) fn command() -> Command {
    let command = Command::new("try")
        .about("Judge lines of JSON from a file or standard input by the contract; no Kafka")
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("One event a line; standard input without it, or with -"),
        )
        .arg(command_line::format())
        .arg(
            Arg::new("now")
                .long("now")
                .value_name("TIME")
                .value_parser(point_in_time)
                .help("The clock stands at this time, such as 2026-01-01T00:00:00Z"),
        )
        .arg(
            Arg::new("fail-on-dead-letter")
                .long("fail-on-dead-letter")
                .action(ArgAction::SetTrue)
                .help("Exit with 65 if an event is refused"),
        );
    with_settings(command, Reads::Try)
}

pub(super) fn run(typed: &ArgMatches) -> Result<ExitCode, Failure> {
    let sources = sources(typed)?.without_kafka();
    let mut resolver = Resolver::new(&sources, properties::judge);
    let path = resolver.contract();
    let plan = contract::read(path.as_deref(), &mut resolver);
    let (plan, _) = resolver.finish(Reads::Try, plan)?;
    let now = typed.get_one::<SystemTime>("now").copied().unwrap_or_else(SystemTime::now);
    let format = if is_json(typed) { Format::Json } else { Format::Text };
    let events = open(typed.get_one::<PathBuf>("file").map(PathBuf::as_path))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let counts = match try_events::run(&plan, events, now, format, &mut out, &mut std::io::stderr().lock()) {
        Ok(counts) => counts,
        // A reader that has gone away (`| head`) has seen what it wanted.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::Clean),
        Err(error) => return Err(failed(format!("reading events or writing verdicts: {error}"))),
    };
    if counts.dead_letters > 0 && typed.get_flag("fail-on-dead-letter") {
        return Ok(ExitCode::DeadLetter);
    }
    Ok(ExitCode::Clean)
}

/// The file, or standard input.
fn open(path: Option<&Path>) -> Result<Box<dyn BufRead>, Failure> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        return Ok(Box::new(std::io::stdin().lock()));
    };
    let file =
        File::open(path).map_err(|error| failed(format!("{} cannot be read: {error}", path.display())))?;
    Ok(Box::new(BufReader::new(file)))
}

fn failed(message: String) -> Failure {
    EngineError::new(Stage::Start, ExitCode::Usage, message).into()
}
