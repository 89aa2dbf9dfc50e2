//! A strict reader of Prometheus' text format, for tests: it panics at whatever a scraper or `promtool` would frown at.

use std::collections::{BTreeMap, BTreeSet};

/// A scrape, by family name.
pub(super) type Scrape = BTreeMap<String, Family>;

/// Names and values, in order of appearance.
pub(super) type Labels = Vec<(String, String)>;

#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) help: String,
    /// Sample name, labels, value.
    pub(super) samples: Vec<(String, Labels, f64)>,
}

impl Family {
    /// The value of the one sample that has exactly these labels.
    pub(super) fn value(&self, labels: &[(&str, &str)]) -> f64 {
        self.sample("", labels).unwrap_or_else(|| panic!("no sample with {labels:?} in {self:?}"))
    }

    /// The same for a part of a histogram (`_count`, `_sum`, `_bucket`).
    pub(super) fn sample(&self, suffix: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found = |have: &[(String, String)]| {
            have.len() == labels.len() && have.iter().zip(labels).all(|(h, l)| h.0 == l.0 && h.1 == l.1)
        };
        let sample = self.samples.iter().find(|(name, have, _)| name.ends_with(suffix) && found(have));
        sample.map(|(_, _, value)| *value)
    }

    /// All samples added up; for counters and gauges.
    pub(super) fn sum(&self) -> f64 {
        self.samples.iter().map(|(_, _, value)| value).sum()
    }
}

/// Reads a scrape.
///
/// # Panics
/// At the first thing that is not right.
pub(super) fn parse(text: &str) -> Scrape {
    assert!(text.ends_with('\n'), "the last line ends");
    let mut scrape = Scrape::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("HELP has a text");
            let family = Family { help: help.to_owned(), ..Family::default() };
            assert!(scrape.insert(name.to_owned(), family).is_none(), "{name} has HELP twice");
            name.clone_into(&mut current);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("TYPE has a type");
            assert_eq!(name, current, "TYPE follows its HELP");
            let family = scrape.get_mut(name).expect("HELP comes first");
            assert!(family.kind.is_empty(), "{name} has TYPE twice");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
            kind.clone_into(&mut family.kind);
        } else {
            let (name, labels, value) = sample(line);
            let family = scrape.get_mut(&current).expect("HELP and TYPE come before samples");
            let suffixes: &[&str] =
                if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            let of_family = suffixes.iter().any(|suffix| format!("{current}{suffix}") == name);
            assert!(of_family, "{name} does not belong to {current}");
            family.samples.push((name, labels, value));
        }
    }
    for (name, family) in &scrape {
        check_name(name, &family.kind);
        check_series(name, family);
    }
    scrape
}

/// `name{label="value",…} number`, nothing else.
fn sample(line: &str) -> (String, Labels, f64) {
    let name_length = line.find(['{', ' ']).expect("a name ends");
    let (name, rest) = line.split_at(name_length);
    assert!(is_name(name), "{line}");
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => parse_labels(rest),
        None => (Vec::new(), rest),
    };
    let value = value.strip_prefix(' ').expect("one space before the value");
    let value = value.parse().unwrap_or_else(|_| panic!("{line} has no number"));
    (name.to_owned(), labels, value)
}

fn parse_labels(mut rest: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    loop {
        let (name, behind) = rest.split_once("=\"").expect("a label has a value in quotes");
        assert!(is_name(name) && !name.contains(':'), "{name}");
        let mut value = String::new();
        let mut characters = behind.chars();
        loop {
            match characters.next().expect("a value ends") {
                '"' => break,
                '\\' => value.push(match characters.next() {
                    Some('n') => '\n',
                    Some(escaped @ ('\\' | '"')) => escaped,
                    other => panic!("no such escape: {other:?}"),
                }),
                character => value.push(character),
            }
        }
        assert!(labels.iter().all(|(have, _)| have != name), "{name} stands twice");
        labels.push((name.to_owned(), value));
        rest = characters.as_str();
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (labels, rest.strip_prefix('}').expect("labels end with a brace")),
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// Counters end in `_total` and nothing else does; units are base units.
fn check_name(name: &str, kind: &str) {
    assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
    let foreign =
        ["milliseconds", "ms", "microseconds", "us", "minutes", "hours", "kilobytes", "kb", "mb", "percent"];
    assert!(name.split('_').all(|word| !foreign.contains(&word)), "{name} has no base unit");
    for reserved in ["_bucket", "_sum", "_count"] {
        assert!(!name.ends_with(reserved), "{name} ends like a part of a histogram");
    }
}

fn check_series(name: &str, family: &Family) {
    assert!(!family.kind.is_empty() && !family.help.is_empty(), "{name} has HELP and TYPE");
    assert!(!family.samples.is_empty(), "{name} has samples");
    let mut seen = BTreeSet::new();
    for (sample, labels, value) in &family.samples {
        let mut sorted = labels.clone();
        sorted.sort();
        assert!(seen.insert((sample.clone(), sorted)), "{sample} {labels:?} stands twice");
        assert!(value.is_finite() && *value >= 0.0, "{sample} is {value}");
        assert!(family.kind == "histogram" || labels.iter().all(|(label, _)| label != "le"), "{sample}");
    }
    if family.kind == "histogram" {
        check_histogram(name, family);
    }
}

/// Buckets ascend in bound and count; the last is +Inf and equals the count; each series has a sum and a count.
fn check_histogram(name: &str, family: &Family) {
    let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (sample, labels, value) in &family.samples {
        if sample.ends_with("_bucket") {
            let (bound, rest) = labels.split_last().expect("a bucket has a bound");
            assert_eq!(bound.0, "le");
            series
                .entry(rest.to_vec())
                .or_default()
                .push((bound.1.parse().expect("a bound is a number"), *value));
        }
    }
    for (labels, buckets) in &series {
        assert!(
            buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1),
            "{name} {buckets:?}"
        );
        let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let last = buckets.last().expect("a series has a bucket");
        assert_eq!((f64::INFINITY, family.sample("_count", &labels)), (last.0, Some(last.1)), "{name}");
        assert!(family.sample("_sum", &labels).is_some(), "{name} has no sum");
    }
    assert_eq!(
        family.samples.iter().filter(|(sample, _, _)| sample.ends_with("_count")).count(),
        series.len()
    );
}

#[test]
fn what_is_wrong_is_refused() {
    let good = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\"} 1\n";
    assert_eq!(parse(good)["a_total"].value(&[("b", "c")]), 1.0);
    let wrong = [
        "a_total 1\n",
        "# HELP a x\n# TYPE a counter\na 1\n",
        "# HELP a_total x\n# TYPE a_total gauge\na_total 1\n",
        "# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n",
        "# HELP a_total x\n# TYPE a_total counter\na_total 1\na_total 1\n",
        "# HELP a x\n# TYPE a gauge\nb 1\n",
        "# HELP a x\n# TYPE a gauge\na  1\n",
        "# HELP a x\n# TYPE a gauge\na{b=\"c} 1\n",
        "# HELP a x\n# TYPE a gauge\na -1\n",
        "# HELP a x\n# TYPE a gauge\n# HELP a x\n# TYPE a gauge\na 1\n",
        "# HELP a x\n# TYPE a gauge\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_sum 1\na_count 1\n",
        "# HELP a x\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n",
    ];
    for text in wrong {
        assert!(std::panic::catch_unwind(|| parse(text)).is_err(), "accepted: {text}");
    }
}
