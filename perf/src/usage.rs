//! What a process has used: CPU time and peak memory, from the kernel.

use std::time::Duration;

/// CPU time, user and system, of this process so far.
pub fn cpu() -> Duration {
    cpu_of(&of_self())
}

/// The most memory a process has had resident so far, in bytes; `None` when it has ended.
///
/// Not `ru_maxrss` of `getrusage`: that one keeps, across exec, what the parent had resident when it forked.
pub fn peak_rss_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmHWM:")
}

/// What a process has resident now, in bytes; `None` when it has ended.
pub fn rss_bytes(pid: u32) -> Option<u64> {
    status_bytes(pid, "VmRSS:")
}

fn status_bytes(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn of_self() -> libc::rusage {
    // SAFETY: all zeroes is a valid rusage, and getrusage only writes to it.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    }
}

pub(crate) fn cpu_of(usage: &libc::rusage) -> Duration {
    let one = |time: &libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
    };
    one(&usage.ru_utime) + one(&usage.ru_stime)
}
