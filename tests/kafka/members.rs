//! Members come and go under load: partitions change hands without a loss, and without a repeat when the leave is clean.

use crate::mill::Mill;
use crate::scene::{Plain, Scene, Topic, WITHIN, is_within};
use perf::broker::Broker;
use perf::events::Shape;
use perf::fill::Fill;
use perf::topics::wait_until;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const RATE: &str = "3000";

#[test]
fn members_join_and_leave_under_load() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "members");
    let mut load = scene.load(3_000, Shape::default());
    let join = || Mill::start_assigned(scene.run().env("GRISTMILL_RATE_LIMIT", RATE));
    let mut mills = vec![join()];
    for round in 0..3 {
        load.keep(40_000);
        let before = scene.delivered();
        mills.push(join());
        scene.wait_for_delivery(before, 500);
        // In turn the one that was there first and the one that came.
        let leaver = mills.remove(round % 2);
        leaver.stop();
        scene.wait_for_more(500);
    }
    assert!(scene.lag() > 0, "the load did not outlast the members");
    for mill in mills {
        mill.stop();
    }
    scene.run_to_the_end();
    scene.assert_clean();
}

/// Partitions that lines about assignments name, from line `from` on.
fn moved(mill: &Mill, from: usize) -> BTreeSet<i32> {
    let lines = mill.child().stderr().split_off(from);
    let about = lines
        .iter()
        .filter(|line| line.contains("partitions assigned") || line.contains("partitions revoked"));
    let named = about.map(|line| line.split_once(" partitions=[").unwrap().1.split_once(']').unwrap().0);
    named
        .flat_map(|list| list.split(", ").filter(|one| !one.is_empty()).map(|one| one.parse().unwrap()))
        .collect()
}

/// A time in which a member came or went, and the partitions that changed hands in it.
struct Change {
    from_ms: i64,
    to_ms: i64,
    moved: BTreeSet<i32>,
}

/// Lets a member come or go, and looks for a while at what follows.
fn change(mills: &mut Vec<Mill>, how: impl FnOnce(&mut Vec<Mill>)) -> Change {
    // The group hears of it with the next heartbeat, and shares out in two rounds.
    const LOOK: Duration = Duration::from_secs(3);
    let from_ms = crate::now_ms();
    let told: Vec<usize> = mills.iter().map(|mill| mill.child().stderr().len()).collect();
    how(mills);
    std::thread::sleep(LOOK);
    let told = told.into_iter().chain(std::iter::repeat(0));
    Change {
        from_ms,
        to_ms: crate::now_ms(),
        moved: mills.iter().zip(told).flat_map(|(mill, from)| moved(mill, from)).collect(),
    }
}

impl Change {
    /// The longest time in it between two of these.
    fn longest_gap(&self, times: &[i64]) -> i64 {
        let mut within: Vec<i64> = [self.from_ms, self.to_ms].into();
        within.extend(times.iter().filter(|time| (self.from_ms..=self.to_ms).contains(time)));
        within.sort_unstable();
        within.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap()
    }
}

/// For each partition that stayed where it was in one of these changes: by how much the longest time in which nothing of it came out
/// exceeds that in which nothing was put in. A machine that stands still makes both.
fn pauses(scene: &Scene, changes: &[Change]) -> Vec<i64> {
    let number = |record: &Plain| record.value.as_deref().and_then(perf::events::number_in);
    let mut from: BTreeMap<u32, i32> = BTreeMap::new();
    let mut times: BTreeMap<i32, [Vec<i64>; 2]> = BTreeMap::new();
    for record in scene.read(&scene.input) {
        from.insert(number(&record).unwrap(), record.partition);
        times.entry(record.partition).or_default()[0].push(record.timestamp_ms);
    }
    for record in scene.read(&scene.output) {
        times.entry(from[&number(&record).unwrap()]).or_default()[1].push(record.timestamp_ms);
    }
    let mut pauses = Vec::new();
    for change in changes {
        let stayed = times.iter().filter(|(partition, _)| !change.moved.contains(*partition));
        pauses.extend(stayed.map(|(_, [put, came])| change.longest_gap(came) - change.longest_gap(put)));
    }
    pauses
}

