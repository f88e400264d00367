//! What the store of an instance carries.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::{
    limiter::Limiter,
    log::{GuestLog, Stdio},
};
use crate::{
    id::{ClassName, ObjectId},
    limits::Limits,
    storage::{commit::Store, view::View},
};

/// Handles that a guest may hold at once.
const RESOURCES_MAX: usize = 10_000;

/// Which object an instance is, and which version it runs.
#[derive(Debug)]
pub struct Identity {
    /// Its class.
    pub class: ClassName,
    /// Its id.
    pub id: ObjectId,
    /// The number of the class version.
    pub version: u32,
}

/// The host's side of one instance.
pub struct State {
    pub(super) identity: Arc<Identity>,
    /// The object's storage.
    pub(super) view: View,
    /// Where `sync` commits to.
    pub(super) store: Arc<Store>,
    pub(super) log: GuestLog,
    pub(super) limiter: Limiter,
    /// Epoch ticks that the running event may still use.
    pub(super) ticks_left: u64,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl State {
    /// The state of a new instance.
    pub fn new(identity: Arc<Identity>, view: View, store: Arc<Store>, limits: &Limits) -> Self {
        let log = GuestLog::new(Arc::clone(&identity));
        let mut wasi = WasiCtx::builder();
        wasi.stdout(Stdio(log.clone()))
            .stderr(Stdio(log.clone()))
            .allow_tcp(false)
            .allow_udp(false);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Self {
            identity,
            view,
            store,
            log,
            limiter: Limiter::new(limits.memory_bytes),
            ticks_left: 0,
            wasi: wasi.build(),
            table,
        }
    }

    /// The storage, for the next instance of the object.
    pub fn into_view(self) -> View {
        self.view
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("identity", &self.identity).finish_non_exhaustive()
    }
}
