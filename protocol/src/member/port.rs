//! What goes into a Member and what comes out: the whole contract with the world.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use datacoop_policy::limits::Limits;
use datacoop_policy::question::BoundQuestion;
use datacoop_policy::{Digest, MemberId, QueryId};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

use super::work::{Computed, Work};
use crate::acts::Act;
use crate::entry::{QueryBody, Ref};
use crate::fold::SplitView;
use crate::wire::Record;

/// Something happened.
pub enum Input {
    /// Time passed: a deadline that `poll_timeout` named may be due.
    Wake,
    /// A connection to a member stands.
    Connected(MemberId),
    /// The last connection to it is gone.
    Disconnected(MemberId),
    /// It could not be reached.
    DialFailed(MemberId),
    /// It asks; answer by `Output::Reply` or `Output::ReplyPiece` with the same exchange.
    Request {
        /// Who.
        from: MemberId,
        /// Names the reply.
        exchange: u64,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// It answers our request.
    Reply {
        /// Who.
        from: MemberId,
        /// As in our `Output::Request`.
        exchange: u64,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// No answer will come.
    NoReply {
        /// Who.
        from: MemberId,
        /// As in our `Output::Request`.
        exchange: u64,
    },
    /// The exact Tally of a Query, one integer a cell; `None` when it could not be computed.
    Tabulated(QueryId, Option<Tally>),
    /// Noise, one integer a cell; `None` when the source failed.
    Drawn(QueryId, Option<Noise>),
    /// Heavy work is done.
    Computed(Computed),
    /// A blob that was asked for by `Output::LoadBlob`; `None` when it is not on disk.
    Loaded(Digest, Option<Arc<[u8]>>),
    /// The person here asks the members.
    Ask {
        /// Names the answering event.
        command: u64,
        /// The Query, with its deadlines.
        query: Box<QueryBody>,
    },
    /// The person here does something beside asking.
    Act {
        /// Names the answering event.
        command: u64,
        /// What.
        act: Box<Act>,
        /// The blob of its text, if it has one.
        text: Option<Vec<u8>>,
    },
    /// The person here says whether we answer a Query: yes of one that waits, or no until our contribution is
    /// logged.
    Decide {
        /// Names the answering event.
        command: u64,
        /// Which.
        query: QueryId,
        /// Whether.
        yes: bool,
    },
    /// The person here narrowed our limits: what they allow no longer is not answered from now on, nor
    /// contributed to. `None` answers nothing. What they loosen counts from the next start.
    Narrow(Option<Box<Limits>>),
}

/// Something to do, in this order.
pub enum Output {
    /// Durable before anything after it happens.
    Store(Record),
    /// Written before the next `Store`, but nothing waits for it: peers can send it again.
    Keep(Record),
    /// Our log's newest signed head: durable, in the folder that guards the journal, before
    /// anything after it happens.
    Sign {
        /// Entries.
        size: u64,
        /// The signed note.
        note: String,
    },
    /// A blob: durable before anything after it happens, other blobs and records aside.
    StoreBlob {
        /// Its name.
        hash: Digest,
        /// What it is.
        bytes: Arc<[u8]>,
        /// Of a sealed share: its round, with which it goes.
        round: Option<QueryId>,
    },
    /// A round is over: its sealed shares go, for recorded shares age badly.
    RemoveShares(QueryId),
    /// Read a blob back.
    LoadBlob(Digest),
    /// A round's secret: durable, in a file of its own, before anything after it happens.
    KeepSecret(QueryId, RoundSecret),
    /// The round needs its secret no longer: erase it.
    EraseSecret(QueryId),
    /// What our seat may have to show an auditor of this round: secret; durable, in a file of its own,
    /// before anything after it happens.
    KeepOpening(QueryId, Zeroizing<Vec<u8>>),
    /// Nobody may ask our seat about this round any more: erase it.
    EraseOpening(QueryId),
    /// Connect to a member.
    Dial(MemberId, Vec<String>),
    /// Close all connections to a member.
    Hangup(MemberId),
    /// Ask a connected member.
    Request {
        /// Whom.
        to: MemberId,
        /// Names the reply.
        exchange: u64,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Answer a member's request.
    Reply {
        /// Whom.
        to: MemberId,
        /// As in its request.
        exchange: u64,
        /// The frame.
        bytes: Vec<u8>,
    },
    /// Answer a member's request with a piece of a blob on disk, or that it is absent.
    ReplyPiece {
        /// Whom.
        to: MemberId,
        /// As in its request.
        exchange: u64,
        /// Which blob.
        hash: Digest,
        /// From where.
        offset: u64,
    },
    /// Compute the exact Tally of our rows.
    Tabulate(QueryId, Box<BoundQuestion>),
    /// Draw noise: `cells` exact discrete Gaussians. The debit is on disk.
    Draw {
        /// For which Query.
        query: QueryId,
        /// Scale in 256ths of a step.
        noise_std: NonZeroU32,
        /// How many.
        cells: usize,
    },
    /// Heavy pure work, off this thread.
    Compute(Work),
    /// News for the people here.
    Tell(Event),
}

/// News for the people here. No number from data, no secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A command's Query stands in the log.
    Asked {
        /// The command.
        command: u64,
        /// The Query.
        query: QueryId,
    },
    /// What a command did stands in the log.
    Acted {
        /// The command.
        command: u64,
        /// The entry.
        at: Ref,
    },
    /// What a command decided about a Query is kept.
    Decided {
        /// The command.
        command: u64,
    },
    /// A question waits for our person's yes.
    Waits(QueryId),
    /// A command found a Release that answers it already.
    Answered {
        /// The command.
        command: u64,
        /// The Query whose Release it is.
        query: QueryId,
    },
    /// A command was refused.
    Denied {
        /// The command.
        command: u64,
        /// The rule's code.
        rule: &'static str,
        /// What and why.
        text: String,
    },
    /// A round took a step.
    Step {
        /// Which.
        query: QueryId,
        /// Kind of the entry we wrote.
        kind: &'static str,
    },
    /// A round ended with sums.
    Released(QueryId),
    /// A round ended without.
    Aborted(QueryId, String),
    /// We did not go along.
    Declined(QueryId, String),
    /// Another member's program misbehaves.
    Fault(MemberId, String),
    /// A member signed two histories of its log: the proof, for people to decide about.
    SplitView(SplitView),
    /// A member goes by a version of the charter that is not held here, and this is its note: to be opened,
    /// and put in force by starting again with it. Or it is a rival of one that is held.
    Version {
        /// Who sent it.
        by: MemberId,
        /// The signed note, as it came.
        note: Vec<u8>,
    },
    /// Our keys were replaced: nothing more is said with them, and this node is to start again with the new ones.
    Rekeyed,
    /// This node is an old copy of itself: it says nothing more, and must be stopped.
    Halted(String),
}

/// A member's exact, clipped, integer vector. Never leaves the node.
pub struct Tally(pub Zeroizing<Vec<i64>>);

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}

/// A member's noise share.
pub struct Noise(pub Zeroizing<Vec<i64>>);

impl fmt::Debug for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noise")
    }
}

