//! How rows are sent while a record is looked for that a broker refuses, and how refusals in a transaction are noted.

use super::commits::Commits;
use super::failures;
use super::outbox::Form;
use super::poison::Refusal;
use super::repair::refused_by_broker;
use super::stage::Sink;
use super::transactor::Trouble;
use crate::batch::Outcome;
use crate::kafka::{Code, Delivery};

impl Sink {
    /// Whether a record is looked for that a broker refuses.
    pub(super) fn is_searching(&self) -> bool {
        matches!(&self.commits, Commits::Together(transaction) if !transaction.poison.is_idle())
    }

    /// As `produce_batch`, while a record is looked for that a broker refuses.
    pub(super) fn produce_apart(&mut self, slot: usize) -> bool {
        let batch = &self.deliveries.get(slot).batch;
        self.outbox.dresser.set_time(batch.times.read_at);
        let rows = batch.records.len();
        while self.deliveries.get(slot).next_row < rows {
            let row = self.deliveries.get(slot).next_row;
            let Ok(sentence) = self.examine(slot, row) else { return false };
            let in_flight = self.deliveries.get(slot);
            let outcome = &mut in_flight.batch.outcomes[row];
            if sentence.is_some() && !matches!(outcome, Outcome::DeadLetter(_)) {
                *outcome = Outcome::DeadLetter(refused_by_broker());
            }
            let attempts = if sentence.is_some() { 2 } else { 1 };
            let form = sentence.unwrap_or(Form::Whole);
            if let Err(error) = in_flight.send(&mut self.outbox, slot, attempts, form) {
                return self.on_unsent(slot, error);
            }
            self.metrics.delivery_retries(u64::from(sentence.is_some()));
        }
        self.deliveries.get(slot).hand_over();
        true
    }

    /// Looks at a row before it is sent: the form of one that is known to be refused, as a dead letter. `Err`: what is under way must
    /// be reported first.
    fn examine(&mut self, slot: usize, row: usize) -> Result<Option<Form>, ()> {
        let Commits::Together(transaction) = &mut self.commits else { return Ok(None) };
        let is_quiet = self.deliveries.pending() == 0;
        let place = self.deliveries.get(slot).place(row);
        let poison = &mut transaction.poison;
        if poison.may_go(place, is_quiet) { Ok(poison.sentence(place)) } else { Err(()) }
    }

    /// A record was not delivered, so the transaction cannot be committed.
    pub(super) fn on_refused_in_transaction(&mut self, slot: usize, row: usize, code: Code) {
        let Commits::Together(transaction) = &mut self.commits else { return };
        let in_flight = self.deliveries.get(slot);
        in_flight.pending -= 1;
        in_flight.is_lost = true;
        // None of its other rows may go, and it may be home before the roll-back.
        self.ready.retain(|&one| one != slot);
        let place = in_flight.place(row);
        let is_dead_letter = matches!(in_flight.batch.outcomes[row], Outcome::DeadLetter(_));
        match code.delivery() {
            Delivery::RecordRefused => {
                transaction.poison.refuse(Refusal { place, is_dead_letter, code });
                transaction.fail(Trouble::Refused);
            }
            Delivery::NotAllowed | Delivery::TopicMissing => {
                let topic = self.destination(slot, row);
                self.cannot_deliver(topic, code);
            }
            Delivery::Stored | Delivery::Purged | Delivery::Failed => {
                transaction.fail(Trouble::Client(failures::undelivered(code)));
            }
        }
    }
}
