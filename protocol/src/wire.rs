//! Frames between members and records of the journal: bincode, fixed-size integers, little-endian,
//! limited, nothing trailing, and one encoding only. Alone imports bincode.
//!
//! Source: NETWORK.md section 4. We differ: a pull always states its vector (15 KB at 1,024 logs,
//! once a minute), so there is no digest round before it.

use std::{fmt, io};

use bincode::Options;
use serde::de::{DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::bounds::{FRAME_BYTES_MAX, PIECE_BYTES_MAX};

/// Bytes that encode as one run. (serde would otherwise visit a `Vec<u8>` byte by byte.)
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        Ok(Bytes(bytes))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// How much of a log somebody holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// SHA-256 of the log's origin.
    pub log: [u8; 32],
    /// Entries held.
    pub size: u64,
    /// Root of the tree over them: two histories of one size show at once.
    pub root: [u8; 32],
}

/// A run of one log's entries with what proves them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Section {
    /// SHA-256 of the log's origin.
    pub log: [u8; 32],
    /// Index of the first entry.
    pub from: u64,
    /// The entries, byte for byte.
    pub entries: Vec<Bytes>,
    /// A checkpoint at or beyond the last of them.
    pub note: String,
    /// Consistency proof from the last of them to the checkpoint; empty when they end at it.
    pub proof: Vec<[u8; 32]>,
}

impl Section {
    /// Index after the last entry; a sender may claim any.
    pub fn end(&self) -> u64 {
        self.from.saturating_add(self.entries.len() as u64)
    }
}

/// A witness's word about a log's head, with the head as the log's owner signed it: two of one log that
/// cannot both be true are proof against the owner.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cosigned {
    /// SHA-256 of the log's origin.
    pub log: [u8; 32],
    /// SHA-256 of the origin of the witness's own log.
    pub witness: [u8; 32],
    /// Entries under the head.
    pub size: u64,
    /// The signed head.
    pub note: String,
    /// When the witness signed, unix seconds.
    pub time: u64,
    /// Its cosignature: 64 bytes.
    pub signature: Bytes,
}

/// What somebody heard of one witness, as one hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heard {
    /// SHA-256 of the origin of the witness's own log.
    pub witness: [u8; 32],
    /// SHA-256 of all that was heard of it.
    pub hash: [u8; 32],
}

/// A piece of a blob that an entry names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BlobPiece {
    /// SHA-256 of the whole blob.
    pub hash: [u8; 32],
    /// Its length.
    pub total: u64,
    /// Where this piece belongs.
    pub offset: u64,
    /// The piece.
    pub bytes: Bytes,
}

/// What one member asks another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Send what I lack.
    Pull {
        /// What I hold, sorted by log.
        have: Vec<Head>,
        /// What I heard of witnesses.
        heard: Vec<Heard>,
    },
    /// New entries.
    Push {
        /// One for each log.
        sections: Vec<Section>,
    },
    /// Pieces of blobs: a member's shares for one peer go together.
    BlobPut {
        /// In any order.
        pieces: Vec<BlobPiece>,
    },
    /// Send a piece of a blob.
    BlobGet {
        /// SHA-256 of the whole blob.
        hash: [u8; 32],
        /// From where.
        offset: u64,
    },
    /// What witnesses said.
    Cosign {
        /// In any order.
        cosigned: Vec<Cosigned>,
    },
}

/// What it answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// To a pull.
    Sections {
        /// What was lacking, up to a page.
        sections: Vec<Section>,
        /// What witnesses said of which the puller had heard otherwise.
        cosigned: Vec<Cosigned>,
        /// Whether to pull again.
        more: bool,
    },
    /// To a push: how much of the pushed logs I now hold.
    Took {
        /// Sorted by log.
        sizes: Vec<Head>,
    },
    /// To a put: for each piece, how many bytes of its blob I hold, its length when it is whole and on
    /// disk; none when no entry I hold names it, or it is too large.
    Stored {
        /// Bytes held, in the order of the pieces.
        held: Vec<Option<u64>>,
    },
    /// To a get.
    Piece {
        /// The blob's length.
        total: u64,
        /// The piece.
        bytes: Bytes,
    },
    /// To a get: I do not hold it.
    Absent,
    /// Not understood.
    Incompatible,
}

