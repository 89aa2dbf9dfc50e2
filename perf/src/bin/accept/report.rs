//! The requirements and whether they are met.

use perf::ledger::Account;
use std::process::ExitCode;

/// Collects verdicts; each is printed when it is reached.
#[derive(Default)]
pub(crate) struct Report {
    met: u32,
    failed: Vec<String>,
}

impl Report {
    /// A heading and the command that the part is about.
    pub(crate) fn part(&self, title: &str, command: &str) {
        println!("\n== {title}\n$ {command}");
    }

    /// A requirement, with the figure in it.
    pub(crate) fn require(&mut self, met: bool, what: &str) {
        println!("{:>8}  {what}", if met { "ok" } else { "FAILED" });
        if met {
            self.met += 1;
        } else {
            self.failed.push(what.to_owned());
        }
    }

    /// What the ledger says; `repeats`: how many repeated events are accepted.
    pub(crate) fn require_account(&mut self, when: &str, account: &Account, repeats: u64) {
        let figures = format!(
            "{when}: {} in, {} out, {} refused: {} lost, {} repeated, {} misplaced, {} out of order, {} foreign",
            account.input,
            account.output,
            account.dlq,
            account.lost,
            account.repeated,
            account.misplaced,
            account.disordered,
            account.foreign
        );
        self.require(
            account.is_clean_but_for_repeats() && account.repeated <= repeats && account.input > 0,
            &figures,
        );
        for example in &account.examples {
            println!("          {example}");
        }
    }

    /// The last line, and the exit code.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n{} requirements met, {} failed", self.met, self.failed.len());
        for what in &self.failed {
            println!("  FAILED  {what}");
        }
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
