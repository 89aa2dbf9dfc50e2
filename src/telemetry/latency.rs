//! Latencies: HDR histograms over all records, one for each leg of a record's way, and the percentiles made of them.
//!
//! A batch's records all count with the batch's times, as one `record_n` a leg: the cost is per batch, and the percentiles are
//! still those of records, not of batches. Values are kept to two significant digits (0.8 % at worst), because then all seven
//! histograms together are about 220 KiB: little for a scrape to copy while the engine's threads may wait for the lock.

use super::duration_text::DurationText;
use hdrhistogram::Histogram;
use std::fmt;
use std::time::{Duration, Instant};

/// The moments of one batch, for the stage histograms.
#[derive(Clone, Copy, Debug)]
pub struct BatchTimes {
    /// The read that filled it returned.
    pub read: Instant,
    /// A worker took it up.
    pub transform_started: Instant,
    /// Its last chunk was done.
    pub transform_ended: Instant,
    /// Its last record was handed to the producer.
    pub produced: Instant,
    /// Its last delivery report came.
    pub settled: Instant,
}

/// A leg of a record's way, or a sum of legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// Read, waiting for a worker.
    Queue,
    /// Being parsed and checked.
    Transform,
    /// Waiting for its turn and being handed to the producer.
    Produce,
    /// With the producer and the broker, until the last delivery report.
    Delivery,
    /// All of these: from read to delivery report.
    Processing,
    /// From the input record's timestamp to the delivery report.
    EndToEnd,
}

impl Leg {
    /// All of them, in a record's order.
    pub const ALL: [Leg; 6] =
        [Leg::Queue, Leg::Transform, Leg::Produce, Leg::Delivery, Leg::Processing, Leg::EndToEnd];

    /// Those that are stages of a batch; together they make up `Processing`.
    pub const STAGES: [Leg; 4] = [Leg::Queue, Leg::Transform, Leg::Produce, Leg::Delivery];

    /// The word for labels and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Leg::Queue => "queue",
            Leg::Transform => "transform",
            Leg::Produce => "produce",
            Leg::Delivery => "delivery",
            Leg::Processing => "processing",
            Leg::EndToEnd => "end_to_end",
        }
    }
}

/// Counts of durations in slots of 0.8 % or less, from 1 µs to 24 h; what is longer counts as 24 h (the sum stays exact).
#[derive(Clone)]
pub struct LatencyHistogram {
    slots: Histogram<u64>,
    sum_us: u64,
}

/// 24 h in microseconds. A record that waited longer in its topic is a matter of lag, not of latency.
const HIGHEST_US: u64 = 24 * 60 * 60 * 1_000_000;
const SIGNIFICANT_DIGITS: u8 = 2;

impl LatencyHistogram {
    /// An empty one.
    pub fn new() -> Self {
        let slots = Histogram::new_with_bounds(1, HIGHEST_US, SIGNIFICANT_DIGITS)
            .expect("the bounds and digits are constants that the histogram takes");
        Self { slots, sum_us: 0 }
    }

    /// `count` records took `latency` each.
    pub fn record(&mut self, latency: Duration, count: u64) {
        if count == 0 {
            return;
        }
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.slots.saturating_record_n(us, count);
        self.sum_us = self.sum_us.saturating_add(us.saturating_mul(count));
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.slots.len()
    }

    /// All of them added up.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// The latency that the share `quantile` (0 to 1) of the records did not exceed; 0 when there are none.
    pub fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.slots.value_at_quantile(quantile).min(self.slots.max()))
    }

    /// The shortest.
    pub fn min(&self) -> Duration {
        Duration::from_micros(if self.slots.is_empty() { 0 } else { self.slots.min() })
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.slots.max())
    }

    /// How many records took no longer than each of `bounds` (seconds, ascending). A bound takes the whole of the slot that it
    /// falls into.
    pub fn cumulative(&self, bounds: &[f64]) -> Vec<u64> {
        let mut counts = Vec::with_capacity(bounds.len());
        let mut total = 0;
        for slot in self.slots.iter_recorded() {
            let lowest_us = self.slots.lowest_equivalent(slot.value_iterated_to());
            while bounds.get(counts.len()).is_some_and(|bound| bound * 1e6 < lowest_us as f64) {
                counts.push(total);
            }
            total += slot.count_since_last_iteration();
        }
        counts.resize(bounds.len(), total);
        counts
    }

    /// The counts themselves.
    pub(super) fn slots(&self) -> &Histogram<u64> {
        &self.slots
    }

    /// Adds another's records.
    pub fn merge(&mut self, other: &LatencyHistogram) {
        self.slots.add(&other.slots).expect("both have the same bounds");
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// What was recorded after `earlier` was copied from this histogram.
    ///
    /// # Panics
    /// If `earlier` is no earlier copy of it.
    pub fn since(&self, earlier: &LatencyHistogram) -> LatencyHistogram {
        let mut slots = self.slots.clone();
        slots.subtract(&earlier.slots).expect("an earlier copy has no more in any slot");
        LatencyHistogram { slots, sum_us: self.sum_us.saturating_sub(earlier.sum_us) }
    }
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyHistogram").field("count", &self.count()).field("max", &self.max()).finish()
    }
}

