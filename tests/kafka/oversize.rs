//! Records that a topic does not take for their size or their age: they alone become dead letters, at worst as stubs; their neighbours are
//! delivered, also where the broker refuses a batch that holds both.

use crate::mill::Mill;
use crate::scene::{Plain, Scene, Topic};
use perf::broker::Broker;
use perf::events::Shape;
use sha2::{Digest, Sha256};

const SMALL: Shape = Shape {
    seed: 7,
    users: Some(50),
    refused: 0.0,
    tombstones: 0.0,
    pad_to: 0,
    random_padding: 1.0,
    compact: false,
};
const LARGE: Shape = Shape { pad_to: 5_000, ..SMALL };

/// Small events with large ones among them: `rounds` times 40 and 2.
fn fill_mixed(scene: &Scene, first: u32, rounds: u32) -> u64 {
    let mut large = 0;
    for round in 0..rounds {
        let first = first + 42 * round;
        scene.fill(first, 40, SMALL);
        large += scene.fill(first + 40, 2, LARGE).good();
    }
    large
}

#[test]
fn an_output_too_large_for_its_topic_is_a_dead_letter() {
    let Some(broker) = Broker::shared() else { return };
    let output = Topic(4, &[("max.message.bytes", "2000")]);
    let scene = Scene::with(broker.bootstrap(), "oversize", Topic(6, &[]), output, Topic(3, &[]));
    let large = fill_mixed(&scene, 0, 5);
    let mill = scene.run_to_the_end();
    let account = scene.account_as(|ledger| ledger.allow_delivery_failed = true);
    assert!(account.is_clean(), "{account}");
    assert_eq!((account.delivery_failed, account.truncated, account.output), (large, 0, 200), "{account}");
    assert_eq!(mill.accounting().dead_letters, large);
    for letter in scene.read(&scene.dlq) {
        assert_eq!(letter.value.as_ref().map(Vec::len), Some(5_000), "the original, whole");
        assert!(letter.header("dlq.detail").unwrap().contains("max.message.bytes"));
    }
}

#[test]
fn topics_that_take_more_than_the_client_can_send_are_no_obstacle() {
    let Some(broker) = Broker::shared() else { return };
    let huge = [("max.message.bytes", "2147483647")];
    let target = || Topic(2, &huge);
    let scene = Scene::with(broker.bootstrap(), "huge", Topic(2, &[]), target(), target());
    scene.fill(0, 100, Shape::default());
    scene.run_to_the_end_as(|spawn| spawn.env("GRISTMILL_MEMORY_LIMIT", "8GiB"));
    scene.assert_clean();
}

#[test]
fn a_dead_letter_too_large_for_its_topic_is_a_stub() {
    let Some(broker) = Broker::shared() else { return };
    let small = [("max.message.bytes", "2000")];
    let scene = Scene::with(broker.bootstrap(), "stub", Topic(2, &[]), Topic(2, &small), Topic(2, &small));
    let large = fill_mixed(&scene, 0, 5);
    // Headers alone can be too large too, and a key longer than the whole topic's limit is cut.
    let long = Plain {
        key: Some(vec![b'k'; 10_000]),
        headers: vec![("trace".to_owned(), vec![b'h'; 10_000])],
        ..crate::event(90_000)
    };
    scene.put(&scene.input, std::slice::from_ref(&long));
    scene.run_to_the_end();
    let account = scene.account_as(|ledger| ledger.allow_delivery_failed = true);
    assert!(account.is_clean(), "{account}");
    assert_eq!((account.delivery_failed, account.truncated, account.output), (large + 1, large + 1, 200));
    let inputs = scene.read(&scene.input);
    for stub in scene.read(&scene.dlq) {
        assert_eq!((stub.header("dlq.truncated"), stub.value.as_ref()), (Some("true"), None));
        let at = |name| stub.header(name).unwrap().parse::<usize>().unwrap();
        let (partition, offset) = (at("dlq.partition"), at("dlq.offset"));
        let of_partition = inputs.iter().filter(|record| record.partition as usize == partition);
        let original = of_partition.into_iter().nth(offset).unwrap();
        let value = original.value.as_ref().unwrap();
        let hash: String = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(at("dlq.value.size"), value.len());
        assert_eq!(stub.header("dlq.value.sha256"), Some(hash.as_str()));
        let key = original.key.as_ref().unwrap();
        assert_eq!(stub.key.as_deref(), Some(&key[..key.len().min(1024)]));
    }
}

