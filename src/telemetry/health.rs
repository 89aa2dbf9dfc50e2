//! Whether the process lives and whether it is ready, from what its threads last said. Nobody is asked: a probe reads a few
//! atomics, and no answer depends on a broker.
//!
//! *Live*: every loop ticked within [`SILENCE_MAX`]. *Ready*: every source has joined the group and waits for no answer, the producer
//! has not failed for good, deliveries come while there is something to deliver, the dead letter limit has not tripped, no shutdown.

use super::duration_text::DurationText;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A loop that is silent for longer hangs.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// What the threads of a process say of themselves.
///
/// All accesses are relaxed: each value stands for itself, and a probe that sees it a moment later is as good.
#[derive(Debug)]
pub struct Health {
    epoch: Instant,
    loops: Box<[Heartbeat]>,
    joined: Box<[AtomicBool]>,
    /// Since when each source has waited for an answer of the cluster without which it cannot read on; [`NEVER`].
    unanswered_ms: Box<[AtomicU64]>,
    producer_failed: OnceLock<String>,
    dlq_limit_tripped: OnceLock<String>,
    shutting_down: AtomicBool,
    delivered_ms: AtomicU64,
    /// Since when there was none of the transactions that all that is read must be in; [`NEVER`].
    without_transaction_ms: AtomicU64,
    stall_after: Duration,
}

/// Names a loop to [`Health::tick`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopId(usize);

/// An answer to a probe: what is missing, one phrase each; nothing missing is yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    missing: Vec<String>,
}

#[derive(Debug)]
struct Heartbeat {
    name: String,
    /// Milliseconds after the epoch, or [`ENDED`].
    ticked_ms: AtomicU64,
}

const ENDED: u64 = u64::MAX;

const NEVER: u64 = u64::MAX;

impl Health {
    /// For `source_threads` sources, whose loops are `source-0` and so on, and further `loops` by name. The loops have
    /// [`SILENCE_MAX`] from now for their first tick.
    pub fn new(source_threads: usize, loops: &[&str], stall_after: Duration) -> Arc<Health> {
        let sources = (0..source_threads).map(|source| format!("source-{source}"));
        let names = sources.chain(loops.iter().map(|&name| name.to_owned()));
        Arc::new(Health {
            epoch: Instant::now(),
            loops: names.map(|name| Heartbeat { name, ticked_ms: AtomicU64::new(0) }).collect(),
            joined: (0..source_threads).map(|_| AtomicBool::new(false)).collect(),
            unanswered_ms: (0..source_threads).map(|_| AtomicU64::new(NEVER)).collect(),
            producer_failed: OnceLock::new(),
            dlq_limit_tripped: OnceLock::new(),
            shutting_down: AtomicBool::new(false),
            delivered_ms: AtomicU64::new(0),
            without_transaction_ms: AtomicU64::new(NEVER),
            stall_after,
        })
    }

    /// The loop of a source.
    ///
    /// # Panics
    /// If there is no such source.
    pub fn source_loop(&self, source: usize) -> LoopId {
        assert!(source < self.joined.len(), "there are {} sources", self.joined.len());
        LoopId(source)
    }

    /// The loop of this name.
    ///
    /// # Panics
    /// If there is none.
    pub fn loop_named(&self, name: &str) -> LoopId {
        let found = self.loops.iter().position(|heartbeat| heartbeat.name == name);
        LoopId(found.expect("the loop was named at construction"))
    }

    /// The loop went round once more.
    pub fn tick(&self, id: LoopId) {
        self.loops[id.0].ticked_ms.store(self.ms(Instant::now()), Ordering::Relaxed);
    }

    /// The loop ended as it should, in a drain: its silence means nothing from now on.
    pub fn loop_ended(&self, id: LoopId) {
        self.loops[id.0].ticked_ms.store(ENDED, Ordering::Relaxed);
    }

    /// A source became a member of the group, or ceased to be one. A rebalance alone changes nothing here.
    pub fn group_joined(&self, source: usize, joined: bool) {
        self.joined[source].store(joined, Ordering::Relaxed);
    }

    /// A source cannot read on without an answer of the cluster that it has waited for since then; or has it now.
    pub fn unanswered(&self, source: usize, since: Option<Instant>) {
        self.unanswered_ms[source].store(since.map_or(NEVER, |since| self.ms(since)), Ordering::Relaxed);
    }

