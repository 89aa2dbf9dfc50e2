//! What holds of the contract's verdict, whatever the event.

use crate::events;
use bumpalo::Bump;
use gristmill::contract::{Additions, Plan};
use gristmill::rejection::{Reason, Rejection};
use gristmill::transform::judge;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde_json::{Map, Value};
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

static LOGIN: LazyLock<(Plan, Additions)> = LazyLock::new(|| {
    let plan = Plan::user_login();
    let additions = plan.additions(UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    (plan, additions)
});

static PAYMENT: LazyLock<(Plan, Additions)> = LazyLock::new(|| {
    let plan = Plan::parse(include_str!("../../contracts/card-payment.toml"), "card-payment.toml").unwrap();
    let additions = plan.additions(UNIX_EPOCH);
    (plan, additions)
});

/// The verdict, with what a caller relies on in either case.
fn verdict((plan, additions): &(Plan, Additions), event: &[u8]) -> Result<Vec<u8>, Rejection> {
    let before = b"what was there";
    let mut out = before.to_vec();
    let arena = Bump::new();
    match judge(plan, additions, event, &arena, &mut out) {
        Ok(range) => {
            assert_eq!((range.start, range.end), (before.len(), out.len()));
            assert!(out.starts_with(before));
            Ok(out.split_off(before.len()))
        }
        Err(rejection) => {
            assert_eq!(out, before, "a rejection leaves the output as it was");
            assert!(!rejection.detail().is_empty() && rejection.detail().len() < 200);
            Err(rejection)
        }
    }
}

/// A JSON object in which numbers keep their digits and strings lone surrogates cannot occur; `None` where they do.
fn parsed(event: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(event).ok()
}

fn expected_output(event: &[u8]) -> Option<Map<String, Value>> {
    let mut object = parsed(event)?;
    if let Some(Value::String(locale)) = object.get_mut("locale") {
        *locale = locale.to_lowercase();
    }
    object.insert("processed_at".to_owned(), "2026-01-01T00:00:00Z".into());
    Some(object)
}

/// Where two texts are equal from the front, and from the back.
fn common_ends(left: &[u8], right: &[u8]) -> (usize, usize) {
    let front = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    let back = left.iter().rev().zip(right.iter().rev()).take_while(|(l, r)| l == r).count();
    (front, back)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_a_verdict(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _verdict = (verdict(&LOGIN, &bytes).is_ok(), verdict(&PAYMENT, &bytes).is_ok());
    }

    #[test]
    fn broken_events_get_a_verdict(bytes in events::mutated()) {
        let _verdict = (verdict(&LOGIN, &bytes).is_ok(), verdict(&PAYMENT, &bytes).is_ok());
    }

    #[test]
    fn what_passes_is_the_event_but_for_what_the_contract_changes(event in events::login()) {
        if let Ok(output) = verdict(&LOGIN, event.as_bytes()) {
            // serde_json refuses lone surrogates, which pass where no rule looks, and numbers beyond f64.
            if let Some(expected) = expected_output(event.as_bytes()) {
                prop_assert_eq!(parsed(&output), Some(expected));
            }
            let again = verdict(&LOGIN, &output);
            prop_assert_eq!(again.as_ref(), Ok(&output), "a second time changes nothing");
        }
    }

    #[test]
    fn what_needs_no_change_keeps_its_bytes(event in events::login()) {
        let event = event.replace("\"locale\"", "\"place\"").replace("\"\\u006cocale\"", "\"place\"");
        if let Ok(output) = verdict(&LOGIN, event.as_bytes()) {
            let (front, back) = common_ends(event.as_bytes(), &output);
            let added = b"\"processed_at\":\"2026-01-01T00:00:00Z\"";
            if event.contains("rocessed_at\"") {
                // A value was replaced in its place: what is left of the event stands on both sides of it.
                prop_assert!(output[front..].len() <= 24 + back.max(24));
            } else {
                prop_assert!(front + back >= event.len(), "{event}\n{}", String::from_utf8_lossy(&output));
                prop_assert!(output.windows(added.len()).any(|window| window == added));
            }
        }
    }

    #[test]
    fn the_reason_is_the_first_in_the_order_of_checks(event in events::login()) {
        if let Err(rejection) = verdict(&LOGIN, event.as_bytes()) {
            prop_assert!(rejection.reason != Reason::InvalidUtf8 && rejection.reason != Reason::TooLarge);
            if let (Some(object), Some(field)) = (parsed(event.as_bytes()), rejection.field.as_deref()) {
                match rejection.reason {
                    Reason::FieldMissing => prop_assert!(object.get(field).is_none_or(Value::is_null)),
                    Reason::FieldEmpty => prop_assert!(object[field].as_str().unwrap().trim().is_empty()),
                    Reason::FieldDuplicate => {}
                    _ => prop_assert!(object.contains_key(field)),
                }
            }
        }
    }
}

/// The generated events are no shadow boxing: a good part passes, and every reason that an event can have occurs.
#[test]
fn generated_events_reach_every_reason() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut passed = 0;
    let mut reasons = [0; Reason::ALL.len()];
    let (events, broken) = (events::login(), events::mutated());
    for _ in 0..2000 {
        let event = events.new_tree(&mut runner).unwrap().current();
        let broken = broken.new_tree(&mut runner).unwrap().current();
        for bytes in [event.as_bytes(), &broken] {
            match verdict(&LOGIN, bytes) {
                Ok(_) => passed += 1,
                Err(rejection) => reasons[rejection.reason.index()] += 1,
            }
        }
    }
    assert!(passed > 200, "{passed} of 4000 pass");
    use Reason::{
        FieldBelowMinimum, FieldDenied, FieldDuplicate, FieldEmpty, FieldInvalid, FieldMissing, FieldType,
    };
    for reason in
        [FieldBelowMinimum, FieldDenied, FieldDuplicate, FieldEmpty, FieldInvalid, FieldMissing, FieldType]
    {
        assert!(reasons[reason.index()] > 10, "{reason:?}: {reasons:?}");
    }
    for reason in [Reason::NotJson, Reason::InvalidUtf8, Reason::NotAnObject] {
        assert!(reasons[reason.index()] > 50, "{reason:?}: {reasons:?}");
    }
}

