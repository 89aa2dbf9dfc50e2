//! README.md says what the code does: its tables are made from the code's own, and what it and `docs/` point at is there.
//!
//! A table stands between `<!-- from the code: NAME -->` and `<!-- end -->`. `BLESS=1 cargo test --test tidy`
//! writes all of them anew.

use crate::assert_none;
use crate::source::{read, root};
use gristmill::config::names::{self, Verdict};
use gristmill::config::settings::SETTINGS;
use gristmill::rejection::Reason;
use gristmill::telemetry::descriptions;
use std::path::Path;

const README: &str = "README.md";

/// The documents whose variables and links are looked at.
const DOCUMENTS: [&str; 3] = [README, "docs/operations.md", "docs/migrate.md"];

/// The tables, by name.
fn tables() -> Vec<(&'static str, String)> {
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str().to_owned());
    vec![
        ("configuration", configuration()),
        ("metrics", descriptions::markdown_table()),
        ("reasons", documented("src/rejection.rs", "pub enum Reason", "reason", reasons.collect())),
        ("exit codes", documented("src/error.rs", "pub enum ExitCode", "code", exit_codes())),
    ]
}

/// A table a heading, in the order of the help.
fn configuration() -> String {
    let mut text = String::new();
    for group in SETTINGS.chunk_by(|one, next| one.heading == next.heading) {
        text.push_str(&format!("**{}**\n\n", group[0].heading.as_str()));
        text.push_str("| variable | default | meaning |\n|---|---|---|\n");
        for setting in group {
            let default = match setting.default {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            let secret = if setting.secret { "; has no flag" } else { "" };
            text.push_str(&format!("| `{}` | {default} | {}{secret} |\n", setting.variable, setting.help));
        }
        text.push('\n');
    }
    text
}

/// A table of an enum's variants: `names` in their order, each with the variant's documentation.
fn documented(path: &str, declaration: &str, title: &str, names: Vec<String>) -> String {
    let text = read(path);
    let (_, body) = text.split_once(declaration).expect("the enum is declared in this file");
    let body = body.split_once("\n}").expect("the enum ends").0;
    let lines = body.lines().map(str::trim);
    let meanings: Vec<&str> = lines.filter_map(|line| line.strip_prefix("/// ")).collect();
    assert_eq!(meanings.len(), names.len(), "{declaration}: one line of documentation a variant");
    let rows = names
        .iter()
        .zip(meanings)
        .map(|(name, meaning)| format!("| `{name}` | {} |\n", meaning.trim_end_matches('.')));
    format!("| {title} | meaning |\n|---|---|\n{}", rows.collect::<String>())
}

/// The numbers of the exit codes, as they are declared.
fn exit_codes() -> Vec<String> {
    let text = read("src/error.rs");
    let (_, body) = text.split_once("pub enum ExitCode").expect("exit codes are declared there");
    let body = body.split_once("\n}").expect("the enum ends").0;
    body.lines().filter_map(|line| Some(line.split_once(" = ")?.1.trim_end_matches(',').to_owned())).collect()
}

/// The text of a table in a document, with its place.
fn table<'a>(document: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = document.split_once(&format!("<!-- from the code: {name} -->\n"))?;
    Some(rest.split_once("<!-- end -->")?.0)
}

fn wrong_tables(document: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, expected) in tables() {
        match table(document, name) {
            Some(found) if found.trim() == expected.trim() => {}
            Some(_) => {
                complaints.push(format!("{README}: table {name} is not the code's, which is\n{expected}"))
            }
            None => complaints.push(format!("{README}: has no table {name}")),
        }
    }
    complaints
}

/// Every word that looks like a variable of ours and is none.
fn unknown_variables(document: &str) -> Vec<String> {
    let words = document.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let variables = words.filter(|word| {
        let prefixed = ["GRISTMILL_", "KAFKA_"].iter().any(|prefix| word.starts_with(prefix));
        // `KAFKA_…` and `KAFKA_CONSUMER__…` stand for many.
        prefixed && !word.ends_with('_')
    });
    let unknown = variables.filter(|word| names::judge(word, "") != Verdict::Fine);
    unknown.map(|word| format!("{word} is no variable")).collect()
}

/// Every relative link to a file that is not there, from a document in `folder`.
fn broken_links(document: &str, folder: &Path) -> Vec<String> {
    let targets =
        document.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
    let files = targets.filter(|target| !target.contains("://") && !target.starts_with('#'));
    let paths = files.map(|target| target.split('#').next().unwrap_or_default());
    paths.filter(|path| !folder.join(path).exists()).map(|path| format!("{path} is not there")).collect()
}

#[test]
fn tables_are_those_of_the_code() {
    let mut document = read(README);
    if std::env::var_os("BLESS").is_some() {
        for (name, expected) in tables() {
            let found = table(&document, name).map(str::to_owned).unwrap_or_default();
            let open = format!("<!-- from the code: {name} -->\n");
            document =
                document.replace(&format!("{open}{found}"), &format!("{open}\n{}\n\n", expected.trim_end()));
        }
        std::fs::write(root().join(README), &document).expect("the document can be written");
    }
    assert_none(wrong_tables(&document));
}

#[test]
fn variables_and_links_lead_somewhere() {
    for name in DOCUMENTS {
        let document = read(name);
        let path = root().join(name);
        let folder = path.parent().expect("a document lies in a folder");
        let complaints = unknown_variables(&document).into_iter().chain(broken_links(&document, folder));
        assert_none(complaints.map(|complaint| format!("{name}: {complaint}")).collect());
    }
}

#[test]
fn what_is_wrong_in_a_document_is_found() {
    let document = read(README);
    let renamed = document.replacen("| `gristmill_lag_records` |", "| `gristmill_lag` |", 1);
    assert_eq!(wrong_tables(&renamed).len(), 1);
    let defaulted = document.replacen(
        "| `KAFKA_SESSION_TIMEOUT` | `45000` |",
        "| `KAFKA_SESSION_TIMEOUT` | `30000` |",
        1,
    );
    assert_eq!(wrong_tables(&defaulted).len(), 1, "another default is found");
    assert_eq!(
        unknown_variables("set KAFKA_INPUT_TOPIC, KAFKA_INPUT_TOPICS and GRISTMILL_COFFEE=1").len(),
        2
    );
    assert_eq!(
        broken_links("[a](README.md) [b](#here) [c](no/such/file.md#there)", &root()),
        ["no/such/file.md is not there"]
    );
}
