//! The privacy budget in points: used, promised, left, and what used it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::response::Response;
use datacoop_policy::ledger::Account;
use datacoop_policy::limits::{Layer, Limits};
use datacoop_policy::query::Query as AskedQuery;
use datacoop_policy::{Day, Period, PrivacyLoss, QueryId};
use datacoop_protocol::member::Member;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::glossary::words_here;
use super::part::Part;
use super::words::{days, said};
use super::{frame_of, stopped};
use crate::clock;
use crate::driver::Handle;
use crate::figure::{Cell, Figure, Form, Number, Row, Unit, Who};
use crate::html::day_words;
use crate::loss::{DELTA_TEXT, Reading};
use crate::view::{first_day, year_limit};

/// One point, in billionths of rho. The usual year, rho 0.25, is 100 of them.
const POINT: u64 = 2_500_000;

/// Days of a year after which a pace is one.
const PACE_DAYS_MIN: i64 = 14;

/// What is used rounds up.
fn points_used(loss: PrivacyLoss) -> u64 {
    loss.nano().div_ceil(POINT)
}

/// What may be used rounds down, and so does what is left of it.
fn points_left(loss: PrivacyLoss) -> u64 {
    loss.nano() / POINT
}

/// One figure for each dataset and year that anything was spent of.
pub(super) fn meters(member: &Member) -> Vec<Figure> {
    let (fold, now) = (member.fold(), clock::now());
    let limit = year_limit(member, now);
    let ledger = member.standing().ledger();
    let meter = |(n, (account, spent)): (usize, (&Account, PrivacyLoss))| {
        let promised = member.standing().promised(fold, member.me(), account, now);
        let (used, reserved, all) = (points_used(spent), points_used(promised), points_left(limit));
        let left = all.saturating_sub(used).saturating_sub(reserved);
        let part = |name: &str, points: u64| {
            Row::new(
                [("Points", name)],
                Who::Plain,
                Cell::Exact { value: Number::whole(points), chance: None },
            )
        };
        Figure {
            id: format!("budget-{n}"),
            title: format!(
                "{left} {} left of {}",
                if left == 1 { "point is" } else { "points are" },
                account.to_string().replacen('/', ", ", 1)
            ),
            subtitle: format!("Privacy budget of each person in these records; points of {all}"),
            unit: Unit::Of("points".into()),
            form: Form::Meter,
            rows: vec![part("Used", used), part("Promised to open questions", reserved), part("Left", left)],
            notes: notes(account, used, left, now.day()),
            source: "This node's own log".into(),
            certificate: String::new(),
            demo: fold.charter().fields().demo,
        }
    };
    ledger.accounts().enumerate().map(meter).collect()
}

/// When the budget begins anew, and whether it lasts until then.
fn notes(account: &Account, used: u64, left: u64, today: Day) -> Vec<String> {
    let (first, anew) = (first_day(account.year.0), first_day(account.year.0 + 1));
    let mut notes = vec![match today < anew {
        true => format!("When they are used up, this node refuses until {}.", day_words(anew)),
        // Questions about a year that is over are paid from that year.
        false => "That year is over: when they are used up, nothing more is answered about it.".to_owned(),
    }];
    let past = today.0 - first.0;
    // Of the first week nothing can be said, nor of another year.
    if used > 0 && past >= PACE_DAYS_MIN && today < anew {
        let days =
            i64::try_from(left).unwrap_or(i64::MAX).saturating_mul(past) / i64::try_from(used).unwrap_or(1);
        let until = Day(today.0.saturating_add(days));
        notes.push(match until < anew {
            true => format!("At this pace they last until {}.", day_words(until)),
            false => "At this pace they last the whole year.".to_owned(),
        });
    }
    notes
}

/// What was used of a dataset in all its years, and in each.
fn over_years(member: &Member) -> Vec<(String, String)> {
    let mut by_dataset: BTreeMap<&str, Vec<(&Account, PrivacyLoss)>> = BTreeMap::new();
    for (account, spent) in member.standing().ledger().accounts() {
        by_dataset.entry(&account.dataset).or_default().push((account, spent));
    }
    by_dataset.into_iter().map(|(dataset, years)| (dataset.to_owned(), sum_words(&years))).collect()
}

