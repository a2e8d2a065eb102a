//! Each limit where it decides: at it the Query passes, one beyond it is refused; and the ends of each type.

use super::*;

/// The way to one field of our own limits.
type Way<T> = fn(&mut Limits) -> &mut T;

fn all_but(name: &str) -> Set {
    Set::Except(BTreeSet::from([name.to_owned()]))
}

/// Our own limits against the sample Query, before its Roster is known.
fn ours(change: impl FnOnce(&mut Limits), expected: &str) {
    check(|case| case.own = own(change), expected);
}

/// And once it is.
fn ours_of_roster(change: impl FnOnce(&mut Limits), expected: &str) {
    with_roster(|case| case.own = own(change), expected);
}

#[test]
fn a_list_of_names_is_empty_full_or_holds_the_name() {
    let used = question(&took_part(9));
    let (columns, splits) = (used.columns(), used.group_by());
    let listed = |names: &BTreeSet<String>| Set::Only(names.clone());
    let cases: [(Way<Set>, &str, Set, &str); 5] = [
        (|l| &mut l.purposes, "attendance-2025", Set::only(["attendance-2025"]), "purposes member"),
        (|l| &mut l.questions, "event-day", Set::only(["event-day"]), "questions member"),
        (|l| &mut l.datasets, "pupils", Set::only(["pupils"]), "datasets member"),
        (|l| &mut l.columns, "attended", listed(&columns), "columns member"),
        (|l| &mut l.group_by, "pupil_premium", listed(&splits), "group_by member"),
    ];
    for (set, name, enough, refused) in cases {
        ours(|l| *set(l) = Set::all(), "ok");
        ours(|l| *set(l) = enough.clone(), "ok");
        ours(|l| *set(l) = all_but("another"), "ok");
        ours(|l| *set(l) = Set::none(), refused);
        ours(|l| *set(l) = Set::only(["another"]), refused);
        ours(|l| *set(l) = all_but(name), refused);
        // One name fewer than it takes.
        ours(|l| *set(l) = enough.meet(&all_but(name)), refused);
    }
}

#[test]
fn a_loss_of_nothing_of_one_and_of_everything() {
    let limits: [(Way<PrivacyLoss>, &str); 3] = [
        (|l| &mut l.rho_query, "rho_query member"),
        (|l| &mut l.rho_purpose, "rho_purpose member"),
        (|l| &mut l.rho_year, "rho_year member"),
    ];
    for (limit, refused) in limits {
        ours(|l| *limit(l) = nano(5_000_000), "ok");
        ours(|l| *limit(l) = nano(u64::MAX), "ok");
        for less in [4_999_999, 1, 0] {
            ours(|l| *limit(l) = nano(less), refused);
        }
    }
    // What a Query states: nothing is no Query, one billionth has no noise that serves.
    check(|c| c.query.loss = nano(0), "rho_query floor");
    check(|c| c.query.loss = nano(1), "rho_query floor");
    check(|c| c.query.loss = nano(u64::MAX), "rho_query floor");
    // A sum that would overflow leaves nothing.
    check(|c| c.reserved = nano(u64::MAX), "rho_year floor");
    check(|c| c.reserved = nano(250_000_000), "rho_year charter");
    check(|c| c.purpose_spent = nano(u64::MAX), "rho_purpose floor");
}

#[test]
fn counts_from_nothing_to_everything() {
    ours(|l| l.max_cells = 12, "ok");
    ours(|l| l.max_cells = u32::MAX, "ok");
    for less in [11, 1, 0] {
        ours(|l| l.max_cells = less, "max_cells member");
    }
    // Twelve members of twelve bodies with 10,800 people, the smallest group of three.
    let limits: [(Way<u32>, u32, &str); 4] = [
        (|l| &mut l.min_roster, 12, "min_roster member"),
        (|l| &mut l.min_bodies, 12, "min_bodies member"),
        (|l| &mut l.min_people, 10_800, "min_people member"),
        (|l| &mut l.min_step, 3, "min_step member"),
    ];
    for (limit, most, refused) in limits {
        for held in [0, 1, most] {
            ours_of_roster(|l| *limit(l) = held, "ok");
        }
        for more in [most + 1, u32::MAX] {
            ours_of_roster(|l| *limit(l) = more, refused);
        }
    }
    ours(|l| l.min_roster = 5, "ok");
    ours(|l| l.min_roster = 6, "min_roster member");
    ours(|l| l.min_cosigners = 0, "ok");
    for more in [1, u32::MAX] {
        ours(|l| l.min_cosigners = more, "min_cosigners member");
    }
}

