//! Classes and their versions, as the store keeps them.

use bytes::Bytes;

use super::Digest;
use crate::{
    clock::Millis,
    id::{ClassKey, ClassName},
};

/// All classes.
#[derive(Debug, Default)]
pub struct Catalog {
    /// By name.
    pub classes: Vec<ClassRow>,
    /// The number for the next new class.
    pub next_class: u32,
    /// Digest of the bundled class that was last offered to this store.
    pub bundled: Option<Digest>,
}

/// One class.
#[derive(Debug, Clone)]
pub struct ClassRow {
    /// Its name.
    pub name: ClassName,
    /// Its number: never used again, even after the class is gone.
    pub number: u32,
    /// The key of its object ids.
    pub key: ClassKey,
    /// The version that runs.
    pub current: u32,
    /// All versions, oldest first.
    pub versions: Vec<VersionRow>,
}

/// One version of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// Counts from 1 within its class.
    pub number: u32,
    /// SHA-256 of the component.
    pub digest: Digest,
    /// Size of the component, in bytes.
    pub size: u64,
    /// When it was uploaded.
    pub created: Millis,
    /// Whether it came with abide.
    pub bundled: bool,
}

/// A change of the catalog.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one is made per upload")]
pub enum CatalogChange {
    /// Adds a version and makes it the one that runs; adds the class if it is new.
    Deploy {
        /// The class.
        name: ClassName,
        /// The class's number, if it is new the next unused one.
        class: u32,
        /// The class's key.
        key: ClassKey,
        /// The version.
        version: VersionRow,
        /// The component.
        component: Bytes,
    },
    /// Removes a class, its versions, and all that its objects own.
    Remove {
        /// The class.
        name: ClassName,
        /// Its number.
        class: u32,
    },
    /// Remembers which bundled class was offered.
    Bundled(Digest),
}
