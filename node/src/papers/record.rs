//! The record of processing activities of a controller: UK GDPR, Article 30(1), (a) to (g).

use datacoop_policy::charter::{Publish, Role};

use super::dpia::beside;
use super::facts::{Facts, Standing, Use, takers};
use super::words::{DPO, and_list, fill, loss_words, names, one_line, sensitive_names, standing_words};
use crate::html::{list, table, text};
use crate::loss::Reading;

pub(super) fn record(facts: &Facts<'_>) -> String {
    let mut out = String::from(
        "<p>This covers one activity: answering statistical questions within the co-operative. Copy it into the register of all activities.</p>\n<h2>Who is responsible</h2>\n",
    );
    out += &who(facts);
    out += "<h2>What it is for, whose data, which data</h2>\n";
    let rows = facts.uses.iter().map(|one| purpose(facts, one));
    let heads = ["Purpose", "State here", "Whose data", "Data", "Marked sensitive", "Until"];
    out += &table("Purposes, people and data", &heads, rows);
    out += &format!(
        "<p>{}</p>\n<p>Special category data, and the lawful basis of each purpose: {}</p>\n",
        beside(facts),
        fill(DPO, "")
    );
    out += "<h2>Who receives what</h2>\n";
    out += &recipients(facts);
    out += "<h2>Transfers, and how long data is kept</h2>\n";
    out += &kept(facts);
    out += "<h2>Security measures</h2>\n";
    out += &security(facts);
    out
}

fn who(facts: &Facts<'_>) -> String {
    let (me, words) = (facts.source.me, facts.words);
    let rows = [
        ("Controller", text(&me.body)),
        ("Organisation that runs the node", format!("{}, {}", text(&me.name), text(me.id.as_str()))),
        ("Address and contact", fill(words.leader, "")),
        ("Data protection officer", fill(words.leader, "name and contact")),
        (
            "Joint controllers",
            format!(
                "The members agree on purposes together; each decides what it answers. {}",
                fill(DPO, "whether they are joint controllers (Article 26), and where the arrangement is")
            ),
        ),
    ];
    table("Who is responsible", &["What", "Entry"], rows.map(|(what, entry)| vec![text(what), entry]))
}

fn purpose(facts: &Facts<'_>, one: &Use<'_>) -> Vec<String> {
    let is_shut = matches!(one.standing, Standing::Shut(_));
    let data: Vec<String> = one
        .data
        .iter()
        .map(|used| {
            format!(
                "{} ({}): {}",
                text(used.vocabulary.title()),
                text(&used.standard.name),
                names(&used.columns)
            )
        })
        .collect();
    let sensitive: Vec<String> = one.data.iter().map(sensitive_names).collect();
    let none = |said: String| if is_shut { "none".to_owned() } else { said };
    vec![
        text(&one.purpose.title),
        standing_words(&one.standing),
        none(one_line(&one.purpose.affected)),
        none(data.join("; ")),
        none(sensitive.join("; ")),
        one.limits.not_after.min(facts.source.charter.fields().expires).to_string(),
    ]
}

fn recipients(facts: &Facts<'_>) -> String {
    let me = &facts.source.me.id;
    let others = takers(facts.source.charter).filter(|member| member.id != *me);
    let mut rows = vec![vec![
        text("The other members"),
        and_list(others.map(|member| member.name.as_str())),
        text(
            "Results: sums over many members, with noise. Encrypted shares for those who add up. The log of questions, verdicts and privacy losses.",
        ),
    ]];
    if facts.shows_noised() {
        rows.push(vec![
            text("Members of a round without shares"),
            text("those of the above that take part in it"),
            text("Our figures, each with all of the noise on it."),
        ]);
    }
    let auditors = facts.who(Role::Auditor);
    if !auditors.is_empty() {
        rows.push(vec![
            text("Auditors"),
            and_list(auditors),
            text("The logs. If we hand it over for an audit, what one seat of a committee was sent."),
        ]);
    }
    let public: Vec<String> = facts
        .answered()
        .filter_map(|one| match one.purpose.publish {
            Publish::PublicAfter(days) => Some(format!("{} (after {days} days)", text(&one.purpose.title))),
            Publish::Members => None,
        })
        .collect();
    if !public.is_empty() {
        rows.push(vec![
            text("Everybody"),
            public.join("; "),
            text("Results of these purposes, with a certificate."),
        ]);
    }
    table("Recipients", &["Who", "Which", "What"], rows)
        + "<p>Nobody receives a record, or an exact figure of ours.</p>\n"
}

fn kept(facts: &Facts<'_>) -> String {
    let words = facts.words;
    let rows = [
        ("Transfers abroad", format!("Results and shares go to the members above. {}", fill(DPO, "whether any is outside the United Kingdom, and the safeguard"))),
        ("Imported records", format!("In the node's folder, until we remove them or import newer ones. {}", fill(words.leader, "after how long we remove them"))),
        ("Results and logs", "For good, at all members: a log that could be shortened would prove nothing. They hold no records and name nobody.".to_owned()),
        ("List of who objects", fill(words.leader, "as a rule until the person leaves, or takes it back")),
        ("End of the activity", format!("The charter ends on {}. After that nothing is answered.", facts.source.charter.fields().expires)),
    ];
    table("Transfers and time limits", &["What", "Entry"], rows.map(|(what, entry)| vec![text(what), entry]))
}

/// What the program does for security, with its figures; HTML.
fn security(facts: &Facts<'_>) -> String {
    let limits = facts.bounds();
    let said = [
        "Records stay on our computer: no message between nodes can carry one.".to_owned(),
        format!("A sum has at least {} members of at least {} bodies.", limits.min_roster, limits.min_bodies),
        format!(
            "Random noise from a tested sampler is on every figure. One question: {}. One year: {}.",
            loss_words(Reading::of(limits.rho_query)),
            loss_words(Reading::of(limits.rho_year))
        ),
        "The loss is on disk before noise is drawn.".to_owned(),
        "Connections and shares are encrypted; members are known by keys in the signed charter.".to_owned(),
        "Every question, verdict, loss and result is in a signed log that others copy and anybody can check."
            .to_owned(),
        "Keys and records can be read by the node's owner alone.".to_owned(),
    ];
    list(said.iter().map(String::as_str))
        + &format!("<p>{}</p>\n", fill(DPO, "our own: disk encryption, backups, who has access, training"))
}
