//! What a new version of a charter changes, and what it may: CHARTER.md section 3, C1, C2, C5, C6.
//!
//! Nobody declares whether a change tightens: it is worked out here, from the two texts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::belonging::{NOTICE_DAYS, check_step};
use super::form::look;
use super::renewal::{check_reviewers, renewals_reported, reviewers_lacking};
use super::{Charter, CharterError, Member, NamedKey, Purpose, refuse};
use crate::id::MemberId;
use crate::limits::{Limits, Set};
use crate::loss::PrivacyLoss;
use crate::time::{Span, Time};

/// How long a loosening waits after a node first held the quorum: time to leave (CHARTER.md F18).
pub const LOOSENING_WAITS: Span = Span(14 * 24 * 3_600_000);
/// Steps of a chain that are walked: a version a week for twenty years (C1).
pub const VERSIONS_MAX: usize = 1_024;

/// Which way a change goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// Narrower limits or earlier ends alone: may act at once.
    Tightening,
    /// All else.
    Loosening,
}

impl Class {
    /// As printed.
    pub fn code(self) -> &'static str {
        match self {
            Self::Tightening => "tightening",
            Self::Loosening => "loosening",
        }
    }
}

/// One thing that a version changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Which way it goes.
    pub class: Class,
    /// In plain words.
    pub text: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class.code(), self.text)
    }
}

/// The class of a version: loosening if one change is.
pub fn class_of(changes: &[Change]) -> Class {
    changes.iter().map(|change| change.class).max().unwrap_or(Class::Tightening)
}

/// Signatures that an amendment still lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lacking {
    /// Of one side's quorum (C2).
    Quorum {
        /// Whose members: `old` or `new`.
        side: &'static str,
        /// How many signed of how many it needs.
        signed: u32,
        /// The version's own `amend`.
        needed: u32,
        /// Voting members of that side that did not.
        missing: Vec<MemberId>,
    },
    /// Of those who vouch for a member that joins (C13).
    Sponsors {
        /// Who joins.
        joins: MemberId,
        /// Sponsors that did not sign.
        missing: Vec<MemberId>,
    },
    /// Of those who review the purposes that are new.
    Reviewers {
        /// How many sign in all.
        needed: u32,
        /// Reviewers that did not sign.
        missing: Vec<MemberId>,
    },
}

/// What an amendment lacks: `amend` of the old and of the new voting members (C2), both sponsors of everybody who
/// joins (C13), and the reviewers of each purpose that is new. `signed_old` signed with the keys that the old
/// version lists for them, `signed_new` with those of the new one: whoever's keys are replaced speaks among the
/// old with the old ones and among the new with the new ones, and need not speak at all.
pub fn lacking(
    old: &Charter,
    new: &Charter,
    signed_old: &BTreeSet<MemberId>,
    signed_new: &BTreeSet<MemberId>,
) -> Vec<Lacking> {
    let side = |side, charter: &Charter, signed: &BTreeSet<MemberId>| {
        let voting = charter.members().iter().filter(|member| member.votes());
        let (have, missing): (Vec<_>, Vec<_>) = voting.partition(|member| signed.contains(&member.id));
        let count = u32::try_from(have.len()).unwrap_or(u32::MAX);
        let needed = charter.fields().amend;
        let missing = missing.into_iter().map(|member| member.id.clone()).collect();
        (count < needed).then_some(Lacking::Quorum { side, signed: count, needed, missing })
    };
    // Who stays vouches with the keys that stay: those that are replaced may be stolen.
    let leave = signed_old.iter().filter(|id| new.member(id).is_none());
    let signed: BTreeSet<MemberId> = signed_new.iter().chain(leave).cloned().collect();
    let joining = new.members().iter().filter(|member| old.member(&member.id).is_none());
    let unsponsored = joining.filter_map(|member| {
        let missing: Vec<MemberId> =
            member.sponsors.iter().filter(|id| !signed.contains(*id)).cloned().collect();
        (!missing.is_empty()).then(|| Lacking::Sponsors { joins: member.id.clone(), missing })
    });
    let reviewers = reviewers_lacking(old, new, &signed);
    [side("old", old, signed_old), side("new", new, signed_new)]
        .into_iter()
        .flatten()
        .chain(unsponsored)
        .chain(reviewers)
        .collect()
}

