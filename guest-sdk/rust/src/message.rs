//! Requests and responses in the types of the `http` crate, and the way there and back.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{Method, StatusCode};

use crate::bindings::abide::object::types;
use crate::{Body, Error, Result};

/// A request as the object sees it: its URI is the path and query behind the object's address.
///
/// Header values are bytes, which need not be text.
pub type Request = http::Request<Body>;

/// A response. For the usual ones see [`respond`](crate::respond).
pub type Response = http::Response<Body>;

/// An error with status 400 where the `http` crate cannot represent the request.
pub(crate) fn request_from_raw(raw: types::Request) -> Result<Request> {
    let method = Method::from_bytes(raw.method.as_bytes());
    let method = method.map_err(|error| refused("method", &raw.method, &error))?;
    // Not `Uri::try_from`, which would read `//x/y` as the host `x`.
    let target = PathAndQuery::try_from(raw.uri.as_str());
    let target = target.map_err(|error| refused("target", &raw.uri, &error))?;

    let mut request = Request::new(Body::from(raw.body));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(target);
    *request.headers_mut() = headers_from_raw(raw.headers)?;
    Ok(request)
}

pub(crate) fn response_to_raw(response: Response) -> types::Response {
    let (head, body) = response.into_parts();
    let headers = head.headers.iter();
    types::Response {
        status: head.status.as_u16(),
        headers: headers
            .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
            .collect(),
        body: body.into_bytes(),
    }
}

fn headers_from_raw(raw: Vec<types::Header>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in raw {
        let field = HeaderName::from_bytes(name.as_bytes());
        let field = field.map_err(|error| refused("header name", &name, &error))?;
        let value = HeaderValue::try_from(value);
        let value = value.map_err(|error| refused("value of header", &name, &error))?;
        // The map has a bound on its number of names, which `append` would panic at.
        headers.try_append(field, value).map_err(|error| refused("header", &name, &error))?;
    }
    Ok(headers)
}

fn refused(what: &str, text: &str, error: &dyn std::error::Error) -> Error {
    let message = format!("cannot take the {what} {text:?}: {error}");
    Error::with_status(StatusCode::BAD_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(uri: &str) -> types::Request {
        let headers = vec![
            ("x-a".into(), b"1".to_vec()),
            ("x-b".into(), vec![0xc3, 0xff]),
            ("x-a".into(), b"2".to_vec()),
        ];
        types::Request { method: "GET".into(), uri: uri.into(), headers, body: b"body".to_vec() }
    }

    #[track_caller]
    fn check_refused(raw: types::Request) {
        let error = request_from_raw(raw).unwrap_err();
        assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST), "{error}");
    }

    #[test]
    fn targets_stay_byte_for_byte() {
        for uri in ["/", "//x/y", "/a%3Bb;c", "/x/?a=1&a=2&b=+", "/a:b@c", "/?", "/{}|\"^"] {
            let request = request_from_raw(get(uri)).expect(uri);
            assert_eq!(request.uri().to_string(), uri);
            assert_eq!(request.uri().authority(), None);
        }
    }

    #[test]
    fn header_values_are_bytes_and_keep_their_order() {
        let request = request_from_raw(get("/")).unwrap();
        assert_eq!(request.headers()["x-b"].as_bytes(), [0xc3, 0xff]);
        assert!(request.headers().get_all("x-a").iter().eq(["1", "2"]));
    }

    #[test]
    fn what_http_cannot_represent_is_a_bad_request() {
        check_refused(get("/a b"));
        check_refused(get("/a\u{7f}"));
        check_refused(types::Request { method: "GE T".into(), ..get("/") });
        check_refused(types::Request { method: String::new(), ..get("/") });
        let headers = vec![("x y".into(), Vec::new())];
        check_refused(types::Request { headers, ..get("/") });
        let headers = vec![("x".into(), b"a\nb".to_vec())];
        check_refused(types::Request { headers, ..get("/") });
        let headers = (0..40_000).map(|n| (format!("x-{n}"), Vec::new())).collect();
        check_refused(types::Request { headers, ..get("/") });
    }

    #[test]
    fn responses_keep_status_headers_and_body() {
        let response = http::Response::builder().status(299).header("x-a", "1").header("x-a", "2");
        let raw = response_to_raw(response.body(Body::from("hi")).unwrap());
        assert_eq!(raw.status, 299);
        assert_eq!(raw.headers, [("x-a".into(), b"1".to_vec()), ("x-a".into(), b"2".to_vec())]);
        assert_eq!(raw.body, b"hi");
    }
}
