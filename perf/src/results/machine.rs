//! What was measured on: hardware, kernel, versions. No host name, no paths.

use crate::broker;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

/// The contents of `machine.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// As the kernel names it.
    pub cpu: String,
    /// That a program may use.
    pub cores: usize,
    /// In MiB.
    pub memory_mb: u64,
    /// Its release.
    pub kernel: String,
    /// The compiler's version.
    pub rustc: String,
    /// Version and revision of the engine that was measured last.
    pub gristmill: String,
    /// The client library's version.
    pub librdkafka: String,
    /// The broker's version, if it was started here.
    pub kafka: String,
    /// What Java says of itself.
    pub java: String,
}

impl Machine {
    /// This one. `own`: whether the broker was started here.
    pub fn look(engine: &Path, own: bool) -> Machine {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let version = said(Command::new(engine).arg("--version"));
        let mut lines = version.lines();
        let itself = lines.next().unwrap_or("unknown").to_owned();
        let unknown = || "unknown".to_owned();
        Machine {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mb: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|text| Some(text.split_whitespace().next()?.parse::<u64>().ok()? / 1024))
                .unwrap_or(0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: said(Command::new("rustc").arg("--version")),
            gristmill: format!("{itself}, revision {}", revision()),
            librdkafka: lines
                .find_map(|line| {
                    line.strip_prefix("librdkafka ")?.split_whitespace().next().map(str::to_owned)
                })
                .unwrap_or_else(unknown),
            kafka: match own {
                true => broker::kafka_version().map_or_else(unknown, str::to_owned),
                false => "not started here".to_owned(),
            },
            java: broker::java_version().unwrap_or_else(unknown),
        }
    }

    /// Short, for the name of a folder: processor and number of cores.
    pub fn short_name(&self) -> String {
        let noise = ["(r)", "(tm)", "processor", "cpu", "@"];
        let lower = noise.iter().fold(self.cpu.to_lowercase(), |name, word| name.replace(word, " "));
        let words =
            lower.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|word| !word.is_empty());
        let words: Vec<&str> = words.take(4).collect();
        format!("{}-{}-cores", words.join("-"), self.cores)
    }
}

/// The value of `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}

/// The commit, and whether anything was changed since.
fn revision() -> String {
    let git = |args: &[&str]| said(Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR")]).args(args));
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"]).is_empty();
    match (commit.is_empty(), changed) {
        (true, _) => "unknown".to_owned(),
        (false, true) => format!("{commit} with changes"),
        (false, false) => commit,
    }
}

#[cfg(test)]
mod tests {
    use super::Machine;

    #[test]
    fn a_machine_has_a_short_name_without_noise() {
        let named = |cpu: &str| Machine {
            cpu: cpu.to_owned(),
            cores: 2,
            ..Machine::look("/nonexistent".as_ref(), true)
        };
        assert_eq!(
            named("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz").short_name(),
            "intel-xeon-e5-2680-2-cores"
        );
        assert_eq!(named("AMD EPYC").short_name(), "amd-epyc-2-cores");
    }
}
