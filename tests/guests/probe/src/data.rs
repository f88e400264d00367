//! Keys and values in the JSON of a test.

use abide_sdk::{Result, StatusCode, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::base64;

/// Longer values are answered as their length and digest.
const SHOWN_BYTES_MAX: usize = 4096;

/// A key or a value: `"text"`, `{"b64": "AAE="}`, `{"repeat": ["ab", 1000]}` or `{"zeros": 1000}`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Data {
    Text(String),
    Base64 { b64: String },
    Repeat { repeat: (String, usize) },
    Zeros { zeros: usize },
}

impl Data {
    pub(crate) fn into_bytes(self) -> Result<Vec<u8>> {
        match self {
            Data::Text(text) => Ok(text.into_bytes()),
            Data::Base64 { b64 } => match base64::decode(&b64) {
                Some(bytes) => Ok(bytes),
                None => bail!(StatusCode::BAD_REQUEST, "not base64: {b64}"),
            },
            Data::Repeat { repeat: (text, times) } => Ok(text.repeat(times).into_bytes()),
            Data::Zeros { zeros } => Ok(vec![0; zeros]),
        }
    }

    pub(crate) fn into_text(self) -> Result<String> {
        Ok(String::from_utf8(self.into_bytes()?)?)
    }
}

/// A value in a result: `"text"`, `{"b64": ...}` where it is not UTF-8, or
/// `{"length": ..., "sha256": ...}` where it is longer than 4 KiB.
pub(crate) fn shown(value: &[u8]) -> Value {
    if value.len() > SHOWN_BYTES_MAX {
        return json!({ "length": value.len(), "sha256": digest(value) });
    }
    match str::from_utf8(value) {
        Ok(text) => json!(text),
        Err(_) => json!({ "b64": base64::encode(value) }),
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
