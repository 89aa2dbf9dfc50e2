//! The endpoints, asked over a real connection, by polite and by rude clients.

use super::*;
use crate::config::{Resolver, Sources};
use crate::telemetry::text_format::parse;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream as Client;

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn about() -> About {
    let set = [("KAFKA_INPUT_TOPIC", "in"), ("KAFKA_SASL_PASSWORD", "canary")];
    let sources = Sources::from_environment(set.map(|(name, value)| (name.into(), value.into())));
    let config = Resolver::new(&sources, |_, _| Ok(())).config(false);
    About { config: Arc::new(config), contract: "user-login".to_owned() }
}

fn server(bounds: Bounds) -> (HttpServer, Arc<Metrics>, Arc<Health>) {
    let metrics = Metrics::new();
    let health = Health::new(1, &["sink"], Duration::from_secs(30));
    let server =
        serve_within(any_port(), Arc::clone(&metrics), Arc::clone(&health), about(), bounds).unwrap();
    (server, metrics, health)
}

fn connect(server: &HttpServer) -> Client {
    let client = Client::connect(server.addr()).unwrap();
    // Only so that a test that fails does not hang.
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client
}

fn read_all(mut client: Client) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

fn request(server: &HttpServer, request_line: &str) -> (String, String) {
    let mut client = connect(server);
    client.write_all(format!("{request_line} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).unwrap();
    let answer = read_all(client);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?} is no answer"));
    (head.to_owned(), body.to_owned())
}

fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}

#[test]
fn metrics_are_served_in_the_text_format() {
    let (server, metrics, _) = server(BOUNDS);
    metrics.batch_sealed(10, 1850);
    let (head, body) = request(&server, "GET /metrics");
    assert_eq!(status(&head), "200");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert_eq!(parse(&body)["gristmill_records_in_flight"].value(&[]), 10.0);
    assert_eq!(status(&request(&server, "GET /metrics?name=x").0), "200");
}

#[test]
fn head_has_the_length_and_no_body() {
    let (server, _, _) = server(BOUNDS);
    let (head, body) = request(&server, "HEAD /livez");
    assert_eq!((status(&head), body.as_str()), ("200", ""));
    assert!(head.contains("content-length: 5"), "{head}");
}

#[test]
fn other_methods_and_paths_are_told_what_there_is() {
    let (server, _, _) = server(BOUNDS);
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (head, _) = request(&server, &format!("{method} /metrics"));
        assert_eq!(status(&head), "405");
        assert!(head.contains("allow: GET, HEAD"), "{head}");
    }
    for path in ["/index.html", "/metrics/", "/livez/../metrics", "/debug"] {
        let (head, body) = request(&server, &format!("GET {path}"));
        assert_eq!(status(&head), "404");
        assert_eq!(body, "not found; there is /metrics, /livez, /readyz, /status.json and, for people, /\n");
    }
}

#[test]
fn readiness_is_the_status_and_the_body_says_what_is_missing() {
    let (server, metrics, health) = server(BOUNDS);
    let (head, body) = request(&server, "GET /readyz");
    assert_eq!(
        (status(&head), body.as_str()),
        ("503", "not ready\n- source-0 has not joined the consumer group\n")
    );
    health.group_joined(0, true);
    metrics.batch_sealed(1, 1);
    assert_eq!(request(&server, "GET /readyz").1, "ready\n");
    let second = Duration::from_secs(5);
    assert_eq!(ask_ready(server.addr(), second).unwrap(), (true, "ready\n".to_owned()));
    health.shutting_down();
    assert_eq!(ask_ready(server.addr(), second).unwrap(), (false, "not ready\n- shutting down\n".to_owned()));
}

#[test]
fn the_page_comes_with_a_policy_and_its_state_without_secrets() {
    let (server, metrics, health) = server(BOUNDS);
    let (head, body) = request(&server, "GET /");
    assert_eq!(status(&head), "200");
    for part in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(head.contains(part), "{part} is not in {head}");
    }
    assert!(body.starts_with("<!doctype html>"), "{body}");
    health.group_joined(0, true);
    metrics.input_partitions(6);
    metrics.assigned(0, &[4]);
    metrics.batch_sealed(10, 1850);
    let (head, body) = request(&server, "GET /status.json");
    assert!(head.contains("content-type: application/json"), "{head}");
    let state: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&state["ready"], &state["missing"]), (&true.into(), &serde_json::json!([])));
    assert_eq!((&state["topics"]["input"], &state["contract"]), (&"in".into(), &"user-login".into()));
    assert_eq!((&state["records"]["in_flight"], &state["batches"]["of"]), (&10.into(), &16.into()));
    assert_eq!(
        (&state["partitions"][0]["partition"], &state["partitions"][0]["lag"]),
        (&4.into(), &().into())
    );
    assert_eq!(state["latency"]["legs"].as_array().unwrap().len(), 6);
    assert!(state["history"]["settled_per_s"].is_array() && state["settings"].is_array());
    assert!(!body.contains("canary"), "{body}");
    health.shutting_down();
    let state: serde_json::Value = serde_json::from_str(&request(&server, "GET /status.json").1).unwrap();
    assert_eq!((&state["ready"], &state["missing"]), (&false.into(), &serde_json::json!(["shutting down"])));
}

