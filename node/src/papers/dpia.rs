//! The draft of a data protection impact assessment, in the seven steps of the Information Commissioner's
//! template. What the configuration says is filled in; what only people can know is left open, and says who.

use std::collections::BTreeSet;

use datacoop_policy::charter::Role;

use super::facts::{Facts, Standing, Use, unit_column};
use super::risks;
use super::words::{
    DPO, and_list, fill, fill_paragraph, loss_words, names, one_line, sensitive_names, standing_words,
    who_sees,
};
use crate::cli::limit_rows;
use crate::engine::decides_who_counts;
use crate::html::{list, pairs, paragraphs, table, text};
use crate::loss::{Reading, repeated, together};

/// Years that a child may be in the records of one school: Reception to Year 6, or Year 7 to 13.
pub(super) const SCHOOL_YEARS: u32 = 7;
/// Children of one family, in the sum of what a family loses.
pub(super) const SIBLINGS: u32 = 2;

pub(super) fn dpia(facts: &Facts<'_>) -> String {
    let mut out = String::from(
        "<p class=\"note\"><strong>This is a draft.</strong> Its facts and figures come from the rules that this node holds to. Places in [square brackets] are for people to fill in. It is no legal advice, and it is finished only when step 7 is signed.</p>\n",
    );
    out += &parties(facts);
    out += &step_1(facts);
    out += &step_2(facts);
    out += &step_3(facts);
    out += &step_4(facts);
    out += &risks::step_5(facts);
    out += &risks::step_6(facts);
    out += &step_7();
    out
}

fn parties(facts: &Facts<'_>) -> String {
    let (me, fields) = (facts.source.me, facts.source.charter.fields());
    pairs([
        ("Controller", text(&me.body)),
        ("Organisation", format!("{}, {}", text(&me.name), text(me.id.as_str()))),
        ("Co-operative", text(&fields.name)),
        (
            "Rules",
            format!(
                "charter version {}, in force from {} to {}",
                fields.version, fields.effective, fields.expires
            ),
        ),
        ("Data protection officer", fill(facts.words.leader, "name and contact")),
        ("Author of this assessment", fill("its author", "name and role")),
    ])
}

fn step_1(facts: &Facts<'_>) -> String {
    let (words, fields) = (facts.words, facts.source.charter.fields());
    let others = facts.source.charter.members().len() - 1;
    let only = if facts.shows_noised() { "As a rule, only" } else { "Only" };
    let mut out = String::from("<h2>Step 1: why an assessment is needed</h2>\n");
    out += &format!(
        "<p>{} is a member of {}, a co-operative, with {others} others. The members ask each other statistical questions. Each answers from its own records, on its own computer. {only} sums over many members can be read, with random noise added on purpose.</p>\n",
        text(&facts.source.me.name),
        text(&fields.name)
    );
    out += &format!(
        "<p>Records of {}{} are used for a purpose beyond each one's own case, and figures that follow from them reach other organisations. Such a use can be likely to bring a high risk (UK GDPR, Article 35), so it is assessed before it begins.</p>\n",
        words.people,
        if words.is_school { ", most of them children," } else { "" },
    );
    if let Some(why) = &facts.silent {
        out += &format!(
            "<p class=\"note\"><strong>As of this draft we answer nothing:</strong> {}.</p>\n",
            text(why)
        );
    }
    out + &fill_paragraph(words.leader, "what we want from taking part, and why now")
}

