//! The transform stage: takes filled batches, and has the pool judge their records chunk by chunk.

use super::judge;
use crate::batch::{Batch, Chunk, Outcome};
use crate::contract::{Additions, Plan};
use crate::error::{EngineError, ExitCode, Stage};
use crate::faults;
use crate::rejection::{Reason, Rejection};
use crate::shutdown::Shutdown;
use crossbeam_channel::{Receiver, Sender};
use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// Records of one job: long enough that handing it out does not show (a record takes about 200 ns), short enough that its input
/// and output stay in the second-level cache.
pub const CHUNK_RECORDS: usize = 1024;

const CONDEMNED: &str = "the process ended each time it worked on this event alone";

/// The dispatcher of the stage. Its thread only hands batches to the pool.
pub struct Transform {
    /// The contract.
    pub plan: Arc<Plan>,
    /// The threads that work.
    pub pool: Arc<ThreadPool>,
    /// From the sources.
    pub filled: Receiver<Box<Batch>>,
    /// To the sink. The stage ends when the sources' end is reached and the last job has dropped its clone.
    pub processed: Sender<Box<Batch>>,
    /// Told of a job that died.
    pub shutdown: Arc<Shutdown>,
}

impl Transform {
    /// Runs until every source has hung up.
    pub fn run(self) {
        for batch in &self.filled {
            let job = Job {
                batch: Some(batch),
                processed: self.processed.clone(),
                shutdown: self.shutdown.clone(),
            };
            let plan = self.plan.clone();
            self.pool.spawn(move || job.run(&plan));
        }
    }
}

/// A batch in the pool's hands. However the job ends, the batch travels on, so that a drain never waits for ever.
struct Job {
    batch: Option<Box<Batch>>,
    processed: Sender<Box<Batch>>,
    shutdown: Arc<Shutdown>,
}

/// What a contract adds to an event, as a rule.
const ADDED_BYTES: usize = 64;

impl Job {
    fn run(mut self, plan: &Plan) {
        if let Some(batch) = &mut self.batch {
            process(plan, batch);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let Some(mut batch) = self.batch.take() else { return };
        if std::thread::panicking() {
            // Without an outcome for each record the sink abandons the batch.
            batch.outcomes.clear();
            self.shutdown.fail(EngineError::new(
                Stage::Transform,
                ExitCode::Bug,
                "a worker died outside a record; nothing of its batch was committed, please report this",
            ));
        }
        if let Err(refused) = self.processed.try_send(batch) {
            // The channel has room for every batch; it is closed only when the sink died, which has said so.
            refused.into_inner().take_token().abandon();
        }
    }
}

fn process(plan: &Plan, batch: &mut Batch) {
    batch.times.transform_started = Instant::now();
    let additions = plan.additions(batch.times.read_at);
    let Batch { records, outcomes, chunks, is_condemned, .. } = batch;
    if *is_condemned {
        assert_eq!(records.len(), 1, "a record is condemned alone");
        outcomes.push(Outcome::DeadLetter(Rejection::of_event(Reason::Internal, CONDEMNED)));
        batch.times.transform_ended = Instant::now();
        return;
    }
    outcomes.resize(records.len(), Outcome::Pass);
    judge_rows(plan, &additions, |row| records.value(row), CHUNK_RECORDS, outcomes, chunks);
    batch.times.transform_ended = Instant::now();
    assert_eq!(batch.outcomes.len(), batch.records.len(), "an outcome for each record");
}

/// Judges as many rows as there are outcomes, `chunk_records` a job of the pool that it is called in; `value` is a row's event.
/// Output bytes are appended to the chunks' buffers, and more chunks are made where they are too few.
pub fn judge_rows<'a>(
    plan: &Plan,
    additions: &Additions,
    value: impl Fn(usize) -> Option<&'a [u8]> + Sync,
    chunk_records: usize,
    outcomes: &mut [Outcome],
    chunks: &mut Vec<Chunk>,
) {
    let jobs = outcomes.len().div_ceil(chunk_records);
    if chunks.len() < jobs {
        chunks.resize_with(jobs, Chunk::default);
    }
    outcomes.par_chunks_mut(chunk_records).zip(chunks.par_iter_mut()).enumerate().for_each(
        |(at, (outcomes, chunk))| {
            let first = at * chunk_records;
            let rows = first..first + outcomes.len();
            judge_chunk(plan, additions, &value, rows, at as u32, outcomes, chunk);
        },
    );
}

/// Tried and lost, as no gain that could be measured: fetching the next events into the cache ahead of their turn; code for x86-64-v3.
fn judge_chunk<'a>(
    plan: &Plan,
    additions: &Additions,
    value: &impl Fn(usize) -> Option<&'a [u8]>,
    rows: Range<usize>,
    number: u32,
    outcomes: &mut [Outcome],
    chunk: &mut Chunk,
) {
    let bytes: usize = rows.clone().filter_map(value).map(|event| event.len() + ADDED_BYTES).sum();
    // Exactly: a buffer that doubles as it fills may have twice the room that is needed, and has both while it moves.
    chunk.output.reserve_exact(bytes);
    for (row, outcome) in rows.zip(outcomes) {
        let Some(event) = value(row) else {
            *outcome = Outcome::Pass;
            continue;
        };
        faults::meet(event);
        let before = chunk.output.len();
        // A panic is a bug, but it is this record's alone: it must not stop the stream, nor come back after each restart.
        let judged =
            catch_unwind(AssertUnwindSafe(|| judge(plan, additions, event, &chunk.arena, &mut chunk.output)));
        *outcome = match judged {
            Ok(Ok(range)) => {
                Outcome::Output { chunk: number, start: range.start as u32, length: range.len() as u32 }
            }
            Ok(Err(rejection)) => Outcome::DeadLetter(rejection),
            Err(_) => {
                chunk.output.truncate(before);
                Outcome::DeadLetter(Rejection::of_event(
                    Reason::Internal,
                    "a bug in gristmill met this event",
                ))
            }
        };
    }
}
