//! The watchdog: a partition that has records to read and gives none, though nothing here holds the reading back.
//!
//! Either the client or a broker has lost track of a fetch: no error comes, and nothing else would ever say so. Or its leader cannot be
//! reached: no error either, for an outage is waited for. The two are told apart by the partition's end: did a broker tell it lately?
//! What holds the reading back is seen from what the source does: one that is paused, has no free batch, is at its rate limit or
//! works a backlog off does not ask for more records than the client has.

use super::input_ends::InputEnds;
use super::lifecycle::Source;
use crate::error::{EngineError, ExitCode, Stage};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Watches the partitions of one source. It is told the time, so that it can be tried at any.
#[derive(Debug)]
pub(super) struct Watchdog {
    after: Duration,
    ends: Arc<InputEnds>,
    watched: BTreeMap<i32, Watched>,
    /// What the group took without asking, and the next offset of each: without brokers, a member loses everything before long.
    lost: BTreeMap<i32, i64>,
    looked_at: Instant,
    /// Since the last look the source asked for more records than there were.
    has_run_dry: bool,
}

#[derive(Clone, Copy, Debug)]
struct Watched {
    next: i64,
    /// Since when it has stood still without a reason of ours.
    since: Instant,
    /// No broker tells its end.
    is_silent: bool,
    is_stalled: bool,
}

/// What a look found out of a partition.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    partition: i32,
    next: i64,
    end: i64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A broker says that there are records, and none came for too long.
    Stuck,
    /// None came for too long, and no broker answers for it.
    Silent,
    /// Something came after all, or there is a reason for the wait by now.
    Over,
}

/// How often it looks.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// After so long between two looks nobody was there to read: the process was stopped, say. More than the longest linger and a question
/// to the cluster together take.
const GAP_MAX: Duration = Duration::from_secs(20);

/// An answer that is older says nothing of the broker at present; it is asked every five seconds.
const TOLD_LATELY: Duration = Duration::from_secs(15);

impl Watchdog {
    pub(super) fn new(after: Duration, ends: Arc<InputEnds>, now: Instant) -> Self {
        let (watched, lost) = (BTreeMap::new(), BTreeMap::new());
        Self { after, ends, watched, lost, looked_at: now, has_run_dry: false }
    }

    /// The source asked for more records than there were.
    pub(super) fn ran_dry(&mut self) {
        self.has_run_dry = true;
    }

    /// The group took this partition without asking; until it has answered again, the partition stands still for all we know.
    pub(super) fn lost(&mut self, partition: i32, next: i64) {
        self.lost.insert(partition, next);
    }

    /// The group has answered: what it did not give back is others' to read.
    pub(super) fn joined(&mut self) {
        self.lost.clear();
    }

    /// Looks at the partitions of the source, each with its next offset; `is_held`: it does not want to read. `None`: it is not time
    /// to look.
    fn look(
        &mut self,
        places: impl Iterator<Item = (i32, i64)>,
        is_held: bool,
        now: Instant,
    ) -> Option<Vec<Finding>> {
        let gap = now.saturating_duration_since(self.looked_at);
        if gap < LOOK_PERIOD {
            return None;
        }
        self.looked_at = now;
        let is_free = !is_held && gap < GAP_MAX;
        let has_run_dry = std::mem::take(&mut self.has_run_dry);
        let before = std::mem::take(&mut self.watched);
        let told = self.ends.all();
        let lost = self.lost.iter().map(|(&partition, &next)| (partition, next));
        let mut findings = Vec::new();
        for (partition, next) in lost.chain(places) {
            let last = before.get(&partition);
            let told = told.get(&partition).filter(|(end, _)| next < *end);
            let is_silent = told.is_some_and(|(_, at)| now.saturating_duration_since(*at) >= TOLD_LATELY);
            // Without a broker even a source that has no free batch waits for nothing but that.
            let waits = told.filter(|_| is_free && (has_run_dry || is_silent));
            let since = match last {
                // When a broker is back, it gets the time to send something.
                Some(last) if waits.is_some() && last.next == next && (is_silent || !last.is_silent) => {
                    last.since
                }
                _ => now,
            };
            // A broker that went away only after the last answer must not pass for one that has records and sends none: so what counts
            // is how long the partition had stood still when the broker answered.
            let is_stalled = waits.is_some_and(|&(_, at)| {
                let until = if is_silent { now } else { at };
                until.saturating_duration_since(since) >= self.after
            });
            let was_stalled = last.is_some_and(|last| last.is_stalled);
            if is_stalled != was_stalled {
                let what = match (is_stalled, is_silent) {
                    (false, _) => What::Over,
                    (true, true) => What::Silent,
                    (true, false) => What::Stuck,
                };
                findings.push(Finding { partition, next, end: told.map_or(next, |(end, _)| *end), what });
            }
            self.watched.insert(partition, Watched { next, since, is_silent, is_stalled });
        }
        Some(findings)
    }

