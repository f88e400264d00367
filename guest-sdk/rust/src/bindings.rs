//! The raw interface, generated from `wit/`: what the rest of this crate is made of.
//!
//! An author needs it only for what the typed modules do not offer, such as a response that the
//! `http` crate would refuse. Natively every import panics, since there is no host to answer it.

#![expect(missing_docs, clippy::pedantic, clippy::mem_forget, reason = "generated")]

wit_bindgen::generate!({
    world: "object",
    path: "../../wit",
    ownership: Borrowing { duplicate_if_necessary: true },
    pub_export_macro: true,
    export_macro_name: "export_handler",
});
