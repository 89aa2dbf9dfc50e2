//! Kill -9, again and again, in the middle of the work: nothing is lost, and what comes twice is bounded.

use crate::mill::Mill;
use crate::scene::{Scene, is_within};
use perf::broker::Broker;
use perf::child::Spawn;
use perf::events::Shape;
use perf::random::Random;
use std::time::{Duration, Instant};

const KILLS: u32 = 5;
const RATE: u32 = 5_000;

#[test]
fn kill_9_at_random_moments_loses_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed, 9);
    let scene = Scene::new(broker.bootstrap(), "kill");
    let mut load = scene.load(0, Shape { tombstones: 0.01, ..Shape::default() });
    let mut that_count = 0;
    for kill in 0..KILLS {
        load.keep(5 * RATE);
        let before = scene.delivered();
        let run =
            scene.run().env("GRISTMILL_RATE_LIMIT", RATE.to_string()).env("GRISTMILL_INSTANCE_ID", "mill");
        let mill = Mill::start(run);
        scene.wait_for_delivery(before, 0);
        // Not a wait for anything: the moment of the kill is what is random.
        std::thread::sleep(Duration::from_millis(random.below(400)));
        mill.child().kill();
        mill.assert_no_panic();
        let lag = scene.lag();
        println!("kill {kill}: {} more delivered, {lag} left", scene.delivered() - before);
        that_count += u32::from(lag > 0);
    }
    scene.run_to_the_end_as(|spawn| spawn.env("GRISTMILL_INSTANCE_ID", "mill"));
    let account = scene.account();
    println!("{KILLS} kills, {that_count} that count, {} repeated", account.repeated);
    assert!(account.is_clean_but_for_repeats(), "{account}");
    assert_eq!(that_count, KILLS, "the load did not outlast the kills");
    // What a process had delivered and not yet committed: less than a second's work.
    assert!(account.repeated < u64::from(KILLS * RATE), "{account}");
}

const SESSION: Duration = Duration::from_secs(6);

/// Kills a dynamic member: how long nothing comes out.
fn dynamic_member_is_replaced_in(broker: &Broker) -> Duration {
    let scene = Scene::new(broker.bootstrap(), "dynamic");
    scene.fill(0, 24_000, Shape::default());
    let session = |spawn: Spawn| spawn.env("KAFKA_SESSION_TIMEOUT", SESSION.as_millis().to_string());
    let mill = Mill::start(session(scene.run()).env("GRISTMILL_RATE_LIMIT", "4000"));
    scene.wait_for_delivery(0, 0);
    mill.child().kill();
    let (killed, before) = (Instant::now(), scene.delivered());
    let next = Mill::start(session(scene.run_until_end()));
    scene.wait_for_delivery(before, 0);
    let took = killed.elapsed();
    next.ends_with(0);
    assert!(next.accounting().consumed > 0, "the load did not outlast the kill");
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats() && account.repeated < 4_000, "{account}");
    took
}

#[test]
fn a_dynamic_member_is_replaced_when_its_session_ends() {
    let Some(broker) = Broker::shared() else { return };
    let most = SESSION + Duration::from_secs(2);
    assert!(
        is_within(most, || dynamic_member_is_replaced_in(broker)),
        "three times it took {most:?} or more"
    );
}

/// Kills a static member, and stops the one that follows: the longer time in which nothing comes out.
fn static_member_is_replaced_in(broker: &Broker) -> Duration {
    let scene = Scene::new(broker.bootstrap(), "static");
    scene.fill(0, 40_000, Shape::default());
    let run = || scene.run().env("GRISTMILL_RATE_LIMIT", "2000").env("GRISTMILL_INSTANCE_ID", "mill");
    let first = Mill::start(run());
    scene.wait_for_delivery(0, 0);
    first.child().kill();
    let (killed, before) = (Instant::now(), scene.delivered());
    let second = Mill::start_assigned(run());
    scene.wait_for_delivery(before, 0);
    let after_kill = killed.elapsed();
    // A clean end does not leave the group either: the third is as quick.
    second.stop();
    let (stopped, before) = (Instant::now(), scene.delivered());
    assert!(scene.lag() > 0, "the load did not outlast the members");
    let third = Mill::start(scene.run_until_end().env("GRISTMILL_INSTANCE_ID", "mill"));
    scene.wait_for_delivery(before, 0);
    let after_stop = stopped.elapsed();
    third.ends_with(0);
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats(), "{account}");
    after_kill.max(after_stop)
}

#[test]
fn a_static_member_takes_its_partitions_up_at_once() {
    let Some(broker) = Broker::shared() else { return };
    // Without its id it would be a session: 45 s.
    let most = Duration::from_secs(5);
    assert!(is_within(most, || static_member_is_replaced_in(broker)), "three times it took {most:?} or more");
}

#[test]
fn a_second_process_with_the_same_instance_id_puts_an_idle_one_out_too() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "instance-idle");
    let run = || scene.run().env("GRISTMILL_INSTANCE_ID", "mill");
    let first = Mill::start_assigned(run());
    let second = Mill::start_assigned(run());
    first.refuses(78, &["another live process", "GRISTMILL_INSTANCE_ID", &scene.group]);
    second.stop();
}

#[test]
fn a_second_process_with_the_same_instance_id_puts_the_first_out() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "instance");
    scene.fill(0, 30_000, Shape::default());
    const DRAIN: Duration = Duration::from_secs(60);
    let run = || {
        scene
            .run()
            .env("GRISTMILL_RATE_LIMIT", "3000")
            .env("GRISTMILL_INSTANCE_ID", "mill")
            .env("GRISTMILL_DRAIN_TIMEOUT", "60s")
    };
    let first = Mill::start(run());
    scene.wait_for_delivery(0, 0);
    let second = Mill::start_assigned(run());
    // Nothing of it can be committed any more, so there is nothing to wait for.
    assert!(first.child().wait(DRAIN / 2).is_some(), "it does not end\n{}", first.told());
    first.refuses(78, &["GRISTMILL_INSTANCE_ID", &scene.group]);
    second.stop();
    scene.run_to_the_end_as(|spawn| spawn.env("GRISTMILL_INSTANCE_ID", "mill"));
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats(), "{account}");
}
