//! What the papers say, before it is words: each fact as the code that enforces it has it. Must not know
//! how a paper is laid out.

use std::collections::BTreeSet;
use std::sync::Arc;

use datacoop_policy::charter::{Charter, Member, Publish, Purpose, Role};
use datacoop_policy::delegation::Delegation;
use datacoop_policy::limits::{Limits, Restricted, Set};
use datacoop_policy::query::{Mode, SECURE_ROSTER_MIN, Terms};
use datacoop_policy::verdict::Layers;
use datacoop_policy::vocabulary::{Column, Unit, Vocabulary};
use datacoop_policy::{Day, PrivacyLoss};
use datacoop_protocol::acts::Target;

use super::words::{Words, and_html};
use crate::html::text;
use crate::loss::{AccountSpent, Meaning};

/// What papers are made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The charter in force.
    pub charter: &'a Charter,
    /// Whose papers these are: a member of it.
    pub me: &'a Member,
    /// Our own limits; `None` where they cannot be read: then nothing is answered.
    pub own: Option<&'a Limits>,
    /// The data standards that the charter names, in its order.
    pub standards: &'a [Standard],
    /// What our log says was spent so far. It changes with every answer, so no paper is out of date by it.
    pub spent: &'a [AccountSpent],
    /// What the members stopped for a while, as it holds now.
    pub pauses: &'a [Paused],
    /// Leave to ask that coordinators gave, as it holds now.
    pub leaves: &'a [Delegation],
    /// The day as of which the papers hold.
    pub today: Day,
}

/// Something that members stopped (CHARTER.md, C11).
#[derive(Clone, Debug)]
pub struct Paused {
    /// What.
    pub target: Target,
    /// Its last day, if nobody repeats it.
    pub until: Day,
}

impl Source<'_> {
    fn paused(&self, target: &Target) -> Option<Day> {
        self.pauses.iter().find(|pause| pause.target == *target).map(|pause| pause.until)
    }

    fn is_suspended(&self, member: &Member) -> bool {
        self.paused(&Target::Member(member.id.clone())).is_some()
    }

    pub(super) fn restricted(&self) -> Restricted {
        let mut restricted = Restricted::default();
        for pause in self.pauses {
            match &pause.target {
                Target::Member(id) => drop(restricted.members.insert(id.clone())),
                Target::Purpose(id) => drop(restricted.purposes.insert(id.clone())),
                Target::Dataset(id) => drop(restricted.datasets.insert(id.clone())),
            }
        }
        restricted
    }
}

/// A data standard of the charter, as far as this node knows it.
#[derive(Clone, Debug)]
pub struct Standard {
    /// Such as `attendance/1`.
    pub name: String,
    /// The dataset that the charter puts it under.
    pub dataset: String,
    /// Its text, if it is here.
    pub vocabulary: Option<Arc<Vocabulary>>,
    /// Whether a table of it was imported here.
    pub is_held: bool,
}

/// Whether questions for a purpose are answered here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Open,
    /// From this day on.
    From(Day),
    /// Not, and why, as the end of a sentence.
    Shut(String),
}

/// One purpose of the charter, as it stands at this node.
pub(super) struct Use<'a> {
    pub(super) purpose: &'a Purpose,
    /// Floor, charter, purpose and our own limits, met.
    pub(super) limits: Limits,
    pub(super) standing: Standing,
    /// What may be read for it; nothing where it is shut.
    pub(super) data: Vec<Used<'a>>,
}

/// What a purpose may read of one data standard that was imported here.
pub(super) struct Used<'a> {
    pub(super) standard: &'a Standard,
    pub(super) vocabulary: &'a Vocabulary,
    /// Columns that a Question may read.
    pub(super) columns: Vec<&'a Column>,
    /// Those of them that results may be split by.
    pub(super) splits: Vec<&'a Column>,
}

pub(super) struct Facts<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) words: &'static Words,
    /// Why nothing at all is answered here, as the end of a sentence.
    pub(super) silent: Option<String>,
    pub(super) uses: Vec<Use<'a>>,
}

/// Numbers that hold for every answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Bounds {
    pub(super) rho_query: PrivacyLoss,
    pub(super) rho_year: PrivacyLoss,
    pub(super) max_cells: u32,
    pub(super) min_roster: u32,
    pub(super) min_bodies: u32,
    pub(super) min_step: u32,
}

impl Bounds {
    fn of(limits: &Limits) -> Self {
        let Limits { rho_query, rho_year, max_cells, min_roster, min_bodies, min_step, .. } = *limits;
        Self { rho_query, rho_year, max_cells, min_roster, min_bodies, min_step }
    }

    fn looser(self, other: Self) -> Self {
        Self {
            rho_query: self.rho_query.max(other.rho_query),
            rho_year: self.rho_year.max(other.rho_year),
            max_cells: self.max_cells.max(other.max_cells),
            min_roster: self.min_roster.min(other.min_roster),
            min_bodies: self.min_bodies.min(other.min_bodies),
            min_step: self.min_step.min(other.min_step),
        }
    }
}