/// The sum over years is of what was spent, not of rounded points: those may add up to more.
fn sum_words(years: &[(&Account, PrivacyLoss)]) -> String {
    let sum = years.iter().fold(PrivacyLoss::ZERO, |sum, (_, spent)| sum.plus(*spent));
    let each: Vec<String> =
        years.iter().map(|(account, spent)| format!("{} in {}", points_used(*spent), account.year)).collect();
    let points = match points_used(sum) {
        1 => "1 point".to_owned(),
        n => format!("{n} points"),
    };
    match each.as_slice() {
        [only] => format!("{points}: {only}"),
        several => format!("{points} in {} years: {}", several.len(), several.join(", ")),
    }
}

/// Who set a limit, as people know it.
fn set_by(layer: &Layer) -> String {
    if *layer == Layer::Floor { "built into the program".to_owned() } else { format!("set by {layer}") }
}

/// What may be spent at most and who set it, as pairs of a name and what it says.
fn limits(member: &Member) -> Vec<(&'static str, String)> {
    let charter = member.fold().charter_at(member.me(), clock::now());
    let own = member.settings().limits.clone().unwrap_or_else(Limits::top);
    let layers = [
        (Layer::Floor, Limits::floor()),
        (Layer::Charter(charter.version()), charter.fields().limits.clone()),
        (Layer::Member, own),
    ];
    let least = |of: &dyn Fn(&Limits) -> PrivacyLoss| {
        let strictest = layers.iter().min_by_key(|(_, limits)| of(limits));
        strictest.map_or_else(String::new, |(layer, limits)| {
            let points = points_left(of(limits));
            format!("at most {points} points, {}", set_by(layer))
        })
    };
    let cells = layers.iter().min_by_key(|(_, limits)| limits.max_cells);
    let roster = layers.iter().max_by_key(|(_, limits)| limits.min_roster);
    let bodies = layers.iter().max_by_key(|(_, limits)| limits.min_bodies);
    let mut all = vec![
        ("All questions of a year", least(&|limits| limits.rho_year)),
        ("One question", least(&|limits| limits.rho_query)),
    ];
    all.extend(cells.map(|(layer, limits)| {
        ("Numbers in an answer", format!("at most {}, {}", limits.max_cells, set_by(layer)))
    }));
    all.extend(roster.map(|(layer, limits)| {
        ("Members in an answer", format!("at least {}, {}", limits.min_roster, set_by(layer)))
    }));
    all.extend(bodies.map(|(layer, limits)| {
        ("Separate bodies in an answer", format!("at least {}, {}", limits.min_bodies, set_by(layer)))
    }));
    all
}

/// What a released answer used of the budget.
struct Used {
    id: QueryId,
    title: String,
    period: Period,
    points: u64,
    loss: PrivacyLoss,
}

/// Released answers, the newest first.
fn used(member: &Member, released: &[(QueryId, String)], from: usize) -> (Part, Vec<Used>) {
    let queries = released.iter().filter_map(|(id, _)| member.fold().round(id)?.query());
    let mut queries: Vec<&Arc<AskedQuery>> = queries.collect();
    queries.sort_by_key(|query| std::cmp::Reverse(query.at));
    let part = Part::of(queries.len(), from);
    let shown = queries[part.range()].iter().map(|query| Used {
        id: query.id,
        title: query.question.question().title().to_owned(),
        period: query.period(),
        points: points_used(query.loss),
        loss: query.loss,
    });
    (part, shown.collect())
}

/// What somebody may learn from releases and what not, with what a year of them allows at most.
fn reveals(year: &Reading) -> Markup {
    html! {
        p { "A release shows sums over all members that answered, with privacy noise added on purpose. No row, no name and no member's own figure is in it." }
        ul id="reveals" {
            li { strong { "About one person: " } "a little. After a whole year's budget, whatever anybody concludes from all answers is at most " (year.factor_text()) " times as likely as if that person's record had been left out, save with a chance of one in a million; whoever looks, and whatever else they know. What it is for one answer stands with that result." }
            li { strong { "About a group: " } "what is true of most of its people, which is what it is for. If nearly all of a year group are absent on Fridays, one may guess it of somebody in that year group, whether or not their record was counted." }
            li { strong { "About a member: " } "that it took part. Of a round of three or four members the others see its figures with noise added on purpose; of a larger one only the sum can be read. Where members differ between two answers to the same question, their difference may tell something of whoever joined or left; the charter sets how many bodies must change together." }
            li { strong { "Not by asking often: " } "asking again costs nothing and gives the same numbers." }
            li { strong { "Not covered: " } "a person who can read the records on a member's own computer, and many members who work together against the others: then less noise is left than was meant." }
        }
    }
}

