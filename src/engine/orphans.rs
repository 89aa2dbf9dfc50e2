//! Partitions that no member of the group has, although it is not sharing out.
//!
//! A cooperative rebalance has two rounds: what moves is taken from one member in the first, and given to another in the second, which
//! the one that gave it up asks for. If that one is killed between them and comes back with its static id, the coordinator gives it what
//! it had after the first round, without a second, and what was on the move stays without an owner for as long as nobody joins or leaves.
//! So one member looks, and leaves and joins again.

use super::housekeeping::QUESTION_TIMEOUT;
use crate::kafka::GroupConsumer;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was seen of them so far.
pub(super) struct Orphans {
    session: Duration,
    look_at: Instant,
    unowned: Vec<i32>,
    since: Instant,
}

/// So many sessions pass before it is tried again: where it is of no use, as for partitions that the group's leader does not know of
/// yet, it only disturbs.
const REST: u32 = 10;

impl Orphans {
    /// `session`: a member that is dead has left the group after so long, and the group has shared out.
    pub(super) fn new(session: Duration, now: Instant) -> Self {
        Self { session, look_at: now + session / 3, unowned: Vec::new(), since: now }
    }

    /// Looks, if it is time to, and has the group share out anew what has had no owner for a session.
    pub(super) fn turn(&mut self, consumers: &[Arc<GroupConsumer>], partitions: i32, now: Instant) {
        if now < self.look_at {
            return;
        }
        self.look_at = now + self.session / 3;
        // Who does not answer is asked again.
        let Ok(ownership) = consumers[0].ownership(partitions, QUESTION_TIMEOUT) else { return };
        let (unowned, first) = ownership.map(|seen| (seen.unowned, seen.first)).unwrap_or_default();
        if !self.is_lasting(unowned, now) {
            return;
        }
        let Some(first) = consumers.iter().find(|one| one.member_id().as_ref() == Some(&first)) else {
            return;
        };
        tracing::warn!(
            partitions = ?self.unowned,
            "partitions have no owner: the topic was enlarged, or a member was killed while they were on the move; leaving the group and joining again, so that they are shared out"
        );
        if let Err(error) = first.join_anew() {
            tracing::warn!(%error, "the group could not be joined again");
        }
        self.unowned.clear();
        self.look_at = now + REST * self.session;
    }

    /// Whether the same partitions have had no owner for a session.
    fn is_lasting(&mut self, unowned: Vec<i32>, now: Instant) -> bool {
        if unowned.is_empty() || unowned != self.unowned {
            (self.unowned, self.since) = (unowned, now);
            return false;
        }
        now.duration_since(self.since) >= self.session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_counts() {
        let (session, start) = (Duration::from_secs(6), Instant::now());
        let mut orphans = Orphans::new(session, start);
        let mut seen = |seconds, partitions: &[i32]| {
            orphans.is_lasting(partitions.to_vec(), start + Duration::from_secs(seconds))
        };
        assert!(!seen(0, &[]));
        assert!(![seen(20, &[1]), seen(22, &[1]), seen(25, &[1])].contains(&true), "not yet");
        assert!(seen(26, &[1]));
        assert!(!seen(28, &[1, 2]), "others: the group has shared out meanwhile");
        assert!(![seen(30, &[]), seen(32, &[1, 2]), seen(37, &[1, 2])].contains(&true), "or all had one");
        assert!(seen(38, &[1, 2]));
    }
}
