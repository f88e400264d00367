//! What an object handles and what comes of it: plain data, no server, no wasm.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

/// A request, as the object sees it.
#[derive(Debug, Clone)]
pub struct Request {
    /// Any token.
    pub method: Method,
    /// Path and query behind the object's address, byte for byte; begins with `/`.
    pub uri: String,
    /// Without hop-by-hop fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// An object's own answer. Everything in it may be sent as it is.
#[derive(Debug, Clone)]
pub struct Response {
    /// 200 to 599.
    pub status: StatusCode,
    /// Without hop-by-hop fields and `content-length`.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Fields that belong to one connection and never pass through (RFC 9110 section 7.6.1), besides
/// those that the `connection` field names.
pub const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];