/// What a version changes of the one before it.
///
/// Errors: it is no next version of it, or changes what nobody can change here.
pub fn succeed(old: &Charter, new: &Charter) -> Result<Vec<Change>, CharterError> {
    let (before, after) = (old.fields(), new.fields());
    if after.version != before.version + 1 || after.prev != Some(old.hash()) {
        let text = format!(
            "it is to follow version {}, so write `version = {}` and `prev = \"{}\"`",
            before.version,
            before.version + 1,
            old.hash()
        );
        return refuse("C1", text);
    }
    if after.id != before.id {
        return refuse("C1", format!("it belongs to another co-operative; write `id = \"{}\"`", before.id));
    }
    if after.demo != before.demo {
        return refuse("C7", "a demo stays a demo, and a real co-operative real");
    }
    if after.predecessor != before.predecessor {
        let text = match before.predecessor {
            Some(predecessor) => {
                format!("whom a co-operative follows never changes; write `predecessor = \"{predecessor}\"`")
            }
            None => "only a founding text names a `predecessor`; remove it".to_owned(),
        };
        return refuse("C15", text);
    }
    if after.made < before.made {
        return refuse(
            "C1",
            format!("it is dated before version {}; date it when it was made", before.version),
        );
    }
    keys_follow([old], new)?;
    check_step(old, new)?;
    check_reviewers(old, new)?;
    renewals_reported([old], new)?;
    let mut changes = vec![];
    head(old, new, &mut changes);
    members(old, new, &mut changes);
    datasets(old, new, &mut changes);
    purposes(old, new, &mut changes);
    Ok(changes)
}

/// From when on a member goes by a version whose quorum it first held at `held`, at the earliest: a
/// tightening from its first day, a loosening no sooner than 14 days later (C5).
pub fn acts_from(old: &Charter, new: &Charter, held: Time) -> Time {
    let class = succeed(old, new).map_or(Class::Loosening, |changes| class_of(&changes));
    let waits = match class {
        Class::Tightening => held,
        Class::Loosening => held + LOOSENING_WAITS,
    };
    waits.max(new.fields().effective.start())
}

/// A member keeps its keys, also if it left and comes back, or has all five replaced by new ones whose names count
/// one on: `<host>/datacoop/2` after `<host>/datacoop/1`. Its next log then carries the Ledger of the last over;
/// any other log would be another Ledger. And nobody takes over what belonged to another number, or was its own
/// before: logs and signatures are told apart by names and keys.
///
/// `earlier` are all versions before it that are at hand, the first first. Nobody declares that keys were stolen, so
/// whoever's keys are replaced need not sign: an amendment is the members' (C2).
pub fn keys_follow<'a>(
    earlier: impl IntoIterator<Item = &'a Charter>,
    new: &Charter,
) -> Result<(), CharterError> {
    let mut last: BTreeMap<&MemberId, &Member> = BTreeMap::new();
    let held: Vec<&Member> = earlier.into_iter().flat_map(Charter::members).collect();
    for held in &held {
        last.insert(&held.id, held);
    }
    for member in new.members() {
        let before = last.get(&member.id).filter(|before| before.keys != member.keys);
        if let Some(before) = before.filter(|before| !counts_on(before, member)) {
            let text = format!(
                "`{}` has other keys and not the next ones after {}; all five are replaced together, under names \
                 that end in the next number",
                member.id, before.keys.log.name
            );
            return refuse("C13", text);
        }
        if let Some(before) = last.get(&member.id).filter(|before| before.goes_on_from != member.goes_on_from)
        {
            let text = match &before.goes_on_from {
                Some(log) => format!(
                    "`{}` brought the log {} with it; leave its `goes_on_from` as it is",
                    member.id, log.name
                ),
                None => format!(
                    "`{}` is or was a member here, under logs of its own; remove its `goes_on_from`",
                    member.id
                ),
            };
            return refuse("C15", text);
        }
        let is_own = |held: &&Member| held.id == member.id && held.keys == member.keys;
        if let Some(held) = held.iter().find(|held| !is_own(held) && shares_keys(member, held)) {
            let text = format!("`{}` has a key, or a key's name, that was `{}`'s", member.id, held.id);
            return refuse("C13", text);
        }
    }
    Ok(())
}

