//! `measure`: the figures that gristmill publishes, as a folder that anyone can make anew. `perf/run` builds and calls it.
//!
//! Each part answers one question and leaves every single run behind; tables are made from those alone, so that a part can be
//! measured again on another day without the others.

mod batching;
mod bench;
mod cases;
mod classic;
mod latency;
mod memory;
mod options;
mod progress;
mod throughput;

use bench::Bench;
use clap::Parser;
use options::{Args, Part};
use perf::error::Result;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(failed) if failed.is_empty() => ExitCode::SUCCESS,
        Ok(failed) => {
            eprintln!("measure: {} runs do not count:", failed.len());
            failed.iter().for_each(|what| eprintln!("  {what}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("measure: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives what did not count.
fn run(args: &Args) -> Result<Vec<String>> {
    let mut bench = Bench::open(args)?;
    let outcome = args.parts().into_iter().try_for_each(|part| {
        let measured = match part {
            Part::Throughput => throughput::throughput(&mut bench),
            Part::Classic => classic::measure(&mut bench),
            Part::Latency => latency::measure(&mut bench),
            Part::Memory => memory::measure(&mut bench),
            Part::Scaling => throughput::scaling(&mut bench),
            Part::Sizes => throughput::sizes(&mut bench),
            Part::Compression => throughput::compression(&mut bench),
            Part::Batching => batching::measure(&mut bench),
        };
        bench.finish_part(part, measured)
    });
    bench.close();
    outcome?;
    println!("{}", bench.summary_path().display());
    Ok(bench.failed)
}
