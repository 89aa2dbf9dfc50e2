//! Faults on purpose, for tests alone: an engine that is broken in a known way, and a process that dies at a named point.
//!
//! A checker is worth what it catches, so the tests run engines that lose, and expect the loss to be found. Without the feature
//! `faults` nothing of that is compiled: the questions below have constant answers. With it, a build without debug assertions is
//! refused, so that no release has it.

#[cfg(feature = "faults")]
mod ordered;

#[cfg(all(feature = "faults", not(debug_assertions)))]
compile_error!(
    "the feature `faults` breaks the engine on purpose: it is for debug builds of tests, never for a release"
);

/// A way in which the engine can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What was handed to the producer is committed, whether it is delivered or not.
    CommitBeforeDelivery,
    /// A partition that was given up is still committed.
    IgnoreEpoch,
    /// The newest settled batch is committed, whatever is open before it.
    CommitHighest,
    /// A record that finds the producer's queue full is left out.
    SkipOnQueueFull,
    /// A dead letter that its topic refuses counts as delivered.
    IgnoreDeadLetterError,
}

/// A point at which the process can be made to die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Records were read into a batch.
    AfterRead,
    /// A whole batch was handed to the producer.
    AfterProduce,
    /// Delivery reports are there and not yet looked at.
    BeforeReports,
    /// Delivery reports were counted, and nothing settled yet.
    AfterReports,
    /// A commit is about to be handed to the client.
    BeforeCommit,
    /// The offsets are in the transaction, and its end is not asked for yet.
    BeforeEnd,
    /// The broker has stored a commit.
    AfterCommit,
    /// Partitions are asked back, drained, and not yet given up.
    InRevoke,
}

impl Fault {
    /// All of them, with their names.
    pub const NAMES: [(&str, Fault); 5] = [
        ("commit-before-delivery", Fault::CommitBeforeDelivery),
        ("ignore-epoch", Fault::IgnoreEpoch),
        ("commit-highest", Fault::CommitHighest),
        ("skip-on-queue-full", Fault::SkipOnQueueFull),
        ("ignore-dead-letter-error", Fault::IgnoreDeadLetterError),
    ];
}

impl Point {
    /// All of them, with their names.
    pub const NAMES: [(&str, Point); 8] = [
        ("after-read", Point::AfterRead),
        ("after-produce", Point::AfterProduce),
        ("before-reports", Point::BeforeReports),
        ("after-reports", Point::AfterReports),
        ("before-commit", Point::BeforeCommit),
        ("before-end", Point::BeforeEnd),
        ("after-commit", Point::AfterCommit),
        ("in-revoke", Point::InRevoke),
    ];
}

/// Whether the engine is broken in this way: what `FAULTS_BREAK` names.
#[inline(always)]
pub fn breaks(fault: Fault) -> bool {
    #[cfg(feature = "faults")]
    return ordered::breaks(fault);
    #[cfg(not(feature = "faults"))]
    {
        let _ = fault;
        false
    }
}

/// The process is at a point. `FAULTS_KILL_AT=POINT:N` ends it at the Nth time, as kill -9 would: nothing is flushed or closed.
#[inline(always)]
pub fn pass(point: Point) {
    #[cfg(feature = "faults")]
    ordered::pass(point);
    #[cfg(not(feature = "faults"))]
    let _ = point;
}

/// An event is about to be judged. `FAULTS_POISON=TEXT` ends the process at one that has this text in it, as a crash would.
#[inline(always)]
pub fn meet(event: &[u8]) {
    #[cfg(feature = "faults")]
    ordered::meet(event);
    #[cfg(not(feature = "faults"))]
    let _ = event;
}
