//! An event that ends the process each time: the group gets past it, and nothing but it becomes a dead letter.

use crate::engine_with_faults::engine_with_faults;
use crate::event;
use crate::mill::Mill;
use crate::scene::{Plain, Scene, WITHIN};
use perf::broker::Broker;
use perf::events::Shape;

const POISON: &str = "the one that kills";

/// Processes that die before it is found: three that look like bad luck, one that narrows it down, three for the record alone; and some
/// that get on a little before, more of them where the machine is slow.
const DEATHS: std::ops::RangeInclusive<u32> = 7..=16;

const SIGKILL: i32 = 9;

/// A good event whose number no other has.
fn poison() -> Plain {
    let mut value = event(1_000_000).value.unwrap();
    assert_eq!(value.pop(), Some(b'}'));
    value.extend_from_slice(format!(r#","note":"{POISON}"}}"#).as_bytes());
    Plain { partition: 2, ..Plain::of(value) }
}

/// Process after process, as whoever restarts them would, until one gets to the end: how many died before.
fn deaths(scene: &Scene, delivery: &str) -> u32 {
    for died in 0..=*DEATHS.end() {
        let engine = scene.command(engine_with_faults(), &["run", "--until-end"]);
        let mill = Mill::start(
            engine
                .env("FAULTS_POISON", POISON)
                .env("GRISTMILL_INSTANCE_ID", "mill")
                .env("GRISTMILL_DELIVERY", delivery)
                .env("GRISTMILL_BATCH_SIZE", "500"),
        );
        let exit = mill.child().wait(WITHIN).unwrap_or_else(|| panic!("it does not end\n{}", mill.told()));
        if exit.code == Some(0) {
            let condemned = mill.wait_for("ended each time it worked on this record alone");
            assert!(condemned.contains("partition=2"), "{condemned}");
            return died;
        }
        assert_eq!(exit.signal, Some(SIGKILL), "{exit}\n{}", mill.told());
    }
    panic!("the processes die for ever");
}

fn is_got_over(name: &str, delivery: &str) {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), name);
    scene.fill(0, 6_000, Shape::default());
    scene.put(&scene.input, &[poison()]);
    scene.fill(6_000, 6_000, Shape::default());
    assert!(DEATHS.contains(&deaths(&scene, delivery)), "it looked like a crash loop too early");
    scene.assert_all_committed();
    let account = scene.account();
    assert_eq!(
        (account.lost, account.misplaced, account.foreign),
        (0, 1, 0),
        "only the one is elsewhere\n{account}"
    );
    assert!(delivery == "at-least-once" || account.repeated == 0, "{account}");
    let letters = scene.read(&scene.dlq);
    let internal: Vec<&Plain> =
        letters.iter().filter(|letter| letter.header("dlq.reason") == Some("internal")).collect();
    assert_eq!(internal.len(), 1);
    assert_eq!(internal[0].value, poison().value, "the record is there as it was, to be looked at");
}

#[test]
fn an_event_that_kills_each_process_ends_as_a_dead_letter() {
    is_got_over("crash-loop", "at-least-once");
}

#[test]
fn so_it_does_in_transactions() {
    is_got_over("crash-loop-exactly", "exactly-once");
}
