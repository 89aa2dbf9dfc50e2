//! From what was set to what will be done. A resolver is asked for one part of the configuration after another and goes on
//! after a mistake, so that all mistakes are told at once.

use super::limits::MEMORY_LIMIT_MIN;
use super::mistakes::{Mistake, Mistakes};
use super::names::{self, Verdict};
use super::properties::{self, Client, PropertyJudge};
use super::settings::{Command, TOPIC_NAMES, setting};
use super::sources::Sources;
use super::values::{self, Parsed, duration, integer, milliseconds, show_size, size, word};
use super::{
    Compression, Config, DeadLetterFormat, DeadLetterHeaders, DeadLetters, DlqLimit, Group, Kafka, Limits,
    NewTopic, OffsetReset, Pipeline, Topics,
};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// Reads settings, collects what is wrong with them.
pub struct Resolver<'a> {
    sources: &'a Sources,
    judge: PropertyJudge,
    mistakes: Vec<Mistake>,
    warnings: Vec<String>,
}

/// The least time between two commits. One for each batch of a full stream cost the broker a tenth of its CPU; from 20 ms to this, engine
/// and broker together use 0.96 to 0.97 of the CPU (in 7 and in 14 interleaved runs), and what a crash repeats grows by 80 ms of the stream.
const COMMIT_PACE: Duration = Duration::from_millis(100);

/// With `KAFKA_ENABLE_AUTO_COMMIT=true`: the period of the Kafka clients' own auto-commit.
pub(super) const AUTO_COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// `queued.max.messages.kbytes` ends at 2 GiB, which is an eighth of the limit.
const MEMORY_LIMIT_MAX: usize = 8 << 30;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

impl<'a> Resolver<'a> {
    /// A resolver; `judge` asks the Kafka client about pass-through properties.
    pub fn new(sources: &'a Sources, judge: PropertyJudge) -> Self {
        Self { sources, judge, mistakes: Vec::new(), warnings: Vec::new() }
    }

    /// The whole configuration. `terminal`: whether standard error is one.
    pub fn config(&mut self, terminal: bool) -> Config {
        let pipeline = self.pipeline();
        let (kafka, topics, group) = (self.kafka(), self.topics(), self.group());
        let mut config = Config {
            kafka,
            topics,
            delivery: self.delivery(&group),
            group,
            limits: self.limits(pipeline.source_threads),
            pipeline,
            contract: self.contract(),
            dead_letters: self.dead_letters(),
            telemetry: self.telemetry(terminal),
            in_force: Vec::new(),
        };
        config.in_force = self.in_force(&config);
        config
    }

    /// The cluster, and how to get in.
    pub fn kafka(&mut self) -> Kafka {
        let allow_insecure = self.get("GRISTMILL_ALLOW_INSECURE", values::boolean);
        let bootstrap_servers = self.bootstrap_servers();
        Kafka {
            security: self.security(&bootstrap_servers, allow_insecure),
            bootstrap_servers,
            // The client refuses a session longer than its max.poll.interval.ms, which is 300,000.
            session_timeout: self.get("KAFKA_SESSION_TIMEOUT", milliseconds(1_000, 300_000)),
            socket_timeout: self.get("KAFKA_SOCKET_TIMEOUT", milliseconds(10, 300_000)),
            connect_timeout: self.get("GRISTMILL_CONNECT_TIMEOUT", duration(SECOND / 10, HOUR)),
            compression: self.get("KAFKA_COMPRESSION", word(CODECS)),
            consumer_properties: self.properties(Client::Consumer, allow_insecure),
            producer_properties: self.properties(Client::Producer, allow_insecure),
        }
    }

    /// The three topics, all required and all different.
    pub fn topics(&mut self) -> Topics {
        let missing: Vec<&str> =
            TOPIC_NAMES.into_iter().filter(|name| self.sources.find(name).is_none()).collect();
        if !missing.is_empty() {
            self.mistake(Mistake::about(&missing, "required, but not set: the name of a topic"));
        }
        let [input, output, dead_letter] = self.topic_names().map(Option::unwrap_or_default);
        Topics { input, output, dead_letter }
    }

    /// Those of the three topics that are set; all different.
    pub fn topic_names(&mut self) -> [Option<String>; 3] {
        let names = TOPIC_NAMES.map(|variable| self.optional(variable, values::topic));
        for (first, second) in [(0, 1), (0, 2), (1, 2)] {
            if let Some(name) = names[first].as_ref().filter(|name| names[second].as_ref() == Some(name)) {
                let both = [TOPIC_NAMES[first], TOPIC_NAMES[second]];
                self.mistake(Mistake::about(
                    &both,
                    format!("both are {name:?}; the three topics must differ"),
                ));
            }
        }
        names
    }

    /// The input topic alone.
    pub fn input_topic(&mut self) -> Option<String> {
        self.optional(TOPIC_NAMES[0], values::topic)
    }

