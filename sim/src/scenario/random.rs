//! A scenario from a seed: who is on when, what is asked, what goes wrong. Faults stay survivable (the atlas of
//! SIM.md, section 3), so that every broken law is a bug.

use std::collections::BTreeSet;
use std::ops::Range;

use datacoop_policy::query::{Mode, Terms};
use datacoop_policy::{Day, Span};
use datacoop_protocol::seed::Seed;
use rand_chacha::ChaCha12Rng;
use rand_core::Rng as _;

use super::{Ask, CELLS, Expect, MemberSpec, Scenario};
use crate::calendar::{DAY, HOUR, Holidays, Hours};
use crate::faults::{Cheat, Deed, Fault, FaultKind, Narrowing, Rogue};

/// The first day of a scenario that a seed makes: a school year's.
const FIRST_DAY: (i64, i64, i64) = (2026, 9, 1);
/// What a question costs, billionths of rho.
const LOSS: u64 = 5_000_000;
/// Faults a day, on average, in tenths.
const FAULTS_A_DAY: u64 = 16;
/// A charter that ends early does so within so many hours.
const EXPIRES_WITHIN: u64 = 10 * 24;
/// New keys act 14 days after the version that lists them, and are then written with for a while.
const REPLACED_AFTER: u64 = 16 * DAY;

fn below(rng: &mut ChaCha12Rng, bound: u64) -> u64 {
    rng.next_u64() % bound.max(1)
}

fn small(rng: &mut ChaCha12Rng, bound: u64) -> u32 {
    u32::try_from(below(rng, bound)).unwrap_or(u32::MAX)
}

fn one_of(rng: &mut ChaCha12Rng, count: usize) -> usize {
    usize::try_from(below(rng, count as u64)).unwrap_or(0)
}

fn word<T: Copy>(rng: &mut ChaCha12Rng, all: &[T]) -> T {
    all[one_of(rng, all.len())]
}

impl Scenario {
    /// The scenario of a seed.
    pub fn random(seed: &Seed, members: usize, days: u32) -> Self {
        let (year, month, day) = FIRST_DAY;
        let start = Day::from_civil(year, month, day).unwrap_or(Day(0));
        let members = members_of(seed, members);
        let asks = asks_of(seed, members.len(), days);
        let faults = faults_of(seed, &members, &asks, days);
        Self {
            name: "random".to_owned(),
            seed: None,
            start,
            days,
            holidays: Holidays::named("england-2026").unwrap_or_else(|| unreachable!("INVARIANT: a preset")),
            cells: CELLS,
            members,
            asks,
            faults,
            expect: Expect::default(),
            beyond: None,
        }
    }
}

fn members_of(seed: &Seed, count: usize) -> Vec<MemberSpec> {
    let mut rng = seed.stream("availability");
    let points = count.div_ceil(6).clamp(2, 4).min(count);
    let hours = |rng: &mut ChaCha12Rng| match below(rng, 8) {
        0 => Hours::Always,
        1 | 2 => Hours::Office,
        3 => Hours::Evenings,
        _ => Hours::School,
    };
    let spec = |n: usize| match n < points {
        true => MemberSpec { hours: Hours::Always, lid: 0, loss: 5, meeting_point: true },
        false => {
            let (hours, lid) = (hours(&mut rng), small(&mut rng, 200));
            MemberSpec { hours, lid, loss: 5, meeting_point: false }
        }
    };
    (0..count).map(spec).collect()
}

fn asks_of(seed: &Seed, members: usize, days: u32) -> Vec<Ask> {
    let mut rng = seed.stream("workload");
    let count = u64::from(days).div_ceil(6).clamp(1, 40);
    let mut asks: Vec<Ask> = vec![];
    for n in 0..count {
        let at = Span(
            (1 + n * u64::from(days.saturating_sub(2)).max(1) / count) * DAY + below(&mut rng, 8 * HOUR),
        );
        // One in five repeats an earlier question; one in four windows is short.
        let repeated = (below(&mut rng, 5) == 0).then(|| one_of(&mut rng, asks.len().max(1)));
        let least = match repeated.and_then(|at| asks.get(at)) {
            Some(before) => before.least,
            None => small(&mut rng, 100),
        };
        let unit = if below(&mut rng, 4) == 0 { 2 * HOUR } else { DAY };
        let mut window = || Span((2 + below(&mut rng, 3)) * unit);
        let (join, contribute, close) = (window(), window(), window());
        let small_group =
            Terms::new(members, Mode::Secure, datacoop_policy::query::Assumptions::FLOOR).is_none();
        let mode = if small_group || below(&mut rng, 6) == 0 { Mode::FullNoise } else { Mode::Secure };
        let loss = LOSS * (1 + below(&mut rng, 10) / 9 * 11);
        asks.push(Ask { at, by: one_of(&mut rng, members), least, loss, mode, join, contribute, close });
    }
    asks
}

