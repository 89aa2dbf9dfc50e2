//! The thread that begins and ends transactions: its calls wait for brokers, and the sink serves delivery reports meanwhile.

use crate::faults::{self, Point};
use crate::kafka::{GroupConsumer, GroupRefusal, Membership, Producer, TransactionError, Transactions};
use crate::progress::{Board, Committable};
use crate::shutdown::Shutdown;
use crossbeam_channel::{Receiver, Sender};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the sink asks for; each order is answered before the next is given.
pub(super) enum Order {
    /// Makes a new client the one with the transactional id, and opens its first transaction. `old`: the client that it takes the place
    /// of; what that one left open is rolled back.
    Renew { transactions: Transactions, old: Option<Producer>, pause: Duration },
    /// Ends the open transaction with the offsets of these sources, and opens the next.
    Commit(Vec<Part>),
    /// Rolls the open transaction back; no other follows.
    Abort,
}

/// A source's part in a transaction.
pub(super) struct Part {
    pub(super) consumer: Arc<GroupConsumer>,
    pub(super) board: Arc<Board>,
    /// How far the records in the transaction reach.
    pub(super) reached: Vec<Committable>,
}

/// What came of an order.
pub(super) enum Answer {
    /// A transaction is open; nothing of what another client left is.
    Open,
    /// All of it is visible now, and the next transaction is open.
    Committed,
    /// It must be rolled back.
    Failed(Trouble),
    /// There will be no further transaction.
    Over,
}

/// Why a transaction must be rolled back.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// It holds records of a partition that is not ours any more.
    Fenced,
    /// A source is no member of the group at present.
    NotMember,
    /// A broker refused a record in it.
    Refused,
    /// The client says so.
    Client(TransactionError),
    /// The engine ends, and has said why.
    Ending,
}

impl Trouble {
    /// The group takes another for the one that has the static id.
    fn is_taken_place(&self) -> bool {
        let Trouble::Client(TransactionError { error, .. }) = self else { return false };
        error.code.group_refusal() == Some(GroupRefusal::Instance)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Fenced => f.write_str("a partition in it is not ours any more"),
            Trouble::NotMember => f.write_str("a source is no member of the group"),
            Trouble::Refused => f.write_str("a broker refused a record"),
            Trouble::Client(error) => write!(f, "{error}"),
            Trouble::Ending => f.write_str("the engine ends"),
        }
    }
}

/// How long a commit may take, all its steps and tries together: what is not over by then is decided by the next client.
const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// How long one call may take that is made again and again.
const CALL_PATIENCE: Duration = Duration::from_secs(1);

/// Until a consumer knows whether its place in the group is another's: some heartbeats, which are a second apart unless told otherwise.
const PLACE_PATIENCE: Duration = Duration::from_secs(10);

/// Between tries that failed at once.
const PAUSE: Duration = Duration::from_millis(100);

/// For the last roll back: if it does not come in time, the next process with the transactional id does it.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);

/// The transactor.
pub struct Transactor {
    pub(super) orders: Receiver<Order>,
    pub(super) answers: Sender<Answer>,
    /// Wakes the sink.
    pub(super) wake: Sender<()>,
    pub(super) shutdown: Arc<Shutdown>,
    pub(super) transactions: Option<Transactions>,
}

impl Transactor {
    /// Runs until the sink hangs up.
    pub fn run(mut self) {
        while let Ok(order) = self.orders.recv() {
            let answer = match order {
                Order::Renew { transactions, old, pause } => {
                    drop((self.transactions.take(), old));
                    self.rest(pause);
                    self.renew(transactions)
                }
                Order::Commit(parts) => {
                    self.commit(&parts).map_or_else(Answer::Failed, |()| Answer::Committed)
                }
                Order::Abort => self.abort(),
            };
            if self.answers.send(answer).is_err() {
                return;
            }
            // Full means that it is signalled already.
            self.wake.try_send(()).ok();
        }
    }

