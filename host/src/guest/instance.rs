//! One object's component in memory: takes one event at a time.

use std::{sync::Arc, time::Duration};

use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::I32Exit;

use super::{
    Fault, Program, Runtime,
    binding::{Object, abide::object::types},
    response,
    state::State,
};
use crate::{
    event::{Request, Response},
    limits::{EPOCH_TICK, FAULT_MESSAGE_BYTES_MAX, Limits},
    storage::view::View,
};

/// A component instance and its store. After a fault that does not
/// [spare](Fault::spares_instance) it, it must not be entered again.
pub struct Instance {
    store: Store<State>,
    object: Object,
}

/// What bounds one event.
#[derive(Debug, Clone, Copy)]
pub struct EventLimits {
    cpu: Duration,
    wall: Duration,
    body_bytes: usize,
}

impl EventLimits {
    /// The bounds among the limits.
    pub fn new(limits: &Limits) -> Self {
        Self { cpu: limits.cpu, wall: limits.wall, body_bytes: limits.body_bytes }
    }

    fn ticks(self) -> u64 {
        let ticks = self.cpu.as_millis().div_ceil(EPOCH_TICK.as_millis());
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }
}

impl Instance {
    /// Makes an instance, which runs the guest's start code under the limits of an event.
    ///
    /// On failure the view comes back.
    pub async fn start(
        runtime: &Runtime,
        program: &Program,
        state: State,
        limits: EventLimits,
    ) -> Result<Self, Box<(Fault, View)>> {
        let mut store = Store::new(runtime.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(|mut store| {
            let ticks_left = &mut store.data_mut().ticks_left;
            match ticks_left.checked_sub(1) {
                Some(left) => {
                    *ticks_left = left;
                    // Yielding lets the other objects of this thread run.
                    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
                }
                None => Ok(UpdateDeadline::Interrupt),
            }
        });
        begin_event(&mut store, limits);
        let starting = program.prepared().instantiate_async(&mut store);
        let fault = match tokio::time::timeout(limits.wall, starting).await {
            Ok(Ok(object)) => return Ok(Self { store, object }),
            Ok(Err(error)) => fault(&mut store, &error, limits, Fault::Start),
            Err(_) => Fault::Timeout { limit: limits.wall },
        };
        Err(Box::new((fault, store.into_data().into_view())))
    }

    /// Delivers a request and waits for the answer.
    pub async fn fetch(
        &mut self,
        request: Request,
        limits: EventLimits,
    ) -> Result<Response, Fault> {
        let request = types::Request {
            method: request.method.as_str().to_owned(),
            uri: request.uri,
            headers: request
                .headers
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
                .collect(),
            body: Vec::from(request.body),
        };
        begin_event(&mut self.store, limits);
        let handler = self.object.abide_object_handler();
        let answering = handler.call_fetch(&mut self.store, &request);
        let answer = tokio::time::timeout(limits.wall, answering).await;
        let outcome = match answer {
            Ok(Ok(Ok(answer))) => response::checked(answer, limits.body_bytes),
            Ok(Ok(Err(types::Fault { mut message, status }))) => {
                message.truncate(message.floor_char_boundary(FAULT_MESSAGE_BYTES_MAX));
                let status = status.filter(|status| (400..600).contains(status));
                Err(Fault::Returned { message, status })
            }
            Ok(Err(error)) => Err(fault(&mut self.store, &error, limits, Fault::Trap)),
            Err(_) => Err(Fault::Timeout { limit: limits.wall }),
        };
        self.store.data().log.end_event();
        outcome
    }

    /// The object's storage.
    pub fn view(&mut self) -> &mut View {
        &mut self.store.data_mut().view
    }

    /// Ends the instance; the storage goes on to the next one.
    pub fn into_view(self) -> View {
        self.store.into_data().into_view()
    }

    /// The version that it runs.
    pub fn version(&self) -> u32 {
        self.store.data().identity.version
    }
}

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("state", self.store.data()).finish_non_exhaustive()
    }
}

fn begin_event(store: &mut Store<State>, limits: EventLimits) {
    store.data_mut().ticks_left = limits.ticks();
    store.set_epoch_deadline(1);
}

/// Finds out why a call into the guest ended.
fn fault(
    store: &mut Store<State>,
    error: &wasmtime::Error,
    limits: EventLimits,
    otherwise: fn(String) -> Fault,
) -> Fault {
    let state = store.data_mut();
    let denied = state.limiter.take_denied();
    let fault = match (error.downcast_ref::<wasmtime::Trap>(), error.downcast_ref::<I32Exit>()) {
        _ if let Some(fault) = error.downcast_ref::<Fault>() => fault.clone(),
        (_, Some(I32Exit(code))) => Fault::Exited(*code),
        (Some(wasmtime::Trap::Interrupt), _) => Fault::CpuLimit { limit: limits.cpu },
        _ if denied => Fault::OutOfMemory { limit: state.limiter.memory_bytes_max() },
        (Some(trap), None) => Fault::Trap(trap.to_string()),
        (None, None) => otherwise(format!("{error:#}")),
    };
    // The error's own text holds the guest's backtrace, for its author.
    let identity = Arc::clone(&state.identity);
    tracing::warn!(
        target: "guest",
        class = %identity.class, object = %identity.id, version = identity.version,
        "{fault}: {error:?}"
    );
    fault
}
