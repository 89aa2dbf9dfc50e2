//! Where the reading goes on after an interruption: the client is sent to where we stand, or we go where there is something to read.

use super::lifecycle::{POLL_PERIOD, QUESTION_TIMEOUT, Source};
use super::positions::Position;
use crate::config::OffsetReset;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::truncated_at;
use std::time::{Duration, Instant};

/// Partitions that the client may read from elsewhere than where we stand, for it has not taken the order to go there.
#[derive(Debug, Default)]
pub(super) struct Astray {
    partitions: Vec<i32>,
    since: Option<Instant>,
}

/// For so long the client is told again; what hinders it, a rebalance that was not polled yet, is over long before.
const ASTRAY_MAX: Duration = Duration::from_secs(20);

/// The offset to read from is not there: why, and where there is something to read.
#[derive(Debug, PartialEq, Eq)]
enum Gone {
    /// Records expired, or the topic was made anew: the oldest offset there is.
    Expired(i64),
    /// The log was cut below where we stand, and may have been written on: the offset from which on it is new.
    Truncated(i64),
}

impl Gone {
    /// Whether the offset `from` is gone from a log that begins at `low` and ends at `high`. The client tells where the log was cut, if
    /// that is what it met: the broker has offsets there again by now, but not those records.
    fn of(from: i64, (low, high): (i64, i64), cut_at: Option<i64>) -> Option<Gone> {
        match cut_at {
            Some(at) if at < from => Some(Gone::Truncated(at.max(low))),
            _ if (low..=high).contains(&from) => None,
            _ => Some(Gone::Expired(low)),
        }
    }

    fn to(&self) -> i64 {
        let (Gone::Expired(to) | Gone::Truncated(to)) = self;
        *to
    }
}

impl Source {
    /// The client says that the offset it was to read is not there. If the broker says so too, records expired, the topic was made
    /// anew, or its log was truncated: loss made elsewhere, it is said loudly, and the reading goes on at the oldest record that was
    /// not read. If the broker has the offset where we stand, only the client had lost its place.
    pub(super) fn restart(&mut self, partition: i32, reason: &str) -> Result<(), EngineError> {
        let Some(&Position { next: from, end, .. }) = self.positions.get(partition) else { return Ok(()) };
        let Some(bounds) = self.ask(|consumer| consumer.bounds(partition, QUESTION_TIMEOUT))? else {
            return Ok(());
        };
        let Some(gone) = Gone::of(from, bounds, truncated_at(reason)) else {
            tracing::warn!(partition, from, "the client lost its place, reading goes on where it was");
            self.send_client_to(&[partition]);
            return Ok(());
        };
        let (topic, to) = (&self.config.topics.input, gone.to());
        let expired = u64::try_from(to - from).unwrap_or(0);
        let why = match gone {
            Gone::Expired(_) => "records expired or the topic was made anew",
            Gone::Truncated(_) => "the log was truncated, as by an unclean leader election",
        };
        tracing::error!(topic, partition, from, to, expired, "the offset to read from is gone: {why}");
        self.metrics.offset_reset(expired);
        if self.config.group.auto_offset_reset == OffsetReset::None {
            return Err(EngineError::new(
                Stage::Source,
                ExitCode::Config,
                format!(
                    "{topic}[{partition}]: offset {from} is gone ({why}), the next to read is {to}, and KAFKA_AUTO_OFFSET_RESET is none: \
                     set it to earliest to go on from {to}, or move the group's offset yourself"
                ),
            ));
        }
        self.ends.board.release(partition);
        let epoch = self.ends.board.assign(partition, None, to);
        self.positions.insert(partition, Position { epoch, start: to, next: to, end });
        self.send_client_to(&[partition]);
        self.metrics.settled_position(partition, to, -1);
        self.wake_sink();
        Ok(())
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
        for (partition, offset) in left {
            if let Err(error) = self.consumer.take_up_again(partition, offset) {
                tracing::warn!(%error, partition, offset, "the client cannot go on there yet");
                self.astray.partitions.retain(|known| *known != partition);
                self.astray.partitions.push(partition);
                self.astray.since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Whether the client reads where we stand, in every partition. Where it does not, records from further on may still come, and
    /// would be taken for the next ones; so it is told again, and before it has taken it nothing may be read.
    pub(super) fn is_in_place(&mut self) -> Result<bool, EngineError> {
        let Some(since) = self.astray.since else { return Ok(true) };
        let astray = std::mem::take(&mut self.astray.partitions);
        self.send_client_to(&astray);
        let Some(&partition) = self.astray.partitions.first() else {
            self.astray.since = None;
            return Ok(true);
        };
        if since.elapsed() < ASTRAY_MAX {
            self.welcome_all();
            std::thread::park_timeout(POLL_PERIOD);
            return Ok(false);
        }
        let offset = self.positions.get(partition).map_or(0, |position| position.next);
        Err(EngineError::new(
            Stage::Source,
            ExitCode::Delivery,
            format!(
                "{}[{partition}]: the client cannot go on at offset {offset}; a restart goes on at the group's offset",
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
        assert_eq!(Gone::of(50, (10, 90), None), None);
        assert_eq!(Gone::of(90, (10, 90), None), None, "the end is a place to wait at");
        assert_eq!(Gone::of(5, (10, 90), None), Some(Gone::Expired(10)));
        assert_eq!(Gone::of(91, (0, 90), None), Some(Gone::Expired(0)), "made anew");
        assert_eq!(Gone::of(50, (10, 90), Some(40)), Some(Gone::Truncated(40)), "written on after the cut");
        assert_eq!(Gone::of(50, (10, 40), Some(40)), Some(Gone::Truncated(40)));
        assert_eq!(Gone::of(50, (45, 90), Some(40)), Some(Gone::Truncated(45)));
        assert_eq!(Gone::of(50, (10, 90), Some(50)), None, "cut where nothing was read");
        assert_eq!(Gone::of(50, (60, 90), Some(55)), Some(Gone::Expired(60)));
    }
}
