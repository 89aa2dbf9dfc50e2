//! Records that a broker refused for themselves, or whose neighbour in a request it refused: sent again one by one.
//!
//! A broker refuses a whole batch for one record in it. So each record of a refused batch is tried alone, up to a number of times, and
//! nothing else is sent meanwhile: what came later must not overtake. What is still refused goes to the dead letter topic;
//! a dead letter that is refused for its time stamp goes with the present time, one that is refused for anything else as a stub;
//! if even that is refused, the engine stops.

use super::outbox::{DEAD_LETTER, Form, Sent};
use super::stage::Sink;
use crate::batch::Outcome;
use crate::kafka::{Code, Delivery, SendError};
use crate::rejection::{Reason, Rejection};
use std::collections::VecDeque;

/// A row under repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Patient {
    pub(super) slot: usize,
    pub(super) row: usize,
    /// How often it was sent to its present destination.
    pub(super) attempts: u32,
    /// In which form, if as a dead letter.
    pub(super) form: Form,
    /// How it was entered into its batch's account when it was sent alone.
    pub(super) sent: Option<Sent>,
}

/// What to do with a row that was refused alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The same again.
    Retry,
    /// The same again, with the present time.
    RetryNow,
    /// To the next destination: dead letter, stub, or the end.
    Escalate,
}

/// The rows to repair, in the order of their reports, and the one that is under way.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    waiting: VecDeque<Patient>,
    active: Option<Patient>,
}

impl Repairs {
    /// Nothing is under repair: other records may be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.active.is_none() && self.waiting.is_empty()
    }

    /// A row of a refused batch.
    pub(super) fn admit(&mut self, slot: usize, row: usize) {
        self.waiting.push_back(Patient { slot, row, attempts: 1, form: Form::Whole, sent: None });
    }

    /// Whether this row is the one under way; it is no longer then.
    pub(super) fn take_active(&mut self, slot: usize, row: usize) -> Option<Patient> {
        self.active.take_if(|active| active.slot == slot && active.row == row)
    }

    /// The next row to send, if none is under way.
    pub(super) fn next(&mut self) -> Option<Patient> {
        if self.active.is_some() { None } else { self.waiting.pop_front() }
    }

    /// The row was sent.
    pub(super) fn activate(&mut self, patient: Patient) {
        assert!(self.active.replace(patient).is_none(), "one row is under way at a time");
    }

    /// The row goes before all others.
    pub(super) fn put_first(&mut self, patient: Patient) {
        self.waiting.push_front(patient);
    }

    /// Nothing more is sent. The row that is under way stays so: its report is still to come.
    pub(super) fn give_up(&mut self) -> Vec<Patient> {
        self.waiting.drain(..).collect()
    }
}

impl Patient {
    /// After it was refused alone, as a dead letter or as an output.
    pub(super) fn next(&self, is_dead_letter: bool, code: Code, retry_limit: u32) -> Next {
        if is_dead_letter && self.form == Form::Whole && code.is_timestamp_refused() {
            // It will be refused for ever as it is.
            return Next::RetryNow;
        }
        if self.attempts <= retry_limit { Next::Retry } else { Next::Escalate }
    }
}

/// Why an output becomes a dead letter after all.
pub(super) fn refused_by_broker() -> Rejection {
    Rejection::of_event(Reason::DeliveryFailed, "refused by the output topic's broker")
}

impl Sink {
    pub(super) fn on_refused(&mut self, slot: usize, row: usize, code: Code) {
        let alone = self.repairs.take_active(slot, row);
        match code.delivery() {
            Delivery::RecordRefused if !self.has_failed => match alone {
                None => self.repairs.admit(slot, row),
                Some(patient) => self.on_refused_alone(patient, code),
            },
            _ => {
                let in_flight = self.deliveries.get(slot);
                in_flight.pending -= 1;
                in_flight.is_lost = true;
                let topic = self.destination(slot, row);
                self.cannot_deliver(topic, code);
            }
        }
    }

    fn on_refused_alone(&mut self, patient: Patient, code: Code) {
        let is_dead_letter = self.destination(patient.slot, patient.row) == DEAD_LETTER;
        match patient.next(is_dead_letter, code, self.config.pipeline.retry_limit) {
            Next::Retry => self.repairs.put_first(patient),
            Next::RetryNow => self.repairs.put_first(Patient { form: Form::Now, ..patient }),
            Next::Escalate => self.escalate(patient, code),
        }
    }

