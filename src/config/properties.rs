//! Pass-through: `KAFKA_CONSUMER__fetch_wait_max_ms=50` is the consumer's `fetch.wait.max.ms`. What the engine's guarantees
//! rest on is refused, under each of its names, with the reason.

use super::mistakes::{Mistake, quoted};
use super::sources::Sources;

/// Whose property it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `KAFKA_CONSUMER__…`.
    Consumer,
    /// `KAFKA_PRODUCER__…`.
    Producer,
}

impl Client {
    const fn prefix(self) -> &'static str {
        match self {
            Client::Consumer => "KAFKA_CONSUMER__",
            Client::Producer => "KAFKA_PRODUCER__",
        }
    }
}

/// What the Kafka client says of a property that it does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyFault {
    /// It knows no such name.
    Unknown,
    /// It does not take the value; its own words may quote it.
    Value(String),
}

/// Asks the Kafka client whether it takes a property.
pub type PropertyJudge = fn(&str, &str) -> Result<(), PropertyFault>;

/// Whether the variable is a pass-through.
pub fn is_pass_through(variable: &str) -> bool {
    [Client::Consumer, Client::Producer].iter().any(|client| variable.starts_with(client.prefix()))
}

/// Whether a property's value must not be shown.
pub fn is_sensitive(property: &str) -> bool {
    const PARTS: [&str; 6] = ["password", "secret", "passphrase", ".pem", "oauthbearer.config", "token"];
    PARTS.iter().any(|part| property.contains(part))
}

/// Reads the pass-through properties of a client, as (canonical name, value), and what is wrong with them.
pub fn read(
    sources: &Sources,
    client: Client,
    allow_insecure: bool,
    judge: PropertyJudge,
) -> (Vec<(String, String)>, Vec<Mistake>) {
    let mut properties: Vec<(String, String)> = Vec::new();
    let mut mistakes = Vec::new();
    for variable in sources.names() {
        let Some(name) = variable.strip_prefix(client.prefix()) else { continue };
        let property = canonical(&name.to_lowercase().replace('_', "."));
        let Some(given) = sources.find(variable) else {
            mistakes.push(Mistake::of(variable, "its value is not UTF-8"));
            continue;
        };
        let problem = if let Some(reason) = refusal(&property, given.value, allow_insecure) {
            Some(format!("{property} cannot be set: {reason}"))
        } else if properties.iter().any(|(earlier, _)| *earlier == property) {
            Some(format!("{property} is set twice, by another spelling too"))
        } else {
            judge(&property, given.value).err().map(|fault| explain(&property, given.value, &fault))
        };
        match problem {
            Some(problem) => mistakes.push(Mistake::of(variable, problem)),
            None => properties.push((property, given.value.to_owned())),
        }
    }
    (properties, mistakes)
}

fn explain(property: &str, value: &str, fault: &PropertyFault) -> String {
    match fault {
        PropertyFault::Unknown => format!("the Kafka client has no property {property}"),
        PropertyFault::Value(_) if is_sensitive(property) => {
            format!("the Kafka client refuses this {property}")
        }
        PropertyFault::Value(words) => format!("{property}: got {}; {words}", quoted(value)),
    }
}

/// One name for a property that has two: the client's settings are a map, and of two names in it either could win.
fn canonical(property: &str) -> String {
    match property {
        "queue.buffering.max.ms" => "linger.ms",
        "sasl.oauthbearer.client.credentials.client.id" => "sasl.oauthbearer.client.id",
        "sasl.oauthbearer.client.credentials.client.secret" => "sasl.oauthbearer.client.secret",
        other => other,
    }
    .to_owned()
}

/// Why a property must not be set, if so.
fn refusal(property: &str, value: &str, allow_insecure: bool) -> Option<String> {
    if let Some((_, variable)) = HAS_A_VARIABLE.iter().find(|(name, _)| *name == property) {
        return Some(format!("it has a variable of its own, {variable}"));
    }
    if let Some((_, reason)) = OWNED.iter().find(|(names, _)| names.contains(&property)) {
        return Some((*reason).to_owned());
    }
    if property.starts_with("test.mock.") || property.ends_with(".cb") {
        return Some("it is for programs, not for operation".to_owned());
    }
    if !allow_insecure && is_insecure(property, value) {
        return Some("it takes protection away (GRISTMILL_ALLOW_INSECURE=true permits it)".to_owned());
    }
    None
}