/// What a member must remember of an open round, and forget afterwards: one seed from which its
/// nonce, verify-key part, round key and salts follow, and in full-noise mode the noised vector it
/// committed to.
#[derive(Clone)]
pub struct RoundSecret {
    /// 32 bytes from the system.
    pub seed: Zeroizing<[u8; 32]>,
    /// Full noise only: what the commitment opens to.
    pub vector: Option<Zeroizing<Vec<i64>>>,
}

impl fmt::Debug for RoundSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoundSecret")
    }
}

impl RoundSecret {
    /// As one file: the seed, then the vector's integers, little-endian.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(self.seed.to_vec());
        for value in self.vector.iter().flat_map(|vector| vector.iter()) {
            bytes.extend(value.to_le_bytes());
        }
        bytes
    }

    /// Reads `to_bytes`; `None` when the length is wrong.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (seed, rest) = bytes.split_at_checked(32)?;
        let (values, left) = rest.as_chunks::<8>();
        if !left.is_empty() {
            return None;
        }
        let vector: Vec<i64> = values.iter().map(|value| i64::from_le_bytes(*value)).collect();
        Some(Self {
            seed: Zeroizing::new(seed.try_into().ok()?),
            vector: (!vector.is_empty()).then(|| Zeroizing::new(vector)),
        })
    }
}

/// Secrets of the rounds that were open when the node stopped.
pub type RoundSecrets = BTreeMap<QueryId, RoundSecret>;
