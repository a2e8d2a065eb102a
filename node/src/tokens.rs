//! Tokens for programs: what each may do, and the hash of its secret. The secret is shown once, when it is made.
//!
//! They lie in `keys/tokens`, which only its owner reads. A secret has 256 random bits, so its plain SHA-256 tells
//! nothing of it and needs no slow hash. Source: UI section 8.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use datacoop_policy::Digest;
use datacoop_protocol::log::tree::sha256;
use serde::{Deserialize, Serialize};

use crate::folder::{StoreError, at, read_optional, write_durably};
use crate::home::Home;
use crate::{clock, disk, entropy};

/// Where they lie in a node's folder.
const FILE: &str = "keys/tokens";
/// Locked while they are changed.
const LOCK: &str = "keys/tokens.lock";
const SCHEMA: &str = "datacoop.tokens/1";
/// Before a secret: whoever finds one in a file knows what it is.
const PREFIX: &str = "datacoop_";
/// Digits of a token's id.
const ID_DIGITS: usize = 8;
/// Tokens at a time: a few programs of a few people.
const TOKENS_MAX: usize = 64;
/// Longest name.
const NAME_BYTES_MAX: usize = 64;

/// What a token lets a program do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// See what members see: releases, logs, the charter.
    Read,
    /// See our own exact figures beside releases, and import data files.
    Own,
    /// Ask the members: spends the privacy budget.
    Ask,
    /// Decline questions, and start audits.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Read, Self::Own, Self::Ask, Self::Admin];

    /// As people and files write it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Own => "own",
            Self::Ask => "ask",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|scope| scope.code() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::code).join(", ");
            format!("there is no scope `{}`; there are {known}", text.escape_debug())
        })
    }
}

/// A token as the file has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it is taken back by: the first digits of its hash.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it lets a program do.
    pub scopes: BTreeSet<Scope>,
    /// The day it was made.
    pub made: String,
    /// SHA-256 of its secret.
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    schema: String,
    tokens: Vec<Token>,
}

fn hash(secret: &str) -> String {
    sha256(&[secret.as_bytes()]).to_string()
}

/// The tokens of a node. Errors: the file is no list of tokens, or others can read it; without a word of what it holds
/// or where this computer has it, for they are told to programs too.
pub fn list(home: &Home) -> Result<Vec<Token>, StoreError> {
    let path = home.join(FILE);
    let wrong = |why: String| StoreError::Wrong(format!("`{FILE}` in the node's folder {why}"));
    let unread = |kind: io::ErrorKind| wrong(format!("cannot be read: {kind}"));
    let bytes = read_optional(&path).map_err(|error| match error {
        StoreError::Io(_, error) => unread(error.kind()),
        StoreError::Wrong(_) | StoreError::Locked(_) => unread(io::ErrorKind::Other),
    })?;
    let Some(bytes) = bytes else { return Ok(vec![]) };
    let mode = std::fs::metadata(&path).map_err(|error| unread(error.kind()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(wrong("can be read by others; run there: chmod 600 keys/tokens".into()));
    }
    let is_none = || {
        let remedy = "move it away, and make new tokens with `datacoop token new`";
        wrong(format!("is no list of tokens that this program knows: {remedy}"))
    };
    let listed: Listed = serde_json::from_slice(&bytes).map_err(|_| is_none())?;
    if listed.schema == SCHEMA { Ok(listed.tokens) } else { Err(is_none()) }
}

/// Held by whoever changes the tokens, in this process or another: of two that do so at once the later would forget
/// what the earlier did, and a token that was taken back would open again.
fn lock(home: &Home) -> Result<File, StoreError> {
    let path = home.join(LOCK);
    let options = &mut OpenOptions::new();
    let file = disk::open(&path, options.truncate(false).write(true)).map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}

fn write(home: &Home, tokens: Vec<Token>) -> Result<(), StoreError> {
    let listed = Listed { schema: SCHEMA.to_owned(), tokens };
    let text = serde_json::to_string_pretty(&listed).map_err(|error| StoreError::Wrong(error.to_string()))?;
    write_durably(&home.join(FILE), text.as_bytes())
}

/// Makes a token. Returns it with its secret, which is kept nowhere.
///
/// Errors: no scope, a name too long, or too many tokens.
pub fn make(home: &Home, name: &str, scopes: BTreeSet<Scope>) -> Result<(Token, String), StoreError> {
    let wrong = |why: String| Err(StoreError::Wrong(why));
    if scopes.is_empty() {
        return wrong(
            "a token without a scope lets nobody do anything; give one of --scope read, own, ask, admin"
                .into(),
        );
    }
    if name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
        return wrong(format!("a token's name has at most {NAME_BYTES_MAX} bytes, in one line"));
    }
    let _one_at_a_time = lock(home)?;
    let mut tokens = list(home)?;
    if tokens.len() >= TOKENS_MAX {
        return wrong(format!("there are {TOKENS_MAX} tokens, the most there can be; take one back first"));
    }
    let secret = format!("{PREFIX}{}", Digest(entropy::bytes()));
    let sha256 = hash(&secret);
    let id = sha256.chars().take(ID_DIGITS).collect();
    let made = clock::now().day().to_string();
    let token = Token { id, name: name.to_owned(), scopes, made, sha256 };
    tokens.push(token.clone());
    write(home, tokens)?;
    Ok((token, secret))
}

