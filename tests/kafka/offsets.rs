//! Where the reading starts: no committed offset, or one that is gone.

use crate::mill::Mill;
use crate::scene::{Scene, Topic, WITHIN};
use perf::broker::Broker;
use perf::events::Shape;
use perf::topics::wait_until;

fn scene(name: &str) -> Option<Scene> {
    let broker = Broker::shared()?;
    Some(Scene::with(broker.bootstrap(), name, Topic(2, &[]), Topic(2, &[]), Topic(2, &[])))
}

#[test]
fn none_without_a_committed_offset_is_refused() {
    let Some(scene) = scene("none") else { return };
    scene.fill(0, 100, Shape::default());
    let mill = Mill::start(scene.run().env("KAFKA_AUTO_OFFSET_RESET", "none"));
    mill.refuses(78, &[&scene.group, &scene.input, "KAFKA_AUTO_OFFSET_RESET"]);
    assert_eq!(scene.delivered(), 0);
    // With offsets there is nothing to object to.
    scene.topics.commit(&scene.group, &scene.input, &[0, 0]).unwrap();
    scene.run_to_the_end_as(|spawn| spawn.env("KAFKA_AUTO_OFFSET_RESET", "none"));
    scene.assert_clean();
}

#[test]
fn latest_starts_at_the_end() {
    let Some(scene) = scene("latest") else { return };
    scene.fill(0, 100, Shape::default());
    let mill = Mill::start_assigned(scene.run().env("KAFKA_AUTO_OFFSET_RESET", "latest"));
    let filled = scene.fill(100, 60, Shape::default());
    scene.wait_for_no_lag();
    assert_eq!(mill.stop().consumed, filled.visible());
    let account = scene.account();
    assert_eq!((account.lost, account.output + account.dlq), (100, 60), "{account}");
}

#[test]
fn latest_is_decided_once() {
    let Some(scene) = scene("idle") else { return };
    scene.fill(0, 100, Shape::default());
    // With an interval for commits too: nothing comes that one could wait for.
    let run = || {
        let run = scene.run().env("KAFKA_AUTO_OFFSET_RESET", "latest");
        Mill::start_assigned(run.env("KAFKA_ENABLE_AUTO_COMMIT", "true"))
    };
    let idle = run();
    scene.wait_for_no_lag();
    assert_eq!(idle.stop().consumed, 0);
    scene.fill(100, 5, Shape { users: None, ..Shape::default() });
    let mill = run();
    scene.wait_for_no_lag();
    assert_eq!(mill.stop().consumed, 5);
}

#[test]
fn a_partition_without_news_has_no_lag_and_says_so() {
    let Some(scene) = scene("quiet") else { return };
    scene.fill(0, 100, Shape::default());
    scene.run_to_the_end();
    // Nothing is left to settle, so only the start can say where this one stands.
    let mill = Mill::start_assigned(scene.run().env("GRISTMILL_HTTP_ADDR", "127.0.0.1:0"));
    let http = mill.http();
    for partition in 0..2 {
        let lag = format!("gristmill_lag_records{{topic=\"{}\",partition=\"{partition}\"}}", scene.input);
        wait_until("its lag is not known", WITHIN, || Ok(http.metric(&lag) == Some(0.0))).unwrap();
    }
    mill.stop();
}

fn expire(scene: &Scene) {
    scene.fill(0, 400, Shape { users: None, ..Shape::default() });
    scene.topics.commit(&scene.group, &scene.input, &[50, 200]).unwrap();
    scene.topics.delete_records(&scene.input, 0, 120).unwrap();
}

#[test]
fn an_offset_that_is_gone_is_told_and_counted_and_the_rest_is_read() {
    let Some(scene) = scene("expired") else { return };
    expire(&scene);
    let mill = Mill::start(scene.run().env("GRISTMILL_HTTP_ADDR", "127.0.0.1:0"));
    let line = mill.wait_for("is gone");
    for part in ["ERROR", &scene.input, "partition=0", "from=50", "to=120", "expired=70"] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    scene.wait_for_no_lag();
    assert_eq!(mill.http().metric("gristmill_records_expired_total"), Some(70.0));
    assert_eq!(mill.stop().consumed, 80);
    let account = scene.account();
    assert_eq!((account.output + account.dlq, account.repeated, account.misplaced), (80, 0, 0), "{account}");
}

#[test]
fn an_offset_that_is_gone_is_refused_with_none() {
    let Some(scene) = scene("expired-none") else { return };
    expire(&scene);
    let mill = Mill::start(scene.run().env("KAFKA_AUTO_OFFSET_RESET", "none"));
    mill.refuses(78, &[&scene.input, "50", "120", "KAFKA_AUTO_OFFSET_RESET"]);
}

#[test]
fn many_offsets_that_are_gone_do_not_keep_until_end_from_ending() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::with(broker.bootstrap(), "expired-end", Topic(24, &[]), Topic(2, &[]), Topic(2, &[]));
    scene.fill(0, 24 * 20, Shape { users: None, ..Shape::default() });
    scene.topics.commit(&scene.group, &scene.input, &[5; 24]).unwrap();
    for partition in 0..24 {
        scene.topics.delete_records(&scene.input, partition, 10).unwrap();
    }
    let mill = scene.run_to_the_end();
    assert_eq!(mill.accounting().consumed, 24 * 10);
}

/// As after a topic was made anew, or its log cut, with nobody reading.
#[test]
fn offsets_behind_the_end_are_not_taken_for_the_end() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::with(broker.bootstrap(), "behind-end", Topic(2, &[]), Topic(2, &[]), Topic(2, &[]));
    scene.fill(0, 100, Shape { users: None, ..Shape::default() });
    scene.topics.commit(&scene.group, &scene.input, &[1_000, 50]).unwrap();
    let mill = scene.run_to_the_end();
    assert!(mill.told().contains("from=1000 to=0"), "{}", mill.told());
    assert_eq!(mill.accounting().consumed, 50);
}
