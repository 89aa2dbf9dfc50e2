//! `run`: the main job.

use super::command_line::{sources, typed_and_environment, with_settings};
use super::contract;
use super::failure::Failure;
use super::output::{log_errors, say, tell};
use super::signals::SignalWatch;
use crate::config::settings::Command as Reads;
use crate::config::{Config, Resolver, Sources, Telemetry};
use crate::contract::Plan;
use crate::engine::{Engine, Prepared, RunOptions};
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::properties;
use crate::telemetry::init_logs;
use crate::telemetry::percentile_files::PercentileFiles;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::io::{self, IsTerminal};
use std::path::PathBuf;

pub(super) fn command() -> Command {
    let command = Command::new("run")
        .about("Consume, check, enrich, produce, until SIGTERM or SIGINT")
        .arg(
            Arg::new("until-end")
                .long("until-end")
                .action(ArgAction::SetTrue)
                .help("Stop when the group is where the end of the input topic was at start"),
        )
        .arg(
            Arg::new("leave")
                .long("leave")
                .action(ArgAction::SetTrue)
                .help("Leave the group at the end, even as a static member"),
        )
        .arg(
            Arg::new("histogram-file")
                .long("histogram-file")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Write the latencies at the end, one file a stage: FILE.hgrm becomes FILE.queue.hgrm and so on"),
        );
    with_settings(command, Reads::Run)
}

pub(super) fn run(typed: &ArgMatches, signals: &SignalWatch) -> Result<ExitCode, Failure> {
    let sources = match sources(typed) {
        Ok(sources) => sources,
        Err(failure) => {
            log_from_now_on(&typed_and_environment(typed))?;
            return Err(failure);
        }
    };
    log_from_now_on(&sources)?;
    let ((config, plan), warnings) = resolve(&sources)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    note_shipping(&config.telemetry);
    let log_file = config.telemetry.log.file.clone();
    let options = RunOptions { until_end: typed.get_flag("until-end"), leave: typed.get_flag("leave") };
    let prepared = Prepared::new(config, plan, options)?;
    let histograms = typed.get_one::<PathBuf>("histogram-file").map(|path| PercentileFiles::create(path));
    let histograms = histograms.transpose().map_err(unwritable)?;
    signals.drain(prepared.shutdown());
    let engine = Engine::start(prepared)?;
    let metrics = engine.metrics().clone();
    let report = engine.join();
    metrics.report().log();
    if let Some(Err(error)) = histograms.map(|files| files.write(&metrics.snapshot().latencies)) {
        tracing::error!("{}", unwritable(error));
    }
    if let (Some(failure), Some(_)) = (&report.failure, &log_file) {
        tell(format_args!("error: {failure}"));
    }
    say(format_args!("{report}"));
    Ok(report.exit_code())
}

/// Before the rest, so that its mistakes are told in the form that the log has.
fn log_from_now_on(sources: &Sources) -> Result<(), EngineError> {
    let telemetry = Resolver::new(sources, properties::judge).telemetry(std::io::stderr().is_terminal());
    log_errors(&telemetry.log);
    init_logs(&telemetry)
}

/// Whoever names a log service may believe that lines get there by that alone.
fn note_shipping(telemetry: &Telemetry) {
    let service = telemetry.log.format.service();
    let variables = telemetry.shipping.join(", ");
    if service.is_some() || !variables.is_empty() {
        tracing::info!(
            service,
            read_by_the_agent = (!variables.is_empty()).then_some(variables),
            "log lines are written, not sent: shipping them is an agent's job (deploy/logging configures one)"
        );
    }
}

/// The whole configuration and its contract, as `run` would have them.
pub(super) fn resolve(sources: &Sources) -> Result<((Config, Plan), Vec<String>), Failure> {
    let mut resolver = Resolver::new(sources, properties::judge);
    let config = resolver.config(std::io::stderr().is_terminal());
    let plan = contract::read(config.contract.as_deref(), &mut resolver);
    Ok(resolver.finish(Reads::Run, (config, plan))?)
}

fn unwritable((path, error): (PathBuf, io::Error)) -> EngineError {
    let message = format!("--histogram-file: {} cannot be written: {error}", path.display());
    EngineError::new(Stage::Start, ExitCode::Config, message)
}
