//! The plain copy, tried: every record arrives as it was.

#![expect(clippy::unwrap_used, reason = "a test stops at the first error")]

use perf::broker::Broker;
use perf::copy::{Copy, copy};
use perf::events::Shape;
use perf::fill::{Fill, Transactions, fill};
use perf::reader::{Reader, Source};

type Whole = (i32, Option<Vec<u8>>, Option<Vec<u8>>, Vec<Vec<u8>>, i64);

fn all(bootstrap: &str, topic: &str) -> Vec<Whole> {
    let mut records = Vec::new();
    let reader = Reader::open(&Source { bootstrap, topic, uncommitted: false, properties: &[] }).unwrap();
    let each = |record: &perf::reader::Record<'_>| {
        let mut headers = Vec::new();
        record.headers(|name, value| headers.extend([name.to_vec(), value.unwrap().to_vec()]));
        let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        records.push((
            record.partition(),
            own(record.key()),
            own(record.value()),
            headers,
            record.timestamp(),
        ));
        Ok(())
    };
    reader.for_each(each).unwrap();
    // Partitions arrive interleaved; within each the order is kept.
    records.sort_by_key(|record| record.0);
    records
}

#[test]
fn records_arrive_as_they_were() {
    let Some(broker) = Broker::shared() else { return };
    let topics = broker.topics().unwrap();
    for topic in ["from", "to", "padded"] {
        topics.create(topic, 3, 1, &[]).unwrap();
    }
    let mut order = Fill::new(broker.bootstrap(), "from", 20_000);
    order.shape = Shape { tombstones: 0.1, ..Shape::default() };
    order.headers = 2;
    order.transactions = Some(Transactions { aborted_end: true, ..Transactions::default() });
    let filled = fill(&order).unwrap();
    let mut job = Copy {
        bootstrap: broker.bootstrap().into(),
        input: "from".into(),
        output: Some("to".into()),
        pad_to: 0,
        pad_by: 0,
        // A queue that is full nearly always.
        producer: vec![("queue.buffering.max.messages".into(), "100".into())],
    };
    let copied = copy(&job).unwrap();
    assert_eq!(copied.records, filled.visible());
    let from = all(broker.bootstrap(), "from");
    assert!(from == all(broker.bootstrap(), "to"));

    job.producer.clear();
    (job.output, job.pad_by) = (Some("padded".into()), 38);
    copy(&job).unwrap();
    let lengths =
        |records: &[Whole]| records.iter().map(|record| record.2.as_ref().map(Vec::len)).collect::<Vec<_>>();
    let longer: Vec<_> = lengths(&from).into_iter().map(|length| length.map(|length| length + 38)).collect();
    assert_eq!(lengths(&all(broker.bootstrap(), "padded")), longer);

    job.output = None;
    assert_eq!(copy(&job).unwrap().records, filled.visible());
    job.output = Some("nowhere".into());
    assert!(copy(&job).unwrap_err().0.contains("nowhere"));
}
