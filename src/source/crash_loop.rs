//! The guard against crash loops: a record that ends the process whenever it is worked on must not hold its partition up for ever.
//!
//! A process that is killed says nothing any more, so what it is about to do is written down before, as the metadata of the group's
//! offset: whoever takes the partition up next finds it there, on another machine too. An ordinary commit has no metadata, so any
//! progress wipes it out.
//!
//! | the group's offset has | the partition is read |
//! |---|---|
//! | nothing, `starts=1` or `starts=2` | as always; before its first records it gets `starts=` one more |
//! | `starts=3`: three lives ended without progress | one batch at a time, `batch=RECORDS` before each |
//! | `batch=RECORDS`: a life ended with nothing but these under way | these records alone, `alone=TRY/LEFT` before each |
//! | `alone=3/LEFT`: three lives ended with nothing but this record under way | it is a dead letter, unseen; the others of its batch follow alone |
//!
//! An orderly end of the process, even one whose drain was not over in time, puts back what it found: it says nothing against a record.
//! A partition that moves on without any progress counts as a life.

use std::collections::BTreeMap;
use std::fmt;

/// What a life writes down, as the metadata of a partition's offset, before it goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// So many lives began here.
    Starts(u32),
    /// So many records from here on are under way, and nothing else.
    Batch(u32),
    /// The next record is under way, and nothing else.
    Alone {
        /// Which life it is that tries.
        tries: u32,
        /// So many more records follow alone.
        left: u32,
    },
}

/// Where all metadata of ours begins.
const PREFIX: &str = "gristmill ";

/// Lives that end where they began before anything is thought of it: a machine that goes down is no reason to be slow.
const STARTS_MAX: u32 = 3;

/// Lives that a record may end, alone.
const TRIES_MAX: u32 = 3;

/// Records of a batch that goes alone: few enough that they can go one by one afterwards, some hundreds a second.
const BATCH_RECORDS: u32 = 256;

/// The partitions of a source, as far as this is about them.
#[derive(Debug, Default)]
pub(super) struct CrashLoop {
    partitions: BTreeMap<i32, Life>,
}

