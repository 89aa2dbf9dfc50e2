//! No allocation for an event that passes without escapes, once the arenas have their size; a small bound for the others.

use bumpalo::Bump;
use gristmill::batch::{Chunk, Outcome};
use gristmill::contract::Plan;
use gristmill::transform::{judge, steps};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

/// The system's allocator, counting what each thread asks of it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static IS_POOL: Cell<bool> = const { Cell::new(false) };
}

/// What the pool's threads ask for together.
static POOL_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    if IS_POOL.get() {
        POOL_ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call is handed to the system's allocator as it came; counting touches no memory that it manages.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `rounds` runs over `event` allocate after a warm-up, and whether it passes.
fn allocations(event: &str, rounds: usize) -> (usize, bool) {
    let plan = Plan::user_login();
    let additions = plan.additions(SystemTime::now());
    let (mut arena, mut out) = (Bump::new(), Vec::new());
    let mut passes = false;
    let mut run = |rounds: usize| {
        for _ in 0..rounds {
            arena.reset();
            out.clear();
            passes = judge(&plan, &additions, event.as_bytes(), &arena, &mut out).is_ok();
        }
    };
    run(2);
    let before = ALLOCATIONS.get();
    run(rounds);
    (ALLOCATIONS.get() - before, passes)
}

const LOGIN: &str = r#"{"user_id": "424cdd21-063a-43a7-b91b-7ca1a833afae", "app_version": "2.3.0", "device_type": "android", "ip": "199.172.111.135", "locale": "RU", "device_id": "593-47-5928", "timestamp": 1694479551}"#;

#[test]
fn an_event_that_passes_allocates_nothing() {
    assert_eq!(allocations(LOGIN, 1000), (0, true));
    assert_eq!(allocations(&LOGIN.replace("\"RU\"", "\"ru\""), 1000), (0, true));
    assert_eq!(allocations(&LOGIN.replace("593-47", "[1,{\\\"a\\\":[]}]"), 1000), (0, true));
    assert_eq!(allocations(&LOGIN.replace("\"RU\"", "\"ru\",\"processed_at\":1"), 1000), (0, true));
}

#[test]
fn neither_does_one_that_is_refused() {
    assert_eq!(allocations(&LOGIN.replace("2.3.0", "1.3.0"), 1000), (0, false));
    assert_eq!(allocations(&LOGIN.replace("\"android\"", "3"), 1000), (0, false));
    assert_eq!(allocations(&LOGIN[1..], 1000), (0, false));
}

#[test]
fn escapes_and_other_alphabets_have_a_small_bound() {
    for locale in ["R\\u0055", "\\u00c9", "ÎLE"] {
        let (count, passes) = allocations(&LOGIN.replace("RU", locale), 1000);
        assert!(passes && count <= 2000, "{locale}: {count}");
    }
}

/// What the pool's threads allocate for `rounds` batches of `events`, after a warm-up; and the outcomes of the last.
fn batch_allocations(events: &[String], threads: usize, rounds: usize) -> (usize, Vec<Outcome>) {
    let plan = Plan::user_login();
    let additions = plan.additions(SystemTime::now());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).start_handler(|_| IS_POOL.set(true));
    let pool = pool.build().expect("threads can be started");
    let (mut outcomes, mut chunks) = (Vec::new(), Vec::<Chunk>::new());
    let mut run = |rounds: usize| {
        for _ in 0..rounds {
            // As a batch comes home, and sets out again.
            for chunk in &mut chunks {
                chunk.arena.reset();
                chunk.output.clear();
            }
            outcomes.clear();
            outcomes.resize(events.len(), Outcome::Pass);
            let value = |row: usize| events.get(row).map(|event| event.as_bytes());
            steps::judge_rows(&plan, &additions, value, 256, &mut outcomes, &mut chunks);
        }
    };
    let counted = pool.install(|| {
        run(5);
        let before = POOL_ALLOCATIONS.load(Ordering::Relaxed);
        run(rounds);
        POOL_ALLOCATIONS.load(Ordering::Relaxed) - before
    });
    (counted, outcomes)
}

/// One test, because the pools of several would count together.
#[test]
fn a_whole_batch_allocates_no_more_than_its_events() {
    let passing: Vec<_> = (0..2000).map(|number| LOGIN.replace("5928", &number.to_string())).collect();
    for threads in [1, 2] {
        let (count, outcomes) = batch_allocations(&passing, threads, 10);
        assert_eq!(count, 0, "{threads} threads");
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Output { .. })));
    }
    let refused: Vec<_> = passing.iter().map(|event| event.replace("2.3.0", "1.3.0")).collect();
    let (count, outcomes) = batch_allocations(&refused, 2, 10);
    assert_eq!(count, 0);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::DeadLetter(_))));
    let other_alphabet: Vec<_> = passing.iter().map(|event| event.replace("RU", "ÎLE")).collect();
    let (count, _) = batch_allocations(&other_alphabet, 2, 5);
    assert!((1..=2 * 5 * other_alphabet.len()).contains(&count), "{count}: the counting works");
}
