//! Contract files: whatever the text, it is a contract or a list of mistakes; and what is a contract judges whatever event follows it
//! behind a NUL.

#![no_main]

use bumpalo::Bump;
use gristmill::contract::Plan;
use gristmill::transform::judge;
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use std::time::{Duration, UNIX_EPOCH};

const EVENTS: [&[u8]; 4] = [
    b"{}",
    br#"{"a":"\u00e9x","b":-1.50e3,"c":null,"d":{"e":[]}}"#,
    br#"{"amount":"10.5","user_id":"u","app_version":"2.0.0-rc.1","ip":"::1","locale":"TR","timestamp":1}"#,
    br#"{"a":true,"a":7}"#,
];

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (text, event) = text.split_once('\0').unwrap_or((text, "{}"));
    let plan = match Plan::parse(text, "contract.toml") {
        Ok(plan) => plan,
        Err(error) => {
            assert!(!error.lines().is_empty() && error.lines().iter().all(|line| !line.is_empty()));
            return;
        }
    };
    let additions = plan.additions(UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    let arena = Bump::new();
    for event in EVENTS.into_iter().chain([event.as_bytes()]) {
        let mut out = Vec::new();
        match judge(&plan, &additions, event, &arena, &mut out) {
            Ok(_) if plan.max_depth() > 120 => {}
            Ok(_) => {
                let text = std::str::from_utf8(&out).expect("an output is UTF-8");
                assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "an output is JSON: {text}");
            }
            Err(rejection) => assert!(out.is_empty() && !rejection.detail().is_empty()),
        }
    }
});
