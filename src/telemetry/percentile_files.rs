//! Latency histograms as files: the text form that HdrHistogram's tools write and plot (`.hgrm`), one file a leg.

use super::latency::{Latencies, LatencyHistogram, Leg};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rows between one power of two of 1/(1 - percentile) and the next, as HdrHistogram's own tools have it.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// The files, made at start, so that a path that cannot be written to is known before the work and not after it.
#[derive(Debug)]
pub struct PercentileFiles {
    files: Vec<(Leg, PathBuf, File)>,
}

impl PercentileFiles {
    /// Makes a file for each leg: `latency.hgrm` becomes `latency.queue.hgrm` and so on.
    ///
    /// # Errors
    /// The path of a file that cannot be made, and why.
    pub fn create(path: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let mut files = Vec::with_capacity(Leg::ALL.len());
        for leg in Leg::ALL {
            let path = with_leg(path, leg);
            let file = File::create(&path).map_err(|error| (path.clone(), error))?;
            files.push((leg, path, file));
        }
        Ok(Self { files })
    }

    /// Writes them.
    ///
    /// # Errors
    /// The path of a file that could not be written, and why.
    pub fn write(self, latencies: &Latencies) -> Result<(), (PathBuf, io::Error)> {
        for (leg, path, file) in self.files {
            let mut out = BufWriter::new(file);
            let written = write_percentiles(&latencies.leg(leg), &mut out).and_then(|()| out.flush());
            written.map_err(|error| (path, error))?;
        }
        Ok(())
    }
}

fn with_leg(path: &Path, leg: Leg) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    for part in [".", leg.as_str(), "."] {
        name.push(part);
    }
    name.push(path.extension().map_or_else(|| OsString::from("hgrm"), ToOwned::to_owned));
    path.with_file_name(name)
}

/// Values in ms.
fn write_percentiles(histogram: &LatencyHistogram, out: &mut impl Write) -> io::Result<()> {
    let slots = histogram.slots();
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut total = 0;
    for step in slots.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let (value, quantile) = (milliseconds(step.value_iterated_to() as f64), step.quantile_iterated_to());
        write!(out, "{value:>12.3} {quantile:>14.12} {total:>10}")?;
        if quantile < 1.0 {
            writeln!(out, " {:>14.2}", 1.0 / (1.0 - quantile))?;
        } else {
            writeln!(out)?;
        }
    }
    let (mean, deviation) = (milliseconds(slots.mean()), milliseconds(slots.stdev()));
    let max = milliseconds(slots.max() as f64);
    writeln!(out, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]")?;
    writeln!(out, "#[Max     = {max:>12.3}, Total count    = {total:>12}]")?;
    writeln!(out, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", slots.buckets(), SUB_BUCKETS)
}

/// Of a histogram with two significant digits.
const SUB_BUCKETS: u32 = 256;

fn milliseconds(us: f64) -> f64 {
    us / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn rows_grow_to_all_records_and_the_footer_counts_them() {
        let mut histogram = LatencyHistogram::new();
        histogram.record(Duration::from_millis(2), 900);
        histogram.record(Duration::from_millis(40), 100);
        let mut text = Vec::new();
        write_percentiles(&histogram, &mut text).expect("written");
        let text = String::from_utf8(text).expect("text");
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|word| word.parse().expect("a number")).collect())
            .collect();
        assert!(text.starts_with("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"), "{text}");
        assert!(rows.windows(2).all(|rows| rows[0][0] <= rows[1][0] && rows[0][2] <= rows[1][2]), "{text}");
        let (median, last) = (rows.iter().find(|row| row[1] >= 0.5).unwrap(), rows.last().unwrap());
        assert!((median[0] - 2.0).abs() < 0.02 && median[2] == 900.0, "{text}");
        assert!((last[0] - 40.0).abs() < 0.4 && last[1..] == [1.0, 1000.0], "{text}");
        assert!(text.contains("Total count    =         1000]"), "{text}");
    }

    #[test]
    fn each_leg_has_a_file_of_its_own_and_an_empty_one_is_a_file_too() {
        let directory = std::env::temp_dir().join(format!("gristmill-hgrm-{}", std::process::id()));
        std::fs::create_dir(&directory).expect("made");
        let files = PercentileFiles::create(&directory.join("run-1.hgrm")).expect("made");
        files.write(&Latencies::default()).expect("written");
        let mut names: Vec<_> =
            std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        std::fs::remove_dir_all(&directory).expect("removed");
        let expected = ["delivery", "end_to_end", "processing", "produce", "queue", "transform"];
        assert_eq!(names, expected.map(|leg| OsString::from(format!("run-1.{leg}.hgrm"))));
        let (path, _) = PercentileFiles::create(&directory.join("gone/x")).expect_err("no such directory");
        assert_eq!(path, directory.join("gone/x.queue.hgrm"));
    }
}
