//! Pictures of figures, as SVG.

use crate::error::{Error, Result};
use crate::histogram::Times;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;

const SIZE: (u32, u32) = (960, 540);

/// Told apart by those who see few colours (Okabe, Ito: Color Universal Design, 2008).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(64, 64, 64),
];

/// Latency by percentile, a line for each histogram, on an axis with as much room for each further nine.
pub fn latencies(path: &Path, lines: &[(String, Times)]) -> Result<()> {
    let curves: Vec<(String, Vec<(f64, f64)>)> = lines
        .iter()
        .map(|(name, times)| {
            let steps = times.steps().into_iter().filter(|(_, share)| *share < 1.0);
            (name.clone(), steps.map(|(us, share)| (nines(share), us as f64 / 1000.0)).collect())
        })
        .collect();
    let nines_max = ends(&curves, |point| point.0).1.clamp(3.0, 6.0);
    let (low, high) = ends(&curves, |point| point.1);
    let area = area(path)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Latency by percentile", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..nines_max, (low.max(0.1) * 0.8..high.max(1.0) * 1.3).log_scale())
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .y_desc("ms from intended send to readable (logarithmic)")
        .x_labels(7)
        .x_label_formatter(&|nines| percentile(*nines))
        .y_label_formatter(&|ms| format!("{ms}"))
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(220, 220, 220))
        .draw()
        .map_err(drawing)?;
    for (at, (name, points)) in curves.into_iter().enumerate() {
        let style = COLOURS[at % COLOURS.len()].stroke_width(2);
        let series = chart.draw_series(LineSeries::new(points, style)).map_err(drawing)?;
        series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    legend(&mut chart, SeriesLabelPosition::UpperLeft)?;
    area.present().map_err(drawing)
}

/// Resident memory over time, in seconds and bytes, with a line at the limit.
pub fn memory(path: &Path, lines: &[(String, Vec<(f64, f64)>)], limit_bytes: f64) -> Result<()> {
    const MIB: f64 = 1_048_576.0;
    let (_, seconds) = ends(lines, |point| point.0);
    let (_, highest) = ends(lines, |point| point.1);
    let area = area(path)?;
    let top = highest.max(limit_bytes) / MIB * 1.25;
    let mut chart = ChartBuilder::on(&area)
        .caption("Resident memory over time", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..seconds.max(1.0), 0.0..top)
        .map_err(drawing)?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .y_desc("MiB")
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(220, 220, 220))
        .x_label_formatter(&|seconds| format!("{seconds:.0}"))
        .y_label_formatter(&|mib| format!("{mib:.0}"))
        .draw()
        .map_err(drawing)?;
    let limit = LineSeries::new([(0.0, limit_bytes / MIB), (seconds.max(1.0), limit_bytes / MIB)], BLACK);
    let drawn = chart.draw_series(limit).map_err(drawing)?;
    drawn.label("limit + 64 MiB").legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK));
    for (at, (name, points)) in lines.iter().enumerate() {
        let style = COLOURS[at % COLOURS.len()].stroke_width(2);
        let points = points.iter().map(|(x, y)| (*x, y / MIB));
        let series = chart.draw_series(LineSeries::new(points, style)).map_err(drawing)?;
        series.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)?;
    area.present().map_err(drawing)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn area(path: &Path) -> Result<Area<'_>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE).map_err(drawing)?;
    Ok(area)
}

fn legend<'a, C: plotters::coord::CoordTranslate>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, C>,
    place: SeriesLabelPosition,
) -> Result<()> {
    chart
        .configure_series_labels()
        .position(place)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .draw()
        .map_err(drawing)
}

/// 0.9 is 1, 0.99 is 2.
fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

fn percentile(nines: f64) -> String {
    let percent = 100.0 * (1.0 - 10_f64.powf(-nines));
    let decimals = if nines <= 2.0 { 0.0 } else { nines.ceil() - 2.0 };
    format!("{percent:.*}", decimals as usize)
}

/// The least and the greatest of all points.
fn ends(lines: &[(String, Vec<(f64, f64)>)], of: impl Fn(&(f64, f64)) -> f64) -> (f64, f64) {
    let all = lines.iter().flat_map(|(_, points)| points.iter().map(&of));
    let (low, high) = all.fold((f64::MAX, 0.0_f64), |(low, high), one| (low.min(one), high.max(one)));
    (if low == f64::MAX { 0.0 } else { low }, high)
}

fn drawing<E: std::fmt::Display>(error: E) -> Error {
    Error(format!("drawing a picture: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn percentiles_are_named_by_their_nines() {
        let names = [0.0, 1.0, 2.0, 3.0, 4.0].map(percentile);
        assert_eq!(names, ["0", "90", "99", "99.9", "99.99"]);
        assert!((nines(0.999) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn pictures_have_a_line_and_a_name_for_each() {
        let mut times = Times::new().unwrap();
        (1..2000).for_each(|us| times.record(Duration::from_micros(us * us)));
        let folder = std::env::temp_dir().join(format!("gristmill-pictures-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (one, other) = (folder.join("latency.svg"), folder.join("memory.svg"));
        latencies(&one, &[("25 %".to_owned(), times.clone()), ("90 %".to_owned(), times)]).unwrap();
        memory(&other, &[("185 B".to_owned(), vec![(0.0, 1e8), (10.0, 2e8)])], 320e6).unwrap();
        let (one, other) = (std::fs::read_to_string(one).unwrap(), std::fs::read_to_string(other).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(one.contains("25 %") && one.contains("90 %") && one.matches("<polyline").count() >= 4);
        assert!(other.contains("185 B") && other.contains("limit + 64 MiB"));
    }
}
