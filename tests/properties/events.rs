//! Generated events: JSON with odd spellings and white space, near what a contract asks for, and broken in small ways.

use proptest::prelude::*;

/// White space that may stand between tokens.
fn blank() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 4 => Just(" ".to_owned()), 1 => "[ \t\n\r]{0,70}"]
}

/// A string's inside: plain text, and every kind of escape.
fn inside() -> impl Strategy<Value = String> {
    let escaped = vec![
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\f",
        "\\n",
        "\\r",
        "\\t",
        "\\u0041",
        "\\u00E9",
        "\\ud83d\\ude00",
        "ß",
        "İ",
        "Σ",
        "\u{2028}",
        "\u{7f}",
    ];
    let piece = prop_oneof![
        80 => "[a-zA-Z0-9 .:_-]{0,12}",
        10 => "[a-zà-üА-я😀{}\\[\\],]{1,40}",
        10 => prop::sample::select(escaped).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["\\ud800", "\\udc00"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn string() -> impl Strategy<Value = String> {
    inside().prop_map(|inside| format!("\"{inside}\""))
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        "0|-0|-?[1-9][0-9]{0,2}",
        "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?",
        "1[67][0-9]{8}",
    ]
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => string(),
        2 => number(),
        1 => prop::sample::select(vec!["true", "false", "null", "{}", "[]"]).prop_map(str::to_owned),
    ]
}

/// Any JSON value.
pub(crate) fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(6, 24, 4, |inner| {
        let member =
            (string(), blank(), blank(), inner.clone()).prop_map(|(k, a, b, v)| format!("{k}{a}:{b}{v}"));
        prop_oneof![
            (prop::collection::vec(inner, 0..4), blank())
                .prop_map(|(items, blank)| format!("[{blank}{}{blank}]", items.join(&format!("{blank},")))),
            (prop::collection::vec(member, 0..4), blank()).prop_map(|(members, blank)| format!(
                "{{{blank}{}{blank}}}",
                members.join(&format!(",{blank}"))
            )),
        ]
    })
}

/// Values that login events have, right and nearly right, beside any other.
fn login_value(name: &'static str) -> BoxedStrategy<String> {
    let versions = vec![
        "\"2.0.0\"",
        "\"10.1\"",
        "\"3\"",
        "\"2.5.1-rc.1+x\"",
        "\"\\u0032.9\"",
        "\"7.0\"",
        "\"1.9\"",
        "\"02\"",
    ];
    let near = match name {
        "user_id" | "device_type" => {
            prop_oneof![40 => "\"[a-z0-9-]{1,40}\"", 4 => string(), 1 => Just("\" \\t\"".to_owned())].boxed()
        }
        "app_version" => prop::sample::select(versions).prop_map(str::to_owned).boxed(),
        "ip" => prop_oneof![
            8 => "[1-9][0-9]\\.[0-9]{1,2}\\.1?[0-9]{1,2}\\.[1-9]".prop_map(|address| format!("\"{address}\"")),
            2 => Just("\"\"".to_owned()),
            2 => Just("\"2001:db8::1\"".to_owned()),
            1 => Just("\"10.1.2.3\"".to_owned()),
        ]
        .boxed(),
        "locale" => string().boxed(),
        "timestamp" => prop_oneof!["1[0-9]{9}", "\"[0-9]{1,12}\""].boxed(),
        _ => scalar().boxed(),
    };
    prop_oneof![30 => near, 1 => value()].boxed()
}

/// Something like a login event: members in any order, some absent, some twice, some foreign.
pub(crate) fn login() -> impl Strategy<Value = String> {
    const NAMES: [&str; 7] =
        ["user_id", "app_version", "device_type", "ip", "locale", "timestamp", "processed_at"];
    let known = NAMES.map(|name| {
        let name_text = prop_oneof![
            20 => Just(format!("\"{name}\"")),
            1 => Just(format!("\"\\u{:04x}{}\"", name.as_bytes()[0], &name[1..])),
        ];
        let often = if name == "processed_at" { 0.1 } else { 0.95 };
        let member = (name_text, blank(), login_value(name))
            .prop_map(|(name, blank, value)| format!("{name}:{blank}{value}"));
        prop::option::weighted(often, member).boxed()
    });
    let foreign =
        (string(), blank(), value()).prop_map(|(name, blank, value)| format!("{name}{blank}:{value}"));
    let twice = prop::option::weighted(0.1, any::<prop::sample::Index>());
    (known, prop::collection::vec(foreign, 0..3), twice, any::<u64>(), blank()).prop_map(
        |(known, foreign, twice, order, blank)| {
            let mut members: Vec<String> = known.into_iter().flatten().chain(foreign).collect();
            if let Some(twice) = twice.filter(|_| !members.is_empty()) {
                members.push(members[twice.index(members.len())].clone());
            }
            let count = members.len().max(1);
            members.rotate_left(order as usize % count);
            format!("{blank}{{{blank}{}{blank}}}{blank}", members.join(&format!("{blank},{blank}")))
        },
    )
}

/// An event with a few bytes changed, cut, doubled or put in.
pub(crate) fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let event = prop_oneof![login(), value()];
    let telling: Vec<u8> = b"\"\\{}[]:,0-.eE+utfn \t\n\x00\x1f\x7f\x80\xc3\xff".to_vec();
    let edit = (any::<prop::sample::Index>(), 0..4u8, prop::sample::select(telling));
    (event, prop::collection::vec(edit, 0..4)).prop_map(|(event, edits)| {
        let mut bytes = event.into_bytes();
        for (at, kind, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}
