//! What the engine will do: every value validated, every limit derived. Nothing here knows how it was typed.

mod delivery;
mod dlq_limit;
mod env_file;
mod in_force;
pub mod limits;
pub mod mistakes;
pub mod names;
pub mod properties;
pub mod resolve;
mod security;
pub mod settings;
pub mod sources;
mod telemetry;
mod text_file;
pub mod values;

pub use delivery::Delivery;
pub use dlq_limit::DlqLimit;
pub use in_force::InForce;
pub use limits::Limits;
pub use mistakes::{Mistake, Mistakes};
pub use resolve::Resolver;
pub use sources::Sources;
pub use text_file::read_text;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// The whole configuration of a process. `Debug` is safe to print: secrets show as `***`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the brokers are and how to get in.
    pub kafka: Kafka,
    /// The three topics.
    pub topics: Topics,
    /// The consumer group.
    pub group: Group,
    /// What is promised of each record.
    pub delivery: Delivery,
    /// Threads, batches, time limits.
    pub pipeline: Pipeline,
    /// What may be held in memory at once, derived from one number.
    pub limits: Limits,
    /// The contract file; `None` is the embedded `user-login`.
    pub contract: Option<PathBuf>,
    /// The form of a dead letter.
    pub dead_letters: DeadLetters,
    /// Logs and the HTTP endpoints.
    pub telemetry: Telemetry,
    /// The settings all this was made from, for whoever asks; without secrets.
    pub in_force: Vec<InForce>,
}

/// The cluster, and how to get in.
#[derive(Clone)]
pub struct Kafka {
    /// `host:port,…`.
    pub bootstrap_servers: String,
    /// TLS and SASL.
    pub security: Security,
    /// A member that is silent for so long is put out of the group.
    pub session_timeout: Duration,
    /// A request without an answer for so long has failed.
    pub socket_timeout: Duration,
    /// How long to wait for the first answer of a broker.
    pub connect_timeout: Duration,
    /// Compression of what we produce.
    pub compression: Compression,
    /// Further consumer properties, as `name`, `value`; none of them is one that the engine owns.
    pub consumer_properties: Vec<(String, String)>,
    /// Further producer properties, likewise.
    pub producer_properties: Vec<(String, String)>,
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("security", &self.security)
            .field("session_timeout", &self.session_timeout)
            .field("socket_timeout", &self.socket_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("compression", &self.compression)
            .field("consumer_properties", &shown(&self.consumer_properties))
            .field("producer_properties", &shown(&self.producer_properties))
            .finish()
    }
}

/// Pass-through properties as they may be shown.
fn shown(properties: &[(String, String)]) -> Vec<(&str, &str)> {
    let hide = |name: &str| properties::is_sensitive(name);
    properties
        .iter()
        .map(|(name, value)| (name.as_str(), if hide(name) { "***" } else { value.as_str() }))
        .collect()
}

