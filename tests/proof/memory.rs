//! A memory limit that is enforced from outside, as a container's is, while a backlog is worked off.

use crate::episode::Episode;
use crate::scene::GRISTMILL;
use std::fs;
use std::path::PathBuf;

/// Lives of an episode.
const LIVES: u32 = 5;

/// `GRISTMILL_MEMORY_LIMIT`, in MiB.
const LIMIT_MIB: u64 = 128;

/// What the process may have beyond, in MiB: it is the promise.
const BEYOND_MIB: u64 = 64;

/// Bytes of an event, the same for a stretch of the input.
const SIZES: [usize; 4] = [0, 4_000, 40_000, 400_000];

/// Of a stretch.
const STRETCH_BYTES: usize = 40_000_000;

/// A process that has begun to deliver is stopped after at most so long.
const LIFE_MS: u64 = 3_000;

/// One life and its end after the other, at full speed.
pub(crate) fn run(episode: &mut Episode<'_>) {
    for life in 0..LIVES {
        for _ in 0..4 {
            let size = episode.random.pick(&SIZES);
            episode.fill(u32::try_from(STRETCH_BYTES / size.max(400)).expect("a few"), size);
        }
        let group = Group::new(&format!("gristmill-proof-{}-{life}", std::process::id()));
        let engine = episode.member(GRISTMILL, &["run"], "mill");
        let engine = engine.env("GRISTMILL_MEMORY_LIMIT", format!("{LIMIT_MIB}MiB"));
        let (window, mill, recovery) = episode.live_in(engine, LIFE_MS, |pid| group.take(pid));
        mill.stop();
        assert_eq!(group.killed(), 0, "the kernel ended it: {}", mill.told());
        episode.close(window, "a container's memory limit", Some(recovery));
    }
}

/// A control group of the kernel, with a limit.
struct Group {
    folder: PathBuf,
    is_v2: bool,
}

impl Group {
    fn new(name: &str) -> Self {
        let root = PathBuf::from("/sys/fs/cgroup");
        let is_v2 = root.join("cgroup.controllers").exists();
        let folder = if is_v2 { root.join(name) } else { root.join("memory").join(name) };
        let hint = "control groups of memory, and the right to make one, are needed";
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}; {hint}", folder.display()));
        let group = Self { folder, is_v2 };
        let limit = ((LIMIT_MIB + BEYOND_MIB) << 20).to_string();
        group.write(if is_v2 { "memory.max" } else { "memory.limit_in_bytes" }, &limit);
        group
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).unwrap_or_else(|error| panic!("{file}: {error}"));
    }

    fn take(&self, pid: i32) {
        self.write("cgroup.procs", &pid.to_string());
    }

    /// How many of its processes the kernel has ended for want of memory.
    fn killed(&self) -> u64 {
        let file = self.folder.join(if self.is_v2 { "memory.events" } else { "memory.oom_control" });
        let text = fs::read_to_string(file).unwrap();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {text}"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // One that still has a process stays.
        fs::remove_dir(&self.folder).ok();
    }
}
