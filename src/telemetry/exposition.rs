//! One snapshot of the metrics as the text that Prometheus reads: a collector of our own, so that every family of a scrape
//! comes from the same moment.

use super::descriptions::{self as table, MetricDescription, MetricKind, descriptions};
use super::latency::{LatencyHistogram, Leg};
use super::metrics::{BatchSizes, CommitResult, Metrics, Rebalance, Snapshot};
use super::process::ProcessFigures;
use crate::rejection::Reason;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{self, MetricFamily, MetricType};
use prometheus::{DEFAULT_BUCKETS, Registry, TextEncoder};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Renders the metrics of a process.
#[derive(Debug)]
pub struct Exposition {
    registry: Registry,
}

/// The content type of what [`Exposition::render`] gives.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From 100 µs: a transform of a small batch; to 10 s: a delivery in an outage.
const STAGE_BOUNDS: [f64; 15] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// From 1 ms, the resolution of a record's timestamp, to 1 h of backlog.
const END_TO_END_BOUNDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 3600.0];

impl Exposition {
    /// An exposition of `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        let descs = descriptions()
            .iter()
            .map(|metric| {
                let labels = metric.labels.iter().map(|&label| label.to_owned()).collect();
                Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, HashMap::new())
                    .expect("the table has valid names only")
            })
            .collect();
        let registry = Registry::new();
        registry
            .register(Box::new(SnapshotCollector { metrics, descs }))
            .expect("the table has each name once, and there is one collector");
        Self { registry }
    }

    /// The metrics at this moment, in Prometheus' text format.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .expect("every family has a name and a sample, and the text goes to memory")
    }
}

struct SnapshotCollector {
    metrics: Arc<Metrics>,
    descs: Vec<Desc>,
}

impl Collector for SnapshotCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Families::default();
        let snapshot = self.metrics.snapshot();
        records(&mut families, &snapshot);
        latencies(&mut families, &snapshot);
        partitions(&mut families, &snapshot);
        events(&mut families, &snapshot);
        process(&mut families, &ProcessFigures::read());
        families.0
    }
}

fn records(families: &mut Families, snapshot: &Snapshot) {
    let books = &snapshot.accounting;
    let settled = &books.settled;
    let dead_letters = settled.dead_lettered();
    let success = settled.output + settled.passed;
    families.add(&table::PROCESSED, [(&["success"], success), (&["dlq"], dead_letters)]);
    families.add(&table::CONSUMED, [(&[], books.consumed)]);
    families.add(&table::PRODUCED, [(&["output"], settled.output), (&["dlq"], dead_letters)]);
    families.add(&table::PASSED, [(&[], settled.passed)]);
    let rejected = Reason::ALL.map(|reason| ([reason.as_str()], settled.dead_letters[reason.index()]));
    families.add(&table::REJECTED, rejected.iter().map(|(labels, count)| (labels, *count)));
    families.add(&table::ABANDONED, [(&[], books.abandoned)]);
    families.add(&table::IN_FLIGHT, [(&[], books.in_flight())]);
    families.add(&table::BATCHES_IN_FLIGHT, [(&[], books.batches_in_flight())]);
    families.add(&table::CONSUMED_BYTES, [(&[], books.consumed_bytes)]);
    let bytes = [(&["output"], settled.output_bytes), (&["dlq"], settled.dead_letter_bytes)];
    families.add(&table::PRODUCED_BYTES, bytes);
    families.add(&table::TRUNCATED, [(&[], settled.truncated)]);
    families
        .add_histogram(&table::BATCH_RECORDS, [(&[], batch_sizes(&snapshot.batch_sizes, books.consumed))]);
}

fn latencies(families: &mut Families, snapshot: &Snapshot) {
    let latencies = &snapshot.latencies;
    let success = latency(latencies.success(), DEFAULT_BUCKETS);
    let dead_letter = latency(latencies.dead_letter(), DEFAULT_BUCKETS);
    families.add_histogram(&table::PROCESSING_DURATION, [(&["success"], success), (&["dlq"], dead_letter)]);
    let stages = Leg::STAGES.map(|stage| ([stage.as_str()], latency(&latencies.leg(stage), &STAGE_BOUNDS)));
    families.add_histogram(&table::STAGE_DURATION, stages.iter().map(|(labels, h)| (labels, h.clone())));
    let end_to_end = latency(&latencies.leg(Leg::EndToEnd), &END_TO_END_BOUNDS);
    families.add_histogram(&table::END_TO_END, [(&[], end_to_end)]);
}

fn partitions(families: &mut Families, snapshot: &Snapshot) {
    let topic = &snapshot.facts.input_topic;
    let named: Vec<(String, _)> =
        snapshot.partitions.iter().map(|lag| (lag.partition.to_string(), lag)).collect();
    for (partition, lag) in &named {
        let labels = [topic.as_str(), partition.as_str()];
        families.add(&table::LAG_RECORDS, lag.records.map(|records| (&labels, records)));
        families.add_f64(&table::LAG_SECONDS, lag.seconds.map(|seconds| (&labels, seconds)));
    }
    families.add(&table::ASSIGNED_PARTITIONS, [(&[], named.len() as u64)]);
    let of_topic = snapshot.facts.input_partitions.and_then(|count| u64::try_from(count).ok());
    families.add(&table::INPUT_PARTITIONS, of_topic.map(|count| (&[], count)));
    families.add(&table::STALLED_PARTITIONS, [(&[], snapshot.facts.stalled_partitions)]);
}

