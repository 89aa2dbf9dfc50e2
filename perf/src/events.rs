//! Numbered login events: the load of every test and measurement.
//!
//! An event's number stands in its `device_id` (`000-01-2345` is 12,345), so that it can be followed through any topic. What
//! kind of event a number is, and every byte of it, follows from the seed and the number alone.

use crate::random::Random;
use std::io::Write;

/// Numbers have nine digits.
pub const NUMBER_MAX: u32 = 999_999_999;

/// What is the matter with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: it belongs in the output.
    Good,
    /// It has no `device_type`.
    NoDeviceType,
    /// Its `app_version` is below 2.0.0.
    OldVersion,
    /// Its `ip` is a private address.
    PrivateAddress,
    /// It is cut off near its end, after its number.
    BrokenJson,
    /// Its `user_id` is empty.
    EmptyUser,
    /// It has no value; its number stands in the header `event`.
    Tombstone,
}

impl Kind {
    /// All kinds, in the order of [`Kind::index`].
    pub const ALL: [Kind; 7] = [
        Kind::Good,
        Kind::NoDeviceType,
        Kind::OldVersion,
        Kind::PrivateAddress,
        Kind::BrokenJson,
        Kind::EmptyUser,
        Kind::Tombstone,
    ];

    /// Its place in [`Kind::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

/// The shape of a load.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The same seed gives the same events.
    pub seed: u64,
    /// The events' keys are this many users' ids; `None`: no keys.
    pub users: Option<u32>,
    /// The share to be refused, in equal parts for each reason.
    pub refused: f64,
    /// The share without a value.
    pub tombstones: f64,
    /// Events are filled up to this many bytes; 0: as they come, 170 to 195.
    pub pad_to: usize,
    /// The share of the padding that is random; the rest repeats, and a compressor makes little of it.
    pub random_padding: f64,
    /// Events of some 100 bytes: shorter user ids, and none of the members that may be left out.
    pub compact: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            seed: 1,
            users: Some(10_000),
            refused: 0.05,
            tombstones: 0.0,
            pad_to: 0,
            random_padding: 1.0,
            compact: false,
        }
    }
}

const DEVICES: [&str; 4] = ["android", "iOS", "web", "windows"];
const LOCALES: [&str; 8] = ["RU", "US", "DE", "fr", "PL", "pt_BR", "ES", "JP"];
const REFUSED: [Kind; 5] =
    [Kind::NoDeviceType, Kind::OldVersion, Kind::PrivateAddress, Kind::BrokenJson, Kind::EmptyUser];

/// The padding's own bytes: `"padding": "", `.
const PADDING_FRAME: usize = 15;

impl Shape {
    /// What kind of event this number is.
    pub fn kind(&self, number: u32) -> Kind {
        Self::kind_from(self, &mut Random::new(self.seed, u64::from(number)))
    }

    /// Writes the number's key; `false`, and nothing, when it has none.
    pub fn key(&self, number: u32, key: &mut Vec<u8>) -> bool {
        key.clear();
        let Some(user) = self.user(number) else { return false };
        self.write_user(user, key);
        true
    }

