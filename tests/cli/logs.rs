//! Where log lines go, in which form, and what a command that changes the cluster leaves there.

use super::Gristmill;
use super::cluster::{closed_port, cluster};
use serde_json::Value;

/// A run that finds no broker.
fn lonely() -> Gristmill {
    let servers = format!("127.0.0.1:{}", closed_port());
    Gristmill::new(&["run", "--connect-timeout", "100ms"])
        .with_topics()
        .env("KAFKA_BOOTSTRAP_SERVERS", &servers)
}

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

#[test]
fn a_log_file_has_the_lines_and_whoever_watches_the_error() {
    let call = lonely().env("LOG_FILE_PATH", "gristmill.log").file("gristmill.log", "{}\n");
    let path = call.directory.path().join("gristmill.log");
    let answer = call.answer();
    answer.fails_with(69, "error: no broker of ");
    assert!(!answer.stderr.contains('{'), "{answer:?}");
    let lines = objects(&std::fs::read_to_string(path).expect("written"));
    assert_eq!(lines[0], Value::Object(Default::default()), "what was there stays");
    let last = lines.last().expect("a line");
    assert_eq!((&last["level"], &last["exit_code"]), (&"ERROR".into(), &69.into()), "{last}");
}

#[test]
fn a_log_file_may_be_text() {
    let call = lonely().env("LOG_FILE_PATH", "log").env("LOG_FORMAT", "text").env("LOG_LEVEL", "FATAL");
    let path = call.directory.path().join("log");
    call.answer().fails_with(69, "error: no broker of ");
    let text = std::fs::read_to_string(path).expect("written");
    assert!(text.contains("ERROR no broker of ") && !text.contains("\u{1b}"), "{text}");
}

#[test]
fn a_log_file_that_cannot_be_written_is_78() {
    for command in ["run", "demo"] {
        let answer = Gristmill::new(&[command, "--log-file-path", &"x".repeat(300)]).with_topics().run();
        answer.fails_with(78, "LOG_FILE_PATH (--log-file-path): ");
        assert!(answer.stderr.contains("cannot be written"), "{answer:?}");
    }
}

#[test]
fn a_log_service_gets_its_names_and_hears_who_ships() {
    let answer = lonely()
        .env("LOGGING_SERVICE", "stackdriver")
        .env("GCP_PROJECT_ID", "canary-project")
        .env("ELASTICSEARCH_URL", "http://elastic:canary@es:9200")
        .run();
    assert!(!answer.stderr.contains("canary"), "{answer:?}");
    let lines = objects(&answer.stderr);
    let shipping = &lines[0];
    assert_eq!((&shipping["severity"], &shipping["service"]), (&"INFO".into(), &"stackdriver".into()));
    assert_eq!(shipping["read_by_the_agent"], "ELASTICSEARCH_URL, GCP_PROJECT_ID");
    assert!(shipping["message"].as_str().expect("text").contains("an agent's job"));
    assert_eq!(lines.last().expect("a line")["severity"], "ERROR");
    let silent = lonely().env("LOG_LEVEL", "INFO").run();
    assert!(!silent.stderr.contains("agent"), "{silent:?}");
}

#[test]
fn a_command_that_changes_the_cluster_leaves_one_line() {
    let cluster = cluster("in");
    let servers = cluster.bootstrap_servers();
    let call = |more: &[&str]| {
        let call = [&["topics"][..], more, &["--bootstrap-servers", &servers]].concat();
        Gristmill::new(&call).env("LOGGING_SERVICE", "elk").run()
    };
    let answer = call(&["alter", "--create-topics", "in:3,absent:1"]);
    answer.fails_with(78, "error: topic absent does not exist");
    assert_eq!(answer.stdout, "in: has 3 partitions already\n");
    let lines: Vec<&str> = answer.stderr.lines().filter(|line| line.starts_with('{')).collect();
    let [line] = lines[..] else { panic!("one line: {answer:?}") };
    let line: Value = serde_json::from_str(line).expect("JSON");
    let told = &line["gristmill"];
    assert_eq!((&line["log.logger"], &line["log.level"]), (&"audit".into(), &"info".into()));
    assert_eq!(
        (&told["action"], &told["outcome"], &told["done"]),
        (&"topics alter".into(), &"failed".into(), &"in: has 3 partitions already".into())
    );
    assert_eq!(told["cluster"], servers.as_str());
    assert!(told["uid"].is_u64() && line["error.message"].as_str().expect("text").contains("absent"));
    let list = call(&["list"]);
    assert!(list.stderr.is_empty(), "looking changes nothing: {list:?}");
}
