//! Events go through: every one accounted for, as it has to look, where it has to be.

use crate::scene::{Scene, Topic};
use perf::broker::Broker;
use perf::events::Shape;
use perf::fill::Fill;

#[test]
fn keyed_events_arrive_with_headers_and_time_stamps_where_their_key_belongs() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "keyed");
    let shape = Shape { refused: 0.1, tombstones: 0.02, ..Shape::default() };
    let filled = scene.fill_as(|fill| Fill { count: 30_000, headers: 2, shape, ..fill });
    let mill = scene.run_to_the_end();
    let (found, account) = (mill.accounting(), scene.assert_clean());
    assert_eq!(account.input, 30_000);
    assert_eq!((account.output, account.dlq), (filled.good(), filled.refused()));
    assert_eq!((found.consumed, found.not_committed), (30_000, 0));
    assert_eq!((found.output + found.passed, found.dead_letters), (filled.good(), filled.refused()));
    assert!(found.passed > 0 && account.reasons.len() == 5, "{found:?} {account}");
}

#[test]
fn events_without_keys_keep_their_order_and_every_codec_is_read() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "keyless");
    let shape = Shape { users: None, tombstones: 0.01, ..Shape::default() };
    for (codec, first) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().zip((0..).step_by(3_000)) {
        let properties = vec![("compression.type".to_owned(), codec.to_owned())];
        let shape = shape.clone();
        scene.fill_as(|fill| Fill { first, count: 3_000, shape, properties, ..fill });
    }
    scene.run_to_the_end_as(|spawn| {
        spawn.env("KAFKA_COMPRESSION", "zstd").env("KAFKA_ENABLE_AUTO_COMMIT", "true")
    });
    assert_eq!(scene.assert_clean().input, 15_000);
}

#[test]
fn time_stamps_of_any_age_are_kept() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::with(broker.bootstrap(), "ages", Topic(1, &[]), Topic(1, &[]), Topic(1, &[]));
    let records: Vec<_> = [1, 946_684_800_000, 1_700_000_000_123]
        .into_iter()
        .zip(0..)
        .flat_map(|(timestamp_ms, number)| {
            let (good, mut bad) = (crate::event(number), crate::event(100 + number));
            bad.value.as_mut().unwrap().pop();
            [good, bad].map(|record| crate::scene::Plain { timestamp_ms, ..record })
        })
        .collect();
    scene.put(&scene.input, &records);
    scene.run_to_the_end();
    scene.assert_clean();
    let times = |topic: &str| scene.read(topic).iter().map(|record| record.timestamp_ms).collect::<Vec<_>>();
    assert_eq!(times(&scene.output), [1, 946_684_800_000, 1_700_000_000_123]);
    assert_eq!(times(&scene.dlq), [1, 946_684_800_000, 1_700_000_000_123]);
}

#[test]
fn a_second_run_finds_nothing_to_do_and_an_empty_topic_ends_at_once() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "again");
    assert_eq!(scene.run_to_the_end().accounting().consumed, 0);
    scene.fill(0, 500, Shape::default());
    assert_eq!(scene.run_to_the_end().accounting().consumed, 500);
    assert_eq!(scene.run_to_the_end().accounting().consumed, 0);
    scene.assert_clean();
}
