//! The process's own figures, read from `/proc/self`. Where there is no such file (not Linux), they are absent.

use std::fs;

/// What the kernel says of this process. Each figure is absent where it cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ProcessFigures {
    pub(super) cpu_seconds: Option<f64>,
    pub(super) resident_bytes: Option<u64>,
    pub(super) open_fds: Option<u64>,
    pub(super) threads: Option<u64>,
    pub(super) start_time_seconds: Option<f64>,
}

/// `USER_HZ`: the kernel counts a process's time in hundredths of a second on every architecture that Rust's Linux targets have.
const TICKS_PER_SECOND: f64 = 100.0;

impl ProcessFigures {
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut figures =
            Self::parse(&text("/proc/self/stat"), &text("/proc/self/status"), &text("/proc/stat"));
        // The directory's own descriptor is open while it is read.
        figures.open_fds =
            fs::read_dir("/proc/self/fd").ok().map(|fds| (fds.count() as u64).saturating_sub(1));
        figures
    }

    /// From the texts of `/proc/self/stat`, `/proc/self/status` and `/proc/stat`.
    fn parse(stat: &str, status: &str, system: &str) -> Self {
        // The second field is the program's name in parentheses and may hold anything, so count from the last one; the field
        // after it is number 3 in proc(5).
        let fields: Vec<&str> =
            stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
        let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
        let ticks = |number| field(number).map(|ticks| ticks as f64 / TICKS_PER_SECOND);
        let boot = line_value(system, "btime").map(|seconds| seconds as f64);
        Self {
            cpu_seconds: ticks(14).zip(ticks(15)).map(|(user, kernel)| user + kernel),
            resident_bytes: line_value(status, "VmRSS:").map(|kib| kib * 1024),
            open_fds: None,
            threads: field(20),
            start_time_seconds: boot.zip(ticks(22)).map(|(boot, after)| boot + after),
        }
    }
}

/// The first number behind `key` at the start of a line.
fn line_value(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_found_behind_any_program_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 7 0 12345 1000 200 18446744073709551615";
        let figures =
            ProcessFigures::parse(stat, "Name:\tx\nVmRSS:\t    2048 kB\n", "cpu 1 2\nbtime 1700000000\n");
        let expected = ProcessFigures {
            cpu_seconds: Some(3.0),
            resident_bytes: Some(2 * 1024 * 1024),
            open_fds: None,
            threads: Some(7),
            start_time_seconds: Some(1_700_000_123.45),
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn nothing_to_read_is_nothing_to_say() {
        assert_eq!(ProcessFigures::parse("", "", ""), ProcessFigures::default());
        assert_eq!(ProcessFigures::parse("1 (x", "VmRSS:", "btime x"), ProcessFigures::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_figures() {
        let figures = ProcessFigures::read();
        assert!(figures.resident_bytes.is_some_and(|bytes| bytes > 100_000));
        assert!(figures.open_fds.is_some_and(|fds| fds >= 3));
        assert!(figures.threads.is_some_and(|threads| threads >= 1));
        let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let age = now.as_secs_f64() - figures.start_time_seconds.unwrap();
        assert!(figures.cpu_seconds.is_some() && (-2.0..86_400.0).contains(&age), "{age}");
    }
}
