//! README.md's figures are those of the newest folder in perf/results and of the proof, word for word.
//!
//! They stand between `<!-- from perf/results -->` or `<!-- from tests/proof/results -->` and `<!-- end -->`;
//! `BLESS=1 cargo test --test tidy` copies them anew.

use crate::source::{read, root};

const README: &str = "README.md";
const MEASURED: &str = "<!-- from perf/results -->\n";
const PROVED: &str = "<!-- from tests/proof/results -->\n";
const CLOSE: &str = "<!-- end -->";

/// The sections that README shows, by their headings in a summary.
const SHOWN: [&str; 3] = ["Throughput and CPU a record", "Latency", "Memory"];

/// The newest folder: their names begin with the day.
fn newest() -> Option<String> {
    let folders = std::fs::read_dir(root().join("perf/results")).ok()?;
    let names = folders.filter_map(|folder| folder.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(|first: char| first.is_ascii_digit())).max()
}

/// What README has to show of a summary: of each section its day and command, and its table.
fn figures(folder: &str, summary: &str) -> String {
    let mut text = String::new();
    for title in SHOWN {
        let Some((_, section)) = summary.split_once(&format!("\n## {title}\n")) else { continue };
        let section = section.split("\n## ").next().unwrap_or_default();
        let dated = section.lines().find(|line| line.contains("`perf/run")).unwrap_or_default();
        let table: Vec<&str> = section.lines().filter(|line| line.starts_with('|')).collect();
        text.push_str(&format!("**{title}**: {dated}\n\n{}\n\n", table.join("\n")));
    }
    format!("{text}[Every run, its method, and what it does not show](perf/results/{folder}/summary.md).\n")
}

/// The first table of the proof: a row for each kind of fault.
fn proved(table: &str) -> String {
    let rows =
        table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.collect::<Vec<_>>().join("\n")
}

/// The figures in a document, behind this mark.
fn shown<'a>(document: &'a str, mark: &str) -> Option<&'a str> {
    Some(document.split_once(mark)?.1.split_once(CLOSE)?.0)
}

/// Expects these figures behind a mark of README, or puts them there.
fn expect_shown(mark: &str, expected: &str) {
    let mut document = read(README);
    if std::env::var_os("BLESS").is_some() {
        let found = shown(&document, mark).map(str::to_owned).unwrap_or_default();
        document =
            document.replace(&format!("{mark}{found}"), &format!("{mark}\n{}\n\n", expected.trim_end()));
        std::fs::write(root().join(README), &document).expect("the document can be written");
    }
    let found = shown(&document, mark).unwrap_or_else(|| panic!("{README} has no {mark}"));
    assert_eq!(found.trim(), expected.trim(), "{README} does not show the newest results");
}

#[test]
fn the_readme_shows_the_newest_results() {
    let folder = newest().expect("there are results in perf/results");
    expect_shown(MEASURED, &figures(&folder, &read(&format!("perf/results/{folder}/summary.md"))));
    expect_shown(PROVED, &proved(&read("tests/proof/results/table.md")));
}

#[test]
fn a_figure_that_was_changed_by_hand_is_found() {
    let summary = "# M\n\n## Latency\n\n2026-01-02 (`perf/run`): x.\nHow.\n\n| a |\n| - |\n| 7 |\n\n- note\n\n## Scaling\n\n| b |\n";
    let right = figures("2026-01-02-m", summary);
    assert!(
        right.starts_with("**Latency**: 2026-01-02 (`perf/run`): x.\n\n| a |\n| - |\n| 7 |\n\n["),
        "{right}"
    );
    let document = format!("text\n{MEASURED}\n{right}\n{CLOSE}\n");
    assert_eq!(shown(&document, MEASURED).map(str::trim), Some(right.trim()));
    assert_ne!(shown(&document.replace("| 7 |", "| 8 |"), MEASURED).map(str::trim), Some(right.trim()));
    assert_eq!(shown(&document, PROVED), None);
    assert_eq!(proved("# Proof\n\nWords.\n\n| a |\n| 7 |\n\n| b |\n"), "| a |\n| 7 |");
}
