//! A member of the group: one source, its pool, its sink, its producer's queue. What `src/` has of it is used as it is; the rest does
//! what `source/` and `sink/` do, a step at a time.

use crate::batch::{Batch, Queued, Row, Verdict};
use crate::broker::{Broker, Commit, PARTITIONS};
use crate::canary::Broken;
use crate::wire::Wire;
use gristmill::kafka::Code;
use gristmill::progress::{Board, CommitToken, Committable, Epoch, Ledger, Span, Spans};
use gristmill::sink::{Committer, Sequencer};
use gristmill::telemetry::metrics::Metrics;
use perf::random::Random;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Batches that circulate.
const BATCHES: usize = 4;

/// A partition that is ours.
#[derive(Clone, Copy, Debug)]
struct Place {
    epoch: Epoch,
    /// Where the reading stands.
    next: i64,
    /// The last commit under this epoch.
    committed: i64,
}

/// Partitions that were asked back.
#[derive(Clone, Debug)]
pub(crate) struct Revoke {
    pub(crate) partitions: Vec<usize>,
    pub(crate) deadline: Instant,
}

/// One process.
pub(crate) struct Member {
    broken: Option<Broken>,
    metrics: Arc<Metrics>,
    board: Arc<Board>,
    ledger: Ledger,
    sequencer: Sequencer<usize>,
    committer: Committer<Wire>,
    pub(crate) wire: Wire,
    /// The commit in flight.
    pub(crate) commit: Option<Commit>,
    /// Of the group, as far as this member has heard.
    pub(crate) generation: u32,
    pub(crate) revoke: Option<Revoke>,
    /// It stops reading, and will end.
    pub(crate) has_failed: bool,
    places: [Option<Place>; PARTITIONS],
    handed_over: [Option<(Epoch, i64)>; PARTITIONS],
    highest: [Option<(Epoch, i64)>; PARTITIONS],
    sequence: u64,
    batches: [Option<Batch>; BATCHES],
    working: Vec<usize>,
    ready: VecDeque<usize>,
    queue: Vec<Queued>,
    queue_max: usize,
    pub(crate) is_queue_blocked: bool,
    /// Which record of the queue is reported next: the oldest, the newest, or any.
    reports: u64,
    repairs: VecDeque<Queued>,
}

impl Member {
    pub(crate) fn new(
        random: &mut Random,
        now: Instant,
        broken: Option<Broken>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let (board, wire) = (Arc::new(Board::default()), Wire::default());
        let interval = Duration::from_millis([0, 20, 200][random.below(3) as usize]);
        Self {
            broken,
            metrics: metrics.clone(),
            committer: Committer::new(wire.clone(), board.clone(), interval, now),
            board,
            wire,
            ledger: Ledger::default(),
            sequencer: Sequencer::default(),
            commit: None,
            generation: 0,
            revoke: None,
            has_failed: false,
            places: [None; PARTITIONS],
            handed_over: [None; PARTITIONS],
            highest: [None; PARTITIONS],
            sequence: 0,
            batches: [const { None }; BATCHES],
            working: Vec::new(),
            ready: VecDeque::new(),
            queue: Vec::new(),
            queue_max: [1, 5, 40][random.below(3) as usize],
            is_queue_blocked: false,
            reports: random.below(3),
            repairs: VecDeque::new(),
        }
    }

    fn is(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }

    /// A partition is given to it.
    pub(crate) fn assign(&mut self, partition: usize, committed: Option<i64>, start: i64) {
        let epoch = self.board.assign(partition as i32, committed, start);
        self.places[partition] = Some(Place { epoch, next: start, committed: start });
    }

    /// A partition is given up.
    pub(crate) fn release(&mut self, partition: usize) {
        if !self.is(Broken::IgnoresEpoch) {
            self.board.release(partition as i32);
        }
        self.places[partition] = None;
    }

