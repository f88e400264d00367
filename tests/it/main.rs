//! All tests that run the real binary or look at the source.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod counter;
mod docs;
mod layers;
mod tidy;
mod atomic;
mod crash;
mod ingress;
mod limits;
mod listing;
mod serial;
mod shutdown;
mod storage;
mod eviction;
mod guest_world;
mod http_request;
mod http_response;
mod cli;
mod control;
mod deploy;
mod settings;
mod upload;
