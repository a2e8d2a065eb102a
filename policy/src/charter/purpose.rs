//! Purposes: what questions are asked for, who was heard, who sees the results. Must not know what a
//! question costs beyond the limits it is held to.

use std::collections::{BTreeMap, BTreeSet};

use super::{CHARTER_DAYS_MAX, CharterDraft, CharterError, PURPOSES_MAX, refuse};
use crate::id::{Digest, MemberId};
use crate::limits::{Limits, Set};
use crate::loss::PrivacyLoss;
use crate::time::Day;

/// Uses that one purpose rules out: more is no list that a parent reads.
pub const NOT_FOR_MAX: usize = 16;
/// Funders that one purpose names: whoever pays for work under it is to be read at a glance.
pub const FUNDERS_MAX: usize = 16;
/// Longest wait before results are public: one charter's life, or nobody could hold it to its word.
pub const PUBLIC_AFTER_DAYS_MAX: u32 = 400;
/// Reviewers of a purpose: a double review (CHARTER.md section 4).
pub const REVIEWERS: usize = 2;

/// Why questions may be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Purpose {
    /// Its name in Queries.
    pub id: String,
    /// One line.
    pub title: String,
    /// In plain words.
    pub plain: String,
    /// Whom the records describe and the answers touch.
    pub affected: String,
    /// Who of them was heard, and how.
    pub heard: String,
    /// Uses that are ruled out.
    pub not_for: Vec<String>,
    /// Who pays for work under it, beside the members themselves; nobody where it is empty.
    pub funders: Vec<String>,
    /// Who sees the results, and when.
    pub publish: Publish,
    /// What whoever sees them may do.
    pub licence: Licence,
    /// The two members whose people judged benefit, harm and least data.
    pub reviewers: Vec<MemberId>,
    /// Its part of the limits.
    pub limits: Limits,
    /// First day.
    pub starts: Day,
    /// Last day.
    pub expires: Day,
    /// Last day for the report without which it is not renewed.
    pub report_due: Day,
    /// The leaf hash of the report that it was last renewed by; `None` while it was not.
    pub report: Option<Digest>,
}

/// Who sees a purpose's results.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Publish {
    /// The members alone.
    Members,
    /// Everybody, this many days after the members.
    PublicAfter(u32),
}

impl Publish {
    /// As the charter writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::PublicAfter(_) => "public-after",
        }
    }

    /// First day on which results opened on that day are public; `None`: never.
    pub fn public_from(self, opened: Day) -> Option<Day> {
        match self {
            Self::Members => None,
            Self::PublicAfter(days) => Some(Day(opened.0.saturating_add(i64::from(days)))),
        }
    }
}

/// What whoever holds results may do with them: a closed list, known by the SHA-256 of its texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Licence {
    /// For members and their boards.
    Members1,
    /// Anybody may quote, with the Certificate.
    Public1,
}

impl Licence {
    /// Every licence.
    pub const ALL: [Self; 2] = [Self::Members1, Self::Public1];

    /// As the charter writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Members1 => "dc-members-1",
            Self::Public1 => "dc-public-1",
        }
    }

    /// Reads `code`.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|licence| licence.code() == code)
    }

    /// Its text, as shipped.
    pub fn text(self) -> &'static str {
        match self {
            Self::Members1 => include_str!("licences/dc-members-1.txt"),
            Self::Public1 => include_str!("licences/dc-public-1.txt"),
        }
    }

    /// SHA-256 of its text, in lowercase hex: a change of one letter is another licence.
    pub fn sha256(self) -> &'static str {
        match self {
            Self::Members1 => "e1dba34e25f2dfe6a82ae0c347a05103a4fce0afe76137f8b0c2dbf532e09f8e",
            Self::Public1 => "42e144935037357582b63d78cd8cc6d6bfd963887b58416be6233998defe49e0",
        }
    }
}

