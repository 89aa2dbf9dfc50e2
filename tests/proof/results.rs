//! What was done and found: lines of JSON, a file a mode, and the table that is made from them.

use perf::ledger::Account;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One injected fault.
pub(crate) struct Fault {
    pub(crate) seed: u64,
    pub(crate) fault: String,
    /// From the start of the process to its end.
    pub(crate) after_ms: u64,
    /// Records that came into the output meanwhile.
    pub(crate) delivered: i64,
    /// Of the group when it died.
    pub(crate) lag: i64,
    /// From the start of the process to its first delivery.
    pub(crate) recovery_ms: Option<u64>,
    pub(crate) counts: bool,
}

/// The lines of one mode.
pub(crate) struct Results {
    delivery: String,
    table: PathBuf,
    file: File,
    lines: Vec<Value>,
}

impl Results {
    /// Goes on with what is there.
    pub(crate) fn open(folder: &Path, delivery: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(format!("{delivery}.jsonl"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        // A run that was killed may have left half a line.
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        let mut results =
            Self { delivery: delivery.to_owned(), table: folder.join(format!("{delivery}.md")), file, lines };
        if !text.is_empty() && !text.ends_with('\n') {
            results.file.write_all(b"\n").unwrap();
        }
        results
    }

    /// Whether the episode with this seed was run to its end.
    pub(crate) fn has_account(&self, seed: u64) -> bool {
        self.accounts().any(|line| line["seed"] == seed)
    }

    /// Kills that count, of episodes with an account.
    pub(crate) fn kills_that_count(&self) -> u64 {
        self.faults().filter(|line| line["counts"] == true).count() as u64
    }

    pub(crate) fn fault(&mut self, fault: &Fault) {
        self.push(json!({
            "seed": fault.seed,
            "fault": fault.fault,
            "after_ms": fault.after_ms,
            "delivered": fault.delivered,
            "lag": fault.lag,
            "recovery_ms": fault.recovery_ms,
            "counts": fault.counts,
        }));
    }

    pub(crate) fn account(&mut self, seed: u64, account: &Account, took: Duration) {
        self.push(json!({
            "seed": seed,
            "account": {
                "events": account.input,
                "lost": account.lost,
                "repeated": account.repeated,
                "misplaced": account.misplaced,
                "disordered": account.disordered,
                "foreign": account.foreign,
            },
            "took_ms": took.as_millis() as u64,
        }));
    }

    /// Faults of each kind with the slowest recovery, and the sums of the accounts.
    pub(crate) fn write_table(&self) {
        let mut kinds: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
        for line in self.faults() {
            let kind = kinds.entry(line["fault"].as_str().unwrap_or_default().to_owned()).or_default();
            kind.0 += 1;
            kind.1 += u64::from(line["counts"] == true);
            kind.2 = kind.2.max(line["recovery_ms"].as_u64().unwrap_or(0));
        }
        let mut text = format!(
            "# {}\n\n| fault | injected | that count | slowest recovery |\n|---|---|---|---|\n",
            self.delivery
        );
        for (kind, (injected, counts, slowest)) in kinds {
            let slowest = if slowest == 0 { String::new() } else { format!("{slowest} ms") };
            text.push_str(&format!("| {kind} | {injected} | {counts} | {slowest} |\n"));
        }
        text.push_str("\n| episodes | events | lost | repeated | misplaced | out of order | foreign |\n|---|---|---|---|---|---|---|\n");
        let sum = |name: &str| self.accounts().filter_map(|line| line["account"][name].as_u64()).sum::<u64>();
        text.push_str(&format!("| {} |", self.accounts().count()));
        for name in ["events", "lost", "repeated", "misplaced", "disordered", "foreign"] {
            text.push_str(&format!(" {} |", sum(name)));
        }
        text.push('\n');
        std::fs::write(&self.table, text).unwrap();
    }

    fn push(&mut self, line: Value) {
        // In one call, so that a kill leaves a whole line or half of one, and never two halves.
        self.file.write_all(format!("{line}\n").as_bytes()).unwrap();
        self.lines.push(line);
    }

    fn accounts(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| line.get("account").is_some())
    }

    /// Of an episode that was begun twice, the faults of both.
    fn faults(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| {
            line.get("fault").is_some() && self.accounts().any(|account| account["seed"] == line["seed"])
        })
    }
}
