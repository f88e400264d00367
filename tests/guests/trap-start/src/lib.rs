//! Traps in its constructor, after a write that must leave no trace.

use abide_sdk::{Object, Request, Response, Result, export, respond, storage};

struct TrapStart;

impl Object for TrapStart {
    fn new() -> Result<Self> {
        storage::put("started", "yes")?;
        std::process::abort();
    }

    fn fetch(&mut self, _: Request) -> Result<Response> {
        Ok(respond::text("started"))
    }
}

export!(TrapStart);
