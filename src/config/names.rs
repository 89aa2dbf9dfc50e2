//! Names in the environment that look like ours and are not: a misspelt variable must not be silently without effect.
//!
//! `GRISTMILL_…` belongs to us alone, so an unknown one is a mistake. `KAFKA_…` is everybody's: Kubernetes announces a service
//! called `kafka` there, and Kafka's images take their own settings from there, so an unknown one is only a warning, and those
//! are passed over in silence.

use super::mistakes::Mistake;
use super::properties;
use super::settings::SETTINGS;

/// What is to be said about a name.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// A warning.
    Warning(String),
    /// A mistake.
    Mistake(Mistake),
}

/// Judges the name of a variable that is set to `value` (empty where that is not UTF-8).
pub fn judge(name: &str, value: &str) -> Verdict {
    let known = SETTINGS.iter().any(|setting| setting.variable == name);
    let own = name.starts_with("GRISTMILL_");
    let kafka = name.starts_with("KAFKA_");
    if known || !(own || kafka) || is_service_link(name, value) || properties::is_pass_through(name) {
        return Verdict::Fine;
    }
    let hint = nearest(name).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    if own {
        // The test suite's own variable reaches the binary that it starts.
        if name == "GRISTMILL_TEST_KAFKA" {
            return Verdict::Fine;
        }
        return Verdict::Mistake(Mistake::of(name, format!("there is no such variable{hint}")));
    }
    if belongs_to_kafka(name) && hint.is_empty() {
        return Verdict::Fine;
    }
    Verdict::Warning(format!("{name} is set, but no variable of this name is read{hint}"))
}

/// The known variable that differs least, if it differs little. Whose prefix it has, is easily mistaken, and counts only between two
/// that are as near.
fn nearest(name: &str) -> Option<&'static str> {
    if let Some((_, variable)) = OTHERS_WORDS.iter().find(|(word, _)| *word == stem(name)) {
        return Some(variable);
    }
    let near = SETTINGS.iter().map(|setting| {
        let differs = |name, variable| strsim::damerau_levenshtein(name, variable);
        let whole = differs(name, setting.variable);
        ((differs(stem(name), stem(setting.variable)).min(whole), whole), setting.variable)
    });
    let ((distance, _), variable) = near.min_by_key(|(distances, _)| *distances)?;
    // Up to three letters may be wrong; in a short name fewer, else every name is near to every other.
    (distance <= stem(variable).len().div_ceil(4).min(3)).then_some(variable)
}

/// A name without its prefix.
fn stem(name: &str) -> &str {
    let stem = name.strip_prefix("GRISTMILL_").or_else(|| name.strip_prefix("KAFKA_")).unwrap_or(name);
    stem.strip_prefix("LOG_").unwrap_or(stem)
}

/// What others call it.
const OTHERS_WORDS: &[(&str, &str)] = &[
    ("TOPIC", "KAFKA_INPUT_TOPIC"),
    ("GROUP", "KAFKA_CONSUMER_GROUP"),
    ("GROUP_ID", "KAFKA_CONSUMER_GROUP"),
    ("BROKERS", "KAFKA_BOOTSTRAP_SERVERS"),
    ("BROKER_LIST", "KAFKA_BOOTSTRAP_SERVERS"),
];

/// Variables that Kubernetes and Docker links make of services: `X_SERVICE_HOST`, `X_SERVICE_PORT_HTTP`, `X_PORT`,
/// `X_PORT_9092_TCP_ADDR`.
fn is_service_link(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST") || name.ends_with("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return true;
    }
    if name.ends_with("_PORT") {
        return is_link_address(value);
    }
    let Some((_, rest)) = name.rsplit_once("_PORT_") else { return false };
    let mut parts = rest.split('_');
    let number =
        parts.next().is_some_and(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    let protocol = parts.next().is_some_and(|part| matches!(part, "TCP" | "UDP" | "SCTP"));
    number && protocol && parts.next().is_none_or(|part| matches!(part, "PROTO" | "PORT" | "ADDR"))
}

/// What Kubernetes and Docker write into `X_PORT`: `tcp://10.0.0.1:9092`.
pub fn is_link_address(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"].iter().any(|protocol| value.starts_with(protocol))
}

