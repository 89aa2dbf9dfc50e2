//! What ends a source, in words that say what to do.

use super::lifecycle::Source;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::{Code, GroupRefusal, Notice};

impl Source {
    /// The error that a notice amounts to, if it ends the engine.
    pub(super) fn failure(&self, notice: &Notice) -> Option<EngineError> {
        let Notice::Error { code, partition, offset, text } = notice else { return None };
        if code.is_transient() || code.is_offset_gone() {
            return None;
        }
        let topic = &self.config.topics.input;
        let (exit, message) = if code.is_data_damage() {
            (
                ExitCode::Delivery,
                format!(
                    "{topic}[{partition}] cannot be read at offset {offset} ({code}: {text}): the client would skip data; \
                     check the broker's log directory, or move the group's offset past it yourself"
                ),
            )
        } else {
            return Some(self.group_error(*code, text));
        };
        Some(EngineError::new(Stage::Source, exit, message))
    }

    /// What an error of the group or the topic means, and what to do.
    pub(super) fn group_error(&self, code: Code, reason: &str) -> EngineError {
        // Where the client only says that it has failed for good, it keeps why.
        let kept = if code.is_fatal() { self.consumer.fatal_error() } else { None };
        let (code, reason) = kept.as_ref().map_or((code, reason), |kept| (kept.code, kept.text.as_str()));
        let (topic, group) = (&self.config.topics.input, &self.config.group.id);
        let (exit, message) = match code.group_refusal() {
            Some(GroupRefusal::Group) => (
                ExitCode::Refused,
                format!(
                    "not allowed to join group \"{group}\": grant READ on the group to this user ({code})"
                ),
            ),
            Some(GroupRefusal::Topic) => (
                ExitCode::Refused,
                format!(
                    "not allowed to read topic \"{topic}\": grant READ and DESCRIBE on the topic to this user ({code})"
                ),
            ),
            Some(GroupRefusal::MissingTopic) => (
                ExitCode::Config,
                format!(
                    "the input topic \"{topic}\" does not exist: create it (gristmill topics create), or correct KAFKA_INPUT_TOPIC ({code})"
                ),
            ),
            Some(GroupRefusal::Strategy) => (
                ExitCode::Config,
                format!(
                    "group \"{group}\" has members with another assignment strategy, and gristmill joins with cooperative-sticky: \
                     stop the other members first, or set KAFKA_CONSUMER_GROUP to a group of its own ({code})"
                ),
            ),
            // Its session ran out, it asked to join again, and an answer was lost: the group takes the next try for another process's. The
            // client is beyond use then, a new process is not.
            Some(GroupRefusal::Instance) if self.is_rejoining => (
                ExitCode::Delivery,
                format!(
                    "group \"{group}\" was left for want of heartbeats, and takes this process for another with the same \
                     GRISTMILL_INSTANCE_ID now: start it again; if there is another live process, give each an id of its own ({code})"
                ),
            ),
            Some(GroupRefusal::Instance) => (
                ExitCode::Config,
                format!(
                    "another live process joined group \"{group}\" with the same GRISTMILL_INSTANCE_ID: give each process an id of its own ({code})"
                ),
            ),
            Some(GroupRefusal::Session) => (
                ExitCode::Config,
                format!(
                    "the brokers refuse a session of {} ms: set KAFKA_SESSION_TIMEOUT within their group.min.session.timeout.ms and \
                     group.max.session.timeout.ms ({code})",
                    self.config.kafka.session_timeout.as_millis()
                ),
            ),
            None => (
                ExitCode::Delivery,
                format!(
                    "reading topic \"{topic}\" as group \"{group}\" failed for good: {code}: {reason}; a restart goes on at the group's offsets"
                ),
            ),
        };
        EngineError::new(Stage::Source, exit, message)
    }
}
