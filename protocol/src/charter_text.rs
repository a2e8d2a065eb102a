//! The charter and member cards as texts: signed notes over TOML, read strictly. A signature covers
//! the exact bytes, so no canonical form can go wrong. Must not know rounds.

mod card;
mod chain;
mod inbox;
mod limits_error;
mod read;
mod write;

use std::fmt;

pub use card::{member_fingerprint, open_card, parse_peer, peer_text, write_card};
pub use chain::{
    Amendment, OpenedCharter, bare_text, lack_text, open_amendment, open_chain, open_charter,
    open_signed_charter, sign_charter,
};
pub use inbox::parse_inbox;
pub use read::{parse_charter, parse_limits, parse_purpose_text};
pub use write::charter_toml;

/// First line of a charter's text: its signatures are worthless elsewhere.
const CHARTER_HEADER: &str = "# datacoop/charter/v1\n";
/// First line of a card's text.
const CARD_HEADER: &str = "# datacoop/card/v1\n";
/// What a member's fingerprint begins with: it is no other text's.
const MEMBER_HEADER: &str = "# datacoop/member/v1\n";
/// Longest charter text.
pub const CHARTER_BYTES_MAX: usize = 256 * 1024;

/// Why a text is no charter or card, with the remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TextError(pub String);

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, TextError> {
    Err(TextError(text.into()))
}

fn said(error: impl fmt::Display) -> TextError {
    TextError(error.to_string())
}

#[cfg(test)]
mod tests;