impl<'a> Facts<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Self {
        let silent = silent(source);
        let purposes = source.charter.fields().purposes.iter();
        let uses = purposes.map(|purpose| one_use(source, silent.as_deref(), purpose)).collect();
        Self { source, words: Words::of(source.me, source.standards), silent, uses }
    }

    /// Purposes that questions are answered for, now or from a day on.
    pub(super) fn answered(&self) -> impl Iterator<Item = &Use<'a>> {
        self.uses.iter().filter(|one| !matches!(one.standing, Standing::Shut(_)))
    }

    /// The bounds that hold whatever is answered: of each number the loosest of all purposes that are
    /// answered; those of floor, charter and our own limits where none is.
    pub(super) fn bounds(&self) -> Bounds {
        let met = Limits::floor().meet(&self.source.charter.fields().limits);
        let met = self.source.own.map_or_else(|| met.clone(), |own| met.meet(own));
        let of_uses = self.answered().map(|one| Bounds::of(&one.limits)).reduce(Bounds::looser);
        of_uses.unwrap_or_else(|| Bounds::of(&met))
    }

    /// Names of the members that have a role.
    pub(super) fn who(&self, role: Role) -> Vec<&'a str> {
        let members = self.source.charter.members().iter().filter(|member| member.has(role));
        members.map(|member| member.name.as_str()).collect()
    }

    /// Who may ask now: coordinators, and whom they let; HTML.
    pub(super) fn askers(&self) -> String {
        let source = self.source;
        let free = |member: &&Member| !source.is_suspended(member);
        let coordinators = source.charter.members().iter().filter(|m| m.has(Role::Coordinator)).filter(free);
        let mut all: Vec<String> = coordinators.map(|member| text(&member.name)).collect();
        for leave in source.leaves {
            let Some(member) = source.charter.member(&leave.audience).filter(free) else { continue };
            let by = source.charter.member(&leave.by).map_or("a member that left", |by| by.name.as_str());
            let within = match &leave.limits.purposes {
                Set::Except(ids) if ids.is_empty() => String::new(),
                Set::Only(ids) => format!(", for {}", ids.iter().cloned().collect::<Vec<_>>().join(" and ")),
                Set::Except(ids) => {
                    format!(", not for {}", ids.iter().cloned().collect::<Vec<_>>().join(" or "))
                }
            };
            let said = format!("{} (let by {by} until {}{within})", member.name, leave.until.day());
            all.push(text(&said));
        }
        and_html(&all)
    }

    /// What the members stopped for a while, a sentence each; HTML.
    pub(super) fn pauses(&self) -> Vec<String> {
        let one = |pause: &Paused| {
            let until = pause.until;
            match &pause.target {
                Target::Purpose(id) => {
                    let purpose = self.source.charter.purpose(id);
                    let title = purpose.map_or(id.as_str(), |purpose| purpose.title.as_str());
                    format!("Nothing is asked for the purpose {} until {until}.", text(title))
                }
                Target::Dataset(id) => format!("Nothing is asked about the data {} until {until}.", text(id)),
                Target::Member(id) => {
                    let member = self.source.charter.member(id);
                    let name = member.map_or(id.as_str(), |member| member.name.as_str());
                    format!("{} is suspended until {until}: it neither asks nor takes part.", text(name))
                }
            }
        };
        self.source.pauses.iter().map(one).collect()
    }

    /// What one question at its limit costs a person when all members answer: as stated, and if the others
    /// or the whole committee collude. `None` where too few belong for shared noise.
    pub(super) fn largest_round(&self) -> Option<(Meaning, Terms)> {
        let assumed = self.source.charter.fields().assumed;
        let terms = Terms::new(in_rosters(self.source).count(), Mode::Secure, assumed)?;
        Some((Meaning::new(self.bounds().rho_query, Mode::Secure, &terms), terms))
    }

    /// Whether an asker may choose rounds in which members see each other's noised figures.
    pub(super) fn shows_noised(&self) -> bool {
        self.answered().any(|one| one.limits.full_noise)
    }

    /// Columns that may be read for some purpose and are marked sensitive: their names.
    pub(super) fn sensitive(&self) -> BTreeSet<&'a str> {
        let columns = self.answered().flat_map(|one| &one.data).flat_map(|used| &used.columns);
        columns.filter(|column| column.sensitive).map(|column| column.name.as_str()).collect()
    }

    /// Whether results of some purpose become public.
    pub(super) fn publishes(&self) -> bool {
        self.answered().any(|one| matches!(one.purpose.publish, Publish::PublicAfter(_)))
    }
}

/// Members that may stand in a Roster while the pauses hold.
fn in_rosters<'a>(source: &'a Source<'_>) -> impl Iterator<Item = &'a Member> {
    takers(source.charter).filter(|member| !source.is_suspended(member))
}

/// Members that take part, suspended or not.
pub(super) fn takers(charter: &Charter) -> impl Iterator<Item = &Member> {
    charter.members().iter().filter(|member| member.takes_part())
}