#[test]
fn days_and_permissions() {
    let today = Case::new().now.day();
    ours(|l| l.not_before = today, "ok");
    ours(|l| l.not_before = Day(today.0 + 1), "not_before member");
    ours(|l| l.not_before = Day(i64::MAX), "not_before member");
    ours(|l| l.not_after = today, "ok");
    ours(|l| l.not_after = Day(today.0 - 1), "not_after member");
    ours(|l| l.not_after = Day(i64::MIN), "not_after member");
    let full_noise = |allowed: bool| {
        move |c: &mut Case| {
            c.query.mode = Mode::FullNoise;
            c.charter.limits.full_noise = true;
            c.own = own(|l| l.full_noise = allowed);
        }
    };
    check(full_noise(true), "ok");
    check(full_noise(false), "full_noise member");
    // A round in which nobody sees another's figures needs no such permission.
    ours(|l| l.full_noise = false, "ok");
    check(|c| c.attempts = u32::MAX, "attempt floor");
    check(|c| c.voided = u32::MAX, "attempt floor");
}

/// The layer that a refusal names is one that refuses alone, by the same rule, and the first that does.
#[test]
fn the_layer_that_is_named_refuses_alone() {
    let mut cases = crate::limits::tests::Cases(0x5eed);
    let (mut by_layer, mut rules) = (BTreeMap::new(), BTreeSet::new());
    let mut case = Case::new();
    let charter = Charter::admit(case.charter.clone()).unwrap();
    let (me, all) = (id(1), (0..12).map(id).collect::<Vec<_>>());
    let ledger = Ledger::default();
    let facts = Facts {
        now: case.now,
        me: &me,
        charter: &charter,
        ledger: &ledger,
        reserved: PrivacyLoss::ZERO,
        purpose_spent: PrivacyLoss::ZERO,
        attempts: 0,
        voided: 0,
        answer: None,
        past: &[],
        under_way: false,
        declared: true,
        unheard_since: None,
        conflict: false,
        restricted: &Restricted::default(),
        cosigners: 0,
        delegation: Known::Nothing,
    };
    let mut allowed = 0;
    for n in 0..20_000 {
        let roster = (n % 2 == 0).then_some(all.as_slice());
        let layers: Vec<(Layer, Limits)> =
            [Layer::Floor, Layer::Charter(1), Layer::Member, Layer::Delegation]
                .into_iter()
                .map(|layer| (layer, cases.near(&case.query)))
                .collect();
        case.query.mode = if cases.next(4) == 0 { Mode::FullNoise } else { Mode::Secure };
        let said = judge(&Layers { layers: layers.clone() }, &case.query, roster, &facts);
        let alone = |limits: &Limits| {
            let layers = vec![(Layer::Member, limits.clone())];
            judge(&Layers { layers }, &case.query, roster, &facts)
        };
        let refusals: Vec<(Layer, Result<(), Refusal>)> =
            layers.iter().map(|(layer, limits)| (*layer, alone(limits))).collect();
        match said {
            // Sound: what all allow together each allows alone. Exact: what each allows all do.
            Ok(()) => {
                assert!(refusals.iter().all(|(_, said)| said.is_ok()), "{layers:?}");
                allowed += 1;
            }
            Err(refusal) => {
                let first = refusals
                    .iter()
                    .find(|(_, said)| said.as_ref().is_err_and(|alone| alone.rule == refusal.rule));
                assert_eq!(first.map(|(layer, _)| *layer), Some(refusal.layer), "{refusal} {layers:?}");
                *by_layer.entry(refusal.layer).or_insert(0) += 1;
                rules.insert(refusal.rule);
            }
        }
    }
    assert!(allowed > 1_000, "{allowed}");
    assert_eq!(by_layer.len(), 4, "each layer refused: {by_layer:?}");
    assert!(by_layer.values().all(|n| *n > 1_000), "{by_layer:?}");
    assert!(rules.len() >= 14, "{rules:?}");
}
