//! The cases that are written down, through `try`, byte for byte.

use gristmill::cli::try_events::{Format, run};
use gristmill::contract::Plan;
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};

/// 2026-01-01T00:00:00Z.
const NOW: Duration = Duration::from_secs(1_767_225_600);

/// Runs each line of `cases` as an input of its own, so that every verdict is on line 1.
fn hold(plan: &Plan, cases: &str) -> usize {
    let mut held = 0;
    for case in cases.lines() {
        let case: Value = serde_json::from_str(case).unwrap();
        let input = format!("{}\n", case["in"].as_str().unwrap());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let counts = run(plan, input.as_bytes(), UNIX_EPOCH + NOW, Format::Json, &mut out, &mut err).unwrap();
        let printed = String::from_utf8(out).unwrap();
        if case["outcome"] == "output" {
            assert_eq!(
                printed,
                format!("{{\"line\":1,\"outcome\":\"output\",\"value\":{}}}\n", case["out"]),
                "{case}"
            );
            assert_eq!((counts.output, counts.dead_letters), (1, 0));
        } else {
            let field = case.get("field").map(|field| format!("\"field\":{field},")).unwrap_or_default();
            let start = format!(
                "{{\"line\":1,\"outcome\":\"dead_letter\",\"reason\":{},{field}\"detail\":\"",
                case["reason"]
            );
            assert!(printed.starts_with(&start), "{printed}{case}");
            assert!(printed.ends_with("\"}\n") && printed.len() > start.len() + 3, "{printed}");
            assert_eq!((counts.output, counts.dead_letters), (0, 1));
        }
        held += 1;
    }
    held
}

#[test]
fn user_login_holds() {
    assert_eq!(hold(&Plan::user_login(), include_str!("../fixtures/user-login.jsonl")), 91);
}

#[test]
fn card_payment_holds() {
    let plan = Plan::parse(include_str!("../../contracts/card-payment.toml"), "card-payment.toml").unwrap();
    assert!(hold(&plan, include_str!("../fixtures/card-payment.jsonl")) > 100);
}
