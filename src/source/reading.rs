//! A batch: read, moved over, sealed, sent on its way.

use super::lifecycle::{POLL_PERIOD, Source};
use crate::batch::Batch;
use crate::config::limits::HELD_OVERHEAD_BYTES;
use crate::error::{EngineError, ExitCode, Stage};
use crate::faults::{self, Point};
use crate::kafka::{Notice, Reading, Room};
use crate::progress::{CommitToken, Span};
use std::time::{Instant, SystemTime};

impl Source {
    /// Reads a batch of `most` records at most, and sends it on its way.
    pub(super) fn read(&mut self, mut batch: Box<Batch>, most: usize) -> Result<(), EngineError> {
        let mut room = self.room(most);
        if let Some(limit) = &self.rate_limit {
            match limit.take(room.records, Instant::now()) {
                Ok(granted) => room.records = granted,
                Err(wait) => {
                    self.at_home.push(batch);
                    std::thread::park_timeout(wait.min(POLL_PERIOD));
                    return Ok(());
                }
            }
        }
        let Reading { mut notices, ran_dry } =
            self.consumer.read(&mut batch.records, room, self.config.pipeline.batch_linger);
        if let Some(limit) = &self.rate_limit {
            limit.give_back(room.records - batch.records.len());
        }
        if ran_dry {
            self.watchdog.ran_dry();
        }
        let failure = cut_at_failure(&mut notices, |notice| self.failure(notice));
        if let Some((row, _)) = &failure {
            batch.records.truncate(*row);
        }
        let is_idle = batch.records.is_empty() && notices.is_empty();
        if !self.seal(batch, &notices) {
            // The ends that were met will be met again, after the records before them.
            notices.retain(|(_, notice)| !matches!(notice, Notice::EndOfPartition { .. }));
        }
        for (_, notice) in &notices {
            self.on_notice(notice)?;
        }
        if let Some((_, error)) = failure {
            return Err(error);
        }
        if is_idle {
            // Nothing there: sleep until the client says otherwise, instead of reading again and again.
            self.ends.readable.recv_timeout(POLL_PERIOD).ok();
        }
        Ok(())
    }

    /// Sends a batch on its way; `false`: what was read was given back instead, to be read again.
    fn seal(&mut self, mut batch: Box<Batch>, notices: &[(usize, Notice)]) -> bool {
        let mut tally = self.positions.advance(&mut batch.records, HELD_OVERHEAD_BYTES);
        for (_, notice) in notices {
            self.positions.reach(notice, &mut tally.spans);
        }
        if tally.spans.is_empty() {
            assert!(batch.records.is_empty(), "every record lies in a span");
            self.at_home.push(batch);
            return true;
        }
        if !self.write_down(&mut batch, &tally.spans) {
            self.give_back(batch, &tally.spans);
            return false;
        }
        faults::pass(Point::AfterRead);
        let records = batch.records.len();
        assert!(records <= self.config.limits.batch_records_max, "a batch holds what was asked for");
        if let Some(average) = tally.held_bytes.checked_div(records) {
            self.record_bytes = average.max(self.record_bytes - self.record_bytes / 8).max(1);
        }
        self.turns.read(&tally.spans, records, tally.payload_bytes);
        batch.times.read = Instant::now();
        batch.times.read_at = SystemTime::now();
        batch.held_bytes = tally.held_bytes;
        batch.payload_bytes = tally.payload_bytes;
        batch.seal(CommitToken::seal(self.sequence, tally.spans));
        self.sequence += 1;
        self.held[batch.slot] = tally.held_bytes;
        self.held_bytes += tally.held_bytes;
        self.metrics.batch_sealed(records as u64, tally.payload_bytes as u64);
        if let Err(refused) = self.ends.filled.try_send(batch) {
            // The channel has room for every batch there is, so it is the other side that is gone.
            refused.into_inner().take_token().abandon();
            self.shutdown.fail(EngineError::new(
                Stage::Source,
                ExitCode::Bug,
                "the transform stage has gone away",
            ));
        }
        true
    }

    /// As if the batch had not been read.
    fn give_back(&mut self, mut batch: Box<Batch>, spans: &[Span]) {
        batch.records.clear();
        self.at_home.push(batch);
        let places: Vec<(i32, i64)> = spans.iter().map(|span| (span.partition, span.first)).collect();
        self.positions.go_back(&places);
        self.send_client_to(&places.iter().map(|(partition, _)| *partition).collect::<Vec<_>>());
    }

    /// What the next batch has room for, `most` records at most.
    fn room(&self, most: usize) -> Room {
        let limits = &self.config.limits;
        let share = limits.held_bytes_max.saturating_sub(self.held_bytes);
        Room {
            records: limits.batch_records_max.min(most),
            bytes: share.min(limits.batch_bytes_max),
            record_bytes: self.record_bytes,
        }
    }
}

/// The first notice that ends the source, and the row before which it came. No span is sealed across it, so what came after it does not
/// count: neither the records nor the ends of partitions, for what lies between was not read.
fn cut_at_failure<E>(
    notices: &mut Vec<(usize, Notice)>,
    failure: impl Fn(&Notice) -> Option<E>,
) -> Option<(usize, E)> {
    let mut found = notices.iter().enumerate();
    let (at, row, error) = found.find_map(|(at, (row, notice))| Some((at, *row, failure(notice)?)))?;
    notices.truncate(at);
    Some((row, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Code;

    #[test]
    fn an_end_of_partition_behind_a_failure_does_not_count() {
        let end = |partition, offset| Notice::EndOfPartition { partition, offset };
        let error = |partition| Notice::Error { code: Code::OK, partition, offset: 7, text: String::new() };
        let mut notices =
            vec![(0, end(2, 9)), (5, error(0)), (8, error(1)), (9, end(0, 20)), (9, end(1, 30))];
        let failure = |notice: &Notice| match notice {
            Notice::Error { partition, .. } => (*partition == 1).then_some("damaged"),
            Notice::EndOfPartition { .. } => None,
        };
        assert_eq!(cut_at_failure(&mut notices, failure), Some((8, "damaged")));
        assert_eq!(notices, [(0, end(2, 9)), (5, error(0))], "what came before it stays");
        assert_eq!(cut_at_failure(&mut notices, failure), None);
        assert_eq!(notices.len(), 2);
    }
}
