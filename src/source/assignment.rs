//! Assignments: partitions come, are asked back, or are lost.

use super::lifecycle::{QUESTION_TIMEOUT, Source};
use super::positions::Position;
use crate::config::OffsetReset;
use crate::error::{EngineError, ExitCode, Stage};
use crate::faults::{self, Point};
use crate::kafka::{ClientError, GroupConsumer, Notice, Stored, start_of};
use crate::telemetry::metrics::Rebalance;
use std::time::{Duration, Instant};

/// Between two questions where the answer comes at once and is of no use.
const QUESTION_PERIOD: Duration = Duration::from_secs(1);

/// What the group has stored of a partition, and where the reading starts.
type Start = (Stored, i64);

impl Source {
    pub(super) fn on_assign(&mut self, partitions: &[i32]) -> Result<(), EngineError> {
        self.metrics.rebalance(Rebalance::Assign);
        self.is_rejoining = false;
        let Some(starts) = self.starts(partitions)? else { return self.decline() };
        self.watchdog.joined();
        for (stored, start) in &starts {
            self.look_for_crashes(stored.partition, *start, &stored.metadata);
        }
        self.take_up(&starts);
        self.keep_places(partitions);
        self.announce(true);
        tracing::info!(source = self.number, partitions = ?partitions, owned = self.positions.partitions().len(), "partitions assigned");
        Ok(())
    }

    /// What the group has stored of each partition, and its start; `None` if the end was asked for meanwhile.
    fn starts(&mut self, partitions: &[i32]) -> Result<Option<Vec<Start>>, EngineError> {
        let stored = match partitions {
            // There are more members than partitions, and we wait for our turn.
            [] => Some(Vec::new()),
            _ => self.ask(|consumer| consumer.committed(partitions, QUESTION_TIMEOUT))?,
        };
        let Some(stored) = stored else { return Ok(None) };
        let mut starts = Vec::with_capacity(stored.len());
        for stored in stored {
            let start = match stored.offset {
                Some(offset) => Some(offset),
                None => match self.positions.get(stored.partition) {
                    // Decided before, and read from there, but rolled back: `latest` is further on now.
                    Some(position) => Some(position.start),
                    None => self.start_without_commit(stored.partition)?,
                },
            };
            let Some(start) = start else { return Ok(None) };
            starts.push((stored, start));
        }
        Ok(Some(starts))
    }

    /// The transaction that was open was rolled back: goes back to the group's offsets in every partition that is ours.
    pub(super) fn start_again(&mut self) -> Result<(), EngineError> {
        let partitions = self.positions.partitions();
        let Some(starts) = self.starts(&partitions)? else { return Ok(()) };
        self.enter(&starts);
        self.send_client_to(&partitions);
        tracing::info!(source = self.number, ?partitions, "reading again from the group's offsets");
        Ok(())
    }

    /// Takes partitions up: each with the group's offset and its start. Only what the client has taken goes onto the board, for a
    /// start that is new is committed from there.
    fn take_up(&mut self, starts: &[Start]) {
        let places: Vec<(i32, i64)> =
            starts.iter().map(|(stored, start)| (stored.partition, *start)).collect();
        if let Err(error) = self.consumer.assign(&places) {
            // The group has moved on meanwhile; it will tell us what is ours.
            tracing::warn!(%error, "assignment came too late");
            return;
        }
        self.enter(starts);
    }

    fn enter(&mut self, starts: &[Start]) {
        for &(Stored { partition, offset, .. }, start) in starts {
            let epoch = self.ends.board.assign(partition, offset, start);
            let end = self.until_end.as_ref().map(|until_end| until_end.end(partition));
            self.positions.insert(partition, Position { epoch, start, next: start, end });
        }
        self.metrics.assigned(self.number, &self.positions.partitions());
        starts.iter().for_each(|(stored, start)| self.metrics.settled_position(stored.partition, *start, -1));
        self.wake_sink();
    }

