//! `kafka-producer-perf-test`: the load program that comes with Kafka, by itself and feeding the engine.

use crate::bench::{Bench, Label, Outcome};
use crate::options::Part;
use perf::broker::kafka_program;
use perf::child::{Child, Spawn};
use perf::error::{Error, Result};
use perf::events::{Shape, device_id_at};
use perf::fill::{Fill, fill};
use perf::run::Outflow;
use perf::world::{Names, PARTITIONS, RUN_WITHIN, clean_exit, died};
use std::path::Path;
use std::time::{Duration, Instant};

const CLASS: &str = "org.apache.kafka.tools.ProducerPerformance";

/// Different payloads; the program picks one of them for each record.
const PAYLOADS: u32 = 100_000;

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let (events, rounds) = (bench.scale.events, bench.scale.rounds.min(3));
    bench.begin_part(
        Part::Classic,
        &[
            ("events", events.to_string()),
            ("partitions", PARTITIONS.to_string()),
            ("rounds", rounds.to_string()),
        ],
    )?;
    bench.set_order(&[("", "by itself"), ("", "feeding gristmill")]);
    if let Err(unavailable) = kafka_program(CLASS, &[]) {
        bench.note(format!("Left out: there is no Kafka to take the program from ({}).", unavailable.0));
        return Ok(());
    }
    let payloads = std::env::temp_dir().join(format!("gristmill-payloads-{}", std::process::id()));
    write_payloads(&payloads, bench.seed)?;
    for round in 1..=rounds {
        for who in ["by itself", "feeding gristmill"] {
            let run = bench.next_name();
            let input = bench.world.new_input(&run, PARTITIONS)?;
            let names = bench.world.names(&run, &input)?;
            let load = load(&bench.world.bootstrap, &input, &payloads, events)?;
            let command = load.line();
            let label = Label { group: "", who, round, command: &command };
            bench.sample(label, |bench| match who {
                "by itself" => alone(load),
                _ => feeding(bench, &names, load),
            });
            if who == "by itself" {
                bench.world.discard(&names)?;
            }
            bench.world.topics.delete(&input)?;
        }
    }
    std::fs::remove_file(&payloads)?;
    Ok(())
}

/// One event a line. Payloads are sent many times over, so they have no number: the ledger tells them by what they are.
fn write_payloads(path: &Path, seed: u64) -> Result<()> {
    let shape = Shape { seed, ..Shape::default() };
    let (mut text, mut value) = (Vec::new(), Vec::new());
    for number in 0..PAYLOADS {
        shape.value(number, &mut value);
        let at = device_id_at(&value).ok_or_else(|| Error::new("an event has a device_id"))?;
        // No longer of the form 000-00-0000.
        value[at + 4] = b'.';
        text.extend_from_slice(&value);
        text.push(b'\n');
    }
    Ok(std::fs::write(path, text)?)
}

fn load(bootstrap: &str, topic: &str, payloads: &Path, events: u32) -> Result<Spawn> {
    let spawn = kafka_program(CLASS, &["-Xmx512m"]).map_err(|error| Error(error.0))?;
    let (events, payloads) = (events.to_string(), payloads.display().to_string());
    let spawn = spawn.args([
        "--topic",
        topic,
        "--num-records",
        &events,
        "--throughput",
        "-1",
        "--payload-file",
        &payloads,
    ]);
    let servers = format!("bootstrap.servers={bootstrap}");
    Ok(spawn.args(["--producer-props", &servers, "acks=all", "linger.ms=5", "batch.size=262144"]))
}

fn alone(load: Spawn) -> Result<Outcome> {
    let load = load.start()?;
    finished(&load)
}

/// The program's own last word, and its CPU time.
fn finished(load: &Child) -> Result<Outcome> {
    let exit = load
        .wait(RUN_WITHIN)
        .filter(|exit| exit.is_success())
        .ok_or_else(|| died(load, "the load failed"))?;
    let lines = load.stdout();
    let (sent, rate) =
        lines.iter().rev().find_map(|line| last_word(line)).ok_or_else(|| died(load, "it said nothing"))?;
    let cpu_ns = exit.cpu.as_nanos() as f64 / sent.max(1.0);
    Ok(Outcome::of([("records", sent), ("producer_rate", rate), ("producer_cpu_ns", cpu_ns)]))
}

/// `3000000 records sent, 512345.6 records/sec (90.1 MB/sec), …, 12 ms 99.9th.`
fn last_word(line: &str) -> Option<(f64, f64)> {
    let (sent, rest) = line.split_once(" records sent, ").filter(|_| line.contains("99.9th"))?;
    let (rate, _) = rest.split_once(" records/sec")?;
    Some((sent.trim().parse().ok()?, rate.trim().parse().ok()?))
}

/// The engine has joined and has put something out before the load starts.
fn feeding(bench: &Bench, names: &Names, load: Spawn) -> Result<Outcome> {
    const FIRST: u32 = 100;
    let world = &bench.world;
    let engine = world.engine(names, &[], &[]).start()?;
    fill(&Fill::new(&world.bootstrap, &names.input, FIRST))?;
    world.wait_for_written(names, &engine, i64::from(FIRST) - 1)?;
    let load = load.start()?;
    let mut outflow = Outflow::above(i64::from(FIRST));
    let mut ended: Option<(Instant, i64)> = None;
    let started = Instant::now();
    loop {
        let (over, written) = (!load.is_running(), world.written(names)?);
        let now = Instant::now();
        outflow.seen(now, written);
        if over {
            let all = world.topics.written_total(&[&names.input])?;
            ended.get_or_insert((now, all - written));
            if written >= all {
                break;
            }
        }
        if !engine.is_running() || started.elapsed() > RUN_WITHIN {
            return Err(died(&engine, "not everything came out"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut outcome = finished(&load)?;
    engine.signal(perf::child::SIGTERM);
    let exit = clean_exit(&engine)?;
    let last = outflow.last();
    let ended = ended.unwrap_or((last.0, 0));
    let more = [
        ("rate", outflow.rate()),
        ("backlog", ended.1 as f64),
        ("catch_up_s", last.0.saturating_duration_since(ended.0).as_secs_f64()),
        ("cpu_ns", exit.cpu.as_nanos() as f64 / last.1 as f64),
        ("peak_rss_bytes", exit.peak_rss_bytes as f64),
    ];
    outcome.figures.extend(more.map(|(name, figure)| (name.to_owned(), figure)));
    outcome.account = Some(names.clone());
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::last_word;

    #[test]
    fn the_last_line_is_understood_and_those_before_are_not_taken_for_it() {
        let last = "3000000 records sent, 512345.6 records/sec (90.12 MB/sec), 20.1 ms avg latency, 300.0 ms max latency, 12 ms 50th, \
                    80 ms 95th, 120 ms 99th, 200 ms 99.9th.";
        assert_eq!(last_word(last), Some((3_000_000.0, 512_345.6)));
        let before =
            "1000 records sent, 200.0 records/sec (0.04 MB/sec), 2.0 ms avg latency, 30.0 ms max latency.";
        assert_eq!(last_word(before), None);
    }
}
