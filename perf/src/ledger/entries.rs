//! What is remembered of each input record: where it was, where it belongs, and hashes of how it has to look there.
//!
//! Columns, not rows: 3,000,000 events need about 90 MB. Hashes are 64 bits wide, so one wrong record in 10^19 goes unseen.

use super::dead_letter::stripped;
use crate::error::{Error, Result};
use crate::events;
use crate::reader::Record;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Where an input record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    Output,
    /// In the output, as it is: it has no value.
    Pass,
    DeadLetter {
        reason: &'static str,
        field: &'static str,
    },
}

/// The number of an input record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry(u32);

#[derive(Default)]
pub(super) struct Entries {
    partitions: Vec<u16>,
    offsets: Vec<u32>,
    fates: Vec<u8>,
    values: Vec<u64>,
    dresses: Vec<u64>,
    seen: Vec<u64>,
    /// By an event's number: its entry and one, or 0.
    by_number: Vec<u32>,
    /// Records without a number, or with one that was taken: by their hashes, in the order of the input.
    nameless: HashMap<(u64, u64), Vec<u32>>,
    nameless_places: HashMap<(u16, u32), u32>,
    fate_table: Vec<Fate>,
}

/// Numbers beyond it are no event's of ours (a table by number would not fit); such records go by their hashes.
const NUMBER_MAX: u32 = 50_000_000;

impl Entries {
    /// Remembers an input record. `value`: as it has to be found, with a blank time.
    pub(super) fn add(&mut self, record: &Record<'_>, fate: Fate, value: Option<&[u8]>) -> Result<()> {
        let too_far = || Error("the ledger's books hold offsets and partitions of 32 and 16 bits".into());
        let entry = u32::try_from(self.offsets.len()).map_err(|_| too_far())?;
        let partition = u16::try_from(record.partition()).map_err(|_| too_far())?;
        let offset = u32::try_from(record.offset()).map_err(|_| too_far())?;
        let (value, dress) = (hash_of(value), Dress::of(record).hash());
        self.partitions.push(partition);
        self.offsets.push(offset);
        let fate = self.fate_number(fate);
        self.fates.push(fate);
        self.values.push(value);
        self.dresses.push(dress);
        if entry % 64 == 0 {
            self.seen.push(0);
        }
        if !number_of(record).is_some_and(|number| self.name(number, entry)) {
            self.nameless.entry((value, dress)).or_default().push(entry);
            self.nameless_places.insert((partition, offset), entry);
        }
        Ok(())
    }

    /// The entry of an event's number.
    pub(super) fn by_number(&self, number: u32) -> Option<Entry> {
        self.by_number.get(number as usize)?.checked_sub(1).map(Entry)
    }

    /// A nameless entry with these hashes: the first that has not been seen and whose partition fits, else the first that has
    /// not been seen, else the last.
    pub(super) fn by_hashes(&self, value: u64, dress: u64, fits: impl Fn(i32) -> bool) -> Option<Entry> {
        let all = self.nameless.get(&(value, dress))?;
        let unseen = || all.iter().map(|entry| Entry(*entry)).filter(|entry| !self.is_seen(*entry));
        unseen()
            .find(|entry| fits(self.place(*entry).0))
            .or_else(|| unseen().next())
            .or(all.last().map(|entry| Entry(*entry)))
    }

    /// A nameless entry by its place in the input.
    pub(super) fn by_place(&self, partition: i32, offset: i64) -> Option<Entry> {
        let place = (u16::try_from(partition).ok()?, u32::try_from(offset).ok()?);
        self.nameless_places.get(&place).map(|entry| Entry(*entry))
    }

    /// Any entry by its place in the input, by looking through all of them: for the few letters that have nothing else.
    pub(super) fn by_scan(&self, (partition, offset): (i32, i64)) -> Option<Entry> {
        let count = u32::try_from(self.offsets.len()).expect("checked when it was added");
        (0..count).map(Entry).find(|entry| self.place(*entry) == (partition, offset))
    }

    /// Marks it; `false` if it had been seen before.
    pub(super) fn see(&mut self, Entry(entry): Entry) -> bool {
        let (word, bit) = (&mut self.seen[entry as usize / 64], 1 << (entry % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub(super) fn place(&self, Entry(entry): Entry) -> (i32, i64) {
        (self.partitions[entry as usize].into(), self.offsets[entry as usize].into())
    }

    pub(super) fn fate(&self, Entry(entry): Entry) -> Fate {
        self.fate_table[usize::from(self.fates[entry as usize])]
    }

    pub(super) fn value(&self, Entry(entry): Entry) -> u64 {
        self.values[entry as usize]
    }

    pub(super) fn dress(&self, Entry(entry): Entry) -> u64 {
        self.dresses[entry as usize]
    }

    /// Calls `each` with the place of every entry that has not been seen.
    pub(super) fn unseen(&self, mut each: impl FnMut((i32, i64))) {
        let count = u32::try_from(self.offsets.len()).expect("checked when it was added");
        (0..count).map(Entry).filter(|entry| !self.is_seen(*entry)).for_each(|entry| each(self.place(entry)));
    }

    fn is_seen(&self, Entry(entry): Entry) -> bool {
        self.seen[entry as usize / 64] & 1 << (entry % 64) != 0
    }

    fn name(&mut self, number: u32, entry: u32) -> bool {
        if number > NUMBER_MAX {
            return false;
        }
        let at = number as usize;
        if self.by_number.len() <= at {
            self.by_number.resize(at + 1, 0);
        }
        let free = self.by_number[at] == 0;
        if free {
            self.by_number[at] = entry + 1;
        }
        free
    }

    fn fate_number(&mut self, fate: Fate) -> u8 {
        let at = self.fate_table.iter().position(|known| *known == fate).unwrap_or_else(|| {
            self.fate_table.push(fate);
            self.fate_table.len() - 1
        });
        u8::try_from(at).expect("a contract has few reasons and fields")
    }
}

/// The number of a record: of its event, or in the header that a tombstone carries.
pub(super) fn number_of(record: &Record<'_>) -> Option<u32> {
    if let Some(value) = record.value().filter(|value| !value.is_empty()) {
        return events::number_in(value);
    }
    let mut number = None;
    record.headers(|name, value| {
        if name == b"event" {
            number = value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        }
    });
    number
}

/// What a record has beside its value, and has to keep.
pub(super) struct Dress {
    key: u64,
    headers: u64,
    timestamp: i64,
}

impl Dress {
    /// Without the headers that dead letters are dressed with.
    pub(super) fn of(record: &Record<'_>) -> Dress {
        let mut headers = DefaultHasher::new();
        record.headers(|name, value| {
            if stripped(name).is_none() {
                (name, value).hash(&mut headers);
            }
        });
        Dress { key: hash_of(record.key()), headers: headers.finish(), timestamp: record.timestamp() }
    }

    pub(super) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.key, self.headers, self.timestamp).hash(&mut hasher);
        hasher.finish()
    }
}

pub(super) fn hash_of(bytes: Option<&[u8]>) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