/// Takes a token back: what it let a program do it lets no more, from the next request on. Whether there was one.
pub fn revoke(home: &Home, id: &str) -> Result<bool, StoreError> {
    let _one_at_a_time = lock(home)?;
    let mut tokens = list(home)?;
    let before = tokens.len();
    tokens.retain(|token| token.id != id);
    let found = tokens.len() < before;
    if found {
        write(home, tokens)?;
    }
    Ok(found)
}

/// The token of a secret. Comparing hashes tells, by its time, nothing of the secret.
pub fn find(home: &Home, secret: &str) -> Result<Option<Token>, StoreError> {
    let wanted = hash(secret);
    Ok(list(home)?.into_iter().find(|token| token.sha256 == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_nowhere_and_opens_until_it_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        let home = Home::new(folder.path());
        assert_eq!(list(&home).unwrap(), []);
        let (token, secret) = make(&home, "reports", BTreeSet::from([Scope::Read, Scope::Ask])).unwrap();
        assert!(secret.starts_with(PREFIX) && secret.len() == PREFIX.len() + 64);
        let text = std::fs::read_to_string(home.join(FILE)).unwrap();
        assert!(!text.contains(secret.strip_prefix(PREFIX).unwrap()), "{text}");
        assert_eq!(std::fs::metadata(home.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(find(&home, &secret).unwrap(), Some(token.clone()));
        assert_eq!(find(&home, &token.sha256).unwrap(), None, "a hash opens nothing");
        assert_eq!(find(&home, "").unwrap(), None);
        assert!(!revoke(&home, "00000000").unwrap() && revoke(&home, &token.id).unwrap());
        assert_eq!(find(&home, &secret).unwrap(), None);
    }

    #[test]
    fn a_file_that_others_read_or_that_is_none_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        let home = Home::new(folder.path());
        assert!(make(&home, "", BTreeSet::new()).is_err());
        assert!(make(&home, "a\nb", BTreeSet::from([Scope::Read])).is_err());
        let (_, secret) = make(&home, "", BTreeSet::from([Scope::Read])).unwrap();
        let file = home.join(FILE);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let said = find(&home, &secret).unwrap_err().to_string();
        assert!(said.contains("chmod 600") && !said.contains(folder.path().to_str().unwrap()), "{said}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, format!("{{\"schema\":\"{secret}\",\"tokens\":[]}}")).unwrap();
        let said = find(&home, &secret).unwrap_err().to_string();
        assert!(said.contains("datacoop token new") && !said.contains(&secret), "{said}");
        assert_eq!("ask".parse::<Scope>(), Ok(Scope::Ask));
        assert!("root".parse::<Scope>().unwrap_err().contains("read, own, ask, admin"));
    }

    #[test]
    fn tokens_that_are_made_at_once_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("keys")).unwrap();
        let made: Vec<String> = std::thread::scope(|scope| {
            let make_one = |_| {
                scope.spawn(|| make(&Home::new(folder.path()), "", BTreeSet::from([Scope::Read])).unwrap().1)
            };
            let all: Vec<_> = (0..8).map(make_one).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let home = Home::new(folder.path());
        assert!(made.iter().all(|secret| find(&home, secret).unwrap().is_some()), "one was forgotten");
    }
}
