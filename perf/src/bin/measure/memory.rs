//! Resident memory over minutes at full speed, for each kind of record, and while nothing can be delivered.
//!
//! One process is kept busy with a topic that is read again and again. A group's offsets can be altered only while it has no
//! members, so at the end of the topic the process is frozen (SIGSTOP) until its session is over, the offsets are set back,
//! and it goes on: it finds itself put out of the group, joins again, and reads from the start. Frozen time is not counted.

use crate::bench::{Bench, Label, Outcome};
use crate::options::Part;
use crate::throughput::filled;
use perf::child::{Child, SIGCONT, SIGSTOP, SIGTERM};
use perf::error::Result;
use perf::events::Shape;
use perf::figures::Spread;
use perf::fill::{Fill, fill};
use perf::picture;
use perf::topics::wait_until;
use perf::usage::rss_bytes;
use perf::world::{Names, PARTITIONS, PEAK_BYTES_MAX, clean_exit, died};
use std::fmt::Write;
use std::time::{Duration, Instant};

const PICTURE: &str = "memory.svg";

/// What the outputs keep of each partition.
const KEPT: [(&str, &str); 2] = [("retention.bytes", "134217728"), ("segment.bytes", "33554432")];

/// A kind of record.
struct Kind {
    name: &'static str,
    file: &'static str,
    /// Sizes in turn; 0: as they come.
    sizes: &'static [usize],
    random_padding: f64,
    compression: &'static str,
    /// Whether the broker is frozen under load, instead of minutes at full speed.
    stopped: bool,
}

const KINDS: [Kind; 8] = [
    Kind::plain("185 B", "185b", &[0]),
    Kind::plain("10 KB", "10kb", &[10_000]),
    Kind::plain("100 KB", "100kb", &[100_000]),
    Kind::plain("900 KB", "900kb", &[900_000]),
    Kind::plain("mixed sizes", "mixed", &[0, 10_000, 100_000, 900_000]),
    Kind { random_padding: 0.04, compression: "zstd", ..Kind::plain("10 KB, input zstd", "zstd", &[10_000]) },
    Kind { stopped: true, ..Kind::plain("185 B, sink stopped", "185b-stopped", &[0]) },
    Kind { stopped: true, ..Kind::plain("900 KB, sink stopped", "900kb-stopped", &[900_000]) },
];

impl Kind {
    const fn plain(name: &'static str, file: &'static str, sizes: &'static [usize]) -> Kind {
        Kind { name, file, sizes, random_padding: 1.0, compression: "none", stopped: false }
    }
}

/// What was seen once a second.
struct Seen {
    seconds: f64,
    busy: f64,
    rss: u64,
    written: i64,
}

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let minutes = bench.scale.memory.as_secs_f64() / 60.0;
    let settings = [
        ("minutes at full speed", format!("{minutes:.1}")),
        ("small records", bench.scale.memory_events.to_string()),
        ("bytes of large records", bench.scale.memory_bytes.to_string()),
    ];
    bench.begin_part(Part::Memory, &settings)?;
    let mut lines = Vec::new();
    let (own, quick) = (bench.world.broker.is_own(), bench.quick);
    for kind in KINDS.iter().filter(|kind| !quick || ["185b", "mixed", "185b-stopped"].contains(&kind.file)) {
        if kind.stopped && !own {
            bench.note(format!("{}: left out, the broker is not ours to freeze.", kind.name));
            continue;
        }
        let (names, ratio) = prepared(bench, kind)?;
        let engine = bench.world.engine(&names, &[], &session(own));
        let command = engine.line();
        let label = Label { group: "", who: kind.name, round: 1, command: &command };
        let mut seen = Vec::new();
        bench.sample(label, |bench| {
            let file = format!("memory-{}.csv", kind.file);
            let child = engine.start()?;
            let watched = if kind.stopped {
                stopped(bench, &names, &child, &mut seen)
            } else {
                busy(bench, &names, &child, &mut seen)
            };
            std::fs::write(bench.path(&file), csv(&seen))?;
            watched?;
            child.signal(SIGTERM);
            let exit = clean_exit(&child)?;
            let mut outcome = figures(&seen, exit.peak_rss_bytes, bench.scale.memory);
            outcome.figures.insert("compression_ratio".to_owned(), ratio);
            outcome.files = vec![file, PICTURE.to_owned()];
            Ok(outcome)
        });
        bench.world.discard(&names)?;
        bench.world.topics.delete(&names.input)?;
        lines.push((kind.name.to_owned(), seen.iter().map(|one| (one.seconds, one.rss as f64)).collect()));
    }
    picture::memory(&bench.path(PICTURE), &lines, PEAK_BYTES_MAX as f64)
}

/// The shortest that the broker allows, so that little time is lost.
fn session(own: bool) -> [(&'static str, &'static str); 1] {
    [("KAFKA_SESSION_TIMEOUT", if own { "3000" } else { "6000" })]
}

