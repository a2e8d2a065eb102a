//! The pages, in plain words. Must not know how they are written.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use datacoop_policy::charter::{Class, Member, Publish, Purpose, Role, class_of, succeed};
use datacoop_policy::limits::Set;
use datacoop_policy::refusal::Rule;
use datacoop_policy::{Day, PrivacyLoss};
use datacoop_protocol::acts::Target;
use datacoop_protocol::log::cosignature::quorum;
use datacoop_protocol::log::note::{KIND_ED25519, vkey};

use super::decided::{decided, findings_words, learnt};
use super::result::{period_html, result_page};
use super::{Counts, Public, Register};
use crate::html::{
    capital, dated, day_html, day_words, document, link, list, pairs, paragraphs, register_words, table, text,
};
use crate::loss::{DELTA_TEXT, Reading, points_left, points_of, spent};

/// Newest results on the first page: the rest is a click away.
const NEWEST: usize = 10;
/// Beside a page's title.
const HEAD: &str = r#"<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'" />
<link rel="stylesheet" href="style.css" />
<link rel="alternate" type="application/atom+xml" title="New results" href="feed.xml" />
"#;
/// Pages in the navigation.
const NAV: [(&str, &str); 7] = [
    ("index.html", "Register"),
    ("results.html", "Results"),
    ("learnt.html", "What was learnt"),
    ("decided.html", "Decisions"),
    ("members.html", "Members"),
    ("charter.html", "Charter"),
    ("privacy.html", "How people are protected"),
];

pub(super) fn pages(register: &Register<'_>) -> BTreeMap<String, String> {
    let places = [
        ("index.html", "What is asked here, and what for", index(register)),
        ("results.html", "Results that everybody may see", results(register)),
        ("learnt.html", "What members learnt, and what changed", learnt(register)),
        ("decided.html", "What members decide", decided(register)),
        ("members.html", "Who belongs", members(register)),
        ("charter.html", "The rules, and who made them", charter(register)),
        ("privacy.html", "How people are protected", privacy(register)),
    ];
    let page =
        |(file, title, main): (&str, &str, String)| (file.to_owned(), register.page(file, title, &main));
    let mut pages: BTreeMap<String, String> = places.into_iter().map(page).collect();
    for (at, purpose) in register.purposes.iter().enumerate() {
        let file = purpose_file(at);
        let page = register.page("", &purpose.title, &purpose_page(register, purpose));
        pages.insert(file, page);
    }
    for result in &register.results {
        let title = result.release.question.question().title();
        pages.insert(result.page(), register.page("", title, &result_page(register, result)));
    }
    pages
}

fn purpose_file(at: usize) -> String {
    format!("purpose-{}.html", at + 1)
}

impl Register<'_> {
    /// A page; `here` is its file where the navigation has it.
    fn page(&self, here: &str, title: &str, main: &str) -> String {
        let fields = self.charter.fields();
        let mut banner = String::new();
        if fields.demo {
            banner += "<p class=\"note\"><strong>This is a demo.</strong> Its members and its data are made up.</p>\n";
        }
        let footer = format!(
            "<p>As of {}. Made by the program datacoop from the members' signed logs alone. Charter version {}.</p>\n<p>The same as a table: {}; for programs: {}. New results: {}.</p>\n",
            day_html(self.source.as_of),
            self.charter.version(),
            link("register.csv", "register.csv"),
            link("register.json", "register.json"),
            link("feed.xml", "feed.xml"),
        );
        let place = |(file, said): &(&str, &str)| match *file == here {
            true => format!("<li><a href=\"{file}\" aria-current=\"page\">{}</a></li>\n", text(said)),
            false => format!("<li>{}</li>\n", link(file, said)),
        };
        let nav: String = NAV.iter().map(place).collect();
        let header = format!(
            "<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n<p>{}: public register</p>\n<nav aria-label=\"Register\">\n<ul>\n{nav}</ul>\n</nav>\n</header>\n",
            text(&fields.name)
        );
        document([title, &fields.name], HEAD, &header, &format!("{banner}{main}"), &footer)
    }

    pub(super) fn purpose_link(&self, purpose: &Purpose) -> String {
        let at = self.purposes.iter().position(|other| other.id == purpose.id);
        link(&purpose_file(at.unwrap_or(0)), &purpose.title)
    }

    /// As the version in force has it; of who left, or waits to join, as the last that names it.
    pub(super) fn member_name(&self, id: &datacoop_policy::MemberId) -> String {
        let others = self.charters.iter().rev().map(AsRef::as_ref);
        let named = std::iter::once(self.charter).chain(others).find_map(|charter| charter.member(id));
        named.map_or_else(|| text(id.as_str()), |member| text(&member.name))
    }

    /// Until when a purpose, or all data that it may use, is paused.
    fn paused(&self, purpose: &Purpose) -> Option<Day> {
        let limits = self.charter.limits_for(purpose);
        let stops = |target: &Target| match target {
            Target::Purpose(id) => *id == purpose.id,
            Target::Dataset(id) => limits.datasets == Set::only([id.as_str()]),
            Target::Member(_) => false,
        };
        let pauses = self.said.pauses.iter().filter(|pause| stops(pause.target));
        pauses.filter_map(|pause| pause.until).max().map(|until| until.day())
    }

    /// When a purpose is open; of one that the version in force does not have, that it ended.
    fn open(&self, purpose: &Purpose) -> String {
        match self.charter.purpose(&purpose.id) {
            Some(_) => format!("{} to {}", day_html(purpose.starts), day_html(purpose.expires)),
            None => "not any more".to_owned(),
        }
    }
}

