//! gristmill moves JSON events from one Kafka topic to another: each event is checked against a contract and enriched; what
//! fails goes to a dead letter topic with the reason. One process, a fixed set of threads, a fixed set of batches, no async
//! on the data path.
//!
//! This page is the map. It follows a record through the process, then names the rules that hold everywhere.
//!
//! # A record's journey
//!
//! ```text
//!             home (cap B, one for each source)
//!    ┌──────────────────────────────────────────────────────────────────────────┐
//!    ▼                                                                          │
//!  source-N ──filled (cap S·B)──▶ transform ──▶ workers ──processed (cap S·B)──▶ sink ──▶ output topic,
//!  a member of the group          hands out     parse, check,                    │        dead letter topic
//!  a batch: 4096 records,         chunks        enrich                           ▼
//!  its bytes, or its linger                                              committed offsets
//!
//!  S sources, B batches each: every channel has room for every batch that can be in it
//! ```
//!
//! 1. [`cli`] understands what was typed, [`config`] makes of it what will be done: values checked, limits derived from one
//!    number of bytes. [`engine::Prepared`] connects and looks at the topics; what can be known to be wrong is said now.
//! 2. A [`source`] thread is a member of the consumer group. It takes an empty [`batch::Batch`] from those at home and reads
//!    records into it with one call of [`kafka::GroupConsumer`]; the bytes stay where the client received them. Full, or lingered
//!    long enough, the batch is sealed with a [`progress::CommitToken`], which says which offsets it covers.
//! 3. [`transform`] hands the batch to the pool, chunk by chunk. [`transform::judge`] runs the [`contract::Plan`] over each
//!    event: what passes becomes output bytes in the chunk's own memory, what does not a [`rejection::Rejection`]. A record has
//!    one [`batch::Outcome`].
//! 4. The [`sink`] restores the order in which the source read its batches, and hands every record to [`kafka::Producer`]: output,
//!    dead letter, or a tombstone as it is. It counts the delivery reports. A record that a broker refuses for itself is tried
//!    again alone, then becomes a dead letter; what the broker cannot do just now is waited for.
//! 5. With its last report the batch is settled. Its token goes to the [`progress::Ledger`], which finds the contiguous prefix of
//!    settled spans; the [`progress::Board`] takes the new offsets where their epoch is still current; the sink commits them. The
//!    emptied batch goes home.
//!
//! [`telemetry`] hears of all this once a batch. [`shutdown`] is the flag that ends it: see *Drain* below.
//!
//! # What always holds
//!
//! - **A fixed set of batches circulates.** They are made at start, B for each source, and never more. Memory is what they may
//!   hold ([`config::Limits`]), and backpressure has one place: a source that finds no empty batch at home reads nothing.
//! - **No stage waits to send.** A channel has room for every batch there is; a full one is a bug.
//! - **Only the contiguous prefix of settled records is committed**, in the order of dispatch, never by arithmetic on offsets: they
//!   have holes. A batch whose fate nobody decided cannot be skipped; dropping its token unspent panics.
//! - **Epochs are the fence.** Each assignment of a partition draws a new epoch. What was read under an older one is never
//!   committed, checked under the same lock as the hand-over of the commit: a late commit would move the offset of a
//!   partition that somebody else owns by now.
//! - **Drain is "all batches are home, and the last commit is answered"**: the same statement when partitions are asked back, at the
//!   end of the process, and in tests. It has one deadline; past it the rest is abandoned, to be read again.
//! - **With exactly-once, one transaction holds the work of all sources**: what is produced and, at its end, their offsets. What goes
//!   wrong in it rolls it back as a whole; every epoch is fenced, and the sources read again from the group's offsets. Nothing counts
//!   as settled before it is committed.
//! - **Three kinds of failure, three fates.** A refused event becomes a dead letter. What may pass is waited for in its stage.
//!   What cannot is an [`error::EngineError`] with its exit code, after a drain. A bug in one record is that record's dead
//!   letter (`internal`); any other stops the process with nothing unsettled committed.
//! - **Imports point down.** Each line below may use those under it, never one beside it:
//!
//! ```text
//! cli
//! engine
//! source    transform    sink
//! batch     dlq_guard
//! kafka     telemetry
//! config    shutdown
//! contract
//! rejection progress error
//! faults
//! ```
//!
//! `rdkafka` and `unsafe` live in [`kafka`] alone. `tests/tidy.rs` enforces this and the like.
//!
//! # The modules, in the order of the journey
//!
//! | module | what it is |
//! |---|---|
//! | [`cli`] | the subcommands: what was typed, what is printed |
//! | [`config`] | what will be done: settings, their sources, derived limits |
//! | [`engine`] | wiring alone: threads, channels, the order in which they end, the report |
//! | [`source`] | Kafka → batches: the poll loop, assignments, the end |
//! | [`batch`] | the unit that travels: records, outcomes, memory, token |
//! | [`contract`] | what an event must be: a TOML file, compiled once |
//! | [`transform`] | batches → outcomes: the contract over the raw bytes, in parallel |
//! | [`rejection`] | why an event was refused: a closed set of reasons |
//! | [`sink`] | outcomes → topics and offsets: order, delivery, dead letters, commits |
//! | [`progress`] | what may be committed: token, ledger, board; no I/O, no threads, no clock |
//! | [`dlq_guard`] | nothing more is read when too much of the latest was rejected |
//! | [`kafka`] | the client: group member, producer, administration |
//! | [`telemetry`] | logs, metrics, latencies, health |
//! | [`shutdown`] | the order to stop, with its reason and its deadline |
//! | [`error`] | fatal errors and exit codes |
//! | [`faults`] | the engine broken on purpose, for the tests of its tests; not in a release |

pub mod batch;
pub mod cli;
pub mod config;
pub mod contract;
pub mod dlq_guard;
pub mod engine;
pub mod error;
pub mod faults;
pub mod kafka;
pub mod progress;
pub mod rejection;
pub mod shutdown;
pub mod sink;
pub mod source;
pub mod telemetry;
pub mod transform;
