//! A proper object but for one import that no host offers.

use abide_sdk::{Object, Request, Response, Result, export, respond};

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package abide:object@0.1.0;

            interface teleport {
                teleport: func(to: string) -> bool;
            }

            world wants-unknown {
                import teleport;
            }
        ",
    });
}

struct WantsUnknown;

impl Object for WantsUnknown {
    fn new() -> Result<Self> {
        Ok(WantsUnknown)
    }

    fn fetch(&mut self, request: Request) -> Result<Response> {
        Ok(respond::text(bindings::abide::object::teleport::teleport(request.uri().path())))
    }
}

export!(WantsUnknown);
