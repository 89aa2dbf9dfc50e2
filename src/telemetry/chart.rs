//! A latency histogram as a picture for the terminal: a bar for each range of durations, the percentiles beside them.
//!
//! Ranges grow in equal steps of a logarithm, rounded to the preferred numbers that engineers know (1, 2, 5 or finer), as fine as fits the
//! rows. Bars are linear in records, so that their areas can be compared.

use super::duration_text::DurationText;
use super::latency::{LatencyHistogram, Leg, LegReport};
use std::time::Duration;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct ChartStyle {
    /// Columns of the terminal; under 60 counts as 60.
    pub columns: usize,
    /// With ANSI colours; see [`color_wanted`](super::color_wanted).
    pub color: bool,
}

/// Rows of bars, at most, where the histogram is not wider than that in its coarsest steps.
const ROWS_MAX: usize = 18;
const COLUMNS_MIN: usize = 60;
const LABEL_COLUMNS: usize = 10;
const COUNT_COLUMNS: usize = 12;
const MARK_COLUMNS: usize = 22;

/// Preferred numbers for a decade, finest first.
const STEPS: [&[f64]; 4] = [
    &[
        1.0, 1.1, 1.2, 1.3, 1.5, 1.6, 1.8, 2.0, 2.2, 2.4, 2.7, 3.0, 3.3, 3.6, 3.9, 4.3, 4.7, 5.1, 5.6, 6.2,
        6.8, 7.5, 8.2, 9.1,
    ],
    &[1.0, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2],
    &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
    &[1.0, 2.0, 5.0],
];

const MARKS: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// A range of durations: from the row before to `up_to_us`.
struct Row {
    up_to_us: u64,
    records: u64,
    /// Records in this row and those before.
    cumulative: u64,
}

/// Draws `histogram` under `title`. Every line ends, and none is wider than the style's columns but for a long title.
pub fn latency_chart(title: &str, histogram: &LatencyHistogram, style: ChartStyle) -> String {
    if histogram.count() == 0 {
        return format!("{title}: no records\n");
    }
    let mut chart = format!("{title}: {} records\n", grouped(histogram.count()));
    chart.push_str(&format!("{}\n\n", LegReport::of(Leg::Processing, histogram)));
    let rows = rows(histogram);
    let fullest = rows.iter().map(|row| row.records).max().unwrap_or(1);
    let bar_columns = style.columns.max(COLUMNS_MIN) - LABEL_COLUMNS - COUNT_COLUMNS - MARK_COLUMNS - 2;
    let mut before = 0;
    for row in &rows {
        let bar = bar(row.records, fullest, bar_columns);
        let padding = " ".repeat(bar_columns - bar.chars().count());
        let bar = if style.color { paint(&bar, before, histogram.count()) } else { bar };
        let label = DurationText(Duration::from_micros(row.up_to_us)).to_string();
        let count = grouped(row.records);
        let line = format!(
            "{label:>LABEL_COLUMNS$} {bar}{padding}{count:>COUNT_COLUMNS$} {}",
            marks(before, row, histogram)
        );
        chart.push_str(line.trim_end());
        chart.push('\n');
        before = row.cumulative;
    }
    chart
}

/// The finest rows that fit, from the first to the last that has records.
fn rows(histogram: &LatencyHistogram) -> Vec<Row> {
    let candidates = STEPS.iter().map(|steps| rows_in(histogram, steps));
    let mut coarsest = Vec::new();
    for rows in candidates {
        if rows.len() <= ROWS_MAX {
            return rows;
        }
        coarsest = rows;
    }
    coarsest
}

fn rows_in(histogram: &LatencyHistogram, steps: &[f64]) -> Vec<Row> {
    // From 1 µs to 5 × 10^11 µs, which is more than the 24 h that a histogram tells apart.
    let mut bounds_us: Vec<u64> = (0..12)
        .flat_map(|decade| steps.iter().map(move |step| (step * 10f64.powi(decade)).round() as u64))
        .collect();
    bounds_us.dedup();
    let bounds: Vec<f64> = bounds_us.iter().map(|&us| us as f64 / 1e6).collect();
    let mut before = 0;
    let mut rows = Vec::new();
    for (up_to_us, cumulative) in bounds_us.into_iter().zip(histogram.cumulative(&bounds)) {
        rows.push(Row { up_to_us, records: cumulative - before, cumulative });
        before = cumulative;
    }
    let has_records = |row: &Row| row.records > 0;
    let first = rows.iter().position(has_records).unwrap_or(0);
    let end = rows.iter().rposition(has_records).map_or(first, |last| last + 1);
    rows.drain(first..end).collect()
}

