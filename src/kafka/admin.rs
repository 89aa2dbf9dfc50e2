//! Questions to and orders for the cluster, outside the data path: is it there, what are the topics like, make them.

mod group_offsets;
mod patience;
mod topic_limits;

pub use group_offsets::Moved;

use self::patience::is_settling;
use super::context::Context;
use super::properties::{base, pass_through};
use crate::config::values::show_duration;
use crate::config::{Kafka, NewTopic};
use crate::error::{EngineError, ExitCode, Stage};
use rdkafka::ClientConfig;
use rdkafka::admin::{self, AdminClient, AdminOptions, NewPartitions, TopicReplication};
use rdkafka::bindings;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::cell::OnceCell;
use std::time::{Duration, Instant};

/// A connection for administration. Errors are already sorted: no broker within the time limit is 69, refused is 77.
///
/// Questions go through a consumer, because that is the client that never makes a topic by asking for it.
pub struct Admin {
    kafka: Kafka,
    client: BaseConsumer<Context>,
    /// Connects at the first order or question that only this kind of client can send.
    orders: OnceCell<AdminClient<Context>>,
}

/// What the engine must know of a topic before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFacts {
    /// The topic's name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// Its `max.message.bytes`; `None` where the broker does not let us look (then Kafka's default, 1,048,588, is assumed).
    pub max_message_bytes: Option<usize>,
}

impl TopicFacts {
    /// Kafka's default for `max.message.bytes`.
    const MAX_MESSAGE_BYTES_DEFAULT: usize = 1_048_588;

    /// The largest record batch that the topic takes, Kafka's default where we may not look.
    pub fn record_bytes_max(&self) -> usize {
        self.max_message_bytes.unwrap_or(Self::MAX_MESSAGE_BYTES_DEFAULT)
    }
}

/// What became of an order for a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    New,
    /// It was there already, and stays as it is.
    AlreadyThere,
}

/// A topic's name, and what became of the order for it.
pub type CreatedTopic = (String, Result<Created, EngineError>);

/// How long one question may wait for a broker before the client's own words are looked at again.
const STEP: Duration = Duration::from_millis(100);