/// Whether a member's three key names are those that it had, counted one on.
fn counts_on(old: &Member, new: &Member) -> bool {
    let next = |old: &NamedKey, new: &NamedKey| {
        let number = |(of, n): (&str, &str)| Some(format!("{of}/{}", n.parse::<u32>().ok()?.checked_add(1)?));
        old.name.rsplit_once('/').and_then(number).as_ref() == Some(&new.name)
    };
    let (old, new) = (&old.keys, &new.keys);
    next(&old.log, &new.log) && next(&old.charter, &new.charter) && next(&old.witness, &new.witness)
}

fn shares_keys(one: &Member, other: &Member) -> bool {
    let named =
        |member: &Member| [member.keys.charter.clone(), member.keys.log.clone(), member.keys.witness.clone()];
    let theirs = named(other);
    one.keys.peer == other.keys.peer
        || one.keys.seal == other.keys.seal
        || named(one).iter().any(|key| theirs.iter().any(|held| held.name == key.name || held.key == key.key))
}

/// Adds a change unless nothing changed.
fn say<T: PartialEq>(
    changes: &mut Vec<Change>,
    old: T,
    new: T,
    class: Class,
    text: impl FnOnce(&T, &T) -> String,
) {
    if old != new {
        changes.push(Change { class, text: text(&old, &new) });
    }
}

/// An earlier end tightens.
fn end<T: PartialOrd>(old: &T, new: &T) -> Class {
    if new < old { Class::Tightening } else { Class::Loosening }
}

fn head(old: &Charter, new: &Charter, changes: &mut Vec<Change>) {
    use Class::Loosening;
    let (old, new) = (old.fields(), new.fields());
    say(changes, &old.name, &new.name, Loosening, |a, b| format!("its name, from {a} to {b}"));
    say(changes, old.expires, new.expires, end(&old.expires, &new.expires), |a, b| {
        format!("the charter ends on {b}, not {a}")
    });
    if !new.condemns.is_empty() {
        let rivals: Vec<String> = new.condemns.iter().map(|rival| rival.short()).collect();
        let text = format!(
            "it condemns what else was signed to follow version {}: {}",
            old.version - 1,
            rivals.join(", ")
        );
        changes.push(Change { class: Loosening, text });
    }
    say(changes, old.amend, new.amend, Loosening, |a, b| format!("{b} members sign an amendment, not {a}"));
    say(changes, old.restrict, new.restrict, Loosening, |a, b| {
        format!("{b} members suspend another, not {a}")
    });
    say(changes, old.assumed, new.assumed, Loosening, |a, b| {
        format!(
            "rounds are made for up to {}% of members who work together against the others, for {}% who go missing and \
             for at most {} committee seats, not {}%, {}% and {}",
            b.colluding_percent,
            b.missing_percent,
            b.committee_max,
            a.colluding_percent,
            a.missing_percent,
            a.committee_max
        )
    });
    limits("", &old.limits, &new.limits, changes);
    say(changes, &old.asset_lock.stricter, &new.asset_lock.stricter, Loosening, |_, _| {
        "what the members add to the asset lock".to_owned()
    });
    say(changes, &old.asset_lock.successor, &new.asset_lock.successor, Loosening, |a, b| {
        format!("what is left goes to {b}, not {a}")
    });
}

/// A member by its name, with its register number where another's reads alike: a name is free to choose.
fn member_named(member: &Member, old: &Charter, new: &Charter) -> String {
    let mut others = old.members().iter().chain(new.members()).filter(|other| other.id != member.id);
    match others.any(|other| look(&other.name) == look(&member.name)) {
        true => format!("{} (register number {})", member.name, member.id),
        false => member.name.clone(),
    }
}

/// A purpose by its title, with its id where another's reads alike.
fn purpose_named(purpose: &Purpose, old: &Charter, new: &Charter) -> String {
    let all = old.fields().purposes.iter().chain(&new.fields().purposes);
    match all.filter(|other| other.id != purpose.id).any(|other| look(&other.title) == look(&purpose.title)) {
        true => format!("{} ({})", purpose.title, purpose.id),
        false => purpose.title.clone(),
    }
}

