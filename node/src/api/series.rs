//! One question over time: the releases of it that this node holds, period by period, and the periods between them
//! that nothing was released for.

use datacoop_policy::question::PERIODS;
use datacoop_policy::{Day, Period, QueryId};
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::Round;
use datacoop_protocol::standing::superseded_by;

use super::rounds::find_round;
use super::stopped;
use crate::driver::Handle;
use crate::error::CommandError;
use crate::figure::Figure;
use crate::figure::series::{Slot, over_time};
use crate::own::basis::Basis;
use crate::questions::period::{short, whole_between};

/// Releases of a series, the newest: two school years of half-terms, and as many as a phone's screen can show.
const RELEASES_MAX: usize = 12;
/// Periods without a release that are shown one by one; more in a row are shown as one.
const MISSING_MAX: usize = 6;

/// The question of a release over time, a figure for each measure; none where only one period was released.
///
/// Errors: no such query here.
pub(crate) async fn series_of(handle: &Handle, id: String) -> Result<Vec<Figure>, CommandError> {
    let released = handle.released();
    let found = handle.view(move |member| {
        let round = find_round(member.fold(), &id)?;
        Ok::<_, CommandError>(releases(member, &released, &round))
    });
    Ok(over_time(&slots(&found.await.ok_or_else(stopped)??)))
}

/// Releases that stand of a round's question with its parameters, for periods that share no day: its own, and of the
/// others the newest. By period.
fn releases(member: &Member, released: &[(QueryId, String)], round: &Round) -> Vec<Basis> {
    let fold = member.fold();
    let Some(query) = round.query() else { return vec![] };
    let (name, params) = (query.question.question().id(), query.question.params());
    let same = released.iter().filter(|(id, of)| of == name && *id != round.id);
    let mut rounds: Vec<&Round> = same.filter_map(|(id, _)| fold.round(id)).map(|round| &**round).collect();
    rounds.retain(|other| other.query().is_some_and(|other| other.question.params() == params));
    rounds.sort_by_key(|other| std::cmp::Reverse(other.query().map(|query| query.at)));
    let mut taken: Vec<(Period, &Round)> = vec![(query.period(), round)];
    for other in rounds {
        let Some(period) = other.query().map(|query| query.period()) else { continue };
        let apart =
            |(known, _): &(Period, &Round)| known.last() < period.first() || period.last() < known.first();
        if taken.len() < RELEASES_MAX && taken.iter().all(apart) && superseded_by(fold, other).is_none() {
            taken.push((period, other));
        }
    }
    taken.sort_by_key(|(period, _)| period.first());
    taken.into_iter().filter_map(|(_, round)| Basis::of(member, round)).collect()
}

/// Them with the gaps between them.
fn slots(releases: &[Basis]) -> Vec<Slot> {
    let mut slots = vec![];
    let mut before: Option<&Basis> = None;
    for basis in releases {
        let period = basis.question.period();
        if let Some(before) = before {
            slots.extend(missing(basis, before.question.period().last(), period.first()));
        }
        let draft = |basis: &Basis| basis.question.question().draft().clone();
        slots.push(Slot {
            period: short(period),
            figures: basis.figures(&[]),
            redefined: before.is_some_and(|before| draft(before) != draft(basis)),
        });
        before = Some(basis);
    }
    slots
}

/// The whole periods of a release's kind after one day and before another.
fn missing(basis: &Basis, after: Day, before: Day) -> Vec<Slot> {
    let question = basis.question.question();
    let period = basis.question.period();
    let days = period.last().0 - period.first().0 + 1;
    let kind = PERIODS.iter().find(|(_, most)| days <= *most).map_or("year", |(kind, _)| kind);
    let dated = question.vocabulary().date_column().is_some();
    let between = whole_between(kind, dated, after, before);
    let slot = |period: String| Slot { period, figures: vec![], redefined: false };
    match (between.first(), between.last()) {
        (Some(first), Some(last)) if between.len() > MISSING_MAX => {
            vec![slot(format!("{} to {}", short(*first), short(*last)))]
        }
        _ => between.into_iter().map(|period| slot(short(period))).collect(),
    }
}
