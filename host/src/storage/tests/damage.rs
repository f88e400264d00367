//! Database files that are newer, in use, damaged or not ours.

use std::{fs, path::PathBuf};

use redb::{Database, ReadableDatabase, TableDefinition};
use tempfile::TempDir;

use super::{
    super::{Engine, StorageError, redb::RedbEngine},
    CACHE_BYTES, commit, id, now, put, stored, text,
};

const METADATA: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("metadata");

fn engine(directory: &TempDir) -> RedbEngine {
    RedbEngine::new(directory.path(), CACHE_BYTES).unwrap()
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("abide.redb")
}

/// A closed database with one object.
fn written() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let engine = engine(&directory);
    commit(&*engine.join().unwrap(), [(id(1), put(&[("a", &"1".repeat(10_000))]))]);
    directory
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let directory = written();
    let database = Database::create(file(&directory)).unwrap();
    let txn = database.begin_write().unwrap();
    let newer = 99_u64.to_be_bytes();
    txn.open_table(METADATA).unwrap().insert("format", &newer[..]).unwrap();
    txn.commit().unwrap();
    drop(database);
    let refused = engine(&directory).join().err();
    assert!(
        matches!(refused, Some(StorageError::NewerFormat { found: 99, known: 1, .. })),
        "{refused:?}"
    );
    let database = Database::open(file(&directory)).unwrap();
    let metadata = database.begin_read().unwrap().open_table(METADATA).unwrap();
    let number =
        |name| u64::from_be_bytes(metadata.get(name).unwrap().unwrap().value().try_into().unwrap());
    assert_eq!((number("format"), number("incarnation")), (99, 1));
}

#[test]
fn a_second_engine_is_told_that_the_file_is_in_use() {
    let directory = written();
    let first = engine(&directory);
    let session = first.join().unwrap();
    let second = engine(&directory);
    assert!(matches!(second.join().err(), Some(StorageError::InUse(_))));
    assert_eq!(stored(&*session, id(1)).len(), 1);
    drop((first, session));
    assert!(second.join().is_ok());
}

#[test]
fn what_is_no_database_is_refused_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(file(&directory), "not a database, but somebody's text\n".repeat(500)).unwrap();
    let before = fs::read(file(&directory)).unwrap();
    let refused = engine(&directory).join().err();
    assert!(matches!(refused, Some(StorageError::Damaged { .. })), "{refused:?}");
    assert_eq!(fs::read(file(&directory)).unwrap(), before);
}

#[test]
fn a_truncated_file_is_damaged() {
    let directory = written();
    let bytes = fs::read(file(&directory)).unwrap();
    for len in [100, 4_096, bytes.len() / 2] {
        fs::write(file(&directory), &bytes[..len]).unwrap();
        let refused = engine(&directory).join().err();
        assert!(matches!(refused, Some(StorageError::Damaged { .. })), "{len}: {refused:?}");
    }
}

/// Whatever bit rots, the answer is an error or the truth: never a panic, never another value.
#[test]
fn a_damaged_page_is_an_error_and_no_panic() {
    let directory = written();
    let bytes = fs::read(file(&directory)).unwrap();
    let expected = "1".repeat(10_000);
    for at in (0..bytes.len()).step_by(4_096) {
        let mut damaged = bytes.clone();
        let end = (at + 64).min(damaged.len());
        damaged[at..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(file(&directory), &damaged).unwrap();
        let Ok(session) = engine(&directory).join() else { continue };
        if let Ok(Some(value)) = now(session.get(id(1), text("a"))) {
            // The plain open trusts the pages of values; structure is what must not panic.
            assert_eq!(value.len(), expected.len());
        }
        _ = session.catalog();
        _ = session.alarms_due(9, 9);
    }
}

/// An empty database in the place of a failed one would say that nothing was ever written.
#[test]
fn a_database_that_vanished_is_not_made_anew_while_the_server_runs() {
    let directory = written();
    let engine = engine(&directory);
    let session = engine.join().unwrap();
    fs::remove_file(file(&directory)).unwrap();
    assert!(engine.join().is_err());
    assert!(session.is_over());
    assert!(!file(&directory).exists());
    // Nor is another one taken for it.
    let other = tempfile::tempdir().unwrap();
    drop(RedbEngine::new(other.path(), CACHE_BYTES).unwrap().join().unwrap());
    fs::copy(file(&other), file(&directory)).unwrap();
    let refused = engine.join().err();
    assert!(matches!(refused, Some(StorageError::Damaged { .. })), "{refused:?}");
}

/// redb writes the mark of its files last, and refuses a file without it.
#[test]
fn a_first_start_that_broke_off_is_not_in_the_way_of_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let fresh = file(&directory).with_extension(format!("new-{}", std::process::id()));
    fs::write(&fresh, vec![0; 10_000]).unwrap();
    assert!(engine(&directory).join().is_ok());
    let names: Vec<_> =
        fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["abide.redb"], "nothing else is left");
}
