//! Which object this is.

use crate::bindings::abide::object::context;

/// The object's id: 64 lower-case hex digits.
pub fn id() -> String {
    context::id()
}

/// The object's name. Absent while it has only ever been addressed by its id.
pub fn name() -> Option<String> {
    context::name()
}

/// The name of the object's class.
pub fn class() -> String {
    context::class()
}

/// The number of the class version that runs.
pub fn version() -> u32 {
    context::version()
}
