//! The class that comes with abide.

/// Its name.
pub const NAME: &str = "counter";

/// Its component: `objects/counter`, built by the build script.
pub const COMPONENT: &[u8] = include_bytes!(env!("GUEST_COUNTER"));
