//! Login events, made from a seed and a number: event 7 of seed 1 is the same wherever and in whatever order it is made.
//!
//! Every draw is SplitMix64 (Steele, Lea, Flood 2014) over seed, event number and draw number, so there is no state to carry
//! and no library whose next version could draw differently.
//!
//! `device_id` holds the event's number: at least nine digits as `NNN-NN-NNNN`, with hyphens after the third and the fifth;
//! from 1,000,000,000 on the last group grows (`100-00-00000`). Without hyphens it is the number again. It stands
//! in every event, refused ones included.

use crate::rejection::Reason;
use std::io::Write;

/// What events are asked for.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    /// The same seed gives the same events.
    pub seed: u64,
    /// The share of events that the embedded contract refuses, from 0 to 1.
    pub invalid: f64,
    /// How many different keys there are; with 0 the records have none.
    pub keys: u64,
}

/// What is wrong with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// No `device_type`.
    NoDeviceType,
    /// An `app_version` under 2.0.0.
    OldVersion,
    /// A private `ip`.
    PrivateAddress,
    /// Cut off before its end.
    BrokenJson,
    /// An empty `user_id`.
    EmptyUser,
}

impl Flaw {
    /// All flaws; each is equally frequent.
    pub const ALL: [Flaw; 5] =
        [Flaw::NoDeviceType, Flaw::OldVersion, Flaw::PrivateAddress, Flaw::BrokenJson, Flaw::EmptyUser];

    /// Why the embedded contract refuses it.
    pub const fn reason(self) -> Reason {
        match self {
            Flaw::NoDeviceType => Reason::FieldMissing,
            Flaw::OldVersion => Reason::FieldBelowMinimum,
            Flaw::PrivateAddress => Reason::FieldDenied,
            Flaw::BrokenJson => Reason::NotJson,
            Flaw::EmptyUser => Reason::FieldEmpty,
        }
    }
}

/// The draws of an event. The numbers are part of what makes the same seed give the same events.
#[derive(Clone, Copy)]
enum Draw {
    Invalid = 1,
    Flaw = 2,
    Key = 3,
    UserHigh = 4,
    UserLow = 5,
    Version = 6,
    Device = 7,
    Address = 8,
    Locale = 9,
}

/// The first event's time; a thousand events happen in a second.
const EPOCH: u64 = 1_694_479_551;
const EVENTS_PER_SECOND: u64 = 1_000;

const DEVICES: [&str; 4] = ["android", "iOS", "android", "web"];
const LOCALES: [&str; 12] = ["RU", "US", "DE", "BR", "IN", "JP", "FR", "GB", "pt_BR", "MX", "ID", "NG"];

/// First numbers of addresses that are neither private nor otherwise special.
const PUBLIC_NETWORKS: [u8; 10] = [5, 23, 46, 81, 93, 104, 151, 185, 199, 212];

impl Events {
    /// What is wrong with event `number`, if anything.
    pub fn flaw(&self, number: u64) -> Option<Flaw> {
        // The upper 53 bits are a float's precision: the draw is even in [0, 1).
        let drawn = (self.draw(number, Draw::Invalid) >> 11) as f64 / (1_u64 << 53) as f64;
        (drawn < self.invalid).then(|| Flaw::ALL[(self.draw(number, Draw::Flaw) % 5) as usize])
    }

    /// Writes event `number` and its key; both buffers are cleared first. Without keys the key stays empty.
    pub fn write(&self, number: u64, key: &mut Vec<u8>, value: &mut Vec<u8>) -> Option<Flaw> {
        key.clear();
        value.clear();
        let flaw = self.flaw(number);
        let user = if self.keys == 0 {
            (self.draw(number, Draw::UserHigh), self.draw(number, Draw::UserLow))
        } else {
            // Of the key's number, so that all events of a key are the same user's.
            let chosen = self.draw(number, Draw::Key) % self.keys;
            (self.draw(chosen, Draw::UserHigh), self.draw(chosen, Draw::UserLow))
        };
        if self.keys > 0 {
            write_uuid(user, key);
        }
        self.write_event(number, flaw, user, value);
        flaw
    }

