//! The table of all metrics: what is served under `/metrics`, and what the documentation says of it.

/// One metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricDescription {
    /// The family's name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: MetricKind,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// The labels that tell its series apart, besides a histogram's `le`.
    pub labels: &'static [&'static str],
}

/// The type of a metric, in Prometheus' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, from 0 at the process's start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations up to fixed bounds, with their sum.
    Histogram,
}

impl MetricKind {
    /// The word in `# TYPE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

/// Every metric there is, in the order of the documentation.
pub fn descriptions() -> &'static [MetricDescription] {
    ALL
}

/// All metrics as a Markdown table, for the documentation.
pub fn markdown_table() -> String {
    let mut table = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for metric in ALL {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, labels) = (metric.name, metric.kind.as_str(), labels.join(", "));
        table.push_str(&format!("| `{name}` | {kind} | {labels} | {} |\n", metric.help));
    }
    table
}

macro_rules! metrics {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(super) const $constant: MetricDescription = MetricDescription {
            name: $name,
            kind: MetricKind::$kind,
            help: $help,
            labels: &[$($label),*],
        };)*
        static ALL: &[MetricDescription] = &[$($constant),*];
    };
}

metrics! {
    PROCESSED: Counter "kafka_messages_processed_total" ["result"]
        "Records settled: delivered to the output topic, tombstones included (success), or to the dead letter topic (dlq)";
    PROCESSING_DURATION: Histogram "kafka_processing_duration_seconds" ["result"]
        "Time from read to the batch's last delivery report, per record";
    CONSUMED: Counter "gristmill_records_consumed_total" []
        "Records read; always produced + passed + in flight + abandoned";
    PRODUCED: Counter "gristmill_records_produced_total" ["destination"]
        "Events delivered to the output topic (output) or the dead letter topic (dlq); tombstones are not among them";
    PASSED: Counter "gristmill_records_passed_total" []
        "Tombstones (null values) delivered to the output topic unchanged";
    REJECTED: Counter "gristmill_records_rejected_total" ["reason"]
        "Records delivered to the dead letter topic, by the reason of their rejection";
    ABANDONED: Counter "gristmill_records_abandoned_total" []
        "Records given up unsettled because their partition was taken or a deadline passed; they are read again";
    IN_FLIGHT: Gauge "gristmill_records_in_flight" []
        "Records read whose delivery is not yet confirmed";
    BATCHES_IN_FLIGHT: Gauge "gristmill_batches_in_flight" []
        "Batches sealed and not yet settled or abandoned";
    BATCH_RECORDS: Histogram "gristmill_batch_records" []
        "Records in a sealed batch";
    CONSUMED_BYTES: Counter "gristmill_consumed_bytes_total" []
        "Bytes of the records read, as the source counts them";
    PRODUCED_BYTES: Counter "gristmill_produced_bytes_total" ["destination"]
        "Bytes of the keys and values delivered to the output topic (output) or the dead letter topic (dlq)";
    STAGE_DURATION: Histogram "gristmill_stage_duration_seconds" ["stage"]
        "Time a record's batch spent in a stage, per record: queue, transform, produce, delivery; together they are the processing duration";
    END_TO_END: Histogram "gristmill_end_to_end_latency_seconds" []
        "Time from the input record's timestamp to its delivery report, per record";
    LAG_RECORDS: Gauge "gristmill_lag_records" ["topic", "partition"]
        "End offset less settled position of a partition that this member owns; 0 when all that can be read is settled";
    LAG_SECONDS: Gauge "gristmill_lag_seconds" ["topic", "partition"]
        "Age of the last settled record of a partition while it has lag, else 0";
    ASSIGNED_PARTITIONS: Gauge "gristmill_assigned_partitions" []
        "Input partitions that this process owns";
    INPUT_PARTITIONS: Gauge "gristmill_input_partitions" []
        "Partitions of the input topic";
    STALLED_PARTITIONS: Gauge "gristmill_stalled_partitions" []
        "Partitions of this member with lag that gave no record for GRISTMILL_WATCHDOG_AFTER though nothing here held the reading back";
    LAST_COMMIT: Gauge "gristmill_last_commit_timestamp_seconds" []
        "When the broker last confirmed a commit, in seconds since 1970; absent before the first";
    COMMITS: Counter "gristmill_commits_total" ["result"]
        "Offset commits answered by the broker (ok) or refused and unanswered (failed)";
    COMMITS_FENCED: Counter "gristmill_commits_fenced_total" []
        "Offset commits not sent because the partition was no longer this member's";
    REBALANCES: Counter "gristmill_rebalances_total" ["kind"]
        "Rebalances handled: partitions given (assign), asked back (revoke) or taken without asking (lost)";
    BACKPRESSURE: Counter "gristmill_backpressure_seconds_total" []
        "Time that sources waited because every batch, or all of their share of memory, was in use";
    DELIVERY_RETRIES: Counter "gristmill_delivery_retries_total" []
        "Records sent again because a broker refused them or their batch";
    TRUNCATED: Counter "gristmill_dead_letters_truncated_total" []
        "Dead letters that their topic did not take as they were (too large, or refused by the broker), sent without their value";
    OFFSET_RESETS: Counter "gristmill_offset_resets_total" []
        "Times that the offset to read from was gone: records expired, the topic was made anew, or its log was cut";
    EXPIRED: Counter "gristmill_records_expired_total" []
        "Records that were gone from the input topic before they could be read";
    DLQ_LIMIT_TRIPPED: Gauge "gristmill_dlq_limit_tripped" []
        "1 while reading is paused because too many records were rejected, else 0";
    MEMORY_LIMIT: Gauge "gristmill_memory_limit_bytes" []
        "The memory limit that queues, batches and buffers are derived from";
    BUILD_INFO: Gauge "gristmill_build_info" ["version", "librdkafka", "revision"]
        "Always 1; the labels say what is running (the revision only where the build knew it)";
    PROCESS_CPU: Counter "process_cpu_seconds_total" []
        "User and system CPU time of the process";
    PROCESS_MEMORY: Gauge "process_resident_memory_bytes" []
        "Resident memory of the process";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "Open file descriptors of the process";
    PROCESS_THREADS: Gauge "process_threads" []
        "Threads of the process";
    PROCESS_START_TIME: Gauge "process_start_time_seconds" []
        "When the process started, in seconds since 1970";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        let names: BTreeSet<&str> = descriptions().iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), descriptions().len());
        for metric in descriptions() {
            assert_eq!(
                metric.kind == MetricKind::Counter,
                metric.name.ends_with("_total"),
                "{}",
                metric.name
            );
            assert!(!metric.help.ends_with('.') && !metric.help.contains('|'), "{}", metric.name);
        }
    }

    #[test]
    fn the_table_has_a_row_a_metric() {
        let table = markdown_table();
        assert_eq!(table.lines().count(), descriptions().len() + 2);
        assert!(table.lines().all(|line| line.matches('|').count() == 5));
        assert!(table.contains("| `gristmill_lag_records` | gauge | `topic`, `partition` | End offset less"));
    }
}