fn is_insecure(property: &str, value: &str) -> bool {
    let is = |word: &str| value.trim().eq_ignore_ascii_case(word);
    match property {
        "enable.ssl.certificate.verification" => !is("true"),
        "ssl.endpoint.identification.algorithm" => !is("https"),
        "enable.sasl.oauthbearer.unsecure.jwt" => !is("false"),
        // It is a shell command.
        "sasl.kerberos.kinit.cmd" => true,
        _ => false,
    }
}

const HAS_A_VARIABLE: &[(&str, &str)] = &[
    ("bootstrap.servers", "KAFKA_BOOTSTRAP_SERVERS"),
    ("metadata.broker.list", "KAFKA_BOOTSTRAP_SERVERS"),
    ("group.id", "KAFKA_CONSUMER_GROUP"),
    ("group.instance.id", "GRISTMILL_INSTANCE_ID"),
    ("auto.offset.reset", "KAFKA_AUTO_OFFSET_RESET"),
    ("session.timeout.ms", "KAFKA_SESSION_TIMEOUT"),
    ("socket.timeout.ms", "KAFKA_SOCKET_TIMEOUT"),
    ("compression.codec", "KAFKA_COMPRESSION"),
    ("compression.type", "KAFKA_COMPRESSION"),
    ("security.protocol", "KAFKA_SECURITY_PROTOCOL"),
    ("sasl.mechanism", "KAFKA_SASL_MECHANISM"),
    ("sasl.mechanisms", "KAFKA_SASL_MECHANISM"),
    ("sasl.username", "KAFKA_SASL_USERNAME"),
    ("sasl.password", "KAFKA_SASL_PASSWORD"),
    ("ssl.ca.location", "KAFKA_SSL_CA_LOCATION"),
    ("ssl.certificate.location", "KAFKA_SSL_CERTIFICATE_LOCATION"),
    ("ssl.key.location", "KAFKA_SSL_KEY_LOCATION"),
    ("ssl.key.password", "KAFKA_SSL_KEY_PASSWORD"),
    ("log.level", "LOG_LEVEL"),
];

