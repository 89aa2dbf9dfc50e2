//! A batch settled too early: the fault [`Fault::CommitBeforeDelivery`](crate::faults::Fault::CommitBeforeDelivery).

use super::stage::Sink;
use crate::progress::{CommitToken, Spans};

impl Sink {
    /// Settles what a batch covers although its reports are still to come. It goes on with a token that covers nothing.
    pub(super) fn settle_early(&mut self, slot: usize) {
        let batch = &mut self.deliveries.get(slot).batch;
        let token = batch.take_token();
        batch.seal(CommitToken::seal(token.sequence(), Spans::new()));
        let lane = &mut self.lanes[batch.source];
        let grown = lane.ledger.settle(token);
        lane.board.record(&grown);
    }
}
