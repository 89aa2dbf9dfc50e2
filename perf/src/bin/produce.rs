//! `produce`: events from memory into a topic, as fast as the client takes them.

use clap::Parser;
use std::process::ExitCode;

/// Produce events from memory with the engine's producer settings: the figure beside which an engine's output is held.
#[derive(Parser)]
struct Args {
    /// The cluster's address
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    bootstrap: String,
    /// A topic that exists
    #[arg(long, env = "KAFKA_OUTPUT_TOPIC")]
    topic: String,
    /// How many events
    #[arg(long, default_value_t = 1_000_000)]
    count: u32,
    /// The seed of the events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Make values this many bytes longer
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pad_by: usize,
}

fn main() -> ExitCode {
    let Args { bootstrap, topic, count, seed, pad_by } = Args::parse();
    match perf::produce::produce(&bootstrap, &topic, count, seed, pad_by) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("produce: {error}");
            ExitCode::FAILURE
        }
    }
}
