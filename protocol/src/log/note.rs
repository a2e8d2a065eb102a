//! C2SP signed notes, verifier keys and checkpoints. Source: c2sp.org/signed-note, tlog-checkpoint.
//!
//! Stricter than C2SP: no extension lines in checkpoints, canonical base64 only, the origin is the
//! key's name, Ed25519 only, always `verify_strict`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::Digest;
use datacoop_policy::charter::NamedKey;
use datacoop_policy::query::ROSTER_MAX;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use super::tree::sha256;

/// Largest note: a charter's text with all its signatures.
pub const NOTE_BYTES_MAX: usize = 512 * 1024;
/// Most signature lines: a charter is signed by members of it and of the version before.
pub const SIGNATURES_MAX: usize = 2 * ROSTER_MAX;
/// A key's kind: plain Ed25519.
pub const KIND_ED25519: u8 = 0x01;
/// A key's kind: cosignatures with a time.
pub const KIND_COSIGNATURE: u8 = 0x04;
/// The em dash that begins a signature line.
pub(crate) const DASH: &str = "\u{2014} ";

/// Why a note is not one, or not signed as it must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoteError(pub String);

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn fail<T>(text: impl Into<String>) -> Result<T, NoteError> {
    Err(NoteError(text.into()))
}

/// The first four bytes of SHA-256(name, LF, kind, key).
pub(super) fn key_id(name: &str, kind: u8, key: &[u8; 32]) -> [u8; 4] {
    let hash = sha256(&[name.as_bytes(), b"\n", &[kind], key]).0;
    [hash[0], hash[1], hash[2], hash[3]]
}

/// Whether a key name is one: not empty, no white space, no `+`, no control character.
pub fn is_key_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

/// A verifier key as text: `name+hex id+base64(kind, key)`.
pub fn vkey(key: &NamedKey, kind: u8) -> String {
    let id = key_id(&key.name, kind, &key.key);
    let hex: String = id.iter().map(|b| format!("{b:02x}")).collect();
    let mut bytes = vec![kind];
    bytes.extend(key.key);
    format!("{}+{hex}+{}", key.name, STANDARD.encode(bytes))
}

/// Reads a verifier key of the given kind (1 plain, 4 cosignature). Errors: another form or kind, a
/// wrong id, or no point of the curve.
pub fn parse_vkey(text: &str, kind: u8) -> Result<NamedKey, NoteError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return fail(format!("`{}` is not a verifier key: name+id+key", text.escape_debug()));
    };
    let bytes =
        STANDARD.decode(encoded).map_err(|_| NoteError(format!("the key of `{name}` is not base64")))?;
    let Some((found, key)) = bytes.split_first().and_then(|(kind, key)| Some((*kind, key.try_into().ok()?)))
    else {
        return fail(format!("the key of `{name}` has another length"));
    };
    let made = NamedKey { name: name.to_owned(), key };
    if found != kind || !is_key_name(name) || vkey(&made, kind) != text {
        return fail(format!("the key of `{name}` is of another kind, or its id is wrong"));
    }
    if VerifyingKey::from_bytes(&made.key).map_or(true, |point| point.is_weak()) {
        return fail(format!("the key of `{name}` is no Ed25519 key"));
    }
    Ok(made)
}

/// A signature line for a text (which ends in LF), with its LF.
pub fn signature_line(text: &str, name: &str, key: &SigningKey) -> String {
    let mut bytes = key_id(name, KIND_ED25519, &key.verifying_key().to_bytes()).to_vec();
    bytes.extend(key.sign(text.as_bytes()).to_bytes());
    format!("{DASH}{name} {}\n", STANDARD.encode(bytes))
}

/// A text with one signature.
pub fn sign_note(text: &str, name: &str, key: &SigningKey) -> String {
    format!("{text}\n{}", signature_line(text, name, key))
}

