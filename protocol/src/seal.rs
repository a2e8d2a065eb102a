//! Sealing: HPKE (RFC 9180) in base mode with X-Wing (X25519 and ML-KEM-768), HKDF-SHA256,
//! ChaCha20-Poly1305. Knows not what it seals. Alone imports hpke.

use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::{Deserializable as _, Kem as _, OpModeR, OpModeS, Serializable as _};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::seed::Seed;

/// Length of an X-Wing public key.
pub const PUBLIC_KEY_BYTES: usize = 1_216;
/// Length of an encapsulation, which a sealed text begins with.
pub const ENCAPSULATION_BYTES: usize = 1_120;
/// By how much a sealed text is longer than the plain one: encapsulation and authentication tag.
pub const OVERHEAD_BYTES: usize = ENCAPSULATION_BYTES + 16;

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
    seal_with(public, info, aad, plain, &mut once.stream("hpke"))
}

/// Seals with the randomness that is given: 64 bytes for the encapsulation.
fn seal_with(
    public: &[u8],
    info: &[u8],
    aad: &[u8],
    plain: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let public = <XWing as hpke::Kem>::PublicKey::from_bytes(public).map_err(|_| SealError)?;
    let (enc, text) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &public,
        info,
        plain,
        aad,
        rng,
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
#[path = "seal_tests.rs"]
mod tests;
