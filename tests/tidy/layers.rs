//! Who may import whom: strictly downwards, in the order that the map in `src/lib.rs` draws.

use crate::assert_none;
use crate::source::{Source, read, shipped};
use std::collections::BTreeMap;

/// A module's layer; 0 is the top.
type Layers = BTreeMap<String, usize>;

/// The drawing in the map: a block of text that begins with `cli`, one line a layer.
fn drawn(map: &str) -> Layers {
    let mut lines = map.lines().map(|line| line.trim_start_matches("//!").trim());
    lines.find(|line| *line == "cli").expect("the map draws the layers, `cli` on top");
    let below = std::iter::once("cli").chain(lines.take_while(|line| *line != "```"));
    let layers = below.enumerate();
    layers
        .flat_map(|(layer, line)| line.split_whitespace().map(move |module| (module.to_owned(), layer)))
        .collect()
}

/// Every import that does not point down.
fn upward(sources: &[Source], layers: &Layers) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        let path = module_path(&source.path);
        let Some(own) = path.first() else { continue };
        let Some(from) = layers.get(own.as_str()) else {
            complaints.push(format!("{}: module {own} is not drawn in src/lib.rs", source.path));
            continue;
        };
        for other in imports(&source.shipped, path.len()) {
            let Some(to) = layers.get(&other).filter(|_| other != *own) else { continue };
            if to <= from {
                complaints
                    .push(format!("{}: {own} imports {other}, which does not lie below it", source.path));
            }
        }
    }
    complaints
}

/// `src/sink/stage.rs` is `sink::stage`; `lib.rs` and `main.rs` are nowhere.
fn module_path(path: &str) -> Vec<String> {
    let stem = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    match stem {
        "lib" | "main" => Vec::new(),
        stem => stem.split('/').map(str::to_owned).collect(),
    }
}

/// The top-level modules that code names: by `crate::`, or by climbing there with `super::`.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let climb = "super::".repeat(depth);
    let mut found = Vec::new();
    for root in ["crate::", &climb] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before
                .is_some_and(|character| character.is_alphanumeric() || character == '_' || character == ':')
            {
                continue;
            }
            found.extend(first_names(&code[at + root.len()..]));
        }
    }
    found
}

/// The first name of a path, or of each path in a group.
fn first_names(path: &str) -> Vec<String> {
    let name =
        |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut names = vec![name(group)];
    let mut depth = 1;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(name(&group[at + 1..])),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

#[test]
fn imports_point_down() {
    assert_none(upward(&shipped(), &drawn(&read("src/lib.rs"))));
}

#[test]
fn every_module_is_drawn_once_and_no_other() {
    let map = read("src/lib.rs");
    let declared: Vec<&str> =
        map.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    let layers = drawn(&map);
    assert_eq!(
        layers.keys().map(String::as_str).collect::<Vec<_>>(),
        declared,
        "modules in alphabetical order"
    );
}

#[test]
fn a_planted_upward_import_is_found() {
    let layers = drawn(&read("src/lib.rs"));
    let clean =
        "use crate::kafka::Code;\nuse crate::{batch::Batch, progress::{Board, Ledger}};\nuse super::wire;\n";
    assert_none(upward(&[Source::new("src/sink/stage.rs", clean)], &layers));
    let planted = [
        ("src/sink/stage.rs", "use crate::engine::Engine;"),
        ("src/sink/stage.rs", "use crate::source::Source;"),
        ("src/sink/stage.rs", "fn f() -> crate::cli::Output { todo() }"),
        ("src/sink/stage.rs", "use crate::{batch::{Batch, Chunk}, transform::judge};"),
        ("src/sink/stage.rs", "use crate::{\n    kafka::Code,\n    transform::judge,\n};"),
        ("src/sink/stage.rs", "use super::super::engine;"),
        ("src/kafka/mod.rs", "use super::telemetry;"),
        ("src/kafka/consumer.rs", "pub(in crate::batch) fn f() {}"),
        ("src/rejection.rs", "use crate::contract::Plan;"),
        ("src/batch.rs", "use crate::source;"),
        ("src/nowhere.rs", "use crate::error;"),
    ];
    for (path, text) in planted {
        let complaints = upward(&[Source::new(path, text)], &layers);
        assert_eq!(complaints.len(), 1, "{path}: {text}: {complaints:?}");
    }
    let fine = [
        (
            "src/sink/stage.rs",
            "// use crate::engine::Engine;\n/// See [`crate::engine`].\nconst A: &str = \"crate::engine\";",
        ),
        ("src/sink/stage.rs", "#[cfg(test)]\nmod tests {\n    use crate::engine::Engine;\n}"),
        ("src/cli/run.rs", "use crate::engine::Engine;\nuse crate::transform::judge;"),
    ];
    for (path, text) in fine {
        assert_none(upward(&[Source::new(path, text)], &layers));
    }
}