    fn write_event(&self, number: u64, flaw: Option<Flaw>, user: (u64, u64), value: &mut Vec<u8>) {
        value.extend_from_slice(b"{\"user_id\": \"");
        if flaw != Some(Flaw::EmptyUser) {
            write_uuid(user, value);
        }
        let version = self.draw(number, Draw::Version);
        let (minor, patch) = (version % 10, (version >> 8) % 10);
        let major =
            if flaw == Some(Flaw::OldVersion) { (version >> 16) % 2 } else { 2 + (version >> 16) % 2 };
        push(value, format_args!("\", \"app_version\": \"{major}.{minor}.{patch}\""));
        if flaw != Some(Flaw::NoDeviceType) {
            let device = DEVICES[(self.draw(number, Draw::Device) % 4) as usize];
            push(value, format_args!(", \"device_type\": \"{device}\""));
        }
        let [a, b, c, d, which, ..] = self.draw(number, Draw::Address).to_le_bytes();
        let network = PUBLIC_NETWORKS[usize::from(a) % PUBLIC_NETWORKS.len()];
        let (a, b) = match (flaw, which % 3) {
            (Some(Flaw::PrivateAddress), 0) => (10, b),
            (Some(Flaw::PrivateAddress), 1) => (172, 16 + b % 16),
            (Some(Flaw::PrivateAddress), _) => (192, 168),
            _ => (network, b),
        };
        push(value, format_args!(", \"ip\": \"{a}.{b}.{c}.{d}\""));
        let locale = LOCALES[(self.draw(number, Draw::Locale) % 12) as usize];
        push(value, format_args!(", \"locale\": \"{locale}\", \"device_id\": \""));
        write_device_id(number, value);
        let time = EPOCH.wrapping_add(number / EVENTS_PER_SECOND);
        push(value, format_args!("\", \"timestamp\": {time}"));
        if flaw == Some(Flaw::BrokenJson) {
            // Cut within the last number, as a writer that was stopped leaves it.
            value.truncate(value.len() - 3);
        } else {
            value.push(b'}');
        }
    }

    fn draw(&self, number: u64, draw: Draw) -> u64 {
        mix(mix(self.seed).wrapping_add(number).wrapping_mul(16).wrapping_add(draw as u64))
    }
}

/// SplitMix64's step and output function.
fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A version 4 UUID of 128 drawn bits.
fn write_uuid((high, low): (u64, u64), out: &mut Vec<u8>) {
    let high = (high & !0xF000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let (a, b, c) = (high >> 32, (high >> 16) & 0xFFFF, high & 0xFFFF);
    push(out, format_args!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xFFFF_FFFF_FFFF));
}

