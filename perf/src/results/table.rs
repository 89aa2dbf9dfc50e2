//! Tables of runs: a line for each that ran, medians over the rounds, ratios to a reference of the same round.

use super::{PartResults, Sample};
use crate::figures::Spread;
use std::fmt::Write;

/// A column.
pub(super) struct Column {
    /// The figure's name in the runs.
    pub(super) figure: &'static str,
    /// The column's heading.
    pub(super) title: &'static str,
    pub(super) show: fn(f64) -> String,
    /// Whether its range stands beside its median.
    pub(super) range: bool,
    /// Whether there is a column of ratios to the reference beside it.
    pub(super) ratio: bool,
}

/// The table of a part. Columns that no run has a figure for are left out.
pub(super) fn table(part: &PartResults, columns: &[Column], reference: Option<&str>) -> String {
    let has = |column: &&Column| part.runs.iter().any(|run| run.figures.contains_key(column.figure));
    let columns: Vec<&Column> = columns.iter().filter(has).collect();
    let grouped = part.runs.iter().any(|run| !run.group.is_empty());
    let mut heads = vec!["".to_owned()];
    if grouped {
        heads.push("".to_owned());
    }
    for column in &columns {
        heads.push(column.title.to_owned());
        if let (true, Some(reference)) = (column.ratio, reference) {
            heads.push(format!("/ {reference}"));
        }
    }
    heads.push("runs".to_owned());
    let mut text = line(&heads);
    text += &line(&vec!["---".to_owned(); heads.len()]);
    for (group, who) in rows(part) {
        let mut cells = if grouped { vec![group.to_owned()] } else { Vec::new() };
        cells.push(who.to_owned());
        let runs: Vec<&Sample> = counted(part, group, who).collect();
        for column in &columns {
            cells.push(cell(runs.iter().filter_map(|run| run.figures.get(column.figure).copied()), column));
            if let (true, Some(reference)) = (column.ratio, reference) {
                cells.push(ratio_cell(&ratios(part, group, who, reference, column.figure)));
            }
        }
        let first = columns.first().map_or("", |column| column.figure);
        let complete = runs.iter().filter(|run| run.figures.contains_key(first)).count();
        cells.push(if complete > 0 { complete } else { runs.len() }.to_string());
        text += &line(&cells);
    }
    text
}

/// Those that ran, in the order of their first appearance in the warm-up or the first round by name of group and who.
fn rows(part: &PartResults) -> Vec<(&str, &str)> {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    let order = part.settings.get("order").map_or("", String::as_str);
    for named in order.split('|').filter(|named| !named.is_empty()) {
        let (group, who) = named.split_once('/').unwrap_or(("", named));
        rows.push((group, who));
    }
    for run in &part.runs {
        if !rows.contains(&(&run.group, &run.who)) {
            rows.push((&run.group, &run.who));
        }
    }
    // Warm-ups and searches have no line.
    let told = |run: &&Sample| run.round > 0;
    rows.retain(|(group, who)| {
        part.runs.iter().filter(told).any(|run| run.group == *group && run.who == *who)
    });
    rows
}

fn counted<'a>(part: &'a PartResults, group: &'a str, who: &'a str) -> impl Iterator<Item = &'a Sample> {
    part.runs.iter().filter(move |run| run.counts() && run.group == group && run.who == who)
}

/// The ratios of each round in which both ran.
pub(super) fn ratios(part: &PartResults, group: &str, who: &str, reference: &str, figure: &str) -> Vec<f64> {
    let of = |run: &Sample| run.figures.get(figure).copied();
    let ratio = |run: &Sample| {
        let other = counted(part, group, reference).find(|other| other.round == run.round)?;
        Some(of(run)? / of(other)?)
    };
    counted(part, group, who).filter_map(ratio).filter(|ratio| ratio.is_finite()).collect()
}

fn cell(figures: impl Iterator<Item = f64>, column: &Column) -> String {
    let figures: Vec<f64> = figures.collect();
    if figures.is_empty() {
        return "–".to_owned();
    }
    let Spread { low, middle, high } = Spread::of(&figures);
    let mut text = (column.show)(middle);
    if column.range && figures.len() > 1 {
        write!(text, " ({} to {})", (column.show)(low), (column.show)(high)).expect("a String takes all");
    }
    text
}

fn ratio_cell(ratios: &[f64]) -> String {
    if ratios.is_empty() {
        return "–".to_owned();
    }
    let Spread { low, middle, high } = Spread::of(ratios);
    if ratios.len() == 1 { format!("{middle:.2}") } else { format!("{middle:.2} ({low:.2} to {high:.2})") }
}

pub(super) fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}