    pub(super) fn on_revoke(&mut self, partitions: &[i32], lost: bool) {
        self.metrics.rebalance(if lost { Rebalance::Lost } else { Rebalance::Revoke });
        self.is_rejoining |= lost;
        // Lost partitions may be read by others already: nothing of theirs is committed any more. What is under way is
        // delivered again by the new owner: a duplicate, never a loss.
        let drained = !lost && self.drain(partitions, Instant::now() + self.config.pipeline.drain_timeout);
        faults::pass(Point::InRevoke);
        if lost {
            let places = self.positions.open_places().filter(|(partition, _)| partitions.contains(partition));
            places.for_each(|(partition, next)| self.watchdog.lost(partition, next));
        }
        for &partition in partitions {
            self.ends.board.release(partition);
            self.positions.remove(partition);
            self.crash_loop.give_up(partition);
            self.turns.give_up(partition);
        }
        self.end_pauses(partitions);
        if let Err(error) = self.consumer.unassign(partitions) {
            tracing::warn!(%error, "partitions could not be given back");
        }
        self.keep_places(&[]);
        self.announce(!lost);
        self.metrics.assigned(self.number, &self.positions.partitions());
        tracing::info!(source = self.number, partitions = ?partitions, lost, drained, owned = self.positions.partitions().len(), "partitions revoked");
    }

    fn announce(&mut self, is_member: bool) {
        self.join_overdue_at = None;
        self.health.group_joined(self.number, is_member);
    }

    /// The end was asked for before the cluster said where to start: takes nothing up, which is an answer to the group.
    fn decline(&self) -> Result<(), EngineError> {
        if let Err(error) = self.consumer.assign(&[]) {
            tracing::debug!(%error, "an assignment was declined too late");
        }
        Ok(())
    }

    /// Where a partition starts that the group has no offset for; `None` if the end was asked for meanwhile.
    fn start_without_commit(&mut self, partition: i32) -> Result<Option<i64>, EngineError> {
        let Some(bounds) = self.ask(|consumer| consumer.bounds(partition, QUESTION_TIMEOUT))? else {
            return Ok(None);
        };
        let reset = match self.config.group.auto_offset_reset {
            // All that it has came while the group was reading.
            OffsetReset::Latest if self.ends.input_ends.is_added(partition) => OffsetReset::Earliest,
            reset => reset,
        };
        start_of(reset, bounds).map(Some).ok_or_else(|| {
            EngineError::new(
                Stage::Source,
                ExitCode::Config,
                format!(
                    "group \"{}\" has no committed offset for {}[{partition}], and KAFKA_AUTO_OFFSET_RESET is none: \
                     set it to earliest or latest, or commit an offset for the group",
                    self.config.group.id, self.config.topics.input
                ),
            )
        })
    }

    /// Asks the cluster until it answers: an outage is waited for. What a broker refuses is an error. `None`: the end was asked
    /// for meanwhile.
    pub(super) fn ask<T>(
        &mut self,
        question: impl Fn(&GroupConsumer) -> Result<T, ClientError>,
    ) -> Result<Option<T>, EngineError> {
        let since = Instant::now();
        loop {
            let asked = Instant::now();
            let answer = question(&self.consumer);
            self.health.tick(self.health.source_loop(self.number));
            let error = match answer {
                Ok(answer) => {
                    self.health.unanswered(self.number, None);
                    return Ok(Some(answer));
                }
                Err(error) => error,
            };
            if !error.code.is_transient() {
                return Err(self.group_error(error.code, &error.text));
            }
            if self.shutdown.is_requested() {
                return Ok(None);
            }
            self.health.unanswered(self.number, Some(since));
            self.watch()?;
            tracing::warn!(%error, group = self.config.group.id, "the cluster does not answer, asking again");
            std::thread::park_timeout(QUESTION_PERIOD.saturating_sub(asked.elapsed()));
        }
    }

    pub(super) fn on_notice(&mut self, notice: &Notice) -> Result<(), EngineError> {
        match notice {
            Notice::EndOfPartition { partition, .. } => {
                self.crash_loop.at_end(*partition);
                Ok(())
            }
            Notice::Error { code, partition, text, .. } if code.is_offset_gone() => {
                self.restart(*partition, text)
            }
            Notice::Error { code, partition, text, .. } => {
                tracing::debug!(error = %code, partition, text, "reading was interrupted");
                Ok(())
            }
        }
    }
}