/// From the assignment to the first record that comes out, where nothing else runs: a second.
fn start_takes(bootstrap: &str) -> Duration {
    let scene = Scene::new(bootstrap, "starts");
    scene.fill(0, 600, Shape::default());
    let mill = Mill::start_assigned(scene.run());
    let assigned = Instant::now();
    scene.wait_for_delivery(0, 0);
    let took = assigned.elapsed();
    mill.stop();
    took
}

#[test]
fn who_keeps_a_partition_in_a_rebalance_goes_on_with_it() {
    const PER_SECOND: u32 = 600;
    const CHANGES: u32 = 6;
    const PAUSE_MAX_MS: i64 = 2_000;
    let Some(broker) = Broker::shared() else { return };
    let is_soon = is_within(Duration::from_secs(3), || start_takes(broker.bootstrap()));
    assert!(is_soon, "three starts took longer");
    // The brokers say when a record came.
    let timed = |partitions| Topic(partitions, &[("message.timestamp.type", "LogAppendTime")]);
    let scene = Scene::with(broker.bootstrap(), "untouched", timed(12), timed(3), Topic(3, &[]));
    let shape = Shape { refused: 0.0, ..Shape::default() };
    scene.fill(0, PER_SECOND, shape.clone());
    let mut mills = vec![Mill::start_assigned(scene.run())];
    let mut changes = Vec::new();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Not a backlog: of that a partition may wait for its turn.
        scope.spawn(|| {
            let mut first = PER_SECOND;
            while !is_over.load(Ordering::Relaxed) {
                let (count, rate) = (PER_SECOND * 3, Some(PER_SECOND));
                scene.fill_as(|fill| Fill { first, count, rate, shape: shape.clone(), ..fill });
                first += count;
            }
        });
        change(&mut mills, |mills| mills.push(Mill::start_assigned(scene.run())));
        for round in 0..CHANGES {
            changes.push(change(&mut mills, |mills| {
                if round % 2 == 0 {
                    mills.push(Mill::start_assigned(scene.run()));
                } else {
                    // In turn the one that came last and one that was there before.
                    mills[if round % 4 == 1 { mills.len() - 1 } else { round as usize / 4 }].stop();
                }
            }));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    scene.wait_for_no_lag();
    for mill in mills.iter().filter(|mill| mill.child().is_running()) {
        mill.stop();
    }
    // The ledger finds everything in its place but for the times, which are the brokers'.
    let account = scene.account();
    assert_eq!(
        (account.lost, account.repeated, account.disordered, account.foreign),
        (0, 0, 0, 0),
        "{account}"
    );
    let pauses = pauses(&scene, &changes);
    let (count, longest) = (pauses.len(), pauses.iter().max().unwrap());
    println!("{count} partitions stayed where they were, and paused for {longest} ms at most");
    assert!(count >= 4 * CHANGES as usize, "{count} partitions stayed where they were");
    assert!(*longest <= PAUSE_MAX_MS, "{pauses:?}");
}

/// How many lines of a process have this in them.
fn count_lines(mill: &Mill, text: &str) -> usize {
    mill.child().stderr().iter().filter(|line| line.contains(text)).count()
}

#[test]
fn a_rolling_restart_of_static_members_repeats_nothing_and_moves_nothing() {
    const MEMBERS: usize = 3;
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "rolling");
    let mut load = scene.load(20_000, Shape { tombstones: 0.01, ..Shape::default() });
    let join = |member: usize| {
        let run = scene.run().env("GRISTMILL_INSTANCE_ID", format!("mill-{member}"));
        Mill::start(run.env("GRISTMILL_HTTP_ADDR", "127.0.0.1:0").env("GRISTMILL_RATE_LIMIT", "1500"))
    };
    let wait_for_share = |mill: &Mill| {
        let http = mill.http();
        wait_until("a member did not get its share", WITHIN, || {
            Ok(http.metric("gristmill_assigned_partitions") == Some(2.0))
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", mill.told()));
    };
    let mut mills: Vec<Mill> = (0..MEMBERS).map(join).collect();
    mills.iter().for_each(wait_for_share);
    let changes = |mills: &[Mill]| -> usize {
        let lines = ["partitions assigned", "partitions revoked"];
        lines.iter().flat_map(|line| mills.iter().map(|mill| count_lines(mill, line))).sum()
    };
    // By then each of them has said what it has.
    for mill in &mills {
        mill.wait_for("owned=2");
    }
    for member in 0..MEMBERS {
        load.keep(30_000);
        let leaver = mills.remove(0);
        let before = changes(&mills);
        assert_eq!(leaver.stop().not_committed, 0);
        let next = join(member);
        wait_for_share(&next);
        scene.wait_for_more(500);
        assert_eq!(changes(&mills), before, "the others keep what they have: {}", mills[0].told());
        assert_eq!(changes(std::slice::from_ref(&next)), 1, "{}", next.told());
        mills.push(next);
    }
    assert!(scene.lag() > 0, "the load did not outlast the members");
    scene.wait_for_no_lag();
    let ends: Vec<_> = mills.iter().map(Mill::stop).collect();
    assert!(ends.iter().all(|end| end.consumed > 0 && end.not_committed == 0), "{ends:?}");
    scene.assert_all_committed();
    assert_eq!(scene.assert_clean().input, u64::from(load.count));
}

#[test]
fn a_rebalance_does_not_move_a_partition_that_is_read_to_its_end() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "kept");
    let keyless = |from: u32| scene.fill(from, 60, Shape { users: None, ..Shape::default() });
    keyless(0);
    let first = Mill::start_assigned(scene.run());
    scene.wait_for_no_lag();
    for round in 1..4 {
        // All is read; the first member keeps its partitions while others come and go. What comes next is neither skipped
        // nor is anything before it read again.
        let other = Mill::start_assigned(scene.run());
        keyless(1_000 * round);
        scene.wait_for_no_lag();
        other.stop();
        keyless(1_000 * round + 60);
        scene.wait_for_no_lag();
    }
    assert!(!first.told().contains("is gone"), "{}", first.told());
    first.stop();
    assert_eq!(scene.assert_clean().input, 7 * 60);
}

