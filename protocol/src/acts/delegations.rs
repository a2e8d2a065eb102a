//! Delegations: what a coordinator lets one member ask, as an entry, and what of it holds. Source: CHARTER.md
//! section 4.
//!
//! The spec gives a delegation a serial. It has none here: the leaf hash of its entry names it, and binds its
//! author, its place and its every word, so a Query cites it by that, and so does a revocation.

use datacoop_policy::delegation::{Cited, Delegation};
use datacoop_policy::limits::{Limits, Place, Set, Value as Limit};
use datacoop_policy::query::Query;
use datacoop_policy::{Day, Digest, MemberId, PrivacyLoss, Time};

use super::{Act, Acts, Done, plain_id};
use crate::entry::{Ref, text};
use crate::fold::Fold;
use crate::json::{Fields, JsonError, Value};

/// Most names in one list: with the longest ids, all five lists still leave half an entry free.
const NAMES_MAX: usize = 64;

/// Limits as canonical JSON: only what narrows, so that each has one form. Names as `only` or `except`, a
/// loss in billionths of rho, a day as text, and what is not allowed as 0.
///
/// What an entry cannot say, such as a loss beyond its largest integer, does not read back and is not written.
pub fn limits_value(limits: &Limits) -> Value {
    let top = Limits::top();
    let narrowed = limits.values().into_iter().zip(top.values()).filter(|(ours, free)| ours.1 != free.1);
    Value::object(narrowed.map(|((name, limit), _)| (name, limit_value(limit))))
}

fn limit_value(limit: Limit<'_>) -> Value {
    let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    match limit {
        Limit::Names(Set::Only(names)) => Value::object([("only", names_value(names))]),
        Limit::Names(Set::Except(names)) => Value::object([("except", names_value(names))]),
        Limit::LossMost(loss) => int(loss.nano()),
        Limit::Most(number) | Limit::Least(number) => int(u64::from(number)),
        Limit::From(day) | Limit::Until(day) => text(&day.to_string()),
        Limit::May(allowed) => int(u64::from(allowed)),
    }
}

fn names_value<'a>(names: impl IntoIterator<Item = &'a String>) -> Value {
    Value::Array(names.into_iter().map(|name| text(name)).collect())
}

/// Reads `limits_value`. Errors: an unknown name, a value of another kind, or any other form of the same.
pub fn parse_limits(value: Value) -> Result<Limits, JsonError> {
    let mut fields = Fields::new(value.clone())?;
    let mut limits = Limits::top();
    for (name, place) in limits.places() {
        if !fields.has(name) {
            continue;
        }
        match place {
            Place::Names(place) => *place = parse_names(fields.object(name)?)?,
            Place::LossMost(place) => *place = PrivacyLoss::from_nano(number(&mut fields, name)?),
            Place::Count(place) => *place = number(&mut fields, name)?,
            Place::Day(place) => {
                let day = Day::parse(&fields.string(name)?);
                *place = day.ok_or_else(|| JsonError::new(&format!("`{name}` is no day")))?;
            }
            Place::May(place) => *place = number::<u8>(&mut fields, name)? != 0,
        }
    }
    fields.finish()?;
    if limits_value(&limits) != value {
        return Err(JsonError::new("limits say only what narrows, each in its one form"));
    }
    Ok(limits)
}

fn number<T: TryFrom<i64>>(fields: &mut Fields, name: &str) -> Result<T, JsonError> {
    T::try_from(fields.integer(name)?).map_err(|_| JsonError::new(&format!("`{name}` is out of range")))
}

fn parse_names(value: Value) -> Result<Set, JsonError> {
    let mut fields = Fields::new(value)?;
    let (name, of): (_, fn(_) -> Set) =
        if fields.has("only") { ("only", Set::Only) } else { ("except", Set::Except) };
    let names = fields.array(name)?;
    fields.finish()?;
    if names.len() > NAMES_MAX {
        return Err(JsonError::new(&format!("`{name}` lists over {NAMES_MAX} names")));
    }
    let names = names.into_iter().map(|value| match value {
        Value::Str(named) => plain_id(named, name),
        Value::Int(_) | Value::Array(_) | Value::Object(_) => Err(JsonError::new("expected strings")),
    });
    Ok(of(names.collect::<Result<_, _>>()?))
}

impl Acts {
    /// The delegation in an entry, if it is one, as it stands now.
    pub fn delegation(&self, leaf: &Digest) -> Option<Delegation> {
        let done = self.get(leaf)?;
        let Act::Delegation { audience, limits, until, charter } = &done.act else { return None };
        Some(Delegation {
            by: done.by.clone(),
            audience: audience.clone(),
            limits: (**limits).clone(),
            at: done.time,
            until: *until,
            charter: *charter,
            revoked: self.revocation(&done.at).is_some(),
        })
    }

    /// The entry by which whoever gave a delegation took it back, the first of them.
    pub(crate) fn revocation<'a>(&'a self, delegation: &'a Ref) -> Option<&'a Done> {
        let by = &self.get(&delegation.leaf)?.by;
        let said = self.on(delegation).filter(|said| said.by == *by);
        said.filter(|said| matches!(said.act, Act::Revocation { .. }))
            .min_by(|one, other| one.at.order().cmp(&other.at.order()))
    }

    /// What a Query cites as its delegation, if that is one.
    pub fn cited(&self, cited: &Cited) -> Option<Delegation> {
        let in_place = self.get(&cited.leaf).is_some_and(|done| done.at.index == cited.index);
        self.delegation(&cited.leaf).filter(|held| in_place && Some(&held.by) == cited.by.as_ref())
    }

    /// All delegations, by entry, in order of their leaf hashes.
    pub fn delegations(&self) -> impl Iterator<Item = (&Ref, Delegation)> {
        self.all().filter_map(|done| Some((&done.at, self.delegation(&done.at.leaf)?)))
    }

    /// Whether a Query cites what somebody may still write: its author's log is not here so far.
    pub(crate) fn awaits_delegation(&self, fold: &Fold, query: &Query) -> bool {
        let Some(cited) = &query.delegation else { return false };
        let Some(log) = cited.by.as_ref().and_then(|by| fold.log(by)) else { return false };
        // In an earlier log of its author's nothing more comes.
        let stands =
            fold.logs_of(&log.member).iter().any(|log| log.tree().leaf(cited.index) == Some(cited.leaf));
        log.size() <= cited.index && !stands
    }

    /// The delegations that a member may ask under now, those that end last first.
    pub fn usable(&self, fold: &Fold, me: &MemberId, now: Time) -> Vec<(&Ref, Delegation)> {
        let charter = fold.charter_at(me, now);
        let holds = |held: &Delegation| {
            held.audience == *me && !held.revoked && held.until >= now && held.check(charter).is_ok()
        };
        let mut all: Vec<_> = self.delegations().filter(|(_, held)| holds(held)).collect();
        all.sort_by(|a, b| b.1.until.cmp(&a.1.until).then(a.0.leaf.cmp(&b.0.leaf)));
        all
    }
}

/// How a Query cites the delegation in an entry; `None` of a log of no member.
pub fn cite(by: Option<&MemberId>, at: &Ref) -> Cited {
    Cited { by: by.cloned(), index: at.index, leaf: at.leaf }
}

#[cfg(test)]
#[path = "delegations_tests.rs"]
mod tests;
