//! A storm of rebalances: two to five members, of which one comes or goes at any time.

use crate::episode::Episode;
use crate::mill::Mill;
use std::time::{Duration, Instant};

/// Members that come or go in an episode.
const CHANGES: u32 = 20;

/// Events a second, of each member.
const RATE: u32 = 300;

/// What all members together cannot work off within a change.
const LAG: u32 = 12_000;

/// How many there may be.
const MEMBERS: std::ops::RangeInclusive<usize> = 2..=5;

/// Between changes that do not wait for each other, at most.
const PAUSE_MS: u64 = 1_000;

const KILL: &str = "a member is killed";

/// Who is there, each in a place that gives it its name.
#[derive(Default)]
struct Crowd([Option<Mill>; 5]);

/// Changes, in part without waiting until the one before is over.
pub(crate) fn run(episode: &mut Episode<'_>) {
    let mut crowd = Crowd::default();
    episode.keep_lag(LAG);
    while crowd.places(true).len() < *MEMBERS.start() {
        crowd.join(episode);
    }
    episode.wait_for_flow(|| crowd.told());
    for _ in 0..CHANGES {
        episode.keep_lag(LAG);
        let window = episode.open();
        let changed = Instant::now();
        let fault = crowd.change(episode);
        // A member that was killed is replaced when its session ends; who waits sees it happen.
        let recovery = if fault == KILL || episode.random.chance(0.5) {
            episode.wait_for_flow(|| crowd.told());
            Some(changed.elapsed())
        } else {
            std::thread::sleep(Duration::from_millis(episode.random.below(PAUSE_MS)));
            None
        };
        episode.close(window, fault, recovery);
    }
    for mill in crowd.0.iter().flatten() {
        mill.stop();
    }
}

impl Crowd {
    /// The places that are taken, or those that are free.
    fn places(&self, taken: bool) -> Vec<usize> {
        (0..self.0.len()).filter(|at| self.0[*at].is_some() == taken).collect()
    }

    /// One comes or goes; says what it was.
    fn change(&mut self, episode: &mut Episode<'_>) -> &'static str {
        let count = self.places(true).len();
        if count == *MEMBERS.start() || (count < *MEMBERS.end() && episode.random.chance(0.5)) {
            self.join(episode);
            return "a member joins";
        }
        let at = episode.random.pick(&self.places(true));
        let Some(mill) = self.0[at].take() else { unreachable!("the place is taken") };
        if episode.random.chance(0.25) {
            mill.child().kill();
            mill.assert_no_panic();
            return KILL;
        }
        mill.stop();
        "a member leaves"
    }

    fn join(&mut self, episode: &mut Episode<'_>) {
        let at = episode.random.pick(&self.places(false));
        self.0[at] = Some(episode.start_assigned(&format!("member-{at}"), RATE));
    }

    fn told(&self) -> String {
        self.0.iter().flatten().map(Mill::told).collect::<Vec<_>>().join("\n")
    }
}
