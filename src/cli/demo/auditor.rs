//! The auditor: a reader of its own that follows output and dead letter topic while the engine writes them, and enters every record into
//! the ledger. It must read along: the mock cluster keeps little of what was written.

use super::ledger::{Fate, Found, Ledger, number_of};
use super::window::{Window, charge};
use crate::config::{Config, DeadLetterFormat, DeadLetterHeaders, DeadLetters};
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::reader::{ReadRecord, TopicReader};
use crate::rejection::Reason;
use base64::Engine;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The auditor's thread.
pub(super) struct Auditor {
    thread: JoinHandle<Result<Ledger, EngineError>>,
    progress: Arc<Progress>,
}

/// What generator and auditor know of each other.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What may be between them.
    pub(super) window: Window,
    accounted: AtomicU64,
    has_ended: AtomicBool,
    is_engine_done: AtomicBool,
}

impl Progress {
    /// Events that were found.
    pub(super) fn accounted(&self) -> u64 {
        self.accounted.load(Ordering::Relaxed)
    }

    /// The auditor cannot go on: nothing more will be found.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

/// The reader's topics.
const OUTPUT: usize = 0;

/// How long a read waits for something to come.
const READ_WAIT: Duration = Duration::from_millis(20);

/// Once nothing more is written, the rest must be read within this.
const END_TIMEOUT: Duration = Duration::from_secs(20);

impl Auditor {
    /// Starts to read.
    ///
    /// # Errors
    /// No client, or no thread.
    pub(super) fn start(config: &Config, partitions: i32, ledger: Ledger) -> Result<Auditor, EngineError> {
        let topics =
            [(config.topics.output.as_str(), partitions), (config.topics.dead_letter.as_str(), partitions)];
        let reader = TopicReader::new(&config.kafka, &topics)?;
        let progress = Arc::new(Progress::default());
        let clerk = Clerk {
            form: config.dead_letters.clone(),
            ledger,
            original: Vec::new(),
            progress: progress.clone(),
        };
        let thread = std::thread::Builder::new().name("auditor".to_owned()).spawn(move || {
            let progress = clerk.progress.clone();
            let ledger = clerk.run(reader);
            progress.has_ended.store(true, Ordering::Relaxed);
            ledger
        });
        let thread = thread.map_err(|error| bug(&format!("the auditor cannot be started: {error}")))?;
        Ok(Auditor { thread, progress })
    }

    pub(super) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// The engine has ended: reads what is left, and answers with the ledger.
    ///
    /// # Errors
    /// The topics could not be read to their ends.
    pub(super) fn finish(self) -> Result<Ledger, EngineError> {
        self.progress.is_engine_done.store(true, Ordering::Release);
        self.thread.join().unwrap_or_else(|_| Err(bug("the auditor died of a bug")))
    }
}

/// Turns records into entries.
struct Clerk {
    form: DeadLetters,
    ledger: Ledger,
    /// The event out of an envelope.
    original: Vec<u8>,
    progress: Arc<Progress>,
}

impl Clerk {
    fn run(mut self, mut reader: TopicReader) -> Result<Ledger, EngineError> {
        let mut deadline = None;
        loop {
            // Asked before the read: what was written before the engine's end is found by a read that begins after it.
            let is_last = self.progress.is_engine_done.load(Ordering::Acquire);
            let (mut accounted, mut charges) = (0, 0);
            let records = reader.read(READ_WAIT, |record| {
                if let Some(number) = self.enter(record) {
                    accounted += 1;
                    charges += charge(self.ledger.is_flawed(number));
                }
            })?;
            self.progress.window.release(charges);
            self.progress.accounted.fetch_add(accounted, Ordering::Relaxed);
            if !is_last || records > 0 {
                continue;
            }
            if reader.is_at_end(END_TIMEOUT)? {
                return Ok(self.ledger);
            }
            if Instant::now() >= *deadline.get_or_insert_with(|| Instant::now() + END_TIMEOUT) {
                return Err(bug("what the engine has written cannot be read to its end"));
            }
        }
    }

    fn enter(&mut self, record: &ReadRecord<'_>) -> Option<u64> {
        let value = record.value().unwrap_or_default();
        let (fate, event) = if record.topic == OUTPUT {
            (Some(Fate::Output), value)
        } else {
            let event = match self.form.format {
                DeadLetterFormat::Record => value,
                DeadLetterFormat::Envelope => {
                    self.original = unwrap(value).unwrap_or_default();
                    self.original.as_slice()
                }
            };
            (reason(record, self.form.headers).map(Fate::DeadLetter), event)
        };
        let key = record.key().unwrap_or_default();
        self.ledger.enter(&Found { number: number_of(event), fate, key, event })
    }
}

/// The reason that a dead letter's header gives.
fn reason(record: &ReadRecord<'_>, names: DeadLetterHeaders) -> Option<Reason> {
    let name = match names {
        DeadLetterHeaders::Dlq => "dlq.reason",
        DeadLetterHeaders::Connect => "__connect.errors.exception.class.name",
    };
    let given = record.header(name)?;
    Reason::ALL.into_iter().find(|reason| reason.as_str().as_bytes() == given)
}

/// The original out of `{"error":{"message":"<base64>", …}}`.
fn unwrap(envelope: &[u8]) -> Option<Vec<u8>> {
    let envelope: serde_json::Value = serde_json::from_slice(envelope).ok()?;
    base64::engine::general_purpose::STANDARD.decode(envelope["error"]["message"].as_str()?).ok()
}

fn bug(message: &str) -> EngineError {
    EngineError::new(Stage::Start, ExitCode::Bug, message)
}
