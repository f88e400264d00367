//! A durable counter: `/increment`, `/decrement`, and `/` to look at it.

use abide_sdk::{Object, Request, Response, Result, StatusCode, export, respond, storage};

struct Counter;

impl Object for Counter {
    fn new() -> Result<Self> {
        Ok(Counter)
    }

    fn fetch(&mut self, request: Request) -> Result<Response> {
        let count = storage::get_json("value")?.unwrap_or(0i64);
        let count = match request.uri().path() {
            "/" => return Ok(respond::text(count)),
            "/increment" => count + 1,
            "/decrement" => count - 1,
            _ => return Ok(respond::status(StatusCode::NOT_FOUND, "Not found")),
        };
        storage::put_json("value", &count)?;
        Ok(respond::text(count))
    }
}

export!(Counter);
