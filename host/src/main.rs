//! The program `abide`.

use std::process::ExitCode;

use abide::cli::Cli;
use clap::Parser;

#[expect(clippy::print_stderr, reason = "this is for the person at the terminal")]
fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("abide: {error:#}");
            ExitCode::FAILURE
        }
    }
}
