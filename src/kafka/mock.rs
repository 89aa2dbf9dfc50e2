//! A Kafka cluster inside this process: librdkafka's mock brokers, for the demo and for tests.
//!
//! Its brokers are one thread that listens on loopback, without TLS, SASL or administration. A partition keeps
//! [`RETENTION_BYTES`] or [`RETENTION_BATCHES`], and drops its oldest records without a word: whoever feeds it must keep what is
//! not yet read below that. It hands out one record batch of a partition a fetch, and does not deduplicate what an idempotent producer
//! sends again.

use super::code::Code;
use rdkafka::bindings as sys;
use rdkafka::config::ClientConfig;
use std::ffi::{CStr, CString};
use std::os::raw::c_char;
use std::ptr::NonNull;
use std::time::Duration;

/// What a partition keeps, in bytes of record batches as they were produced.
pub const RETENTION_BYTES: usize = 5 * 1024 * 1024;

/// What a partition keeps, in record batches.
pub const RETENTION_BATCHES: usize = 100_000;

/// A running mock cluster. Its brokers are numbered from 1. Everything may be asked of it from any thread.
pub struct MockCluster {
    cluster: NonNull<sys::rd_kafka_mock_cluster_t>,
    client: NonNull<sys::rd_kafka_t>,
}

/// A kind of request, by its number in Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Request {
    /// Records to a broker.
    Produce = 0,
    /// Records from a broker.
    Fetch = 1,
    /// Oldest and end offsets.
    ListOffsets = 2,
    /// Topics, partitions, leaders.
    Metadata = 3,
    /// A group's commit.
    OffsetCommit = 8,
    /// A group's committed offsets.
    OffsetFetch = 9,
    /// Who coordinates a group.
    FindCoordinator = 10,
    /// Into a group.
    JoinGroup = 11,
    /// Still in a group.
    Heartbeat = 12,
    /// Out of a group.
    LeaveGroup = 13,
    /// A group's assignment.
    SyncGroup = 14,
    /// An idempotent producer's first.
    InitProducerId = 22,
    /// A group's commit in a transaction.
    TxnOffsetCommit = 28,
}

// SAFETY: the mock cluster's functions either take its lock or hand their order to its thread and wait for the answer.
unsafe impl Send for MockCluster {}
// SAFETY: as above.
unsafe impl Sync for MockCluster {}

impl MockCluster {
    /// Starts `brokers` brokers. Groups start without the usual delay of 3 s for the first members to gather.
    ///
    /// # Errors
    /// The client's own words: no sockets on loopback, most likely.
    pub fn start(brokers: i32) -> Result<MockCluster, String> {
        let mut config = ClientConfig::new();
        // It is a client without a cluster, and would say so. Critical is what remains.
        config.set("client.id", "mock").set("log_level", "2");
        let native = config.create_native_config().map_err(|error| error.to_string())?;
        let mut text = [0 as c_char; 512];
        // SAFETY: the configuration is valid; a copy of it is given away, because the client owns on success what it was given.
        // The buffer is described by pointer and length.
        let client = unsafe {
            let own = sys::rd_kafka_conf_dup(native.ptr());
            let client = sys::rd_kafka_new(
                sys::rd_kafka_type_t::RD_KAFKA_PRODUCER,
                own,
                text.as_mut_ptr(),
                text.len(),
            );
            if client.is_null() {
                sys::rd_kafka_conf_destroy(own);
            }
            client
        };
        let Some(client) = NonNull::new(client) else {
            // SAFETY: the client wrote a C string into the buffer.
            return Err(unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned());
        };
        // SAFETY: the client is valid, and outlives the cluster: see `drop`.
        let cluster = unsafe { sys::rd_kafka_mock_cluster_new(client.as_ptr(), brokers) };
        let Some(cluster) = NonNull::new(cluster) else {
            // SAFETY: valid, ours, and used by nobody.
            unsafe { sys::rd_kafka_destroy(client.as_ptr()) };
            return Err("the mock brokers cannot listen on loopback".to_owned());
        };
        let started = MockCluster { cluster, client };
        started.set_initial_rebalance_delay(Duration::ZERO);
        Ok(started)
    }

    /// `host:port,…` of all brokers.
    pub fn bootstrap_servers(&self) -> String {
        // SAFETY: the cluster is valid; its text is written once, when it starts, and lives as long as it.
        let servers = unsafe { CStr::from_ptr(sys::rd_kafka_mock_cluster_bootstraps(self.cluster.as_ptr())) };
        servers.to_string_lossy().into_owned()
    }

    /// Makes a topic; one that nobody made gets four partitions when somebody asks for it.
    ///
    /// # Errors
    /// It is there already.
    pub fn create_topic(&self, topic: &str, partitions: i32, replicas: i32) -> Result<(), Code> {
        let topic = text(topic)?;
        // SAFETY: cluster and name are valid; the name is copied.
        answer(unsafe {
            sys::rd_kafka_mock_topic_create(self.cluster.as_ptr(), topic.as_ptr(), partitions, replicas)
        })
    }

    /// Moves a partition to another leader, or leaves it without one.
    ///
    /// # Errors
    /// No such broker.
    pub fn set_leader(&self, topic: &str, partition: i32, broker: Option<i32>) -> Result<(), Code> {
        let topic = text(topic)?;
        let broker = broker.unwrap_or(-1);
        // SAFETY: cluster and name are valid; the name is copied.
        answer(unsafe {
            sys::rd_kafka_mock_partition_set_leader(self.cluster.as_ptr(), topic.as_ptr(), partition, broker)
        })
    }

