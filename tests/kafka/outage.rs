//! The broker goes away: stopped, killed, hanging; one node of three. Events wait; none is lost, and none becomes a dead letter.

use crate::mill::{Http, Mill};
use crate::scene::{Scene, Topic, WITHIN};
use perf::broker::{Broker, Options};
use perf::child::Spawn;
use perf::cluster::Cluster;
use perf::events::Shape;
use perf::topics::wait_until;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A broker that may be stopped, killed and paused, by one test at a time.
pub(crate) struct Breakable(
    #[expect(dead_code, reason = "held for as long as the test runs")] MutexGuard<'static, ()>,
    &'static Broker,
);

impl std::ops::Deref for Breakable {
    type Target = Broker;

    fn deref(&self) -> &Broker {
        self.1
    }
}

impl Drop for Breakable {
    /// A test that failed may have left it stopped or paused.
    fn drop(&mut self) {
        if self.1.resume().is_err() {
            self.1.restart().unwrap();
        }
    }
}

pub(crate) fn breakable() -> Option<Breakable> {
    static TURN: Mutex<()> = Mutex::new(());
    static BROKER: OnceLock<Option<&'static Broker>> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let broker = (*BROKER.get_or_init(|| Broker::for_process(Options::own())))?;
    Some(Breakable(turn, broker))
}

pub(crate) fn watched(spawn: Spawn) -> (Mill, Http) {
    let mill = Mill::start_assigned(spawn.env("GRISTMILL_HTTP_ADDR", "127.0.0.1:0"));
    let http = mill.http();
    (mill, http)
}

#[test]
fn a_broker_that_is_restarted_and_one_that_crashes() {
    let Some(broker) = breakable() else { return };
    let scene = Scene::new(broker.bootstrap(), "restart");
    let mut load = scene.load(40_000, Shape::default());
    let (mill, http) = watched(scene.run().env("GRISTMILL_RATE_LIMIT", "3000"));
    scene.wait_for_delivery(0, 1_000);

    broker.stop().unwrap();
    http.assert_live();
    broker.restart().unwrap();
    scene.wait_for_more(1_000);

    load.keep(40_000);
    broker.kill().unwrap();
    http.assert_live();
    broker.restart().unwrap();
    scene.wait_for_more(1_000);
    assert!(scene.lag() > 0, "the load did not outlast the outages");

    mill.stop();
    scene.run_to_the_end();
    let account = scene.account();
    println!("{} repeated", account.repeated);
    assert!(account.is_clean_but_for_repeats(), "{account}");
    assert_eq!(account.reasons.get("delivery_failed"), None);
}

/// What is written anew in the place of what is gone has other numbers: the ledger knows nothing of what was cut off. Exactly once,
/// where a transaction that is rolled back must not go back behind the cut.
fn cut_log(name: &str, interval: &str, wait: impl FnOnce(&Scene, Http)) {
    let Some(broker) = breakable() else { return };
    let scene = Scene::with(broker.bootstrap(), name, Topic(1, &[]), Topic(4, &[]), Topic(3, &[]));
    scene.fill(0, 1_000, Shape { users: None, ..Shape::default() });
    // A batch that is cut is gone as a whole, and this many records are in more than one.
    let kept = broker.disk_bytes(&scene.input).unwrap();
    scene.fill(1_000, 9_000, Shape { users: None, ..Shape::default() });
    let run = scene.run().env("GRISTMILL_DELIVERY", "exactly-once").env("GRISTMILL_INSTANCE_ID", "mill");
    let (mill, http) = watched(run.env("GRISTMILL_TRANSACTION_INTERVAL", interval));
    wait(&scene, http);

    broker.kill().unwrap();
    broker.truncate_log(&scene.input, 0, kept).unwrap();
    broker.restart().unwrap();
    assert_eq!(scene.topics.ends(&scene.input).unwrap(), [1_000]);
    scene.fill(20_000, 30_000, Shape { users: None, ..Shape::default() });
    let line = mill.wait_for("the log was cut");
    for part in ["ERROR", "from=10000", "to=1000", "expired=0"] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    assert_eq!(http.metric("gristmill_offset_resets_total"), Some(1.0));
    scene.wait_for_no_lag();
    mill.stop();
    let account = scene.account();
    assert_eq!((account.input, account.lost), (31_000, 0), "{account}");
}

#[test]
fn a_log_that_is_cut_is_read_on_from_the_cut() {
    cut_log("cut", "200ms", |scene, _| scene.wait_for_no_lag());
}

/// What was read before, and is not committed yet, is not given up for it.
#[test]
fn a_log_that_is_cut_behind_an_open_transaction() {
    cut_log("cut-open", "10s", |_, http| {
        wait_until("not all is read", WITHIN, || {
            Ok(http.metric("gristmill_records_consumed_total").is_some_and(|read| read >= 10_000.0))
        })
        .unwrap();
    });
}

