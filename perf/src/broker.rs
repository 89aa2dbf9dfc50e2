//! A real Kafka broker for tests and measurements.
//!
//! `GRISTMILL_TEST_KAFKA` (a bootstrap address) names one that runs already. Else Java and Maven bring one: its jars are
//! fetched once, a KRaft node is formatted and started on free ports, with its data in a temporary directory that goes when
//! the [`Broker`] goes. Where neither is there, [`Unavailable`] says why, and [`Broker::for_tests`] skips.

use crate::child::Spawn;
use crate::error::{Error, Result};
use crate::jars;
use crate::node::{self, Node, Plan, Quorum};
use crate::ports;
use crate::topics::Topics;
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

pub use crate::jars::Unavailable;

/// What kind of broker is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// Server properties beside, or instead of, our own.
    pub properties: Vec<(String, String)>,
    /// The Java heap, in MiB.
    pub heap_mb: u32,
    /// One that may be stopped, killed and paused: `GRISTMILL_TEST_KAFKA` is not used.
    pub own: bool,
    /// One that runs already, at this address, whatever `GRISTMILL_TEST_KAFKA` says.
    pub outside: Option<String>,
    /// A listener beside the plain one.
    pub listener: Option<Listener>,
    /// Further words for the tool that formats the storage, such as users to begin with.
    pub format_args: Vec<String>,
}

/// Where a broker listens beside its plain listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// What it is called in the broker's properties.
    pub name: String,
    /// Its security protocol, such as `PLAINTEXT`.
    pub protocol: String,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Where it sends its clients, as host and port.
    pub advertised: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            properties: Vec::new(),
            heap_mb: 512,
            own: false,
            outside: None,
            listener: None,
            format_args: Vec::new(),
        }
    }
}

impl Options {
    /// A broker of our own, for what stops, kills or pauses it.
    pub fn own() -> Self {
        Self { own: true, ..Self::default() }
    }

    /// Sets a server property.
    #[must_use]
    pub fn property(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.properties.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets the Java heap, in MiB.
    #[must_use]
    pub fn heap_mb(mut self, heap_mb: u32) -> Self {
        self.heap_mb = heap_mb;
        self
    }
}

/// Why there is no broker.
#[derive(Debug)]
pub enum StartError {
    /// There is nothing to start one with.
    Unavailable(Unavailable),
    /// It was tried and went wrong.
    Failed(Error),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Unavailable> for StartError {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(Unavailable(why)) => write!(f, "no Kafka ({why})"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

/// A broker that answers. Shared between threads as it is; stopped, and its data removed, when dropped.
#[derive(Debug)]
pub struct Broker {
    bootstrap: String,
    /// `None` for one that somebody else runs.
    node: Option<Mutex<Node>>,
}

impl Broker {
    /// Finds or starts one, and waits until it answers.
    pub fn start(options: Options) -> std::result::Result<Broker, StartError> {
        let named = || std::env::var("GRISTMILL_TEST_KAFKA").ok().filter(|address| !address.is_empty());
        let outside = options.outside.clone().or_else(named);
        if let (Some(bootstrap), false) = (outside, options.own) {
            Topics::new(&bootstrap)?.wait_for_brokers(1, READY_WITHIN)?;
            return Ok(Broker { bootstrap, node: None });
        }
        let jars = jars::directory()?;
        let ports = ports::free(2).map_err(Error::from)?;
        let mut node = Node::format(Plan {
            jars: &jars,
            dir: node::data_directory(ports[0])?,
            port: ports[0],
            heap_mb: options.heap_mb,
            cluster_id: &node::uuid(0),
            quorum: Quorum::Standalone,
            format_args: &options.format_args,
            properties: properties(ports[0], ports[1], &options)?,
        })?;
        node.launch()?;
        let broker = Broker { bootstrap: format!("127.0.0.1:{}", ports[0]), node: Some(Mutex::new(node)) };
        broker.wait_ready()?;
        Ok(broker)
    }

    /// One for a test: `None` after printing why the test is skipped.
    ///
    /// # Panics
    /// When a broker should have started and did not; with `CI=true` also when there is none: a skip is a failure there.
    pub fn for_tests(options: Options) -> Option<Broker> {
        found_or_skipped(Broker::start(options))
    }

    /// The one broker of this test binary, started by whoever asks first, stopped at the process's end.
    ///
    /// # Panics
    /// As [`Broker::for_tests`].
    pub fn shared() -> Option<&'static Broker> {
        static SHARED: OnceLock<Option<&'static Broker>> = OnceLock::new();
        *SHARED.get_or_init(|| Broker::for_process(Options::default()))
    }

    /// One that lives as long as the process, for whoever keeps it in a static.
    ///
    /// # Panics
    /// As [`Broker::for_tests`].
    pub fn for_process(options: Options) -> Option<&'static Broker> {
        static KEPT: Mutex<Vec<&'static Broker>> = Mutex::new(Vec::new());
        extern "C" fn at_exit() {
            // Statics are not dropped: the processes and their data would stay.
            let Ok(kept) = KEPT.lock() else { return };
            for node in kept.iter().filter_map(|broker| broker.node.as_ref()) {
                if let Ok(mut node) = node.lock() {
                    node.discard();
                }
            }
        }
        let broker: &'static Broker = Box::leak(Box::new(Broker::for_tests(options)?));
        let mut kept = KEPT.lock().expect("no one panics with this lock");
        if kept.is_empty() {
            // SAFETY: `at_exit` is a plain function; it takes locks that no thread holds for ever and does not unwind.
            unsafe { libc::atexit(at_exit) };
        }
        kept.push(broker);
        Some(broker)
    }

    /// Its address, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A connection for making topics and asking about them.
    pub fn topics(&self) -> Result<Topics> {
        Topics::new(&self.bootstrap)
    }

    /// Whether it is ours to stop, kill and pause.
    pub fn is_own(&self) -> bool {
        self.node.is_some()
    }

    /// SIGTERM, and the wait for its end. Data and ports are kept.
    pub fn stop(&self) -> Result<()> {
        self.node()?.stop();
        Ok(())
    }

    /// SIGKILL, and the wait for its end. Data and ports are kept.
    pub fn kill(&self) -> Result<()> {
        self.node()?.kill();
        Ok(())
    }

    /// Starts it again with its data, on its ports, after a stop if it still ran; waits until it answers.
    pub fn restart(&self) -> Result<()> {
        {
            let mut node = self.node()?;
            node.stop();
            node.launch()?;
        }
        self.wait_ready()
    }

    /// SIGSTOP: it hangs, its connections stay open.
    pub fn pause(&self) -> Result<()> {
        self.node()?.pause().then_some(()).ok_or_else(|| Error::new("the broker is not running"))
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        self.node()?.resume().then_some(()).ok_or_else(|| Error::new("the broker is not running"))
    }

    /// Cuts a partition's log to so many bytes, as a disk that lost its last writes does. After [`kill`](Self::kill): a broker that
    /// was stopped in order would not look at what it has.
    pub fn truncate_log(&self, topic: &str, partition: i32, bytes: u64) -> Result<()> {
        self.node()?.truncate_log(topic, partition, bytes)
    }

    /// What a topic takes on the broker's disk, in bytes; `None` where the disk is not ours to look at.
    pub fn disk_bytes(&self, topic: &str) -> Option<u64> {
        self.node.as_ref()?;
        self.node().ok()?.disk_bytes(topic).ok()
    }

    fn node(&self) -> Result<MutexGuard<'_, Node>> {
        let node = self.node.as_ref();
        let node = node.ok_or_else(|| {
            Error::new("the broker of GRISTMILL_TEST_KAFKA is not ours: use Options::own()")
        })?;
        Ok(node.lock().expect("no one panics with this lock"))
    }