/// A filled input, outputs that keep little, and how much smaller the input is on disk than its values.
fn prepared(bench: &mut Bench, kind: &Kind) -> Result<(Names, f64)> {
    let shape = |pad_to| Shape { pad_to, random_padding: kind.random_padding, ..Shape::default() };
    let codec = [("compression.type", kind.compression)];
    let run = format!("memory-{}", kind.file);
    let each = bench.scale.memory_bytes / kind.sizes.len() as u64;
    let most = |size: usize| match size {
        0 if kind.sizes.len() == 1 => bench.scale.memory_events,
        0 => bench.scale.memory_events / 10,
        size => u32::try_from(each / size as u64).unwrap_or(u32::MAX).max(20),
    };
    let input = filled(bench, &run, PARTITIONS, 0, shape(0), &codec)?;
    // Many short stretches: all sizes are under way together.
    let stretches: u32 = if bench.quick { 3 } else { 20 };
    let mut bytes = 0;
    for stretch in 0..stretches {
        for size in kind.sizes {
            let mut order = Fill::new(&bench.world.bootstrap, &input.topic, most(*size).div_ceil(stretches));
            order.first = stretch * order.count;
            order.shape = Shape { seed: bench.seed, ..shape(*size) };
            order.properties = codec.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            bytes += fill(&order)?.value_bytes;
        }
    }
    let disk = bench.world.broker.disk_bytes(&input.topic).unwrap_or(bytes);
    Ok((bench.world.names_of(&run, &input.topic, PARTITIONS, &KEPT)?, bytes as f64 / disk.max(1) as f64))
}

/// Looks once a second, and lets it begin again when it has come to the end.
fn busy(bench: &Bench, names: &Names, child: &Child, seen: &mut Vec<Seen>) -> Result<()> {
    let world = &bench.world;
    let started = Instant::now();
    let input = world.topics.written_total(&[&names.input])?;
    let (mut busy, mut written, mut passes) = (0.0, 0, 0);
    while busy < bench.scale.memory.as_secs_f64() {
        let looked = Instant::now();
        std::thread::sleep(Duration::from_secs(1));
        let now = world.written(names)?;
        let moved = now > written;
        if moved {
            busy += looked.elapsed().as_secs_f64();
        }
        written = now;
        look(seen, child, started, busy, now)?;
        // A broker that takes its time is no end of the topic.
        if !moved && written >= (passes + 1) * input {
            passes += 1;
            rewind(bench, names, child)?;
        }
        let stuck = seen.iter().rev().take_while(|one| one.busy == busy).count();
        if stuck > 60 {
            return Err(died(child, "nothing has come out for a minute"));
        }
    }
    Ok(())
}

fn rewind(bench: &Bench, names: &Names, child: &Child) -> Result<()> {
    const WITHIN: Duration = Duration::from_secs(60);
    child.signal(SIGSTOP);
    let start = vec![0; bench.world.topics.ends(&names.input)?.len()];
    // Refused as long as the group has a member.
    let altered = wait_until("the group still has a member", WITHIN, || {
        Ok(bench.world.topics.commit(&names.group, &names.input, &start).is_ok())
    });
    child.signal(SIGCONT);
    altered
}

/// Full speed for a while, then a broker that does not answer, then one that does. It freezes before half of the input is
/// done, so that there is something left to be delivered.
fn stopped(bench: &Bench, names: &Names, child: &Child, seen: &mut Vec<Seen>) -> Result<()> {
    let world = &bench.world;
    let half = world.topics.written_total(&[&names.input])? / 2;
    world.wait_for_written(names, child, 0)?;
    let started = Instant::now();
    let mut written = world.written(names)?;
    while started.elapsed() < bench.scale.stopped / 10 && written < half {
        std::thread::sleep(Duration::from_millis(10));
        written = world.written(names)?;
    }
    look(seen, child, started, 0.0, written)?;
    world.broker.pause()?;
    let paused = Instant::now();
    let mut watched = Ok(());
    while watched.is_ok() && paused.elapsed() < bench.scale.stopped {
        std::thread::sleep(Duration::from_secs(1));
        watched = look(seen, child, started, 0.0, written);
    }
    world.broker.resume()?;
    watched?;
    world.wait_for_written(names, child, world.written(names)?)
}

fn look(seen: &mut Vec<Seen>, child: &Child, started: Instant, busy: f64, written: i64) -> Result<()> {
    let rss = rss_bytes(child.pid().unsigned_abs()).filter(|_| child.is_running());
    let rss = rss.ok_or_else(|| died(child, "it ended by itself"))?;
    seen.push(Seen { seconds: started.elapsed().as_secs_f64(), busy, rss, written });
    Ok(())
}

/// What is resident swings with what the queues hold just then: in 18 runs of ten minutes the medians of the second and the last minute
/// differed by up to 17 MiB, in both directions, those of three minutes by 9 at most. So long stretches are compared: three tenths of
/// the time after the first tenth, and the last three tenths.
fn figures(seen: &[Seen], peak: u64, whole: Duration) -> Outcome {
    let tenth = whole.as_secs_f64() / 10.0;
    let stretch = 3.0 * tenth;
    let (busy, records) = seen.last().map_or((0.0, 0), |last| (last.busy, last.written));
    let mut outcome = Outcome::of([
        ("peak_rss_bytes", peak as f64),
        ("limit_bytes", PEAK_BYTES_MAX as f64),
        ("busy_s", busy),
        ("records", records as f64),
    ]);
    for (name, from) in [("early_rss_bytes", tenth), ("late_rss_bytes", busy - stretch)] {
        let looks = seen.iter().filter(|one| one.busy > 0.0 && (from..=from + stretch).contains(&one.busy));
        let looks: Vec<f64> = looks.map(|one| one.rss as f64).collect();
        if !looks.is_empty() {
            outcome.figures.insert(name.to_owned(), Spread::of(&looks).middle);
        }
    }
    outcome
}

fn csv(seen: &[Seen]) -> String {
    let mut text = "seconds,busy_seconds,rss_bytes,records_out\n".to_owned();
    for Seen { seconds, busy, rss, written } in seen {
        writeln!(text, "{seconds:.1},{busy:.1},{rss},{written}").expect("a String takes all");
    }
    text
}
