//! Exactly once: outputs, dead letters and offsets of all sources in one transaction, one after the other on one producer.
//!
//! A transaction takes whole batches, in their order. When its time is over, or somebody waits for a commit, it takes no more; when
//! all that it holds is reported, the [transactor](super::transactor) ends it, and the next is open. The batches are home by then: only
//! their accounts wait here, for nothing counts as settled before its transaction is committed.
//!
//! What goes wrong in it, whatever it is, ends it for all: it is rolled back by a new client with the same transactional id, which also
//! fences what may still be on its way from the old one, and the sources start again from the group's offsets. (The client has a
//! call for it, but cannot tell a request that was lost from one that is late: librdkafka has no KIP-890.)

use super::commits::Commits;
use super::contents::Contents;
use super::failures;
use super::outbox::DEAD_LETTER;
use super::poison::Poison;
use super::stage::Sink;
use super::transactor::{Answer, Order, Part, Transactor, Trouble};
use crate::error::EngineError;
use crate::kafka::{Producer, TRANSACTION_TIMEOUT, Transactions};
use crate::progress::Answer as GroupAnswer;
use crate::shutdown::Shutdown;
use crate::telemetry::metrics::CommitResult;
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes a producer as the first one was made.
pub type Renewal = Box<dyn Fn() -> Result<Producer, EngineError> + Send>;

/// The transaction that is open, or on its way.
pub(super) struct Transaction {
    phase: Phase,
    pub(super) contents: Contents,
    pub(super) poison: Poison,
    interval: Duration,
    /// When its first batch was begun.
    since: Option<Instant>,
    trouble: Option<(Trouble, Instant)>,
    /// Transactions that a client failed, since the last that was committed.
    failures: u32,
    orders: Sender<Order>,
    answers: Receiver<Answer>,
    renewal: Renewal,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The client is made ready.
    Renewing,
    /// It takes batches.
    Open,
    /// It takes no further batch; its last reports are awaited.
    Closing,
    /// The transactor ends it. A commit that is not answered by then gets a [jolt](Producer::break_connection).
    Committing { jolt_at: Instant },
    /// The transactor rolls the last one back.
    Ending,
    /// There is none any more.
    Over,
}

/// After trouble the reports that are still under way are waited for: they may say which record it is about.
const REPORTS_PATIENCE: Duration = Duration::from_millis(500);

/// A commit that takes longer may be waiting for nothing: see [`kafka::sockets`](crate::kafka).
const COMMIT_SLOW: Duration = Duration::from_secs(3);

/// Between two jolts; the client looks for a coordinator once a second at most.
const JOLT_PERIOD: Duration = Duration::from_millis(1_500);

/// So many transactions in a row may fail for what does not pass by itself.
const FAILURES_MAX: u32 = 10;

/// The longest pause before a new client.
const PAUSE_MAX: Duration = Duration::from_secs(5);

impl Transaction {
    /// With the transactor's other half. The first client is made ready at once.
    pub(super) fn new(
        interval: Duration,
        sources: usize,
        (transactions, renewal): (Transactions, Renewal),
        wake: Sender<()>,
        shutdown: Arc<Shutdown>,
    ) -> (Self, Transactor) {
        let ((orders, taken), (answers_in, answers)) = (bounded(1), bounded(1));
        let transactor =
            Transactor { orders: taken, answers: answers_in, wake, shutdown, transactions: None };
        let mut transaction = Self {
            phase: Phase::Renewing,
            contents: Contents::new(sources),
            poison: Poison::default(),
            interval,
            since: None,
            trouble: None,
            failures: 0,
            orders,
            answers,
            renewal,
        };
        transaction.order(Order::Renew { transactions, old: None, pause: Duration::ZERO }, Phase::Renewing);
        (transaction, transactor)
    }

    /// The transactor is at work: its answer is to be waited for.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.phase, Phase::Renewing | Phase::Committing { .. } | Phase::Ending)
    }

    /// Nothing more will be committed.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Ending | Phase::Over)
    }

    /// It must be rolled back; the first reason is kept.
    pub(super) fn fail(&mut self, trouble: Trouble) {
        self.trouble.get_or_insert_with(|| (trouble, Instant::now()));
    }

    /// Whether a batch may go on, or be begun.
    fn may_send(&self, is_begun: bool) -> bool {
        let is_open = self.phase == Phase::Open || (self.phase == Phase::Closing && is_begun);
        is_open && self.trouble.is_none() && !self.poison.has_refusal()
    }

    /// In how long there may be something to do although nothing happens.
    pub(super) fn wants_turn_in(&self) -> Option<Duration> {
        match (self.phase, &self.trouble) {
            (Phase::Open | Phase::Closing, Some(_)) => Some(Duration::from_millis(10)),
            (Phase::Open, None) => self.since.map(|since| self.interval.saturating_sub(since.elapsed())),
            _ => None,
        }
    }

    fn order(&mut self, order: Order, phase: Phase) {
        self.phase = phase;
        // One order is given at a time. A transactor that died has said so; its answers end then.
        self.orders.try_send(order).ok();
    }
}

