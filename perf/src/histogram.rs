//! Times in a histogram of fixed relative resolution, and the text form that HdrHistogram's own plotter reads.

use crate::error::{Error, Result};
use hdrhistogram::Histogram;
use std::fmt::Write;
use std::time::Duration;

/// Times in µs, up to ten minutes, to three digits.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

const MAX_US: u64 = 600_000_000;

/// What is printed of a histogram, in µs.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Percentiles {
    /// Times recorded.
    pub count: u64,
    /// Half are below.
    pub p50: u64,
    /// 90 of 100.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1000.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

impl Times {
    /// An empty one.
    pub fn new() -> Result<Times> {
        Histogram::new_with_bounds(1, MAX_US, 3).map(Times).map_err(Error::while_doing("a histogram"))
    }

    /// Records a time; one beyond the bound counts as the bound.
    pub fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// The usual few figures.
    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile);
        let (count, max) = (self.0.len(), self.0.max());
        Percentiles { count, p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max }
    }

    /// For each step the time in µs and the share that is at most as long: 0 to 1, finer towards 1.
    pub fn steps(&self) -> Vec<(u64, f64)> {
        let steps = self.0.iter_quantiles(5);
        steps.map(|step| (step.value_iterated_to(), step.quantile())).collect()
    }

    /// HdrHistogram's text form of a percentile distribution (`.hgrm`), values in ms.
    pub fn hgrm(&self) -> String {
        let mut text = format!(
            "{:>12} {:>14} {:>10} {:>14}\n\n",
            "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
        );
        let mut line = |value: u64, quantile: f64, count: u64| {
            let value = value as f64 / 1000.0;
            let nines =
                if quantile < 1.0 { format!(" {:>14.2}", 1.0 / (1.0 - quantile)) } else { String::new() };
            writeln!(text, "{value:>12.3} {quantile:>2.12} {count:>10}{nines}").expect("a String takes all");
        };
        for step in self.0.iter_quantiles(5) {
            let value = step.value_iterated_to();
            line(value, step.quantile_iterated_to(), self.0.count_between(0, value));
        }
        let (mean, deviation) = (self.0.mean() / 1000.0, self.0.stdev() / 1000.0);
        let (max, count) = (self.0.max() as f64 / 1000.0, self.0.len());
        let (buckets, sub) = (self.0.buckets(), 2048);
        write!(
            text,
            "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]\n\
             #[Max     = {max:>12.3}, Total count    = {count:>12}]\n\
             #[Buckets = {buckets:>12}, SubBuckets     = {sub:>12}]\n"
        )
        .expect("a String takes all");
        text
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Percentiles { count, p50, p90, p99, p999, max } = *self;
        let ms = |us: u64| us as f64 / 1000.0;
        write!(
            f,
            "p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2} ms, of {count}",
            ms(p50),
            ms(p90),
            ms(p99),
            ms(p999),
            ms(max)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 to 1000 ms, each once.
    fn times() -> Times {
        let mut times = Times::new().unwrap();
        (1..=1000).for_each(|ms| times.record(Duration::from_millis(ms)));
        times
    }

    #[test]
    fn percentiles_are_within_three_digits() {
        let found = times().percentiles();
        assert_eq!(found.count, 1000);
        for (us, ms) in [
            (found.p50, 500.0),
            (found.p90, 900.0),
            (found.p99, 990.0),
            (found.p999, 999.0),
            (found.max, 1000.0),
        ] {
            assert!((us as f64 / 1000.0 / ms - 1.0_f64).abs() < 0.001, "{us} us for {ms} ms");
        }
    }

    #[test]
    fn the_text_form_has_rows_that_rise_to_all_and_a_foot() {
        let text = times().hgrm();
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        assert_eq!(head, ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]);
        assert_eq!(lines.next(), Some(""));
        let (rows, foot): (Vec<&str>, Vec<&str>) = lines.partition(|line| !line.starts_with('#'));
        let rows: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| row.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect();
        assert!(rows.windows(2).all(|pair| pair[0][..3].iter().zip(&pair[1]).all(|(low, high)| low <= high)));
        let half = rows.iter().find(|row| row[1] == 0.5).unwrap();
        assert!((half[0] - 500.0).abs() < 1.0 && half[2] == 500.0 && half[3] == 2.0, "{half:?}");
        let (last, others) = rows.split_last().unwrap();
        assert_eq!((last.len(), last[1], last[2]), (3, 1.0, 1000.0), "the last row has no fourth figure");
        assert!(others.iter().all(|row| row.len() == 4));
        assert!(
            foot.len() == 3
                && foot[0].starts_with("#[Mean    =")
                && foot[1].contains("Total count    =         1000]")
        );
    }
}
