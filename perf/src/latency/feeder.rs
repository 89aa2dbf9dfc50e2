//! Sends each event at its time, or as soon after it as it can.

use super::{Course, OpenLoop, Schedule};
use crate::error::{Error, Result};
use crate::events::Shape;
use crate::histogram::Times;
use crate::pool::Pool;
use crate::sender::Sender;
use crate::world::World;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// A producer of its own, with its events in memory.
pub(super) struct Feeder {
    sender: Sender,
    pool: Pool,
    open_loop: OpenLoop,
}

/// What was sent.
pub(super) struct Fed {
    pub(super) sent: u64,
    pub(super) late: Times,
}

const PROPERTIES: [(&str, &str); 4] = [
    ("enable.idempotence", "true"),
    ("linger.ms", "1"),
    ("batch.size", "1000000"),
    ("partitioner", "murmur2_random"),
];

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(1);

/// Between two looks at the clock while there is much to send.
const RUN: u32 = 64;

const JOIN_WITHIN: Duration = Duration::from_secs(90);

impl Feeder {
    pub(super) fn open(world: &World, topic: &str, open_loop: OpenLoop) -> Result<Feeder> {
        let given = open_loop.feeder.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let properties: Vec<_> = PROPERTIES.into_iter().chain(given).collect();
        let sender = Sender::new(&world.bootstrap, topic, &properties)?;
        let pool = Pool::new(&Shape { seed: world.seed, ..Shape::default() }, 65_536)?;
        Ok(Feeder { sender, pool, open_loop })
    }

    pub(super) fn feed(mut self, course: &Course) -> Result<Fed> {
        let first = self.wait_for_the_first(course)?;
        let schedule = Schedule::new(&self.open_loop, Instant::now() + 10 * TICK, first);
        course.schedule.set(schedule).map_err(|_| Error::new("the schedule is made once"))?;
        let late = self.keep_to(&schedule, course)?;
        self.sender.finish(Duration::from_secs(60))?;
        Ok(Fed { sent: u64::from(schedule.end), late })
    }

    /// Sends single events until all of them have come out, and none for a while after each; gives the next event's number.
    fn wait_for_the_first(&mut self, course: &Course) -> Result<u32> {
        const PAUSE: Duration = Duration::from_millis(100);
        let end = Instant::now() + JOIN_WITHIN;
        let seen = || course.seen.load(Ordering::Relaxed);
        let mut number = 0;
        loop {
            self.send(number)?;
            number += 1;
            let sent = Instant::now();
            // Reports come much sooner than the event itself.
            while sent.elapsed() < PAUSE && seen() < u64::from(number) {
                self.sender.serve(TICK)?;
            }
            // So that nothing is left to be caught up with.
            if seen() >= u64::from(number) {
                return Ok(number);
            }
            if course.over.load(Ordering::Relaxed) || Instant::now() > end {
                let seen = seen();
                return Err(Error(format!(
                    "{seen} of {number} single events came out within {JOIN_WITHIN:?}"
                )));
            }
        }
    }

    fn keep_to(&mut self, schedule: &Schedule, course: &Course) -> Result<Times> {
        let mut late = Times::new()?;
        let mut next = schedule.first;
        while next < schedule.end {
            let now = Instant::now();
            let due = schedule.due(now).min(next + RUN);
            if due == next {
                self.sender.serve(Duration::ZERO)?;
                if course.over.load(Ordering::Relaxed) {
                    return Err(Error::new("feeding ended early"));
                }
                // What is due by then is sent together.
                let tick = schedule.intended(next).max(now + TICK);
                std::thread::sleep(tick.saturating_duration_since(Instant::now()));
                continue;
            }
            for number in next..due {
                self.send(number)?;
                if number >= schedule.counted {
                    late.record(now.saturating_duration_since(schedule.intended(number)));
                }
            }
            next = due;
        }
        Ok(late)
    }

    fn send(&mut self, number: u32) -> Result<()> {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now_ms = since.map_err(Error::while_doing("the clock"))?.as_millis();
        let (key, value) = self.pool.event(number);
        self.sender.send_new(key, value, i64::try_from(now_ms).map_err(Error::while_doing("the clock"))?)
    }
}
