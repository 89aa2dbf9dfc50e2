//! Where a login event belongs, why, and what its output has to look like: the `user-login` contract once more, written from
//! its description, with another parser, and in no hurry.
//!
//! The time of processing is the one thing that cannot be foretold. In what is expected, and in what is found, it is replaced
//! by [`BLANK_TIME`] before the two are compared.

use crate::json::{self, Member};
use std::borrow::Cow;
use std::net::IpAddr;
use std::ops::Range;

/// What stands in for the time of processing.
pub const BLANK_TIME: &str = "0000-00-00T00:00:00Z";

/// Where an event belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// In the output.
    Output,
    /// In the dead letter topic.
    DeadLetter {
        /// The value of `dlq.reason`.
        reason: &'static str,
        /// The value of `dlq.field`; empty where no field is to blame.
        field: &'static str,
    },
}

const BYTES_MAX: usize = 1_048_576;
const DEPTH_MAX: usize = 64;

/// Judges a value. For [`Verdict::Output`], `out` becomes the expected bytes with a blank time.
pub fn judge(value: &[u8], out: &mut Vec<u8>) -> Verdict {
    match read(value).and_then(|(text, members)| judge_members(text, &members)) {
        Ok((text, edits)) => {
            apply(text, edits, out);
            Verdict::Output
        }
        Err((reason, field)) => Verdict::DeadLetter { reason, field },
    }
}

/// Copies an output value with a blank time of processing; `false` if it has none, or one that is no time.
pub fn blank(value: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    out.extend_from_slice(value);
    let Some(span) = time_at_end(value).or_else(|| time_anywhere(value)) else { return false };
    let is_time = is_time(&value[span.clone()]);
    out.splice(span, BLANK_TIME.bytes());
    is_time
}

type Refusal = (&'static str, &'static str);
type Edits = Vec<(Range<usize>, String)>;

const FIELDS: [&str; 6] = ["user_id", "app_version", "device_type", "ip", "locale", "timestamp"];
const PROCESSED_AT: &str = "processed_at";

fn read(value: &[u8]) -> Result<(&str, Vec<Member<'_>>), Refusal> {
    if value.len() > BYTES_MAX {
        return Err(("too_large", ""));
    }
    let text = std::str::from_utf8(value).map_err(|_| ("invalid_utf8", ""))?;
    if json::depth(value) > DEPTH_MAX {
        return Err(("too_deep", ""));
    }
    if !text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{') {
        return Err((if json::is_json(text) { "not_an_object" } else { "not_json" }, ""));
    }
    let members = json::members(text).ok_or(("not_json", ""))?;
    // A lone surrogate in a field of the contract is not JSON either, wherever the field comes in the order of judging. (In an added
    // member it is: what stands there is replaced, unread.)
    let strings =
        members.iter().filter(|member| FIELDS.contains(&&*member.name) && member.raw.starts_with('"'));
    if strings.into_iter().any(|member| unescaped(member.raw).is_none()) {
        return Err(("not_json", ""));
    }
    Ok((text, members))
}

fn judge_members<'a>(text: &'a str, members: &[Member<'_>]) -> Result<(&'a str, Edits), Refusal> {
    for (at, member) in members.iter().enumerate() {
        if let Some(name) = FIELDS.iter().chain([&PROCESSED_AT]).find(|name| **name == member.name)
            && members[..at].iter().any(|earlier| earlier.name == member.name)
        {
            return Err(("field_duplicate", name));
        }
    }
    let field = |name: &str| members.iter().find(|member| member.name == name && member.raw != "null");
    let string = |name: &'static str| match field(name).map(|member| unescaped(member.raw)) {
        None => Ok(None),
        Some(None) => Err(("field_type", name)),
        Some(text) => Ok(text),
    };
    let required = |name: &'static str| string(name)?.ok_or(("field_missing", name));
    let filled = |name: &'static str| match required(name)? {
        text if text.trim().is_empty() => Err(("field_empty", name)),
        _ => Ok(()),
    };
    filled("user_id")?;
    judge_version(&required("app_version")?).map_err(|reason| (reason, "app_version"))?;
    filled("device_type")?;
    if let Some(address) = string("ip")?.filter(|text| !text.is_empty()) {
        judge_address(&address).map_err(|reason| (reason, "ip"))?;
    }
    let mut edits = Edits::new();
    if let (Some(locale), Some(member)) = (string("locale")?, field("locale")) {
        let lower = locale.to_lowercase();
        if lower != locale {
            edits.push((member.span(text), quoted(&lower)));
        }
    }
    if let Some(member) = field("timestamp") {
        judge_seconds(member.raw).map_err(|reason| (reason, "timestamp"))?;
    }
    let time = format!("\"{BLANK_TIME}\"");
    match members.iter().find(|member| member.name == PROCESSED_AT) {
        Some(member) => edits.push((member.span(text), time)),
        None => {
            let end = text.rfind('}').expect("an object has an end");
            let comma = if members.is_empty() { "" } else { "," };
            edits.push((end..end, format!("{comma}\"{PROCESSED_AT}\":{time}")));
        }
    }
    edits.sort_by_key(|(span, _)| span.start);
    Ok((text, edits))
}

