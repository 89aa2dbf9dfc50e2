//! `healthcheck`: asks the running engine whether it is ready, for containers without a shell.

use super::command_line::{sources, with_settings};
use super::failure::Failure;
use super::output::{say, tell};
use crate::config::Resolver;
use crate::config::settings::Command as Reads;
use crate::error::ExitCode;
use crate::kafka::properties;
use crate::telemetry::http::ask_ready;
use clap::{ArgMatches, Command};
use std::time::Duration;

/// A probe that takes longer has its own time limit anyway.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn command() -> Command {
    let command = Command::new("healthcheck").about("Ask the running engine's /readyz: exit 0 or 1");
    with_settings(command, Reads::Healthcheck)
}

pub(super) fn run(typed: &ArgMatches) -> Result<ExitCode, Failure> {
    let sources = sources(typed)?.without_kafka();
    let mut resolver = Resolver::new(&sources, properties::judge);
    let address = resolver.http_addr();
    let (address, _) = resolver.finish(Reads::Healthcheck, address)?;
    let Some(address) = address.filter(|address| address.port() != 0) else {
        tell(format_args!("not ready: GRISTMILL_HTTP_ADDR names no port that could be asked"));
        return Ok(ExitCode::NotReady);
    };
    match ask_ready(address, ANSWER_TIMEOUT) {
        Ok((true, answer)) => {
            say(format_args!("{}", answer.trim_end()));
            Ok(ExitCode::Clean)
        }
        Ok((false, answer)) => {
            tell(format_args!("not ready: {}", answer.trim_end()));
            Ok(ExitCode::NotReady)
        }
        Err(error) => {
            tell(format_args!("not ready: {error}"));
            Ok(ExitCode::NotReady)
        }
    }
}
