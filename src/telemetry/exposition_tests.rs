//! The text that is served: every family is in it, in the form that Prometheus reads.

use super::*;
use crate::telemetry::metrics::{BatchTimes, Settlement};
use crate::telemetry::text_format::parse;
use std::collections::BTreeSet;
use std::time::Instant;

/// Metrics in which every family has something to say.
fn busy() -> Arc<Metrics> {
    let metrics = Metrics::new();
    metrics.input_topic("logins \"quoted\"\\n");
    metrics.client_version("2.12.1");
    metrics.memory_limit(256 << 20);
    metrics.input_partitions(6);
    metrics.assigned(0, &[0, 1, 10]);
    for partition in [0, 1, 10] {
        metrics.settled_position(partition, 90, 1_700_000_000_000);
        metrics.end_offset(partition, 100);
    }
    metrics.batch_sealed(100, 18_500);
    metrics.batch_sealed(7, 1_000);
    metrics.batch_sealed(4096, 500_000);
    let mut settlement =
        Settlement { output: 90, output_bytes: 20_000, passed: 3, truncated: 1, ..Settlement::default() };
    settlement.dead_letters[Reason::NotJson.index()] = 5;
    settlement.dead_letters[Reason::FieldDenied.index()] = 2;
    settlement.dead_letter_bytes = 900;
    metrics.batch_settled(&settlement, &times());
    metrics.batch_abandoned(7);
    metrics.end_to_end(
        1_700_000_000_000,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_030),
        100,
    );
    metrics.backpressure(Duration::from_millis(1500));
    metrics.delivery_retries(4);
    metrics.rebalance(Rebalance::Assign);
    metrics.rebalance(Rebalance::Lost);
    metrics.commit(CommitResult::Ok);
    metrics.commit(CommitResult::Failed);
    metrics.commit_fenced();
    metrics.offset_reset(12);
    metrics.offset_reset(0);
    metrics.stalled_partitions(0, 2);
    metrics.stalled_partitions(1, 1);
    metrics.stalled_partitions(0, 0);
    metrics.dlq_limit_tripped(true);
    metrics
}

fn times() -> BatchTimes {
    let read = Instant::now();
    let after = |ms| read + Duration::from_millis(ms);
    BatchTimes {
        read,
        transform_started: after(1),
        transform_ended: after(3),
        produced: after(4),
        settled: after(20),
    }
}

#[test]
fn every_declared_metric_is_served_as_declared_and_no_other() {
    let scrape = parse(&Exposition::new(busy()).render());
    for metric in descriptions() {
        let family = scrape.get(metric.name).unwrap_or_else(|| panic!("{} is not served", metric.name));
        assert_eq!((family.kind.as_str(), family.help.as_str()), (metric.kind.as_str(), metric.help));
        let declared: BTreeSet<&str> =
            metric.labels.iter().copied().filter(|&label| label != "revision").collect();
        for (name, labels, _) in &family.samples {
            let served: BTreeSet<&str> = labels
                .iter()
                .map(|(label, _)| label.as_str())
                .filter(|&label| label != "le" && label != "revision")
                .collect();
            assert_eq!(served, declared, "{name}");
        }
    }
    assert_eq!(scrape.len(), descriptions().len());
}

