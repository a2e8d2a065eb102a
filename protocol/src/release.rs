//! From opened shares to sums and figures: what everyone recomputes and compares.

use std::collections::BTreeMap;

use datacoop_policy::derive::{Figures, derive};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, MemberId};

use crate::entry::{Body, Ref};
use crate::json::Value;
use crate::log::tree::sha256;
use crate::rounds::{Kind, Logged, Plan, Round, commitment, vector_bytes};
use crate::secagg::unshard;

/// What a release must say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sums {
    /// The opens that were added up.
    pub opens: Vec<Ref>,
    /// Whose contributions are in them.
    pub accepted: Vec<MemberId>,
    /// Noisy sums in scaled steps, offsets taken off.
    pub sums: Vec<i64>,
}

impl Round {
    /// The sums, once every seat opened what it had committed to; in full-noise mode, the sums of
    /// the reveals that `cited` names, or of all that are there.
    ///
    /// `None` while something is missing, opens another commitment or is out of range.
    pub fn sums(&self, plan: &Plan, cited: Option<&[Ref]>) -> Option<Sums> {
        let frozen = self.frozen(plan)?;
        match plan.query.mode {
            Mode::Secure => {
                let (verifies, _) = self.verified(plan, &frozen)?;
                let closed = self.closed(plan, &verifies)?;
                let mut opens = vec![];
                let mut shares: Vec<&[u8]> = vec![];
                for (author, commit) in plan.committee.iter().zip(&closed.commits) {
                    let logged = self.said(Kind::Open, author)?;
                    let Body::Open { closes, share, salt, .. } = &logged.body else { return None };
                    let right = *closes == closed.closes && commitment("close", salt, share) == *commit;
                    right.then_some(())?;
                    opens.push(logged.at.clone());
                    shares.push(share);
                }
                let totals = unshard(plan.query.question.cells(), &shares).ok()?;
                let totals = totals.into_iter().map(|total| i128::try_from(total).ok());
                let clip = i128::from(plan.noise.clip()) * i128::try_from(closed.accepted.len()).ok()?;
                let sums = take_off(plan, &closed.accepted, totals.collect::<Option<Vec<_>>>()?, clip)?;
                Some(Sums { opens, accepted: closed.accepted, sums })
            }
            Mode::FullNoise => self.revealed(plan, &frozen.members, cited),
        }
    }

    fn revealed(&self, plan: &Plan, members: &[MemberId], cited: Option<&[Ref]>) -> Option<Sums> {
        let cells = plan.query.question.cells();
        let mut totals = vec![0i128; cells];
        let (mut opens, mut accepted) = (vec![], vec![]);
        for member in members {
            let Some(logged) = self.reveal(plan, member) else { continue };
            if cited.is_some_and(|cited| !cited.contains(&logged.at)) {
                continue;
            }
            let Body::Reveal { vector, .. } = &logged.body else { continue };
            totals.iter_mut().zip(vector).for_each(|(total, value)| *total += i128::from(*value));
            opens.push(logged.at.clone());
            accepted.push(member.clone());
        }
        let enough = accepted.len() >= self.accepted_min(plan) && cited.is_none_or(|cited| cited == opens);
        let sums = take_off(plan, &accepted, totals, 0)?;
        enough.then_some(Sums { opens, accepted, sums })
    }

    /// A member's reveal, if it opens its commitment.
    pub fn reveal(&self, plan: &Plan, member: &MemberId) -> Option<&Logged> {
        let logged = self.said(Kind::Open, member)?;
        let Body::Reveal { vector, salt, .. } = &logged.body else { return None };
        let Body::Commit { commit, .. } = &self.contribution(plan, member)?.body else { return None };
        let right = vector.len() == plan.query.question.cells()
            && commitment("vector", salt, &vector_bytes(vector)) == *commit;
        right.then_some(logged)
    }

    /// The release that stands, with whose contributions are in it, if one is right.
    pub(crate) fn find_release(&self) -> Option<(MemberId, Sums)> {
        let plan = self.plan()?;
        let right =
            self.releases().filter_map(|(by, logged)| Some((by.clone(), self.check_release(plan, logged)?)));
        // Of full-noise releases the one with the most vectors stands, of equals the asker's.
        right.reduce(|best, next| if next.1.accepted.len() > best.1.accepted.len() { next } else { best })
    }

    /// Recomputes a release; `None` when it says anything else.
    pub fn check_release(&self, plan: &Plan, logged: &Logged) -> Option<Sums> {
        let Body::Release { opens, sums, figures: told, .. } = &logged.body else { return None };
        let computed = self.sums(plan, Some(opens))?;
        let digest = figures_digest(&figures(plan, &computed));
        (computed.opens == *opens && computed.sums == *sums && digest == *told).then_some(computed)
    }
}

/// Takes the noise clips and the members' offsets off.
fn take_off(plan: &Plan, accepted: &[MemberId], totals: Vec<i128>, clip: i128) -> Option<Vec<i64>> {
    let cells = totals.into_iter().enumerate();
    cells
        .map(|(cell, total)| {
            let offsets: i128 = accepted.iter().map(|member| i128::from(plan.offset(member, cell))).sum();
            i64::try_from(total - clip - offsets).ok().filter(|sum| sum.unsigned_abs() < 1 << 53)
        })
        .collect()
}

/// The figures that follow from the sums: everyone derives the same digits.
pub fn figures(plan: &Plan, sums: &Sums) -> Figures {
    let accepted = u32::try_from(sums.accepted.len()).unwrap_or(u32::MAX);
    derive(&plan.query.question, &plan.noise, accepted, &sums.sums)
}

/// SHA-256 of the figures' canonical JSON, in billionths and not as they are written: how digits are rounded for people
/// may change, and a release of before must not become false by it.
pub fn figures_digest(figures: &Figures) -> Digest {
    let text = |text: &str| Value::Str(text.to_owned());
    let cells = figures.cells.iter().map(|cell| {
        let key: BTreeMap<String, Value> =
            cell.key.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        let values = cell.figures.iter().map(|figure| {
            let mut fields = vec![("name", text(&figure.name)), ("status", text(figure.status.code()))];
            if let Some(exact) = &figure.unrounded {
                let numbers =
                    [exact.value, exact.low, exact.high, exact.noise].into_iter().chain(exact.chance);
                let numbers = numbers.map(|number| Value::Str(number.to_string()));
                fields.push(("billionths", Value::Array(numbers.collect())));
            }
            fields.extend(figure.chance_assumed.then_some(("chance_assumed", Value::Int(1))));
            Value::object(fields)
        });
        Value::object([("figures", Value::Array(values.collect())), ("key", Value::Object(key))])
    });
    sha256(&[&Value::Array(cells.collect()).to_bytes()])
}
