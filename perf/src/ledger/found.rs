//! One record of the output or the dead letter topic, held against its entry.

use super::dead_letter::{self, Letter};
use super::entries::{self, Dress, Entries, Entry, Fate};
use super::{Account, Ledger};
use crate::error::Result;
use crate::events;
use crate::judge;
use crate::murmur2;
use crate::reader::Record;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Where a record was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Output { partitions: i32 },
    DeadLetters { partitions: i32 },
}

pub(super) struct Audit<'a> {
    ledger: &'a Ledger,
    entries: &'a mut Entries,
    account: &'a mut Account,
    /// The last input offset seen, by a hash of topic, output partition, input partition and key.
    last: HashMap<u64, i64>,
    /// Scratch for a value with a blank time.
    blanked: Vec<u8>,
}

/// Why a record is misplaced.
type Fault = Cow<'static, str>;

impl<'a> Audit<'a> {
    pub(super) fn new(ledger: &'a Ledger, entries: &'a mut Entries, account: &'a mut Account) -> Self {
        Self { ledger, entries, account, last: HashMap::new(), blanked: Vec::new() }
    }

    /// Accounts for one record.
    pub(super) fn found(&mut self, place: Place, record: &Record<'_>) -> Result<()> {
        let letter = Letter::of(record);
        let entry = match place {
            Place::Output { partitions } => {
                self.account.output += 1;
                self.match_output(record, partitions)
            }
            Place::DeadLetters { .. } => {
                self.account.dlq += 1;
                *self.account.reasons.entry(letter.get("reason").to_owned()).or_default() += 1;
                self.match_letter(record, &letter)
            }
        };
        let at = (record.partition(), record.offset());
        let Some(entry) = entry else {
            self.account.foreign += 1;
            self.note(place, at, "foreign: it never was in the input");
            return Ok(());
        };
        let first = self.entries.see(entry);
        self.account.repeated += u64::from(!first);
        let fault = match place {
            Place::Output { partitions } => self.output_fault(record, &letter, entry, partitions),
            Place::DeadLetters { partitions } => self.letter_fault(record, &letter, entry, partitions),
        };
        if let Some(fault) = fault {
            self.account.misplaced += 1;
            self.note(place, at, &fault);
        }
        // One that the broker refused was tried before those behind it and given up after them.
        if first && letter.get("reason") != DELIVERY_FAILED && !self.is_in_order(place, record, entry) {
            self.account.disordered += 1;
            self.note(place, at, "out of order: a later event of its key stands before it");
        }
        Ok(())
    }

    fn match_output(&mut self, record: &Record<'_>, partitions: i32) -> Option<Entry> {
        let named = entries::number_of(record).and_then(|number| self.entries.by_number(number));
        let value = self.value_in_output(record);
        // A number may stand in several events; those after the first go by what they are.
        if named.is_some_and(|entry| self.entries.value(entry) == value) {
            return named;
        }
        // Twins of one millisecond are told apart by their partitions, where those say anything.
        let fits = |partition| record.key().is_some() || partition % partitions == record.partition();
        self.entries.by_hashes(value, Dress::of(record).hash(), fits).or(named)
    }

    fn match_letter(&self, record: &Record<'_>, letter: &Letter) -> Option<Entry> {
        let nameless =
            letter.place().and_then(|(partition, offset)| self.entries.by_place(partition, offset));
        let number = match record.value() {
            Some(value) if self.ledger.envelope => {
                dead_letter::open_envelope(value).and_then(|(event, _)| events::number_in(&event))
            }
            _ => entries::number_of(record),
        };
        let named = number.and_then(|number| self.entries.by_number(number));
        // A letter without its value has nothing but its place to go by.
        nameless
            .or(named)
            .or_else(|| letter.is_truncated().then(|| self.entries.by_scan(letter.place()?)).flatten())
    }

    fn output_fault(
        &mut self,
        record: &Record<'_>,
        letter: &Letter,
        entry: Entry,
        partitions: i32,
    ) -> Option<Fault> {
        if let Fate::DeadLetter { reason, field } = self.entries.fate(entry) {
            return Some(format!("belongs in the dead letter topic: {reason} {field}").into());
        }
        if self.value_in_output(record) != self.entries.value(entry) {
            return Some("its value is not what the contract makes of it".into());
        }
        if !letter.is_empty() {
            return Some("it has dlq.* headers".into());
        }
        let expected = match record.key() {
            Some(key) => murmur2::partition(key, partitions),
            None => self.entries.place(entry).0 % partitions,
        };
        self.dress_fault(record, entry, expected)
    }

    fn letter_fault(
        &mut self,
        record: &Record<'_>,
        letter: &Letter,
        entry: Entry,
        partitions: i32,
    ) -> Option<Fault> {
        let place = self.entries.place(entry);
        let (reason, field) = match self.entries.fate(entry) {
            Fate::DeadLetter { reason, field } => (reason, field),
            _ if self.ledger.allow_delivery_failed && letter.get("reason") == DELIVERY_FAILED => {
                self.account.delivery_failed += 1;
                (DELIVERY_FAILED, "")
            }
            _ => return Some("belongs in the output".into()),
        };
        if let Some(fault) = letter.fault(&self.ledger.input, place, reason, field) {
            return Some(fault);
        }
        if letter.is_truncated() {
            self.account.truncated += 1;
            return None;
        }
        // What was allowed to fail is remembered by its output, not by what it was.
        if reason != DELIVERY_FAILED && !self.is_value_kept(record, reason, entry) {
            return Some("its value is not the event's".into());
        }
        self.dress_fault(record, entry, place.0 % partitions)
    }

    fn dress_fault(&self, record: &Record<'_>, entry: Entry, partition: i32) -> Option<Fault> {
        if Dress::of(record).hash() != self.entries.dress(entry) {
            return Some("its key, a header or its time stamp has changed".into());
        }
        (record.partition() != partition).then(|| format!("it belongs in partition {partition}").into())
    }

    fn is_value_kept(&self, record: &Record<'_>, reason: &str, entry: Entry) -> bool {
        if !self.ledger.envelope {
            return entries::hash_of(record.value()) == self.entries.value(entry);
        }
        let opened = record.value().and_then(dead_letter::open_envelope);
        opened.is_some_and(|(event, why)| {
            why == reason && entries::hash_of(Some(&event)) == self.entries.value(entry)
        })
    }

    /// The hash of an output record's value with a blank time. A value without a proper time gets a hash that fits nothing.
    fn value_in_output(&mut self, record: &Record<'_>) -> u64 {
        match record.value() {
            Some(value) if judge::blank(value, &mut self.blanked) => entries::hash_of(Some(&self.blanked)),
            Some(value) => !entries::hash_of(Some(value)),
            None => entries::hash_of(None),
        }
    }

    fn is_in_order(&mut self, place: Place, record: &Record<'_>, entry: Entry) -> bool {
        let (partition, offset) = self.entries.place(entry);
        let mut hasher = DefaultHasher::new();
        (matches!(place, Place::Output { .. }), record.partition(), partition, record.key())
            .hash(&mut hasher);
        let last = self.last.entry(hasher.finish()).or_insert(-1);
        let in_order = offset > *last;
        *last = offset.max(*last);
        in_order
    }

    fn note(&mut self, place: Place, (partition, offset): (i32, i64), what: &str) {
        let topic = match place {
            Place::Output { .. } => &self.ledger.output,
            Place::DeadLetters { .. } => &self.ledger.dlq,
        };
        self.account.note(|| format!("{topic} [{partition}] at {offset}: {what}"));
    }
}

const DELIVERY_FAILED: &str = "delivery_failed";
