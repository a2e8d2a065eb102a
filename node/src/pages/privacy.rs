//! The privacy budget in points: used, promised, left, and what used it.

use axum::extract::State;
use axum::response::Response;
use datacoop_policy::PrivacyLoss;
use datacoop_policy::ledger::Account;
use datacoop_protocol::member::Member;
use maud::html;
use serde_json::Value;

use super::{frame_of, stopped};
use crate::clock;
use crate::driver::Handle;
use crate::figure::{Cell, Figure, Form, Number, Row, Unit, Who};
use crate::view::{release_json, year_limit};

/// One point, in billionths of rho. The usual year, rho 0.25, is 100 of them.
const POINT: u64 = 2_500_000;

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
            title: format!("{left} points are left of {}", account.to_string().replacen('/', ", ", 1)),
            subtitle: format!("Privacy budget of each person in these records; points of {all}"),
            unit: Unit::Of("points".into()),
            form: Form::Meter,
            rows: vec![part("Used", used), part("Promised to open questions", reserved), part("Left", left)],
            notes: vec!["When they are used up, this node refuses until the next school year.".into()],
            source: "This node's own log".into(),
            certificate: "none: no release".into(),
            demo: fold.charter().fields().demo,
        }
    };
    ledger.accounts().enumerate().map(meter).collect()
}

pub(super) async fn privacy(State(handle): State<Handle>) -> Response {
    let frame = frame_of(&handle).await;
    let released = handle.released();
    let seen = handle.view(move |member| {
        let rounds = released.iter().filter_map(|(id, _)| member.fold().round(id));
        let list: Vec<Value> = rounds.filter_map(|round| release_json(member.fold(), round)).collect();
        (meters(member), list)
    });
    let Some((meters, list)) = seen.await else { return frame.error("/privacy", &stopped()) };
    let words = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let body = html! {
        p { "Every answer tells a little about everybody in it. This node counts how much, person by person at worst, and stops." }
        @if meters.is_empty() { p { "Nothing has been spent yet." } }
        @for figure in &meters { (figure.html()) }
        @if !list.is_empty() {
            table class="plain" {
                caption { "What used it" }
                thead { tr { th scope="col" { "Question" } th scope="col" { "Period" } th scope="col" { "Loss (rho)" } } }
                tbody {
                    @for release in &list {
                        tr {
                            td { a href={ "/results/" (words(&release["query"])) } { (words(&release["title"])) } }
                            td { (words(&release["period"]).replace("..", " to ")) }
                            td { (words(&release["loss"]["rho"]).trim_end_matches('0')) }
                        }
                    }
                }
            }
        }
        h2 { "What can a release reveal?" }
        p { "Asking again costs nothing and gives the same numbers, so asking often never makes them sharper. One point is rho 0.0025; what it means for one person stands with each result." }
    };
    frame.page("/privacy", "Privacy", &body)
}
