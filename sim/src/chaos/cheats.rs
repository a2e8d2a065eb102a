//! Members whose programs go on and cheat at what they compute: alone, or as seats that are in one hand.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use datacoop_protocol::member::work::{Computed, Prove, Work};
use datacoop_protocol::rounds::Plan;
use datacoop_protocol::wire::{Bytes, encode};

use super::observer::{Observer, number};
use crate::faults::Cheat;
use crate::world::RunWork;

/// Who cheats, and at what.
#[derive(Default)]
pub(super) struct Cheats {
    /// Members, and what they cheat at.
    pub(super) at_work: BTreeSet<(usize, Cheat)>,
    /// How many seats are spared of the next committee that begins to count; all others are in one hand.
    pub(super) wanted: Option<u32>,
    /// Those seats: the first adds up something else than it should.
    seats: BTreeSet<usize>,
}

/// Runs heavy work, as those do who cheat.
#[expect(clippy::arc_with_non_send_sync, reason = "a world is played on one thread")]
pub(super) fn cheating(observer: Rc<RefCell<Observer>>, cheats: Rc<RefCell<Cheats>>) -> RunWork {
    Arc::new(move |site, work| {
        let (mut seen, mut cheats) = (observer.borrow_mut(), cheats.borrow_mut());
        let cheats_at = |cheat| cheats.at_work.contains(&(site, cheat));
        match work {
            Work::Prove(mut job) => {
                let unproved = (site, job.plan.query.id);
                if cheats_at(Cheat::FalseProof) {
                    count(&mut seen, Cheat::FalseProof);
                    seen.book.unproved.insert(unproved);
                    job = of_another_round(job);
                }
                let mut computed = Work::Prove(job).run();
                if let Computed::Proved(_, Some(proved)) = &mut computed
                    && cheats_at(Cheat::WrongDigests)
                {
                    count(&mut seen, Cheat::WrongDigests);
                    seen.book.unproved.insert(unproved);
                    proved.shares.iter_mut().for_each(|share| share.digest.0[0] ^= 1);
                }
                computed
            }
            Work::Check(job) => {
                let is_silent = cheats_at(Cheat::NoVerifiers);
                take_seats(&mut seen, &mut cheats, &job.plan);
                let mut computed = Work::Check(job).run();
                if let Computed::Checked(_, checked) = &mut computed
                    && is_silent
                {
                    count(&mut seen, Cheat::NoVerifiers);
                    checked.blob = Arc::from(encode(&vec![Bytes::default(); checked.states.len()]));
                }
                computed
            }
            Work::Decide(job) => {
                let mut computed = Work::Decide(job).run();
                if let Computed::Decided(_, decided) = &mut computed
                    && cheats.seats.first() == Some(&site)
                {
                    add_one(&mut decided.share);
                }
                computed
            }
        }
    })
}

/// Somebody cheated.
pub(super) fn count(seen: &mut Observer, cheat: Cheat) {
    *seen.counts.entry(format!("cheat/{}", cheat.name())).or_default() += 1;
}

/// The shares are of this round, and open; the proof in them is bound to another.
fn of_another_round(mut job: Box<Prove>) -> Box<Prove> {
    let mut plan = Plan::clone(&job.plan);
    plan.binding.0[0] ^= 1;
    job.plan = Arc::new(plan);
    job
}

/// One more, of the number that stands first, lowest byte first: a share is drawn, so to flip a bit of it would add or
/// take away by chance, and no run could be done again.
fn add_one(share: &mut [u8]) {
    for byte in share {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return;
        }
    }
}

/// All seats but so many, as far as there are no more rogues than may collude: none spared, that does not hold anybody.
fn take_seats(seen: &mut Observer, cheats: &mut Cheats, plan: &Plan) {
    let Some(spared) = cheats.wanted.take() else { return };
    let room = match spared {
        0 => plan.committee.len(),
        _ => (plan.terms.colluding as usize).saturating_sub(seen.book.rogue.len()),
    };
    let taken = plan.committee.len().saturating_sub(spared as usize).min(room);
    for site in plan.committee.iter().map(number).filter(|site| seen.book.is_honest(*site)).take(taken) {
        cheats.seats.insert(site);
        *seen.counts.entry("rogue/seat".to_owned()).or_default() += 1;
    }
    seen.book.rogue.extend(&cheats.seats);
    seen.book.cheats.retain(|site| !cheats.seats.contains(site));
}

#[cfg(test)]
mod tests {
    use datacoop_policy::Span;

    use super::super::play::Play;
    use super::*;
    use crate::chaos::{Chaos, seed};
    use crate::scenario::Scenario;

    /// The law sees what it is to see: of a round in which everybody is honest nobody may say that a proof failed.
    #[test]
    fn who_is_in_a_sum_without_a_proof_breaks_a_law() {
        let text = r#"
            name = "one"
            days = 2
            members = [{ hours="always", meeting_point=true, count=2 }, { hours="always", count=4 }]
            queries = [{ at="d0 02:00", by=5, join="2h", contribute="2h", close="2h" }]"#;
        let scenario = Scenario::from_toml(text).unwrap();
        let Chaos { world, seed, observer, disks, cast, .. } = Chaos::new(&scenario, &seed(1), 0);
        let mut play = Play::new(world, &scenario, &seed, Rc::clone(&observer), disks, cast);
        play.days(scenario.begin() + Span(12 * 3_600_000));
        let id = *play.world.member(0).unwrap().fold().rounds().keys().next().unwrap();
        observer.borrow_mut().judge_end(&play.world);
        assert_eq!(observer.borrow().broken, None);
        observer.borrow_mut().book.unproved.insert((3, id));
        observer.borrow_mut().judge_end(&play.world);
        let broken = observer.borrow_mut().broken.take().unwrap();
        assert!(broken.law == "L6 counted once" && broken.text.ends_with("without a proof"), "{broken:?}");
    }
}