    /// Writes the number's value; of a [`Kind::Tombstone`] nothing.
    ///
    /// # Panics
    /// If the number has more than nine digits.
    pub fn value(&self, number: u32, value: &mut Vec<u8>) -> Kind {
        assert!(number <= NUMBER_MAX, "a device_id has nine digits");
        value.clear();
        let random = &mut Random::new(self.seed, u64::from(number));
        let kind = self.kind_from(random);
        if kind == Kind::Tombstone {
            return kind;
        }
        value.extend_from_slice(b"{\"user_id\": \"");
        if kind != Kind::EmptyUser {
            self.write_user(self.user(number).unwrap_or(number), value);
        }
        let major = if kind == Kind::OldVersion { random.below(2) } else { 2 + random.below(2) };
        put(
            value,
            format_args!("\", \"app_version\": \"{major}.{}.{}\"", random.below(10), random.below(10)),
        );
        if kind != Kind::NoDeviceType {
            put(value, format_args!(", \"device_type\": \"{}\"", random.pick(&DEVICES)));
        }
        // From 193 on no first number is special; the private ones are of all three blocks.
        let (b, c, d) = (random.below(256), random.below(256), 1 + random.below(254));
        match (kind == Kind::PrivateAddress).then(|| random.below(3)) {
            None if self.compact => {}
            None => put(value, format_args!(", \"ip\": \"{}.{b}.{c}.{d}\"", 193 + random.below(30))),
            Some(0) => put(value, format_args!(", \"ip\": \"10.{b}.{c}.{d}\"")),
            Some(1) => put(value, format_args!(", \"ip\": \"172.{}.{c}.{d}\"", 16 + b % 16)),
            Some(_) => put(value, format_args!(", \"ip\": \"192.168.{c}.{d}\"")),
        }
        value.extend_from_slice(b", ");
        if !self.compact {
            put(value, format_args!("\"locale\": \"{}\", ", random.pick(&LOCALES)));
        }
        let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
        let seconds = 1_694_479_551 + number / 1000;
        let mut end =
            format!("\"device_id\": \"{area:03}-{group:02}-{serial:04}\", \"timestamp\": {seconds}}}");
        if self.compact {
            end.replace_range(end.len() - ", \"timestamp\": 1694479551}".len().., " }");
        }
        self.pad(value, end.len(), random);
        let cut =
            if kind == Kind::BrokenJson { 1 + random.below(if self.compact { 2 } else { 12 }) } else { 0 };
        value.extend_from_slice(&end.as_bytes()[..end.len() - usize::try_from(cut).expect("at most 12")]);
        kind
    }

    fn write_user(&self, user: u32, into: &mut Vec<u8>) {
        const COMPACT: usize = 8;
        let end = into.len() + COMPACT;
        write_user(self.seed, user, into);
        if self.compact {
            into.truncate(end);
        }
    }

    fn user(&self, number: u32) -> Option<u32> {
        let users = u64::from(self.users?.max(1));
        let user = Random::new(!self.seed, u64::from(number)).below(users);
        Some(u32::try_from(user).expect("below a u32"))
    }

    fn kind_from(&self, random: &mut Random) -> Kind {
        if random.chance(self.tombstones) {
            return Kind::Tombstone;
        }
        if random.chance(self.refused) {
            return REFUSED[usize::try_from(random.below(5)).expect("below 5")];
        }
        Kind::Good
    }

    fn pad(&self, value: &mut Vec<u8>, end: usize, random: &mut Random) {
        let length = self.pad_to.saturating_sub(value.len() + end);
        if length <= PADDING_FRAME {
            return;
        }
        value.extend_from_slice(b"\"padding\": \"");
        let padded = value.len() + length - PADDING_FRAME;
        while value.len() < padded {
            // Letters with 5 random bits each: no compressor makes much of them.
            let random_bits = self.random_padding >= 1.0 || random.chance(self.random_padding);
            let bits = if random_bits { random.next_u64() } else { 0 };
            let letters: [u8; 12] = std::array::from_fn(|at| {
                b"abcdefghijklmnopqrstuvwxyz234567"[(bits >> (5 * at)) as usize & 31]
            });
            value.extend_from_slice(&letters[..letters.len().min(padded - value.len())]);
        }
        value.extend_from_slice(b"\", ");
    }
}

/// The number in an event's bytes, wherever its `device_id` stands, even when they are no JSON any more.
pub fn number_in(value: &[u8]) -> Option<u32> {
    let text = &value[device_id_at(value)?..];
    let digits = DIGITS.iter().map(|at| text[*at]);
    digits
        .into_iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
}

/// Where an event's number is written; for [`write_number`], so that the same bytes can serve for many numbers.
pub fn device_id_at(value: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\"device_id\"";
    // From the end: of the long events only the tail is looked at.
    let after = memchr::memmem::rfind(value, NAME)? + NAME.len();
    let at = after + value[after..].iter().position(|byte| !matches!(byte, b' ' | b'\t' | b':'))?;
    let text = value.get(at..at + 12)?;
    (text[0] == b'"' && text[4] == b'-' && text[7] == b'-').then_some(at)
}

