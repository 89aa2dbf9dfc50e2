//! A group's offsets from outside: who is in the group, where a time lies, and an order to go on elsewhere.

use super::{Admin, Context, questions, settings_refused};
use crate::error::EngineError;
use crate::kafka::code::Code;
use crate::kafka::commit::{commit, next_answer};
use crate::kafka::consumer::list_at;
use crate::kafka::queue::Queue;
use rdkafka::bindings::rd_kafka_resp_err_t as Native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// What becomes of an order to move a group's offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The broker has the new offsets.
    Done,
    /// The group has members, so nothing was changed.
    GroupInUse,
}

impl Admin {
    /// The group's committed offsets in a topic, by partition. Asking makes nobody a member.
    ///
    /// # Errors
    /// Refused (77), or no answer within `timeout` (69).
    pub fn committed(
        &self,
        group: &str,
        topic: &str,
        partitions: i32,
        timeout: Duration,
    ) -> Result<Vec<Option<i64>>, EngineError> {
        let member = self.as_group(group)?;
        let mut asked = TopicPartitionList::new();
        for partition in 0..partitions {
            asked.add_partition(topic, partition);
        }
        let answer = self.ask(timeout, |left| {
            let answer = member.committed_offsets(asked.clone(), left)?;
            let offsets = answer.elements().into_iter().map(|element| {
                element.error()?;
                Ok(match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                })
            });
            offsets.collect()
        });
        answer.map_err(|error| self.sort(&error, &format!("read the committed offsets of group {group}")))
    }

    /// The members of a group, each as its client's name and address; none for a group that nobody has heard of.
    ///
    /// # Errors
    /// Refused (77), or no answer within `timeout` (69).
    pub fn members(&self, group: &str, timeout: Duration) -> Result<Vec<String>, EngineError> {
        let answer = self.ask(timeout, |left| self.client.fetch_group_list(Some(group), left));
        let doing = format!("ask for the members of group {group}");
        let groups = answer.map_err(|error| self.sort(&error, &doing))?;
        let members =
            groups.groups().iter().filter(|found| found.name() == group).flat_map(|found| found.members());
        let shown = members.map(|member| {
            format!("{} at {}", member.client_id(), member.client_host().trim_start_matches('/'))
        });
        Ok(shown.collect())
    }

    /// The offset of the first record of each partition whose timestamp is not before `time_ms` (since 1970); `None` where there is
    /// no such record.
    ///
    /// # Errors
    /// Refused (77), or no answer within `timeout` (69).
    pub fn offsets_at(
        &self,
        topic: &str,
        partitions: &[i32],
        time_ms: i64,
        timeout: Duration,
    ) -> Result<Vec<Option<i64>>, EngineError> {
        let doing = format!("look up a time in topic {topic}");
        let times: Vec<(i32, i64)> = partitions.iter().map(|partition| (*partition, time_ms)).collect();
        let answer = self.ask(timeout, |left| {
            let answer = self.client.offsets_for_times(list_at(topic, &times)?, left)?;
            let offsets = partitions.iter().map(|partition| {
                let found = answer.find_partition(topic, *partition);
                let found = found.ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::Fail))?;
                found.error()?;
                Ok(match found.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                })
            });
            offsets.collect()
        });
        answer.map_err(|error| self.sort(&error, &doing))
    }

    /// Commits next offsets, by partition, for a group without members. The broker refuses that for one that has some.
    ///
    /// # Errors
    /// Refused (77), not possible (78), or no answer within `timeout` (69).
    pub fn move_offsets(
        &self,
        group: &str,
        topic: &str,
        offsets: &[(i32, i64)],
        timeout: Duration,
    ) -> Result<Moved, EngineError> {
        let doing = format!("move the offsets of group {group}");
        let client = self.as_group(group)?;
        let answers = Queue::new(&client);
        let list = list_at(topic, offsets).map_err(|error| self.sort(&error, &doing))?;
        let moved = self.ask(timeout, |left| {
            let code = match commit(&client, &list, &answers) {
                Ok(()) => next_answer(&answers, Instant::now() + left)
                    .unwrap_or(Code::from(Native::RD_KAFKA_RESP_ERR__TIMED_OUT)),
                Err(refused) => refused,
            };
            match Native::try_from(code.0) {
                _ if code.is_group_in_use() => Ok(Moved::GroupInUse),
                Ok(Native::RD_KAFKA_RESP_ERR_NO_ERROR) => Ok(Moved::Done),
                Ok(native) => Err(KafkaError::ConsumerCommit(native.into())),
                Err(_) => Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::Unknown)),
            }
        });
        moved.map_err(|error| self.sort(&error, &doing))
    }

    /// A client that asks and orders in a group's name, and is no member of it.
    fn as_group(&self, group: &str) -> Result<BaseConsumer<Context>, EngineError> {
        let mut config = questions(&self.kafka);
        config.set("group.id", group).set("enable.auto.commit", "false");
        config.create_with_context(Context::default()).map_err(|error| settings_refused(&error))
    }
}
