//! What the resolver makes of what was typed, and what it says of mistakes.

use super::*;
use crate::config::Delivery;
use crate::config::properties::PropertyFault;
use crate::config::{LogFormat, LogLevel};
use std::io::Write;

const TOPICS: [(&str, &str); 3] =
    [("KAFKA_INPUT_TOPIC", "in"), ("KAFKA_OUTPUT_TOPIC", "out"), ("KAFKA_DLQ_TOPIC", "dlq")];

fn sources(pairs: &[(&str, &str)]) -> Sources {
    Sources::from_environment(pairs.iter().map(|(name, value)| (name.into(), value.into())))
}

fn all_known(_: &str, _: &str) -> Result<(), PropertyFault> {
    Ok(())
}

fn resolve_only(pairs: &[(&str, &str)]) -> Result<(Config, Vec<String>), Mistakes> {
    let sources = sources(pairs);
    let mut resolver = Resolver::new(&sources, all_known);
    let config = resolver.config(false);
    resolver.finish(Command::Run, config)
}

fn resolve(pairs: &[(&str, &str)]) -> Result<(Config, Vec<String>), Mistakes> {
    resolve_only(&[&TOPICS, pairs].concat())
}

fn mistakes(pairs: &[(&str, &str)]) -> String {
    resolve(pairs).expect_err("a mistake").to_string()
}

#[test]
fn the_table_of_defaults_gives_a_configuration() {
    let (config, warnings) = resolve(&[]).expect("nothing but topics is required");
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(config.kafka.bootstrap_servers, "localhost:9092");
    assert_eq!(config.group.id, "gristmill");
    assert_eq!(config.group.commit_interval, Duration::from_millis(100));
    assert_eq!(config.limits.memory_bytes, 256 << 20);
    assert_eq!(config.pipeline.batch_linger, Duration::from_millis(2));
    assert_eq!(config.telemetry.log.format, LogFormat::Json);
    assert_eq!(config.telemetry.http_addr, "127.0.0.1:9090".parse().ok());
}

#[test]
fn missing_topics_are_named_in_one_mistake() {
    let error =
        resolve_only(&[("KAFKA_OUTPUT_TOPIC", "out"), ("KAFKA_DLQ_TOPIC", "")]).expect_err("two are missing");
    assert_eq!(error.mistakes.len(), 1);
    assert_eq!(error.mistakes[0].subject, "KAFKA_INPUT_TOPIC (--input-topic), KAFKA_DLQ_TOPIC (--dlq-topic)");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = resolve(&[
        ("GRISTMILL_BATCH_SIZE", "many"),
        ("GRISTMILL_BATCH_LINGER", "5"),
        ("KAFKA_SESSION_TIMEOUT", "45s"),
        ("KAFKA_DLQ_TOPIC_", "x"),
        ("GRISTMILL_BATCH_SIZ", "1"),
        ("KAFKA_COMPRESSION", "brotli"),
    ])
    .expect_err("five mistakes");
    assert_eq!((error.mistakes.len(), error.warnings.len()), (5, 1), "{error}");
    let text = error.to_string();
    assert!(text.contains(
        "GRISTMILL_BATCH_SIZE (--batch-size): got \"many\" in the environment; takes a whole number"
    ));
    assert!(text.contains("one of none, gzip, snappy, lz4, zstd"), "{text}");
}

#[test]
fn topics_must_differ() {
    assert!(mistakes(&[("KAFKA_DLQ_TOPIC", "in")]).contains("both are \"in\""));
}

#[test]
fn host_and_port_stand_in_for_servers() {
    let servers = |pairs: &[(&str, &str)]| resolve(pairs).map(|(config, _)| config.kafka.bootstrap_servers);
    assert_eq!(servers(&[("KAFKA_BOOTSTRAP_HOST", "kafka")]).as_deref(), Ok("kafka:9092"));
    assert_eq!(servers(&[("KAFKA_BOOTSTRAP_PORT", "29092")]).as_deref(), Ok("localhost:29092"));
    let both = [("KAFKA_BOOTSTRAP_SERVERS", "a:1"), ("KAFKA_BOOTSTRAP_HOST", "b")];
    assert_eq!(servers(&both).as_deref(), Ok("a:1"));
    let kubernetes = [("KAFKA_BOOTSTRAP_PORT", "tcp://10.0.0.1:9092")];
    assert_eq!(servers(&kubernetes).as_deref(), Ok("localhost:9092"));
    assert!(mistakes(&[("KAFKA_BOOTSTRAP_HOST", "kafka:9092")]).contains("without a port"));

    let mut typed = sources(&[&TOPICS[..], &[("KAFKA_BOOTSTRAP_SERVERS", "a:1")]].concat());
    typed.set_flag("KAFKA_BOOTSTRAP_HOST", "b".to_owned());
    assert_eq!(Resolver::new(&typed, all_known).kafka().bootstrap_servers, "b:9092");
}

