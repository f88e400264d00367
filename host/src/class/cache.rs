//! Compiled code on disk, so that a start need not compile.
//!
//! A file is found by the component's digest and the engine's fingerprint. It begins with a keyed
//! hash over those and the code; only this store has the key. So a file that is damaged, cut short,
//! or made by somebody else is compiled anew, never executed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::storage::Digest;

const TAG_BYTES: usize = 32;

/// A directory of compiled code.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    fingerprint: u64,
    key: [u8; 32],
}

impl Cache {
    /// The cache in this directory, which is made if it is missing.
    pub fn open(directory: PathBuf, fingerprint: u64, key: [u8; 32]) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        Ok(Self { directory, fingerprint, key })
    }

    /// The code of a component, if it is there and ours.
    pub fn load(&self, digest: &Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let file = match fs::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot read cached code");
                return None;
            }
        };
        let ours = file
            .split_first_chunk::<TAG_BYTES>()
            .is_some_and(|(tag, code)| self.mac(digest, code).verify_slice(tag).is_ok());
        if !ours {
            tracing::warn!(path = %path.display(), "cached code is damaged or foreign: compiling anew");
            return None;
        }
        let mut code = file;
        code.drain(..TAG_BYTES);
        Some(code)
    }

    /// Keeps the code of a component. Readers see the old file or the new one, never a part.
    pub fn store(&self, digest: &Digest, code: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        let partial = path.with_extension(format!("partial-{}", std::process::id()));
        let mut file = Vec::with_capacity(TAG_BYTES + code.len());
        file.extend_from_slice(&self.mac(digest, code).finalize().into_bytes());
        file.extend_from_slice(code);
        fs::write(&partial, file)?;
        fs::rename(&partial, &path)
    }

    /// Forgets the code of a component.
    pub fn remove(&self, digest: &Digest) {
        // It may never have been there.
        _ = fs::remove_file(self.path(digest));
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = format!("{}-{:016x}.code", hex::encode(digest), self.fingerprint);
        Path::new(&self.directory).join(name)
    }

    fn mac(&self, digest: &Digest, code: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(b"abide compiled code");
        mac.update(&self.fingerprint.to_be_bytes());
        mac.update(digest);
        mac.update(code);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: Digest = [7; 32];

    fn cache(directory: &Path, fingerprint: u64, key: u8) -> Cache {
        Cache::open(directory.to_owned(), fingerprint, [key; 32]).unwrap()
    }

    #[test]
    fn code_comes_back_as_it_was_stored() {
        let directory = tempfile::tempdir().unwrap();
        let cache = cache(directory.path(), 1, 1);
        assert_eq!(cache.load(&DIGEST), None);
        cache.store(&DIGEST, b"code").unwrap();
        assert_eq!(cache.load(&DIGEST).as_deref(), Some(&b"code"[..]));
    }

    #[test]
    fn damaged_short_and_foreign_files_are_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let ours = cache(directory.path(), 1, 1);
        ours.store(&DIGEST, b"code").unwrap();
        let path = ours.path(&DIGEST);
        let good = fs::read(&path).unwrap();
        for bad in [&good[..good.len() - 1], &good[..5], b"", &[good.clone(), vec![0]].concat()] {
            fs::write(&path, bad).unwrap();
            assert_eq!(ours.load(&DIGEST), None);
        }
        cache(directory.path(), 1, 2).store(&DIGEST, b"evil").unwrap();
        assert_eq!(ours.load(&DIGEST), None, "made with another key");
        fs::copy(&path, ours.path(&[8; 32])).unwrap();
        assert_eq!(ours.load(&[8; 32]), None, "of another component");
    }
}
