//! Histograms against a sorted list of what was observed.

use super::*;
use proptest::prelude::*;

const DEFAULT_BOUNDS: [f64; 4] = [0.005, 0.01, 0.1, 1.0];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn times(legs_ms: [u64; 4]) -> BatchTimes {
    let read = Instant::now();
    let transform_started = read + ms(legs_ms[0]);
    let transform_ended = transform_started + ms(legs_ms[1]);
    let produced = transform_ended + ms(legs_ms[2]);
    BatchTimes { read, transform_started, transform_ended, produced, settled: produced + ms(legs_ms[3]) }
}

#[test]
fn a_batch_counts_as_its_records() {
    let mut latencies = Latencies::default();
    latencies.record_batch(&times([1, 2, 3, 4]), 95, 5);
    let counts: Vec<u64> = Leg::ALL.iter().map(|&leg| latencies.leg(leg).count()).collect();
    assert_eq!(counts, [100, 100, 100, 100, 100, 0]);
    assert_eq!((latencies.success().count(), latencies.dead_letter().count()), (95, 5));
    let sums: Vec<Duration> = Leg::STAGES.iter().map(|&leg| latencies.leg(leg).sum()).collect();
    assert_eq!(sums, [ms(100), ms(200), ms(300), ms(400)]);
    assert_eq!(latencies.leg(Leg::Processing).sum(), ms(1000), "the stages add up to the whole");
}

#[test]
fn a_batch_without_records_counts_for_nothing() {
    let mut latencies = Latencies::default();
    latencies.record_batch(&times([1, 1, 1, 1]), 0, 0);
    assert!(latencies.report().legs.iter().all(|leg| leg.records == 0 && leg.max == Duration::ZERO));
}

#[test]
fn moments_out_of_order_are_no_time_at_all() {
    let mut latencies = Latencies::default();
    let mut times = times([1, 1, 1, 1]);
    times.transform_started = times.read.checked_sub(ms(5)).unwrap_or(times.read);
    latencies.record_batch(&times, 1, 0);
    assert_eq!(latencies.leg(Leg::Queue).max(), Duration::ZERO);
}

#[test]
fn percentiles_are_those_of_the_records() {
    let mut histogram = LatencyHistogram::new();
    histogram.record(ms(2), 900);
    histogram.record(ms(20), 90);
    histogram.record(ms(200), 9);
    histogram.record(ms(2000), 1);
    let report = LegReport::of(Leg::Delivery, &histogram);
    for (got, expected) in [
        (report.p50, ms(2)),
        (report.p90, ms(2)),
        (report.p99, ms(20)),
        (report.p99_9, ms(200)),
        (report.max, ms(2000)),
    ] {
        let ratio = got.as_secs_f64() / expected.as_secs_f64();
        assert!((1.0..1.008).contains(&ratio), "{got:?} is not {expected:?} to two digits");
    }
    assert_eq!(report.to_string(), "p50 2.01 ms p90 2.01 ms p99 20.1 ms p99.9 201 ms max 2.01 s");
}

#[test]
fn a_bound_counts_what_took_exactly_so_long() {
    let mut histogram = LatencyHistogram::new();
    for ms_value in [5, 10, 100, 1000] {
        histogram.record(ms(ms_value), 1);
    }
    assert_eq!(histogram.cumulative(&DEFAULT_BOUNDS), [1, 2, 3, 4]);
    assert_eq!(LatencyHistogram::new().cumulative(&DEFAULT_BOUNDS), [0, 0, 0, 0]);
}

#[test]
fn what_takes_longer_than_a_day_counts_but_in_no_bucket() {
    let mut histogram = LatencyHistogram::new();
    histogram.record(Duration::from_secs(3 * 86_400), 2);
    assert_eq!(histogram.cumulative(&[3600.0]), [0]);
    assert_eq!((histogram.count(), histogram.sum()), (2, Duration::from_secs(6 * 86_400)));
}

#[test]
fn an_interval_is_the_difference_of_two_copies() {
    let mut latencies = Latencies::default();
    latencies.record_batch(&times([50, 50, 50, 50]), 10, 0);
    let earlier = latencies.clone();
    latencies.record_batch(&times([1, 1, 1, 1]), 3, 1);
    latencies.record_end_to_end(ms(7), 4);
    let interval = latencies.since(&earlier);
    assert_eq!(interval.leg(Leg::Processing).count(), 4);
    assert_eq!(interval.leg(Leg::Queue).sum(), ms(4));
    assert!(interval.leg(Leg::Queue).max() < ms(2), "the old maximum is not in the interval");
    assert_eq!(interval.leg(Leg::EndToEnd).count(), 4);
}

proptest! {
    #[test]
    fn buckets_agree_with_a_plain_count(values in prop::collection::vec((0u64..20_000_000, 1u64..50), 0..60)) {
        let mut histogram = LatencyHistogram::new();
        for &(us, count) in &values {
            histogram.record(Duration::from_micros(us), count);
        }
        let bounds = prometheus::DEFAULT_BUCKETS;
        let counts = histogram.cumulative(bounds);
        for (bound, count) in bounds.iter().zip(&counts) {
            // A slot is at most 0.8 % wide, so the count lies between those for the bound and for a bound 0.8 % higher.
            let up_to = |limit: f64| values.iter().filter(|(us, _)| *us as f64 <= limit * 1e6).map(|v| v.1).sum::<u64>();
            prop_assert!(up_to(*bound) <= *count && *count <= up_to(bound * 1.008));
        }
        prop_assert!(counts.is_sorted());
        prop_assert_eq!(histogram.count(), values.iter().map(|v| v.1).sum::<u64>());
        prop_assert_eq!(histogram.sum(), Duration::from_micros(values.iter().map(|v| v.0 * v.1).sum()));
    }
}