#[test]
fn a_member_without_partitions_leaves_at_once_too() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::with(broker.bootstrap(), "spare", Topic(1, &[]), Topic(1, &[]), Topic(1, &[]));
    scene.fill(0, 100, Shape::default());
    let owner = Mill::start_assigned(scene.run());
    let spare = Mill::start_assigned(scene.run());
    // A record that comes through shows that the rebalance is over.
    scene.wait_for_no_lag();
    spare.stop();
    // Whoever joins next would otherwise wait for the end of the session of the one that left.
    let since = Instant::now();
    let next = Mill::start_assigned(scene.run());
    assert!(since.elapsed() < Duration::from_secs(30), "it took {:?}", since.elapsed());
    next.stop();
    owner.stop();
    scene.assert_clean();
}

#[test]
fn two_source_threads_stop_and_go_on() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "sources");
    scene.fill(0, 30_000, Shape::default());
    let sources = |spawn: perf::child::Spawn| spawn.env("GRISTMILL_SOURCE_THREADS", "2");
    let mill = Mill::start(sources(scene.run()).env("GRISTMILL_RATE_LIMIT", "2000"));
    for source in ["source=0", "source=1"] {
        mill.wait_for(source);
    }
    scene.wait_for_delivery(0, 1_000);
    mill.stop();
    assert!(scene.lag() > 0, "the load did not outlast the first process");
    scene.run_to_the_end_as(sources);
    assert_eq!(scene.assert_clean().input, 30_000);
}

