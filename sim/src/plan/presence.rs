//! How many members are there in time, exactly: each machine runs on its days or does not, whatever the others do.
//! Must not know a Member.

use datacoop_policy::query::{Assumptions, Terms};
use datacoop_policy::{Day, Span};

use super::mode;
use super::windows::Windows;
use crate::calendar::{HOUR, Holidays, Hours};
use crate::scenario::MemberSpec;

/// The chance of each number of successes, from 0 on, of independent trials with these chances.
///
/// Source: the Poisson-binomial distribution, by convolution.
pub fn poisson_binomial(chances: &[f64]) -> Vec<f64> {
    chances.iter().fold(vec![1.0], |before, chance| {
        let mut after = vec![0.0; before.len() + 1];
        for (n, weight) in before.iter().enumerate() {
            after[n] += weight * (1.0 - chance);
            after[n + 1] += weight * chance;
        }
        after
    })
}

/// The greatest number that is reached with at least this chance.
pub fn at_least(distribution: &[f64], chance: f64) -> usize {
    let mut above = 0.0;
    let found = distribution.iter().enumerate().rev().find(|(_, weight)| {
        above += **weight;
        above >= chance - 1e-12
    });
    found.map_or(0, |(n, _)| n)
}

/// The chance that a machine does not run on a day that is its own.
fn closed(spec: &MemberSpec) -> f64 {
    f64::from(spec.lid.min(1000)) / 1000.0
}

/// On how many of its days a machine has hours inside a window of so many school days. Questions are asked in school
/// hours, so that the first and the last day both count, but for whose evenings begin later.
fn days_in(spec: &MemberSpec, days: u32) -> i32 {
    let days = i32::try_from(days).unwrap_or(i32::MAX - 1);
    if spec.hours == Hours::Evenings { days } else { days + 1 }
}

/// The chance that a member is there in the join window; and in it and in the window after it, in which it contributes.
///
/// The day on which the one window ends and the other begins is in both.
fn chances(spec: &MemberSpec, windows: &Windows) -> (f64, f64) {
    let (closed, shared) = (closed(spec), if spec.hours == Hours::Evenings { 0 } else { 1 });
    let (join, contribute) = (days_in(spec, windows.join), days_in(spec, windows.contribute));
    let without = |days: i32| 1.0 - closed.powi(days - shared);
    let open = if shared == 1 { 1.0 - closed } else { 0.0 };
    let both = open + (1.0 - open) * without(join) * without(contribute);
    (1.0 - closed.powi(join), both)
}

/// Who is there in time.
#[derive(Clone, PartialEq, Debug)]
pub struct Presence {
    /// The chance that so many join, from 0 on.
    pub join: Vec<f64>,
    /// The chance that so many join and then contribute.
    pub contribute: Vec<f64>,
    /// The chance that enough join, and of those no more go missing than a round bears. What then may still fail is
    /// that the asker or the committee is away.
    pub enough: f64,
}

impl Presence {
    /// In these windows, of a co-operative whose Rosters hold at least so many.
    pub fn new(members: &[MemberSpec], windows: &Windows, min_roster: u32) -> Self {
        let each: Vec<(f64, f64)> = members.iter().map(|spec| chances(spec, windows)).collect();
        let of = |one: fn(&(f64, f64)) -> f64| poisson_binomial(&each.iter().map(one).collect::<Vec<_>>());
        // weight[joined][missing]
        let mut weights = vec![vec![0.0; members.len() + 1]; members.len() + 1];
        weights[0][0] = 1.0;
        for (n, (join, both)) in each.iter().enumerate() {
            for joined in (0..=n).rev() {
                for missing in (0..=joined).rev() {
                    let weight = std::mem::replace(&mut weights[joined][missing], 0.0);
                    weights[joined + 1][missing + 1] += weight * (join - both);
                    weights[joined + 1][missing] += weight * both;
                    weights[joined][missing] += weight * (1.0 - join);
                }
            }
        }
        let voting = mode(u32::try_from(members.len()).unwrap_or(u32::MAX));
        let bears = |joined: usize| {
            let terms = Terms::new(joined, voting, Assumptions::FLOOR)?;
            (joined >= min_roster as usize).then_some(terms.missing as usize)
        };
        let enough = weights.iter().enumerate().filter_map(|(joined, row)| {
            let most = bears(joined)?;
            Some(row.iter().take(most + 1).sum::<f64>())
        });
        Self { enough: enough.sum(), join: of(|(join, _)| *join), contribute: of(|(_, both)| *both) }
    }
}

