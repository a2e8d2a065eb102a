//! The pages on what members decide and what they learnt. Must not know how they are written.

use datacoop_policy::limits::Set;
use datacoop_policy::{MemberId, Time};
use datacoop_protocol::acts::{Findings, Outcome, State, Subject, Target};

use super::Register;
use super::said::{Leave, Proposal, Report, Text};
use crate::html::{capital, day_html, paragraphs, table, text};

/// What came of a purpose, as people say it.
pub(super) fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Changed => "Something changed for the people concerned.",
        Outcome::Learnt => "Something was learnt. Nothing changed yet.",
        Outcome::Nothing => "Nothing came of it.",
    }
}

pub(super) fn findings_words(findings: &Findings) -> String {
    let [benefit, harm, least] =
        [findings.benefit, findings.harm, findings.least_data].map(|grade| grade.code());
    format!("benefit {benefit}, care against harm {harm}, least data {least}")
}

pub(super) fn subject_words(subject: &Subject) -> String {
    match subject {
        Subject::Question(id) => format!("the question {id}"),
        Subject::Purpose(id) => format!("the purpose {id}"),
        Subject::Charter(version) => format!("version {version} of the charter"),
    }
}

pub(super) fn state_words(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Adopted => "adopted",
        State::Withdrawn => "taken back",
        State::Stale => "lapsed",
    }
}

pub(super) fn leave_words(leave: &Leave<'_>, now: Time) -> &'static str {
    match (leave.holds, leave.held.revoked) {
        (true, _) => "holds",
        (false, true) => "taken back",
        (false, false) if leave.held.until < now => "over",
        (false, false) => "does not hold under the charter of today",
    }
}

impl Register<'_> {
    fn names<'m>(&self, members: impl IntoIterator<Item = &'m MemberId>) -> String {
        let names: Vec<String> = members.into_iter().map(|id| self.member_name(id)).collect();
        if names.is_empty() { "nobody yet".to_owned() } else { names.join("; ") }
    }

    /// A purpose by its id: a link where it has a page.
    fn purpose_named(&self, id: &str) -> String {
        let known = self.purposes.iter().find(|purpose| purpose.id == id);
        known.map_or_else(|| text(id), |purpose| self.purpose_link(purpose))
    }

    /// Reports, each with its text where everybody may read it.
    pub(super) fn reports_html<'r>(
        &self,
        reports: impl Iterator<Item = &'r Report<'r>>,
        level: u8,
    ) -> String {
        let one = |report: &Report<'_>| {
            let by = self.member_name(&report.said.by);
            let mut out = format!("<h{level}>Report of {}</h{level}>\n", day_html(report.said.time.day()));
            let of = match report.releases {
                0 => String::new(),
                1 => " It speaks of one result.".to_owned(),
                n => format!(" It speaks of {n} results."),
            };
            let outcome = outcome_words(report.outcome);
            out += &format!("<p>By {by}. <strong>{outcome}</strong>{of}</p>\n");
            out + &match &report.text {
                Text::Shown(said) => format!("<blockquote>\n{}</blockquote>\n", paragraphs(said)),
                Text::Kept => "<p>Its text is for the members, or not public yet.</p>\n".to_owned(),
                Text::Missing => {
                    "<p>Its text was not in the logs that this register was made from.</p>\n".to_owned()
                }
            }
        };
        reports.map(one).collect()
    }
}

pub(super) fn learnt(register: &Register<'_>) -> String {
    let mut out = String::from(
        "<p>For each purpose, members say what they learnt and what changed. A purpose without a report is not renewed.</p>\n",
    );
    for purpose in &register.purposes {
        out += &format!("<h2>{}</h2>\n", register.purpose_link(purpose));
        let reports = register.said.on(&purpose.id);
        let shown = register.reports_html(reports, 3);
        out += &match shown.is_empty() {
            true => format!("<p>No report yet. One is due by {}.</p>\n", day_html(purpose.report_due)),
            false => shown,
        };
    }
    out
}

