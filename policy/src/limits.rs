//! Limits: what a layer allows. Layers combine by [`Limits::meet`], which can only tighten.

use std::collections::BTreeSet;
use std::fmt;

use crate::id::MemberId;
use crate::loss::PrivacyLoss;
use crate::time::Day;

/// A set of names, or everything but a set of names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Set {
    /// Exactly these.
    Only(BTreeSet<String>),
    /// All but these.
    Except(BTreeSet<String>),
}

impl Set {
    /// Every name.
    pub fn all() -> Self {
        Self::Except(BTreeSet::new())
    }

    /// No name.
    pub fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    /// Exactly the names given.
    pub fn only<I: IntoIterator<Item = S>, S: Into<String>>(names: I) -> Self {
        Self::Only(names.into_iter().map(Into::into).collect())
    }

    /// Whether the name is allowed.
    pub fn holds(&self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(name),
            Self::Except(names) => !names.contains(name),
        }
    }

    /// The intersection.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(a), Self::Only(b)) => Self::Only(a & b),
            (Self::Only(only), Self::Except(not)) | (Self::Except(not), Self::Only(only)) => {
                Self::Only(only - not)
            }
            (Self::Except(a), Self::Except(b)) => Self::Except(a | b),
        }
    }
}

/// What a layer allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Purposes a Query may name.
    pub purposes: Set,
    /// Question ids.
    pub questions: Set,
    /// Datasets.
    pub datasets: Set,
    /// Columns a Question may read.
    pub columns: Set,
    /// Columns and member facts a Question may split by.
    pub group_by: Set,
    /// Most one Query may cost.
    pub rho_query: PrivacyLoss,
    /// Most one purpose may cost in a ledger year.
    pub rho_purpose: PrivacyLoss,
    /// Most a ledger year may cost in all.
    pub rho_year: PrivacyLoss,
    /// Most cells of the vector.
    pub max_cells: u32,
    /// Fewest members in a Roster.
    pub min_roster: u32,
    /// Fewest separate bodies in a Roster.
    pub min_bodies: u32,
    /// Fewest people the Roster's members declare in public.
    pub min_people: u32,
    /// Fewest co-signers a Query cites.
    pub min_cosigners: u32,
    /// Fewest bodies that Rosters or member facts may single out.
    pub min_step: u32,
    /// First day on which the layer allows anything.
    pub not_before: Day,
    /// Last day on which the layer allows anything.
    pub not_after: Day,
    /// Whether Releases may become public.
    pub public: bool,
    /// Whether rounds may show members each other's noised vectors.
    pub full_noise: bool,
}

/// Floor: no Query costs more (CHARTER.md F4).
pub const FLOOR_RHO_QUERY: PrivacyLoss = PrivacyLoss::from_nano(50_000_000);
/// Floor: no dataset-year costs more (CHARTER.md F4).
pub const FLOOR_RHO_YEAR: PrivacyLoss = PrivacyLoss::from_nano(1_000_000_000);
/// Floor: fewer than three members or bodies could subtract themselves and see one (CHARTER.md F5).
pub const FLOOR_ROSTER: u32 = 3;
/// The most cells an answer may have: see `question::CELLS_MAX` for the reason.
pub const FLOOR_CELLS: u32 = 2_000;

impl Limits {
    /// Everything allowed: the top of the lattice, and the start for a layer that only tightens.
    pub fn top() -> Self {
        Self {
            purposes: Set::all(),
            questions: Set::all(),
            datasets: Set::all(),
            columns: Set::all(),
            group_by: Set::all(),
            rho_query: PrivacyLoss::from_nano(u64::MAX),
            rho_purpose: PrivacyLoss::from_nano(u64::MAX),
            rho_year: PrivacyLoss::from_nano(u64::MAX),
            max_cells: u32::MAX,
            min_roster: 0,
            min_bodies: 0,
            min_people: 0,
            min_cosigners: 0,
            min_step: 0,
            not_before: Day(i64::MIN),
            not_after: Day(i64::MAX),
            public: true,
            full_noise: true,
        }
    }