    /// The consumer group's name alone.
    pub fn group_id(&mut self) -> String {
        self.get("KAFKA_CONSUMER_GROUP", values::group)
    }

    /// `KAFKA_CREATE_TOPICS`.
    pub fn create_topics(&mut self) -> Option<Vec<NewTopic>> {
        self.optional("KAFKA_CREATE_TOPICS", |text| {
            text.split(',').map(|item| new_topic(item.trim())).collect()
        })
    }

    /// The contract's file.
    pub fn contract(&mut self) -> Option<PathBuf> {
        self.path("GRISTMILL_CONTRACT")
    }

    /// Ends: the value with the warnings, or every mistake. The names that are set are looked at too.
    ///
    /// # Errors
    /// All mistakes that were met.
    pub fn finish<T>(mut self, command: Command, value: T) -> Result<(T, Vec<String>), Mistakes> {
        self.names(command);
        if self.mistakes.is_empty() {
            return Ok((value, self.warnings));
        }
        Err(Mistakes { mistakes: self.mistakes, warnings: self.warnings })
    }

    fn bootstrap_servers(&mut self) -> String {
        let servers = self.sources.find("KAFKA_BOOTSTRAP_SERVERS");
        let host = self.sources.find("KAFKA_BOOTSTRAP_HOST");
        let port = self.sources.find("KAFKA_BOOTSTRAP_PORT");
        // A service called `kafka-bootstrap` makes Kubernetes set the port's variable to `tcp://…`.
        let port = port.filter(|port| !names::is_link_address(port.value));
        let apart = [host, port].into_iter().flatten().map(|given| given.origin).min();
        if apart.is_none_or(|origin| servers.is_some_and(|servers| servers.origin <= origin)) {
            return self.get("KAFKA_BOOTSTRAP_SERVERS", values::servers);
        }
        let host =
            self.optional("KAFKA_BOOTSTRAP_HOST", values::host).unwrap_or_else(|| "localhost".to_owned());
        let port =
            port.and_then(|_| self.optional("KAFKA_BOOTSTRAP_PORT", integer(1, 65_535))).unwrap_or(9092);
        format!("{host}:{port}")
    }

    fn properties(&mut self, client: Client, allow_insecure: bool) -> Vec<(String, String)> {
        let (properties, mistakes) = properties::read(self.sources, client, allow_insecure, self.judge);
        self.mistakes.extend(mistakes);
        properties
    }

    fn group(&mut self) -> Group {
        let auto_commit = self.get("KAFKA_ENABLE_AUTO_COMMIT", values::boolean);
        Group {
            id: self.group_id(),
            instance_id: self.optional("GRISTMILL_INSTANCE_ID", instance_id),
            auto_offset_reset: self.get("KAFKA_AUTO_OFFSET_RESET", word(OFFSET_RESETS)),
            commit_interval: if auto_commit { AUTO_COMMIT_INTERVAL } else { COMMIT_PACE },
        }
    }

    fn pipeline(&mut self) -> Pipeline {
        // One core is left to the threads that read and write: on two cores a second worker cost 4 % more CPU a record.
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        Pipeline {
            source_threads: self.get("GRISTMILL_SOURCE_THREADS", integer(1, 64)) as usize,
            worker_threads: self
                .optional("KAFKA_WORKER_POOL_SIZE", integer(1, 1024))
                .unwrap_or(cores.saturating_sub(1).max(1)) as usize,
            batch_linger: self.get("GRISTMILL_BATCH_LINGER", duration(Duration::ZERO, 5 * SECOND)),
            rate_limit: self.optional("GRISTMILL_RATE_LIMIT", integer(1, u64::MAX)).and_then(NonZeroU64::new),
            retry_limit: self.get("KAFKA_RETRY_LIMIT", integer(0, 1_000_000)) as u32,
            dlq_limit: self.get("GRISTMILL_DLQ_LIMIT", DlqLimit::parse),
            stall_after: self.get("GRISTMILL_STALL_AFTER", duration(SECOND, HOUR)),
            watchdog_after: self.get("GRISTMILL_WATCHDOG_AFTER", duration(SECOND, HOUR)),
            watchdog_exit: self.get("GRISTMILL_WATCHDOG_EXIT", values::boolean),
            // A revoke's drain must end before the group gives the member up, which is after five minutes.
            drain_timeout: self.get("GRISTMILL_DRAIN_TIMEOUT", duration(SECOND / 10, 240 * SECOND)),
            report_interval: self.get("GRISTMILL_REPORT_INTERVAL", duration(SECOND, 24 * HOUR)),
        }
    }

