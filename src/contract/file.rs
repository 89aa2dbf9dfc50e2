//! The contract's file: its keys, its tables, and what they may say.

use super::additions::{Added, AddedValue};
use super::field;
use super::mistakes::{ContractError, Mistakes, nearest};
use super::names::Names;
use super::plan::{Plan, Rule};
use super::quote::write_string;
use super::written::{Entry, in_order, number_text};
use toml::de::{DeTable, DeValue};

/// The keys of the file itself.
const KEYS: [&str; 5] = ["name", "max_depth", "max_bytes", "field", "add"];

/// Nesting, where the contract does not say.
const MAX_DEPTH_DEFAULT: usize = 64;

/// The deepest nesting that can be allowed; the parser's stack of open brackets is sized by it.
pub(crate) const MAX_DEPTH_MAX: usize = 512;

/// Bytes of an event, where the contract does not say: 1 MiB, what a broker takes by default.
const MAX_BYTES_DEFAULT: usize = 1 << 20;

/// The longest event that can be allowed: a record's length is an `int32` in Kafka's protocol.
const MAX_BYTES_MAX: usize = i32::MAX as usize;

/// Reads a contract and compiles it.
pub(super) fn read(text: &str, origin: &str) -> Result<Plan, ContractError> {
    let mut mistakes = Mistakes::new(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        mistakes.syntax(error.span().unwrap_or_default(), error.message());
    }
    let plan = compile(document.get_ref(), &mut mistakes);
    match mistakes.into_error(origin) {
        Some(error) => Err(error),
        None => Ok(plan),
    }
}

/// The plan of what could be understood; complete where no mistake was told.
fn compile(document: &DeTable<'_>, mistakes: &mut Mistakes<'_>) -> Plan {
    let (mut name, mut max_depth, mut max_bytes) = (None, MAX_DEPTH_DEFAULT, MAX_BYTES_DEFAULT);
    let (mut fields, mut additions) = (Vec::new(), Vec::new());
    for entry in in_order(document) {
        match entry.key {
            "name" => name = Some(contract_name(&entry, mistakes)),
            "max_depth" => max_depth = entry.count(mistakes, 1, MAX_DEPTH_MAX).unwrap_or(max_depth),
            "max_bytes" => max_bytes = entry.count(mistakes, 1, MAX_BYTES_MAX).unwrap_or(max_bytes),
            "field" => {
                fields = entry.table(mistakes, "tables, [field.NAME]").map(in_order).unwrap_or_default()
            }
            "add" => additions = entry.table(mistakes, "a table, [add]").map(in_order).unwrap_or_default(),
            key => mistakes.push(entry.at, format!("unknown key `{key}`; {}", nearest(key, &KEYS))),
        }
    }
    if name.is_none() {
        mistakes.missing(0, "the contract has no `name`; it takes a string that dead letters carry");
    }
    let asks = |entry: &Entry<'_, '_>| match entry.key {
        "field" | "add" => entry.value.get_ref().as_table().is_none_or(|table| !table.is_empty()),
        _ => false,
    };
    if !in_order(document).iter().any(asks) {
        mistakes.missing(
            0,
            "the contract asks for nothing; it takes a [field.NAME] or an [add] with at least one value",
        );
    }
    let rules: Vec<Rule> = fields
        .iter()
        .filter_map(|entry| field::read(entry, entry.table(mistakes, "a table, [field.NAME]")?, mistakes))
        .collect();
    for entry in &additions {
        if fields.iter().any(|field| field.key == entry.key) {
            let message = format!(
                "`{}` is a field of the contract too; an added name is none of its fields",
                entry.key
            );
            mistakes.push(entry.at, message);
        }
    }
    let added: Vec<Added> = additions
        .iter()
        .filter_map(|entry| Some(Added { name: entry.key.into(), value: added_value(entry, mistakes)? }))
        .collect();
    let names =
        Names::new(rules.iter().map(|rule| &*rule.name).chain(added.iter().map(|added| &*added.name)));
    Plan { name: name.unwrap_or_default(), max_depth, max_bytes, rules, added, names }
}

fn contract_name(entry: &Entry<'_, '_>, mistakes: &mut Mistakes<'_>) -> String {
    const TAKES: &str = "a string that is not empty";
    let name = entry.text(mistakes, TAKES);
    if name.is_some_and(|name| name.trim().is_empty()) {
        entry.refuse(mistakes, TAKES);
    }
    name.unwrap_or_default().to_owned()
}

fn added_value(entry: &Entry<'_, '_>, mistakes: &mut Mistakes<'_>) -> Option<AddedValue> {
    let constant = match entry.value.get_ref() {
        DeValue::String(text) if text == "now" => return Some(AddedValue::Now),
        DeValue::String(text) => {
            let mut quoted = Vec::new();
            write_string(text, &mut quoted);
            String::from_utf8(quoted).ok()
        }
        DeValue::Boolean(value) => Some(value.to_string()),
        // Valid JSON may hold numbers that hardly a reader can take.
        value => number_text(value).filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite)),
    };
    if constant.is_none() {
        entry.refuse(mistakes, "\"now\", or a constant: a string, a finite number, true or false");
    }
    constant.map(|text| AddedValue::Constant(text.into()))
}
