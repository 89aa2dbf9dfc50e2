//! The plain copy: the same records from one topic to another with the same client and settings as the engine, and nothing
//! done to them. What an engine on this client can reach at most; every ratio is against it.

use crate::error::{Error, Result};
use crate::reader::{Reader, Source};
use crate::sender::Sender;
use crate::{settings, usage};
use std::time::{Duration, Instant};

/// What is to be copied.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The cluster.
    pub bootstrap: String,
    /// From its start to its end as it is now.
    pub input: String,
    /// With as many partitions; `None`: the records are only read.
    pub output: Option<String>,
    /// Values shorter than this are filled up with spaces.
    pub pad_to: usize,
    /// Values get this many spaces more: what an engine adds to each.
    pub pad_by: usize,
    /// Client properties of the producer, beside [`settings::PRODUCER`].
    pub producer: Vec<(String, String)>,
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    /// Records, all of them delivered.
    pub records: u64,
    /// Bytes of the values, as read.
    pub value_bytes: u64,
    /// From the first record read to the last delivery report.
    pub took: Duration,
    /// CPU time of this process in all.
    pub cpu: Duration,
    /// The most memory this process had resident.
    pub peak_rss_bytes: u64,
}

impl Copied {
    /// Records a second.
    pub fn rate(&self) -> f64 {
        self.records as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// CPU time a record, in ns.
    pub fn cpu_ns(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.records.max(1) as f64
    }

    /// For programs: one line of JSON.
    pub fn json(&self) -> String {
        serde_json::json!({
            "records": self.records,
            "value_bytes": self.value_bytes,
            "seconds": self.took.as_secs_f64(),
            "records_per_second": self.rate(),
            "cpu_ns_per_record": self.cpu_ns(),
            "peak_rss_bytes": self.peak_rss_bytes,
        })
        .to_string()
    }
}

impl std::fmt::Display for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, peak) = (self.took.as_secs_f64(), self.peak_rss_bytes >> 20);
        let (rate, cpu) = (self.rate(), self.cpu_ns());
        write!(
            f,
            "{} records in {seconds:.2} s: {rate:.0} a second, {cpu:.0} ns of CPU each, at most {peak} MiB",
            self.records
        )
    }
}

const REPORTS_WITHIN: Duration = Duration::from_secs(60);

/// Copies, and waits for every delivery report. CPU and memory are those of the whole process: it should do nothing else.
pub fn copy(copy: &Copy) -> Result<Copied> {
    let producer: Vec<(&str, &str)> = settings::PRODUCER
        .into_iter()
        // As large as any topic allows: the engine derives it from its topics.
        .chain([("message.max.bytes", "10000000")])
        .chain(copy.producer.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .collect();
    let sender = copy.output.as_ref().map(|topic| Sender::new(&copy.bootstrap, topic, &producer));
    let mut sender = sender.transpose()?;
    let (bootstrap, topic) = (copy.bootstrap.as_str(), copy.input.as_str());
    let mut reader =
        Reader::open(&Source { bootstrap, topic, uncommitted: false, properties: &settings::CONSUMER })?;
    check_partitions(copy, &reader)?;
    let (mut records, mut value_bytes) = (0_u64, 0_u64);
    let mut padded = Vec::new();
    let mut started = None;
    let mut last = Instant::now();
    while !reader.is_done() {
        let read = reader.read(Duration::from_millis(settings::BATCH_LINGER_MS), |record| {
            let value = record.value();
            records += 1;
            value_bytes += value.map_or(0, <[u8]>::len) as u64;
            let Some(sender) = &mut sender else { return Ok(()) };
            match value {
                Some(value) if value.len() < copy.pad_to || copy.pad_by > 0 => {
                    padded.clear();
                    padded.extend_from_slice(value);
                    padded.resize((value.len() + copy.pad_by).max(copy.pad_to), b' ');
                    sender.send(record, Some(&padded))
                }
                value => sender.send(record, value),
            }
        })?;
        if let Some(sender) = &mut sender {
            sender.serve(Duration::ZERO)?;
        }
        if read > 0 {
            started.get_or_insert(last);
            last = Instant::now();
        } else if last.elapsed() > REPORTS_WITHIN {
            return Err(Error(format!("nothing came from {topic} for {REPORTS_WITHIN:?}")));
        }
        if started.is_none() {
            last = Instant::now();
        }
    }
    if let Some(sender) = &mut sender {
        sender.finish(REPORTS_WITHIN)?;
        assert_eq!(sender.counts(), (records, records), "each record has its report");
    }
    let peak_rss_bytes = usage::peak_rss_bytes(std::process::id()).unwrap_or(0);
    let took = started.map_or(Duration::ZERO, |started| started.elapsed());
    Ok(Copied { records, value_bytes, took, cpu: usage::cpu(), peak_rss_bytes })
}

fn check_partitions(copy: &Copy, reader: &Reader) -> Result<()> {
    let Some(output) = &copy.output else { return Ok(()) };
    match crate::topics::Topics::new(&copy.bootstrap)?.partitions(output)? {
        None => Err(Error(format!("there is no topic {output}"))),
        Some(count) if count < reader.partitions() => Err(Error(format!(
            "{output} has fewer partitions than {}: each record keeps its own",
            copy.input
        ))),
        Some(_) => Ok(()),
    }
}
