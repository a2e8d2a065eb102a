//! Every maximum of the conversation, with its reason.

/// Largest frame. A page of entries or a piece of a blob takes at most half; the rest is proofs and notes.
pub const FRAME_BYTES_MAX: usize = 512 * 1024;
/// Largest page of entries or piece of a blob: one second at 2 Mbit/s.
pub const PIECE_BYTES_MAX: usize = 256 * 1024;
const _: () = assert!(2 * PIECE_BYTES_MAX <= FRAME_BYTES_MAX);
/// Largest blob: 200 members' verifier shares at the largest vector, with room.
pub const BLOB_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Texts of one member's proposals, objections and reports that others keep: some a week for years, at most
/// 256 MiB.
pub const ACT_TEXTS_MAX: u32 = 1_024;
/// Unfinished blobs of one peer in memory: two of the largest, so that one member cannot fill ours.
pub const PARTIAL_BYTES_MAX: usize = 2 * BLOB_BYTES_MAX;
/// Logs in a vector: every member's, with those they replaced.
pub const LOGS_MAX: usize = 1_024;
/// Sections in one push or page: one for each log.
pub const SECTIONS_MAX: usize = LOGS_MAX;
/// Own requests in flight to one peer: libp2p's send queue is unbounded, ours is not.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 8;
/// Missing blobs that are asked for at one time, and unfinished ones kept for one peer.
pub const BLOBS_IN_FLIGHT_MAX: usize = 64;
/// Texts of acts in memory, on their way to peers: as many as are loaded at one time. The rest is on disk.
pub const TEXTS_CACHED_BYTES_MAX: usize = BLOBS_IN_FLIGHT_MAX * crate::acts::TEXT_BYTES_MAX;
/// Anti-entropy: how often every connected peer is asked for what push lost.
pub const PULL_EVERY: datacoop_policy::Span = datacoop_policy::Span(60_000);
/// How long entries wait for company on the way to a peer whom nothing in them hurries, or to whom
/// another meeting point passes them on: much longer than a round trip, so that they gather, and no
/// more than a moment if that meeting point stalls. (NETWORK.md section 5 has 250 ms for all.)
pub const RELAY_WAIT: datacoop_policy::Span = datacoop_policy::Span(1_000);
/// A log that did not grow for so long is quiet: its witnesses cosign the head that they then all hold,
/// so that their lines stand under one note.
pub const COSIGN_QUIET: datacoop_policy::Span = datacoop_policy::Span(2_000);
/// A log that is never quiet is cosigned this often all the same.
pub const COSIGN_EVERY: datacoop_policy::Span = datacoop_policy::Span(60_000);
/// A member says what it holds of others' logs at most this often, and only if one of them wrote something
/// else than that.
pub const HEAD_EVERY: datacoop_policy::Span = datacoop_policy::Span(3_600_000);
/// A member says so at the latest after so long that it is there, though nothing happened: others count on
/// it (`FRESH_FOR`).
pub const HEAD_AT_LEAST: datacoop_policy::Span = datacoop_policy::Span(7 * 24 * 3_600_000);
/// A member that has not heard for so long from more than a third of the others, on its own version of the
/// charter, was cut off, and answers nothing (CHARTER.md, C9).
pub const FRESH_FOR: datacoop_policy::Span = datacoop_policy::Span(14 * 24 * 3_600_000);
/// So long a member still talks with those of the charter version that it went by before: a round may close 30
/// days after it was asked, and its last entries are passed on and cosigned within the day.
pub const MET_FOR: datacoop_policy::Span = datacoop_policy::Span(31 * 24 * 3_600_000);
/// Notes of unknown versions that are fetched from one member while we run: whoever makes up more is not heard.
pub const VERSIONS_FETCHED_MAX: u32 = 16;
/// Versions of the charter that one log puts in force and others note: a whole chain, and a rival of each.
pub const ADOPTED_MAX: usize = 2 * datacoop_policy::charter::VERSIONS_MAX;
/// Longest note of a charter: its text, and a line for each signature, with a name of a host of 253 characters.
pub const CHARTER_NOTE_BYTES_MAX: usize =
    crate::charter_text::CHARTER_BYTES_MAX + crate::log::note::SIGNATURES_MAX * 512;
const _: () = assert!(CHARTER_NOTE_BYTES_MAX <= crate::log::note::NOTE_BYTES_MAX);
/// Whoever has not shown by then what another says it holds of its log is told of as unresponsive.
pub const UNRESPONSIVE_AFTER: datacoop_policy::Span = datacoop_policy::Span(24 * 3_600_000);
/// Heads in one such entry: with the longest names, every letter escaped, 600 bytes each. More wait for the next.
pub const HEADS_MAX: usize = 100;
const _: () = assert!(HEADS_MAX * 650 <= crate::json::ENTRY_BYTES_MAX);
/// Cosignatures in one frame: about 400 bytes each, and with the longest names 900, half a frame.
pub const COSIGNED_MAX: usize = 256;
/// First wait before a lost connection is dialled again; doubles each time.
pub const REDIAL_FIRST: datacoop_policy::Span = datacoop_policy::Span(2_000);
/// Longest wait for a meeting point: a healed partition must be noticed in 30 s.
pub const REDIAL_MAX: datacoop_policy::Span = datacoop_policy::Span(20_000);
/// How long to wait for a missing blob before asking for it again.
pub const BLOB_RETRY: datacoop_policy::Span = datacoop_policy::Span(1_000);
/// Asked for, or offered, in vain, a blob waits such a part of the time for which that went on: what keeps it away may
/// last as long as a round, and what ends that is noticed at most so much later.
pub const BLOB_RETRY_PART: u64 = 4;
/// And no longer than this: a pull may have told by then what was not known.
pub const BLOB_RETRY_MAX: datacoop_policy::Span = PULL_EVERY;
/// But the text of an act: many of one member's may be missing for ever, and whoever has one offers it to all that come.
pub const TEXT_RETRY_MAX: datacoop_policy::Span = datacoop_policy::Span(4 * 3_600_000);
/// Wrong or useless requests from one peer that are counted before we hang up.
pub const FAULTS_MAX: u32 = 16;
/// How long we then do not talk to it: long enough to be quiet, short enough to notice its repair.
pub const FAULTS_PARDON: datacoop_policy::Span = datacoop_policy::Span(600_000);
/// The asker's plain words in a query entry.
pub const LAY_BYTES_MAX: usize = 4_096;
/// Parameters of one Query.
pub const PARAMS_MAX: usize = 32;
