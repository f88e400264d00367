//! All classes: found by name, deployed, removed, kept in the store.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, OnceCell};

use super::{Class, ClassError, Version, cache::Cache, compile::Compiler};
use crate::{
    clock::Clock,
    guest::{EventLimits, Fault, Identity, Instance, LoadError, Program, Runtime, State},
    id::{ClassKey, ClassName, ObjectId},
    limits::Limits,
    storage::{
        Digest, ObjectsPage, StorageError,
        catalog::{CatalogChange, ClassRow, VersionRow},
        commit::Store,
        view::{Bounds, View},
        write_set::ObjectRecord,
    },
};

/// The classes of this server.
#[derive(Debug)]
pub struct Catalog {
    classes: RwLock<HashMap<String, Arc<Class>>>,
    loader: Arc<Loader>,
    /// Held while the catalog changes, so that changes come one after the other.
    changing: Mutex<Next>,
    store: Arc<Store>,
    clock: Clock,
}

#[derive(Debug)]
struct Next {
    class: u32,
}

/// Turns stored components into programs.
#[derive(Debug)]
pub struct Loader {
    runtime: Runtime,
    store: Arc<Store>,
    cache: Cache,
    compiler: Compiler,
    limits: Limits,
}

/// What came of a deploy.
#[derive(Debug)]
pub struct Deployed {
    /// The version that runs.
    pub version: VersionRow,
    /// Whether it ran before: the same bytes were sent again.
    pub unchanged: bool,
}

impl Catalog {
    /// The catalog in the store.
    pub fn open(loader: Loader, clock: Clock) -> Result<Self, StorageError> {
        let store = Arc::clone(&loader.store);
        let loader = Arc::new(loader);
        let stored = store.session()?.catalog()?;
        let classes = stored.classes.into_iter().map(|row| {
            let ClassRow { name, number, key, current, versions } = row;
            let versions = versions
                .into_iter()
                .filter(|version| version.number <= current)
                .map(|version| Arc::new(loader.version(version)))
                .collect();
            let versions = RwLock::new(versions);
            (name.as_str().to_owned(), Arc::new(Class { name, number, key, versions }))
        });
        Ok(Self {
            classes: RwLock::new(classes.collect()),
            changing: Mutex::new(Next { class: stored.next_class }),
            loader,
            store,
            clock,
        })
    }

    /// The class with this name.
    pub fn find(&self, name: &str) -> Option<Arc<Class>> {
        self.classes.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All classes, by name.
    pub fn list(&self) -> Vec<Arc<Class>> {
        let classes = self.classes.read().unwrap_or_else(PoisonError::into_inner);
        let mut classes: Vec<_> = classes.values().cloned().collect();
        classes.sort_by(|a, b| a.name.cmp(&b.name));
        classes
    }

    /// Makes a component the running version of a class. Nothing changes unless it can be
    /// compiled, linked and started.
    pub async fn deploy(
        &self,
        name: &ClassName,
        component: Bytes,
        bundled: bool,
    ) -> Result<Deployed, ClassError> {
        let digest: Digest = Sha256::digest(&component).into();
        if let Some(version) = self.find(name.as_str()).and_then(|class| class.current())
            && version.row.digest == digest
        {
            return Ok(Deployed { version: version.row.clone(), unchanged: true });
        }
        let program = self.loader.compile_and_try(digest, &component).await?;
        let mut next = self.changing.lock().await;
        let class = self.find(name.as_str());
        let newest = class.as_ref().and_then(|class| class.current());
        if let Some(version) = newest.as_ref().filter(|version| version.row.digest == digest) {
            return Ok(Deployed { version: version.row.clone(), unchanged: true });
        }
        let class = match class {
            Some(class) => class,
            None => Arc::new(Class {
                name: name.clone(),
                number: next.class,
                key: ClassKey::from_bytes(random()?),
                versions: RwLock::default(),
            }),
        };
        let row = VersionRow {
            number: newest.map_or(1, |version| version.number() + 1),
            digest,
            size: component.len() as u64,
            created: self.clock.now(),
            bundled,
        };
        let change = CatalogChange::Deploy {
            name: name.clone(),
            class: class.number,
            key: class.key.clone(),
            version: row.clone(),
            component,
        };
        self.change(change).await?;
        next.class = next.class.max(class.number + 1);
        let version = Version {
            program: OnceCell::new_with(Some(program)),
            ..self.loader.version(row.clone())
        };
        class.versions.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(version));
        self.classes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.as_str().to_owned(), class);
        tracing::info!(class = %name, version = row.number, "class deployed");
        Ok(Deployed { version: row, unchanged: false })
    }

    /// Takes a class out of service. Its objects take no new events from now on; once `gone`
    /// resolves, all that they stored is deleted.
    ///
    /// A class with stored objects is only removed with `with_objects`.
    pub async fn remove<F: Future<Output = ()>>(
        &self,
        name: &ClassName,
        with_objects: bool,
        gone: impl FnOnce(Arc<Class>) -> F,
    ) -> Result<(), ClassError> {
        let _changing = self.changing.lock().await;
        let class = self.find(name.as_str()).ok_or_else(|| ClassError::NotFound(name.clone()))?;
        if !with_objects {
            self.check_empty(&class)?;
        }
        let versions =
            std::mem::take(&mut *class.versions.write().unwrap_or_else(PoisonError::into_inner));
        self.classes.write().unwrap_or_else(PoisonError::into_inner).remove(name.as_str());
        gone(Arc::clone(&class)).await;
        if let Err(error) = self.remove_retired(&class, with_objects).await {
            *class.versions.write().unwrap_or_else(PoisonError::into_inner) = versions;
            let mut classes = self.classes.write().unwrap_or_else(PoisonError::into_inner);
            classes.insert(name.as_str().to_owned(), class);
            return Err(error);
        }
        for version in versions {
            self.loader.cache.remove(&version.row.digest);
        }
        tracing::info!(class = %name, "class removed");
        Ok(())
    }

    async fn remove_retired(&self, class: &Class, with_objects: bool) -> Result<(), ClassError> {
        if !with_objects {
            // What was running at the end may have stored something, and has told its client so.
            self.check_empty(class)?;
        }
        let name = class.name.clone();
        Ok(self.change(CatalogChange::Remove { name, class: class.number }).await?)
    }

    fn check_empty(&self, class: &Class) -> Result<(), ClassError> {
        let one = ObjectsPage { limit: 1, ..ObjectsPage::default() };
        if self.store.session()?.objects(class.number, one)?.is_empty() {
            return Ok(());
        }
        Err(ClassError::NotEmpty { class: class.name.clone() })
    }

    /// Deploys the class that comes with abide, unless an operator removed or replaced it.
    pub async fn offer_bundled(
        &self,
        name: &ClassName,
        component: Bytes,
    ) -> Result<(), ClassError> {
        let digest: Digest = Sha256::digest(&component).into();
        let offered = self.store.session()?.catalog()?.bundled;
        let current = self.find(name.as_str()).and_then(|class| class.current());
        let wanted = match (offered, current) {
            (None, None) => true,
            (Some(_), None) => false,
            (_, Some(version)) => version.row.bundled && version.row.digest != digest,
        };
        if wanted {
            self.deploy(name, component, true).await?;
        }
        if offered != Some(digest) {
            self.change(CatalogChange::Bundled(digest)).await?;
        }
        Ok(())
    }

    async fn change(&self, change: CatalogChange) -> Result<(), StorageError> {
        let session = self.store.session()?;
        tokio::task::spawn_blocking(move || session.change_catalog(&change))
            .await
            .map_err(|error| StorageError::Failed(error.to_string()))?
    }
}

