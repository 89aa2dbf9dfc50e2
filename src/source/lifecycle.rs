//! The poll loop of a source thread: Consuming → Draining → Closed.
//!
//! A read returns when the batch is full or its linger is over, and is sealed at once, so nothing is ever half read: "drained" is
//! "all my batches are home", for a revoke as for the end.

use super::care::Solitude;
use super::crash_loop::CrashLoop;
use super::input_ends::InputEnds;
use super::positions::Positions;
use super::rate::RateLimit;
use super::resume::Astray;
use super::turns::Turns;
use super::until_end::UntilEnd;
use super::watchdog::Watchdog;
use crate::batch::Batch;
use crate::config::Config;
use crate::dlq_guard::DlqGuard;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::{GroupConsumer, GroupEvent};
use crate::progress::Board;
use crate::shutdown::Shutdown;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::Metrics;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a source is wired to.
pub struct SourceEnds {
    /// Its batches come home here.
    pub home: Receiver<Box<Batch>>,
    /// Sealed batches go there; it has room for every batch.
    pub filled: Sender<Box<Batch>>,
    /// Signalled when records become available.
    pub readable: Receiver<()>,
    /// Wakes the sink, which commits.
    pub wake_sink: Sender<()>,
    /// Epochs and committable offsets, shared with the sink.
    pub board: Arc<Board>,
    /// Whether to read.
    pub dlq_guard: Arc<DlqGuard>,
    /// Where the partitions end, as housekeeping knows it.
    pub input_ends: Arc<InputEnds>,
    /// Whether another source has to be alone.
    pub solitude: Arc<Solitude>,
}

/// One source thread.
pub struct Source {
    pub(super) config: Arc<Config>,
    pub(super) number: usize,
    pub(super) consumer: Arc<GroupConsumer>,
    pub(super) ends: SourceEnds,
    pub(super) shutdown: Arc<Shutdown>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) rate_limit: Option<Arc<RateLimit>>,
    pub(super) until_end: Option<Arc<UntilEnd>>,
    /// Empty batches.
    #[expect(clippy::vec_box, reason = "a batch travels by its address, here too")]
    pub(super) at_home: Vec<Box<Batch>>,
    /// What each batch that is out pins, by slot.
    pub(super) held: Vec<usize>,
    pub(super) held_bytes: usize,
    /// A guess at the bytes of the next record: the largest recent average.
    pub(super) record_bytes: usize,
    pub(super) positions: Positions,
    pub(super) sequence: u64,
    /// When to say (again) that the group has not taken this member in; never, once it has.
    pub(super) join_overdue_at: Option<Instant>,
    /// Whether its membership was lost and there has been no assignment since.
    pub(super) is_rejoining: bool,
    /// When the group's offsets were asked last and had not reached the ends of partitions that others have.
    pub(super) others_asked: Option<Instant>,
    /// Whether it was said that they are waited for.
    pub(super) others_told: bool,
    pub(super) watchdog: Watchdog,
    pub(super) crash_loop: CrashLoop,
    pub(super) turns: Turns,
    /// Partitions that are not read for now: one is read with care.
    pub(super) paused: Vec<i32>,
    pub(super) astray: Astray,
}

/// How long a source waits for records or batches before it serves the group again.
pub(super) const POLL_PERIOD: Duration = Duration::from_millis(50);

/// How long one question to the cluster may take before it is asked again.
pub(super) const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);

/// The guess at a record's size before the first was seen: prudent, so that the first read of a topic of large records does not
/// overshoot.
const RECORD_BYTES_GUESS: usize = 16 * 1024;

impl Source {
    /// A source with its pool of batches.
    pub fn new(
        config: Arc<Config>,
        number: usize,
        consumer: Arc<GroupConsumer>,
        ends: SourceEnds,
        shutdown: Arc<Shutdown>,
        (metrics, health): (Arc<Metrics>, Arc<Health>),
    ) -> Self {
        let (limits, now) = (&config.limits, Instant::now());
        let batches = limits.batches_per_source;
        Self {
            watchdog: Watchdog::new(config.pipeline.watchdog_after, ends.input_ends.clone(), now),
            number,
            consumer,
            ends,
            shutdown,
            metrics,
            health,
            rate_limit: None,
            until_end: None,
            at_home: Vec::with_capacity(batches),
            held: vec![0; batches],
            held_bytes: 0,
            record_bytes: RECORD_BYTES_GUESS,
            positions: Positions::default(),
            sequence: 0,
            join_overdue_at: Some(now + config.kafka.connect_timeout),
            is_rejoining: false,
            others_asked: None,
            others_told: false,
            crash_loop: CrashLoop::default(),
            turns: Turns::new(
                (limits.fetch_queue_records, limits.fetch_queue_bytes),
                limits.fetch_partition_bytes_max,
            ),
            paused: Vec::new(),
            astray: Astray::default(),
            config,
        }
    }

    /// Shares a rate limit.
    pub fn with_rate_limit(mut self, limit: Option<Arc<RateLimit>>) -> Self {
        self.rate_limit = limit;
        self
    }

    /// Reads up to the ends only.
    pub fn with_until_end(mut self, until_end: Option<Arc<UntilEnd>>) -> Self {
        self.until_end = until_end;
        self
    }

    /// Runs until shutdown, drains, and leaves the group; `false` if the drain's deadline passed.
    pub fn run(mut self, leave: bool) -> bool {
        while !self.shutdown.is_requested() {
            self.health.tick(self.health.source_loop(self.number));
            self.watch_join();
            if let Err(error) = self.turn() {
                self.shutdown.fail(error);
            }
        }
        self.close(leave)
    }

