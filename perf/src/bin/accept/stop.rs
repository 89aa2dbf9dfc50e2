//! SIGTERM under full load, again and again: each time the engine finishes what it began, accounts for it and ends with 0, so
//! that the next one goes on where it stopped and nothing comes twice.

use crate::options::Scale;
use crate::report::Report;
use perf::child::SIGTERM;
use perf::error::Result;
use perf::random::Random;
use perf::world::{World, clean_exit, died};
use std::time::{Duration, Instant};

/// The drain's own deadline is 10 s.
const STOP_WITHIN: Duration = Duration::from_secs(20);

pub(crate) fn terminate(world: &mut World, scale: &Scale, report: &mut Report) -> Result<()> {
    let names = world.names("stop", &world.input())?;
    let title = format!("SIGTERM under full load, {} times", scale.stops);
    report.part(&title, &world.engine(&names, &[], &[]).line());
    let mut random = Random::new(world.seed, 3);
    // A second of work and more, of which a twentieth is done when the signal comes.
    let load = scale.events.max(1_000_000);
    for stop in 1..=scale.stops {
        // Each one has a full load: what is left from the one before, or more of it.
        if world.topics.lag(&names.group, &names.input)? < i64::from(load) {
            crate::append(world, load)?;
        }
        let before = world.written(&names)?;
        let child = world.engine(&names, &[], &[]).start()?;
        // By then it is at full speed.
        world.wait_for_written(&names, &child, before + i64::from(scale.events / 20))?;
        std::thread::sleep(Duration::from_millis(random.below(u64::from(scale.events) / 10_000)));
        let signalled = Instant::now();
        child.signal(SIGTERM);
        let Some(exit) = child.wait(STOP_WITHIN) else { return Err(died(&child, "it did not stop")) };
        let took = signalled.elapsed().as_secs_f64();
        let (after, lag) = (world.written(&names)?, world.topics.lag(&names.group, &names.input)?);
        let figures =
            format!("stop {stop}: {exit} after {took:.2} s, {} put out, {lag} left", after - before);
        report.require(exit.is_success() && lag > 0, &figures);
        let lines = [child.stderr(), child.stdout()].concat();
        // The engine's last word: what it has read, and what became of it.
        let accounting = lines.iter().rev().find(|line| line.contains("consumed"));
        report.require(
            accounting.is_some(),
            accounting.map_or("no line says what was consumed", |line| line.trim()),
        );
    }
    let last = world.engine(&names, &["--until-end"], &[]).start()?;
    clean_exit(&last)?;
    report.require_account(&format!("after {} stops", scale.stops), &world.account(&names)?, 0);
    world.discard(&names)
}