/// What the journal keeps. Numbers of variants only grow.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Record {
    /// An entry of our own log.
    Entry(Bytes),
    /// Proved entries of another member's log.
    Copied(Section),
    /// What a witness said, we ourselves or another.
    Cosigned(Cosigned),
    /// From here on our own entries come from others: this disk had lost them, and perhaps more than them.
    Restored,
    /// All of them are back. Of these rounds, which were under way, nothing more is said here.
    Left(Vec<[u8; 32]>),
    /// Our person's word about a Query: whether we answer it.
    Decided {
        /// Which.
        query: [u8; 32],
        /// Whether.
        yes: bool,
    },
}

/// Why bytes were not understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WireError(pub String);

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Without a limit of its own: a slice is read no further than it goes.
fn options() -> impl Options {
    let options = bincode::DefaultOptions::new().with_no_limit();
    options.with_fixint_encoding().with_little_endian().reject_trailing_bytes()
}

/// The value's only encoding.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![];
    // Not `serialize`, which goes through the value twice: first for its length.
    options()
        .serialize_into(&mut bytes, value)
        .expect("INVARIANT: our frames hold no type that bincode cannot write");
    bytes
}

/// Takes in what is the same as this, and nothing else.
struct Same<'a>(&'a [u8]);

impl io::Write for Same<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let rest = self.0.strip_prefix(bytes).ok_or(io::ErrorKind::InvalidData)?;
        self.0 = rest;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a frame from a peer. Errors: longer than a frame, not our format, or not its only encoding.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    decode_within(bytes, FRAME_BYTES_MAX)
}

/// As `decode`, with another limit: a journal frame or a verify blob may be longer than a frame.
pub fn decode_within<T: Serialize + DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, WireError> {
    if bytes.len() > limit {
        return Err(WireError(format!("{} bytes; at most {limit}", bytes.len())));
    }
    let value: T = options().deserialize(bytes).map_err(|error| WireError(error.to_string()))?;
    let mut same = Same(bytes);
    let is_same = options().serialize_into(&mut same, &value).is_ok();
    if !is_same || !same.0.is_empty() {
        return Err(WireError("not the only encoding of what it says".into()));
    }
    Ok(value)
}

