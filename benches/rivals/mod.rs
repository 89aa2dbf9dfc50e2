//! The rivals: one file each, and the rules that all of them hold events to.

pub(crate) mod rules;
pub(crate) mod serde_tree;
pub(crate) mod serde_visitor;
pub(crate) mod simd_tree;
pub(crate) mod sonic_bare;
pub(crate) mod sonic_derive;
