//! Wiring only: pools, channels, threads, the order in which they are joined, and the report at the end.
//!
//! Capacities: each source owns B batches; its way home has room for B, the channels between the stages for all S·B batches. No
//! stage ever waits to send; backpressure is a source that finds no empty batch.

mod housekeeping;
mod orphans;
mod report;
mod start;
mod thread;

pub use report::RunReport;
pub use start::{Prepared, RunOptions};

use self::housekeeping::Housekeeping;
use self::thread::{cannot_spawn, spawn};

use crate::batch::Batch;
use crate::config::Config;
use crate::contract::Plan;
use crate::dlq_guard::DlqGuard;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::{CommitReplies, GroupConsumer, Producer, Records, WakeFn};
use crate::progress::Board;
use crate::shutdown::Shutdown;
use crate::sink::{Producing, Renewal, Sink, SinkEnds, SourceLane, TargetTopics, Transactor};
use crate::source::{InputEnds, RateLimit, Solitude, Source, SourceEnds, UntilEnd};
use crate::telemetry::health::Health;
use crate::telemetry::http::{self, HttpServer};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::status::About;
use crate::transform::Transform;
use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::ThreadPoolBuilder;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

/// A running engine.
pub struct Engine {
    shutdown: Arc<Shutdown>,
    metrics: Arc<Metrics>,
    sources: Vec<JoinHandle<bool>>,
    transform: JoinHandle<()>,
    sink: JoinHandle<()>,
    /// With exactly-once.
    transactions: Option<JoinHandle<()>>,
    housekeeping: Housekeeping,
    http: Option<HttpServer>,
    started: Instant,
}

impl Engine {
    /// Starts every thread. From here on the group membership lives until [`Engine::join`].
    pub fn start(prepared: Prepared) -> Result<Engine, EngineError> {
        let Prepared { config, plan, options, targets, input_partitions, shutdown } = prepared;
        let sources = config.pipeline.source_threads;
        let metrics = metrics(&config, input_partitions);
        let health = Health::new(sources, &["sink", "housekeeping"], config.pipeline.stall_after);
        let ends_run = options.until_end.then(|| shutdown.clone());
        let told = (metrics.clone(), health.clone());
        let dlq_guard = Arc::new(DlqGuard::new(config.pipeline.dlq_limit, ends_run, told));
        let http = match config.telemetry.http_addr {
            Some(addr) => {
                let about = About { config: config.clone(), contract: plan.name().to_owned() };
                Some(http::serve(addr, metrics.clone(), health.clone(), about)?)
            }
            None => None,
        };

        let (wake, woken) = bounded(1);
        let renewal = renewal(&config, targets, &wake);
        let producing = Producing { producer: renewal()?, renewal, targets };
        let mut consumers = Vec::with_capacity(sources);
        for thread in 0..sources {
            consumers.push(GroupConsumer::join(&config, thread)?);
        }
        let until_end = match options.until_end {
            true => Some(Arc::new(UntilEnd::new(bounds(&consumers[0], input_partitions, &config)?, sources))),
            false => None,
        };
        log_start(&config, &plan, &targets, http.as_ref().map(HttpServer::addr));
        let (input_ends, solitude) = (Arc::new(InputEnds::new(input_partitions)), Arc::default());
        let wired = Wired { config, plan, shutdown, metrics, health, dlq_guard, input_ends, solitude, wake };
        let (filled_in, filled) = bounded(wired.batches());
        let (processed_in, processed) = bounded(wired.batches());
        let mut lanes = Vec::with_capacity(sources);
        let mut threads = Vec::with_capacity(sources);
        let rate_limit =
            wired.config.pipeline.rate_limit.map(|rate| Arc::new(RateLimit::new(rate, Instant::now())));
        let boards: Vec<Arc<Board>> = (0..sources).map(|_| Arc::default()).collect();
        for (number, consumer) in consumers.iter().enumerate() {
            let (home_in, home) = bounded(wired.config.limits.batches_per_source);
            let source = wired.source(number, consumer, &boards[number], home, &home_in, filled_in.clone());
            let source = source.with_rate_limit(rate_limit.clone()).with_until_end(until_end.clone());
            let leave = options.leave;
            threads.push(spawn(&format!("source-{number}"), &wired.shutdown, move || source.run(leave))?);
            lanes.push(SourceLane {
                consumer: consumer.clone(),
                board: boards[number].clone(),
                replies: CommitReplies::new(consumer, wake_fn(&wired.wake)),
                home: home_in,
            });
        }
        drop(filled_in);
        let transform = wired.transform(filled, processed_in)?;
        let (wake, dlq_guard) = (wired.wake.clone(), wired.dlq_guard.clone());
        let ends = SinkEnds { processed, woken, wake, dlq_guard };
        let (sink, transactions) = wired.sink(producing, ends, lanes)?;
        let housekeeping = Housekeeping::start(&wired, consumers, boards)?;
        let Wired { shutdown, metrics, .. } = wired;
        Ok(Engine {
            shutdown,
            metrics,
            sources: threads,
            transform,
            sink,
            transactions,
            housekeeping,
            http,
            started: Instant::now(),
        })
    }

