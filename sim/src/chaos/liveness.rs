//! L15: which rounds somebody who is left could have ended, and did not. Must not know how a world is played.

use datacoop_policy::{MemberId, Time};
use datacoop_protocol::member::Member;
use datacoop_protocol::rounds::{Kind, Round};

use super::observer::number;
use crate::laws::Book;

/// A round that is over by now and that this member debited, without an end that somebody who is left could give it;
/// and how far it is. `gone` are members that stay away.
pub(super) fn unended(book: &Book, gone: &[bool], member: &Member, now: Time) -> Option<String> {
    let keeps_off = |site: usize| gone[site] || !book.is_honest(site) && !book.cheats.contains(&site);
    let is_away = |id: &MemberId| keeps_off(number(id));
    let round = member.fold().rounds().values().find(|round| {
        let over = round.asked().is_some_and(|asked| asked.body.close_by < now);
        // A Roster that charter or Query forbid makes no round: nobody debits it.
        let takes_part = round.said(Kind::Debit, member.me()).is_some();
        let excused = is_withheld(round, is_away) || awaits_asker(round, is_away);
        over && takes_part && round.ending().is_none() && !excused
    })?;
    let seats = round.plan().map(|plan| plan.committee.clone()).unwrap_or_default();
    let wrote = |kind| seats.iter().filter(|id| round.said(kind, id).is_some()).map(number).collect();
    let steps: [Vec<usize>; 4] = [Kind::Freeze, Kind::Verify, Kind::Close, Kind::Open].map(wrote);
    let asker = round.asked().map(|asked| number(&asked.asker));
    Some(format!(
        "{} has not ended: asker {asker:?}, seats {:?}; frozen, verified, closed, opened by {steps:?}",
        round.id,
        seats.iter().map(number).collect::<Vec<_>>()
    ))
}

/// Whether only a seat, or asker, that is corrupt or stays away could still end a round: everybody else opened its share,
/// and who opened never gives up. The sum may be withheld, and an alert is all that follows (ROUND.md section 8).
fn is_withheld(round: &Round, is_away: impl Fn(&MemberId) -> bool) -> bool {
    let Some(plan) = round.plan() else { return false };
    let mut entitled = plan.committee.iter().chain([&plan.query.asker]);
    round.withheld().iter().any(|withheld| is_away(&withheld.by))
        && entitled.all(|id| is_away(id) || round.said(Kind::Open, id).is_some())
}

/// Whether only an asker that stays away could still end a round, as it has no seats: of full noise it alone freezes,
/// and gives up; anybody else releases, late, what enough members opened (ROUND.md section 4).
fn awaits_asker(round: &Round, is_away: impl Fn(&MemberId) -> bool) -> bool {
    let Some(plan) = round.plan().filter(|plan| plan.committee.is_empty()) else { return false };
    is_away(&plan.query.asker) && round.sums(plan, None).is_none()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use datacoop_policy::Span;

    use super::super::play::Play;
    use super::*;
    use crate::chaos::{Chaos, seed};
    use crate::coop::member_id;
    use crate::scenario::Scenario;

    const HOUR: u64 = 3_600_000;

    /// Of two seats one closes and is gone before it opens; the other, which asked, has opened: nobody can end the round.
    #[test]
    fn a_seat_that_stays_away_before_it_opens_is_waited_for_by_nobody() {
        let text = ASKED.replace("mode=\"full_noise\", ", "").replace("OFF", "");
        let mut judged = 0;
        'askers: for asker in 2..6 {
            let scenario = Scenario::from_toml(&text.replace("by=5", &format!("by={asker}"))).unwrap();
            let Chaos { world, seed, observer, disks, cast, .. } = Chaos::new(&scenario, &seed(1), 0);
            let mut play = Play::new(world, &scenario, &seed, Rc::clone(&observer), disks, cast);
            let said = |play: &Play<'_>, at: usize, kind, by: usize| {
                let round = play.world.member(at).unwrap().fold().rounds().values().next();
                round.is_some_and(|round| round.said(kind, &member_id(by)).is_some())
            };
            let until = scenario.begin() + Span(3 * HOUR);
            play.days(scenario.begin() + Span(2 * HOUR));
            let seat = loop {
                if play.world.now() >= until {
                    continue 'askers;
                }
                play.days(play.world.now() + Span(20));
                // What it said of its close is on its way.
                let closed = |site: &usize| {
                    said(&play, *site, Kind::Close, *site) && !said(&play, *site, Kind::Open, *site)
                };
                if let Some(seat) = (1..6).filter(|site| *site != asker).find(closed) {
                    break seat;
                }
            };
            play.world.switch_off(seat);
            play.days(play.world.now() + Span(24 * HOUR));
            if !said(&play, 0, Kind::Open, asker) {
                continue;
            }
            judged += 1;
            let (book, member) = (&observer.borrow().book, play.world.member(0).unwrap());
            let unended = |gone: &dyn Fn(usize) -> bool| {
                let gone: Vec<bool> = (0..6).map(gone).collect();
                unended(book, &gone, member, play.world.now())
            };
            assert!(unended(&|_| false).is_some(), "who comes back has to open");
            assert_eq!(unended(&|site| site == seat), None);
        }
        assert!(judged > 0, "whoever asks has no seat");
    }

    const ASKED: &str = r#"
        name = "asker"
        days = 2
        members = [{ hours="always", meeting_point=true, count=2 }, { hours="always", count=4 }]
        queries = [{ at="d0 02:00", by=5, mode="full_noise", join="2h", contribute="2h", close="2h" }]
        faults = [OFF]"#;

    /// The round, as the first member holds it after so many hours.
    fn round_after(hours: u64, faults: &str) -> Round {
        let scenario = Scenario::from_toml(&ASKED.replace("OFF", faults)).unwrap();
        let Chaos { world, seed, observer, disks, cast, .. } = Chaos::new(&scenario, &seed(1), 0);
        let mut play = Play::new(world, &scenario, &seed, Rc::clone(&observer), disks, cast);
        play.days(scenario.begin() + Span(hours * HOUR));
        let rounds = play.world.member(0).unwrap().fold().rounds();
        Round::clone(rounds.values().next().unwrap())
    }

    #[test]
    fn who_alone_could_end_a_round_is_waited_for_unless_it_stays_away() {
        let asker = member_id(5);
        // It goes before the others have contributed, and freezes nothing.
        let left = round_after(9, r#"{ at="d0 02:00:00.200", kind="off", member=5, for="30h" }"#);
        assert!(left.plan().is_some() && left.ending().is_none());
        assert!(awaits_asker(&left, |id| *id == asker));
        assert!(!awaits_asker(&left, |_| false), "who comes back has to end it");
        // Enough was opened for anybody to release it.
        let opened = round_after(5, "");
        assert!(opened.all(Kind::Open).next().is_some());
        assert!(!awaits_asker(&opened, |id| *id == asker));
    }
}
