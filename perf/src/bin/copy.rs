//! `copy`: the plain copy of a topic, the reference for every ratio.

use clap::Parser;
use perf::command_line::pair;
use perf::copy::{Copy, copy};

/// Copy a topic's records as they are, with the engine's client settings, and say what that costs. The first line is for
/// people, the second is JSON.
#[derive(Parser)]
struct Args {
    /// The cluster's address
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    bootstrap: String,
    /// From its start to its end as it is now
    #[arg(long, env = "KAFKA_INPUT_TOPIC")]
    input: String,
    /// With as many partitions as the input
    #[arg(long, env = "KAFKA_OUTPUT_TOPIC", required_unless_present = "consume_only")]
    output: Option<String>,
    /// Only read
    #[arg(long)]
    consume_only: bool,
    /// Fill values up to this many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pad_to: usize,
    /// Make values this many bytes longer
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pad_by: usize,
    /// A client property of the producer, as name=value
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = pair)]
    properties: Vec<(String, String)>,
}

fn main() -> std::process::ExitCode {
    let args = Args::parse();
    let output = args.output.filter(|_| !args.consume_only);
    let (bootstrap, input, producer) = (args.bootstrap, args.input, args.properties);
    match copy(&Copy { bootstrap, input, output, pad_to: args.pad_to, pad_by: args.pad_by, producer }) {
        Ok(copied) => {
            println!("{copied}\n{}", copied.json());
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("copy: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}
