//! A visitor over serde_json: the contract's members as raw values, the others ignored, the output spliced from the event's bytes.

use super::rules::{Login, NOW};
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

pub(crate) fn transform(event: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let members: Members<'_> = serde_json::from_slice(event).ok()?;
    let [user_id, app_version, device_type, ip, locale, timestamp, processed_at] = members.0;
    let (user_id, app_version, device_type) =
        (string(user_id)??, string(app_version)??, string(device_type)??);
    let (ip, locale_text) = (string(ip)?, string(locale)?);
    let login =
        Login { user_id: &user_id, app_version: &app_version, device_type: &device_type, ip: ip.as_deref() };
    if !login.passes() || timestamp.is_some_and(|raw| !is_seconds(raw)) || processed_at.is_some() {
        return None;
    }
    let close = event.iter().rposition(|&byte| byte == b'}')?;
    let mut copied = 0;
    if let (Some(raw), Some(text)) = (locale, locale_text) {
        let lower = text.to_lowercase();
        if lower != text {
            let start = raw.as_ptr() as usize - event.as_ptr() as usize;
            out.extend_from_slice(&event[..start]);
            serde_json::to_writer(&mut *out, &lower).ok()?;
            copied = start + raw.len();
        }
    }
    out.extend_from_slice(&event[copied..close]);
    out.extend_from_slice(b",\"processed_at\":\"");
    out.extend_from_slice(NOW.as_bytes());
    out.push(b'"');
    out.extend_from_slice(&event[close..]);
    Some(())
}

/// The raw values of the contract's members, in the order of [`NameVisitor`].
struct Members<'a>([Option<&'a str>; 7]);

fn is_seconds(raw: &str) -> bool {
    raw == "null" || raw.trim_matches('"').parse::<u64>().is_ok()
}

/// A raw value's text; `None` where it is no string.
fn string(raw: Option<&str>) -> Option<Option<Cow<'_, str>>> {
    let Some(raw) = raw.filter(|raw| *raw != "null") else { return Some(None) };
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Some(Cow::Borrowed(inside)));
    }
    serde_json::from_str(raw).ok().map(|text| Some(Cow::Owned(text)))
}

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members<'de>, A::Error> {
        let mut values = [None; 7];
        while let Some(name) = members.next_key::<Name>()? {
            match name.0 {
                Some(index) => values[index] = Some(members.next_value::<&RawValue>()?.get()),
                None => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Members(values))
    }
}

/// A name's place among the contract's members.
struct Name(Option<usize>);

impl<'de> serde::Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name(match name {
            "user_id" => Some(0),
            "app_version" => Some(1),
            "device_type" => Some(2),
            "ip" => Some(3),
            "locale" => Some(4),
            "timestamp" => Some(5),
            "processed_at" => Some(6),
            _ => None,
        }))
    }
}
