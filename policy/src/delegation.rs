//! A coordinator's leave to ask, given to one member: narrower than its own, for a while, until it takes it
//! back. Source: CHARTER.md section 4.

use crate::charter::{Charter, Role};
use crate::id::{Digest, MemberId};
use crate::limits::Limits;
use crate::time::{Span, Time};
use crate::verdict::CLOCK_SKEW_MAX;

/// Floor: no delegation holds longer, from when it was written (CHARTER.md F17). Power that nobody renews
/// lapses: a month is a project's step, and whoever is to ask for longer can be made a coordinator.
pub const DELEGATION_MAX: Span = Span(30 * 86_400_000);

/// A delegation, as its entry says, and whether it was taken back since.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delegation {
    /// The coordinator that gives it.
    pub by: MemberId,
    /// The one member that may ask under it.
    pub audience: MemberId,
    /// What may be asked under it: one more layer, which can only tighten.
    pub limits: Limits,
    /// When it was written, as its author says.
    pub at: Time,
    /// Its last second.
    pub until: Time,
    /// The charter version that it is given under, and ends with.
    pub charter: Digest,
    /// Whether whoever gave it took it back.
    pub revoked: bool,
}

/// The entry that a Query cites as its delegation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cited {
    /// Whose log it stands in; `None` of a log of no member.
    pub by: Option<MemberId>,
    /// Its place there.
    pub index: u64,
    /// Its leaf hash.
    pub leaf: Digest,
}

/// What whoever judges knows of the delegation that a Query cites.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known<'a> {
    /// It is here.
    Held(&'a Delegation),
    /// Its log is not, or not so far: then it is taken at its word, so that all readers of a round agree
    /// whether there is one. Never by a member that decides.
    Unseen,
    /// What is cited is no delegation.
    Nothing,
}

impl Delegation {
    /// Whether it may be written, or counts, under this charter: who may give it, to whom, and for how long.
    ///
    /// Errors: a sentence about the first rule that it breaks.
    pub fn check(&self, charter: &Charter) -> Result<(), String> {
        if self.charter != charter.hash() {
            let (theirs, ours) = (self.charter.short(), charter.hash().short());
            return Err(format!("the delegation was given under charter {theirs}; we hold {ours}"));
        }
        check_author(charter, &self.by)?;
        let audience = &self.audience;
        if audience == &self.by {
            return Err("a delegation is for another member".into());
        }
        match charter.member(audience) {
            None => return Err(format!("the delegation is for `{audience}`, which is no member")),
            Some(member) if !member.may_act_for_others() => {
                return Err(format!(
                    "the delegation is for `{audience}`, which only audits or drafts and may not ask"
                ));
            }
            Some(_) => {}
        }
        if self.until < self.at || self.until > self.at + DELEGATION_MAX {
            return Err("a delegation ends after it is given and within 30 days".into());
        }
        Ok(())
    }
}

/// One step only: who holds but a delegation gives none on.
fn check_author(charter: &Charter, by: &MemberId) -> Result<(), String> {
    match charter.member(by) {
        Some(member) if member.has(Role::Coordinator) => Ok(()),
        _ => Err(format!("`{by}` is no coordinator, and only a coordinator delegates")),
    }
}

/// Whether `asker`, as it says at `at`, may ask under what it cites; seen now.
///
/// Errors: a sentence about the first rule that it breaks.
pub fn check_cited(
    charter: &Charter,
    (asker, at): (&MemberId, Time),
    cited: &Cited,
    known: Known<'_>,
    now: Time,
) -> Result<(), String> {
    let Some(by) = &cited.by else { return Err("the delegation stands in a log of no member".into()) };
    check_author(charter, by)?;
    let held = match known {
        Known::Held(held) => held,
        Known::Unseen => return Ok(()),
        Known::Nothing => return Err("what it cites as a delegation is none".into()),
    };
    if held.by != *by {
        return Err(format!("the delegation is by `{}`, not by `{by}`", held.by));
    }
    held.check(charter)?;
    if held.audience != *asker {
        return Err(format!("the delegation is for `{}`, not for `{asker}`", held.audience));
    }
    if held.revoked {
        return Err(format!("`{}` took the delegation back", held.by));
    }
    if held.at > now + CLOCK_SKEW_MAX {
        return Err("the delegation is dated ahead".into());
    }
    // By the asker's word of when it asked, and by whoever judges: neither alone can make it last.
    if at > held.until || now > held.until {
        return Err(format!("the delegation ended on {}", held.until.day()));
    }
    Ok(())
}