/// The histograms of a process.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    stages: [LatencyHistogram; Leg::STAGES.len()],
    success: LatencyHistogram,
    dead_letter: LatencyHistogram,
    end_to_end: LatencyHistogram,
}

impl Latencies {
    /// A batch of which `success` records went to the output and `dead_letters` to the dead letter topic.
    pub(super) fn record_batch(&mut self, times: &BatchTimes, success: u64, dead_letters: u64) {
        let moments =
            [times.read, times.transform_started, times.transform_ended, times.produced, times.settled];
        for (stage, ends) in self.stages.iter_mut().zip(moments.windows(2)) {
            stage.record(ends[1].saturating_duration_since(ends[0]), success + dead_letters);
        }
        let whole = times.settled.saturating_duration_since(times.read);
        self.success.record(whole, success);
        self.dead_letter.record(whole, dead_letters);
    }

    pub(super) fn record_end_to_end(&mut self, latency: Duration, count: u64) {
        self.end_to_end.record(latency, count);
    }

    /// From read to delivery report, of what went to the output.
    pub fn success(&self) -> &LatencyHistogram {
        &self.success
    }

    /// From read to delivery report, of what went to the dead letter topic.
    pub fn dead_letter(&self) -> &LatencyHistogram {
        &self.dead_letter
    }

    /// The histogram of a leg.
    pub fn leg(&self, leg: Leg) -> LatencyHistogram {
        match leg {
            Leg::Queue | Leg::Transform | Leg::Produce | Leg::Delivery => self.stages[leg as usize].clone(),
            Leg::Processing => {
                let mut whole = self.success.clone();
                whole.merge(&self.dead_letter);
                whole
            }
            Leg::EndToEnd => self.end_to_end.clone(),
        }
    }

    /// What was recorded after `earlier` was copied.
    ///
    /// # Panics
    /// If `earlier` is no earlier copy.
    pub fn since(&self, earlier: &Latencies) -> Latencies {
        let mut stages = self.stages.clone();
        for (stage, before) in stages.iter_mut().zip(&earlier.stages) {
            *stage = stage.since(before);
        }
        Latencies {
            stages,
            success: self.success.since(&earlier.success),
            dead_letter: self.dead_letter.since(&earlier.dead_letter),
            end_to_end: self.end_to_end.since(&earlier.end_to_end),
        }
    }

    /// The percentiles of every leg.
    pub fn report(&self) -> LatencyReport {
        LatencyReport { legs: Leg::ALL.map(|leg| LegReport::of(leg, &self.leg(leg))) }
    }
}

/// Percentiles of every leg, in the order of [`Leg::ALL`].
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyReport {
    /// One a leg, also where nothing was recorded.
    pub legs: [LegReport; Leg::ALL.len()],
}

/// Percentiles of one leg.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LegReport {
    /// Which.
    pub leg: Leg,
    /// Records.
    pub records: u64,
    /// The median.
    pub p50: Duration,
    /// 90 % took no longer.
    pub p90: Duration,
    /// 99 % took no longer.
    pub p99: Duration,
    /// 99.9 % took no longer.
    pub p99_9: Duration,
    /// The longest.
    pub max: Duration,
}

impl LegReport {
    /// The percentiles of `histogram`.
    pub fn of(leg: Leg, histogram: &LatencyHistogram) -> Self {
        Self {
            leg,
            records: histogram.count(),
            p50: histogram.quantile(0.5),
            p90: histogram.quantile(0.9),
            p99: histogram.quantile(0.99),
            p99_9: histogram.quantile(0.999),
            max: histogram.max(),
        }
    }
}

impl fmt::Display for LegReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p90, p99, p99_9, max] =
            [self.p50, self.p90, self.p99, self.p99_9, self.max].map(DurationText);
        write!(f, "p50 {p50} p90 {p90} p99 {p99} p99.9 {p99_9} max {max}")
    }
}

impl LatencyReport {
    /// Writes one line a leg into the log, in milliseconds; a leg without records is left out.
    pub fn log(&self) {
        for leg in self.legs.iter().filter(|leg| leg.records > 0) {
            tracing::info!(
                leg = leg.leg.as_str(),
                records = leg.records,
                p50_ms = milliseconds(leg.p50),
                p90_ms = milliseconds(leg.p90),
                p99_ms = milliseconds(leg.p99),
                p99_9_ms = milliseconds(leg.p99_9),
                max_ms = milliseconds(leg.max),
                "latency"
            );
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1000.0
}

#[cfg(test)]
#[path = "latency_tests.rs"]
mod tests;
