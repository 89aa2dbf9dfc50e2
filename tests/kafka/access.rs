//! TLS, SCRAM and access control lists: with the rights that are documented it works, and each missing one ends with 77, named.

use crate::mill::Mill;
use crate::scene::Scene;
use perf::child::Spawn;
use perf::events::Shape;
use perf::secure::{Grant, PASSWORD, Secure, USER};
use std::sync::OnceLock;

fn secure() -> Option<&'static Secure> {
    static SECURE: OnceLock<Option<Secure>> = OnceLock::new();
    SECURE.get_or_init(Secure::for_process).as_ref()
}

/// As the user, with the right password.
fn as_user(secure: &Secure, spawn: Spawn) -> Spawn {
    spawn
        .env("KAFKA_BOOTSTRAP_SERVERS", secure.bootstrap())
        .env("KAFKA_SECURITY_PROTOCOL", "sasl_ssl")
        .env("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
        .env("KAFKA_SASL_USERNAME", USER)
        .env("KAFKA_SASL_PASSWORD", PASSWORD)
        .env("KAFKA_SSL_CA_LOCATION", secure.certificate().display().to_string())
}

fn assert_keeps_the_secret(mill: &Mill, secret: &str) {
    let lines = [mill.child().stdout(), mill.child().stderr()].concat();
    assert!(!lines.iter().any(|line| line.contains(secret)), "a secret was told");
}

#[test]
fn events_go_through_tls_and_scram_with_the_least_rights() {
    let Some(secure) = secure() else { return };
    let scene = Scene::new(secure.plain_bootstrap(), "scram");
    scene.fill(0, 5_000, Shape::default());
    secure
        .allow(&[
            Grant::ReadTopic(&scene.input),
            Grant::WriteTopic(&scene.output),
            Grant::WriteTopic(&scene.dlq),
            Grant::ReadGroup(&scene.group),
        ])
        .unwrap();
    let mill = scene.run_to_the_end_as(|spawn| as_user(secure, spawn.env("LOG_LEVEL", "debug")));
    assert_keeps_the_secret(&mill, PASSWORD);
    // One right that it can do without, and what that means.
    let lines = mill.child().stderr();
    let told: Vec<&String> = lines.iter().filter(|line| line.contains("DESCRIBE_CONFIGS")).collect();
    let [line] = told.as_slice() else { panic!("one line: {told:?}\n{}", mill.told()) };
    assert!([&scene.input, &scene.output, &scene.dlq].iter().all(|topic| line.contains(*topic)), "{line}");
    scene.assert_clean();
}

#[test]
fn a_wrong_password_and_an_unknown_authority_are_refused() {
    let Some(secure) = secure() else { return };
    let scene = Scene::nameless_topics(secure.plain_bootstrap(), "password");
    let wrong = "canary-secret";
    let mill = Mill::start(as_user(secure, scene.run()).env("KAFKA_SASL_PASSWORD", wrong));
    mill.refuses(77, &[USER, "SCRAM-SHA-512", "KAFKA_SASL_PASSWORD"]);
    assert_keeps_the_secret(&mill, wrong);
    let mill = Mill::start(as_user(secure, scene.run()).env("KAFKA_SSL_CA_LOCATION", ""));
    mill.refuses(77, &["certificate", "KAFKA_SSL_CA_LOCATION"]);
    assert_keeps_the_secret(&mill, PASSWORD);
}

/// Runs with these rights, and expects 77 and one line with these words.
fn refused(
    name: &str,
    grants: impl for<'a> Fn(&'a Scene) -> Vec<Grant<'a>>,
    words: impl for<'a> Fn(&'a Scene) -> Vec<&'a str>,
) {
    let Some(secure) = secure() else { return };
    let scene = Scene::new(secure.plain_bootstrap(), name);
    // Something for the output and something for the dead letter topic.
    scene.fill(0, 200, Shape { refused: 0.5, ..Shape::default() });
    secure.allow(&grants(&scene)).unwrap();
    let mill = Mill::start(as_user(secure, scene.run()));
    mill.refuses(77, &words(&scene));
    // Nothing was skipped: with all rights, all of it comes.
    scene.run_to_the_end();
    let account = scene.account();
    assert!(account.is_clean_but_for_repeats(), "{account}");
}

#[test]
fn a_group_that_may_not_be_joined() {
    refused(
        "no-group",
        |scene| {
            vec![
                Grant::ReadTopic(&scene.input),
                Grant::WriteTopic(&scene.output),
                Grant::WriteTopic(&scene.dlq),
            ]
        },
        |scene| vec![&scene.group, "READ", "group"],
    );
}

#[test]
fn an_input_that_may_not_be_read() {
    refused(
        "no-read",
        |scene| {
            vec![
                Grant::DescribeTopic(&scene.input),
                Grant::WriteTopic(&scene.output),
                Grant::WriteTopic(&scene.dlq),
                Grant::ReadGroup(&scene.group),
            ]
        },
        |scene| vec![&scene.input, "READ"],
    );
}

#[test]
fn an_output_that_may_not_be_written() {
    refused(
        "no-write",
        |scene| {
            vec![
                Grant::ReadTopic(&scene.input),
                Grant::DescribeTopic(&scene.output),
                Grant::WriteTopic(&scene.dlq),
                Grant::ReadGroup(&scene.group),
            ]
        },
        |scene| vec![&scene.output, "output topic", "WRITE"],
    );
}

#[test]
fn a_dead_letter_topic_that_may_not_be_written() {
    refused(
        "no-letters",
        |scene| {
            vec![
                Grant::ReadTopic(&scene.input),
                Grant::WriteTopic(&scene.output),
                Grant::DescribeTopic(&scene.dlq),
                Grant::ReadGroup(&scene.group),
            ]
        },
        |scene| vec![&scene.dlq, "dead letter topic", "WRITE"],
    );
}

#[test]
fn a_topic_that_may_not_be_seen() {
    refused(
        "no-look",
        |scene| {
            vec![
                Grant::ReadTopic(&scene.input),
                Grant::WriteTopic(&scene.dlq),
                Grant::ReadGroup(&scene.group),
            ]
        },
        |scene| vec![&scene.output, "not allowed"],
    );
}

#[test]
fn a_transactional_id_that_may_not_be_used_and_one_that_may() {
    let Some(secure) = secure() else { return };
    let scene = Scene::new(secure.plain_bootstrap(), "no-transactions");
    scene.fill(0, 500, Shape::default());
    let rights = [
        Grant::ReadTopic(&scene.input),
        Grant::WriteTopic(&scene.output),
        Grant::WriteTopic(&scene.dlq),
        Grant::ReadGroup(&scene.group),
    ];
    secure.allow(&rights).unwrap();
    let exactly = |spawn: Spawn| {
        let spawn = as_user(secure, spawn).env("GRISTMILL_INSTANCE_ID", "mill");
        spawn.env("GRISTMILL_DELIVERY", "exactly-once")
    };
    let id = format!("gristmill-{}-mill", scene.group);
    Mill::start(exactly(scene.run())).refuses(77, &[&id, "transactional id", "WRITE"]);
    // The topic is there to show when the rules hold.
    let shown = Scene::new(secure.plain_bootstrap(), "transactions-allowed");
    secure.allow(&[Grant::ReadTopic(&shown.input), Grant::WriteTransactionalId(&id)]).unwrap();
    scene.run_to_the_end_as(exactly);
    scene.assert_clean();
}