pub(super) fn check_purposes(draft: &CharterDraft) -> Result<(), CharterError> {
    if draft.datasets.is_empty() || draft.datasets.len() > PURPOSES_MAX {
        return refuse("C7", "declare at least one [[dataset]]");
    }
    let mut names = BTreeSet::new();
    for dataset in &draft.datasets {
        if !names.insert(dataset.id.as_str()) {
            return refuse("C7", format!("dataset `{}` stands twice", dataset.id));
        }
    }
    let mut vocabularies = BTreeSet::new();
    for (name, _) in draft.datasets.iter().flat_map(|dataset| &dataset.vocabularies) {
        if !vocabularies.insert(name) {
            return refuse("C7", format!("vocabulary `{name}` stands twice; remove one"));
        }
    }
    check_one_ledger(draft)?;
    if draft.purposes.len() > PURPOSES_MAX {
        return refuse("C7", format!("at most {PURPOSES_MAX} purposes"));
    }
    let mut ids = BTreeSet::new();
    for purpose in &draft.purposes {
        if !ids.insert(&purpose.id) {
            return refuse("C7", format!("purpose `{}` stands twice", purpose.id));
        }
        if purpose.expires < purpose.starts || purpose.expires.0 - purpose.starts.0 > CHARTER_DAYS_MAX {
            return refuse("F17", format!("purpose `{}` lasts at most {CHARTER_DAYS_MAX} days", purpose.id));
        }
        if let Set::Only(datasets) = &purpose.limits.datasets
            && let Some(unknown) = datasets.iter().find(|id| !names.contains(id.as_str()))
        {
            return refuse("C7", format!("purpose `{}`: no dataset `{unknown}` is declared", purpose.id));
        }
        check_words(purpose)?;
        check_publication(draft, purpose)?;
        check_review(draft, purpose)?;
    }
    check_parts(draft)
}

/// The people of a vocabulary have one Ledger: the same one under another name in another dataset
/// would let each of them be asked twice a year's worth.
fn check_one_ledger(draft: &CharterDraft) -> Result<(), CharterError> {
    let mut dataset_by_hash: BTreeMap<Digest, &str> = BTreeMap::new();
    for dataset in &draft.datasets {
        for (name, hash) in &dataset.vocabularies {
            let other = dataset_by_hash.insert(*hash, &dataset.id);
            if let Some(other) = other.filter(|other| *other != dataset.id) {
                return refuse(
                    "F4",
                    format!("vocabulary `{name}` is also in dataset `{other}`; its people have one Ledger"),
                );
            }
        }
    }
    Ok(())
}

/// The purposes' parts of a dataset's year do not sum above it, so none starves another (section 6).
fn check_parts(draft: &CharterDraft) -> Result<(), CharterError> {
    for dataset in &draft.datasets {
        let parts = draft.purposes.iter().map(|purpose| draft.limits.meet(&purpose.limits));
        let parts = parts.filter(|limits| limits.datasets.holds(&dataset.id));
        let sum = parts
            .map(|limits| limits.rho_purpose.min(limits.rho_year))
            .fold(PrivacyLoss::ZERO, PrivacyLoss::plus);
        if sum > draft.limits.rho_year {
            return refuse(
                "rho_purpose",
                format!(
                    "the purposes on dataset `{}` sum to {}, above its rho_year {}; give each a smaller `limits.rho_purpose`",
                    dataset.id,
                    sum.nano(),
                    draft.limits.rho_year.nano()
                ),
            );
        }
    }
    Ok(())
}

fn unfit<T>(purpose: &Purpose, text: impl AsRef<str>) -> Result<T, CharterError> {
    refuse("C7", format!("purpose `{}`: {}", purpose.id, text.as_ref()))
}

