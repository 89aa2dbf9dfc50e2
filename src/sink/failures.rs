//! What ends the sink, in words that say what to do.

use super::outbox::DEAD_LETTER;
use super::stage::Sink;
use crate::config::{self, Config};
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::{ClientError, Code, Delivery, GroupRefusal, TRANSACTION_TIMEOUT, TransactionError};

impl Sink {
    /// A record cannot be delivered to `topic`. A client that has failed for good says no more than that of each record, and why once.
    pub(super) fn cannot_deliver(&mut self, topic: usize, code: Code) {
        match self.outbox.producer.fatal_error() {
            Some(fatal) => self.on_fatal(&fatal),
            None => self.fail(delivery(&self.config, topic, code)),
        }
    }
}

/// No other try helps, nor a new transaction: the topic cannot be written to as it is.
pub(super) fn is_of_topic(code: Code) -> bool {
    matches!(code.delivery(), Delivery::NotAllowed | Delivery::TopicMissing)
}

/// A topic cannot be written to.
fn delivery(config: &Config, topic: usize, code: Code) -> EngineError {
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
pub(super) fn fatal(config: &Config, ClientError { code, text }: &ClientError) -> EngineError {
    let (exit, message) = match code.delivery() {
        // The right to be a producer that repeats nothing comes with the right to write to any topic.
        Delivery::NotAllowed => (
            ExitCode::Refused,
            format!(
                "not allowed to produce: grant WRITE on the topics \"{}\" and \"{}\" to this user, and where the brokers are older than \
                 Kafka 3.0 IdempotentWrite on the cluster too ({code}: {text})",
                config.topics.output, config.topics.dead_letter
            ),
        ),
        _ => (
            ExitCode::Delivery,
            format!(
                "the producer failed for good: {code}: {text}; nothing unwritten was committed, a restart goes on there"
            ),
        ),
    };
    EngineError::new(Stage::Sink, exit, message)
}

/// The group takes no commit of ours: this user may not.
pub(super) fn commit(config: &Config, code: Code) -> EngineError {
    let (group, topic) = (&config.group.id, &config.topics.input);
    let message = match code.group_refusal() {
        Some(GroupRefusal::Topic) => {
            format!(
                "not allowed to commit offsets of the input topic \"{topic}\": grant READ on the topic to this user ({code})"
            )
        }
        _ => format!(
            "not allowed to commit offsets of group \"{group}\": grant READ on the group to this user ({code})"
        ),
    };
    EngineError::new(Stage::Sink, ExitCode::Refused, message)
}

/// A record that was not delivered, as an error of its transaction.
pub(super) fn undelivered(code: Code) -> TransactionError {
    let text = "a record was not delivered".to_owned();
    TransactionError { error: ClientError { code, text }, is_retriable: false }
}

/// What no new transaction gets over.
pub(super) fn transaction(config: &Config, error: &ClientError) -> Option<EngineError> {
    let ClientError { code, text } = error;
    let config::Delivery::ExactlyOnce { transactional_id, .. } = &config.delivery else { return None };
    let (exit, message) = if code.is_fenced() {
        (
            ExitCode::Config,
            format!(
                "another live process has taken over the transactional id \"{transactional_id}\": give each process a GRISTMILL_INSTANCE_ID of \
                 its own; the transaction that was open is rolled back ({code}: {text})"
            ),
        )
    } else if code.is_transactional_id_refused() {
        (
            ExitCode::Refused,
            format!(
                "not allowed to use the transactional id \"{transactional_id}\": grant WRITE and DESCRIBE on it to this user ({code}: {text})"
            ),
        )
    } else if code.is_transaction_timeout_refused() {
        (
            ExitCode::Config,
            format!(
                "the brokers' transaction.max.timeout.ms is below the {} ms that a transaction may take here: raise it ({code})",
                TRANSACTION_TIMEOUT.as_millis()
            ),
        )
    } else {
        match code.delivery() {
            Delivery::NotAllowed => return Some(fatal(config, error)),
            _ => return code.is_commit_refused().then(|| commit(config, *code)),
        }
    };
    Some(EngineError::new(Stage::Sink, exit, message))
}
