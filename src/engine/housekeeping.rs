//! The thread that asks the cluster now and then what the data path does not need to know: how many partitions there are, where they
//! end, for the lag and the watchdogs, and whether every one has an owner.

use super::Wired;
use super::orphans::Orphans;
use super::thread::spawn;
use crate::error::EngineError;
use crate::kafka::GroupConsumer;
use crate::progress::Board;
use crossbeam_channel::{RecvTimeoutError, Sender, TryRecvError, bounded};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The thread, and what ends it.
pub(super) struct Housekeeping {
    thread: JoinHandle<()>,
    stop: Sender<()>,
}

/// How often the ends are asked.
const ENDS_PERIOD: Duration = Duration::from_secs(5);

/// How often it is looked whether there are partitions whose ends have not been asked yet.
const LOOK_PERIOD: Duration = Duration::from_millis(500);

/// How long one question to the cluster may take.
pub(super) const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);

impl Housekeeping {
    pub(super) fn start(
        wired: &Wired,
        consumers: Vec<Arc<GroupConsumer>>,
        boards: Vec<Arc<Board>>,
    ) -> Result<Self, EngineError> {
        let (stop, stopped) = bounded::<()>(0);
        let (metrics, health, ends) = (wired.metrics.clone(), wired.health.clone(), wired.input_ends.clone());
        let report_interval = wired.config.pipeline.report_interval;
        let heartbeat = health.loop_named("housekeeping");
        let mut orphans = Orphans::new(wired.config.kafka.session_timeout, Instant::now());
        let thread = spawn("housekeeping", &wired.shutdown, move || {
            let (mut reported, mut asked_at) = (Instant::now(), Instant::now());
            let (mut asked, mut partitions) = (Vec::new(), 0);
            loop {
                let ours: Vec<i32> = boards.iter().flat_map(|board| board.partitions()).collect();
                if asked_at.elapsed() >= ENDS_PERIOD {
                    (asked_at, asked) = (Instant::now(), Vec::new());
                    health.tick(heartbeat);
                    // The topic may have been enlarged.
                    if let Ok(count @ 1..) = consumers[0].partitions(QUESTION_TIMEOUT) {
                        partitions = count;
                        metrics.input_partitions(count);
                    }
                }
                for &partition in ours.iter().filter(|partition| !asked.contains(*partition)) {
                    health.tick(heartbeat);
                    // A cluster that does not answer costs the end one question, not one a partition.
                    if stopped.try_recv() == Err(TryRecvError::Disconnected) {
                        break;
                    }
                    if let Ok((_, end)) = consumers[0].bounds(partition, QUESTION_TIMEOUT) {
                        metrics.end_offset(partition, end);
                        ends.tell(partition, end, Instant::now());
                    }
                }
                asked = ours;
                orphans.turn(&consumers, partitions, Instant::now());
                if reported.elapsed() >= report_interval {
                    metrics.interval_report().log();
                    reported = Instant::now();
                }
                health.tick(heartbeat);
                // Ends at once when the engine lets go of the other side.
                if stopped.recv_timeout(LOOK_PERIOD.min(report_interval)) != Err(RecvTimeoutError::Timeout) {
                    health.loop_ended(heartbeat);
                    return;
                }
            }
        })?;
        Ok(Self { thread, stop })
    }

    pub(super) fn stop(self) {
        drop(self.stop);
        // It reports nothing, so its end is all there is to know.
        drop(self.thread.join());
    }
}
