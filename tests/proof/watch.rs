//! Looks at an output, again and again: for how long nothing came.

use perf::topics::Topics;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A thread that looks until this is dropped.
pub(crate) struct Watch {
    seen: Arc<Mutex<Seen>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Seen {
    grew: Instant,
    longest: Duration,
}

impl Watch {
    /// Of what a reader of committed records finds in this topic.
    pub(crate) fn start(bootstrap: &str, topic: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen { grew: Instant::now(), longest: Duration::ZERO }));
        let is_over = Arc::new(AtomicBool::new(false));
        let (topics, topic) = (Topics::new(bootstrap).unwrap(), topic.to_owned());
        let (theirs, over) = (Arc::clone(&seen), Arc::clone(&is_over));
        let look = move || {
            let mut delivered = 0;
            while !over.load(Ordering::Relaxed) {
                // A broker that is down says nothing: that counts as time in which nothing came.
                let now = topics.ends(&topic).map_or(delivered, |ends| ends.iter().sum());
                if now > delivered {
                    delivered = now;
                    theirs.lock().unwrap().grown();
                }
                std::thread::sleep(PAUSE);
            }
        };
        let thread = std::thread::Builder::new().name("watch".into()).spawn(look).unwrap();
        Self { seen, is_over, thread: Some(thread) }
    }

    /// What was before does not matter.
    pub(crate) fn begin(&self) {
        *self.seen.lock().unwrap() = Seen { grew: Instant::now(), longest: Duration::ZERO };
    }

    /// The longest time without anything new since then; it may still last.
    pub(crate) fn longest(&self) -> Duration {
        let seen = self.seen.lock().unwrap();
        seen.longest.max(seen.grew.elapsed())
    }
}

impl Seen {
    fn grown(&mut self) {
        self.longest = self.longest.max(self.grew.elapsed());
        self.grew = Instant::now();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
