//! The board of one source: the current epoch of each partition, what is committable, what was sent and answered.
//!
//! One mutex covers the check of the epochs **and** the hand-over of a commit to the client: after [`Board::release`] has
//! returned, no commit for that assignment can be handed over any more. No lock is held over a round trip.

mod transaction;

use self::transaction::RollBack;
use super::{Committable, Epoch};
use crate::faults::{self, Fault};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Shared by a source thread (assign, release, wait) and the sink (record, commit, answer).
#[derive(Debug, Default)]
pub struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    partitions: BTreeMap<i32, Slot>,
    epochs_drawn: u64,
    /// The commit that the broker has not answered yet.
    in_flight: Option<Vec<Sent>>,
    /// Somebody waits for everything to be committed: an interval must not hold it back.
    flush: bool,
    /// The group takes no commit of ours any more: nobody waits for one.
    is_shut_out: bool,
    /// Exactly once: how far the source is after a transaction that was rolled back.
    roll_back: RollBack,
}

#[derive(Debug)]
struct Slot {
    epoch: Epoch,
    /// What the group's offset is known to be.
    committed: Option<i64>,
    /// Where the settled prefix ends: at first the start.
    committable: i64,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    partition: i32,
    epoch: Epoch,
    next: i64,
}

/// What the next commit would carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPlan {
    /// Partition and next offset.
    pub offsets: Vec<(i32, i64)>,
}

/// The broker's answer to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The offsets are stored.
    Stored,
    /// They are not; what was committable still is.
    Failed,
}

/// How often a wait says that it is one.
const ALIVE_PERIOD: Duration = Duration::from_secs(1);

impl Board {
    /// A partition was given to this source, which reads it from `start` on: draws a new epoch. `committed` is the group's
    /// offset, if it has one. A start that the group does not know is committable at once: after a restart it would be decided anew,
    /// and with `latest` it would lie behind all that came meanwhile.
    pub fn assign(&self, partition: i32, committed: Option<i64>, start: i64) -> Epoch {
        assert!(
            committed.is_none_or(|committed| committed == start),
            "the reading starts where the group stands"
        );
        let mut state = self.lock();
        state.epochs_drawn += 1;
        let epoch = Epoch(state.epochs_drawn);
        state.partitions.insert(partition, Slot { epoch, committed, committable: start });
        epoch
    }

    /// The partition is no longer ours: from here on nothing read under the old epoch is committed.
    pub fn release(&self, partition: i32) {
        if faults::breaks(Fault::IgnoreEpoch) {
            return;
        }
        self.lock().partitions.remove(&partition);
        self.changed.notify_all();
    }

    /// The current epoch of a partition; `None` if it is not ours.
    pub fn epoch(&self, partition: i32) -> Option<Epoch> {
        self.lock().partitions.get(&partition).map(|slot| slot.epoch)
    }

    /// The partitions of this source, ascending.
    pub fn partitions(&self) -> Vec<i32> {
        self.lock().partitions.keys().copied().collect()
    }

    /// Notes how far settled prefixes reach. Answers how many were fenced: their epoch is not current.
    ///
    /// # Panics
    /// If a prefix of the current epoch would shrink: the ledger's order is broken.
    pub fn record(&self, grown: &[Committable]) -> usize {
        let mut state = self.lock();
        let mut fenced = 0;
        for reached in grown {
            match state.partitions.get_mut(&reached.partition) {
                Some(slot) if slot.epoch == reached.epoch => {
                    assert!(slot.committable <= reached.next, "a settled prefix only grows");
                    slot.committable = reached.next;
                }
                _ => fenced += 1,
            }
        }
        fenced
    }

    /// Hands the next commit to `enqueue`, if there is something to commit and none is in flight. The lock is held
    /// meanwhile, so `enqueue` must not wait for the broker. Answers whether a commit was handed over.
    pub fn commit(&self, enqueue: impl FnOnce(&CommitPlan) -> bool) -> bool {
        let mut state = self.lock();
        if state.in_flight.is_some() || state.is_shut_out {
            return false;
        }
        let sent = state.to_send();
        if sent.is_empty() {
            return false;
        }
        let plan = CommitPlan::of(&sent);
        if !enqueue(&plan) {
            return false;
        }
        state.in_flight = Some(sent);
        true
    }

