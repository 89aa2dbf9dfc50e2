//! The client settings of the plain copy: the engine's, one for one, with its default memory limit of 256 MiB.
//!
//! A ratio compares what is done with the client, so both sides have to give it the same work. Whoever changes the engine's
//! settings changes them here.

/// Of the consumer.
pub const CONSUMER: [(&str, &str); 8] = [
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.wait.max.ms", "100"),
    ("queued.min.messages", "30000"),
    ("queued.max.messages.kbytes", "12288"),
    ("fetch.max.bytes", "2097152"),
    ("fetch.message.max.bytes", "524288"),
    ("check.crcs", "true"),
    ("isolation.level", "read_committed"),
];

/// Of the producer.
pub const PRODUCER: [(&str, &str); 8] = [
    ("enable.idempotence", "true"),
    ("acks", "all"),
    ("linger.ms", "3"),
    ("batch.size", "1000000"),
    ("batch.num.messages", "10000"),
    ("queue.buffering.max.messages", "100000"),
    ("queue.buffering.max.kbytes", "32768"),
    ("compression.type", "none"),
];

/// How long a batch read waits for more, in ms.
pub const BATCH_LINGER_MS: u64 = 2;
