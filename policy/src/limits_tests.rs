use super::*;

/// A small deterministic stream of cases: xorshift64, enough to mix fields.
pub(crate) struct Cases(pub(crate) u64);

impl Cases {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
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

    fn point(&mut self) -> u64 {
        let points = [0, 1, 2, 3, 4, 50_000_000, u64::from(u32::MAX), u64::MAX];
        points[usize::try_from(self.next(8)).unwrap()]
    }

    /// Either of two.
    fn one_of<T>(&mut self, a: T, b: T) -> T {
        if self.next(24) == 0 { b } else { a }
    }

    /// Limits that each may allow a Query over twelve members or be just too tight for it.
    pub(crate) fn near(&mut self, query: &crate::query::Query) -> Limits {
        let of = |names: std::collections::BTreeSet<String>| Set::Only(names);
        let question = query.question.question();
        let (cells, loss) = (u32::try_from(query.question.cells()).unwrap(), query.loss);
        let (under, day) = (PrivacyLoss::from_nano(loss.nano() - 1), query.at.day());
        Limits {
            purposes: self.one_of(Set::only([query.purpose.as_str()]), Set::none()),
            questions: self.one_of(Set::all(), Set::Except([question.id().to_owned()].into())),
            datasets: self.one_of(Set::only(["pupils"]), Set::only(["others"])),
            columns: self.one_of(of(query.question.columns()), Set::none()),
            group_by: self.one_of(of(query.question.group_by()), Set::none()),
            rho_query: self.one_of(loss, under),
            rho_purpose: self.one_of(loss, under),
            rho_year: self.one_of(loss, under),
            max_cells: self.one_of(cells, cells - 1),
            min_roster: self.one_of(5, 13),
            min_bodies: self.one_of(12, 13),
            min_people: self.one_of(10_800, 10_801),
            min_cosigners: self.one_of(0, 1),
            min_step: self.one_of(3, 4),
            not_before: self.one_of(day, Day(day.0 + 1)),
            not_after: self.one_of(day, Day(day.0 - 1)),
            public: self.one_of(true, false),
            full_noise: self.one_of(true, false),
        }
    }

    pub(crate) fn limits(&mut self) -> Limits {
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

/// Cases of each law: CHARTER.md section 9.
const CASES: u32 = 200_000;

#[test]
fn meet_is_a_semilattice_with_a_top() {
    let mut cases = Cases(0x9e37_79b9_7f4a_7c15);
    for _ in 0..CASES {
        let (a, b, c) = (cases.limits(), cases.limits(), cases.limits());
        assert_eq!(a.meet(&b), b.meet(&a));
        assert_eq!(a.meet(&b).meet(&c), a.meet(&b.meet(&c)));
        assert_eq!(a.meet(&a), a);
        assert_eq!(a.meet(&Limits::top()), a);
        // A meet only tightens, and is the loosest that does.
        assert_eq!(a.meet(&b).meet(&a), a.meet(&b));
    }
}

#[test]
fn a_name_is_in_the_meet_when_both_hold_it() {
    let mut cases = Cases(7);
    for _ in 0..CASES {
        let (a, b) = (cases.set(), cases.set());
        for name in ["a", "b", "c", "d", "e"] {
            assert_eq!(a.meet(&b).holds(name), a.holds(name) && b.holds(name));
        }
    }
}

/// What a limit says of a point, told without `meet`: does it allow this much, this name, this day?
fn allows(value: Value<'_>, point: u64) -> bool {
    let day = i64::try_from(point % 5).unwrap();
    match value {
        Value::Names(set) => set.holds(["a", "b", "c", "d", "e"][usize::try_from(point % 5).unwrap()]),
        Value::LossMost(most) => point <= most.nano(),
        Value::Most(most) => point <= u64::from(most),
        Value::Least(least) => point >= u64::from(least),
        Value::From(first) => day >= first.0,
        Value::Until(last) => day <= last.0,
        Value::May(may) => may || point.is_multiple_of(2),
    }
}

/// Sound: what the meet allows both allow. Exact: what both allow the meet does. Limit by limit.
#[test]
fn a_meet_allows_exactly_what_both_allow() {
    let mut cases = Cases(11);
    for _ in 0..CASES {
        let (a, b) = (cases.limits(), cases.limits());
        let met = a.meet(&b);
        let point = cases.point();
        for ((of_a, of_b), of_met) in a.values().into_iter().zip(b.values()).zip(met.values()) {
            let both = allows(of_a.1, point) && allows(of_b.1, point);
            assert_eq!(allows(of_met.1, point), both, "{} at {point}", of_met.0);
        }
    }
}

/// Who is named as having set a limit reaches it alone, and is the first; only lists of names have several.
#[test]
fn who_set_a_limit_reaches_it_alone() {
    let mut cases = Cases(13);
    let mut together = 0;
    for _ in 0..CASES / 4 {
        let layers = [Limits::floor(), cases.limits(), cases.limits()];
        let layers: Vec<&Limits> = layers.iter().collect();
        let met = layers.iter().fold(Limits::top(), |met, layer| met.meet(layer));
        for (limit, (name, by)) in set_by(&layers).into_iter().enumerate() {
            let of = |place: usize| layers[place].values()[limit];
            let free = Limits::top().values()[limit] == met.values()[limit];
            match by.as_slice() {
                [] => assert!(free, "{name}"),
                [one] => {
                    assert_eq!(of(*one), met.values()[limit], "{name}");
                    assert!((0..*one).all(|before| of(before) != met.values()[limit]), "{name}");
                }
                several => {
                    assert!(matches!(met.values()[limit].1, Value::Names(_)), "{name}");
                    assert!((0..3).all(|place| of(place) != met.values()[limit]), "{name}");
                    let named = several.iter().fold(Limits::top(), |met, place| met.meet(layers[*place]));
                    assert_eq!(named.values()[limit], met.values()[limit], "{name}");
                    together += 1;
                }
            }
        }
    }
    assert!(together > 1_000, "{together}");
}

#[test]
fn a_limit_stands_under_its_name() {
    let names: std::collections::BTreeSet<&str> =
        Limits::top().values().iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), 18, "{names:?}");
    let floor = Limits::floor();
    let of = |name: &str| floor.values().into_iter().find(|(of, _)| *of == name).map(|(_, value)| value);
    assert_eq!(of("rho_query"), Some(Value::LossMost(FLOOR_RHO_QUERY)));
    assert_eq!(of("rho_year"), Some(Value::LossMost(FLOOR_RHO_YEAR)));
    assert_eq!(of("max_cells"), Some(Value::Most(FLOOR_CELLS)));
    assert_eq!(of("min_step"), Some(Value::Least(FLOOR_ROSTER)));
    assert_eq!(of("min_people"), Some(Value::Least(0)));
}

#[test]
fn what_is_read_by_name_is_set_by_the_same_name() {
    let mut cases = Cases(11);
    for _ in 0..1_000 {
        let from = cases.limits();
        let mut to = Limits::top();
        for ((name, place), (read, value)) in to.places().into_iter().zip(from.values()) {
            assert_eq!(name, read);
            match (place, value) {
                (Place::Names(place), Value::Names(value)) => *place = value.clone(),
                (Place::LossMost(place), Value::LossMost(value)) => *place = value,
                (Place::Count(place), Value::Most(value) | Value::Least(value)) => *place = value,
                (Place::Day(place), Value::From(value) | Value::Until(value)) => *place = value,
                (Place::May(place), Value::May(value)) => *place = value,
                (place, value) => panic!("{name}: {place:?} is no place for {value:?}"),
            }
        }
        assert_eq!(to, from);
    }
}
