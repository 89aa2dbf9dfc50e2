//! What goes out with the code: settings files name real settings, and nothing speaks of one particular machine.

use crate::assert_none;
use crate::source::{read, root};
use gristmill::config::names::{self, Verdict};
use gristmill::config::settings::Command;
use gristmill::config::{Resolver, Sources};
use gristmill::kafka::properties;
use std::path::Path;

/// Paths that exist on somebody's machine alone. Spelt apart, for this file is looked at too.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tmp", "/wt")];

/// Read when the binary is built, not when it runs.
const BUILD_VARIABLES: [&str; 1] = ["GRISTMILL_REVISION"];

/// Files that set variables, or say which can be set.
const SETTING: [&str; 6] = [
    "docker-compose.yml",
    "Dockerfile",
    "deploy/helm/gristmill/values.yaml",
    "deploy/helm/gristmill/values.schema.json",
    "deploy/helm/gristmill/templates/_helpers.tpl",
    "deploy/systemd/gristmill@.service",
];

#[test]
fn the_settings_of_compose_are_settings() {
    let mut sources = Sources::default();
    sources.read_env_file(&root().join(".env")).expect("every line is NAME=value");
    for name in sources.names() {
        assert_eq!(names::judge(name, "1"), Verdict::Fine, "{name}");
    }
    // The engine itself takes every value in it.
    let mut resolver = Resolver::new(&sources, properties::judge);
    let config = resolver.config(false);
    match resolver.finish(Command::Run, config) {
        Ok((_, warnings)) => assert_none(warnings),
        Err(mistakes) => panic!("{mistakes}"),
    }
}

#[test]
fn what_is_set_there_is_a_setting() {
    for file in SETTING {
        let text = read(file);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        // `KAFKA_…` stands for many.
        let names = words.filter(|word| !word.ends_with('_'));
        for word in names.filter(|word| word.starts_with("GRISTMILL_") || word.starts_with("KAFKA_")) {
            let is_known = BUILD_VARIABLES.contains(&word) || names::judge(word, "1") == Verdict::Fine;
            assert!(is_known, "{file}: {word}");
        }
    }
}

/// What could bring the feature `faults` into a release.
fn released_faults(file: &str, text: &str) -> Vec<String> {
    let is_default = |line: &str| file == "Cargo.toml" && line.starts_with("default = ");
    let is_build = |line: &str| line.contains("--release") || file == "Dockerfile";
    let lines = text.lines().filter(|line| line.contains("faults") || line.contains("--all-features"));
    let wrong = lines.filter(|line| is_default(line) || is_build(line));
    wrong.map(|line| format!("{file}: {line}")).collect()
}

#[test]
fn no_release_has_faults() {
    for file in ["Cargo.toml", "Dockerfile", ".ci/run", "perf/run"] {
        assert_none(released_faults(file, &read(file)));
    }
    // Whoever asks for both is refused by the compiler.
    let refusal = "#[cfg(all(feature = \"faults\", not(debug_assertions)))]\ncompile_error!(";
    assert!(read("src/faults.rs").contains(refusal));
    for (file, text) in [
        ("Cargo.toml", "default = [\"faults\"]"),
        ("Dockerfile", "RUN cargo build --features faults"),
        (".ci/run", "cargo build --release --features faults"),
        (".ci/run", "cargo build --release --all-features"),
    ] {
        assert_eq!(released_faults(file, text).len(), 1, "{file}: {text}");
    }
}

#[test]
fn no_file_names_a_machine_path() {
    let mut files = 0;
    let mut complaints = Vec::new();
    visit(&root(), &mut |path, text| {
        files += 1;
        for machine in MACHINE_PATHS.iter().filter(|machine| text.contains(**machine)) {
            complaints.push(format!("{}: {machine}", path.display()));
        }
    });
    assert!(files > 50, "the files are found");
    assert_none(complaints);
}

/// Every text file that is not built or fetched.
fn visit(folder: &Path, look: &mut impl FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        let name = path.file_name().unwrap_or_default();
        if name == "target" || name == ".git" {
            continue;
        }
        if path.is_dir() {
            visit(&path, look);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            look(&path, &text);
        }
    }
}