fn apply(text: &str, edits: Edits, out: &mut Vec<u8>) {
    out.clear();
    let mut done = 0;
    for (span, new) in edits {
        out.extend_from_slice(&text.as_bytes()[done..span.start]);
        out.extend_from_slice(new.as_bytes());
        done = span.end;
    }
    out.extend_from_slice(&text.as_bytes()[done..]);
}

/// A raw JSON string's text; `None` for another type, or a lone surrogate.
fn unescaped(raw: &str) -> Option<Cow<'_, str>> {
    let inside = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

/// With the shortest escapes, which are serde_json's: `\b \f \n \r \t \" \\`, other controls as `\u00xx`.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("every string can be written")
}

/// Against a minimum of 2.0.0.
fn judge_version(text: &str) -> Result<(), &'static str> {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (numbers, pre) = rest.split_once('-').map_or((rest, None), |(numbers, pre)| (numbers, Some(pre)));
    let numbers: Vec<&str> = numbers.split('.').collect();
    let is_number = |part: &&str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (*part == "0" || !part.starts_with('0'))
    };
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_pre =
        |part: &str| is_word(part) && (part.bytes().any(|byte| !byte.is_ascii_digit()) || is_number(&part));
    let well_formed = numbers.len() <= 3
        && numbers.iter().all(is_number)
        && pre.is_none_or(|pre| pre.split('.').all(is_pre))
        && build.is_none_or(|build| build.split('.').all(is_word));
    if !well_formed {
        return Err("field_invalid");
    }
    let zero = |at: usize| numbers.get(at).is_none_or(|part| *part == "0");
    let below = matches!(numbers[0], "0" | "1") || (numbers[0] == "2" && zero(1) && zero(2) && pre.is_some());
    if below { Err("field_below_minimum") } else { Ok(()) }
}

fn judge_address(text: &str) -> Result<(), &'static str> {
    let address = text.parse::<IpAddr>().map_err(|_| "field_invalid")?;
    let private = match address {
        IpAddr::V4(v4) => v4.is_private(),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(v6.octets()[0] & 0xFE == 0xFC, |v4| v4.is_private()),
    };
    if private { Err("field_denied") } else { Ok(()) }
}

fn judge_seconds(raw: &str) -> Result<(), &'static str> {
    let digits = match unescaped(raw) {
        Some(text) => text,
        None if raw.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => Cow::Borrowed(raw),
        None => return Err("field_type"),
    };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain && digits.parse::<u64>().is_ok() { Ok(()) } else { Err("field_invalid") }
}

/// Where the time stands in what the contract appends to nearly every event.
fn time_at_end(value: &[u8]) -> Option<Range<usize>> {
    let brace = value.trim_ascii_end().strip_suffix(b"\"}")?;
    let before = brace.get(..brace.len().checked_sub(BLANK_TIME.len())?)?;
    before.ends_with(b"\"processed_at\":\"").then_some(before.len()..brace.len())
}

/// Where it stands in an event that brought the member along.
fn time_anywhere(value: &[u8]) -> Option<Range<usize>> {
    let text = std::str::from_utf8(value).ok()?;
    let members = json::members(text)?;
    let span = members.iter().find(|member| member.name == PROCESSED_AT)?.span(text);
    (value[span.start] == b'"').then_some(span.start + 1..span.end - 1)
}