    fn limits(&mut self, sources: usize) -> Limits {
        const BATCH_RECORDS_MAX: u64 = 65_536;
        let mistakes = self.mistakes.len();
        let mut memory = self.get("GRISTMILL_MEMORY_LIMIT", size(MEMORY_LIMIT_MIN, MEMORY_LIMIT_MAX));
        let needed = MEMORY_LIMIT_MIN * sources;
        if self.mistakes.len() > mistakes {
            // What was meant is not known: nothing is measured by it.
            memory = MEMORY_LIMIT_MAX;
        } else if memory < needed {
            let problem = format!(
                "{} is too small for {sources} source threads, which need {}",
                show_size(memory),
                show_size(needed)
            );
            self.mistake(Mistake::about(&["GRISTMILL_MEMORY_LIMIT", "GRISTMILL_SOURCE_THREADS"], problem));
            memory = needed;
        }
        let records = self.get("GRISTMILL_BATCH_SIZE", integer(1, BATCH_RECORDS_MAX)) as usize;
        // One batch must fit into what a source's batches may hold together.
        let bytes = self.optional("GRISTMILL_BATCH_BYTES", size(1024, memory / 4 / sources));
        Limits::derive(memory, sources, records, bytes)
    }

    fn dead_letters(&mut self) -> DeadLetters {
        DeadLetters {
            format: self.get("GRISTMILL_DLQ_FORMAT", word(FORMATS)),
            headers: self.get("GRISTMILL_DLQ_HEADERS", word(HEADERS)),
        }
    }

    /// Names that look like ours and are not. Commands that read no `KAFKA_…` have nothing to say about them.
    fn names(&mut self, command: Command) {
        if command == Command::Healthcheck {
            return;
        }
        let kafka = !matches!(command, Command::Try | Command::Demo | Command::Alerts);
        for name in self.sources.names() {
            if name.starts_with("KAFKA_") && !kafka {
                continue;
            }
            let value = self.sources.find(name).map_or("", |given| given.value);
            match names::judge(name, value) {
                Verdict::Fine => {}
                Verdict::Warning(warning) => self.warnings.push(warning),
                Verdict::Mistake(mistake) => self.mistakes.push(mistake),
            }
        }
    }

    pub(super) fn sources(&self) -> &'a Sources {
        self.sources
    }

    /// A mistake that was met elsewhere, to be told with the others.
    pub fn mistake(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// The value of a setting that has a default; after a mistake the default too.
    pub(super) fn get<T>(&mut self, variable: &'static str, parse: impl Fn(&str) -> Parsed<T>) -> T {
        self.optional(variable, &parse).unwrap_or_else(|| match parse(setting(variable).default) {
            Ok(value) => value,
            Err(takes) => unreachable!("the default of {variable} is wrong: it takes {takes}"),
        })
    }

    /// The value of a setting; `None` where it is not set, and after a mistake.
    pub(super) fn optional<T>(
        &mut self,
        variable: &'static str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        let Some(given) = self.sources.find(variable) else {
            if self.sources.is_unreadable(variable) {
                self.mistake(Mistake::about(&[variable], "its value in the environment is not UTF-8"));
            }
            return None;
        };
        match parse(given.value) {
            Ok(value) => Some(value),
            Err(takes) => {
                let problem = format!("{}; takes {takes}", given.shown(setting(variable).secret));
                self.mistake(Mistake::about(&[variable], problem));
                None
            }
        }
    }
}

/// Each source thread is the member `<id>-<thread>`, which must be a legal name.
fn instance_id(text: &str) -> Parsed<String> {
    const CHARS_MAX: usize = 200;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() <= CHARS_MAX && text.chars().all(legal) {
        return Ok(text.to_owned());
    }
    Err(format!("up to {CHARS_MAX} letters, digits, dots, underscores and hyphens"))
}

/// `name`, `name:partitions` or `name:partitions:replication`.
fn new_topic(text: &str) -> Parsed<NewTopic> {
    let takes = || "a list of NAME, NAME:PARTITIONS or NAME:PARTITIONS:REPLICATION".to_owned();
    let mut parts = text.split(':');
    let name = values::topic(parts.next().unwrap_or_default()).map_err(|_| takes())?;
    let mut count = |max| match parts.next() {
        None => Ok(None),
        Some(part) => integer(1, max)(part).map(|count| Some(count as i32)).map_err(|_| takes()),
    };
    let topic = NewTopic { name, partitions: count(100_000)?, replication: count(1_000)? };
    if parts.next().is_some() { Err(takes()) } else { Ok(topic) }
}

const OFFSET_RESETS: &[(&str, OffsetReset)] =
    &[("earliest", OffsetReset::Earliest), ("latest", OffsetReset::Latest), ("none", OffsetReset::None)];

const CODECS: &[(&str, Compression)] = &[
    ("none", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

const FORMATS: &[(&str, DeadLetterFormat)] =
    &[("record", DeadLetterFormat::Record), ("envelope", DeadLetterFormat::Envelope)];

const HEADERS: &[(&str, DeadLetterHeaders)] =
    &[("dlq", DeadLetterHeaders::Dlq), ("connect", DeadLetterHeaders::Connect)];

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;
