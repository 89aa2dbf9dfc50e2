//! An engine that is started again when it ends with 74, as any supervisor does: a client that failed for good.

use crate::episode::Episode;
use crate::mill::Mill;
use std::cell::RefCell;

/// The engine, and how many events a second it is held to.
pub(crate) struct Supervised {
    mill: Mill,
    rate: u32,
}

impl Supervised {
    pub(crate) fn start(episode: &Episode<'_>, rate: u32) -> Self {
        Self { mill: episode.start_assigned("mill", rate), rate }
    }

    /// The process of now.
    pub(crate) fn mill(&self) -> &Mill {
        &self.mill
    }

    /// Waits until every partition gets on; what to add to the fault's name if the engine had to be started again.
    pub(crate) fn wait_for_flow(&mut self, episode: &Episode<'_>) -> &'static str {
        let (mill, mut fate) = (RefCell::new(&mut self.mill), "");
        let look = || {
            let mut mill = mill.borrow_mut();
            if !mill.child().is_running() {
                mill.exit_with(74);
                **mill = episode.start_assigned("mill", self.rate);
                fate = ": ended with 74 and started again";
            }
        };
        episode.wait_for_flow_with(look, || mill.borrow().told());
        fate
    }
}