#[test]
fn what_was_reported_is_what_is_served() {
    let scrape = parse(&Exposition::new(busy()).render());
    let plain = |name: &str| scrape[name].value(&[]);
    let labelled = |name: &str, label: &str, value: &str| scrape[name].value(&[(label, value)]);
    assert_eq!(
        labelled("kafka_messages_processed_total", "result", "success"),
        93.0,
        "tombstones are a success"
    );
    assert_eq!(labelled("kafka_messages_processed_total", "result", "dlq"), 7.0);
    assert_eq!(plain("gristmill_records_consumed_total"), 4203.0);
    assert_eq!(plain("gristmill_records_in_flight"), 4096.0);
    assert_eq!(plain("gristmill_batches_in_flight"), 1.0);
    assert_eq!(plain("gristmill_records_abandoned_total"), 7.0);
    assert_eq!(plain("gristmill_consumed_bytes_total"), 519_500.0);
    assert_eq!(labelled("gristmill_produced_bytes_total", "destination", "output"), 20_000.0);
    assert_eq!(labelled("gristmill_produced_bytes_total", "destination", "dlq"), 900.0);
    assert_eq!(labelled("gristmill_records_rejected_total", "reason", "field_denied"), 2.0);
    assert_eq!(scrape["gristmill_records_rejected_total"].samples.len(), Reason::ALL.len());
    assert_eq!(plain("gristmill_dead_letters_truncated_total"), 1.0);
    assert_eq!(plain("gristmill_backpressure_seconds_total"), 1.5);
    assert_eq!(plain("gristmill_delivery_retries_total"), 4.0);
    assert_eq!(
        (plain("gristmill_offset_resets_total"), plain("gristmill_records_expired_total")),
        (2.0, 12.0)
    );
    assert_eq!(labelled("gristmill_rebalances_total", "kind", "lost"), 1.0);
    assert_eq!(labelled("gristmill_rebalances_total", "kind", "revoke"), 0.0);
    assert_eq!(labelled("gristmill_commits_total", "result", "failed"), 1.0);
    assert_eq!(plain("gristmill_commits_fenced_total"), 1.0);
    assert_eq!((plain("gristmill_stalled_partitions"), plain("gristmill_dlq_limit_tripped")), (1.0, 1.0));
    assert_eq!((plain("gristmill_assigned_partitions"), plain("gristmill_input_partitions")), (3.0, 6.0));
    assert_eq!(plain("gristmill_memory_limit_bytes"), 268_435_456.0);
    let ten = [("topic", "logins \"quoted\"\\n"), ("partition", "10")];
    assert_eq!(scrape["gristmill_lag_records"].value(&ten), 10.0);
    assert!(scrape["gristmill_lag_seconds"].value(&ten) > 1e6);
}

#[test]
fn histograms_count_records_and_fall_into_the_right_buckets() {
    let scrape = parse(&Exposition::new(busy()).render());
    let duration = &scrape["kafka_processing_duration_seconds"];
    let bucket = |family: &str, labels: &[(&str, &str)]| scrape[family].sample("_bucket", labels).unwrap();
    assert_eq!(duration.sample("_count", &[("result", "success")]), Some(93.0));
    assert_eq!(duration.sample("_sum", &[("result", "dlq")]), Some(0.14));
    assert_eq!(bucket("kafka_processing_duration_seconds", &[("result", "dlq"), ("le", "0.01")]), 0.0);
    assert_eq!(bucket("kafka_processing_duration_seconds", &[("result", "dlq"), ("le", "0.025")]), 7.0);
    let bounds =
        duration.samples.iter().filter(|(name, labels, _)| name.ends_with("_bucket") && labels[0].1 == "dlq");
    assert_eq!(bounds.count(), DEFAULT_BUCKETS.len() + 1);
    assert_eq!(bucket("gristmill_stage_duration_seconds", &[("stage", "transform"), ("le", "0.001")]), 0.0);
    assert_eq!(
        bucket("gristmill_stage_duration_seconds", &[("stage", "transform"), ("le", "0.0025")]),
        100.0
    );
    assert_eq!(bucket("gristmill_end_to_end_latency_seconds", &[("le", "0.025")]), 0.0);
    assert_eq!(bucket("gristmill_end_to_end_latency_seconds", &[("le", "0.05")]), 100.0);
    assert_eq!(bucket("gristmill_batch_records", &[("le", "4")]), 0.0);
    assert_eq!(bucket("gristmill_batch_records", &[("le", "16")]), 1.0);
    assert_eq!(bucket("gristmill_batch_records", &[("le", "4096")]), 3.0);
    assert_eq!(scrape["gristmill_batch_records"].sample("_sum", &[]), Some(4203.0));
}

#[test]
fn before_anything_happened_the_text_is_valid_and_says_nothing_it_does_not_know() {
    let text = Exposition::new(Metrics::new()).render();
    let scrape = parse(&text);
    assert_eq!(scrape["gristmill_records_consumed_total"].value(&[]), 0.0);
    for unknown in
        ["gristmill_lag_records", "gristmill_last_commit_timestamp_seconds", "gristmill_memory_limit_bytes"]
    {
        assert!(!scrape.contains_key(unknown), "{unknown}");
    }
}

#[test]
fn series_of_a_partition_end_when_it_is_revoked() {
    let metrics = busy();
    let exposition = Exposition::new(Arc::clone(&metrics));
    metrics.assigned(0, &[1]);
    let scrape = parse(&exposition.render());
    assert_eq!(scrape["gristmill_lag_records"].samples.len(), 1);
    metrics.assigned(0, &[]);
    let scrape = parse(&exposition.render());
    assert!(!scrape.contains_key("gristmill_lag_records") && !scrape.contains_key("gristmill_lag_seconds"));
    assert_eq!(scrape["gristmill_assigned_partitions"].value(&[]), 0.0);
}
