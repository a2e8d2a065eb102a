//! To how many outside the co-operative a Release was handed, under which licence, and how many gave a receipt. Who they
//! are stays with the member that handed it on (CHARTER.md section 5).

use std::collections::BTreeMap;

use datacoop_policy::charter::Licence;
use datacoop_policy::{Digest, MemberId, Time};

use super::{Act, Acts, is_entitled};
use crate::entry::Ref;
use crate::fold::Fold;
use crate::rounds::Round;

/// A Release in the hands of somebody outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handed<'a> {
    /// Who handed it on.
    pub by: &'a MemberId,
    /// When, as it says.
    pub time: Time,
    /// Under which licence, by the SHA-256 of its text.
    pub licence: Digest,
    /// Who has it, as a salted hash.
    pub to: Digest,
    /// Whether they gave a receipt.
    pub receipt: bool,
}

impl Acts {
    /// Everybody outside who was handed this Release by `until`: each of a member's once.
    pub fn handed<'a>(&'a self, fold: &'a Fold, release: &'a Ref, until: Time) -> Vec<Handed<'a>> {
        let said = self.on(release).filter(|done| done.time <= until && is_entitled(fold, done));
        let mut all: BTreeMap<(&MemberId, Digest), Handed<'_>> = BTreeMap::new();
        for done in said {
            let Act::Handover { licence, to, receipt, .. } = &done.act else { continue };
            let (by, time, licence) = (&done.by, done.time, *licence);
            let first = Handed { by, time, licence, to: *to, receipt: false };
            let handed = all.entry((by, *to)).or_insert(first);
            handed.time = handed.time.min(time);
            handed.receipt |= receipt.is_some();
        }
        all.into_values().collect()
    }
}

/// The licence of what is released in a round: that of its purpose, under the version that its Query names.
pub(crate) fn licence_of(fold: &Fold, round: &Round) -> Option<Licence> {
    let asked = round.asked()?;
    Some(fold.charter_named(&asked.body.charter)?.purpose(&asked.body.purpose)?.licence)
}

/// The rounds that are here with a Release, by the entry that holds it.
pub(crate) fn released(fold: &Fold) -> BTreeMap<&Ref, &Round> {
    let rounds = fold.rounds().values();
    rounds.filter_map(|round| Some((&round.released()?.0.at, &**round))).collect()
}

/// What is wrong with a handover of what is released in a round; `None` where the charter that it was asked under is
/// not here.
pub(crate) fn check_handover(fold: &Fold, round: &Round, licence: &Digest) -> Option<Result<(), String>> {
    let of = licence_of(fold, round)?;
    let right = of.sha256() == licence.to_string();
    Some(if right { Ok(()) } else { Err(format!("its purpose is under the licence {}", of.code())) })
}
