//! The ledger, tried: it finds nothing in a run without fault, and exactly the fault in a run that has one.

#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

use perf::broker::Broker;
use perf::events::Shape;
use perf::fill::{Fill, Filled, Transactions, fill};
use perf::judge::{BLANK_TIME, Verdict, judge};
use perf::ledger::{Account, Ledger};
use perf::reader::{Reader, Source};
use perf::topics::Topics;
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);
const PARTITIONS: i32 = 3;

#[derive(Clone, Debug)]
struct Record {
    dead_letter: bool,
    partition: i32,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, String)>,
    timestamp: i64,
}

impl Record {
    fn header(&mut self, name: &str, value: &str) {
        self.headers.iter_mut().find(|(known, _)| known == name).unwrap().1 = value.to_owned();
    }
}

struct Case {
    bootstrap: &'static str,
    topics: Topics,
    name: &'static str,
    filled: Filled,
}

impl Case {
    fn new(broker: &'static Broker, name: &'static str, change: impl FnOnce(&mut Fill)) -> Case {
        let topics = broker.topics().unwrap();
        for end in ["in", "out", "dlq"] {
            topics.create(&format!("{name}-{end}"), PARTITIONS, 1, &[]).unwrap();
        }
        let mut order = Fill::new(broker.bootstrap(), &format!("{name}-in"), 3000);
        order.shape = Shape { tombstones: 0.02, users: Some(50), ..Shape::default() };
        order.headers = 2;
        change(&mut order);
        let filled = fill(&order).unwrap();
        Case { bootstrap: broker.bootstrap(), topics, name, filled }
    }

    fn topic(&self, end: &str) -> String {
        format!("{}-{end}", self.name)
    }

    /// What an engine without fault makes of the input, in the input's order.
    fn faultless(&self) -> Vec<Record> {
        let topic = self.topic("in");
        let reader = Reader::open(&Source {
            bootstrap: self.bootstrap,
            topic: &topic,
            uncommitted: false,
            properties: &[],
        });
        let mut records = Vec::new();
        let mut out = Vec::new();
        let each = |from: &perf::reader::Record<'_>| {
            let mut headers = Vec::new();
            from.headers(|name, value| {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                headers.push((text(name), text(value.unwrap())));
            });
            let (partition, offset) = (from.partition(), from.offset());
            let mut record = Record {
                dead_letter: false,
                partition,
                key: from.key().map(<[u8]>::to_vec),
                value: from.value().map(<[u8]>::to_vec),
                headers,
                timestamp: from.timestamp(),
            };
            match from.value().map(|value| judge(value, &mut out)) {
                None => {}
                Some(Verdict::Output) => {
                    let text = String::from_utf8(out.clone()).unwrap();
                    record.value = Some(text.replace(BLANK_TIME, "2026-01-02T03:04:05Z").into_bytes());
                }
                Some(Verdict::DeadLetter { reason, field }) => {
                    record.dead_letter = true;
                    let place = [("partition", partition.to_string()), ("offset", offset.to_string())];
                    let fixed = [("version", "1"), ("reason", reason), ("field", field), ("topic", &topic)];
                    let all = fixed.map(|(name, value)| (name, value.to_owned())).into_iter().chain(place);
                    record.headers.extend(all.map(|(name, value)| (format!("dlq.{name}"), value)));
                }
            }
            records.push(record);
            Ok(())
        };
        reader.unwrap().for_each(each).unwrap();
        records
    }

    /// Writes records to the outputs and accounts.
    fn account(&self, records: &[Record]) -> Account {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap).set("enable.idempotence", "true");
        let producer: BaseProducer = config.create().unwrap();
        for record in records {
            let topic = self.topic(if record.dead_letter { "dlq" } else { "out" });
            let mut headers = OwnedHeaders::new();
            for (key, value) in &record.headers {
                headers = headers.insert(Header { key, value: Some(value) });
            }
            let mut to = BaseRecord::<[u8], [u8]>::to(&topic).partition(record.partition).headers(headers);
            to = to.timestamp(record.timestamp);
            to.key = record.key.as_deref();
            to.payload = record.value.as_deref();
            producer.send(to).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(WITHIN).unwrap();
        Ledger::new(self.bootstrap, &self.topic("in"), &self.topic("out"), &self.topic("dlq"))
            .account()
            .unwrap()
    }

    /// Empties the outputs.
    fn clear(&self) {
        for end in ["out", "dlq"] {
            let topic = self.topic(end);
            for (partition, end) in (0..).zip(self.topics.ends(&topic).unwrap()) {
                self.topics.delete_records(&topic, partition, end).unwrap();
            }
        }
    }
}

/// Lost, repeated, misplaced, out of order, foreign.
fn counts(account: &Account) -> [u64; 5] {
    [account.lost, account.repeated, account.misplaced, account.disordered, account.foreign]
}

#[test]
fn a_run_without_fault_is_clean() {
    let Some(broker) = Broker::shared() else { return };
    let transactions = Some(Transactions { events: 100, aborted_end: true, ..Transactions::default() });
    let case = Case::new(broker, "clean", |order| order.transactions = transactions);
    let account = case.account(&case.faultless());
    assert!(account.is_clean(), "{account}");
    assert!(case.filled.aborted > 200, "{:?}", case.filled);
    assert_eq!(account.input, case.filled.visible());
    assert_eq!(account.output, case.filled.good());
    assert_eq!(account.dlq, case.filled.refused());
    assert_eq!(account.reasons.len(), 5);
}

