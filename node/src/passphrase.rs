//! The passphrase of a node's pages: kept as an Argon2id hash that only its owner reads. It keeps others at
//! this computer out of the pages; it encrypts nothing. Alone imports argon2.
//!
//! Source: RFC 9106; the OWASP Password Storage Cheat Sheet for the parameters.

use std::path::PathBuf;

use argon2::{Algorithm, Argon2, Params, Version};
use datacoop_policy::Digest;
use zeroize::Zeroizing;

use crate::entropy;
use crate::error::CommandError;
use crate::folder::{StoreError, read_optional, sync_dir, write_durably};
use crate::home::Home;

/// Fewest characters: three or four common words.
pub const PASSPHRASE_CHARS_MIN: usize = 12;
/// Longest passphrase that is hashed: a page of text is none.
pub const PASSPHRASE_BYTES_MAX: usize = 512;
/// Memory that a guess takes, in KiB.
const MEMORY_KIB: u32 = 19 * 1024;
/// Passes over it.
const PASSES: u32 = 2;
const HASH_BYTES: usize = 32;
const HEADER: &str = "datacoop/passphrase/v1";

fn path(home: &Home) -> PathBuf {
    home.join("keys/passphrase")
}

/// Whether the pages ask for one.
pub fn is_set(home: &Home) -> bool {
    path(home).exists()
}

fn hash(passphrase: &str, salt: &Digest) -> Digest {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(HASH_BYTES))
        .expect("INVARIANT: the parameters are within the algorithm's bounds");
    let mut out = [0; HASH_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.trim().as_bytes(), &salt.0, &mut out)
        .expect("INVARIANT: passphrase, salt and hash are within the algorithm's bounds");
    Digest(out)
}

/// Sets or changes the passphrase, durably.
///
/// Errors: it is too short or too long; the disk says no.
pub fn set(home: &Home, passphrase: &str) -> Result<(), CommandError> {
    let chars = passphrase.trim().chars().count();
    if chars < PASSPHRASE_CHARS_MIN {
        let text = format!("a passphrase has at least {PASSPHRASE_CHARS_MIN} characters; this has {chars}");
        return Err(CommandError::usage(text).hint("take four words that nobody would put together"));
    }
    if passphrase.len() > PASSPHRASE_BYTES_MAX {
        let text = format!("a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes");
        return Err(CommandError::usage(text));
    }
    let salt = Digest(entropy::bytes());
    let text = Zeroizing::new(format!("{HEADER}\n{salt}\n{}\n", hash(passphrase, &salt)));
    let path = path(home);
    write_durably(&path, text.as_bytes()).map_err(|error| CommandError::failed(error.to_string()))
}

/// Whether this is the passphrase. Takes a while, by design.
///
/// Errors: what is kept of it does not read.
pub fn matches(home: &Home, passphrase: &str) -> Result<bool, StoreError> {
    let path = path(home);
    let wrong = || {
        StoreError::Wrong(format!(
            "{} is no passphrase of ours; reset it: datacoop init --reset-passphrase",
            path.display()
        ))
    };
    let bytes = read_optional(&path)?.ok_or_else(wrong)?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let mut lines = text.lines();
    let (Some(HEADER), Some(salt), Some(kept)) = (lines.next(), lines.next(), lines.next()) else {
        return Err(wrong());
    };
    let (Ok(salt), Ok(kept)) = (salt.parse::<Digest>(), kept.parse::<Digest>()) else { return Err(wrong()) };
    if passphrase.len() > PASSPHRASE_BYTES_MAX {
        return Ok(false);
    }
    let given = hash(passphrase, &salt);
    Ok(given.0.iter().zip(&kept.0).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0)
}

/// Forgets it: whoever can do this can read the folder anyway.
pub fn reset(home: &Home) -> Result<(), StoreError> {
    let path = path(home);
    match crate::disk::remove(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::Io(path, error)),
        Ok(()) | Err(_) => sync_dir(&home.join("keys")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_the_passphrase_matches_and_only_its_owner_reads_what_is_kept_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        std::fs::create_dir(home.join("keys")).unwrap();
        assert!(!is_set(&home) && matches(&home, "anything at all").is_err());
        for bad in ["", "short", "           x", &"x".repeat(PASSPHRASE_BYTES_MAX + 1)] {
            assert!(set(&home, bad).is_err() && !is_set(&home), "{bad}");
        }
        set(&home, " wet paper orange bus ").unwrap();
        let kept = std::fs::read_to_string(path(&home)).unwrap();
        assert!(!kept.contains("wet") && !kept.contains("orange"));
        assert_eq!(std::fs::metadata(path(&home)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches(&home, "wet paper orange bus").unwrap());
        for other in ["", "wet paper orange bus.", "Wet paper orange bus", "wet  paper orange bus"] {
            assert!(!matches(&home, other).unwrap(), "{other}");
        }
        set(&home, "another four words").unwrap();
        assert!(!matches(&home, "wet paper orange bus").unwrap());
        reset(&home).unwrap();
        reset(&home).unwrap();
        assert!(!is_set(&home));
        std::fs::write(path(&home), "rubbish").unwrap();
        assert!(matches(&home, "another four words").is_err());
    }

    #[test]
    fn two_salts_give_two_hashes() {
        let (a, b) = (Digest([1; 32]), Digest([2; 32]));
        assert_ne!(hash("wet paper orange bus", &a), hash("wet paper orange bus", &b));
        assert_eq!(hash("wet paper orange bus", &a), hash(" wet paper orange bus\n", &a));
    }
}
