//! The page of one public result. Must not know how it is written.

use datacoop_policy::derive::{FigureValue, Status};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, Period};
use datacoop_protocol::certificate::NOT_SHOWN;

use super::pages::{details, points};
use super::{Public, Register};
use crate::cli::{meaning_text, percent, unit_of};
use crate::html::{day_html, link, list, pairs, table, text};
use crate::loss::{Reading, points_of};
use crate::view::can_be_all_corrupt;

/// A span of days; HTML.
pub(super) fn period_html(period: &Period) -> String {
    format!("{} to {}", day_html(period.first()), day_html(period.last()))
}

/// A name of a column or parameter, as words.
fn plain_name(name: &str) -> String {
    name.replace('_', " ")
}

/// A value of a group, as words.
fn plain_value(value: &str) -> String {
    match value {
        "true" => "yes".to_owned(),
        "false" => "no".to_owned(),
        "true minus false" => "yes minus no".to_owned(),
        "false minus true" => "no minus yes".to_owned(),
        other => other.to_owned(),
    }
}

/// A parameter's value; a list of members by their names. HTML.
fn param(register: &Register<'_>, value: &str) -> String {
    let parts: Vec<&str> = value.split(',').collect();
    let known = |part: &&str| {
        let id: MemberId = part.parse().ok()?;
        register.source.fold.charters().iter().any(|charter| charter.member(&id).is_some()).then_some(id)
    };
    match parts.iter().map(known).collect::<Option<Vec<MemberId>>>() {
        Some(ids) => ids.iter().map(|id| register.member_name(id)).collect::<Vec<_>>().join("; "),
        None => text(&parts.join(", ")),
    }
}