#[test]
fn keyless_events_are_ordered_by_partition() {
    let Some(broker) = Broker::shared() else { return };
    let case = Case::new(broker, "keyless", |order| order.shape.users = None);
    let mut records = case.faultless();
    let account = case.account(&records);
    assert!(account.is_clean(), "{account}");
    case.clear();
    // The first two of partition 1 that stay in the output change places.
    let two: Vec<usize> = (0..records.len())
        .filter(|at| records[*at].partition == 1 && !records[*at].dead_letter)
        .take(2)
        .collect();
    records.swap(two[0], two[1]);
    assert_eq!(counts(&case.account(&records)), [0, 0, 0, 1, 0]);
}

#[test]
fn each_fault_is_found_and_counted_as_what_it_is() {
    let Some(broker) = Broker::shared() else { return };
    let case = Case::new(broker, "faults", |_| ());
    let good = case.faultless();
    let output = good.iter().position(|record| !record.dead_letter && record.value.is_some()).unwrap();
    let letter = good.iter().position(|record| record.dead_letter).unwrap();
    let tombstone = good.iter().position(|record| record.value.is_none()).unwrap();
    let later = (output + 1..good.len())
        .find(|at| good[*at].key == good[output].key && !good[*at].dead_letter)
        .unwrap();
    let lowered = good.iter().position(|record| !record.dead_letter && record.value.is_some()).unwrap();
    type Change = Box<dyn Fn(&mut Vec<Record>)>;
    let edit = |at: usize, change: fn(&mut Record)| -> Change { Box::new(move |all| change(&mut all[at])) };
    let text = |from: &'static str, to: &'static str| -> Change {
        Box::new(move |all| {
            let value = String::from_utf8(all[lowered].value.clone().unwrap()).unwrap();
            assert!(value.contains(from), "{value}");
            all[lowered].value = Some(value.replacen(from, to, 1).into_bytes());
        })
    };
    let cases: Vec<(&str, Change, [u64; 5])> = vec![
        ("an output is lost", Box::new(move |all| drop(all.remove(output))), [1, 0, 0, 0, 0]),
        ("a letter is lost", Box::new(move |all| drop(all.remove(letter))), [1, 0, 0, 0, 0]),
        ("a tombstone is lost", Box::new(move |all| drop(all.remove(tombstone))), [1, 0, 0, 0, 0]),
        ("an output comes twice", Box::new(move |all| all.push(all[output].clone())), [0, 1, 0, 0, 0]),
        ("a letter comes twice", Box::new(move |all| all.push(all[letter].clone())), [0, 1, 0, 0, 0]),
        ("order within a key", Box::new(move |all| all.swap(output, later)), [0, 0, 0, 1, 0]),
        ("output in the dead letters", edit(output, |one| one.dead_letter = true), [0, 0, 1, 0, 0]),
        ("letter in the output", edit(letter, |one| one.dead_letter = false), [0, 0, 1, 0, 0]),
        (
            "wrong partition",
            edit(output, |one| one.partition = (one.partition + 1) % PARTITIONS),
            [0, 0, 1, 0, 0],
        ),
        (
            "wrong letter partition",
            edit(letter, |one| one.partition = (one.partition + 1) % PARTITIONS),
            [0, 0, 1, 0, 0],
        ),
        ("time stamp", edit(output, |one| one.timestamp += 1), [0, 0, 1, 0, 0]),
        ("key", edit(letter, |one| one.key = None), [0, 0, 1, 0, 0]),
        ("header", edit(output, |one| one.headers[0].1.push('x')), [0, 0, 1, 0, 0]),
        ("header gone", edit(output, |one| drop(one.headers.pop())), [0, 0, 1, 0, 0]),
        (
            "dlq header on output",
            edit(output, |one| one.headers.push(("dlq.at".into(), "x".into()))),
            [0, 0, 1, 0, 0],
        ),
        ("reason", edit(letter, |one| one.header("dlq.reason", "too_deep")), [0, 0, 1, 0, 0]),
        ("field", edit(letter, |one| one.header("dlq.field", "locale")), [0, 0, 1, 0, 0]),
        ("offset", edit(letter, |one| one.header("dlq.offset", "77777")), [0, 0, 1, 0, 0]),
        ("twice", edit(letter, |one| one.headers.push(("dlq.version".into(), "1".into()))), [0, 0, 1, 0, 0]),
        ("letter's bytes", edit(letter, |one| one.value.as_mut().unwrap().insert(1, b' ')), [0, 0, 1, 0, 0]),
        ("no time", text(",\"processed_at\":\"2026-01-02T03:04:05Z\"", ""), [0, 0, 1, 0, 0]),
        ("another time form", text("2026-01-02T03:04:05Z", "2026-01-02 03:04:05Z"), [0, 0, 1, 0, 0]),
        ("a byte more", text("\"ip\": ", "\"ip\":"), [0, 0, 1, 0, 0]),
        ("number of another", text("\"device_id\": \"", "\"device_id\": \"9"), [1, 0, 0, 0, 1]),
        ("foreign tombstone", edit(tombstone, |one| one.header("event", "999999")), [1, 0, 0, 0, 1]),
    ];
    for (what, change, expected) in cases {
        case.clear();
        let mut records = good.clone();
        change(&mut records);
        let account = case.account(&records);
        assert_eq!(counts(&account), expected, "{what}\n{account}");
    }
}
