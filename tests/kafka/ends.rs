//! `--until-end` where the last offset is no record that can be read: transaction markers, aborted records, compacted ones.

use crate::scene::{Plain, Scene, Topic, WITHIN};
use perf::broker::Broker;
use perf::events::Shape;
use perf::fill::{Fill, Transactions};
use perf::topics::wait_until;

fn run_transactions(name: &str, transactions: Transactions) {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), name);
    let filled = scene.fill_as(|fill| Fill { count: 6_000, transactions: Some(transactions), ..fill });
    let mill = scene.run_to_the_end();
    assert_eq!(mill.accounting().consumed, filled.visible());
    assert_eq!(scene.assert_clean().input, filled.visible());
    // And again, with nothing but markers left to look at.
    assert_eq!(scene.run_to_the_end().accounting().consumed, 0);
}

#[test]
fn a_tail_that_is_a_marker() {
    run_transactions("marker", Transactions { events: 500, aborted: 0.3, aborted_end: false });
}

#[test]
fn a_tail_of_aborted_records() {
    run_transactions("aborted", Transactions { events: 500, aborted: 0.3, aborted_end: true });
}

#[test]
fn a_topic_of_aborted_records_alone() {
    run_transactions("nothing", Transactions { events: 500, aborted: 1.0, aborted_end: true });
}

#[test]
fn a_compacted_tail() {
    let Some(broker) = Broker::shared() else { return };
    let config = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.001"),
        ("segment.ms", "100"),
        ("delete.retention.ms", "0"),
    ];
    let scene = Scene::with(broker.bootstrap(), "compacted", Topic(1, &config), Topic(2, &[]), Topic(2, &[]));
    let keyed =
        |key: u32, number: u32| Plain { key: Some(key.to_string().into_bytes()), ..crate::event(number) };
    // 50 keys, each of them over and over, and at the end the tombstones of all.
    scene.put(&scene.input, &(0..2_000).map(|number| keyed(number % 50, number)).collect::<Vec<_>>());
    let tombstones: Vec<_> = (0..50).map(|key| Plain { value: None, ..keyed(key, 0) }).collect();
    scene.put(&scene.input, &tombstones);
    // An aborted transaction begins another segment, so that the one before it is compacted, and hides the end.
    let end = |from: u32| {
        let transactions = Some(Transactions { events: 10, aborted: 1.0, aborted_end: true });
        scene.fill_as(|fill| Fill {
            first: 10_000 + from,
            count: 10,
            transactions,
            shape: Shape::default(),
            ..fill
        });
    };
    let mut from = 0;
    wait_until("the topic is not compacted", WITHIN, || {
        end(from);
        from += 10;
        Ok(scene.read(&scene.input).len() < 10)
    })
    .unwrap();
    let left = scene.read(&scene.input).len() as u64;
    assert!(scene.topics.ends(&scene.input).unwrap()[0] > 2_050);
    let mill = scene.run_to_the_end();
    assert!(mill.accounting().consumed <= left, "compaction may have gone on");
    let account = scene.account();
    assert!(account.lost + account.repeated == 0, "{account}");
}
