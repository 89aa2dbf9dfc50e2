//! Where the reading goes on after an interruption: the client is sent to where we stand, or we go where there is something to read.

use super::lifecycle::{POLL_PERIOD, QUESTION_TIMEOUT, Source};
use super::positions::Position;
use crate::config::OffsetReset;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::{Code, Cut};
use std::collections::BTreeMap;
use std::time::Instant;

/// Partitions that the client may read from elsewhere than where we stand, for it has not taken the order to go there; and how often
/// it was told.
pub(super) type Astray = BTreeMap<i32, u32>;

/// So often the client is told. If the group has taken the partition, we hear of it long before.
const TOLD_MAX: u32 = 200;

/// The offset to read from is not there: why, and where there is something to read.
#[derive(Debug, PartialEq, Eq)]
enum Gone {
    /// Records expired, or the topic was made anew: the oldest offset there is.
    Expired(i64),
    /// The log was cut below where we stand, and may have been written on: the offset from which on it is new.
    Cut(i64),
}

impl Gone {
    /// Whether the offset `from` is gone from a log that begins at `low` and ends at `high`, and was read from `start` on. Of a log that
    /// was cut the client tells it: the broker may have offsets there again by now, but not those records. What it tells of a place
    /// before `start` is of an earlier assignment.
    fn of(from: i64, start: i64, (low, high): (i64, i64), cut: Option<Cut>) -> Option<Gone> {
        match cut.filter(|cut| cut.from >= start) {
            Some(Cut { at: Some(at), .. }) if at < from => Some(Gone::Cut(at.max(low))),
            Some(Cut { at: None, .. }) => Some(Gone::Expired(low)),
            _ if (low..=high).contains(&from) => None,
            _ => Some(Gone::Expired(low)),
        }
    }
}

impl Source {
    /// The client says that the offset it was to read is not there. If so, records expired, the topic was made anew, or its log was
    /// cut: loss made elsewhere, it is said loudly, and the reading goes on at the oldest record that was not read. If the broker has
    /// the offset where we stand, only the client had lost its place.
    pub(super) fn restart(&mut self, partition: i32, reason: &str) -> Result<(), EngineError> {
        let Some(&Position { next: from, start, end, .. }) = self.positions.get(partition) else {
            return Ok(());
        };
        if end.is_some_and(|end| start <= end && from >= end) {
            // Nothing more is to be read.
            return Ok(());
        }
        let Some(bounds) = self.ask(|consumer| consumer.bounds(partition, QUESTION_TIMEOUT))? else {
            return Ok(());
        };
        let Some(gone) = Gone::of(from, start, bounds, Cut::told(reason)) else {
            tracing::warn!(partition, from, "the client lost its place, reading goes on where it was");
            self.send_client_to(&[partition]);
            return Ok(());
        };
        // What was read before may be on its way still, and after this its place is not committed any more.
        let deadline = Instant::now() + self.config.pipeline.drain_timeout;
        let is_drained = self.drain(&[partition], deadline);
        let (why, to) = match gone {
            Gone::Expired(_) if !is_drained || self.ends.board.is_rolled_back() => {
                // Asked for once more, the offset is found gone again, and by then it may have been committed.
                self.send_client_to(&[partition]);
                return Ok(());
            }
            Gone::Expired(to) => ("records expired or the topic was made anew", to),
            Gone::Cut(to) => {
                // The client tells of a cut once. What is not committed by now is read again, as far as it is left.
                let Some(stored) = self.ask(|consumer| consumer.committed(&[partition], QUESTION_TIMEOUT))?
                else {
                    return Ok(());
                };
                let committed = stored.first().and_then(|stored| stored.offset).unwrap_or(start);
                ("the log was cut, as by an unclean leader election", to.min(committed.max(bounds.0)))
            }
        };
        let topic = &self.config.topics.input;
        let expired = u64::try_from(to - from).unwrap_or(0);
        // Counted first: who reads the line may look there.
        self.metrics.offset_reset(expired);
        tracing::error!(topic, partition, from, to, expired, "the offset to read from is gone: {why}");
        // Nothing that was read before is committed any more.
        self.ends.board.release(partition);
        let moves_on = self.config.group.auto_offset_reset != OffsetReset::None;
        if !moves_on || end.is_some_and(|end| bounds.1 < end) {
            return Err(self.no_way_on(partition, from, to, why, moves_on));
        }
        let committed = match gone {
            Gone::Expired(_) => None,
            Gone::Cut(_) => self.settle_start(partition, to)?,
        };
        let epoch = self.ends.board.assign(partition, committed, to);
        self.positions.insert(partition, Position { epoch, start: to, next: to, end });
        self.send_client_to(&[partition]);
        self.metrics.settled_position(partition, to, -1);
        self.wake_sink();
        Ok(())
    }

