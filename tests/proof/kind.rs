//! The kinds of faults, each with a file of its own, and how many of them are wanted.

use crate::episode::Episode;
use crate::{brokers, kills, memory, network, number, rebalances, stops, zombies};

/// `GRISTMILL_DELIVERY` of the engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    AtLeastOnce,
    ExactlyOnce,
}

/// What happens to the engines of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// kill -9, at random times and at named points.
    Kills,
    /// SIGTERM.
    Stops,
    /// Members come and go.
    Rebalances,
    /// A member stands still for longer than its session, and goes on.
    Zombies,
    /// kill -9 for one broker of three after the other.
    Brokers,
    /// A network that delays, stalls and breaks.
    Proxy,
    /// No more memory than is promised, under a backlog.
    Memory,
}

impl Delivery {
    pub(crate) const ALL: [Delivery; 2] = [Delivery::AtLeastOnce, Delivery::ExactlyOnce];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Delivery::AtLeastOnce => "at-least-once",
            Delivery::ExactlyOnce => "exactly-once",
        }
    }
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] =
        [Kind::Kills, Kind::Stops, Kind::Rebalances, Kind::Zombies, Kind::Brokers, Kind::Proxy, Kind::Memory];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Kills => "kills",
            Kind::Stops => "stops",
            Kind::Rebalances => "rebalances",
            Kind::Zombies => "zombies",
            Kind::Brokers => "brokers",
            Kind::Proxy => "proxy",
            Kind::Memory => "memory",
        }
    }

    /// How many faults that count are wanted; of [`Kind::Proxy`], how many minutes.
    pub(crate) fn target(self, delivery: Delivery) -> u64 {
        let target = match (self, delivery) {
            (Kind::Kills, Delivery::AtLeastOnce) => 500,
            (Kind::Kills, Delivery::ExactlyOnce) => 300,
            (Kind::Stops, _) => 100,
            (Kind::Rebalances, _) => 200,
            (Kind::Zombies | Kind::Brokers, _) => 50,
            (Kind::Proxy, _) => 30,
            (Kind::Memory, _) => 20,
        };
        number(&format!("PROOF_{}", self.name().to_uppercase()), target)
    }

    /// How many episodes may go on side by side: zombies take their time and little else; a broker is everybody's.
    pub(crate) fn side_by_side(self) -> usize {
        if self == Kind::Zombies { 4 } else { 1 }
    }

    /// Whether events may come more than once. Not exactly once, and not after a clean end.
    pub(crate) fn may_repeat(self, delivery: Delivery) -> bool {
        delivery == Delivery::AtLeastOnce && !matches!(self, Kind::Stops | Kind::Memory)
    }

    /// Whether the engines of an episode have a `GRISTMILL_INSTANCE_ID`. Exactly once takes one; who is killed and started again
    /// has one too, or waits for the end of a session each time.
    pub(crate) fn is_static(self, delivery: Delivery, either: bool) -> bool {
        delivery == Delivery::ExactlyOnce || self == Kind::Kills || either
    }

    /// To how many bytes events are filled up. Where every partition is waited for they are large, and the engines have little memory:
    /// what the client has fetched ahead is worked off first, and thousands of small events are seconds at an episode's pace.
    pub(crate) fn pad_to(self) -> usize {
        if matches!(self, Kind::Kills | Kind::Stops | Kind::Memory) { 0 } else { 4_000 }
    }

    /// Does to the episode's engines what this kind is about.
    pub(crate) fn run(self, episode: &mut Episode<'_>) {
        match self {
            Kind::Kills => kills::run(episode),
            Kind::Stops => stops::run(episode),
            Kind::Rebalances => rebalances::run(episode),
            Kind::Zombies => zombies::run(episode),
            Kind::Brokers => brokers::run(episode),
            Kind::Proxy => network::run(episode),
            Kind::Memory => memory::run(episode),
        }
    }
}