fn members(old: &Charter, new: &Charter, changes: &mut Vec<Change>) {
    let loosen = |text| Change { class: Class::Loosening, text };
    for member in new.members().iter().filter(|member| old.member(&member.id).is_none()) {
        let named = |id: &MemberId| {
            let known = new.member(id).or_else(|| old.member(id));
            known.map_or_else(|| id.to_string(), |known| member_named(known, old, new))
        };
        let sponsors: Vec<String> = member.sponsors.iter().map(named).collect();
        let brings = match member.goes_on_from {
            Some(_) => ", and brings what it spent in the co-operative before this one",
            None => "",
        };
        // The number tells who it is: a name is free to choose.
        let text = format!(
            "{} of {} (register number {}) joins, sponsored by {}{brings}",
            member.name,
            member.body,
            member.id,
            sponsors.join(" and "),
        );
        changes.push(loosen(text));
    }
    for member in old.members() {
        match new.member(&member.id) {
            None => changes.push(loosen(format!("{} leaves", member_named(member, old, new)))),
            Some(now) if now != member => {
                changes.push(loosen(format!("{}: {}", member_named(now, old, new), differs(member, now))));
            }
            Some(_) => {}
        }
    }
}

/// Which fields of a member differ.
fn differs(old: &Member, new: &Member) -> String {
    let roles = |member: &Member| {
        let codes: Vec<&str> = member.roles.iter().map(|role| role.code()).collect();
        if codes.is_empty() { "none".to_owned() } else { codes.join(", ") }
    };
    let notice = || match new.notice {
        Some(_) => format!("it has notice that it may be marked dormant in {NOTICE_DAYS} days"),
        None => "it has no notice any more".to_owned(),
    };
    let dormant = || match new.dormant {
        true => "it is dormant: it takes no part and is not counted".to_owned(),
        false => "it is woken: it takes part and is counted again".to_owned(),
    };
    let listed = [
        (old.notice != new.notice && old.dormant == new.dormant).then(notice),
        (old.dormant != new.dormant).then(dormant),
        (old.name != new.name).then(|| format!("its name was {}", old.name)),
        (old.body != new.body).then(|| format!("its body is {}, not {}", new.body, old.body)),
        (old.roles != new.roles).then(|| format!("its roles are {}; they were {}", roles(new), roles(old))),
        (old.keys != new.keys)
            .then(|| "all its keys are replaced, and its log goes on under the new ones".to_owned()),
        (old.addresses != new.addresses).then(|| "its addresses".to_owned()),
        (old.witnesses != new.witnesses).then(|| "the witnesses of its log".to_owned()),
        ((old.people_min, old.people_max) != (new.people_min, new.people_max)).then(|| {
            format!(
                "it declares {} to {} people, not {} to {}",
                new.people_min, new.people_max, old.people_min, old.people_max
            )
        }),
    ];
    listed.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn datasets(old: &Charter, new: &Charter, changes: &mut Vec<Change>) {
    say(changes, &old.fields().datasets, &new.fields().datasets, Class::Loosening, |a, b| {
        let names = |datasets: &[super::Dataset]| {
            let names = datasets.iter().flat_map(|dataset| &dataset.vocabularies);
            names.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
        };
        let (a, b) = (names(a), names(b));
        let list = |names: BTreeSet<&String>| {
            names.into_iter().map(|name| vocabulary_words(name)).collect::<Vec<_>>().join(", ")
        };
        match (list(b.difference(&a).collect()), list(a.difference(&b).collect())) {
            (added, gone) if added.is_empty() && gone.is_empty() => "how its data is described".to_owned(),
            (added, gone) if gone.is_empty() => format!("data that may be asked about: {added} as well"),
            (added, gone) if added.is_empty() => format!("data that may be asked about: {gone} no longer"),
            (added, gone) => format!("data that may be asked about: {added} as well, {gone} no longer"),
        }
    });
}

fn purposes(old: &Charter, new: &Charter, changes: &mut Vec<Change>) {
    for purpose in &new.fields().purposes {
        match old.purpose(&purpose.id) {
            None => changes.push(Change {
                class: Class::Loosening,
                text: format!(
                    "a new purpose, {}, until {}",
                    purpose_named(purpose, old, new),
                    purpose.expires
                ),
            }),
            Some(before) => purpose_differs(&purpose_named(before, old, new), (before, purpose), changes),
        }
    }
    for purpose in old.fields().purposes.iter().filter(|purpose| new.purpose(&purpose.id).is_none()) {
        // No Query can name it any more: the earliest of ends.
        let text = format!("the purpose {} ends", purpose_named(purpose, old, new));
        changes.push(Change { class: Class::Tightening, text });
    }
}

fn purpose_differs(name: &str, (old, new): (&Purpose, &Purpose), changes: &mut Vec<Change>) {
    let of = format!("for {name}: ");
    limits(&of, &old.limits, &new.limits, changes);
    say(changes, old.expires, new.expires, end(&old.expires, &new.expires), |a, b| {
        format!("{of}it ends on {b}, not {a}")
    });
    // Whatever else stands in it; a field that is added to purposes is so seen without being named here.
    let same = Purpose { limits: new.limits.clone(), expires: new.expires, ..old.clone() };
    say(changes, &same, new, Class::Loosening, |_, _| format!("{of}its words or its first day"));
}

/// `exam/1` in words.
fn vocabulary_words(name: &str) -> String {
    name.split_once('/')
        .map_or_else(|| name.to_owned(), |(name, version)| format!("{name} (version {version})"))
}

/// A loss in points of the privacy budget, exactly: one is rho 0.0025, so a billionth of rho is 4 ten-millionths.
fn points(loss: PrivacyLoss) -> String {
    let parts = u128::from(loss.nano()) * 4;
    let text = format!("{}.{:07}", parts / 10_000_000, parts % 10_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Each limit that differs: narrower if it is its own meet with the old one (C5). `of` says which purpose's.
fn limits(of: &str, old: &Limits, new: &Limits, changes: &mut Vec<Change>) {
    let sets = [
        ("purposes that questions may be asked for", &old.purposes, &new.purposes),
        ("questions that may be asked", &old.questions, &new.questions),
        ("data that questions may be about", &old.datasets, &new.datasets),
        ("columns that questions may read", &old.columns, &new.columns),
        ("columns that answers may be split by", &old.group_by, &new.group_by),
    ];
    for (name, old, new) in sets {
        let class = if new.meet(old) == *new { Class::Tightening } else { Class::Loosening };
        say(changes, old, new, class, |a, b| format!("{of}{name}: {}, not {}", set(b), set(a)));
    }
    let losses = [
        ("a question costs", old.rho_query, new.rho_query),
        ("all questions for one purpose in a year cost", old.rho_purpose, new.rho_purpose),
        ("all questions of a year cost", old.rho_year, new.rho_year),
    ];
    for (name, old, new) in losses {
        let most = |loss: PrivacyLoss| match loss.nano() {
            u64::MAX => "any number of".to_owned(),
            _ => format!("at most {}", points(loss)),
        };
        say(changes, old, new, end(&old, &new), |a, b| {
            format!("{of}{name} {} points of the privacy budget, not {}", most(*b), most(*a))
        });
    }
    let cells =
        |cells: u32| if cells == u32::MAX { "any number of".to_owned() } else { format!("at most {cells}") };
    say(changes, old.max_cells, new.max_cells, end(&old.max_cells, &new.max_cells), |a, b| {
        format!("{of}an answer has {} numbers, not {}", cells(*b), cells(*a))
    });
    let leaves = [
        ("results", "become public", old.public, new.public),
        ("members", "see each other's figures with noise added on purpose", old.full_noise, new.full_noise),
    ];
    for (who, what, old, new) in leaves {
        let may = if new { "may" } else { "may not" };
        say(changes, old, new, end(&old, &new), |_, _| format!("{of}{who} {may} {what}"));
    }
    let least = [
        ("members in an answer", old.min_roster, new.min_roster),
        ("separate bodies in an answer", old.min_bodies, new.min_bodies),
        ("people whom those who answer declare in all", old.min_people, new.min_people),
        ("members who sign a question with the one that asks", old.min_cosigners, new.min_cosigners),
        (
            "bodies by which two answers may differ, or which a fact may single out",
            old.min_step,
            new.min_step,
        ),
    ];
    for (name, old, new) in least {
        say(changes, old, new, end(&new, &old), |a, b| format!("{of}{name}: at least {b}, not {a}"));
    }
    let days = (old.not_before, old.not_after, new.not_before, new.not_after);
    let inside = days.2 >= days.0 && days.3 <= days.1;
    let class = if inside { Class::Tightening } else { Class::Loosening };
    say(changes, (days.0, days.1), (days.2, days.3), class, |_, b| {
        format!("{of}open from {} to {}", b.0, b.1)
    });
}

fn set(set: &Set) -> String {
    let list = |names: &BTreeSet<String>| {
        names.iter().map(|name| name.replace('_', " ")).collect::<Vec<_>>().join(", ")
    };
    match set {
        Set::Only(names) if names.is_empty() => "none".to_owned(),
        Set::Only(names) => format!("only {}", list(names)),
        Set::Except(names) if names.is_empty() => "all".to_owned(),
        Set::Except(names) => format!("all but {}", list(names)),
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
