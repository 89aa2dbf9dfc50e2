//! `judge` beside what others need for the same bytes.
//!
//! | name | does |
//! |---|---|
//! | `judge` | the whole work: UTF-8, depth, JSON, the contract's rules, the output bytes |
//! | `serde_json value` | parses into a tree, judges, changes the tree, serialises it |
//! | `serde_json visitor` | the same rules as `judge` in a visitor, the output spliced from the event's bytes |
//! | `simd-json value` | as `serde_json value`; it parses in place, so each event is copied first |
//! | `sonic-rs derive` | a derived struct, judged and serialised; members that it does not know are dropped |
//! | `sonic-rs bare visitor` | names and raw values of all members, and nothing done with them: the yardstick |
//! | `sonic-rs, ignoring` | no more than whether it is JSON |
//!
//! The rivals know nothing of depth, repeated fields, SemVer's pre-releases, or events that bring `processed_at` along: they are
//! the work that one would write by hand. On these events they decide as `judge` does, and the bench asserts it.

mod corpus;
#[path = "rivals/mod.rs"]
mod others;

use bumpalo::Bump;
use corpus::{judge_all, print_digest};
use criterion::{Criterion, criterion_group, criterion_main};
use others::{serde_tree, serde_visitor, simd_tree, sonic_bare, sonic_derive};
use serde::de::IgnoredAny;
use std::time::SystemTime;

/// Appends what becomes of an event; `None` if it is refused.
type Rival = fn(&[u8], &mut Vec<u8>) -> Option<()>;

const RIVALS: [(&str, Rival); 4] = [
    ("serde_json value", serde_tree::transform),
    ("serde_json visitor", serde_visitor::transform),
    ("simd-json value", simd_tree::transform),
    ("sonic-rs derive", sonic_derive::transform),
];

fn rivals(criterion: &mut Criterion) {
    for corpus in [corpus::login(), corpus::wide_1k(), corpus::wide_10k()] {
        let events = &corpus.events;
        let digest = |rival: &str, passed, out: &[u8]| {
            print_digest(&format!("{rival}, {}", corpus.name), passed, &in_one_order(out));
        };
        let mut group = criterion.benchmark_group(corpus.name);
        group.throughput(corpus.throughput());
        let additions = corpus.plan.additions(SystemTime::UNIX_EPOCH);
        let (mut arena, mut out) = (Bump::new(), Vec::new());
        group.bench_function("judge", |bencher| {
            bencher.iter(|| judge_all(&corpus, &additions, &mut arena, &mut out));
        });
        let passed = judge_all(&corpus, &additions, &mut arena, &mut out);
        digest("judge", passed, &out);
        for (name, rival) in RIVALS {
            let mut run = || {
                out.clear();
                events.iter().filter(|event| rival(event, &mut out).is_some()).count()
            };
            group.bench_function(name, |bencher| bencher.iter(&mut run));
            let passed_too = run();
            assert_eq!(passed_too, passed, "{name} passes what judge passes");
            digest(name, passed_too, &out);
        }
        group.bench_function("sonic-rs bare visitor", |bencher| {
            bencher.iter(|| events.iter().filter_map(|event| sonic_bare::visit(event)).sum::<usize>());
        });
        let visited: usize = events.iter().filter_map(|event| sonic_bare::visit(event)).sum();
        eprintln!("sonic-rs bare visitor, {}: {visited} members", corpus.name);
        group.bench_function("sonic-rs, ignoring", |bencher| {
            bencher.iter(|| {
                events.iter().filter(|event| sonic_rs::from_slice::<IgnoredAny>(event).is_ok()).count()
            });
        });
        group.finish();
    }
}

/// Events with their members sorted and without white space: rivals write them in orders of their own, simd-json in a new one each time.
/// Those that keep all members have the same digest.
fn in_one_order(out: &[u8]) -> Vec<u8> {
    let events = serde_json::Deserializer::from_slice(out).into_iter::<serde_json::Value>();
    events.flat_map(|event| event.expect("an output is JSON").to_string().into_bytes()).collect()
}

criterion_group!(benches, rivals);
criterion_main!(benches);
