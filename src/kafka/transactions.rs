//! A producer's transactions: what is produced and the offsets of what was consumed become visible together, or not at all.
//!
//! These calls wait for brokers, so they are made by a thread of their own; the thread that produces goes on serving the client's
//! reports meanwhile, which the client relies on.

use super::code::{ClientError, Code};
use super::consumer::{GroupConsumer, list_at};
use super::producer::Handle;
use rdkafka::bindings as sys;
use rdkafka::consumer::Consumer;
use std::ffi::CStr;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// `transaction.timeout.ms`: longer than a request may take (30 s), or a broker's crash would end every transaction; Kafka's own tests
/// of transactions take the same.
pub const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(40);

/// The transactions of one producing client, one after the other.
pub struct Transactions {
    client: Arc<Handle>,
}

/// Why a call failed, and what the client says to do about it.
#[derive(Clone, Debug)]
pub struct TransactionError {
    /// What it is.
    pub error: ClientError,
    /// The same call may be made again.
    pub is_retriable: bool,
}

impl fmt::Display for TransactionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error.code, self.error)
    }
}

impl Transactions {
    pub(super) fn new(client: Arc<Handle>) -> Self {
        Self { client }
    }

    /// Makes this client the only one with its transactional id: an older one is fenced, and what it left open is rolled back.
    /// After a failure that is retriable the next call goes on where this one stood.
    pub fn initialise(&self, wait: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client is valid.
        self.answer(unsafe { sys::rd_kafka_init_transactions(self.client.as_ptr(), milliseconds(wait)) })
    }

    /// Opens a transaction; no broker is asked. From here on records may be sent.
    pub fn begin(&self) -> Result<(), TransactionError> {
        // SAFETY: the client is valid.
        self.answer(unsafe { sys::rd_kafka_begin_transaction(self.client.as_ptr()) })
    }

    /// Adds next offsets of the input topic to the transaction, on behalf of this member of the group.
    pub fn add_offsets(
        &self,
        member: &Membership,
        offsets: &[(i32, i64)],
        wait: Duration,
    ) -> Result<(), TransactionError> {
        let list = list_at(&member.topic, offsets)
            .map_err(|error| TransactionError { error: error.into(), is_retriable: false })?;
        // SAFETY: client, list and metadata are valid; the call copies list and metadata.
        self.answer(unsafe {
            sys::rd_kafka_send_offsets_to_transaction(
                self.client.as_ptr(),
                list.ptr(),
                member.metadata.as_ptr(),
                milliseconds(wait),
            )
        })
    }

    /// Commits the transaction: all of it becomes visible. After a failure that is retriable the next call goes on where this one
    /// stood.
    pub fn commit(&self, wait: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client is valid.
        self.answer(unsafe { sys::rd_kafka_commit_transaction(self.client.as_ptr(), milliseconds(wait)) })
    }

    /// Rolls the transaction back: none of it is ever visible. The client's reports must be served meanwhile.
    pub fn abort(&self, wait: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client is valid.
        self.answer(unsafe { sys::rd_kafka_abort_transaction(self.client.as_ptr(), milliseconds(wait)) })
    }

    fn answer(&self, error: *mut sys::rd_kafka_error_t) -> Result<(), TransactionError> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the error is valid, its text lives as long as it, and it is destroyed once.
        let (error, is_retriable) = unsafe {
            let text = CStr::from_ptr(sys::rd_kafka_error_string(error)).to_string_lossy().into_owned();
            let code = Code::from(sys::rd_kafka_error_code(error));
            let is_retriable = sys::rd_kafka_error_is_retriable(error) != 0;
            sys::rd_kafka_error_destroy(error);
            (ClientError { code, text }, is_retriable)
        };
        // SAFETY: the client is valid.
        let fatal = unsafe { ClientError::fatal_of(self.client.as_ptr()) };
        Err(TransactionError { is_retriable: is_retriable && fatal.is_none(), error: fatal.unwrap_or(error) })
    }
}

fn milliseconds(wait: Duration) -> i32 {
    i32::try_from(wait.as_millis()).unwrap_or(i32::MAX)
}

/// A consumer's place in its group at one moment: a broker refuses offsets that come with one that is no longer current.
pub struct Membership {
    topic: String,
    metadata: NonNull<sys::rd_kafka_consumer_group_metadata_t>,
}

// SAFETY: a copy of plain data that belongs to nobody else.
unsafe impl Send for Membership {}

impl GroupConsumer {
    /// The place in the group; `None` while this is no member. (A broker would take offsets without a place, and fence nobody.)
    pub fn membership(&self) -> Option<Membership> {
        // SAFETY: the client is valid; what it answers is ours.
        let metadata = unsafe { sys::rd_kafka_consumer_group_metadata(self.client.client().native_ptr()) };
        let member = Membership { topic: self.topic.clone(), metadata: NonNull::new(metadata)? };
        member.id().is_some().then_some(member)
    }

    /// How the group knows this member; `None` while it is none.
    pub fn member_id(&self) -> Option<String> {
        self.membership().and_then(|member| member.id().map(str::to_owned))
    }
}

impl Membership {
    /// The member's id; `None` where it is no member any more.
    pub fn id(&self) -> Option<&str> {
        // SAFETY: the metadata is valid, and its member id lives as long as it.
        unsafe {
            let metadata = self.metadata.as_ptr();
            let id = sys::rd_kafka_consumer_group_metadata_member_id(metadata);
            if id.is_null() || sys::rd_kafka_consumer_group_metadata_generation_id(metadata) < 0 {
                return None;
            }
            CStr::from_ptr(id).to_str().ok().filter(|id| !id.is_empty())
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.metadata.as_ptr()) };
    }
}
