//! `abide serve`: runs the server until a signal.

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{server::Server, settings::Given, telemetry};

/// Runs the server.
pub fn run(given: Given) -> anyhow::Result<ExitCode> {
    let given = given.complete()?;
    telemetry::start(given.log.as_deref(), given.log_json.unwrap_or(false))
        .map_err(anyhow::Error::msg)?;
    let settings = given.settings()?;
    let program = std::env::current_exe().context("finding this program's own file")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the threads")?;
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let (data_dir, bundled) = (settings.data_dir.clone(), settings.bundled);
        let server = tokio::select! {
            started = Server::start(settings, program) => started?,
            () = signals.next() => return Ok(ExitCode::SUCCESS),
        };
        greet(&server, &data_dir);
        if bundled {
            suggest(&server);
        }
        signals.next().await;
        tracing::info!("stopping: running events finish, new ones are refused");
        tokio::select! {
            drained = server.stop() => {
                if !drained {
                    tracing::warn!("events were still running when the drain time was over");
                }
                Ok(ExitCode::SUCCESS)
            }
            () = signals.next() => {
                tracing::warn!("stopped at once by a second signal");
                Ok(ExitCode::FAILURE)
            }
        }
    })
}

#[expect(clippy::print_stdout, reason = "this is for the person at the terminal")]
fn greet(server: &Server, data_dir: &std::path::Path) {
    println!("abide {} keeps its data in {}", env!("CARGO_PKG_VERSION"), data_dir.display());
    println!("  objects      {}/CLASS/NAME/...", server.ingress());
    println!("  control API  {}", server.control());
    if let Some(token) = server.generated_token() {
        let file = data_dir.join(crate::http::token::FILE);
        println!("  token        {token}  (kept in {})", file.display());
    }
}

#[expect(clippy::print_stdout, reason = "this is for the person at the terminal")]
fn suggest(server: &Server) {
    println!("try: curl {}/counter/my-counter/increment", server.ingress());
}

/// Ctrl-C, and what service managers send.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }
}
