//! The whole server: started in steps, stopped in order.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::{
    bundled,
    class::{Catalog, ClassError, cache::Cache, catalog::Loader, compile::Compiler},
    clock::Clock,
    guest::Runtime,
    http::{
        control::{self, Control},
        ingress::Ingress,
        server,
        token::{self, Token},
    },
    object::Objects,
    settings::Settings,
    storage::{StorageError, commit::Store, redb::RedbEngine},
    task,
};

/// A running server.
#[derive(Debug)]
pub struct Server {
    ingress: SocketAddr,
    control: SocketAddr,
    /// The token, if it was generated.
    generated_token: Option<String>,
    objects: Objects,
    store: Arc<Store>,
    listeners: [JoinHandle<()>; 2],
    stop: watch::Sender<bool>,
    drain: Duration,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data cannot be opened.
    #[error("cannot open the data directory")]
    Storage(#[from] StorageError),
    /// The engine for guests cannot be made.
    #[error(
        "cannot prepare the WebAssembly engine for {instances} instances; try a smaller --instance-limit ({reason})"
    )]
    Engine {
        /// Instances asked for.
        instances: usize,
        /// What it says.
        reason: String,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {what}; is another server running there?")]
    Listen {
        /// Ingress or control API.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the server's own cannot be used.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bundled class cannot be deployed.
    #[error("cannot prepare the bundled class; --no-bundled starts without it")]
    Bundled(#[source] ClassError),
}

impl Server {
    /// Starts a server. On return both listeners accept. `program` is this program's own path, for
    /// the compiling process.
    pub async fn start(settings: Settings, program: PathBuf) -> Result<Self, StartError> {
        let Settings { data_dir, limits, .. } = &settings;
        let clock = Clock;
        let engine = RedbEngine::new(data_dir, limits.store_cache_bytes)?;
        let store = Arc::new(Store::open(Box::new(engine))?);
        let runtime = Runtime::new(limits).map_err(|error| StartError::Engine {
            instances: limits.live_instances,
            reason: error.to_string(),
        })?;
        let secret = store.session()?.secret()?;
        let cache_dir = data_dir.join("code");
        let cache = Cache::open(cache_dir.clone(), runtime.fingerprint(), secret)
            .map_err(file("make the directory", &cache_dir))?;
        let compiler = Compiler::new(program, limits);
        let loader =
            Loader::new(runtime.clone(), Arc::clone(&store), cache, compiler, limits.clone());
        let catalog = Arc::new(Catalog::open(loader, clock)?);
        if settings.bundled {
            let name = bundled::NAME.parse().expect("a valid class name");
            let component = Bytes::from_static(bundled::COMPONENT);
            catalog.offer_bundled(&name, component).await.map_err(StartError::Bundled)?;
        }
        let objects = Objects::new(runtime, Arc::clone(&store), limits.clone(), clock);
        Self::listen(settings, catalog, objects, store).await
    }

    async fn listen(
        settings: Settings,
        catalog: Arc<Catalog>,
        objects: Objects,
        store: Arc<Store>,
    ) -> Result<Self, StartError> {
        let generated_token = if settings.token.is_some() {
            None
        } else {
            let path = settings.data_dir.join(token::FILE);
            Some(token::kept(&settings.data_dir).map_err(file("keep the token in", &path))?)
        };
        let token = settings.token.as_ref().or(generated_token.as_ref()).expect("one of the two");
        let (ingress, ingress_addr) = bind("the ingress", settings.ingress).await?;
        let (control, control_addr) = bind("the control API", settings.control).await?;
        let limits = settings.limits;
        let incarnation = store.session()?.incarnation();
        let to_objects =
            Ingress::new(Arc::clone(&catalog), objects.clone(), limits.clone(), incarnation);
        let to_control = Control::new(Arc::new(control::Shared {
            catalog,
            objects: objects.clone(),
            store: Arc::clone(&store),
            limits: limits.clone(),
            token: Token::new(token),
            ingress: url(ingress_addr),
        }));
        let (stop, stopped) = watch::channel(false);
        let patience = limits.client_patience;
        let ingress = server::run(ingress, to_objects, patience, stopped.clone());
        let control = server::run(control, to_control, patience, stopped);
        let listeners = [task::spawn("ingress", ingress), task::spawn("control", control)];
        let server = Self {
            ingress: ingress_addr,
            control: control_addr,
            generated_token,
            objects,
            store,
            listeners,
            stop,
            drain: limits.drain,
        };
        if let Some(path) = &settings.ready_file {
            server.write_ready_file(path).map_err(file("write the ready file", path))?;
        }
        Ok(server)
    }

    /// The ingress as a URL.
    pub fn ingress(&self) -> String {
        url(self.ingress)
    }

    /// The control API as a URL.
    pub fn control(&self) -> String {
        url(self.control)
    }

    /// The token of the control API, unless it was configured.
    pub fn generated_token(&self) -> Option<&str> {
        self.generated_token.as_deref()
    }

    /// Takes no new events, lets the running ones finish and be stored, closes everything.
    ///
    /// Returns false if events were still running when the time for draining was over; they leave
    /// no trace.
    pub async fn stop(self) -> bool {
        let drained = tokio::time::timeout(self.drain, async {
            self.objects.stop().await;
            // Now that all answers are known the connections can end.
            _ = self.stop.send(true);
            for listener in self.listeners {
                _ = listener.await;
            }
        });
        let drained = drained.await.is_ok();
        let store = self.store;
        // What is still queued there is committed.
        _ = tokio::task::spawn_blocking(move || store.stop()).await;
        drained
    }

    /// Written beside and renamed, so that whoever sees it sees all of it.
    fn write_ready_file(&self, path: &Path) -> io::Result<()> {
        let addresses = serde_json::json!({ "ingress": self.ingress(), "control": self.control() });
        let partial = path.with_extension(format!("partial-{}", std::process::id()));
        fs::write(&partial, format!("{addresses}\n"))?;
        fs::rename(partial, path)
    }
}

async fn bind(
    what: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { what, address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::File { action, path: path.to_owned(), source }
}
