//! The steps of `POST /run`: a JSON list such as
//! `[{"put": ["k", "v"]}, {"get": "k"}, {"list": {"prefix": "k"}}, "sync", {"fail": "enough"}]`.
//!
//! The results come in the same order. A refused use of the storage is a result such as
//! `{"error": "key-too-long", "key": "...", "size": 2049, "limit": 2048}`, and the event goes on.

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{hint, process};

use abide_sdk::bindings::abide::object::storage as raw;
use abide_sdk::{Error, Result, StatusCode, log, storage};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::data::Data;
use crate::stored::{self, Listing};

/// One step, and what its result is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Step {
    /// `null`.
    Put(Data, Data),
    /// `null`.
    PutMany(Vec<(Data, Data)>),
    /// The value, or `null`.
    Get(Data),
    /// The values, or `null`s.
    GetMany(Vec<Data>),
    /// Whether it existed.
    Del(Data),
    /// How many existed.
    DelMany(Vec<Data>),
    /// All entries, `[[key, value], ...]`, page by page as the SDK does it.
    List(Listing),
    /// One page: `{"entries": [[key, value], ...], "more": false}`.
    Page(Listing),
    /// `null`.
    DeleteAll,
    /// The results of the steps, which are then kept or undone: `{"tx": [[...], "rollback"]}`.
    Tx(Vec<Step>, End),
    /// `null`.
    Sync,
    /// Its number.
    Savepoint,
    /// `null`.
    RollbackTo(u32),
    /// Milliseconds. `null`.
    Sleep(u64),
    /// A returned error: `{"fail": "message"}` or `{"fail": ["message", 409]}`.
    Fail(Failure),
    /// An unreachable instruction.
    Trap,
    /// A panic with this message.
    Panic(String),
    /// An endless loop.
    Loop,
    /// MiB to take and to keep as long as the instance lives. `null`.
    Grow(usize),
    /// Lines for the log. `null`.
    Log(u32),
    /// Lines for stdout and as many for stderr. `null`.
    Print(u32),
    /// The end of the program with this exit code.
    Exit(i32),
    /// The clock, in milliseconds since the epoch.
    Now,
    /// 16 random bytes in hex.
    Random,
}

/// How a transaction ends.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) enum End {
    Commit,
    Rollback,
}

/// What is returned as an error.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Failure {
    Message(String),
    WithStatus(String, u16),
}

/// Runs steps in order. `held` is where the memory goes that a step takes for good.
pub(crate) fn run(steps: Vec<Step>, held: &mut Vec<Vec<u8>>) -> Result<Vec<Value>> {
    steps.into_iter().map(|step| one(step, held)).collect()
}

fn one(step: Step, held: &mut Vec<Vec<u8>>) -> Result<Value> {
    match step {
        Step::Put(key, value) => stored::put(key, value),
        Step::PutMany(entries) => stored::put_many(entries),
        Step::Get(key) => stored::get(key),
        Step::GetMany(keys) => stored::get_many(keys),
        Step::Del(key) => stored::delete(key),
        Step::DelMany(keys) => stored::delete_many(keys),
        Step::List(listing) => Ok(stored::list(listing)),
        Step::Page(listing) => Ok(stored::page(&listing)),
        Step::DeleteAll => Ok(json!(storage::delete_all())),
        Step::Tx(steps, end) => transaction(steps, &end, held),
        Step::Sync => Ok(json!(storage::sync())),
        Step::Savepoint => Ok(json!(raw::savepoint())),
        Step::RollbackTo(savepoint) => Ok(stored::rollback_to(savepoint)),
        Step::Sleep(milliseconds) => Ok(json!(sleep(Duration::from_millis(milliseconds)))),
        Step::Fail(Failure::Message(message)) => Err(Error::new(message)),
        Step::Fail(Failure::WithStatus(message, status)) => {
            Err(Error::with_status(StatusCode::from_u16(status)?, message))
        }
        Step::Trap => process::abort(),
        Step::Panic(message) => panics(&message),
        Step::Loop => endless(),
        Step::Grow(mebibytes) => {
            held.extend((0..mebibytes).map(|_| vec![1; 1 << 20]));
            Ok(Value::Null)
        }
        Step::Log(lines) => Ok(json!(write_log(lines))),
        Step::Print(lines) => Ok(json!(print(lines))),
        Step::Exit(code) => exit(code),
        Step::Now => now(),
        Step::Random => Ok(json!(hex::encode(random()?))),
    }
}

fn transaction(steps: Vec<Step>, end: &End, held: &mut Vec<Vec<u8>>) -> Result<Value> {
    let savepoint = raw::savepoint();
    let results = run(steps, held)?;
    if *end == End::Rollback {
        raw::rollback_to(savepoint)?;
    }
    Ok(json!(results))
}

fn write_log(lines: u32) {
    for n in 1..=lines {
        log::info("line", &[("n", &n)]);
    }
}

#[expect(clippy::panic, reason = "asked for")]
fn panics(message: &str) -> ! {
    panic!("{message}")
}

fn endless() -> ! {
    loop {
        hint::spin_loop();
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "asked for")]
fn print(lines: u32) {
    for n in 1..=lines {
        println!("out {n}");
        eprintln!("err {n}");
    }
}

#[expect(clippy::exit, reason = "asked for")]
fn exit(code: i32) -> ! {
    process::exit(code)
}

#[expect(clippy::disallowed_methods, reason = "an object has no other clock")]
fn now() -> Result<Value> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(json!(u64::try_from(time.as_millis())?))
}

pub(crate) fn random() -> Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
