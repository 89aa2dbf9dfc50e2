//! What an event must be: a TOML file, checked when it is read and compiled once into a [`Plan`]. Knows no Kafka and no threads.
//!
//! `file` and `field` read what was written and name every mistake; `plan` is what is executed, `check` what it asks of one
//! field's value. The bytes of an event are `transform`'s business: here a value has already been found and unescaped.

mod additions;
mod check;
mod decimal;
mod field;
mod file;
mod ip;
mod mistakes;
mod names;
mod plan;
mod quote;
mod version;
mod written;

pub use additions::Additions;
pub use mistakes::ContractError;
pub use plan::Plan;

pub(crate) use check::{Value, utf8};
pub(crate) use file::MAX_DEPTH_MAX;
pub(crate) use plan::Case;
pub(crate) use quote::write_string;

#[cfg(test)]
mod file_tests;