    /// The broker has answered the commit in flight.
    pub fn answered(&self, answer: Answer) {
        let mut state = self.lock();
        let sent = state.in_flight.take().unwrap_or_default();
        if answer == Answer::Stored {
            for sent in sent {
                if let Some(slot) =
                    state.partitions.get_mut(&sent.partition).filter(|slot| slot.epoch == sent.epoch)
                {
                    slot.committed = Some(sent.next);
                }
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// The group will never take a commit of this member again: whoever waits for one goes on without it.
    pub fn shut_out(&self) {
        self.lock().is_shut_out = true;
        self.changed.notify_all();
    }

    /// Whether the group's offset of a partition is known to be this one, or, where it has none yet, would be: nothing further was
    /// committed, nor is under way.
    pub fn stands_at(&self, partition: i32, offset: i64) -> bool {
        let state = self.lock();
        let stands = |slot: &Slot| slot.committed.unwrap_or(slot.committable) == offset;
        state.in_flight.is_none() && state.partitions.get(&partition).is_some_and(stands)
    }

    /// Whether nothing was settled in a partition since it was taken up at this offset.
    pub fn is_untouched(&self, partition: i32, start: i64) -> bool {
        self.lock().partitions.get(&partition).is_some_and(|slot| slot.committable == start)
    }

    /// Whether somebody waits for everything to be committed.
    pub fn flush_requested(&self) -> bool {
        self.lock().flush
    }

    /// Whether the group has not yet been told where a partition starts: an interval must not hold that back.
    pub fn has_new_start(&self) -> bool {
        self.lock().partitions.values().any(|slot| slot.committed.is_none())
    }

    /// Whether a commit is under way or due.
    pub fn has_uncommitted(&self) -> bool {
        self.lock().uncommitted(|_| true)
    }

    /// Waits until everything settled of `partitions` is committed and no commit is in flight; `false` at the deadline. The
    /// caller wakes the committer, and is `alive` each second.
    pub fn wait_committed(&self, partitions: &[i32], deadline: Instant, alive: impl Fn()) -> bool {
        let mut state = self.lock();
        state.flush = true;
        let done = loop {
            if !state.uncommitted(|partition| partitions.contains(&partition)) {
                break true;
            }
            if state.is_shut_out {
                break false;
            }
            let now = Instant::now();
            if now >= deadline {
                break false;
            }
            alive();
            state = match self.changed.wait_timeout(state, (deadline - now).min(ALIVE_PERIOD)) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        };
        state.flush = false;
        done
    }

    /// Asks for everything to be committed without waiting for an interval, ahead of [`Board::wait_committed`].
    pub fn request_flush(&self) {
        self.lock().flush = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked with the lock held has only left a consistent state behind: each change is one assignment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CommitPlan {
    fn of(sent: &[Sent]) -> Self {
        Self { offsets: sent.iter().map(|sent| (sent.partition, sent.next)).collect() }
    }
}

impl State {
    fn to_send(&self) -> Vec<Sent> {
        let uncommitted = self.partitions.iter().filter(|(_, slot)| slot.is_uncommitted());
        let sent = uncommitted.map(|(&partition, slot)| Sent {
            partition,
            epoch: slot.epoch,
            next: slot.committable,
        });
        sent.collect()
    }

    fn uncommitted(&self, of: impl Fn(i32) -> bool) -> bool {
        self.in_flight.is_some()
            || self.partitions.iter().any(|(&partition, slot)| of(partition) && slot.is_uncommitted())
    }
}

impl Slot {
    fn is_uncommitted(&self) -> bool {
        self.committed.is_none_or(|committed| committed < self.committable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn reached(partition: i32, epoch: Epoch, next: i64) -> Committable {
        Committable { partition, epoch, next, timestamp_ms: 0 }
    }

    fn commit(board: &Board) -> Option<Vec<(i32, i64)>> {
        let mut offsets = None;
        board.commit(|plan| {
            offsets = Some(plan.offsets.clone());
            true
        });
        offsets
    }

    #[test]
    fn one_commit_is_in_flight_and_the_newest_wins() {
        let board = Board::default();
        let epoch = board.assign(0, Some(5), 5);
        assert_eq!(commit(&board), None, "nothing is settled yet");
        board.record(&[reached(0, epoch, 10)]);
        assert_eq!(commit(&board), Some(vec![(0, 10)]));
        board.record(&[reached(0, epoch, 20)]);
        board.record(&[reached(0, epoch, 30)]);
        assert_eq!(commit(&board), None, "the first is not answered yet");
        board.answered(Answer::Stored);
        assert_eq!(commit(&board), Some(vec![(0, 30)]));
    }

    #[test]
    fn a_start_that_the_group_does_not_know_is_committed_at_once() {
        let board = Board::default();
        board.assign(0, None, 7);
        board.assign(1, Some(5), 5);
        assert!(board.has_new_start() && board.has_uncommitted());
        assert!(!board.wait_committed(&[0], Instant::now(), || ()), "an end waits for it too");
        assert_eq!(commit(&board), Some(vec![(0, 7)]));
        board.answered(Answer::Failed);
        assert_eq!(commit(&board), Some(vec![(0, 7)]));
        board.answered(Answer::Stored);
        assert!(!board.has_new_start() && !board.has_uncommitted());
        assert_eq!(commit(&board), None);
    }

    #[test]
    fn the_groups_offset_is_known_when_nothing_is_under_way() {
        let board = Board::default();
        let epoch = board.assign(0, Some(5), 5);
        board.assign(2, None, 7);
        assert!(board.stands_at(0, 5) && !board.stands_at(0, 6) && !board.stands_at(1, 5));
        assert!(board.stands_at(2, 7), "its start");
        assert!(board.is_untouched(0, 5) && board.is_untouched(2, 7));
        board.record(&[reached(0, epoch, 10)]);
        assert!(!board.is_untouched(0, 5));
        assert!(commit(&board).is_some() && !board.stands_at(0, 5) && !board.stands_at(0, 10));
        board.answered(Answer::Stored);
        assert!(board.stands_at(0, 10));
    }

    #[test]
    fn a_failed_commit_is_sent_again() {
        let board = Board::default();
        let epoch = board.assign(0, None, 0);
        board.record(&[reached(0, epoch, 10)]);
        assert_eq!(commit(&board), Some(vec![(0, 10)]));
        board.answered(Answer::Failed);
        assert_eq!(commit(&board), Some(vec![(0, 10)]));
    }

    #[test]
    fn a_released_partition_is_fenced() {
        let board = Board::default();
        let old = board.assign(0, None, 0);
        board.record(&[reached(0, old, 10)]);
        board.release(0);
        assert_eq!(commit(&board), None);
        assert_eq!(board.record(&[reached(0, old, 20)]), 1);
        let new = board.assign(0, Some(3), 3);
        assert_eq!(
            board.record(&[reached(0, old, 30)]),
            1,
            "an older epoch stays fenced after the partition came back"
        );
        assert_eq!(commit(&board), None);
        board.record(&[reached(0, new, 4)]);
        assert_eq!(commit(&board), Some(vec![(0, 4)]));
    }

    #[test]
    fn an_answer_to_an_old_epoch_does_not_count_for_the_new_one() {
        let board = Board::default();
        let old = board.assign(0, None, 0);
        board.record(&[reached(0, old, 10)]);
        assert!(commit(&board).is_some());
        board.release(0);
        let new = board.assign(0, Some(0), 0);
        board.answered(Answer::Stored);
        board.record(&[reached(0, new, 5)]);
        assert_eq!(commit(&board), Some(vec![(0, 5)]));
    }

    #[test]
    fn nobody_waits_for_a_commit_that_the_group_will_never_take() {
        let board = Board::default();
        let epoch = board.assign(0, None, 0);
        board.record(&[reached(0, epoch, 10)]);
        board.shut_out();
        assert_eq!(commit(&board), None);
        assert!(!board.wait_committed(&[0], Instant::now() + Duration::from_secs(600), || ()));
    }

    #[test]
    fn waiting_ends_with_the_answer_or_the_deadline() {
        let board = Board::default();
        let epoch = board.assign(0, None, 0);
        assert!(commit(&board).is_some(), "its start");
        board.answered(Answer::Stored);
        assert!(board.wait_committed(&[0], Instant::now(), || ()), "nothing settled, nothing to wait for");
        board.record(&[reached(0, epoch, 10)]);
        assert!(!board.wait_committed(&[0], Instant::now(), || ()));
        assert!(commit(&board).is_some());
        std::thread::scope(|scope| {
            let waiter =
                scope.spawn(|| board.wait_committed(&[0], Instant::now() + Duration::from_secs(60), || ()));
            board.answered(Answer::Stored);
            assert!(waiter.join().expect("the waiter ends"));
        });
    }
}
