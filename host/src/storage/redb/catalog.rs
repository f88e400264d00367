//! Classes and versions in the redb file.

use redb::{Database, ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    apply::{self, Tables},
    failed,
    tables::{CLASSES, COMPONENTS, META_BUNDLED, META_NEXT_CLASS, METADATA, VERSIONS},
};
use crate::{
    id::{ClassKey, ClassName, ObjectId},
    storage::{
        Digest, StorageError,
        catalog::{Catalog, CatalogChange, ClassRow, VersionRow},
    },
};

/// All classes and versions.
pub(super) fn load(txn: &ReadTransaction) -> Result<Catalog, StorageError> {
    let metadata = txn.open_table(METADATA).map_err(failed)?;
    let bundled = metadata.get(META_BUNDLED).map_err(failed)?;
    let mut catalog = Catalog {
        classes: Vec::new(),
        next_class: next_class(&metadata)?,
        bundled: bundled.and_then(|digest| digest.value().try_into().ok()),
    };
    let versions = txn.open_table(VERSIONS).map_err(failed)?;
    for row in txn.open_table(CLASSES).map_err(failed)?.iter().map_err(failed)? {
        let (name, class) = row.map_err(failed)?;
        let (number, key, current) = class.value();
        let name = name
            .value()
            .parse()
            .map_err(|error| StorageError::Failed(format!("a stored class is invalid: {error}")))?;
        let mut class = ClassRow {
            name,
            number,
            key: ClassKey::from_bytes(*key),
            current,
            versions: Vec::new(),
        };
        for row in versions.range((number, 0)..=(number, u32::MAX)).map_err(failed)? {
            let (key, version) = row.map_err(failed)?;
            let (digest, size, created, bundled) = version.value();
            let number = key.value().1;
            class.versions.push(VersionRow { number, digest: *digest, size, created, bundled });
        }
        catalog.classes.push(class);
    }
    Ok(catalog)
}

/// Changes the catalog; durable on return.
pub(super) fn change(database: &Database, change: &CatalogChange) -> Result<(), StorageError> {
    let txn = database.begin_write().map_err(failed)?;
    match change {
        CatalogChange::Deploy { name, class, key, version, component } => {
            deploy(&txn, name, *class, key, version)?;
            let mut components = txn.open_table(COMPONENTS).map_err(failed)?;
            components.insert(&version.digest, &**component).map_err(failed)?;
        }
        CatalogChange::Remove { name, class } => remove(&txn, name, *class)?,
        CatalogChange::Bundled(digest) => {
            let mut metadata = txn.open_table(METADATA).map_err(failed)?;
            metadata.insert(META_BUNDLED, &digest[..]).map_err(failed)?;
        }
    }
    txn.commit().map_err(failed)
}

fn deploy(
    txn: &WriteTransaction,
    name: &ClassName,
    class: u32,
    key: &ClassKey,
    version: &VersionRow,
) -> Result<(), StorageError> {
    let mut classes = txn.open_table(CLASSES).map_err(failed)?;
    classes.insert(name.as_str(), (class, key.as_bytes(), version.number)).map_err(failed)?;
    let mut versions = txn.open_table(VERSIONS).map_err(failed)?;
    let row = (&version.digest, version.size, version.created, version.bundled);
    versions.insert((class, version.number), row).map_err(failed)?;
    let mut metadata = txn.open_table(METADATA).map_err(failed)?;
    if class >= next_class(&metadata)? {
        apply::set_number(&mut metadata, META_NEXT_CLASS, u64::from(class) + 1)?;
    }
    Ok(())
}

fn remove(txn: &WriteTransaction, name: &ClassName, class: u32) -> Result<(), StorageError> {
    let mut tables = Tables::open(txn)?;
    let mut objects = Vec::new();
    for row in tables.names.range((class, "", &[0; 32])..).map_err(failed)? {
        let (key, _) = row.map_err(failed)?;
        let (of_class, _, id) = key.value();
        if of_class != class {
            break;
        }
        objects.push(ObjectId::from_bytes(*id));
    }
    for object in objects {
        tables.clear(object)?;
        tables.remove_record(object)?;
    }
    txn.open_table(CLASSES).map_err(failed)?.remove(name.as_str()).map_err(failed)?;
    let mut versions = txn.open_table(VERSIONS).map_err(failed)?;
    versions.retain_in((class, 0)..=(class, u32::MAX), |_, _| false).map_err(failed)?;
    let mut used: Vec<Digest> = Vec::new();
    for row in versions.iter().map_err(failed)? {
        used.push(*row.map_err(failed)?.1.value().0);
    }
    let mut components = txn.open_table(COMPONENTS).map_err(failed)?;
    components.retain(|digest, _| used.contains(digest)).map_err(failed)
}

fn next_class(
    metadata: &impl ReadableTable<&'static str, &'static [u8]>,
) -> Result<u32, StorageError> {
    let next = apply::number(metadata, META_NEXT_CLASS)?.unwrap_or(1);
    u32::try_from(next).map_err(|_| StorageError::Failed("no class number is left".to_owned()))
}
