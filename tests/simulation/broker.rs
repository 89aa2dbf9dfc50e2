//! The broker's side: what there is to read, what was delivered, and the group with its offsets and its generation.

use gristmill::kafka::Code;
use perf::random::Random;

/// Of the input.
pub(crate) const PARTITIONS: usize = 3;

/// The oldest offset of a partition: a commit of 0 would be a mistake.
pub(crate) const START: i64 = 3;

/// Offsets of a partition fit the bits of a word.
const OFFSETS_MAX: u64 = 40;

/// `ILLEGAL_GENERATION`.
const ILLEGAL_GENERATION: Code = Code(22);

/// A commit on its way.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(crate) offsets: Vec<(i32, i64)>,
    pub(crate) generation: u32,
}

/// Topics and group.
pub(crate) struct Broker {
    ends: [i64; PARTITIONS],
    /// A bit for each record that lies in the output or the dead letter topic.
    delivered: [u64; PARTITIONS],
    /// The group's offsets.
    pub(crate) offsets: [Option<i64>; PARTITIONS],
    /// Changes with each rebalance; commits of an older one are refused.
    pub(crate) generation: u32,
    /// Which member the group has given a partition to.
    pub(crate) owners: [Option<usize>; PARTITIONS],
}

impl Broker {
    /// With partitions of random length.
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            ends: std::array::from_fn(|_| START + random.below(OFFSETS_MAX) as i64),
            delivered: [0; PARTITIONS],
            offsets: [None; PARTITIONS],
            generation: 0,
            owners: [None; PARTITIONS],
        }
    }

    /// The end of a partition.
    pub(crate) fn end(&self, partition: usize) -> i64 {
        self.ends[partition]
    }

    /// Whether no record has this offset: transactions leave markers.
    pub(crate) fn is_marker(partition: usize, offset: i64) -> bool {
        (offset + partition as i64) % 5 == 0
    }

    /// A record is in the output or the dead letter topic.
    pub(crate) fn deliver(&mut self, partition: usize, offset: i64) {
        self.delivered[partition] |= 1u64 << offset;
    }

    /// How far everything is delivered: no commit may pass it.
    pub(crate) fn delivered_to(&self, partition: usize) -> i64 {
        let is_done = |offset: &i64| {
            self.delivered[partition] & (1u64 << *offset) != 0 || Self::is_marker(partition, *offset)
        };
        let open = (START..self.ends[partition]).find(|offset| !is_done(offset));
        open.unwrap_or(self.ends[partition])
    }

    /// Takes a commit, as a broker does: it looks at the generation, not at who owns what.
    pub(crate) fn store(&mut self, commit: &Commit) -> Result<Code, String> {
        if commit.generation != self.generation {
            return Ok(ILLEGAL_GENERATION);
        }
        for &(partition, next) in &commit.offsets {
            let stored = &mut self.offsets[partition as usize];
            if let Some(last) = stored.replace(next).filter(|last| *last > next) {
                return Err(format!(
                    "the group's offset of partition {partition} goes back from {last} to {next}"
                ));
            }
        }
        Ok(Code::OK)
    }

    /// Whether the group has committed everything.
    pub(crate) fn is_done(&self) -> bool {
        (0..PARTITIONS).all(|partition| self.offsets[partition] == Some(self.ends[partition]))
    }
}