    /// To the next destination: dead letter, stub, or the end.
    fn escalate(&mut self, patient: Patient, code: Code) {
        let in_flight = self.deliveries.get(patient.slot);
        if let Some(sent) = patient.sent {
            sent.withdraw(&mut in_flight.settlement);
        }
        let outcome = &mut in_flight.batch.outcomes[patient.row];
        let again = Patient { attempts: 0, sent: None, ..patient };
        if !matches!(outcome, Outcome::DeadLetter(_)) {
            *outcome = Outcome::DeadLetter(refused_by_broker());
            self.repairs.put_first(again);
        } else if patient.form != Form::Stub {
            self.repairs.put_first(Patient { form: Form::Stub, ..again });
        } else {
            in_flight.pending -= 1;
            in_flight.is_lost = true;
            self.cannot_deliver(DEAD_LETTER, code);
        }
    }

    /// Sends the next record that is under repair, alone.
    pub(super) fn repair(&mut self) {
        while let Some(mut patient) = self.repairs.next() {
            let in_flight = self.deliveries.get(patient.slot);
            patient.attempts += 1;
            let sent = self.outbox.send(
                &mut in_flight.batch,
                patient.slot,
                patient.row,
                patient.attempts,
                patient.form,
            );
            match sent {
                Ok(sent) => {
                    if patient.sent.is_none() && patient.attempts == 1 {
                        sent.enter(&mut in_flight.settlement);
                    }
                    patient.sent = Some(sent);
                    self.metrics.delivery_retries(1);
                    self.repairs.activate(patient);
                }
                Err(SendError::QueueFull) => {
                    patient.attempts -= 1;
                    self.repairs.put_first(patient);
                    return;
                }
                Err(error) => {
                    in_flight.pending -= 1;
                    in_flight.is_lost = true;
                    self.on_send_error(patient.slot, patient.row, error);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Code = Code(87);
    const TIMESTAMP_REFUSED: Code = Code(32);

    #[test]
    fn one_row_at_a_time_in_the_order_of_reports() {
        let mut repairs = Repairs::default();
        repairs.admit(0, 3);
        repairs.admit(0, 4);
        let first = repairs.next().expect("a row waits");
        assert_eq!((first.slot, first.row), (0, 3));
        repairs.activate(first);
        assert_eq!(repairs.next(), None, "one is under way");
        assert_eq!(repairs.take_active(0, 4), None, "a report of another row");
        assert_eq!(repairs.take_active(0, 3), Some(first));
        assert_eq!(repairs.next().map(|patient| patient.row), Some(4));
        assert!(repairs.is_idle());
    }

    #[test]
    fn what_is_under_way_is_not_given_up() {
        let mut repairs = Repairs::default();
        repairs.admit(0, 3);
        repairs.admit(0, 4);
        let first = repairs.next().expect("a row waits");
        repairs.activate(first);
        let given_up: Vec<usize> = repairs.give_up().iter().map(|patient| patient.row).collect();
        assert_eq!(given_up, [4]);
        assert_eq!(repairs.take_active(0, 3), Some(first), "its report decides it");
        assert!(repairs.is_idle());
    }

    #[test]
    fn after_the_retries_comes_the_next_destination() {
        let patient = |attempts| Patient { slot: 0, row: 0, attempts, form: Form::Whole, sent: None };
        assert_eq!(patient(3).next(false, REFUSED, 3), Next::Retry);
        assert_eq!(patient(4).next(true, REFUSED, 3), Next::Escalate);
        assert_eq!(patient(1).next(true, REFUSED, 0), Next::Escalate);
    }

    #[test]
    fn a_dead_letter_refused_for_its_time_stamp_gets_another_once() {
        let patient = |form| Patient { slot: 0, row: 0, attempts: 1, form, sent: None };
        assert_eq!(patient(Form::Whole).next(true, TIMESTAMP_REFUSED, 0), Next::RetryNow);
        assert_eq!(patient(Form::Now).next(true, TIMESTAMP_REFUSED, 0), Next::Escalate);
        assert_eq!(patient(Form::Stub).next(true, TIMESTAMP_REFUSED, 0), Next::Escalate);
        assert_eq!(
            patient(Form::Whole).next(false, TIMESTAMP_REFUSED, 0),
            Next::Escalate,
            "an output keeps its own"
        );
    }
}
