//! What each kind of fault does to the world. Must not know why it happens.

use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::{Digest, Span, Time};
use datacoop_protocol::member::port::Input;

use super::{ASK_AGAIN, ASK_TRIES, Act, Play};
use crate::adversary::Puppet;
use crate::chaos::cheats::count;
use crate::chaos::{people, runs};
use crate::disk::Failure;
use crate::faults::{Cheat, FaultKind, Narrowing, Rogue};
use crate::wires::Trouble;
use crate::workload::{DATASET, condemning, expiring, next_charter, with_keys};
use crate::world::Tables;

/// Milliseconds of a year that a wrong clock is off by.
const YEAR: i64 = 365 * 86_400_000;
/// A repaired machine starts again after so long.
const REPAIR: Span = Span(600_000);
impl Play<'_> {
    pub(super) fn fault(&mut self, kind: FaultKind) {
        let name = kind.name();
        *self.observer.borrow_mut().counts.entry(format!("fault/{name}")).or_default() += 1;
        let now = self.world.now();
        self.count += 1;
        let number = self.count;
        match kind {
            FaultKind::Loss(permille, span) => self.trouble(number, Trouble::Loss(permille), span),
            FaultKind::Repeat(permille, span) => self.trouble(number, Trouble::Repeat(permille), span),
            FaultKind::Reorder(doublings, span) => self.trouble(number, Trouble::Jitter(doublings), span),
            FaultKind::Slow(site, rate, span) => self.trouble(number, Trouble::Slow(site, rate), span),
            FaultKind::Cut(from, to, span) => {
                self.world.cut(from, to, true);
                self.after(span, Act::Mend(from, to));
            }
            FaultKind::Down(site, span) | FaultKind::Lid(site, span) => self.keep_off(site, now + span),
            FaultKind::Off(site, span) => {
                self.keep_off(site, now + span);
                if !self.puppets.contains_key(&site) {
                    self.world.switch_off(site);
                }
            }
            FaultKind::Crash(site, after, keeps) => {
                self.disks[site].keep_unsynced(keeps as usize);
                let output = self.world.executed(site) + u64::from(after);
                self.world.crash_before(site, output);
            }
            FaultKind::WriteFails(site, stored) => {
                self.disks[site].fail_next(if stored { Failure::Stored } else { Failure::Lost });
            }
            FaultKind::LostBlob(site, nth) => {
                self.disks[site].lose_blob(nth as usize);
            }
            FaultKind::RotBlob(site, nth) => {
                self.disks[site].rot_blob(nth as usize);
            }
            FaultKind::RotJournal(site, nth) => self.rot_journal(site, nth as usize),
            FaultKind::Full(site, span) => {
                self.disks[site].fill(true);
                self.after(span, Act::Room(site));
            }
            FaultKind::Skew(site, ahead) => self.world.set_clock(site, ahead),
            FaultKind::Drift(site, daily, span) => self.after(Span(0), Act::Drift(site, daily, now + span)),
            FaultKind::WrongYear(site, ahead, span) => {
                let before = self.world.ahead(site);
                self.world.set_clock(site, if ahead { YEAR } else { -YEAR });
                self.after(span, Act::Clock(site, before));
            }
            FaultKind::Gone(site) => {
                self.world.switch_off(site);
                self.gone[site] = true;
            }
            FaultKind::SlowTables(site, takes, span) => {
                self.world.set_tables(site, Tables::After(takes));
                self.after(span, Act::Tables(site));
            }
            FaultKind::NoTables(site, span) => {
                self.world.set_tables(site, Tables::Unreadable);
                self.after(span, Act::Tables(site));
            }
            FaultKind::Expire(left) => {
                let next = expiring(&self.cast.charter, (now + left).day());
                self.follow(next, 0);
            }
            FaultKind::Amend(tightens) => {
                let next = next_charter(&self.cast.charter, tightens);
                self.follow(next, 0);
            }
            FaultKind::Rivals(span) => {
                let [right, wrong] = [true, false].map(|tightens| next_charter(&self.cast.charter, tightens));
                self.follow(wrong.clone(), 1);
                self.follow(right.clone(), 0);
                self.after(span, Act::Condemn(right, wrong.hash()));
            }
            FaultKind::Rekey(site) => self.rekey(site),
            FaultKind::Seats(spared) => self.cheats.borrow_mut().wanted = Some(spared),
            kind @ (FaultKind::Act(..) | FaultKind::Decide(..) | FaultKind::Narrow(..)) => {
                self.person(kind, ASK_TRIES);
            }
            FaultKind::Rogue(site, rogue) => self.rogue(site, rogue),
            FaultKind::Cheat(site, cheat) => self.cheat(site, cheat),
            FaultKind::Restore(..) => {}
        }
    }

    /// A version is signed, and a member's people put it in force.
    fn follow(&mut self, next: Arc<Charter>, site: usize) {
        self.cast.charter = next.clone();
        self.world.sign_charter(next.clone());
        self.world.give_charters(site, [next]);
    }

    pub(super) fn condemn(&mut self, right: &Charter, wrong: Digest) {
        self.follow(condemning(right, wrong), 0);
    }

    fn rekey(&mut self, site: usize) {
        if self.puppets.contains_key(&site) || self.gone[site] {
            return;
        }
        self.world.give_identity(site, self.seed.bytes(&format!("identity/next/{site}")));
        let founder = self.world.founder(site);
        let Some(keys) = founder.later_keys().pop() else { return };
        let next = with_keys(&self.cast.charter, &founder.id, keys.public());
        self.follow(next, 0);
    }

    fn rot_journal(&mut self, site: usize, nth: usize) {
        if self.puppets.contains_key(&site) || self.gone[site] {
            return;
        }
        self.world.switch_off(site);
        self.disks[site].rot_journal(nth);
        self.keep_off(site, self.world.now() + REPAIR);
    }

    /// A person does something, once the machine runs.
    pub(super) fn person(&mut self, kind: FaultKind, tries: u32) {
        let Some(site) = kind.member().filter(|site| !self.puppets.contains_key(site) && !self.gone[*site])
        else {
            return;
        };
        let Some(member) = self.world.member(site).filter(|_| runs(&self.world, site)) else {
            if tries > 0 && !self.healed {
                self.after(ASK_AGAIN, Act::Person(kind, tries - 1));
            }
            return;
        };
        if let FaultKind::Narrow(_, narrowing) = kind {
            let name = format!("narrow/{}", narrowing.name());
            *self.observer.borrow_mut().counts.entry(name).or_default() += 1;
        }
        self.commands += 1;
        let input = if let FaultKind::Act(_, deed) = kind {
            people::deed(member, deed, self.world.now(), self.commands)
        } else if let FaultKind::Decide(_, yes) = kind {
            people::decide(member, yes, self.commands)
        } else if let FaultKind::Narrow(_, narrowing) = kind {
            if narrowing == Narrowing::Data {
                self.world.take_back(site, DATASET);
            }
            Some(Input::Narrow(people::narrower(narrowing, self.world.now())))
        } else {
            None
        };
        if let Some(input) = input {
            self.world.input(site, input);
        }
    }

    fn trouble(&mut self, number: u64, trouble: Trouble, span: Span) {
        self.world.wires().begin(number, trouble);
        self.after(span, Act::End(number));
    }

    fn keep_off(&mut self, site: usize, until: Time) {
        self.down[site] = self.down[site].max(until);
        self.settle(site);
        self.at(until, Act::Back(site));
    }

    pub(super) fn put_back(&mut self, site: usize, number: u64, with_secrets: bool) {
        let Some(disk) = self.backups.remove(&number).filter(|_| !self.healed) else { return };
        if self.puppets.contains_key(&site) || self.gone[site] {
            return;
        }
        let kind = if with_secrets { "restore_snapshot" } else { "restore_backup" };
        *self.observer.borrow_mut().counts.entry(format!("fault/{kind}")).or_default() += 1;
        self.world.switch_off(site);
        self.disks[site].put_back(if with_secrets { disk } else { disk.without_secrets() });
        self.keep_off(site, self.world.now() + REPAIR);
    }

    /// What a member does from now on binds nobody, though its program goes on.
    fn cheat(&mut self, site: usize, cheat: Cheat) {
        let mut seen = self.observer.borrow_mut();
        seen.book.rogue.insert(site);
        seen.book.cheats.insert(site);
        self.cheats.borrow_mut().at_work.insert((site, cheat));
        if cheat == Cheat::NoNoise {
            // Whoever cheats at work is counted then.
            count(&mut seen, cheat);
            self.world.silence_noise(site);
        }
    }

    fn rogue(&mut self, site: usize, rogue: Rogue) {
        if !self.puppets.contains_key(&site) {
            let rng = self.seed.derive("byzantine").stream(&site.to_string());
            let mut seen = self.observer.borrow_mut();
            seen.book.rogue.insert(site);
            seen.book.cheats.remove(&site);
            drop(seen);
            if let Some(puppet) = Puppet::new(&mut self.world, site, rng) {
                self.puppets.insert(site, puppet);
            } else {
                self.world.switch_off(site);
                self.gone[site] = true;
            }
        }
        *self.observer.borrow_mut().counts.entry(format!("rogue/{}", rogue.name())).or_default() += 1;
        let sent: Vec<Vec<u8>> = self
            .observer
            .borrow()
            .frames
            .get(&site)
            .map(|kept| kept.iter().cloned().collect())
            .unwrap_or_default();
        let Some(puppet) = self.puppets.get_mut(&site) else { return };
        for told in puppet.act(&mut self.world, rogue, &self.cast, &sent, &mut self.shown) {
            self.observer.borrow_mut().forged(site, &told);
        }
    }
}
