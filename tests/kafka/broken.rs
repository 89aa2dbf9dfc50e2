//! The checker is checked: engines that are broken on purpose have to be caught by the ledger, each within a number of kills.
//! And the engine that is not broken may die at any of the named points.

use crate::engine_with_faults::engine_with_faults;
use crate::mill::Mill;
use crate::scene::{Plain, Scene, Topic, WITHIN};
use perf::broker::Broker;
use perf::child::{SIGCONT, SIGSTOP, Spawn};
use perf::events::Shape;
use perf::ledger::Account;
use perf::random::Random;
use perf::topics::wait_until;
use std::time::Duration;

/// A broken engine is caught in so many, or the checker is worth nothing.
const KILLS_MAX: u32 = 20;

/// Events a second.
const RATE: u32 = 4_000;

/// Records wait so long in the producer's queue that much is lost with it.
const LINGER_MS: &str = "400";

const SIGKILL: i32 = 9;

fn broken(scene: &Scene, fault: &str) -> Spawn {
    member(scene.run_of(engine_with_faults())).env("FAULTS_BREAK", fault)
}

/// A member that is taken for the one before it at once.
fn member(spawn: Spawn) -> Spawn {
    spawn.env("GRISTMILL_INSTANCE_ID", "mill")
}

fn seed() -> u64 {
    let seed = u64::from(std::process::id());
    eprintln!("seed {seed}");
    seed
}

/// Kills a broken engine in the middle of its work and lets a sound one go on to the end, until the ledger finds more wrong than
/// repeats. `how` gives the fault room: it is no fault to have such settings.
fn kills_until_caught(name: &str, fault: &str, shape: &Shape, how: impl Fn(Spawn) -> Spawn) -> Option<u32> {
    let scene = Scene::new(Broker::shared()?.bootstrap(), name);
    let mut random = Random::new(seed(), 0);
    for kill in 1..=KILLS_MAX {
        scene.fill(kill * RATE, RATE, shape.clone());
        let before = scene.delivered();
        let mill = Mill::start(how(broken(&scene, fault)).env("GRISTMILL_RATE_LIMIT", RATE.to_string()));
        scene.wait_for_delivery(before, 0);
        // Not a wait for anything: the moment of the kill is what is random.
        std::thread::sleep(Duration::from_millis(random.below(300)));
        mill.child().kill();
        scene.run_to_the_end_as(member);
        let account = scene.account();
        if !account.is_clean_but_for_repeats() {
            eprintln!("{fault}: caught after {kill} kills\n{account}");
            assert!(account.lost > 0, "{account}");
            return Some(kill);
        }
    }
    panic!("{fault} was not caught by {KILLS_MAX} kills");
}

#[test]
fn commits_before_delivery_are_caught() {
    kills_until_caught("early", "commit-before-delivery", &Shape::default(), |spawn| {
        spawn.env("KAFKA_PRODUCER__linger_ms", LINGER_MS)
    });
}

#[test]
fn commits_of_the_highest_settled_batch_are_caught() {
    // Outputs fill their requests and go; the rare dead letters linger.
    let shape = Shape { refused: 0.01, ..Shape::default() };
    kills_until_caught("highest", "commit-highest", &shape, |spawn| {
        spawn.env("KAFKA_PRODUCER__linger_ms", LINGER_MS).env("KAFKA_PRODUCER__batch_num_messages", "20")
    });
}

/// Runs a broken engine to the end of the input: this fault needs no kill.
fn account_of(scene: &Scene, fault: &str, how: impl FnOnce(Spawn) -> Spawn) -> Account {
    let mill = Mill::start(how(broken(scene, fault).args(["--until-end"])));
    mill.exit_with(0);
    let account = scene.account();
    eprintln!("{fault}: caught\n{account}");
    account
}

#[test]
fn records_left_out_of_a_full_queue_are_caught() {
    let Some(broker) = Broker::shared() else { return };
    // A request of no partition is full before the queue is, and none is sent before its time.
    let topics = (Topic(2, &[]), Topic(32, &[]), Topic(1, &[]));
    let scene = Scene::with(broker.bootstrap(), "skip", topics.0, topics.1, topics.2);
    scene.fill(0, 10_000, Shape { pad_to: 2_000, ..Shape::default() });
    let account = account_of(&scene, "skip-on-queue-full", |spawn| {
        spawn.env("KAFKA_PRODUCER__linger_ms", "2000").env("GRISTMILL_MEMORY_LIMIT", "32MiB")
    });
    assert!(account.lost > 0, "{account}");
}

#[test]
fn a_refused_dead_letter_that_counts_as_delivered_is_caught() {
    let Some(broker) = Broker::shared() else { return };
    let recent = [("message.timestamp.before.max.ms", "3600000")];
    let topics = (Topic(1, &[]), Topic(1, &[]), Topic(1, &recent));
    let scene = Scene::with(broker.bootstrap(), "ignored", topics.0, topics.1, topics.2);
    let present = crate::now_ms();
    let old = Plain { timestamp_ms: present - 24 * 3_600_000, ..Plain::of("not JSON") };
    scene.put(&scene.input, &[crate::event(1), old, crate::event(2)]);
    let account = account_of(&scene, "ignore-dead-letter-error", |spawn| spawn);
    assert_eq!((account.lost, account.output), (1, 2), "{account}");
}

