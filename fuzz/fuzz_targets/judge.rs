//! Contract and splice against the judge of `perf`, which has another parser: the same verdict and reason for any bytes, and an output
//! that is the event but for what the contract says, byte for byte.

#![no_main]

use bumpalo::Bump;
use gristmill::contract::{Additions, Plan};
use gristmill::transform::judge;
use libfuzzer_sys::fuzz_target;
use perf::judge::{Verdict, blank, judge as expect};
use std::cell::RefCell;
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

static LOGIN: LazyLock<(Plan, Additions)> = LazyLock::new(|| {
    let plan = Plan::user_login();
    let additions = plan.additions(UNIX_EPOCH);
    (plan, additions)
});

/// A plan with every other kind of rule; its verdict has no judge, but must come.
static PAYMENT: LazyLock<(Plan, Additions)> = LazyLock::new(|| {
    let plan = Plan::parse(include_str!("../../contracts/card-payment.toml"), "t").expect("it is shipped");
    let additions = plan.additions(UNIX_EPOCH);
    (plan, additions)
});

#[derive(Default)]
struct Room {
    arena: Bump,
    out: Vec<u8>,
    expected: Vec<u8>,
    blank: Vec<u8>,
}

thread_local! {
    static ROOM: RefCell<Room> = RefCell::default();
}

fuzz_target!(|event: &[u8]| ROOM.with_borrow_mut(|room| check(event, room)));

fn check(event: &[u8], room: &mut Room) {
    let Room { arena, out, expected, blank: found } = room;
    arena.reset();
    out.clear();
    let (plan, additions) = &*LOGIN;
    let wanted = expect(event, expected);
    match judge(plan, additions, event, arena, out) {
        Ok(range) => {
            assert_eq!(wanted, Verdict::Output, "it passes");
            assert_eq!(range, 0..out.len());
            assert!(blank(out, found), "the time of processing is a time");
            assert!(
                found == expected,
                "\n{}\n{}",
                String::from_utf8_lossy(found),
                String::from_utf8_lossy(expected)
            );
            let first = out.len();
            let again = judge(plan, additions, &out.clone(), arena, out);
            assert_eq!(
                again.map(|range| range.len()),
                Ok(first),
                "an output passes again, and is not changed"
            );
            let (once, twice) = out.split_at(first);
            assert!(once == twice, "an output is not changed by a second pass");
        }
        Err(rejection) => {
            assert!(out.is_empty(), "a rejection leaves the output as it was");
            let found = Verdict::DeadLetter {
                reason: rejection.reason.as_str(),
                field: rejection.field.as_deref().map_or("", |field| known(field)),
            };
            assert_eq!(found, wanted);
        }
    }
    out.clear();
    let (plan, additions) = &*PAYMENT;
    match judge(plan, additions, event, arena, out) {
        Ok(range) => assert!(range == (0..out.len()) && std::str::from_utf8(out).is_ok()),
        Err(rejection) => assert!(out.is_empty() && !rejection.detail().is_empty()),
    }
}

fn known(field: &str) -> &'static str {
    const FIELDS: [&str; 7] =
        ["user_id", "app_version", "device_type", "ip", "locale", "timestamp", "processed_at"];
    FIELDS.into_iter().find(|known| *known == field).expect("a field of the contract")
}
