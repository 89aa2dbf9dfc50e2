//! The binary as a child process, like a user's.

use crate::scene::WITHIN;
use perf::child::{Child, Exit, SIGTERM, Spawn};
use perf::topics::wait_until;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A started `gristmill`.
pub(crate) struct Mill {
    child: Child,
    line: String,
}

/// The account that a run prints at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accounting {
    pub(crate) consumed: u64,
    pub(crate) output: u64,
    pub(crate) dead_letters: u64,
    pub(crate) passed: u64,
    pub(crate) not_committed: u64,
}

impl Mill {
    /// Starts it.
    pub(crate) fn start(spawn: Spawn) -> Self {
        let line = spawn.line();
        Self { child: spawn.start().unwrap(), line }
    }

    /// Starts it, and waits until it has partitions.
    pub(crate) fn start_assigned(spawn: Spawn) -> Self {
        let mill = Self::start(spawn);
        mill.wait_for("partitions assigned");
        mill
    }

    /// Its process.
    pub(crate) fn child(&self) -> &Child {
        &self.child
    }

    /// Waits for a line on standard error.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.child.wait_for_line(text, WITHIN).unwrap_or_else(|error| panic!("{error}\n{}", self.told()))
    }

    /// SIGTERM, and a clean end within the drain's time.
    pub(crate) fn stop(&self) -> Accounting {
        assert!(self.child.signal(SIGTERM), "it is gone already\n{}", self.told());
        self.ends_with(0)
    }

    /// Waits for its end, and expects this exit code, no panic, and an account that adds up.
    pub(crate) fn ends_with(&self, code: i32) -> Accounting {
        self.exit_with(code);
        self.accounting()
    }

    /// Waits for its end, and expects this exit code and no panic.
    pub(crate) fn exit_with(&self, code: i32) -> Exit {
        let Some(exit) = self.child.wait(WITHIN) else { panic!("it does not end\n{}", self.told()) };
        assert_eq!(exit.code, Some(code), "{exit}\n{}", self.told());
        self.assert_no_panic();
        exit
    }

    /// Expects a refusal at start or later: this exit code, and one line that has all of these words in it.
    pub(crate) fn refuses(&self, code: i32, words: &[&str]) {
        self.exit_with(code);
        let stderr = self.child.stderr();
        assert!(
            stderr.iter().any(|line| words.iter().all(|word| line.contains(word))),
            "no line has all of {words:?}\n{}",
            self.told()
        );
    }

    /// Nothing of it panicked.
    pub(crate) fn assert_no_panic(&self) {
        let stderr = self.child.stderr();
        let panic = stderr.iter().find(|line| line.contains("panicked at"));
        assert_eq!(panic, None, "{}", self.told());
    }

    /// The account on its standard output.
    pub(crate) fn accounting(&self) -> Accounting {
        let stdout = self.child.stdout();
        let line = stdout.iter().find(|line| line.starts_with("consumed "));
        let line = line.unwrap_or_else(|| panic!("no account on standard output\n{}", self.told()));
        let number = |name: &str| {
            let (_, rest) = line.split_once(name).unwrap_or_else(|| panic!("no {name} in: {line}"));
            rest.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap()
        };
        let account = Accounting {
            consumed: number("consumed "),
            output: number("output "),
            dead_letters: number("dead letters "),
            passed: number("passed "),
            not_committed: number("not committed "),
        };
        let sum = account.output + account.dead_letters + account.passed + account.not_committed;
        assert_eq!(account.consumed, sum, "{line}");
        account
    }

    /// What it wrote, for the message of a failed test.
    pub(crate) fn told(&self) -> String {
        let lines = [self.child.stdout(), self.child.stderr()].concat();
        let cut = &lines[lines.len().saturating_sub(60)..];
        format!("{}\n  {}", self.line, cut.join("\n  "))
    }

    /// Where it serves metrics and health; it was started with `GRISTMILL_HTTP_ADDR=127.0.0.1:0`.
    pub(crate) fn http(&self) -> Http {
        let line = self.wait_for("serving /metrics");
        let (_, rest) = line.split_once("addr=").unwrap_or_else(|| panic!("no address in: {line}"));
        Http(rest.split_whitespace().next().and_then(|address| address.parse().ok()).unwrap())
    }
}

/// Its metrics and health.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Http(SocketAddr);

impl Http {
    /// Status and body of a path.
    pub(crate) fn get(self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect_timeout(&self.0, Duration::from_secs(10)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: mill\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
        (status.unwrap_or_else(|| panic!("no status in: {answer}")), answer)
    }

    /// The value of a metric, labels included in its name.
    pub(crate) fn metric(self, name: &str) -> Option<f64> {
        let (_, body) = self.get("/metrics");
        let line =
            body.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
    }

    /// `/livez` says 200.
    pub(crate) fn assert_live(self) {
        let (live, body) = self.get("/livez");
        assert_eq!(live, 200, "{body}");
    }

    /// Waits until `/readyz` answers with this status; `/livez` has to say 200 all the while. Gives the answer.
    pub(crate) fn wait_ready_is(self, status: u16) -> String {
        let mut last = String::new();
        let seen = wait_until(&format!("/readyz did not answer {status}"), WITHIN, || {
            self.assert_live();
            let (ready, body) = self.get("/readyz");
            last = body;
            Ok(ready == status)
        });
        seen.unwrap_or_else(|error| panic!("{error}; the last answer:\n{last}"));
        last
    }
}