/// The reply to a get: the piece of a blob from `offset`, or that it is absent.
pub fn piece(blob: Option<&[u8]>, offset: u64) -> Vec<u8> {
    let reply = match blob {
        Some(blob) => {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(blob.len());
            let end = blob.len().min(start + PIECE_BYTES_MAX);
            Reply::Piece { total: blob.len() as u64, bytes: Bytes(blob[start..end].to_vec()) }
        }
        None => Reply::Absent,
    };
    encode(&reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn check<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: T, golden: &str) {
        let bytes = encode(&value);
        assert_eq!(hex(&bytes), golden);
        assert_eq!(decode::<T>(&bytes), Ok(value));
        for cut in 0..bytes.len() {
            assert!(decode::<T>(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(decode::<T>(&longer).is_err(), "trailing byte");
    }

    #[test]
    fn a_second_encoding_of_the_same_is_refused() {
        type Sorted = std::collections::BTreeMap<u8, u8>;
        let value = Sorted::from([(1, 5), (2, 6)]);
        let frame = |pairs: &[u8]| [&(pairs.len() as u64 / 2).to_le_bytes(), pairs].concat();
        assert_eq!(decode::<Sorted>(&frame(&[1, 5, 2, 6])), Ok(value));
        assert!(decode::<Sorted>(&frame(&[2, 6, 1, 5])).is_err(), "unsorted");
        assert!(decode::<Sorted>(&frame(&[1, 5, 1, 5])).is_err(), "twice");
        let mut same = Same(b"what it says and more");
        assert!(io::Write::write_all(&mut same, b"what it says").is_ok() && !same.0.is_empty());
    }

    #[test]
    fn every_frame_has_its_golden_bytes() {
        let log = "07".repeat(32);
        let head = Head { log: [7; 32], size: 258, root: [7; 32] };
        check(
            Request::Pull { have: vec![head], heard: vec![Heard { witness: [7; 32], hash: [7; 32] }] },
            &format!("000000000100000000000000{log}0201000000000000{log}0100000000000000{log}{log}"),
        );
        let section = Section {
            log: [7; 32],
            from: 1,
            entries: vec![Bytes(vec![0xaa, 0xbb])],
            note: "n".into(),
            proof: vec![],
        };
        let body = format!(
            "{log}010000000000000001000000000000000200000000000000aabb01000000000000006e0000000000000000"
        );
        check(Request::Push { sections: vec![section.clone()] }, &format!("010000000100000000000000{body}"));
        let piece = BlobPiece { hash: [7; 32], total: 3, offset: 2, bytes: Bytes(vec![9]) };
        check(
            Request::BlobPut { pieces: vec![piece] },
            &format!("020000000100000000000000{log}03000000000000000200000000000000010000000000000009"),
        );
        check(Request::BlobGet { hash: [7; 32], offset: 5 }, &format!("03000000{log}0500000000000000"));
        check(
            Reply::Sections { sections: vec![section.clone()], cosigned: vec![], more: true },
            &format!("000000000100000000000000{body}000000000000000001"),
        );
        check(
            Reply::Took { sizes: vec![head] },
            &format!("010000000100000000000000{log}0201000000000000{log}"),
        );
        check(Reply::Stored { held: vec![Some(4), None] }, "02000000020000000000000001040000000000000000");
        check(Reply::Piece { total: 1, bytes: Bytes(vec![9]) }, "030000000100000000000000010000000000000009");
        check(Reply::Absent, "04000000");
        check(Reply::Incompatible, "05000000");
        check(Record::Entry(Bytes(vec![1])), "00000000010000000000000001");
        check(Record::Copied(section), &format!("01000000{body}"));
        let cosigned = Cosigned {
            log: [7; 32],
            witness: [7; 32],
            size: 258,
            note: "n".into(),
            time: 3,
            signature: Bytes(vec![9]),
        };
        let said = format!("{log}{log}020100000000000001000000000000006e0300000000000000010000000000000009");
        check(
            Request::Cosign { cosigned: vec![cosigned.clone()] },
            &format!("040000000100000000000000{said}"),
        );
        check(Record::Cosigned(cosigned), &format!("02000000{said}"));
        check(Record::Restored, "03000000");
        check(Record::Left(vec![[7; 32]]), &format!("040000000100000000000000{log}"));
        check(Record::Decided { query: [7; 32], yes: true }, &format!("05000000{log}01"));
    }

    #[test]
    fn a_claim_of_many_items_allocates_nothing() {
        let mut bytes = vec![0, 0, 0, 0];
        bytes.extend(u64::MAX.to_le_bytes());
        assert!(decode::<Request>(&bytes).is_err());
        let mut bytes = vec![1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend([7; 32]);
        bytes.extend([0; 8]);
        bytes.extend((1u64 << 62).to_le_bytes());
        assert!(decode::<Request>(&bytes).is_err());
    }

    #[test]
    fn a_boolean_has_two_encodings_only() {
        let mut bytes = encode(&Reply::Sections { sections: vec![], cosigned: vec![], more: true });
        *bytes.last_mut().unwrap() = 2;
        assert!(decode::<Reply>(&bytes).is_err());
    }
}
