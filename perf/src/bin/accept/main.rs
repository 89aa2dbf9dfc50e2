//! `accept`: measures and breaks the engine as a user would see it, and says whether it does what it promises.
//!
//! Four parts: speed against the plain copy, memory with large records, `kill -9`, and SIGTERM under full load. After each of
//! them a ledger accounts for every event.

mod crash;
mod options;
mod report;
mod speed;
mod stop;

use clap::Parser;
use options::{Args, Part};
use perf::error::Result;
use perf::world::{PARTITIONS, Plan, World};
use report::Report;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut report = Report::default();
    match run(&args, &mut report) {
        Ok(()) => report.finish(),
        Err(error) => {
            eprintln!("accept: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, report: &mut Report) -> Result<()> {
    let scale = args.scale();
    let mut world = World::build(&plan(args))?;
    append(&mut world, scale.events)?;
    println!(
        "seed {}, {} events, {} partitions, broker {}",
        args.seed, scale.events, PARTITIONS, world.bootstrap
    );
    if args.does(Part::Speed) {
        speed::measure(&world, &scale, report)?;
    }
    if args.does(Part::Large) {
        speed::measure_large(&world, &scale, report)?;
    }
    if args.does(Part::Crash) {
        crash::kill(&world, &scale, report)?;
    }
    if args.does(Part::Stop) {
        stop::terminate(&mut world, &scale, report)?;
    }
    world.clean_up();
    Ok(())
}

fn plan(args: &Args) -> Plan {
    let engine = args.engine().cloned();
    Plan { name: "accept".into(), engine, seed: args.seed, env: args.env.clone(), ..Plan::default() }
}

fn append(world: &mut World, count: u32) -> Result<()> {
    let filled = world.append(count)?;
    println!("filled in {} events, {} of them to be refused", filled.visible(), filled.refused());
    Ok(())
}
