//! A visitor over sonic-rs that sees every member's name and raw value, and does nothing: what reading costs, judging aside.

use serde::de::{Deserializer, MapAccess, Visitor};
use sonic_rs::LazyValue;
use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;

/// How many members an event has; `None` if it is no JSON object.
pub(crate) fn visit(event: &[u8]) -> Option<usize> {
    // The bytes are UTF-8 by `from_slice`'s own look at them, and nothing but white space may follow the object.
    sonic_rs::from_slice::<Members>(event).ok().map(|members| members.0)
}

struct Members(usize);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Bare).map(Self)
    }
}

struct Bare;

impl<'de> Visitor<'de> for Bare {
    type Value = usize;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while let Some(name) = members.next_key::<Name<'de>>()? {
            let value: LazyValue<'de> = members.next_value()?;
            black_box((&name.0, value.as_raw_str()));
            count += 1;
        }
        Ok(count)
    }
}

/// Borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}