/// How many of the newest answers to pass over.
#[derive(Deserialize)]
pub(super) struct From {
    #[serde(default)]
    from: usize,
}

pub(super) async fn privacy(State(handle): State<Handle>, Query(From { from }): Query<From>) -> Response {
    let frame = frame_of(&handle).await;
    let released = handle.released();
    let seen = handle.view(move |member| {
        let year = year_limit(member, clock::now());
        (meters(member), over_years(member), used(member, &released, from), limits(member), year)
    });
    let Some((meters, over_years, (part, list), limits, year)) = seen.await else {
        return frame.error("/privacy", &stopped());
    };
    // What each loss comes to is worked out once: most answers cost the same.
    let losses: BTreeSet<PrivacyLoss> = list.iter().map(|used| used.loss).collect();
    let readings: Vec<Value> = losses.into_iter().map(|loss| Reading::of(loss).json()).collect();
    let year = Reading::of(year);
    let body = html! {
        p { "Every answer tells a little about everybody in it. This node counts how much, person by person at worst, and stops." }
        @if meters.is_empty() { p { "Nothing has been spent yet." } }
        @for figure in &meters { (figure.html()) }
        @if !over_years.is_empty() {
            h2 { "Over all years" }
            p { "Each year has its own budget, and what was learnt stays learnt: for somebody who is in the records year after year, the years add up." }
            dl class="pairs" id="years" { @for (dataset, used) in &over_years { dt { (dataset) } dd { (used) } } }
        }
        @if !list.is_empty() {
            table class="plain" {
                caption { "What used it, the newest first" @if part.is_cut() { ": " (part.words()) " of " (part.all()) } }
                thead { tr { th scope="col" { "Question" } th scope="col" { "Period" } th scope="col" { "Points" } } }
                tbody {
                    @for Used { id, title, period, points, .. } in &list {
                        tr {
                            td { a href={ "/results/" (id) } { (title) } }
                            td { (days(&period.to_string())) }
                            td { (points) }
                        }
                    }
                }
            }
            (part.links("/privacy"))
        }
        h2 { "Limits, and who set each" }
        dl class="pairs" id="limits" { @for (name, value) in &limits { dt { (name) } dd { (value) } } }
        p { "The strictest counts. All of them, and those of each purpose: " code { "datacoop charter limits" } }
        h2 { "What can a release reveal?" }
        (reveals(&year))
        details {
            summary { "Details" }
            p { "A whole year's budget is rho " (year.rho_text()) ": epsilon " (year.epsilon_text()) " at delta " (DELTA_TEXT) "." }
            p { "One point is zCDP rho 0.0025, so a year of rho 0.25 is 100 points. What was used rounds up, what is left rounds down." }
            @for reading in &readings {
                p { "An answer of rho " (said(&reading["rho"]).trim_end_matches('0').trim_end_matches('.')) ": epsilon " (said(&reading["epsilon"])) " at delta " (said(&reading["delta"])) "." }
            }
        }
        (words_here(&["privacy-budget", "privacy-noise", "release"]))
    };
    frame.page("/privacy", "Privacy", &body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::account;
    use datacoop_policy::AcademicYear;

    #[test]
    fn years_add_up_by_what_was_spent_and_not_by_rounded_points() {
        let years = [account("pupils", AcademicYear(2025)), account("pupils", AcademicYear(2026))];
        let half = PrivacyLoss::from_nano(POINT / 2);
        let spent: Vec<(&Account, PrivacyLoss)> = years.iter().map(|year| (year, half)).collect();
        assert_eq!(sum_words(&spent), "1 point in 2 years: 1 in 2025/26, 1 in 2026/27");
        assert_eq!(sum_words(&spent[..1]), "1 point: 1 in 2025/26");
    }
}
