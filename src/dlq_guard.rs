//! The guard against a contract that does not fit: when too many of the latest records were rejected, nothing more is read.
//!
//! Such a contract would send a whole topic to the dead letter topic and commit it. So where records are settled, the share of dead
//! letters among the latest is watched; once it is above the limit, every source stops reading. What is in flight is settled, the
//! group membership lives on, nothing is skipped. Only a restart reads on: what could bring the share down is what is not read.

use crate::config::DlqLimit;
use crate::error::{EngineError, ExitCode, Stage};
use crate::rejection::Reason;
use crate::shutdown::Shutdown;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{Metrics, Settlement};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by the sink, which tells it what was settled, and the sources, which ask whether to read.
#[derive(Debug)]
pub struct DlqGuard {
    window: Option<Mutex<Window>>,
    has_tripped: AtomicBool,
    /// Under `--until-end` nobody is there to look: the run ends.
    ends_run: Option<Arc<Shutdown>>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

impl DlqGuard {
    /// Nothing settled yet. Without a limit it never trips. `ends_run`: what to end when it does, for a run that is to end by itself.
    pub fn new(
        limit: Option<DlqLimit>,
        ends_run: Option<Arc<Shutdown>>,
        (metrics, health): (Arc<Metrics>, Arc<Health>),
    ) -> Self {
        let window = limit.map(|limit| Mutex::new(Window::new(limit)));
        Self { window, has_tripped: AtomicBool::new(false), ends_run, metrics, health }
    }

    /// Whether nothing more may be read.
    pub fn has_tripped(&self) -> bool {
        self.has_tripped.load(Ordering::Acquire)
    }

    /// A batch was settled.
    pub fn settled(&self, settlement: &Settlement) {
        let Some(window) = &self.window else { return };
        if self.has_tripped() {
            return;
        }
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        window.add(settlement.records(), &settlement.dead_letters);
        if window.is_exceeded() {
            self.trip(&window);
        }
    }

    fn trip(&self, window: &Window) {
        let finding = window.finding();
        self.metrics.dlq_limit_tripped(true);
        self.health.dlq_limit_tripped(&finding);
        self.has_tripped.store(true, Ordering::Release);
        let message = format!(
            "too many dead letters, nothing more is read: {finding}; mend the contract or the input and start again, \
             or set GRISTMILL_DLQ_LIMIT=off if they are to be rejected"
        );
        match &self.ends_run {
            Some(shutdown) => shutdown.fail(EngineError::new(Stage::Sink, ExitCode::DlqLimit, message)),
            None => tracing::error!("{message}"),
        }
    }
}

/// The latest records, in buckets: at least as many as the limit looks back at, and at most a bucket more.
#[derive(Debug)]
struct Window {
    limit: DlqLimit,
    /// Oldest first.
    buckets: VecDeque<Bucket>,
    sum: Bucket,
}

/// Records that were settled one after the other.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    records: u64,
    /// By [`Reason::index`].
    dead_letters: [u64; Reason::ALL.len()],
}

/// Batches may be as small as one record: so many together make a bucket that the window has about this many of.
const BUCKETS: u64 = 64;

/// Reasons that are named; more would only hide the first.
const REASONS_NAMED: usize = 3;

impl Window {
    fn new(limit: DlqLimit) -> Self {
        Self { limit, buckets: VecDeque::new(), sum: Bucket::default() }
    }

    fn add(&mut self, records: u64, dead_letters: &[u64; Reason::ALL.len()]) {
        let batch = Bucket { records, dead_letters: *dead_letters };
        self.sum.add(&batch);
        let bucket_records = self.limit.records.div_ceil(BUCKETS);
        match self.buckets.back_mut() {
            Some(newest) if newest.records < bucket_records => newest.add(&batch),
            _ => self.buckets.push_back(batch),
        }
        while let Some(oldest) = self.buckets.front() {
            if self.sum.records - oldest.records < self.limit.records {
                break;
            }
            self.sum.take(oldest);
            self.buckets.pop_front();
        }
    }

    fn is_exceeded(&self) -> bool {
        self.limit.is_exceeded(self.sum.dead(), self.sum.records)
    }

    /// What was seen, with the leading reasons.
    fn finding(&self) -> String {
        let mut reasons: Vec<(Reason, u64)> =
            Reason::ALL.map(|reason| (reason, self.sum.dead_letters[reason.index()])).to_vec();
        reasons.retain(|(_, count)| *count > 0);
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        reasons.truncate(REASONS_NAMED);
        let reasons: Vec<String> =
            reasons.iter().map(|(reason, count)| format!("{} {count}", reason.as_str())).collect();
        format!(
            "{} of the last {} records were rejected ({}), and GRISTMILL_DLQ_LIMIT is {}",
            self.sum.dead(),
            self.sum.records,
            reasons.join(", "),
            self.limit
        )
    }
}

impl Bucket {
    fn dead(&self) -> u64 {
        self.dead_letters.iter().sum()
    }

    fn add(&mut self, other: &Bucket) {
        self.records += other.records;
        for (sum, count) in self.dead_letters.iter_mut().zip(other.dead_letters) {
            *sum += count;
        }
    }

