//! Never gets through its constructor.

use abide_sdk::{Object, Request, Response, Result, export, respond};

struct LoopStart;

impl Object for LoopStart {
    fn new() -> Result<Self> {
        loop {
            std::hint::spin_loop();
        }
    }

    fn fetch(&mut self, _: Request) -> Result<Response> {
        Ok(respond::text("started"))
    }
}

export!(LoopStart);
