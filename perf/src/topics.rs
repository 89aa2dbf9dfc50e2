//! Topics from outside: made, altered, deleted, and asked for their ends and a group's offsets.

use crate::error::{Error, Result};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// One connection for administration. Everything here waits for its answer, for at most half a minute.
pub struct Topics {
    bootstrap: String,
    admin: AdminClient<DefaultClientContext>,
    /// Sees the ends that a reader of committed records sees.
    committed: BaseConsumer,
    /// Sees the ends of everything that was written.
    written: BaseConsumer,
    /// Asks for the offsets of the group that was asked for last.
    asking: Mutex<Option<(String, Arc<BaseConsumer>)>>,
}

const WITHIN: Duration = Duration::from_secs(30);

/// For one question: a broker that dies may keep it to itself. What waits for events to flow again sees it so much later.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// A broker writes the markers of a transaction so soon after it has said how it ended.
const MARKERS_WITHIN: Duration = Duration::from_secs(15);

/// Between two looks at something that will change soon.
const PAUSE: Duration = Duration::from_millis(20);

impl Topics {
    /// For the cluster at `bootstrap`. Connects with the first question.
    pub fn new(bootstrap: &str) -> Result<Topics> {
        let consumer = |isolation: &str, group: &str| client(bootstrap, isolation, group).create();
        Ok(Topics {
            bootstrap: bootstrap.to_owned(),
            admin: client(bootstrap, "read_committed", "perf").create()?,
            committed: consumer("read_committed", "perf")?,
            written: consumer("read_uncommitted", "perf")?,
            asking: Mutex::default(),
        })
    }

    /// Makes a topic and waits until each partition has a leader. `replication` 0: the broker's default.
    pub fn create(
        &self,
        name: &str,
        partitions: i32,
        replication: i32,
        config: &[(&str, &str)],
    ) -> Result<()> {
        let replication = TopicReplication::Fixed(if replication == 0 { -1 } else { replication });
        let topic =
            config.iter().fold(NewTopic::new(name, partitions, replication), |topic, (k, v)| topic.set(k, v));
        let made = block_on(self.admin.create_topics([&topic], &options()))?;
        first(made, &format!("making topic {name}"))?;
        self.wait_for_leaders(name, partitions)
    }

    /// Deletes a topic and waits until the cluster does not know it any more.
    pub fn delete(&self, name: &str) -> Result<()> {
        let gone = block_on(self.admin.delete_topics(&[name], &options()))?;
        first(gone, &format!("deleting topic {name}"))?;
        wait_until(&format!("topic {name} still exists"), WITHIN, || Ok(self.partitions(name)?.is_none()))
    }

    /// Raises the number of partitions.
    pub fn add_partitions(&self, name: &str, count: i32) -> Result<()> {
        let wanted = NewPartitions::new(name, usize::try_from(count).unwrap_or(0));
        let grown = block_on(self.admin.create_partitions([&wanted], &options()))?;
        first(grown, &format!("more partitions for topic {name}"))?;
        self.wait_for_leaders(name, count)
    }

    /// Replaces a topic's own configuration: what is not named goes back to its default.
    pub fn alter_config(&self, name: &str, config: &[(&str, &str)]) -> Result<()> {
        let topic = ResourceSpecifier::Topic(name);
        let wanted = config.iter().fold(AlterConfig::new(topic), |all, (k, v)| all.set(k, v));
        let altered = block_on(self.admin.alter_configs([&wanted], &options()))?;
        for one in altered {
            one.map_err(|(_, code)| Error(format!("altering topic {name}: {code}")))?;
        }
        // The controller has it; the brokers learn of it a moment later.
        wait_until(&format!("the configuration of {name} did not change"), WITHIN, || {
            let said = block_on(self.admin.describe_configs([&topic], &options()))?;
            let all = said.into_iter().collect::<std::result::Result<Vec<_>, _>>();
            let all = all.map_err(|code| Error(format!("asking for the configuration of {name}: {code}")))?;
            let is =
                |key: &str| all.iter().find_map(|one| one.get(key)).and_then(|entry| entry.value.clone());
            Ok(config.iter().all(|(key, value)| is(key).as_deref() == Some(*value)))
        })
    }