    /// What no charter, member or delegation can loosen (CHARTER.md section 7).
    pub fn floor() -> Self {
        Self {
            rho_query: FLOOR_RHO_QUERY,
            rho_purpose: FLOOR_RHO_YEAR,
            rho_year: FLOOR_RHO_YEAR,
            max_cells: FLOOR_CELLS,
            min_roster: FLOOR_ROSTER,
            min_bodies: FLOOR_ROSTER,
            min_step: FLOOR_ROSTER,
            ..Self::top()
        }
    }

    /// What both allow: sound and exact, so a refusal by the meet is a refusal by one of the two.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            purposes: self.purposes.meet(&other.purposes),
            questions: self.questions.meet(&other.questions),
            datasets: self.datasets.meet(&other.datasets),
            columns: self.columns.meet(&other.columns),
            group_by: self.group_by.meet(&other.group_by),
            rho_query: self.rho_query.min(other.rho_query),
            rho_purpose: self.rho_purpose.min(other.rho_purpose),
            rho_year: self.rho_year.min(other.rho_year),
            max_cells: self.max_cells.min(other.max_cells),
            min_roster: self.min_roster.max(other.min_roster),
            min_bodies: self.min_bodies.max(other.min_bodies),
            min_people: self.min_people.max(other.min_people),
            min_cosigners: self.min_cosigners.max(other.min_cosigners),
            min_step: self.min_step.max(other.min_step),
            not_before: self.not_before.max(other.not_before),
            not_after: self.not_after.min(other.not_after),
            public: self.public && other.public,
            full_noise: self.full_noise && other.full_noise,
        }
    }
}

/// What members restricted for a while (CHARTER.md, C11).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restricted {
    /// Members that neither ask nor take part.
    pub members: BTreeSet<MemberId>,
    /// Purposes that nothing is asked for.
    pub purposes: BTreeSet<String>,
    /// Datasets that nothing is asked about.
    pub datasets: BTreeSet<String>,
}

impl Restricted {
    /// What they leave open; which members there are is no limit.
    pub fn limits(&self) -> Limits {
        let (purposes, datasets) = (Set::Except(self.purposes.clone()), Set::Except(self.datasets.clone()));
        Limits { purposes, datasets, ..Limits::top() }
    }
}

/// One limit's value: as what it combines with that of another layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// Names; layers intersect.
    Names(&'a Set),
    /// At most so much loss; the smaller counts.
    LossMost(PrivacyLoss),
    /// At most so many; the smaller counts.
    Most(u32),
    /// At least so many; the larger counts.
    Least(u32),
    /// From this day on; the later counts.
    From(Day),
    /// Until this day; the earlier counts.
    Until(Day),
    /// Whether it is allowed; one no counts.
    May(bool),
}

impl Limits {
    /// Every limit under its name in a charter or `limits.toml`, in the order in which rules are read.
    pub fn values(&self) -> [(&'static str, Value<'_>); 18] {
        // Taken apart whole: a limit that is added cannot be left out here.
        let Self {
            purposes,
            questions,
            datasets,
            columns,
            group_by,
            rho_query,
            rho_purpose,
            rho_year,
            max_cells,
            min_roster,
            min_bodies,
            min_people,
            min_cosigners,
            min_step,
            not_before,
            not_after,
            public,
            full_noise,
        } = self;
        [
            ("purposes", Value::Names(purposes)),
            ("questions", Value::Names(questions)),
            ("datasets", Value::Names(datasets)),
            ("columns", Value::Names(columns)),
            ("group_by", Value::Names(group_by)),
            ("not_before", Value::From(*not_before)),
            ("not_after", Value::Until(*not_after)),
            ("max_cells", Value::Most(*max_cells)),
            ("public", Value::May(*public)),
            ("full_noise", Value::May(*full_noise)),
            ("min_cosigners", Value::Least(*min_cosigners)),
            ("rho_query", Value::LossMost(*rho_query)),
            ("rho_purpose", Value::LossMost(*rho_purpose)),
            ("rho_year", Value::LossMost(*rho_year)),
            ("min_roster", Value::Least(*min_roster)),
            ("min_bodies", Value::Least(*min_bodies)),
            ("min_people", Value::Least(*min_people)),
            ("min_step", Value::Least(*min_step)),
        ]
    }
}

