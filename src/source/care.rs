//! Reading with care, where a process may have died of a record: [`CrashLoop`](super::crash_loop::CrashLoop) says when and how, here is
//! what a source does about it.

use super::crash_loop::Mark;
use super::lifecycle::{POLL_PERIOD, Source};
use crate::batch::Batch;
use crate::kafka::Code;
use crate::progress::Span;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Shared by the sources of a process: who reads with care does so with nothing else under way, for a death must speak against nobody
/// else's records.
#[derive(Debug, Default)]
pub struct Solitude {
    /// The source that is alone, and one more; 0: none.
    holder: AtomicUsize,
}

/// How often a source looks whether it is its turn.
const OTHERS_PERIOD: Duration = Duration::from_millis(2);

/// How long a last word may take to write down, at an orderly end.
const LAST_WORD: Duration = Duration::from_secs(1);

impl Solitude {
    fn take(&self, source: usize) -> bool {
        let taken = self.holder.compare_exchange(0, source + 1, Ordering::Relaxed, Ordering::Relaxed);
        taken.is_ok() || taken == Err(source + 1)
    }

    /// Whoever has nothing more to read does not keep others waiting.
    pub(super) fn leave(&self, source: usize) {
        // Nobody but the holder ends it. A look costs nothing where nobody is alone, which is each turn.
        if self.holder.load(Ordering::Relaxed) == source + 1 {
            self.holder.store(0, Ordering::Relaxed);
        }
    }

    fn is_taken(&self) -> bool {
        self.holder.load(Ordering::Relaxed) != 0
    }
}

impl Source {
    /// Takes note of where a partition begins, and of what was written down there.
    pub(super) fn look_for_crashes(&mut self, partition: i32, start: i64, metadata: &str) {
        let limits = &self.config.limits;
        let reach = i64::try_from(limits.batches_per_source * limits.batch_records_max).unwrap_or(i64::MAX);
        let Some(mark) = self.crash_loop.take_up(partition, start, metadata, reach) else { return };
        let what = match mark {
            Mark::Starts(_) => {
                "process after process ended without getting on from here: reading one batch at a time"
            }
            Mark::Batch(_) => {
                "a process ended with nothing but one batch under way: its records go one by one"
            }
            Mark::Alone { .. } => "a process ended with nothing but one record under way",
        };
        tracing::warn!(topic = self.config.topics.input, partition, offset = start, mark = %mark, "{what}");
    }

    /// How many records may be read now; `None`: none yet, others have to come home before.
    pub(super) fn pace(&mut self) -> Option<usize> {
        let suspect = self.crash_loop.suspect();
        self.look_only_at(suspect.map(|(partition, _)| partition));
        let Some((partition, most)) = suspect else {
            self.ends.solitude.leave(self.number);
            if self.ends.solitude.is_taken() {
                return self.wait_for_others();
            }
            return Some(self.config.limits.batch_records_max);
        };
        let is_alone = self.ends.solitude.take(self.number)
            && self.drain(&self.positions.partitions(), Instant::now() + POLL_PERIOD)
            && self.metrics.accounting().batches_in_flight() == 0;
        if !is_alone {
            return self.wait_for_others();
        }
        if most == 0 {
            self.crash_loop.end(partition);
            let offset = self.positions.get(partition).map(|position| position.next);
            tracing::info!(partition, offset, "read with care up to here, going on as always");
            return None;
        }
        Some(most)
    }

    fn wait_for_others(&mut self) -> Option<usize> {
        self.welcome_all();
        std::thread::park_timeout(OTHERS_PERIOD);
        None
    }

    /// Pauses all partitions but this one, or none.
    fn look_only_at(&mut self, suspect: Option<i32>) {
        if suspect.is_none() && self.paused.is_empty() {
            return;
        }
        let partitions = self.positions.partitions();
        let wanted: Vec<i32> =
            partitions.iter().copied().filter(|one| suspect.is_some_and(|it| it != *one)).collect();
        if wanted == self.paused {
            return;
        }
        let fresh: Vec<i32> = wanted.iter().copied().filter(|one| !self.paused.contains(one)).collect();
        let over: Vec<i32> = partitions
            .iter()
            .copied()
            .filter(|one| self.paused.contains(one) && !wanted.contains(one))
            .collect();
        let done = self.consumer.pause(&fresh).and_then(|()| self.consumer.resume(&over));
        if let Err(error) = done {
            tracing::warn!(%error, "partitions could not be paused or resumed");
        }
        self.send_client_to(&over);
        self.paused = wanted;
    }

    /// Partitions are given up: the client would keep a pause for the day when they are ours again.
    pub(super) fn end_pauses(&mut self, partitions: &[i32]) {
        let (over, left) = self.paused.iter().partition(|one| partitions.contains(one));
        self.paused = left;
        if let Err(error) = self.consumer.resume(&over) {
            tracing::warn!(%error, partitions = ?over, "partitions that are given up stay paused");
        }
    }

