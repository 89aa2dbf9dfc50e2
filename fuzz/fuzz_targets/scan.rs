//! The one-pass scanner and the scan for depth, against `std::str::from_utf8`, `serde_json`, and loops that look at one byte at a time.

#![no_main]

use bumpalo::Bump;
use gristmill::contract::{Additions, Plan};
use gristmill::rejection::Reason;
use gristmill::transform::{judge, steps};
use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

/// As deep as serde_json goes.
const DEPTH_MAX: usize = 127;

/// The fuzzer finds it after a while, and gives it to events.
const ADDED: &str = "no such name";

/// Without fields, so that only JSON itself is judged.
static PLAN: LazyLock<(Plan, Additions)> = LazyLock::new(|| {
    let text = format!("name = \"t\"\nmax_depth = {DEPTH_MAX}\n[add]\n\"{ADDED}\" = 1");
    let plan = Plan::parse(&text, "t").expect("a contract");
    let additions = plan.additions(UNIX_EPOCH);
    (plan, additions)
});

fuzz_target!(|event: &[u8]| {
    let depth = depth(event);
    assert_eq!(steps::depth(event), depth);
    assert_eq!(steps::blocks(event), blocks(event));
    let (plan, additions) = &*PLAN;
    let mut out = Vec::new();
    let found = judge(plan, additions, event, &Bump::new(), &mut out).err().map(|rejection| rejection.reason);
    assert_eq!(found, expected(event, depth));
    if found.is_none() {
        let text = std::str::from_utf8(&out).expect("an output is UTF-8");
        let Added(times) = serde_json::from_str(text).expect("an output is JSON");
        assert_eq!(times, 1);
    }
});

/// Why an event is no object, in the order in which reasons win.
fn expected(event: &[u8], depth: usize) -> Option<Reason> {
    let Ok(text) = std::str::from_utf8(event) else { return Some(Reason::InvalidUtf8) };
    if depth > DEPTH_MAX {
        return Some(Reason::TooDeep);
    }
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Some(Reason::NotJson);
    }
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Some(Reason::NotAnObject);
    }
    // Names are read here, and lone surrogates in them refused.
    match serde_json::from_str::<Added>(text) {
        Err(_) => Some(Reason::NotJson),
        Ok(Added(times)) => (times > 1).then_some(Reason::FieldDuplicate),
    }
}

/// How often an event has the member that the contract adds.
struct Added(usize);

impl<'de> Deserialize<'de> for Added {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(AddedVisitor)
    }
}

struct AddedVisitor;

impl<'de> Visitor<'de> for AddedVisitor {
    type Value = Added;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Added, A::Error> {
        let mut times = 0;
        while let Some((name, IgnoredAny)) = object.next_entry::<String, _>()? {
            times += usize::from(name == ADDED);
        }
        Ok(Added(times))
    }
}

/// How deep brackets nest outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string) = (0_usize, 0, false);
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => drop(bytes.next()),
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// How many bytes can end a string or break it, and whether one is not ASCII.
fn blocks(bytes: &[u8]) -> (u32, bool) {
    let special = bytes.iter().filter(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    (special.count() as u32, !bytes.is_ascii())
}
