//! What every file says first, and words that are not used.

use crate::assert_none;
use crate::source::{Source, all};

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "common", "helper", "helpers", "misc", "manager", "handler"];

/// Notes for later. Spelt apart, for this file is looked at too.
const NOTES: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("to", "do!("),
    concat!("unimple", "mented!("),
];

fn complaints(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    if !source.text.starts_with("//! ") {
        found.push(format!("{}: does not open with what it is (`//! …`)", source.path));
    }
    for note in NOTES.iter().filter(|note| source.text.contains(**note)) {
        found.push(format!("{}: has a {note}: do it, or leave it out", source.path));
    }
    let file = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    let folders = source.path.split('/').rev().skip(1);
    for name in folders.chain([file]).chain(declared(&source.code)) {
        let mut words = words_of(name);
        if let Some(word) = words.find(|word| EMPTY_NAMES.contains(&word.as_str())) {
            found.push(format!("{}: `{name}`: \"{word}\" says nothing about what it is", source.path));
        }
    }
    found
}

/// The modules and types that a file declares.
fn declared(code: &str) -> impl Iterator<Item = &str> {
    let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    std::iter::from_fn(move || {
        words
            .by_ref()
            .find(|word| matches!(*word, "mod" | "struct" | "enum" | "union" | "trait" | "type"))?;
        words.next()
    })
}

/// `BatchManager` and `batch_manager` are `batch` and `manager`.
fn words_of(name: &str) -> impl Iterator<Item = String> {
    let mut apart = String::new();
    for character in name.chars() {
        if character.is_uppercase() {
            apart.push('_');
        }
        apart.extend(character.to_lowercase());
    }
    apart.split('_').map(str::to_owned).collect::<Vec<_>>().into_iter()
}

#[test]
fn every_file_says_what_it_is_and_no_name_is_empty() {
    assert_none(all().iter().flat_map(complaints).collect());
}

#[test]
fn what_is_wrong_is_found() {
    let wrong = |path: &str, text: &str| complaints(&Source::new(path, text)).len();
    assert_eq!(wrong("src/batch.rs", "//! A batch.\nstruct Batch;\n"), 0);
    assert_eq!(wrong("src/batch.rs", "struct Batch;\n"), 1);
    assert_eq!(wrong("src/util.rs", "//! Things.\n"), 1);
    assert_eq!(wrong("src/common/a.rs", "//! Things.\n"), 1);
    assert_eq!(wrong("src/a.rs", "//! Things.\nstruct BatchManager;\nmod common {}\n"), 2);
    assert_eq!(wrong("src/a.rs", "//! Things.\nfn f() { pool.panic_handler(g) }\n"), 0);
    assert_eq!(wrong("src/a.rs", concat!("//! Things.\n// TO", "DO later\n")), 1);
}
