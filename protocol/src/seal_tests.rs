//! Known answers, and everything that must not open.
//!
//! Sources. The KEM: `tests/vectors/x-wing.json`, the three vectors of draft-connolly-cfrg-xwing-kem
//! (github.com/dconnolly/draft-connolly-cfrg-xwing-kem, spec/test-vectors.json). Derivation of a key
//! pair: draft-ietf-hpke-pq-03, appendix A.4. No published vector has our three parts together
//! (X-Wing, HKDF-SHA256, ChaCha20-Poly1305; the draft's have AES-128-GCM), so the ciphertexts below were
//! computed from the vectors' shared secrets by a separate program: the key schedule of RFC 9180
//! section 5.1 written out with Python's hmac, and the AEAD of its `cryptography` 48.0.0 (OpenSSL).

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;

use super::*;

/// What `sealed_as_published` seals: info, aad, plain text.
const WORDS: [&[u8]; 3] = [b"datacoop/share/1 known answer", b"nonce and digests", b"a share"];
/// Its ciphertexts, one a vector.
const TEXTS: [&str; 3] = [
    "16def055b63501ee238c73f57776bf1f0d52e58ddaf75f",
    "9316a2cc76f97d686471aba447c81034ab85892c01e329",
    "c78e64e890eab4293335aec16c16fb9a43b1aafb6ef27b",
];

#[derive(Deserialize)]
struct Vector {
    seed: String,
    eseed: String,
    sk: String,
    pk: String,
    ct: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../tests/vectors/x-wing.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2));
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Gives the bytes of a vector, once and in order.
struct Given(Vec<u8>);

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("an encapsulation asks for bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("an encapsulation asks for bytes")
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(to.len());
        to.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Given {}

fn private(bytes: &[u8]) -> RoundKey {
    RoundKey(<XWing as hpke::Kem>::PrivateKey::from_bytes(bytes).unwrap())
}

#[test]
fn the_drafts_keys_encapsulations_and_shared_secrets_are_ours() {
    let [info, aad, plain] = WORDS;
    let vectors = vectors();
    assert_eq!(vectors.len(), TEXTS.len());
    for (vector, text) in vectors.iter().zip(TEXTS) {
        assert_eq!(vector.seed, vector.sk, "X-Wing: the decapsulation key is the seed");
        let key = private(&bytes(&vector.sk));
        let public = XWing::sk_to_pk(&key.0).to_bytes().to_vec();
        assert_eq!(public, bytes(&vector.pk));

        let mut given = Given(bytes(&vector.eseed));
        let sealed = seal_with(&public, info, aad, plain, &mut given).unwrap();
        assert_eq!(given.0.len(), 0, "all 64 bytes are used");
        let (enc, sealed_text) = sealed.split_at(ENCAPSULATION_BYTES);
        assert_eq!(enc, bytes(&vector.ct));
        assert_eq!(sealed_text, bytes(text), "HPKE's key schedule and AEAD over the draft's shared secret");
        assert_eq!(
            open(&key, info, aad, &[bytes(&vector.ct), bytes(text)].concat()).unwrap().as_slice(),
            plain
        );
    }
}

#[test]
fn a_seed_gives_the_key_pair_of_the_hpke_draft() {
    let seed = bytes("40b788ef18afdd04b04c3c0097298981d17000fbde80f26410af13972c2392a6");
    let (key, public) = round_keypair(&seed.try_into().unwrap());
    assert_eq!(
        key.0.to_bytes().to_vec(),
        bytes("d61fe5a7623cb620e8abfba744d8397c16ba339b6e6d536750f986eb7da0af0a")
    );
    assert!(public.starts_with(&bytes("dbca2aaf9b531844221bf5b4c3a2a50c557a5ea82686544e8ab211bf12ae3e91")));
    assert!(public.ends_with(&bytes("fdd5a19f5970fceefe08bc7f6dff9feb9fecf8d580afc5a7881b653c9823ac1f")));
}

#[test]
fn what_is_sealed_opens_with_the_same_words_only() {
    let (key, public) = round_keypair(&[1; 32]);
    assert_eq!(public.len(), PUBLIC_KEY_BYTES);
    let once = Seed::new([2; 32]);
    let sealed = seal(&public, b"info", b"aad", b"share", &once).unwrap();
    assert_eq!(sealed.len(), OVERHEAD_BYTES + 5);
    assert_eq!(sealed, seal(&public, b"info", b"aad", b"share", &once).unwrap(), "a seed replays");
    assert_eq!(open(&key, b"info", b"aad", &sealed).unwrap().as_slice(), b"share");
    assert!(open(&key, b"other", b"aad", &sealed).is_err());
    assert!(open(&key, b"info", b"other", &sealed).is_err());
    assert!(open(&round_keypair(&[9; 32]).0, b"info", b"aad", &sealed).is_err());
    assert!(seal(&public[1..], b"", b"", b"", &once).is_err());
}

#[test]
fn every_flipped_byte_and_every_length_but_the_right_one_is_refused() {
    let (key, public) = round_keypair(&[1; 32]);
    let sealed = seal(&public, b"info", b"aad", b"share", &Seed::new([2; 32])).unwrap();
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(open(&key, b"info", b"aad", &bad).is_err(), "byte {at}");
    }
    // ML-KEM rejects implicitly: a short text must not reach it as a shorter encapsulation.
    for cut in (0..sealed.len()).step_by(7).chain(ENCAPSULATION_BYTES - 1..sealed.len()) {
        assert!(open(&key, b"info", b"aad", &sealed[..cut]).is_err(), "cut to {cut}");
        assert!(open(&key, b"info", b"aad", &sealed[sealed.len() - cut..]).is_err(), "its last {cut}");
    }
    assert!(open(&key, b"info", b"aad", &[sealed.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn an_encapsulation_of_another_member_round_or_seat_opens_nothing() {
    let (key, public) = round_keypair(&[1; 32]);
    let (other_key, other_public) = round_keypair(&[3; 32]);
    // Members, rounds and seats differ in info; seats and rounds in the key too; texts in `once`.
    let cases: [(&str, &[u8], &[u8], u8); 4] = [
        ("another member's", &public, b"member 2, seat 0", 3),
        ("another round's or seat's key", &other_public, b"member 1, seat 0", 4),
        ("another seat's", &public, b"member 1, seat 1", 5),
        ("the same words again", &public, b"member 1, seat 0", 6),
    ];
    let mine = seal(&public, b"member 1, seat 0", b"aad", b"share", &Seed::new([2; 32])).unwrap();
    let (enc, text) = mine.split_at(ENCAPSULATION_BYTES);
    for (what, to, info, once) in cases {
        let theirs = seal(to, info, b"aad", b"theirs", &Seed::new([once; 32])).unwrap();
        let (their_enc, their_text) = theirs.split_at(ENCAPSULATION_BYTES);
        let swaps = [[their_enc, text].concat(), [enc, their_text].concat()];
        // Whole, it opens for the key it was sealed to, under its own words: only the last has ours.
        for sealed in swaps.iter().chain((info != b"member 1, seat 0" || to != public).then_some(&theirs)) {
            for (key, words) in [(&key, b"member 1, seat 0".as_slice()), (&other_key, b"member 2, seat 0")] {
                assert!(open(key, words, b"aad", sealed).is_err(), "{what}");
            }
        }
    }
}
