//! The engine in process against mock brokers: what needs more than one thread and a cluster, but no real broker.
//!
//! Every test has a cluster of its own. What was written is read back from the first record on, and a record that the mock dropped
//! for its small retention is an error there, so a test cannot pass because its evidence is gone.

mod backpressure;
mod deaths;
mod ends;
mod guards;
mod order;
mod outages;
mod rebalances;
mod refusals;
mod rig;
mod watchdog;