    /// What asks the engine to end.
    pub fn shutdown(&self) -> &Arc<Shutdown> {
        &self.shutdown
    }

    /// What it counts.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Where `/metrics` is served.
    pub fn http_addr(&self) -> Option<std::net::SocketAddr> {
        self.http.as_ref().map(HttpServer::addr)
    }

    /// Waits for the end, stage by stage. After a drain that was not over in time the other threads are left as they are: they may
    /// wait for a broker that never answers, and what they hold will be read again.
    pub fn join(self) -> RunReport {
        let mut drained = true;
        for source in self.sources {
            // One that died has said so itself.
            drained &= source.join().unwrap_or(false);
        }
        if drained {
            drop(self.transform.join());
            drop(self.sink.join());
            drop(self.transactions.map(JoinHandle::join));
            self.housekeeping.stop();
        }
        if let Some(http) = self.http {
            http.stop();
        }
        RunReport::new(&self.metrics, self.shutdown.reason(), drained, self.started.elapsed())
    }
}

/// What every stage shares.
struct Wired {
    config: Arc<Config>,
    plan: Arc<Plan>,
    shutdown: Arc<Shutdown>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    dlq_guard: Arc<DlqGuard>,
    input_ends: Arc<InputEnds>,
    solitude: Arc<Solitude>,
    /// Wakes the sink.
    wake: Sender<()>,
}

impl Wired {
    fn batches(&self) -> usize {
        self.config.pipeline.source_threads * self.config.limits.batches_per_source
    }

    /// A source, its batches already home.
    fn source(
        &self,
        number: usize,
        consumer: &Arc<GroupConsumer>,
        board: &Arc<Board>,
        home: Receiver<Box<Batch>>,
        home_in: &Sender<Box<Batch>>,
        filled: Sender<Box<Batch>>,
    ) -> Source {
        let limits = &self.config.limits;
        for slot in 0..limits.batches_per_source {
            let records = Records::with_capacity(consumer.clone(), limits.batch_records_max);
            let sent = home_in.try_send(Box::new(Batch::new(number, slot, records)));
            assert!(sent.is_ok(), "the way home has room for every batch");
        }
        let (readable_in, readable) = bounded(1);
        consumer.wake_on_records(wake_fn(&readable_in));
        let ends = SourceEnds {
            home,
            filled,
            readable,
            wake_sink: self.wake.clone(),
            board: board.clone(),
            dlq_guard: self.dlq_guard.clone(),
            input_ends: self.input_ends.clone(),
            solitude: self.solitude.clone(),
        };
        Source::new(
            self.config.clone(),
            number,
            consumer.clone(),
            ends,
            self.shutdown.clone(),
            (self.metrics.clone(), self.health.clone()),
        )
    }

    fn transform(
        &self,
        filled: Receiver<Box<Batch>>,
        processed: Sender<Box<Batch>>,
    ) -> Result<JoinHandle<()>, EngineError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.config.pipeline.worker_threads)
            .thread_name(|at| format!("worker-{at}"))
            // A job that dies has reported itself; it must not take the process along before the drain.
            .panic_handler(|_| {})
            .build()
            .map_err(|error| cannot_spawn("the worker pool", &error))?;
        let stage = Transform {
            plan: self.plan.clone(),
            pool: Arc::new(pool),
            filled,
            processed,
            shutdown: self.shutdown.clone(),
        };
        spawn("transform", &self.shutdown, move || stage.run())
    }

    /// The sink, and with exactly-once the thread of its transactions.
    fn sink(
        &self,
        producing: Producing,
        ends: SinkEnds,
        lanes: Vec<SourceLane>,
    ) -> Result<(JoinHandle<()>, Option<JoinHandle<()>>), EngineError> {
        let (sink, transactor) = Sink::new(
            self.config.clone(),
            self.plan.name(),
            producing,
            ends,
            lanes,
            self.shutdown.clone(),
            (self.metrics.clone(), self.health.clone()),
        );
        let run = |transactor: Transactor| spawn("transactions", &self.shutdown, move || transactor.run());
        let transactions = transactor.map(run).transpose()?;
        Ok((spawn("sink", &self.shutdown, move || sink.run())?, transactions))
    }
}

