//! The engine with its faults: built by the tests that need it (`--features faults`), never shipped.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(gristmill::cli::main(std::env::args_os()) as u8)
}