fn write_device_id(number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    push(out, format_args!("{number:09}"));
    out.insert(start + 5, b'-');
    out.insert(start + 3, b'-');
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing into memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: Events = Events { seed: 1, invalid: 0.05, keys: 10 };

    fn event(events: &Events, number: u64) -> (Option<Flaw>, String, String) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let flaw = events.write(number, &mut key, &mut value);
        (flaw, String::from_utf8(key).expect("ASCII"), String::from_utf8(value).expect("ASCII"))
    }

    fn number_of(value: &str) -> u64 {
        let (_, rest) = value.split_once("\"device_id\": \"").expect("in every event");
        let (id, _) = rest.split_once('"').expect("whole in every event");
        id.replace('-', "").parse().expect("digits")
    }

    #[test]
    fn the_same_seed_gives_the_same_events_for_ever() {
        let (flaw, key, value) = event(&EVENTS, 0);
        assert_eq!(flaw, None);
        assert_eq!(key, "a05f01f5-01db-4adb-9a32-cddcd022f4ab");
        assert_eq!(
            value,
            "{\"user_id\": \"a05f01f5-01db-4adb-9a32-cddcd022f4ab\", \"app_version\": \"3.9.8\", \
             \"device_type\": \"android\", \"ip\": \"81.42.198.228\", \"locale\": \"NG\", \
             \"device_id\": \"000-00-0000\", \"timestamp\": 1694479551}"
        );
        assert_ne!(event(&Events { seed: 2, ..EVENTS }, 0).2, value);
    }

    #[test]
    fn every_event_holds_its_number() {
        for number in (0..2_000).chain([999_999_999, 1_000_000_000, 12_345_678_901, u64::MAX]) {
            assert_eq!(number_of(&event(&EVENTS, number).2), number);
        }
        assert!(event(&EVENTS, 593_475_928).2.contains("\"593-47-5928\""));
        assert!(event(&EVENTS, 1_000_000_000).2.contains("\"100-00-00000\""));
    }

    #[test]
    fn the_share_of_flaws_is_what_was_asked_for_and_all_occur() {
        let count = |invalid| {
            let flaws = (0..100_000).filter_map(|number| Events { invalid, ..EVENTS }.flaw(number));
            Flaw::ALL.map(|flaw| flaws.clone().filter(|found| *found == flaw).count())
        };
        let [share, none, all] = [0.05, 0.0, 1.0].map(count);
        assert!((4_700..5_300).contains(&share.iter().sum::<usize>()), "{share:?}");
        assert!(share.iter().all(|count| (850..1_150).contains(count)), "{share:?}");
        assert_eq!(none, [0; 5]);
        assert_eq!(all.iter().sum::<usize>(), 100_000);
    }

    #[test]
    fn a_flaw_is_the_only_thing_wrong() {
        let events = Events { invalid: 0.5, ..EVENTS };
        for number in 0..2_000 {
            let (flaw, key, value) = event(&events, number);
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(&value);
            assert_eq!(parsed.is_err(), flaw == Some(Flaw::BrokenJson), "{value}");
            let Ok(parsed) = parsed else { continue };
            assert_eq!(parsed["user_id"] == "", flaw == Some(Flaw::EmptyUser), "{value}");
            assert!(parsed["user_id"] == "" || parsed["user_id"] == key.as_str(), "{value}");
            assert_eq!(parsed.get("device_type").is_none(), flaw == Some(Flaw::NoDeviceType), "{value}");
            let version = parsed["app_version"].as_str().expect("a string");
            assert_eq!(version.starts_with(['0', '1']), flaw == Some(Flaw::OldVersion), "{value}");
            let address: std::net::Ipv4Addr =
                parsed["ip"].as_str().expect("a string").parse().expect("an address");
            assert_eq!(address.is_private(), flaw == Some(Flaw::PrivateAddress), "{value}");
        }
    }

    #[test]
    fn the_embedded_contract_refuses_what_has_a_flaw_and_nothing_else() {
        let plan = crate::contract::Plan::user_login();
        let additions = plan.additions(std::time::SystemTime::UNIX_EPOCH);
        let events = Events { invalid: 0.5, ..EVENTS };
        for number in 0..5_000 {
            let (flaw, _, value) = event(&events, number);
            let (arena, mut out) = (bumpalo::Bump::new(), Vec::new());
            let verdict = crate::transform::judge(&plan, &additions, value.as_bytes(), &arena, &mut out);
            assert_eq!(verdict.err().map(|rejection| rejection.reason), flaw.map(Flaw::reason), "{value}");
        }
    }

    #[test]
    fn there_are_as_many_keys_as_asked_for() {
        let keys = |keys| {
            let events = Events { keys, ..EVENTS };
            (0..1_000).map(|number| event(&events, number).1).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(keys(10).len(), 10);
        assert_eq!(keys(0).into_iter().collect::<Vec<_>>(), [""]);
    }
}
