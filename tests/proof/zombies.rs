//! A member stands still (SIGSTOP) for longer than its session; another takes over, and then the first goes on (SIGCONT) as if nothing
//! had happened.

use crate::episode::{Episode, PATIENCE};
use perf::child::{SIGCONT, SIGSTOP};
use perf::topics::wait_until;
use std::time::{Duration, Instant};

/// Zombies of an episode.
const ZOMBIES: u32 = 3;

/// Events a second, of each member.
const RATE: u32 = 500;

/// What the heir has written when the zombie wakes up: more than the zombie can have had in hand.
const AHEAD: i64 = 1_000;

/// The zombie sleeps on for at most so long.
const SLEEP_MS: u64 = 1_000;

/// One zombie after the other: the heir of the one, or the one itself, is the next.
pub(crate) fn run(episode: &mut Episode<'_>) {
    episode.keep_lag(20 * RATE);
    let mut at_work = episode.start_assigned("member-0", RATE);
    episode.wait_for_flow(|| at_work.told());
    for number in 1..=ZOMBIES {
        episode.keep_lag(20 * RATE);
        let window = episode.open();
        // Not a wait for anything: the moment of the signal is what is random.
        std::thread::sleep(Duration::from_millis(episode.random.below(500)));
        let zombie = at_work;
        assert!(zombie.child().signal(SIGSTOP));
        let stopped = Instant::now();
        let heir = episode.start_assigned(&format!("member-{number}"), RATE);
        let before = episode.written().unwrap();
        let grows = |more: i64| {
            wait_until("the heir writes nothing", PATIENCE, || Ok(episode.written()? > before + more))
                .unwrap_or_else(|error| panic!("{error}\n{}", heir.told()));
        };
        grows(100);
        let recovery = stopped.elapsed();
        grows(AHEAD);
        std::thread::sleep(Duration::from_millis(episode.random.below(SLEEP_MS)));
        assert!(zombie.child().signal(SIGCONT));
        episode.wait_for_flow(|| format!("{}\n{}", zombie.told(), heir.told()));
        episode.close(window, "SIGSTOP past the session", Some(recovery));
        let leaver;
        (leaver, at_work) = if episode.random.chance(0.5) { (zombie, heir) } else { (heir, zombie) };
        leaver.stop();
    }
    at_work.stop();
}