    /// Stores a place that lies before the group's offset: nobody may begin at that any more, neither after a crash nor after a
    /// transaction that is rolled back, for the log has other records there. Answers with what is stored now; what is not, because the
    /// group shares out or the end was asked for, is committed with what is read next.
    fn settle_start(&self, partition: i32, to: i64) -> Result<Option<i64>, EngineError> {
        loop {
            match self.store(&[(partition, to, String::new())]) {
                Some(Code::OK) => return Ok(Some(to)),
                None => return Ok(None),
                // The group waits for us meanwhile.
                Some(code) if code.is_group_in_use() => return Ok(None),
                Some(code) if code.is_transient() => {
                    tracing::warn!(error = %code, partition, to, "where to go on could not be stored, trying again");
                    std::thread::park_timeout(POLL_PERIOD);
                }
                Some(code) => return Err(self.group_error(code, "where to go on could not be stored")),
            }
        }
    }

    /// Why the process ends where an offset is gone: it may not go on by itself, or has lost what it was to read up to.
    fn no_way_on(&self, partition: i32, from: i64, to: i64, why: &str, moves_on: bool) -> EngineError {
        let (topic, group) = (&self.config.topics.input, &self.config.group.id);
        let how = format!(
            "to go on, move the group's offset: gristmill offsets reset --to-offset {to} --partition {partition}"
        );
        let (code, message) = if moves_on {
            let message =
                "the log ends before where it ended at the start, so that --until-end cannot be reached";
            (ExitCode::Delivery, message)
        } else {
            (ExitCode::Config, "KAFKA_AUTO_OFFSET_RESET is none")
        };
        EngineError::new(
            Stage::Source,
            code,
            format!(
                "{topic}[{partition}]: offset {from} of group \"{group}\" is gone ({why}), the next to read is {to}, and {message}; {how}"
            ),
        )
    }

    /// Tells the client where we stand in every partition that stays ours. A rebalance interrupts them all, and the client goes on
    /// where it believes its reader is: after an end of partition that was read in a batch, this is one record too far
    /// (librdkafka 2.12.1), so that a record would be skipped, or an offset asked for that does not exist.
    pub(super) fn keep_places(&mut self, but_not: &[i32]) {
        let mut kept = self.positions.partitions();
        kept.retain(|partition| !but_not.contains(partition));
        self.send_client_to(&kept);
    }

    /// Has the client go on where we stand in these partitions; what it has fetched of them is dropped. Giving one up and taking it
    /// again could be taken for the answer to a rebalance that was not polled yet, so that is done only where the client does not read
    /// the partition at present. Where neither is possible now, nothing is read until it is: see [`is_in_place`](Self::is_in_place).
    pub(super) fn send_client_to(&mut self, partitions: &[i32]) {
        let places: Vec<(i32, i64)> =
            self.positions.places().filter(|(partition, _)| partitions.contains(partition)).collect();
        let left = self.consumer.seek(&places, QUESTION_TIMEOUT);
        for (partition, offset) in places {
            if left.contains(&(partition, offset))
                && let Err(error) = self.consumer.take_up_again(partition, offset)
            {
                let told = self.astray.entry(partition).or_default();
                *told += 1;
                if *told == 1 {
                    tracing::warn!(%error, partition, offset, "the client cannot go on there yet");
                }
                continue;
            }
            self.astray.remove(&partition);
        }
    }

    /// Whether the client reads where we stand, in every partition. Where it does not, records from further on may still come, and
    /// would be taken for the next ones; so it is told again, and before it has taken it nothing may be read.
    pub(super) fn is_in_place(&mut self) -> Result<bool, EngineError> {
        self.astray.retain(|partition, _| self.positions.get(*partition).is_some());
        if self.astray.is_empty() {
            return Ok(true);
        }
        let partitions: Vec<i32> = self.astray.keys().copied().collect();
        self.send_client_to(&partitions);
        let Some((partition, _)) = self.astray.iter().find(|(_, told)| **told >= TOLD_MAX) else {
            self.welcome_all();
            std::thread::park_timeout(POLL_PERIOD);
            return Ok(self.astray.is_empty());
        };
        Err(EngineError::new(
            Stage::Source,
            ExitCode::Delivery,
            format!(
                "{}[{partition}]: the client cannot go on where the reading stands; a restart goes on at the group's offset",
                self.config.topics.input
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_told_from_a_place_that_was_lost() {
        let of = |from, bounds| Gone::of(from, 0, bounds, None);
        assert_eq!(of(50, (10, 90)), None);
        assert_eq!(of(90, (10, 90)), None, "the end is a place to wait at");
        assert_eq!(of(5, (10, 90)), Some(Gone::Expired(10)));
        assert_eq!(of(91, (0, 90)), Some(Gone::Expired(0)), "made anew");
    }

    #[test]
    fn a_log_that_was_cut_is_read_from_the_cut() {
        let of = |start, bounds, at| Gone::of(50, start, bounds, Some(Cut { from: 50, at }));
        assert_eq!(of(0, (10, 90), Some(40)), Some(Gone::Cut(40)), "written on after the cut");
        assert_eq!(of(0, (10, 40), Some(40)), Some(Gone::Cut(40)));
        assert_eq!(of(0, (45, 90), Some(40)), Some(Gone::Cut(45)));
        assert_eq!(of(0, (10, 90), Some(50)), None, "cut where nothing was read");
        assert_eq!(of(0, (60, 90), Some(55)), Some(Gone::Expired(60)));
        assert_eq!(of(0, (10, 90), None), Some(Gone::Expired(10)), "nothing is left of what was read");
        assert_eq!(of(51, (10, 90), Some(40)), None, "told of an earlier assignment");
    }
}
