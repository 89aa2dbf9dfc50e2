//! From [`Config`](crate::config::Config) to client properties that every client of ours shares: where the brokers are and how to
//! get in.

use crate::config::Kafka;
use crate::config::properties::PropertyFault;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// Bootstrap servers, security, socket time limit, client id, log level, no topics made unasked; nothing that only a consumer or a
/// producer knows.
pub fn base(kafka: &Kafka) -> ClientConfig {
    let security = &kafka.security;
    let mut config = ClientConfig::new();
    config
        .set("client.id", "gristmill")
        .set("bootstrap.servers", &kafka.bootstrap_servers)
        .set("socket.timeout.ms", kafka.socket_timeout.as_millis().to_string())
        // A topic that is misspelt, or deleted meanwhile, must fail. A producer's default is `true`: where the brokers allow it, asking
        // for such a topic makes it, with their defaults for partitions and retention.
        .set("allow.auto.create.topics", "false")
        .set_log_level(log_level());
    let texts = [
        ("security.protocol", security.protocol.as_deref()),
        ("sasl.mechanism", security.sasl_mechanism.as_deref()),
        ("sasl.username", security.sasl_username.as_deref()),
        ("sasl.password", security.sasl_password.as_ref().map(|secret| secret.reveal())),
        ("ssl.key.password", security.ssl_key_password.as_ref().map(|secret| secret.reveal())),
    ];
    let paths = [
        ("ssl.ca.location", &security.ssl_ca_location),
        ("ssl.certificate.location", &security.ssl_certificate_location),
        ("ssl.key.location", &security.ssl_key_location),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            config.set(name, value);
        }
    }
    for (name, path) in paths {
        if let Some(path) = path {
            config.set(name, path.to_string_lossy());
        }
    }
    config
}

/// Adds pass-through properties; they have been checked, so none of them overrides what is ours.
pub fn pass_through(config: &mut ClientConfig, properties: &[(String, String)]) {
    for (name, value) in properties {
        config.set(name, value);
    }
}

/// Whether the client takes a property.
///
/// # Errors
/// It has no such property, or does not take the value.
pub fn judge(name: &str, value: &str) -> Result<(), PropertyFault> {
    let mut config = ClientConfig::new();
    config.set(name, value);
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            Err(PropertyFault::Unknown)
        }
        Err(KafkaError::ClientConfig(_, words, ..)) => Err(PropertyFault::Value(words.trim_end().to_owned())),
        Err(_) => Err(PropertyFault::Value("it is not taken".to_owned())),
    }
}

/// The client's version and what it was built with.
pub fn version() -> (String, String) {
    let (_, version) = rdkafka::util::get_rdkafka_version();
    let config = ClientConfig::new().create_native_config();
    let features = config.and_then(|config| config.get("builtin.features"));
    (version, features.unwrap_or_default().replace(',', ", "))
}

/// What the client logs is what we would log: it formats nothing that nobody reads.
fn log_level() -> RDKafkaLogLevel {
    if tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else if tracing::enabled!(target: "librdkafka", tracing::Level::INFO) {
        RDKafkaLogLevel::Info
    } else if tracing::enabled!(target: "librdkafka", tracing::Level::WARN) {
        RDKafkaLogLevel::Warning
    } else {
        RDKafkaLogLevel::Error
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Resolver, Sources};

    #[test]
    fn the_client_judges_names_and_values() {
        assert_eq!(judge("linger.ms", "5"), Ok(()));
        assert_eq!(judge("fetch.wait.max.ms", "50"), Ok(()));
        assert_eq!(judge("compression.level", "3"), Ok(()));
        assert_eq!(judge("linger.minutes", "5"), Err(PropertyFault::Unknown));
        assert!(matches!(judge("linger.ms", "soon"), Err(PropertyFault::Value(_))));
        let outside = judge("fetch.wait.max.ms", "-1");
        assert!(
            matches!(outside, Err(PropertyFault::Value(words)) if words.ends_with("300000")),
            "no line end"
        );
    }

    #[test]
    fn security_reaches_the_client() {
        let pairs = [
            ("KAFKA_BOOTSTRAP_SERVERS", "kafka:9093"),
            ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
            ("KAFKA_SASL_MECHANISM", "scram-sha-512"),
            ("KAFKA_SASL_USERNAME", "alice"),
            ("KAFKA_SASL_PASSWORD", "canary-secret"),
        ];
        let sources =
            Sources::from_environment(pairs.iter().map(|(name, value)| (name.into(), value.into())));
        let config = base(&Resolver::new(&sources, judge).kafka());
        assert_eq!(config.get("sasl.mechanism"), Some("SCRAM-SHA-512"));
        assert_eq!(config.get("sasl.password"), Some("canary-secret"));
        config.create_native_config().expect("the client takes all of them");
    }

    #[test]
    fn the_client_has_what_the_settings_promise() {
        let (version, features) = version();
        assert!(version.starts_with("2."), "{version}");
        for feature in ["gzip", "snappy", "lz4", "zstd", "ssl", "sasl_plain", "sasl_scram"] {
            assert!(features.contains(feature), "{feature} is not among {features}");
        }
    }
}
