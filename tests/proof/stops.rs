//! SIGTERM under load: the process says that everything it read is committed, and nothing comes twice.

use crate::episode::Episode;
use crate::kind::Delivery;
use crate::scene::GRISTMILL;

/// Stops of an episode.
const STOPS: u32 = 10;

/// Events a second.
const RATE: u32 = 4_000;

/// A process that has begun to deliver is stopped after at most so long.
const LIFE_MS: u64 = 1_000;

/// One life and its end after the other.
pub(crate) fn run(episode: &mut Episode<'_>) {
    episode.sources = if episode.random.chance(0.3) { 2 } else { 1 };
    // A second source that joins rolls back what the first one has begun: that is read again, and no loss.
    let rolls_back = episode.sources == 2 && episode.delivery == Delivery::ExactlyOnce;
    for _ in 0..STOPS {
        episode.keep_lag(6 * RATE);
        let engine =
            episode.member(GRISTMILL, &["run"], "mill").env("GRISTMILL_RATE_LIMIT", RATE.to_string());
        let (window, mill, recovery) = episode.live(engine, LIFE_MS);
        let found = mill.stop();
        assert!(found.not_committed == 0 || rolls_back, "{}", mill.told());
        episode.close(window, "SIGTERM", Some(recovery));
    }
}
