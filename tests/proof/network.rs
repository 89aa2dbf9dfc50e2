//! The network between engine and broker: slow, silent, broken, and broken at the worst moment.

use crate::episode::{Episode, PATIENCE};
use crate::kind::Delivery;
use crate::mill::Mill;
use crate::proxy::{Proxy, Trap};
use crate::supervised::Supervised;
use crate::world::World;
use std::time::{Duration, Instant};

/// Disturbances of an episode.
const DISTURBANCES: u32 = 12;

/// Events a second.
const RATE: u32 = 500;

/// Requests that are lost, or whose answers are, by their numbers in Kafka's protocol.
const AT_LEAST_ONCE: [(&str, i16); 4] =
    [("Produce", 0), ("Fetch", 1), ("OffsetCommit", 8), ("Heartbeat", 12)];

/// The same where offsets go with transactions.
const EXACTLY_ONCE: [(&str, i16); 6] = [
    ("Produce", 0),
    ("Fetch", 1),
    ("Heartbeat", 12),
    ("AddPartitionsToTxn", 24),
    ("EndTxn", 26),
    ("TxnOffsetCommit", 28),
];

/// One disturbance after the other; the next one when all flows again.
pub(crate) fn run(episode: &mut Episode<'_>) {
    let World::Proxied(_, proxy) = episode.world else { panic!("the network is disturbed at the proxy") };
    episode.keep_lag(20 * RATE);
    let mut mill = Supervised::start(episode, RATE);
    mill.wait_for_flow(episode);
    for _ in 0..DISTURBANCES {
        episode.keep_lag(20 * RATE);
        let window = episode.open();
        // Not a wait for anything: the moment of the fault is what is random.
        std::thread::sleep(Duration::from_millis(episode.random.below(500)));
        let fault = disturb(episode, proxy, mill.mill());
        proxy.mend();
        let mended = Instant::now();
        let fate = mill.wait_for_flow(episode);
        episode.close(window, fault + fate, Some(mended.elapsed()));
    }
    mill.mill().stop();
}

fn disturb(episode: &mut Episode<'_>, proxy: &Proxy, mill: &Mill) -> String {
    let lasts = Duration::from_millis(500 + episode.random.below(9_500));
    match episode.random.below(8) {
        0 => {
            proxy.delay(Duration::from_millis(20 + episode.random.below(380)));
            std::thread::sleep(lasts);
            "the network is slow".to_owned()
        }
        1 => {
            proxy.stall();
            std::thread::sleep(lasts);
            "the network is silent".to_owned()
        }
        2 => {
            proxy.cut();
            "connections break".to_owned()
        }
        3 => {
            proxy.refuse();
            std::thread::sleep(lasts / 2);
            "connections break and are refused".to_owned()
        }
        _ => {
            let requests = match episode.delivery {
                Delivery::AtLeastOnce => &AT_LEAST_ONCE[..],
                Delivery::ExactlyOnce => &EXACTLY_ONCE[..],
            };
            let (name, number) = episode.random.pick(requests);
            let (trap, fault) = if episode.random.chance(0.5) {
                (Trap::Request(number), format!("{name} is lost"))
            } else {
                (Trap::Answer(number), format!("the answer to {name} is lost"))
            };
            let is_met = proxy.trap(trap, PATIENCE);
            assert!(is_met, "no {name} was sent, lag {}\n{}", episode.scene.lag(), mill.told());
            fault
        }
    }
}
