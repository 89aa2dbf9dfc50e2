//! Error codes of the client and the brokers, sorted by what they mean for us.

use rdkafka::bindings::rd_kafka_resp_err_t as Native;
use rdkafka::error::KafkaError;
use std::ffi::CStr;
use std::fmt;

/// An error code as a number. A broker may send codes that this client does not know, so this is not the client's `enum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub i32);

/// What a code on a delivery report says about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The broker has it.
    Stored,
    /// The broker refused the record, or the batch it travelled in, for what it is.
    RecordRefused,
    /// The topic or the partition is not there.
    TopicMissing,
    /// We may not write there.
    NotAllowed,
    /// The client threw it out of its queue, which happens only when it is told to.
    Purged,
    /// Anything else: the client has given up for good.
    Failed,
}

/// Why a group or its topic does not take us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRefusal {
    /// We may not use the group.
    Group,
    /// We may not read the topic.
    Topic,
    /// There is no such topic.
    MissingTopic,
    /// The members that are there use another assignment strategy.
    Strategy,
    /// Another live process has our instance id.
    Instance,
    /// The brokers take no session of this length.
    Session,
}

/// An error of the client: the code to act on, and its words.
#[derive(Clone, Debug)]
pub struct ClientError {
    /// What it is.
    pub code: Code,
    /// In words.
    pub text: String,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<KafkaError> for ClientError {
    fn from(error: KafkaError) -> Self {
        Self { code: Code::of(&error), text: error.to_string() }
    }
}

impl ClientError {
    /// The first error after which a client was beyond use, if there was one. Other errors only say "fatal" then, or that the
    /// client threw out what it had.
    ///
    /// # Safety
    /// The client is valid.
    pub(super) unsafe fn fatal_of(client: *mut rdkafka::bindings::rd_kafka_t) -> Option<ClientError> {
        let mut buffer = [0 as std::ffi::c_char; 512];
        // SAFETY: the client is valid; the buffer is described by pointer and length, and filled with a C string.
        let (code, text) = unsafe {
            let code = rdkafka::bindings::rd_kafka_fatal_error(client, buffer.as_mut_ptr(), buffer.len());
            (Code::from(code), CStr::from_ptr(buffer.as_ptr()))
        };
        (code != Code::OK).then(|| ClientError { code, text: text.to_string_lossy().into_owned() })
    }
}

impl Code {
    /// No code came with the error.
    pub const UNKNOWN: Code = Code(-1);

    /// No error.
    pub const OK: Code = Code(0);

    /// A partition has no leader at present.
    pub(super) const NO_LEADER: Code = Code(Native::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE as i32);

    /// The client knows of no such partition.
    pub(super) const UNKNOWN_PARTITION: Code = Code(Native::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION as i32);

    /// The code that the client gave an error, if any.
    pub(super) fn of(error: &KafkaError) -> Code {
        error.rdkafka_error_code().map_or(Code::UNKNOWN, |code| Code(code as i32))
    }

    /// Sorts the code of a delivery report. The client itself retries what a broker or the network may get over, without limit,
    /// so such codes do not arrive here.
    pub fn delivery(self) -> Delivery {
        match Native::try_from(self.0).ok() {
            Some(Native::RD_KAFKA_RESP_ERR_NO_ERROR) => Delivery::Stored,
            Some(
                Native::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                | Native::RD_KAFKA_RESP_ERR_INVALID_RECORD
                | Native::RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE
                | Native::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP
                | Native::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE
                // Another record of the batch was refused.
                | Native::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD
                | Native::RD_KAFKA_RESP_ERR__BAD_MSG,
            ) => Delivery::RecordRefused,
            Some(
                Native::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                | Native::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID
                | Native::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION
                | Native::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
                | Native::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION
                // The partition went out of the metadata while no broker had it, or while a request of it was under way: the client
                // throws out what waits there with the partition. No report of a client that closes gets as far as here.
                | Native::RD_KAFKA_RESP_ERR__DESTROY,
            ) => Delivery::TopicMissing,
            Some(
                Native::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
                | Native::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED
                | Native::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            ) => Delivery::NotAllowed,
            Some(Native::RD_KAFKA_RESP_ERR__PURGE_QUEUE | Native::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) => {
                Delivery::Purged
            }
            _ => Delivery::Failed,
        }
    }

    /// The record's time stamp is further from the present than its topic takes.
    pub fn is_timestamp_refused(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP)
    }

    /// Sorts what keeps us from reading as a member of the group.
    pub fn group_refusal(self) -> Option<GroupRefusal> {
        match Native::try_from(self.0).ok()? {
            Native::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED => Some(GroupRefusal::Group),
            Native::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => Some(GroupRefusal::Topic),
            Native::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART | Native::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC => {
                Some(GroupRefusal::MissingTopic)
            }
            Native::RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL => Some(GroupRefusal::Strategy),
            Native::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID => Some(GroupRefusal::Instance),
            Native::RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT => Some(GroupRefusal::Session),
            _ => None,
        }
    }

