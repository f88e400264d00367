//! The object's log: a message and named values.
//!
//! ```no_run
//! use abide_sdk::log;
//!
//! log::info("joined", &[("user", &"anna"), ("members", &7)]);
//! ```
//!
//! What is printed to stdout and stderr is logged as well, line by line.

use std::fmt::Display;

use crate::bindings::abide::object::log::{Level, log};

/// Named values of a log line.
pub type Fields<'a> = [(&'a str, &'a dyn Display)];

/// For following single steps.
pub fn trace(message: &str, fields: &Fields<'_>) {
    write(Level::Trace, message, fields);
}

/// For finding a mistake.
pub fn debug(message: &str, fields: &Fields<'_>) {
    write(Level::Debug, message, fields);
}

/// Worth knowing.
pub fn info(message: &str, fields: &Fields<'_>) {
    write(Level::Info, message, fields);
}

/// Something was wrong, and the object coped.
pub fn warn(message: &str, fields: &Fields<'_>) {
    write(Level::Warn, message, fields);
}

/// Someone must act.
pub fn error(message: &str, fields: &Fields<'_>) {
    write(Level::Error, message, fields);
}

fn write(level: Level, message: &str, fields: &Fields<'_>) {
    let values: Vec<String> = fields.iter().map(|(_, value)| value.to_string()).collect();
    let names = fields.iter().map(|(name, _)| *name);
    let fields: Vec<(&str, &str)> = names.zip(values.iter().map(String::as_str)).collect();
    log(level, message, &fields);
}
