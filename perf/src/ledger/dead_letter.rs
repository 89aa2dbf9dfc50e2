//! What a dead letter says about itself: its `dlq.*` headers, or its envelope.

use crate::reader::Record;
use base64::Engine;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The headers of a dead letter, as documented. Others that begin with `dlq.` are the record's own.
const NAMES: [&[u8]; 15] = [
    b"version",
    b"reason",
    b"field",
    b"detail",
    b"contract",
    b"topic",
    b"partition",
    b"offset",
    b"timestamp",
    b"group",
    b"attempts",
    b"at",
    b"value.size",
    b"value.sha256",
    b"truncated",
];

/// A dead letter's header by its name without the prefix; `None` is a header of the record's own.
pub(super) fn stripped(name: &[u8]) -> Option<&[u8]> {
    name.strip_prefix(b"dlq.").filter(|name| NAMES.contains(name))
}

/// The `dlq.*` headers of a record, by their names without the prefix.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Letter {
    headers: BTreeMap<String, String>,
    /// A name that stands there twice.
    pub(super) twice: Option<String>,
}

impl Letter {
    pub(super) fn of(record: &Record<'_>) -> Letter {
        let mut letter = Letter::default();
        record.headers(|name, value| {
            let Some(name) = stripped(name) else { return };
            let name = String::from_utf8_lossy(name).into_owned();
            let value = String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
            if letter.headers.insert(name.clone(), value).is_some() {
                letter.twice = Some(name);
            }
        });
        letter
    }

    pub(super) fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// A header's value; empty where it is absent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The place in the input that it names.
    pub(super) fn place(&self) -> Option<(i32, i64)> {
        Some((self.get("partition").parse().ok()?, self.get("offset").parse().ok()?))
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.get("truncated") == "true"
    }

    /// What is wrong with it, for an event of `topic` at `place`, refused for `reason` and `field`.
    pub(super) fn fault(
        &self,
        topic: &str,
        place: (i32, i64),
        reason: &str,
        field: &str,
    ) -> Option<Cow<'static, str>> {
        if let Some(name) = &self.twice {
            return Some(format!("the header dlq.{name} stands there twice").into());
        }
        let expected = [
            ("version", "1"),
            ("reason", reason),
            ("field", field),
            ("topic", topic),
            ("partition", &place.0.to_string()),
            ("offset", &place.1.to_string()),
        ];
        let wrong = expected.iter().find(|(name, value)| self.get(name) != *value);
        wrong.map(|(name, value)| format!("dlq.{name} is “{}”, not “{value}”", self.get(name)).into())
    }
}

/// The event inside an envelope and the reason beside it; `None` if it is none.
pub(super) fn open_envelope(value: &[u8]) -> Option<(Vec<u8>, String)> {
    let envelope: serde_json::Value = serde_json::from_slice(value).ok()?;
    let error = envelope.get("error")?;
    let message = base64::engine::general_purpose::STANDARD.decode(error.get("message")?.as_str()?).ok()?;
    Some((message, error.get("reason")?.as_str()?.to_owned()))
}