#[test]
fn the_dead_letter_limit_is_on_unless_it_is_off() {
    let limit = |pairs: &[(&str, &str)]| {
        resolve(pairs).map(|(config, _)| config.pipeline.dlq_limit.map(|limit| limit.to_string()))
    };
    assert_eq!(limit(&[]), Ok(Some("50%/10000".to_owned())));
    assert_eq!(limit(&[("GRISTMILL_DLQ_LIMIT", "")]), Ok(Some("50%/10000".to_owned())), "empty is unset");
    assert_eq!(limit(&[("GRISTMILL_DLQ_LIMIT", "Off")]), Ok(None));
    let text = mistakes(&[("GRISTMILL_DLQ_LIMIT", "half")]);
    assert!(
        text.contains("GRISTMILL_DLQ_LIMIT (--dlq-limit): got \"half\" in the environment; takes a share"),
        "{text}"
    );
}

#[test]
fn auto_commit_is_a_period_of_the_engine() {
    let (config, _) = resolve(&[("KAFKA_ENABLE_AUTO_COMMIT", "TRUE")]).expect("a truth value in any case");
    assert_eq!(config.group.commit_interval, Duration::from_secs(5));
}

#[test]
fn level_is_read_where_log_level_is_not_set() {
    let level = |pairs: &[(&str, &str)]| resolve(pairs).map(|(config, _)| config.telemetry.log_level);
    assert_eq!(level(&[("LEVEL", "WARNING")]), Ok(LogLevel::Warn));
    assert_eq!(level(&[("LEVEL", "nonsense"), ("LOG_LEVEL", "Debug")]), Ok(LogLevel::Debug));
    assert!(mistakes(&[("LEVEL", "nonsense")]).contains("LEVEL: got \"nonsense\""));
}

#[test]
fn sasl_is_complete_or_absent() {
    let text = mistakes(&[("KAFKA_SECURITY_PROTOCOL", "SASL_SSL"), ("KAFKA_SASL_USERNAME", "alice")]);
    assert!(text.contains("KAFKA_SASL_MECHANISM (--sasl-mechanism), KAFKA_SASL_PASSWORD: not set"), "{text}");
    let text = mistakes(&[("KAFKA_SASL_USERNAME", "alice")]);
    assert!(text.contains("without effect while KAFKA_SECURITY_PROTOCOL is plaintext"), "{text}");
}

#[test]
fn a_password_does_not_cross_the_network_in_the_clear() {
    let plain = |servers, allowed| {
        let given = [
            ("KAFKA_BOOTSTRAP_SERVERS", servers),
            ("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext"),
            ("KAFKA_SASL_MECHANISM", "plain"),
            ("KAFKA_SASL_USERNAME", "bob"),
            ("KAFKA_SASL_PASSWORD", "canary-secret"),
            ("GRISTMILL_ALLOW_INSECURE", allowed),
        ];
        resolve(&given).map(|(config, _)| format!("{config:?}")).map_err(|error| error.to_string())
    };
    let error = plain("localhost:9092,kafka:9092", "").expect_err("refused");
    assert!(error.contains("GRISTMILL_ALLOW_INSECURE"), "{error}");
    for text in [plain("localhost:9092", ""), plain("kafka:9092", "yes")] {
        assert!(!text.expect("permitted").contains("canary"));
    }
}

#[test]
fn a_secret_comes_from_a_file_without_its_line_end() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(b"canary-secret\r\n").expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let sasl = [
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
        ("KAFKA_SASL_USERNAME", "alice"),
        ("KAFKA_SASL_PASSWORD_FILE", path),
    ];
    let (config, _) = resolve(&sasl).expect("complete");
    let password = config.kafka.security.sasl_password.expect("read");
    assert_eq!(password.reveal(), "canary-secret");
    let text = mistakes(&[&sasl[..], &[("KAFKA_SASL_PASSWORD", "another")]].concat());
    assert!(text.contains("both are set") && !text.contains("another"), "{text}");
    assert!(mistakes(&[("KAFKA_SASL_PASSWORD_FILE", "/does/not/exist")]).contains("cannot be read"));
}

