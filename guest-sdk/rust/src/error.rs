//! Why an event failed, in words for the caller.

use std::fmt;

use http::StatusCode;

use crate::bindings::abide::object::types::Fault;

/// The result of an event and of most that can go wrong in one.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an event failed. It undoes what the event wrote; the message goes to the caller.
///
/// Any error turns into one by `?`, the causes behind it included in the message. To answer with a
/// status without undoing anything, return a response: see [`respond`](crate::respond).
pub struct Error {
    message: String,
    status: Option<StatusCode>,
}

impl Error {
    /// An error that is answered with status 500.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: None }
    }

    /// An error that is answered with `status`, or with 500 where that is not 400 to 599.
    pub fn with_status(status: StatusCode, message: impl Into<String>) -> Self {
        Self { message: message.into(), status: Some(status) }
    }

    /// What went wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status to answer with, where one was set.
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self::new(with_causes(&error))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault { message: error.message, status: error.status.map(|status| status.as_u16()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

// As `Display`, so that `fn main`, `unwrap` and `expect` show a message and not a struct.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The text of an error and of everything that caused it, each once: many errors print their
/// cause themselves.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use thiserror::Error as Failure;

    use super::*;

    #[derive(Debug, Failure)]
    #[error("the disk is full")]
    struct Inner;

    #[derive(Debug, Failure)]
    enum Outer {
        #[error("cannot save")]
        Silent(#[source] Inner),
        #[error("cannot save: {0}")]
        Wordy(#[source] Inner),
    }

    #[track_caller]
    fn check(error: Outer) {
        let error = Error::from(error);
        assert_eq!(error.message(), "cannot save: the disk is full");
        assert_eq!(error.status(), None);
    }

    #[test]
    fn causes_are_told_once() {
        check(Outer::Silent(Inner));
        check(Outer::Wordy(Inner));
    }

    #[test]
    fn status_reaches_the_fault() {
        let fault = Fault::from(Error::with_status(StatusCode::CONFLICT, "taken"));
        assert_eq!((fault.message.as_str(), fault.status), ("taken", Some(409)));
    }
}
