//! Tells the broker how far a source is: one commit in flight, the newest wins.

use crate::faults::{self, Point};
use crate::kafka::{Code, CommitReplies, GroupConsumer};
use crate::progress::{Answer, Board};
use crate::telemetry::metrics::{CommitResult, Metrics};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After a failed commit the next one waits: nothing is lost meanwhile, and a coordinator that comes up is not flooded.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// When somebody waits for the commit: a revoke holds up the whole group, and what failed was most likely a commit from before the
/// group moved on.
const RETRY_SOON: Duration = Duration::from_millis(10);

/// Who stores a group's offsets, as a committer sees it.
pub trait Coordinator {
    /// Hands a commit of next offsets over. Never waits: the answer comes later.
    fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Code>;

    /// The next answer, if one is there: the commit's code.
    fn answer(&self) -> Option<Code>;
}

impl Coordinator for (Arc<GroupConsumer>, CommitReplies) {
    fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Code> {
        self.0.commit(offsets, &self.1)
    }

    fn answer(&self) -> Option<Code> {
        self.1.poll()
    }
}

/// The commits of one source. It is told the time, so that it can be tried at any.
pub struct Committer<C = (Arc<GroupConsumer>, CommitReplies)> {
    coordinator: C,
    board: Arc<Board>,
    interval: Duration,
    last: Instant,
    failed_at: Option<Instant>,
}

impl<C: Coordinator> Committer<C> {
    /// Commits what `board` says, at most once in `interval` unless somebody waits for it.
    pub fn new(coordinator: C, board: Arc<Board>, interval: Duration, now: Instant) -> Self {
        Self { coordinator, board, interval, last: now, failed_at: None }
    }

    /// Takes answers, and sends the next commit if one is due. An error: the group or its topic does not take our commits, and nobody
    /// waits for one any more.
    pub fn turn(&mut self, now: Instant, metrics: &Metrics) -> Result<(), Code> {
        while let Some(code) = self.coordinator.answer() {
            self.on_answer(code, now, metrics)?;
        }
        let is_awaited = self.board.flush_requested();
        let is_due = is_awaited || self.board.has_new_start() || now - self.last >= self.interval;
        let pause = if is_awaited { RETRY_SOON } else { RETRY_AFTER };
        if !is_due || self.failed_at.is_some_and(|failed_at| now - failed_at < pause) {
            return Ok(());
        }
        let Self { coordinator, board, .. } = self;
        let mut refused = None;
        let sent = board.commit(|plan| {
            faults::pass(Point::BeforeCommit);
            refused = coordinator.commit(&plan.offsets).err();
            refused.is_none()
        });
        if sent {
            self.last = now;
        }
        if let Some(code) = refused {
            self.on_failure(code, now, metrics);
        }
        Ok(())
    }

    /// In how long there may be something to do although nothing happens; `None`: nothing is waiting to be committed.
    pub fn wants_turn_in(&self, now: Instant) -> Option<Duration> {
        if self.failed_at.is_some() && self.board.flush_requested() {
            return Some(RETRY_SOON);
        }
        self.board.has_uncommitted().then(|| self.interval.saturating_sub(now - self.last).max(RETRY_SOON))
    }

    fn on_answer(&mut self, code: Code, now: Instant, metrics: &Metrics) -> Result<(), Code> {
        if code == Code::OK {
            self.board.answered(Answer::Stored);
            faults::pass(Point::AfterCommit);
            self.failed_at = None;
            metrics.commit(CommitResult::Ok);
            return Ok(());
        }
        self.board.answered(Answer::Failed);
        self.on_failure(code, now, metrics);
        if code.is_commit_refused() { Err(code) } else { Ok(()) }
    }

    fn on_failure(&mut self, code: Code, now: Instant, metrics: &Metrics) {
        metrics.commit(CommitResult::Failed);
        // Of a fatal error the source hears too, and says what to do.
        if code.is_fatal() || code.is_commit_refused() {
            self.board.shut_out();
        }
        if self.failed_at.replace(now).is_none() {
            tracing::warn!(error = %code, "a commit failed, trying on: the next one carries it");
        } else {
            tracing::debug!(error = %code, "a commit failed again");
        }
    }
}
