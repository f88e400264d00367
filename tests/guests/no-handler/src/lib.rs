//! Uses what the host offers and exports something, but no `handler`: not an object class.

#[expect(clippy::pedantic, reason = "generated")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        generate_all,
        inline: "
            package test:no-handler;

            world no-handler {
                include abide:object/imports@0.1.0;
                export version: func() -> u32;
            }
        ",
    });
}

struct Component;

impl bindings::Guest for Component {
    fn version() -> u32 {
        bindings::abide::object::context::version()
    }
}

#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "generated")]
mod exports {
    use crate::{Component, bindings};

    bindings::export!(Component with_types_in crate::bindings);
}

// The native linker does not take the exports.
#[cfg(not(target_arch = "wasm32"))]
const _: fn() -> u32 = <Component as bindings::Guest>::version;
