//! The accounts hold whatever the threads tell, in any order.

use super::*;
use crate::rejection::Reason;
use crate::telemetry::exposition::Exposition;
use crate::telemetry::text_format::{Scrape, parse};
use proptest::prelude::*;
use std::thread;

/// What a thread of the engine may tell, in any order; an index picks one of the batches that are away.
#[derive(Clone, Debug)]
enum Call {
    Seal { records: u64 },
    Settle { batch: prop::sample::Index, dead_letters: u64, passed: u64, reason: usize },
    Abandon { batch: prop::sample::Index },
    Scrape,
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => prop_oneof![Just(0), Just(1), 0u64..5000].prop_map(|records| Call::Seal { records }),
        4 => (any::<prop::sample::Index>(), 0u64..5000, 0u64..5000, 0..Reason::ALL.len())
            .prop_map(|(batch, dead_letters, passed, reason)| Call::Settle { batch, dead_letters, passed, reason }),
        1 => any::<prop::sample::Index>().prop_map(|batch| Call::Abandon { batch }),
        2 => Just(Call::Scrape),
    ]
}

/// The same books, kept in the plainest way.
#[derive(Debug, Default)]
struct Model {
    away: Vec<u64>,
    consumed: u64,
    output: u64,
    dead_letters: u64,
    passed: u64,
    abandoned: u64,
}

fn now() -> BatchTimes {
    let now = Instant::now();
    BatchTimes { read: now, transform_started: now, transform_ended: now, produced: now, settled: now }
}

fn settlement(records: u64, dead_letters: u64, passed: u64, reason: usize) -> Settlement {
    let dead_lettered = dead_letters.min(records);
    let passed = passed.min(records - dead_lettered);
    let mut settlement =
        Settlement { output: records - dead_lettered - passed, passed, ..Settlement::default() };
    settlement.dead_letters[reason] = dead_lettered;
    settlement
}

fn plain(scrape: &Scrape, name: &str) -> u64 {
    scrape[name].value(&[]) as u64
}

/// The equation, from the text alone.
fn assert_balanced(scrape: &Scrape) {
    let produced = &scrape["gristmill_records_produced_total"];
    let output = produced.value(&[("destination", "output")]) as u64;
    let dead_letters = produced.value(&[("destination", "dlq")]) as u64;
    let passed = plain(scrape, "gristmill_records_passed_total");
    let open =
        plain(scrape, "gristmill_records_in_flight") + plain(scrape, "gristmill_records_abandoned_total");
    assert_eq!(plain(scrape, "gristmill_records_consumed_total"), output + dead_letters + passed + open);
    assert_eq!(scrape["gristmill_records_rejected_total"].sum() as u64, dead_letters);
    let processed = &scrape["kafka_messages_processed_total"];
    assert_eq!(processed.value(&[("result", "success")]) as u64, output + passed);
    assert_eq!(processed.value(&[("result", "dlq")]) as u64, dead_letters);
    let duration = &scrape["kafka_processing_duration_seconds"];
    assert_eq!(duration.sample("_count", &[("result", "success")]), Some((output + passed) as f64));
    assert_eq!(duration.sample("_count", &[("result", "dlq")]), Some(dead_letters as f64));
}

impl Model {
    fn apply(&mut self, call: &Call, metrics: &Arc<Metrics>, exposition: &Exposition) {
        match call {
            Call::Seal { records } => {
                self.away.push(*records);
                self.consumed += records;
                metrics.batch_sealed(*records, 100 * records);
            }
            Call::Settle { batch, dead_letters, passed, reason } if !self.away.is_empty() => {
                let records = self.away.swap_remove(batch.index(self.away.len()));
                let settlement = settlement(records, *dead_letters, *passed, *reason);
                self.output += settlement.output;
                self.dead_letters += settlement.dead_lettered();
                self.passed += settlement.passed;
                metrics.batch_settled(&settlement, &now());
            }
            Call::Abandon { batch } if !self.away.is_empty() => {
                let records = self.away.swap_remove(batch.index(self.away.len()));
                self.abandoned += records;
                metrics.batch_abandoned(records);
            }
            Call::Settle { .. } | Call::Abandon { .. } => {}
            Call::Scrape => self.compare(&parse(&exposition.render()), metrics),
        }
    }

