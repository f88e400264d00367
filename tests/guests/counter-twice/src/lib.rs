//! The counter, next version: counts in twos and says so in a header, on the same stored value.

use abide_sdk::http::HeaderValue;
use abide_sdk::{Object, Request, Response, Result, StatusCode, export, respond, storage};

struct CounterTwice;

impl Object for CounterTwice {
    fn new() -> Result<Self> {
        Ok(CounterTwice)
    }

    fn fetch(&mut self, request: Request) -> Result<Response> {
        let count = storage::get_json("value")?.unwrap_or(0i64);
        let count = match request.uri().path() {
            "/" => return Ok(answer(count)),
            "/increment" => count + 2,
            "/decrement" => count - 2,
            _ => return Ok(respond::status(StatusCode::NOT_FOUND, "Not found")),
        };
        storage::put_json("value", &count)?;
        Ok(answer(count))
    }
}

fn answer(count: i64) -> Response {
    let mut response = respond::text(count);
    response.headers_mut().insert("x-counter", HeaderValue::from_static("twice"));
    response
}

export!(CounterTwice);
