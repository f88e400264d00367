//! Object classes: what was uploaded, which version runs, and its compiled code.

pub mod cache;
pub mod catalog;
pub mod check;
pub mod compile;

pub use catalog::Catalog;

use std::sync::{Arc, PoisonError, RwLock, Weak};

use tokio::sync::OnceCell;

use crate::{
    guest::Program,
    id::{ClassKey, ClassName},
    storage::{StorageError, catalog::VersionRow},
};
use compile::CompileError;

/// A class that is deployed.
#[derive(Debug)]
pub struct Class {
    name: ClassName,
    number: u32,
    key: ClassKey,
    /// Oldest first, the last one runs. Empty once the class was removed.
    versions: RwLock<Vec<Arc<Version>>>,
}

/// One version of a class.
#[derive(Debug)]
pub struct Version {
    row: VersionRow,
    program: OnceCell<Program>,
    /// Loads the code when it is first needed.
    loader: Weak<catalog::Loader>,
}

impl Class {
    /// Its name.
    pub fn name(&self) -> &ClassName {
        &self.name
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The key of its object ids.
    pub fn key(&self) -> &ClassKey {
        &self.key
    }

    /// The version that runs; none once the class was removed.
    pub fn current(&self) -> Option<Arc<Version>> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// All versions, oldest first.
    pub fn versions(&self) -> Vec<VersionRow> {
        let versions = self.versions.read().unwrap_or_else(PoisonError::into_inner);
        versions.iter().map(|version| version.row.clone()).collect()
    }
}

impl Version {
    /// Its number within the class.
    pub fn number(&self) -> u32 {
        self.row.number
    }

    /// What the store says of it.
    pub fn row(&self) -> &VersionRow {
        &self.row
    }

    /// Its code, loaded if it was not yet; or why that failed, in which case the next call tries
    /// again.
    pub async fn program(&self) -> Result<Program, String> {
        let load = || async {
            let loader =
                self.loader.upgrade().ok_or_else(|| "the server is stopping".to_owned())?;
            loader.load(self.row.digest).await.map_err(|error| error.chain())
        };
        self.program.get_or_try_init(load).await.cloned()
    }
}

/// Why an upload was not taken, or a class not found.
#[derive(Debug, thiserror::Error)]
pub enum ClassError {
    /// There is no such class.
    #[error("there is no class {0}")]
    NotFound(ClassName),
    /// The class has objects.
    #[error("class {class} has stored objects")]
    NotEmpty {
        /// The class.
        class: ClassName,
    },
    /// The upload is not something that can be a class.
    #[error("{0}")]
    Rejected(String),
    /// Checking or compiling needs more than it may take.
    #[error("checking and compiling the component {0}")]
    CompileLimit(String),
    /// The compiler failed, through a fault of ours.
    #[error("the component could not be compiled: {0}")]
    Compiler(String),
    /// The store could not be read or written.
    #[error("the class could not be stored")]
    Storage(#[from] StorageError),
}

impl ClassError {
    /// The error and all its causes, as one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text.push_str(": ");
            text.push_str(&error.to_string());
            source = error.source();
        }
        text
    }
}

impl From<CompileError> for ClassError {
    fn from(error: CompileError) -> Self {
        match error {
            CompileError::Rejected(reason) => Self::Rejected(reason),
            CompileError::Limit(what) => Self::CompileLimit(what),
            CompileError::Failed(reason) => Self::Compiler(reason),
        }
    }
}
