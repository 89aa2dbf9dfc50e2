//! Where records go, and in which order.

use crate::rig::{Rig, assert_ascending_by_key, assert_exactly_once};
use gristmill::cli::events::Events;
use std::collections::BTreeMap;

/// The partition that Java clients give a key: Kafka's own murmur2, its sign cut off, modulo partitions.
fn java_partition(key: &[u8], partitions: i32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ key.len() as u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        let mut k = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    (hash & 0x7fff_ffff) as i32 % partitions
}

#[test]
fn murmur2_is_that_of_the_java_clients() {
    // From Kafka's own UtilsTest: murmur2("21"), murmur2("foobar"), murmur2("a-little-bit-long-string").
    for (key, hash) in
        [("21", -973_932_308), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536)]
    {
        assert_eq!(java_partition(key.as_bytes(), i32::MAX), (hash & 0x7fff_ffff) % i32::MAX, "{key}");
    }
}

#[test]
fn keyed_records_go_where_java_clients_put_them_and_keep_their_order() {
    const EVENTS: Events = Events { seed: 1, invalid: 0.2, keys: 40 };
    let rig = Rig::new(2, [4, 3, 3], &[("KAFKA_WORKER_POOL_SIZE", "4")]);
    rig.feed(&EVENTS, 0..3_000);
    let running = rig.start();
    running.wait_settled(3_000);
    assert!(running.stop().drained);
    let written = rig.read();
    assert_exactly_once(&written, &EVENTS, 3_000);
    assert_ascending_by_key(&written.output);
    for record in &written.output {
        let key = record.key.as_deref().expect("a key");
        assert_eq!(record.partition, java_partition(key, 3));
    }
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    for record in &written.dead {
        let source: i32 = record.header("dlq.partition").parse().expect("a partition");
        assert_eq!(record.partition, source % 3, "a dead letter keeps its partition, modulo");
        let offset: i64 = record.header("dlq.offset").parse().expect("an offset");
        let before = last.insert(record.header("dlq.partition").to_owned(), offset);
        assert!(before.is_none_or(|before| before < offset), "dead letters of a partition keep their order");
    }
    assert!(last.len() > 1, "dead letters of several partitions");
}

#[test]
fn keyless_records_keep_partition_and_order() {
    const EVENTS: Events = Events { seed: 2, invalid: 0.0, keys: 0 };
    let mut rig = Rig::new(1, [5, 3, 1], &[]);
    // Without it the client stays with one partition for as long as a batch lingers.
    crate::rig::producer_property(&mut rig.config, "sticky.partitioning.linger.ms", "0");
    rig.feed(&EVENTS, 0..3_000);
    let running = rig.start();
    running.wait_settled(3_000);
    assert!(running.stop().drained);
    let written = rig.read();
    assert_exactly_once(&written, &EVENTS, 3_000);
    let sources: BTreeMap<u64, i32> =
        written.input.iter().map(|record| (record.number, record.partition)).collect();
    let used: std::collections::BTreeSet<i32> = sources.values().copied().collect();
    assert_eq!(used.len(), 5, "every input partition has records");
    let mut last = BTreeMap::new();
    for record in &written.output {
        let source = sources[&record.number];
        assert_eq!(record.partition, source % 3);
        let before = last.insert(source, record.number);
        assert!(before.is_none_or(|before| before < record.number), "the order of input partition {source}");
    }
}