fn step_2(facts: &Facts<'_>) -> String {
    let words = facts.words;
    let mut out = String::from("<h2>Step 2: what is done</h2>\n<h3>Nature</h3>\n");
    out += "<ol>\n";
    for step in [
        format!(
            "We copy a file from our own records system into our node: a program and a folder on a computer of ours. Columns that no question may read are dropped, save what tells each {} apart and who may be counted.",
            words.person
        ),
        "Another member asks a question for a purpose in the charter. Our node decides by the charter and by our own limits, never by the records. Both its yes and its no are signed and logged.".into(),
        format!(
            "Whoever objects is left out. The others are counted here. What one {} can add is cut to a bound that the question states.",
            words.person
        ),
        "The privacy loss is written to our log. Only then is random noise drawn and added.".into(),
        "What leaves is split into encrypted shares for a few members. One share says nothing, and all but one of them together say nothing.".into(),
        "Those members add up the shares of all who answered. Only that sum is opened, and all members get the same result.".into(),
    ] {
        out += &format!("<li>{}</li>\n", text(&step));
    }
    out += "</ol>\n";
    if facts.shows_noised() {
        out += "<p class=\"note\">Our limits also let an asker choose a round without shares. Each member then adds all of the noise itself, and the other members see our noised figures. Our exact figures stay here.</p>\n";
    }
    out += &pairs([
        ("Where the data comes from", text(words_source(facts))),
        ("Who can ask", format!("{}. A question names why, who benefits and who pays.", facts.askers())),
        ("Who keeps the logs", format!("every member{}. Logs hold no records.", auditors(facts))),
        (
            "Where our records are",
            fill(
                words.leader,
                "which computer, who can use it, whether its disk is encrypted, how it is backed up",
            ),
        ),
        (
            "Processor",
            format!(
                "none by design: the program runs here. {}",
                fill(words.leader, "whoever hosts or services the computer")
            ),
        ),
    ]);
    out + &scope(facts) + &context(facts) + &purposes(facts)
}

