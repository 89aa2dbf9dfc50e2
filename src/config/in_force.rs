//! The settings that are in force, as they may be shown: whoever looks at a running process need not guess what it was given.

use super::properties;
use super::resolve::Resolver;
use super::settings::{Command, SETTINGS};
use super::values::show_size;
use super::{Config, LogFormat};

/// A setting, its value and where that comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The environment variable.
    pub variable: String,
    /// The value as one would type it; `***` for a secret that is set, empty where nothing is.
    pub value: String,
    /// `command line`, `environment`, `file`, `default`, or `derived` where it follows from other settings or from the machine.
    pub origin: &'static str,
}

const HIDDEN: &str = "***";

impl Resolver<'_> {
    /// All that `run` reads, in the order of the help, then what is passed through to the client.
    pub(super) fn in_force(&self, config: &Config) -> Vec<InForce> {
        let read = SETTINGS.iter().filter(|setting| Command::Run.reads(setting));
        let mut all: Vec<InForce> = read
            .map(|setting| {
                let given = self.sources().find(setting.variable);
                let (value, origin) = match given {
                    Some(_) if setting.secret => (HIDDEN.to_owned(), None),
                    Some(given) => (given.value.to_owned(), None),
                    None => match derived(setting.variable, config) {
                        Some(value) => (value, Some("derived")),
                        None => (setting.default.to_owned(), Some("default")),
                    },
                };
                let origin = origin.or(given.map(|given| given.origin.as_str())).unwrap_or_default();
                InForce { variable: setting.variable.to_owned(), value, origin }
            })
            .collect();
        let clients = [
            ("KAFKA_CONSUMER__", &config.kafka.consumer_properties),
            ("KAFKA_PRODUCER__", &config.kafka.producer_properties),
        ];
        for (prefix, passed) in clients {
            all.extend(passed.iter().map(|(name, value)| {
                let value = if properties::is_sensitive(name) { HIDDEN } else { value };
                let variable = format!("{prefix}{}", name.replace('.', "_"));
                InForce { variable, value: value.to_owned(), origin: "passed through" }
            }));
        }
        all
    }
}

/// What stands for a setting that has no default and was not given.
fn derived(variable: &str, config: &Config) -> Option<String> {
    match variable {
        "KAFKA_WORKER_POOL_SIZE" => Some(config.pipeline.worker_threads.to_string()),
        "GRISTMILL_BATCH_BYTES" => Some(show_size(config.limits.batch_bytes_max)),
        "LOG_FORMAT" if config.telemetry.log.format == LogFormat::Text => Some("text".to_owned()),
        "LOG_FORMAT" => Some("json".to_owned()),
        _ => None,
    }
}