/// A purpose says what it is for, whom it touches, who was heard and what it is not for.
fn check_words(purpose: &Purpose) -> Result<(), CharterError> {
    let words = [
        ("id", &purpose.id),
        ("title", &purpose.title),
        ("plain", &purpose.plain),
        ("affected", &purpose.affected),
        ("heard", &purpose.heard),
    ];
    if let Some((field, _)) = words.into_iter().find(|(_, text)| text.trim().is_empty()) {
        return unfit(purpose, format!("`{field}` is empty; write it for the people it touches"));
    }
    let not_for = &purpose.not_for;
    if !(1..=NOT_FOR_MAX).contains(&not_for.len()) || not_for.iter().any(String::is_empty) {
        return unfit(
            purpose,
            format!("`not_for` names 1 to {NOT_FOR_MAX} uses that are ruled out, none empty"),
        );
    }
    let distinct: BTreeSet<&String> = not_for.iter().collect();
    if distinct.len() < not_for.len() {
        return unfit(purpose, "`not_for` names a use twice; remove one");
    }
    let funders: BTreeSet<&String> = purpose.funders.iter().collect();
    if purpose.funders.len() > FUNDERS_MAX
        || funders.len() < purpose.funders.len()
        || purpose.funders.iter().any(String::is_empty)
    {
        return unfit(purpose, format!("`funders` names at most {FUNDERS_MAX}, each once, none empty"));
    }
    Ok(())
}

/// Who sees the results, and what they may do, agree with each other and with the limits.
fn check_publication(draft: &CharterDraft, purpose: &Purpose) -> Result<(), CharterError> {
    let fitting = match purpose.publish {
        Publish::Members => Licence::Members1,
        Publish::PublicAfter(days) => {
            if days > PUBLIC_AFTER_DAYS_MAX {
                return unfit(purpose, format!("`public_after_days` is at most {PUBLIC_AFTER_DAYS_MAX}"));
            }
            if !draft.limits.meet(&purpose.limits).public {
                return unfit(
                    purpose,
                    "the limits say public = false; write publish = \"members\" or allow it there",
                );
            }
            Licence::Public1
        }
    };
    if purpose.licence != fitting {
        return unfit(
            purpose,
            format!(
                "publish = \"{}\" goes with licence = \"{}\", not \"{}\"",
                purpose.publish.code(),
                fitting.code(),
                purpose.licence.code()
            ),
        );
    }
    Ok(())
}

