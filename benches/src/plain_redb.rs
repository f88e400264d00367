//! What one would write by hand: a counter on axum and redb, durable before it answers.

use std::{path::PathBuf, sync::Arc};

use anyhow::Result;
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use clap::Args;

use crate::{bare::serve_router, group_commit::Counters};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where to keep the database.
    directory: PathBuf,
    /// Where to write the address.
    #[arg(long)]
    ready_file: PathBuf,
}

/// Serves the counters of a directory, until killed.
pub(crate) fn serve(options: Options) -> Result<()> {
    let counters = Arc::new(Counters::open(&options.directory)?);
    let router = Router::new()
        .route("/counter/{name}/", get(read))
        .route("/counter/{name}/increment", get(increment))
        .with_state(counters);
    serve_router(router, &options.ready_file)
}

async fn read(State(counters): State<Arc<Counters>>, Path(name): Path<String>) -> String {
    counters.value(&name).to_string()
}

async fn increment(
    State(counters): State<Arc<Counters>>,
    Path(name): Path<String>,
) -> Result<String, StatusCode> {
    let durable = counters.increment(&name);
    // The committing thread drops what it could not commit.
    durable.await.map(|count| count.to_string()).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}