    /// Names a follower that consumers are to read a partition from.
    ///
    /// # Errors
    /// The cluster refuses.
    pub fn set_follower(&self, topic: &str, partition: i32, broker: i32) -> Result<(), Code> {
        let topic = text(topic)?;
        // SAFETY: cluster and name are valid; the name is copied.
        answer(unsafe {
            sys::rd_kafka_mock_partition_set_follower(
                self.cluster.as_ptr(),
                topic.as_ptr(),
                partition,
                broker,
            )
        })
    }

    /// Moves a group's coordinator.
    ///
    /// # Errors
    /// The cluster refuses.
    pub fn set_coordinator(&self, group: &str, broker: i32) -> Result<(), Code> {
        let group = text(group)?;
        // SAFETY: the cluster and both texts are valid; they are copied.
        answer(unsafe {
            sys::rd_kafka_mock_coordinator_set(
                self.cluster.as_ptr(),
                c"group".as_ptr(),
                group.as_ptr(),
                broker,
            )
        })
    }

    /// The next requests of a kind, to any broker and from anybody, fail one after the other with these codes;
    /// `_TRANSPORT` closes the connection. They queue up behind earlier ones.
    pub fn fail_requests(&self, request: Request, codes: &[Code]) {
        let codes: Vec<sys::rd_kafka_resp_err_t> = codes.iter().filter_map(|code| native(*code)).collect();
        // SAFETY: the cluster is valid; the array is described by pointer and length, and copied.
        unsafe {
            sys::rd_kafka_mock_push_request_errors_array(
                self.cluster.as_ptr(),
                request as i16,
                codes.len(),
                codes.as_ptr(),
            );
        }
    }

    /// What [`MockCluster::fail_requests`] still had in store for a kind of request is forgotten.
    pub fn stop_failing(&self, request: Request) {
        // SAFETY: the cluster is valid.
        unsafe { sys::rd_kafka_mock_clear_request_errors(self.cluster.as_ptr(), request as i16) };
    }

    /// The next request of a kind to a broker is answered only after `time`, with `code`.
    ///
    /// # Errors
    /// No such broker.
    pub fn delay_request(
        &self,
        broker: i32,
        request: Request,
        code: Code,
        time: Duration,
    ) -> Result<(), Code> {
        let code = native(code).ok_or(Code::UNKNOWN)?;
        // SAFETY: the cluster is valid; one pair of code and delay is announced, and follows as two C ints.
        answer(unsafe {
            sys::rd_kafka_mock_broker_push_request_error_rtts(
                self.cluster.as_ptr(),
                broker,
                request as i16,
                1,
                code as i32,
                milliseconds(time),
            )
        })
    }

    /// Every answer of a broker takes so long; `None` means all brokers.
    ///
    /// # Errors
    /// No such broker.
    pub fn set_round_trip(&self, broker: Option<i32>, time: Duration) -> Result<(), Code> {
        // SAFETY: the cluster is valid.
        answer(unsafe {
            sys::rd_kafka_mock_broker_set_rtt(self.cluster.as_ptr(), broker.unwrap_or(-1), milliseconds(time))
        })
    }

    /// How long a group without members waits for further ones when the first has come; at start 0.
    pub fn set_initial_rebalance_delay(&self, time: Duration) {
        // SAFETY: the cluster is valid.
        unsafe {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(self.cluster.as_ptr(), milliseconds(time))
        };
    }

    /// Closes a broker's connections and takes no new ones; its partitions stay with it. `None` means all brokers.
    ///
    /// # Errors
    /// No such broker.
    pub fn take_down(&self, broker: Option<i32>) -> Result<(), Code> {
        // SAFETY: the cluster is valid.
        answer(unsafe { sys::rd_kafka_mock_broker_set_down(self.cluster.as_ptr(), broker.unwrap_or(-1)) })
    }

    /// Removes a broker from the cluster; its partitions go to others. What it coordinates is to be moved before.
    ///
    /// # Errors
    /// No such broker.
    pub fn remove(&self, broker: i32) -> Result<(), Code> {
        // SAFETY: the cluster is valid.
        answer(unsafe { sys::rd_kafka_mock_broker_decommission(self.cluster.as_ptr(), broker) })
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// No such broker.
    pub fn bring_up(&self, broker: Option<i32>) -> Result<(), Code> {
        // SAFETY: the cluster is valid.
        answer(unsafe { sys::rd_kafka_mock_broker_set_up(self.cluster.as_ptr(), broker.unwrap_or(-1)) })
    }
}

impl Drop for MockCluster {
    fn drop(&mut self) {
        // SAFETY: each is ours and given back once; the cluster first, whose thread belongs to the client.
        unsafe {
            sys::rd_kafka_mock_cluster_destroy(self.cluster.as_ptr());
            sys::rd_kafka_destroy(self.client.as_ptr());
        }
    }
}

fn text(text: &str) -> Result<CString, Code> {
    CString::new(text).map_err(|_| Code::UNKNOWN)
}

fn answer(code: sys::rd_kafka_resp_err_t) -> Result<(), Code> {
    let code = Code::from(code);
    if code == Code::OK { Ok(()) } else { Err(code) }
}

fn native(code: Code) -> Option<sys::rd_kafka_resp_err_t> {
    sys::rd_kafka_resp_err_t::try_from(code.0).ok()
}

fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
