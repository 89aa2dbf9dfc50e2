//! The ledger: what the generator made, held against what was found in the output and the dead letter topic.

use crate::cli::events::{Events, Flaw};
use crate::rejection::Reason;
use std::collections::HashMap;

/// What is to become of an event: the output, or the dead letter topic for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Output,
    DeadLetter(Reason),
}

impl Fate {
    /// What the generator knows of event `number`.
    pub(super) fn of(events: &Events, number: u64) -> Fate {
        events.flaw(number).map(Flaw::reason).map_or(Fate::Output, Fate::DeadLetter)
    }

    /// All that a generated event can have, in the order of the table.
    pub(super) fn all() -> impl Iterator<Item = Fate> {
        std::iter::once(Fate::Output).chain(Flaw::ALL.map(|flaw| Fate::DeadLetter(flaw.reason())))
    }

    fn index(self) -> usize {
        match self {
            Fate::Output => 0,
            Fate::DeadLetter(reason) => 1 + reason.index(),
        }
    }
}

/// A record that was found, as far as it says what it is.
pub(super) struct Found<'a> {
    /// The event's number, from its `device_id`.
    pub(super) number: Option<u64>,
    /// Where it lay, with the reason that its header gives; `None` for a reason that does not exist.
    pub(super) fate: Option<Fate>,
    pub(super) key: &'a [u8],
    /// The output, or the original bytes of a dead letter.
    pub(super) event: &'a [u8],
}

/// Events of one fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Made by the generator.
    pub(super) made: u64,
    /// Found where they belong, for the first time.
    pub(super) found: u64,
    /// Made, but not found anywhere.
    pub(super) missing: u64,
    /// Found elsewhere, or with another reason.
    pub(super) misplaced: u64,
    /// Found again.
    pub(super) repeated: u64,
    /// Found, but with other bytes than they should have.
    pub(super) altered: u64,
    /// Found behind a later event of the same key.
    pub(super) reordered: u64,
}

impl Row {
    /// Wrong in any way but missing.
    pub(super) fn wrong(&self) -> u64 {
        self.misplaced + self.repeated + self.altered + self.reordered
    }

    fn add(&mut self, other: &Row) {
        self.made += other.made;
        self.found += other.found;
        self.missing += other.missing;
        self.misplaced += other.misplaced;
        self.repeated += other.repeated;
        self.altered += other.altered;
        self.reordered += other.reordered;
    }
}

/// The books of one demo.
pub(super) struct Ledger {
    events: Events,
    /// A bit an event.
    seen: Vec<u64>,
    rows: [Row; 1 + Reason::ALL.len()],
    /// Records that are no event of the generator's.
    foreign: u64,
    /// The last number of each key, in the output and among the dead letters: 1 + the number, 0 for none.
    last: HashMap<Vec<u8>, [u64; 2]>,
    key: Vec<u8>,
    value: Vec<u8>,
    /// The output that is due: without what is added.
    expected: Vec<u8>,
}

impl Ledger {
    pub(super) fn new(events: Events) -> Self {
        Self {
            events,
            seen: Vec::new(),
            rows: [Row::default(); 1 + Reason::ALL.len()],
            foreign: 0,
            last: HashMap::new(),
            key: Vec::new(),
            value: Vec::new(),
            expected: Vec::new(),
        }
    }

    /// Enters a record. Answers with the event's number if it was found for the first time.
    pub(super) fn enter(&mut self, found: &Found<'_>) -> Option<u64> {
        let Some(number) = found.number else {
            self.foreign += 1;
            return None;
        };
        let due = Fate::of(&self.events, number);
        let is_first = self.mark(number);
        let is_altered = self.is_altered(number, due, found);
        let is_reordered = is_first && self.is_reordered(number, due, found.key);
        let row = &mut self.rows[due.index()];
        row.altered += u64::from(is_altered);
        row.reordered += u64::from(is_reordered);
        if !is_first {
            row.repeated += 1;
            return None;
        }
        if found.fate == Some(due) {
            row.found += 1;
        } else {
            row.misplaced += 1;
        }
        Some(number)
    }

    /// Whether the contract refuses event `number`.
    pub(super) fn is_flawed(&self, number: u64) -> bool {
        self.events.flaw(number).is_some()
    }

    /// Enters what the generator made: the events below `count`.
    pub(super) fn close(&mut self, count: u64) {
        for number in 0..count {
            let is_missing = !self.is_seen(number);
            let row = &mut self.rows[Fate::of(&self.events, number).index()];
            row.made += 1;
            row.missing += u64::from(is_missing);
        }
        let beyond = (count..self.seen.len() as u64 * 64).filter(|number| self.is_seen(*number));
        self.foreign += beyond.count() as u64;
    }

    pub(super) fn row(&self, fate: Fate) -> Row {
        self.rows[fate.index()]
    }

    pub(super) fn total(&self) -> Row {
        let mut total = Row::default();
        for row in &self.rows {
            total.add(row);
        }
        total
    }

    pub(super) fn foreign(&self) -> u64 {
        self.foreign
    }

    fn mark(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let is_first = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        is_first
    }