impl Loader {
    /// A loader with its cache and compiler.
    pub fn new(
        runtime: Runtime,
        store: Arc<Store>,
        cache: Cache,
        compiler: Compiler,
        limits: Limits,
    ) -> Self {
        Self { runtime, store, cache, compiler, limits }
    }

    fn version(self: &Arc<Self>, row: VersionRow) -> Version {
        Version { row, program: OnceCell::new(), loader: Arc::downgrade(self) }
    }

    /// The program of a stored component.
    pub(super) async fn load(&self, digest: Digest) -> Result<Program, ClassError> {
        if let Some(program) = self.cached(&digest) {
            return Ok(program);
        }
        let component = self.store.session()?.component(&digest)?.ok_or_else(|| {
            ClassError::Compiler("its component is missing in the store".to_owned())
        })?;
        if Digest::from(Sha256::digest(&component)) != digest {
            let said = "its component is damaged in the store; deploy it again";
            return Err(ClassError::Compiler(said.to_owned()));
        }
        self.compile(digest, &component).await
    }

    /// Compiles an upload and makes one instance of it for trial: names are checked when it is
    /// linked, types and start code only then.
    async fn compile_and_try(
        &self,
        digest: Digest,
        component: &[u8],
    ) -> Result<Program, ClassError> {
        let program = match self.cached(&digest) {
            Some(program) => program,
            None => self.compile(digest, component).await?,
        };
        let tried = self.try_start(&program).await;
        if tried.is_err() {
            self.cache.remove(&digest);
        }
        tried.map(|()| program)
    }

    async fn compile(&self, digest: Digest, component: &[u8]) -> Result<Program, ClassError> {
        let code = self.compiler.compile(component).await?;
        let program = self.runtime.load(&code).map_err(|error| match error {
            LoadError::Link(reason) => ClassError::Rejected(reason),
            LoadError::Code(reason) | LoadError::Engine(reason) => ClassError::Compiler(reason),
        })?;
        if let Err(error) = self.cache.store(&digest, &code) {
            tracing::warn!(%error, "cannot keep compiled code; the next start compiles again");
        }
        Ok(program)
    }

    fn cached(&self, digest: &Digest) -> Option<Program> {
        self.runtime.load(&self.cache.load(digest)?).ok()
    }

    async fn try_start(&self, program: &Program) -> Result<(), ClassError> {
        let identity = Identity {
            class: "trial".parse().expect("a valid class name"),
            id: ObjectId::from_bytes([0; 32]),
            version: 0,
        };
        let new = ObjectRecord { class: 0, name: None, created: 0, version: 0, bytes: 0 };
        let bounds = Bounds { value_bytes: 0, event_bytes: 0 };
        let view = View::load(identity.id, self.store.session()?, bounds, new).await?;
        let store = Arc::clone(&self.store);
        let state = State::new(Arc::new(identity), view, store, &self.limits);
        let limits = EventLimits::new(&self.limits);
        match Instance::start(&self.runtime, program, state, limits).await {
            Ok(_) => Ok(()),
            Err(failed) => match failed.0 {
                Fault::Storage(error) => Err(ClassError::Storage(error)),
                fault => Err(ClassError::Rejected(format!("it does not start: {fault}"))),
            },
        }
    }
}

fn random() -> Result<[u8; 32], ClassError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| ClassError::Compiler(format!("no random numbers: {error}")))?;
    Ok(bytes)
}
