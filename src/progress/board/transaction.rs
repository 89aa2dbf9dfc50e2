//! Exactly once: offsets that go into a transaction with what was written, and the way back when it is rolled back.
//!
//! A transaction holds the work of all sources. When it is rolled back none of its records was ever there, so every source starts
//! again from the group's offsets: [`Board::roll_back`] fences all that was read, [`Board::restart`] says that the offsets may be
//! asked for, and the source takes its partitions up anew.

use super::{Board, CommitPlan};
use crate::progress::{Committable, Span};

/// How far a source is after a transaction that was rolled back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RollBack {
    /// Nothing to do.
    #[default]
    Done,
    /// Nothing is to be read: no transaction was ever open.
    Opening,
    /// Nothing may be read: the group's offsets are not settled yet.
    Waiting,
    /// The source is to start again from the group's offsets.
    Due,
}

impl Board {
    /// Takes the offsets for a transaction that holds the records up to `reached`: in it are all that is settled, and starts that the
    /// group does not know. `None` if a partition in it is not ours any more, or ours anew: the transaction must be rolled
    /// back. The plan may be empty.
    ///
    /// The group's answer comes by [`Board::answered`], or [`Board::roll_back`].
    pub fn commit_together(&self, reached: &[Committable]) -> Option<CommitPlan> {
        let mut state = self.lock();
        let is_current = |reached: &Committable| {
            let slot = state.partitions.get(&reached.partition);
            slot.is_some_and(|slot| slot.epoch == reached.epoch && slot.committable == reached.next)
        };
        if !reached.iter().all(is_current) {
            return None;
        }
        let sent = state.to_send();
        let plan = CommitPlan::of(&sent);
        state.in_flight = (!sent.is_empty()).then_some(sent);
        Some(plan)
    }

    /// How many of these spans were read under an epoch that is current.
    pub fn current(&self, spans: &[Span]) -> usize {
        let state = self.lock();
        let is_current =
            |span: &&Span| state.partitions.get(&span.partition).is_some_and(|slot| slot.epoch == span.epoch);
        spans.iter().filter(is_current).count()
    }

    /// The first transaction is not open yet: nothing is to be read before [`Board::restart`]. It would only lie here, for seconds after
    /// a crash, and a process that ends meanwhile would look as if it had died of it.
    pub fn hold(&self) {
        self.lock().roll_back = RollBack::Opening;
    }

    /// The transaction failed: fences everything that was read, and nobody waits for it to be committed. Nothing is to be read
    /// before [`Board::restart`].
    pub fn roll_back(&self) {
        let mut state = self.lock();
        state.partitions.clear();
        state.in_flight = None;
        state.roll_back = RollBack::Waiting;
        drop(state);
        self.changed.notify_all();
    }

    /// A transaction is open; what was rolled back is, and the group's offsets are what they will be.
    pub fn restart(&self) {
        let mut state = self.lock();
        state.roll_back = match state.roll_back {
            RollBack::Opening => RollBack::Done,
            RollBack::Waiting => RollBack::Due,
            as_it_is => as_it_is,
        };
    }

    /// Whether what would be read now could not go on, or would be thrown away.
    pub fn is_rolled_back(&self) -> bool {
        self.lock().roll_back != RollBack::Done
    }

    /// Whether the source is to take its partitions up anew; it is told once.
    pub fn take_restart(&self) -> bool {
        let mut state = self.lock();
        let is_due = state.roll_back == RollBack::Due;
        if is_due {
            state.roll_back = RollBack::Done;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{Answer, Epoch};
    use std::time::Instant;

    fn reached(partition: i32, epoch: Epoch, next: i64) -> Committable {
        Committable { partition, epoch, next, timestamp_ms: 0 }
    }

    fn span(partition: i32, epoch: Epoch) -> Span {
        Span { partition, epoch, first: 0, next: 1, timestamp_ms: 0 }
    }

    #[test]
    fn a_transaction_carries_what_is_settled_and_new_starts() {
        let board = Board::default();
        let epoch = board.assign(0, Some(5), 5);
        board.assign(1, None, 7);
        let in_it = [reached(0, epoch, 10)];
        board.record(&in_it);
        let plan = board.commit_together(&in_it).expect("the epoch is current");
        assert_eq!(plan.offsets, [(0, 10), (1, 7)]);
        assert!(board.has_uncommitted(), "it is not answered yet");
        board.answered(Answer::Stored);
        assert!(!board.has_uncommitted());
        assert_eq!(board.commit_together(&[]), Some(CommitPlan { offsets: vec![] }));
        assert!(!board.has_uncommitted(), "nothing was sent");
    }

    #[test]
    fn one_partition_that_is_gone_ends_the_transaction() {
        let board = Board::default();
        let (kept, gone) = (board.assign(0, Some(0), 0), board.assign(1, Some(0), 0));
        let in_it = [reached(0, kept, 10), reached(1, gone, 10)];
        board.record(&in_it);
        board.release(1);
        assert_eq!(board.commit_together(&in_it), None);
        board.assign(1, Some(0), 0);
        assert_eq!(board.commit_together(&in_it), None, "ours anew: its records will be read again");
        assert_eq!(board.current(&[span(0, kept), span(1, gone)]), 1);
    }

    #[test]
    fn a_roll_back_fences_everything_and_is_told_once() {
        let board = Board::default();
        let old = board.assign(0, Some(0), 0);
        board.record(&[reached(0, old, 10)]);
        assert!(board.commit_together(&[reached(0, old, 10)]).is_some());
        board.roll_back();
        assert!(board.wait_committed(&[0], Instant::now(), || ()), "there is nothing left to wait for");
        assert_eq!(board.current(&[span(0, old)]), 0);
        assert!(board.is_rolled_back() && !board.take_restart(), "the offsets are not settled yet");
        board.restart();
        assert!(board.is_rolled_back() && board.take_restart());
        assert!(!board.is_rolled_back() && !board.take_restart());
        board.restart();
        assert!(!board.is_rolled_back(), "nothing was rolled back since");
        let new = board.assign(0, Some(0), 0);
        assert_eq!(board.record(&[reached(0, old, 20)]), 1, "the old epoch stays fenced");
        board.record(&[reached(0, new, 5)]);
        assert_eq!(board.commit_together(&[]).map(|plan| plan.offsets), Some(vec![(0, 5)]));
    }

    #[test]
    fn before_the_first_transaction_nothing_is_read_and_nothing_taken_up_anew() {
        let board = Board::default();
        board.hold();
        assert!(board.is_rolled_back() && !board.take_restart());
        board.restart();
        assert!(!board.is_rolled_back() && !board.take_restart());
    }

    #[test]
    fn a_roll_back_during_a_restart_is_not_forgotten() {
        let board = Board::default();
        board.roll_back();
        board.restart();
        assert!(board.take_restart());
        board.roll_back();
        board.assign(0, Some(0), 0);
        assert!(board.is_rolled_back());
    }
}
