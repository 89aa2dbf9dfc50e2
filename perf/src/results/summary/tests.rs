//! The summary of a small `raw.json`.

use super::*;

const RAW: &str = include_str!("raw.json");

fn machine() -> Machine {
    let [cpu, kernel, rustc] = ["Some CPU", "6.1", "rustc 1.88.0"].map(str::to_owned);
    let [gristmill, librdkafka, kafka, java] =
        ["gristmill 0.1.0, revision abc", "2.12.1", "4.1.1", "openjdk 17"].map(str::to_owned);
    Machine { cpu, cores: 2, memory_mb: 4096, kernel, rustc, gristmill, librdkafka, kafka, java }
}

fn row<'a>(text: &'a str, starts: &str) -> &'a str {
    text.lines().find(|line| line.starts_with(starts)).unwrap_or_else(|| panic!("no row {starts} in\n{text}"))
}

#[test]
fn medians_ranges_and_ratios_of_the_same_round() {
    let raw: Raw = serde_json::from_str(RAW).unwrap();
    let text = summary(&raw, &machine());
    // Rounds: copy 1,000,000 and 500,000; engine 800,000 and 450,000: ratios 0.8 and 0.9. The warm-up is not in it.
    let engine = row(&text, "| engine |");
    assert!(
        engine.starts_with("| engine | 625,000 (450,000 to 800,000) | 0.85 (0.80 to 0.90) |"),
        "{engine}"
    );
    assert!(engine.ends_with("| 100 | 2 |"), "peak and runs: {engine}");
    assert!(row(&text, "| copy |").contains("| 1.00 (1.00 to 1.00) |"));
}

#[test]
fn what_does_not_count_is_named_and_not_in_the_table() {
    let raw: Raw = serde_json::from_str(RAW).unwrap();
    let text = summary(&raw, &machine());
    assert!(row(&text, "| peer |").ends_with("| – | – | – | – | – | 0 |"), "{}", row(&text, "| peer |"));
    assert!(text.contains("- peer, round 1: the ledger is not clean: 3 lost"));
    assert!(text.contains("franz-go was left out"), "notes are told");
    assert!(text.contains("Parts that were not measured: classic, latency"));
}

#[test]
fn a_later_part_takes_the_place_of_an_earlier_one() {
    let mut raw: Raw = serde_json::from_str(RAW).unwrap();
    let sizes = PartResults { part: "sizes".into(), date: "2026-01-02".into(), ..PartResults::default() };
    let again =
        PartResults { part: "throughput".into(), date: "2026-01-03".into(), ..PartResults::default() };
    let order = ["throughput", "sizes"];
    raw.replace(sizes, &order);
    raw.replace(again, &order);
    let told: Vec<(&str, &str)> = raw.parts.iter().map(|part| (&*part.part, &*part.date)).collect();
    assert_eq!(told, [("throughput", "2026-01-03"), ("sizes", "2026-01-02")]);
}
