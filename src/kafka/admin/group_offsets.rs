//! A group's offsets from outside: who is in the group, where a time lies, and an order to go on elsewhere.

use super::Admin;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::code::Code;
use crate::kafka::commit::{commit, next_answer};
use crate::kafka::consumer::{OwnQueue, list_at};
use rdkafka::Offset;
use rdkafka::bindings::rd_kafka_resp_err_t as Native;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
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
    /// The members of a group, each as its client's name and address; none for a group that nobody has heard of.
    ///
    /// # Errors
    /// Refused (77), or no answer within `timeout` (69).
    pub fn members(&self, group: &str, timeout: Duration) -> Result<Vec<String>, EngineError> {
        let doing = format!("ask for the members of group {group}");
        let answer = self.client.fetch_group_list(Some(group), timeout);
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
        let answer = list_at(topic, &times).and_then(|asked| self.client.offsets_for_times(asked, timeout));
        let answer = answer.map_err(|error| self.sort(&error, &doing))?;
        let mut offsets = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let found = answer.find_partition(topic, *partition);
            let found =
                found.ok_or_else(|| self.sort(&KafkaError::OffsetFetch(RDKafkaErrorCode::Fail), &doing))?;
            found.error().map_err(|error| self.sort(&error, &doing))?;
            offsets.push(match found.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            });
        }
        Ok(offsets)
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
        let answers = OwnQueue::new(&client);
        let list = list_at(topic, offsets).map_err(|error| self.sort(&error, &doing))?;
        let code = match commit(&client, &list, &answers) {
            Ok(()) => next_answer(&answers, Instant::now() + timeout)
                .unwrap_or(Code::from(Native::RD_KAFKA_RESP_ERR__TIMED_OUT)),
            Err(refused) => refused,
        };
        if code == Code::OK {
            return Ok(Moved::Done);
        }
        if code.is_group_in_use() {
            return Ok(Moved::GroupInUse);
        }
        Err(match Native::try_from(code.0) {
            Ok(native) => self.sort(&KafkaError::ConsumerCommit(native.into()), &doing),
            Err(_) => EngineError::new(Stage::Start, ExitCode::Config, format!("could not {doing}: {code}")),
        })
    }
}
