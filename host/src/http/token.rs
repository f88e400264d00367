//! The token of the control API.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The file in the data directory that holds a generated token.
pub const FILE: &str = "control-token";

/// The token, as its hash.
#[derive(Clone)]
pub struct Token {
    hash: [u8; 32],
}

impl Token {
    /// This token.
    pub fn new(token: &str) -> Self {
        Self { hash: Sha256::digest(token).into() }
    }

    /// Whether a request's `authorization` field carries the token. Takes the same time for every
    /// wrong one: hashes are compared, and to their end.
    pub fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let Some((scheme, token)) = authorization.and_then(|value| value.split_first_chunk::<7>())
        else {
            return false;
        };
        let hash: [u8; 32] = Sha256::digest(token.trim_ascii()).into();
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(hash.ct_eq(&self.hash))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(secret)")
    }
}

/// The token that is kept in the data directory; made at the first start, readable by the owner
/// only.
pub fn kept(directory: &Path) -> io::Result<String> {
    let path = directory.join(FILE);
    match fs::read_to_string(&path) {
        Ok(token) if !token.trim().is_empty() => return Ok(token.trim().to_owned()),
        Ok(_) => fs::remove_file(&path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => (),
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let token = hex::encode(bytes);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_token_is_admitted() {
        let token = Token::new("secret");
        assert!(token.admits(Some(b"Bearer secret")));
        assert!(token.admits(Some(b"bearer secret")));
        for wrong in [&b"Bearer secre"[..], b"Bearer secret2", b"Basic secret", b"secret", b""] {
            assert!(!token.admits(Some(wrong)));
        }
        assert!(!token.admits(None));
    }

    #[test]
    fn a_generated_token_is_kept_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let token = kept(directory.path()).unwrap();
        assert_eq!(token.len(), 48);
        assert_eq!(kept(directory.path()).unwrap(), token);
        let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