    /// Reads a batch: a few records of each partition, an end of partition with the markers before it.
    pub(crate) fn read(&mut self, random: &mut Random, broker: &Broker) {
        let free = self.batches.iter().position(Option::is_none);
        let (Some(slot), None, false) = (free, &self.revoke, self.has_failed) else { return };
        let (mut spans, mut rows) = (Spans::new(), Vec::new());
        for (partition, place) in self.places.iter_mut().enumerate() {
            let Some(Place { epoch, next, .. }) = place else { continue };
            let first = *next;
            let read_to = (first + random.below(4) as i64).min(broker.end(partition));
            for offset in (first..read_to).filter(|offset| !Broker::is_marker(partition, *offset)) {
                rows.push(Row { partition, epoch: *epoch, offset });
                *next = offset + 1;
            }
            if (*next..broker.end(partition)).all(|offset| Broker::is_marker(partition, offset)) {
                *next = broker.end(partition);
            }
            if *next > first {
                let (partition, epoch, next) = (partition as i32, *epoch, *next);
                spans.push(Span { partition, epoch, first, next, timestamp_ms: 0 });
            }
        }
        if spans.is_empty() {
            return;
        }
        let token = CommitToken::seal(self.sequence, spans);
        self.sequence += 1;
        self.batches[slot] = Some(Batch::new(token, rows));
        self.working.push(slot);
    }

    /// The pool finishes one of its batches, whichever.
    pub(crate) fn finish_one(&mut self, random: &mut Random) {
        if self.working.is_empty() {
            return;
        }
        let slot = self.working.swap_remove(random.below(self.working.len() as u64) as usize);
        if self.is(Broken::KeepsNoOrder) {
            return self.dispatch(slot);
        }
        let sequence = self.token(slot).sequence();
        self.sequencer.push(sequence, slot);
        while let Some(slot) = self.sequencer.pop() {
            self.dispatch(slot);
        }
    }

    fn dispatch(&mut self, slot: usize) {
        let batch = self.batches[slot].as_mut().unwrap();
        let token = batch.token.as_ref().unwrap();
        self.ledger.dispatch(token.sequence(), token.spans());
        batch.is_dispatched = true;
        if self.has_failed {
            batch.is_lost = true;
        } else {
            self.ready.push_back(slot);
        }
    }

    /// Hands records to the producer until its queue is full.
    pub(crate) fn produce(&mut self) -> Result<(), String> {
        while let Some(repair) = self.repairs.front().copied() {
            if self.is_queue_full() {
                return Ok(());
            }
            self.repairs.pop_front();
            self.queue.push(repair);
        }
        while let Some(&slot) = self.ready.front() {
            let batch = self.batch(slot);
            let Some(row) = batch.rows.get(batch.next_row).copied() else {
                batch.is_handed_over = true;
                self.ready.pop_front();
                continue;
            };
            let skips = self.is_queue_full();
            if skips && !self.is(Broken::SkipsOnQueueFull) {
                return Ok(());
            }
            self.check_order(row)?;
            let batch = self.batch(slot);
            let queued = Queued { slot, row: batch.next_row, is_stored: false };
            batch.next_row += 1;
            if !skips {
                batch.pending += 1;
                self.queue.push(queued);
            }
        }
        Ok(())
    }

    fn is_queue_full(&self) -> bool {
        self.is_queue_blocked || self.queue.len() >= self.queue_max
    }

    fn check_order(&mut self, row: Row) -> Result<(), String> {
        let last = self.handed_over[row.partition].replace((row.epoch, row.offset));
        match last {
            Some(last) if last >= (row.epoch, row.offset) => {
                Err(format!("{row:?} is handed to the producer after {last:?}"))
            }
            _ => Ok(()),
        }
    }

    /// The broker stores a record, and says nothing yet.
    pub(crate) fn store(&mut self, at: usize, broker: &mut Broker) {
        let Queued { slot, row, .. } = self.queue[at];
        self.queue[at].is_stored = true;
        let Row { partition, offset, .. } = self.batch(slot).rows[row];
        broker.deliver(partition, offset);
    }

    /// A delivery report comes. What is stored is not refused.
    pub(crate) fn report(&mut self, at: usize, verdict: Verdict, broker: &mut Broker) {
        if verdict == Verdict::Stored && !self.queue[at].is_stored {
            self.store(at, broker);
        }
        let queued = self.queue.remove(at);
        if verdict == Verdict::Refused && !queued.is_stored && !self.is(Broken::IgnoresRefusal) {
            self.repairs.push_back(queued);
            return;
        }
        self.batch(queued.slot).pending -= 1;
        if verdict == Verdict::Failed {
            self.batch(queued.slot).is_lost = true;
            self.fail();
        }
    }

    /// The place in the queue of the record that is stored or reported next.
    pub(crate) fn next_report(&self, random: &mut Random) -> usize {
        match self.reports {
            0 => 0,
            1 => self.queue.len() - 1,
            _ => random.below(self.queue.len() as u64) as usize,
        }
    }