    /// Writes down what is about to be worked on. `false`: it could not be, and has to be read again.
    pub(super) fn write_down(&mut self, batch: &mut Batch, spans: &[Span]) -> bool {
        if batch.records.is_empty() {
            return true;
        }
        if let Some((suspect, _)) = self.crash_loop.suspect()
            && (0..batch.records.len()).any(|row| batch.records.partition(row) == suspect)
            && let Some(span) = spans.iter().find(|span| span.partition == suspect)
        {
            return self.write_down_suspect(batch, span);
        }
        self.write_down_starts(spans)
    }

    fn write_down_starts(&mut self, spans: &[Span]) -> bool {
        let mut offsets = Vec::new();
        for &Span { partition, .. } in spans {
            let Some((start, mark)) = self.crash_loop.first_mark(partition) else { continue };
            self.crash_loop.marked(partition, start);
            // An offset must not be put back.
            if self.ends.board.is_untouched(partition, start) {
                offsets.push((partition, start, mark.to_string()));
            }
        }
        if offsets.is_empty() {
            return true;
        }
        let code = self.store(&offsets);
        if let Some(code) = code.filter(|code| *code != Code::OK) {
            // One life more that nobody counts.
            tracing::debug!(error = %code, "the start could not be written down");
        }
        code.is_some()
    }

    /// Stores offsets with their metadata; `None`: the end was asked for before the group answered. Until it does nothing of these
    /// partitions may be worked on, for the client might send this after what they have committed then.
    pub(super) fn store(&self, offsets: &[(i32, i64, String)]) -> Option<Code> {
        let reply = match self.consumer.commit_with_metadata(offsets) {
            Ok(reply) => reply,
            Err(code) => return Some(code),
        };
        while !self.shutdown.is_requested() {
            self.health.tick(self.health.source_loop(self.number));
            if let Some(code) = reply.wait(POLL_PERIOD) {
                return Some(code);
            }
        }
        None
    }

    fn write_down_suspect(&mut self, batch: &mut Batch, span: &Span) -> bool {
        let Some(mark) = self.crash_loop.mark(span.partition, span.first, batch.records.len()) else {
            return true;
        };
        let written = [(span.partition, span.first, mark.to_string())];
        match self.store(&written) {
            None => return false,
            Some(Code::OK) => self.crash_loop.marked(span.partition, span.first),
            Some(code) if code.is_transient() => {
                tracing::warn!(error = %code, "what is to be read with care could not be written down, trying again");
                return false;
            }
            // Commits of progress will meet the same, and say what to do.
            Some(code) => {
                tracing::warn!(error = %code, "what is to be read with care could not be written down")
            }
        }
        let topic = &self.config.topics.input;
        let (partition, offset) = (span.partition, span.first);
        if self.crash_loop.is_condemned(partition, offset) {
            batch.is_condemned = true;
            tracing::error!(
                topic,
                partition,
                offset,
                mark = %mark,
                "the process ended each time it worked on this record alone: it goes to the dead letter topic (internal), unseen; \
                 please report what it holds"
            );
        }
        self.crash_loop.went(partition, span.next, batch.records.len());
        true
    }

    /// An orderly end: what was written down here without getting on afterwards says nothing against a record. (Partitions that are
    /// only given up keep it: whoever has them next may be committing already when this arrives.)
    pub(super) fn take_back(&mut self, partitions: &[i32]) {
        let stands = |partition: i32, offset: i64| self.ends.board.stands_at(partition, offset);
        let offsets: Vec<(i32, i64, String)> = partitions
            .iter()
            .filter_map(|&partition| Some((partition, self.crash_loop.found(partition)?)))
            .filter(|(partition, (offset, _))| stands(*partition, *offset))
            .map(|(partition, (offset, mark))| {
                (partition, offset, mark.map(|mark| mark.to_string()).unwrap_or_default())
            })
            .collect();
        if offsets.is_empty() {
            return;
        }
        let answer = self.consumer.commit_with_metadata(&offsets).map(|reply| reply.wait(LAST_WORD));
        if answer != Ok(Some(Code::OK)) {
            tracing::debug!(?answer, "what was written down could not be taken back");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_is_alone_until_it_leaves() {
        let solitude = Solitude::default();
        assert!(!solitude.is_taken());
        assert!(solitude.take(1) && solitude.take(1) && !solitude.take(0) && solitude.is_taken());
        solitude.leave(0);
        assert!(solitude.is_taken(), "it was not 0 that was alone");
        solitude.leave(1);
        assert!(!solitude.is_taken() && solitude.take(0));
    }
}
