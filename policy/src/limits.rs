//! Limits: what a layer allows. Layers combine by [`Limits::meet`], which can only tighten.

use std::collections::BTreeSet;
use std::fmt;

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
mod tests {
    use super::*;

    /// A small deterministic stream of cases: xorshift64, enough to mix fields.
    struct Cases(u64);

    impl Cases {
        fn next(&mut self, below: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % below
        }

        fn set(&mut self) -> Set {
            let bits = self.next(16);
            let names = ["a", "b", "c", "d"];
            let chosen =
                names.iter().enumerate().filter(|(i, _)| bits >> i & 1 == 1).map(|(_, n)| (*n).to_owned());
            if self.next(2) == 0 { Set::Only(chosen.collect()) } else { Set::Except(chosen.collect()) }
        }

        fn number(&mut self) -> u32 {
            [0, 1, 2, 3, u32::MAX][usize::try_from(self.next(5)).unwrap()]
        }

        fn loss(&mut self) -> PrivacyLoss {
            PrivacyLoss::from_nano([0, 1, 2, 50_000_000, u64::MAX][usize::try_from(self.next(5)).unwrap()])
        }

        fn limits(&mut self) -> Limits {
            Limits {
                purposes: self.set(),
                questions: self.set(),
                datasets: self.set(),
                columns: self.set(),
                group_by: self.set(),
                rho_query: self.loss(),
                rho_purpose: self.loss(),
                rho_year: self.loss(),
                max_cells: self.number(),
                min_roster: self.number(),
                min_bodies: self.number(),
                min_people: self.number(),
                min_cosigners: self.number(),
                min_step: self.number(),
                not_before: Day(self.next(5) as i64),
                not_after: Day(self.next(5) as i64),
                public: self.next(2) == 0,
                full_noise: self.next(2) == 0,
            }
        }
    }

    #[test]
    fn the_floor_is_what_the_charter_rules_say() {
        let floor = Limits::floor();
        assert_eq!((floor.rho_query.nano(), floor.rho_year.nano()), (50_000_000, 1_000_000_000), "F4");
        assert_eq!(floor.rho_purpose, floor.rho_year, "a purpose is part of a year");
        assert_eq!((floor.min_roster, floor.min_bodies, floor.min_step), (3, 3, 3), "F5");
        assert_eq!(floor.max_cells, 2_000);
        // The rest is for charter and member to say.
        assert_eq!((floor.min_people, floor.min_cosigners), (0, 0));
        assert!(floor.public && floor.full_noise);
    }

    #[test]
    fn meet_is_a_semilattice_with_a_top() {
        let mut cases = Cases(0x9e37_79b9_7f4a_7c15);
        for _ in 0..20_000 {
            let (a, b, c) = (cases.limits(), cases.limits(), cases.limits());
            assert_eq!(a.meet(&b), b.meet(&a));
            assert_eq!(a.meet(&b).meet(&c), a.meet(&b.meet(&c)));
            assert_eq!(a.meet(&a), a);
            assert_eq!(a.meet(&Limits::top()), a);
        }
    }

    #[test]
    fn a_name_is_in_the_meet_when_both_hold_it() {
        let mut cases = Cases(7);
        for _ in 0..20_000 {
            let (a, b) = (cases.set(), cases.set());
            for name in ["a", "b", "c", "d", "e"] {
                assert_eq!(a.meet(&b).holds(name), a.holds(name) && b.holds(name));
            }
        }
    }
}
