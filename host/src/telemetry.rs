//! The log on stderr.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging; `filter` is in the syntax of `tracing_subscriber::EnvFilter`.
pub fn start(filter: Option<&str>, json: bool) -> Result<(), String> {
    let filter = EnvFilter::builder()
        .parse(filter.unwrap_or("info"))
        .map_err(|error| format!("the log filter is wrong: {error}"))?;
    let log = fmt().with_env_filter(filter).with_writer(|| Indented);
    let started = if json {
        log.json().try_init()
    } else {
        log.with_ansi(io::stderr().is_terminal()).try_init()
    };
    started.map_err(|error| error.to_string())
}

/// Stderr, with what follows the first line of an event indented: what a guest says may hold line
/// ends, and must not look like a line of ours.
struct Indented;

impl Write for Indented {
    /// Takes one whole event.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = event.strip_suffix(b"\n").unwrap_or(event);
        let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
        let mut written = lines.next().unwrap_or_default().to_vec();
        for line in lines {
            written.extend_from_slice(b"\n    ");
            written.extend_from_slice(line);
        }
        written.push(b'\n');
        io::stderr().write_all(&written)?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
