//! Signatures that a lenient verifier would take, and signatures of one kind shown as another.
//!
//! Sources. RFC 8032 section 5.1.7 (S below L, R and A decoded canonically); Chalkias, Garillot &
//! Nikolaenko 2020, "Taming the many EdDSAs" (eprint 2020/1244): small-order A and R; C2SP tlog-cosignature.
//! What would make it fail: `verify` in place of `verify_strict`, a key of small order admitted, a key id
//! that leaves out the kind, one key for two jobs.

use std::collections::BTreeSet;

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::{EdwardsPoint, Scalar};
use datacoop_policy::charter::{Member, Role};
use ed25519_dalek::Verifier as _;
use sha2::{Digest as _, Sha512};

use super::*;
use crate::charter_text::{open_card, write_card};
use crate::keys::Keys;

/// The group's order L = 2^252 + 27742317777372353535851937790883648493, little-endian.
const ORDER: [u8; 32] = {
    let mut bytes = [0; 32];
    let low = 27_742_317_777_372_353_535_851_937_790_883_648_493_u128.to_le_bytes();
    let mut at = 0;
    while at < 16 {
        bytes[at] = low[at];
        at += 1;
    }
    bytes[31] = 0x10;
    bytes
};
/// y = p + 1: the identity, written in a way that is not its own.
const IDENTITY_NOT_CANONICAL: [u8; 32] = {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xee;
    bytes[31] = 0x7f;
    bytes
};
const TEXT: &str = "a text\n";

fn signer() -> (SigningKey, NamedKey) {
    let signing = SigningKey::from_bytes(&[7; 32]);
    let key = signing.verifying_key().to_bytes();
    (signing, NamedKey { name: "a.example/datacoop/1".into(), key })
}

/// A note whose only signature is these bytes.
fn note_signed(text: &str, key: &NamedKey, kind: u8, signature: &[u8]) -> String {
    let line = [key_id(&key.name, kind, &key.key).as_slice(), signature].concat();
    format!("{text}\n{DASH}{} {}\n", key.name, STANDARD.encode(line))
}

fn refused(key: &NamedKey, signature: &[u8]) -> bool {
    let note = note_signed(TEXT, key, KIND_ED25519, signature);
    open_note(&note, std::slice::from_ref(key))
        == fail(format!("the signature of `{}` does not fit the text", key.name))
}

/// A lenient verifier, for the tests of the tests: S B = R + h A, with R as its bytes are.
fn lenient(key: &NamedKey, signature: &[u8; 64]) -> bool {
    let key = VerifyingKey::from_bytes(&key.key).unwrap();
    key.verify(TEXT.as_bytes(), &Signature::from_bytes(signature)).is_ok()
}

fn challenge(r: &[u8; 32], key: &[u8; 32]) -> Scalar {
    Scalar::from_bytes_mod_order_wide(
        &Sha512::new().chain_update(r).chain_update(key).chain_update(TEXT).finalize().into(),
    )
}

fn joined(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    [r, s].concat().try_into().unwrap()
}

#[test]
fn a_signature_with_the_groups_order_added_to_s_is_refused() {
    let (signing, key) = signer();
    let good = signing.sign(TEXT.as_bytes()).to_bytes();
    assert!(!refused(&key, &good));
    let (mut bad, mut carry) = (good, 0_u16);
    for (at, byte) in ORDER.iter().enumerate() {
        let sum = u16::from(bad[32 + at]) + u16::from(*byte) + carry;
        bad[32 + at] = (sum & 0xff) as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "S + L fits 32 bytes");
    let s = |signature: &[u8; 64]| Scalar::from_bytes_mod_order(signature[32..].try_into().unwrap());
    assert_eq!(s(&good), s(&bad), "the same number modulo L");
    assert!(refused(&key, &bad));
}

#[test]
fn a_key_of_small_order_is_no_key_and_signs_nothing() {
    for point in EIGHT_TORSION {
        let key = NamedKey { name: "a.example/datacoop/1".into(), key: point.compress().to_bytes() };
        assert!(parse_vkey(&vkey(&key, KIND_ED25519), KIND_ED25519).is_err(), "{point:?}");
        // R = -h A and S = 0: the equation holds, for any text whose h fits R. One of eight tries does.
        let mut tried = 0;
        for r in EIGHT_TORSION {
            let signature = joined(r.compress().to_bytes(), [0; 32]);
            tried += u8::from(lenient(&key, &signature));
            assert!(refused(&key, &signature), "{point:?}");
        }
        assert!(tried > 0 || point != EIGHT_TORSION[0], "a lenient verifier takes the identity's");
    }
    let other_form = NamedKey { name: "a.example/datacoop/1".into(), key: IDENTITY_NOT_CANONICAL };
    assert!(parse_vkey(&vkey(&other_form, KIND_ED25519), KIND_ED25519).is_err());
}

