//! How what is settled is committed: the one choice between at-least-once and exactly-once that the sink makes, once a batch.

use super::committer::Committer;
use super::transaction::Transaction;
use super::transactor::Trouble;
use std::time::{Duration, Instant};

/// By what is promised.
pub(super) enum Commits {
    /// At least once: each source for itself, behind the deliveries.
    Alone(Vec<Committer>),
    /// Exactly once: all sources and what is written in one transaction.
    Together(Box<Transaction>),
}

impl Commits {
    /// Whether an answer is to come that the sink must not end without.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Commits::Together(transaction) if transaction.is_busy())
    }

    /// Whether nothing more will be committed.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Commits::Together(transaction) if transaction.is_over())
    }

    /// In how long there may be something to do although nothing happens.
    pub(super) fn wants_turn_in(&self, now: Instant) -> Option<Duration> {
        match self {
            Commits::Alone(committers) => {
                committers.iter().filter_map(|committer| committer.wants_turn_in(now)).min()
            }
            Commits::Together(transaction) => transaction.wants_turn_in(),
        }
    }

    /// A transaction must be rolled back; where there is none, what was not settled is not committed anyway.
    pub(super) fn fail(&mut self, trouble: Trouble) {
        if let Commits::Together(transaction) = self {
            transaction.fail(trouble);
        }
    }
}