fn who_sees(publish: Publish) -> String {
    match publish {
        Publish::Members => "Members only. The results are not in this register.".into(),
        Publish::PublicAfter(0) => "Everybody, as soon as the members do.".into(),
        Publish::PublicAfter(days) => format!("Members first. Everybody, {days} days later."),
    }
}

fn index(register: &Register<'_>) -> String {
    let fields = register.charter.fields();
    let held = register.source.fold.logs().filter(|log| log.size() > 0).count();
    let mut out = format!(
        "<p>The {} members of {} ask each other questions about the people they serve. Each member keeps its records at home. Only sums leave, with privacy noise added on purpose, so that they tell very little about any one person.</p>\n<p>This register says what is asked, why, who pays, and what came of it.</p>\n",
        register.charter.members().len(),
        text(&fields.name)
    );
    if let Some(by) = register.source.by.and_then(|id| register.charter.member(id)) {
        out += &format!(
            "<p>It is published by {}, of {}, which runs the computer that it was made on and answers for it.</p>\n",
            text(&by.name),
            text(&by.body)
        );
    }
    out += &format!(
        "<p>Questions are about these kinds of records: {}. {}.</p>\n",
        text(&fields.datasets.iter().map(|dataset| dataset.id.as_str()).collect::<Vec<_>>().join(", ")),
        link("charter.html#data", "What stands in them")
    );
    if held < register.charter.members().len() {
        out += &format!(
            "<p class=\"note\"><strong>Not complete.</strong> This register was made from the logs of {held} of {} members. What stands only in the other logs is not here.</p>\n",
            register.charter.members().len()
        );
    }
    out += "<h2>Purposes</h2>\n<p>A question may be asked only for one of these purposes. The members agreed to them.</p>\n";
    let rows = register.purposes.iter().map(|purpose| {
        let counts = register.counts_by_purpose[purpose.id.as_str()];
        vec![
            register.purpose_link(purpose),
            text(&who_sees(purpose.publish)),
            counts.asked.to_string(),
            counts.answered.to_string(),
            counts.refusals.to_string(),
            match register.paused(purpose) {
                Some(until) => format!("Paused until {}", day_html(until)),
                None => register.open(purpose),
            },
        ]
    });
    let heads = ["Purpose", "Who sees results", "Asked", "Answered", "Refusals", "Open"];
    out += &table("What the members agreed to find out", &heads, rows);
    for pause in &register.said.pauses {
        if let (Target::Dataset(id), Some(until)) = (pause.target, pause.until) {
            out += &format!(
                "<p class=\"note\"><strong>Paused:</strong> nothing is asked about the data {} until {}.</p>\n",
                text(id),
                day_html(until.day())
            );
        }
    }
    out += "<h2>Newest public results</h2>\n";
    if register.results.is_empty() {
        out += "<p>No result is public yet.</p>\n";
    } else {
        out += &result_list(register, NEWEST);
    }
    out += &this_year(register);
    out += "<h2>Everything that was asked</h2>\n<p>Refused questions and answers that show nothing count too.</p>\n";
    let counts =
        register.counts().each().into_iter().map(|(name, n)| vec![text(&capital(name)), n.to_string()]);
    out += &table("Questions, in numbers", &["What", "How many"], counts);
    if !register.refusals_by_rule.is_empty() {
        let rows = register.refusals_by_rule.iter().map(|(rule, n)| {
            let meaning =
                Rule::from_code(rule).map_or("A rule that this program does not know.", Rule::meaning);
            vec![text(meaning), text(rule), n.to_string()]
        });
        out += &table("Why members refused", &["In a member's words", "Rule", "How often"], rows);
    }
    out + CHECK
}

