//! Reads what comes out and takes its time.

use super::Course;
use crate::error::{Error, Result};
use crate::events::number_in;
use crate::histogram::Times;
use crate::reader::Tail;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Follows topics from where they ended when it was opened.
pub(super) struct Watcher {
    tail: Tail,
    times: Times,
}

impl Watcher {
    pub(super) fn open(bootstrap: &str, topics: &[&str], properties: &[(String, String)]) -> Result<Watcher> {
        Ok(Watcher { tail: Tail::open(bootstrap, topics, properties)?, times: Times::new()? })
    }

    /// Until the course is over; gives the times of the events that count.
    pub(super) fn watch(mut self, course: &Course) -> Result<Times> {
        let mut numbers = Vec::new();
        while !course.over.load(Ordering::Relaxed) {
            numbers.clear();
            let mut unnumbered = 0_u64;
            let read = self.tail.read(Duration::from_millis(100), |record| {
                match record.value().and_then(number_in) {
                    Some(number) => numbers.push(number),
                    None => unnumbered += 1,
                }
            })?;
            let now = Instant::now();
            if unnumbered > 0 {
                return Err(Error(format!("{unnumbered} records without a number came out")));
            }
            if let Some(schedule) = course.schedule.get() {
                for number in numbers.iter().filter(|number| **number >= schedule.counted) {
                    self.times.record(now.saturating_duration_since(schedule.intended(*number)));
                }
            }
            course.seen.fetch_add(read as u64, Ordering::Relaxed);
        }
        Ok(self.times)
    }
}
