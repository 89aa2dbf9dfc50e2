//! The last ten minutes, a sample every two seconds: what a status page draws. Rates and percentiles are those of a sample's own time,
//! so a page that is opened late sees what one that was open all along has seen.

use super::latency::{Latencies, Leg};
use super::metrics::Snapshot;
use super::process::ProcessFigures;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

/// The time between two samples.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// Ten minutes of samples.
const SAMPLES_MAX: usize = 300;

/// Percentiles on request are those of the last one to two of these.
const WINDOW: Duration = Duration::from_secs(60);

/// The samples, and what the next one is measured against.
#[derive(Debug)]
pub(super) struct History {
    /// Threads that can wait: all of them waiting is a share of 1.
    sources: f64,
    last: Option<Mark>,
    samples: VecDeque<Sample>,
    /// Where windows of percentiles begin, the older first.
    windows: [(Instant, Latencies); 2],
}

/// The counters at the last sample.
#[derive(Debug)]
struct Mark {
    at: Instant,
    settled: u64,
    dead_letters: u64,
    backpressure: Duration,
    cpu_seconds: Option<f64>,
    latencies: Latencies,
}

#[derive(Clone, Debug)]
struct Sample {
    at_ms: u64,
    settled_per_s: f64,
    dead_letters_per_s: f64,
    lag: Option<u64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    backpressure: f64,
    batches: u64,
    memory_bytes: Option<u64>,
    cpu: Option<f64>,
}

impl History {
    pub(super) fn new(sources: usize) -> Self {
        let start = || (Instant::now(), Latencies::default());
        Self {
            sources: sources.max(1) as f64,
            last: None,
            samples: VecDeque::new(),
            windows: [start(), start()],
        }
    }

    /// Takes a sample. The first only marks where the second begins.
    pub(super) fn take(
        &mut self,
        snapshot: Snapshot,
        process: &ProcessFigures,
        now: Instant,
        at: SystemTime,
    ) {
        let settled = &snapshot.accounting.settled;
        let mark = Mark {
            at: now,
            settled: settled.records(),
            dead_letters: settled.dead_lettered(),
            backpressure: snapshot.events.backpressure,
            cpu_seconds: process.cpu_seconds,
            latencies: snapshot.latencies.clone(),
        };
        if let Some(last) = &self.last {
            let seconds = now.saturating_duration_since(last.at).as_secs_f64().max(0.001);
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let waited = mark.backpressure.saturating_sub(last.backpressure).as_secs_f64();
            let processing = mark.latencies.since(&last.latencies).leg(Leg::Processing);
            let quantile = |q| (processing.count() > 0).then(|| milliseconds(processing.quantile(q)));
            let cpu = mark.cpu_seconds.zip(last.cpu_seconds);
            self.samples.push_back(Sample {
                at_ms: since_epoch_ms(at),
                settled_per_s: rate(mark.settled, last.settled),
                dead_letters_per_s: rate(mark.dead_letters, last.dead_letters),
                lag: lag(&snapshot),
                p50_ms: quantile(0.5),
                p99_ms: quantile(0.99),
                backpressure: (waited / seconds / self.sources).min(1.0),
                batches: snapshot.accounting.batches_in_flight(),
                memory_bytes: process.resident_bytes,
                cpu: cpu.map(|(now, before)| (now - before).max(0.0) / seconds),
            });
            if self.samples.len() > SAMPLES_MAX {
                self.samples.pop_front();
            }
        }
        if now.saturating_duration_since(self.windows[1].0) >= WINDOW {
            self.windows.swap(0, 1);
            self.windows[1] = (now, snapshot.latencies);
        }
        self.last = Some(mark);
    }

    /// Percentiles of each leg over the last one to two minutes, and over how many seconds that is.
    pub(super) fn percentiles(&self, latencies: &Latencies, now: Instant) -> Value {
        let (since, earlier) = &self.windows[0];
        let report = latencies.since(earlier).report();
        let legs = report.legs.iter().map(|leg| {
            json!({
                "leg": leg.leg.as_str(),
                "records": leg.records,
                "p50_ms": milliseconds(leg.p50),
                "p90_ms": milliseconds(leg.p90),
                "p99_ms": milliseconds(leg.p99),
                "p99_9_ms": milliseconds(leg.p99_9),
                "max_ms": milliseconds(leg.max),
            })
        });
        let seconds = now.saturating_duration_since(*since).as_secs();
        json!({ "seconds": seconds, "legs": legs.collect::<Vec<_>>() })
    }

