//! Topics that are not there, at start and later: exit 78, with the topic, the variable, and what to do.

use crate::mill::Mill;
use crate::scene::Scene;
use perf::broker::Broker;
use perf::events::Shape;

#[test]
fn every_missing_topic_is_named_with_its_variable_and_the_fix() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::nameless_topics(broker.bootstrap(), "missing");
    let all = [
        (&scene.input, "KAFKA_INPUT_TOPIC"),
        (&scene.output, "KAFKA_OUTPUT_TOPIC"),
        (&scene.dlq, "KAFKA_DLQ_TOPIC"),
    ];
    let mill = Mill::start(scene.run());
    let words: Vec<&str> = all.iter().flat_map(|(name, variable)| [name.as_str(), variable]).collect();
    mill.refuses(78, &[&words[..], &["gristmill topics create"]].concat());
    for (name, variable) in all {
        let others = all.iter().filter(|(other, _)| *other != name);
        for (other, _) in others.clone() {
            scene.topics.create(other, 1, 0, &[]).unwrap();
        }
        let mill = Mill::start(scene.run());
        mill.refuses(78, &[name, variable, "gristmill topics create"]);
        for (other, _) in others {
            assert!(!mill.told().contains(&format!("\"{other}\"")), "{other} is there\n{}", mill.told());
            scene.topics.delete(other).unwrap();
        }
    }
}

/// The client waits so long for a topic that has gone: it may only be late in the cluster's metadata.
const PATIENCE: (&str, &str) = ("KAFKA_PRODUCER__topic_metadata_propagation_max_ms", "2000");

#[test]
fn an_output_topic_that_is_deleted_meanwhile_stops_the_engine() {
    let Some(broker) = Broker::shared() else { return };
    for (role, variable) in [(1, "KAFKA_OUTPUT_TOPIC"), (2, "KAFKA_DLQ_TOPIC")] {
        let scene = Scene::new(broker.bootstrap(), "deleted");
        let shape = Shape { refused: 0.5, ..Shape::default() };
        let topic = if role == 1 { &scene.output } else { &scene.dlq };
        scene.fill(0, 100, shape.clone());
        let mill = Mill::start(scene.run().env(PATIENCE.0, PATIENCE.1));
        scene.wait_for_no_lag();
        scene.topics.delete(topic).unwrap();
        scene.fill(100, 100, shape);
        mill.refuses(78, &[topic, variable, "gristmill topics create"]);
        // What could not be delivered was not committed; what went with the topic is gone.
        scene.topics.create(topic, 4, 0, &[]).unwrap();
        scene.run_to_the_end();
        let account = scene.account();
        assert!(account.foreign + account.misplaced == 0 && account.lost < 100, "{account}");
        let found = scene.read(topic).len();
        assert!((1..100).contains(&found), "{found} of the second hundred in {topic}");
    }
}

#[test]
fn an_input_topic_that_is_deleted_meanwhile_stops_the_engine() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "deleted-input");
    scene.fill(0, 100, Shape::default());
    let run = scene.run().env("KAFKA_CONSUMER__topic_metadata_propagation_max_ms", "2000");
    let mill = Mill::start(run.env("KAFKA_CONSUMER__topic_metadata_refresh_interval_ms", "1000"));
    scene.wait_for_no_lag();
    scene.topics.delete(&scene.input).unwrap();
    mill.refuses(78, &[&scene.input, "KAFKA_INPUT_TOPIC", "gristmill topics create"]);
}
