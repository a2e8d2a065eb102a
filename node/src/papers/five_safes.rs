//! The Five Safes, as data services use them (Desai, Ritchie & Welpton 2016): five questions, and what this
//! node answers to each.

use datacoop_policy::charter::Role;

use super::facts::{Facts, Standing};
use super::words::{DPO, and_list, fill, loss_words, names, standing_words, who_sees};
use crate::html::{table, text};
use crate::loss::Reading;

pub(super) fn five_safes(facts: &Facts<'_>) -> String {
    let mut out = String::from(
        "<p>Five questions to judge a use of data by. Answers come from the charter in force and from our own limits. The assessment (dpia.html) has the details.</p>\n",
    );
    if let Some(why) = &facts.silent {
        out += &format!("<p class=\"note\"><strong>We answer nothing:</strong> {}.</p>\n", text(why));
    }
    let rows = [
        ("Safe projects", "Is this use of the data right?", projects(facts)),
        ("Safe people", "Can the users be trusted to use it so?", people(facts)),
        ("Safe settings", "Does the place of access keep out whoever may not?", settings(facts)),
        ("Safe data", "What does the data itself give away?", data(facts)),
        ("Safe outputs", "Do the results give anybody away?", outputs(facts)),
    ];
    let rows = rows.map(|(safe, asks, here)| {
        let items: String = here.iter().map(|item| format!("<li>{item}</li>\n")).collect();
        vec![text(safe), text(asks), format!("<ul>\n{items}</ul>\n")]
    });
    out + &table("The Five Safes here", &["Safe", "Question", "Here"], rows)
}

/// Items are HTML, here and below.
fn projects(facts: &Facts<'_>) -> Vec<String> {
    let mut out = vec![text(
        "A question must name a purpose of the charter. The members sign it; two of other bodies review it.",
    )];
    for one in &facts.uses {
        let last = one.limits.not_after.min(facts.source.charter.fields().expires);
        let ruled: Vec<&str> = one.purpose.not_for.iter().map(String::as_str).collect();
        out.push(format!(
            "<strong>{}</strong> (until {last}). {} Ruled out: {}.",
            text(&one.purpose.title),
            standing_words(&one.standing),
            text(&ruled.join("; "))
        ));
    }
    out.push(text(
        "The asset lock rules out sale, exclusive use, singling out a person and ranking members.",
    ));
    out
}

fn people(facts: &Facts<'_>) -> Vec<String> {
    let charter = facts.source.charter;
    let mut out = vec![
        format!("May ask: {}.", facts.askers()),
        text(&format!(
            "{} members of {} bodies, each with its public register number and keys in the charter.",
            charter.members().len(),
            charter.bodies(charter.members().iter().map(|member| &member.id)).len()
        )),
    ];
    out.extend(facts.pauses());
    let auditors = facts.who(Role::Auditor);
    if !auditors.is_empty() {
        out.push(format!("Audited by: {}.", and_list(auditors)));
    }
    out.push(text("Every question, its asker, its reason and who pays are in a signed log. Nobody else sees records, so nobody else need be trusted with them."));
    out.push(format!("Our own staff who can use the node: {}", fill(DPO, "roles and training")));
    out
}

fn settings(facts: &Facts<'_>) -> Vec<String> {
    let assumed = facts.source.charter.fields().assumed;
    let mut out = vec![
        text(
            "Records stay on our computer. There is no central database, and no message can carry a record.",
        ),
        text(&format!(
            "Shares are encrypted; sums stay secret while one of those who add up is honest. Noise is sized for up to {} percent of a sum's members working together.",
            assumed.colluding_percent
        )),
    ];
    if facts.shows_noised() {
        out.push(text("Exception: in rounds without shares, members see each other's figures with all the noise on them."));
    }
    out.push(format!("The computer itself: {}", fill(DPO, "disk encryption, accounts, place")));
    out
}

fn data(facts: &Facts<'_>) -> Vec<String> {
    let mut out = vec![];
    for one in facts.uses.iter().filter(|one| !matches!(one.standing, Standing::Shut(_))) {
        for used in &one.data {
            out.push(format!(
                "<strong>{}</strong>, {}: {}.",
                text(&one.purpose.title),
                text(used.vocabulary.title()),
                names(&used.columns)
            ));
        }
    }
    if out.is_empty() {
        out.push(text("No column is used: we answer no question."));
    }
    out.push(text("Sensitive columns are open only to a purpose that names them. Columns marked as never used, such as names, are dropped at import. Whoever objects is left out."));
    out
}

fn outputs(facts: &Facts<'_>) -> Vec<String> {
    let limits = facts.bounds();
    let mut out = vec![
        text(&format!(
            "Every number carries noise. One question: {}.",
            loss_words(Reading::of(limits.rho_query))
        )),
        text(&format!(
            "All questions of a year about one set of data: {}.",
            loss_words(Reading::of(limits.rho_year))
        )),
        text(&format!(
            "A sum has at least {} members of at least {} bodies, an answer at most {} numbers. Differences set at least {} bodies apart.",
            limits.min_roster, limits.min_bodies, limits.max_cells, limits.min_step
        )),
    ];
    for one in facts.answered() {
        out.push(format!(
            "<strong>{}</strong>: {} Licence {}.",
            text(&one.purpose.title),
            text(&who_sees(one.purpose.publish)),
            text(one.purpose.licence.code())
        ));
    }
    out
}