fn words_source(facts: &Facts<'_>) -> &'static str {
    match facts.words.is_school {
        true => {
            "Our own management information system: what families and staff tell the school, and registers it must keep."
        }
        false => "Our own case records: what people tell us, and what our staff write down.",
    }
}

fn auditors(facts: &Facts<'_>) -> String {
    match facts.who(Role::Auditor).as_slice() {
        [] => String::new(),
        some => format!(", and as auditors {}", and_list(some.iter().copied())),
    }
}

fn scope(facts: &Facts<'_>) -> String {
    let (me, words) = (facts.source.me, facts.words);
    let mut out = String::from("<h3>Scope</h3>\n");
    let people = match me.people_min {
        0 => format!("at most {} {}, as we declare in the charter", me.people_max, words.people),
        least => format!("{least} to {} {}, as we declare in the charter", me.people_max, words.people),
    };
    out += &pairs([
        ("How many people", text(&people)),
        ("How often", text("Whenever a member asks, within the limits of step 4.")),
        (
            "How long",
            "Until the charter or the purpose ends, whichever is first; then nothing more is answered."
                .to_owned(),
        ),
        ("Area", fill(DPO, "where the people live")),
    ]);
    let mut rows = vec![];
    for one in facts.answered() {
        for used in &one.data {
            rows.push(vec![
                text(&one.purpose.title),
                format!("{} ({})", text(used.vocabulary.title()), text(&used.standard.name)),
                names(&used.columns),
                names(&used.splits),
                sensitive_names(used),
            ]);
        }
    }
    if rows.is_empty() {
        return out + "<p>No column is used: we answer no question.</p>\n";
    }
    let heads =
        ["Purpose", "Data", "Columns a question may use", "Results may be split by", "Marked sensitive"];
    out += &table("Columns used, by purpose", &heads, rows);
    out += &format!("<p>A question uses only those of these columns that it names. {}</p>\n", beside(facts));
    out + &fill_paragraph(
        DPO,
        "which of these are special category data (Article 9) or tell of criminal offences (Article 10)",
    )
}

/// What the node reads of a table whatever the question is; HTML.
pub(super) fn beside(facts: &Facts<'_>) -> String {
    let mut said = BTreeSet::new();
    for vocabulary in facts.answered().flat_map(|one| &one.data).map(|used| used.vocabulary) {
        let unit = unit_column(vocabulary);
        said.extend(unit.map(|unit| format!("{} (to count each {} once)", text(unit), facts.words.person)));
        let date = vocabulary.date_column();
        said.extend(date.map(|date| format!("{} (to keep to the days asked about)", text(&date.name))));
        let decides = vocabulary.columns().iter().filter(|column| {
            decides_who_counts(vocabulary, &column.name) && unit != Some(column.name.as_str())
        });
        said.extend(decides.map(|column| format!("{} (to see who counts)", text(&column.name))));
    }
    if said.is_empty() {
        return String::new();
    }
    let said: Vec<String> = said.into_iter().collect();
    format!(
        "Whatever the question, the node itself reads: {}. It leaves out whoever objects.",
        said.join("; ")
    )
}

fn context(facts: &Facts<'_>) -> String {
    let mut out = String::from("<h3>Context</h3>\n");
    out += &list(
        [
            Some(if facts.words.is_school {
                "The people are our pupils, most of them children. They cannot well refuse a school that keeps registers by law, so they are owed more care."
            } else {
                "The people come to us for help. Some may be in a weak position, so they are owed more care."
            }),
            Some("Whoever objects is left out of every later answer. No reason is asked, and nobody outside learns how many object."),
            Some("The method, differential privacy with secret sharing, is known and published. Its use by co-operatives is new."),
            facts.source.charter.fields().demo.then_some("This is a demo: its members and its data are made up."),
        ]
        .into_iter()
        .flatten(),
    );
    out + &fill_paragraph(DPO, "earlier concerns, security faults, and codes of conduct we follow")
}

fn purposes(facts: &Facts<'_>) -> String {
    let mut out = String::from("<h3>Purposes</h3>\n");
    let pauses = facts.pauses();
    if !pauses.is_empty() {
        out += &format!("<p class=\"note\"><strong>Stopped for now.</strong> {}</p>\n", pauses.join(" "));
    }
    for one in &facts.uses {
        out += &format!("<h4>{}</h4>\n", text(&one.purpose.title));
        out += &paragraphs(&one.purpose.plain);
        out += &format!("<p>{}</p>\n", standing_words(&one.standing));
        out += &purpose_pairs(facts, one);
    }
    out
}

fn purpose_pairs(facts: &Facts<'_>, one: &Use<'_>) -> String {
    let purpose = one.purpose;
    let member =
        |id| facts.source.charter.member(id).map_or("a member that left", |member| member.name.as_str());
    pairs([
        ("Id", text(&purpose.id)),
        ("Whom it touches", one_line(&purpose.affected)),
        (
            "Who pays for it",
            text(&match purpose.funders.as_slice() {
                [] => "nobody but the members, as the charter says".to_owned(),
                some => some.join("; "),
            }),
        ),
        ("Ruled out", list(purpose.not_for.iter().map(String::as_str))),
        ("Who gets results", who_sees(purpose.publish)),
        ("Licence", text(purpose.licence.code())),
        ("Open", format!("{} to {}", purpose.starts, purpose.expires)),
        ("Report due", purpose.report_due.to_string()),
        ("Reviewed by", and_list(purpose.reviewers.iter().map(member))),
    ])
}

fn step_3(facts: &Facts<'_>) -> String {
    let mut out = String::from(
        "<h2>Step 3: who was heard</h2>\n<p>The charter names, for each purpose, whom it touches and who of them was heard. We repeat its words.</p>\n",
    );
    let rows = facts.uses.iter().map(|one| {
        vec![text(&one.purpose.title), one_line(&one.purpose.affected), one_line(&one.purpose.heard)]
    });
    out += &table(
        "Who was heard before the purpose was agreed",
        &["Purpose", "Whom it touches", "Who was heard, and how"],
        rows,
    );
    out += &fill_paragraph(
        facts.words.leader,
        "whom we ourselves asked, when, and what they said; if nobody, why",
    );
    out + &fill_paragraph(DPO, "experts asked, such as for information security")
}

fn step_4(facts: &Facts<'_>) -> String {
    let words = facts.words;
    let mut out = String::from("<h2>Step 4: necessary and in proportion?</h2>\n");
    out += &pairs([
        ("Lawful basis", fill(DPO, if words.is_school { "Article 6(1); schools often rely on (e), public task" } else { "Article 6(1); charities often rely on (f), legitimate interests, with an assessment" })),
        ("Condition for special category data", match facts.sensitive().is_empty() {
            true => "None of the columns in use is marked sensitive by its standard.".to_owned(),
            false => fill(DPO, "Article 9(2), and Schedule 1 of the Data Protection Act 2018"),
        }),
        ("Does it reach the purpose?", fill(words.leader, "what we decided, or expect to decide, with the results")),
        ("Is there a way with less?", "Records are not pooled, sent or seen by others. A question reads only what it names, and its cost in privacy is stated before it is answered.".to_owned()),
        ("Against use for other ends", "A question names one purpose of the charter. New purposes need the signatures of the members; looser rules wait 14 days. The asset lock rules out sale and exclusive use.".to_owned()),
        ("Accuracy", "Results carry noise on purpose and always come with a likely range. They say nothing certain about one person.".to_owned()),
        ("Telling people", "See the privacy notice and the letter that were drawn up with this draft.".to_owned()),
        ("Rights of people", format!("Access, correction and erasure are dealt with in our own records; a new import takes the change over. Whoever objects is left out from the next question on. Results that are out already stay: they name nobody. {}", fill(DPO, "who deals with requests"))),
        ("Transfers abroad", fill(DPO, "whether any member named in the charter is outside the United Kingdom")),
    ]);
    out += &limits(facts);
    out
}

fn limits(facts: &Facts<'_>) -> String {
    let year = facts.bounds().rho_year;
    let years = format!("{SCHOOL_YEARS} years");
    let mut out = String::from(
        "<h3>Limits that hold here</h3>\n<p>A layer can only tighten the one before it: the compiled-in floor, the charter, the purpose, our own limits. The last column says which layer set a limit. They are enforced by the program: a question beyond one is refused.</p>\n",
    );
    for one in facts.answered() {
        let rows =
            limit_rows(facts.source.charter, one.purpose, &facts.source.restricted(), facts.source.own);
        // Which columns, the table of step 2 tells more closely: of a limit's list a question may read fewer.
        let names = one.limits.values().map(|(name, _)| name);
        let rows = rows.into_iter().zip(names).filter(|(_, name)| !["columns", "group_by"].contains(name));
        let rows = rows.map(|(row, _)| row.map(|cell| text(&cell)).to_vec());
        out += &table(&format!("Limits for: {}", one.purpose.title), &["Limit", "Value", "Set by"], rows);
    }
    for one in facts.uses.iter().filter(|one| matches!(one.standing, Standing::Shut(_))) {
        out += &format!("<p>{}: {}</p>\n", text(&one.purpose.title), standing_words(&one.standing));
    }
    out += "<h3>What the loss means</h3>\n";
    out += &format!(
        "<p>All answers of a school year about one set of data together: {}. That is: whatever anybody learns from them, at most so many times as likely as if the {}'s record had been left out, save with the chance delta. Figures are rounded against us.</p>\n",
        text(&loss_words(Reading::of(year))),
        facts.words.person
    );
    out += &pairs([
        ("One question", text(&loss_words(Reading::of(facts.bounds().rho_query)))),
        ("One year", text(&loss_words(Reading::of(year)))),
        ("Two of one family, one year", text(&loss_words(together(year, SIBLINGS)))),
        (years.as_str(), text(&loss_words(repeated(year, SCHOOL_YEARS)))),
    ]);
    out + &spent(facts)
}

fn spent(facts: &Facts<'_>) -> String {
    let mut out = String::from("<h3>What was spent so far</h3>\n");
    let rows = facts.source.spent.iter().map(|account| {
        let words = loss_words(account.spent);
        vec![text(&account.account.to_string()), account.debits.to_string(), text(&words)]
    });
    out += &match facts.source.spent.is_empty() {
        true => "<p>Nothing, as our log says on the day of this draft.</p>\n".to_owned(),
        false => table(
            "Spent, as our log says on the day of this draft",
            &["Data and year", "Answers", "Loss"],
            rows,
        ),
    };
    out + "<p><code>datacoop status</code> adds it up again; whoever holds the logs can check it. If limits were looser earlier in the year, it may be more than they allow now; then nothing more is answered.</p>\n"
}

fn step_7() -> String {
    let mut out = String::from("<h2>Step 7: sign off</h2>\n");
    let rows = [
        (
            "Measures approved by",
            "whoever approves them",
            "name, role, date; who carries them out, and by when",
        ),
        (
            "Remaining risks approved by",
            "whoever accepts them",
            "name, role, date; if one stays high, ask the Information Commissioner first",
        ),
        (
            "Advice of the data protection officer",
            DPO,
            "advice on lawfulness, on step 6, and whether to go ahead; name and date",
        ),
        ("Advice followed or overruled by", "whoever decides", "name, date; if overruled, why"),
        (
            "Answers of those who were heard, considered by",
            "whoever decides",
            "name, date; if we go against them, why",
        ),
        ("Who keeps this under review", DPO, "name, and the day of the next review"),
    ]
    .map(|(what, who, how)| vec![text(what), fill(who, how)]);
    out += &table("Who approved what", &["Step", "Name, date and comments"], rows);
    out + "<p>Review this when the charter or our own limits change: <code>datacoop papers --check</code>, with this folder, says which papers are out of date.</p>\n"
}