/// What was asked in this school year, month by month: no nearer, so that nobody is watched by it.
fn this_year(register: &Register<'_>) -> String {
    let year = register.source.as_of.academic_year();
    let mut out = format!("<h2>Asked in the school year {year}</h2>\n");
    if register.months.is_empty() {
        return out + "<p>Nothing has been asked this year.</p>\n";
    }
    let words = |month: &str| {
        let first = Day::parse(&format!("{month}-01")).map(day_words).unwrap_or_default();
        first.split_once(' ').map_or_else(|| month.to_owned(), |(_, month)| month.to_owned())
    };
    let rows = register.months.iter().map(|(month, counts)| {
        let Counts { asked, answered, ended, open, invalid, refusals, .. } = *counts;
        let counts = [asked, answered, ended, open, invalid, refusals].map(|n| n.to_string());
        [vec![words(month)], counts.to_vec()].concat()
    });
    let heads = [
        "Month",
        "Asked",
        "Answered",
        "Ended without an answer",
        "Still running",
        "Not valid",
        "Refusals by members",
    ];
    out += &table("Questions by the month in which they were asked", &heads, rows);
    out
}

/// How a reader checks, objects or complains.
const CHECK: &str = "<h2>Check it, object, or complain</h2>\n<p>Each public result has a certificate. With the free program datacoop anybody can check it alone: <code>datacoop verify FILE --charter ID</code>. Take the charter's id from a member, not from this page.</p>\n<p>If your records are with a member, or your child's are, ask that member how to be left out. It must leave you out of every later answer. Results from before stay.</p>\n<p>To complain, write to the member first; who belongs stands under <a href=\"members.html\">Members</a>. You may also complain to the data protection authority; in the United Kingdom that is the Information Commissioner.</p>\n";

fn result_list(register: &Register<'_>, most: usize) -> String {
    let rows = register.results.iter().take(most).map(|result| {
        vec![
            link(&result.page(), result.release.question.question().title()),
            result.round.plan().map_or_else(String::new, |plan| period_html(&plan.query.period())),
            register.purpose_link(result.purpose),
            day_html(result.released),
        ]
    });
    table("Results, newest first", &["Question", "About the days", "Purpose", "Answered on"], rows)
}

fn results(register: &Register<'_>) -> String {
    if register.results.is_empty() {
        return "<p>No result is public yet.</p>\n".into();
    }
    result_list(register, usize::MAX)
}