    /// Delivery reports came.
    pub fn delivered(&self, now: Instant) {
        self.delivered_ms.store(self.ms(now), Ordering::Relaxed);
    }

    /// The first transaction is not open yet, or one was rolled back and the next is not.
    pub fn no_transaction(&self, now: Instant) {
        self.without_transaction_ms.fetch_min(self.ms(now), Ordering::Relaxed);
    }

    /// A transaction is open.
    pub fn transaction_open(&self) {
        self.without_transaction_ms.store(NEVER, Ordering::Relaxed);
    }

    /// The producer failed for good; the first reason stays.
    pub fn producer_failed(&self, reason: &str) {
        self.producer_failed.get_or_init(|| reason.to_owned());
    }

    /// Too much is rejected: nothing more is read. There is no way back.
    pub fn dlq_limit_tripped(&self, finding: &str) {
        self.dlq_limit_tripped.get_or_init(|| finding.to_owned());
    }

    /// A shutdown began; there is no way back.
    pub fn shutting_down(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }

    /// Do all loops tick?
    pub fn live(&self, now: Instant) -> Verdict {
        let now_ms = self.ms(now);
        let silent = |heartbeat: &&Heartbeat| silence(heartbeat, now_ms) > SILENCE_MAX;
        let missing = self.loops.iter().filter(silent).map(|heartbeat| {
            format!("loop {} silent for {}", heartbeat.name, DurationText(silence(heartbeat, now_ms)))
        });
        Verdict { missing: missing.collect() }
    }

    /// Should traffic, and the operator, count on this process? `waiting_since` is
    /// [`Metrics::waiting_since`](super::metrics::Metrics::waiting_since).
    pub fn ready(&self, now: Instant, waiting_since: Option<Instant>) -> Verdict {
        let mut missing = Vec::new();
        if self.shutting_down.load(Ordering::Relaxed) {
            missing.push("shutting down".to_owned());
        }
        for (source, joined) in self.joined.iter().enumerate() {
            if !joined.load(Ordering::Relaxed) {
                missing.push(format!("source-{source} has not joined the consumer group"));
            }
        }
        missing.extend(self.unanswered_ms.iter().enumerate().filter_map(|(source, since)| {
            let phrase = format!("source-{source} has had no answer of the cluster");
            self.overdue(&phrase, now, since)
        }));
        if let Some(reason) = self.producer_failed.get() {
            missing.push(format!("producer failed: {reason}"));
        }
        if let Some(finding) = self.dlq_limit_tripped.get() {
            missing.push(format!("too many dead letters, nothing more is read: {finding}"));
        }
        missing.extend(self.stalled(now, waiting_since));
        // Nothing is in flight then: what was rolled back is not, and nothing is read before the next transaction is open.
        missing.extend(self.overdue("no transaction could be opened", now, &self.without_transaction_ms));
        Verdict { missing }
    }

    fn stalled(&self, now: Instant, waiting_since: Option<Instant>) -> Option<String> {
        let last_delivery = self.epoch + Duration::from_millis(self.delivered_ms.load(Ordering::Relaxed));
        let waited = now.saturating_duration_since(waiting_since?.max(last_delivery));
        (waited > self.stall_after).then(|| {
            let (waited, bound) = (DurationText(waited), DurationText(self.stall_after));
            format!("stalled: no delivery for {waited} while records are in flight (GRISTMILL_STALL_AFTER is {bound})")
        })
    }

    /// What has lasted since then, if that is too long.
    fn overdue(&self, what: &str, now: Instant, since_ms: &AtomicU64) -> Option<String> {
        let waited = Duration::from_millis(self.ms(now).saturating_sub(since_ms.load(Ordering::Relaxed)));
        (waited > self.stall_after).then(|| {
            let (waited, bound) = (DurationText(waited), DurationText(self.stall_after));
            format!("stalled: {what} for {waited} (GRISTMILL_STALL_AFTER is {bound})")
        })
    }

    fn ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.epoch).as_millis() as u64
    }
}

fn silence(heartbeat: &Heartbeat, now_ms: u64) -> Duration {
    // An ended loop lies in the future, so it is never silent.
    Duration::from_millis(now_ms.saturating_sub(heartbeat.ticked_ms.load(Ordering::Relaxed)))
}

impl Verdict {
    /// Nothing is missing.
    pub fn is_yes(&self) -> bool {
        self.missing.is_empty()
    }

