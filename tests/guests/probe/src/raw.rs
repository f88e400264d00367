//! Requests as they arrive and responses that nobody should give.

use abide_sdk::bindings::abide::object::types::{Request, Response};
use abide_sdk::{Result, StatusCode, bail, storage};
use serde::Deserialize;
use serde_json::json;

use crate::base64;
use crate::data::{Data, digest};

/// A response to give. Nothing in it is checked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Script {
    /// 200 where absent.
    status: Option<u16>,
    /// Names and values, in this order.
    #[serde(default)]
    headers: Vec<(String, Data)>,
    /// That many more headers, `x-0: 0` and so on.
    #[serde(default)]
    many_headers: usize,
    body: Option<Data>,
    /// That many zero bytes instead of a body.
    body_zeros: Option<usize>,
    /// An entry to store before.
    put: Option<(String, Data)>,
}

pub(crate) fn echo(request: &Request) -> Result<Response> {
    let headers = request.headers.iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| (name.as_str(), base64::encode(value))).collect();
    let body = serde_json::to_vec(&json!({
        "method": request.method,
        "target": request.uri,
        "headers": headers,
        "bodyLength": request.body.len(),
        "bodySha256": digest(&request.body),
    }))?;
    let headers = vec![("content-type".into(), b"application/json".to_vec())];
    Ok(Response { status: 200, headers, body })
}

/// The response that a [`Script`] in base64url JSON describes.
pub(crate) fn scripted(script: &str) -> Result<Response> {
    let Some(script) = base64::decode(script) else {
        bail!(StatusCode::BAD_REQUEST, "the script is not base64url");
    };
    let script: Script = serde_json::from_slice(&script)?;

    if let Some((key, value)) = script.put {
        storage::put(&key, value.into_bytes()?)?;
    }
    let mut headers = Vec::new();
    for (name, value) in script.headers {
        headers.push((name, value.into_bytes()?));
    }
    let many = (0..script.many_headers).map(|n| (format!("x-{n}"), n.to_string().into_bytes()));
    headers.extend(many);
    let body = script.body.or(script.body_zeros.map(|zeros| Data::Zeros { zeros }));
    let body = body.map_or(Ok(Vec::new()), Data::into_bytes)?;
    Ok(Response { status: script.status.unwrap_or(200), headers, body })
}