#[test]
fn memory_covers_its_source_threads() {
    assert!(mistakes(&[("GRISTMILL_MEMORY_LIMIT", "1MiB")]).contains("from 32MiB"));
    assert!(mistakes(&[("GRISTMILL_SOURCE_THREADS", "16")]).contains("which need 512MiB"));
    let unknown = [
        ("GRISTMILL_MEMORY_LIMIT", "1GB"),
        ("GRISTMILL_SOURCE_THREADS", "16"),
        ("GRISTMILL_BATCH_BYTES", "65MiB"),
    ];
    assert_eq!(resolve(&unknown).expect_err("one mistake").mistakes.len(), 1, "nothing follows from it");
    assert!(mistakes(&[("GRISTMILL_BATCH_BYTES", "65MiB")]).contains("from 1KiB to 64MiB"));
}

#[test]
fn pass_through_never_shows_a_secret() {
    let given =
        [("KAFKA_CONSUMER__ssl_keystore_password", "canary-secret"), ("KAFKA_PRODUCER__linger_ms", "5")];
    let (config, _) = resolve(&given).expect("both are taken");
    let debug = format!("{config:?}");
    assert!(debug.contains("linger.ms") && !debug.contains("canary"), "{debug}");
}

#[test]
fn unknown_kafka_names_are_warnings() {
    let (_, warnings) =
        resolve(&[("KAFKA_ENABLE_AUTO_COMMT", "true"), ("KAFKA_HEAP_OPTS", "-Xmx1g")]).expect("a warning");
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("did you mean KAFKA_ENABLE_AUTO_COMMIT?"));
}

#[test]
fn topics_to_create_are_listed() {
    let given = sources(&[("KAFKA_CREATE_TOPICS", "a:6:3, b:1,c")]);
    let topics = Resolver::new(&given, all_known).create_topics().expect("three");
    assert_eq!(topics[0], NewTopic { name: "a".to_owned(), partitions: Some(6), replication: Some(3) });
    assert_eq!(topics[2], NewTopic { name: "c".to_owned(), partitions: None, replication: None });
    for wrong in ["a:0", "a:b", "a:1:1:compact", ",", ":1"] {
        let given = sources(&[("KAFKA_CREATE_TOPICS", wrong)]);
        assert!(Resolver::new(&given, all_known).create_topics().is_none(), "{wrong}");
    }
}

#[test]
fn the_http_address_is_an_address_or_off() {
    let address =
        |text| resolve(&[("GRISTMILL_HTTP_ADDR", text)]).map(|(config, _)| config.telemetry.http_addr);
    assert_eq!(address("OFF"), Ok(None));
    assert_eq!(address("localhost:1"), Ok("127.0.0.1:1".parse().ok()));
    assert_eq!(address(":0"), Ok("127.0.0.1:0".parse().ok()));
    assert_eq!(address(":9091"), Ok("127.0.0.1:9091".parse().ok()));
    for wrong in [":", ":x", "::", "::1", ":65536"] {
        assert!(address(wrong).is_err(), "{wrong}");
    }
    assert!(address("9090").is_err());
}

#[test]
fn exactly_once_takes_an_instance_id_and_no_interval_commits() {
    let exactly = ("GRISTMILL_DELIVERY", "Exactly-Once");
    let (config, _) =
        resolve(&[exactly, ("GRISTMILL_INSTANCE_ID", "mill-0"), ("KAFKA_CONSUMER_GROUP", "logins")])
            .expect("all that it takes");
    let interval = Duration::from_millis(200);
    let transactional_id = "gristmill-logins-mill-0".to_owned();
    assert_eq!(config.delivery, Delivery::ExactlyOnce { transactional_id, interval });
    assert_eq!(resolve(&[]).expect("the default").0.delivery, Delivery::AtLeastOnce);
    assert!(mistakes(&[exactly]).contains("GRISTMILL_INSTANCE_ID (--instance-id): required"));
    let auto = mistakes(&[exactly, ("GRISTMILL_INSTANCE_ID", "a"), ("KAFKA_ENABLE_AUTO_COMMIT", "true")]);
    assert!(auto.contains("KAFKA_ENABLE_AUTO_COMMIT") && auto.contains("leave it false"), "{auto}");
    let once = mistakes(&[exactly, ("GRISTMILL_INSTANCE_ID", "a b")]);
    assert!(once.contains("got \"a b\"") && !once.contains("required"), "{once}");
    assert!(
        mistakes(&[("GRISTMILL_TRANSACTION_INTERVAL", "11s")]).contains("GRISTMILL_TRANSACTION_INTERVAL")
    );
}