/// How many machines run in each hour of a day, on average.
pub fn on_by_hour(members: &[MemberSpec], day: Day, holidays: &Holidays) -> [f64; 24] {
    let mut on = [0.0; 24];
    for spec in members {
        let hours = if spec.hours == Hours::Always {
            Some((Span(0), Span(24 * HOUR)))
        } else {
            spec.hours.on(day, holidays)
        };
        let Some((from, to)) = hours else { continue };
        for (hour, on) in (0u64..).zip(on.iter_mut()) {
            if from.0 <= hour * HOUR && hour * HOUR < to.0 {
                *on += 1.0 - closed(spec);
            }
        }
    }
    on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laptop(lid: u32) -> MemberSpec {
        MemberSpec { hours: Hours::School, lid, loss: 0, meeting_point: false }
    }

    #[test]
    fn independent_trials_add_up() {
        let two = poisson_binomial(&[0.5, 0.2]);
        let near = |found: f64, want: f64| assert!((found - want).abs() < 1e-12, "{found}, not {want}");
        near(two[0], 0.4);
        near(two[1], 0.5);
        near(two[2], 0.1);
        near(poisson_binomial(&[0.3; 40]).iter().sum(), 1.0);
        assert_eq!((at_least(&two, 0.6), at_least(&two, 0.61), at_least(&two, 0.05)), (1, 0, 2));
    }

    /// Of two days that a laptop has in a window, and one that both windows share: worked out by hand for a lid that
    /// is closed on half of the days.
    #[test]
    fn the_day_between_two_windows_counts_in_both() {
        let windows = Windows { join: 1, contribute: 1, close: 1 };
        let (join, both) = chances(&laptop(500), &windows);
        assert!((join - 0.75).abs() < 1e-12);
        // Open on the shared day, or on the one before and the one after.
        assert!((both - 0.625).abs() < 1e-12);
    }

    /// Against all outcomes of a small co-operative, one by one.
    #[test]
    fn enough_is_what_counting_every_case_gives() {
        let windows = Windows { join: 1, contribute: 1, close: 1 };
        let members: Vec<MemberSpec> = [100, 200, 300, 400, 500, 600].map(laptop).to_vec();
        let each: Vec<(f64, f64)> = members.iter().map(|spec| chances(spec, &windows)).collect();
        let mut sum = 0.0;
        for case in 0..3usize.pow(6) {
            let (mut weight, mut joined, mut missing, mut rest) = (1.0, 0, 0, case);
            for (join, both) in &each {
                weight *= [1.0 - join, join - both, *both][rest % 3];
                joined += usize::from(rest % 3 > 0);
                missing += usize::from(rest % 3 == 1);
                rest /= 3;
            }
            sum += if joined >= 5 && missing == 0 { weight } else { 0.0 };
        }
        let found = Presence::new(&members, &windows, 5);
        assert!((found.enough - sum).abs() < 1e-12, "{} and {sum}", found.enough);
        assert!((found.join.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn at_night_only_meeting_points_run() {
        let holidays = Holidays::named("england-2026").unwrap();
        let mut members = vec![laptop(150); 10];
        let point = MemberSpec { hours: Hours::Always, lid: 0, loss: 0, meeting_point: true };
        members.extend([point.clone(), point]);
        let monday = on_by_hour(&members, Day::parse("2026-10-19").unwrap(), &holidays);
        assert!((monday[10] - 10.5).abs() < 1e-9 && (monday[3] - 2.0).abs() < 1e-9);
        let half_term = on_by_hour(&members, Day::parse("2026-10-28").unwrap(), &holidays);
        assert!(half_term.iter().all(|on| (on - 2.0).abs() < 1e-9));
    }
}
