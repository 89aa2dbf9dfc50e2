//! Before the threads start: everything that can be known to be wrong is said here, with the fix.

use crate::config::{Config, Limits};
use crate::contract::Plan;
use crate::error::{EngineError, ExitCode, Stage};
use crate::kafka::admin::{Admin, TopicFacts};
use crate::shutdown::Shutdown;
use std::sync::Arc;

/// How to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Stop where the input's end was at start.
    pub until_end: bool,
    /// Leave the group at the end even as a static member.
    pub leave: bool,
}

/// All that the threads need, checked.
pub struct Prepared {
    pub(super) config: Arc<Config>,
    pub(super) plan: Arc<Plan>,
    pub(super) options: RunOptions,
    /// Partitions and `max.message.bytes` of output and dead letter topic.
    pub(super) targets: [(i32, usize); 2],
    pub(super) input_partitions: i32,
    pub(super) shutdown: Arc<Shutdown>,
}

impl Prepared {
    /// Connects and looks at the three topics.
    pub fn new(config: Config, plan: Plan, options: RunOptions) -> Result<Prepared, EngineError> {
        let admin = Admin::connect(&config.kafka)?;
        let topics = &config.topics;
        let names = [topics.input.as_str(), &topics.output, &topics.dead_letter];
        let found = admin.topics(&names, config.kafka.connect_timeout)?;
        let variables = ["KAFKA_INPUT_TOPIC", "KAFKA_OUTPUT_TOPIC", "KAFKA_DLQ_TOPIC"];
        let mut missing = Vec::new();
        let mut facts: Vec<TopicFacts> = Vec::with_capacity(names.len());
        for ((name, variable), found) in names.iter().zip(variables).zip(found) {
            match found {
                Some(topic) => facts.push(topic),
                None => missing.push(format!("\"{name}\" ({variable})")),
            }
        }
        if !missing.is_empty() {
            let message = format!(
                "no such topic: {}; create what is missing (gristmill topics create), or correct the name",
                missing.join(", ")
            );
            return Err(EngineError::new(Stage::Start, ExitCode::Config, message));
        }
        check_memory(&config, facts[0].record_bytes_max())?;
        // What is larger than the producer's whole queue would wait for room for ever, whatever its topic allows.
        let target = |topic: &TopicFacts| {
            (topic.partitions, topic.record_bytes_max().min(config.limits.producer_queue_bytes))
        };
        Ok(Prepared {
            targets: [target(&facts[1]), target(&facts[2])],
            input_partitions: facts[0].partitions,
            shutdown: Arc::new(Shutdown::new(config.pipeline.drain_timeout)),
            config: Arc::new(config),
            plan: Arc::new(plan),
            options,
        })
    }

    /// The configuration that is in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// What asks the engine to end, before and after it has started.
    pub fn shutdown(&self) -> &Arc<Shutdown> {
        &self.shutdown
    }
}

fn check_memory(config: &Config, record_bytes_max: usize) -> Result<(), EngineError> {
    let smallest = Limits::smallest_for_record(record_bytes_max, config.pipeline.source_threads);
    if config.limits.memory_bytes >= smallest {
        return Ok(());
    }
    Err(EngineError::new(
        Stage::Start,
        ExitCode::Config,
        format!(
            "GRISTMILL_MEMORY_LIMIT is {} MiB, too small for one record of topic \"{}\", whose max.message.bytes is {record_bytes_max}: \
             the smallest that works is {} MiB",
            config.limits.memory_bytes >> 20,
            config.topics.input,
            smallest.div_ceil(1 << 20)
        ),
    ))
}
