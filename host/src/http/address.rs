//! The path of a request: which object, and what the object sees.
//!
//! `/{class}/{name}/rest?query` and `/{class}/@{64 hex digits}/rest?query`. Class and name are
//! percent-decoded once (RFC 3986 section 2.1), the rest is passed through byte for byte.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::id::{ClassName, IdError, ObjectId, ObjectName};

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    /// The class.
    pub class: ClassName,
    /// The object.
    pub object: Object,
    /// What the object sees as its request target; begins with `/`.
    pub uri: String,
}

/// Which object of the class.
#[derive(Debug, PartialEq, Eq)]
pub enum Object {
    /// The one with this name.
    Named(ObjectName),
    /// The one with this id.
    Id(ObjectId),
}

/// Why a path names no object.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is only a class, or nothing.
    #[error("the path names no object; objects are at /CLASS/NAME/...")]
    NoObject,
    /// A segment is empty.
    #[error("the {0} in the path is empty; objects are at /CLASS/NAME/...")]
    Empty(&'static str),
    /// A segment is `.` or `..`, which clients and proxies take out of paths.
    #[error(
        "the {0} in the path is a dot segment, which clients and proxies resolve; percent-encode its dots"
    )]
    DotSegment(&'static str),
    /// A percent sign without two hex digits.
    #[error("the {0} in the path has a % that no two hex digits follow; write %25 for a %")]
    Percent(&'static str),
    /// Not UTF-8 after decoding.
    #[error("the {0} in the path is not UTF-8 after percent-decoding")]
    NotUtf8(&'static str),
    /// Not a valid name or id.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// Parses path and query as sent.
pub fn parse(path_and_query: &str) -> Result<Target, AddressError> {
    let (path, query) = match path_and_query.find('?') {
        Some(at) => path_and_query.split_at(at),
        None => (path_and_query, ""),
    };
    let path = path.strip_prefix('/').ok_or(AddressError::NoObject)?;
    let (class, path) = path.split_once('/').ok_or(AddressError::NoObject)?;
    let (object, rest) = match path.find('/') {
        Some(at) => path.split_at(at),
        None => (path, "/"),
    };
    let class: ClassName = decoded("class", class)?.parse()?;
    // An encoded `@` is part of a name: only a literal one says that an id follows.
    let object = match object.strip_prefix('@') {
        Some(id) => Object::Id(id.parse()?),
        None => Object::Named(decoded("object name", object)?.parse()?),
    };
    Ok(Target { class, object, uri: [rest, query].concat() })
}

/// Decodes one segment of a path.
pub fn decoded(what: &'static str, segment: &str) -> Result<String, AddressError> {
    match segment {
        "" => return Err(AddressError::Empty(what)),
        "." | ".." => return Err(AddressError::DotSegment(what)),
        _ => (),
    }
    let complete = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !segment.split('%').skip(1).all(complete) {
        return Err(AddressError::Percent(what));
    }
    let decoded = percent_decode_str(segment).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| AddressError::NotUtf8(what))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn seen(path: &str, name: &str, uri: &str) {
        let target = parse(path).unwrap();
        assert_eq!(target.object, Object::Named(name.parse().unwrap()));
        assert_eq!(target.uri, uri);
    }

    #[test]
    fn the_rest_is_passed_through_byte_for_byte() {
        seen("/c/a", "a", "/");
        seen("/c/a?x", "a", "/?x");
        seen("/c/a/", "a", "/");
        seen("/c/a//x", "a", "//x");
        seen("/c/a/x/?a=1&a=2&b=%20+&c", "a", "/x/?a=1&a=2&b=%20+&c");
        seen("/c/a/a%3Bb%20c%2Bd/../.", "a", "/a%3Bb%20c%2Bd/../.");
        seen("/c/a?/b/c", "a", "/?/b/c");
    }

    #[test]
    fn names_are_decoded_once() {
        seen("/c/hello%20world/x", "hello world", "/x");
        seen("/c/hello+world/x", "hello+world", "/x");
        seen("/c/a%2Fb/x", "a/b", "/x");
        seen("/c/%252F", "%2F", "/");
        seen("/c/%40x", "@x", "/");
        seen("/c/%2E%2E/x", "..", "/x");
    }

    #[test]
    fn an_id_follows_a_literal_at_sign() {
        let id = "0123456789abcdef".repeat(4);
        let target = parse(&format!("/c/@{id}/x")).unwrap();
        assert_eq!(target.object, Object::Id(id.parse().unwrap()));
        assert!(matches!(parse("/c/@12/x"), Err(AddressError::Id(IdError::IdForm(_)))));
    }

    #[test]
    fn what_names_no_object_is_refused() {
        for path in [
            "/", "/c", "*", "/c/", "/c//x", "//a/x", "/c/../x", "/c/./x", "/../a", "/c/%zz",
            "/c/%2", "/c/%ff", "/c%2Fd/a", "/c d/a",
        ] {
            assert!(parse(path).is_err(), "{path}");
        }
        let long = "a".repeat(513);
        assert!(parse(&format!("/c/{long}")).is_err());
        assert!(parse(&format!("/c/{}", &long[..512])).is_ok());
    }

    proptest! {
        #[test]
        fn every_name_can_be_addressed(name in "\\PC{1,60}", rest in "(/[a-z%2F.]{0,9}){0,3}") {
            let path = format!("/c/{}{rest}", utf8_percent_encode(&name, NON_ALPHANUMERIC));
            let target = parse(&path).unwrap();
            prop_assert_eq!(target.object, Object::Named(name.parse().unwrap()));
            prop_assert_eq!(target.uri, if rest.is_empty() { "/".to_owned() } else { rest });
        }

        #[test]
        fn no_path_panics(path in ".{0,80}") {
            _ = parse(&path);
        }
    }
}
