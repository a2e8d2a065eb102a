//! A member's card, and peer ids as libp2p writes them.

use datacoop_policy::Digest;
use datacoop_policy::charter::{Member, TEXT_BYTES_MAX, deceives};
use ed25519_dalek::VerifyingKey;

use super::read::{CardFile, parse_member};
use super::write::{identity_toml, member_toml};
use super::{CARD_HEADER, MEMBER_HEADER, TextError, said, wrong};
use crate::keys::Keys;
use crate::log::note::{open_note, sign_note, split_note};
use crate::log::tree::sha256;

/// A member's card: what it asks the others to copy into the charter, signed with its charter key.
pub fn write_card(member: &Member, keys: &Keys) -> String {
    let text = format!("{CARD_HEADER}[member]\n{}", member_toml(member));
    sign_note(&text, &keys.public().charter.name, keys.charter())
}

/// Opens a card. Errors: no card, one that reads otherwise than it is or says what only a charter can, or not
/// signed by the charter key it names.
pub fn open_card(note: &str) -> Result<Member, TextError> {
    let (text, _) = split_note(note).map_err(said)?;
    let plain = !text.chars().any(deceives);
    if text.len() > 16 * TEXT_BYTES_MAX || !text.starts_with(CARD_HEADER) || !plain {
        return wrong(format!(
            "a card begins with `{}`, and has no tabs, control characters, direction marks or signs that are not seen",
            CARD_HEADER.trim()
        ));
    }
    let file: CardFile = toml::from_str(text).map_err(|error| TextError(format!("not a card: {error}")))?;
    let member = parse_member(file.member)?;
    if !member.sponsors.is_empty() || member.notice.is_some() || member.dormant {
        return wrong(
            "a card does not name its own sponsors, nor say who is dormant: a charter does (rule C13)",
        );
    }
    open_note(note, std::slice::from_ref(&member.keys.charter))
        .map_err(|error| TextError(format!("the card's signature: {error}")))?;
    Ok(member)
}

/// What a member's twelve words stand for (`words`): its register number, name, body and keys, as its card and
/// every charter say them. Addresses and figures may change, and the words stay.
pub fn member_fingerprint(member: &Member) -> Digest {
    sha256(&[MEMBER_HEADER.as_bytes(), identity_toml(member).as_bytes()])
}

/// What comes before an Ed25519 key in a libp2p peer id: the identity multihash of its protobuf.
const PEER_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// A transport public key as libp2p writes it: `12D3Koo...`.
pub fn peer_text(public: &[u8; 32]) -> String {
    bs58::encode([&PEER_PREFIX[..], public].concat()).into_string()
}

/// Reads `peer_text`; `None` unless it names an Ed25519 key: a point of the curve, and not one of the
/// few whose signatures anybody can make.
pub fn parse_peer(text: &str) -> Option<[u8; 32]> {
    let bytes = bs58::decode(text).into_vec().ok()?;
    let key = bytes.strip_prefix(&PEER_PREFIX)?.try_into().ok()?;
    VerifyingKey::from_bytes(&key).ok().filter(|point| !point.is_weak()).map(|_| key)
}
