//! A log line as one JSON object, with the names under which a log service looks for time, level and message.
//!
//! | form | time | level | message | the event's fields |
//! |---|---|---|---|---|
//! | plain, CloudWatch | `timestamp` | `level` | `message` | beside them |
//! | Cloud Logging | `time` | `severity` | `message` | beside them |
//! | Azure Monitor | `TimeGenerated` | `SeverityLevel` | `Message` | in `Properties` |
//! | Elastic Common Schema | `@timestamp` | `log.level` | `message` | in `gristmill`, the error in `error.message` |
//!
//! Sources: Lambda's JSON log format, which Logs Insights and filters know; "Structured logging" of Cloud Logging; the table
//! `AppTraces` of Azure Monitor; the ECS logging specification, whose fields have types that ours must not disturb.

use crate::config::LogFormat;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use std::fmt;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The version of the schema whose fields are used; they are older.
const ECS_VERSION: &str = "8.11.0";

/// Writes events as lines of this form.
pub(super) struct JsonLines(pub(super) LogFormat);

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut told = Told::default();
        event.record(&mut told);
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let mut line = Vec::new();
        write(&mut serde_json::Serializer::new(&mut line), self.0, &super::now()?, level, target, told)
            .map_err(|_| fmt::Error)?;
        writeln!(writer, "{}", String::from_utf8_lossy(&line))
    }
}

fn write<S: Serializer>(
    serializer: S,
    format: LogFormat,
    time: &str,
    level: &Level,
    target: &str,
    told: Told,
) -> Result<S::Ok, S::Error> {
    let mut line = serializer.serialize_map(None)?;
    let Told { message, mut fields } = told;
    match format {
        LogFormat::Text | LogFormat::Json | LogFormat::CloudWatch => {
            line.serialize_entry("timestamp", time)?;
            line.serialize_entry("level", level.as_str())?;
            line.serialize_entry("message", &message)?;
            fields.beside(&mut line)?;
            line.serialize_entry("target", target)?;
        }
        LogFormat::CloudLogging => {
            line.serialize_entry("time", time)?;
            line.serialize_entry("severity", severity(level))?;
            line.serialize_entry("message", &message)?;
            fields.beside(&mut line)?;
            line.serialize_entry("target", target)?;
        }
        LogFormat::AzureMonitor => {
            line.serialize_entry("TimeGenerated", time)?;
            line.serialize_entry("SeverityLevel", &severity_level(level))?;
            line.serialize_entry("Message", &message)?;
            line.serialize_entry("AppRoleName", "gristmill")?;
            line.serialize_entry("AppVersion", env!("CARGO_PKG_VERSION"))?;
            fields.0.push(("target", target.into()));
            line.serialize_entry("Properties", &fields)?;
        }
        LogFormat::Ecs => {
            line.serialize_entry("@timestamp", time)?;
            line.serialize_entry("log.level", &level.as_str().to_lowercase())?;
            line.serialize_entry("message", &message)?;
            line.serialize_entry("ecs.version", ECS_VERSION)?;
            line.serialize_entry("service.name", "gristmill")?;
            line.serialize_entry("service.version", env!("CARGO_PKG_VERSION"))?;
            line.serialize_entry("log.logger", target)?;
            if let Some(at) = fields.0.iter().position(|(name, _)| *name == "error") {
                line.serialize_entry("error.message", &fields.0.remove(at).1)?;
            }
            line.serialize_entry("gristmill", &fields)?;
        }
    }
    line.end()
}

/// `LogSeverity` of Cloud Logging.
fn severity(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// `SeverityLevel` of Application Insights: 0 verbose, 1 information, 2 warning, 3 error.
fn severity_level(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 3,
        Level::WARN => 2,
        Level::INFO => 1,
        Level::DEBUG | Level::TRACE => 0,
    }
}

/// What an event says.
#[derive(Default)]
struct Told {
    message: String,
    fields: Fields,
}

/// Fields in the order in which they were given.
#[derive(Default)]
struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn beside<M: SerializeMap>(&self, line: &mut M) -> Result<(), M::Error> {
        self.0.iter().try_for_each(|(name, value)| line.serialize_entry(name, value))
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Visit for Told {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.0.push((field.name(), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.0.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.0.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.0.push((field.name(), value.into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = value.to_owned(),
            name => self.fields.0.push((name, value.into())),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
