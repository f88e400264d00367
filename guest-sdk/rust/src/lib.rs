//! Durable objects for abide, in Rust.
//!
//! An object class is a type that implements [`Object`]. The host makes one value of it for every
//! object that is in use, hands it one request at a time, and keeps what it writes to [`storage`].
//! A whole class, a counter:
//!
//! ```
//! use abide_sdk::{Object, Request, Response, Result, StatusCode, export, respond, storage};
//!
//! struct Counter;
//!
//! impl Object for Counter {
//!     fn new() -> Result<Self> {
//!         Ok(Counter)
//!     }
//!
//!     fn fetch(&mut self, request: Request) -> Result<Response> {
//!         let count = storage::get_json("value")?.unwrap_or(0i64);
//!         let count = match request.uri().path() {
//!             "/" => return Ok(respond::text(count)),
//!             "/increment" => count + 1,
//!             "/decrement" => count - 1,
//!             _ => return Ok(respond::status(StatusCode::NOT_FOUND, "Not found")),
//!         };
//!         storage::put_json("value", &count)?;
//!         Ok(respond::text(count))
//!     }
//! }
//!
//! export!(Counter);
//! ```
//!
//! Its `Cargo.toml` has `crate-type = ["cdylib"]` under `[lib]`, and
//! `cargo build --release --target wasm32-wasip2` makes the component to upload.
//!
//! # What holds
//!
//! - Everything that one request writes becomes durable before its response leaves, all of it or,
//!   when `fetch` returns an error or panics, nothing.
//! - `self` lives as long as the instance: a cache for what is dear to load, gone at any moment
//!   between two requests. After an error it is dropped, since it may hold what the storage has
//!   just undone; [`Object::new`] then runs again.
//! - Requests to one object never run at the same time, so reading, computing and writing back
//!   needs no lock.

mod bail;
mod body;
mod error;
mod instance;
mod message;

pub mod bindings;
pub mod context;
pub mod log;
pub mod respond;
pub mod storage;

pub use http::{self, Method, StatusCode};

pub use body::Body;
pub use error::{Error, Result};
pub use instance::{Instance, Object};
pub use message::{Request, Response};

/// The class in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