    fn wait_ready(&self) -> Result<()> {
        self.node()?.wait_ready()?;
        Topics::new(&self.bootstrap)?.wait_for_brokers(1, READY_WITHIN)
    }
}

/// One of the programs that come with Kafka, by its class, with flags for Java.
pub fn kafka_program(class: &str, flags: &[&str]) -> std::result::Result<Spawn, Unavailable> {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Ok(node::java(&jars::directory()?, &flags).args([class]))
}

/// The version of Kafka that is started here.
pub fn kafka_version() -> Option<&'static str> {
    jars::version()
}

/// What Java says of itself.
pub fn java_version() -> Option<String> {
    let said = std::process::Command::new(jars::java()).arg("-version").output().ok()?;
    String::from_utf8_lossy(&said.stderr).lines().next().map(str::to_owned)
}

pub(crate) const READY_WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn found_or_skipped<T>(started: std::result::Result<T, StartError>) -> Option<T> {
    match started {
        Ok(broker) => Some(broker),
        Err(StartError::Unavailable(Unavailable(why))) => {
            let strict = std::env::var("CI").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
            assert!(!strict, "no Kafka ({why}), and CI=true: a skip is a failure");
            println!("skipped: no Kafka ({why})");
            None
        }
        Err(StartError::Failed(error)) => panic!("{error}"),
    }
}

/// Properties of every node, ours: short waits, small internal topics.
pub(crate) fn common_properties() -> Vec<(String, String)> {
    let text = [
        ("process.roles", "broker,controller"),
        ("controller.listener.names", "CONTROLLER"),
        // Kafka's default: what makes topics unasked would do so here.
        ("auto.create.topics.enable", "true"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("offsets.topic.num.partitions", "4"),
        ("transaction.state.log.num.partitions", "4"),
        // Tests delete topics in order to have the space at once.
        ("log.segment.delete.delay.ms", "1000"),
        // … and have compaction happen while they look.
        ("log.cleaner.backoff.ms", "200"),
        // Events are as old as the test wants them to be.
        ("log.retention.ms", "-1"),
    ];
    text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Where a node listens, for its own properties.
pub(crate) fn listeners(port: u16, controller: u16) -> [(String, String); 2] {
    [
        ("listeners".into(), format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}")),
        ("advertised.listeners".into(), format!("PLAINTEXT://127.0.0.1:{port}")),
    ]
}

fn properties(port: u16, controller: u16, options: &Options) -> Result<Vec<(String, String)>> {
    let mut all = common_properties();
    all.extend(listeners(port, controller));
    let logs = node::data_directory(port)?.join("log").display().to_string();
    let single = [
        ("node.id", "1".to_owned()),
        ("controller.quorum.bootstrap.servers", format!("127.0.0.1:{controller}")),
        ("log.dirs", logs),
        ("num.partitions", "6".to_owned()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        ("share.coordinator.state.topic.replication.factor", "1".to_owned()),
        ("share.coordinator.state.topic.min.isr", "1".to_owned()),
    ];
    all.extend(single.into_iter().map(|(name, value)| (name.to_owned(), value)));
    if let Some(Listener { name, protocol, port, advertised }) = &options.listener {
        for (property, value) in all.iter_mut() {
            match property.as_str() {
                "listeners" => value.push_str(&format!(",{name}://127.0.0.1:{port}")),
                "advertised.listeners" => value.push_str(&format!(",{name}://{advertised}")),
                _ => {}
            }
        }
        let map = format!("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{name}:{protocol}");
        all.push(("listener.security.protocol.map".to_owned(), map));
        all.push(("inter.broker.listener.name".to_owned(), "PLAINTEXT".to_owned()));
    }
    all.extend(options.properties.iter().cloned());
    Ok(all)
}
