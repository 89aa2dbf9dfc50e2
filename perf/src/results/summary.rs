//! `summary.md`: the tables, each with its method, and what they do not show.

use super::table::{Column, table};
use super::{Machine, PartResults, Raw};
use std::fmt::Write;

/// A part in the summary.
struct Section {
    part: &'static str,
    title: &'static str,
    method: &'static str,
    reference: Option<&'static str>,
    columns: &'static [Column],
    pictures: &'static [(&'static str, &'static str)],
}

const RATE: Column = Column { figure: "rate", title: "records/s", show: whole, range: true, ratio: true };
const CPU: Column =
    Column { figure: "cpu_ns", title: "CPU, ns a record", show: whole, range: true, ratio: true };
const PEAK: Column =
    Column { figure: "peak_rss_bytes", title: "peak MiB", show: mib, range: false, ratio: false };
const DISK: Column =
    Column { figure: "disk_bytes", title: "output on disk, MiB", show: mib, range: false, ratio: true };

const fn plain(figure: &'static str, title: &'static str, show: fn(f64) -> String) -> Column {
    Column { figure, title, show, range: false, ratio: false }
}

const SECTIONS: &[Section] = &[
    Section {
        part: "throughput",
        title: "Throughput and CPU a record",
        method: "Each reads the same prefilled topic from its start; records a second are counted at the end offsets of the \
                 output topics, from the first record to the last (`consume only`: at the reader), CPU is that of the client's \
                 process. Rounds are interleaved and shuffled; medians, in parentheses the range; ratios are to the copy of the same \
                 round. `copy again` is the same copy once more: a ratio that differs from 1 by no more than its range is no \
                 difference.",
        reference: Some("copy"),
        columns: &[RATE, CPU, PEAK],
        pictures: &[],
    },
    Section {
        part: "classic",
        title: "kafka-producer-perf-test",
        method: "Kafka's own load program (`ProducerPerformance`, acks=all, unlimited), once by itself and once while the engine \
                 reads what it writes. The engine's rate is counted at the output topics; the backlog is what had not come out \
                 when the program ended, and how long that then took.",
        reference: None,
        columns: &[
            Column {
                figure: "producer_rate",
                title: "producer, records/s",
                show: whole,
                range: true,
                ratio: false,
            },
            Column { figure: "rate", title: "engine, records/s", show: whole, range: true, ratio: false },
            plain("backlog", "backlog at its end, records", whole),
            plain("catch_up_s", "worked off in, s", seconds),
            plain("producer_cpu_ns", "producer's CPU, ns a record", whole),
            plain("cpu_ns", "engine's CPU, ns a record", whole),
        ],
        pictures: &[],
    },
    Section {
        part: "latency",
        title: "Latency",
        method: "Open loop: each event has an intended time of sending; its latency runs from there to when a reader has it from \
                 the output topic, so a delay anywhere is in every event that it holds up. Default settings. `broker alone`: the \
                 reader follows the input topic itself. The feeder sends what is due once a millisecond (linger.ms=1). A row does not count when the feeder was more than 5 ms late at its 99th \
                 percentile.",
        reference: None,
        columns: &[
            plain("p50_us", "p50 ms", ms),
            plain("p90_us", "p90 ms", ms),
            plain("p99_us", "p99 ms", ms),
            plain("p999_us", "p99.9 ms", ms),
            plain("max_us", "max ms", ms),
            plain("late_p99_us", "feeder late, p99 ms", ms),
            plain("cpu_ns", "engine's CPU, ns a record", whole),
            plain("count", "events", whole),
        ],
        pictures: &[("latency.svg", "Latency by percentile")],
    },
    Section {
        part: "memory",
        title: "Memory",
        method: "One process at full speed: when it has read its topic to the end, the group's offsets are set back to the start. \
                 Resident memory is read from the kernel once a second. It swings with what the queues hold, so long stretches are \
                 compared, by their medians: early is the second to fourth tenth of the time at full speed, late the last three. Output topics keep little, so these runs have no ledger; \
                 required are an exit with code 0 and, at the end of each pass, at least as many records out as in. `sink stopped`: the broker is frozen (SIGSTOP) under \
                 full load.",
        reference: None,
        columns: &[
            plain("early_rss_bytes", "early, MiB", mib),
            plain("late_rss_bytes", "late, MiB", mib),
            plain("peak_rss_bytes", "peak, MiB", mib),
            plain("limit_bytes", "limit + 64, MiB", mib),
            plain("busy_s", "at full speed, s", whole),
            plain("records", "records", whole),
            plain("compression_ratio", "input compressed", ratio_to_one),
        ],
        pictures: &[("memory.svg", "Resident memory over time")],
    },
    Section {
        part: "scaling",
        title: "Source threads and processes",
        method: "As throughput, over 12 partitions: one process with more source threads, and more processes in one group, started \
                 together. The cores are shared with the broker.",
        reference: Some("1 process, 1 source thread"),
        columns: &[RATE, CPU, PEAK],
        pictures: &[],
    },
    Section {
        part: "sizes",
        title: "Record sizes",
        method: "As throughput, over the same number of bytes or events for each size; the copy's values are padded to the engine's output.",
        reference: Some("copy"),
        columns: &[RATE, CPU, PEAK],
        pictures: &[],
    },
    Section {
        part: "compression",
        title: "Compression of what is produced",
        method: "As throughput, with `KAFKA_COMPRESSION` for the engine and the same for the copy; the input is not compressed. On disk is \
                 what the output topic takes at the broker.",
        reference: Some("copy"),
        columns: &[RATE, CPU, PEAK, DISK],
        pictures: &[],
    },
    Section {
        part: "batching",
        title: "Batch size and linger",
        method: "As throughput, one setting changed at a time; beside it the latency of each at a fixed rate.",
        reference: Some("defaults"),
        columns: &[
            RATE,
            CPU,
            plain("p50_us", "p50 ms", ms),
            plain("p99_us", "p99 ms", ms),
            plain("p999_us", "p99.9 ms", ms),
            plain("late_p99_us", "feeder late, p99 ms", ms),
        ],
        pictures: &[],
    },
];