fn purpose_page(register: &Register<'_>, purpose: &Purpose) -> String {
    let limits = register.charter.limits_for(purpose);
    let mut out = paragraphs(&purpose.plain);
    out += "<h2>Who it touches</h2>\n";
    out += &paragraphs(&purpose.affected);
    out += "<h2>Who was heard</h2>\n";
    out += &paragraphs(&purpose.heard);
    out += "<h2>What it is not for</h2>\n";
    out += &list(purpose.not_for.iter().map(String::as_str));
    out += "<h2>The rules of this purpose</h2>\n";
    let names = |set: &Set| match set {
        Set::Only(names) => names.iter().cloned().collect::<Vec<_>>().join(", "),
        Set::Except(names) if names.is_empty() => "all that the charter names".into(),
        Set::Except(names) => format!("all but {}", names.iter().cloned().collect::<Vec<_>>().join(", ")),
    };
    let licence = purpose.licence.code();
    out += &pairs([
        ("Open", register.open(purpose)),
        ("Report due", day_html(purpose.report_due)),
        ("Who pays for it", funders(purpose)),
        ("Who sees results", text(&who_sees(purpose.publish))),
        ("Licence", link(&format!("{licence}.txt"), licence)),
        ("Data", text(&names(&limits.datasets))),
        ("Columns", text(&names(&limits.columns))),
        ("May be split by", text(&names(&limits.group_by))),
        ("Reviewed by", reviewers(register, purpose)),
        ("Its part of a year", most(limits.rho_purpose.min(limits.rho_year))),
    ]);
    let versions = register.charters.iter().filter_map(|charter| charter.purpose(&purpose.id));
    if versions.into_iter().any(|other| other.publish != purpose.publish) {
        out += "<p>Another version of the charter says otherwise who sees results. The answer to a question is seen by whom the version says that the question names.</p>\n";
    }
    if let Some(pause) = register.paused(purpose) {
        out = format!(
            "<p class=\"note\"><strong>Paused</strong> by its members until {}: nothing is asked for it.</p>\n",
            day_html(pause)
        ) + &out;
    }
    let reports = register.reports_html(register.said.on(&purpose.id), 3);
    if !reports.is_empty() {
        out += "<h2>What was learnt</h2>\n";
        out += &reports;
    }
    out += "<h2>What was asked</h2>\n";
    let counts = register.counts_by_purpose[purpose.id.as_str()];
    let rows = counts.each().into_iter().map(|(name, n)| vec![text(&capital(name)), n.to_string()]);
    out += &table("Questions for this purpose, in numbers", &["What", "How many"], rows);
    let own: Vec<&Public<'_>> =
        register.results.iter().filter(|result| result.purpose.id == purpose.id).collect();
    if !own.is_empty() {
        out += "<h2>Public results</h2>\n<ul>\n";
        for result in own {
            let title = result.release.question.question().title();
            out += &format!(
                "<li>{}, answered on {}</li>\n",
                link(&result.page(), title),
                day_html(result.released)
            );
        }
        out += "</ul>\n";
    }
    out
}

/// Who pays, as the purpose says; HTML.
fn funders(purpose: &Purpose) -> String {
    match purpose.funders.as_slice() {
        [] => "Nobody but the members. A question says for itself who pays for it.".to_owned(),
        some => text(&some.join("; ")),
    }
}

