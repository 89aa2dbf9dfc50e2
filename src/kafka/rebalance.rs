//! What the group asks of a member: noted in the client's callback, answered by the thread that polls.

use super::code::Code;
use super::context::forward;
use super::outage::ErrorLines;
use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What the group asks of this member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEvent {
    /// These partitions are ours from now on: answer with [`assign`](super::GroupConsumer::assign).
    Assign(Vec<i32>),
    /// These partitions are asked back, or (`lost`) belong to others already: answer with [`unassign`](super::GroupConsumer::unassign).
    Revoke {
        /// Which.
        partitions: Vec<i32>,
        /// Others may be reading them by now.
        lost: bool,
    },
}

/// What the client's callbacks leave for the thread that polls.
pub(super) struct GroupContext {
    topic: String,
    events: Mutex<VecDeque<GroupEvent>>,
    reason: Mutex<Option<String>>,
    lines: ErrorLines,
    /// Nobody will answer rebalances any more: give partitions back at once.
    pub(super) closing: AtomicBool,
}

impl GroupContext {
    pub(super) fn new(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            events: Mutex::default(),
            reason: Mutex::default(),
            lines: ErrorLines::default(),
            closing: AtomicBool::new(false),
        }
    }

    pub(super) fn take_event(&self) -> Option<GroupEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    pub(super) fn take_reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        forward(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.lines.write("consumer", Code::of(&error), reason);
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }
}

impl ConsumerContext for GroupContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: sys::rd_kafka_resp_err_t,
        list: &mut TopicPartitionList,
    ) {
        let partitions: Vec<i32> = list
            .elements()
            .iter()
            .filter(|element| element.topic() == self.topic)
            .map(|element| element.partition())
            .collect();
        let assigned = code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let answered = if assigned {
                consumer.incremental_assign(&TopicPartitionList::new())
            } else {
                consumer.incremental_unassign(list)
            };
            if let Err(error) = answered {
                tracing::debug!(%error, "rebalance while closing");
            }
            return;
        }
        let event = if assigned {
            GroupEvent::Assign(partitions)
        } else {
            GroupEvent::Revoke { partitions, lost: consumer.assignment_lost() }
        };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }
}
