//! How a dead letter is dressed: an interface that other programs read and replay from.

use crate::config::{DeadLetterFormat, DeadLetterHeaders, DeadLetters};
use crate::kafka::{Headers, HeadersRef};
use crate::rejection::Rejection;
use base64::Engine;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::SystemTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The version of the header set.
const VERSION: &str = "1";

/// Every header that a dead letter may get. Others whose names begin alike are the record's own.
const NAMES: [&str; 15] = [
    "dlq.version",
    "dlq.reason",
    "dlq.field",
    "dlq.detail",
    "dlq.contract",
    "dlq.topic",
    "dlq.partition",
    "dlq.offset",
    "dlq.timestamp",
    "dlq.group",
    "dlq.attempts",
    "dlq.at",
    "dlq.value.size",
    "dlq.value.sha256",
    "dlq.truncated",
];

/// The key of a stub is cut here: it must fit any topic.
const STUB_KEY_BYTES_MAX: usize = 1024;

/// Our names for what Kafka Connect has names for, and its names.
const CONNECT_NAMES: [(&str, &str); 5] = [
    ("dlq.topic", "__connect.errors.topic"),
    ("dlq.partition", "__connect.errors.partition"),
    ("dlq.offset", "__connect.errors.offset"),
    ("dlq.reason", "__connect.errors.exception.class.name"),
    ("dlq.detail", "__connect.errors.exception.message"),
];

/// Where a refused record comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The input partition.
    pub(super) partition: i32,
    /// The offset in it.
    pub(super) offset: i64,
    /// The record's time stamp.
    pub(super) timestamp_ms: i64,
}

/// Dresses dead letters; keeps its buffers.
#[derive(Debug)]
pub(super) struct Dresser {
    form: DeadLetters,
    contract: String,
    topic: String,
    group: String,
    at: String,
    number: String,
    envelope: String,
}

impl Dresser {
    pub(super) fn new(form: DeadLetters, contract: &str, topic: &str, group: &str) -> Self {
        Self {
            form,
            contract: contract.to_owned(),
            topic: topic.to_owned(),
            group: group.to_owned(),
            at: String::new(),
            number: String::new(),
            envelope: String::new(),
        }
    }

    /// The time for `dlq.at`, once a batch.
    pub(super) fn set_time(&mut self, at: SystemTime) {
        let at = OffsetDateTime::from(at).replace_nanosecond(0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        // The format fails for years beyond 9999 alone.
        self.at = at.format(&Rfc3339).unwrap_or_default();
    }

    /// The headers: the record's own but for ours of an earlier failure, then ours. `attempts`: how often the record was judged
    /// or sent.
    pub(super) fn headers(
        &mut self,
        own: Option<HeadersRef<'_>>,
        origin: Origin,
        rejection: &Rejection,
        attempts: u32,
    ) -> Headers {
        let mut headers = Headers::with_capacity(NAMES.len());
        for (name, value) in
            own.into_iter().flat_map(HeadersRef::iter).filter(|(name, _)| !self.is_ours(name))
        {
            headers.add(name, value);
        }
        self.text(&mut headers, "dlq.version", VERSION);
        self.text(&mut headers, "dlq.reason", rejection.reason.as_str());
        if let Some(field) = &rejection.field {
            self.text(&mut headers, "dlq.field", field);
        }
        self.text(&mut headers, "dlq.detail", rejection.detail());
        self.text(&mut headers, "dlq.contract", &self.contract);
        self.text(&mut headers, "dlq.topic", &self.topic);
        self.number(&mut headers, "dlq.partition", origin.partition.into());
        self.number(&mut headers, "dlq.offset", origin.offset);
        self.number(&mut headers, "dlq.timestamp", origin.timestamp_ms);
        self.text(&mut headers, "dlq.group", &self.group);
        self.number(&mut headers, "dlq.attempts", attempts.into());
        self.text(&mut headers, "dlq.at", &self.at);
        headers
    }

    /// Marks the headers of a stub: a dead letter too large for its topic goes without its value.
    pub(super) fn mark_stub(&mut self, headers: &mut Headers, value: Option<&[u8]>) {
        let value = value.unwrap_or_default();
        self.number(headers, "dlq.value.size", value.len() as i64);
        let mut hash = String::with_capacity(64);
        for byte in Sha256::digest(value) {
            write!(hash, "{byte:02x}").expect("writing to a String does not fail");
        }
        self.text(headers, "dlq.value.sha256", &hash);
        self.text(headers, "dlq.truncated", "true");
    }

    /// The value of a dead letter: the original bytes, or the envelope around them.
    pub(super) fn value<'a>(
        &'a mut self,
        value: Option<&'a [u8]>,
        origin: Origin,
        rejection: &Rejection,
    ) -> Option<&'a [u8]> {
        match self.form.format {
            DeadLetterFormat::Record => value,
            DeadLetterFormat::Envelope => {
                self.write_envelope(value, origin, rejection);
                Some(self.envelope.as_bytes())
            }
        }
    }

    /// Whether a header was put there by a dead letter: it is replaced on a second failure and taken off an event that passes.
    pub(super) fn is_ours(&self, name: &[u8]) -> bool {
        let connect = self.form.headers == DeadLetterHeaders::Connect;
        NAMES.iter().any(|ours| ours.as_bytes() == name)
            || (connect && CONNECT_NAMES.iter().any(|(_, theirs)| theirs.as_bytes() == name))
    }

    fn write_envelope(&mut self, value: Option<&[u8]>, origin: Origin, rejection: &Rejection) {
        let out = &mut self.envelope;
        out.clear();
        write!(out, "{{\"error\":{{\"reason\":\"{}\",\"message\":", rejection.reason.as_str())
            .expect("writing to a String does not fail");
        match value {
            Some(value) => {
                out.push('"');
                base64::engine::general_purpose::STANDARD.encode_string(value, out);
                out.push('"');
            }
            None => out.push_str("null"),
        }
        // A topic's name consists of letters, digits, dots, underscores and dashes: nothing to escape.
        write!(
            out,
            ",\"metadata\":{{\"topic\":\"{}\",\"partition\":{},\"offset\":{}}}}}}}",
            self.topic, origin.partition, origin.offset
        )
        .expect("writing to a String does not fail");
    }

    fn text(&self, headers: &mut Headers, name: &str, value: &str) {
        headers.add_text(self.name(name), value);
    }

    fn number(&mut self, headers: &mut Headers, name: &str, value: i64) {
        self.number.clear();
        write!(self.number, "{value}").expect("writing to a String does not fail");
        headers.add_text(self.name(name), &self.number);
    }

    fn name<'a>(&self, name: &'a str) -> &'a str {
        debug_assert!(NAMES.contains(&name), "{name} would not be taken off again");
        if self.form.headers == DeadLetterHeaders::Dlq {
            return name;
        }
        CONNECT_NAMES.iter().find(|(ours, _)| *ours == name).map_or(name, |(_, theirs)| theirs)
    }
}

