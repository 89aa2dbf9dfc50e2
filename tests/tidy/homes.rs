//! One dependency, one home: where each crate may be used, so that it could be replaced there and nowhere else.

use crate::assert_none;
use crate::source::{Source, read, shipped};

/// Where a dependency lives: paths below `src/`.
const HOMES: &[(&str, &[&str])] = &[
    ("rdkafka", &["kafka/"]),
    ("rayon", &["transform/", "engine"]),
    ("crossbeam-channel", &["source/", "transform/", "sink/", "engine"]),
    ("serde", &["cli/", "telemetry/"]),
    // `try` judges events without a batch, and needs an arena of its own for that.
    ("bumpalo", &["batch.rs", "transform/", "cli/try_events.rs"]),
    ("smallvec", &["progress/", "transform/"]),
    ("hdrhistogram", &["telemetry/"]),
    ("prometheus", &["telemetry/"]),
    (
        "tracing",
        &[
            "kafka/",
            "config/",
            "shutdown.rs",
            "telemetry/",
            "dlq_guard.rs",
            "source/",
            "transform/",
            "sink/",
            "engine",
            "cli/",
        ],
    ),
    ("tracing-subscriber", &["telemetry/"]),
    // Whoever writes an RFC 3339 time stamp.
    ("time", &["contract/", "sink/dead_letter.rs", "telemetry/logs.rs", "cli/"]),
    ("toml", &["contract/"]),
    ("regex", &["contract/"]),
    ("clap", &["cli/"]),
    ("clap_complete", &["cli/"]),
    ("hyper", &["telemetry/"]),
    ("hyper-util", &["telemetry/"]),
    ("http-body-util", &["telemetry/"]),
    ("tokio", &["telemetry/"]),
    ("signal-hook", &["cli/", "faults/"]),
    ("indicatif", &["cli/"]),
    // A stub names the value that it stands for, the status page its script.
    ("sha2", &["sink/dead_letter.rs", "telemetry/http/page.rs"]),
    // Whoever closes or opens an envelope, and the status page's policy.
    ("base64", &["sink/dead_letter.rs", "cli/demo/auditor.rs", "telemetry/http/page.rs"]),
    ("serde_json", &["cli/", "telemetry/"]),
    ("strsim", &["config/", "contract/"]),
    ("pollster", &["kafka/"]),
    ("socket2", &["kafka/"]),
    ("tikv-jemallocator", &["main.rs"]),
];

/// Every use of a dependency away from home.
fn strays(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let inside = source.path.trim_start_matches("src/");
        for (dependency, homes) in HOMES {
            let is_home = homes.iter().any(|home| inside.starts_with(home));
            if !is_home && uses(&source.shipped, &dependency.replace('-', "_")) {
                complaints.push(format!("{}: {dependency} lives in {homes:?}", source.path));
            }
        }
        if !inside.starts_with("kafka/") && has_word(&source.code, "unsafe") {
            complaints.push(format!("{}: `unsafe` lives in kafka/", source.path));
        }
    }
    complaints
}

/// Whether code names a crate: in a `use`, or as the first name of a path.
fn uses(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].trim_end();
        let after = code[at + name.len()..].trim_start();
        let path = code[..at].strip_suffix("::").unwrap_or(&code[..at]);
        let starts = !path.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '>'));
        let imported = before.ends_with("use") && (after.starts_with(';') || after.starts_with("as "));
        starts && !in_group(before) && (after.starts_with("::") || imported)
    })
}

/// Whether the text ends inside the braces of a `use`: a name there belongs to the path before the brace.
fn in_group(before: &str) -> bool {
    let statement = before.rsplit([';', '}']).next().unwrap_or_default().trim_start();
    let words = statement.trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    words.starts_with("use ") && words.contains("::{")
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// The names under `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let (_, table) = manifest.split_once("[dependencies]").expect("a manifest has dependencies");
    let lines = table.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('=')?.0.trim()))
        .collect()
}

#[test]
fn every_dependency_stays_at_home() {
    assert_none(strays(&shipped()));
}

#[test]
fn every_dependency_has_a_home_and_is_used_there() {
    let manifest = read("Cargo.toml");
    let mut named = dependencies(&manifest);
    let mut homes: Vec<&str> = HOMES.iter().map(|(dependency, _)| *dependency).collect();
    named.sort_unstable();
    homes.sort_unstable();
    assert_eq!(named, homes, "Cargo.toml on the left, the homes on the right");
    let sources = shipped();
    for (dependency, homes) in HOMES {
        for home in *homes {
            let name = dependency.replace('-', "_");
            let mut there = sources.iter().filter(|source| source.path["src/".len()..].starts_with(home));
            let is_used = there.any(|source| uses(&source.shipped, &name));
            assert!(is_used || *dependency == "tracing", "{dependency} is not used in {home} any more");
        }
    }
}

#[test]
fn every_dependency_says_why() {
    let manifest = read("Cargo.toml");
    let (_, table) = manifest.split_once("[dependencies]").expect("a manifest has dependencies");
    let first = table.trim_start().lines().next();
    assert!(first.is_some_and(|line| line.starts_with("# ")), "the first dependency has a comment above it");
}

#[test]
fn a_planted_stray_is_found() {
    for text in [
        "use rdkafka::Offset;",
        "fn f(c: rdkafka::ClientConfig) {}",
        "use ::rdkafka::Offset;",
        "use rdkafka as client;",
        "fn f() { unsafe { g() } }",
    ] {
        let complaints = strays(&[Source::new("src/sink/stage.rs", text)]);
        assert_eq!(complaints.len(), 1, "{text}: {complaints:?}");
    }
    for text in
        ["use std::{fmt, time::Duration};", "use std::time::Instant;", "// rdkafka::Offset", "let time = 3;"]
    {
        assert_none(strays(&[Source::new("src/source/rate.rs", text)]));
    }
}
