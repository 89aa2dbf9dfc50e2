//! Batch size and linger, one at a time: what each gives and what it takes.

use crate::bench::Bench;
use crate::cases::{Case, Input, Job, rounds};
use crate::latency::{Probe, run};
use crate::options::Part;
use perf::error::Result;
use perf::world::PARTITIONS;

/// At which latency is measured.
const RATE: u32 = 100_000;

/// One variable and the values that it takes in turn.
const SWEPT: [(&str, &[&str]); 3] = [
    ("GRISTMILL_BATCH_SIZE", &["512", "1024", "2048", "4096", "8192", "16384"]),
    ("GRISTMILL_BATCH_LINGER", &["1ms", "2ms", "5ms", "20ms"]),
    ("KAFKA_PRODUCER__linger_ms", &["0", "1", "3", "5", "20"]),
];

pub(crate) fn measure(bench: &mut Bench) -> Result<()> {
    let (events, count) = (bench.scale.events, bench.scale.sweep_rounds);
    let rate = if bench.quick { RATE / 5 } else { RATE };
    bench.begin_part(
        Part::Batching,
        &[("events", events.to_string()), ("rounds", count.to_string()), ("latency at", format!("{rate}/s"))],
    )?;
    let input = Input { topic: bench.common_input()?, partitions: PARTITIONS, events };
    let engine = || Job::Engine { processes: 1 };
    let mut cases = vec![Case::new("", "defaults", engine(), &input)];
    for (name, values) in SWEPT {
        for value in values {
            cases.push(Case::new("", &format!("{name}={value}"), engine(), &input).with(name, value));
        }
    }
    if bench.quick {
        cases.truncate(2);
    }
    rounds(bench, &cases, count, false)?;
    for case in &cases {
        let counted = bench.scale.seconds.min(2 * bench.scale.rung);
        let settings = &case.settings;
        let probe = Probe {
            group: "",
            who: &case.who,
            round: 1,
            rate,
            counted,
            engine: true,
            settings,
            file: None,
            beside: true,
        };
        run(bench, &probe);
    }
    Ok(())
}
