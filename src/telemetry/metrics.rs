//! Every metric's source. The engine reports once a batch; a scrape takes one snapshot, so that
//! consumed = output + dead letters + passed + in flight + abandoned holds in every answer.
//!
//! All of it lies behind one lock. A batch takes it three times (sealed, settled, end to end), in all for about 3 µs even without
//! optimisation; a scrape once, for the time of a copy (a tenth of a millisecond so built). Separate counters would be no
//! cheaper at that rate and could not be read together.

pub use super::accounting::{Accounting, Settlement};
pub use super::lag::PartitionLag;
use super::lag::Partitions;
pub use super::latency::BatchTimes;
use super::latency::{Latencies, LatencyReport};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What the engine tells the outside. Shared by reference between threads; every method is cheap enough to call once a batch.
#[derive(Debug, Default)]
pub struct Metrics {
    state: Mutex<State>,
    reported: Mutex<Latencies>,
}

/// Why a rebalance came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalance {
    /// Partitions were given.
    Assign,
    /// Partitions were asked back.
    Revoke,
    /// Partitions were taken without asking.
    Lost,
}

impl Rebalance {
    /// All kinds.
    pub const ALL: [Rebalance; 3] = [Rebalance::Assign, Rebalance::Revoke, Rebalance::Lost];

    /// The word for labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Rebalance::Assign => "assign",
            Rebalance::Revoke => "revoke",
            Rebalance::Lost => "lost",
        }
    }
}

/// How a commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitResult {
    /// The broker has it.
    Ok,
    /// The broker refused it, or did not answer.
    Failed,
}

impl CommitResult {
    /// Both.
    pub const ALL: [CommitResult; 2] = [CommitResult::Ok, CommitResult::Failed];

    /// The word for labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            CommitResult::Ok => "ok",
            CommitResult::Failed => "failed",
        }
    }
}

/// Sealed batches by their number of records: how many held at most each of [`BatchSizes::BOUNDS`], and how many held more.
#[derive(Clone, Debug, Default)]
pub struct BatchSizes {
    pub(super) counts: [u64; BatchSizes::BOUNDS.len() + 1],
}

impl BatchSizes {
    /// Around the default of 4096, and far below it for quiet topics.
    pub const BOUNDS: [u64; 9] = [1, 4, 16, 64, 256, 1024, 2048, 4096, 8192];

    fn record(&mut self, records: u64) {
        let bucket = Self::BOUNDS.partition_point(|&bound| bound < records);
        self.counts[bucket] += 1;
    }
}

/// What happens beside the batches, each counted since the process started.
#[derive(Clone, Debug, Default)]
pub struct Events {
    /// Time that sources waited for a free batch or for bytes.
    pub backpressure: Duration,
    /// Records sent again.
    pub delivery_retries: u64,
    /// By [`Rebalance`].
    pub rebalances: [u64; Rebalance::ALL.len()],
    /// By [`CommitResult`].
    pub commits: [u64; CommitResult::ALL.len()],
    /// Commits not sent because the partition was no longer ours.
    pub commits_fenced: u64,
    /// When the broker last confirmed a commit.
    pub last_commit: Option<SystemTime>,
    /// Times that the offset to read from was gone.
    pub offset_resets: u64,
    /// Records that were gone before they could be read.
    pub records_expired: u64,
}

/// What is so at the moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The input topic's name, the label of the lag series.
    pub input_topic: String,
    /// How many partitions it has.
    pub input_partitions: Option<i32>,
    /// The Kafka client's version.
    pub client_version: String,
    /// `GRISTMILL_MEMORY_LIMIT`.
    pub memory_limit_bytes: Option<u64>,
    /// Partitions that have lag and stand still though nothing here holds the reading back.
    pub stalled_partitions: u64,
    /// Nothing more is read because too much is rejected.
    pub dlq_limit_tripped: bool,
}

/// Everything at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What was read and what became of it.
    pub accounting: Accounting,
    /// Sealed batches by their size.
    pub batch_sizes: BatchSizes,
    /// How long it took.
    pub latencies: Latencies,
    /// What else happened.
    pub events: Events,
    /// What is so.
    pub facts: Facts,
    /// The partitions that this process owns, ascending.
    pub partitions: Vec<PartitionLag>,
}

#[derive(Debug, Default)]
struct State {
    accounting: Accounting,
    batch_sizes: BatchSizes,
    latencies: Latencies,
    events: Events,
    facts: Facts,
    partitions: Partitions,
    /// Stalled partitions by source.
    stalled: BTreeMap<usize, u64>,
    /// When something was last settled, or the first record came to be in flight; only meaningful while one is.
    waiting_since: Option<Instant>,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Arc<Metrics> {
        Arc::new(Metrics::default())
    }

    /// A batch was sealed by a source: from now on its records count as consumed and in flight.
    pub fn batch_sealed(&self, records: u64, bytes: u64) {
        let mut state = self.state();
        if records > 0 {
            if state.accounting.in_flight() == 0 {
                state.waiting_since = Some(Instant::now());
            }
            state.batch_sizes.record(records);
        }
        state.accounting.seal(records, bytes);
    }

    /// Every record of a batch is settled.
    ///
    /// # Panics
    /// If more records end than are in flight: a bug in the engine.
    pub fn batch_settled(&self, settlement: &Settlement, times: &BatchTimes) {
        let dead_letters = settlement.dead_lettered();
        let success = settlement.output + settlement.passed;
        let mut state = self.state();
        state.accounting.settle(settlement);
        state.latencies.record_batch(times, success, dead_letters);
        state.waiting_since = state.waiting_since.max(Some(times.settled));
    }

