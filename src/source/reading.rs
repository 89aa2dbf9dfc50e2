//! A batch: read, moved over, sealed, sent on its way.

use super::lifecycle::{POLL_PERIOD, Source};
use crate::batch::Batch;
use crate::config::limits::RECORD_OVERHEAD_BYTES;
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
        let Reading { notices, ran_dry } =
            self.consumer.read(&mut batch.records, room, self.config.pipeline.batch_linger);
        if let Some(limit) = &self.rate_limit {
            limit.give_back(room.records - batch.records.len());
        }
        if ran_dry {
            self.watchdog.ran_dry();
        }
        // No span is sealed across an error: what came after it is given back and read again.
        let failure = notices.iter().find_map(|(row, notice)| Some((*row, self.failure(notice)?)));
        if let Some((row, _)) = &failure {
            batch.records.truncate(*row);
        }
        let is_idle = batch.records.is_empty() && notices.is_empty();
        self.seal(batch, &notices);
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

    fn seal(&mut self, mut batch: Box<Batch>, notices: &[(usize, Notice)]) {
        let mut tally = self.positions.advance(&mut batch.records, RECORD_OVERHEAD_BYTES);
        for (_, notice) in notices {
            self.positions.reach(notice, &mut tally.spans);
        }
        if tally.spans.is_empty() {
            assert!(batch.records.is_empty(), "every record lies in a span");
            self.at_home.push(batch);
            return;
        }
        if !self.write_down(&mut batch, &tally.spans) {
            return self.give_back(batch, &tally.spans);
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
    }

    /// As if the batch had not been read.
    fn give_back(&mut self, mut batch: Box<Batch>, spans: &[Span]) {
        batch.records.clear();
        self.at_home.push(batch);
        let places: Vec<(i32, i64)> = spans.iter().map(|span| (span.partition, span.first)).collect();
        self.positions.go_back(&places);
        self.go_on_at(&places);
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