    fn take(&mut self, other: &Bucket) {
        self.records -= other.records;
        for (sum, count) in self.dead_letters.iter_mut().zip(other.dead_letters) {
            *sum -= count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shutdown;
    use std::time::{Duration, Instant};

    fn dead(reason: Reason, count: u64) -> [u64; Reason::ALL.len()] {
        let mut dead_letters = [0; Reason::ALL.len()];
        dead_letters[reason.index()] = count;
        dead_letters
    }

    fn window(percent: f64, records: u64) -> Window {
        Window::new(DlqLimit { percent, records })
    }

    fn settlement(output: u64, rejected: u64) -> Settlement {
        let dead_letters = dead(Reason::FieldMissing, rejected);
        Settlement { output, dead_letters, ..Settlement::default() }
    }

    #[test]
    fn it_is_the_share_of_the_latest_records_that_counts() {
        let mut window = window(50.0, 1_000);
        for _ in 0..20 {
            window.add(100, &dead(Reason::NotJson, 0));
        }
        for _ in 0..5 {
            window.add(100, &dead(Reason::NotJson, 100));
            assert!(!window.is_exceeded(), "{window:?}");
        }
        window.add(100, &dead(Reason::NotJson, 100));
        assert!(window.is_exceeded(), "600 of 1,000, however many good ones came before");
        for _ in 0..5 {
            window.add(100, &dead(Reason::NotJson, 0));
        }
        assert!(!window.is_exceeded(), "older dead letters are forgotten");
    }

    #[test]
    fn a_few_records_at_the_start_are_no_share() {
        let mut window = window(50.0, 1_000);
        window.add(500, &dead(Reason::NotJson, 500));
        assert!(!window.is_exceeded());
        window.add(1, &dead(Reason::NotJson, 1));
        assert!(window.is_exceeded(), "whatever comes next, it is more than half of 1,000");
    }

    #[test]
    fn it_takes_little_room_whatever_the_batches() {
        let mut small = window(50.0, 10_000);
        for record in 0..50_000 {
            small.add(1, &dead(Reason::TooDeep, record % 4));
            assert!(small.buckets.len() as u64 <= BUCKETS + 2);
        }
        assert!((10_000..10_200).contains(&small.sum.records), "{}", small.sum.records);
        let mut large = window(50.0, 10);
        large.add(4_096, &dead(Reason::TooDeep, 0));
        large.add(4_096, &dead(Reason::TooDeep, 4_096));
        assert_eq!((large.buckets.len(), large.sum.records), (1, 4_096), "a batch is not divided");
        large.add(0, &dead(Reason::TooDeep, 0));
        assert_eq!(large.sum.records, 4_096, "an end of partition has no records");
    }

    #[test]
    fn the_finding_names_the_leading_reasons() {
        let mut window = window(2.5, 100);
        for (reason, count) in
            [(Reason::TooDeep, 1), (Reason::NotJson, 7), (Reason::FieldMissing, 9), (Reason::FieldType, 2)]
        {
            window.add(25, &dead(reason, count));
        }
        assert_eq!(
            window.finding(),
            "19 of the last 100 records were rejected (field_missing 9, not_json 7, field_type 2), \
             and GRISTMILL_DLQ_LIMIT is 2.5%/100"
        );
    }

    #[test]
    fn once_tripped_it_stays_so_and_everybody_hears_of_it() {
        let (metrics, health) = (Metrics::new(), Health::new(0, &[], Duration::from_secs(1)));
        let limit = Some(DlqLimit { percent: 50.0, records: 100 });
        let guard = DlqGuard::new(limit, None, (metrics.clone(), health.clone()));
        guard.settled(&settlement(60, 40));
        assert!(!guard.has_tripped() && health.ready(Instant::now(), None).is_yes());
        guard.settled(&settlement(0, 60));
        assert!(guard.has_tripped() && metrics.snapshot().facts.dlq_limit_tripped);
        let verdict = health.ready(Instant::now(), None);
        assert!(verdict.missing()[0].contains("GRISTMILL_DLQ_LIMIT is 50%/100"), "{verdict:?}");
        guard.settled(&settlement(1_000, 0));
        assert!(guard.has_tripped(), "what was in flight changes nothing");

        let off = DlqGuard::new(None, None, (metrics, health));
        off.settled(&settlement(0, 1_000));
        assert!(!off.has_tripped());
    }

    #[test]
    fn a_run_to_the_end_ends_with_its_code() {
        let (metrics, health) = (Metrics::new(), Health::new(0, &[], Duration::from_secs(1)));
        let shutdown = Arc::new(Shutdown::new(Duration::from_secs(1)));
        let limit = Some(DlqLimit { percent: 0.0, records: 100 });
        let guard = DlqGuard::new(limit, Some(shutdown.clone()), (metrics, health));
        guard.settled(&settlement(100, 0));
        assert!(!shutdown.is_requested());
        shutdown.request(shutdown::Reason::EndReached);
        guard.settled(&settlement(99, 1));
        let Some(shutdown::Reason::Failed(error)) = shutdown.reason() else { panic!("{shutdown:?}") };
        assert_eq!(error.code, ExitCode::DlqLimit);
        assert!(error.message.contains("1 of the last 100 records"), "{error}");
    }
}
