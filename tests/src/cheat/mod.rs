//! Members that cheat, with the real keys of a charter's member and the real entries of the protocol.
//!
//! A cheat runs the real program on a disk of its own making: at one entry of one kind the disk keeps
//! something else than what the program wrote, and the program, restarted from that, goes on in good
//! faith. So a cheat speaks the protocol properly until, and after, the moment it cheats. What this file
//! does *not* know: what ought to come of a cheat; the table in `tests/cheats` says that.

mod desk;
mod game;

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::entry::{Body, Entry, Ref, SealedShare};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::log::tree::{leaf_hash, sha256};
use datacoop_protocol::rounds::{Plan, Round, seal_aad};
use datacoop_protocol::seal;
use datacoop_protocol::secagg::Sharing;
use datacoop_protocol::seed::Seed;

pub use game::{Game, Tell, Verdict};

/// What one Query costs here, billionths of rho.
pub const LOSS: u64 = 5_000_000;
/// People on each member's roll at most.
pub const PEOPLE_MAX: u64 = 200;
/// What a cheat knows at the moment it may cheat.
pub struct Strike<'a> {
    /// Its site in the world.
    pub site: usize,
    /// Who it is.
    pub me: MemberId,
    /// How many members there are: the last one asks.
    pub members: usize,
    /// What its program was about to write.
    pub entry: Entry,
    /// All logs as it holds them, its own without that entry.
    pub fold: Fold,
    /// Its secret of the round.
    pub secret: Option<Seed>,
    /// Blobs on its disk, to change at will.
    pub blobs: &'a mut BTreeMap<Digest, Arc<[u8]>>,
    /// Every sealed share it ever had.
    pub kept: &'a BTreeMap<Digest, Arc<[u8]>>,
    /// Set to a blob that it gives out in another form each time.
    pub two_faced: &'a mut Option<Digest>,
}

/// What a cheat does.
pub enum Act {
    /// Nothing: this member is not the cheat.
    Pass,
    /// Not yet: it looks again a moment later.
    Wait,
    /// Writes these instead, and goes on.
    Write(Vec<Body>),
    /// Writes these instead, and goes away for good.
    Vanish(Vec<Body>),
    /// Goes away for good, and sends these histories of its log, entry by entry as they stand: the first
    /// to every other member with an even number, the last to the others.
    Send(Vec<Vec<Vec<u8>>>),
}

/// When a member may cheat: a function of the entry it is about to write.
pub type Cheat = fn(&mut Strike<'_>) -> Act;

impl Strike<'_> {
    /// The round the entry is of.
    pub fn round(&self) -> Arc<Round> {
        let id = self.entry.body.query().expect("an entry of a round");
        self.fold.round(&id).expect("its round").clone()
    }

    /// What follows from its Roster.
    pub fn plan(&self) -> Arc<Plan> {
        self.round().plan().expect("a plan").clone()
    }

    /// Whether this member asked.
    pub fn asks(&self) -> bool {
        self.site + 1 == self.members
    }

    /// Whether this member neither asked nor holds a seat, and is the first such member.
    pub fn is_plain(&self) -> bool {
        let plan = self.plan();
        let plain = |id: &&MemberId| plan.seat(id).is_none() && **id != plan.query.asker;
        plan.members.iter().find(plain) == Some(&self.me)
    }

    /// Whether this member holds the last seat that is not the asker's.
    pub fn is_seated(&self) -> bool {
        let plan = self.plan();
        plan.committee.iter().rfind(|id| **id != plan.query.asker) == Some(&self.me)
    }

    /// Where an entry of this cheat will stand, `ahead` entries after the next one.
    pub fn place(&self, ahead: u64, body: &Body) -> Ref {
        let log = self.fold.log(&self.me).expect("its own log");
        let index = log.size() + ahead;
        let bytes = self.bytes(ahead, body);
        Ref { log: log.origin.as_str().into(), index, leaf: leaf_hash(&bytes) }
    }

    /// An entry of this cheat, `ahead` entries after the next one.
    pub fn bytes(&self, ahead: u64, body: &Body) -> Vec<u8> {
        let seq = self.fold.log(&self.me).expect("its own log").size() + ahead;
        Entry { at: self.entry.at, by: self.me.clone(), seq, body: body.clone() }.to_bytes()
    }

    /// Makes a contribution of its own in the place of the program's: `vary` changes the shares before
    /// they are sealed, `spoil` what was sealed.
    pub fn contribute(
        &mut self,
        vary: impl Fn(&mut Sharing),
        spoil: impl Fn(usize, Vec<u8>) -> Vec<u8>,
    ) -> Body {
        let (plan, round) = (self.plan(), self.round());
        let debit = round.debit(&plan, &self.me).expect("its debit").at.clone();
        let circuit = plan.circuit(&self.me).expect("a circuit");
        let context = plan.context(&self.me, &debit.leaf).expect("a context");
        let vector = vec![plan.noise.clip() + 100; plan.query.question.cells()];
        let mut sharing = circuit.shard(&context, [7; 16], &vector).expect("a sharing");
        vary(&mut sharing);
        let digests: Vec<Digest> = sharing.shares.iter().map(|share| sha256(&[share])).collect();
        let aad = seal_aad(&sharing.nonce, &sharing.public_share, &digests);
        let mut shares = vec![];
        for (seat, (share, digest)) in sharing.shares.iter().zip(digests).enumerate() {
            let key = &plan.parts[&plan.committee[seat]].round_key;
            let info = plan.seal_info(&self.me, &debit.leaf, seat);
            let once = Seed::new([seat.to_le_bytes()[0]; 32]);
            let sealed = seal::seal(key, &info, &aad, share, &once).expect("a key");
            let blob: Arc<[u8]> = Arc::from(spoil(seat, sealed));
            let hash = sha256(&[&blob]);
            self.blobs.insert(hash, blob);
            shares.push(SealedShare { digest, blob: hash });
        }
        Body::Contribution {
            query: round.id,
            debit,
            nonce: sharing.nonce,
            public_share: sharing.public_share,
            shares,
        }
    }
}
