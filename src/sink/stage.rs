//! The sink's loop.

use super::commits::Commits;
use super::committer::Committer;
use super::dead_letter::Dresser;
use super::delivery::{Deliveries, end_to_end, untag};
use super::ends::{Producing, SinkEnds, SourceLane};
use super::failures;
use super::outbox::{DEAD_LETTER, Form, OUTPUT, Outbox, Target};
use super::repair::Repairs;
use super::sequencer::Sequencer;
use super::transaction::Transaction;
use super::transactor::{Transactor, Trouble};
use crate::batch::{Batch, Outcome};
use crate::config::{Config, Delivery};
use crate::error::EngineError;
use crate::faults::{self, Fault, Point};
use crate::kafka::{ClientError, Code, GroupConsumer, Report, SendError, TransactionError};
use crate::progress::{Board, Ledger};
use crate::shutdown::Shutdown;
use crate::telemetry::health::{Health, LoopId};
use crate::telemetry::metrics::{BatchTimes, Metrics};
use crossbeam_channel::{Sender, never, select};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The sink.
pub struct Sink {
    pub(super) config: Arc<Config>,
    pub(super) ends: SinkEnds,
    pub(super) lanes: Vec<Lane>,
    pub(super) commits: Commits,
    pub(super) outbox: Outbox,
    pub(super) deliveries: Deliveries,
    /// Batches in their order, not yet handed over whole.
    pub(super) ready: VecDeque<usize>,
    pub(super) repairs: Repairs,
    pub(super) shutdown: Arc<Shutdown>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    heartbeat: LoopId,
    reports: Vec<Report>,
    decided: Vec<usize>,
    timestamps: Vec<(i64, u64)>,
    /// Delivery is impossible: nothing more is sent, what is not delivered is abandoned.
    pub(super) has_failed: bool,
    /// The producing client is beyond use. What it reported as delivered before is still committed, by the consumer's client.
    is_fatal: bool,
}

pub(super) struct Lane {
    pub(super) consumer: Arc<GroupConsumer>,
    pub(super) board: Arc<Board>,
    sequencer: Sequencer<Box<Batch>>,
    pub(super) ledger: Ledger,
    home: Sender<Box<Batch>>,
}

/// The loop turns at least so often, for commits that are due by time and for the heartbeat.
const TURN_PERIOD: Duration = Duration::from_millis(100);

impl Sink {
    /// A sink for these sources; with exactly-once, the transactor that must run beside it.
    pub fn new(
        config: Arc<Config>,
        contract: &str,
        Producing { producer, renewal, targets }: Producing,
        ends: SinkEnds,
        lanes: Vec<SourceLane>,
        shutdown: Arc<Shutdown>,
        (metrics, health): (Arc<Metrics>, Arc<Health>),
    ) -> (Self, Option<Transactor>) {
        let dresser =
            Dresser::new(config.dead_letters.clone(), contract, &config.topics.input, &config.group.id);
        let targets = targets.map(|(partitions, message_bytes_max)| Target {
            partitions: partitions.max(1),
            message_bytes_max,
        });
        let deliveries = Deliveries::new(lanes.len(), config.limits.batches_per_source);
        let (interval, now) = (config.group.commit_interval, Instant::now());
        let (mut own, mut committers) = (Vec::with_capacity(lanes.len()), Vec::with_capacity(lanes.len()));
        for SourceLane { consumer, board, replies, home } in lanes {
            committers.push(Committer::new((consumer.clone(), replies), board.clone(), interval, now));
            own.push(Lane {
                consumer,
                board,
                sequencer: Sequencer::default(),
                ledger: Ledger::default(),
                home,
            });
        }
        let (commits, transactor) = match &config.delivery {
            Delivery::AtLeastOnce => (Commits::Alone(committers), None),
            Delivery::ExactlyOnce { interval, .. } => {
                own.iter().for_each(|lane| lane.board.hold());
                health.no_transaction(Instant::now());
                let clients = (producer.transactions(), renewal);
                let (transaction, transactor) =
                    Transaction::new(*interval, own.len(), clients, ends.wake.clone(), shutdown.clone());
                (Commits::Together(Box::new(transaction)), Some(transactor))
            }
        };
        let sink = Self {
            lanes: own,
            commits,
            outbox: Outbox { producer, dresser, targets },
            deliveries,
            ready: VecDeque::new(),
            repairs: Repairs::default(),
            heartbeat: health.loop_named("sink"),
            reports: Vec::new(),
            decided: Vec::new(),
            timestamps: Vec::new(),
            has_failed: false,
            is_fatal: false,
            config,
            ends,
            shutdown,
            metrics,
            health,
        };
        (sink, transactor)
    }

