//! kill -9, at random times and at named points in the code.

use crate::engine_with_faults::engine_with_faults;
use crate::episode::{Episode, PATIENCE};
use crate::kind::Delivery;
use crate::mill::Mill;
use perf::child::Spawn;

const SIGKILL: i32 = 9;

/// Kills of an episode.
const KILLS: u32 = 10;

/// Events a second.
const RATE: u32 = 4_000;

/// A process that has begun to deliver lives for at most so long.
const LIFE_MS: u64 = 1_500;

/// Where a process may be told to die, and up to which time that it comes there: within a few seconds. `in-revoke` needs a second
/// member, and `before-end` is the end of a transaction.
const POINTS: [(&str, u64); 7] = [
    ("after-read", 200),
    ("after-produce", 200),
    ("before-reports", 200),
    ("after-reports", 200),
    ("before-commit", 10),
    ("after-commit", 10),
    ("before-end", 10),
];

/// One life and its end after the other.
pub(crate) fn run(episode: &mut Episode<'_>) {
    for _ in 0..KILLS {
        episode.keep_lag(8 * RATE);
        let engine = episode
            .member(engine_with_faults(), &["run"], "mill")
            .env("GRISTMILL_RATE_LIMIT", RATE.to_string());
        if episode.random.chance(0.5) {
            die_at_a_point(episode, engine);
        } else {
            kill(episode, engine);
        }
    }
}

fn kill(episode: &mut Episode<'_>, engine: Spawn) {
    let (window, mill, recovery) = episode.live(engine, LIFE_MS);
    mill.child().kill();
    mill.assert_no_panic();
    episode.close(window, "kill -9", Some(recovery));
}

/// It may die before anything is delivered.
fn die_at_a_point(episode: &mut Episode<'_>, engine: Spawn) {
    let points = if episode.delivery == Delivery::ExactlyOnce { &POINTS[..] } else { &POINTS[..6] };
    let (point, times) = episode.random.pick(points);
    let nth = 1 + episode.random.below(times);
    let window = episode.open();
    let mill = Mill::start(engine.env("FAULTS_KILL_AT", format!("{point}:{nth}")));
    let exit = mill.child().wait(PATIENCE).unwrap_or_else(|| panic!("it lives\n{}", mill.told()));
    assert_eq!(exit.signal, Some(SIGKILL), "{exit}\n{}", mill.told());
    mill.assert_no_panic();
    episode.close(window, format!("death {point}"), None);
}
