//! Names and hashes as plain values. Hashing itself lives in `protocol`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest member id: the longest public register number with its prefix has 20 characters.
pub const MEMBER_ID_BYTES_MAX: usize = 40;

/// A member's public register number, such as `GB-EDU-100200`: 1 to 40 of `A-Z 0-9 -`. Copies share
/// the text: a year of logs names each member some hundred thousand times.
///
/// Its order is that of the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId {
    /// The first letters as a number, first of all compared: most of what is held is held by member, and this tells
    /// two of them apart without a look at their texts. No letter is 0, so what is shorter comes first as it should.
    begins: [u64; 2],
    text: Arc<str>,
}

impl MemberId {
    /// The text as written in the charter.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

fn begins(text: &str) -> [u64; 2] {
    let word = |from: usize| {
        let bytes = text.bytes().skip(from).chain(std::iter::repeat(0)).take(8);
        bytes.fold(0, |word, byte| word << 8 | u64::from(byte))
    };
    [word(0), word(8)]
}

impl FromStr for MemberId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
        if text.is_empty() || text.len() > MEMBER_ID_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(format!(
                "`{}` is not a member id; write 1 to {MEMBER_ID_BYTES_MAX} of A-Z, 0-9 and -, such as GB-EDU-100200",
                text.escape_debug()
            ));
        }
        Ok(Self { begins: begins(text), text: Arc::from(text) })
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// 32 bytes of SHA-256, written as 64 lowercase hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The first eight hex digits: enough for a person to tell two apart.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl FromStr for Digest {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || "expected 64 lowercase hex digits".to_owned();
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return Err(bad());
        }
        let nibble = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut out = [0u8; 32];
        for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            let (high, low) = (nibble(pair[0]).ok_or_else(bad)?, nibble(pair[1]).ok_or_else(bad)?);
            *slot = high << 4 | low;
        }
        Ok(Self(out))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// A Query is named by the leaf hash of its `query` entry.
pub type QueryId = Digest;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_id_is_a_register_number() {
        assert!("GB-EDU-100200".parse::<MemberId>().is_ok());
        for bad in ["", "gb-edu-1", "A B", &"A".repeat(41), "É"] {
            assert!(bad.parse::<MemberId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn member_ids_are_ordered_as_their_texts() {
        let long = "Z".repeat(MEMBER_ID_BYTES_MAX);
        let mut texts = vec!["A", "A-", "A0", "AA", "B", "A-23456", "A-234567", "A-234567-012345", &long];
        texts.extend(["A-234567-0123456", "A-234567-0123456-", "A-234567-01234567", "A-234567-0123456-A"]);
        for one in &texts {
            for other in &texts {
                let (a, b): (MemberId, MemberId) = (one.parse().unwrap(), other.parse().unwrap());
                assert_eq!(a.cmp(&b), one.cmp(other), "{one} and {other}");
                assert_eq!(a == b, one == other);
            }
        }
    }

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = Digest([0xa5; 32]);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!(digest.to_string().to_uppercase().parse::<Digest>().is_err());
        assert!("00".parse::<Digest>().is_err());
    }
}
