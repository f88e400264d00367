//! One event's uncommitted writes, with savepoints.

use std::collections::{BTreeMap, btree_map::Entry};

use bytes::Bytes;

use crate::limits::ENTRY_BYTES;

/// What an event has written and not committed.
#[derive(Debug, Default)]
pub struct Txn {
    cleared: bool,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
    /// Bytes that only savepoints still hold.
    retained: usize,
    savepoints: Vec<Savepoint>,
    next_savepoint: u32,
}

/// What an event had written under a key: none for nothing, inner none for a deletion.
type Before = Option<Option<Bytes>>;

/// What brings the writes back to where they were. A savepoint keeps only what changed since it was
/// made, so that making one costs nothing.
#[derive(Debug)]
struct Savepoint {
    number: u32,
    /// Entries changed since, with what the event had written there before.
    before: BTreeMap<Bytes, Before>,
    /// The whole of the writes, if they were cleared since.
    before_clear: Option<(bool, BTreeMap<Bytes, Option<Bytes>>)>,
}

impl Txn {
    /// What the event wrote under a key: none for nothing, inner none for a deletion.
    pub fn get(&self, key: &[u8]) -> Option<Option<&Bytes>> {
        self.writes.get(key).map(Option::as_ref)
    }

    /// Whether the event deleted all keys, so that only its own later writes count.
    pub fn cleared(&self) -> bool {
        self.cleared
    }

    /// Memory for keys and values, in bytes: written ones, and those that savepoints hold. Each
    /// counts [`ENTRY_BYTES`] more.
    pub fn bytes(&self) -> usize {
        self.bytes + self.retained
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        !self.cleared && self.writes.is_empty()
    }

    /// The writes by key.
    pub fn writes(&self) -> &BTreeMap<Bytes, Option<Bytes>> {
        &self.writes
    }

    /// Writes a value, or a deletion.
    pub fn write(&mut self, key: Bytes, value: Option<Bytes>) {
        self.bytes += size(&key, value.as_ref());
        let old = self.writes.insert(key.clone(), value);
        if let Some(old) = &old {
            self.bytes -= size(&key, old.as_ref());
        }
        if let Some(savepoint) = self.savepoints.last_mut()
            && savepoint.before_clear.is_none()
            && let Entry::Vacant(before) = savepoint.before.entry(key)
        {
            self.retained += size(before.key(), old.as_ref().and_then(Option::as_ref));
            before.insert(old);
        }
    }

    /// How the size would change by writing this.
    pub fn growth(&self, key: &Bytes, value: Option<&Bytes>) -> isize {
        let old = self.writes.get(key).map_or(0, |old| size(key, old.as_ref()));
        size(key, value).cast_signed() - old.cast_signed()
    }

    /// Deletes all keys.
    pub fn clear(&mut self) {
        let writes = std::mem::take(&mut self.writes);
        if let Some(savepoint) = self.savepoints.last_mut()
            && savepoint.before_clear.is_none()
        {
            savepoint.before_clear = Some((self.cleared, writes));
            self.retained += self.bytes;
        }
        self.cleared = true;
        self.bytes = 0;
    }

    /// Number of savepoints.
    pub fn savepoints(&self) -> usize {
        self.savepoints.len()
    }

    /// Marks the present state. Numbers are not used twice in an event.
    pub fn savepoint(&mut self) -> u32 {
        let number = self.next_savepoint;
        self.next_savepoint += 1;
        self.savepoints.push(Savepoint { number, before: BTreeMap::new(), before_clear: None });
        number
    }

    /// Undoes what was written since; false if there is no such savepoint.
    pub fn rollback_to(&mut self, number: u32) -> bool {
        let Some(at) = self.savepoints.iter().position(|s| s.number == number) else {
            return false;
        };
        for savepoint in self.savepoints.drain(at..).rev() {
            if let Some((cleared, writes)) = savepoint.before_clear {
                (self.cleared, self.writes) = (cleared, writes);
            }
            for (key, old) in savepoint.before {
                match old {
                    Some(old) => self.writes.insert(key, old),
                    None => self.writes.remove(&key),
                };
            }
        }
        self.bytes = total(&self.writes);
        self.retained = self.savepoints.iter().map(Savepoint::bytes).sum();
        self.savepoints.push(Savepoint { number, before: BTreeMap::new(), before_clear: None });
        true
    }

    /// Forgets all savepoints; the writes stay.
    pub fn release_savepoints(&mut self) {
        self.savepoints.clear();
        self.retained = 0;
    }

    /// Takes the writes out and releases all savepoints.
    pub fn take(&mut self) -> (bool, BTreeMap<Bytes, Option<Bytes>>) {
        self.release_savepoints();
        self.bytes = 0;
        (std::mem::take(&mut self.cleared), std::mem::take(&mut self.writes))
    }
}

impl Savepoint {
    fn bytes(&self) -> usize {
        let before = self.before.iter().map(|(key, value)| {
            let old = value.as_ref().and_then(Option::as_ref);
            size(key, old)
        });
        before.sum::<usize>() + self.before_clear.as_ref().map_or(0, |(_, writes)| total(writes))
    }
}

fn total(writes: &BTreeMap<Bytes, Option<Bytes>>) -> usize {
    writes.iter().map(|(key, value)| size(key, value.as_ref())).sum()
}

fn size(key: &Bytes, value: Option<&Bytes>) -> usize {
    key.len() + value.map_or(0, Bytes::len) + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u8, Option<u8>),
        Clear,
        Savepoint,
        Rollback(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0..6u8, any::<Option<u8>>()).prop_map(|(key, value)| Step::Write(key, value)),
            1 => Just(Step::Clear),
            2 => Just(Step::Savepoint),
            2 => (0..6u32).prop_map(Step::Rollback),
        ];
        proptest::collection::vec(step, 0..40)
    }

    fn bytes(byte: u8) -> Bytes {
        Bytes::copy_from_slice(&[byte])
    }

    type State = (bool, BTreeMap<Bytes, Option<Bytes>>);

    proptest! {
        /// The model copies the whole state at each savepoint.
        #[test]
        fn rollback_restores_exactly_the_state_of_its_savepoint(steps in steps()) {
            let mut txn = Txn::default();
            let mut model: State = State::default();
            let mut saved: Vec<(u32, State)> = Vec::new();
            for step in steps {
                match step {
                    Step::Write(key, value) => {
                        txn.write(bytes(key), value.map(bytes));
                        model.1.insert(bytes(key), value.map(bytes));
                    }
                    Step::Clear => {
                        txn.clear();
                        model = (true, BTreeMap::new());
                    }
                    Step::Savepoint => saved.push((txn.savepoint(), model.clone())),
                    Step::Rollback(number) => {
                        let at = saved.iter().position(|(n, _)| *n == number);
                        prop_assert_eq!(txn.rollback_to(number), at.is_some());
                        if let Some(at) = at {
                            saved.truncate(at + 1);
                            model = saved[at].1.clone();
                        }
                    }
                }
                prop_assert_eq!(txn.cleared(), model.0);
                prop_assert_eq!(txn.writes(), &model.1);
                prop_assert_eq!(txn.bytes, total(&model.1));
                let retained: usize = txn.savepoints.iter().map(Savepoint::bytes).sum();
                prop_assert_eq!(txn.retained, retained);
            }
        }
    }
}
