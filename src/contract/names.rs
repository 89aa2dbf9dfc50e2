//! Which member name is whose: a table with open addressing over a name's length and its first eight bytes.
//!
//! A look-up is one multiplication, one slot, and for names of 9 to 16 bytes one more word; only longer ones are compared as
//! slices. The table is at most a quarter full, so that most names without a rule meet an empty slot at once.

/// Names of members, by their place in the contract: fields first, then what is added.
#[derive(Debug)]
pub(crate) struct Names {
    slots: Box<[Slot]>,
    shift: u32,
    names: Box<[Box<[u8]>]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    head: u64,
    tail: u64,
    length: usize,
    /// Place in the contract + 1; 0 is empty.
    member: u32,
}

/// Odd, its bits well mixed (the golden ratio's).
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bytes of a word that a name of so many bytes fills.
const HEADS: [u64; 9] = [
    0,
    0xff,
    0xffff,
    0xff_ffff,
    0xffff_ffff,
    0xff_ffff_ffff,
    0xffff_ffff_ffff,
    0xff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

impl Names {
    /// The table of `names`, all different.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Box<[Box<[u8]>]> = names.map(|name| name.as_bytes().into()).collect();
        let size = (names.len() * 4).next_power_of_two().max(16);
        let mut table =
            Self { slots: vec![Slot::default(); size].into(), shift: 64 - size.trailing_zeros(), names };
        for index in 0..table.names.len() {
            let name = &table.names[index];
            let (head, tail) = (head_of(name), tail_of(name));
            let mut at = table.place(head, name.len());
            while table.slots[at].member != 0 {
                at = (at + 1) & (size - 1);
            }
            let member = u32::try_from(index + 1).expect("a contract file has fewer than 2^32 lines");
            table.slots[at] = Slot { head, tail, length: name.len(), member };
        }
        table
    }

    /// The place in the contract of the member whose name is `bytes[start..end]`.
    #[inline(always)]
    pub(crate) fn find(&self, bytes: &[u8], start: usize, end: usize) -> Option<usize> {
        let length = end - start;
        let head = match bytes.get(start..).and_then(|rest| rest.first_chunk()) {
            Some(head) => u64::from_le_bytes(*head) & HEADS[length.min(8)],
            None => head_of(&bytes[start..end]),
        };
        let mut at = self.place(head, length);
        loop {
            let slot = self.slots.get(at)?;
            if slot.member == 0 {
                return None;
            }
            if slot.head == head
                && slot.length == length
                && (length <= 8 || self.ends_so(slot, &bytes[start..end]))
            {
                return Some(slot.member as usize - 1);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// Whether a name of more than eight bytes, the first of them those of the slot, is the slot's.
    #[inline]
    fn ends_so(&self, slot: &Slot, name: &[u8]) -> bool {
        slot.tail == tail_of(name) && (name.len() <= 16 || *self.names[slot.member as usize - 1] == *name)
    }

    #[inline]
    fn place(&self, head: u64, length: usize) -> usize {
        ((head ^ (length as u64).rotate_right(8)).wrapping_mul(FACTOR) >> self.shift) as usize
    }
}

/// The first eight bytes, zeros where there are fewer.
fn head_of(name: &[u8]) -> u64 {
    name.iter().take(8).rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// The last eight bytes of a name that has them.
#[inline]
fn tail_of(name: &[u8]) -> u64 {
    name.last_chunk::<8>().map_or(0, |tail| u64::from_le_bytes(*tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Alone, and with bytes on either side.
    fn find(names: &Names, name: &str) -> Option<usize> {
        let found = names.find(name.as_bytes(), 0, name.len());
        let text = format!("abc{name}defghijklmnopq");
        assert_eq!(names.find(text.as_bytes(), 3, 3 + name.len()), found);
        found
    }

    #[test]
    fn every_name_is_found_and_no_other() {
        let base = "a_name_of_more_than_sixteen_bytes";
        let mut all: Vec<String> = (0..=base.len()).map(|length| base[..length].to_owned()).collect();
        all.extend(
            ["\0", "\0\0", "ip\0", "aaaaaaaa1", "aaaaaaaa2", "aaaaaaaaXaaaaaaaa", "aaaaaaaaYaaaaaaaa"]
                .map(String::from),
        );
        let (known, unknown): (Vec<_>, Vec<_>) =
            all.iter().enumerate().partition(|(index, _)| index % 2 == 0);
        let names = Names::new(known.iter().map(|(_, name)| name.as_str()));
        for (index, (_, name)) in known.iter().enumerate() {
            assert_eq!(find(&names, name), Some(index), "{name:?}");
        }
        for (_, name) in unknown {
            assert_eq!(find(&names, name), None, "{name:?}");
        }
        assert_eq!(find(&Names::new(std::iter::empty()), ""), None);
    }
}