/// Metrics that know what they are about.
fn metrics(config: &Config, input_partitions: i32) -> Arc<Metrics> {
    let metrics = Metrics::new();
    metrics.input_topic(&config.topics.input);
    metrics.input_partitions(input_partitions);
    metrics.memory_limit(config.limits.memory_bytes as u64);
    metrics.client_version(&crate::kafka::properties::version().0);
    metrics
}

/// The start line: what is in force, so that nobody has to guess it from defaults.
fn log_start(config: &Config, plan: &Plan, targets: &[(i32, usize); 2], http: Option<std::net::SocketAddr>) {
    let Config { kafka, topics, group, delivery, pipeline, limits, .. } = config;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        contract = plan.name(),
        input = topics.input,
        output = topics.output,
        output_partitions = targets[0].0,
        output_message_bytes_max = targets[0].1,
        dead_letter = topics.dead_letter,
        dead_letter_message_bytes_max = targets[1].1,
        group = group.id,
        delivery = delivery.as_str(),
        instance = group.instance_id,
        source_threads = pipeline.source_threads,
        worker_threads = pipeline.worker_threads,
        memory_bytes = limits.memory_bytes,
        fetch_queue_bytes = limits.fetch_queue_bytes,
        fetch_queue_records = limits.fetch_queue_records,
        batches = pipeline.source_threads * limits.batches_per_source,
        batch_records_max = limits.batch_records_max,
        batch_bytes_max = limits.batch_bytes_max,
        held_bytes_max = limits.held_bytes_max,
        producer_queue_bytes = limits.producer_queue_bytes,
        producer_queue_records = limits.producer_queue_records,
        batch_linger = ?pipeline.batch_linger,
        drain_timeout = ?pipeline.drain_timeout,
        dlq_limit = pipeline.dlq_limit.map(|limit| limit.to_string()),
        stall_after = ?pipeline.stall_after,
        watchdog_after = ?pipeline.watchdog_after,
        watchdog_exit = pipeline.watchdog_exit,
        session_timeout = ?kafka.session_timeout,
        http = http.map(|addr| addr.to_string()),
        "starting"
    );
}

/// Makes producers: the first, and further ones where a transaction failed.
fn renewal(config: &Arc<Config>, targets: TargetTopics, wake: &Sender<()>) -> Renewal {
    let (config, wake) = (config.clone(), wake.clone());
    Box::new(move || producer(&config, &targets, wake_fn(&wake)))
}

fn producer(config: &Config, targets: &[(i32, usize); 2], wake: WakeFn) -> Result<Producer, EngineError> {
    let largest = targets[0].1.max(targets[1].1);
    let smallest = targets[0].1.min(targets[1].1);
    // Whether a record fits is decided to the byte before it is sent; the client's own estimate is a little coarser.
    let record_bytes_max = (largest + CLIENT_ESTIMATE_SLACK).min(CLIENT_MESSAGE_BYTES_MAX);
    // A request's batch must fit the smaller of the two topics.
    let batch_bytes_max = REQUEST_BYTES_MAX.min(smallest);
    Producer::new(
        config,
        &[&config.topics.output, &config.topics.dead_letter],
        record_bytes_max,
        batch_bytes_max,
        wake,
    )
}

/// The client sums up a record's largest possible framing, which is at most this.
const CLIENT_ESTIMATE_SLACK: usize = 4096;

/// `message.max.bytes` of the client: it takes no larger value, however much the topics allow.
const CLIENT_MESSAGE_BYTES_MAX: usize = 1_000_000_000;

/// `batch.size`: the client's default of 1 MB, which is also what a broker takes by default.
const REQUEST_BYTES_MAX: usize = 1_000_000;

/// Oldest and end offset of each input partition, for `--until-end`.
fn bounds(
    consumer: &GroupConsumer,
    partitions: i32,
    config: &Config,
) -> Result<BTreeMap<i32, (i64, i64)>, EngineError> {
    let mut bounds = BTreeMap::new();
    for partition in 0..partitions {
        let found = consumer.bounds(partition, config.kafka.connect_timeout).map_err(|error| {
            EngineError::new(
                Stage::Start,
                ExitCode::Unavailable,
                format!("the end of {}[{partition}] cannot be asked: {error}", config.topics.input),
            )
        })?;
        bounds.insert(partition, found);
    }
    Ok(bounds)
}

/// Signals a channel with room for one signal; one that is pending already is enough.
fn wake_fn(signal: &Sender<()>) -> WakeFn {
    let signal = signal.clone();
    Box::new(move || {
        signal.try_send(()).ok();
    })
}
