//! How to log, where to be asked, and when the shipped alerts fire.

use super::mistakes::Mistake;
use super::resolve::Resolver;
use super::values::{Parsed, duration, word};
use super::{Alerts, LogFormat, LogLevel, LogOutput, Telemetry};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Variables of programs that ship logs themselves. Here an agent does that, and reads them: `deploy/logging` has one.
const SHIPPING: [&str; 9] = [
    "AZURE_MONITOR_LOG_NAME",
    "AZURE_WORKSPACE_ID",
    "AZURE_WORKSPACE_KEY",
    "CLOUDWATCH_LOG_GROUP",
    "CLOUDWATCH_LOG_STREAM",
    "ELASTICSEARCH_URL",
    "GCP_LOG_NAME",
    "GCP_PROJECT_ID",
    "LOG_INDEX",
];

impl Resolver<'_> {
    /// How to log and to be asked. `terminal`: whether standard error is one.
    pub fn telemetry(&mut self, terminal: bool) -> Telemetry {
        Telemetry {
            http_addr: self.http_addr(),
            log_level: self.log_level(),
            log: self.log_output(terminal),
            shipping: SHIPPING.into_iter().filter(|name| self.sources().find(name).is_some()).collect(),
            alerts: self.alerts(),
        }
    }

    /// Where the HTTP endpoints are; `None` is off.
    pub fn http_addr(&mut self) -> Option<SocketAddr> {
        self.get("GRISTMILL_HTTP_ADDR", http_addr)
    }

    /// Thresholds of the shipped alert rules.
    pub fn alerts(&mut self) -> Alerts {
        Alerts {
            error_rate_percent: self.get("ALERT_ERROR_RATE", percent),
            latency_threshold: self.get(
                "ALERT_LATENCY_THRESHOLD",
                duration(Duration::from_millis(1), Duration::from_secs(3600)),
            ),
        }
    }

    /// Where log lines go, and in which form. `terminal`: whether standard error is one.
    pub fn log_output(&mut self, terminal: bool) -> LogOutput {
        let file = self.optional("LOG_FILE_PATH", log_file);
        let asked = self.optional("LOG_FORMAT", word(LOG_FORMATS));
        let by_place = if terminal && file.is_none() { LogFormat::Text } else { LogFormat::Json };
        let service = self.get("LOGGING_SERVICE", word(SERVICES));
        if service.is_some() && asked == Some(LogFormat::Text) {
            let problem =
                "the one asks for text, the other for the JSON of a service; leave one of them unset";
            self.mistake(Mistake::about(&["LOG_FORMAT", "LOGGING_SERVICE"], problem));
        }
        LogOutput { format: service.or(asked).unwrap_or(by_place), file }
    }

    /// `LOG_LEVEL`, or `LEVEL` where that is not set.
    fn log_level(&mut self) -> LogLevel {
        let Some(given) = self.sources().find("LEVEL").filter(|_| self.sources().find("LOG_LEVEL").is_none())
        else {
            return self.get("LOG_LEVEL", word(LEVELS));
        };
        word(LEVELS)(given.value).unwrap_or_else(|takes| {
            self.mistake(Mistake::of("LEVEL", format!("{}; takes {takes}", given.shown(false))));
            LogLevel::Info
        })
    }
}

impl LogFormat {
    /// The value of `LOGGING_SERVICE` that asks for it, if it is the form of a service.
    pub fn service(self) -> Option<&'static str> {
        SERVICES.iter().find(|(_, format)| *format == Some(self)).map(|(name, _)| *name)
    }
}

fn http_addr(text: &str) -> Parsed<Option<SocketAddr>> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    // `:0` is any free port, `:9090` that one: of this machine alone, as the default is.
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':'));
    let numeric = port.map(|port| format!("127.0.0.1:{port}"));
    let address = numeric.as_deref().unwrap_or(text).parse();
    address.map(Some).map_err(|_| {
        "an address and a port (127.0.0.1:9090 or :9090, 0.0.0.0:9090, [::]:9090), or off".to_owned()
    })
}

/// The file itself need not be there; it is made when the first line is written, and `check` writes none.
fn log_file(text: &str) -> Parsed<PathBuf> {
    let path = Path::new(text);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if path.is_dir() || path.file_name().is_none() || !folder.is_dir() {
        return Err("the path of a file in a folder that is there".to_owned());
    }
    Ok(path.to_owned())
}

fn percent(text: &str) -> Parsed<f64> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end().parse::<f64>().ok();
    number.filter(|number| (0.0..=100.0).contains(number)).ok_or_else(|| "per cent from 0 to 100".to_owned())
}

const LOG_FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

const SERVICES: &[(&str, Option<LogFormat>)] = &[
    ("none", None),
    ("cloudwatch", Some(LogFormat::CloudWatch)),
    ("stackdriver", Some(LogFormat::CloudLogging)),
    ("azure_monitor", Some(LogFormat::AzureMonitor)),
    ("elk", Some(LogFormat::Ecs)),
];

/// From the sixth row on: other names of the same, from other logging libraries.
const LEVELS: &[(&str, LogLevel)] = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
    ("warning", LogLevel::Warn),
    ("critical", LogLevel::Error),
    ("fatal", LogLevel::Error),
];
