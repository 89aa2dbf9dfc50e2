//! A `[field.name]` table: which keys go with which type, and what they may say.

use super::check::{Check, Limits, OneOf, TextCheck, TextLimits};
use super::ip::AddressClass;
use super::mistakes::{Mistakes, nearest};
use super::plan::{Case, Rule};
use super::written::{Entry, INTEGERS, NUMBERS, SECONDS, Scale, VERSIONS, in_order, shown};
use crate::rejection::Detail;
use regex::Regex;
use std::borrow::Cow;
use std::cmp::Ordering;
use toml::de::DeTable;

/// Keys of every type.
const COMMON: [&str; 3] = ["type", "required", "allow_empty"];

/// The types, each with the keys that only some take.
const TYPES: [(&str, &[&str]); 8] = [
    ("string", &["non_empty", "min_length", "max_length", "one_of", "pattern", "set"]),
    ("integer", &["min", "max", "one_of"]),
    ("number", &["min", "max", "one_of"]),
    ("boolean", &[]),
    ("version", &["min", "max"]),
    ("ip", &["deny"]),
    ("epoch_seconds", &["min", "max"]),
    ("any", &[]),
];

/// A detail that lists what the contract says is cut to this many bytes: it travels in a header of each dead letter.
const DETAIL_LIST_BYTES_MAX: usize = 120;

/// The keys of one table that are known, in the order of the text.
struct Keys<'a, 't> {
    entries: Vec<Entry<'a, 't>>,
}

impl<'a, 't> Keys<'a, 't> {
    fn get(&self, key: &str) -> Option<Entry<'a, 't>> {
        self.entries.iter().copied().find(|entry| entry.key == key)
    }

    fn flag(&self, key: &str, mistakes: &mut Mistakes<'_>) -> bool {
        self.get(key).and_then(|entry| entry.boolean(mistakes)).unwrap_or(false)
    }
}

/// Reads the rule of the field that `field` names. `None` only where its type is not known: the mistake is told.
pub(super) fn read(field: &Entry<'_, '_>, table: &DeTable<'_>, mistakes: &mut Mistakes<'_>) -> Option<Rule> {
    let names = TYPES.map(|(name, _)| name);
    let mut entries = in_order(table);
    let written = entries.iter().find(|entry| entry.key == "type");
    if written.is_none() {
        let accepted = nearest("", &names);
        mistakes.missing(field.at, format!("field `{}` has no `type`; {accepted}", field.key));
    }
    let type_name = written.and_then(|entry| entry.text(mistakes, "the name of a type in a string"));
    let known = type_name.and_then(|name| TYPES.iter().find(|(known, _)| *known == name));
    if let (Some(entry), Some(name), None) = (written, type_name, known) {
        mistakes
            .push(entry.value.span().start, format!("there is no type {name:?}; {}", nearest(name, &names)));
    }
    entries.retain(|entry| is_known(entry, known, mistakes));
    let keys = Keys { entries };
    let required = keys.flag("required", mistakes);
    let allow_empty = keys.flag("allow_empty", mistakes);
    if allow_empty && keys.get("non_empty").is_some_and(|entry| entry.value.get_ref().as_bool() == Some(true))
    {
        let at = keys.get("non_empty").map_or(field.at, |entry| entry.at);
        mistakes.push(at, "`non_empty` contradicts `allow_empty`; one of them");
    }
    let (check, case) = check(known?.0, &keys, mistakes);
    Some(Rule { name: field.key.into(), required, allow_empty, check, case })
}

/// Whether the type takes the key; of an unknown type, whether any does.
fn is_known(entry: &Entry<'_, '_>, of_type: Option<&(&str, &[&str])>, mistakes: &mut Mistakes<'_>) -> bool {
    let key = entry.key;
    let any_type = TYPES.iter().any(|(_, keys)| keys.contains(&key));
    let Some((name, own)) = of_type else {
        if !COMMON.contains(&key) && !any_type {
            let all: Vec<&str> =
                COMMON.iter().chain(TYPES.iter().flat_map(|(_, keys)| *keys)).copied().collect();
            let mut unique = Vec::new();
            all.into_iter().for_each(|key| {
                if !unique.contains(&key) {
                    unique.push(key)
                }
            });
            mistakes.push(entry.at, format!("unknown key `{key}`; {}", nearest(key, &unique)));
        }
        return COMMON.contains(&key);
    };
    if COMMON.contains(&key) || own.contains(&key) {
        return true;
    }
    let takes: Vec<&str> = COMMON.iter().chain(*own).copied().collect();
    if any_type {
        let takes = takes.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        mistakes.push(entry.at, format!("`{key}` means nothing for type `{name}`; it takes {takes}"));
    } else {
        mistakes.push(entry.at, format!("unknown key `{key}`; {}", nearest(key, &takes)));
    }
    false
}