    /// Runs until the input has ended and everything is settled or abandoned.
    pub fn run(mut self) {
        let mut is_input_open = true;
        while is_input_open || !self.deliveries.is_empty() || self.commits.is_busy() {
            self.health.tick(self.heartbeat);
            is_input_open &= self.wait();
            self.serve_reports();
            self.take_answer();
            self.repair();
            self.produce();
            self.settle();
            self.commit();
        }
        let flushed = self.outbox.producer.flush(Duration::from_secs(1), |_| {});
        assert!(
            self.has_failed || self.commits.is_over() || matches!(flushed, Ok(true)),
            "everything was reported, so nothing is queued"
        );
        self.health.loop_ended(self.heartbeat);
    }

    /// Sleeps until there is something to do, and takes in what the pool has finished. `false`: the input has ended.
    fn wait(&mut self) -> bool {
        let due = self.commits.wants_turn_in(Instant::now());
        let period = due.map_or(TURN_PERIOD, |due| due.min(TURN_PERIOD));
        select! {
            recv(self.ends.processed) -> batch => match batch {
                Ok(batch) => self.take_in(batch),
                Err(_) => {
                    self.ends.processed = never();
                    return false;
                }
            },
            recv(self.ends.woken) -> _ => {}
            default(period) => {}
        }
        while let Ok(batch) = self.ends.processed.try_recv() {
            self.take_in(batch);
        }
        true
    }

    /// Restores the source's order.
    fn take_in(&mut self, batch: Box<Batch>) {
        let lane = &mut self.lanes[batch.source];
        let sequence = batch.token().expect("a batch that travels is sealed").sequence();
        lane.sequencer.push(sequence, batch);
        while let Some(batch) = lane.sequencer.pop() {
            let token = batch.token().expect("a batch that travels is sealed");
            lane.ledger.dispatch(token.sequence(), token.spans());
            let is_judged = batch.outcomes.len() == batch.records.len();
            let slot = self.deliveries.insert(batch);
            if self.has_failed || !is_judged || self.commits.is_over() {
                self.deliveries.get(slot).is_lost = true;
                self.commits.fail(Trouble::Ending);
            } else {
                self.ready.push_back(slot);
            }
        }
    }

    pub(super) fn serve_reports(&mut self) {
        let reports = &mut self.reports;
        reports.clear();
        if let Err(error) = self.outbox.producer.serve(Duration::ZERO, |report| reports.push(report)) {
            self.on_fatal(&error);
        }
        if self.commits.is_over() {
            // They are about batches that were given up.
            self.reports.clear();
        }
        if self.reports.is_empty() {
            return;
        }
        self.health.delivered(Instant::now());
        faults::pass(Point::BeforeReports);
        let is_repairing = !self.repairs.is_idle();
        let mut reports = std::mem::take(&mut self.reports);
        for report in reports.drain(..) {
            let (slot, row) = untag(report.opaque);
            if report.code != Code::OK && !self.is_ignored(slot, row) {
                match self.commits {
                    Commits::Alone(_) => self.on_refused(slot, row, report.code),
                    Commits::Together(_) => self.on_refused_in_transaction(slot, row, report.code),
                }
                continue;
            }
            self.deliveries.get(slot).pending -= 1;
            if is_repairing {
                self.repairs.take_active(slot, row);
            }
        }
        self.reports = reports;
        faults::pass(Point::AfterReports);
    }

    /// Never, but in an engine that is broken on purpose.
    fn is_ignored(&mut self, slot: usize, row: usize) -> bool {
        faults::breaks(Fault::IgnoreDeadLetterError) && self.destination(slot, row) == DEAD_LETTER
    }

    /// Hands batches to the producer, in their order, until its queue is full.
    fn produce(&mut self) {
        while self.repairs.is_idle() && !self.has_failed {
            let Some(&slot) = self.ready.front() else { return };
            if !self.admits(slot) {
                if self.ready.front() == Some(&slot) {
                    return;
                }
                continue;
            }
            if !(if self.is_searching() { self.produce_apart(slot) } else { self.produce_batch(slot) }) {
                return;
            }
            self.ready.pop_front();
        }
    }

    /// `false`: the queue is full, or delivery is impossible.
    fn produce_batch(&mut self, slot: usize) -> bool {
        let in_flight = self.deliveries.get(slot);
        self.outbox.dresser.set_time(in_flight.batch.times.read_at);
        let rows = in_flight.batch.records.len();
        while in_flight.next_row < rows {
            match in_flight.send(&mut self.outbox, slot, 1, Form::Whole) {
                Ok(()) => {}
                Err(SendError::QueueFull) if faults::breaks(Fault::SkipOnQueueFull) => {
                    in_flight.next_row += 1
                }
                Err(error) => return self.on_unsent(slot, error),
            }
        }
        in_flight.hand_over();
        #[cfg(feature = "faults")]
        if faults::breaks(Fault::CommitBeforeDelivery) {
            self.settle_early(slot);
        }
        faults::pass(Point::AfterProduce);
        true
    }