#[test]
fn a_broker_that_refuses_a_batch_costs_the_culprits_alone() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::with(broker.bootstrap(), "refused", Topic(2, &[]), Topic(2, &[]), Topic(2, &[]));
    let before = fill_mixed(&scene, 0, 1);
    let run = scene.run().env("KAFKA_RETRY_LIMIT", "1").env("GRISTMILL_HTTP_ADDR", "127.0.0.1:0");
    let mill = Mill::start_assigned(run);
    scene.wait_for_no_lag();
    // From here on the client believes that 1 MB fits, and puts into a batch what the broker will refuse as a whole.
    scene.topics.alter_config(&scene.output, &[("max.message.bytes", "2000")]).unwrap();
    let large = fill_mixed(&scene, 1_000, 4);
    scene.wait_for_no_lag();
    assert!(mill.http().metric("gristmill_delivery_retries_total").unwrap() > 0.0, "no batch was refused");
    mill.stop();
    let account = scene.account_as(|ledger| ledger.allow_delivery_failed = true);
    assert!(account.is_clean(), "{account}");
    assert_eq!((account.delivery_failed, account.output), (large, 200 + before), "{account}");
    for letter in scene.read(&scene.dlq) {
        assert_eq!(letter.header("dlq.reason"), Some("delivery_failed"));
    }
}

#[test]
fn a_record_too_old_for_both_topics_is_a_dead_letter_of_today() {
    let Some(broker) = Broker::shared() else { return };
    let recent = [("message.timestamp.before.max.ms", "3600000")];
    let target = || Topic(1, &recent);
    let scene = Scene::with(broker.bootstrap(), "old", Topic(1, &[]), target(), target());
    let present = crate::now_ms();
    let (old, older) = (present - 24 * 3_600_000, present - 48 * 3_600_000);
    // Outputs and a dead letter, which are refused for their age alone or together, among others that are not.
    let invalid = Plain::of("not JSON");
    let mut records: Vec<Plain> = (0..40).map(crate::event).collect();
    records.insert(10, Plain { timestamp_ms: older, ..invalid.clone() });
    records.insert(20, invalid);
    records[5].timestamp_ms = old;
    records[15].timestamp_ms = older;
    scene.put(&scene.input, &records);
    let mill = scene.run_to_the_end_as(|spawn| spawn.env("KAFKA_RETRY_LIMIT", "1"));
    assert_eq!((mill.accounting().output, mill.accounting().dead_letters), (38, 4));
    let mut letters = scene.read(&scene.dlq);
    letters.sort_by_key(|letter| letter.header("dlq.offset").unwrap().parse::<usize>().unwrap());
    let at = |letter: &Plain| letter.header("dlq.offset").unwrap().parse::<usize>().unwrap();
    assert_eq!(letters.iter().map(at).collect::<Vec<_>>(), [5, 10, 15, 20]);
    for letter in &letters {
        let original = &records[at(letter)];
        let reason =
            if original.value.as_deref() == Some(b"not JSON") { "not_json" } else { "delivery_failed" };
        assert_eq!((letter.header("dlq.reason"), letter.header("dlq.truncated")), (Some(reason), None));
        assert_eq!(letter.value, original.value);
        assert!(letter.timestamp_ms >= present, "{letter:?}");
        if original.timestamp_ms > 0 {
            assert_eq!(letter.header("dlq.timestamp"), Some(original.timestamp_ms.to_string().as_str()));
        }
    }
    let output = scene.read(&scene.output);
    assert!(output.len() == 38 && output.iter().all(|record| record.timestamp_ms >= present), "{output:?}");
}

#[test]
fn a_dlq_that_refuses_what_the_client_thought_fits_gets_stubs() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::with(broker.bootstrap(), "refused-dlq", Topic(2, &[]), Topic(2, &[]), Topic(2, &[]));
    let mill = Mill::start_assigned(scene.run().env("KAFKA_RETRY_LIMIT", "0"));
    scene.topics.alter_config(&scene.dlq, &[("max.message.bytes", "2000")]).unwrap();
    let bad = Shape { refused: 1.0, ..SMALL };
    let mut refused = scene.fill(0, 20, bad.clone()).refused();
    refused += scene.fill(100, 3, Shape { pad_to: 5_000, ..bad }).refused();
    scene.fill(200, 20, SMALL);
    scene.wait_for_no_lag();
    mill.stop();
    let account = scene.assert_clean();
    assert_eq!((account.dlq, account.truncated, account.output), (refused, 3, 20), "{account}");
}

#[test]
fn a_dlq_that_refuses_even_stubs_stops_the_engine() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::with(broker.bootstrap(), "refused-stub", Topic(1, &[]), Topic(1, &[]), Topic(1, &[]));
    let mill = Mill::start_assigned(scene.run());
    scene.topics.alter_config(&scene.dlq, &[("max.message.bytes", "100")]).unwrap();
    let bad = Shape { refused: 1.0, ..SMALL };
    scene.fill(0, 5, bad);
    mill.refuses(74, &[&scene.dlq, "stub", "max.message.bytes"]);
    // Nothing was committed past what could not be delivered: with room for it, nothing is lost.
    scene.topics.alter_config(&scene.dlq, &[]).unwrap();
    scene.run_to_the_end();
    assert_eq!(scene.assert_clean().dlq, 5);
}