pub(super) fn result_page(register: &Register<'_>, result: &Public<'_>) -> String {
    let release = &result.release;
    let (Some(asked), Some(plan)) = (result.round.asked(), result.round.plan()) else {
        return String::new();
    };
    let question = release.question.question();
    let lay = &asked.body.lay;
    let said = |words: &str| if words.trim().is_empty() { "Not said.".to_owned() } else { text(words) };
    let accepted = result.round.released().map_or(0, |(_, sums)| sums.accepted.len());
    let by = plan.query.delegation.as_ref().and_then(|cited| cited.by.as_ref());
    let let_by = by.map_or(String::new(), |by| format!(" for {}", register.member_name(by)));
    let mut out = String::from("<h2>Why it was asked</h2>\n");
    out += &pairs([
        ("Purpose", register.purpose_link(result.purpose)),
        ("Why", said(&lay.why)),
        ("Who benefits", said(&lay.benefits)),
        ("Who pays", said(&lay.pays)),
        (
            "Asked by",
            format!("{}{let_by}, on {}", register.member_name(&asked.asker), day_html(asked.time.day())),
        ),
        ("Answered on", format!("{}; public since {}", day_html(result.released), day_html(result.since))),
        ("About the days", period_html(&plan.query.period())),
        ("Data", text(&format!("{}, {}", plan.query.account.dataset, question.vocabulary().name()))),
        ("Members in the sum", format!("{accepted} of {}", plan.members.len())),
    ]);
    let params = plan.query.question.params().iter();
    let params: Vec<(String, String)> =
        params.map(|(name, value)| (plain_name(name), param(register, value))).collect();
    if !params.is_empty() {
        out += "<h3>What was asked for, in detail</h3>\n";
        out += &pairs(params.iter().map(|(name, said)| (name.as_str(), said.clone())));
    }
    if let Some(old) = &asked.body.supersedes {
        out +=
            &format!("<p class=\"note\">This corrects an earlier answer. Why: {}</p>\n", text(&old.because));
    }
    if datacoop_protocol::standing::superseded_by(register.source.fold, result.round).is_some() {
        out += "<p class=\"note\">A later answer corrects this one.</p>\n";
    }
    out += "<h2>What came of it</h2>\n<p>Noise was added on purpose, so no figure is exact. About 19 of 20 such ranges hold the true figure; \"pp\" means percentage points.</p>\n";
    out += &figures(result);
    let cannot = &question.draft().cannot_tell;
    if !cannot.is_empty() {
        out += "<h3>What this cannot tell</h3>\n";
        out += &list(cannot.iter().map(String::as_str));
    }
    let clips = release.question.clips();
    if !clips.is_empty() {
        out += "<h3>What was cut off</h3>\n<p>One person can move a sum only so far. What lies beyond is cut, and in no range above.</p>\n";
        out += &list(clips.iter().map(String::as_str));
    }
    out += "<h2>What it costs in privacy</h2>\n";
    out += &format!(
        "<p>It cost {} of the privacy budget at each member that took part. Whatever anybody learns from it is at most {} times as likely as if a person's record had been left out.</p>\n",
        points(points_of(plan.query.loss)),
        Reading::of(plan.query.loss).factor_text()
    );
    let in_numbers = format!("<p>{}</p>\n", text(&meaning_text(&release.json["loss"]).replace('\n', " ")));
    out += &details("The same in the numbers of differential privacy", &in_numbers);
    if can_be_all_corrupt(plan.query.mode, &plan.terms) {
        out += "<p>The members that opened the sum were drawn by lot. There is a small chance that all of them colluded.</p>\n";
    }
    if plan.query.mode == Mode::FullNoise {
        out += "<p>In this round each member added all the privacy noise itself, and members saw each other's figures with it.</p>\n";
    }
    if let (handed @ 1.., receipts) = register.handed(result.round) {
        out += &format!(
            "<p>Members wrote down that they handed it to {handed} outside the co-operative, under the licence below; {receipts} gave a receipt. Who they are stays with those members.</p>\n"
        );
    }
    out += "<h2>Check it</h2>\n";
    out += &match &result.certificate {
        Ok(_) => format!(
            "<p>{}. Check it with the free program: <code>datacoop verify FILE</code>.</p>\n",
            link(&result.file(), "Download the certificate")
        ),
        Err(why) => format!("<p>There is no certificate: {}.</p>\n", text(&why.to_string())),
    };
    out += "<p>A certificate does not show:</p>\n";
    out += &list(NOT_SHOWN);
    out += &format!(
        "<p>You may use this result under the licence {}. It names what is forbidden: sale, ranking, and looking for one person.</p>\n<p>Query <span class=\"hash\">{}</span></p>\n",
        link(&format!("{}.txt", result.purpose.licence.code()), result.purpose.licence.code()),
        release.id
    );
    out
}

/// A value as people read it: percent where it is a share, the digits kept.
fn shown(kind: &str, name: &str, value: &str) -> String {
    if value.is_empty() {
        return "not known".into();
    }
    match unit_of(kind, name) {
        Some(unit) => text(&format!("{}{unit}", percent(value))),
        None => text(value),
    }
}

fn figures(result: &Public<'_>) -> String {
    let release = &result.release;
    let kind = &release.question.question().draft().figure.kind;
    let row = |key: &[(String, String)], figure: &FigureValue| {
        let key: Vec<String> =
            key.iter().map(|(name, value)| format!("{}: {}", plain_name(name), plain_value(value))).collect();
        let group = if key.is_empty() { "everybody".to_owned() } else { key.join(", ") };
        let value = |value: &str| match figure.status {
            Status::Suppressed => "not shown".to_owned(),
            _ => shown(kind, &figure.name, value),
        };
        let range = match figure.status {
            Status::Suppressed => "too few people, or too wide a range".to_owned(),
            _ => format!("{} to {}", value(&figure.low), value(&figure.high)),
        };
        vec![text(&group), text(&figure.name), value(&figure.value), range]
    };
    let cells = &release.figures.cells;
    let rows = cells.iter().flat_map(|cell| cell.figures.iter().map(|figure| row(&cell.key, figure)));
    table(release.question.question().title(), &["Group", "Figure", "Value", "Likely range (95 %)"], rows)
}
