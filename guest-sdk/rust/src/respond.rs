//! The usual responses. Any other is made with `http::Response::builder()`.

use std::fmt::Display;

use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use crate::{Body, Response, Result};

/// Status 200 and anything that can be displayed, as plain text.
///
/// ```
/// use abide_sdk::respond;
///
/// assert_eq!(respond::text(7).body().text()?, "7");
/// # Ok::<(), abide_sdk::Error>(())
/// ```
pub fn text(text: impl Display) -> Response {
    with_type("text/plain; charset=utf-8", text.to_string().into())
}

/// Status 200 and a value as JSON. An error where the value cannot be JSON.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Response> {
    Ok(with_type("application/json", serde_json::to_vec(value)?.into()))
}

/// The status and a plain text that explains it. What the event wrote stays.
///
/// To undo it, return [`Error::with_status`](crate::Error::with_status) instead.
pub fn status(status: StatusCode, explanation: impl Display) -> Response {
    let mut response = text(explanation);
    *response.status_mut() = status;
    response
}

/// Status 204, which has no body.
pub fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn with_type(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
