//! A batch on its way: through the pool, from thread to thread, into order, and to what may be committed.

mod corpus;

use corpus::print_digest;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crossbeam_channel::bounded;
use gristmill::batch::{Chunk, Outcome};
use gristmill::progress::{CommitToken, Epoch, Ledger, Span};
use gristmill::sink::Sequencer;
use gristmill::transform::steps::judge_rows;
use std::hint::black_box;
use std::thread;
use std::time::SystemTime;

/// A batch's records.
const RECORDS: usize = 4096;

/// What a batch is to the pool, without the client's records.
#[derive(Default)]
struct Work {
    outcomes: Vec<Outcome>,
    chunks: Vec<Chunk>,
}

impl Work {
    /// As a batch comes home.
    fn clear(&mut self) {
        self.outcomes.clear();
        for chunk in &mut self.chunks {
            chunk.output.clear();
            chunk.arena.reset();
        }
    }

    fn output(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|chunk| chunk.output.iter().copied()).collect()
    }
}

/// A whole batch through the pool, from its records to an outcome for each.
fn pool(criterion: &mut Criterion) {
    let corpus = corpus::login_of(RECORDS);
    let (plan, events) = (&corpus.plan, &corpus.events);
    let additions = plan.additions(SystemTime::UNIX_EPOCH);
    let mut group = criterion.benchmark_group("batch through the pool");
    group.throughput(corpus.throughput());
    for threads in [1, 2] {
        let pool =
            rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
        for chunk_records in [256, 512, 1024, 2048, 4096] {
            let mut work = Work::default();
            let mut run = || {
                work.clear();
                work.outcomes.resize(events.len(), Outcome::Pass);
                let Work { outcomes, chunks } = &mut work;
                pool.install(|| {
                    judge_rows(plan, &additions, |row| Some(&events[row]), chunk_records, outcomes, chunks);
                });
                outcomes.len()
            };
            let id = BenchmarkId::new(format!("{threads} threads"), chunk_records);
            group.bench_function(id, |bencher| bencher.iter(&mut run));
            run();
            let passed =
                work.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Output { .. })).count();
            print_digest(
                &format!("pool, {threads} threads, {chunk_records} a chunk"),
                passed,
                &work.output(),
            );
        }
    }
    group.finish();
}

/// Batches that are under way at a time.
const UNDER_WAY: u64 = 8;
const PARTITIONS: i32 = 6;

/// The ledger's part in a batch: entered, and settled in the opposite order within each eight.
fn ledger(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("progress");
    group.throughput(Throughput::Elements(UNDER_WAY));
    let (mut ledger, mut sequence, mut committed) = (Ledger::default(), 0, 0);
    group.bench_function("ledger, a batch", |bencher| {
        bencher.iter(|| {
            let mut tokens: Vec<_> = (0..UNDER_WAY)
                .map(|_| {
                    let token = token(sequence);
                    ledger.dispatch(sequence, token.spans());
                    sequence += 1;
                    token
                })
                .collect();
            while let Some(token) = tokens.pop() {
                committed += ledger.settle(token).len();
            }
        });
    });
    assert_eq!((committed as u64, ledger.open_spans()), (sequence / UNDER_WAY * PARTITIONS as u64, 0));
    eprintln!("ledger: each batch settled, every partition's prefix moved once for {UNDER_WAY} batches");
    let (mut sequencer, mut next, mut sum) = (Sequencer::default(), 0u64, 0u64);
    group.bench_function("sequencer, a batch", |bencher| {
        bencher.iter(|| {
            for early in (next..next + UNDER_WAY).rev() {
                sequencer.push(early, early);
            }
            while let Some(batch) = sequencer.pop() {
                assert_eq!(batch, next);
                (next, sum) = (next + 1, sum.wrapping_add(batch));
            }
        });
    });
    eprintln!("sequencer: all in order");
    black_box(sum);
    group.finish();
}

fn token(sequence: u64) -> CommitToken {
    let spans = (0..PARTITIONS).map(|partition| {
        let first = sequence as i64 * 700;
        Span { partition, epoch: Epoch(1), first, next: first + 700, timestamp_ms: first }
    });
    CommitToken::seal(sequence, spans.collect())
}

/// A boxed batch to another thread and back: two hops. Alone, and with eight of them under way.
fn hops(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("channel");
    for under_way in [1, UNDER_WAY as usize] {
        let (there, at_worker) = bounded::<Box<Work>>(under_way);
        let (back, home) = bounded(under_way);
        let worker = thread::spawn(move || {
            for batch in at_worker {
                if back.send(batch).is_err() {
                    return;
                }
            }
        });
        group.throughput(Throughput::Elements(under_way as u64));
        group.bench_function(BenchmarkId::new("there and back, under way", under_way), |bencher| {
            let mut batches: Vec<_> = (0..under_way).map(|_| Box::new(Work::default())).collect();
            bencher.iter(|| {
                for batch in batches.drain(..) {
                    there.send(batch).expect("the other thread lives");
                }
                batches.extend((0..under_way).map(|_| home.recv().expect("the other thread lives")));
            });
        });
        drop(there);
        worker.join().expect("it does nothing that fails");
    }
    group.finish();
}

criterion_group!(benches, pool, ledger, hops);
criterion_main!(benches);