    /// Records in the producer's queue.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    fn fail(&mut self) {
        self.has_failed = true;
        self.ready.clear();
        for repair in std::mem::take(&mut self.repairs) {
            self.batch(repair.slot).pending -= 1;
            self.batch(repair.slot).is_lost = true;
        }
        for batch in self.batches.iter_mut().flatten() {
            batch.is_lost |= batch.is_dispatched && !batch.is_handed_over;
        }
    }

    /// Settles the batches whose fate is decided, and sends them home.
    pub(crate) fn settle(&mut self) {
        for slot in 0..BATCHES {
            let Some(batch) = &mut self.batches[slot] else { continue };
            let is_decided = batch.pending == 0 && (batch.is_handed_over || batch.is_lost);
            if batch.is_handed_over
                && self.broken == Some(Broken::CommitsBeforeDelivery)
                && let Some(token) = batch.token.take()
            {
                self.record(token);
            }
            if !is_decided {
                continue;
            }
            let mut batch = self.batches[slot].take().unwrap();
            match batch.token.take() {
                Some(token) if batch.is_lost => token.abandon(),
                Some(token) => self.record(token),
                None => {}
            }
        }
    }

    fn record(&mut self, token: CommitToken) {
        let spans = Spans::from_slice(token.spans());
        let mut grown = self.ledger.settle(token);
        if self.is(Broken::CommitsHighestSettled) {
            grown.clear();
            for Span { partition, epoch, next, .. } in spans {
                let highest = &mut self.highest[partition as usize];
                *highest = (*highest).max(Some((epoch, next)));
                let (epoch, next) = highest.unwrap();
                grown.push(Committable { partition, epoch, next, timestamp_ms: 0 });
            }
        }
        if self.is(Broken::IgnoresEpoch) {
            for reached in &mut grown {
                reached.epoch = self.board.epoch(reached.partition).unwrap_or(reached.epoch);
            }
        }
        self.board.record(&grown);
    }

    /// The committer's turn. A commit that it hands over is looked at before the broker sees it.
    pub(crate) fn commit(&mut self, now: Instant, broker: &Broker) -> Result<(), String> {
        if self.committer.turn(now, &self.metrics).is_err() {
            self.fail();
        }
        let Some(offsets) = self.wire.take() else { return Ok(()) };
        for &(partition, next) in &offsets {
            let Some(place) = &mut self.places[partition as usize] else {
                return Err(format!("a commit speaks for partition {partition}, which was given up"));
            };
            if next < place.committed {
                return Err(format!(
                    "a commit of partition {partition} goes back from {} to {next}",
                    place.committed
                ));
            }
            place.committed = next;
            let delivered_to = broker.delivered_to(partition as usize);
            if next > delivered_to {
                return Err(format!(
                    "partition {partition}: commit {next}, and {delivered_to} is not delivered"
                ));
            }
        }
        let commit = Commit { offsets, generation: self.generation };
        match self.commit.replace(commit) {
            Some(_) => Err("two commits are in flight".to_owned()),
            None => Ok(()),
        }
    }

    /// The broker's answer to the commit in flight.
    pub(crate) fn answer(&mut self, code: Code) {
        self.commit = None;
        self.wire.reply(if self.is(Broken::TrustsEveryAnswer) { Code::OK } else { code });
    }

    /// Goes on with a drain: `true` when the partitions may be given back, because all is home and committed or because it is too late.
    pub(crate) fn is_drained(&mut self, now: Instant) -> bool {
        let Some(Revoke { partitions, deadline }) = &self.revoke else { return false };
        let is_late = now >= *deadline;
        if !is_late && !self.is_home() {
            return false;
        }
        let partitions: Vec<i32> = partitions.iter().map(|partition| *partition as i32).collect();
        // The board's own deadline is the present: it does not wait, a later step asks again.
        let is_committed = self.board.wait_committed(&partitions, Instant::now(), || ());
        if !is_committed && !is_late {
            self.board.request_flush();
        }
        is_committed || is_late
    }

    /// Every batch is home.
    pub(crate) fn is_home(&self) -> bool {
        self.batches.iter().all(Option::is_none)
    }

    /// Nothing is under way, nothing is left to commit.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_home()
            && self.queue.is_empty()
            && !self.board.has_uncommitted()
            && self.ledger.open_spans() == 0
    }

    fn batch(&mut self, slot: usize) -> &mut Batch {
        self.batches[slot].as_mut().unwrap()
    }

    fn token(&self, slot: usize) -> &CommitToken {
        self.batches[slot].as_ref().unwrap().token.as_ref().unwrap()
    }
}
