//! `abide:object/context`: which object this is.

use crate::guest::{binding::abide::object::context::Host, state::State};

impl Host for State {
    fn id(&mut self) -> wasmtime::Result<String> {
        Ok(self.identity.id.to_string())
    }

    fn name(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.view.name().map(|name| name.as_str().to_owned()))
    }

    fn class(&mut self) -> wasmtime::Result<String> {
        Ok(self.identity.class.as_str().to_owned())
    }

    fn version(&mut self) -> wasmtime::Result<u32> {
        Ok(self.identity.version)
    }
}