/// Whether the variable is one of Kafka's scripts and images (Apache, Confluent, Bitnami) or of compose files around them.
fn belongs_to_kafka(name: &str) -> bool {
    KAFKAS_NAMES.contains(&name) || KAFKAS_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

const KAFKAS_NAMES: &[&str] = &[
    "KAFKA_HOME",
    "KAFKA_OPTS",
    "KAFKA_DEBUG",
    "KAFKA_VERSION",
    "KAFKA_USER",
    "KAFKA_DATA_DIRS",
    "KAFKA_CLUSTER_ID",
    "KAFKA_NODE_ID",
    "KAFKA_NUM_PARTITIONS",
    "KAFKA_DEFAULT_REPLICATION_FACTOR",
    "KAFKA_MIN_INSYNC_REPLICAS",
    "KAFKA_DELETE_TOPIC_ENABLE",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE",
    "KAFKA_INTER_BROKER_LISTENER_NAME",
    "KAFKA_PROCESS_ROLES",
    "KAFKA_AUTHORIZER_CLASS_NAME",
    "KAFKA_SUPER_USERS",
    "KAFKA_MESSAGE_MAX_BYTES",
    "KAFKA_BROKER_ID",
    "KAFKA_BROKER_RACK",
];

/// No wider than a broker's settings are: `KAFKA_LOG_LEVEL` and `KAFKA_GROUP_ID` are none of them, and meant for us.
const KAFKAS_PREFIXES: &[&str] = &[
    "KAFKA_ADVERTISED_",
    "KAFKA_BROKER_HEARTBEAT_",
    "KAFKA_BROKER_ID_",
    "KAFKA_BROKER_SESSION_",
    "KAFKA_CFG_",
    "KAFKA_CONFLUENT_",
    "KAFKA_CONTROLLER_",
    "KAFKA_GC_LOG_",
    "KAFKA_GROUP_CONSUMER_",
    "KAFKA_GROUP_COORDINATOR_",
    "KAFKA_GROUP_INITIAL_",
    "KAFKA_GROUP_MAX_",
    "KAFKA_GROUP_MIN_",
    "KAFKA_GROUP_SHARE_",
    "KAFKA_GROUP_STREAMS_",
    "KAFKA_HEAP_",
    "KAFKA_JMX_",
    "KAFKA_JVM_",
    "KAFKA_KRAFT_",
    "KAFKA_LISTENER",
    "KAFKA_LOG_CLEANER_",
    "KAFKA_LOG_CLEANUP_",
    "KAFKA_LOG_DELETION_",
    "KAFKA_LOG_DIR",
    "KAFKA_LOG_FLUSH_",
    "KAFKA_LOG_INDEX_",
    "KAFKA_LOG_INITIAL_",
    "KAFKA_LOG_LOCAL_",
    "KAFKA_LOG_MESSAGE_",
    "KAFKA_LOG_PREALLOCATE",
    "KAFKA_LOG_RETENTION_",
    "KAFKA_LOG_ROLL_",
    "KAFKA_LOG_SEGMENT_",
    "KAFKA_LOG4J_",
    "KAFKA_METRIC_",
    "KAFKA_OFFSETS_",
    "KAFKA_REPLICA_",
    "KAFKA_SHARE_",
    "KAFKA_TRANSACTION_ABORT_",
    "KAFKA_TRANSACTION_MAX_",
    "KAFKA_TRANSACTION_PARTITION_",
    "KAFKA_TRANSACTION_REMOVE_",
    "KAFKA_TRANSACTION_STATE_",
    "KAFKA_ZOOKEEPER_",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_of_ours_are_mistakes_with_the_nearest() {
        let Verdict::Mistake(mistake) = judge("GRISTMILL_BATCH_SIZ", "1") else { panic!("no mistake") };
        assert!(mistake.to_string().contains("did you mean GRISTMILL_BATCH_SIZE?"), "{mistake}");
        let Verdict::Mistake(mistake) = judge("GRISTMILL_COFFEE", "1") else { panic!("no mistake") };
        assert!(!mistake.to_string().contains("did you mean"), "{mistake}");
    }

    #[test]
    fn a_foreign_prefix_and_another_word_for_it_are_seen_through() {
        for (name, meant) in [
            ("GRISTMILL_INPUT_TOPIC", "KAFKA_INPUT_TOPIC"),
            ("GRISTMILL_LOG_LEVEL", "LOG_LEVEL"),
            ("GRISTMILL_LEVEL", "LOG_LEVEL"),
            ("GRISTMILL_COMPRESSION", "KAFKA_COMPRESSION"),
            ("GRISTMILL_COMPRESION", "KAFKA_COMPRESSION"),
            ("GRISTMILL_DLQ_LIMITS", "GRISTMILL_DLQ_LIMIT"),
            ("GRISTMILL_LOGGING_SERVICE", "LOGGING_SERVICE"),
            ("GRISTMILL_TEST_LOG", ""),
            ("KAFKA_LOG_LEVEL", "LOG_LEVEL"),
            ("KAFKA_LOG_FORMAT", "LOG_FORMAT"),
            ("KAFKA_BATCH_SIZE", "GRISTMILL_BATCH_SIZE"),
            ("KAFKA_GROUP_ID", "KAFKA_CONSUMER_GROUP"),
            ("KAFKA_TOPIC", "KAFKA_INPUT_TOPIC"),
            ("KAFKA_BROKERS", "KAFKA_BOOTSTRAP_SERVERS"),
            ("KAFKA_BROKER_LIST", "KAFKA_BOOTSTRAP_SERVERS"),
        ] {
            let said = match judge(name, "1") {
                Verdict::Fine => panic!("nothing is said of {name}"),
                Verdict::Warning(text) => text,
                Verdict::Mistake(mistake) => mistake.to_string(),
            };
            let hint = said.split_once("; did you mean ").map_or("", |(_, hint)| hint);
            assert_eq!(hint.trim_end_matches('?'), meant, "{name}");
        }
    }

    #[test]
    fn a_port_is_a_service_link_only_by_its_value() {
        assert!(matches!(judge("GRISTMILL_HTTP_PORT", "9090"), Verdict::Mistake(_)));
    }

    #[test]
    fn misspelt_kafka_names_are_warnings() {
        let Verdict::Warning(text) = judge("KAFKA_ENABLE_AUTO_COMMT", "1") else { panic!("no warning") };
        assert!(text.contains("did you mean KAFKA_ENABLE_AUTO_COMMIT?"), "{text}");
        assert!(matches!(judge("KAFKA_INPUT_TOPICS", "1"), Verdict::Warning(_)));
        assert!(matches!(judge("KAFKA_SOMETHING_ELSE", "1"), Verdict::Warning(_)));
    }

    #[test]
    fn what_others_put_there_is_passed_over() {
        for name in [
            "PATH",
            "KAFKA_SERVICE_HOST",
            "KAFKA_SERVICE_PORT_CLIENT",
            "KAFKA_PORT",
            "KAFKA_PORT_9092_TCP",
            "KAFKA_PORT_9092_TCP_ADDR",
            "GRISTMILL_PORT_9090_TCP_PROTO",
            "GRISTMILL_SERVICE_HOST",
            "KAFKA_HOME",
            "KAFKA_OPTS",
            "KAFKA_HEAP_OPTS",
            "KAFKA_ADVERTISED_LISTENERS",
            "KAFKA_CFG_NODE_ID",
            "KAFKA_LISTENERS",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR",
            "KAFKA_CONSUMER__fetch_wait_max_ms",
            "KAFKA_DEBUG",
            "KAFKA_VERSION",
            "KAFKA_USER",
            "KAFKA_DATA_DIRS",
            "KAFKA_CLUSTER_ID",
            "KAFKA_NODE_ID",
            "KAFKA_NUM_PARTITIONS",
            "KAFKA_DEFAULT_REPLICATION_FACTOR",
            "KAFKA_PROCESS_ROLES",
            "KAFKA_SUPER_USERS",
            "KAFKA_MESSAGE_MAX_BYTES",
            "KAFKA_BROKER_ID",
            "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS",
            "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS",
            "KAFKA_GROUP_COORDINATOR_REBALANCE_PROTOCOLS",
            "KAFKA_LOG_DIRS",
            "KAFKA_LOG_RETENTION_HOURS",
            "KAFKA_LOG_RETENTION_CHECK_INTERVAL_MS",
            "KAFKA_LOG_SEGMENT_BYTES",
            "KAFKA_LOG_CLEANUP_POLICY",
            "KAFKA_LOG4J_ROOT_LOGLEVEL",
            "KAFKA_LOG4J_LOGGERS",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR",
            "GRISTMILL_TEST_KAFKA",
        ] {
            assert_eq!(judge(name, "tcp://10.0.0.1:9092"), Verdict::Fine, "{name}");
        }
    }

    #[test]
    fn every_setting_is_known() {
        for setting in SETTINGS {
            assert_eq!(judge(setting.variable, "1"), Verdict::Fine);
        }
    }
}