    /// The samples, a list for each figure, oldest first.
    pub(super) fn columns(&self) -> Value {
        fn list<T: Into<Value>>(samples: &VecDeque<Sample>, of: impl Fn(&Sample) -> T) -> Value {
            samples.iter().map(|sample| of(sample).into()).collect::<Vec<Value>>().into()
        }
        let samples = &self.samples;
        json!({
            "period_s": PERIOD.as_secs(),
            "at_ms": list(samples, |sample| sample.at_ms),
            "settled_per_s": list(samples, |sample| rounded(sample.settled_per_s, 10.0)),
            "dead_letters_per_s": list(samples, |sample| rounded(sample.dead_letters_per_s, 10.0)),
            "lag": list(samples, |sample| sample.lag),
            "p50_ms": list(samples, |sample| sample.p50_ms),
            "p99_ms": list(samples, |sample| sample.p99_ms),
            "backpressure": list(samples, |sample| rounded(sample.backpressure, 1000.0)),
            "batches": list(samples, |sample| sample.batches),
            "memory_bytes": list(samples, |sample| sample.memory_bytes),
            "cpu": list(samples, |sample| sample.cpu.map(|cpu| rounded(cpu, 1000.0))),
        })
    }
}

/// Records that are not settled yet in all owned partitions; `None` until that is known of one.
pub(super) fn lag(snapshot: &Snapshot) -> Option<u64> {
    let known = snapshot.partitions.iter().filter_map(|partition| partition.records);
    known.fold(None, |sum, records| Some(sum.unwrap_or(0) + records))
}

/// Milliseconds since 1970.
pub(super) fn since_epoch_ms(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

/// Digits that no eye sees need not travel.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::{BatchTimes, Metrics, Settlement};

    fn settle(metrics: &Metrics, records: u64, took: Duration) {
        metrics.batch_sealed(records, 100 * records);
        let read = Instant::now();
        let settled = read + took;
        let times =
            BatchTimes { read, transform_started: read, transform_ended: read, produced: read, settled };
        let mut settlement = Settlement { output: records - 1, ..Settlement::default() };
        settlement.dead_letters[0] = 1;
        metrics.batch_settled(&settlement, &times);
    }

    #[test]
    fn a_sample_is_what_came_since_the_last() {
        let metrics = Metrics::new();
        let mut history = History::new(2);
        let (start, clock) = (Instant::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_000));
        let process = |cpu| ProcessFigures {
            cpu_seconds: Some(cpu),
            resident_bytes: Some(1 << 20),
            ..Default::default()
        };
        settle(&metrics, 1_000, Duration::from_millis(900));
        history.take(metrics.snapshot(), &process(1.0), start, clock);
        assert_eq!(history.columns()["at_ms"], json!([]), "there is nothing yet to measure it against");
        settle(&metrics, 101, Duration::from_millis(10));
        metrics.backpressure(Duration::from_secs(1));
        history.take(metrics.snapshot(), &process(2.0), start + PERIOD, clock + PERIOD);
        let columns = history.columns();
        assert_eq!(columns["at_ms"], json!([1_002_000]));
        assert_eq!(
            (&columns["settled_per_s"], &columns["dead_letters_per_s"]),
            (&json!([50.5]), &json!([0.5]))
        );
        assert_eq!((&columns["backpressure"], &columns["cpu"]), (&json!([0.25]), &json!([0.5])));
        assert_eq!((&columns["lag"], &columns["batches"]), (&json!([null]), &json!([0])));
        let p99 = columns["p99_ms"][0].as_f64().unwrap();
        assert!((9.0..12.0).contains(&p99), "{p99}: the slow thousand came before");
        history.take(metrics.snapshot(), &process(2.0), start + 2 * PERIOD, clock + 2 * PERIOD);
        assert_eq!(history.columns()["p99_ms"][1], Value::Null, "nothing was settled");
    }

    #[test]
    fn ten_minutes_are_kept_and_percentiles_forget_sooner() {
        let metrics = Metrics::new();
        let mut history = History::new(1);
        let (start, clock) = (Instant::now(), SystemTime::UNIX_EPOCH);
        settle(&metrics, 10, Duration::from_secs(5));
        let mut now = start;
        for number in 0..400 {
            now = start + number * PERIOD;
            history.take(metrics.snapshot(), &ProcessFigures::default(), now, clock + number * PERIOD);
        }
        assert_eq!(history.columns()["lag"].as_array().unwrap().len(), SAMPLES_MAX);
        assert_eq!(history.columns()["at_ms"][0], json!(200_000));
        let latency = history.percentiles(&metrics.snapshot().latencies, now);
        assert!((60..=120).contains(&latency["seconds"].as_u64().unwrap()), "{latency}");
        assert_eq!(latency["legs"][4]["records"], json!(0), "{latency}");
    }
}
