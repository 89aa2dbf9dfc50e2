//! Every setting there is, in one table: its variable, its flag, its default, what it means. Help, resolution, the search for
//! a misspelt name and the documentation all read this table, so none of them can know a setting that the others do not.

mod table;

pub use table::SETTINGS;

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub variable: &'static str,
    /// The flag, without its dashes. Secrets have none: a command line is read by everybody on the machine.
    pub flag: Option<&'static str>,
    /// What stands for the value in the help.
    pub hint: &'static str,
    /// What counts when nothing is set, as one would type it; empty where there is no default.
    pub default: &'static str,
    /// What it is for.
    pub heading: Heading,
    /// What it means, in a line.
    pub help: &'static str,
    /// Never shown, not even in an error.
    pub secret: bool,
}

/// What a setting is for: the headings of the help, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    /// Topics and group.
    Topics,
    /// Where the brokers are, and how patient we are.
    Connection,
    /// TLS and SASL.
    Security,
    /// Contract, delivery, dead letters.
    Delivery,
    /// Threads, batches, memory.
    Resources,
    /// Logs, metrics, health.
    Telemetry,
}

impl Heading {
    /// The heading's text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Heading::Topics => "Topics and group",
            Heading::Connection => "Connection",
            Heading::Security => "Security",
            Heading::Delivery => "Contract and delivery",
            Heading::Resources => "Threads, batches, memory",
            Heading::Telemetry => "Logs, metrics, health",
        }
    }
}

/// A subcommand, as far as settings go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `run` and `check`.
    Run,
    /// `demo`.
    Demo,
    /// `try`.
    Try,
    /// `generate`.
    Generate,
    /// `topics`.
    Topics,
    /// `offsets`.
    Offsets,
    /// `alerts`.
    Alerts,
    /// `healthcheck`.
    Healthcheck,
}

impl Command {
    /// Whether the command looks at this setting. `demo`, `try`, `alerts` and `healthcheck` know nothing of `KAFKA_…`.
    pub fn reads(self, setting: &Setting) -> bool {
        let own = !setting.variable.starts_with("KAFKA_");
        match self {
            Command::Run => setting.variable != "KAFKA_CREATE_TOPICS",
            Command::Demo => own && !DEMO_KNOWS_BETTER.contains(&setting.variable),
            Command::Try => setting.variable == "GRISTMILL_CONTRACT",
            Command::Generate => {
                matches!(setting.heading, Heading::Connection | Heading::Security)
                    || setting.variable == "KAFKA_COMPRESSION"
            }
            Command::Topics => {
                matches!(setting.heading, Heading::Connection | Heading::Security)
                    || TOPIC_NAMES.contains(&setting.variable)
                    || setting.variable == "KAFKA_CREATE_TOPICS"
                    || AUDIT.contains(&setting.variable)
            }
            Command::Offsets => {
                matches!(setting.heading, Heading::Connection | Heading::Security)
                    || ["KAFKA_INPUT_TOPIC", "KAFKA_CONSUMER_GROUP"].contains(&setting.variable)
                    || AUDIT.contains(&setting.variable)
            }
            Command::Alerts => setting.variable.starts_with("ALERT_"),
            Command::Healthcheck => setting.variable == "GRISTMILL_HTTP_ADDR",
        }
    }
}

/// The variables of the three topics.
pub const TOPIC_NAMES: [&str; 3] = ["KAFKA_INPUT_TOPIC", "KAFKA_OUTPUT_TOPIC", "KAFKA_DLQ_TOPIC"];

/// Where the audit line of a command goes that changes the cluster.
const AUDIT: [&str; 3] = ["LOG_FORMAT", "LOG_FILE_PATH", "LOGGING_SERVICE"];

/// What makes no sense for a cluster that lives in the demo's own process, or for an account of every event by the built-in contract.
const DEMO_KNOWS_BETTER: [&str; 7] = [
    "GRISTMILL_CONTRACT",
    "GRISTMILL_INSTANCE_ID",
    "GRISTMILL_CONNECT_TIMEOUT",
    "GRISTMILL_ALLOW_INSECURE",
    "GRISTMILL_DELIVERY",
    "GRISTMILL_TRANSACTION_INTERVAL",
    "GRISTMILL_DLQ_LIMIT",
];

/// The setting of a variable.
///
/// # Panics
/// If there is none: the names in the program are those of the table.
pub fn setting(variable: &str) -> &'static Setting {
    let found = SETTINGS.iter().find(|setting| setting.variable == variable);
    found.unwrap_or_else(|| panic!("{variable} is not in the table of settings"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_flags_follow_from_them() {
        let mut seen = HashSet::new();
        for setting in SETTINGS {
            assert!(seen.insert(setting.variable), "{} stands there twice", setting.variable);
            let stem = setting.variable.trim_start_matches("KAFKA_").trim_start_matches("GRISTMILL_");
            let derived = stem.to_lowercase().replace('_', "-");
            assert_eq!(setting.flag, (!setting.secret).then_some(derived.as_str()), "{}", setting.variable);
        }
    }

    #[test]
    fn a_secret_has_no_flag_and_can_come_from_a_file() {
        for secret in SETTINGS.iter().filter(|setting| setting.secret) {
            assert_eq!(secret.flag, None);
            setting(&format!("{}_FILE", secret.variable));
        }
    }

    #[test]
    fn some_commands_read_no_kafka_variable() {
        for command in [Command::Try, Command::Demo, Command::Alerts, Command::Healthcheck] {
            for setting in SETTINGS.iter().filter(|setting| command.reads(setting)) {
                assert!(!setting.variable.starts_with("KAFKA_"), "{command:?} reads {}", setting.variable);
            }
        }
    }
}
