//! `run`: the main job.

use super::check::read_contract;
use super::command_line::{sources, with_settings};
use super::failure::Failure;
use super::output::{log_errors, say};
use super::signals::SignalWatch;
use crate::config::settings::Command as Reads;
use crate::config::{Config, Resolver, Sources};
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
                .help("Stop where the end of the input topic was at start"),
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
    let sources = sources(typed)?;
    // Before the rest, so that its mistakes are told in the form that was asked for.
    init_logs(&Resolver::new(&sources, properties::judge).telemetry(std::io::stderr().is_terminal()));
    if sources.find("LOG_FORMAT").is_some_and(|format| format.value.eq_ignore_ascii_case("json")) {
        log_errors();
    }
    let (config, warnings) = resolve(&sources)?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let plan = read_contract(config.contract.as_deref())?;
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
    say(format_args!("{report}"));
    Ok(report.exit_code())
}

/// The whole configuration, as `run` would have it.
pub(super) fn resolve(sources: &Sources) -> Result<(Config, Vec<String>), Failure> {
    let mut resolver = Resolver::new(sources, properties::judge);
    let config = resolver.config(std::io::stderr().is_terminal());
    Ok(resolver.finish(Reads::Run, config)?)
}

fn unwritable((path, error): (PathBuf, io::Error)) -> EngineError {
    let message = format!("--histogram-file: {} cannot be written: {error}", path.display());
    EngineError::new(Stage::Start, ExitCode::Config, message)
}
