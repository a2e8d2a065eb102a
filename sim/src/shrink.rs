//! Makes a scenario that breaks a law smaller while it breaks the same law: faults, questions, days, members.

use datacoop_policy::Span;

use crate::calendar::DAY;
use crate::scenario::Scenario;

/// The smallest scenario found, trying each line away in turn, larger pieces first. `breaks` says whether a
/// scenario still breaks the law; `said` is told how many lines are left.
pub fn shrink(
    scenario: &Scenario,
    breaks: &mut dyn FnMut(&Scenario) -> bool,
    said: &mut dyn FnMut(usize),
) -> Scenario {
    let mut least = scenario.clone();
    loop {
        let before = least.clone();
        pieces(
            &mut least,
            |scenario| scenario.faults.len(),
            |scenario, from, to| {
                scenario.faults.drain(from..to);
            },
            breaks,
            said,
        );
        pieces(
            &mut least,
            |scenario| scenario.asks.len(),
            |scenario, from, to| {
                scenario.asks.drain(from..to);
            },
            breaks,
            said,
        );
        fewer_days(&mut least, breaks);
        fewer_members(&mut least, breaks);
        if least == before {
            return least;
        }
    }
}

/// Takes away halves, then quarters, down to single lines.
fn pieces(
    least: &mut Scenario,
    count: impl Fn(&Scenario) -> usize,
    drain: impl Fn(&mut Scenario, usize, usize),
    breaks: &mut dyn FnMut(&Scenario) -> bool,
    said: &mut dyn FnMut(usize),
) {
    let mut size = count(least).div_ceil(2);
    while size > 0 {
        let mut from = 0;
        while from < count(least) {
            let mut smaller = least.clone();
            drain(&mut smaller, from, (from + size).min(count(least)));
            if breaks(&smaller) {
                *least = smaller;
                said(least.faults.len() + least.asks.len());
            } else {
                from += size;
            }
        }
        size /= 2;
    }
}

/// Ends as soon after the last line as the law still breaks.
fn fewer_days(least: &mut Scenario, breaks: &mut dyn FnMut(&Scenario) -> bool) {
    let lines = least.faults.iter().map(|fault| fault.at).chain(least.asks.iter().map(|ask| ask.at));
    let last = u32::try_from(lines.max().unwrap_or(Span(0)).0 / DAY).unwrap_or(u32::MAX);
    for days in [last + 1, last + 2, last + 5, least.days / 2] {
        let smaller = Scenario { days, ..least.clone() };
        if (1..least.days).contains(&days) && breaks(&smaller) {
            *least = smaller;
            return;
        }
    }
}

/// Takes away the last members, if no line is about them.
fn fewer_members(least: &mut Scenario, breaks: &mut dyn FnMut(&Scenario) -> bool) {
    loop {
        let last = least.members.len() - 1;
        let named = least.asks.iter().any(|ask| ask.by == last)
            || least.faults.iter().any(|fault| fault.kind.members().any(|site| site == last));
        let mut smaller = least.clone();
        let gone = smaller.members.pop();
        let is_needed = gone.is_none_or(|spec| spec.meeting_point) || named || smaller.members.len() < 3;
        if is_needed || !breaks(&smaller) {
            return;
        }
        *least = smaller;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::seed;
    use crate::faults::FaultKind;

    #[test]
    fn what_does_not_matter_is_taken_away() {
        let scenario = Scenario::random(&seed(3), 12, 30);
        let first =
            scenario.faults.iter().position(|fault| matches!(fault.kind, FaultKind::Crash(..))).unwrap();
        let (crash, ask) = (scenario.faults[first].clone(), scenario.asks[1].clone());
        let mut breaks = |tried: &Scenario| tried.faults.contains(&crash) && tried.asks.contains(&ask);
        let least = shrink(&scenario, &mut breaks, &mut |_| {});
        assert_eq!((least.faults.as_slice(), least.asks.as_slice()), ([crash].as_slice(), [ask].as_slice()));
        assert!(least.days < scenario.days && least.members.len() <= scenario.members.len());
    }
}
