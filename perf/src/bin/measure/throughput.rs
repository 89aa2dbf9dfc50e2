//! Parts that compare programs over filled topics: against the copy, by threads and processes, by size, by compression.

use crate::bench::{Bench, root};
use crate::cases::{Case, Input, Job, rounds};
use crate::options::Part;
use perf::error::Result;
use perf::events::Shape;
use perf::fill::{Fill, fill};
use perf::world::PARTITIONS;

const ENGINE: Job = Job::Engine { processes: 1 };

/// Of the peer, below the repository's root, once it is built.
const PEER: &str = "target/peers/franz-go";

pub(crate) fn throughput(bench: &mut Bench) -> Result<()> {
    let (events, count) = (bench.scale.events, bench.scale.rounds);
    bench.begin_part(
        Part::Throughput,
        &[
            ("events", events.to_string()),
            ("partitions", PARTITIONS.to_string()),
            ("rounds", count.to_string()),
        ],
    )?;
    let input = Input { topic: bench.common_input()?, partitions: PARTITIONS, events };
    // Every line of the table; a further way to deliver is a further line.
    let mut cases = vec![
        Case::new("", "copy", Job::Copy, &input),
        Case::new("", "copy again", Job::Copy, &input),
        Case::new("", "consume only", Job::Consume, &input),
        Case::new("", "produce only", Job::Produce, &input),
        Case::new("", "gristmill, at least once", ENGINE, &input),
        Case::new("", "gristmill, exactly once", ENGINE, &input)
            .with("GRISTMILL_DELIVERY", "exactly-once")
            .with("GRISTMILL_INSTANCE_ID", "measure"),
    ];
    let peer = root().join(PEER);
    if peer.exists() {
        cases.push(Case::new("", "franz-go", Job::Peer(peer), &input));
    } else {
        bench.note(format!("The peer written with franz-go was left out: {PEER} is not built."));
    }
    // The warm-up is for the broker's compiler.
    rounds(bench, &cases, count, !bench.quick)
}

pub(crate) fn scaling(bench: &mut Bench) -> Result<()> {
    const WIDE: i32 = 12;
    let (events, count) = (bench.scale.events, bench.scale.sweep_rounds);
    bench.begin_part(
        Part::Scaling,
        &[("events", events.to_string()), ("partitions", WIDE.to_string()), ("rounds", count.to_string())],
    )?;
    let input = filled(bench, "wide", WIDE, events, Shape::default(), &[])?;
    let threads = |who: &str, threads: u32| {
        Case::new("", who, ENGINE, &input).with("GRISTMILL_SOURCE_THREADS", threads)
    };
    let processes = |who: &str, processes: u32| Case::new("", who, Job::Engine { processes }, &input);
    let mut cases = vec![
        Case::new("", "1 process, 1 source thread", ENGINE, &input),
        threads("2 source threads", 2),
        threads("4 source threads", 4),
        processes("2 processes", 2),
        processes("4 processes", 4),
    ];
    if bench.quick {
        cases.retain(|case| !case.who.starts_with('4'));
    }
    let measured = rounds(bench, &cases, count, false);
    bench.world.topics.delete(&input.topic)?;
    measured
}

pub(crate) fn sizes(bench: &mut Bench) -> Result<()> {
    let (events, count) = (bench.scale.events, bench.scale.sweep_rounds);
    // No more bytes than of the common events, no more events either.
    let bytes = u64::from(events) * 300;
    let most = |size: u64| events.min(u32::try_from(bytes / size).unwrap_or(u32::MAX)).max(500);
    bench.begin_part(
        Part::Sizes,
        &[
            ("events", format!("up to {events}, up to {} MB of them", bytes / 1_000_000)),
            ("rounds", count.to_string()),
        ],
    )?;
    let mut sizes = vec![
        ("100 B", Shape { compact: true, ..Shape::default() }, events),
        ("185 B", Shape::default(), events),
        ("1 KB", Shape { pad_to: 1_000, ..Shape::default() }, most(1_000)),
        ("10 KB", Shape { pad_to: 10_000, ..Shape::default() }, most(10_000)),
        ("100 KB", Shape { pad_to: 100_000, ..Shape::default() }, most(100_000)),
    ];
    if bench.quick {
        sizes = vec![sizes.remove(0), sizes.remove(3)];
    }
    let mut cases = Vec::new();
    for (name, shape, events) in sizes {
        let input = filled(bench, &format!("size-{}", cases.len()), PARTITIONS, events, shape, &[])?;
        cases.push(Case::new(name, "copy", Job::Copy, &input));
        cases.push(Case::new(name, "gristmill", ENGINE, &input));
    }
    let measured = rounds(bench, &cases, count, false);
    for case in cases.iter().step_by(2) {
        bench.world.topics.delete(&case.input.topic)?;
    }
    measured
}

pub(crate) fn compression(bench: &mut Bench) -> Result<()> {
    let (events, count) = (bench.scale.events, bench.scale.sweep_rounds);
    bench.begin_part(Part::Compression, &[("events", events.to_string()), ("rounds", count.to_string())])?;
    let input = Input { topic: bench.common_input()?, partitions: PARTITIONS, events };
    let mut codecs = vec!["none", "lz4", "zstd"];
    if bench.quick {
        codecs.remove(0);
    }
    let mut cases = Vec::new();
    for codec in codecs {
        cases.push(Case::new(codec, "copy", Job::Copy, &input).with("compression.type", codec));
        cases.push(Case::new(codec, "gristmill", ENGINE, &input).with("KAFKA_COMPRESSION", codec));
    }
    rounds(bench, &cases, count, false)
}

/// An input of its own.
pub(crate) fn filled(
    bench: &Bench,
    name: &str,
    partitions: i32,
    events: u32,
    shape: Shape,
    properties: &[(&str, &str)],
) -> Result<Input> {
    eprintln!("filling in {events} events");
    let topic = bench.world.new_input(name, partitions)?;
    let mut order = Fill::new(&bench.world.bootstrap, &topic, events);
    order.shape = Shape { seed: bench.seed, ..shape };
    order.properties =
        properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    fill(&order)?;
    Ok(Input { topic, partitions, events })
}
