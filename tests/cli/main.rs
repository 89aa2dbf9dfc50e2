//! The built binary as its users meet it: what it prints, and what it answers.
//!
//! Outputs are compared with the files in `snapshots/`; `BLESS=1 cargo test --test cli` writes them anew.

mod cluster;
mod configuration;
mod help;
mod logs;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A call of the binary in an empty directory with nothing in its environment.
struct Gristmill {
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    directory: tempfile::TempDir,
}

/// What came of it.
#[derive(Debug)]
struct Answer {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Gristmill {
    fn new(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: BTreeMap::new(),
            directory: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The three topics, so that nothing required is missing.
    fn with_topics(self) -> Self {
        self.env("KAFKA_INPUT_TOPIC", "in").env("KAFKA_OUTPUT_TOPIC", "out").env("KAFKA_DLQ_TOPIC", "dlq")
    }

    /// A file in the directory of the call.
    fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.directory.path().join(name), text).expect("written");
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gristmill"));
        command.args(&self.arguments).env_clear().envs(&self.environment).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it; the directory stays as long as the call.
    fn answer(&self) -> Answer {
        self.command().output().expect("the binary runs").into()
    }

    fn run(self) -> Answer {
        self.answer()
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Answer {
    /// Exit code and both outputs are those of the snapshot.
    #[track_caller]
    fn is(&self, snapshot: &str) {
        let found =
            format!("exit code {:?}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr);
        let path = snapshot_path(snapshot);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &found).expect("written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, expected, "{} differs; BLESS=1 accepts", path.display());
    }

    #[track_caller]
    fn fails_with(&self, code: i32, part_of_stderr: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert!(self.stderr.contains(part_of_stderr), "{self:?}");
    }

    #[track_caller]
    fn succeeds(&self) {
        assert_eq!(self.code, Some(0), "{self:?}");
    }
}

fn snapshot_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/snapshots").join(format!("{name}.txt"))
}
