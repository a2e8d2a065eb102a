//! `min_step` against its definition, and against whoever tries to be set apart.

use super::*;
use crate::charter::Charter;
use crate::charter::tests::sample;

fn charter(members: usize) -> Charter {
    Charter::admit(sample(members)).unwrap()
}

fn id(charter: &Charter, n: usize) -> MemberId {
    charter.members()[n].id.clone()
}

fn set(charter: &Charter, ids: impl IntoIterator<Item = usize>) -> MemberSet {
    ids.into_iter().map(|n| id(charter, n)).collect()
}

/// The example of CHARTER section 8: every two of these Rosters differ by four members or more, and
/// together they show one.
#[test]
fn three_rosters_that_differ_widely_show_one_member() {
    let charter = charter(12);
    let rosters = [set(&charter, 0..9), set(&charter, 0..5), set(&charter, 4..9)];
    for pair in [[0, 1], [0, 2], [1, 2]] {
        let pair = pair.map(|n| rosters[n].clone());
        assert!(smallest_step(&charter, &pair).unwrap() >= 1);
    }
    assert_eq!(smallest_step(&charter, &rosters), Some(1));
    assert_eq!(smallest_step(&charter, &rosters[..1]), Some(9));
    assert_eq!(smallest_step(&charter, &[set(&charter, 0..9), set(&charter, 0..6)]), Some(3));
    assert_eq!(smallest_step(&charter, &[]), None);
}

/// Seats of one trust are one body: three of them set apart are one.
#[test]
fn members_of_one_body_are_one() {
    let mut draft = sample(12);
    for member in &mut draft.members[9..] {
        member.body = "One Trust".into();
        member.roles = std::collections::BTreeSet::from([crate::charter::Role::Coordinator]);
    }
    draft.amend = crate::charter::amend_min(9);
    let charter = Charter::admit(draft).unwrap();
    assert_eq!(smallest_step(&charter, &[set(&charter, 0..12), set(&charter, 0..9)]), Some(1));
}

/// Numbers that only look like chance, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        (mixed ^ (mixed >> 27)) % sides
    }
}

/// What sums and differences of the sets' totals can show: the smallest number of members whose total is a
/// combination of them with small whole weights, by trying all.
fn smallest_shown(sets: &[MemberSet], members: usize, charter: &Charter) -> usize {
    let weights: u32 = 5u32.pow(u32::try_from(sets.len()).unwrap());
    let mut least = usize::MAX;
    for code in 0..weights {
        let mut totals = vec![0i64; members];
        for (n, set) in sets.iter().enumerate() {
            let weight = i64::from(code / 5u32.pow(u32::try_from(n).unwrap()) % 5) - 2;
            (0..members).filter(|m| set.contains(&id(charter, *m))).for_each(|m| totals[m] += weight);
        }
        let shown = totals.iter().filter(|weight| **weight != 0).count();
        // Members with other weights than one another are told apart only by more rounds; what is shown is
        // at least as large as a group.
        if shown > 0 {
            least = least.min(shown);
        }
    }
    least
}

#[test]
fn no_sum_or_difference_shows_fewer_than_the_smallest_group() {
    let charter = charter(12);
    let mut dice = Dice(20_261_125);
    let mut tight = 0;
    for _ in 0..100 {
        let sets: Vec<MemberSet> = (0..1 + dice.roll(4))
            .map(|_| set(&charter, (0..10).filter(|_| dice.roll(3) > 0)))
            .filter(|set| !set.is_empty())
            .collect();
        let Some(smallest) = smallest_step(&charter, &sets) else { continue };
        let shown = smallest_shown(&sets, 10, &charter);
        assert!(shown >= smallest, "{sets:?}: {shown} < {smallest}");
        tight += usize::from(shown == smallest);
    }
    assert!(tight > 12, "the rule is no stricter than it must be: reached {tight} times of 100");
}

/// Whom the asker chooses is lawful, and nobody could be added.
#[test]
fn the_chosen_roster_is_lawful_and_cannot_grow() {
    let charter = charter(12);
    let mut dice = Dice(7);
    let lawful = |past: &[MemberSet], roster: &MemberSet, step: usize| {
        let all: Vec<MemberSet> = past.iter().cloned().chain([roster.clone()]).collect();
        smallest_step(&charter, &all).is_none_or(|bodies| bodies >= step)
    };
    let (mut smaller, mut chosen_from) = (0, 0);
    for _ in 0..80 {
        let mut past: Vec<MemberSet> = vec![];
        for _ in 0..dice.roll(4) {
            let next = set(&charter, (0..12).filter(|_| dice.roll(4) > 0));
            if lawful(&past, &next, 3) {
                past.push(next);
            }
        }
        let candidates = set(&charter, (0..12).filter(|_| dice.roll(5) > 0));
        let chosen = largest_lawful(&charter, &past, &candidates, 3);
        assert!(chosen.is_subset(&candidates));
        assert!(chosen.is_empty() || lawful(&past, &chosen, 3), "{past:?} {candidates:?} {chosen:?}");
        smaller += usize::from(chosen.len() < candidates.len());
        chosen_from += usize::from(!chosen.is_empty());
        // No larger one of these members is lawful.
        let all: Vec<MemberId> = candidates.iter().cloned().collect();
        for code in 0..1u32 << all.len() {
            let other: MemberSet =
                all.iter().enumerate().filter(|(n, _)| code >> n & 1 == 1).map(|(_, m)| m.clone()).collect();
            if other.len() > chosen.len() {
                assert!(!lawful(&past, &other, 3), "{past:?} {candidates:?} {chosen:?} {other:?}");
            }
        }
    }
    assert!(smaller > 12 && chosen_from > 40, "{smaller} {chosen_from}");
}