#[test]
fn until_end_is_shared_by_two_processes() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "shared-end");
    scene.fill(0, 20_000, Shape::default());
    let start = || Mill::start(scene.run_until_end().env("GRISTMILL_RATE_LIMIT", RATE));
    let (one, other) = (start(), start());
    let counts = [one.ends_with(0), other.ends_with(0)].map(|account| account.consumed);
    assert_eq!(counts.iter().sum::<u64>(), 20_000);
    scene.assert_all_committed();
    scene.assert_clean();
}

#[test]
fn until_end_waits_for_the_partitions_of_others_and_takes_over_what_they_leave() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "left-over");
    scene.fill(0, 12_000, Shape::default());
    let run = |name: &str, rate: &str| {
        let run = scene.run_until_end().env("GRISTMILL_INSTANCE_ID", name);
        Mill::start_assigned(run.env("KAFKA_SESSION_TIMEOUT", "15000").env("GRISTMILL_RATE_LIMIT", rate))
    };
    // Too slow to get anywhere.
    let gone = run("gone", "1");
    let stays = run("stays", "10000");
    stays.wait_for("waiting for them");
    gone.child().kill();
    // The session of a static member has to run out first.
    stays.ends_with(0);
    scene.assert_all_committed();
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats() && account.repeated < 1_000, "{account}");
}

#[test]
fn a_member_with_another_strategy_is_named_with_what_to_do() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "strategy");
    let old: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &scene.bootstrap)
        .set("group.id", &scene.group)
        .set("partition.assignment.strategy", "range")
        .set("log_level", "2")
        .create()
        .unwrap();
    old.subscribe(&[&scene.input]).unwrap();
    wait_until("the old member did not join", WITHIN, || {
        drop(old.poll(Duration::from_millis(20)));
        Ok(old.assignment()?.count() > 0)
    })
    .unwrap();
    let mill = Mill::start(scene.run());
    wait_until("gristmill did not end", WITHIN, || {
        drop(old.poll(Duration::from_millis(20)));
        Ok(!mill.child().is_running())
    })
    .unwrap();
    mill.refuses(78, &[&scene.group, "another assignment strategy", "KAFKA_CONSUMER_GROUP"]);
}

#[test]
fn a_session_that_the_brokers_do_not_take_is_named_with_what_to_do() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "session");
    let mill = Mill::start(scene.run().env("KAFKA_SESSION_TIMEOUT", "5000"));
    mill.refuses(78, &["5000 ms", "KAFKA_SESSION_TIMEOUT", "group.min.session.timeout.ms"]);
}

#[test]
fn partitions_that_are_added_are_counted_and_then_read() {
    let Some(broker) = Broker::shared() else { return };
    let scene = Scene::new(broker.bootstrap(), "enlarged");
    scene.fill(0, 600, Shape::default());
    let run = scene.run().env("GRISTMILL_HTTP_ADDR", "127.0.0.1:0");
    let run = run.env("KAFKA_CONSUMER__topic_metadata_refresh_interval_ms", "6000");
    let mill = Mill::start_assigned(run.env("KAFKA_AUTO_OFFSET_RESET", "latest"));
    let http = mill.http();
    let counts =
        || ["gristmill_input_partitions", "gristmill_assigned_partitions"].map(|name| http.metric(name));
    assert_eq!(counts(), [Some(6.0), Some(6.0)]);
    scene.topics.add_partitions(&scene.input, 8).unwrap();
    // Written before the group has noticed: `latest` is about what was there before it, not about these.
    let added = scene.fill_as(|fill| Fill {
        first: 600,
        count: 800,
        shape: Shape { users: None, ..Shape::default() },
        ..fill
    });
    wait_until("they are not counted", WITHIN, || Ok(counts()[0] == Some(8.0))).unwrap();
    wait_until("they are not read", WITHIN, || Ok(counts()[1] == Some(8.0))).unwrap();
    scene.wait_for_no_lag();
    assert_eq!(mill.stop().consumed, added.visible());
}