/// One limit's place: as `Value`, to be filled.
#[derive(PartialEq, Eq, Debug)]
pub enum Place<'a> {
    /// Names.
    Names(&'a mut Set),
    /// At most so much loss.
    LossMost(&'a mut PrivacyLoss),
    /// At most so many, or at least.
    Count(&'a mut u32),
    /// The first day, or the last.
    Day(&'a mut Day),
    /// Whether it is allowed.
    May(&'a mut bool),
}

impl Limits {
    /// As `values`, to be set: the same names in the same order.
    pub fn places(&mut self) -> [(&'static str, Place<'_>); 18] {
        let Self {
            purposes,
            questions,
            datasets,
            columns,
            group_by,
            rho_query,
            rho_purpose,
            rho_year,
            max_cells,
            min_roster,
            min_bodies,
            min_people,
            min_cosigners,
            min_step,
            not_before,
            not_after,
            public,
            full_noise,
        } = self;
        [
            ("purposes", Place::Names(purposes)),
            ("questions", Place::Names(questions)),
            ("datasets", Place::Names(datasets)),
            ("columns", Place::Names(columns)),
            ("group_by", Place::Names(group_by)),
            ("not_before", Place::Day(not_before)),
            ("not_after", Place::Day(not_after)),
            ("max_cells", Place::Count(max_cells)),
            ("public", Place::May(public)),
            ("full_noise", Place::May(full_noise)),
            ("min_cosigners", Place::Count(min_cosigners)),
            ("rho_query", Place::LossMost(rho_query)),
            ("rho_purpose", Place::LossMost(rho_purpose)),
            ("rho_year", Place::LossMost(rho_year)),
            ("min_roster", Place::Count(min_roster)),
            ("min_bodies", Place::Count(min_bodies)),
            ("min_people", Place::Count(min_people)),
            ("min_step", Place::Count(min_step)),
        ]
    }
}

/// Who sets each limit where these layers are met, by the places of the layers: the first that alone reaches
/// what all of them come to; where none does, which only lists of names can bring about, all that narrow it.
/// Nobody, where no layer limits it.
pub fn set_by(layers: &[&Limits]) -> [(&'static str, Vec<usize>); 18] {
    let top = Limits::top();
    let met = layers.iter().fold(Limits::top(), |met, layer| met.meet(layer));
    let (effective, free) = (met.values(), top.values());
    let of_layers: Vec<_> = layers.iter().map(|layer| layer.values()).collect();
    std::array::from_fn(|limit| {
        let (name, value) = effective[limit];
        let narrows = |place: &usize| of_layers[*place][limit] != free[limit];
        let reaches = |place: &usize| of_layers[*place][limit].1 == value;
        let places = 0..layers.len();
        let by = match places.clone().filter(narrows).find(reaches) {
            Some(first) => vec![first],
            None => places.filter(narrows).collect(),
        };
        (name, by)
    })
}

/// Who set a limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Layer {
    /// Compiled in.
    Floor,
    /// The charter, by version.
    Charter(u32),
    /// The answering member's own limits.
    Member,
    /// The asker's delegation.
    Delegation,
}

impl Layer {
    /// The closed code an entry carries.
    pub fn code(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Charter(_) => "charter",
            Self::Member => "member",
            Self::Delegation => "delegation",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Floor => f.write_str("the floor"),
            Self::Charter(version) => write!(f, "charter version {version}"),
            Self::Member => f.write_str("our own limits"),
            Self::Delegation => f.write_str("the delegation"),
        }
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
pub(crate) mod tests;
