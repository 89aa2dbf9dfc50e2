//! Log lines on standard error or into a file: short text for people or one JSON object a line for programs.
//!
//! Text: `2026-01-01T00:00:00.000Z  INFO message field=value`. JSON: see [`json`]. There are no spans.

mod json;
mod rotation;

use self::json::JsonLines;
use self::rotation::RotatedFile;
use super::color_wanted;
use crate::config::{LogFormat, LogLevel, LogOutput, Telemetry};
use crate::error::{EngineError, ExitCode, Stage};
use std::fmt;
use std::io::{IsTerminal, stderr};
use std::path::Path;
use std::sync::Mutex;
use time::OffsetDateTime;
use time::macros::format_description;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{self as log_lines, MakeWriter};
use tracing_subscriber::layer::{Layer, SubscriberExt};

/// The target of the lines that say what a command changed in the cluster. No level hides them.
pub const AUDIT: &str = "audit";

/// Sends every event from now on to standard error or to the file. The second call in a process changes nothing.
///
/// # Errors
/// The file cannot be written (78); the lines go to standard error then.
pub fn init_logs(telemetry: &Telemetry) -> Result<(), EngineError> {
    init(&telemetry.log, filter(telemetry.log_level))
}

/// The same for a command that keeps no log but for the line that says what it changed.
///
/// # Errors
/// As [`init_logs`].
pub fn init_audit(output: &LogOutput) -> Result<(), EngineError> {
    init(output, Targets::new().with_target(AUDIT, Level::INFO))
}

fn init(output: &LogOutput, filter: Targets) -> Result<(), EngineError> {
    let opened = output.file.as_deref().map(|path| (path, RotatedFile::open(path)));
    let (set, answer) = match opened {
        Some((_, Ok(file))) => {
            let lines = subscriber(output.format, false, Mutex::new(file), filter);
            (tracing::subscriber::set_global_default(lines), Ok(()))
        }
        other => {
            let lines = subscriber(output.format, color_wanted(stderr().is_terminal()), stderr, filter);
            let answer =
                other.map_or(Ok(()), |(path, file)| file.map(drop).map_err(|error| unwritable(path, &error)));
            (tracing::subscriber::set_global_default(lines), answer)
        }
    };
    if set.is_err() {
        tracing::debug!("logs are already set up");
    }
    answer
}

fn unwritable(path: &Path, error: &std::io::Error) -> EngineError {
    let message = format!("LOG_FILE_PATH (--log-file-path): {} cannot be written: {error}", path.display());
    EngineError::new(Stage::Start, ExitCode::Config, message)
}

fn subscriber<W>(format: LogFormat, color: bool, writer: W, filter: Targets) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let lines = log_lines::layer().with_timer(UtcMilliseconds).with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.with_target(false).with_ansi(color).boxed(),
        _ => lines.event_format(JsonLines(format)).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines)
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
    Targets::new()
        .with_default(LevelFilter::from_level(ours))
        .with_target("librdkafka", client)
        .with_target(AUDIT, Level::INFO.max(ours))
}

struct UtcMilliseconds;

impl FormatTime for UtcMilliseconds {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(&now()?)
    }
}

/// The time, as every form of a line has it.
fn now() -> Result<String, fmt::Error> {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::now_utc().format(format).map_err(|_| fmt::Error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::io::Write;
    use std::sync::{Arc, Mutex};
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

    fn logged(level: LogLevel, format: LogFormat, color: bool, log: impl FnOnce()) -> String {
        written(format, color, filter(level), log)
    }

    fn written(format: LogFormat, color: bool, filter: Targets, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(format, color, move || writer.clone(), filter);
        tracing::subscriber::with_default(subscriber, log);
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    /// The one line of an event, without its time, which stands under this name.
    fn object(format: LogFormat, time: &str, log: impl FnOnce()) -> Value {
        let text = logged(LogLevel::Trace, format, true, log);
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let mut line: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        assert_is_time(line.remove(time).unwrap().as_str().unwrap());
        Value::Object(line)
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
        for format in [LogFormat::Json, LogFormat::CloudWatch] {
            let line = object(format, "timestamp", || {
                let span = tracing::info_span!("outer", secret = 1);
                let _entered = span.enter();
                tracing::warn!(
                    partition = 3,
                    share = 0.5,
                    late = true,
                    reason = "two\nlines",
                    "commit\nfailed"
                );
            });
            let expected = json!({
                "level": "WARN", "message": "commit\nfailed", "partition": 3, "share": 0.5, "late": true,
                "reason": "two\nlines", "target": module_path!(),
            });
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn each_service_has_its_names_and_its_levels() {
        let log = || tracing::warn!(partition = 3, error = "refused", "commit failed");
        let target = module_path!();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            object(LogFormat::CloudLogging, "time", log),
            json!({"severity": "WARNING", "message": "commit failed", "partition": 3, "error": "refused", "target": target})
        );
        assert_eq!(
            object(LogFormat::AzureMonitor, "TimeGenerated", log),
            json!({
                "SeverityLevel": 2, "Message": "commit failed", "AppRoleName": "gristmill", "AppVersion": version,
                "Properties": {"partition": 3, "error": "refused", "target": target},
            })
        );
        assert_eq!(
            object(LogFormat::Ecs, "@timestamp", log),
            json!({
                "log.level": "warn", "message": "commit failed", "ecs.version": "8.11.0", "service.name": "gristmill",
                "service.version": version, "log.logger": target, "error.message": "refused",
                "gristmill": {"partition": 3},
            })
        );
        let levels = |format, name: &str, time| {
            let logs: [fn(); 5] = [
                || tracing::error!("x"),
                || tracing::warn!("x"),
                || tracing::info!("x"),
                || tracing::debug!("x"),
                || tracing::trace!("x"),
            ];
            logs.map(|log| object(format, time, log)[name].clone())
        };
        assert_eq!(
            levels(LogFormat::CloudLogging, "severity", "time"),
            ["ERROR", "WARNING", "INFO", "DEBUG", "DEBUG"]
        );
        assert_eq!(levels(LogFormat::AzureMonitor, "SeverityLevel", "TimeGenerated"), [3, 2, 1, 0, 0]);
        assert_eq!(
            levels(LogFormat::Ecs, "log.level", "@timestamp"),
            ["error", "warn", "info", "debug", "trace"]
        );
    }

    #[test]
    fn no_level_hides_what_was_changed() {
        let log = || {
            tracing::info!(target: AUDIT, "changed");
            tracing::error!("something else");
        };
        let text = logged(LogLevel::Error, LogFormat::Text, false, log);
        assert!(text.contains("changed") && text.contains("something else"), "{text}");
        let audit = written(LogFormat::Text, false, Targets::new().with_target(AUDIT, Level::INFO), log);
        assert!(audit.contains("changed") && !audit.contains("something else"), "{audit}");
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
    fn twice_is_once_and_a_file_that_cannot_be_had_is_told() {
        let output = |format, file| LogOutput { format, file };
        assert!(init_audit(&output(LogFormat::Text, None)).is_ok());
        assert!(init_audit(&output(LogFormat::Json, None)).is_ok());
        let folder = tempfile::tempdir().unwrap();
        let error = init_audit(&output(LogFormat::Json, Some(folder.path().to_owned()))).unwrap_err();
        assert_eq!(error.code, ExitCode::Config);
        assert!(error.message.starts_with("LOG_FILE_PATH (--log-file-path): "), "{error}");
    }
}
