//! The batch: the records taken from the client, an outcome for each, the arenas their output lies in, and the commit token.
//!
//! A fixed set of batches circulates: a source fills one from its free pool, it travels through transform and sink, and comes home
//! empty. Memory, backpressure and drain all follow from that one rule.

use crate::kafka::Records;
use crate::progress::CommitToken;
use crate::rejection::Rejection;
use bumpalo::Bump;
use std::ops::Range;
use std::time::{Instant, SystemTime};

/// What became of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed: the output bytes lie in a chunk's buffer.
    Output {
        /// Which chunk.
        chunk: u32,
        /// Where in it.
        start: u32,
        /// How long.
        length: u32,
    },
    /// It was refused.
    DeadLetter(Rejection),
    /// A tombstone: passed on as it is.
    Pass,
}

/// A chunk's memory: what one job of the pool writes into. Cleared with the batch, not freed.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Output bytes of the chunk's records, one behind the other.
    pub output: Vec<u8>,
    /// Scratch strings; nothing in it outlives the job.
    pub arena: Bump,
}

/// When a batch reached which stage. The clocks are read once a batch.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The read that filled it returned.
    pub read: Instant,
    /// The same moment by the calendar: the time of `[add]`'s `now` and of dead letters.
    pub read_at: SystemTime,
    /// A worker took it up.
    pub transform_started: Instant,
    /// Its last chunk was done.
    pub transform_ended: Instant,
    /// Its last record was handed to the producer.
    pub produced: Instant,
}

/// The unit of work.
pub struct Batch {
    /// The source thread it belongs to.
    pub source: usize,
    /// Its place among its source's batches; with the source it names the batch on delivery reports.
    pub slot: usize,
    /// The records.
    pub records: Records,
    /// One for each record, in the same order, once transform is done.
    pub outcomes: Vec<Outcome>,
    /// The arenas.
    pub chunks: Vec<Chunk>,
    /// When it was where.
    pub times: Times,
    /// What its records pin: keys, values, headers and bookkeeping.
    pub held_bytes: usize,
    /// Bytes of its keys and values.
    pub payload_bytes: usize,
    /// Its only record ended the process before, again and again: it must not be looked at.
    pub is_condemned: bool,
    token: Option<CommitToken>,
}

impl Batch {
    /// An empty batch of a source's pool.
    pub fn new(source: usize, slot: usize, records: Records) -> Self {
        let now = Instant::now();
        let times = Times {
            read: now,
            read_at: SystemTime::UNIX_EPOCH,
            transform_started: now,
            transform_ended: now,
            produced: now,
        };
        Self {
            source,
            slot,
            records,
            outcomes: Vec::new(),
            chunks: Vec::new(),
            times,
            held_bytes: 0,
            payload_bytes: 0,
            is_condemned: false,
            token: None,
        }
    }

    /// Closes the batch: from here on it must be settled or abandoned.
    ///
    /// # Panics
    /// If it is sealed already.
    pub fn seal(&mut self, token: CommitToken) {
        assert!(self.token.is_none(), "a batch is sealed once");
        self.token = Some(token);
    }

    /// The token of a sealed batch.
    pub fn token(&self) -> Option<&CommitToken> {
        self.token.as_ref()
    }

    /// The token, to be spent.
    ///
    /// # Panics
    /// If the batch was not sealed.
    pub fn take_token(&mut self) -> CommitToken {
        self.token.take().expect("a batch that travels is sealed")
    }

    /// The output bytes of an outcome.
    pub fn output(&self, chunk: u32, start: u32, length: u32) -> &[u8] {
        let range = start as usize..start as usize + length as usize;
        &self.chunks[chunk as usize].output[range]
    }

    /// The rows of a chunk when each has `chunk_records`.
    pub fn chunk_rows(&self, chunk: usize, chunk_records: usize) -> Range<usize> {
        let start = chunk * chunk_records;
        start..(start + chunk_records).min(self.records.len())
    }

    /// Makes the batch empty for its way home: records go back to the client, arenas are cleared. What the arenas hold above
    /// `keep_bytes` together is freed, so that a batch of large records does not keep their room for ever.
    ///
    /// # Panics
    /// If the token was not spent.
    pub fn recycle(&mut self, keep_bytes: usize) {
        assert!(self.token.is_none(), "a batch comes home settled or abandoned");
        self.records.clear();
        self.outcomes.clear();
        self.held_bytes = 0;
        self.payload_bytes = 0;
        self.is_condemned = false;
        let held: usize =
            self.chunks.iter().map(|chunk| chunk.output.capacity() + chunk.arena.allocated_bytes()).sum();
        if held > keep_bytes {
            self.chunks.clear();
        }
        for chunk in &mut self.chunks {
            chunk.output.clear();
            chunk.arena.reset();
        }
    }
}
