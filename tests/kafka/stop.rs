//! SIGTERM: under full load, a second time, and when the drain cannot end.

use crate::mill::Mill;
use crate::outage::{breakable, watched};
use crate::scene::{Scene, Topic, WITHIN};
use perf::broker::Broker;
use perf::child::{SIGINT, SIGTERM};
use perf::events::Shape;
use perf::topics::wait_until;
use std::time::{Duration, Instant};

/// An end, where nothing may wait for an answer until the client's time for one is over: 60 s.
const PATIENCE: Duration = Duration::from_secs(55);

#[test]
fn sigterm_under_full_load_is_clean() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "sigterm");
    let count = 200_000;
    scene.fill(0, count, Shape::default());
    // What may be on its way is more than a slow machine does in the default's 10 s.
    let mill = Mill::start(scene.run().env("GRISTMILL_DRAIN_TIMEOUT", "60s"));
    scene.wait_for_delivery(0, 0);
    let account = mill.stop();
    assert!(account.consumed < u64::from(count), "the load did not outlast the signal");
    assert_eq!(account.not_committed, 0, "the drain ended");
    scene.run_to_the_end();
    scene.assert_clean();
}

#[test]
fn sigint_while_idle_is_clean_even_if_it_comes_twice_at_once() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "sigint");
    let mill = Mill::start_assigned(scene.run());
    // As from a terminal that signals the group and a wrapper that passes the signal on.
    assert!(mill.child().signal(SIGINT));
    mill.child().signal(SIGINT);
    mill.ends_with(0);
}

#[test]
fn a_drain_that_cannot_end_ends_at_its_deadline_or_at_the_second_signal() {
    let Some(broker) = breakable() else { return };
    let scene = Scene::new(broker.bootstrap(), "no-drain");
    scene.fill(0, 30_000, Shape::default());
    let run = || scene.run().env("GRISTMILL_RATE_LIMIT", "3000").env("GRISTMILL_INSTANCE_ID", "mill");

    let mill = Mill::start(run());
    scene.wait_for_delivery(0, 0);
    broker.pause().unwrap();
    assert!(mill.child().signal(SIGTERM));
    mill.wait_for("a second signal ends at once");
    assert!(mill.child().signal(SIGTERM));
    let exit = mill.child().wait(PATIENCE);
    broker.resume().unwrap();
    // Not 75, with which the drain's time would end it.
    assert_eq!(exit.and_then(|exit| exit.code), Some(143), "{}", mill.told());

    // What the first one had on the wire may arrive late, so the second one's deliveries count from when it has its partitions.
    let mill = Mill::start_assigned(run().env("GRISTMILL_DRAIN_TIMEOUT", "1s"));
    scene.wait_for_more(0);
    broker.pause().unwrap();
    // As from a terminal and a wrapper: the same request, however long the drain.
    assert!(mill.child().signal(SIGTERM));
    mill.child().signal(SIGINT);
    let exit = mill.child().wait(PATIENCE);
    broker.resume().unwrap();
    assert_eq!(exit.and_then(|exit| exit.code), Some(75), "{}", mill.told());
    mill.assert_no_panic();

    scene.run_to_the_end_as(|spawn| spawn.env("GRISTMILL_INSTANCE_ID", "mill"));
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats() && account.repeated < 6_000, "{account}");
}

#[test]
fn an_idle_member_ends_though_the_broker_hangs() {
    let Some(broker) = breakable() else { return };
    let scene = Scene::new(broker.bootstrap(), "idle");
    let (mill, http) = watched(scene.run().env("GRISTMILL_DRAIN_TIMEOUT", "1s"));
    // Where its reading starts is committed at once; after that there is nothing to drain.
    let told = || Ok(http.metric("gristmill_commits_total{result=\"ok\"}") > Some(0.0));
    wait_until("the starts are not committed", WITHIN, told).unwrap();
    broker.pause().unwrap();
    assert!(mill.child().signal(SIGTERM));
    let exit = mill.child().wait(PATIENCE);
    broker.resume().unwrap();
    // There is nothing to drain; that the group is not left in time is no failure.
    assert_eq!(exit.and_then(|exit| exit.code), Some(0), "{}", mill.told());
    mill.assert_no_panic();
}

#[test]
fn a_source_that_has_ended_is_not_taken_for_dead_while_another_drains() {
    let Some(broker) = breakable() else { return };
    // One partition for two sources: one of them has nothing to drain.
    let one = || Topic(1, &[]);
    let scene = Scene::with(broker.bootstrap(), "drains-alone", one(), one(), one());
    scene.fill(0, 30_000, Shape::default());
    let run = scene.run().env("GRISTMILL_RATE_LIMIT", "3000").env("KAFKA_SESSION_TIMEOUT", "6000");
    let (mill, http) =
        watched(run.env("GRISTMILL_SOURCE_THREADS", "2").env("GRISTMILL_DRAIN_TIMEOUT", "30s"));
    scene.wait_for_delivery(0, 0);
    broker.pause().unwrap();
    assert!(mill.child().signal(SIGTERM));
    // It needs 5 s to find that the group cannot be left, and would be silent for too long 10 s after that.
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(18) {
        std::thread::sleep(Duration::from_secs(1));
        http.assert_live();
    }
    let exit = mill.child().wait(PATIENCE);
    broker.resume().unwrap();
    assert_eq!(exit.and_then(|exit| exit.code), Some(75), "{}", mill.told());
    mill.assert_no_panic();
    scene.run_to_the_end();
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats(), "{account}");
}