/// All names in a JSON value, however deep; a setting's and a reason's are words of their own.
fn names(value: &serde_json::Value, found: &mut BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                found.insert(name.clone());
                names(value, found);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn the_state_and_its_document_have_the_same_names() {
    let (server, metrics, _) = server(BOUNDS);
    metrics.assigned(0, &[4]);
    let state = serde_json::from_str(&request(&server, "GET /status.json").1).unwrap();
    let mut said = BTreeSet::new();
    names(&state, &mut said);
    let document = include_str!("../../../docs/status.md");
    let quoted = document
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let documented: BTreeSet<String> = quoted.map(str::to_owned).collect();
    let missing: Vec<_> = said.difference(&documented).collect();
    assert!(missing.is_empty(), "not in docs/status.md: {missing:?}");
    // What else it quotes are values.
    let values = [
        "/livez",
        "/readyz",
        "null",
        "***",
        "command line",
        "environment",
        "file",
        "default",
        "derived",
        "passed through",
    ];
    let legs = ["queue", "transform", "produce", "delivery", "processing", "end_to_end"];
    let known = |word: &&String| {
        said.contains(*word) || values.contains(&word.as_str()) || legs.contains(&word.as_str())
    };
    let unknown: Vec<_> = documented.iter().filter(|word| !known(word)).collect();
    assert!(unknown.is_empty(), "only in docs/status.md: {unknown:?}");
}

#[test]
fn a_stall_is_seen_through_the_metrics() {
    let metrics = Metrics::new();
    let health = Health::new(0, &[], Duration::ZERO);
    let server = serve(any_port(), Arc::clone(&metrics), health, about()).unwrap();
    assert_eq!(request(&server, "GET /readyz").1, "ready\n", "nothing is in flight");
    metrics.batch_sealed(1, 1);
    assert!(request(&server, "GET /readyz").1.contains("stalled: no delivery for"));
}

#[test]
fn a_header_too_large_is_refused() {
    let (server, _, _) = server(BOUNDS);
    let mut client = connect(&server);
    let header = format!("GET /metrics HTTP/1.1\r\nx: {}", "x".repeat(BOUNDS.header_bytes_max));
    client.write_all(header.as_bytes()).unwrap();
    let answer = read_all(client);
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[test]
fn a_client_that_sends_slowly_is_cut_off() {
    let (server, _, _) = server(Bounds { read_timeout: Duration::from_millis(100), ..BOUNDS });
    let mut client = connect(&server);
    client.write_all(b"GET /metrics HTTP/1.1\r\nhost").unwrap();
    let start = Instant::now();
    assert_eq!(read_all(client), "");
    assert!(
        start.elapsed() < BOUNDS.connection_timeout,
        "cut off by the time to read, not by the connection's"
    );
}

#[test]
fn a_client_that_keeps_its_connection_is_cut_off() {
    let bounds = Bounds { connection_timeout: Duration::from_secs(1), ..BOUNDS };
    let (server, _, _) = server(bounds);
    let mut client = connect(&server);
    // The body never comes, and the connection ends all the same.
    client.write_all(b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n").unwrap();
    assert!(read_all(client).starts_with("HTTP/1.1 404 "));
    assert_eq!(read_all(connect(&server)), "", "nothing was ever asked");
}

#[test]
fn one_connection_too_many_is_refused_and_a_place_that_is_free_again_is_given() {
    let (server, _, _) = server(BOUNDS);
    let mut held: Vec<Client> = (0..BOUNDS.connections_max).map(|_| connect(&server)).collect();
    let answer = read_all(connect(&server));
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("\r\n\r\ntoo many connections\n"),
        "{answer}"
    );
    let mut first = held.swap_remove(0);
    first.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert!(read_all(first).ends_with("live\n"), "those that have a place are served");
    // The place is free a moment after its client has read everything.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !request(&server, "GET /livez").0.starts_with("HTTP/1.1 200 ") {
        assert!(Instant::now() < deadline, "the place never became free");
        std::thread::yield_now();
    }
}

#[test]
fn a_taken_port_is_a_configuration_error_that_says_what_to_do() {
    let (server, metrics, health) = server(BOUNDS);
    let error = serve(server.addr(), metrics, health, about()).unwrap_err();
    assert_eq!((error.code, error.stage), (ExitCode::Config, Stage::Start));
    for part in ["GRISTMILL_HTTP_ADDR", "off", ":0", &server.addr().to_string()] {
        assert!(error.message.contains(part), "{error}");
    }
}

#[test]
fn after_the_stop_the_port_is_free_and_the_thread_gone() {
    let (server, metrics, health) = server(BOUNDS);
    assert_eq!(server.thread.as_ref().unwrap().thread().name(), Some("http"));
    let addr = server.addr();
    let idle = connect(&server);
    assert_eq!(status(&request(&server, "GET /livez").0), "200");
    server.stop();
    assert_eq!(read_all(idle), "", "a connection that asks nothing does not hold up the stop");
    let again = serve(addr, metrics, health, about()).unwrap();
    assert_eq!(again.addr(), addr);
}
