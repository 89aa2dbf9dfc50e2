//! `fill`: puts numbered login events into a topic.

use clap::Parser;
use perf::command_line::pair;
use perf::error::Result;
use perf::events::{Kind, Shape};
use perf::fill::{Fill, Transactions, fill};
use perf::topics::Topics;

/// Fill a topic with numbered login events; the same seed gives the same events.
#[derive(Parser)]
struct Args {
    /// The cluster's address
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    bootstrap: String,
    /// The topic
    #[arg(long)]
    topic: String,
    /// Make the topic first, with this many partitions
    #[arg(long, value_name = "PARTITIONS")]
    create: Option<i32>,
    /// How many events
    #[arg(long, default_value_t = 1_000_000)]
    count: u32,
    /// The first event's number
    #[arg(long, default_value_t = 0)]
    first: u32,
    /// The seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keys are the ids of this many users; 0: no keys
    #[arg(long, default_value_t = 10_000)]
    users: u32,
    /// The share of events that has to be refused
    #[arg(long, default_value_t = 0.05)]
    refused: f64,
    /// The share of records without a value
    #[arg(long, default_value_t = 0.0)]
    tombstones: f64,
    /// Pad events to this many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pad_to: usize,
    /// Headers on each record
    #[arg(long, default_value_t = 0)]
    headers: u32,
    /// Events a second, at most
    #[arg(long)]
    rate: Option<u32>,
    /// Write transactions of this many events
    #[arg(long, value_name = "EVENTS")]
    transactions: Option<u32>,
    /// The share of transactions that is aborted
    #[arg(long, default_value_t = 0.3, requires = "transactions")]
    aborted: f64,
    /// Abort the last transaction
    #[arg(long, requires = "transactions")]
    aborted_end: bool,
    /// A client property, as name=value
    #[arg(short = 'X', value_name = "NAME=VALUE", value_parser = pair)]
    properties: Vec<(String, String)>,
}

fn main() -> std::process::ExitCode {
    match run(Args::parse()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fill: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    if let Some(partitions) = args.create {
        let size = args.pad_to.max(1_048_588).to_string();
        Topics::new(&args.bootstrap)?.create(&args.topic, partitions, 0, &[("max.message.bytes", &size)])?;
    }
    let (aborted, aborted_end) = (args.aborted, args.aborted_end);
    let users = (args.users > 0).then_some(args.users);
    let filled = fill(&Fill {
        bootstrap: args.bootstrap,
        topic: args.topic,
        first: args.first,
        count: args.count,
        shape: Shape {
            seed: args.seed,
            users,
            refused: args.refused,
            tombstones: args.tombstones,
            pad_to: args.pad_to,
            ..Shape::default()
        },
        headers: args.headers,
        transactions: args.transactions.map(|events| Transactions { events, aborted, aborted_end }),
        rate: args.rate,
        properties: args.properties,
    })?;
    let rate = f64::from(args.count) / filled.took.as_secs_f64();
    println!(
        "{} events in {:.1} s ({rate:.0} a second), seed {}",
        args.count,
        filled.took.as_secs_f64(),
        args.seed
    );
    for kind in Kind::ALL {
        println!("{:>12}  {kind:?}", filled.kinds[kind.index()]);
    }
    println!("{:>12}  in aborted transactions", filled.aborted);
    Ok(())
}
