//! Bookkeeping that is broken on purpose: the simulation is only worth what it catches.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A batch is settled when it is handed over.
    CommitsBeforeDelivery,
    /// What was read under an older assignment counts for the present one, and a partition that was given up is still committed.
    IgnoresEpoch,
    /// The newest settled batch is committed, whatever is open before it.
    CommitsHighestSettled,
    /// A record that finds the queue full is left out.
    SkipsOnQueueFull,
    /// A record that was refused counts as delivered.
    IgnoresRefusal,
    /// A commit that failed counts as stored.
    TrustsEveryAnswer,
    /// Batches go to the producer as the pool finishes them.
    KeepsNoOrder,
}

impl Broken {
    /// Each of them.
    pub(crate) const ALL: [Broken; 7] = [
        Broken::CommitsBeforeDelivery,
        Broken::IgnoresEpoch,
        Broken::CommitsHighestSettled,
        Broken::SkipsOnQueueFull,
        Broken::IgnoresRefusal,
        Broken::TrustsEveryAnswer,
        Broken::KeepsNoOrder,
    ];
}
