//! Records that a broker refuses for themselves, where everything is part of a transaction.
//!
//! One refusal ends the whole transaction, and after that nothing more can be sent in it. So the search for the culprit goes on in the
//! next ones, in which the same records are read again: what was refused together is sent in small groups, then the group that was
//! refused one by one. Where the broker names the culprit, or the record was alone, it is sentenced: from then on it is a dead
//! letter, in a form in which less is left that could be refused each time it is sentenced again. Every refusal halves the group at
//! least or sentences a record, so the search ends.

use super::outbox::Form;
use crate::kafka::Code;
use std::collections::{BTreeMap, BTreeSet};

/// Input partition and offset: how a record is known again.
pub(super) type Place = (i32, i64);

/// How many suspects are sent together at first: a batch of 10,000 that was refused is searched within a second.
const GROUP_RECORDS_MAX: usize = 64;

/// What became of a record that was sent in the transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) place: Place,
    /// Where it was sent to.
    pub(super) is_dead_letter: bool,
    pub(super) code: Code,
}

/// Suspects and the sentenced.
#[derive(Debug, Default)]
pub(super) struct Poison {
    /// Of the transaction that is to be rolled back.
    refused: Vec<Refusal>,
    /// To be sent apart from others.
    suspects: BTreeSet<Place>,
    /// Dead letters, each in its form.
    sentenced: BTreeMap<Place, Form>,
    /// Suspects under way, and how many may be at once.
    group: Vec<Place>,
    group_max: usize,
}

impl Poison {
    /// Nobody is looked for: records may be sent as they come.
    pub(super) fn is_idle(&self) -> bool {
        self.suspects.is_empty() && self.sentenced.is_empty()
    }

