//! Exactly once: whatever happens, a reader of committed records finds every event, and none twice.

use crate::mill::Mill;
use crate::outage::breakable;
use crate::scene::{GRISTMILL, Plain, Scene, Topic, WITHIN};
use perf::broker::Broker;
use perf::child::{SIGCONT, SIGSTOP, Spawn};
use perf::events::Shape;
use perf::fill::Fill;
use perf::random::Random;
use perf::topics::wait_until;
use std::time::Duration;

/// With a name that is stable over restarts.
fn exactly(spawn: Spawn, instance: &str) -> Spawn {
    spawn.env("GRISTMILL_DELIVERY", "exactly-once").env("GRISTMILL_INSTANCE_ID", instance)
}

fn run(scene: &Scene, instance: &str, rate: u32) -> Spawn {
    exactly(scene.run(), instance).env("GRISTMILL_RATE_LIMIT", rate.to_string())
}

/// To the end as `mill`, and nothing is lost or repeated.
fn finish(scene: &Scene) -> perf::ledger::Account {
    scene.run_to_the_end_as(|spawn| exactly(spawn, "mill"));
    scene.assert_clean()
}

#[test]
fn events_go_through_in_transactions_and_the_account_agrees() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "exactly");
    let shape = Shape { refused: 0.1, tombstones: 0.02, ..Shape::default() };
    let filled = scene.fill_as(|fill| Fill { count: 30_000, headers: 2, shape, ..fill });
    let sources = |spawn| exactly(spawn, "mill").env("GRISTMILL_SOURCE_THREADS", "2");
    let mill = scene.run_to_the_end_as(sources);
    let (found, account) = (mill.accounting(), scene.assert_clean());
    assert_eq!((account.output, account.dlq), (filled.good(), filled.refused()));
    // What the second member's join rolled back was read again.
    assert_eq!(found.consumed - found.not_committed, 30_000);
    assert_eq!((found.output + found.passed, found.dead_letters), (filled.good(), filled.refused()));
    // A second run finds nothing to do; an end behind transactions' markers is an end too.
    assert_eq!(scene.run_to_the_end_as(sources).accounting().consumed, 0);
    let next = scene.replay("exactly-again");
    next.run_to_the_end_as(sources);
    next.assert_all_committed();
}

#[test]
fn kill_9_at_random_moments_loses_and_repeats_nothing() {
    const KILLS: u32 = 4;
    const RATE: u32 = 5_000;
    let Some(broker) = Broker::shared() else { return };
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed, 9);
    let scene = Scene::new(broker.bootstrap(), "exactly-kill");
    let mut load = scene.load(RATE, Shape { tombstones: 0.01, ..Shape::default() });
    for kill in 0..KILLS {
        // Asked while it runs: what a killed one left open is answered for only when the next one has rolled it back.
        let mill = Mill::start_assigned(run(&scene, "mill", RATE));
        load.keep(6 * RATE);
        let before = scene.lag();
        wait_until("nothing is committed", WITHIN, || Ok(scene.lag() < before)).unwrap();
        // Not a wait for anything: the moment of the kill is what is random.
        std::thread::sleep(Duration::from_millis(random.below(600)));
        mill.child().kill();
        mill.assert_no_panic();
        println!("kill {kill}: it had {before} offsets to go");
    }
    let left = scene.topics.group_offsets_so_far(&scene.group, &scene.input).unwrap();
    assert_ne!(
        left,
        scene.topics.ends(&scene.input).unwrap().into_iter().map(Some).collect::<Vec<_>>(),
        "the load did not outlast the kills"
    );
    finish(&scene);
}

#[test]
fn sigterm_commits_the_last_transaction() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "exactly-stop");
    let mut load = scene.load(0, Shape::default());
    for _ in 0..4 {
        load.keep(30_000);
        let before = scene.delivered();
        let mill = Mill::start(run(&scene, "mill", 6_000));
        scene.wait_for_delivery(before, 500);
        assert_eq!(mill.stop().not_committed, 0, "{}", mill.told());
    }
    assert!(scene.lag() > 0, "the load did not outlast the signals");
    finish(&scene);
}

#[test]
fn members_join_and_leave() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "exactly-members");
    let mut load = scene.load(3_000, Shape::default());
    let first = Mill::start_assigned(run(&scene, "first", 3_000));
    for round in 0..3 {
        load.keep(30_000);
        let before = scene.delivered();
        let other = exactly(scene.command(GRISTMILL, &["run", "--leave"]), &format!("other-{round}"));
        let other = Mill::start_assigned(other.env("GRISTMILL_RATE_LIMIT", "3000"));
        scene.wait_for_delivery(before, 500);
        other.stop();
        scene.wait_for_more(300);
    }
    assert!(scene.lag() > 0, "the load did not outlast the members");
    first.stop();
    finish(&scene);
}

