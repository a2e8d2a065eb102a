//! The privacy notice: what UK GDPR Articles 13 and 14 ask for, in words for a reader of 12 to 14.

use datacoop_policy::charter::{Publish, Role};

use super::facts::{Facts, Standing, takers};
use super::words::{DPO, and_list, column_words, fill, who_sees};
use crate::html::{list, paragraphs, text};
use crate::loss::Reading;

pub(super) fn notice(facts: &Facts<'_>) -> String {
    [
        who_we_are(facts),
        what_we_ask(facts),
        what_we_use(facts),
        who_sees_it(facts),
        safety(facts),
        how_long(facts),
        rights(facts),
    ]
    .concat()
}

fn who_we_are(facts: &Facts<'_>) -> String {
    let (me, words, fields) = (facts.source.me, facts.words, facts.source.charter.fields());
    let mut out = format!(
        "<p>{0} belongs to a group called {1}. The group has {2} members. They ask each other questions about the {3} they serve, to learn what helps. Nobody hands over records. Each member counts at home, and only totals are shared.</p>\n",
        text(&me.name),
        text(&fields.name),
        facts.source.charter.members().len(),
        words.people,
    );
    if fields.demo {
        out +=
            "<p class=\"note\"><strong>This is a demo.</strong> Its members and its data are made up.</p>\n";
    }
    if let Some(why) = &facts.silent {
        out += &format!(
            "<p class=\"note\"><strong>At the moment we answer no questions:</strong> {}.</p>\n",
            text(why)
        );
    }
    out += "<h2>Who is in charge of your data?</h2>\n";
    out += &format!(
        "<p>{} is. Write to us: {}</p>\n",
        text(&me.body),
        fill(words.leader, "address, e-mail, telephone")
    );
    out + &format!(
        "<p>Our data protection officer checks that we keep the law: {}</p>\n",
        fill(words.leader, "name and contact")
    )
}

fn what_we_ask(facts: &Facts<'_>) -> String {
    let mut out = String::from(
        "<h2>What do we want to find out?</h2>\n<p>A question must be for one of these purposes. The members agreed on them and signed them.</p>\n",
    );
    for said in facts.pauses() {
        out += &format!("<p class=\"note\"><strong>Stopped for now.</strong> {said}</p>\n");
    }
    for one in &facts.uses {
        out += &format!("<h3>{}</h3>\n", text(&one.purpose.title));
        out += &paragraphs(&one.purpose.plain);
        match &one.standing {
            Standing::Shut(why) => {
                out +=
                    &format!("<p><strong>We do not answer questions for this:</strong> {}.</p>\n", text(why));
                continue;
            }
            Standing::From(day) => out += &format!("<p>It starts on {day}.</p>\n"),
            Standing::Open => {}
        }
        out += &format!(
            "<p>It ends on {}. It must never be used for:</p>\n",
            one.limits.not_after.min(facts.source.charter.fields().expires)
        );
        out += &list(one.purpose.not_for.iter().map(String::as_str));
        out += &format!("<p>Who sees the results: {}</p>\n", who_sees(one.purpose.publish));
    }
    out += "<p>The law must allow what we do. Our reason in law: ";
    out += &fill(DPO, "the lawful basis in Article 6, and in Article 9 if it applies, in plain words");
    out + "</p>\n"
}

fn what_we_use(facts: &Facts<'_>) -> String {
    let words = facts.words;
    let mut out = String::from("<h2>What do we use?</h2>\n");
    let mut told = std::collections::BTreeSet::new();
    let mut any = false;
    for used in facts.answered().flat_map(|one| &one.data) {
        let columns: Vec<String> = used
            .columns
            .iter()
            .filter(|column| told.insert((column.name.as_str(), column.description.as_str())))
            .map(|column| column_words(column))
            .collect();
        if columns.is_empty() {
            continue;
        }
        any = true;
        out += &format!("<h3>{}</h3>\n<ul>\n", text(used.vocabulary.title()));
        columns.iter().for_each(|column| out += &format!("<li>{column}</li>\n"));
        out += "</ul>\n";
    }
    if !any {
        return out + "<p>Nothing, as long as we answer no questions.</p>\n";
    }
    out += "<p>A question uses only a few of these. No message that leaves can carry a name, an address or a record.</p>\n";
    out += match words.is_school {
        true => {
            "<p>We have this already. You and your family told us, other schools passed it on, or we wrote it down, such as in the register.</p>\n"
        }
        false => "<p>We have this already. You told us, or we wrote it down when we worked with you.</p>\n",
    };
    out + "<p>You need not give us anything new for this.</p>\n"
}