#[test]
fn a_small_r_and_an_r_that_is_not_canonical_are_refused() {
    let (signing, key) = signer();
    let secret = signing.to_scalar();
    let identity = EdwardsPoint::default().compress().to_bytes();
    for (r, lenient_takes_it) in [(identity, true), (IDENTITY_NOT_CANONICAL, false)] {
        // S = h a, so that S B = h A = R + h A as R is the identity.
        let signature = joined(r, (challenge(&r, &key.key) * secret).to_bytes());
        assert_eq!(lenient(&key, &signature), lenient_takes_it);
        assert!(refused(&key, &signature));
    }
    let s = challenge(&IDENTITY_NOT_CANONICAL, &key.key) * secret;
    let point = curve25519_dalek::edwards::CompressedEdwardsY(IDENTITY_NOT_CANONICAL).decompress().unwrap();
    let public = curve25519_dalek::edwards::CompressedEdwardsY(key.key).decompress().unwrap();
    let equation =
        EdwardsPoint::mul_base(&s) == point + public * challenge(&IDENTITY_NOT_CANONICAL, &key.key);
    assert!(equation, "a verifier that decodes R in any form would take it");
}

fn head(keys: &Keys) -> Checkpoint {
    Checkpoint { origin: keys.public().log.name.clone(), size: 3, root: sha256(&[b"root"]) }
}

fn member(keys: &Keys) -> Member {
    Member {
        id: "GB-EDU-1".parse().unwrap(),
        name: "School 1".into(),
        body: "Trust 1".into(),
        roles: BTreeSet::from([Role::Voting]),
        keys: keys.public().clone(),
        addresses: vec![],
        witnesses: vec![],
        people_min: 1,
        people_max: 100,
        sponsors: vec![],
        goes_on_from: None,
        notice: None,
        dormant: false,
    }
}

/// Why a note is no checkpoint of this member's log.
fn no_checkpoint(keys: &Keys, note: &str) -> String {
    let log = &keys.public().log;
    open_checkpoint(note, &log.name, &log.key).unwrap_err().0
}

#[test]
fn a_card_or_charter_signature_is_no_checkpoint() {
    let keys = Keys::from_seed([3; 32], "a.example", 1);
    let public = keys.public();
    let text = head(&keys).text();
    assert!(
        open_checkpoint(&sign_note(&text, &public.log.name, keys.log()), &public.log.name, &public.log.key)
            .is_ok()
    );
    // The right text under the charter key: its own name and id, the log key's name, the log key's id.
    let by_charter = sign_note(&text, &public.charter.name, keys.charter());
    assert_eq!(no_checkpoint(&keys, &by_charter), "no known key signed it");
    assert_eq!(
        no_checkpoint(&keys, &sign_note(&text, &public.log.name, keys.charter())),
        "no known key signed it"
    );
    let signature = keys.charter().sign(text.as_bytes()).to_bytes();
    let forged = note_signed(&text, &public.log, KIND_ED25519, &signature);
    assert!(no_checkpoint(&keys, &forged).contains("does not fit the text"));
    // A real card, as it is, and as if its key were the log's.
    let card = write_card(&member(&keys), &keys);
    assert!(open_card(&card).is_ok());
    assert_eq!(no_checkpoint(&keys, &card), "no known key signed it");
    let as_log = open_checkpoint(&card, &public.charter.name, &public.charter.key).unwrap_err();
    assert!(as_log.0.starts_with("not a checkpoint"), "{as_log}");
    // And a checkpoint is no card.
    assert!(open_card(&sign_checkpoint(&head(&keys), keys.log())).is_err());
    assert!(open_card(&by_charter).is_err());
}

#[test]
fn a_cosignature_is_no_log_signature() {
    let keys = Keys::from_seed([3; 32], "a.example", 1);
    let (log, witness) = (&keys.public().log, &keys.public().witness);
    let text = head(&keys).text();
    // C2SP tlog-cosignature: the signed message begins with its own line and the time.
    let time = 1_764_000_000_u64;
    let message = format!("cosignature/v1\ntime {time}\n{text}");
    let by =
        |key: &SigningKey| [time.to_be_bytes().as_slice(), &key.sign(message.as_bytes()).to_bytes()].concat();
    for (key, stamped) in [(witness, by(keys.witness())), (log, by(keys.log()))] {
        // As what it is: another kind, so another id.
        let note = note_signed(&text, key, KIND_COSIGNATURE, &stamped);
        assert_eq!(no_checkpoint(&keys, &note), "no known key signed it");
        // Under the log key's id: of another length, and without its time a signature of another text.
        let note = note_signed(&text, log, KIND_ED25519, &stamped);
        assert!(no_checkpoint(&keys, &note).contains("another length"));
        let note = note_signed(&text, log, KIND_ED25519, &stamped[8..]);
        assert!(no_checkpoint(&keys, &note).contains("does not fit the text"));
    }
    // A whole note over the cosigned message is no checkpoint either: it has two lines too many.
    let whole = sign_note(&message, &log.name, keys.log());
    assert!(no_checkpoint(&keys, &whole).starts_with("not a checkpoint"));
    assert!(parse_vkey(&vkey(witness, KIND_COSIGNATURE), KIND_ED25519).is_err());
}
