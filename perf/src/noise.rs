//! What else went on while something was measured: the load at its start, and the time that a hypervisor gave to others.

use std::time::Instant;

/// Taken at the start of a run.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    load: f64,
    steal_ticks: u64,
    started: Instant,
}

/// What is known at its end.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Heard {
    /// Processes that ran or wanted to, the average of the minute before the run.
    pub load_at_start: f64,
    /// Percent of the run's time, on average over the cores.
    pub steal_percent: f64,
}

/// Ticks of `/proc/stat`, a second and core.
const TICKS: f64 = 100.0;

impl Noise {
    /// Begins to listen.
    pub fn begin() -> Noise {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0);
        Noise { load, steal_ticks: steal(), started: Instant::now() }
    }

    /// What was heard since.
    pub fn end(&self) -> Heard {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let ticks = steal().saturating_sub(self.steal_ticks) as f64;
        let share = ticks / TICKS / cores / self.started.elapsed().as_secs_f64().max(1e-3);
        Heard { load_at_start: self.load, steal_percent: 100.0 * share }
    }
}

fn steal() -> u64 {
    steal_in(&std::fs::read_to_string("/proc/stat").unwrap_or_default())
}

/// The eighth figure of the first line.
fn steal_in(stat: &str) -> u64 {
    let all = stat.lines().find(|line| line.starts_with("cpu "));
    all.and_then(|line| line.split_whitespace().nth(8)?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn steal_is_the_eighth_figure_of_all_cores_together() {
        let stat = "cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 44 9 10\n";
        assert_eq!(super::steal_in(stat), 88);
        assert_eq!(super::steal_in(""), 0);
    }
}
