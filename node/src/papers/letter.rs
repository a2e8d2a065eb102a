//! One page for families: what is done, what is not, how to say no.

use super::facts::Facts;
use super::words::{and_list, clipped, fill};
use crate::html::{list, text};

/// Purposes that are named: more would not fit the page.
const PURPOSES_MAX: usize = 4;

pub(super) fn letter(facts: &Facts<'_>) -> String {
    let (me, words, fields) = (facts.source.me, facts.words, facts.source.charter.fields());
    let mut out =
        format!("<p>{}, {}</p>\n<p>{}</p>\n", clipped(&me.name), fill(words.leader, "date"), words.greeting);
    if fields.demo {
        out +=
            "<p class=\"note\"><strong>This is a demo.</strong> Its members and its data are made up.</p>\n";
    }
    out += &format!(
        "<p>We belong to {}, a group of {} organisations. We ask each other questions about the {} we serve, to learn what helps. We never hand over records.</p>\n",
        clipped(&fields.name),
        facts.source.charter.members().len(),
        words.people
    );
    out += &match &facts.silent {
        Some(why) => {
            format!("<p><strong>At the moment we answer no questions:</strong> {}.</p>\n", text(why))
        }
        None => purposes(facts),
    };
    let limits = facts.bounds();
    out += "<h2>How it works</h2>\n";
    let sees =
        if facts.publishes() { "Some results are made public." } else { "Only the members see the results." };
    let said = [
        format!("Records about {} stay on our own computer. No name, address or record can leave it this way.", words.yours),
        format!("We count here. Only totals leave, and a result adds up the answers of at least {} members.", limits.min_roster),
        "Every result is blurred with random numbers, to protect each person. A yearly limit bounds what all results together can tell.".to_owned(),
        format!("Results are never sold, never used to rank anybody, and never used to decide about {}. {sees}", words.yours),
    ];
    out += &list(said.iter().map(String::as_str));
    out + &saying_no(facts)
}

fn purposes(facts: &Facts<'_>) -> String {
    let answered: Vec<_> = facts.answered().collect();
    if answered.is_empty() {
        return "<p><strong>At the moment we answer no questions</strong> for any of the group's purposes.</p>\n".into();
    }
    let mut out = String::from("<p>The questions are for:</p>\n<ul>\n");
    for one in answered.iter().take(PURPOSES_MAX) {
        let last = one.limits.not_after.min(facts.source.charter.fields().expires);
        out += &format!("<li>{} (until {last})</li>\n", clipped(&one.purpose.title));
    }
    out += "</ul>\n";
    if answered.len() > PURPOSES_MAX {
        out += &format!(
            "<p>There are {} more; the privacy notice lists them.</p>\n",
            answered.len() - PURPOSES_MAX
        );
    }
    let mut titles: Vec<&str> =
        answered.iter().flat_map(|one| &one.data).map(|used| used.vocabulary.title()).collect();
    titles.sort_unstable();
    titles.dedup();
    out + &format!(
        "<p>The records we count are about: {}.</p>\n",
        and_list(titles.into_iter().take(PURPOSES_MAX))
    )
}

fn saying_no(facts: &Facts<'_>) -> String {
    let words = facts.words;
    let whom = if words.is_school { "your child to be counted" } else { "to be counted" };
    let mut out = format!(
        "<h2>You can say no</h2>\n<p>If you do not want {whom}, send us the slip below, or tell us. You need give no reason"
    );
    out += match words.is_school {
        true => {
            ", and nothing else changes for your child. We leave your child out from the next question on."
        }
        false => ", and nothing else changes for you. We leave you out from the next question on.",
    };
    out += " Nobody outside learns of it. Results that are out already stay; they name nobody.</p>\n";
    out += &format!(
        "<p>Our privacy notice says more: {}. Questions: {}. You can also complain to the Information Commissioner's Office, ico.org.uk.</p>\n<p>{}</p>\n",
        fill(words.leader, "where it is"),
        fill(words.leader, "whom to ask"),
        fill(words.leader, "signature")
    );
    let blanks = match words.is_school {
        true => ["Child's name", "Class", "Parent's or carer's name", "Signature and date"],
        false => ["Name", "Date of birth", "How to reach you", "Signature and date"],
    };
    out += &format!(
        "<section class=\"slip\" aria-labelledby=\"slip\">\n<h2 id=\"slip\">Slip: please do not count {}</h2>\n",
        words.mine
    );
    blanks.iter().for_each(|blank| {
        out += &format!("<p>{blank}: <span class=\"line\">______________________________</span></p>\n")
    });
    out + "</section>\n"
}
