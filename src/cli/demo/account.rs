//! The account at the end of a demo: what became of every event, by outcome and reason, and whether all of it is right.

use super::ledger::{Fate, Ledger, Row};
use crate::cli::output::{counted, grouped};
use crate::engine::RunReport;
use crate::error::ExitCode;
use crate::rejection::Reason;
use std::fmt;

/// Ledger and engine, side by side.
pub(super) struct Account {
    pub(super) ledger: Ledger,
    pub(super) report: RunReport,
    /// Ended before all events were through, on request.
    pub(super) is_cut_short: bool,
}

impl Account {
    /// Everything that is not as it should be, a line each.
    pub(super) fn faults(&self) -> Vec<String> {
        let total = self.ledger.total();
        let settled = self.report.consumed - self.report.not_committed;
        // What the engine never came to read is missing by right when the demo was cut short.
        let missing_by_right = if self.is_cut_short { total.made.saturating_sub(settled) } else { 0 };
        let kinds = [
            (total.missing.saturating_sub(missing_by_right), "missing"),
            (total.misplaced, "in the wrong place or with the wrong reason"),
            (total.repeated, "there more than once"),
            (total.altered, "with other bytes than they should have"),
            (total.reordered, "behind a later event of the same key"),
            (self.ledger.foreign(), "that nobody made"),
        ];
        let found = kinds.into_iter().filter(|(count, _)| *count > 0);
        let mut faults: Vec<String> =
            found.map(|(count, kind)| format!("{} {kind}", counted(count, "event"))).collect();
        if self.report.drained {
            for (label, row, counted) in self.rows().filter(|(_, row, counted)| row.found != *counted) {
                faults.push(format!(
                    "{label}: the engine counted {}, {} were found",
                    grouped(counted),
                    grouped(row.found)
                ));
            }
        }
        faults
    }

    /// What the process answers.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.report.failure.is_some() || self.faults().is_empty() {
            self.report.exit_code()
        } else {
            ExitCode::Bug
        }
    }

    /// Label, ledger and the engine's counter of every outcome that occurs.
    fn rows(&self) -> impl Iterator<Item = (&'static str, Row, u64)> {
        let expected: Vec<Fate> = Fate::all().collect();
        let others = Reason::ALL.into_iter().map(Fate::DeadLetter).filter({
            let expected = expected.clone();
            move |fate| !expected.contains(fate)
        });
        let counted = |fate| match fate {
            Fate::Output => self.report.output,
            Fate::DeadLetter(reason) => self.report.dead_letters[reason.index()],
        };
        let label = |fate| match fate {
            Fate::Output => "output",
            Fate::DeadLetter(reason) => reason.as_str(),
        };
        let rows: Vec<_> = expected
            .iter()
            .copied()
            .chain(others.filter(|fate| counted(*fate) > 0))
            .map(|fate| (label(fate), self.ledger.row(fate), counted(fate)))
            .collect();
        rows.into_iter()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<22}{:>12}{:>12}{:>10}{:>10}{:>16}",
            "outcome", "made", "found", "missing", "wrong", "engine counted"
        )?;
        let mut line = |label: &str, row: &Row, counted: u64| {
            let [made, found, missing, wrong, counted] =
                [row.made, row.found, row.missing, row.wrong(), counted].map(grouped);
            writeln!(f, "{label:<22}{made:>12}{found:>12}{missing:>10}{wrong:>10}{counted:>16}")
        };
        for (label, row, counted) in self.rows() {
            line(label, &row, counted)?;
        }
        line("all", &self.ledger.total(), self.report.output + self.report.dead_lettered())?;
        writeln!(f)?;
        let faults = self.faults();
        if faults.is_empty() {
            let total = self.ledger.total();
            let unread = if self.is_cut_short {
                format!("; {} more were made and not yet read", grouped(total.missing))
            } else {
                String::new()
            };
            return write!(
                f,
                "Each of {} was read back and is what it should be: none lost, none twice, none in the wrong place, \
                 each key in its order{unread}.",
                counted(total.found, "event"),
            );
        }
        write!(f, "This is not right:\n  {}", faults.join("\n  "))
    }
}
