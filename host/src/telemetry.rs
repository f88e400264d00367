//! The log on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging; `filter` is in the syntax of `tracing_subscriber::EnvFilter`.
pub fn start(filter: Option<&str>, json: bool) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .parse(filter.unwrap_or("info"))
        .map_err(|error| format!("the log filter is wrong: {error}"))?;
    let log = fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if json {
        log.json().try_init()
    } else {
        log.with_ansi(io::stderr().is_terminal()).try_init()
    };
    started.map_err(|error| error.to_string())
}
