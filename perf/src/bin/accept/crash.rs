//! `kill -9` at random moments: nothing may be lost, and what comes twice is bounded.
//!
//! A kill counts only if the process it hit had put something out since it started, and had something left to do. The engine
//! is held to a rate, so that the load outlasts the kills; the last run, without a rate, goes to the end.

use crate::options::Scale;
use crate::report::Report;
use perf::error::{Error, Result};
use perf::random::Random;
use perf::world::{World, clean_exit};
use std::time::Duration;

pub(crate) fn kill(world: &World, scale: &Scale, report: &mut Report) -> Result<()> {
    let names = world.names("crash", &world.input())?;
    let rate = scale.crash_rate.to_string();
    // With an id of its own a restarted process takes its partitions at once. The session is the shortest that brokers allow.
    let member = [("KAFKA_SESSION_TIMEOUT", "6000"), ("GRISTMILL_INSTANCE_ID", "accept")];
    let limited = [member[0], member[1], ("GRISTMILL_RATE_LIMIT", rate.as_str())];
    let title = format!("kill -9, {} that count, at {rate} events a second", scale.kills);
    report.part(&title, &world.engine(&names, &[], &limited).line());
    let mut random = Random::new(world.seed, 2);
    let (mut sent, mut counted) = (0, 0);
    while counted < scale.kills && sent < 3 * scale.kills {
        let before = world.written(&names)?;
        let child = world.engine(&names, &[], &limited).start()?;
        world.wait_for_written(&names, &child, before)?;
        // The moment is what is random here; nothing is waited for.
        std::thread::sleep(Duration::from_millis(random.below(1500)));
        let exit = child.kill();
        sent += 1;
        let (after, lag) = (world.written(&names)?, world.topics.lag(&names.group, &names.input)?);
        let counts = exit.signal == Some(perf::child::SIGKILL) && lag > 0;
        counted += u32::from(counts);
        let word = if counts { "counts" } else { "does not count" };
        println!("          kill {sent}: {exit}, {} put out, {lag} left: {word}", after - before);
        if exit.signal.is_none() {
            return Err(Error(format!("the engine ended by itself: {:?}", child.stderr().last())));
        }
    }
    report.require(counted >= scale.kills, &format!("{sent} kills sent, {counted} count"));
    let last = world.engine(&names, &["--until-end"], &member).start()?;
    clean_exit(&last)?;
    let account = world.account(&names)?;
    // A commit follows each settled batch: what was put out and not committed is less than a second's load.
    let bound = u64::from(sent) * u64::from(scale.crash_rate);
    report.require_account(&format!("after {sent} kills, up to {bound} repeats"), &account, bound);
    println!("          {} repeated a kill, on average", account.repeated / u64::from(sent.max(1)));
    world.discard(&names)
}
