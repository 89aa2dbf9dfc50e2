//! How one number, `GRISTMILL_MEMORY_LIMIT`, is split over everything that holds records.
//!
//! | share | holds |
//! |---|---|
//! | 3/16 | the client's fetch queues: values and 320 bytes of bookkeeping a record |
//! | 3/16 | input records pinned by batches, until their last delivery report |
//! | 3/16 | output bytes and scratch of the same batches |
//! | 1/8 | copies in the producer's queue |
//! | 5/16 | requests and responses under way, what a response holds beyond the share when it is unpacked, memory that the allocator keeps |

/// What may be held at once. Each is asserted against the whole in [`Limits::derive`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `GRISTMILL_MEMORY_LIMIT`.
    pub memory_bytes: usize,
    /// Batches that exist for each source thread.
    pub batches_per_source: usize,
    /// Records in a batch, at most.
    pub batch_records_max: usize,
    /// Bytes in a batch: reading stops there, but one record larger than this still makes a batch of its own.
    pub batch_bytes_max: usize,
    /// Bytes that one source's batches pin together before it stops reading.
    pub held_bytes_max: usize,
    /// `queued.max.messages.kbytes` of one consumer, in bytes.
    pub fetch_queue_bytes: usize,
    /// `queued.min.messages` of one consumer.
    pub fetch_queue_records: usize,
    /// `fetch.max.bytes` of one consumer.
    pub fetch_bytes_max: usize,
    /// `fetch.message.max.bytes`: what a partition gives at most in one fetch.
    pub fetch_partition_bytes_max: usize,
    /// `queue.buffering.max.kbytes` of the producer, in bytes.
    pub producer_queue_bytes: usize,
    /// `queue.buffering.max.messages` of the producer.
    pub producer_queue_records: usize,
}

/// Bookkeeping that a record costs the client beside its bytes: its op is 304 bytes, rounded up.
pub const RECORD_OVERHEAD_BYTES: usize = 320;

/// Our own bookkeeping of a record in a batch.
pub const ROW_BYTES: usize = 56;

/// Bookkeeping that a record in a batch costs both.
pub const HELD_OVERHEAD_BYTES: usize = RECORD_OVERHEAD_BYTES + ROW_BYTES;

/// The smallest limit that is accepted: below it the fixed costs alone would not fit.
pub const MEMORY_LIMIT_MIN: usize = 32 * MIB;

const MIB: usize = 1024 * 1024;

/// Batches of a source: enough that reading goes on while the broker takes its time to confirm. A batch is away for as long as its
/// slowest delivery report; with 8 batches of 4096 records a report after 40 ms held the engine to 800,000 records a second (16 gave
/// 10 % more records a second than 8 in interleaved runs, 24 and 32 no more than 16).
const BATCHES_PER_SOURCE: usize = 16;

/// Records fetched ahead, at most: what lies in the client's queue should still lie in the processor's cache when it is read. 30,000 took
/// 6 % less CPU a record than 100,000 in interleaved runs.
const FETCH_QUEUE_RECORDS_MAX: usize = 30_000;

/// A response, at most: 4 MiB were no faster, and what comes packed 23:1 is that much larger in memory.
const FETCH_BYTES_MAX: usize = 2 * MIB;

impl Limits {
    /// Splits `memory_bytes` for `sources` consumers.
    ///
    /// # Panics
    /// If the limit is under [`MEMORY_LIMIT_MIN`] for a source: the caller has checked it.
    pub fn derive(
        memory_bytes: usize,
        sources: usize,
        batch_records_max: usize,
        batch_bytes: Option<usize>,
    ) -> Limits {
        assert!(sources > 0 && memory_bytes >= MEMORY_LIMIT_MIN);
        let share = memory_bytes / 16 * 3 / sources;
        // Half of the fetch share for bookkeeping. A quarter for the values with which the queue is full, a quarter for what came when it
        // nearly was, and out of turn.
        let fetch_queue_bytes = share / 4;
        let fetch_queue_records = (share / 2 / RECORD_OVERHEAD_BYTES).clamp(100, FETCH_QUEUE_RECORDS_MAX);
        let batch_bytes_max = batch_bytes.unwrap_or(share / BATCHES_PER_SOURCE).clamp(1, share);
        let limits = Limits {
            memory_bytes,
            batches_per_source: BATCHES_PER_SOURCE,
            batch_records_max,
            batch_bytes_max,
            held_bytes_max: share,
            fetch_queue_bytes,
            fetch_queue_records,
            fetch_bytes_max: (share / 24).clamp(FETCH_BYTES_MAX / 4, FETCH_BYTES_MAX),
            fetch_partition_bytes_max: (share / 96).clamp(FETCH_BYTES_MAX / 32, FETCH_BYTES_MAX / 4),
            producer_queue_bytes: memory_bytes / 8,
            producer_queue_records: (memory_bytes / 8 / RECORD_OVERHEAD_BYTES).clamp(1_000, 100_000),
        };
        let split = sources * (limits.fetch_queue_bytes + limits.fetch_queue_records * RECORD_OVERHEAD_BYTES)
            + 2 * sources * limits.held_bytes_max
            + limits.producer_queue_bytes;
        assert!(split <= memory_bytes, "the shares are within the limit");
        limits
    }

    /// The smallest memory limit with which a record of `record_bytes` can pass: it may stand once each in the fetch queue, a batch
    /// and the output of its source, and in the producer's queue, though alone it may be larger than such a share. One that is larger
    /// than the producer's queue goes out as the stub of a dead letter.
    pub fn smallest_for_record(record_bytes: usize, sources: usize) -> usize {
        record_bytes.saturating_mul(4 * sources).max(MEMORY_LIMIT_MIN)
    }
}
