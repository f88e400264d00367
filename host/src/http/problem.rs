//! Errors on the wire: RFC 9457 problem details with a stable type.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::{Serialize, Serializer};

use super::{address::AddressError, body::BodyError};
use crate::{
    class::ClassError,
    guest::Fault,
    object::CallError,
    storage::{StorageError, commit::CommitError},
};

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// What went wrong, for the client.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// `urn:abide:error:` and a stable word.
    #[serde(rename = "type", serialize_with = "urn")]
    word: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(flatten)]
    about: Option<Box<About>>,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// The object and the event that a problem is about.
#[derive(Debug, Serialize)]
struct About {
    class: String,
    object: String,
    event: String,
}

fn urn<S: Serializer>(word: &&'static str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("urn:abide:error:{word}"))
}

/// A kind of problem: its stable word, status and title.
#[derive(Debug, Clone, Copy)]
pub struct Kind(&'static str, u16, &'static str);

/// The path names no object.
pub const BAD_ADDRESS: Kind = Kind("bad-address", 400, "The path names no object");
/// The request breaks HTTP.
pub const BAD_REQUEST: Kind = Kind("bad-request", 400, "The request is malformed");
/// No or wrong token.
pub const UNAUTHORIZED: Kind = Kind("unauthorized", 401, "The control API needs its token");
/// Unknown class.
pub const CLASS_NOT_FOUND: Kind = Kind("class-not-found", 404, "There is no such class");
/// An id of no object of this class.
pub const ID_NOT_OF_CLASS: Kind = Kind("id-not-of-class", 404, "The id is not one of this class");
/// No such operation.
pub const NOT_FOUND: Kind = Kind("not-found", 404, "There is no such resource");
/// No such method.
pub const METHOD_NOT_ALLOWED: Kind = Kind("method-not-allowed", 405, "The method is not allowed");
/// A class with objects.
pub const CLASS_NOT_EMPTY: Kind = Kind("class-not-empty", 409, "The class has stored objects");
const BODY_TOO_LARGE: Kind = Kind("body-too-large", 413, "The request body is too large");
const REQUEST_TIMEOUT: Kind = Kind("request-timeout", 408, "The request came too slowly");
const INVALID_COMPONENT: Kind = Kind("invalid-component", 422, "The upload cannot be a class");
const COMPILE_LIMIT: Kind = Kind("compile-limit", 422, "The upload is too costly to compile");
/// A method that this server has no use for.
pub const NOT_IMPLEMENTED: Kind = Kind("not-implemented", 501, "The method is not implemented");

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let Kind(word, status, title) = kind;
        Self {
            word,
            title,
            status,
            detail: detail.into(),
            about: None,
            retryable: false,
            retry_after_ms: None,
        }
    }

    /// Names the object and the event that it is about.
    #[must_use]
    pub fn about(mut self, class: &str, object: &str, event: String) -> Self {
        let (class, object) = (class.to_owned(), object.to_owned());
        self.about = Some(Box::new(About { class, object, event }));
        self
    }

    fn retryable(mut self, retryable: bool, after_ms: Option<u64>) -> Self {
        self.retryable = retryable;
        self.retry_after_ms = after_ms;
        self
    }

    fn status(mut self, status: Option<u16>) -> Self {
        self.status = status.unwrap_or(self.status);
        self
    }

    /// The status to answer with.
    pub fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The stable word of its type.
    pub fn word(&self) -> &'static str {
        self.word
    }

    /// The response.
    pub fn response(&self) -> Response<Full<Bytes>> {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = self.code();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some(ms) = self.retry_after_ms {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
        }
        if self.code() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<&CallError> for Problem {
    fn from(error: &CallError) -> Self {
        let busy = Some(1_000);
        let problem = |kind| Self::new(kind, error.to_string());
        match error {
            CallError::Fault { fault, left_trace } => from_fault(fault, *left_trace),
            CallError::Overloaded { .. } => {
                problem(Kind("overloaded", 503, "Too many events wait for the object"))
                    .retryable(true, busy)
            }
            CallError::NoInstance { .. } => {
                problem(Kind("no-capacity", 503, "All instances are busy")).retryable(true, busy)
            }
            CallError::ClassRemoved(_) => problem(CLASS_NOT_FOUND),
            CallError::ClassBroken { .. } => {
                problem(Kind("class-broken", 500, "The class's code cannot be loaded"))
                    .retryable(true, None)
            }
            CallError::Unavailable(_) => {
                problem(Kind("store-unavailable", 503, "The store is not available"))
                    .retryable(true, busy)
            }
            CallError::Stopping => {
                problem(Kind("stopping", 503, "The server is stopping")).retryable(true, busy)
            }
            CallError::Lost => problem(Kind("lost", 500, "The event was lost")),
        }
    }
}

/// A fault of the guest says its kind and the guest's own words, never more.
fn from_fault(fault: &Fault, left_trace: bool) -> Problem {
    let untouched = !left_trace;
    let problem = |kind| Problem::new(kind, fault.to_string()).retryable(untouched, None);
    match fault {
        Fault::Returned { message, status } => {
            Problem::new(Kind("returned-error", 500, "The object returned an error"), message)
                .retryable(untouched, None)
                .status(*status)
        }
        Fault::Trap(_) => problem(Kind("trap", 500, "The object trapped")),
        Fault::Exited(_) => problem(Kind("exited", 500, "The object exited without an answer")),
        Fault::OutOfMemory { .. } => {
            problem(Kind("out-of-memory", 500, "The object ran out of memory"))
        }
        Fault::CpuLimit { .. } => problem(Kind("cpu-limit", 500, "The object computed too long")),
        Fault::Timeout { .. } => problem(Kind("event-timeout", 504, "The event took too long")),
        Fault::InvalidResponse(_) => {
            problem(Kind("invalid-response", 500, "The object's response is invalid"))
        }
        Fault::BodyTooLarge { .. } => {
            problem(Kind("body-too-large", 500, "The object's response is too large"))
        }
        Fault::Start(_) => problem(Kind("start-failed", 500, "The object cannot be started")),
        Fault::Storage(_) => problem(Kind("store-unavailable", 503, "The store is not available"))
            .retryable(untouched, Some(1_000)),
        Fault::Commit(CommitError::NotWritten(_)) => {
            problem(Kind("not-committed", 503, "The event was not committed"))
                .retryable(untouched, Some(1_000))
        }
        Fault::Commit(CommitError::Unknown(_)) => {
            problem(Kind("commit-unknown", 500, "It is unknown whether the event was committed"))
                .retryable(false, None)
        }
    }
}

impl From<&AddressError> for Problem {
    fn from(error: &AddressError) -> Self {
        let kind = match error {
            AddressError::NoObject => NOT_FOUND,
            AddressError::Empty(_)
            | AddressError::DotSegment(_)
            | AddressError::Percent(_)
            | AddressError::NotUtf8(_)
            | AddressError::Id(_) => BAD_ADDRESS,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<&BodyError> for Problem {
    fn from(error: &BodyError) -> Self {
        let kind = match error {
            BodyError::TooLarge { .. } => BODY_TOO_LARGE,
            BodyError::Slow { .. } => REQUEST_TIMEOUT,
            BodyError::Broken(_) => BAD_REQUEST,
        };
        Self::new(kind, error.to_string()).retryable(matches!(error, BodyError::Slow { .. }), None)
    }
}

impl From<&ClassError> for Problem {
    fn from(error: &ClassError) -> Self {
        let problem = |kind| Self::new(kind, error.to_string());
        match error {
            ClassError::NotFound(_) => problem(CLASS_NOT_FOUND),
            ClassError::NotEmpty { .. } => Self::new(
                CLASS_NOT_EMPTY,
                format!("{error}; to delete them with it, add ?objects=delete"),
            ),
            ClassError::Rejected(_) => problem(INVALID_COMPONENT),
            ClassError::CompileLimit(_) => problem(COMPILE_LIMIT),
            ClassError::Compiler(_) => {
                problem(Kind("compiler-failed", 500, "The compiler failed")).retryable(true, None)
            }
            ClassError::Storage(error) => error.into(),
        }
    }
}

impl From<&StorageError> for Problem {
    fn from(_: &StorageError) -> Self {
        Self::new(
            Kind("store-unavailable", 503, "The store is not available"),
            "the store is not available; the server's log says why",
        )
        .retryable(true, Some(1_000))
    }
}
