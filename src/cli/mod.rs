//! One file a subcommand. What was typed is resolved into a [`Config`](crate::config::Config) here; nothing below knows clap.

mod alerts;
mod audit;
mod check;
mod command_line;
mod contract;
mod demo;
mod failure;
mod generate;
mod healthcheck;
mod offsets;
mod output;
mod run;
mod signals;
mod topics;
mod r#try;
pub mod try_events;

use self::failure::Failure;
use self::signals::SignalWatch;
use crate::error::ExitCode;
use clap::ArgMatches;
use std::ffi::OsString;
use std::panic::AssertUnwindSafe;

pub use command_line::command;
pub use demo::DemoOptions;
pub use generate::events;

/// Does what the command line says, and answers with the exit code. A panic has said its piece by then.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    std::panic::catch_unwind(AssertUnwindSafe(|| obey(arguments))).unwrap_or(ExitCode::Bug)
}

fn obey(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(answer) => return command_line::answer(&answer),
    };
    let outcome = SignalWatch::start().map_err(Failure::from).and_then(|signals| follow(&matches, &signals));
    outcome.unwrap_or_else(|failure| {
        output::fail(&failure);
        failure.code()
    })
}

fn follow(matches: &ArgMatches, signals: &SignalWatch) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        Some(("run", typed)) => run::run(typed, signals),
        Some(("demo", typed)) => demo::run(typed, signals),
        Some(("try", typed)) => r#try::run(typed),
        Some(("generate", typed)) => generate::run(typed, signals),
        Some(("check", typed)) => check::run(typed),
        Some(("topics", typed)) => topics::run(typed),
        Some(("offsets", typed)) => offsets::run(typed),
        Some(("alerts", typed)) => alerts::run(typed),
        Some(("healthcheck", typed)) => healthcheck::run(typed),
        Some(("completions", typed)) => command_line::completions(typed),
        _ => unreachable!("clap requires a subcommand and knows no other"),
    }
}
