//! A contract that does not fit the topic: reading stops before all of it is a dead letter, nothing is skipped, a restart goes on.

use crate::mill::Mill;
use crate::scene::{Scene, WITHIN};
use perf::broker::Broker;
use perf::child::Spawn;
use perf::events::Shape;
use perf::topics::wait_until;
use std::path::Path;

const COUNT: u32 = 20_000;

/// So slow that the topic outlasts the first thousand rejections.
fn limited(spawn: Spawn) -> Spawn {
    spawn.env("GRISTMILL_DLQ_LIMIT", "50%/2000").env("GRISTMILL_RATE_LIMIT", "5000")
}

fn reading_stops(name: &str, how: impl Fn(Spawn) -> Spawn) {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), name);
    scene.fill(0, COUNT, Shape { refused: 1.0, ..Shape::default() });
    let mill = Mill::start(how(limited(scene.run()).env("GRISTMILL_HTTP_ADDR", "127.0.0.1:0")));
    let http = mill.http();
    let line = mill.wait_for("too many dead letters, nothing more is read");
    assert!(line.contains("GRISTMILL_DLQ_LIMIT is 50%/2000"), "{line}");
    let said = http.wait_ready_is(503);
    assert!(said.contains("too many dead letters, nothing more is read"), "{said}");
    assert_eq!(http.metric("gristmill_dlq_limit_tripped"), Some(1.0));
    let settled = || Ok(http.metric("gristmill_records_in_flight") == Some(0.0));
    wait_until("what was in flight is not settled", WITHIN, settled).unwrap();
    let account = mill.stop();
    let read = account.consumed - account.not_committed;
    assert_eq!(account.dead_letters, read);
    assert!((1_001..u64::from(COUNT)).contains(&read), "{account:?}");
    assert_eq!(scene.lag(), i64::from(COUNT) - read as i64, "what was not read was not skipped");

    scene.run_to_the_end_as(|spawn| how(spawn.env("GRISTMILL_DLQ_LIMIT", "off")));
    scene.assert_clean();
}

#[test]
fn reading_stops_when_all_is_rejected() {
    reading_stops("dlq-limit", |spawn| spawn);
}

#[test]
fn reading_stops_when_all_is_rejected_exactly_once() {
    reading_stops("dlq-limit-exactly", |spawn| {
        spawn.env("GRISTMILL_DELIVERY", "exactly-once").env("GRISTMILL_INSTANCE_ID", "mill")
    });
}

#[test]
fn a_run_to_the_end_ends_early_and_goes_on_with_the_right_contract() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "dlq-limit-end");
    scene.fill(0, COUNT, Shape { refused: 0.0, ..Shape::default() });
    let contract = Path::new(env!("CARGO_TARGET_TMPDIR")).join("payments.toml");
    std::fs::write(
        &contract,
        "name = \"payments\"\n[field.payment_id]\ntype = \"string\"\nrequired = true\n",
    )
    .unwrap();
    let wrong = limited(scene.run_until_end()).env("GRISTMILL_CONTRACT", contract.display().to_string());
    let mill = Mill::start(wrong);
    let first = mill.ends_with(76);
    mill.wait_for("(field_missing ");
    assert_eq!((first.dead_letters, first.not_committed), (first.consumed, 0));
    assert!(first.consumed < u64::from(COUNT), "{first:?}");

    let second = scene.run_to_the_end_as(limited).accounting();
    assert_eq!((second.output, second.dead_letters), (u64::from(COUNT) - first.consumed, 0));
}
