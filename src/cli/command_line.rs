//! The command line: a subcommand's own arguments, and a flag for each setting that it reads, made from the table of settings.

use super::{
    alerts, check, demo, failure::Failure, generate, healthcheck, offsets, output, run, topics, r#try,
};
use crate::config::Sources;
use crate::config::settings::{self, SETTINGS, Setting};
use crate::error::ExitCode;
use crate::kafka::properties;
use clap::builder::{PossibleValuesParser, Styles, styling::AnsiColor};
use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const ENV_FILE: &str = "env-file";

/// Lines of the help are no longer than this, whatever the terminal is.
const HELP_COLUMNS: usize = 120;

/// The whole tree of commands.
pub fn command() -> Command {
    let (version, features) = properties::version();
    let own = env!("CARGO_PKG_VERSION");
    Command::new("gristmill")
        .about("Moves JSON events from one Kafka topic to another: checks each against a contract, enriches it, \
                dead-letters what fails")
        .version(format!("{own} (librdkafka {version})"))
        .long_version(format!("{own}\nlibrdkafka {version} ({features})"))
        .styles(Styles::styled().header(AnsiColor::Green.on_default().bold()).literal(AnsiColor::Cyan.on_default()))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .max_term_width(HELP_COLUMNS)
        .disable_help_subcommand(true)
        .after_help("Every setting is an environment variable and, but for secrets, a flag; `gristmill run --help` lists all that the engine reads.\n\
                     Exit codes: 0 done, 1 not ready (healthcheck), 64 usage, 65 dead letters (try), 69 no broker, 70 a bug, \
                     74 delivery impossible, 75 drain cut short, 76 too many dead letters, 77 refused, 78 configuration, 130 or 143 ended by a signal \
                     without a drain.")
        .subcommands([
            run::command(),
            demo::command(),
            r#try::command(),
            generate::command(),
            check::command(),
            topics::command(),
            offsets::command(),
            alerts::command(),
            healthcheck::command(),
            Command::new("completions")
                .about("Print a completion script for a shell")
                .arg(Arg::new("shell").required(true).value_name("SHELL").value_parser(clap::value_parser!(Shell))),
        ])
}

/// Help and version go to standard output and are a success; what cannot be understood is 64.
pub(super) fn answer(answer: &clap::Error) -> ExitCode {
    // A reader that has gone away is no error of ours.
    drop(answer.print());
    match answer.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::Clean,
        _ => ExitCode::Usage,
    }
}

/// `completions SHELL`.
pub(super) fn completions(typed: &ArgMatches) -> Result<ExitCode, Failure> {
    let shell = *typed.get_one::<Shell>("shell").expect("clap requires it");
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "gristmill", &mut script);
    output::say(format_args!("{}", String::from_utf8_lossy(&script).trim_end()));
    output::written()
}

/// Adds the flags of the settings that a command reads, and says what comes from the environment alone.
pub(super) fn with_settings(command: Command, reads: settings::Command) -> Command {
    let read = || SETTINGS.iter().filter(move |setting| reads.reads(setting));
    let file = Arg::new(ENV_FILE)
        .long(ENV_FILE)
        .value_name("PATH")
        .value_parser(clap::value_parser!(PathBuf))
        .help("Settings from a file of NAME=value lines, weaker than flags and environment");
    let secrets: Vec<String> = read()
        .filter(|setting| setting.secret)
        .map(|secret| format!("  {:<28}{}", secret.variable, secret.help))
        .collect();
    let mut notes = vec![
        "Each setting is its flag, else its environment variable, else a line of --env-file, else the \
                          default."
            .to_owned(),
    ];
    if !secrets.is_empty() {
        notes.push(format!("Secrets, from environment or file alone:\n{}", secrets.join("\n")));
        notes.push(
            "Further properties of the Kafka clients, from environment or file alone:\n  \
             KAFKA_CONSUMER__fetch_wait_max_ms=50, KAFKA_PRODUCER__linger_ms=5"
                .to_owned(),
        );
    }
    // The last of repeated flags counts, so that a script can add to a line of defaults.
    command.args_override_self(true).arg(file).args(read().filter_map(flag)).after_help(notes.join("\n\n"))
}

fn flag(setting: &'static Setting) -> Option<Arg> {
    let flag = setting.flag?;
    let default =
        if setting.default.is_empty() { String::new() } else { format!(" [default: {}]", setting.default) };
    let arg = Arg::new(setting.variable)
        .long(flag)
        .value_name(setting.hint)
        .help(format!("{} [{}]{default}", setting.help, setting.variable))
        .help_heading(setting.heading.as_str());
    Some(if setting.hint == "BOOL" {
        // `--allow-insecure` alone means yes, whatever flag comes next.
        arg.num_args(0..=1).default_missing_value("true")
    } else {
        arg.allow_hyphen_values(true)
    })
}

/// `--format`, for commands whose results programs read too.
pub(super) fn format() -> Arg {
    Arg::new("format")
        .long("format")
        .value_name("FORMAT")
        .value_parser(PossibleValuesParser::new(["text", "json"]))
        .default_value("text")
        .help("text for people, json for programs: one object a line")
}

/// Whether `--format json` was typed.
pub(super) fn is_json(typed: &ArgMatches) -> bool {
    typed.get_one::<String>("format").is_some_and(|format| format == "json")
}

/// A time as RFC 3339 has it.
pub(super) fn point_in_time(text: &str) -> Result<SystemTime, String> {
    let time = OffsetDateTime::parse(text, &Rfc3339);
    time.map(SystemTime::from).map_err(|_| "takes a time such as 2026-01-01T00:00:00Z".to_owned())
}

/// What was set, on the command line, in the environment and in the file of `--env-file`.
pub(super) fn sources(typed: &ArgMatches) -> Result<Sources, Failure> {
    let mut sources = typed_and_environment(typed);
    if let Some(path) = typed.get_one::<PathBuf>(ENV_FILE) {
        sources.read_env_file(path)?;
    }
    Ok(sources)
}

/// The same without the file.
pub(super) fn typed_and_environment(typed: &ArgMatches) -> Sources {
    let mut sources = Sources::from_environment(std::env::vars_os());
    for setting in SETTINGS.iter().filter(|setting| setting.flag.is_some()) {
        if let Ok(Some(value)) = typed.try_get_one::<String>(setting.variable) {
            sources.set_flag(setting.variable, value.clone());
        }
    }
    sources
}
