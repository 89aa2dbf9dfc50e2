//! What the environment orders: `FAULTS_BREAK=NAME`, `FAULTS_KILL_AT=POINT:N` and `FAULTS_POISON=TEXT`.

use super::{Fault, Point};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

struct Orders {
    fault: Option<Fault>,
    point: Option<Point>,
    /// How often the point is still passed alive, and once more.
    left: AtomicU64,
    poison: Option<String>,
}

static ORDERS: LazyLock<Orders> = LazyLock::new(|| {
    let fault = variable("FAULTS_BREAK").map(|name| named(&Fault::NAMES, &name));
    let kill = variable("FAULTS_KILL_AT").map(|order| {
        let (point, times) = order.split_once(':').unwrap_or((&order, "1"));
        let times = times.parse().ok().filter(|times| *times > 0);
        (
            named(&Point::NAMES, point),
            times.unwrap_or_else(|| panic!("FAULTS_KILL_AT={order}: is POINT or POINT:N")),
        )
    });
    let (point, left) = kill.map_or((None, 0), |(point, times)| (Some(point), times));
    Orders { fault, point, left: AtomicU64::new(left), poison: variable("FAULTS_POISON") }
});

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// # Panics
/// If there is no such name: a test that breaks nothing would prove nothing.
fn named<T: Copy>(names: &[(&str, T)], name: &str) -> T {
    let found = names.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no fault or point \"{name}\"")).1
}

pub(super) fn breaks(fault: Fault) -> bool {
    ORDERS.fault == Some(fault)
}

pub(super) fn pass(point: Point) {
    if ORDERS.point == Some(point) && ORDERS.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        die();
    }
}

/// As `kill -9` ends it: an abort would look like a failed assertion of the client.
fn die() -> ! {
    drop(signal_hook::low_level::raise(signal_hook::consts::SIGKILL));
    unreachable!("nothing outlives SIGKILL")
}

pub(super) fn meet(event: &[u8]) {
    let Some(poison) = &ORDERS.poison else { return };
    if event.windows(poison.len()).any(|text| text == poison.as_bytes()) {
        die();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_nothing_is_broken_unless_ordered() {
        assert_eq!(named(&Fault::NAMES, "ignore-epoch"), Fault::IgnoreEpoch);
        assert_eq!(named(&Point::NAMES, "in-revoke"), Point::InRevoke);
        assert!(Fault::NAMES.iter().all(|(_, fault)| !breaks(*fault)));
        for (_, point) in Point::NAMES {
            pass(point);
        }
    }

    #[test]
    #[should_panic(expected = "no fault or point")]
    fn a_name_that_is_none_breaks_the_test_instead_of_the_engine() {
        named(&Fault::NAMES, "ignore-epochs");
    }
}