    fn stalled(&self) -> u64 {
        self.watched.values().filter(|watched| watched.is_stalled).count() as u64
    }
}

impl Source {
    /// Says which partitions stand still though nothing here holds the reading back.
    ///
    /// # Errors
    /// One does, its broker answers, and the engine is to end for it (74).
    pub(super) fn watch(&mut self) -> Result<(), EngineError> {
        let is_held = self.ends.dlq_guard.has_tripped() || !self.paused.is_empty();
        let places = self.positions.open_places();
        let Some(findings) = self.watchdog.look(places, is_held, Instant::now()) else { return Ok(()) };
        self.metrics.stalled_partitions(self.number, self.watchdog.stalled());
        let (topic, after) = (&self.config.topics.input, self.config.pipeline.watchdog_after);
        for what in [What::Over, What::Silent, What::Stuck] {
            let those = findings.iter().filter(|finding| finding.what == what);
            let those: Vec<String> = those
                .map(|finding| format!("{} at {} of {}", finding.partition, finding.next, finding.end))
                .collect();
            let those = those.join(", ");
            match what {
                _ if those.is_empty() => {}
                What::Over => {
                    tracing::info!(source = self.number, partitions = those.as_str(), "no longer stalled")
                }
                What::Silent => tracing::error!(
                    "stalled: no record came for {after:?} from partitions of {topic} that have some ({those}), and no broker answers \
                     for them; reading goes on when one does"
                ),
                What::Stuck => {
                    let message = format!(
                        "stalled: no record came for {after:?} from partitions of {topic} that have some ({those}), though the \
                         brokers answer and nothing holds the reading back; a restart takes them up anew"
                    );
                    if self.config.pipeline.watchdog_exit {
                        return Err(EngineError::new(Stage::Source, ExitCode::Delivery, message));
                    }
                    tracing::error!("{message}");
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Rig {
        watchdog: Watchdog,
        ends: Arc<InputEnds>,
        now: Instant,
    }

    /// What is so for a while.
    #[derive(Clone, Copy)]
    struct World {
        next: i64,
        /// What a broker answers; `None`: it does not.
        end: Option<i64>,
        runs_dry: bool,
        is_held: bool,
    }

    const STUCK: World = World { next: 10, end: Some(20), runs_dry: true, is_held: false };
    const AWAY: World = World { end: None, ..STUCK };

    fn found(what: What) -> Vec<Finding> {
        vec![Finding { partition: 3, next: 10, end: 20, what }]
    }

    impl Rig {
        fn new() -> Self {
            let (ends, now) = (Arc::new(InputEnds::new(2)), Instant::now());
            Self { watchdog: Watchdog::new(60 * SECOND, ends.clone(), now), ends, now }
        }

        /// So many seconds pass, with a look in each.
        fn pass(&mut self, seconds: u64, world: World) -> Vec<Finding> {
            self.pass_with(seconds, world, &[(3, world.next)])
        }

        fn pass_with(&mut self, seconds: u64, world: World, places: &[(i32, i64)]) -> Vec<Finding> {
            let mut findings = Vec::new();
            for _ in 0..seconds {
                self.now += SECOND;
                if let Some(end) = world.end {
                    self.ends.tell(3, end, self.now);
                }
                if world.runs_dry {
                    self.watchdog.ran_dry();
                }
                let places = places.iter().copied();
                findings.extend(
                    self.watchdog.look(places, world.is_held, self.now).expect("a second has passed"),
                );
            }
            findings
        }
    }

    #[test]
    fn a_partition_that_gives_nothing_is_found_once() {
        let mut rig = Rig::new();
        assert_eq!(rig.pass(60, STUCK), []);
        assert_eq!(rig.pass(1, STUCK), found(What::Stuck));
        assert_eq!((rig.pass(600, STUCK), rig.watchdog.stalled()), (vec![], 1));
        let moved = World { next: 11, ..STUCK };
        let over = Finding { partition: 3, next: 11, end: 20, what: What::Over };
        assert_eq!((rig.pass(60, moved), rig.watchdog.stalled()), (vec![over], 0));
        assert_eq!(rig.pass(1, moved).len(), 1, "and once more");
        rig.pass_with(1, STUCK, &[]);
        assert_eq!(rig.watchdog.stalled(), 0, "what is not ours is not watched");
    }

    #[test]
    fn what_has_a_reason_to_wait_is_not_stalled() {
        for (reason, world) in [
            ("it is read to its end", World { next: 20, ..STUCK }),
            ("nothing is known of its end", AWAY),
            ("the source has no free batch, or works a backlog off", World { runs_dry: false, ..STUCK }),
            ("the source does not want to read", World { is_held: true, ..STUCK }),
        ] {
            let mut rig = Rig::new();
            assert_eq!(rig.pass(300, world), [], "{reason}");
            assert_eq!(rig.pass(59, STUCK), [], "{reason}, and what was before does not count");
        }
    }

    #[test]
    fn without_a_broker_it_stands_still_for_another_reason() {
        let mut rig = Rig::new();
        assert_eq!(rig.pass(40, STUCK), []);
        assert_eq!(rig.pass(20, AWAY), []);
        assert_eq!(rig.pass(1, AWAY), found(What::Silent));
        assert_eq!((rig.pass(300, AWAY), rig.watchdog.stalled()), (vec![], 1));
        assert_eq!(rig.pass(60, STUCK), found(What::Over), "the broker is back, and has time");
        assert_eq!(rig.pass(1, STUCK), found(What::Stuck));
        rig.pass_with(1, World { is_held: true, ..AWAY }, &[(3, 10)]);
        assert_eq!(rig.watchdog.stalled(), 0, "what holds it back counts more");
    }

    #[test]
    fn without_a_broker_all_batches_may_be_out_and_all_partitions_lost() {
        let mut rig = Rig::new();
        rig.pass(1, STUCK);
        let backed_up = World { runs_dry: false, ..AWAY };
        assert_eq!(rig.pass(30, backed_up), []);
        rig.watchdog.lost(3, 10);
        assert_eq!((rig.pass_with(60, backed_up, &[]), rig.watchdog.stalled()), (found(What::Silent), 1));
        rig.watchdog.joined();
        assert_eq!((rig.pass_with(1, STUCK, &[]), rig.watchdog.stalled()), (vec![], 0));
    }

    #[test]
    fn a_broker_that_went_away_is_not_taken_for_one_that_sends_nothing() {
        let mut rig = Rig::new();
        rig.watchdog.after = 10 * SECOND;
        assert_eq!(rig.pass(9, STUCK), []);
        assert_eq!(rig.pass(14, AWAY), [], "it answered when ten seconds were not over");
        assert_eq!(rig.pass(1, AWAY), found(What::Silent));
    }

    #[test]
    fn a_process_that_was_stopped_begins_anew() {
        let mut rig = Rig::new();
        rig.pass(59, STUCK);
        rig.now += 300 * SECOND;
        assert_eq!(rig.pass(60, STUCK), []);
        assert_eq!(rig.pass(1, STUCK), found(What::Stuck));
    }

    #[test]
    fn a_partition_that_moves_is_not_stalled() {
        let mut rig = Rig::new();
        for next in 0..30 {
            assert_eq!(rig.pass(50, World { next, end: Some(1_000), ..STUCK }), []);
        }
    }
}
