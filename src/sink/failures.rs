//! What ends the sink, in words that say what to do.

use super::outbox::DEAD_LETTER;
use crate::config::Config;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::{Code, Delivery};

/// A topic cannot be written to.
pub(super) fn delivery(config: &Config, topic: usize, code: Code) -> EngineError {
    let (kind, name, variable) = if topic == DEAD_LETTER {
        ("dead letter topic", &config.topics.dead_letter, "KAFKA_DLQ_TOPIC")
    } else {
        ("output topic", &config.topics.output, "KAFKA_OUTPUT_TOPIC")
    };
    let (exit, message) = match code.delivery() {
        Delivery::NotAllowed => (
            ExitCode::Refused,
            format!("not allowed to write to the {kind} \"{name}\": grant WRITE on it to this user ({code})"),
        ),
        Delivery::TopicMissing => (
            ExitCode::Config,
            format!(
                "the {kind} \"{name}\" does not exist: create it (gristmill topics create), or correct {variable} ({code})"
            ),
        ),
        Delivery::RecordRefused => (
            ExitCode::Delivery,
            format!(
                "the {kind} \"{name}\" refuses even a stub without the event's value: check its max.message.bytes and the broker's log ({code})"
            ),
        ),
        Delivery::Stored | Delivery::Purged | Delivery::Failed => (
            ExitCode::Delivery,
            format!(
                "writing to the {kind} \"{name}\" failed for good: {code}; nothing unwritten was committed, a restart goes on there"
            ),
        ),
    };
    EngineError::new(Stage::Sink, exit, message)
}

/// The producing client is beyond use.
pub(super) fn fatal(reason: &str) -> EngineError {
    EngineError::new(
        Stage::Sink,
        ExitCode::Delivery,
        format!(
            "the producer failed for good: {reason}; nothing unwritten was committed, a restart goes on there"
        ),
    )
}