#[test]
fn a_second_process_with_the_same_id_fences_the_first() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "exactly-fenced");
    let mut load = scene.load(10_000, Shape::default());
    let first = Mill::start(run(&scene, "mill", 3_000));
    scene.wait_for_delivery(0, 500);
    load.keep(30_000);
    let second = Mill::start_assigned(run(&scene, "mill", 3_000));
    first.refuses(78, &["another live process", "GRISTMILL_INSTANCE_ID"]);
    scene.wait_for_more(500);
    second.stop();
    finish(&scene);
}

#[test]
fn a_process_that_stood_still_past_its_session_writes_nothing_twice() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "exactly-zombie");
    scene.fill(0, 80_000, Shape::default());
    let session = |spawn: Spawn| spawn.env("KAFKA_SESSION_TIMEOUT", "6000");
    let zombie = Mill::start(session(run(&scene, "zombie", 2_500)));
    scene.wait_for_delivery(0, 500);
    assert!(zombie.child().signal(SIGSTOP));
    let heir = Mill::start_assigned(session(run(&scene, "heir", 2_500)));
    // What it had open holds up readers of committed records.
    let written = || scene.topics.written_total(&[&scene.output, &scene.dlq]);
    let before = written().unwrap();
    wait_until("the heir writes nothing", WITHIN, || Ok(written()? > before + 5_000)).unwrap();
    assert!(zombie.child().signal(SIGCONT));
    scene.wait_for_more(2_500);
    assert!(scene.lag() > 0, "the load did not outlast the pause");
    heir.stop();
    zombie.stop();
    finish(&scene);
}

#[test]
fn a_broker_that_is_restarted_and_one_that_crashes() {
    let Some(broker) = breakable() else { return };
    let scene = Scene::new(broker.bootstrap(), "exactly-outage");
    let mut load = scene.load(30_000, Shape::default());
    let mill = Mill::start_assigned(run(&scene, "mill", 3_000));
    scene.wait_for_delivery(0, 1_000);
    for crashes in [false, true] {
        load.keep(30_000);
        if crashes {
            broker.kill().unwrap()
        } else {
            broker.stop().unwrap()
        }
        broker.restart().unwrap();
        scene.wait_for_more(1_000);
    }
    assert!(scene.lag() > 0, "the load did not outlast the outages");
    mill.stop();
    let account = finish(&scene);
    assert_eq!(account.reasons.get("delivery_failed"), None);
}

#[test]
fn records_that_a_topic_refuses_are_found_among_their_neighbours() {
    let Some(broker) = Broker::shared() else { return };
    let scene =
        Scene::with(broker.bootstrap(), "exactly-refused", Topic(2, &[]), Topic(2, &[]), Topic(2, &[]));
    let small = Shape { refused: 0.0, random_padding: 1.0, ..Shape::default() };
    scene.fill(0, 40, small.clone());
    let mill = Mill::start_assigned(exactly(scene.run(), "mill"));
    scene.wait_for_no_lag();
    // From here on the client believes that 1 MB fits, and puts into a batch what the broker will refuse as a whole.
    scene.topics.alter_config(&scene.output, &[("max.message.bytes", "2000")]).unwrap();
    let mut large = 0;
    for round in 0..3 {
        let first = 1_000 + 100 * round;
        scene.fill(first, 40, Shape { pad_to: 20, ..small.clone() });
        large += scene.fill(first + 40, 1, Shape { pad_to: 5_000, ..small.clone() }).good();
        scene.fill(first + 50, 10, small.clone());
    }
    scene.wait_for_no_lag();
    mill.stop();
    let account = scene.account_as(|ledger| ledger.allow_delivery_failed = true);
    assert!(account.is_clean(), "{account}");
    assert_eq!((account.delivery_failed, account.output), (large, 40 + 3 * 50), "{account}");
}

#[test]
fn a_record_too_old_for_both_topics_is_a_dead_letter_of_today() {
    let Some(broker) = Broker::shared() else { return };
    let recent = [("message.timestamp.before.max.ms", "3600000")];
    let target = || Topic(1, &recent);
    let scene = Scene::with(broker.bootstrap(), "exactly-old", Topic(1, &[]), target(), target());
    let present = crate::now_ms();
    let mut records: Vec<Plain> = (0..40).map(crate::event).collect();
    let old = present - 24 * 3_600_000;
    records.insert(10, Plain { timestamp_ms: old, ..Plain::of("not JSON") });
    records[5].timestamp_ms = old;
    records[15].timestamp_ms = old;
    scene.put(&scene.input, &records);
    let mill = scene.run_to_the_end_as(|spawn| exactly(spawn, "mill"));
    assert_eq!((mill.accounting().output, mill.accounting().dead_letters), (38, 3));
    let at = |letter: &Plain| letter.header("dlq.offset").unwrap().parse::<usize>().unwrap();
    let mut letters: Vec<usize> = scene.read(&scene.dlq).iter().map(at).collect();
    letters.sort_unstable();
    assert_eq!(letters, [5, 10, 15]);
    assert_eq!(scene.read(&scene.output).len(), 38);
}
