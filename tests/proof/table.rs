//! The table: what all lines of a folder say, a row for each kind of fault and delivery, and one for each fault.

use crate::kind::{Delivery, Kind};
use crate::results::{accounts, faults, file_name, lines, sum};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

const HEAD: &str = "\
# Proof

Made from the lines beside it; `.ci/long proof` goes on where they end. A fault *counts* if records came into the output or offsets were
committed while it was looked at, and the group was not at its end. *Stall*: the longest time in which a reader of committed records saw
nothing new, from the start of a process or shortly before the fault on. *Recovery*: after a start, until the first record; after the
loss of a member or a broker or the end of a disturbance, until the group gets on in every partition.

";

const ALL: &str = "| faults | delivery | episodes | injected | that count | events | lost | repeated | misplaced | out of order | foreign \
                   | longest stall | slowest recovery | days |\n\
                   |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";

const EACH: &str = "\n| fault | delivery | injected | that count | longest stall | slowest recovery |\n\
                    |---|---|---|---|---|---|\n";

/// Writes `table.md` anew.
pub(crate) fn write(folder: &Path) {
    let mut all = format!("{HEAD}{ALL}");
    let mut each = EACH.to_owned();
    for kind in Kind::ALL {
        for delivery in Delivery::ALL {
            let text = std::fs::read_to_string(folder.join(file_name(kind, delivery))).unwrap_or_default();
            let lines = lines(&text);
            if accounts(&lines).next().is_some() {
                all.push_str(&of_kind(kind, delivery, &lines));
                each.push_str(&of_faults(delivery, &lines));
            }
        }
    }
    // Whoever reads it finds the old one or the new one; several runs may write.
    let new = folder.join(format!("table.{}.new", std::process::id()));
    std::fs::write(&new, all + &each).unwrap();
    std::fs::rename(&new, folder.join("table.md")).unwrap();
}

fn of_kind(kind: Kind, delivery: Delivery, lines: &[Value]) -> String {
    let faults: Vec<&Value> = faults(lines).collect();
    let mut row = format!("| {} | {} | {} |", kind.name(), delivery.name(), accounts(lines).count());
    row.push_str(&format!(" {} | {} |", faults.len(), that_count(&faults)));
    for name in ["events", "lost", "repeated", "misplaced", "disordered", "foreign"] {
        row.push_str(&format!(" {} |", sum(accounts(lines), |line| &line["account"][name])));
    }
    let days: BTreeSet<&str> = accounts(lines).filter_map(|line| line["day"].as_str()).collect();
    let days = days.into_iter().collect::<Vec<_>>().join(", ");
    row + &times(&faults) + &format!(" {days} |\n")
}

fn of_faults(delivery: Delivery, lines: &[Value]) -> String {
    let names: BTreeSet<&str> = faults(lines).filter_map(|line| line["fault"].as_str()).collect();
    let row = |name: &&str| {
        let of: Vec<&Value> = faults(lines).filter(|line| line["fault"] == **name).collect();
        let (injected, counts) = (of.len(), that_count(&of));
        format!("| {name} | {} | {injected} | {counts} |{}\n", delivery.name(), times(&of))
    };
    names.iter().map(row).collect()
}

fn that_count(faults: &[&Value]) -> usize {
    faults.iter().filter(|line| line["counts"] == true).count()
}

/// The longest stall and the slowest recovery.
fn times(faults: &[&Value]) -> String {
    let slowest = |name: &str| faults.iter().filter_map(|line| line[name].as_u64()).max();
    let text = |ms: Option<u64>| ms.map_or(String::new(), |ms| format!("{:.1} s", ms as f64 / 1_000.0));
    format!(" {} | {} |", text(slowest("stall_ms")), text(slowest("recovery_ms")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Fault, Record, Results};
    use perf::ledger::Account;
    use std::io::Write;
    use std::time::Duration;

    fn episode(seed: u64, counts: bool, lost: u64) -> Record {
        let fault = |fault: &str, stall, recovery: Option<u64>| Fault {
            fault: fault.to_owned(),
            lasted: Duration::from_secs(3),
            delivered: 7,
            lag: 9,
            stall: Duration::from_millis(stall),
            recovery: recovery.map(Duration::from_millis),
            counts,
        };
        Record {
            seed,
            faults: vec![fault("kill -9", 400, Some(300)), fault("death after-read", 1_250 * seed, None)],
            account: Account { input: 100, lost, ..Account::default() },
            took: Duration::from_secs(9),
        }
    }

    #[test]
    fn the_table_sums_up_and_a_run_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Results::open(folder.path(), Kind::Kills, Delivery::ExactlyOnce);
        open().push(&episode(1, true, 0));
        // An episode that was interrupted: half of its first line is there.
        let file = folder.path().join(file_name(Kind::Kills, Delivery::ExactlyOnce));
        let mut file = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        file.write_all(b"{\"seed\":2,\"fault\":\"kill").unwrap();
        let mut results = open();
        assert!(results.has_account(1) && !results.has_account(2));
        results.push(&episode(2, false, 1));
        assert_eq!((open().reached(Kind::Kills), open().has_account(2)), (2, true));
        write(folder.path());
        let table = std::fs::read_to_string(folder.path().join("table.md")).unwrap();
        let row = "| kills | exactly-once | 2 | 4 | 2 | 200 | 1 | 0 | 0 | 0 | 0 | 2.5 s | 0.3 s | ";
        assert!(table.contains(row), "{table}");
        assert!(table.contains("| death after-read | exactly-once | 2 | 1 | 2.5 s |  |\n"), "{table}");
        assert!(!table.contains("at-least-once |"), "{table}");
    }
}
