//! HTTP: the only layer that knows status codes and paths.
//!
//! Two listeners: the ingress carries requests to objects, the control API is for operators.

pub mod address;
pub mod body;
pub mod control;
pub mod ingress;
mod linger;
pub mod problem;
pub mod server;
pub mod token;