    /// This user may not commit these offsets: trying on is of no use.
    pub fn is_commit_refused(self) -> bool {
        matches!(self.group_refusal(), Some(GroupRefusal::Group | GroupRefusal::Topic))
    }

    /// A commit that the group does not take at present: from outside, because it has members; from a member, because it shares out.
    pub fn is_group_in_use(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
            || self.is(Native::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION)
            || self.is(Native::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS)
    }

    /// The offset to read from does not exist (any more).
    pub fn is_offset_gone(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
            || self.is(Native::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE)
    }

    /// The client is beyond use: another process took its place in the group, or its own state is broken.
    pub fn is_fatal(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) || self.is(Native::RD_KAFKA_RESP_ERR__FATAL)
    }

    /// A newer producer has our transactional id, or the broker gave our transaction up because it was open for too long.
    pub fn is_fenced(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR__FENCED)
            || self.is(Native::RD_KAFKA_RESP_ERR_PRODUCER_FENCED)
            || self.is(Native::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
    }

    /// The client only says in which state it is, not why.
    pub fn is_state(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR__STATE)
    }

    /// We may not use the transactional id.
    pub fn is_transactional_id_refused(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    }

    /// The brokers take no transaction that may be open for so long.
    pub fn is_transaction_timeout_refused(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT)
    }

    /// The broker named another record of the batch as the one that it refuses.
    pub fn is_for_another_record(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD)
    }

    /// The batch as a whole was too large: no record of it is named.
    pub fn is_batch_too_large(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
            || self.is(Native::RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
    }

    /// Data that the client cannot read and would skip.
    pub fn is_data_damage(self) -> bool {
        self.is(Native::RD_KAFKA_RESP_ERR__BAD_MSG)
            || self.is(Native::RD_KAFKA_RESP_ERR__BAD_COMPRESSION)
            || self.is(Native::RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED)
    }

    /// Whether this is `native`.
    pub fn is(self, native: Native) -> bool {
        self.0 == native as i32
    }

    /// Whether the client or a broker gets over this without our help: connections, time-outs, leaders that move.
    pub fn is_transient(self) -> bool {
        matches!(
            Native::try_from(self.0).ok(),
            Some(
                Native::RD_KAFKA_RESP_ERR__TRANSPORT
                    | Native::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN
                    | Native::RD_KAFKA_RESP_ERR__RESOLVE
                    | Native::RD_KAFKA_RESP_ERR__TIMED_OUT
                    | Native::RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE
                    | Native::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT
                    | Native::RD_KAFKA_RESP_ERR__WAIT_COORD
                    | Native::RD_KAFKA_RESP_ERR__WAIT_CACHE
                    | Native::RD_KAFKA_RESP_ERR__RETRY
                    | Native::RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED
                    | Native::RD_KAFKA_RESP_ERR__NODE_UPDATE
                    | Native::RD_KAFKA_RESP_ERR__AUTHENTICATION
                    | Native::RD_KAFKA_RESP_ERR__SSL
                    | Native::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT
                    | Native::RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION
                    | Native::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE
                    | Native::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION
                    | Native::RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE
                    | Native::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS
                    | Native::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE
                    | Native::RD_KAFKA_RESP_ERR_NOT_COORDINATOR
                    | Native::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS
                    | Native::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID
                    | Native::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION
                    | Native::RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH
                    | Native::RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH
                    | Native::RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE
                    | Native::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR
                    | Native::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID
                    | Native::RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT
            )
        )
    }
}

impl From<Native> for Code {
    fn from(native: Native) -> Self {
        Code(native as i32)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Native::try_from(self.0).ok() {
            Some(native) => {
                // SAFETY: the function accepts every code and answers with a static C string.
                let name = unsafe { CStr::from_ptr(rdkafka::bindings::rd_kafka_err2name(native)) };
                f.write_str(&name.to_string_lossy())
            }
            None => write!(f, "error {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_by_what_they_mean_for_a_record() {
        assert_eq!(Code::OK.delivery(), Delivery::Stored);
        assert_eq!(
            Code::from(Native::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE).delivery(),
            Delivery::RecordRefused
        );
        assert_eq!(
            Code::from(Native::RD_KAFKA_RESP_ERR__INVALID_DIFFERENT_RECORD).delivery(),
            Delivery::RecordRefused,
            "a neighbour of a record that the broker named"
        );
        assert_eq!(Code(9999).delivery(), Delivery::Failed, "a code that the client does not know");
        assert_eq!(Code(9999).to_string(), "error 9999");
        assert_eq!(Code::from(Native::RD_KAFKA_RESP_ERR__PURGE_QUEUE).delivery(), Delivery::Purged);
        assert_eq!(
            Code::from(Native::RD_KAFKA_RESP_ERR__DESTROY).delivery(),
            Delivery::TopicMissing,
            "what waits in a partition that goes"
        );
    }
}
