//! The harness: a real server in a temporary directory, a client, and the classes to upload.
#![expect(clippy::panic, reason = "a panic is how a test fails")]

pub mod client;
pub mod guest;
pub mod host;
pub mod parallel;
pub mod probe;
pub mod random;
pub mod raw;
pub mod source;
pub mod terminal;