    /// An outage is waited for; once the end is asked for, no longer than one call takes.
    fn renew(&mut self, transactions: Transactions) -> Answer {
        let mut is_told = false;
        loop {
            let is_last = self.shutdown.is_requested();
            match transactions.initialise(CALL_PATIENCE).and_then(|()| transactions.begin()) {
                Ok(()) => {
                    self.transactions = Some(transactions);
                    return Answer::Open;
                }
                Err(error) if error.is_retriable => {
                    if is_last {
                        return Answer::Over;
                    }
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%error, "transactions cannot begin yet, trying on");
                    }
                    self.rest(PAUSE);
                }
                Err(error) => return Answer::Failed(Trouble::Client(error)),
            }
        }
    }

    fn commit(&self, parts: &[Part]) -> Result<(), Trouble> {
        let transactions = self.transactions.as_ref().expect("a transaction is open");
        // Memberships first, then the epochs: what the board says is ours now was ours in that generation or is refused with it, and
        // what is taken from us after this look ends the generation.
        let members: Vec<Option<Membership>> = parts.iter().map(|part| part.consumer.membership()).collect();
        let mut offers = Vec::with_capacity(parts.len());
        for (part, member) in parts.iter().zip(members) {
            let plan = part.board.commit_together(&part.reached).ok_or(Trouble::Fenced)?;
            if !plan.offsets.is_empty() {
                offers.push((&part.consumer, member.ok_or(Trouble::NotMember)?, plan.offsets));
            }
        }
        if offers.is_empty() {
            assert!(parts.iter().all(|part| part.reached.is_empty()), "what is in it moves an offset");
            return Ok(());
        }
        let deadline = Instant::now() + COMMIT_PATIENCE;
        faults::pass(Point::BeforeCommit);
        for (consumer, member, offsets) in &offers {
            let added = self.insist(deadline, |wait| transactions.add_offsets(member, offsets, wait));
            added.map_err(|trouble| self.without_a_past_self(trouble, consumer, member))?;
        }
        faults::pass(Point::BeforeEnd);
        self.insist(deadline, |wait| transactions.commit(wait))?;
        faults::pass(Point::AfterCommit);
        transactions.begin().map_err(Trouble::Client)
    }

    /// The group says that another has the static id. That may be this process itself, which was left for dead and has joined again: then
    /// its place is another soon. If it is another process, the consumer hears so with its next heartbeat, and says so.
    fn without_a_past_self(
        &self,
        trouble: Trouble,
        consumer: &GroupConsumer,
        member: &Membership,
    ) -> Trouble {
        if !trouble.is_taken_place() {
            return trouble;
        }
        let until = Instant::now() + PLACE_PATIENCE;
        while Instant::now() < until && !self.shutdown.is_requested() {
            if consumer.fatal_error().is_some() {
                return trouble;
            }
            if consumer.member_id().as_deref() != member.id() {
                return Trouble::NotMember;
            }
            std::thread::sleep(PAUSE);
        }
        trouble
    }

    /// Makes the same call again while the client says that this is of use.
    fn insist(
        &self,
        deadline: Instant,
        call: impl Fn(Duration) -> Result<(), TransactionError>,
    ) -> Result<(), Trouble> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match call(left) {
                Ok(()) => return Ok(()),
                Err(error) if error.is_retriable && left > PAUSE => std::thread::sleep(PAUSE),
                Err(error) => return Err(Trouble::Client(error)),
            }
        }
    }

    fn abort(&mut self) -> Answer {
        if let Some(transactions) = self.transactions.take()
            && let Err(error) = transactions.abort(ABORT_PATIENCE)
        {
            tracing::debug!(%error, "the last transaction is left to the next process to be rolled back");
        }
        Answer::Over
    }

    /// Waits, unless the end is asked for.
    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.shutdown.is_requested() {
            std::thread::sleep(PAUSE.min(until.saturating_duration_since(Instant::now())));
        }
    }
}
