//! Ledger and board under any order of dispatch, settlement, commit, failed commit, revoke, loss and assignment: a commit never
//! passes an unsettled record, never goes back within an assignment, never speaks for an older one, and the end is always reached.

use gristmill::progress::{Answer, Board, CommitToken, Ledger, Span, Spans};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PARTITIONS: i32 = 3;

/// Where a partition starts that the group has no offset for.
const START: i64 = 5;

/// One step of a source, its sink and its broker.
#[derive(Clone, Debug)]
enum Step {
    /// A batch with this many records of each partition is sealed and dispatched.
    Dispatch(Vec<u8>),
    /// The batch in flight with this index (modulo) is settled.
    Settle(usize),
    /// The batch in flight with this index (modulo) is given up.
    Abandon(usize),
    /// The committer's turn.
    Commit,
    /// The broker answers the commit in flight.
    Answer(bool),
    /// A partition leaves, with its batches still in flight, and comes back at the group's offset.
    Reassign(i32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0..4u8, PARTITIONS as usize).prop_map(Step::Dispatch),
        4 => any::<usize>().prop_map(Step::Settle),
        1 => any::<usize>().prop_map(Step::Abandon),
        3 => Just(Step::Commit),
        3 => any::<bool>().prop_map(Step::Answer),
        1 => (0..PARTITIONS).prop_map(Step::Reassign),
    ]
}

/// A world that knows every record by partition and offset, and what was delivered.
#[derive(Default)]
struct World {
    board: Board,
    ledger: Ledger,
    sequence: u64,
    in_flight: Vec<CommitToken>,
    /// Where the reading stands.
    position: BTreeMap<i32, i64>,
    delivered: BTreeSet<(i32, i64)>,
    /// The group's offsets at the broker.
    group: BTreeMap<i32, i64>,
    /// The commit in flight.
    sent: Option<Vec<(i32, i64)>>,
    /// The last commit sent within the present assignment.
    last_sent: BTreeMap<i32, i64>,
}

impl World {
    fn new() -> Self {
        let mut world = World::default();
        for partition in 0..PARTITIONS {
            world.assign(partition);
        }
        world
    }

    fn assign(&mut self, partition: i32) {
        let committed = self.group.get(&partition).copied();
        let start = committed.unwrap_or(START);
        self.board.assign(partition, committed, start);
        self.position.insert(partition, start);
        self.last_sent.remove(&partition);
    }

    fn dispatch(&mut self, counts: &[u8]) {
        let mut spans = Spans::new();
        for (partition, &count) in (0..PARTITIONS).zip(counts) {
            let first = self.position[&partition];
            // Every third offset is a transaction marker, so spans have holes.
            let next = first + i64::from(count) + i64::from(count % 3);
            if next > first {
                let epoch = self.board.epoch(partition).expect("it is assigned");
                spans.push(Span { partition, epoch, first, next, timestamp_ms: 0 });
                self.position.insert(partition, next);
            }
        }
        let token = CommitToken::seal(self.sequence, spans);
        self.sequence += 1;
        self.ledger.dispatch(token.sequence(), token.spans());
        self.in_flight.push(token);
    }

    fn settle(&mut self, index: usize) {
        if self.in_flight.is_empty() {
            return;
        }
        let token = self.in_flight.remove(index % self.in_flight.len());
        for span in token.spans() {
            self.delivered.extend((span.first..span.next).map(|offset| (span.partition, offset)));
        }
        let grown = self.ledger.settle(token);
        self.board.record(&grown);
    }

    fn commit(&mut self) -> Result<(), TestCaseError> {
        let mut plan = None;
        let sent = self.board.commit(|offsets| {
            plan = Some(offsets.offsets.clone());
            true
        });
        if !sent {
            return Ok(());
        }
        prop_assert!(self.sent.is_none(), "one commit is in flight");
        let plan = plan.expect("it was handed over");
        for &(partition, next) in &plan {
            for offset in START..next {
                prop_assert!(
                    self.delivered.contains(&(partition, offset)),
                    "{partition}:{offset} is not settled, commit {next}"
                );
            }
            let last = self.last_sent.insert(partition, next);
            prop_assert!(last.is_none_or(|last| last <= next), "a commit goes back within an assignment");
        }
        self.sent = Some(plan);
        Ok(())
    }

    fn answer(&mut self, stored: bool) {
        let Some(sent) = self.sent.take() else { return };
        if stored {
            self.group.extend(sent);
        }
        self.board.answered(if stored { Answer::Stored } else { Answer::Failed });
    }

    fn reassign(&mut self, partition: i32) {
        self.board.release(partition);
        self.assign(partition);
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Dispatch(counts) => self.dispatch(counts),
            Step::Settle(index) => self.settle(*index),
            Step::Abandon(index) => {
                if !self.in_flight.is_empty() {
                    let token = self.in_flight.remove(index % self.in_flight.len());
                    token.abandon();
                }
            }
            Step::Commit => self.commit()?,
            Step::Answer(stored) => self.answer(*stored),
            Step::Reassign(partition) => self.reassign(*partition),
        }
        Ok(())
    }

    /// From wherever it stands, a restart without further faults commits everything.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        let ends = self.position.clone();
        self.answer(true);
        for token in self.in_flight.drain(..) {
            token.abandon();
        }
        for partition in 0..PARTITIONS {
            self.reassign(partition);
        }
        for partition in 0..PARTITIONS {
            let left = ends[&partition] - self.position[&partition];
            let epoch = self.board.epoch(partition).expect("it is assigned");
            let first = self.position[&partition];
            if left > 0 {
                let spans = Spans::from_slice(&[Span {
                    partition,
                    epoch,
                    first,
                    next: first + left,
                    timestamp_ms: 0,
                }]);
                let token = CommitToken::seal(self.sequence, spans);
                self.sequence += 1;
                self.ledger.dispatch(token.sequence(), token.spans());
                self.in_flight.push(token);
            }
        }
        while !self.in_flight.is_empty() {
            self.settle(self.in_flight.len() / 2);
        }
        self.commit()?;
        self.answer(true);
        for (partition, end) in ends {
            // A partition without a record too: the group knows where it started.
            let reached = self.group.get(&partition).copied().unwrap_or(0);
            prop_assert!(reached >= end, "partition {partition} ended at {reached} of {end}");
        }
        prop_assert!(!self.board.has_uncommitted());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn commits_are_safe_monotone_and_complete(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let walked = steps.iter().try_for_each(|step| world.step(step));
        let finished = walked.and_then(|()| world.finish());
        // A token must not be dropped unspent, not even when the test has failed.
        for token in world.in_flight.drain(..) {
            token.abandon();
        }
        finished?;
    }
}
