//! What `/status.json` says: the present state in one object, with the last ten minutes. The status page draws it; docs/status.md names
//! the fields.

use super::health::Health;
use super::history::{self, History, since_epoch_ms};
use super::metrics::{CommitResult, Metrics, Rebalance, Snapshot};
use super::process::ProcessFigures;
use crate::config::Config;
use crate::rejection::Reason;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

/// What is known of the process from its start on.
#[derive(Clone, Debug)]
pub struct About {
    /// What it does.
    pub config: Arc<Config>,
    /// The contract's name.
    pub contract: String,
}

/// The state of a process, for whoever asks.
#[derive(Debug)]
pub(super) struct Status {
    about: About,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    history: Mutex<History>,
    started: SystemTime,
}

impl Status {
    pub(super) fn new(about: About, metrics: Arc<Metrics>, health: Arc<Health>) -> Self {
        let history = Mutex::new(History::new(about.config.pipeline.source_threads));
        Self { about, metrics, health, history, started: SystemTime::now() }
    }

    /// To be called every [`history::PERIOD`].
    pub(super) fn sample(&self) {
        let (snapshot, process) = (self.metrics.snapshot(), ProcessFigures::read());
        self.history().take(snapshot, &process, Instant::now(), SystemTime::now());
    }

    /// The whole of it, as text.
    pub(super) fn json(&self) -> String {
        let (now, snapshot) = (Instant::now(), self.metrics.snapshot());
        let mut status = self.identity(now);
        status.extend(counts(&snapshot));
        status.extend(self.resources(&snapshot));
        let history = self.history();
        status.insert("latency".to_owned(), history.percentiles(&snapshot.latencies, now));
        status.insert("history".to_owned(), history.columns());
        Value::Object(status).to_string()
    }

    fn identity(&self, now: Instant) -> Map<String, Value> {
        let (live, ready) = (self.health.live(now), self.health.ready(now, self.metrics.waiting_since()));
        let missing: Vec<&String> = live.missing().iter().chain(ready.missing()).collect();
        let Config { topics, group, in_force, .. } = &*self.about.config;
        let settings = in_force.iter().map(|setting| {
            json!({ "variable": setting.variable, "value": setting.value, "origin": setting.origin })
        });
        object(json!({
            "at_ms": since_epoch_ms(SystemTime::now()),
            "started_ms": since_epoch_ms(self.started),
            "version": env!("CARGO_PKG_VERSION"),
            "live": live.is_yes(),
            "ready": ready.is_yes(),
            "missing": missing,
            "contract": self.about.contract,
            "group": group.id,
            "instance": group.instance_id,
            "topics": { "input": topics.input, "output": topics.output, "dead_letters": topics.dead_letter },
            "settings": settings.collect::<Vec<_>>(),
        }))
    }

    fn resources(&self, snapshot: &Snapshot) -> Map<String, Value> {
        let Config { pipeline, limits, .. } = &*self.about.config;
        let batches = pipeline.source_threads * limits.batches_per_source;
        object(json!({
            "batches": { "in_flight": snapshot.accounting.batches_in_flight(), "of": batches },
            "memory": {
                "resident_bytes": ProcessFigures::read().resident_bytes,
                "limit_bytes": snapshot.facts.memory_limit_bytes,
            },
            "backpressure_seconds": snapshot.events.backpressure.as_secs_f64(),
            "librdkafka": snapshot.facts.client_version,
        }))
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counts(snapshot: &Snapshot) -> Map<String, Value> {
    let (books, events) = (&snapshot.accounting, &snapshot.events);
    let settled = &books.settled;
    let refused = Reason::ALL.iter().map(|reason| (reason.as_str(), settled.dead_letters[reason.index()]));
    let refused: Map<String, Value> = refused
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.to_owned(), count.into()))
        .collect();
    let partitions = snapshot
        .partitions
        .iter()
        .map(|lag| json!({ "partition": lag.partition, "lag": lag.records, "lag_seconds": lag.seconds }));
    let rebalances: Map<String, Value> = Rebalance::ALL
        .iter()
        .map(|kind| (kind.as_str().to_owned(), events.rebalances[*kind as usize].into()))
        .collect();
    object(json!({
        "records": {
            "consumed": books.consumed,
            "output": settled.output,
            "dead_letters": settled.dead_lettered(),
            "passed": settled.passed,
            "in_flight": books.in_flight(),
            "abandoned": books.abandoned,
            "expired": events.records_expired,
            "offset_resets": events.offset_resets,
            "sent_again": events.delivery_retries,
        },
        "refused": refused,
        "commits": {
            "ok": events.commits[CommitResult::Ok as usize],
            "failed": events.commits[CommitResult::Failed as usize],
            "fenced": events.commits_fenced,
            "last_ms": events.last_commit.map(since_epoch_ms),
        },
        "rebalances": rebalances,
        "lag": history::lag(snapshot),
        "partitions": partitions.collect::<Vec<_>>(),
        "input_partitions": snapshot.facts.input_partitions,
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => unreachable!("it is written as an object"),
    }
}
