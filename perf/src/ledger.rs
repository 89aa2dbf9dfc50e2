//! The ledger: reads what went in and what came out, and accounts for each event.
//!
//! First the input is read and every record judged: where it belongs, why, and how it has to look there. Of each an
//! [entry](entries) of some 30 bytes is kept. Then output and dead letter topic are read, each record is matched with its
//! entry, by the event's number where it has one, and held against it. What no record was matched with is lost.

mod dead_letter;
mod entries;
mod found;

use crate::error::Result;
use crate::judge::{self, Verdict};
use crate::reader::{Reader, Record, Source};
use entries::{Entries, Fate};
use found::{Audit, Place};
use std::collections::BTreeMap;

/// Which topics, and what is to be expected of them.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The cluster.
    pub bootstrap: String,
    /// What went in. Records of aborted transactions are not read.
    pub input: String,
    /// What came out.
    pub output: String,
    /// What was refused.
    pub dlq: String,
    /// Read the records of open and aborted transactions in output and dead letter topic too.
    pub uncommitted: bool,
    /// Dead letters are in the envelope form.
    pub envelope: bool,
    /// An event that belongs in the output may be a dead letter for `delivery_failed`.
    pub allow_delivery_failed: bool,
}

impl Ledger {
    /// With the dead letters' default form.
    pub fn new(bootstrap: &str, input: &str, output: &str, dlq: &str) -> Self {
        let [bootstrap, input, output, dlq] = [bootstrap, input, output, dlq].map(str::to_owned);
        Self {
            bootstrap,
            input,
            output,
            dlq,
            uncommitted: false,
            envelope: false,
            allow_delivery_failed: false,
        }
    }

    /// Reads all three topics from their starts to where they end now, and accounts.
    pub fn account(&self) -> Result<Account> {
        // All three are opened first: that is when their ends are looked up. The input last, so that what is found in the
        // others has an origin even while events still flow.
        let output = self.open(&self.output, self.uncommitted)?;
        let dlq = self.open(&self.dlq, self.uncommitted)?;
        let input = self.open(&self.input, false)?;
        let mut account = Account::default();
        let mut entries = Entries::default();
        self.read_input(input, &mut entries, &mut account)?;
        let mut audit = Audit::new(self, &mut entries, &mut account);
        let place = Place::Output { partitions: output.partitions() };
        output.for_each(|record| audit.found(place, record))?;
        let place = Place::DeadLetters { partitions: dlq.partitions() };
        dlq.for_each(|record| audit.found(place, record))?;
        entries.unseen(|place| account.lose(&self.input, place));
        Ok(account)
    }

    fn open(&self, topic: &str, uncommitted: bool) -> Result<Reader> {
        Reader::open(&Source { bootstrap: &self.bootstrap, topic, uncommitted, properties: &[] })
    }

    fn read_input(&self, input: Reader, entries: &mut Entries, account: &mut Account) -> Result<()> {
        let mut expected = Vec::new();
        input.for_each(|record: &Record<'_>| {
            account.input += 1;
            let (fate, value) = match record.value() {
                None => (Fate::Pass, None),
                Some(value) => match judge::judge(value, &mut expected) {
                    Verdict::Output => (Fate::Output, Some(&expected[..])),
                    Verdict::DeadLetter { reason, field } => {
                        (Fate::DeadLetter { reason, field }, Some(value))
                    }
                },
            };
            match fate {
                Fate::Output => account.belong_in_output += 1,
                Fate::Pass => account.tombstones += 1,
                Fate::DeadLetter { .. } => account.belong_in_dlq += 1,
            }
            entries.add(record, fate, value)
        })
    }
}

/// What the ledger found.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// Records read from the input.
    pub input: u64,
    /// Of these: belong in the output, changed.
    pub belong_in_output: u64,
    /// Belong in the output, without a value.
    pub tombstones: u64,
    /// Belong in the dead letter topic.
    pub belong_in_dlq: u64,
    /// Records found in the output.
    pub output: u64,
    /// Records found in the dead letter topic.
    pub dlq: u64,
    /// Dead letters found, by their reason.
    pub reasons: BTreeMap<String, u64>,
    /// Input records that were found nowhere.
    pub lost: u64,
    /// Appearances beyond the first.
    pub repeated: u64,
    /// Records in the wrong topic or partition, with the wrong reason, or with other bytes, key, headers or time stamp than they
    /// have to have. A record counts once, however much is wrong with it.
    pub misplaced: u64,
    /// First appearances that stand behind a later event of the same key (without a key: of the same input partition).
    pub disordered: u64,
    /// Records that never were in the input.
    pub foreign: u64,
    /// Dead letters for `delivery_failed` that were allowed.
    pub delivery_failed: u64,
    /// Dead letters without their value, because it was too large: only their place and reason could be checked.
    pub truncated: u64,
    /// The first few things that are wrong, in words. No event is quoted.
    pub examples: Vec<String>,
}

const EXAMPLES: usize = 20;

impl Account {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.repeated == 0 && self.is_clean_but_for_repeats()
    }

    /// Whether nothing is wrong but that some events came more than once, as at-least-once allows after a crash.
    pub fn is_clean_but_for_repeats(&self) -> bool {
        self.lost + self.misplaced + self.disordered + self.foreign == 0
    }

    fn lose(&mut self, topic: &str, (partition, offset): (i32, i64)) {
        self.lost += 1;
        self.note(|| format!("{topic} [{partition}] at {offset}: lost"));
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text());
        }
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut line = |count: u64, what: &str| writeln!(f, "{count:>12}  {what}");
        line(self.input, "read from the input")?;
        line(self.belong_in_output + self.tombstones, "belong in the output")?;
        line(self.belong_in_dlq, "belong in the dead letter topic")?;
        line(self.output, "found in the output")?;
        line(self.dlq, "found in the dead letter topic")?;
        for (reason, count) in &self.reasons {
            line(*count, &format!("  {reason}"))?;
        }
        line(self.lost, "lost")?;
        line(self.repeated, "repeated")?;
        line(self.misplaced, "misplaced")?;
        line(self.disordered, "out of order")?;
        line(self.foreign, "foreign")?;
        if self.delivery_failed + self.truncated > 0 {
            line(self.delivery_failed, "refused by the broker, as allowed")?;
            line(self.truncated, "dead letters without their value")?;
        }
        self.examples.iter().try_for_each(|example| writeln!(f, "  {example}"))
    }
}
