//! Log lines on standard error: short text for people or one JSON object a line for programs.
//!
//! Text: `2026-01-01T00:00:00.000Z  INFO message field=value`. JSON: `timestamp`, `level`, `message`, the event's fields, and
//! `target`, all at the top level. There are no spans.

use super::color_wanted;
use crate::config::{LogFormat, LogLevel, Telemetry};
use std::fmt;
use std::io::{IsTerminal, stderr};
use time::OffsetDateTime;
use time::macros::format_description;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{self as log_lines, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// Sends every event from now on to standard error. The second call in a process changes nothing.
pub fn init_logs(telemetry: &Telemetry) {
    let color = color_wanted(stderr().is_terminal());
    let lines = subscriber(telemetry, color, stderr);
    if tracing::subscriber::set_global_default(lines).is_err() {
        tracing::debug!("logs are already set up");
    }
}

fn subscriber<W>(telemetry: &Telemetry, color: bool, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = log_lines::layer().with_timer(UtcMilliseconds).with_writer(writer);
    let lines = match telemetry.log_format {
        LogFormat::Text => lines.with_target(false).with_ansi(color).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    tracing_subscriber::registry().with(filter(telemetry.log_level)).with(lines)
}

/// The Kafka client's own lines are one level more talkative than ours: at `info` they would tell of every connection.
fn filter(level: LogLevel) -> Targets {
    let (ours, client) = match level {
        LogLevel::Error => (Level::ERROR, Level::ERROR),
        LogLevel::Warn => (Level::WARN, Level::WARN),
        LogLevel::Info => (Level::INFO, Level::WARN),
        LogLevel::Debug => (Level::DEBUG, Level::INFO),
        LogLevel::Trace => (Level::TRACE, Level::DEBUG),
    };
    Targets::new().with_default(LevelFilter::from_level(ours)).with_target("librdkafka", client)
}

struct UtcMilliseconds;

impl FormatTime for UtcMilliseconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        writer.write_str(&OffsetDateTime::now_utc().format(format).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Alerts;
    use serde_json::Value;
    use std::io::Write;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
    use time::format_description::well_known::Rfc3339;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn telemetry(log_level: LogLevel, log_format: LogFormat) -> Telemetry {
        let alerts = Alerts { error_rate_percent: 5.0, latency_threshold: Duration::from_millis(500) };
        Telemetry { http_addr: None, log_level, log_format, alerts }
    }

    fn logged(level: LogLevel, format: LogFormat, color: bool, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(&telemetry(level, format), color, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    fn assert_is_time(text: &str) {
        assert_eq!(text.len(), "2026-01-01T00:00:00.000Z".len(), "{text}");
        assert!(text.ends_with('Z') && OffsetDateTime::parse(text, &Rfc3339).is_ok(), "{text}");
    }

    #[test]
    fn text_is_time_level_message_fields() {
        let text = logged(LogLevel::Info, LogFormat::Text, false, || {
            tracing::info!(partition = 3, topic = "logins", "partition assigned");
        });
        let (time, rest) = text.split_once(' ').unwrap();
        assert_is_time(time);
        assert_eq!(rest, " INFO partition assigned partition=3 topic=\"logins\"\n");
    }

    #[test]
    fn colour_only_where_wanted() {
        let log = || tracing::error!("producer failed");
        assert!(logged(LogLevel::Info, LogFormat::Text, true, log).contains("\u{1b}["));
        assert!(!logged(LogLevel::Info, LogFormat::Text, false, log).contains('\u{1b}'));
    }

    #[test]
    fn json_is_one_flat_object_a_line() {
        let text = logged(LogLevel::Debug, LogFormat::Json, true, || {
            let span = tracing::info_span!("outer", secret = 1);
            let _entered = span.enter();
            tracing::warn!(partition = 3, reason = "two\nlines", "commit failed");
            tracing::debug!("commit\nagain");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        let mut first = lines[0].as_object().unwrap().clone();
        assert_is_time(first.remove("timestamp").unwrap().as_str().unwrap());
        let expected = serde_json::json!({
            "level": "WARN", "message": "commit failed", "partition": 3, "reason": "two\nlines", "target": module_path!(),
        });
        assert_eq!(Value::Object(first), expected);
    }

    #[test]
    fn levels_are_ours_and_the_clients() {
        let count = |level| {
            let text = logged(level, LogFormat::Text, false, || {
                tracing::warn!("ours");
                tracing::info!("ours");
                tracing::debug!("ours");
                tracing::warn!(target: "librdkafka", "client's");
                tracing::info!(target: "librdkafka", "client's");
                tracing::debug!(target: "librdkafka", "client's");
            });
            (text.matches("ours").count(), text.matches("client's").count())
        };
        let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
        assert_eq!(levels.map(count), [(0, 0), (1, 1), (2, 1), (3, 2), (3, 3)]);
    }

    #[test]
    fn twice_is_once() {
        init_logs(&telemetry(LogLevel::Error, LogFormat::Text));
        init_logs(&telemetry(LogLevel::Error, LogFormat::Json));
    }
}
