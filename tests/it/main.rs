//! All tests that run the real binary or look at the source.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod atomic;
mod cli;
mod control;
mod counter;
mod crash;
mod deploy;
mod docs;
mod eviction;
mod guest_world;
mod http_request;
mod http_response;
mod ingress;
mod layers;
mod limits;
mod listing;
mod serial;
mod settings;
mod shutdown;
mod storage;
mod tidy;
mod upload;