#[test]
fn nesting_without_end_is_too_deep_on_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let deep = |open: &str, times: usize| open.repeat(times).into_bytes();
    let run = move || {
        for event in [
            deep("[", 100_000),
            deep("{\"a\":", 100_000),
            [b"{\"a\":\"\\u\",\"b\":".to_vec(), deep("[", 100_000)].concat(),
            [b"{\"user_id\":".to_vec(), deep("[{\"a\":", 50_000)].concat(),
            [b"\"\\\\\"".to_vec(), deep("[", 100_000)].concat(),
        ] {
            let reason = verdict(&LOGIN, &event).unwrap_err().reason;
            assert_eq!(reason, Reason::TooDeep, "{}", String::from_utf8_lossy(&event[..20]));
        }
        // A string that never ends hides them.
        let hidden = [b"{\"a\":\"\\u\"bcd\",\"b\":".to_vec(), deep("[", 100_000)].concat();
        assert_eq!(verdict(&LOGIN, &hidden).unwrap_err().reason, Reason::NotJson);
        let widest = "name = \"t\"\nmax_depth = 512\n[add]\na = 1";
        let plan = Plan::parse(widest, "t").unwrap();
        let additions = plan.additions(UNIX_EPOCH);
        let nested = |depth: usize| format!("{}1{}", "{\"b\":".repeat(depth), "}".repeat(depth)).into_bytes();
        let plan = (plan, additions);
        assert!(verdict(&plan, &nested(512)).is_ok());
        assert_eq!(verdict(&plan, &nested(513)).unwrap_err().reason, Reason::TooDeep);
    };
    thread.spawn(run).unwrap().join().unwrap();
}

#[test]
fn earlier_checks_win() {
    let plan = Plan::parse("name = \"t\"\nmax_depth = 2\nmax_bytes = 12\n[field.a]\ntype = \"string\"", "t")
        .unwrap();
    let additions = plan.additions(UNIX_EPOCH);
    let plan = (plan, additions);
    for (event, reason) in [
        (&b"{[[[\xff       "[..], Some(Reason::InvalidUtf8)),
        (b"{[[[\xff         ", Some(Reason::TooLarge)),
        (b"{x[[[", Some(Reason::TooDeep)),
        (b"{x[", Some(Reason::NotJson)),
        (b"[[[]]]x", Some(Reason::TooDeep)),
        (b"{\"a\":1}x", Some(Reason::NotJson)),
        (b"{\"a\":1}", Some(Reason::FieldType)),
        (b" {} ", None),
        (b"{}\0", Some(Reason::NotJson)),
        (b"\0", Some(Reason::NotJson)),
        (b"true", Some(Reason::NotAnObject)),
        (b"tru", Some(Reason::NotJson)),
        (b"\xef\xbb\xbf{}", Some(Reason::NotJson)),
    ] {
        assert_eq!(verdict(&plan, event).err().map(|rejection| rejection.reason), reason, "{event:?}");
    }
}

#[test]
fn additions_alone_need_no_comma_in_an_empty_object() {
    let plan = Plan::parse("name = \"t\"\n[add]\nb = 1\na = \"x\\\"\"", "t").unwrap();
    let additions = plan.additions(UNIX_EPOCH);
    let plan = (plan, additions);
    for (event, output) in [
        ("{}", r#"{"b":1,"a":"x\""}"#),
        ("\n{ }\n", "\n{ \"b\":1,\"a\":\"x\\\"\"}\n"),
        (r#"{"c":0 }"#, r#"{"c":0 ,"b":1,"a":"x\""}"#),
        (r#"{"a":{"b":[]} }"#, r#"{"a":"x\"" ,"b":1}"#),
        (r#"{"a":0,"b":0}"#, r#"{"a":"x\"","b":1}"#),
    ] {
        assert_eq!(String::from_utf8(verdict(&plan, event.as_bytes()).unwrap()).unwrap(), output);
    }
    let none = Plan::parse("name = \"t\"\n[field.a]\ntype = \"any\"", "t").unwrap();
    let additions = none.additions(UNIX_EPOCH);
    assert_eq!(verdict(&(none, additions), b"{}").unwrap(), b"{}");
}
