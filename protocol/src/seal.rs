//! Sealing: HPKE (RFC 9180) in base mode with X-Wing (X25519 and ML-KEM-768), HKDF-SHA256,
//! ChaCha20-Poly1305. Knows not what it seals. Alone imports hpke.

use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

use crate::seed::Seed;

/// Length of an X-Wing public key.
pub const PUBLIC_KEY_BYTES: usize = 1_216;
/// Length of an encapsulation, which a sealed text begins with.
pub const ENCAPSULATION_BYTES: usize = 1_120;

/// A private X-Wing key.
pub struct RoundKey(<XWing as hpke::Kem>::PrivateKey);

impl fmt::Debug for RoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoundKey")
    }
}

/// It does not seal or open: a wrong key, info, aad or text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SealError;

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not seal or open")
    }
}

/// The key pair of a 32-byte seed (HPKE `DeriveKeyPair`).
pub fn round_keypair(seed: &[u8; 32]) -> (RoundKey, Vec<u8>) {
    let (private, public) = XWing::derive_keypair(seed);
    (RoundKey(private), public.to_bytes().to_vec())
}

/// Seals `plain` to a public key: encapsulation, then ciphertext. `once` is used for this text alone.
pub fn seal(public: &[u8], info: &[u8], aad: &[u8], plain: &[u8], once: &Seed) -> Result<Vec<u8>, SealError> {
    let public = <XWing as hpke::Kem>::PublicKey::from_bytes(public).map_err(|_| SealError)?;
    let mut rng = once.stream("hpke");
    let (enc, text) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public,
        info,
        plain,
        aad,
        &mut rng,
    )
    .map_err(|_| SealError)?;
    let mut sealed = enc.to_bytes().to_vec();
    sealed.extend(text);
    Ok(sealed)
}

/// Opens what `seal` made for this key, info and aad.
pub fn open(key: &RoundKey, info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (enc, text) = sealed.split_at_checked(ENCAPSULATION_BYTES).ok_or(SealError)?;
    let enc = <XWing as hpke::Kem>::EncappedKey::from_bytes(enc).map_err(|_| SealError)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &key.0,
        &enc,
        info,
        text,
        aad,
    )
    .map(Zeroizing::new)
    .map_err(|_| SealError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_words_only() {
        let (key, public) = round_keypair(&[1; 32]);
        assert_eq!(public.len(), PUBLIC_KEY_BYTES);
        let once = Seed::new([2; 32]);
        let sealed = seal(&public, b"info", b"aad", b"share", &once).unwrap();
        assert_eq!(sealed.len(), ENCAPSULATION_BYTES + 5 + 16);
        assert_eq!(sealed, seal(&public, b"info", b"aad", b"share", &once).unwrap(), "a seed replays");
        assert_eq!(open(&key, b"info", b"aad", &sealed).unwrap().as_slice(), b"share");
        assert!(open(&key, b"other", b"aad", &sealed).is_err());
        assert!(open(&key, b"info", b"other", &sealed).is_err());
        assert!(open(&round_keypair(&[9; 32]).0, b"info", b"aad", &sealed).is_err());
        for at in (0..sealed.len()).step_by(97).chain([ENCAPSULATION_BYTES, sealed.len() - 1]) {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(open(&key, b"info", b"aad", &bad).is_err(), "byte {at}");
        }
        for cut in [0, 1, ENCAPSULATION_BYTES - 1, ENCAPSULATION_BYTES, sealed.len() - 1] {
            assert!(open(&key, b"info", b"aad", &sealed[..cut]).is_err());
        }
        assert!(seal(&public[1..], b"", b"", b"", &once).is_err());
    }
}
