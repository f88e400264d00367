//! Names and ids: parsed once, valid ever after.
//!
//! An id is 32 bytes. The first 16 are a keyed hash of the object's name, or random; the last 16
//! are a keyed hash of the first. The key belongs to the class, so a class recognises its own ids:
//! nobody can make one up, or take one to another class.

use std::{fmt, str::FromStr, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::limits::{CLASS_NAME_BYTES_MAX, OBJECT_NAME_BYTES_MAX};

/// Number of shards for ever: the first 12 bits of an id name its shard.
pub const SHARDS: u16 = 4_096;

/// The name of a class: 1 to [`CLASS_NAME_BYTES_MAX`] ASCII letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassName(Arc<str>);

/// The name of an object: 1 to [`OBJECT_NAME_BYTES_MAX`] bytes of UTF-8, compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName(Arc<str>);

/// The id of an object; written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId([u8; 32]);

/// The key of a class: derives ids from names and recognises them.
#[derive(Clone)]
pub struct ClassKey {
    bytes: [u8; 32],
    keyed: Hmac<Sha256>,
}

/// Why a text is not a name or an id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A class name is empty or too long.
    #[error("class name has {0} bytes, 1 to {CLASS_NAME_BYTES_MAX} are allowed")]
    ClassLength(usize),
    /// A class name has a character outside the grammar.
    #[error("class name contains {0:?}; letters, digits, `-` and `_` are allowed")]
    ClassCharacter(char),
    /// An object name is empty or too long.
    #[error("object name has {0} bytes, 1 to {OBJECT_NAME_BYTES_MAX} are allowed")]
    NameLength(usize),
    /// An id is not 64 hex digits.
    #[error("object id {0:?} is not 64 lower-case hex digits")]
    IdForm(String),
}

impl ClassName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClassName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() || text.len() > CLASS_NAME_BYTES_MAX {
            return Err(IdError::ClassLength(text.len()));
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
        match text.chars().find(|c| !allowed(c)) {
            Some(c) => Err(IdError::ClassCharacter(c)),
            None => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ObjectName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.is_empty() || text.len() > OBJECT_NAME_BYTES_MAX {
            return Err(IdError::NameLength(text.len()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ObjectId {
    /// The id with these bytes; [`ClassKey::recognises`] tells whether it is one of a class.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// All bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first half: under it the store keeps the object's data.
    pub fn head(&self) -> [u8; 16] {
        self.0[..16].try_into().expect("32 bytes have a first half")
    }

    /// The shard, below [`SHARDS`].
    pub fn shard(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]]) >> 4
    }
}

impl FromStr for ObjectId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let form = || IdError::IdForm(text.chars().take(80).collect());
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(form());
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| form())?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl ClassKey {
    /// The key with these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let keyed = Hmac::new_from_slice(&bytes).expect("HMAC takes keys of any length");
        Self { bytes, keyed }
    }

    /// The bytes, for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The id of the object with this name.
    pub fn named(&self, name: &ObjectName) -> ObjectId {
        self.complete(self.half(*b"name", name.as_str().as_bytes()))
    }

    /// The id made of 16 random bytes: an object without a name.
    pub fn unique(&self, random: [u8; 16]) -> ObjectId {
        self.complete(random)
    }

    /// Whether this id belongs to the class of this key.
    pub fn recognises(&self, id: &ObjectId) -> bool {
        self.complete(id.head()) == *id
    }

    fn complete(&self, head: [u8; 16]) -> ObjectId {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&head);
        bytes[16..].copy_from_slice(&self.half(*b"tail", &head));
        ObjectId(bytes)
    }

    /// Half an HMAC-SHA-256 (RFC 2104) of `data`. All `purpose`s have the same length, so no two
    /// purposes ever hash the same text.
    fn half(&self, purpose: [u8; 4], data: &[u8]) -> [u8; 16] {
        let mut mac = self.keyed.clone();
        mac.update(&purpose);
        mac.update(data);
        mac.finalize().into_bytes()[..16].try_into().expect("SHA-256 has 32 bytes")
    }
}

impl fmt::Debug for ClassKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClassKey(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: u8) -> ClassKey {
        ClassKey::from_bytes([seed; 32])
    }

    #[test]
    fn a_class_recognises_its_own_ids_and_no_others() {
        let named = key(1).named(&"a".parse().unwrap());
        let unique = key(1).unique([7; 16]);
        assert!(key(1).recognises(&named) && key(1).recognises(&unique));
        assert!(!key(2).recognises(&named) && !key(2).recognises(&unique));
        assert!(!key(1).recognises(&ObjectId([7; 32])));
    }

    #[test]
    fn ids_of_different_names_differ_and_of_equal_names_agree() {
        let id = |name: &str| key(1).named(&name.parse().unwrap());
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("caf\u{e9}"), id("cafe\u{301}"));
    }

    #[test]
    fn an_id_survives_its_text_form() {
        let id = key(1).unique([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("AB".repeat(32).parse::<ObjectId>().is_err(), "one spelling per id");
    }

    #[test]
    fn the_shard_is_the_first_twelve_bits() {
        let mut bytes = [0; 32];
        (bytes[0], bytes[1]) = (0xff, 0xf0);
        assert_eq!(ObjectId(bytes).shard(), SHARDS - 1);
    }

    #[test]
    fn class_names_are_safe_in_paths_and_urls() {
        for good in ["Counter", "chat-room", "a", "A_9"] {
            assert!(good.parse::<ClassName>().is_ok(), "{good}");
        }
        for bad in ["", "..", "a/b", "a b", "\u{e4}", "@x", &"a".repeat(65)] {
            assert!(bad.parse::<ClassName>().is_err(), "{bad}");
        }
    }
}