pub(super) fn decided(register: &Register<'_>) -> String {
    let mut out = String::from(
        "<p>Any member can propose a question, a purpose or another rule. Others support it or object. Silence is not a yes.</p>\n",
    );
    out += "<h2>Paused now</h2>\n";
    out += &pauses(register);
    out += "<h2>Proposals</h2>\n";
    out += &proposals(register);
    out += "<h2>Leave to ask</h2>\n<p>A coordinator can let one other member ask, for 30 days at most, and within narrower limits.</p>\n";
    out + &leaves(register)
}

fn pauses(register: &Register<'_>) -> String {
    if register.said.pauses.is_empty() {
        return "<p>Nothing is paused. Members of several bodies can stop a purpose, a kind of data or a member at once, for 30 days.</p>\n".into();
    }
    let rows = register.said.pauses.iter().map(|pause| {
        let (what, which) = match pause.target {
            Target::Member(id) => ("A member", register.member_name(id)),
            Target::Purpose(id) => ("A purpose", register.purpose_named(id)),
            Target::Dataset(id) => ("A kind of data", text(id)),
        };
        let until = pause.until.map_or_else(String::new, |until| day_html(until.day()));
        vec![which, what.to_owned(), until, register.names(pause.by.iter().map(|done| &done.by))]
    });
    table("What members stopped", &["Paused", "What it is", "Until", "Who said so"], rows)
}

fn proposals(register: &Register<'_>) -> String {
    if register.said.proposals.is_empty() {
        return "<p>Nothing was proposed.</p>\n".into();
    }
    let rows = register.said.proposals.iter().map(|proposal| {
        let Proposal { said, subject, state, supporters, objections, answered, reviews, .. } = proposal;
        let shown = reviews.iter().filter(|(_, found)| found.is_some()).count();
        let reviewed = match reviews.len() {
            0 => "not needed".to_owned(),
            of => format!("{shown} of {of}"),
        };
        let against = match (*objections, *answered) {
            (0, _) => "none".to_owned(),
            (n, 0) => format!("{n}, not answered"),
            (n, answered) if n == answered => format!("{n}, answered"),
            (n, answered) => format!("{n}, of them {answered} answered"),
        };
        vec![
            match subject {
                Subject::Purpose(id) => format!("The purpose {}", register.purpose_named(id)),
                Subject::Question(_) | Subject::Charter(_) => capital(&text(&subject_words(subject))),
            },
            state_words(*state).to_owned(),
            format!("{}, {}", register.member_name(&said.by), day_html(said.time.day())),
            register.names(supporters.iter().copied()),
            against,
            reviewed,
        ]
    });
    let heads = ["What", "Now", "Proposed by", "Supported by", "Objections", "Reviews shown"];
    table("What members proposed, newest first", &heads, rows)
}

fn leaves(register: &Register<'_>) -> String {
    if register.said.leaves.is_empty() {
        return "<p>Nobody was given leave to ask.</p>\n".into();
    }
    let now = super::said::end_of(register.source.as_of);
    let rows = register.said.leaves.iter().map(|leave| {
        let purposes = match &leave.held.limits.purposes {
            Set::Only(ids) => ids.iter().map(|id| register.purpose_named(id)).collect::<Vec<_>>().join("; "),
            Set::Except(ids) if ids.is_empty() => "all that the charter names".to_owned(),
            Set::Except(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| register.purpose_named(id)).collect();
                format!("all but {}", ids.join("; "))
            }
        };
        vec![
            register.member_name(&leave.held.audience),
            register.member_name(&leave.held.by),
            purposes,
            format!("{} to {}", day_html(leave.held.at.day()), day_html(leave.held.until.day())),
            leave_words(leave, now).to_owned(),
        ]
    });
    let heads = ["Who may ask", "Let by", "For the purposes", "From and to", "Now"];
    table("Who was let ask by a coordinator", &heads, rows)
}