/// Writes another number over the one at [`device_id_at`]. The rest of the event stays as it is.
pub fn write_number(value: &mut [u8], device_id_at: usize, mut number: u32) {
    for at in DIGITS.iter().rev() {
        value[device_id_at + at] = b'0' + u8::try_from(number % 10).expect("one digit");
        number /= 10;
    }
}

/// Where the digits of `"000-01-2345"` are.
const DIGITS: [usize; 9] = [1, 2, 3, 5, 6, 8, 9, 10, 11];

fn write_user(seed: u64, user: u32, into: &mut Vec<u8>) {
    let mut random = Random::new(seed ^ 0x5EED, u64::from(user));
    let (high, low) = (random.next_u64(), random.next_u64());
    let (a, b, c) = (high >> 32, high >> 16 & 0xFFFF, high & 0xFFF);
    let (d, e) = (0x8000 | (low >> 48 & 0x3FFF), low & 0xFFFF_FFFF_FFFF);
    put(into, format_args!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}"));
}

fn put(value: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    value.write_fmt(text).expect("a Vec takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_every_kind_of_event() {
        let shape = Shape { refused: 0.5, ..Shape::default() };
        let mut value = Vec::new();
        for number in (0..2000).chain([NUMBER_MAX]) {
            shape.value(number, &mut value);
            assert_eq!(number_in(&value), Some(number), "{}", String::from_utf8_lossy(&value));
        }
    }

    #[test]
    fn a_number_can_be_written_over_another() {
        let shape = Shape { refused: 0.5, ..Shape::default() };
        let mut value = Vec::new();
        for number in 0..500 {
            shape.value(number, &mut value);
            let at = device_id_at(&value).unwrap();
            write_number(&mut value, at, 987_650_000 + number);
            assert_eq!(number_in(&value), Some(987_650_000 + number));
            write_number(&mut value, at, number);
            let mut again = Vec::new();
            shape.value(number, &mut again);
            assert_eq!(value, again, "nothing else has changed");
        }
    }

    #[test]
    fn compact_events_are_short_and_whole() {
        let shape = Shape { refused: 0.5, compact: true, ..Shape::default() };
        let (mut value, mut total) = (Vec::new(), 0);
        for number in 0..2000 {
            let kind = shape.value(number, &mut value);
            let is_whole = serde_json::from_slice::<serde_json::Value>(&value).is_ok();
            assert_eq!(is_whole, kind != Kind::BrokenJson, "{}", String::from_utf8_lossy(&value));
            assert_eq!(number_in(&value), Some(number));
            total += value.len();
        }
        assert!((90..115).contains(&(total / 2000)), "{} bytes on average", total / 2000);
    }

    #[test]
    fn the_same_seed_gives_the_same_events_and_another_one_others() {
        let (one, other) = (Shape::default(), Shape { seed: 2, ..Shape::default() });
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        one.value(7, &mut a);
        one.clone().value(7, &mut b);
        other.value(7, &mut c);
        assert_eq!(a, b);
        assert_ne!(a, c);
    }

    #[test]
    fn shares_sizes_and_keys_are_as_ordered() {
        let shape = Shape { users: Some(10), tombstones: 0.1, pad_to: 1000, ..Shape::default() };
        let (mut value, mut key) = (Vec::new(), Vec::new());
        let mut counts = [0; Kind::ALL.len()];
        let mut keys = std::collections::HashSet::new();
        for number in 0..10_000 {
            let kind = shape.value(number, &mut value);
            assert_eq!(kind, shape.kind(number));
            counts[kind.index()] += 1;
            match kind {
                Kind::Tombstone => assert!(value.is_empty()),
                Kind::BrokenJson => assert!((988..1000).contains(&value.len())),
                _ => assert_eq!(value.len(), 1000),
            }
            assert!(shape.key(number, &mut key));
            keys.insert(key.clone());
        }
        assert_eq!(keys.len(), 10);
        assert!((900..1100).contains(&counts[Kind::Tombstone.index()]), "{counts:?}");
        assert!(REFUSED.iter().all(|kind| (60..120).contains(&counts[kind.index()])), "{counts:?}");
        assert!(!Shape { users: None, ..shape }.key(1, &mut key));
    }
}
