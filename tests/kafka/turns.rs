//! Under a backlog every partition gets its turn: none stands still until others are worked off.

use crate::mill::Mill;
use crate::scene::{Scene, Topic, WITHIN};
use perf::broker::Broker;
use perf::events::Shape;
use perf::topics::wait_until;

const PARTITIONS: i32 = 12;

/// So much is read in eight seconds. By the smallest memory limit 9,800 records are fetched ahead at most, or 1.5 MiB.
fn progress(name: &str, count: u32, batch_size: &str) {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::with(broker.bootstrap(), name, Topic(PARTITIONS, &[]), Topic(3, &[]), Topic(3, &[]));
    scene.fill_as(|fill| perf::fill::Fill {
        count,
        shape: Shape::default(),
        properties: vec![("batch.size".to_owned(), batch_size.to_owned())],
        ..fill
    });
    let ends = scene.topics.ends(&scene.input).unwrap();
    let rate = (count / 8).to_string();
    let run = scene.run().env("GRISTMILL_MEMORY_LIMIT", "32MiB").env("GRISTMILL_RATE_LIMIT", rate);
    let mill = Mill::start_assigned(run);
    let half = || Ok(scene.lag() <= i64::from(count) / 2);
    wait_until("half of it is not processed", WITHIN, half).unwrap();
    let done = scene.topics.group_offsets_so_far(&scene.group, &scene.input).unwrap();
    mill.stop();
    for (done, end) in done.iter().zip(&ends) {
        let done = done.unwrap_or(0);
        // How far a turn brings it depends on how busy the machine is; without turns this is 0.
        assert!(done * 20 >= *end, "{done} of {end} when half of all was processed");
    }
    scene.run_to_the_end();
    scene.assert_clean();
}

#[test]
fn no_partition_stands_still() {
    progress("turns", 120_000, "16384");
}

#[test]
fn no_partition_stands_still_where_batches_fill_a_response() {
    progress("turns-large", 480_000, "1000000");
}
