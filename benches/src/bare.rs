//! The upper bound: the same URLs on axum, with nothing behind them.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use axum::{Router, routing::get, serve::ListenerExt as _};
use clap::Args;
use tokio::net::TcpListener;

use crate::server;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where to write the address.
    #[arg(long)]
    ready_file: PathBuf,
}

/// Answers every request with a constant, until killed.
pub(crate) fn serve(options: Options) -> Result<()> {
    let router = Router::new()
        .route("/counter/{name}/", get(|| async { "1" }))
        .route("/counter/{name}/increment", get(|| async { "1" }));
    serve_router(router, &options.ready_file)
}

/// Serves on a free port with as many threads as there are cores, until killed.
pub(crate) fn serve_router(router: Router, ready_file: &std::path::Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening")?;
        server::announce(ready_file, listener.local_addr()?)?;
        let listener = listener.tap_io(|stream| {
            // The first answer on a connection is a little late then, and no more.
            _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await.context("serving")
    })
}
