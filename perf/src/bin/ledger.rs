//! `ledger`: accounts for each event between an input, an output and a dead letter topic.

use clap::Parser;
use perf::ledger::Ledger;
use std::process::ExitCode;

/// Account for each event: read all three topics from their starts to their ends, and say what is lost, repeated, misplaced,
/// out of order or foreign. Exit code 0: nothing; 1: something; 2: it could not be found out.
#[derive(Parser)]
struct Args {
    /// The cluster's address
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    bootstrap: String,
    /// What went in
    #[arg(long, env = "KAFKA_INPUT_TOPIC")]
    input: String,
    /// What came out
    #[arg(long, env = "KAFKA_OUTPUT_TOPIC")]
    output: String,
    /// What was refused
    #[arg(long, env = "KAFKA_DLQ_TOPIC")]
    dlq: String,
    /// Repeated events are counted, but accepted
    #[arg(long)]
    allow_repeats: bool,
    /// Events that the broker refused may be dead letters
    #[arg(long)]
    allow_delivery_failed: bool,
    /// Read open and aborted transactions of output and dead letter topic too
    #[arg(long)]
    read_uncommitted: bool,
    /// Dead letters are in the envelope form
    #[arg(long)]
    envelope: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut ledger = Ledger::new(&args.bootstrap, &args.input, &args.output, &args.dlq);
    ledger.uncommitted = args.read_uncommitted;
    ledger.envelope = args.envelope;
    ledger.allow_delivery_failed = args.allow_delivery_failed;
    match ledger.account() {
        Ok(account) => {
            print!("{account}");
            let clean =
                if args.allow_repeats { account.is_clean_but_for_repeats() } else { account.is_clean() };
            println!("{}", if clean { "clean" } else { "not clean" });
            ExitCode::from(u8::from(!clean))
        }
        Err(error) => {
            eprintln!("ledger: {error}");
            ExitCode::from(2)
        }
    }
}