fn who_sees_it(facts: &Facts<'_>) -> String {
    let me = &facts.source.me.id;
    let others = takers(facts.source.charter).filter(|member| member.id != *me);
    let mut out = String::from(
        "<h2>Who else sees something?</h2>\n<p>Nobody outside sees your record. Nobody outside sees our exact numbers.</p>\n",
    );
    if facts.shows_noised() {
        out += "<p>In some rounds other members can see our numbers after we blurred them.</p>\n";
    }
    out += &format!(
        "<p>These members get the results: {}.</p>\n",
        and_list(others.map(|member| member.name.as_str()))
    );
    let auditors = facts.who(Role::Auditor);
    if !auditors.is_empty() {
        out += &format!(
            "<p>These check that the rules were kept: {}. They see who asked what. They see no records.</p>\n",
            and_list(auditors)
        );
    }
    if facts.publishes() {
        let delays = facts.answered().filter_map(|one| match one.purpose.publish {
            Publish::PublicAfter(days) => Some(days),
            Publish::Members => None,
        });
        let first = delays.min().unwrap_or(0);
        out += &match first {
            0 => "<p>Some results are public at once.</p>\n".to_owned(),
            days => format!("<p>Some results are public after {days} days or more.</p>\n"),
        };
    }
    out += "<p>Nobody may sell the results. Nobody may use them to rank schools or charities, or to look for one person.</p>\n";
    out + &format!(
        "<p>Does anything go abroad? {}</p>\n",
        fill(DPO, "whether a member is outside the United Kingdom")
    )
}

fn safety(facts: &Facts<'_>) -> String {
    let limits = facts.bounds();
    let year = Reading::of(limits.rho_year);
    let mut out = String::from("<h2>How are you protected?</h2>\n");
    let said = [
        "Your record stays on our own computer.".to_owned(),
        format!("A result adds up the answers of at least {} members.", limits.min_roster),
        "We blur every result with random numbers before anybody sees it. So no result is exact.".to_owned(),
        "There is a limit for each year. When it is used up, we answer no more.".to_owned(),
        "Every step is written in a log that others can check.".to_owned(),
    ];
    out += &list(said.iter().map(String::as_str));
    out += &format!(
        "<p>Can somebody still guess something about you? Perhaps, but there is a limit. Think of anything someone might conclude about you from all answers of one year. It is at most {} times as likely as if your record had been left out. From one answer alone, it is at most {} times as likely. (For experts: epsilon {} and {} at delta {}.)</p>\n",
        year.factor_text(),
        Reading::of(limits.rho_query).factor_text(),
        year.epsilon_text(),
        Reading::of(limits.rho_query).epsilon_text(),
        crate::loss::DELTA_TEXT
    );
    out += &format!(
        "<p>What we cannot promise: if more than {} percent of the members in a sum cheat together, the blur gets thinner. And somebody with the keys to our own records can see them, as today.</p>\n",
        facts.source.charter.fields().assumed.colluding_percent
    );
    out + "<p>No computer decides anything about you here. No result may be used to decide about one person.</p>\n"
}

fn how_long(facts: &Facts<'_>) -> String {
    format!(
        "<h2>How long does it last?</h2>\n<p>The rules of the group end on {}. After that we answer nothing, unless the members agree on new rules. Results stay, because they name nobody. We delete the copy of the records that we made for this: {}</p>\n",
        facts.source.charter.fields().expires,
        fill(facts.words.leader, "after how long")
    )
}

fn rights(facts: &Facts<'_>) -> String {
    let words = facts.words;
    let mut out = String::from("<h2>What can you do?</h2>\n");
    out += match words.is_school {
        true => {
            "<p><strong>You can say no.</strong> You, or a parent or carer, tell us. You need give no reason. From the next question on you are not counted. Nothing else changes for you at school. Nobody outside learns that you said no. You can change your mind.</p>\n"
        }
        false => {
            "<p><strong>You can say no.</strong> Just tell us. You need give no reason. From the next question on you are not counted. Nothing else changes for you here. Nobody outside learns that you said no. You can change your mind.</p>\n"
        }
    };
    out += "<p>Results that are out already stay as they are. They name nobody, so nobody can be taken out of them.</p>\n<p>You can also ask us:</p>\n";
    out += &list([
        "to see what we hold about you;",
        "to correct what is wrong;",
        "to delete it, where the law allows that;",
        "to stop using it while we look into a problem.",
    ]);
    out + "<p>Are you unhappy with what we do? Tell us or our data protection officer. You can also complain to the Information Commissioner's Office: ico.org.uk, telephone 0303 123 1113.</p>\n"
}