fn check(type_name: &str, keys: &Keys<'_, '_>, mistakes: &mut Mistakes<'_>) -> (Check, Option<Case>) {
    let check = match type_name {
        "string" => {
            let set = keys.get("set").and_then(|entry| case(&entry, mistakes));
            return (Check::Text(text(keys, mistakes)), set);
        }
        "integer" => {
            let limits = limits(keys, &INTEGERS, mistakes);
            let one_of = one_of(keys, &INTEGERS, &limits, mistakes);
            Check::Integer { limits, one_of }
        }
        "number" => {
            let limits = limits(keys, &NUMBERS, mistakes);
            let one_of = one_of(keys, &NUMBERS, &limits, mistakes);
            Check::Number { limits, one_of }
        }
        "boolean" => Check::Boolean,
        "version" => Check::Version { limits: limits(keys, &VERSIONS, mistakes) },
        "ip" => Check::Ip { deny: deny(keys, mistakes) },
        "epoch_seconds" => Check::EpochSeconds { limits: limits(keys, &SECONDS, mistakes) },
        _ => Check::Any,
    };
    (check, None)
}

fn case(entry: &Entry<'_, '_>, mistakes: &mut Mistakes<'_>) -> Option<Case> {
    const TAKES: &str = "\"lowercase\" or \"uppercase\"";
    match entry.text(mistakes, TAKES)? {
        "lowercase" => Some(Case::Lower),
        "uppercase" => Some(Case::Upper),
        _ => {
            entry.refuse(mistakes, TAKES);
            None
        }
    }
}

fn text(keys: &Keys<'_, '_>, mistakes: &mut Mistakes<'_>) -> TextCheck {
    let mut length = |key| Some((keys.get(key)?, keys.get(key)?.count(mistakes, 0, u32::MAX as usize)?));
    let (min, max) = (length("min_length"), length("max_length"));
    if let (Some((_, min)), Some((entry, max))) = (&min, &max)
        && min > max
    {
        let at = entry.value.span().start;
        mistakes.push(at, format!("`max_length` {max} is below `min_length` {min}; at least {min}"));
    }
    let limits = TextLimits {
        min_length: min.map(|(_, min)| (min, shared(format!("shorter than {}", characters(min))))),
        max_length: max.map(|(_, max)| (max, shared(format!("longer than {}", characters(max))))),
        one_of: None,
        pattern: keys.get("pattern").and_then(|entry| pattern(&entry, mistakes)),
    };
    let limited = ["min_length", "max_length", "one_of", "pattern"].iter().any(|key| keys.get(key).is_some());
    let mut check =
        TextCheck { non_empty: keys.flag("non_empty", mistakes), limits: limited.then(|| Box::new(limits)) };
    let empty_passes =
        keys.get("allow_empty").is_some_and(|entry| entry.value.get_ref().as_bool() == Some(true));
    let written = keys.get("one_of").and_then(|entry| entry.list(mistakes, "strings")).unwrap_or_default();
    let mut values: Vec<Box<str>> = Vec::new();
    for element in written {
        let at = element.span().start;
        match element.get_ref().as_str() {
            Some(value) => {
                if let Err((_, detail)) = check.judge(value.as_bytes())
                    && !(empty_passes && value.is_empty())
                {
                    mistakes.push(
                        at,
                        format!("{value:?} in `one_of` can never pass: {}; leave it out", said(&detail)),
                    );
                }
                values.push(value.into());
            }
            None => mistakes.push(at, format!("`one_of` has {}; it takes strings", shown(element.get_ref()))),
        }
    }
    if !values.is_empty() {
        let detail = listed(&values.iter().map(|value| value.to_string()).collect::<Vec<_>>());
        values.sort();
        if let Some(limits) = &mut check.limits {
            limits.one_of = Some((values, detail));
        }
    }
    check
}

fn characters(count: usize) -> String {
    if count == 1 { "1 character".to_owned() } else { format!("{count} characters") }
}