/// Two reviewers of different bodies; a report while the purpose lasts.
fn check_review(draft: &CharterDraft, purpose: &Purpose) -> Result<(), CharterError> {
    let reviewers: BTreeSet<&MemberId> = purpose.reviewers.iter().collect();
    if purpose.reviewers.len() != REVIEWERS || reviewers.len() != REVIEWERS {
        return unfit(purpose, format!("`reviewers` names {REVIEWERS} different members"));
    }
    let known: Vec<_> = draft.members.iter().filter(|member| reviewers.contains(&member.id)).collect();
    // A reviewer may leave; what it reviewed stays reviewed.
    if draft.version == 1 && known.len() < REVIEWERS {
        return unfit(purpose, "`reviewers` names somebody who is no member; name members");
    }
    let bodies: BTreeSet<&str> = known.iter().map(|member| member.body.as_str()).collect();
    if bodies.len() < known.len() {
        return unfit(purpose, "`reviewers` are of one body; name members of different bodies");
    }
    if !(purpose.starts..=purpose.expires).contains(&purpose.report_due) {
        return unfit(
            purpose,
            format!("`report_due` lies within {} and {}", purpose.starts, purpose.expires),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{Charter, TEXT_BYTES_MAX};
    use super::*;

    fn check(change: impl FnOnce(&mut CharterDraft), expected: &str) {
        let mut draft = sample(6);
        change(&mut draft);
        let got = Charter::admit(draft).map_or_else(|error| error.to_string(), |_| "ok".into());
        assert!(got.contains(expected) && (got == "ok" || got.ends_with("(rule C7)")), "{expected}: {got}");
    }

    fn purpose(change: impl FnOnce(&mut Purpose), expected: &str) {
        check(|draft| change(&mut draft.purposes[0]), expected);
    }

    #[test]
    fn a_purpose_says_it_all() {
        purpose(|_| (), "ok");
        purpose(|p| p.id.clear(), "`id` is empty");
        purpose(|p| p.title.clear(), "`title` is empty");
        purpose(|p| p.plain = "\n".into(), "`plain` is empty");
        purpose(|p| p.affected.clear(), "`affected` is empty");
        purpose(|p| p.heard.clear(), "`heard` is empty");
        purpose(|p| p.affected = "a\u{202e}".into(), "direction marks");
        purpose(|p| p.heard = "a".repeat(TEXT_BYTES_MAX + 1), "at most");
        purpose(|p| p.heard = "a".repeat(TEXT_BYTES_MAX), "ok");
        purpose(|p| p.not_for.clear(), "`not_for`");
        purpose(|p| p.not_for = vec![String::new()], "`not_for`");
        purpose(|p| p.not_for = vec!["sale".into(), "sale".into()], "a use twice");
        purpose(|p| p.not_for = vec!["sa\nle".into()], "on one line");
        purpose(|p| p.funders = vec!["A trust".into(), "A council".into()], "ok");
        purpose(|p| p.funders = vec!["A trust".into(), "A trust".into()], "`funders`");
        purpose(|p| p.funders = vec![String::new()], "`funders`");
        purpose(|p| p.funders = vec!["A\ntrust".into()], "on one line");
        let many = |n: usize| -> Vec<String> { (0..n).map(|n| format!("use {n}")).collect() };
        purpose(|p| p.funders = many(FUNDERS_MAX), "ok");
        purpose(|p| p.funders = many(FUNDERS_MAX + 1), "`funders`");
        purpose(|p| p.not_for = many(NOT_FOR_MAX), "ok");
        purpose(|p| p.not_for = many(NOT_FOR_MAX + 1), "`not_for`");
    }

    #[test]
    fn who_sees_results_fits_the_licence_and_the_limits() {
        let public = |days| {
            move |p: &mut Purpose| (p.publish, p.licence) = (Publish::PublicAfter(days), Licence::Public1)
        };
        purpose(public(0), "ok");
        purpose(public(PUBLIC_AFTER_DAYS_MAX), "ok");
        purpose(public(PUBLIC_AFTER_DAYS_MAX + 1), "`public_after_days`");
        purpose(|p| (p.publish, p.licence) = (Publish::Members, Licence::Members1), "ok");
        purpose(|p| (p.publish, p.licence) = (Publish::Members, Licence::Public1), "goes with licence");
        purpose(
            |p| (p.publish, p.licence) = (Publish::PublicAfter(1), Licence::Members1),
            "goes with licence",
        );
        let closed = |d: &mut CharterDraft| {
            public(1)(&mut d.purposes[0]);
            d.limits.public = false;
        };
        check(closed, "public = false");
        let day = Day(20_000);
        assert_eq!(Publish::PublicAfter(90).public_from(day), Some(Day(20_090)));
        assert_eq!(Publish::Members.public_from(day), None);
        for licence in Licence::ALL {
            assert_eq!(Licence::from_code(licence.code()), Some(licence));
            assert!(licence.text().starts_with(&format!("datacoop licence {}", licence.code())));
        }
        assert_eq!(Licence::from_code("cc0"), None);
    }

    #[test]
    fn two_members_of_different_bodies_review_it_and_a_report_is_due() {
        purpose(|p| p.reviewers.truncate(1), "`reviewers` names 2");
        purpose(|p| p.reviewers[1] = p.reviewers[0].clone(), "`reviewers` names 2");
        purpose(|p| p.reviewers[1] = "GB-CHC-9".parse().unwrap(), "no member");
        let one_body = |d: &mut CharterDraft| {
            for member in &mut d.members {
                member.roles.clear();
            }
            let ids = d.purposes[0].reviewers.clone();
            d.members[0].body = "Trust 1".into();
            d.members[1].body = "Trust 1".into();
            assert_eq!(ids, [d.members[0].id.clone(), d.members[1].id.clone()]);
            for member in &mut d.members[1..] {
                member.roles.insert(super::super::Role::Voting);
            }
        };
        check(one_body, "one body");
        purpose(|p| p.report_due = p.starts, "ok");
        purpose(|p| p.report_due = p.expires, "ok");
        purpose(|p| p.report_due = Day(p.starts.0 - 1), "`report_due`");
        purpose(|p| p.report_due = Day(p.expires.0 + 1), "`report_due`");
    }
}