impl Admin {
    /// Connects, and waits until a broker has answered: at most `kafka.connect_timeout`.
    ///
    /// # Errors
    /// No broker (69), authentication or certificate refused (77), or settings that the client does not take (78).
    pub fn connect(kafka: &Kafka) -> Result<Admin, EngineError> {
        let context = Context::default();
        let client: BaseConsumer<Context> = questions(kafka)
            .create_with_context(context.clone())
            .map_err(|error| settings_refused(&error))?;
        let deadline = Instant::now() + kafka.connect_timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if brokers_answer(client.client(), left.min(STEP)) {
                return Ok(Admin { kafka: kafka.clone(), client, orders: OnceCell::new() });
            }
            // Serves the client's errors; it is subscribed to nothing, so there is nothing else.
            drop(client.poll(Duration::from_millis(5)));
            if let Some(refusal) = refusal(kafka, &context) {
                return Err(refusal);
            }
            if left.is_zero() {
                return Err(unreachable(kafka, &context));
            }
        }
    }

    /// Looks at topics; `Ok(None)` in a place where the topic does not exist. Not allowed to see one: 77, named.
    ///
    /// # Errors
    /// Refused (77), or no answer within `timeout` (69).
    pub fn topics(&self, names: &[&str], timeout: Duration) -> Result<Vec<Option<TopicFacts>>, EngineError> {
        let deadline = Instant::now() + timeout;
        let mut topics = Vec::with_capacity(names.len());
        let mut up = Vec::new();
        for name in names {
            let found = self.partitions(name, deadline)?;
            let name = (*name).to_owned();
            topics.push(found.map(|(partitions, brokers)| {
                up = brokers;
                TopicFacts { name, partitions, max_message_bytes: None }
            }));
        }
        self.add_limits(&mut topics, &up, deadline)?;
        Ok(topics)
    }

    /// The names of all topics that we may see, without Kafka's own.
    ///
    /// # Errors
    /// No answer within `timeout` (69).
    pub fn topic_names(&self, timeout: Duration) -> Result<Vec<String>, EngineError> {
        let metadata =
            self.client.fetch_metadata(None, timeout).map_err(|error| self.sort(&error, "list topics"))?;
        let names = metadata.topics().iter().map(|topic| topic.name());
        let mut names: Vec<String> =
            names.filter(|name| !name.starts_with("__")).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The first offset and the end of a partition.
    ///
    /// # Errors
    /// Refused (77), or no answer within `timeout` (69).
    pub fn watermarks(
        &self,
        topic: &str,
        partition: i32,
        timeout: Duration,
    ) -> Result<(i64, i64), EngineError> {
        let answer = self.ask(timeout, |left| self.client.fetch_watermarks(topic, partition, left));
        answer.map_err(|error| self.sort(&error, &format!("read the offsets of topic {topic}")))
    }

    /// Makes topics, in one request, and says what became of each: one that is there already is no error, one that is not allowed
    /// (77) or not possible as asked (78) is.
    ///
    /// # Errors
    /// No answer within `timeout` (69).
    pub fn create(&self, topics: &[NewTopic], timeout: Duration) -> Result<Vec<CreatedTopic>, EngineError> {
        const BROKERS_DEFAULT: i32 = -1;
        let orders: Vec<admin::NewTopic<'_>> = topics
            .iter()
            .map(|topic| {
                let replication = TopicReplication::Fixed(topic.replication.unwrap_or(BROKERS_DEFAULT));
                admin::NewTopic::new(&topic.name, topic.partitions.unwrap_or(BROKERS_DEFAULT), replication)
            })
            .collect();
        let results = pollster::block_on(self.orders()?.create_topics(&orders, &options(timeout)));
        let results = results.map_err(|error| self.sort(&error, "create topics"))?;
        let sorted = results.into_iter().map(|result| match result {
            Ok(name) => (name, Ok(Created::New)),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => (name, Ok(Created::AlreadyThere)),
            Err((name, code)) => {
                let error = self.sort(&KafkaError::AdminOp(code), &format!("create topic {name}"));
                (name, Err(error))
            }
        });
        Ok(sorted.collect())
    }

    /// Raises a topic's number of partitions to `count`.
    ///
    /// # Errors
    /// Not allowed (77), not possible as asked (78), or no answer within `timeout` (69).
    pub fn create_partitions(&self, topic: &str, count: i32, timeout: Duration) -> Result<(), EngineError> {
        let doing = format!("give topic {topic} {count} partitions");
        let count = usize::try_from(count).unwrap_or_default();
        let order = NewPartitions::new(topic, count);
        let results = pollster::block_on(self.orders()?.create_partitions([&order], &options(timeout)));
        for result in results.map_err(|error| self.sort(&error, &doing))? {
            result.map_err(|(_, code)| self.sort(&KafkaError::AdminOp(code), &doing))?;
        }
        Ok(())
    }

    /// A topic's number of partitions and the brokers that are up; `None` where the topic does not exist.
    fn partitions(&self, name: &str, deadline: Instant) -> Result<Option<(i32, Vec<i32>)>, EngineError> {
        let doing = format!("look at topic {name}");
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let metadata = match self.client.fetch_metadata(Some(name), left.max(STEP)) {
                Ok(metadata) => metadata,
                Err(error) => return Err(self.sort(&error, &doing)),
            };
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            let code = topic.and_then(|topic| topic.error()).map(RDKafkaErrorCode::from);
            match (topic, code) {
                (Some(topic), None) if !topic.partitions().is_empty() => {
                    let brokers = metadata.brokers().iter().map(|broker| broker.id()).collect();
                    return Ok(i32::try_from(topic.partitions().len()).ok().map(|count| (count, brokers)));
                }
                (_, Some(RDKafkaErrorCode::UnknownTopicOrPartition)) => return Ok(None),
                // A topic that was made a moment ago has no leader yet.
                (_, None | Some(RDKafkaErrorCode::LeaderNotAvailable)) if !left.is_zero() => {
                    drop(self.client.poll(STEP));
                }
                (_, code) => {
                    let code = code.unwrap_or(RDKafkaErrorCode::LeaderNotAvailable);
                    return Err(self.sort(&KafkaError::MetadataFetch(code), &doing));
                }
            }
        }
    }

    fn orders(&self) -> Result<&AdminClient<Context>, EngineError> {
        if let Some(orders) = self.orders.get() {
            return Ok(orders);
        }
        let mut config = base(&self.kafka);
        pass_through(&mut config, &self.kafka.producer_properties);
        let orders =
            config.create_with_context(Context::default()).map_err(|error| settings_refused(&error))?;
        Ok(self.orders.get_or_init(|| orders))
    }

    /// Sorts a failed question or order by what is to be done about it.
    fn sort(&self, error: &KafkaError, doing: &str) -> EngineError {
        use RDKafkaErrorCode as Code;
        let code = match error {
            KafkaError::AdminOp(code) => Some(*code),
            other => other.rdkafka_error_code(),
        };
        let Some(code) = code else {
            return EngineError::new(Stage::Start, ExitCode::Config, format!("could not {doing}: {error}"));
        };
        match code {
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed => {
                let user = self.kafka.security.sasl_username.as_deref();
                let who = user.map(|user| format!("user {user} is ")).unwrap_or_else(|| "we are ".to_owned());
                let message =
                    format!("{who}not allowed to {doing} ({code}): the cluster's ACLs must grant it");
                EngineError::new(Stage::Start, ExitCode::Refused, message)
            }
            Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown => self.unanswered(doing, code),
            settling if is_settling(settling) => self.unanswered(doing, code),
            _ => EngineError::new(Stage::Start, ExitCode::Config, format!("could not {doing}: {code}")),
        }
    }

    /// Nobody answered, or nobody who could.
    fn unanswered(&self, doing: &str, code: RDKafkaErrorCode) -> EngineError {
        let servers = &self.kafka.bootstrap_servers;
        let message =
            format!("could not {doing}: {code}; asked by way of {servers} (KAFKA_BOOTSTRAP_SERVERS)");
        EngineError::new(Stage::Start, ExitCode::Unavailable, message)
    }
}

