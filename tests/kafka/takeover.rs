//! `docs/migrate.md`, step by step: a plain consumer works in a group, gristmill takes the group over, and gives it back.

use crate::mill::Mill;
use crate::scene::{GRISTMILL, Scene, WITHIN};
use perf::broker::Broker;
use perf::events::{Shape, number_in};
use perf::topics::wait_until;
use rdkafka::ClientConfig;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use std::time::Duration;

/// The consumer that is to be replaced. What it has done with an event, nobody knows but itself.
struct Old {
    consumer: BaseConsumer,
    done: Vec<u32>,
    /// It does no more than so many, and stays a member.
    limit: usize,
}

impl Old {
    fn join(scene: &Scene, properties: &[(&str, &str)]) -> Old {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &scene.bootstrap)
            .set("group.id", &scene.group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            // A little of each partition at a time, not one after the other.
            .set("fetch.message.max.bytes", "20000")
            .set("log_level", "2");
        for (name, value) in properties {
            config.set(*name, *value);
        }
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[&scene.input]).unwrap();
        Old { consumer, done: Vec::new(), limit: usize::MAX }
    }

    fn with_range(scene: &Scene) -> Old {
        Old::join(scene, &[("partition.assignment.strategy", "range")])
    }

    /// Does a few of the events that are there, and commits each.
    fn work(&mut self) {
        for _ in 0..100.min(self.limit - self.done.len()) {
            let Some(record) = self.consumer.poll(Duration::from_millis(20)) else { return };
            let record = record.unwrap();
            self.done.push(number_in(record.payload().unwrap()).unwrap());
            self.consumer.commit_message(&record, CommitMode::Async).unwrap();
        }
    }

    fn work_until(&mut self, otherwise: &str, mut done: impl FnMut(&Old) -> bool) {
        wait_until(otherwise, WITHIN, || {
            self.work();
            Ok(done(self))
        })
        .unwrap();
    }

    /// Leaves the group in order; what was its last commit is committed.
    fn stop(self) -> Vec<u32> {
        let mut code = None;
        // The group may be sharing out anew.
        wait_until("the commit was not taken", WITHIN, || {
            let committed = self.consumer.commit_consumer_state(CommitMode::Sync);
            code = committed.err().and_then(|error| error.rdkafka_error_code());
            Ok(matches!(code, None | Some(RDKafkaErrorCode::NoOffset)))
        })
        .unwrap_or_else(|error| panic!("{error}: {code:?}"));
        self.done
    }
}

/// What the document says that gristmill says, in one line, of this group.
fn quoted(group: &str) -> String {
    let document = include_str!("../../docs/migrate.md");
    let lines: Vec<&str> = document.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    lines.join(" ").replace("user-group", group)
}

/// A command that ends by itself with 0: its standard output.
fn answer(scene: &Scene, arguments: &[&str]) -> String {
    let mill = Mill::start(scene.command(GRISTMILL, arguments));
    mill.exit_with(0);
    mill.child().stdout().join("\n")
}

fn numbers(scene: &Scene, topic: &str) -> Vec<u32> {
    scene.read(topic).iter().map(|record| number_in(record.value.as_ref().unwrap()).unwrap()).collect()
}

#[test]
fn a_group_is_taken_over_from_a_plain_consumer_and_given_back() {
    const FIRST: u32 = 6_000;
    const LATER: u32 = 600;
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "takeover");
    for round in 0..FIRST / 500 {
        scene.fill(round * 500, 500, Shape::default());
    }
    let mut old = Old::with_range(&scene);
    // However long a look at it takes on a busy machine, something has to be left.
    old.limit = FIRST as usize * 3 / 4;
    let everywhere = |old: &Old| {
        let committed = scene.topics.group_offsets(&scene.group, &scene.input).unwrap();
        old.done.len() > 2_000 && committed.iter().all(Option::is_some)
    };
    old.work_until("the old consumer did not get far", everywhere);

    // A look while it still works, and a start that comes too early.
    assert!(answer(&scene, &["check"]).contains("goes on from its committed offsets"));
    let early = Mill::start(scene.run());
    old.work_until("gristmill did not end", |_| !early.child().is_running());
    early.refuses(78, &[&quoted(&scene.group)]);

    let done_by_old = old.stop();
    assert!(done_by_old.len() < FIRST as usize, "nothing was left to take over");
    let mut standing = String::new();
    wait_until("the group did not become empty", WITHIN, || {
        standing = answer(&scene, &["offsets", "show"]);
        Ok(standing.contains(": no members"))
    })
    .unwrap();
    let left = i64::from(FIRST) - done_by_old.len() as i64;
    assert_eq!(scene.lag(), left, "{standing}");

    let mill = Mill::start(scene.run().env("GRISTMILL_HTTP_ADDR", "127.0.0.1:0"));
    mill.http().wait_ready_is(200);
    scene.wait_for_no_lag();
    assert_eq!(mill.http().metric("gristmill_records_expired_total"), Some(0.0));
    assert_eq!(i64::try_from(mill.stop().consumed).unwrap(), left);

    // The way back.
    scene.fill(FIRST, LATER, Shape::default());
    let mut again = Old::with_range(&scene);
    again.work_until("the old consumer did not go on", |old| old.done.len() == LATER as usize);
    let mut all = [done_by_old, again.stop()].concat();
    assert_eq!(scene.lag(), 0);
    all.extend([&scene.output, &scene.dlq].into_iter().flat_map(|topic| numbers(&scene, topic)));
    all.sort_unstable();
    assert_eq!(all, (0..FIRST + LATER).collect::<Vec<u32>>(), "each event once");
}

#[test]
fn a_group_of_the_newer_protocol_is_shared() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "newer");
    scene.fill(0, 600, Shape::default());
    let mut old = Old::join(&scene, &[("group.protocol", "consumer")]);
    old.work_until("the old consumer did nothing", |old| !old.done.is_empty());
    let mill = Mill::start(scene.run());
    // At first it is given none: the other has to give them back.
    let has_some = |line: &String| line.contains("partitions assigned") && !line.contains("owned=0");
    old.work_until("gristmill got nothing", |_| mill.child().stderr().iter().any(has_some));
    scene.fill(600, 600, Shape::default());
    old.work_until("it did not get to the end", |_| scene.lag() == 0);
    assert!(mill.stop().consumed > 0, "{}", mill.told());
    let mut all = old.stop();
    all.extend([&scene.output, &scene.dlq].into_iter().flat_map(|topic| numbers(&scene, topic)));
    all.sort_unstable();
    assert_eq!(all, (0..1_200).collect::<Vec<u32>>(), "each event once");
}
