//! The page of one public result. Must not know how it is written.

use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, Period};
use datacoop_protocol::certificate::NOT_SHOWN;

use super::pages::{details, points};
use super::{Public, Register};
use crate::cli::meaning_text;
use crate::figure::released::Released;
use crate::html::{day_html, link, list, pairs, text};
use crate::loss::{Reading, points_of};
use crate::view::can_be_all_corrupt;

/// A span of days; HTML.
pub(super) fn period_html(period: &Period) -> String {
    format!("{} to {}", day_html(period.first()), day_html(period.last()))
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
        params.map(|(name, value)| (name.replace('_', " "), param(register, value))).collect();
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
    out += "<h2>What came of it</h2>\n<p>Noise was added on purpose, so no figure is exact. About 19 of 20 such ranges hold the true figure.</p>\n";
    out += &figures(register, result, accepted, plan.members.len());
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

/// What the Release shows, drawn and as numbers.
fn figures(register: &Register<'_>, result: &Public<'_>, accepted: usize, roster: usize) -> String {
    let release = &result.release;
    let query = release.id.to_string();
    let released = Released {
        question: &release.question,
        figures: &release.figures,
        accepted,
        roster,
        certificate: result.certificate.as_ref().map_or_else(ToString::to_string, |_| query[..16].to_owned()),
        query,
        demo: register.charter.fields().demo,
        own: &[],
    };
    let all: String = released.figures().iter().map(|figure| figure.html().into_string()).collect();
    // The page has the same title.
    format!("<div class=\"titled\">\n{all}\n</div>\n")
}