fn silent(source: &Source<'_>) -> Option<String> {
    let fields = source.charter.fields();
    if !source.me.takes_part() {
        return Some("our part in the co-operative is to look on, and we hold no data in it".into());
    }
    if let Some(until) = source.paused(&Target::Member(source.me.id.clone())) {
        return Some(format!("we are suspended from the co-operative until {until}"));
    }
    if source.own.is_none() {
        return Some("our own limits (limits.toml) are missing or cannot be read".into());
    }
    if source.today > fields.expires {
        return Some(format!("the charter ended on {}", fields.expires));
    }
    None
}

fn one_use<'a>(source: &'a Source<'a>, silent: Option<&str>, purpose: &'a Purpose) -> Use<'a> {
    let limits = Layers::new(source.charter, &purpose.id, source.own).under(&source.restricted()).effective();
    let data: Vec<Used<'a>> =
        source.standards.iter().filter_map(|standard| used(standard, purpose, &limits)).collect();
    let standing = match silent {
        Some(why) => Standing::Shut(why.to_owned()),
        None => standing(source, purpose, &limits, !data.is_empty()),
    };
    let data = if matches!(standing, Standing::Shut(_)) { vec![] } else { data };
    Use { purpose, limits, standing, data }
}

/// In the order in which a Query is judged: what no Query could pass.
fn standing(source: &Source<'_>, purpose: &Purpose, limits: &Limits, has_data: bool) -> Standing {
    let shut = |why: &str| Standing::Shut(why.to_owned());
    let fields = source.charter.fields();
    let none = |set: &Set| matches!(set, Set::Only(names) if names.is_empty());
    if let Some(until) = source.paused(&Target::Purpose(purpose.id.clone())) {
        return Standing::Shut(format!("the members paused it until {until}"));
    }
    if !limits.purposes.holds(&purpose.id) {
        let by_us = source.own.is_some_and(|own| !own.purposes.holds(&purpose.id));
        let who = if by_us { "our own limits do" } else { "the charter does" };
        return Standing::Shut(format!("{who} not open this purpose"));
    }
    if none(&limits.questions) {
        return shut("no question is open for it");
    }
    if !fields.datasets.iter().any(|dataset| limits.datasets.holds(&dataset.id)) {
        let stopped = |pause: &&Paused| matches!(pause.target, Target::Dataset(_));
        return match source.pauses.iter().filter(stopped).map(|pause| pause.until).max() {
            Some(until) => Standing::Shut(format!("the members paused its data until {until}")),
            None => shut("no data is open to it"),
        };
    }
    if !has_data {
        return shut("we imported none of the data that is open to it");
    }
    if source.today > limits.not_after {
        return Standing::Shut(format!("it was open until {}", limits.not_after));
    }
    if limits.max_cells == 0 || limits.rho_query.min(limits.rho_purpose).min(limits.rho_year).nano() == 0 {
        return shut("the limits leave no room for an answer");
    }
    if !limits.public && matches!(purpose.publish, Publish::PublicAfter(_)) {
        return shut("its results would become public, which our limits rule out");
    }
    let members = in_rosters(source).count();
    let bodies = source.charter.bodies(in_rosters(source).map(|member| &member.id)).len();
    let people: u64 = in_rosters(source).map(|member| member.people_min).sum();
    if members < limits.min_roster as usize || bodies < limits.min_bodies as usize {
        return shut("the limits ask for more members or bodies than there are");
    }
    if members < SECURE_ROSTER_MIN as usize && !limits.full_noise {
        return shut("so few members could answer only in a way that our limits rule out");
    }
    if limits.min_cosigners as usize >= source.charter.members().len() {
        return shut("the limits ask for more co-signers than there are");
    }
    if people < u64::from(limits.min_people) {
        return shut("the limits ask for more people than the members declare");
    }
    let first = limits.not_before.max(fields.effective);
    if source.today < first { Standing::From(first) } else { Standing::Open }
}

/// `None` where there is nothing to read: the dataset is closed, or was not imported.
fn used<'a>(standard: &'a Standard, purpose: &Purpose, limits: &Limits) -> Option<Used<'a>> {
    let vocabulary = standard.vocabulary.as_deref().filter(|_| standard.is_held)?;
    if !limits.datasets.holds(&standard.dataset) {
        return None;
    }
    // As `verdict` has it: a sensitive column is open only to a purpose that names it.
    let names =
        |column: &Column| matches!(&purpose.limits.columns, Set::Only(names) if names.contains(&column.name));
    let readable = |column: &&Column| {
        !column.never
            && column.role.is_none()
            && !vocabulary.names_unit(&column.name)
            && limits.columns.holds(&column.name)
            && (!column.sensitive || names(column))
    };
    let columns: Vec<&Column> = vocabulary.columns().iter().filter(readable).collect();
    let splits = columns.iter().filter(|column| !column.private && limits.group_by.holds(&column.name));
    Some(Used { standard, vocabulary, splits: splits.copied().collect(), columns })
}

/// The column that tells people apart, if the standard has one.
pub(super) fn unit_column(vocabulary: &Vocabulary) -> Option<&str> {
    match vocabulary.unit() {
        Unit::Column(name) => Some(name),
        Unit::Row => None,
    }
}