/// The settings of a client that only asks.
fn questions(kafka: &Kafka) -> ClientConfig {
    let mut config = base(kafka);
    pass_through(&mut config, &kafka.consumer_properties);
    config
}

fn options(timeout: Duration) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(timeout)).operation_timeout(Some(timeout))
}

/// Asks for the list of brokers alone: the answer's size does not depend on how many topics there are.
fn brokers_answer(client: &Client<Context>, timeout: Duration) -> bool {
    let mut answer = std::ptr::null();
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX).max(1);
    // SAFETY: the client lives through the call; no topic handle is given, which the function allows; `answer` is a valid place
    // for its result.
    let result = unsafe {
        bindings::rd_kafka_metadata(client.native_ptr(), 0, std::ptr::null_mut(), &mut answer, timeout_ms)
    };
    if !answer.is_null() {
        // SAFETY: the function gave us the answer to own, and nothing refers to it.
        unsafe { bindings::rd_kafka_metadata_destroy(answer) };
    }
    RDKafkaErrorCode::from(result) == RDKafkaErrorCode::NoError
}

/// The client does not take its settings. Its words name property and reason; a value only for what is no secret.
fn settings_refused(error: &KafkaError) -> EngineError {
    let words = match error {
        KafkaError::ClientCreation(words) => words.clone(),
        KafkaError::ClientConfig(_, _, property, _) => format!("{property} is not taken"),
        other => other.to_string(),
    };
    let message = format!("the Kafka client does not take its settings: {words}");
    EngineError::new(Stage::Start, ExitCode::Config, message)
}

/// Authentication or a certificate was refused: trying again would not help.
fn refusal(kafka: &Kafka, context: &Context) -> Option<EngineError> {
    let heard = context.heard();
    let servers = &kafka.bootstrap_servers;
    let message = if let Some(reason) = heard.authentication {
        let user = kafka.security.sasl_username.as_deref().unwrap_or("nobody");
        let mechanism = kafka.security.sasl_mechanism.as_deref().unwrap_or("none");
        format!(
            "authentication as {user} with {mechanism} was refused by {servers}: {reason}; see KAFKA_SASL_MECHANISM, \
             KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD"
        )
    } else {
        let reason = heard.certificate?;
        let ca = match &kafka.security.ssl_ca_location {
            Some(path) => format!("KAFKA_SSL_CA_LOCATION is {}", path.display()),
            None => "KAFKA_SSL_CA_LOCATION is not set, so the system's certificates are trusted".to_owned(),
        };
        format!(
            "the TLS connection to {servers} was refused for a certificate: {reason}; {ca}; a broker that asks for a \
             certificate of ours needs KAFKA_SSL_CERTIFICATE_LOCATION and KAFKA_SSL_KEY_LOCATION"
        )
    };
    Some(EngineError::new(Stage::Start, ExitCode::Refused, message))
}

fn unreachable(kafka: &Kafka, context: &Context) -> EngineError {
    let protocol = kafka.security.protocol.as_deref().unwrap_or("plaintext");
    let listener = if protocol.ends_with("ssl") { "speaks no TLS" } else { "expects TLS" };
    let reason =
        context.heard().last.unwrap_or_else(|| "the connection was closed without a word".to_owned());
    let message = format!(
        "no broker of {} (KAFKA_BOOTSTRAP_SERVERS) answered within {} (GRISTMILL_CONNECT_TIMEOUT): {reason}; likely the host or \
         port is wrong, the broker is not up, or it {listener} at this port (KAFKA_SECURITY_PROTOCOL is {protocol})",
        kafka.bootstrap_servers,
        show_duration(kafka.connect_timeout),
    );
    EngineError::new(Stage::Start, ExitCode::Unavailable, message)
}