#[test]
fn a_log_service_decides_the_form_unless_text_is_asked_for() {
    let format = |pairs: &[(&str, &str)]| resolve(pairs).map(|(config, _)| config.telemetry.log.format);
    for (service, expected) in [
        ("none", LogFormat::Json),
        ("CloudWatch", LogFormat::CloudWatch),
        ("stackdriver", LogFormat::CloudLogging),
        ("AZURE_MONITOR", LogFormat::AzureMonitor),
        ("elk", LogFormat::Ecs),
    ] {
        assert_eq!(format(&[("LOGGING_SERVICE", service)]), Ok(expected), "{service}");
        assert_eq!(
            format(&[("LOGGING_SERVICE", service), ("LOG_FORMAT", "json")]),
            Ok(expected),
            "{service}"
        );
    }
    assert_eq!(format(&[("LOGGING_SERVICE", "none"), ("LOG_FORMAT", "text")]), Ok(LogFormat::Text));
    let both = mistakes(&[("LOGGING_SERVICE", "elk"), ("LOG_FORMAT", "text")]);
    assert!(both.contains("LOG_FORMAT (--log-format), LOGGING_SERVICE (--logging-service)"), "{both}");
    assert!(mistakes(&[("LOGGING_SERVICE", "splunk")]).contains("azure_monitor, elk"));
}

#[test]
fn a_log_file_needs_a_folder() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let inside = folder.path().join("gristmill.log").display().to_string();
    let (config, _) = resolve(&[("LOG_FILE_PATH", &inside)]).expect("it need not be there");
    assert_eq!(config.telemetry.log.file, Some(PathBuf::from(&inside)));
    // A file is for programs, whatever standard error is.
    let given = sources(&[("LOG_FILE_PATH", &inside)]);
    assert_eq!(Resolver::new(&given, all_known).log_output(true).format, LogFormat::Json);
    for wrong in [folder.path().display().to_string(), format!("{inside}/x"), "..".to_owned(), "/".to_owned()]
    {
        assert!(mistakes(&[("LOG_FILE_PATH", &wrong)]).contains("LOG_FILE_PATH"), "{wrong}");
    }
}

#[test]
fn variables_for_an_agent_are_remembered_by_name() {
    let pairs =
        [("ELASTICSEARCH_URL", "http://elastic:canary@es:9200"), ("GCP_PROJECT_ID", "p"), ("LOG_INDEX", "")];
    let (config, warnings) = resolve(&pairs).expect("they are accepted");
    assert_eq!(config.telemetry.shipping, ["ELASTICSEARCH_URL", "GCP_PROJECT_ID"]);
    assert!(warnings.is_empty() && !format!("{config:?}").contains("canary"));
}

#[test]
fn levels_have_many_names_in_any_case() {
    for (name, expected) in [
        ("FATAL", LogLevel::Error),
        ("Critical", LogLevel::Error),
        ("WARNING", LogLevel::Warn),
        ("iNFO", LogLevel::Info),
        ("DEBUG", LogLevel::Debug),
    ] {
        for variable in ["LOG_LEVEL", "LEVEL"] {
            let (config, _) = resolve(&[(variable, name)]).expect("a level");
            assert_eq!(config.telemetry.log_level, expected, "{variable}={name}");
        }
    }
}

#[test]
fn what_is_in_force_is_shown_with_its_origin_and_without_secrets() {
    let (config, _) = resolve(&[
        ("GRISTMILL_BATCH_SIZE", "100"),
        ("KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("KAFKA_SASL_MECHANISM", "PLAIN"),
        ("KAFKA_SASL_USERNAME", "alice"),
        ("KAFKA_SASL_PASSWORD", "canary"),
        ("KAFKA_CONSUMER__fetch_wait_max_ms", "50"),
        ("KAFKA_CONSUMER__ssl_keystore_password", "canary"),
    ])
    .expect("in order");
    let shown = |variable: &str| {
        let found = config.in_force.iter().find(|setting| setting.variable == variable);
        found.map(|setting| (setting.value.as_str(), setting.origin))
    };
    assert_eq!(shown("GRISTMILL_BATCH_SIZE"), Some(("100", "environment")));
    assert_eq!(shown("KAFKA_CONSUMER_GROUP"), Some(("gristmill", "default")));
    assert_eq!(shown("GRISTMILL_BATCH_BYTES"), Some(("3MiB", "derived")));
    assert_eq!(shown("KAFKA_SASL_PASSWORD"), Some(("***", "environment")));
    assert_eq!(shown("KAFKA_SSL_KEY_PASSWORD"), Some(("", "default")));
    assert_eq!(shown("KAFKA_CONSUMER__fetch_wait_max_ms"), Some(("50", "passed through")));
    assert_eq!(shown("KAFKA_CREATE_TOPICS"), None, "run does not read it");
    assert!(!format!("{:?}", config.in_force).contains("canary"));
}
