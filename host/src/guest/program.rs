//! A class's compiled code, linked to what the host offers.

use std::sync::Arc;

use super::{binding::ObjectPre, state::State};

/// Code of one class version. Cloning is cheap.
#[derive(Clone)]
pub struct Program {
    prepared: Arc<ObjectPre<State>>,
}

impl Program {
    pub(super) fn new(prepared: ObjectPre<State>) -> Self {
        Self { prepared: Arc::new(prepared) }
    }

    pub(super) fn prepared(&self) -> &ObjectPre<State> {
        &self.prepared
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").finish_non_exhaustive()
    }
}
