//! Memory and table bounds of one instance.

use wasmtime::ResourceLimiter;

use crate::limits::{
    CORE_INSTANCES_MAX, MEMORIES_PER_INSTANCE_MAX, TABLE_ELEMENTS_MAX, TABLES_PER_INSTANCE_MAX,
};

/// Counts what an instance has. wasmtime asks per memory; the bound is on all of them together.
#[derive(Debug)]
pub(super) struct Limiter {
    memory_bytes_max: usize,
    memory_bytes: usize,
    denied: bool,
}

impl Limiter {
    /// A limiter for one instance.
    pub(super) fn new(memory_bytes_max: usize) -> Self {
        Self { memory_bytes_max, memory_bytes: 0, denied: false }
    }

    /// Linear memory allowed, in bytes.
    pub(super) fn memory_bytes_max(&self) -> usize {
        self.memory_bytes_max
    }

    /// Whether the guest was refused memory since the last call.
    pub(super) fn take_denied(&mut self) -> bool {
        std::mem::take(&mut self.denied)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        if total > self.memory_bytes_max {
            self.denied = true;
            return Ok(false);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.denied = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_PER_INSTANCE_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_INSTANCE_MAX
    }
}