    /// Says so while the group has not answered: a join may wait for other members, so it is no reason to stop.
    fn watch_join(&mut self) {
        let now = Instant::now();
        if self.join_overdue_at.is_some_and(|at| now >= at) {
            let timeout = self.config.kafka.connect_timeout;
            self.join_overdue_at = Some(now + timeout);
            tracing::warn!(
                source = self.number,
                group = self.config.group.id,
                waited = ?timeout,
                "the group has not answered the join yet: a member that left without a word keeps it waiting for its session timeout"
            );
        }
    }

    /// One turn of the loop: serve the group, then read one batch if there is an empty one.
    fn turn(&mut self) -> Result<(), EngineError> {
        match self.consumer.poll_events() {
            Ok(Some(GroupEvent::Assign(partitions))) => self.on_assign(&partitions)?,
            Ok(Some(GroupEvent::Revoke { partitions, lost })) => self.on_revoke(&partitions, lost),
            Ok(None) => {}
            Err((code, reason)) => return Err(self.group_error(code, &reason)),
        }
        self.take_turns();
        if self.ends.board.take_restart() {
            self.start_again()?;
        }
        self.watch()?;
        if self.ends.board.is_rolled_back() || self.ends.dlq_guard.has_tripped() {
            // What would be read now would be read again, or be rejected like what was read before.
            self.welcome_all();
            self.ends.readable.recv_timeout(POLL_PERIOD).ok();
            return Ok(());
        }
        if self.is_at_end() {
            self.ends.solitude.leave(self.number);
            return Ok(());
        }
        let Some(most) = self.pace() else { return Ok(()) };
        if !self.is_in_place()? {
            return Ok(());
        }
        let Some(batch) = self.take_batch() else { return Ok(()) };
        self.read(batch, most)
    }

    /// An empty batch, if one is home and the memory share is not used up. Waits a little; the wait is backpressure.
    fn take_batch(&mut self) -> Option<Box<Batch>> {
        self.welcome_all();
        if self.at_home.is_empty() || self.held_bytes >= self.config.limits.held_bytes_max {
            let since = Instant::now();
            let arrived = self.ends.home.recv_timeout(POLL_PERIOD);
            self.metrics.backpressure(since.elapsed());
            match arrived {
                Ok(batch) => self.welcome(batch),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.shutdown.fail(EngineError::new(
                        Stage::Source,
                        ExitCode::Bug,
                        "the sink has gone away",
                    ));
                    return None;
                }
            }
            self.welcome_all();
        }
        if self.held_bytes >= self.config.limits.held_bytes_max {
            return None;
        }
        self.at_home.pop()
    }

    pub(super) fn welcome_all(&mut self) {
        while let Ok(batch) = self.ends.home.try_recv() {
            self.welcome(batch);
        }
    }

    fn welcome(&mut self, batch: Box<Batch>) {
        self.held_bytes -= std::mem::take(&mut self.held[batch.slot]);
        self.at_home.push(batch);
    }

    /// Waits until all batches are home; `false` at the deadline, or if nobody is left who could send one.
    pub(super) fn wait_home(&mut self, deadline: Instant) -> bool {
        while self.at_home.len() < self.config.limits.batches_per_source {
            self.health.tick(self.health.source_loop(self.number));
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            match self.ends.home.recv_timeout((deadline - now).min(POLL_PERIOD)) {
                Ok(batch) => self.welcome(batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    // The sink is gone, and with it whoever commits.
                    self.ends.board.shut_out();
                    return false;
                }
            }
        }
        true
    }

    /// All batches home and everything settled committed; `false` at the deadline.
    pub(super) fn drain(&mut self, partitions: &[i32], deadline: Instant) -> bool {
        let home = self.wait_home(deadline);
        self.ends.board.request_flush();
        self.wake_sink();
        // A broker that does not answer is no reason to be taken for dead.
        let alive = || self.health.tick(self.health.source_loop(self.number));
        self.ends.board.wait_committed(partitions, deadline, alive) && home
    }

    /// There is something to commit.
    pub(super) fn wake_sink(&self) {
        // Full means that it is signalled already.
        self.ends.wake_sink.try_send(()).ok();
    }

    fn close(mut self, leave: bool) -> bool {
        self.health.shutting_down();
        let deadline = self.shutdown.deadline().unwrap_or_else(Instant::now);
        let partitions = self.positions.partitions();
        let drained = self.drain(&partitions, deadline);
        // Leaving the group may wait for a broker until the deadline, and other sources drain for as long.
        self.health.loop_ended(self.health.source_loop(self.number));
        self.take_back(&partitions);
        for partition in partitions {
            self.ends.board.release(partition);
        }
        self.metrics.assigned(self.number, &[]);
        if !drained {
            let why =
                if Instant::now() >= deadline { "its deadline passed" } else { "nothing can be committed" };
            tracing::error!(
                source = self.number,
                why,
                "the drain did not end: what was not settled and committed will be read again"
            );
            // Batches are still out and pin the consumer's memory; the process is about to end, so it is left as it is.
            std::mem::forget(self);
            return false;
        }
        self.at_home.clear();
        // All is committed; an unreachable coordinator must not hold the end up for long.
        let closed = self.consumer.close(leave, deadline.max(Instant::now() + Duration::from_secs(2)));
        if !closed {
            tracing::warn!(
                source = self.number,
                "the group was not left in time: its session will end by itself"
            );
            // Whoever drops the consumer last would wait for it without limit, so nobody may. All else is let go: the stages
            // behind end when this source hangs up.
            std::mem::forget(self.consumer.clone());
        }
        true
    }
}
