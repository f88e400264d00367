//! A guest's answer, checked: what cannot be sent is a fault, what is the host's business is
//! dropped.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{Fault, binding::abide::object::types};
use crate::{
    event::{HOP_BY_HOP, Response},
    limits::{HEADERS_BYTES_MAX, HEADERS_MAX},
};

/// Turns what a guest returned into what may be sent.
pub(super) fn checked(response: types::Response, body_bytes: usize) -> Result<Response, Fault> {
    let types::Response { status, headers, body } = response;
    // 1xx are not final (RFC 9110 section 15.2); above 599 is no class of status.
    let status = match StatusCode::from_u16(status) {
        Ok(code) if (200..600).contains(&status) => code,
        _ => return Err(invalid(format!("status {status}, it must be 200 to 599"))),
    };
    if body.len() > body_bytes {
        return Err(Fault::BodyTooLarge { size: body.len(), limit: body_bytes });
    }
    Ok(Response { status, headers: checked_headers(headers)?, body: Bytes::from(body) })
}

fn checked_headers(fields: Vec<(String, Vec<u8>)>) -> Result<HeaderMap, Fault> {
    if fields.len() > HEADERS_MAX {
        return Err(invalid(format!("{} headers, the limit is {HEADERS_MAX}", fields.len())));
    }
    let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > HEADERS_BYTES_MAX {
        return Err(invalid(format!("headers of {bytes} bytes, the limit is {HEADERS_BYTES_MAX}")));
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields {
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(invalid(format!("header name {name:?} is not a token")));
        };
        let Ok(value) = HeaderValue::from_bytes(&value) else {
            return Err(invalid(format!("the value of header {name:?} has control characters")));
        };
        headers.append(header, value);
    }
    drop_connection_fields(&mut headers);
    headers.remove(http::header::CONTENT_LENGTH);
    Ok(headers)
}

/// Drops the fields that belong to one connection (RFC 9110 section 7.6.1).
pub fn drop_connection_fields(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn invalid(reason: String) -> Fault {
    Fault::InvalidResponse(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &[u8])]) -> types::Response {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        types::Response { status, headers, body: Vec::new() }
    }

    #[test]
    fn only_final_statuses_are_sent() {
        for status in [200, 299, 304, 418, 599] {
            assert!(checked(response(status, &[]), 0).is_ok(), "{status}");
        }
        for status in [0, 99, 100, 101, 103, 199, 600, 999, 1000, u16::MAX] {
            assert!(checked(response(status, &[]), 0).is_err(), "{status}");
        }
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        for value in [&b"a\r\nset-cookie: b"[..], b"a\nb", b"a\0"] {
            assert!(checked(response(200, &[("x", value)]), 0).is_err());
        }
        assert!(checked(response(200, &[("x: y\r\nz", b"a")]), 0).is_err());
    }

    #[test]
    fn framing_is_the_hosts_business() {
        let fields: [(&str, &[u8]); 5] = [
            ("Transfer-Encoding", b"gzip"),
            ("Connection", b"close, X-Secret"),
            ("X-Secret", b"1"),
            ("Content-Length", b"7"),
            ("X-Kept", b"\xc3\x82"),
        ];
        let sent = checked(response(200, &fields), 0).unwrap();
        let names: Vec<_> = sent.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept"]);
    }
}
