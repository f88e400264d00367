//! The command line.

pub mod call;
pub mod classes;
pub mod client;
pub mod deploy;
pub mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{class::compile, settings::Given};

/// Durable objects on your own machine.
#[derive(Debug, Parser)]
#[command(name = "abide", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    Serve(Box<Given>),
    /// Upload a component as the new version of a class
    Deploy(deploy::Deploy),
    /// List the classes
    Classes(classes::Classes),
    /// Send a request to an object and print the answer
    Call(call::Call),
    /// Check and compile a component for the server that started this process
    #[command(hide = true)]
    Compile {
        /// The bounds, as JSON
        job: String,
    },
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(given) => serve::run(*given),
            Command::Deploy(deploy) => deploy.run(),
            Command::Classes(classes) => classes.run(),
            Command::Call(call) => call.run(),
            Command::Compile { job } => {
                compile::run_child(&job)?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
