//! Does whatever a test asks for: the class that most tests of the host use.
//!
//! | request | what it does |
//! |---|---|
//! | `POST /run` | runs the steps in the body, see [`step`]; answers their results as a JSON list |
//! | `/echo` | the request as it arrived: method, target, headers (values in base64), body |
//! | `/resp?s=` | the response that the base64url JSON describes, legal or not, see [`raw`] |
//! | `/ignore` | `ignored`, without a look at the body |
//! | `/mem` | a count in memory, how often the constructor ran, and an id of the instance |
//! | `/ctx` | id, name, class, version |
//! | `/env` | what of the outside world is in reach, see [`outside`] |
//! | `/increment` | adds 1 to the key `value`, as the counter does |
//! | `/slow?ms=` | sleeps, then adds 1 to the key `n` |

mod base64;
mod data;
mod outside;
mod raw;
mod step;
mod stored;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

use abide_sdk::bindings::abide::object::types;
use abide_sdk::bindings::exports::abide::object::handler::Guest;
use abide_sdk::{
    Instance, Object, Request, Response, Result, StatusCode, bail, context, respond, storage,
};
use serde_json::json;

use crate::step::Step;

/// How often the constructor ran in this instance.
static CONSTRUCTED: AtomicU32 = AtomicU32::new(0);

/// Differs between instances.
static INSTANCE_ID: OnceLock<String> = OnceLock::new();

/// What is in memory only.
#[derive(Default)]
struct Probe {
    count: u32,
    held: Vec<Vec<u8>>,
}

impl Object for Probe {
    fn new() -> Result<Self> {
        CONSTRUCTED.fetch_add(1, Ordering::Relaxed);
        Ok(Self::default())
    }

    fn fetch(&mut self, request: Request) -> Result<Response> {
        match request.uri().path() {
            "/run" => {
                let steps: Vec<Step> = request.body().json()?;
                respond::json(&step::run(steps, &mut self.held)?)
            }
            "/ignore" => Ok(respond::text("ignored")),
            "/mem" => respond::json(&self.memory()?),
            "/ctx" => respond::json(&json!({
                "id": context::id(),
                "name": context::name(),
                "class": context::class(),
                "version": context::version(),
            })),
            "/env" => respond::json(&outside::reach()),
            "/increment" => Ok(respond::text(add_one("value")?)),
            "/slow" => {
                sleep(Duration::from_millis(milliseconds(&request)?));
                Ok(respond::text(add_one("n")?))
            }
            _ => Ok(respond::status(StatusCode::NOT_FOUND, "Not found")),
        }
    }
}

impl Probe {
    fn memory(&mut self) -> Result<serde_json::Value> {
        self.count += 1;
        let fresh = hex::encode(step::random()?);
        let instance = INSTANCE_ID.get_or_init(|| fresh);
        let init = CONSTRUCTED.load(Ordering::Relaxed);
        Ok(json!({ "count": self.count, "init": init, "instance": instance }))
    }
}

fn add_one(key: &str) -> Result<i64> {
    let value = storage::get_json(key)?.unwrap_or(0i64) + 1;
    storage::put_json(key, &value)?;
    Ok(value)
}

fn milliseconds(request: &Request) -> Result<u64> {
    match request.uri().query().and_then(|query| query.strip_prefix("ms=")) {
        Some(number) => Ok(number.parse()?),
        None => bail!(StatusCode::BAD_REQUEST, "/slow takes ?ms="),
    }
}

thread_local! {
    static PROBE: Instance<Probe> = const { Instance::new() };
}

/// `/echo` and `/resp` stay below the `http` crate, which would tidy up what they show.
struct Component;

impl Guest for Component {
    fn fetch(request: types::Request) -> Result<types::Response, types::Fault> {
        if request.uri == "/echo" || request.uri.starts_with("/echo?") {
            return Ok(raw::echo(&request)?);
        }
        if let Some(script) = request.uri.strip_prefix("/resp?s=") {
            return Ok(raw::scripted(script)?);
        }
        PROBE.with(|probe| probe.fetch(request))
    }
}

abide_sdk::export_raw!(Component);
