//! What a topic should not hold, and holds one day: no panic, no abort, no stop. Each such event is in the dead letter topic
//! with its reason, whole or as a stub, and its neighbours are where they belong.

use crate::event;
use crate::scene::{Plain, Scene, Topic};
use perf::broker::Broker;
use perf::random::Random;

/// The contract's `max_bytes`.
const EVENT_BYTES_MAX: usize = 1_048_576;

const GARBAGE_BYTES: usize = 50_000_000;

/// A good event of exactly so many bytes.
fn event_of(number: u32, bytes: usize) -> Plain {
    let mut value = event(number).value.unwrap();
    assert_eq!(value.pop(), Some(b'}'));
    let frame = br#", "padding": ""}"#.len();
    value.extend_from_slice(br#", "padding": ""#);
    value.resize(bytes - 2, b'x');
    value.extend_from_slice(b"\"}");
    assert!(value.len() == bytes && bytes > frame + 200);
    Plain::of(value)
}

/// Nested without an end, in all the ways that have brought a parser down.
fn nested(number: u32) -> Vec<Plain> {
    let depth = 100_000;
    let good = event(number).value.unwrap();
    let head = &good[..good.len() - 1];
    let with = |tail: &str| {
        let mut value = head.to_vec();
        value.extend_from_slice(tail.as_bytes());
        Plain::of(value)
    };
    let (open, close) = ("[".repeat(depth), "]".repeat(depth));
    vec![
        Plain::of(open.clone()),
        Plain::of(format!("{open}{close}")),
        Plain::of(r#"{"a":"#.repeat(depth)),
        Plain::of(format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))),
        with(&format!(r#","b":{open}{close}}}"#)),
        with(&format!(r#","b":{open}"#)),
        with(&format!(r#","a":"\u"bcd","b":{open}{close}}}"#)),
        with(&format!(r#","a":"\\","b":{open}{close}}}"#)),
        with(&format!(r#","a":"\"{open}","b":{open}{close}}}"#)),
        // The brackets stand in a string: this one is good.
        with(&format!(r#","a":"{open}\"{open}"}}"#)),
        Plain::of("\\".repeat(depth)),
        Plain::of(format!("\"{}", "\\\"".repeat(depth))),
    ]
}

/// Random bytes, and good events with a few bytes changed.
fn noise(seed: u64, first: u32) -> Vec<Plain> {
    let mut random = Random::new(seed, 0);
    let mut records = Vec::new();
    for number in first..first + 300 {
        let length = usize::try_from(random.below(400)).unwrap();
        records.push(Plain::of((0..length).map(|_| random.next_u64() as u8).collect::<Vec<_>>()));
        let mut mutated = event(number);
        let value = mutated.value.as_mut().unwrap();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(value.len() as u64)).unwrap();
            // Not in the number by which the ledger knows the event.
            if value[at].is_ascii_digit() || value[at] == b'-' {
                continue;
            }
            value[at] =
                *[b'"', b'\\', b'{', b'}', b'[', b',', 0, 0xFF, b' '].get(random.below(9) as usize).unwrap();
        }
        records.push(mutated);
    }
    records
}

fn edges(number: u32) -> Vec<Plain> {
    let texts: [&[u8]; 16] = [
        b"",
        b" ",
        b"{}",
        b"[]",
        b"null",
        b"0",
        b"\"\"",
        b"{",
        b"}",
        b"\xEF\xBB\xBF{}",
        b"\0",
        b"\xFF\xFE",
        b"{\"user_id\":1e999999999999}",
        b"{\"user_id\":\"\\ud800\"}",
        b"nullx",
        b"{}{}",
    ];
    let mut records: Vec<Plain> = texts.iter().map(|text| Plain::of(*text)).collect();
    records.push(Plain { value: None, key: Some(b"tombstone".to_vec()), ..Plain::default() });
    records.push(Plain::default());
    records.push(Plain { key: Some(Vec::new()), ..event(number) });
    records.push(Plain {
        headers: vec![(String::new(), Vec::new()), ("x".repeat(5_000), vec![0xFF; 5_000])],
        ..event(number + 1)
    });
    records
}

/// Puts every good neighbour between two hostile ones.
fn with_neighbours(hostile: Vec<Plain>, first: u32) -> Vec<Plain> {
    hostile.into_iter().zip(first..).flat_map(|(record, number)| [record, event(number)]).collect()
}

const LARGE: &[(&str, &str)] = &[("max.message.bytes", "60000000")];
const MEDIUM: &[(&str, &str)] = &[("max.message.bytes", "2000000")];

#[test]
fn hostile_events_stop_nothing() {
    let Some(broker) = Broker::shared() else { return };
    let scene =
        Scene::with(broker.bootstrap(), "hostile", Topic(1, LARGE), Topic(1, MEDIUM), Topic(1, MEDIUM));
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let garbage = vec![
        Plain::of(vec![b'['; GARBAGE_BYTES]),
        event_of(900_000, EVENT_BYTES_MAX),
        event_of(900_001, EVENT_BYTES_MAX + 1),
        Plain::of([vec![b'"'; 1], vec![b'a'; EVENT_BYTES_MAX - 2], vec![b'"'; 1]].concat()),
        event_of(900_002, 3_000_000),
    ];
    scene.put(&scene.input, &with_neighbours(nested(910_000), 0));
    scene.put(&scene.input, &with_neighbours(garbage, 1_000));
    scene.put(&scene.input, &with_neighbours(edges(920_000), 2_000));
    scene.put(&scene.input, &with_neighbours(noise(seed, 800_000), 3_000));
    let mill = scene.run_to_the_end();
    let account = scene.assert_clean();
    for reason in ["too_deep", "too_large", "not_json", "not_an_object", "invalid_utf8", "field_missing"] {
        assert!(account.reasons.contains_key(reason), "{reason}\n{account}");
    }
    assert_eq!(account.reasons.get("internal"), None, "{account}");
    assert_eq!(mill.accounting().passed, 2);
    let letters = scene.read(&scene.dlq);
    // The garbage and the event of 3 MB do not fit; what is one byte too long does.
    let stubs: Vec<_> = letters.iter().filter(|letter| letter.header("dlq.truncated").is_some()).collect();
    let sizes: Vec<_> = stubs.iter().map(|stub| stub.header("dlq.value.size").unwrap()).collect();
    assert_eq!(sizes, ["50000000", "3000000"]);
    for stub in stubs {
        assert_eq!((stub.header("dlq.reason"), &stub.value), (Some("too_large"), &None));
    }
    let whole = letters
        .iter()
        .find(|letter| letter.value.as_ref().is_some_and(|value| value.len() == EVENT_BYTES_MAX + 1));
    assert_eq!(whole.unwrap().header("dlq.reason"), Some("too_large"));
    let output = scene.read(&scene.output);
    assert!(
        output.iter().any(|record| record.value.as_ref().is_some_and(|value| value.len() > EVENT_BYTES_MAX))
    );
    let peak = mill.child().wait(std::time::Duration::ZERO).unwrap().peak_rss_bytes;
    println!("peak memory {} MB", peak >> 20);
}

#[test]
fn hostile_sizes_meet_topics_of_the_usual_size() {
    let Some(broker) = Broker::shared() else { return };
    // An event of the contract's own limit is larger than the usual topic takes once it has a time and headers.
    let scene =
        Scene::with(broker.bootstrap(), "hostile-usual", Topic(1, MEDIUM), Topic(1, &[]), Topic(1, &[]));
    let largest = vec![event_of(900_000, EVENT_BYTES_MAX), event_of(900_001, EVENT_BYTES_MAX + 1)];
    scene.put(&scene.input, &with_neighbours(largest, 0));
    scene.run_to_the_end();
    let account = scene.account_as(|ledger| ledger.allow_delivery_failed = true);
    assert!(account.is_clean(), "{account}");
    assert_eq!((account.output, account.delivery_failed, account.truncated), (2, 1, 2), "{account}");
}