#[test]
fn a_broker_that_hangs() {
    let Some(broker) = breakable() else { return };
    let scene = Scene::new(broker.bootstrap(), "hang");
    // 120 MB, of which at most a quarter may be held: the rest has to wait in the topic.
    scene.fill(0, 60_000, Shape { pad_to: 2_000, ..Shape::default() });
    let run = scene.run().env("GRISTMILL_STALL_AFTER", "2s").env("GRISTMILL_MEMORY_LIMIT", "32MiB");
    let (mill, http) = watched(run.env("GRISTMILL_RATE_LIMIT", "6000"));
    scene.wait_for_delivery(0, 1_000);
    http.wait_ready_is(200);

    broker.pause().unwrap();
    let said = http.wait_ready_is(503);
    assert!(said.contains("GRISTMILL_STALL_AFTER"), "{said}");
    broker.resume().unwrap();
    http.wait_ready_is(200);
    assert!(scene.lag() > 0, "the load did not outlast the pause");

    scene.wait_for_more(5_000);
    assert_eq!(
        http.metric("gristmill_records_rejected_total{reason=\"delivery_failed\"}").unwrap_or(0.0),
        0.0
    );
    let peak = mill.child().peak_rss_bytes();
    println!("peak memory {} MB", peak >> 20);
    assert!(peak < 100 << 20, "{} MB with a limit of 32 MiB", peak >> 20);
    mill.stop();
    scene.run_to_the_end();
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats(), "{account}");
    assert_eq!(account.reasons.get("delivery_failed"), None);
}

#[test]
fn partitions_that_nobody_can_read_have_stalled() {
    let Some(broker) = breakable() else { return };
    let scene = Scene::new(broker.bootstrap(), "stalled");
    scene.fill(0, 60_000, Shape::default());
    let run = scene.run().env("GRISTMILL_WATCHDOG_AFTER", "10s").env("GRISTMILL_WATCHDOG_EXIT", "true");
    let (mill, http) = watched(run.env("GRISTMILL_RATE_LIMIT", "3000"));
    let knows_lag =
        || Ok(http.get("/metrics").1.lines().any(|line| line.starts_with("gristmill_lag_records{")));
    wait_until("no lag is known", WITHIN, knows_lag).unwrap();
    let stalled = || http.metric("gristmill_stalled_partitions");
    assert_eq!(stalled(), Some(0.0));

    broker.pause().unwrap();
    wait_until("none has stalled", WITHIN, || Ok(stalled() > Some(0.0))).unwrap();
    mill.wait_for("no broker answers for them");
    http.assert_live();
    broker.resume().unwrap();
    scene.wait_for_more(1_000);
    wait_until("some are still said to have stalled", WITHIN, || Ok(stalled() == Some(0.0))).unwrap();
    mill.stop();
    scene.run_to_the_end();
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats(), "{account}");
}

#[test]
fn the_leader_of_an_output_partition_goes_away() {
    let options = Options::own()
        .heap_mb(256)
        .property("broker.session.timeout.ms", 3_000)
        .property("broker.heartbeat.interval.ms", 500);
    let Some(cluster) = Cluster::for_tests(3, &options) else { return };
    let scene = Scene::nameless_topics(cluster.bootstrap(), "leader");
    scene.topics.create(&scene.input, 6, 3, &[]).unwrap();
    scene.topics.create(&scene.dlq, 3, 3, &[]).unwrap();
    // One replica: while its leader is away, a partition of the output has none.
    scene.topics.create(&scene.output, 3, 1, &[("min.insync.replicas", "1")]).unwrap();
    scene.fill(0, 60_000, Shape::default());
    let (mill, http) = watched(scene.run().env("GRISTMILL_RATE_LIMIT", "3000"));
    scene.wait_for_delivery(0, 1_000);
    let mut leader = -1;
    wait_until("the partition has no leader", WITHIN, || {
        leader = scene.topics.leader(&scene.output, 0)?;
        Ok(leader >= 0)
    })
    .unwrap();
    let others: i64 = scene.delivered();

    cluster.kill(leader).unwrap();
    wait_until("the partition still has a leader", WITHIN, || Ok(scene.topics.leader(&scene.output, 0)? < 0))
        .unwrap();
    http.assert_live();
    cluster.restart(leader).unwrap();
    wait_until("the partition has no leader", WITHIN, || Ok(scene.topics.leader(&scene.output, 0)? >= 0))
        .unwrap();
    scene.wait_for_delivery(others, 3_000);
    assert!(scene.lag() > 0, "the load did not outlast the outage");

    mill.stop();
    scene.run_to_the_end();
    let account = scene.account();
    println!("{} repeated", account.repeated);
    assert!(account.is_clean_but_for_repeats(), "{account}");
    assert_eq!(account.reasons.get("delivery_failed"), None);
}