    /// Sends home the batches whose fate is decided.
    pub(super) fn settle(&mut self) {
        let mut decided = std::mem::take(&mut self.decided);
        self.deliveries.decided(&mut decided);
        for &slot in &decided {
            let in_flight = self.deliveries.remove(slot);
            let mut batch = in_flight.batch;
            let token = batch.take_token();
            let lane = &mut self.lanes[batch.source];
            if in_flight.is_lost {
                token.abandon();
                self.metrics.batch_abandoned(batch.records.len() as u64);
            } else {
                let times = BatchTimes {
                    read: batch.times.read,
                    transform_started: batch.times.transform_started,
                    transform_ended: batch.times.transform_ended,
                    produced: batch.times.produced,
                    settled: Instant::now(),
                };
                end_to_end(&batch, &mut self.timestamps);
                if let Commits::Together(transaction) = &mut self.commits {
                    let account = (in_flight.settlement, times);
                    transaction.contents.add(batch.source, token.spans(), account, &self.timestamps);
                } else {
                    self.metrics.batch_settled(&in_flight.settlement, &times);
                    self.ends.dlq_guard.settled(&in_flight.settlement);
                    self.metrics.end_to_end_batch(&self.timestamps, SystemTime::now());
                }
                let grown = lane.ledger.settle(token);
                if matches!(self.commits, Commits::Alone(_)) {
                    for reached in &grown {
                        self.metrics.settled_position(reached.partition, reached.next, reached.timestamp_ms);
                    }
                }
                for _ in 0..lane.board.record(&grown) {
                    self.metrics.commit_fenced();
                    self.commits.fail(Trouble::Fenced);
                }
            }
            batch.recycle(self.config.limits.batch_bytes_max);
            // The source hangs up only when all its batches are home, or when it gave up waiting for them.
            drop(lane.home.try_send(batch));
        }
        self.decided = decided;
    }

    fn commit(&mut self) {
        match &mut self.commits {
            Commits::Together(_) => self.turn_transaction(),
            Commits::Alone(committers) => {
                let now = Instant::now();
                let refused: Vec<Code> = committers
                    .iter_mut()
                    .filter_map(|committer| committer.turn(now, &self.metrics).err())
                    .collect();
                refused.into_iter().for_each(|code| self.fail(failures::commit(&self.config, code)));
            }
        }
    }

    /// The next row was not taken: a full queue is waited for, the rest is fatal. `false` always: no more of the batch goes now.
    pub(super) fn on_unsent(&mut self, slot: usize, error: SendError) -> bool {
        if !matches!(error, SendError::QueueFull) {
            let row = self.deliveries.get(slot).next_row;
            self.on_send_error(slot, row, error);
        }
        false
    }

    pub(super) fn on_send_error(&mut self, slot: usize, row: usize, error: SendError) {
        let code = match error {
            SendError::Refused(code) => code,
            SendError::QueueFull | SendError::TooLarge => Code::UNKNOWN,
        };
        if let Commits::Together(transaction) = &mut self.commits
            && !failures::is_of_topic(code)
        {
            transaction.fail(Trouble::Client(failures::undelivered(code)));
            return;
        }
        let topic = self.destination(slot, row);
        self.cannot_deliver(topic, code);
    }

    pub(super) fn destination(&mut self, slot: usize, row: usize) -> usize {
        let outcome = &self.deliveries.get(slot).batch.outcomes[row];
        if matches!(outcome, Outcome::DeadLetter(_)) { DEAD_LETTER } else { OUTPUT }
    }

    pub(super) fn on_fatal(&mut self, error: &ClientError) {
        if let Commits::Together(transaction) = &mut self.commits {
            let error = TransactionError { error: error.clone(), is_retriable: false };
            transaction.fail(Trouble::Client(error));
            return;
        }
        if std::mem::replace(&mut self.is_fatal, true) {
            return;
        }
        self.health.producer_failed(&error.text);
        self.outbox.producer.purge();
        self.fail(failures::fatal(&self.config, error));
    }

    /// Delivery is impossible from here on: what is under way may still arrive and be committed, the rest is abandoned.
    pub(super) fn fail(&mut self, error: EngineError) {
        if !self.has_failed {
            self.shutdown.fail(error);
        }
        self.has_failed = true;
        self.commits.fail(Trouble::Ending);
        self.ready.clear();
        self.deliveries.lose_what_is_left();
        for patient in self.repairs.give_up() {
            let in_flight = self.deliveries.get(patient.slot);
            in_flight.pending -= 1;
            in_flight.is_lost = true;
        }
    }
}