/// A note taken apart: its text with the final LF, and its signature lines.
pub fn split_note(note: &str) -> Result<(&str, Vec<&str>), NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return fail(format!("a note of {} bytes; at most {NOTE_BYTES_MAX}", note.len()));
    }
    if note.chars().any(|c| c.is_control() && c != '\n') {
        return fail("a note has no control character but line feeds");
    }
    let Some(at) = note.rfind("\n\n") else { return fail("a note has a blank line before its signatures") };
    let (text, tail) = (&note[..=at], &note[at + 2..]);
    let Some(tail) = tail.strip_suffix('\n') else { return fail("a note ends with a line feed") };
    let lines: Vec<&str> = tail.split('\n').collect();
    if lines.len() > SIGNATURES_MAX {
        return fail(format!("{} signatures; at most {SIGNATURES_MAX}", lines.len()));
    }
    Ok((text, lines))
}

/// Opens a note: its text and which of the keys signed it, sorted.
///
/// Errors: not a note, a known key's signature fails, or no known key signed. Lines of unknown keys
/// are ignored.
pub fn open_note<'a>(note: &'a str, keys: &[NamedKey]) -> Result<(&'a str, Vec<usize>), NoteError> {
    let (text, lines) = split_note(note)?;
    let mut signed = vec![];
    for line in lines {
        let (name, id, signature) = parse_signature(line)?;
        let known =
            keys.iter().position(|key| key.name == name && key_id(name, KIND_ED25519, &key.key) == id);
        let Some(index) = known else { continue };
        let key =
            VerifyingKey::from_bytes(&keys[index].key).map_err(|_| NoteError("a key is no key".into()))?;
        let Ok(signature) = signature.try_into().map(|bytes: [u8; 64]| Signature::from_bytes(&bytes)) else {
            return fail(format!("the signature of `{name}` has another length"));
        };
        if key.verify_strict(text.as_bytes(), &signature).is_err() {
            return fail(format!("the signature of `{name}` does not fit the text"));
        }
        if !signed.contains(&index) {
            signed.push(index);
        }
    }
    signed.sort_unstable();
    if signed.is_empty() { fail("no known key signed it") } else { Ok((text, signed)) }
}

pub(super) fn parse_signature(line: &str) -> Result<(&str, [u8; 4], Vec<u8>), NoteError> {
    let parsed = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' '));
    let Some((name, encoded)) = parsed.filter(|(name, _)| is_key_name(name)) else {
        return fail("a signature line is a dash, a key name and base64");
    };
    let bytes = STANDARD.decode(encoded).map_err(|_| NoteError("a signature is not base64".into()))?;
    let Some((id, signature)) = bytes.split_first_chunk::<4>().filter(|(_, signature)| !signature.is_empty())
    else {
        return fail("a signature is too short");
    };
    Ok((name, *id, signature.to_vec()))
}

/// A head with its log's own line alone: the first that holds. A text in which none does stays as it is.
pub fn bare_note(note: &str, origin: &str, key: &[u8; 32]) -> String {
    let Ok((text, lines)) = split_note(note) else { return note.to_owned() };
    let alone = lines.into_iter().map(|line| format!("{text}\n{line}\n"));
    let mut signed = alone.filter(|alone| open_checkpoint(alone, origin, key).is_ok());
    signed.next().unwrap_or_else(|| note.to_owned())
}

/// A log's head: what a checkpoint says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// Its entries.
    pub size: u64,
    /// Root of its tree.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0))
    }

    /// Reads `text`, in its only form.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let parsed = origin.zip(size).zip(root).and_then(|((origin, size), root)| {
            let root: [u8; 32] = STANDARD.decode(root).ok()?.try_into().ok()?;
            Some(Self { origin: origin.to_owned(), size: size.parse().ok()?, root: Digest(root) })
        });
        match parsed {
            Some(checkpoint) if checkpoint.text() == text => Ok(checkpoint),
            _ => fail("not a checkpoint: origin, size and root, one a line"),
        }
    }
}

/// Signs a log's head.
pub fn sign_checkpoint(checkpoint: &Checkpoint, key: &SigningKey) -> String {
    sign_note(&checkpoint.text(), &checkpoint.origin, key)
}

/// Opens a checkpoint that the log's own key signed.
pub fn open_checkpoint(note: &str, origin: &str, key: &[u8; 32]) -> Result<Checkpoint, NoteError> {
    let named = NamedKey { name: origin.to_owned(), key: *key };
    let (text, _) = open_note(note, std::slice::from_ref(&named))?;
    let checkpoint = Checkpoint::parse(text)?;
    if checkpoint.origin != origin {
        return fail(format!("a checkpoint of `{}`, not of `{origin}`", checkpoint.origin.escape_debug()));
    }
    Ok(checkpoint)
}