/// At most f members are rogue and d gone, one disk is put back, and meeting points stay honest.
fn faults_of(seed: &Seed, members: &[MemberSpec], asks: &[Ask], days: u32) -> Vec<Fault> {
    let mut rng = seed.stream("faults");
    let points = members.iter().filter(|spec| spec.meeting_point).count();
    let terms = Terms::new(members.len(), Mode::Secure, datacoop_policy::query::Assumptions::FLOOR);
    let (most_rogue, most_gone) = terms.map_or((0, 0), |terms| (terms.colluding, terms.missing));
    let mut faults = rogues_of(seed, most_rogue, points..members.len(), days);
    let mut lost: BTreeSet<usize> = faults.iter().filter_map(|fault| fault.kind.member()).collect();
    let rogues = u32::try_from(lost.len()).unwrap_or(u32::MAX);
    let restored = points + one_of(&mut rng, members.len() - points);
    let mut may_go = most_gone > 0 && below(&mut rng, 4) == 0;
    let mut may_restore = below(&mut rng, 2) == 0 && !lost.contains(&restored);
    let mut may_change = below(&mut rng, 4) != 0;
    let mut may_seat =
        terms.is_some_and(|terms| terms.committee > 0) && rogues == 0 && below(&mut rng, 4) == 0;
    let mut odd_clock = None;
    for _ in 0..u64::from(days) * FAULTS_A_DAY / 10 {
        let at = Span(below(&mut rng, u64::from(days) * DAY));
        let mut who = one_of(&mut rng, members.len());
        if lost.contains(&who) {
            who = 0;
        }
        let long = Span((1 + below(&mut rng, 36)) * HOUR);
        let kind = match below(&mut rng, 32) {
            0 | 1 => FaultKind::Loss(50 + small(&mut rng, 300), long),
            2 => FaultKind::Repeat(50 + small(&mut rng, 300), long),
            3 => FaultKind::Reorder(1 + small(&mut rng, 6), long),
            4 => FaultKind::Slow(who, 1 + small(&mut rng, 20), long),
            5 | 6 => FaultKind::Cut(who, (who + 1 + one_of(&mut rng, points)) % members.len(), long),
            7 => FaultKind::Down(one_of(&mut rng, points), long),
            8..=12 => FaultKind::Crash(who, small(&mut rng, 12), small(&mut rng, 3)),
            13 | 14 => FaultKind::WriteFails(who, below(&mut rng, 2) == 0),
            15 if may_restore && at.0 > 3 * DAY => {
                may_restore = false;
                let age = Span((1 + below(&mut rng, 3 * 24)) * HOUR);
                match below(&mut rng, 3) {
                    0 => FaultKind::RotJournal(restored, small(&mut rng, 40)),
                    way => FaultKind::Restore(restored, age, way == 1),
                }
            }
            16 => FaultKind::LostBlob(who, small(&mut rng, 16)),
            17 => FaultKind::Lid(who, long),
            18 => FaultKind::Off(who, long),
            19 | 20 => clock_fault(seed, &mut rng, &mut odd_clock, who, long),
            21 if may_go => {
                may_go = false;
                let Some(who) = (points..members.len()).find(|who| !lost.contains(who) && *who != restored)
                else {
                    continue;
                };
                lost.insert(who);
                FaultKind::Gone(who)
            }
            22 | 23 if may_change && at.0 > 2 * DAY => {
                let other = (points..members.len()).find(|who| !lost.contains(who) && *who != restored);
                let Some(kind) = change_of_charter(&mut rng, at, u64::from(days) * DAY, other) else {
                    continue;
                };
                may_change = false;
                kind
            }
            24 if may_seat => {
                may_seat = false;
                FaultKind::Seats(1)
            }
            25 => FaultKind::RotBlob(who, small(&mut rng, 16)),
            26 => FaultKind::Full(who, Span(long.0 / 12)),
            27 | 28 => FaultKind::Act(who, word(&mut rng, Deed::ALL)),
            29 => FaultKind::Decide(who, below(&mut rng, 4) == 0),
            30 => FaultKind::Narrow(who, word(&mut rng, Narrowing::ALL)),
            _ => FaultKind::Lid(who, Span(long.0 / 12)),
        };
        faults.push(Fault { at, kind });
    }
    if rogues < most_rogue && !faults.iter().any(|fault| matches!(fault.kind, FaultKind::Seats(_))) {
        // Not the one whose keys are replaced: laws look away from who cheats.
        let may = (points..members.len()).rfind(|who| !lost.contains(who) && *who != restored);
        faults.extend(may.into_iter().flat_map(|who| cheats_of(seed, who, days)));
    }
    faults.extend(tables_of(seed, members.len(), asks));
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// A few members' keys are stolen, and used a few times each.
fn rogues_of(seed: &Seed, most: u32, may: Range<usize>, days: u32) -> Vec<Fault> {
    let mut rng = seed.stream("byzantine");
    let (mut faults, mut stolen) = (vec![], BTreeSet::new());
    for _ in 0..most.min(small(&mut rng, 4)) {
        let who = may.start + one_of(&mut rng, may.len());
        if !stolen.insert(who) {
            continue;
        }
        let first = below(&mut rng, u64::from(days) * DAY / 2) + DAY / 2;
        for n in 0..1 + below(&mut rng, 4) {
            let at = Span(first + n * (2 * HOUR + below(&mut rng, 2 * DAY)));
            faults.push(Fault { at, kind: FaultKind::Rogue(who, word(&mut rng, Rogue::ALL)) });
        }
    }
    faults
}

/// In every other scenario a member's program cheats, at one thing or two.
fn cheats_of(seed: &Seed, who: usize, days: u32) -> Vec<Fault> {
    let mut rng = seed.derive("byzantine").stream("cheats");
    if below(&mut rng, 2) != 0 {
        return vec![];
    }
    let cheat = |_| {
        let at = Span(below(&mut rng, u64::from(days) * DAY / 2));
        Fault { at, kind: FaultKind::Cheat(who, word(&mut rng, Cheat::ALL)) }
    };
    (0..2).map(cheat).collect()
}

/// While a question is open somebody's tables are slow, as those of a large database, or cannot be read; some say no
/// meanwhile.
fn tables_of(seed: &Seed, members: usize, asks: &[Ask]) -> Vec<Fault> {
    let mut rng = seed.derive("data").stream("tables");
    let mut faults = vec![];
    for ask in asks {
        let who = one_of(&mut rng, members);
        let long = Span(ask.join.0 + ask.contribute.0);
        let kind = match below(&mut rng, 8) {
            0 => FaultKind::NoTables(who, long),
            // From a minute to three days, each doubling as likely.
            1..=3 => FaultKind::SlowTables(who, Span(60_000 << below(&mut rng, 13)), long),
            _ => continue,
        };
        faults.push(Fault { at: ask.at, kind });
        if below(&mut rng, 2) == 0 {
            let at = Span(ask.at.0 + below(&mut rng, long.0));
            faults.push(Fault { at, kind: FaultKind::Decide(who, false) });
        }
    }
    faults
}

/// The charter changes once in a scenario: it is amended, ends, a member's keys are replaced, or two rivals follow it.
/// `None` where the time that is left is too short to see it through.
fn change_of_charter(rng: &mut ChaCha12Rng, at: Span, end: u64, other: Option<usize>) -> Option<FaultKind> {
    let left = end.saturating_sub(at.0);
    match below(rng, 8) {
        0 | 1 => Some(FaultKind::Amend(true)),
        2 => Some(FaultKind::Amend(false)),
        3 => Some(FaultKind::Expire(Span(below(rng, EXPIRES_WITHIN) * HOUR))),
        4 | 5 => {
            let long = Span((6 + below(rng, 60)) * HOUR);
            (long.0 + DAY < left).then_some(FaultKind::Rivals(long))
        }
        _ => other.filter(|_| left > REPLACED_AFTER).map(FaultKind::Rekey),
    }
}

/// One member's clock is wrong at a time: most of the others agree on the hour.
fn clock_fault(
    seed: &Seed,
    rng: &mut ChaCha12Rng,
    odd: &mut Option<usize>,
    who: usize,
    long: Span,
) -> FaultKind {
    let mut clock = seed.derive("clock").stream(&format!("{}", rng.next_u64()));
    let who = *odd.get_or_insert(who);
    let size = i64::try_from(below(&mut clock, 240_000)).unwrap_or(0) - 120_000;
    match below(&mut clock, 4) {
        0 => FaultKind::Drift(who, size / 20, Span(10 * DAY)),
        1 => FaultKind::WrongYear(who, below(&mut clock, 2) == 0, Span(long.0 / 8)),
        _ => FaultKind::Skew(who, size),
    }
}