/// The key of a stub.
pub(super) fn stub_key(key: Option<&[u8]>) -> Option<&[u8]> {
    key.map(|key| &key[..key.len().min(STUB_KEY_BYTES_MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rejection::{Detail, Reason};

    const ORIGIN: Origin = Origin { partition: 3, offset: 42, timestamp_ms: 1_700_000_000_000 };

    fn dresser(format: DeadLetterFormat, headers: DeadLetterHeaders) -> Dresser {
        let mut dresser = Dresser::new(DeadLetters { format, headers }, "user-login", "logins", "mill");
        dresser.set_time(SystemTime::UNIX_EPOCH);
        dresser
    }

    fn rejection() -> Rejection {
        Rejection {
            reason: Reason::FieldBelowMinimum,
            field: Some("app_version".into()),
            detail: Detail::Static("below the minimum 2.0.0"),
        }
    }

    fn texts(headers: &Headers) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        headers.as_ref().iter().map(|(name, value)| (text(name), text(value.unwrap_or(b"-")))).collect()
    }

    #[test]
    fn every_header_is_there_and_own_ones_are_kept() {
        let mut own = Headers::with_capacity(2);
        own.add_text("trace", "1");
        own.add_text("dlq.reason", "not_json");
        own.add_text("trace", "2");
        let headers = dresser(DeadLetterFormat::Record, DeadLetterHeaders::Dlq).headers(
            Some(own.as_ref()),
            ORIGIN,
            &rejection(),
            1,
        );
        let expected = [
            ("trace", "1"),
            ("trace", "2"),
            ("dlq.version", "1"),
            ("dlq.reason", "field_below_minimum"),
            ("dlq.field", "app_version"),
            ("dlq.detail", "below the minimum 2.0.0"),
            ("dlq.contract", "user-login"),
            ("dlq.topic", "logins"),
            ("dlq.partition", "3"),
            ("dlq.offset", "42"),
            ("dlq.timestamp", "1700000000000"),
            ("dlq.group", "mill"),
            ("dlq.attempts", "1"),
            ("dlq.at", "1970-01-01T00:00:00Z"),
        ];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(texts(&headers), expected);
    }

    #[test]
    fn connect_names_stand_where_connect_has_one() {
        let headers = dresser(DeadLetterFormat::Record, DeadLetterHeaders::Connect).headers(
            None,
            ORIGIN,
            &rejection(),
            1,
        );
        let texts = texts(&headers);
        let value = |name: &str| texts.iter().find(|(at, _)| at == name).map(|(_, value)| value.as_str());
        assert_eq!(value("__connect.errors.topic"), Some("logins"));
        assert_eq!(value("__connect.errors.partition"), Some("3"));
        assert_eq!(value("__connect.errors.offset"), Some("42"));
        assert_eq!(value("dlq.field"), Some("app_version"));
        assert_eq!(value("dlq.topic"), None);
    }

    #[test]
    fn the_envelope_carries_the_original_in_base64() {
        let mut dresser = dresser(DeadLetterFormat::Envelope, DeadLetterHeaders::Dlq);
        let value = dresser.value(Some(b"{\xff"), ORIGIN, &rejection()).expect("an envelope").to_vec();
        let parsed: serde_json::Value = serde_json::from_slice(&value).expect("JSON");
        let expected = serde_json::json!({"error": {
            "reason": "field_below_minimum",
            "message": "e/8=",
            "metadata": {"topic": "logins", "partition": 3, "offset": 42},
        }});
        assert_eq!(parsed, expected);
    }

    #[test]
    fn a_stub_names_size_and_hash_and_cuts_the_key() {
        let mut dresser = dresser(DeadLetterFormat::Record, DeadLetterHeaders::Dlq);
        let mut headers = Headers::with_capacity(3);
        dresser.mark_stub(&mut headers, Some(b"abc"));
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = [("dlq.value.size", "3"), ("dlq.value.sha256", hash), ("dlq.truncated", "true")];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(texts(&headers), expected);
        assert_eq!(stub_key(Some(&[7; 5000])).map(<[u8]>::len), Some(1024));
        assert_eq!(stub_key(None), None);
    }
}