/// A pattern that matches the whole value.
fn pattern(entry: &Entry<'_, '_>, mistakes: &mut Mistakes<'_>) -> Option<(Regex, Detail)> {
    let written = entry.text(mistakes, "a regular expression in a string")?;
    // Alone first: `a)|(b` would compile between the anchors. With a line end for one that closes with a comment (`(?x)`).
    let compiled = Regex::new(written).and_then(|_| {
        Regex::new(&format!(r"\A(?:{written})\z")).or_else(|_| Regex::new(&format!("\\A(?:{written}\n)\\z")))
    });
    match compiled {
        Ok(regex) => {
            let fits = written.len() <= DETAIL_LIST_BYTES_MAX;
            let detail = if fits {
                format!("does not match {written}")
            } else {
                "does not match the pattern".to_owned()
            };
            Some((regex, shared(detail)))
        }
        Err(error) => {
            let cause = error.to_string();
            let cause = cause.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            let at = entry.value.span().start;
            mistakes
                .push(at, format!("`pattern` does not compile: {cause}; it takes the regex crate's syntax"));
            None
        }
    }
}

fn limits<T>(keys: &Keys<'_, '_>, scale: &Scale<T>, mistakes: &mut Mistakes<'_>) -> Limits<T> {
    let mut limit = |key| {
        let entry = keys.get(key)?;
        let value = (scale.read)(entry.value.get_ref());
        if value.is_none() {
            entry.refuse(mistakes, scale.takes);
        }
        Some((entry, plain(&entry), value?))
    };
    let (min, max) = (limit("min"), limit("max"));
    if let (Some((_, min_text, min)), Some((entry, max_text, max))) = (&min, &max)
        && (scale.compare)(min, max) == Ordering::Greater
    {
        let at = entry.value.span().start;
        mistakes.push(at, format!("`max` {max_text} is below `min` {min_text}; at least {min_text}"));
    }
    Limits {
        min: min.map(|(_, text, min)| (min, shared(format!("below the minimum {text}")))),
        max: max.map(|(_, text, max)| (max, shared(format!("above the maximum {text}")))),
    }
}

fn one_of<T>(
    keys: &Keys<'_, '_>,
    scale: &Scale<T>,
    limits: &Limits<T>,
    mistakes: &mut Mistakes<'_>,
) -> Option<OneOf<T>> {
    let written = keys.get("one_of")?.list(mistakes, "numbers")?;
    let mut values = Vec::new();
    for element in written {
        let (at, text) = (element.span().start, shown(element.get_ref()));
        let Some(value) = (scale.read)(element.get_ref()) else {
            mistakes.push(at, format!("`one_of` has {text}; each is {}", scale.takes));
            continue;
        };
        if let Err((_, detail)) = limits.judge(|limit| (scale.compare)(&value, limit)) {
            mistakes.push(at, format!("{text} in `one_of` can never pass: {}; leave it out", said(&detail)));
        }
        values.push(value);
    }
    let texts: Vec<String> = written.iter().map(|element| shown(element.get_ref())).collect();
    Some(OneOf { values, detail: listed(&texts) })
}

fn deny(keys: &Keys<'_, '_>, mistakes: &mut Mistakes<'_>) -> Vec<AddressClass> {
    let written =
        keys.get("deny").and_then(|entry| entry.list(mistakes, "address classes")).unwrap_or_default();
    let mut classes = Vec::new();
    for element in written {
        let name = element.get_ref().as_str();
        match name.and_then(AddressClass::named) {
            Some(class) => classes.push(class),
            None => {
                let accepted = nearest(name.unwrap_or_default(), &AddressClass::NAMES);
                let got = shown(element.get_ref());
                mistakes.push(element.span().start, format!("there is no address class {got}; {accepted}"));
            }
        }
    }
    classes
}

/// A limit as a rejection names it: a string without its quotes.
fn plain(entry: &Entry<'_, '_>) -> String {
    entry.value.get_ref().as_str().map_or_else(|| shown(entry.value.get_ref()), str::to_owned)
}

fn listed(values: &[String]) -> Detail {
    let list = values.join(", ");
    shared(match list.len() {
        ..=DETAIL_LIST_BYTES_MAX => format!("not one of {list}"),
        _ => format!("not one of the {} values of the contract", values.len()),
    })
}

fn shared(text: String) -> Detail {
    Detail::from(Cow::Owned(text))
}

fn said(detail: &Detail) -> &str {
    match detail {
        Detail::Static(text) => text,
        Detail::Shared(text) => text,
    }
}
