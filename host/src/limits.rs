//! Every bound of the host, with its unit. What an operator may change is in [`Limits`].

use std::time::Duration;

/// Longest key of an object's storage, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 2_048;
/// Longest class name, in bytes.
pub const CLASS_NAME_BYTES_MAX: usize = 64;
/// Longest object name, in bytes of UTF-8.
pub const OBJECT_NAME_BYTES_MAX: usize = 512;

/// Header fields of one request or response.
pub const HEADERS_MAX: usize = 256;
/// Names and values of all header fields of one response together, in bytes.
pub const HEADERS_BYTES_MAX: usize = 128 << 10;
/// Bytes that the ingress buffers for the head of one request.
pub const REQUEST_HEAD_BYTES_MAX: usize = 64 << 10;

/// A page of `list` is closed by the entry that reaches this many bytes.
pub const PAGE_BYTES: usize = 1 << 20;
/// Entries that one page of `list` holds at most.
pub const PAGE_ENTRIES_MAX: usize = 1_000;
/// Values that one `get-many` returns at most, in bytes.
pub const RESULT_BYTES_MAX: usize = 64 << 20;
/// Committed values that a live object keeps in memory, in bytes of keys and values and
/// [`ENTRY_BYTES`] for each.
pub const CACHE_BYTES_MAX: usize = 64 << 10;
/// What a key in memory costs beside itself and its value, in bytes. It counts as written, and as
/// kept, so that many small keys cannot take more memory than few large ones.
pub const ENTRY_BYTES: usize = 128;
/// Savepoints of one event that exist at the same time.
pub const SAVEPOINTS_MAX: usize = 1_024;

/// Uncommitted writes of all objects together that may wait for the disk, in bytes.
pub const COMMIT_QUEUE_BYTES_MAX: usize = 256 << 20;

/// Longest line that a guest may log, in bytes; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 8 << 10;
/// Lines that a guest may log in one event; the rest is counted and dropped.
pub const LOG_LINES_PER_EVENT_MAX: u32 = 1_000;
/// Longest message of a fault that is sent to the client, in bytes; the rest is cut.
pub const FAULT_MESSAGE_BYTES_MAX: usize = 4 << 10;

/// Linear memories of one instance.
pub const MEMORIES_PER_INSTANCE_MAX: usize = 16;
/// Tables of one instance.
pub const TABLES_PER_INSTANCE_MAX: usize = 32;
/// Elements of one table.
pub const TABLE_ELEMENTS_MAX: usize = 200_000;
/// Core instances of one component instance.
pub const CORE_INSTANCES_MAX: usize = 128;

/// Time between two ticks of the epoch, which interrupts guests that compute without a pause.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);

// A value and its key fit into one event; a page can always take one entry of any size.
const _: () = assert!(KEY_BYTES_MAX < PAGE_BYTES);
const _: () = assert!(OBJECT_NAME_BYTES_MAX <= KEY_BYTES_MAX);

/// The bounds that an operator may set.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes: usize,
    /// Time that one event may compute without a pause.
    pub cpu: Duration,
    /// Time that one event may take from start to end.
    pub wall: Duration,
    /// Events that may wait for one object.
    pub mailbox_len: usize,
    /// Body of a request or a response, in bytes.
    pub body_bytes: usize,
    /// Value of a key, in bytes.
    pub value_bytes: usize,
    /// Uncommitted keys and values that one event may have written, in bytes; each key counts
    /// [`ENTRY_BYTES`] more.
    pub event_write_bytes: usize,
    /// Uploaded component, in bytes.
    pub component_bytes: usize,
    /// Processor time for checking and compiling an upload.
    pub compile_cpu: Duration,
    /// Address space for checking and compiling an upload, in bytes.
    pub compile_memory_bytes: u64,
    /// Instances in memory at the same time.
    pub live_instances: usize,
    /// Time after its last event for which an instance is kept.
    pub idle: Duration,
    /// Time that a client may take for the head of a request, and between two parts of its body.
    pub client_patience: Duration,
    /// Time that running events get to finish after a signal to stop.
    pub drain: Duration,
    /// Memory that the database may use as a cache, in bytes.
    pub store_cache_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 128 << 20,
            cpu: Duration::from_secs(30),
            wall: Duration::from_mins(1),
            mailbox_len: 1_000,
            body_bytes: 32 << 20,
            value_bytes: 2 << 20,
            event_write_bytes: 64 << 20,
            component_bytes: 64 << 20,
            compile_cpu: Duration::from_mins(1),
            compile_memory_bytes: 2 << 30,
            live_instances: 8_000,
            idle: Duration::from_secs(10),
            client_patience: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            store_cache_bytes: 256 << 20,
        }
    }
}
