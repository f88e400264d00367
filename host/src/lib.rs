//! abide: durable objects on your own machine.
//!
//! # The life of one request
//!
//! [`http::ingress`] finds class and object in the path and reads the body. [`object::registry`]
//! finds the object's mailbox, or wakes the object. Its worker takes one letter at a time, and
//! delivers it to the [`guest::Instance`], whose storage imports work on a [`storage::view`]. When
//! the guest has answered, what it wrote goes to the [`storage::commit`] thread, which makes the
//! writes of many objects durable with one sync; then the answer leaves.
//!
//! Layers, each of which knows only those before it: `id`, `event`, `limits`, `clock`, `task` <
//! [`storage`] < [`guest`] < [`class`] < [`object`] < [`http`] < [`server`], [`cli`].

pub mod bundled;
pub mod class;
pub mod cli;
pub mod clock;
pub mod event;
pub mod guest;
pub mod http;
pub mod id;
pub mod limits;
pub mod object;
pub mod server;
pub mod settings;
pub mod storage;
pub mod task;
pub mod telemetry;
