//! What is secret never comes out, whatever goes wrong.

use super::{Answer, Gristmill};

const CANARY: &str = "canary-7f3a";

#[track_caller]
fn is_silent(answer: &Answer) {
    assert!(!answer.stdout.contains(CANARY) && !answer.stderr.contains(CANARY), "{answer:?}");
}

fn planted(arguments: &[&str]) -> Gristmill {
    Gristmill::new(arguments)
        .with_topics()
        .env("KAFKA_SASL_PASSWORD", CANARY)
        .env("KAFKA_SSL_KEY_PASSWORD", CANARY)
        .env("KAFKA_CONSUMER__ssl_keystore_password", CANARY)
        .env("KAFKA_PRODUCER__sasl_oauthbearer_client_secret", CANARY)
        .env("KAFKA_PASSWORD", CANARY)
        .env("LOG_LEVEL", "trace")
}

#[test]
fn wrong_configurations_keep_secrets() {
    for command in [&["run"][..], &["check"], &["topics", "list"], &["generate", "--count", "1"]] {
        let answer = planted(command).run();
        answer.fails_with(78, "KAFKA_SASL_PASSWORD");
        is_silent(&answer);
        let answer =
            planted(command).env("GRISTMILL_PASSWORD", CANARY).env("KAFKA_CONSUMER__debug", CANARY).run();
        answer.fails_with(78, "GRISTMILL_PASSWORD");
        is_silent(&answer);
    }
}

#[test]
fn a_secret_given_twice_is_not_shown() {
    let answer = planted(&["run"])
        .file("password", CANARY)
        .env("KAFKA_SASL_PASSWORD_FILE", "password")
        .env("KAFKA_SECURITY_PROTOCOL", "sasl_ssl")
        .run();
    answer.fails_with(78, "both are set");
    is_silent(&answer);
}

#[test]
fn a_broken_env_file_is_not_quoted() {
    let text = format!("KAFKA_INPUT_TOPIC=in\nKAFKA_SASL_PASSWORD {CANARY}\n");
    let answer = Gristmill::new(&["run", "--env-file", "settings"]).file("settings", &text).run();
    answer.fails_with(78, "line 2 is not NAME=value");
    is_silent(&answer);
}

#[test]
fn a_failed_connection_keeps_secrets() {
    let servers = format!("127.0.0.1:{}", super::cluster::closed_port());
    for command in ["list", "create"] {
        let answer = Gristmill::new(&["topics", command, "--connect-timeout", "300ms"])
            .with_topics()
            .env("KAFKA_BOOTSTRAP_SERVERS", &servers)
            .env("KAFKA_SECURITY_PROTOCOL", "sasl_plaintext")
            .env("KAFKA_SASL_MECHANISM", "PLAIN")
            .env("KAFKA_SASL_USERNAME", "alice")
            .env("KAFKA_SASL_PASSWORD", CANARY)
            .run();
        answer.fails_with(69, "KAFKA_BOOTSTRAP_SERVERS");
        is_silent(&answer);
    }
}