#[cfg(test)]
#[path = "strict_tests.rs"]
mod strict_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tree::empty_root;

    fn key(seed: u8) -> (SigningKey, NamedKey) {
        let signing = SigningKey::from_bytes(&[seed; 32]);
        let named =
            NamedKey { name: format!("k{seed}.example/log/1"), key: signing.verifying_key().to_bytes() };
        (signing, named)
    }

    #[test]
    fn a_signed_note_opens_and_a_changed_one_does_not() {
        let (signing, named) = key(1);
        let note = sign_note("hello\n\nworld\n", &named.name, &signing);
        assert_eq!(open_note(&note, &[key(2).1, named.clone()]), Ok(("hello\n\nworld\n", vec![1])));
        for i in 0..note.len() {
            let mut bytes = note.clone().into_bytes();
            bytes[i] ^= 1;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            assert!(open_note(&text, std::slice::from_ref(&named)).is_err(), "byte {i}");
        }
    }

    #[test]
    fn of_a_head_one_line_that_holds_is_left() {
        let (signing, named) = key(1);
        let head = Checkpoint { origin: named.name.clone(), size: 0, root: empty_root() };
        let alone = sign_checkpoint(&head, &signing);
        let line = alone.lines().last().unwrap();
        let other = signature_line(&head.text(), &named.name, &key(2).0);
        let doubled = format!("{}\n{other}{line}\n{line}\n", head.text());
        assert_eq!(bare_note(&doubled, &named.name, &named.key), alone);
        assert_eq!(bare_note("no note", &named.name, &named.key), "no note");
    }

    #[test]
    fn unknown_keys_are_ignored_but_one_known_is_needed() {
        let ((one, name1), (two, name2)) = (key(1), key(2));
        let text = "x\n";
        let note = format!(
            "{text}\n{}{}",
            signature_line(text, &name1.name, &one),
            signature_line(text, &name2.name, &two)
        );
        assert_eq!(open_note(&note, std::slice::from_ref(&name2)).map(|(_, s)| s), Ok(vec![0]));
        assert!(open_note(&note, &[key(3).1]).is_err());
        let forged = format!(
            "{text}\n{}{}",
            signature_line("y\n", &name1.name, &one),
            signature_line(text, &name2.name, &two)
        );
        assert!(open_note(&forged, &[name1, name2]).is_err(), "a known key that fails rejects the note");
    }

    #[test]
    fn a_verifier_key_reads_back_and_every_other_form_is_refused() {
        let (_, named) = key(1);
        let text = vkey(&named, 1);
        assert_eq!(parse_vkey(&text, 1), Ok(named.clone()));
        assert!(parse_vkey(&text, 4).is_err());
        assert!(parse_vkey(&text.replace("+", " "), 1).is_err());
        assert!(parse_vkey(&format!("{text}="), 1).is_err());
        let other = vkey(&NamedKey { name: "other".into(), ..named }, 1);
        let mixed = format!("k1.example/log/1{}", &other[5..]);
        assert!(parse_vkey(&mixed, 1).is_err(), "an id of another name");
    }

    #[test]
    fn a_checkpoint_has_one_form() {
        let (signing, named) = key(1);
        let checkpoint = Checkpoint { origin: named.name.clone(), size: 0, root: empty_root() };
        let note = sign_checkpoint(&checkpoint, &signing);
        assert_eq!(open_checkpoint(&note, &named.name, &named.key), Ok(checkpoint.clone()));
        assert!(open_checkpoint(&note, "other.example/log/1", &named.key).is_err());
        for text in [
            checkpoint.text().replace("\n0\n", "\n00\n"),
            checkpoint.text() + "extension\n",
            checkpoint.text().replace("\n0\n", "\n+1\n"),
            String::new(),
        ] {
            assert!(Checkpoint::parse(&text).is_err(), "{text}");
            let note = sign_note(&text, &named.name, &signing);
            assert!(open_checkpoint(&note, &named.name, &named.key).is_err());
        }
    }
}