impl Sink {
    /// Whether the batch at the front may be handed to the producer now. One that was read under an epoch that is not current is given
    /// up; if that would leave a hole in another partition, the transaction too.
    pub(super) fn admits(&mut self, slot: usize) -> bool {
        let Commits::Together(transaction) = &mut self.commits else { return true };
        let in_flight = self.deliveries.get(slot);
        let is_begun = in_flight.next_row > 0;
        if !transaction.may_send(is_begun) {
            return false;
        }
        if is_begun {
            return true;
        }
        let spans = in_flight.batch.token().map_or(&[][..], |token| token.spans());
        let current = self.lanes[in_flight.batch.source].board.current(spans);
        if current < spans.len() {
            self.ready.pop_front();
            in_flight.is_lost = true;
            self.metrics.commit_fenced();
            if current > 0 {
                transaction.fail(Trouble::Fenced);
            }
            return false;
        }
        if transaction.since.is_none() {
            // What happened while nothing was open does not matter.
            self.outbox.producer.take_disturbed();
            transaction.since = Some(Instant::now());
        }
        true
    }

    /// Takes the transactor's answer, if there is one.
    pub(super) fn take_answer(&mut self) {
        let Commits::Together(transaction) = &mut self.commits else { return };
        match transaction.answers.try_recv() {
            Ok(answer) => self.on_answer(answer),
            Err(TryRecvError::Disconnected) if transaction.phase != Phase::Over => {
                // The transactor died, and has said so.
                transaction.phase = Phase::Over;
                self.abandon_transaction();
            }
            Err(_) => {}
        }
    }

    /// Rolls back what failed, and ends what is due.
    pub(super) fn turn_transaction(&mut self) {
        self.jolt();
        let transaction = self.transaction();
        if transaction.is_busy() {
            return;
        }
        if let Some((_, since)) = transaction.trouble {
            if self.deliveries.pending() == 0 || since.elapsed() >= REPORTS_PATIENCE {
                self.roll_back();
            }
            return;
        }
        if transaction.phase == Phase::Open && self.is_commit_due() {
            self.transaction().phase = Phase::Closing;
        }
        if self.transaction().phase == Phase::Closing && !self.deliveries.is_under_way() {
            let parts = (0..self.lanes.len()).map(|source| {
                let lane = &self.lanes[source];
                let (consumer, board) = (lane.consumer.clone(), lane.board.clone());
                Part { consumer, board, reached: self.transaction().contents.reached(source) }
            });
            let order = Order::Commit(parts.collect());
            let jolt_at = Instant::now() + COMMIT_SLOW;
            self.transaction().order(order, Phase::Committing { jolt_at });
        }
    }

    /// Nothing else is under way then: all that is in the transaction is reported.
    fn jolt(&mut self) {
        let now = Instant::now();
        let Phase::Committing { jolt_at } = &mut self.transaction().phase else { return };
        if now >= *jolt_at {
            *jolt_at = now + JOLT_PERIOD;
            tracing::info!(
                "a commit is not answered: a connection is made anew, so that the client looks for the coordinators"
            );
            self.outbox.producer.break_connection();
        }
    }

    fn transaction(&mut self) -> &mut Transaction {
        match &mut self.commits {
            Commits::Together(transaction) => transaction,
            Commits::Alone(_) => unreachable!("the caller looked"),
        }
    }

    fn is_commit_due(&mut self) -> bool {
        let transaction = self.transaction();
        let is_over = transaction.since.is_some_and(|since| since.elapsed() >= transaction.interval);
        is_over
            || self.lanes.iter().any(|lane| {
                lane.board.has_new_start() || (lane.board.flush_requested() && lane.board.has_uncommitted())
            })
    }

