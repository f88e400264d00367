//! Says which import of a component abide does not offer, with its type.

use wasmtime::Error;

use crate::guest::Runtime;

/// The message for a component that cannot be linked.
pub fn explain(_runtime: &Runtime, _code: &[u8], error: &Error) -> String {
    format!("{error:#}")
}
