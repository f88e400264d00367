//! Components that tests upload, built by the build script.

/// `objects/counter`
pub const COUNTER: &[u8] = include_bytes!(env!("GUEST_COUNTER"));
/// As counter, by twos, and says so in a header.
pub const COUNTER_TWICE: &[u8] = include_bytes!(env!("GUEST_COUNTER_TWICE"));
/// Loops for ever in its constructor.
pub const LOOP_START: &[u8] = include_bytes!(env!("GUEST_LOOP_START"));
/// Exports no handler.
pub const NO_HANDLER: &[u8] = include_bytes!(env!("GUEST_NO_HANDLER"));
/// Does what a request tells it to.
pub const PROBE: &[u8] = include_bytes!(env!("GUEST_PROBE"));
/// Traps in its constructor.
pub const TRAP_START: &[u8] = include_bytes!(env!("GUEST_TRAP_START"));
/// Imports outgoing HTTP.
pub const WANTS_HTTP: &[u8] = include_bytes!(env!("GUEST_WANTS_HTTP"));
/// Imports an interface that nobody offers.
pub const WANTS_UNKNOWN: &[u8] = include_bytes!(env!("GUEST_WANTS_UNKNOWN"));