fn is_time(text: &[u8]) -> bool {
    let digit = |pattern: &u8| pattern.is_ascii_digit();
    let shape = text.len() == BLANK_TIME.len()
        && BLANK_TIME
            .bytes()
            .zip(text)
            .all(|(pattern, byte)| if digit(&pattern) { digit(byte) } else { pattern == *byte });
    let number = |at: usize| u32::from(text[at] - b'0') * 10 + u32::from(text[at + 1] - b'0');
    let within = || (1..=12).contains(&number(5)) && (1..=31).contains(&number(8));
    shape && within() && number(11) < 24 && number(14) < 60 && number(17) < 60
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Kind, Shape};

    fn verdict(value: &str) -> (Verdict, String) {
        let mut out = Vec::new();
        let verdict = judge(value.as_bytes(), &mut out);
        (verdict, String::from_utf8(out).unwrap())
    }

    fn refused(reason: &'static str, field: &'static str) -> Verdict {
        Verdict::DeadLetter { reason, field }
    }

    const GOOD: &str = r#"{"user_id":"u","app_version":"2.3.0","device_type":"web","locale":"RU"}"#;

    #[test]
    fn generated_events_are_what_the_generator_meant_them_to_be() {
        let shape = Shape { refused: 0.5, ..Shape::default() };
        let (mut value, mut out) = (Vec::new(), Vec::new());
        for number in 0..5000 {
            let expected = match shape.value(number, &mut value) {
                Kind::Good | Kind::Tombstone => Verdict::Output,
                Kind::NoDeviceType => refused("field_missing", "device_type"),
                Kind::OldVersion => refused("field_below_minimum", "app_version"),
                Kind::PrivateAddress => refused("field_denied", "ip"),
                Kind::BrokenJson => refused("not_json", ""),
                Kind::EmptyUser => refused("field_empty", "user_id"),
            };
            assert_eq!(judge(&value, &mut out), expected, "{}", String::from_utf8_lossy(&value));
        }
    }

    #[test]
    fn output_keeps_its_bytes_but_for_locale_and_time() {
        let end = r#","processed_at":"0000-00-00T00:00:00Z"}"#;
        let (_, out) = verdict(GOOD);
        assert_eq!(out, format!("{}{end}", GOOD.replace("RU", "ru").trim_end_matches('}')));
        let there = GOOD.replace(r#""locale""#, r#""processed_at" : 7, "locale""#);
        let (_, out) = verdict(&there);
        assert_eq!(out, there.replace("RU", "ru").replace(": 7", &format!(": \"{BLANK_TIME}\"")));
        let escaped = GOOD.replace("\"RU\"", r#""r\u0075""#);
        assert!(verdict(&escaped).1.contains(r#""r\u0075""#), "no change, no other bytes");
    }

    #[test]
    fn verdicts_follow_the_contract() {
        let with = |from: &str, to: &str| verdict(&GOOD.replace(from, to)).0;
        assert_eq!(verdict("").0, refused("not_json", ""));
        assert_eq!(verdict("[]").0, refused("not_an_object", ""));
        assert_eq!(verdict("{}").0, refused("field_missing", "user_id"));
        assert_eq!(verdict(&"[".repeat(65)).0, refused("too_deep", ""));
        assert_eq!(verdict(&" ".repeat(BYTES_MAX + 1)).0, refused("too_large", ""));
        assert_eq!(judge(b"\xFF", &mut Vec::new()), refused("invalid_utf8", ""));
        assert_eq!(with("RU\"", "RU\",\"locale\":1"), refused("field_duplicate", "locale"));
        assert_eq!(with("RU", r"\ud800"), refused("not_json", ""));
        assert_eq!(with(r#""locale""#, r#""processed_at":"\ud800","locale""#), Verdict::Output);
        assert_eq!(with("\"RU\"", "7"), refused("field_type", "locale"));
        assert_eq!(with("\"u\"", "\" \""), refused("field_empty", "user_id"));
        for (version, reason) in [("1.9", "field_below_minimum"), ("2.0.0-rc.1", "field_below_minimum")] {
            assert_eq!(with("2.3.0", version), refused(reason, "app_version"));
        }
        for version in ["02.3", "2.3.0.1", "v2", "", "2.", "2.0.0-01", "2+"] {
            assert_eq!(with("2.3.0", version), refused("field_invalid", "app_version"), "{version}");
        }
        for version in ["2", "10.0.0", "2.0.1-rc.1", "2.0.0+build.01", "99999999999999999999999.0.0"] {
            assert_eq!(with("2.3.0", version), Verdict::Output, "{version}");
        }
        for (ip, reason) in
            [("10.0.0.1", "field_denied"), ("::ffff:192.168.0.1", "field_denied"), ("1.2", "field_invalid")]
        {
            assert_eq!(
                with("\"locale\"", &format!("\"ip\":\"{ip}\",\"locale\"")),
                refused(reason, "ip"),
                "{ip}"
            );
        }
        for (seconds, reason) in [
            ("1e9", "field_invalid"),
            ("-1", "field_invalid"),
            ("true", "field_type"),
            ("\"x\"", "field_invalid"),
        ] {
            assert_eq!(
                with("\"locale\"", &format!("\"timestamp\":{seconds},\"locale\"")),
                refused(reason, "timestamp")
            );
        }
    }

    #[test]
    fn times_are_blanked_and_held_to_their_form() {
        let mut out = Vec::new();
        assert!(blank(br#"{"a":1,"processed_at":"2026-01-31T23:59:59Z"} "#, &mut out));
        assert_eq!(out, br#"{"a":1,"processed_at":"0000-00-00T00:00:00Z"} "#);
        assert!(blank(br#"{"processed_at" : "2026-01-31T23:59:59Z","a":1}"#, &mut out));
        assert_eq!(out, br#"{"processed_at" : "0000-00-00T00:00:00Z","a":1}"#);
        for wrong in ["2026-13-31T23:59:59Z", "2026-01-31 23:59:59Z", "2026-01-31T23:59:59.5Z", ""] {
            assert!(!blank(format!("{{\"processed_at\":\"{wrong}\"}}").as_bytes(), &mut out), "{wrong}");
        }
        assert!(!blank(br#"{"a":1}"#, &mut out));
        assert!(!blank(b"no JSON", &mut out));
    }
}