/// Who reviewed a purpose, and what they found of it as the charter has it, as far as that is here; HTML.
fn reviewers(register: &Register<'_>, purpose: &Purpose) -> String {
    let mut proposals = register.said.proposals.iter();
    let adopted = proposals.find(|proposal| proposal.purpose.as_ref() == Some(purpose));
    let one = |id| {
        let found = adopted.and_then(|proposal| proposal.reviews.iter().find(|(by, _)| *by == id)?.1);
        let name = register.member_name(id);
        found.map_or_else(|| name.clone(), |found| format!("{name} ({})", findings_words(found)))
    };
    purpose.reviewers.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Points of the privacy budget.
pub(super) fn points(n: u64) -> String {
    if n == 1 { "1 point".to_owned() } else { format!("{n} points") }
}

/// What may be lost at most, in points: rounded down.
fn most(loss: PrivacyLoss) -> String {
    format!("at most {} of the privacy budget", points(points_left(loss)))
}

/// A loss for readers who know these numbers.
fn exactly(reading: Reading) -> String {
    format!("epsilon {} at delta {DELTA_TEXT} (rho {})", reading.epsilon_text(), reading.rho_text())
}

/// What most readers need not see; both are HTML.
pub(super) fn details(summary: &str, inside: &str) -> String {
    format!("<details>\n<summary>{summary}</summary>\n{inside}</details>\n")
}

fn members(register: &Register<'_>) -> String {
    let mut out = String::from(
        "<p>These organisations signed the charter. A body is the organisation that answers for a member in law, such as a trust.</p>\n",
    );
    let rows = register.charter.members().iter().map(|member| {
        let roles: Vec<&str> = Role::ALL.into_iter().filter(|r| member.has(*r)).map(Role::code).collect();
        vec![
            text(&member.name),
            text(&member.body),
            text(member.id.as_str()),
            roles.join(", "),
            vouched(register, member),
            standing(register, member),
            format!("{} of {}", quorum(member.witnesses.len()), member.witnesses.len()),
        ]
    });
    let heads =
        ["Member", "Body", "Register number", "Roles", "Vouched for by", "Now", "Witnesses that must sign"];
    out += &table("Members and what they may do", &heads, rows);
    out += "<p>Two members of other bodies vouch for whoever joins later: they checked its register number, and spoke to it on the telephone. A suspended member neither asks nor answers. A dormant one was silent for a year, and is not counted until it is woken.</p>\n";
    if let Some(before) = register.charter.fields().predecessor {
        out += &format!(
            "<p>This co-operative follows another one, which lost its quorum: <span class=\"hash\">{before}</span>. Members that came from there go on with the privacy that they had spent.</p>\n"
        );
    }
    out += "<p>A voting member signs the rules. A coordinator asks. A witness signs that a log was not rewritten.</p>\n";
    let keys = register.charter.members().iter().map(|member| {
        format!(
            "<li>{}: <span class=\"hash\">{}</span></li>\n",
            text(&member.name),
            text(&vkey(&member.keys.log, KIND_ED25519))
        )
    });
    out + &details(
        "The keys that their logs are signed with",
        &format!("<ul>\n{}</ul>\n", keys.collect::<String>()),
    )
}

/// Who vouched for a member when it joined; HTML.
fn vouched(register: &Register<'_>, member: &Member) -> String {
    match member.sponsors.as_slice() {
        [] => "Nobody: it is a founder".to_owned(),
        some => some.iter().map(|id| register.member_name(id)).collect::<Vec<_>>().join("; "),
    }
}

/// Whether a member is suspended on the register's day, dormant, or told that it may be; HTML.
fn standing(register: &Register<'_>, member: &Member) -> String {
    let mut pauses = register.said.pauses.iter();
    let pause = pauses.find(|pause| matches!(pause.target, Target::Member(id) if *id == member.id));
    let suspended =
        pause.and_then(|pause| pause.until).map(|until| format!("Suspended until {}", day_html(until.day())));
    let silent = match (member.dormant, member.notice) {
        (true, _) => Some("Dormant: silent for a year, and not counted".to_owned()),
        (false, Some(notice)) => {
            Some(format!("Has notice since {}: it may be marked dormant", day_html(notice)))
        }
        (false, None) => None,
    };
    let came = member.goes_on_from.as_ref().map(|log| format!("Came with the log {}", text(&log.name)));
    let all: Vec<String> = [suspended, silent, came].into_iter().flatten().collect();
    match (all.is_empty(), member.takes_part()) {
        (false, _) => all.join("; "),
        (true, true) => "Takes part".to_owned(),
        (true, false) => "Looks on: it answers no question".to_owned(),
    }
}

fn charter(register: &Register<'_>) -> String {
    let fields = register.charter.fields();
    let voting = register.charter.members().iter().filter(|member| member.votes()).count();
    let mut out = String::from("<h2>Versions</h2>\n");
    let rows = register.charters.iter().map(|charter| {
        let (version, fields) = (charter.version(), charter.fields());
        let state = match version.cmp(&register.charter.version()) {
            Ordering::Less => "replaced",
            Ordering::Equal => "most members go by it",
            Ordering::Greater => "waits",
        };
        vec![
            link(&format!("charter-{version}.note"), &format!("Version {version}")),
            day_html(fields.made),
            day_html(fields.effective),
            day_html(fields.expires),
            state.to_owned(),
        ]
    });
    let heads = ["Version", "Written", "Not in force before", "Ends", "Now"];
    out += &table("Every version of the charter", &heads, rows);
    let hashes = register.charters.iter().map(|charter| {
        format!("<li>Version {}: <span class=\"hash\">{}</span></li>\n", charter.version(), charter.hash())
    });
    let id = format!("<p>The id of the charter: <span class=\"hash\">{}</span></p>\n", register.charter.id());
    out += &details("The SHA-256 of each text", &format!("{id}<ul>\n{}</ul>\n", hashes.collect::<String>()));
    out += &changed(register);
    out += &format!(
        "<p>Every member signed the first version. To change it, {} of {voting} voting members must sign. Looser rules wait 14 days, so that a member can leave first.</p>\n",
        fields.amend
    );
    out += "<h2>Not for sale</h2>\n";
    out += &paragraphs(&fields.asset_lock.clause);
    out += &paragraphs(&fields.asset_lock.stricter);
    let successor = register.charter.member(&fields.asset_lock.successor).map(|member| member.name.clone());
    let successor = successor.unwrap_or_else(|| register_words(&fields.asset_lock.successor));
    out += &pairs([("That body", text(&successor))]);
    out += "<h2 id=\"data\">Data</h2>\n";
    let rows = fields.datasets.iter().map(|dataset| {
        let names: Vec<&str> = dataset.vocabularies.iter().map(|(name, _)| name.as_str()).collect();
        vec![text(&dataset.id), text(&dataset.unit), text(&names.join(", "))]
    });
    out + &table(
        "Kinds of records that questions may be about",
        &["Data", "One record is about a", "Standards"],
        rows,
    )
}

/// What each version changed of the one before it.
fn changed(register: &Register<'_>) -> String {
    let mut out = String::new();
    for pair in register.charters.windows(2).rev() {
        let [before, after] = pair else { continue };
        let changes = succeed(before, after).unwrap_or_default();
        let which = match class_of(&changes) {
            Class::Tightening => "It only tightens the rules.",
            Class::Loosening => "It loosens a rule, so members had 14 days to leave first.",
        };
        let lines = changes.iter().map(|change| capital(&dated(&change.text)));
        let lines: Vec<String> = lines.collect();
        out += &format!("<h3>What version {} changed</h3>\n<p>{which}</p>\n", after.version());
        out += &list(lines.iter().map(String::as_str));
    }
    out
}

fn privacy(register: &Register<'_>) -> String {
    let limits = &register.charter.fields().limits;
    let year = Reading::of(limits.rho_year);
    let mut out = list([
        "Records never leave the member that keeps them. Each member counts on its own computer.",
        "What a member sends is split into shares that say nothing alone, or carries all the privacy noise it needs.",
        "Privacy noise is added on purpose before anybody sees a sum. No answer is exact.",
        "People who object are left out before anything is counted.",
        "The rules decide who may ask, not the records. A refusal says nothing about a person.",
        "Every step is signed in a log that cannot be rewritten without leaving proof.",
    ]);
    out += "<h2>The limits</h2>\n";
    out += &pairs([
        ("Members in a sum", format!("at least {}", limits.min_roster)),
        ("Separate bodies in a sum", format!("at least {}", limits.min_bodies)),
        ("Numbers in an answer", format!("at most {}", limits.max_cells)),
        ("One question", most(limits.rho_query)),
        ("All questions of a year", most(limits.rho_year)),
    ]);
    out += &format!(
        "<p>What that means: after a whole year of questions, whatever anybody learns from the answers is at most {} times as likely as if a person's record had been left out, save with a chance of one in a million. A person in the records of several members loses more, and so do several years: they add up.</p>\n",
        year.factor_text()
    );
    out += &details(
        "The same in the numbers of differential privacy",
        &format!(
            "<p>A point is zCDP rho 0.0025. One question: {}. All questions of a year: {}. Epsilon bounds, as a logarithm, how much likelier anything becomes: the smaller, the safer.</p>\n",
            exactly(Reading::of(limits.rho_query)),
            exactly(year)
        ),
    );
    out += "<h2>What was spent</h2>\n<p>Each member adds up what its people lost to all answers so far, public or not.</p>\n";
    let (mut rows, mut in_numbers) = (vec![], String::new());
    for log in register.source.fold.logs().filter(|log| log.size() > 0) {
        for account in spent(register.source.fold, &log.member).accounts {
            let (dataset, year) = (&account.account.dataset, account.account.year);
            let name = register.member_name(&log.member);
            in_numbers += &format!("<li>{name}, {} {year}: {}</li>\n", text(dataset), exactly(account.spent));
            rows.push(vec![
                name,
                format!("{}, {year}", text(dataset)),
                account.debits.to_string(),
                points(points_of(account.spent.loss)),
            ]);
        }
    }
    if rows.is_empty() {
        return out + "<p>Nothing was spent yet.</p>\n";
    }
    out + &table(
        "Privacy spent, by member, data and year",
        &["Member", "Data and year", "Answers paid for", "Spent"],
        rows,
    ) + &details("What was spent in those numbers", &format!("<ul>\n{in_numbers}</ul>\n"))
}
