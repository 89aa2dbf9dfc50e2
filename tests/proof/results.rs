//! What was done and found: lines of JSON, a file for each kind of fault and delivery.

use crate::kind::{Delivery, Kind};
use perf::ledger::Account;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use time::OffsetDateTime;

/// One injected fault.
pub(crate) struct Fault {
    /// What was done.
    pub(crate) fault: String,
    /// The time in which it was looked at.
    pub(crate) lasted: Duration,
    /// Records that came into the output meanwhile.
    pub(crate) delivered: i64,
    /// Of the group at the end.
    pub(crate) lag: i64,
    /// The longest time meanwhile in which nothing came into the output.
    pub(crate) stall: Duration,
    /// Until records flowed again: after the start of a process, after the loss of another member or a broker, after the end of a
    /// disturbance on the network.
    pub(crate) recovery: Option<Duration>,
    pub(crate) counts: bool,
}

/// An episode from its beginning to its account.
pub(crate) struct Record {
    pub(crate) seed: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) account: Account,
    pub(crate) took: Duration,
}

/// The lines of one kind and delivery.
pub(crate) struct Results {
    file: File,
    lines: Vec<Value>,
}

impl Results {
    /// Goes on with what is there.
    pub(crate) fn open(folder: &Path, kind: Kind, delivery: Delivery) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(file_name(kind, delivery));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        if !text.is_empty() && !text.ends_with('\n') {
            // A run that was killed has left half a line.
            file.write_all(b"\n").unwrap();
        }
        Self { file, lines: lines(&text) }
    }

    /// Whether the episode with this seed was run to its end.
    pub(crate) fn has_account(&self, seed: u64) -> bool {
        accounts(&self.lines).any(|line| line["seed"] == seed)
    }

    /// What [`Kind::target`] is about: faults that count, or minutes.
    pub(crate) fn reached(&self, kind: Kind) -> u64 {
        if kind == Kind::Proxy {
            return sum(accounts(&self.lines), |line| &line["took_ms"]) / 60_000;
        }
        faults(&self.lines).filter(|line| line["counts"] == true).count() as u64
    }

    /// Writes down an episode: each fault and the account.
    pub(crate) fn push(&mut self, record: &Record) {
        let (seed, account) = (record.seed, &record.account);
        let mut lines: Vec<Value> = record.faults.iter().map(|fault| fault.line(seed)).collect();
        lines.push(json!({
            "seed": seed,
            "day": OffsetDateTime::now_utc().date().to_string(),
            "took_ms": millis(record.took),
            "account": {
                "events": account.input,
                "lost": account.lost,
                "repeated": account.repeated,
                "misplaced": account.misplaced,
                "disordered": account.disordered,
                "foreign": account.foreign,
            },
        }));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        // In one call, and the account last: a run that is killed meanwhile leaves an episode that is run again.
        self.file.write_all(text.as_bytes()).unwrap();
        self.lines.extend(lines);
    }
}

impl Fault {
    fn line(&self, seed: u64) -> Value {
        json!({
            "seed": seed,
            "fault": self.fault,
            "lasted_ms": millis(self.lasted),
            "delivered": self.delivered,
            "lag": self.lag,
            "stall_ms": millis(self.stall),
            "recovery_ms": self.recovery.map(millis),
            "counts": self.counts,
        })
    }
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

/// Where the lines of a kind and delivery are.
pub(crate) fn file_name(kind: Kind, delivery: Delivery) -> String {
    format!("{}.{}.jsonl", kind.name(), delivery.name())
}

/// The lines of a file; half a line is none.
pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The accounts among the lines.
pub(crate) fn accounts(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter(|line| line.get("account").is_some())
}

/// The faults of episodes with an account.
pub(crate) fn faults(lines: &[Value]) -> impl Iterator<Item = &Value> {
    lines.iter().filter(|line| {
        line.get("fault").is_some() && accounts(lines).any(|account| account["seed"] == line["seed"])
    })
}

/// The sum of a number in several lines.
pub(crate) fn sum<'a>(lines: impl Iterator<Item = &'a Value>, number: impl Fn(&Value) -> &Value) -> u64 {
    lines.filter_map(|line| number(line).as_u64()).sum()
}
