//! `abide:object/log`: lines with a level and named values.

use crate::guest::{
    binding::abide::object::log::{Host, Level},
    log,
    state::State,
};

impl Host for State {
    fn log(
        &mut self,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        self.log.line(level, &message, &fields);
        Ok(())
    }
}
