//! Every way to configure it wrongly, and what it says then.

use super::{Answer, Gristmill};

/// A call whose log, and with it the error that ends it, is for people.
fn as_text(arguments: &[&str]) -> Gristmill {
    Gristmill::new(arguments).env("LOG_FORMAT", "text")
}

fn json_lines(answer: &Answer) -> Vec<serde_json::Value> {
    answer.stderr.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn topics_are_required_and_all_missing_ones_are_named() {
    as_text(&["run"]).run().is("missing-topics");
    as_text(&["run", "--input-topic", "in"]).env("KAFKA_INPUT_TOPICS", "x").run().is("misspelt-topic");
    Gristmill::new(&["topics", "create"]).run().is("topics-without-names");
    Gristmill::new(&["generate"]).run().is("generate-without-topic");
    Gristmill::new(&["offsets", "show"]).run().is("offsets-without-topic");
}

#[test]
fn all_mistakes_are_told_at_once() {
    Gristmill::new(&["check", "--batch-size", "many", "--output-topic", "in", "--compression", "brotli"])
        .with_topics()
        .env("KAFKA_BOOTSTRAP_SERVERS", "http://kafka:9092")
        .env("KAFKA_CONSUMER_GROUP", " ")
        .env("KAFKA_SESSION_TIMEOUT", "45s")
        .env("KAFKA_SOCKET_TIMEOUT", "1")
        .env("KAFKA_AUTO_OFFSET_RESET", "newest")
        .env("KAFKA_ENABLE_AUTO_COMMIT", "maybe")
        .env("KAFKA_RETRY_LIMIT", "-1")
        .env("KAFKA_WORKER_POOL_SIZE", "0")
        .env("GRISTMILL_BATCH_LINGER", "5")
        .env("GRISTMILL_CONNECT_TIMEOUT", "soon")
        .env("GRISTMILL_CONTRACT", "no-such-contract.toml")
        .env("GRISTMILL_DLQ_FORMAT", "xml")
        .env("GRISTMILL_DLQ_HEADERS", "none")
        .env("GRISTMILL_DRAIN_TIMEOUT", "1h")
        .env("GRISTMILL_HTTP_ADDR", "9090")
        .env("GRISTMILL_INSTANCE_ID", "a b")
        .env("GRISTMILL_MEMORY_LIMIT", "1MB")
        .env("GRISTMILL_RATE_LIMIT", "0")
        .env("GRISTMILL_SOURCE_THREADS", "1.5")
        .env("ALERT_ERROR_RATE", "101")
        .env("ALERT_LATENCY_THRESHOLD", "500")
        .env("LEVEL", "loud")
        .env("LOG_FORMAT", "xml")
        .env("LOG_FILE_PATH", "no/such/folder/log")
        .env("LOGGING_SERVICE", "splunk")
        .run()
        .is("many-mistakes");
}

#[test]
fn where_json_is_asked_for_mistakes_are_json_too() {
    // Without a terminal that is the log's form unless another is asked for, be it by a word that is none.
    for format in ["json", "JSON", "", "xml"] {
        let answer = Gristmill::new(&["run", "--consumer-group", "a b"])
            .with_topics()
            .env("LOG_FORMAT", format)
            .env("KAFKA_INPUT_TOPICS", "x")
            .run();
        let lines = json_lines(&answer);
        assert_eq!(answer.code, Some(78));
        assert_eq!((lines[0]["level"].as_str(), lines[1]["level"].as_str()), (Some("WARN"), Some("ERROR")));
        assert!(lines[0]["message"].as_str().unwrap().contains("KAFKA_INPUT_TOPICS"));
        assert!(lines[1]["message"].as_str().unwrap().contains("KAFKA_CONSUMER_GROUP"));
    }
    let answer = Gristmill::new(&["run", "--env-file", "missing"]).run();
    assert!(
        json_lines(&answer)[0]["message"].as_str().unwrap().contains("--env-file: missing"),
        "{answer:?}"
    );
}

#[test]
fn mistakes_of_the_contract_are_told_with_the_rest() {
    let contract = "name = \"own\"\n[field.id]\ntype = \"strin\"\nmin = \"x\"\n";
    for command in [&["run", "--log-format", "text"][..], &["check"], &["try"]] {
        let answer = Gristmill::new(&[command, &["--contract", "own.toml"]].concat())
            .file("own.toml", contract)
            .env("GRISTMILL_COFFEE", "black")
            .run();
        for part in ["own.toml:3: there is no type", "GRISTMILL_COFFEE"] {
            answer.fails_with(78, part);
        }
        assert!(command == ["try"] || answer.stderr.contains("KAFKA_INPUT_TOPIC"), "{answer:?}");
    }
}

#[test]
fn what_an_order_lacks_is_told_with_the_rest() {
    for command in [&["generate"][..], &["generate", "--topic", "a b"], &["topics", "create"]] {
        let answer = Gristmill::new(command).env("KAFKA_SESSION_TIMEOUT", "45s").run();
        answer.fails_with(78, "configuration: 2 mistakes");
    }
    Gristmill::new(&["generate", "--topic", "a b"])
        .run()
        .fails_with(78, r#"--topic: got "a b"; takes a topic name"#);
    let wrong = Gristmill::new(&["generate"]).env("KAFKA_INPUT_TOPIC", "a b").run();
    wrong.fails_with(78, "configuration: KAFKA_INPUT_TOPIC");
}

#[test]
fn a_dead_letter_limit_is_a_share_of_so_many_records() {
    as_text(&["run"]).with_topics().env("GRISTMILL_DLQ_LIMIT", "50%").run().is("dlq-limit-wrong");
    for command in ["run", "check"] {
        Gristmill::new(&[command, "--dlq-limit", "100%/10"])
            .run()
            .fails_with(78, "on the command line; takes a share");
    }
}

#[test]
fn unknown_names_are_mistakes_or_warnings_or_somebody_elses() {
    as_text(&["run"])
        .with_topics()
        .env("GRISTMILL_BATCH_SIZ", "1")
        .env("GRISTMILL_COFFEE", "black")
        .env("KAFKA_ENABLE_AUTO_COMMT", "true")
        .env("KAFKA_COFFEE", "black")
        .env("KAFKA_HEAP_OPTS", "-Xmx1g")
        .env("KAFKA_SERVICE_HOST", "10.0.0.1")
        .env("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.1")
        .env("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://kafka:9092")
        .run()
        .is("unknown-names");
}

#[test]
fn properties_of_the_engine_are_refused() {
    as_text(&["run"])
        .with_topics()
        .env("KAFKA_CONSUMER__group_id", "other")
        .env("KAFKA_CONSUMER__enable_auto_commit", "true")
        .env("KAFKA_CONSUMER__fetch_wait_max_ms", "50")
        .env("KAFKA_CONSUMER__fetch_wait_min_ms", "50")
        .env("KAFKA_CONSUMER__enable_ssl_certificate_verification", "false")
        .env("KAFKA_CONSUMER__fetch_min_bytes", "few")
        .env("KAFKA_PRODUCER__request_required_acks", "1")
        .env("KAFKA_PRODUCER__MAX_IN_FLIGHT", "100")
        .env("KAFKA_PRODUCER__linger_ms", "1")
        .env("KAFKA_PRODUCER__queue_buffering_max_ms", "2")
        .run()
        .is("owned-properties");
}

#[test]
fn security_settings_that_do_not_go_together() {
    as_text(&["run", "--security-protocol", "sasl_ssl", "--sasl-mechanism", "GSSAPI"])
        .with_topics()
        .run()
        .is("sasl-incomplete");
    as_text(&["run", "--sasl-username", "alice", "--ssl-certificate-location", "no-such.crt"])
        .with_topics()
        .run()
        .is("security-without-effect");
    as_text(&["run", "--security-protocol", "SASL_PLAINTEXT", "--sasl-mechanism", "plain"])
        .with_topics()
        .env("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
        .env("KAFKA_SASL_USERNAME", "alice")
        .env("KAFKA_SASL_PASSWORD", "canary")
        .run()
        .is("password-in-the-clear");
}

#[test]
fn the_env_file_is_weaker_than_the_environment() {
    let call = |name: &str, value: &str| {
        as_text(&["run", "--env-file", "settings"])
            .with_topics()
            .file("settings", "GRISTMILL_BATCH_SIZE=many\nexport GRISTMILL_BATCH_LINGER=\"long\"\n")
            .env(name, value)
            .run()
    };
    call("GRISTMILL_BATCH_SIZE", "").is("env-file");
    let weaker = call("GRISTMILL_BATCH_SIZE", "100");
    weaker.fails_with(78, "GRISTMILL_BATCH_LINGER");
    assert!(!weaker.stderr.contains("GRISTMILL_BATCH_SIZE"), "{weaker:?}");
    as_text(&["run", "--env-file", "missing"]).run().fails_with(78, "--env-file: missing: cannot be read");
}

#[test]
fn the_env_file_is_taken_literally_and_all_its_bad_lines_are_told() {
    let call = |text: &str| Gristmill::new(&["check", "--env-file", "settings"]).file("settings", text).run();
    let literal = call("HOME=/root\nKAFKA_CONSUMER_GROUP=\"a $HOME ${HOME} \\\\ \"\n");
    literal.fails_with(78, r#"got "a $HOME ${HOME} \\ " in the file"#);
    call("GOOD=1\nbad\nBAD='x\n# note\nBAD=\"x\nBAD=\"\\$x\"\nBAD='x'y\n").is("env-file-wrong");
}

#[test]
fn a_dot_env_file_is_mentioned_and_not_read() {
    let call = |arguments: &[&str]| Gristmill::new(arguments).file(".env", "KAFKA_INPUT_TOPIC=in\n").run();
    call(&["check"]).is("dot-env-unread");
    let read = call(&["check", "--env-file", ".env"]);
    assert!(!read.stderr.contains("is not read") && !read.stderr.contains("KAFKA_INPUT_TOPIC"), "{read:?}");
}

#[test]
fn commands_without_kafka_do_not_look_at_its_variables() {
    for command in ["try", "demo", "healthcheck"] {
        let wrong =
            Gristmill::new(&[command]).env("KAFKA_SESSION_TIMEOUT", "x").env("KAFKA_COFFEE", "x").run();
        assert!(!wrong.stderr.contains("KAFKA_"), "{wrong:?}");
    }
}

#[test]
fn the_demo_goes_by_the_built_in_contract() {
    let demo = Gristmill::new(&["demo", "--events", "500"]);
    demo.env("GRISTMILL_CONTRACT", "no-such-contract.toml").run().succeeds();
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    for arguments in [&["alerts"][..], &["completions", "bash"], &["try", "events.jsonl"]] {
        let call = Gristmill::new(arguments).file("events.jsonl", "{}\n");
        let answer = Answer::from(call.command().stdout(full()).output().expect("the binary runs"));
        answer.fails_with(74, "standard output cannot be written");
    }
}

#[test]
fn an_env_file_that_never_ends_is_refused() {
    Gristmill::new(&["check", "--offline", "--env-file", "/dev/zero"])
        .run()
        .fails_with(78, "larger than 4 MiB");
}

#[test]
fn a_negative_number_is_a_value_that_is_refused() {
    Gristmill::new(&["generate", "--count", "-1"])
        .run()
        .fails_with(64, "invalid value '-1' for '--count <N>'");
    Gristmill::new(&["demo", "--invalid", "-0.1"]).run().fails_with(64, "takes a number from 0 to 1");
}

#[test]
fn alerts_prints_the_rules_with_our_thresholds() {
    let answer = Gristmill::new(&["alerts", "--alert-error-rate", "2.5%"])
        .env("ALERT_LATENCY_THRESHOLD", "250ms")
        .env("KAFKA_COFFEE", "black")
        .run();
    answer.succeeds();
    assert!(answer.stderr.is_empty() && answer.stdout.contains("groups:"), "{answer:?}");
    for rule in ["vector(2.5)\n", "vector(0.25)\n"] {
        assert_eq!(answer.stdout.matches(rule).count(), 1, "{rule}: {answer:?}");
    }
    Gristmill::new(&["alerts"]).env("ALERT_ERROR_RATE", "all").run().fails_with(78, "ALERT_ERROR_RATE");
}

#[test]
fn healthcheck_without_an_engine_is_1() {
    let port = super::cluster::closed_port();
    let answer = Gristmill::new(&["healthcheck", "--http-addr", &format!("0.0.0.0:{port}")]).run();
    answer.fails_with(1, "not ready: ");
    Gristmill::new(&["healthcheck", "--http-addr", "off"]).run().fails_with(1, "GRISTMILL_HTTP_ADDR");
    Gristmill::new(&["healthcheck", "--http-addr", "x"]).run().fails_with(78, "GRISTMILL_HTTP_ADDR");
}

#[test]
fn check_offline_tells_what_it_read() {
    Gristmill::new(&["check", "--offline"])
        .with_topics()
        .env("KAFKA_COFFEE", "black")
        .env("KAFKA_WORKER_POOL_SIZE", "4")
        .run()
        .is("check-offline");
    Gristmill::new(&["check", "--offline", "--contract", "own.toml"])
        .with_topics()
        .file("own.toml", "name = \"own\"\n[field.id]\ntype = \"strin\"\n")
        .run()
        .is("check-wrong-contract");
}

#[test]
fn a_flag_that_may_stand_alone_leaves_the_next_one_alone() {
    for said in [&["--enable-auto-commit", "--offline"][..], &["--offline", "--enable-auto-commit", "true"]] {
        let call = [&["check"][..], said].concat();
        assert_eq!(Gristmill::new(&call).with_topics().run().code, Some(0), "{said:?}");
    }
}

#[test]
fn try_judges_a_file_and_counts() {
    let events = concat!(
        "{\"user_id\":\"u\",\"app_version\":\"2.0.0\",\"device_type\":\"web\",\"ip\":\"\",\"locale\":\"RU\"}\n",
        "{\"user_id\":\"u\",\"app_version\":\"1.9.9\",\"device_type\":\"web\"}\n",
        "{\n",
    );
    let call = |more: &[&str]| {
        let call = [&["try", "events.jsonl", "--now", "2026-01-01T00:00:00Z"][..], more].concat();
        Gristmill::new(&call).file("events.jsonl", events).run()
    };
    call(&[]).is("try-text");
    call(&["--format", "json", "--fail-on-dead-letter"]).is("try-json");
    Gristmill::new(&["try", "missing.jsonl"]).run().fails_with(64, "missing.jsonl cannot be read");
}