/// A partition in this life.
#[derive(Debug)]
struct Life {
    start: i64,
    found: Option<Mark>,
    /// Where it is marked by this life, last.
    marked_at: Option<i64>,
    care: Option<Care>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Care {
    /// One batch at a time, up to this offset.
    Batches(i64),
    /// One record at a time, for so many.
    Alone(u32),
    /// Nothing more, but what was read last is still under way, and nothing may be beside it.
    Over,
}

impl Mark {
    /// What the metadata of an offset says, if it is ours.
    fn parse(metadata: &str) -> Option<Mark> {
        let (name, value) = metadata.strip_prefix(PREFIX)?.split_once('=')?;
        match (name, value.split_once('/')) {
            ("starts", None) => value.parse().ok().map(Mark::Starts),
            ("batch", None) => value.parse().ok().map(Mark::Batch),
            ("alone", Some((tries, left))) => {
                Some(Mark::Alone { tries: tries.parse().ok()?, left: left.parse().ok()? })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        match self {
            Mark::Starts(starts) => write!(f, "starts={starts}"),
            Mark::Batch(records) => write!(f, "batch={records}"),
            Mark::Alone { tries, left } => write!(f, "alone={tries}/{left}"),
        }
    }
}

impl CrashLoop {
    /// A partition is taken up at `start`, the group's offset, with its metadata. `reach`: how many offsets further a life may have had
    /// records under way. Answers with what it finds that calls for care.
    pub(super) fn take_up(&mut self, partition: i32, start: i64, metadata: &str, reach: i64) -> Option<Mark> {
        let found = Mark::parse(metadata);
        let care = match found {
            Some(Mark::Starts(starts)) if starts >= STARTS_MAX => {
                Some(Care::Batches(start.saturating_add(reach)))
            }
            Some(Mark::Batch(records)) => Some(Care::Alone(records)),
            Some(Mark::Alone { left, .. }) => Some(Care::Alone(left.saturating_add(1))),
            _ => None,
        };
        self.partitions.insert(partition, Life { start, found, marked_at: None, care });
        found.filter(|_| care.is_some())
    }

    /// A partition is no longer ours.
    pub(super) fn give_up(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// The partition that is to be read with nothing else under way, and how many records at most; none: it needs no more care once
    /// nothing is under way ([`end`](Self::end)).
    pub(super) fn suspect(&self) -> Option<(i32, usize)> {
        self.partitions.iter().find_map(|(&partition, life)| match life.care? {
            Care::Batches(_) => Some((partition, BATCH_RECORDS as usize)),
            Care::Alone(_) => Some((partition, 1)),
            Care::Over => Some((partition, 0)),
        })
    }

    /// Nothing is under way, and the partition needs no more care.
    pub(super) fn end(&mut self, partition: i32) {
        if let Some(life) = self.partitions.get_mut(&partition) {
            life.care = None;
        }
    }

    /// What is to be written down before these records are worked on, which begin at the group's offset.
    pub(super) fn mark(&self, partition: i32, offset: i64, records: usize) -> Option<Mark> {
        let life = self.partitions.get(&partition)?;
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        match life.care? {
            Care::Batches(_) => Some(Mark::Batch(records)),
            Care::Alone(left) => {
                Some(Mark::Alone { tries: life.tries(offset) + 1, left: left.saturating_sub(records) })
            }
            Care::Over => None,
        }
    }

    /// Whether the record at the group's offset has ended as many lives as it may.
    pub(super) fn is_condemned(&self, partition: i32, offset: i64) -> bool {
        self.partitions.get(&partition).is_some_and(|life| life.tries(offset) >= TRIES_MAX)
    }

    /// The mark that a partition gets before its first records, and where: its start. `None`: it has one, or is read with care.
    pub(super) fn first_mark(&self, partition: i32) -> Option<(i64, Mark)> {
        let life = self.partitions.get(&partition)?;
        let starts = match life.found {
            Some(Mark::Starts(starts)) => starts,
            _ => 0,
        };
        (life.marked_at.is_none() && life.care.is_none()).then_some((life.start, Mark::Starts(starts + 1)))
    }

    /// A mark is written down.
    pub(super) fn marked(&mut self, partition: i32, offset: i64) {
        if let Some(life) = self.partitions.get_mut(&partition) {
            life.marked_at = Some(offset);
        }
    }

    /// Records that were read with care are under way, up to this offset.
    pub(super) fn went(&mut self, partition: i32, next: i64, records: usize) {
        let Some(life) = self.partitions.get_mut(&partition) else { return };
        life.care = life.care.map(|care| match care {
            Care::Batches(until) if next < until => Care::Batches(until),
            Care::Alone(left) if left as usize > records => Care::Alone(left - records as u32),
            _ => Care::Over,
        });
    }

    /// A partition has no more records at present.
    pub(super) fn at_end(&mut self, partition: i32) {
        if let Some(life) = self.partitions.get_mut(&partition) {
            life.care = life.care.map(|_| Care::Over);
        }
    }

    /// What an orderly end puts back: where this life has marked the partition, and what it had found; nothing if it was `None`.
    pub(super) fn found(&self, partition: i32) -> Option<(i64, Option<Mark>)> {
        let life = self.partitions.get(&partition)?;
        let offset = life.marked_at?;
        Some((offset, life.found.filter(|_| offset == life.start)))
    }
}

impl Life {
    /// How many lives the record at this offset has ended, alone.
    fn tries(&self, offset: i64) -> u32 {
        match self.found {
            Some(Mark::Alone { tries, .. }) if offset == self.start => tries,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITION: i32 = 3;
    const REACH: i64 = 1_000;

    /// What the group stores of one partition.
    #[derive(Default)]
    struct Group {
        offset: i64,
        metadata: String,
    }

    impl Group {
        fn store(&mut self, offset: i64, mark: Option<Mark>) {
            self.offset = offset;
            self.metadata = mark.map(|mark| mark.to_string()).unwrap_or_default();
        }
    }

    /// A life that reads from the group's offset up to `end` and dies of each record in `poison`. Answers with the offsets of what it
    /// made a dead letter, and whether it got to the end.
    fn live(group: &mut Group, poison: &[i64], end: i64) -> (Vec<i64>, bool) {
        let mut guard = CrashLoop::default();
        guard.take_up(PARTITION, group.offset, &group.metadata, REACH);
        let mut condemned = Vec::new();
        let mut next = group.offset;
        while next < end {
            // Nothing is under way: what went before is stored.
            if guard.suspect() == Some((PARTITION, 0)) {
                guard.end(PARTITION);
            }
            let most = guard.suspect().map_or(REACH, |(_, most)| i64::try_from(most).unwrap());
            let records = most.min(end - next);
            if let Some((start, mark)) = guard.first_mark(PARTITION) {
                group.store(start, Some(mark));
                guard.marked(PARTITION, start);
            }
            let is_careful = guard.suspect().is_some();
            let is_condemned = is_careful && guard.is_condemned(PARTITION, next);
            if let Some(mark) = guard.mark(PARTITION, next, records as usize) {
                group.store(next, Some(mark));
                guard.marked(PARTITION, next);
            }
            if is_condemned {
                condemned.push(next);
            } else if poison.iter().any(|one| (next..next + records).contains(one)) {
                return (condemned, false);
            }
            next += records;
            guard.went(PARTITION, next, records as usize);
            group.store(next, None);
        }
        (condemned, true)
    }

    #[test]
    fn a_record_that_ends_every_process_is_found_in_seven_lives() {
        for poison in [0, 1, 255, 256, 700, 999] {
            let mut group = Group::default();
            for life in 1..=7 {
                let (condemned, is_done) = live(&mut group, &[poison], 5_000);
                assert!(condemned.is_empty() && !is_done, "life {life}, poison {poison}: {}", group.metadata);
            }
            assert_eq!(live(&mut group, &[poison], 5_000), (vec![poison], true), "{}", group.metadata);
            assert_eq!((group.offset, group.metadata.as_str()), (5_000, ""));
        }
    }

    #[test]
    fn a_second_one_close_behind_is_found_too() {
        let mut group = Group::default();
        let mut found = Vec::new();
        // The rest of the batch goes alone already, so the second takes three lives.
        for life in 1..=11 {
            let (condemned, is_done) = live(&mut group, &[300, 310], 2_000);
            found.extend(condemned);
            assert_eq!(is_done, life == 11, "life {life}: {}", group.metadata);
        }
        assert_eq!(found, [300, 310]);
    }

    #[test]
    fn lives_that_end_without_a_reason_cost_time_and_no_record() {
        let mut guard = CrashLoop::default();
        assert_eq!(guard.take_up(PARTITION, 7, "gristmill starts=3", REACH), Some(Mark::Starts(3)));
        assert_eq!(guard.suspect(), Some((PARTITION, 256)));
        assert_eq!(guard.mark(PARTITION, 7, 256), Some(Mark::Batch(256)));
        guard.went(PARTITION, 263, 256);
        assert_eq!(guard.suspect(), Some((PARTITION, 256)));
        guard.went(PARTITION, 1_007, 256);
        assert_eq!(guard.suspect(), Some((PARTITION, 0)), "the last of them is under way");
        guard.end(PARTITION);
        assert_eq!(guard.suspect(), None);

        assert!(guard.take_up(PARTITION, 7, "gristmill batch=2", REACH).is_some());
        assert_eq!(guard.mark(PARTITION, 7, 1), Some(Mark::Alone { tries: 1, left: 1 }));
        assert!(!guard.is_condemned(PARTITION, 7));
        guard.went(PARTITION, 8, 1);
        assert_eq!(guard.suspect(), Some((PARTITION, 1)));
        guard.went(PARTITION, 9, 1);
        assert_eq!(
            guard.suspect(),
            Some((PARTITION, 0)),
            "nothing else may be under way beside the last one"
        );

        assert!(guard.take_up(PARTITION, 8, "gristmill alone=1/0", REACH).is_some());
        assert_eq!(guard.suspect(), Some((PARTITION, 1)), "the record itself, and no other");
        assert_eq!(guard.mark(PARTITION, 8, 1), Some(Mark::Alone { tries: 2, left: 0 }));

        assert!(guard.take_up(PARTITION, 7, "gristmill alone=3/5", REACH).is_some());
        assert!(guard.is_condemned(PARTITION, 7));
        assert!(!guard.is_condemned(PARTITION, 8), "only the record that was alone");
        guard.at_end(PARTITION);
        assert_eq!(guard.suspect(), Some((PARTITION, 0)));
    }

    #[test]
    fn an_orderly_end_puts_back_what_it_found() {
        let mut guard = CrashLoop::default();
        assert_eq!(guard.take_up(PARTITION, 7, "gristmill starts=1", REACH), None);
        assert_eq!(guard.found(PARTITION), None, "nothing was written yet");
        assert_eq!(guard.first_mark(PARTITION), Some((7, Mark::Starts(2))));
        guard.marked(PARTITION, 7);
        assert_eq!(guard.first_mark(PARTITION), None);
        assert_eq!(guard.found(PARTITION), Some((7, Some(Mark::Starts(1)))));
        guard.marked(PARTITION, 9);
        assert_eq!(guard.found(PARTITION), Some((9, None)), "of this record nothing is known");
        guard.give_up(PARTITION);
        assert_eq!(guard.found(PARTITION), None);
    }

    #[test]
    fn only_our_own_metadata_means_anything() {
        for mark in [Mark::Starts(2), Mark::Batch(256), Mark::Alone { tries: 1, left: 255 }] {
            assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
        }
        for foreign in
            ["", "starts=3", "gristmill starts", "gristmill starts=-1", "gristmill alone=1", "AQAB"]
        {
            assert_eq!(Mark::parse(foreign), None, "{foreign}");
        }
    }
}
