//! What holds for every event: the cases that are written down, and properties under generated ones.

#![allow(clippy::unwrap_used, reason = "a test ends where something unexpected is met")]

mod cases;
mod contract;
mod differential;
mod events;
mod progress;