const OWNED: &[(&[&str], &str)] = &[
    (
        &[
            "enable.auto.commit",
            "auto.commit.enable",
            "auto.commit.interval.ms",
            "enable.auto.offset.store",
            "offset.store.method",
            "offset.store.path",
            "offset.store.sync.interval.ms",
        ],
        "the engine commits, and only what is settled (KAFKA_ENABLE_AUTO_COMMIT chooses how often)",
    ),
    (
        &["partition.assignment.strategy", "group.protocol", "group.protocol.type", "group.remote.assignor"],
        "the engine's handling of rebalances rests on the cooperative-sticky assignment of the classic protocol",
    ),
    (
        &["isolation.level"],
        "records of open or aborted transactions must not be read, so it is always read_committed",
    ),
    (&["check.crcs"], "checksums are always checked, so that damage cannot pass as data"),
    (&["enable.partition.eof"], "the engine relies on the ends of partitions being reported as it set them"),
    (&["allow.auto.create.topics"], "a misspelt topic must fail, not come into being"),
    (
        &[
            "queued.min.messages",
            "queued.max.messages.kbytes",
            "fetch.max.bytes",
            "fetch.message.max.bytes",
            "max.partition.fetch.bytes",
            "receive.message.max.bytes",
            "queue.buffering.max.messages",
            "queue.buffering.max.kbytes",
        ],
        "it is derived from GRISTMILL_MEMORY_LIMIT",
    ),
    (&["message.max.bytes"], "it is derived from the limits of the output and dead letter topics"),
    (&["max.poll.interval.ms"], "the time for a revoke's drain is derived from it (GRISTMILL_DRAIN_TIMEOUT)"),
    (
        &[
            "enable.idempotence",
            "enable.gapless.guarantee",
            "acks",
            "request.required.acks",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "retries",
            "message.send.max.retries",
            "message.timeout.ms",
            "delivery.timeout.ms",
            "queuing.strategy",
            "msg.order.cmp",
            "delivery.report.only.error",
        ],
        "that no record is lost or overtaken rests on it",
    ),
    (&["transactional.id", "transaction.timeout.ms"], "transactions are the engine's"),
    (
        &["partitioner", "partitioner.cb"],
        "a key must go where the Java clients put it, so it is always murmur2_random",
    ),
    (
        &["plugin.library.paths", "interceptors", "ssl.engine.location", "ssl.engine.id", "ssl.providers"],
        "it loads foreign code into the process",
    ),
    (
        &["api.version.request", "api.version.fallback.ms", "broker.version.fallback"],
        "a client that does not ask the broker what it can do sends no headers and is not idempotent",
    ),
    (&["debug"], "it writes secrets and payloads to the log"),
    (
        &["opaque", "default.topic.conf", "enabled.events", "log.queue", "internal.termination.signal"],
        "it is for programs, not for operation",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(pairs: &[(&str, &str)], allow_insecure: bool) -> (Vec<(String, String)>, Vec<Mistake>) {
        let sources =
            Sources::from_environment(pairs.iter().map(|(name, value)| (name.into(), value.into())));
        read(&sources, Client::Consumer, allow_insecure, |name, _| match name {
            "no.such.thing" => Err(PropertyFault::Unknown),
            "ssl.keystore.password" => Err(PropertyFault::Value("canary-secret is bad".to_owned())),
            _ => Ok(()),
        })
    }

    #[test]
    fn names_are_translated_in_any_case() {
        let given = [("KAFKA_CONSUMER__fetch_wait_max_ms", "50"), ("KAFKA_CONSUMER__FETCH_MIN_BYTES", "1")];
        let (properties, mistakes) = read_from(&given, false);
        assert_eq!(mistakes, []);
        assert!(properties.contains(&("fetch.wait.max.ms".to_owned(), "50".to_owned())));
        assert!(properties.contains(&("fetch.min.bytes".to_owned(), "1".to_owned())));
    }

    #[test]
    fn owned_properties_are_refused_under_every_name() {
        for name in [
            "acks",
            "request_required_acks",
            "GROUP_ID",
            "sasl_mechanisms",
            "test_mock_num_brokers",
            "dr_msg_cb",
            "ssl_engine_location",
            "ssl_engine_id",
            "ssl_providers",
            "api_version_request",
            "api_version_fallback_ms",
            "broker_version_fallback",
        ] {
            let (properties, mistakes) = read_from(&[(&format!("KAFKA_CONSUMER__{name}"), "1")], true);
            assert_eq!((properties.len(), mistakes.len()), (0, 1), "{name}");
        }
    }

    #[test]
    fn what_takes_protection_away_needs_permission() {
        let given = [("KAFKA_CONSUMER__enable_ssl_certificate_verification", "false")];
        assert_eq!(read_from(&given, false).1.len(), 1);
        assert_eq!(read_from(&given, true).1.len(), 0);
        assert_eq!(
            read_from(&[("KAFKA_CONSUMER__enable_ssl_certificate_verification", "true")], false).1.len(),
            0
        );
    }

    #[test]
    fn two_names_of_one_property_are_a_mistake() {
        let (_, mistakes) = read_from(
            &[("KAFKA_CONSUMER__linger_ms", "1"), ("KAFKA_CONSUMER__queue_buffering_max_ms", "2")],
            false,
        );
        assert_eq!(mistakes.len(), 1);
    }

    #[test]
    fn the_clients_refusals_come_back_without_secrets() {
        let given = [
            ("KAFKA_CONSUMER__no_such_thing", "1"),
            ("KAFKA_CONSUMER__ssl_keystore_password", "canary-secret"),
        ];
        let (_, mistakes) = read_from(&given, false);
        assert_eq!(mistakes.len(), 2);
        assert!(mistakes.iter().all(|mistake| !mistake.to_string().contains("canary")), "{mistakes:?}");
    }
}