    /// Deletes a partition's records before an offset.
    pub fn delete_records(&self, name: &str, partition: i32, before: i64) -> Result<()> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(name, partition, Offset::Offset(before))?;
        let gone = block_on(self.admin.delete_records(&list, &options()))?;
        for one in gone.elements() {
            one.error().map_err(Error::while_doing(format!("deleting records of {name}")))?;
        }
        Ok(())
    }

    /// Deletes a group that has no members.
    pub fn delete_group(&self, group: &str) -> Result<()> {
        for one in block_on(self.admin.delete_groups(&[group], &options()))? {
            one.map_err(|(_, code)| Error(format!("deleting group {group}: {code}")))?;
        }
        Ok(())
    }

    /// How many partitions a topic has; `None` where there is no such topic.
    pub fn partitions(&self, name: &str) -> Result<Option<i32>> {
        // All topics are asked for: a question for one by name could make it, and is answered from a cache for a while.
        let metadata = again(|| Ok(self.committed.fetch_metadata(None, ANSWER_WITHIN)?));
        let metadata = metadata.map_err(Error::while_doing(format!("asking {}", self.bootstrap)))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        Ok(topic.map(|topic| i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX)))
    }

    /// The end of each partition as a reader of committed records sees it.
    pub fn ends(&self, name: &str) -> Result<Vec<i64>> {
        self.edges(&self.committed, name, Offset::End)
    }

    /// As [`Topics::ends`], once the markers of the transactions that have ended are written: a broker says "committed" before that. One
    /// that stays open is not waited for.
    pub fn settled_ends(&self, name: &str) -> Result<Vec<i64>> {
        let until = Instant::now() + MARKERS_WITHIN;
        loop {
            let ends = self.ends(name)?;
            if ends == self.written_ends(name)? || Instant::now() >= until {
                return Ok(ends);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The end of each partition, with open and aborted transactions.
    pub fn written_ends(&self, name: &str) -> Result<Vec<i64>> {
        self.edges(&self.written, name, Offset::End)
    }

    /// How many offsets there are in several topics together, up to their ends with open and aborted transactions. In a topic
    /// without transactions whose records are all there, that is the number of its records.
    pub fn written_total(&self, names: &[&str]) -> Result<i64> {
        names.iter().map(|name| Ok(self.written_ends(name)?.iter().sum::<i64>())).sum()
    }

    /// The first offset of each partition.
    pub fn starts(&self, name: &str) -> Result<Vec<i64>> {
        self.edges(&self.committed, name, Offset::Beginning)
    }

    /// What a group has committed in each partition; `None` where it has not. An open transaction's offsets are waited for.
    pub fn group_offsets(&self, group: &str, name: &str) -> Result<Vec<Option<i64>>> {
        self.offsets_of(&client(&self.bootstrap, "read_committed", group).create()?, name)
    }

    /// The same as it stands: what an open transaction may commit yet is not waited for, and not counted. Asking again is quick.
    pub fn group_offsets_so_far(&self, group: &str, name: &str) -> Result<Vec<Option<i64>>> {
        let mut asking = self.asking.lock().expect("no one panics with this lock");
        let consumer = match &*asking {
            Some((asked, consumer)) if asked == group => Arc::clone(consumer),
            _ => {
                let consumer = Arc::new(client(&self.bootstrap, "read_uncommitted", group).create()?);
                *asking = Some((group.to_owned(), Arc::clone(&consumer)));
                consumer
            }
        };
        drop(asking);
        self.offsets_of(&consumer, name)
    }

    fn offsets_of(&self, consumer: &BaseConsumer, name: &str) -> Result<Vec<Option<i64>>> {
        let list = self.list(name, Offset::Invalid)?;
        let answer = again(|| Ok(consumer.committed_offsets(list.clone(), ANSWER_WITHIN)?))?;
        let elements = answer.elements();
        let offset = |one: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match one.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        Ok(elements.iter().map(offset).collect())
    }

    /// Offsets between what a group has committed and the ends, all partitions together. Counts markers and holes too.
    pub fn lag(&self, group: &str, name: &str) -> Result<i64> {
        let (starts, ends) = (self.starts(name)?, self.ends(name)?);
        let committed = self.group_offsets(group, name)?;
        let left =
            |((start, end), committed): ((&i64, &i64), &Option<i64>)| end - committed.unwrap_or(*start);
        Ok(starts.iter().zip(&ends).zip(&committed).map(left).sum())
    }

    /// Commits offsets for a group without members, by partition.
    pub fn commit(&self, group: &str, name: &str, offsets: &[i64]) -> Result<()> {
        let consumer: BaseConsumer = client(&self.bootstrap, "read_committed", group).create()?;
        let mut list = TopicPartitionList::new();
        for (partition, offset) in (0..).zip(offsets) {
            list.add_partition_offset(name, partition, Offset::Offset(*offset))?;
        }
        Ok(consumer.commit(&list, rdkafka::consumer::CommitMode::Sync)?)
    }

    /// The id of the node that leads a partition.
    pub fn leader(&self, name: &str, partition: i32) -> Result<i32> {
        // The client asks the broker again that it asked first, and that may be gone.
        let metadata = again(|| Ok(self.committed.fetch_metadata(None, ANSWER_WITHIN)?))?;
        let topic = metadata.topics().iter().find(|topic| topic.name() == name);
        let partition = topic.and_then(|topic| topic.partitions().iter().find(|one| one.id() == partition));
        partition.map(|one| one.leader()).ok_or_else(|| Error(format!("no such partition of {name}")))
    }

    /// Whether every replica of every partition is in sync, internal topics included.
    pub fn are_in_sync(&self) -> Result<bool> {
        let metadata = self.committed.fetch_metadata(None, ANSWER_WITHIN)?;
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        Ok(partitions.all(|one| one.leader() >= 0 && one.isr().len() == one.replicas().len()))
    }

    pub(crate) fn wait_for_brokers(&self, count: usize, within: Duration) -> Result<()> {
        wait_until(&format!("not all of {count} brokers answered"), within, || {
            Ok(self
                .committed
                .fetch_metadata(None, WITHIN)
                .is_ok_and(|metadata| metadata.brokers().len() >= count))
        })
    }

    pub(crate) fn wait_for_broker(&self, id: i32, within: Duration) -> Result<()> {
        wait_until(&format!("broker {id} did not come back"), within, || {
            let metadata = self.committed.fetch_metadata(None, WITHIN);
            Ok(metadata.is_ok_and(|metadata| metadata.brokers().iter().any(|broker| broker.id() == id)))
        })
    }

    fn wait_for_leaders(&self, name: &str, count: i32) -> Result<()> {
        wait_until(&format!("topic {name} has no leaders"), WITHIN, || {
            let metadata = self.committed.fetch_metadata(None, WITHIN)?;
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            let led =
                topic.map_or(0, |topic| topic.partitions().iter().filter(|one| one.leader() >= 0).count());
            Ok(i32::try_from(led).is_ok_and(|led| led == count))
        })
    }

    fn list(&self, name: &str, offset: Offset) -> Result<TopicPartitionList> {
        let count = self.partitions(name)?.ok_or_else(|| Error(format!("there is no topic {name}")))?;
        let mut list = TopicPartitionList::new();
        for partition in 0..count {
            list.add_partition_offset(name, partition, offset)?;
        }
        Ok(list)
    }

    fn edges(&self, consumer: &BaseConsumer, name: &str, edge: Offset) -> Result<Vec<i64>> {
        // “Offset at a time” answers for all partitions at once, and -1 and -2 are times to a broker: the end and the start. A
        // partition whose leader could not say keeps what was asked: that is asked again, like an error of the whole call.
        again(|| {
            let answer = consumer.offsets_for_times(self.list(name, edge)?, ANSWER_WITHIN)?;
            let elements = answer.elements();
            elements.iter().map(|one| edge_of(name, one)).collect()
        })
    }
}

fn edge_of(name: &str, one: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> Result<i64> {
    match (one.error(), one.offset()) {
        (Ok(()), Offset::Offset(offset)) => Ok(offset),
        (error, other) => {
            Err(Error(format!("{name}, partition {}: no offset but {other:?} ({error:?})", one.partition())))
        }
    }
}

/// Looks again and again until `done`; an error with `otherwise` when `within` has passed.
pub fn wait_until(otherwise: &str, within: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + within;
    while !done()? {
        if Instant::now() > end {
            return Err(Error(format!("{otherwise} after {within:?}")));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Asks again for a while when the answer is an error: leaders move, and brokers that were killed come back.
fn again<T>(mut ask: impl FnMut() -> Result<T>) -> Result<T> {
    let end = Instant::now() + WITHIN;
    loop {
        match ask() {
            Err(_) if Instant::now() < end => std::thread::sleep(PAUSE),
            answer => return answer,
        }
    }
}

fn client(bootstrap: &str, isolation: &str, group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", group).set("isolation.level", isolation);
    config.set("enable.auto.commit", "false").set("allow.auto.create.topics", "false");
    // The library's own lines about brokers that are down are expected here.
    config.set("log_level", "2");
    config
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(WITHIN)).request_timeout(Some(WITHIN))
}

fn first(answers: Vec<rdkafka::admin::TopicResult>, what: &str) -> Result<()> {
    for answer in answers {
        answer.map_err(|(_, code)| Error(format!("{what}: {code}")))?;
    }
    Ok(())
}

/// Waits for an answer that another thread (the admin client's own) will bring.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        std::thread::park();
    }
}