    /// What is missing, one phrase each.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// `ready`, or `not ready` and a line for each thing that is missing.
    pub(super) fn text(&self, word: &str) -> String {
        if self.is_yes() {
            return format!("{word}\n");
        }
        let lines: Vec<String> = self.missing.iter().map(|phrase| format!("- {phrase}\n")).collect();
        format!("not {word}\n{}", lines.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(30);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn joined() -> Arc<Health> {
        let health = Health::new(2, &["sink"], STALL);
        health.group_joined(0, true);
        health.group_joined(1, true);
        health
    }

    #[test]
    fn a_silent_loop_is_named() {
        let health = joined();
        let start = Instant::now();
        assert!(health.live(start + seconds(9)).is_yes(), "time for a first tick");
        let late = start + SILENCE_MAX + seconds(2);
        assert_eq!(health.live(late).missing().len(), 3, "a loop that never began is silent too");
        // As if the tick came later than it does: the probe's clock is moved, not the loop's.
        health.loops[0].ticked_ms.store(health.ms(late), Ordering::Relaxed);
        health.loop_ended(health.loop_named("sink"));
        let verdict = health.live(late);
        assert_eq!(
            verdict.missing(),
            [format!("loop source-1 silent for {}", DurationText(Duration::from_millis(health.ms(late))))]
        );
        assert!(verdict.text("live").starts_with("not live\n- loop source-1 silent for 12."));
    }

    #[test]
    fn a_tick_stores_the_time() {
        let health = joined();
        let sink = health.loop_named("sink");
        assert_ne!(sink, health.source_loop(1));
        while health.ms(Instant::now()) == 0 {
            std::hint::spin_loop();
        }
        health.tick(sink);
        assert!(health.loops[2].ticked_ms.load(Ordering::Relaxed) > 0);
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let health = Health::new(2, &[], STALL);
        health.group_joined(0, true);
        let now = Instant::now();
        assert_eq!(health.ready(now, None).missing(), ["source-1 has not joined the consumer group"]);
        health.group_joined(1, true);
        assert_eq!(health.ready(now, None).text("ready"), "ready\n");
        health.producer_failed("fenced by another instance");
        health.producer_failed("a later reason");
        health.dlq_limit_tripped("9 of the last 10 records were rejected");
        health.shutting_down();
        let text = "not ready\n- shutting down\n- producer failed: fenced by another instance\n\
                    - too many dead letters, nothing more is read: 9 of the last 10 records were rejected\n";
        assert_eq!(health.ready(now, None).text("ready"), text);
        health.group_joined(0, false);
        assert_eq!(health.ready(now, None).missing().len(), 4);
    }

    #[test]
    fn no_transaction_for_too_long_is_a_stall() {
        let health = joined();
        let now = Instant::now();
        health.no_transaction(now);
        health.no_transaction(now + seconds(20));
        assert!(health.ready(now + seconds(29), None).is_yes());
        assert!(health.ready(now + seconds(31), None).missing()[0].starts_with("stalled: no transaction"));
        health.transaction_open();
        assert!(health.ready(now + seconds(31), None).is_yes());
    }

    #[test]
    fn no_answer_for_too_long_is_a_stall() {
        let health = joined();
        let now = Instant::now();
        health.unanswered(1, Some(now));
        assert!(health.ready(now + seconds(29), None).is_yes());
        let missing = health.ready(now + seconds(31), None).missing().join("\n");
        assert!(
            missing.starts_with("stalled: source-1 has had no answer of the cluster for 31.0 s"),
            "{missing}"
        );
        health.unanswered(1, None);
        assert!(health.ready(now + seconds(31), None).is_yes());
    }

    #[test]
    fn stalled_is_waiting_too_long_for_a_delivery_while_something_is_in_flight() {
        let health = joined();
        let start = Instant::now();
        let ready = |after: u64, waiting_since| health.ready(start + seconds(after), waiting_since).is_yes();
        assert!(ready(3600, None), "idle is not stalled");
        assert!(ready(3600, Some(start + seconds(3599))), "nor is the first record after an idle hour");
        assert!(ready(29, Some(start)));
        assert!(!ready(31, Some(start)));
        health.delivered(start + seconds(20));
        assert!(ready(31, Some(start)), "a report came in between");
        assert!(!ready(52, Some(start)));
        let text = health.ready(start + seconds(52), Some(start)).text("ready");
        assert!(text.contains("stalled: no delivery for 32.0 s"), "{text}");
        assert!(text.contains("GRISTMILL_STALL_AFTER is 30.0 s"), "{text}");
    }
}
