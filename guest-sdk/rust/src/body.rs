//! The body of a request or a response: bytes, whole.

use std::fmt;
use std::ops::Deref;

use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The whole body of a request or a response.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Body(Vec<u8>);

impl Body {
    /// A body without bytes.
    pub const fn empty() -> Self {
        Self(Vec::new())
    }

    /// The bytes, without copying them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The body as text. An error with status 400 where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        str::from_utf8(&self.0)
            .map_err(|error| bad_request(format_args!("the body is not UTF-8: {error}")))
    }

    /// The value that the body holds as JSON. An error with status 400 where it does not.
    ///
    /// ```
    /// let point: (i32, i32) = abide_sdk::Body::from("[3, 4]").json()?;
    /// assert_eq!(point, (3, 4));
    /// # Ok::<(), abide_sdk::Error>(())
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.0).map_err(|error| {
            bad_request(format_args!("the body is not the expected JSON: {error}"))
        })
    }
}

fn bad_request(message: fmt::Arguments<'_>) -> Error {
    Error::with_status(StatusCode::BAD_REQUEST, message.to_string())
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

// A body may be large and secret: its length says enough in a log.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_that_is_not_what_was_expected_is_the_callers_fault() {
        let body = Body::from(&[b'"', 0xff, b'"'][..]);
        assert_eq!(body.text().unwrap_err().status(), Some(StatusCode::BAD_REQUEST));
        assert_eq!(body.json::<String>().unwrap_err().status(), Some(StatusCode::BAD_REQUEST));
    }
}