/// A member is frozen until another one has its partition and has read it to the end; then it goes on, and `wait` says until when.
/// Nothing of what it lost may be committed by it. The account, and what may come twice: what it had in flight when it was frozen, at
/// most a second's work. `None`: no Kafka.
fn frozen_member(name: &str, fault: &str, wait: impl FnOnce(&Scene)) -> Option<(Account, u64)> {
    let broker = Broker::shared()?;
    let scene = Scene::with(broker.bootstrap(), name, Topic(1, &[]), Topic(1, &[]), Topic(1, &[]));
    scene.fill(0, 4 * RATE, Shape::default());
    let rate = RATE / 4;
    let run = || {
        let run = scene.run_of(engine_with_faults()).env("KAFKA_SESSION_TIMEOUT", "6000");
        run.env("KAFKA_PRODUCER__linger_ms", LINGER_MS)
    };
    let frozen = run().env("FAULTS_BREAK", fault).env("GRISTMILL_RATE_LIMIT", rate.to_string());
    let frozen = Mill::start_assigned(frozen);
    scene.wait_for_delivery(0, 0);
    assert!(frozen.child().signal(SIGSTOP));
    let other = Mill::start_assigned(run());
    scene.wait_for_no_lag();
    assert!(frozen.child().signal(SIGCONT));
    let (lost, _) = frozen.child().wait_for_line_from(0, "partitions revoked", WITHIN).unwrap();
    frozen.child().wait_for_line_from(lost, "partitions assigned", WITHIN).unwrap();
    wait(&scene);
    frozen.stop();
    other.stop();
    scene.run_to_the_end();
    Some((scene.account(), u64::from(rate)))
}

#[test]
fn a_frozen_member_commits_nothing_of_what_it_lost() {
    let go_on = |scene: &Scene| {
        scene.fill(4 * RATE, 1_000, Shape::default());
        scene.wait_for_no_lag();
    };
    let Some((account, in_flight)) = frozen_member("frozen", "", go_on) else { return };
    assert!(account.is_clean_but_for_repeats() && account.repeated <= in_flight, "{account}");
}

#[test]
fn a_commit_for_a_partition_that_was_given_up_is_caught() {
    let until_the_group_goes_back = |scene: &Scene| {
        wait_until("the group's offset did not go back", WITHIN, || Ok(scene.lag() > 0)).unwrap();
    };
    let caught = frozen_member("epoch", "ignore-epoch", until_the_group_goes_back);
    let Some((account, in_flight)) = caught else { return };
    eprintln!("ignore-epoch: caught\n{account}");
    assert!(account.repeated > 2 * in_flight, "the ledger does not see it\n{account}");
}

#[test]
fn death_at_any_named_point_loses_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "points");
    let mut random = Random::new(seed(), 1);
    const POINTS: [&str; 6] =
        ["after-read", "after-produce", "before-reports", "after-reports", "before-commit", "after-commit"];
    for (point, number) in POINTS.iter().zip(0..) {
        scene.fill(number * RATE, RATE, Shape::default());
        // A commit is one round trip: a slow machine does not do more of them with this load.
        let times = if point.ends_with("commit") { 8 } else { 20 };
        let at = format!("{point}:{}", 1 + random.below(times));
        let run = member(scene.run_of(engine_with_faults())).env("FAULTS_KILL_AT", &at);
        let mill = Mill::start(run.env("GRISTMILL_RATE_LIMIT", RATE.to_string()));
        let exit =
            mill.child().wait(WITHIN).unwrap_or_else(|| panic!("{at} was not passed\n{}", mill.told()));
        assert_eq!(exit.signal, Some(SIGKILL), "{at}: {exit}\n{}", mill.told());
        mill.assert_no_panic();
    }
    scene.run_to_the_end_as(member);
    let account = scene.account();
    eprintln!("{account}");
    assert!(account.is_clean_but_for_repeats(), "{account}");
}

#[test]
fn death_inside_a_revoke_loses_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "in-revoke");
    scene.fill(0, 2 * RATE, Shape::default());
    let run = |spawn: Spawn| spawn.env("KAFKA_SESSION_TIMEOUT", "6000");
    let dying = run(scene.run_of(engine_with_faults())).env("FAULTS_KILL_AT", "in-revoke");
    let dying = Mill::start_assigned(dying.env("GRISTMILL_RATE_LIMIT", (RATE / 8).to_string()));
    scene.wait_for_delivery(0, 0);
    let other = Mill::start(run(scene.run()));
    let exit =
        dying.child().wait(WITHIN).unwrap_or_else(|| panic!("nothing was asked back\n{}", dying.told()));
    assert_eq!(exit.signal, Some(SIGKILL), "{exit}\n{}", dying.told());
    scene.wait_for_no_lag();
    other.stop();
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats(), "{account}");
}

#[test]
fn what_was_on_the_move_when_a_static_member_died_gets_an_owner() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "orphans");
    scene.fill(0, 2 * RATE, Shape::default());
    let run = |spawn: Spawn, name: &str| {
        spawn.env("KAFKA_SESSION_TIMEOUT", "15000").env("GRISTMILL_INSTANCE_ID", name)
    };
    let dying = run(scene.run_of(engine_with_faults()), "dying").env("FAULTS_KILL_AT", "in-revoke");
    let dying = Mill::start_assigned(dying.env("GRISTMILL_RATE_LIMIT", (RATE / 8).to_string()));
    scene.wait_for_delivery(0, 0);
    let other = Mill::start(run(scene.run(), "other"));
    dying.child().wait(WITHIN).unwrap_or_else(|| panic!("nothing was asked back\n{}", dying.told()));
    // The group gives it back what it kept, and the rest to nobody.
    let back = Mill::start_assigned(run(scene.run(), "dying"));
    let said = |line: &String| line.contains("partitions have no owner");
    let looks = || Ok([&back, &other].iter().any(|mill| mill.child().stderr().iter().any(said)));
    wait_until("nobody misses the rest", WITHIN, looks)
        .unwrap_or_else(|error| panic!("{error}\n{}\n{}", back.told(), other.told()));
    scene.wait_for_no_lag();
    back.stop();
    other.stop();
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats(), "{account}");
}