    /// A broker refused a record.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refused.push(refusal);
    }

    /// Whether a record was refused: the transaction cannot be committed.
    pub(super) fn has_refusal(&self) -> bool {
        !self.refused.is_empty()
    }

    /// The form in which a record is to go as a dead letter, if it is one of these.
    pub(super) fn sentence(&self, place: Place) -> Option<Form> {
        self.sentenced.get(&place).copied()
    }

    /// Whether the record may be sent now; if not, all that is under way has to be reported first. `is_quiet`: it is.
    pub(super) fn may_go(&mut self, place: Place, is_quiet: bool) -> bool {
        if is_quiet {
            // All of them are delivered.
            for place in self.group.drain(..) {
                self.suspects.remove(&place);
            }
        }
        let is_suspect = self.suspects.contains(&place);
        let may_go = is_quiet || if is_suspect { self.may_join() } else { self.group.is_empty() };
        if may_go && is_suspect {
            self.group.push(place);
        }
        may_go
    }

    fn may_join(&self) -> bool {
        (1..self.group_max).contains(&self.group.len())
    }

    /// The transaction is rolled back: whom to suspect from now on. The error is a dead letter that was refused even as a stub.
    pub(super) fn judge(&mut self) -> Result<(), Refusal> {
        let refused = std::mem::take(&mut self.refused);
        let group = std::mem::take(&mut self.group);
        let is_named = refused.iter().any(|refusal| refusal.code.is_for_another_record());
        let mut blamed: Vec<Refusal> =
            refused.iter().filter(|refusal| !refusal.code.is_for_another_record()).copied().collect();
        if blamed.is_empty() {
            blamed = refused;
        }
        let is_named = is_named && !blamed.iter().any(|refusal| refusal.code.is_batch_too_large());
        if is_named || blamed.len() == 1 {
            return blamed.iter().try_for_each(|refusal| self.convict(refusal));
        }
        if !blamed.is_empty() {
            self.group_max = if group.is_empty() { GROUP_RECORDS_MAX } else { 1 };
            self.suspects.extend(blamed.iter().map(|refusal| refusal.place));
        }
        Ok(())
    }

    fn convict(&mut self, refusal: &Refusal) -> Result<(), Refusal> {
        let form = match self.sentenced.get(&refusal.place) {
            _ if !refusal.is_dead_letter => Form::Whole,
            None | Some(Form::Whole) if refusal.code.is_timestamp_refused() => Form::Now,
            None | Some(Form::Whole | Form::Now) => Form::Stub,
            Some(Form::Stub) => return Err(*refusal),
        };
        self.suspects.remove(&refusal.place);
        self.sentenced.insert(refusal.place, form);
        Ok(())
    }

    /// Everything before `next` of a partition is committed, and will not be read again.
    pub(super) fn forget(&mut self, partition: i32, next: i64) {
        if self.is_idle() {
            return;
        }
        let is_open = |&(of, offset): &Place| of != partition || offset >= next;
        self.suspects.retain(is_open);
        self.sentenced.retain(|place, _| is_open(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOO_LARGE: Code = Code(10);
    const INVALID_TIMESTAMP: Code = Code(32);
    const INVALID: Code = Code(87);
    /// The client's own code for the neighbours of a record that the broker named.
    const ANOTHER: Code = Code(-138);

    fn refuse(poison: &mut Poison, offset: i64, is_dead_letter: bool, code: Code) {
        poison.refuse(Refusal { place: (0, offset), is_dead_letter, code });
    }

    /// Plays transactions over `0..records` until one is committed: a request holds what was sent since the last time all was
    /// reported, at most 50 records, and the broker refuses it if a bad one is in it. Answers with how many were rolled back.
    fn play(poison: &mut Poison, records: i64, bad: &[i64]) -> usize {
        for rolled_back in 0..1_000 {
            let mut request: Vec<i64> = Vec::new();
            let mut is_broken = false;
            for offset in 0..records {
                if poison.sentence((0, offset)).is_some() {
                    continue;
                }
                if request.len() == 50 || !poison.may_go((0, offset), request.is_empty()) {
                    is_broken |= deliver(poison, &mut request, bad);
                    if is_broken {
                        break;
                    }
                    assert!(poison.may_go((0, offset), true));
                }
                request.push(offset);
            }
            is_broken = is_broken || deliver(poison, &mut request, bad);
            if !is_broken {
                return rolled_back;
            }
            poison.judge().expect("no dead letter is refused here");
        }
        panic!("the search does not end");
    }

    fn deliver(poison: &mut Poison, request: &mut Vec<i64>, bad: &[i64]) -> bool {
        let is_refused = request.iter().any(|offset| bad.contains(offset));
        for offset in request.drain(..).filter(|_| is_refused) {
            refuse(poison, offset, false, TOO_LARGE);
        }
        is_refused
    }

    #[test]
    fn culprits_alone_are_found_and_the_search_ends() {
        for bad in [&[][..], &[0], &[199], &[7, 8], &[3, 60, 61, 150]] {
            let mut poison = Poison::default();
            let rolled_back = play(&mut poison, 200, bad);
            let found: Vec<i64> = (0..200).filter(|&at| poison.sentence((0, at)).is_some()).collect();
            assert_eq!(found, bad);
            assert!(rolled_back <= 4 * bad.len(), "{rolled_back} for {bad:?}");
        }
    }

    #[test]
    fn whom_the_broker_names_is_sentenced_at_once() {
        let mut poison = Poison::default();
        refuse(&mut poison, 1, false, ANOTHER);
        refuse(&mut poison, 2, false, INVALID);
        refuse(&mut poison, 3, false, INVALID);
        assert!(poison.has_refusal());
        poison.judge().expect("they become dead letters");
        assert_eq!(poison.sentence((0, 1)), None);
        assert_eq!(poison.sentence((0, 2)), Some(Form::Whole));
        assert_eq!(poison.sentence((0, 3)), Some(Form::Whole));
        assert!(!poison.has_refusal());
        poison.forget(0, 3);
        assert_eq!(poison.sentence((0, 2)), None, "it is committed");
        poison.forget(0, 4);
        assert!(poison.is_idle());
    }

    #[test]
    fn a_dead_letter_loses_what_could_be_refused_until_nothing_is_left() {
        let mut poison = Poison::default();
        let mut sentence = |is_dead_letter, code| {
            refuse(&mut poison, 5, is_dead_letter, code);
            poison.judge().map(|()| poison.sentence((0, 5))).map_err(|refusal| refusal.code)
        };
        assert_eq!(sentence(false, INVALID_TIMESTAMP), Ok(Some(Form::Whole)), "an output keeps its own");
        assert_eq!(sentence(true, INVALID_TIMESTAMP), Ok(Some(Form::Now)));
        assert_eq!(sentence(true, INVALID_TIMESTAMP), Ok(Some(Form::Stub)));
        assert_eq!(sentence(true, INVALID), Err(INVALID));
    }
}
