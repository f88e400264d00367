//! The tables of the database file. Format 1.
//!
//! Integers in keys sort as numbers, so `(shard, due, ...)` is a queue in order of time.

use redb::TableDefinition;

use super::Digest;

/// The newest format that this program reads and writes.
pub(super) const FORMAT: u64 = 1;

type IdBytes = &'static [u8; 32];

/// Single values: see the `META_*` names.
pub(super) const METADATA: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("metadata");
/// Number of the format.
pub(super) const META_FORMAT: &str = "format";
/// Number of the last session.
pub(super) const META_INCARNATION: &str = "incarnation";
/// Number of the last group.
pub(super) const META_LAST_GROUP: &str = "last-group";
/// The session that committed the last group.
pub(super) const META_LAST_COMMITTER: &str = "last-committer";
/// Number for the next new class.
pub(super) const META_NEXT_CLASS: &str = "next-class";
/// 32 random bytes.
pub(super) const META_SECRET: &str = "secret";
/// Digest of the bundled class that was last offered.
pub(super) const META_BUNDLED: &str = "bundled";

/// First half of an object's id and key, to value.
pub(super) const DATA: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("data");

/// What an object's row holds: class number, name (empty for none), created, version, bytes.
pub(super) type ObjectRow = (u32, &'static str, u64, u32, u64);
/// Id to row.
pub(super) const OBJECTS: TableDefinition<'_, IdBytes, ObjectRow> = TableDefinition::new("objects");
/// Class number, name (empty for none) and id, for listing.
pub(super) const NAMES: TableDefinition<'_, (u32, &str, IdBytes), ()> =
    TableDefinition::new("names");

/// Shard, due time, id and name of the alarm, to payload.
pub(super) const ALARMS_DUE: TableDefinition<'_, (u16, u64, IdBytes, &str), &[u8]> =
    TableDefinition::new("alarms-due");
/// Id and name of the alarm, to due time.
pub(super) const ALARMS: TableDefinition<'_, (IdBytes, &str), u64> = TableDefinition::new("alarms");

/// Class name to number, key, current version.
pub(super) const CLASSES: TableDefinition<'_, &str, (u32, IdBytes, u32)> =
    TableDefinition::new("classes");
/// Class number and version to digest, size, created, bundled.
pub(super) const VERSIONS: TableDefinition<'_, (u32, u32), (&'static Digest, u64, u64, bool)> =
    TableDefinition::new("versions");
/// Digest to component.
pub(super) const COMPONENTS: TableDefinition<'_, &'static Digest, &[u8]> =
    TableDefinition::new("components");