/// A bar in eighths of a column; what is there at all is visible.
fn bar(records: u64, fullest: u64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (records as f64 / fullest as f64 * (columns * 8) as f64).round() as usize;
    let eighths = if records > 0 { eighths.max(1) } else { 0 };
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// Green up to the 90th percentile, yellow up to the 99th, red beyond; `before` is the records of the rows above.
fn paint(bar: &str, before: u64, total: u64) -> String {
    let share = before as f64 / total as f64;
    let color = match share {
        share if share < 0.9 => "32",
        share if share < 0.99 => "33",
        _ => "31",
    };
    if bar.is_empty() { String::new() } else { format!("\u{1b}[{color}m{bar}\u{1b}[0m") }
}

/// The percentiles whose record is in this row.
fn marks(before: u64, row: &Row, histogram: &LatencyHistogram) -> String {
    let rank =
        |quantile: f64| ((quantile * histogram.count() as f64).ceil() as u64).clamp(1, histogram.count());
    let here = MARKS.iter().filter(|(_, quantile)| (before + 1..=row.cumulative).contains(&rank(*quantile)));
    here.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: ChartStyle = ChartStyle { columns: 80, color: false };

    fn histogram(counts: &[(u64, u64)]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::new();
        for &(us, count) in counts {
            histogram.record(Duration::from_micros(us), count);
        }
        histogram
    }

    #[test]
    fn a_picture() {
        let latencies =
            histogram(&[(900, 5), (1_900, 600), (4_000, 300), (19_000, 90), (400_000, 4), (4_000_000, 1)]);
        let expected = "\
end to end: 1,000 records
p50 1.90 ms p90 4.02 ms p99 19.1 ms p99.9 401 ms max 4.01 s

   1.00 ms ▎                                            5
   2.00 ms ██████████████████████████████████         600 p50
   5.00 ms █████████████████                          300 p90
   10.0 ms                                              0
   20.0 ms █████▏                                      90 p99
   50.0 ms                                              0
    100 ms                                              0
    200 ms                                              0
    500 ms ▎                                            4 p99.9
    1.00 s                                              0
    2.00 s                                              0
    5.00 s ▏                                            1 max
";
        let chart = latency_chart("end to end", &latencies, PLAIN);
        assert_eq!(chart, expected, "got\n{chart}");
    }

    #[test]
    fn a_narrow_histogram_has_fine_rows() {
        let latencies = histogram(&[(4_000, 10), (4_500, 20), (5_000, 10), (6_000, 3)]);
        let chart = latency_chart("processing", &latencies, PLAIN);
        assert_eq!(chart.lines().count(), 3 + 5, "{chart}");
    }

    #[test]
    fn the_longest_that_a_histogram_tells_apart_has_a_row() {
        let chart = latency_chart("processing", &histogram(&[(0, 1), (u64::MAX, 1)]), PLAIN);
        assert!(chart.lines().nth(3).unwrap().starts_with("      1 µs █"), "{chart}");
        assert!(chart.lines().last().unwrap().starts_with("    27.8 h █"), "{chart}");
    }

    #[test]
    fn nothing_recorded_is_said() {
        assert_eq!(latency_chart("processing", &LatencyHistogram::new(), PLAIN), "processing: no records\n");
    }

    #[test]
    fn colour_changes_nothing_but_colour() {
        let latencies = histogram(&[(900, 90), (1_900, 9), (400_000, 1)]);
        let plain = latency_chart("x", &latencies, PLAIN);
        let painted = latency_chart("x", &latencies, ChartStyle { color: true, ..PLAIN });
        assert!(!plain.contains('\u{1b}'));
        let mut unpainted = painted.clone();
        for code in ["\u{1b}[32m", "\u{1b}[33m", "\u{1b}[31m", "\u{1b}[0m"] {
            assert!(painted.contains(code), "{painted}");
            unpainted = unpainted.replace(code, "");
        }
        assert_eq!(unpainted, plain);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    proptest! {
        #[test]
        fn any_histogram_fits_and_shows_every_record_and_mark(
            counts in prop::collection::vec((0u64..100_000_000_000, 1u64..1_000_000), 1..40), columns in 0usize..200,
        ) {
            let latencies = histogram(&counts);
            let chart = latency_chart("processing", &latencies, ChartStyle { columns, color: false });
            let width = columns.max(COLUMNS_MIN);
            prop_assert!(chart.lines().all(|line| line.chars().count() <= width.max(72)), "{chart}");
            let rows: Vec<&str> = chart.lines().skip(3).collect();
            let shown: u64 = rows.iter().map(|row| {
                let words = row.split_whitespace().skip(2);
                let count = words.map(|word| word.replace(',', "")).find_map(|word| word.parse::<u64>().ok());
                count.unwrap()
            }).sum();
            prop_assert_eq!(shown, latencies.count());
            let marks: Vec<&str> = rows.iter().flat_map(|row| row.split_whitespace()).filter(|word| MARKS.iter().any(|mark| mark.0 == *word)).collect();
            prop_assert_eq!(marks, MARKS.map(|mark| mark.0));
            prop_assert!(rows[rows.len() - 1].ends_with("max"));
        }
    }
}