    /// A batch was given up (deadline passed, partition lost): its records will be read again by somebody.
    ///
    /// # Panics
    /// If more records end than are in flight: a bug in the engine.
    pub fn batch_abandoned(&self, records: u64) {
        self.state().accounting.abandon(records);
    }

    /// End to end latencies of `count` records that share an input timestamp (ms since 1970) and were delivered `at`.
    pub fn end_to_end(&self, timestamp_ms: i64, at: SystemTime, count: u64) {
        self.end_to_end_batch(&[(timestamp_ms, count)], at);
    }

    /// End to end latencies of a batch delivered `at`: input timestamps (ms since 1970), each with the number of records that
    /// share it. Records without a timestamp (negative) are left out; a timestamp of the future counts as no time at all.
    pub fn end_to_end_batch(&self, timestamps: &[(i64, u64)], at: SystemTime) {
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut state = self.state();
        for &(timestamp_ms, count) in timestamps {
            if let Ok(timestamp_ms) = u64::try_from(timestamp_ms) {
                let latency = at.saturating_sub(Duration::from_millis(timestamp_ms));
                state.latencies.record_end_to_end(latency, count);
            }
        }
    }

    /// A source found no free batch, or its byte share used up, for so long.
    pub fn backpressure(&self, waited: Duration) {
        self.state().events.backpressure += waited;
    }

    /// A record was sent again because a broker refused it or its batch.
    pub fn delivery_retries(&self, records: u64) {
        self.state().events.delivery_retries += records;
    }

    /// A rebalance was handled.
    pub fn rebalance(&self, kind: Rebalance) {
        self.state().events.rebalances[kind as usize] += 1;
    }

    /// A commit was answered.
    pub fn commit(&self, result: CommitResult) {
        let mut state = self.state();
        state.events.commits[result as usize] += 1;
        if result == CommitResult::Ok {
            state.events.last_commit = Some(SystemTime::now());
        }
    }

    /// A commit was not sent because the partition is no longer ours.
    pub fn commit_fenced(&self) {
        self.state().events.commits_fenced += 1;
    }

    /// The offset to read from was gone. So many records expired before they could be read: 0, where the topic was made anew or
    /// its log was cut.
    pub fn offset_reset(&self, expired: u64) {
        let events = &mut self.state().events;
        events.offset_resets += 1;
        events.records_expired += expired;
    }

    /// Source `source` now owns these partitions of the input topic (all of them, not the change). Say so before anything else
    /// of a new partition; what is said of one that is not owned is ignored.
    pub fn assigned(&self, source: usize, partitions: &[i32]) {
        self.state().partitions.assign(source, partitions);
    }

    /// The input topic's name, for the labels of its partitions.
    pub fn input_topic(&self, topic: &str) {
        self.state().facts.input_topic = topic.to_owned();
    }

    /// How many partitions the input topic has.
    pub fn input_partitions(&self, partitions: i32) {
        self.state().facts.input_partitions = Some(partitions);
    }

    /// The input's end offset of a partition, as last asked of a broker.
    pub fn end_offset(&self, partition: i32, end: i64) {
        self.state().partitions.set_end(partition, end);
    }

    /// Everything before `next` of a partition is settled; the last settled record carried `timestamp_ms`, or −1 where there is
    /// none: at the start of a partition, or when only markers were passed.
    pub fn settled_position(&self, partition: i32, next: i64, timestamp_ms: i64) {
        self.state().partitions.set_settled(partition, next, timestamp_ms);
    }

    /// Partitions of source `source` that have lag and stand still though nothing here holds the reading back.
    pub fn stalled_partitions(&self, source: usize, count: u64) {
        let mut state = self.state();
        state.stalled.insert(source, count);
        state.facts.stalled_partitions = state.stalled.values().sum();
    }

    /// Whether too much is rejected, so that nothing more is read.
    pub fn dlq_limit_tripped(&self, tripped: bool) {
        self.state().facts.dlq_limit_tripped = tripped;
    }

    /// The memory limit, for the gauge beside the process's own memory.
    pub fn memory_limit(&self, bytes: u64) {
        self.state().facts.memory_limit_bytes = Some(bytes);
    }

    /// The Kafka client's version, for `gristmill_build_info`.
    pub fn client_version(&self, version: &str) {
        self.state().facts.client_version = version.to_owned();
    }

    /// Since when the engine has waited for a delivery: the last batch settled, or, if it was idle then, the first record that
    /// came to be in flight. `None` when nothing is in flight.
    pub fn waiting_since(&self) -> Option<Instant> {
        let state = self.state();
        state.waiting_since.filter(|_| state.accounting.in_flight() > 0)
    }

    /// What was read and what became of it.
    pub fn accounting(&self) -> Accounting {
        self.state().accounting.clone()
    }

    /// Everything at this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(SystemTime::now())
    }

    /// Everything at this moment, by a clock of the caller's: lag in seconds is measured against `now`.
    pub fn snapshot_at(&self, now: SystemTime) -> Snapshot {
        let state = self.state();
        Snapshot {
            accounting: state.accounting.clone(),
            batch_sizes: state.batch_sizes.clone(),
            latencies: state.latencies.clone(),
            events: state.events.clone(),
            facts: state.facts.clone(),
            partitions: state.partitions.lags(now),
        }
    }

    /// Latency percentiles since the process started.
    pub fn report(&self) -> LatencyReport {
        self.latencies().report()
    }

    /// Latency percentiles since this was last called, for a line in the log every so often.
    pub fn interval_report(&self) -> LatencyReport {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.latencies();
        let interval = now.since(&reported);
        *reported = now;
        interval.report()
    }

    fn latencies(&self) -> Latencies {
        self.state().latencies.clone()
    }

    /// A thread that panicked here had changed nothing yet: the books assert before they write.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
