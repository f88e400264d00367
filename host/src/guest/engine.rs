//! The wasmtime engine: settings, the pool of instances, the epoch.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    thread,
};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    component::{Component, Linker},
};

use super::{binding, explain, import, program::Program, state::State};
use crate::limits::{
    CORE_INSTANCES_MAX, EPOCH_TICK, Limits, MEMORIES_PER_INSTANCE_MAX, TABLE_ELEMENTS_MAX,
    TABLES_PER_INSTANCE_MAX,
};

/// Slots beyond the live instances: for trials of uploads, and for instances that are on their way
/// out while the next ones come in.
const SPARE_SLOTS: usize = 128;
/// Linear memory and stack that stay with a free slot, so that the next instance in it starts
/// without page faults.
const KEEP_RESIDENT_BYTES: usize = 128 << 10;

/// Makes instances of programs.
#[derive(Clone)]
pub struct Runtime {
    engine: Engine,
    linker: Linker<State>,
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No engine can be made with these limits.
    #[error("{0}")]
    Engine(String),
    /// The component cannot be compiled, or the code is not for this engine.
    #[error("{0}")]
    Code(String),
    /// The imports or exports are not those of an object class.
    #[error("{0}")]
    Link(String),
}

/// What is the same for compiling and for running. Code that was compiled under other settings is
/// refused by wasmtime.
fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true).memory_init_cow(true).concurrency_support(false);
    config
}

impl Runtime {
    /// An engine with room for this many instances, and the thread that drives its epoch.
    pub fn new(limits: &Limits) -> Result<Self, LoadError> {
        Self::with_pool(limits).map_err(|error| LoadError::Engine(format!("{error:#}")))
    }

    fn with_pool(limits: &Limits) -> Result<Self, wasmtime::Error> {
        let slots = u32::try_from(limits.live_instances + SPARE_SLOTS).unwrap_or(u32::MAX);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(slots)
            .total_core_instances(slots.saturating_mul(5))
            .total_memories(slots.saturating_add(slots / 4))
            .total_tables(slots.saturating_mul(2))
            .total_stacks(slots)
            .max_core_instances_per_component(saturated(CORE_INSTANCES_MAX))
            .max_memories_per_component(saturated(MEMORIES_PER_INSTANCE_MAX))
            .max_tables_per_component(saturated(TABLES_PER_INSTANCE_MAX))
            .table_elements(TABLE_ELEMENTS_MAX)
            .max_memory_size(limits.memory_bytes)
            .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
            .table_keep_resident(KEEP_RESIDENT_BYTES)
            .async_stack_keep_resident(KEEP_RESIDENT_BYTES)
            .max_unused_warm_slots(saturated(SPARE_SLOTS))
            .pagemap_scan(Enabled::Auto);
        let mut config = config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        start_epoch(&engine)?;
        let mut linker = Linker::new(&engine);
        import::add_to_linker(&mut linker)?;
        Ok(Self { engine, linker })
    }

    /// Names the settings and the version under which code is compiled.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// Takes code from [`compile`] and finds its imports and exports.
    ///
    /// The code must come from this program's own compiler: it will be executed as it is.
    #[expect(unsafe_code, reason = "the caller vouches for the code; see the comment")]
    pub fn load(&self, code: &[u8]) -> Result<Program, LoadError> {
        // SAFETY: the two callers hold code that our own compiler process has just made, or that
        // the cache has checked against a keyed hash which only this server can make.
        let component = unsafe { Component::deserialize(&self.engine, code) }
            .map_err(|error| LoadError::Code(format!("{error:#}")))?;
        let linked = self.linker.instantiate_pre(&component).and_then(binding::ObjectPre::new);
        let prepared = linked.map_err(|error| {
            LoadError::Link(explain::link_error(&self.engine, &component, &error))
        })?;
        Ok(Program::new(prepared))
    }

    /// The engine, for the stores of instances.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Compiles a component for [`Runtime::load`]. Takes time and memory without bound: to be called in
/// a process of its own.
pub fn compile(component: &[u8]) -> Result<Vec<u8>, LoadError> {
    Engine::new(&config())
        .and_then(|engine| engine.precompile_component(component))
        .map_err(|error| LoadError::Code(format!("{error:#}")))
}

/// Guests look at the epoch in loops and function calls; at each tick the running ones yield.
fn start_epoch(engine: &Engine) -> Result<(), wasmtime::Error> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(EPOCH_TICK);
        }
    };
    thread::Builder::new().name("epoch".to_owned()).spawn(tick)?;
    Ok(())
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