fn events(families: &mut Families, snapshot: &Snapshot) {
    let (events, facts) = (&snapshot.events, &snapshot.facts);
    let last_commit = events
        .last_commit
        .map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64());
    families.add_f64(&table::LAST_COMMIT, last_commit.map(|seconds| (&[], seconds)));
    let commits = CommitResult::ALL.map(|result| ([result.as_str()], events.commits[result as usize]));
    families.add(&table::COMMITS, commits.iter().map(|(labels, count)| (labels, *count)));
    families.add(&table::COMMITS_FENCED, [(&[], events.commits_fenced)]);
    let rebalances = Rebalance::ALL.map(|kind| ([kind.as_str()], events.rebalances[kind as usize]));
    families.add(&table::REBALANCES, rebalances.iter().map(|(labels, count)| (labels, *count)));
    families.add_f64(&table::BACKPRESSURE, [(&[], events.backpressure.as_secs_f64())]);
    families.add(&table::DELIVERY_RETRIES, [(&[], events.delivery_retries)]);
    families.add(&table::OFFSET_RESETS, [(&[], events.offset_resets)]);
    families.add(&table::EXPIRED, [(&[], events.records_expired)]);
    families.add(&table::DLQ_LIMIT_TRIPPED, [(&[], u64::from(facts.dlq_limit_tripped))]);
    families.add(&table::MEMORY_LIMIT, facts.memory_limit_bytes.map(|bytes| (&[], bytes)));
    // Known where the build set it, as images do.
    let revision = option_env!("GRISTMILL_REVISION").unwrap_or_default();
    let labels = [env!("CARGO_PKG_VERSION"), facts.client_version.as_str(), revision];
    families.add(&table::BUILD_INFO, [(&labels, 1)]);
}

fn process(families: &mut Families, figures: &ProcessFigures) {
    families.add_f64(&table::PROCESS_CPU, figures.cpu_seconds.map(|seconds| (&[], seconds)));
    families.add(&table::PROCESS_MEMORY, figures.resident_bytes.map(|bytes| (&[], bytes)));
    families.add(&table::PROCESS_OPEN_FDS, figures.open_fds.map(|fds| (&[], fds)));
    families.add(&table::PROCESS_THREADS, figures.threads.map(|threads| (&[], threads)));
    families.add_f64(&table::PROCESS_START_TIME, figures.start_time_seconds.map(|seconds| (&[], seconds)));
}

fn latency(histogram: &LatencyHistogram, bounds: &[f64]) -> proto::Histogram {
    let buckets = bounds.iter().copied().zip(histogram.cumulative(bounds));
    self::histogram(buckets, histogram.count(), histogram.sum().as_secs_f64())
}

fn batch_sizes(sizes: &BatchSizes, records: u64) -> proto::Histogram {
    let mut total = 0;
    let buckets = BatchSizes::BOUNDS.iter().zip(sizes.counts).map(|(&bound, count)| {
        total += count;
        (bound as f64, total)
    });
    histogram(buckets, sizes.counts.iter().sum(), records as f64)
}

fn histogram(buckets: impl Iterator<Item = (f64, u64)>, count: u64, sum: f64) -> proto::Histogram {
    let buckets = buckets.map(|(bound, cumulative)| {
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(bound);
        bucket.set_cumulative_count(cumulative);
        bucket
    });
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(count);
    histogram.set_sample_sum(sum);
    histogram
}

/// Families under construction. A sample is the values of its family's labels, in the table's order, and what it counts; a
/// label without a value is left out, which means the same.
#[derive(Default)]
struct Families(Vec<MetricFamily>);

impl Families {
    fn add<'a, const N: usize>(
        &mut self,
        metric: &MetricDescription,
        samples: impl IntoIterator<Item = (&'a [&'a str; N], u64)>,
    ) {
        self.add_f64(metric, samples.into_iter().map(|(labels, value)| (labels, value as f64)));
    }

    fn add_f64<'a, const N: usize>(
        &mut self,
        metric: &MetricDescription,
        samples: impl IntoIterator<Item = (&'a [&'a str; N], f64)>,
    ) {
        for (values, value) in samples {
            let mut sample = proto::Metric::from_label(labels(metric, values));
            match metric.kind {
                MetricKind::Counter => {
                    let mut counter = proto::Counter::default();
                    counter.set_value(value);
                    sample.set_counter(counter);
                }
                MetricKind::Gauge => {
                    let mut gauge = proto::Gauge::default();
                    gauge.set_value(value);
                    sample.set_gauge(gauge);
                }
                MetricKind::Histogram => unreachable!("a histogram has more than a value"),
            }
            self.push(metric, sample);
        }
    }

    fn add_histogram<'a, const N: usize>(
        &mut self,
        metric: &MetricDescription,
        samples: impl IntoIterator<Item = (&'a [&'a str; N], proto::Histogram)>,
    ) {
        for (values, histogram) in samples {
            let mut sample = proto::Metric::from_label(labels(metric, values));
            sample.set_histogram(histogram);
            self.push(metric, sample);
        }
    }

    /// Families of one name are joined when the registry gathers them.
    fn push(&mut self, metric: &MetricDescription, sample: proto::Metric) {
        let mut family = MetricFamily::default();
        family.set_name(metric.name.to_owned());
        family.set_help(metric.help.to_owned());
        family.set_field_type(match metric.kind {
            MetricKind::Counter => MetricType::COUNTER,
            MetricKind::Gauge => MetricType::GAUGE,
            MetricKind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(vec![sample]);
        self.0.push(family);
    }
}

fn labels<const N: usize>(metric: &MetricDescription, values: &[&str; N]) -> Vec<proto::LabelPair> {
    assert_eq!(metric.labels.len(), N, "a value for each label of {}", metric.name);
    let pairs = metric.labels.iter().zip(values).filter(|(_, value)| !value.is_empty());
    pairs
        .map(|(&name, &value)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value.to_owned());
            pair
        })
        .collect()
}

#[cfg(test)]
#[path = "exposition_tests.rs"]
mod tests;