/// TLS and SASL settings, as librdkafka takes them.
#[derive(Clone, Debug, Default)]
pub struct Security {
    /// `plaintext`, `ssl`, `sasl_plaintext`, `sasl_ssl`.
    pub protocol: Option<String>,
    /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`.
    pub sasl_mechanism: Option<String>,
    /// The user.
    pub sasl_username: Option<String>,
    /// The password.
    pub sasl_password: Option<Secret>,
    /// The file of the CA certificates to trust.
    pub ssl_ca_location: Option<PathBuf>,
    /// Our certificate.
    pub ssl_certificate_location: Option<PathBuf>,
    /// Our key.
    pub ssl_key_location: Option<PathBuf>,
    /// The key's password.
    pub ssl_key_password: Option<Secret>,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret into custody.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The secret itself, for the client's configuration alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The three topics; all different.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Events come from here.
    pub input: String,
    /// What passes goes here.
    pub output: String,
    /// What is refused goes here.
    pub dead_letter: String,
}

/// The consumer group and when it is told of progress.
#[derive(Clone, Debug)]
pub struct Group {
    /// The group's name.
    pub id: String,
    /// Static membership: each source thread is the member `<instance>-<thread>`.
    pub instance_id: Option<String>,
    /// Where a partition starts that has no committed offset.
    pub auto_offset_reset: OffsetReset,
    /// What is settled is committed at once, but not more often than this.
    pub commit_interval: Duration,
}

/// Where a partition without a committed offset starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the oldest record.
    Earliest,
    /// Behind the newest.
    Latest,
    /// Nowhere: stop with an error.
    None,
}

/// Compression of what we produce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// None.
    None,
    /// gzip.
    Gzip,
    /// snappy.
    Snappy,
    /// lz4.
    Lz4,
    /// zstd.
    Zstd,
}

impl Compression {
    /// The client's word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

/// Threads, batches, time limits.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Members of the group in this process.
    pub source_threads: usize,
    /// Threads that parse and check.
    pub worker_threads: usize,
    /// An open batch is sealed after so long, full or not.
    pub batch_linger: Duration,
    /// Events a second and process, at most.
    pub rate_limit: Option<NonZeroU64>,
    /// Further tries of a record that a broker refused for itself.
    pub retry_limit: u32,
    /// When so much is rejected, nothing more is read; `None` is off.
    pub dlq_limit: Option<DlqLimit>,
    /// Not ready after so long without a delivery while there is something to deliver.
    pub stall_after: Duration,
    /// A partition with lag has stalled when nothing was read for so long and nothing here holds the reading back.
    pub watchdog_after: Duration,
    /// Whether to end for that while brokers answer.
    pub watchdog_exit: bool,
    /// Time for a shutdown's or a revoke's drain.
    pub drain_timeout: Duration,
    /// Latency percentiles go to the log so often.
    pub report_interval: Duration,
}

/// The form of a dead letter.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// The original record with headers, or an envelope.
    pub format: DeadLetterFormat,
    /// How the headers are named.
    pub headers: DeadLetterHeaders,
}

/// What the value of a dead letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterFormat {
    /// The original bytes.
    Record,
    /// `{"error": …}` with the original in base64.
    Envelope,
}

/// The names of a dead letter's headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterHeaders {
    /// `dlq.…`.
    Dlq,
    /// As Kafka Connect has them where it has one, else `dlq.…`.
    Connect,
}

/// Logs and the HTTP endpoints.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// Where `/metrics`, `/livez`, `/readyz` are served; `None` is off.
    pub http_addr: Option<SocketAddr>,
    /// The lowest level that is logged.
    pub log_level: LogLevel,
    /// Where log lines go.
    pub log: LogOutput,
    /// Variables that are set and meant for an agent that ships logs. Their names: a value may hold a password.
    pub shipping: Vec<&'static str>,
    /// Thresholds of the shipped alert rules.
    pub alerts: Alerts,
}

/// Where log lines go, and in which form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOutput {
    /// The form of a line.
    pub format: LogFormat,
    /// A file instead of standard error.
    pub file: Option<PathBuf>,
}

/// Thresholds of the shipped alert rules.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alerts {
    /// Dead letters in a hundred records.
    pub error_rate_percent: f64,
    /// From read to delivery report.
    pub latency_threshold: Duration,
}

/// A topic to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None` leaves it to the broker's default.
    pub partitions: Option<i32>,
    /// How many replicas; `None` leaves it to the broker's default.
    pub replication: Option<i32>,
}

/// Log levels, most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors.
    Error,
    /// And warnings.
    Warn,
    /// And what an operator wants to see.
    Info,
    /// And what a developer wants to see.
    Debug,
    /// And everything.
    Trace,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
    /// JSON with the field names of Amazon CloudWatch Logs.
    CloudWatch,
    /// JSON with the field names of Google Cloud Logging, once called Stackdriver.
    CloudLogging,
    /// JSON with the column names of Azure Monitor.
    AzureMonitor,
    /// JSON with the field names of the Elastic Common Schema.
    Ecs,
}
