//! Listing entries, page by page behind an iterator.

use serde::de::DeserializeOwned;

use super::{StorageError, json, raw};

/// Which entries to list, and how. Made by [`list`](super::list()); iterate over it.
#[derive(Debug, Clone, Default)]
pub struct List {
    start: Option<String>,
    start_after: Option<String>,
    end: Option<String>,
    prefix: Option<String>,
    reverse: bool,
    limit: Option<u32>,
}

impl List {
    /// From this key on. Not together with [`start_after`](Self::start_after).
    #[must_use]
    pub fn start(self, key: impl Into<String>) -> Self {
        Self { start: Some(key.into()), ..self }
    }

    /// Only keys behind this one. Not together with [`start`](Self::start).
    #[must_use]
    pub fn start_after(self, key: impl Into<String>) -> Self {
        Self { start_after: Some(key.into()), ..self }
    }

    /// Only keys before this one.
    #[must_use]
    pub fn end(self, key: impl Into<String>) -> Self {
        Self { end: Some(key.into()), ..self }
    }

    /// Only keys that begin with this.
    #[must_use]
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: Some(prefix.into()), ..self }
    }

    /// From the largest key down; which keys are listed stays the same.
    #[must_use]
    pub fn reverse(self) -> Self {
        Self { reverse: true, ..self }
    }

    /// No more entries than this; 0 is an error.
    #[must_use]
    pub fn limit(self, entries: u32) -> Self {
        Self { limit: Some(entries), ..self }
    }

    fn fetch(&self) -> Result<raw::Page, raw::StorageError> {
        raw::list(raw::ListOptions {
            start: self.start.as_deref(),
            start_after: self.start_after.as_deref(),
            end: self.end.as_deref(),
            prefix: self.prefix.as_deref(),
            reverse: self.reverse,
            limit: self.limit,
        })
    }

    /// What is left to list behind a page. `None` behind the last one.
    fn behind(mut self, page: &raw::Page) -> Option<Self> {
        if !page.more {
            return None;
        }
        let last = page.entries.last()?.key.clone();
        if let Some(limit) = self.limit {
            let listed = u32::try_from(page.entries.len()).unwrap_or(u32::MAX);
            self.limit = Some(limit.checked_sub(listed).filter(|left| *left > 0)?);
        }
        Some(if self.reverse {
            self.end(last)
        } else {
            Self { start: None, ..self }.start_after(last)
        })
    }
}

impl IntoIterator for List {
    type Item = Result<Entry, StorageError>;
    type IntoIter = Entries;

    fn into_iter(self) -> Entries {
        Entries { page: Vec::new().into_iter(), rest: Some(self) }
    }
}

/// The entries of a [`List`], fetched from the host a page at a time.
///
/// A write in between shows in the pages that are still to come. Ends behind an error.
#[derive(Debug)]
pub struct Entries {
    page: std::vec::IntoIter<raw::EntryResult>,
    rest: Option<List>,
}

impl Iterator for Entries {
    type Item = Result<Entry, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(entry) = self.page.next() {
            return Some(Ok(entry.into()));
        }
        let list = self.rest.take()?;
        match list.fetch() {
            Ok(page) => {
                self.rest = list.behind(&page);
                self.page = page.entries.into_iter();
                self.page.next().map(|entry| Ok(entry.into()))
            }
            Err(error) => Some(Err(error.into())),
        }
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
}

impl Entry {
    /// The value as text. An error where it is not UTF-8.
    pub fn text(&self) -> Result<&str, StorageError> {
        str::from_utf8(&self.value)
            .map_err(|source| StorageError::NotText { key: self.key.clone(), source })
    }

    /// The value, read as JSON. An error where it is not the JSON expected.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, StorageError> {
        json(&self.key, &self.value)
    }
}

impl From<raw::EntryResult> for Entry {
    fn from(raw: raw::EntryResult) -> Self {
        Self { key: raw.key, value: raw.value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str], more: bool) -> raw::Page {
        let entry = |key: &&str| raw::EntryResult { key: (*key).into(), value: Vec::new() };
        raw::Page { entries: keys.iter().map(entry).collect(), more }
    }

    #[test]
    fn next_page_starts_behind_the_last_key() {
        let rest = List::default().start("a").limit(5).behind(&page(&["a", "b"], true)).unwrap();
        assert_eq!((rest.start, rest.start_after.as_deref()), (None, Some("b")));
        assert_eq!(rest.limit, Some(3));
    }

    #[test]
    fn next_page_in_reverse_ends_before_the_last_key() {
        let list = List::default().start("a").end("z").reverse();
        let rest = list.behind(&page(&["y", "x"], true)).unwrap();
        assert_eq!((rest.start.as_deref(), rest.end.as_deref()), (Some("a"), Some("x")));
    }

    #[test]
    fn nothing_is_behind_the_last_page_or_the_limit() {
        assert!(List::default().behind(&page(&["a"], false)).is_none());
        assert!(List::default().behind(&page(&[], true)).is_none());
        assert!(List::default().limit(2).behind(&page(&["a", "b"], true)).is_none());
    }
}