    fn compare(&self, scrape: &Scrape, metrics: &Metrics) {
        assert_balanced(scrape);
        let in_flight: u64 = self.away.iter().sum();
        assert_eq!(plain(scrape, "gristmill_records_consumed_total"), self.consumed);
        assert_eq!(plain(scrape, "gristmill_records_in_flight"), in_flight);
        assert_eq!(plain(scrape, "gristmill_batches_in_flight"), self.away.len() as u64);
        assert_eq!(plain(scrape, "gristmill_records_abandoned_total"), self.abandoned);
        assert_eq!(plain(scrape, "gristmill_records_passed_total"), self.passed);
        assert_eq!(scrape["gristmill_records_produced_total"].sum() as u64, self.output + self.dead_letters);
        assert_eq!(metrics.waiting_since().is_some(), in_flight > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_books_balance_after_any_sequence_of_calls(calls in prop::collection::vec(call(), 1..60)) {
        let metrics = Metrics::new();
        let exposition = Exposition::new(Arc::clone(&metrics));
        let mut model = Model::default();
        for call in &calls {
            model.apply(call, &metrics, &exposition);
        }
        model.apply(&Call::Scrape, &metrics, &exposition);
    }
}

#[test]
fn the_books_balance_in_every_scrape_while_threads_report() {
    let metrics = Metrics::new();
    let exposition = Exposition::new(Arc::clone(&metrics));
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2u64)
            .map(|thread| {
                let metrics = &metrics;
                scope.spawn(move || {
                    for round in 0..2000u64 {
                        let records = round % 97 + thread;
                        metrics.batch_sealed(records, records);
                        match round % 10 {
                            9 => metrics.batch_abandoned(records),
                            reason => metrics
                                .batch_settled(&settlement(records, round % 13, 1, reason as usize), &now()),
                        }
                    }
                })
            })
            .collect();
        let mut consumed = 0;
        while !threads.iter().all(|thread| thread.is_finished()) {
            let scrape = parse(&exposition.render());
            assert_balanced(&scrape);
            let now = plain(&scrape, "gristmill_records_consumed_total");
            assert!(now >= consumed, "a counter never falls");
            consumed = now;
        }
    });
    assert_eq!(metrics.accounting().in_flight(), 0);
}

#[test]
fn waiting_starts_with_the_first_record_in_flight_and_anew_with_each_delivery() {
    let metrics = Metrics::new();
    metrics.batch_sealed(0, 0);
    assert_eq!(metrics.waiting_since(), None, "an empty batch is nothing to wait for");
    let before = Instant::now();
    metrics.batch_sealed(10, 100);
    let first = metrics.waiting_since().unwrap();
    assert!(first >= before);
    metrics.batch_sealed(10, 100);
    assert_eq!(metrics.waiting_since(), Some(first), "a second batch delivers nothing");
    let settled = BatchTimes { settled: first + Duration::from_secs(1), ..now() };
    metrics.batch_settled(&settlement(10, 0, 0, 0), &settled);
    assert_eq!(metrics.waiting_since(), Some(settled.settled));
    metrics.batch_abandoned(10);
    assert_eq!(metrics.waiting_since(), None);
}

#[test]
fn an_interval_report_starts_where_the_last_one_ended() {
    let metrics = Metrics::new();
    let records = |report: &LatencyReport| report.legs[0].records;
    metrics.batch_sealed(8, 0);
    metrics.batch_settled(&settlement(8, 1, 1, 0), &now());
    assert_eq!(records(&metrics.interval_report()), 8);
    assert_eq!(records(&metrics.interval_report()), 0);
    metrics.batch_sealed(5, 0);
    metrics.batch_settled(&settlement(5, 1, 1, 0), &now());
    assert_eq!(records(&metrics.interval_report()), 5);
    assert_eq!(records(&metrics.report()), 13);
}

#[test]
fn end_to_end_latency_leaves_out_what_has_no_time() {
    let metrics = Metrics::new();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    metrics.end_to_end_batch(&[(990_000, 3), (-1, 5), (2_000_000, 2)], at);
    let histogram = metrics.snapshot().latencies.leg(crate::telemetry::latency::Leg::EndToEnd);
    assert_eq!((histogram.count(), histogram.sum()), (5, Duration::from_secs(30)));
    assert_eq!(histogram.min(), Duration::ZERO, "a clock that is ahead is no negative time");
}