    fn is_seen(&self, number: u64) -> bool {
        self.seen.get((number / 64) as usize).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// A dead letter is the original, to the byte. An output is the original with a locale in lower case and the time before
    /// the closing brace.
    fn is_altered(&mut self, number: u64, due: Fate, found: &Found<'_>) -> bool {
        self.events.write(number, &mut self.key, &mut self.value);
        if self.key != found.key {
            return true;
        }
        if due != Fate::Output {
            return found.event != self.value;
        }
        self.expected.clear();
        self.expected.extend_from_slice(&self.value[..self.value.len() - 1]);
        lower_locale(&mut self.expected);
        let Some(added) = found.event.strip_prefix(self.expected.as_slice()) else { return true };
        // `,"processed_at":"2026-01-01T00:00:00Z"}`
        let time = added.strip_prefix(b",\"processed_at\":\"").and_then(|rest| rest.strip_suffix(b"Z\"}"));
        time.is_none_or(|time| time.len() != "2026-01-01T00:00:00".len())
    }

    fn is_reordered(&mut self, number: u64, due: Fate, key: &[u8]) -> bool {
        let place = usize::from(due != Fate::Output);
        if let Some(last) = self.last.get_mut(key) {
            let before = std::mem::replace(&mut last[place], number + 1);
            return before > number + 1;
        }
        let mut last = [0; 2];
        last[place] = number + 1;
        self.last.insert(key.to_vec(), last);
        false
    }
}

fn lower_locale(event: &mut [u8]) {
    const NAME: &[u8] = b"\"locale\": \"";
    let Some(at) = event.windows(NAME.len()).position(|window| window == NAME) else { return };
    for byte in event[at + NAME.len()..].iter_mut().take_while(|byte| **byte != b'"') {
        byte.make_ascii_lowercase();
    }
}

/// The number in an event's `device_id`, found without parsing: it must be found in broken events too.
pub(super) fn number_of(event: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"device_id\": \"";
    let at = event.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let mut number: u64 = 0;
    for byte in event[at..].iter().take_while(|byte| **byte != b'"').filter(|byte| **byte != b'-') {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number = number.checked_mul(10)?.checked_add(digit)?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: Events = Events { seed: 1, invalid: 0.3, keys: 5 };

    /// What becomes of event `number`, and where it belongs.
    fn delivered(number: u64) -> (Vec<u8>, Vec<u8>, Fate) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let fate = match EVENTS.write(number, &mut key, &mut value) {
            Some(flaw) => Fate::DeadLetter(flaw.reason()),
            None => {
                lower_locale(&mut value);
                value.pop();
                value.extend_from_slice(b",\"processed_at\":\"2026-01-01T00:00:00Z\"}");
                Fate::Output
            }
        };
        (key, value, fate)
    }

    fn enter(ledger: &mut Ledger, number: u64, change: impl FnOnce(&mut Vec<u8>, &mut Option<Fate>)) {
        let (key, mut event, fate) = delivered(number);
        let mut fate = Some(fate);
        change(&mut event, &mut fate);
        ledger.enter(&Found { number: number_of(&event), fate, key: &key, event: &event });
    }

    fn ledger_with(change: impl Fn(u64, &mut Ledger)) -> Ledger {
        let mut ledger = Ledger::new(EVENTS);
        for number in 0..100 {
            change(number, &mut ledger);
        }
        ledger.close(100);
        ledger
    }

    #[test]
    fn what_is_right_is_found() {
        let ledger = ledger_with(|number, ledger| enter(ledger, number, |_, _| {}));
        let total = ledger.total();
        assert_eq!(
            (total.made, total.found, total.missing, total.wrong(), ledger.foreign()),
            (100, 100, 0, 0, 0)
        );
        assert!(Fate::all().all(|fate| ledger.row(fate).made > 0), "every fate occurs");
    }

    #[test]
    fn a_missing_event_is_seen() {
        let ledger = ledger_with(|number, ledger| {
            if number != 50 {
                enter(ledger, number, |_, _| {});
            }
        });
        assert_eq!((ledger.total().missing, ledger.total().wrong()), (1, 0));
    }

    #[test]
    fn a_wrong_place_or_reason_is_seen() {
        let ledger = ledger_with(|number, ledger| {
            enter(ledger, number, |_, fate| {
                if number % 10 == 0 {
                    *fate = Some(Fate::DeadLetter(Reason::Internal));
                }
            });
        });
        assert_eq!((ledger.total().misplaced, ledger.total().missing), (10, 0));
    }

    #[test]
    fn repeated_altered_reordered_and_foreign_records_are_seen() {
        let ledger = ledger_with(|number, ledger| match number {
            7 => {
                enter(ledger, 7, |_, _| {});
                enter(ledger, 7, |_, _| {});
            }
            8 => enter(ledger, 8, |event, _| event[15] ^= 1),
            9 => enter(ledger, 9, |event, _| event.clear()),
            99 => {
                enter(ledger, 1_000, |_, _| {});
                enter(ledger, 99, |_, _| {});
            }
            _ => enter(ledger, number, |_, _| {}),
        });
        let total = ledger.total();
        assert_eq!((total.repeated, total.altered, total.missing), (1, 1, 1));
        // The one without a number, and the one beyond the last.
        assert_eq!(ledger.foreign(), 2);
        let mut ledger = Ledger::new(EVENTS);
        for number in (0..100).rev() {
            enter(&mut ledger, number, |_, _| {});
        }
        assert!(ledger.total().reordered > 50);
    }
}
