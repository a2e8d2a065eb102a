//! A member's keys, all from one 32-byte identity seed: one seed means one backup.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use datacoop_policy::Digest;
use datacoop_policy::charter::{MemberKeys, NamedKey};
use ed25519_dalek::SigningKey;
use zeroize::{Zeroize, Zeroizing};

use crate::json::Value;
use crate::log::note::{KIND_COSIGNATURE, KIND_ED25519, vkey};
use crate::log::tree::sha256;
use crate::seal;
use crate::seed::derive;

/// Salt of every derivation (LOG.md section 3).
const SALT: &[u8] = b"datacoop/keys/v1";

/// Signing keys, one for each job, and the names they sign under.
pub struct Keys {
    log: SigningKey,
    charter: SigningKey,
    witness: SigningKey,
    transport: Zeroizing<[u8; 32]>,
    seal_public: Vec<u8>,
    public: MemberKeys,
}

impl Keys {
    /// From the identity seed, for a host the member controls. `n` counts the member's logs from 1.
    pub fn from_seed(mut seed: [u8; 32], host: &str, n: u32) -> Self {
        let signing = |label| SigningKey::from_bytes(&Zeroizing::new(derive(&seed, SALT, label)));
        let (log, charter, witness) = (signing("log"), signing("charter"), signing("witness"));
        let transport = Zeroizing::new(derive(&seed, SALT, "transport"));
        let seal_seed = Zeroizing::new(derive(&seed, SALT, "seal"));
        seed.zeroize();
        let seal_public = seal::round_keypair(&seal_seed).1;
        let named = |what: &str, key: &SigningKey| NamedKey {
            name: format!("{host}/{what}/{n}"),
            key: key.verifying_key().to_bytes(),
        };
        let public = MemberKeys {
            charter: named("charter", &charter),
            log: named("datacoop", &log),
            witness: named("witness", &witness),
            peer: SigningKey::from_bytes(&transport).verifying_key().to_bytes(),
            seal: sha256(&[&seal_public]),
        };
        Self { log, charter, witness, transport, seal_public, public }
    }

    /// What others know of them.
    pub fn public(&self) -> &MemberKeys {
        &self.public
    }

    /// Signs checkpoints.
    pub fn log(&self) -> &SigningKey {
        &self.log
    }

    /// Signs charters and cards.
    pub fn charter(&self) -> &SigningKey {
        &self.charter
    }

    /// Will cosign other members' checkpoints.
    pub fn witness(&self) -> &SigningKey {
        &self.witness
    }

    /// The transport's Ed25519 secret.
    pub fn transport(&self) -> &[u8; 32] {
        &self.transport
    }

    /// The X-Wing public key for transfers, 1,216 bytes; the charter holds its SHA-256.
    pub fn seal_public(&self) -> &[u8] {
        &self.seal_public
    }

    /// SHA-256 of the seal key: what the charter holds.
    pub fn seal_digest(&self) -> Digest {
        self.public.seal
    }
}

/// The public keys that a log's genesis lists, by label; the seal key in full.
pub fn listed_keys(public: &MemberKeys, seal_public: &[u8]) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("charter".to_owned(), vkey(&public.charter, KIND_ED25519)),
        ("log".to_owned(), vkey(&public.log, KIND_ED25519)),
        ("seal".to_owned(), STANDARD.encode(seal_public)),
        ("transport".to_owned(), STANDARD.encode(public.peer)),
        ("witness".to_owned(), vkey(&public.witness, KIND_COSIGNATURE)),
    ])
}

/// What each signing key signs in a log's genesis: the list of all keys, under a line of its own so
/// that the signature is worthless elsewhere.
pub fn genesis_text(listed: &BTreeMap<String, String>) -> Vec<u8> {
    let value = Value::Object(listed.iter().map(|(k, v)| (k.clone(), Value::Str(v.clone()))).collect());
    let mut signed = b"datacoop/genesis/v1\n".to_vec();
    signed.extend(value.to_bytes());
    signed
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys of {}", self.public.log.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_five_different_keys_that_do_not_print() {
        let keys = Keys::from_seed([3; 32], "a.example", 1);
        let public = keys.public();
        let mut all =
            vec![public.charter.key, public.log.key, public.witness.key, public.peer, public.seal.0];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5);
        assert_eq!(public.log.name, "a.example/datacoop/1");
        assert_eq!(format!("{keys:?}"), "Keys of a.example/datacoop/1");
        assert_eq!(Keys::from_seed([3; 32], "a.example", 1).public(), public);
    }
}
