//! Acceptance tools: what a stranger needs in order to believe, or refute, what gristmill says about itself.
//!
//! Nothing here shares code with the engine. A real Kafka is found or started ([`broker`], [`cluster`]), events with numbers
//! go in, a ledger accounts for every number that comes out, and a plain copy of the same topic is the measure of speed.

pub mod broker;
pub mod child;
pub mod cluster;
pub mod command_line;
pub mod copy;
pub mod error;
pub mod events;
pub mod figures;
pub mod fill;
pub mod histogram;
mod jars;
mod json;
pub mod judge;
pub mod ladder;
pub mod latency;
pub mod ledger;
mod murmur2;
mod node;
pub mod noise;
pub mod picture;
pub mod pool;
pub mod ports;
pub mod produce;
pub mod random;
pub mod reader;
pub mod results;
pub mod run;
pub mod secure;
pub mod sender;
pub mod settings;
pub mod topics;
pub mod usage;
pub mod world;
