//! Latency in an open loop: the ladder that finds the sustained rate, then shares of it, and 100,000 events a second.

use crate::bench::{Bench, Label, Outcome};
use crate::options::Part;
use perf::error::Result;
use perf::ladder::Ladder;
use perf::latency::{self, Latency, OpenLoop};
use perf::picture;
use perf::world::PARTITIONS;
use std::time::Duration;

/// Beside the shares of the sustained rate.
const FIXED: u32 = 100_000;

/// The same for a run that is made for its exit code.
const FIXED_QUICK: u32 = 20_000;

const SHARES: [u32; 4] = [25, 50, 75, 90];
const PICTURE: &str = "latency.svg";

/// What is to be measured once.
pub(crate) struct Probe<'a> {
    pub(crate) group: &'a str,
    pub(crate) who: &'a str,
    pub(crate) round: u32,
    pub(crate) rate: u32,
    pub(crate) counted: Duration,
    /// Whether the engine is in between; else the reader follows the input.
    pub(crate) engine: bool,
    pub(crate) settings: &'a [(String, String)],
    /// Whether its histogram is kept, under this name.
    pub(crate) file: Option<String>,
    /// Whether it stands in a line with a throughput: only times are kept, for CPU and memory are those of another load.
    pub(crate) beside: bool,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let seconds = bench.scale.seconds;
    let settings = [("partitions", PARTITIONS.to_string()), ("seconds", seconds.as_secs_f64().to_string())];
    bench.begin_part(Part::Latency, &settings)?;
    let fixed = if bench.quick { FIXED_QUICK } else { FIXED };
    let mut plan: Vec<(String, u32)> = Vec::new();
    if bench.rates.is_empty() {
        match sustained(bench)? {
            Some(sustained) => {
                let shares = if bench.quick { &SHARES[1..2] } else { &SHARES[..] };
                bench.note(format!(
                    "The sustained rate is {sustained} events a second: the highest of a ladder of rates (each 1.25 of the one before, {} s \
                     each) at which the backlog of the last third is no larger than that of the first third and a tenth of a second's events.",
                    bench.scale.rung.as_secs()
                ));
                let share = |percent: &u32| {
                    let rate = sustained / 100 * percent;
                    (format!("{percent} % of sustained: {rate}/s"), rate)
                };
                plan.extend(shares.iter().map(share));
            }
            None => bench.note("Not even the lowest rate of the ladder was sustained."),
        }
        plan.push((format!("{fixed}/s"), fixed));
    } else {
        plan.extend(bench.rates.iter().map(|rate| (format!("{rate}/s"), *rate)));
    }
    let floor_rate = plan.last().map_or(fixed, |(_, rate)| *rate);
    let mut lines = Vec::new();
    let floor = format!("broker alone: {floor_rate}/s");
    let who =
        std::iter::once((&floor, floor_rate, false)).chain(plan.iter().map(|(who, rate)| (who, *rate, true)));
    for (who, rate, engine) in who {
        let kind = if engine { "latency" } else { "floor" };
        let file = Some(format!("{kind}-{rate}.hgrm"));
        let probe = Probe {
            group: "",
            who,
            round: 1,
            rate,
            counted: seconds,
            engine,
            settings: &[],
            file,
            beside: false,
        };
        if let Some(latency) = run(bench, &probe) {
            println!("          {latency}");
            lines.push((who.clone(), latency.times));
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    picture::latencies(&bench.path(PICTURE), &lines)
}

/// Climbs the ladder; its runs are kept under round 0, so that they are in `raw.json` and not in the table.
fn sustained(bench: &mut Bench) -> Result<Option<u32>> {
    let rung = bench.scale.rung;
    let (first, most) = if bench.quick { (FIXED_QUICK, FIXED_QUICK) } else { (FIXED, 2_000_000) };
    Ladder { first, factor: 1.25, most }.climb(|rate| {
        let who = format!("ladder: {rate}/s");
        let probe = Probe {
            group: "",
            who: &who,
            round: 0,
            rate,
            counted: rung,
            engine: true,
            settings: &[],
            file: None,
            beside: false,
        };
        let Some(latency) = run(bench, &probe) else { return Ok(false) };
        let (first, last) = latency.backlog();
        println!("          backlog {first:.0} events at first, {last:.0} at last");
        Ok(last <= first + f64::from(rate) / 10.0)
    })
}

/// One run at one rate; `None` when it went wrong.
pub(crate) fn run(bench: &mut Bench, probe: &Probe<'_>) -> Option<Latency> {
    let mut found = None;
    let command = format!("open loop, {} events a second, {} s", probe.rate, probe.counted.as_secs_f64());
    let label = Label { group: probe.group, who: probe.who, round: probe.round, command: &command };
    bench.sample(label, |bench| {
        let (outcome, latency) = once(bench, probe)?;
        found = Some(latency);
        Ok(outcome)
    });
    found
}

fn once(bench: &mut Bench, probe: &Probe<'_>) -> Result<(Outcome, Latency)> {
    let run = bench.next_name();
    let world = &bench.world;
    let open_loop = OpenLoop {
        warm_up: bench.scale.warm_up,
        feeder: bench.feeder.clone(),
        reader: bench.reader.clone(),
        ..OpenLoop::new(probe.rate, probe.counted)
    };
    let input = world.new_input(&run, PARTITIONS)?;
    let names = world.names(&run, &input)?;
    let settings: Vec<(&str, &str)> =
        probe.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let latency = if probe.engine {
        latency::through(world, &names, world.engine(&names, &[], &settings), &open_loop)?
    } else {
        let latency = latency::floor(world, &names, &open_loop)?;
        world.discard(&names)?;
        latency
    };
    let mut outcome = figures(&latency);
    if let Some(file) = &probe.file {
        std::fs::write(bench.path(file), latency.times.hgrm())?;
        outcome.files = vec![file.clone(), PICTURE.to_owned()];
    }
    // On the ladder a feeder that is late is an answer: that rate is too high. A quick run judges no times.
    if !latency.is_valid() && probe.round > 0 && !bench.quick {
        outcome.void = Some("the feeder did not keep to its times".to_owned());
    }
    if probe.beside {
        outcome.figures.retain(|name, _| name.ends_with("_us") || name == "count");
    }
    outcome.account = probe.engine.then_some(names);
    Ok((outcome, latency))
}

fn figures(latency: &Latency) -> Outcome {
    let (times, late) = (latency.times.percentiles(), latency.late.percentiles());
    let (first, last) = latency.backlog();
    let mut outcome = Outcome::of([
        ("p50_us", times.p50 as f64),
        ("p90_us", times.p90 as f64),
        ("p99_us", times.p99 as f64),
        ("p999_us", times.p999 as f64),
        ("max_us", times.max as f64),
        ("count", times.count as f64),
        ("late_p99_us", late.p99 as f64),
        ("late_max_us", late.max as f64),
        ("own_cpu_ns", latency.own_cpu_ns),
        ("backlog_first", first),
        ("backlog_last", last),
    ]);
    if let (Some(cpu), Some(peak)) = (latency.cpu_ns, latency.peak_rss_bytes) {
        outcome.figures.insert("cpu_ns".to_owned(), cpu);
        outcome.figures.insert("peak_rss_bytes".to_owned(), peak as f64);
    }
    outcome
}