const NOT_SHOWN: &str = "\
- Broker, client and reader share one machine and its cores. Ratios hold between things run in turn here; a records-per-second figure \
by itself says nothing about another machine, or about a cluster.
- One broker, replication 1, no network, no TLS: no wait for followers, no slow link, no leader that moves.
- The plain copy reads and produces in one thread, has no group and commits nothing. It is a reference, not a limit of physics.
- Start and join of the group are not in the rates. Records a second are seen from outside every 10 ms: runs of less than a second are too \
coarse to compare.
- Resident memory is what the kernel says; it includes the allocator's reserve, not the broker's page cache.
- Memory runs have no ledger: their outputs are deleted as they are written.
- One shape of event (login events with 5 % refused) and one contract. Others cost what they cost.
- Latency ends at a reader with a connection of its own on the same machine; what a consumer does after that is not in it.
- Load and steal time of each run are in `raw.json`. Where they are high, repeat the run.
";

/// The whole text.
pub fn summary(raw: &Raw, machine: &Machine) -> String {
    let mut text = format!(
        "# Measured on {}\n\n{}, {} cores, {} MiB of memory, Linux {}. {}; {}; librdkafka {}; Kafka {}; {}.\n\n\
         Every single run is in [raw.json](raw.json), what it ran on in [machine.json](machine.json). A run whose ledger is not clean (an event \
         lost, repeated, misplaced or out of order) does not count.\n",
        machine.short_name(),
        machine.cpu,
        machine.cores,
        machine.memory_mb,
        machine.kernel,
        machine.gristmill,
        machine.rustc,
        machine.librdkafka,
        machine.kafka,
        machine.java,
    );
    for section in SECTIONS {
        if let Some(part) = raw.parts.iter().find(|part| part.part == section.part) {
            text += &told(section, part);
        }
    }
    let missing: Vec<&str> = SECTIONS
        .iter()
        .filter(|section| !raw.parts.iter().any(|part| part.part == section.part))
        .map(|section| section.part)
        .collect();
    write!(text, "\n## What this does not show\n\n{NOT_SHOWN}").expect("a String takes all");
    if !missing.is_empty() {
        writeln!(text, "- Parts that were not measured: {}.", missing.join(", "))
            .expect("a String takes all");
    }
    text
}

fn told(section: &Section, part: &PartResults) -> String {
    let mut text = format!("\n## {}\n\n", section.title);
    let settings = part.settings.iter().filter(|(name, _)| *name != "order");
    let settings: Vec<String> = settings.map(|(name, value)| format!("{name} {value}")).collect();
    let revision = part.gristmill.split_once("revision ").map_or("unknown", |(_, revision)| revision);
    let mut push = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a String takes all");
    push(format_args!("{} (`{}`, revision {revision}): {}.\n", part.date, part.command, settings.join(", ")));
    push(format_args!("{}\n\n", section.method));
    push(format_args!("{}", table(part, section.columns, section.reference)));
    for (file, title) in section.pictures {
        if part.runs.iter().any(|run| run.files.iter().any(|name| name == file)) {
            push(format_args!("\n![{title}]({file})\n"));
        }
    }
    let void: Vec<String> = part
        .runs
        .iter()
        .filter_map(|run| Some((run, run.void.as_ref()?)))
        .map(|(run, why)| format!("{} {}, round {}: {why}", run.group, run.who, run.round).trim().to_owned())
        .collect();
    let notes: Vec<&String> = part.notes.iter().chain(&void).collect();
    if !notes.is_empty() {
        push(format_args!("\n"));
    }
    for note in notes {
        push(format_args!("- {}\n", note.lines().next().unwrap_or_default()));
    }
    if !part.complete {
        push(format_args!("- This part was broken off.\n"));
    }
    text
}

/// With a comma between thousands.
fn whole(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn mib(bytes: f64) -> String {
    format!("{:.0}", bytes / f64::from(1 << 20))
}

fn ms(us: f64) -> String {
    format!("{:.1}", us / 1000.0)
}

fn seconds(figure: f64) -> String {
    format!("{figure:.2}")
}

fn ratio_to_one(figure: f64) -> String {
    format!("{figure:.0} to 1")
}

#[cfg(test)]
mod tests;
