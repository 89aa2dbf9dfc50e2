//! What the benches run over: login events, long ones with many unknown members, card payments; and digests of what came out.

#![allow(dead_code, reason = "each bench uses its part")]

use bumpalo::Bump;
use criterion::Throughput;
use gristmill::cli::events::Events;
use gristmill::contract::{Additions, Plan};
use gristmill::transform::judge;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};

/// Events, and the contract that they are for.
pub(crate) struct Corpus {
    /// In a benchmark's name.
    pub(crate) name: &'static str,
    /// The contract.
    pub(crate) plan: Plan,
    /// Their bytes.
    pub(crate) events: Vec<Vec<u8>>,
}

impl Corpus {
    /// Records and bytes of one pass.
    pub(crate) fn throughput(&self) -> Throughput {
        Throughput::ElementsAndBytes { elements: self.events.len() as u64, bytes: bytes(&self.events) }
    }
}

/// Whether this is `cargo bench`. Under `cargo test --benches` a bench shall only run, over little.
pub(crate) fn is_measured() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// `measured`, or few under test.
pub(crate) fn count(measured: usize) -> usize {
    if is_measured() { measured } else { measured.min(64) }
}

/// Events of about 185 bytes, of which 5 % are refused. Their bytes do not fit the first-level cache, as those of a batch do not.
pub(crate) fn login() -> Corpus {
    login_of(4096)
}

/// As many of them.
pub(crate) fn login_of(events: usize) -> Corpus {
    let generator = Events { seed: 1, invalid: 0.05, keys: 1_000 };
    let mut key = Vec::new();
    let events = (0..count(events) as u64).map(|number| {
        let mut value = Vec::new();
        generator.write(number, &mut key, &mut value);
        value
    });
    Corpus { name: "login", plan: Plan::user_login(), events: events.collect() }
}

/// Login events that pass, with members which the contract does not know, up to about 1 KB.
pub(crate) fn wide_1k() -> Corpus {
    Corpus { name: "login 1 KB", plan: Plan::user_login(), events: wide(1024, count(1024)) }
}

/// The same, up to about 10 KB.
pub(crate) fn wide_10k() -> Corpus {
    Corpus { name: "login 10 KB", plan: Plan::user_login(), events: wide(10 * 1024, count(128)) }
}

fn wide(bytes: usize, events: usize) -> Vec<Vec<u8>> {
    let generator = Events { seed: 2, invalid: 0.0, keys: 1_000 };
    let (mut key, mut value) = (Vec::new(), Vec::new());
    (0..events as u64)
        .map(|number| {
            generator.write(number, &mut key, &mut value);
            let mut text = String::from_utf8(value.clone()).expect("generated events are UTF-8");
            text.truncate(text.trim_end().len() - 1);
            let mut member = 0;
            while text.len() < bytes {
                unknown_member(number * 1_000 + member, &mut text);
                member += 1;
            }
            text.push('}');
            text.into_bytes()
        })
        .collect()
}

/// A text, a number, a word, a list or an object, in turn.
fn unknown_member(number: u64, text: &mut String) {
    let (name, value) = (number % 1_000, number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let written = match number % 5 {
        0 => write!(text, r#", "label_{name}": "session of {value:016x}, \"resumed\"""#),
        1 => write!(text, r#", "count_{name}": {}.{}"#, value % 100_000, value >> 56),
        2 => write!(text, r#", "is_{name}": {}"#, value.is_multiple_of(3)),
        3 => write!(text, r#", "list_{name}": [{}, {}, "x{:x}", null]"#, value % 10, value % 7, value >> 40),
        _ => {
            write!(text, r#", "at_{name}": {{"lat": {}.25, "city": "Köln", "tags": ["a", "b"]}}"#, value % 90)
        }
    };
    written.expect("a String takes all");
}

/// Card payments, some of which their contract refuses.
pub(crate) fn card() -> Corpus {
    let plan = Plan::parse(include_str!("../../contracts/card-payment.toml"), "card-payment.toml");
    let events = (0..count(4096) as u64).map(|number| {
        let value = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let currency = ["EUR", "usd", "PLN", "JPY"][value as usize % 4];
        let installments = [1, 3, 6, 12][(value >> 8) as usize % 4];
        let version = if number.is_multiple_of(20) { "2.9.1" } else { "4.2.0" };
        format!(
            r#"{{"payment_id": "pay_{value:016x}", "amount_minor": {}, "currency": "{currency}", "exchange_rate": 1.{}, "installments": {installments}, "discount": 0.05, "captured": true, "scheme": "visa", "sdk_version": "{version}", "client_ip": "{}.{}.7.1", "created_at": {}, "reference": "order {number:06}", "metadata": {{"shop": "k{}", "cart": [1, 2, 3]}}}}"#,
            1 + value % 9_000_000,
            value >> 50,
            193 + (value >> 16) % 30,
            (value >> 24) % 256,
            1_694_479_551 + number,
            value % 100,
        )
        .into_bytes()
    });
    Corpus { name: "card", plan: plan.expect("the example is a contract"), events: events.collect() }
}

/// Judges every event, as a chunk's job does; answers how many pass. Their output is in `out`.
pub(crate) fn judge_all(
    corpus: &Corpus,
    additions: &Additions,
    arena: &mut Bump,
    out: &mut Vec<u8>,
) -> usize {
    arena.reset();
    out.clear();
    let events = corpus.events.iter();
    events.filter(|event| judge(&corpus.plan, additions, event, arena, out).is_ok()).count()
}

/// The bytes of all.
pub(crate) fn bytes(events: &[Vec<u8>]) -> u64 {
    events.iter().map(|event| event.len() as u64).sum()
}

/// Prints what one pass made of the events: a bench whose digest has changed does something else than before.
pub(crate) fn print_digest(bench: &str, passed: usize, out: &[u8]) {
    let mut hasher = DefaultHasher::new();
    hasher.write(out);
    eprintln!("{bench}: {passed} passed, {} bytes, digest {:016x}", out.len(), hasher.finish());
}
