//! Bytes → output bytes, and the steps of it: the scans, the reading, the splicing. `cargo bench --bench rivals` has others beside it.

mod corpus;

use bumpalo::Bump;
use corpus::{Corpus, judge_all, print_digest};
use criterion::{Criterion, criterion_group, criterion_main};
use gristmill::transform::steps;
use std::hint::black_box;
use std::time::SystemTime;

fn corpora() -> [Corpus; 4] {
    [corpus::login(), corpus::wide_1k(), corpus::wide_10k(), corpus::card()]
}

/// What looks at bytes only. `from_utf8` is the standard library's, which the reading asks where an event is not ASCII.
fn scans(criterion: &mut Criterion) {
    for corpus in corpora() {
        let events = &corpus.events;
        let blocks: u32 = events.iter().map(|event| steps::blocks(event).0).sum();
        let depths: usize = events.iter().map(|event| steps::depth(event)).sum();
        eprintln!("scan, {}: {blocks} special bytes, {depths} levels", corpus.name);
        let mut group = criterion.benchmark_group(format!("scan, {}", corpus.name));
        group.throughput(corpus.throughput());
        group.bench_function("blocks", |bencher| {
            bencher.iter(|| events.iter().map(|event| steps::blocks(black_box(event)).0).sum::<u32>());
        });
        group.bench_function("depth", |bencher| {
            bencher.iter(|| events.iter().map(|event| steps::depth(black_box(event))).sum::<usize>());
        });
        group.bench_function("from_utf8", |bencher| {
            bencher
                .iter(|| events.iter().filter(|event| std::str::from_utf8(black_box(event)).is_ok()).count());
        });
        group.finish();
    }
}

/// The whole work on an event.
fn judging(criterion: &mut Criterion) {
    for corpus in corpora() {
        let additions = corpus.plan.additions(SystemTime::UNIX_EPOCH);
        let (mut arena, mut out) = (Bump::new(), Vec::new());
        let passed = judge_all(&corpus, &additions, &mut arena, &mut out);
        print_digest(&format!("judge, {}", corpus.name), passed, &out);
        let mut group = criterion.benchmark_group(format!("judge, {}", corpus.name));
        group.throughput(corpus.throughput());
        group.bench_function("judge", |bencher| {
            bencher.iter(|| judge_all(&corpus, &additions, &mut arena, &mut out));
        });
        group.finish();
    }
}

/// The last step alone: output bytes from an event whose members are known. `anew` writes the first field of the contract again,
/// as a changed value that is not plain ASCII is.
fn splicing(criterion: &mut Criterion) {
    for corpus in corpora() {
        let (plan, additions) = (&corpus.plan, corpus.plan.additions(SystemTime::UNIX_EPOCH));
        let arena = Bump::new();
        let read: Vec<_> = (corpus.events.iter())
            .filter_map(|event| Some((event, steps::read(plan, event, &arena)?)))
            .collect();
        let mut out = Vec::new();
        let mut splice_all = |anew: Option<(usize, &str)>| {
            out.clear();
            for (event, read) in &read {
                steps::write(plan, &additions, event, read, anew, &mut out);
            }
            read.len()
        };
        let mut group = criterion.benchmark_group(format!("splice, {}", corpus.name));
        group.throughput(corpus.throughput());
        group.bench_function("add", |bencher| bencher.iter(|| splice_all(None)));
        group.bench_function("add and anew", |bencher| bencher.iter(|| splice_all(Some((0, "ÎLE \"é\"")))));
        group.finish();
        let spliced = splice_all(Some((0, "île")));
        print_digest(&format!("splice, {}", corpus.name), spliced, &out);
    }
}

criterion_group!(benches, scans, judging, splicing);
criterion_main!(benches);