    fn on_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Open => {
                self.transaction().phase = Phase::Open;
                self.health.transaction_open();
                self.lanes.iter().for_each(|lane| lane.board.restart());
            }
            Answer::Committed => self.on_committed(),
            Answer::Failed(trouble) => {
                let transaction = self.transaction();
                transaction.phase = Phase::Closing;
                // What the client says of it is more than what was seen of it before.
                transaction.trouble = Some((trouble, Instant::now()));
            }
            Answer::Over => {
                self.transaction().phase = Phase::Over;
                self.abandon_transaction();
            }
        }
    }

    fn on_committed(&mut self) {
        let (metrics, dlq_guard) = (self.metrics.clone(), self.ends.dlq_guard.clone());
        let transaction = self.transaction();
        transaction.phase = Phase::Open;
        transaction.since = None;
        transaction.failures = 0;
        for reached in transaction.contents.all_reached() {
            transaction.poison.forget(reached.partition, reached.next);
        }
        transaction.contents.settle(&metrics, &dlq_guard);
        metrics.commit(CommitResult::Ok);
        self.lanes.iter().for_each(|lane| lane.board.answered(GroupAnswer::Stored));
        if self.outbox.producer.take_disturbed() {
            tracing::info!("a connection broke while a transaction was open: the next one gets a new client");
            self.renew(Duration::ZERO);
        }
    }

    /// Gives up what is in the transaction, and all that was read and is not in it yet.
    fn roll_back(&mut self) {
        // What is about a record comes before what follows from it.
        self.serve_reports();
        let transaction = self.transaction();
        let Some((trouble, _)) = transaction.trouble.take() else { return };
        if transaction.is_over() {
            return;
        }
        let age = transaction.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        let refused = transaction.poison.has_refusal();
        if matches!(trouble, Trouble::Fenced | Trouble::NotMember) {
            // Who reads what has changed: a search that goes on begins anew.
            transaction.poison = Poison::default();
        }
        if let Err(refusal) = transaction.poison.judge() {
            self.cannot_deliver(DEAD_LETTER, refusal.code);
        } else if !refused {
            self.judge(&trouble, age);
        }
        tracing::warn!(
            reason = if refused { "a broker refused a record".to_owned() } else { trouble.to_string() },
            "the transaction is rolled back, its records are read again"
        );
        self.metrics.commit(CommitResult::Failed);
        self.abandon_transaction();
        self.transaction().trouble = None;
        if self.has_failed || self.shutdown.is_requested() || self.is_put_out() {
            self.transaction().order(Order::Abort, Phase::Ending);
            return;
        }
        self.health.no_transaction(Instant::now());
        let failures = self.transaction().failures;
        let pause = if failures == 0 { Duration::ZERO } else { Duration::from_millis(50 << failures.min(8)) };
        self.renew(pause.min(PAUSE_MAX));
    }

    /// Counts what the client failed at, and ends the engine where no new client helps.
    fn judge(&mut self, trouble: &Trouble, age: Duration) {
        let Trouble::Client(error) = trouble else { return };
        // The client keeps the first reason; what came after may only say that it has failed.
        let told = self.outbox.producer.transactions().begin().err();
        let told = told.filter(|told| !told.error.code.is_state());
        let error = told.unwrap_or_else(|| error.clone());
        let code = error.error.code;
        if code.is_fenced() && age >= TRANSACTION_TIMEOUT {
            // Nobody else has to have the id: the broker itself ends what is open for too long.
            return;
        }
        if let Some(failure) = failures::transaction(&self.config, &error.error) {
            self.fail(failure);
            return;
        }
        let transaction = self.transaction();
        transaction.failures += u32::from(!code.is_transient());
        if transaction.failures > FAILURES_MAX {
            let failure = failures::fatal(&self.config, &error.error);
            self.fail(failure);
        }
    }

    /// Whether a source's client is beyond use: it says why itself, and a new producer would only put out another process's.
    fn is_put_out(&self) -> bool {
        self.lanes.iter().any(|lane| lane.consumer.fatal_error().is_some())
    }

    fn abandon_transaction(&mut self) {
        let metrics = self.metrics.clone();
        self.transaction().contents.abandon(&metrics);
        self.lanes.iter().for_each(|lane| lane.board.roll_back());
        self.ready.clear();
        self.deliveries.give_up();
        self.settle();
    }

    fn renew(&mut self, pause: Duration) {
        match (self.transaction().renewal)() {
            Ok(producer) => {
                let transactions = producer.transactions();
                let old = Some(std::mem::replace(&mut self.outbox.producer, producer));
                self.transaction().order(Order::Renew { transactions, old, pause }, Phase::Renewing);
            }
            Err(error) => {
                self.transaction().phase = Phase::Over;
                self.abandon_transaction();
                self.fail(error);
            }
        }
    }
}
