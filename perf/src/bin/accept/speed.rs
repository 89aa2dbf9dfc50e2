//! Throughput, CPU and memory: rounds of engine and plain copy in turn, each over the same input from its start.

use crate::options::Scale;
use crate::report::Report;
use perf::error::Result;
use perf::figures::Spread;
use perf::random::Random;
use perf::run::run;
use perf::world::{PEAK_BYTES_MAX, World};

const RATIO_MIN: f64 = 0.6;

pub(crate) fn measure(world: &World, scale: &Scale, report: &mut Report) -> Result<()> {
    let input = world.input();
    let mut ratios = Vec::new();
    let (mut peak, mut cpu) = (0, Vec::new());
    let mut random = Random::new(world.seed, 1);
    for round in 1..=scale.rounds {
        let names = world.names(&format!("speed-{round}"), &input)?;
        let copied = world.names(&format!("copy-{round}"), &input)?;
        if round == 1 {
            let line = world.engine(&names, &["--until-end"], &[]).line();
            report.part(
                &format!("speed: {} rounds of engine and copy over {} events", scale.rounds, scale.events),
                &line,
            );
            println!("$ {}", world.copy(&copied).line());
        }
        let engine = || run(world, &names, vec![world.engine(&names, &["--until-end"], &[])]);
        let copy = || run(world, &copied, vec![world.copy(&copied)]);
        let (engine, copy) = if random.chance(0.5) {
            let first = engine()?;
            (first, copy()?)
        } else {
            let first = copy()?;
            (engine()?, first)
        };
        println!("          round {round}: engine {engine}\n                    copy   {copy}");
        println!(
            "                    ratio {:.2}, of CPU {:.2}",
            engine.rate / copy.rate,
            engine.cpu_ns / copy.cpu_ns
        );
        ratios.push(engine.rate / copy.rate);
        cpu.push(engine.cpu_ns / copy.cpu_ns);
        peak = peak.max(engine.peak_rss_bytes);
        report.require_account(&format!("round {round}"), &world.account(&names)?, 0);
        world.discard(&names)?;
        world.discard(&copied)?;
    }
    let Spread { low, middle, high } = Spread::of(&ratios);
    let ratio = format!(
        "throughput / plain copy: median {middle:.2} ({low:.2} to {high:.2}), at least {RATIO_MIN:.2}"
    );
    if scale.judges_speed {
        report.require(middle >= RATIO_MIN, &ratio);
    } else {
        println!("          {ratio}: not judged, the run is too short");
    }
    let Spread { low, middle, high } = Spread::of(&cpu);
    println!("          CPU a record / plain copy's: median {middle:.2} ({low:.2} to {high:.2})");
    require_peak(report, peak);
    Ok(())
}

/// Memory with large records, where it is not the number of records that fills queues and batches.
pub(crate) fn measure_large(world: &World, scale: &Scale, report: &mut Report) -> Result<()> {
    const BYTES: usize = 900_000;
    let input = world.large_input(scale.large, BYTES)?;
    let names = world.names("large", &input)?;
    let spawn = world.engine(&names, &["--until-end"], &[]);
    report.part(&format!("memory: {} records of {BYTES} bytes", scale.large), &spawn.line());
    let run = run(world, &names, vec![spawn])?;
    println!("          engine {run}");
    report.require_account("large records", &world.account(&names)?, 0);
    require_peak(report, run.peak_rss_bytes);
    world.discard(&names)
}

fn require_peak(report: &mut Report, peak: u64) {
    let (peak_mb, max_mb) = (peak >> 20, PEAK_BYTES_MAX >> 20);
    report.require(peak <= PEAK_BYTES_MAX, &format!("peak memory {peak_mb} MiB, at most {max_mb} MiB"));
}
