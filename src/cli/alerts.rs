//! `alerts`: the shipped Prometheus rules with the thresholds of the present configuration.

use super::command_line::{sources, with_settings};
use super::failure::Failure;
use super::output::{say, warn, written};
use crate::config::settings::Command as Reads;
use crate::config::{Alerts, Resolver};
use crate::error::ExitCode;
use crate::kafka::properties;
use clap::{ArgMatches, Command};

/// The rules as they are shipped, with the thresholds that are the defaults.
const RULES: &str = include_str!("../../deploy/prometheus/alerts.yml");

/// Where the thresholds stand in them: the rule that records one, and its value.
const ERROR_PERCENT: &str = "- record: gristmill:error_percent:threshold\n        expr: vector(5)";
const LATENCY_SECONDS: &str = "- record: gristmill:latency_seconds:threshold\n        expr: vector(0.5)";

pub(super) fn command() -> Command {
    let command = Command::new("alerts").about(
        "Print Prometheus' recording and alert rules for this configuration; promtool check rules takes them",
    );
    with_settings(command, Reads::Alerts)
}

pub(super) fn run(typed: &ArgMatches) -> Result<ExitCode, Failure> {
    let sources = sources(typed)?.without_kafka();
    let mut resolver = Resolver::new(&sources, properties::judge);
    let alerts = resolver.alerts();
    let (alerts, warnings) = resolver.finish(Reads::Alerts, alerts)?;
    warn(&warnings);
    say(format_args!("{}", rules(alerts).trim_end()));
    written()
}

fn rules(alerts: Alerts) -> String {
    let with = |rule: &str, value: f64| {
        let (head, _) = rule.rsplit_once("vector(").expect("a rule with its value");
        format!("{head}vector({value})")
    };
    let percent = with(ERROR_PERCENT, alerts.error_rate_percent);
    let seconds = with(LATENCY_SECONDS, alerts.latency_threshold.as_secs_f64());
    RULES.replacen(ERROR_PERCENT, &percent, 1).replacen(LATENCY_SECONDS, &seconds, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;
    use std::time::Duration;

    #[test]
    fn the_thresholds_stand_in_the_rules_once_and_nothing_else_changes() {
        for threshold in [ERROR_PERCENT, LATENCY_SECONDS] {
            assert_eq!(RULES.matches(threshold).count(), 1, "{threshold}");
        }
        let alerts = Alerts { error_rate_percent: 0.25, latency_threshold: Duration::from_millis(1_500) };
        let rules = rules(alerts);
        let changed: Vec<(&str, &str)> =
            RULES.lines().zip(rules.lines()).filter(|(shipped, printed)| shipped != printed).collect();
        assert_eq!(
            changed,
            [
                ("        expr: vector(5)", "        expr: vector(0.25)"),
                ("        expr: vector(0.5)", "        expr: vector(1.5)")
            ]
        );
    }

    #[test]
    fn the_defaults_are_what_is_shipped() {
        let sources = Sources::default();
        assert_eq!(rules(Resolver::new(&sources, properties::judge).alerts()), RULES);
    }
}
