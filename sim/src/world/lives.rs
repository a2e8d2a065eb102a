//! Starts, sleep, crashes, and the charter's versions that members begin anew with. Must not know what is carried.

use std::collections::BTreeSet;
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::{Digest, Span};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::Input;
use datacoop_protocol::member::{Member, Settings, Start};

use super::{Happening, Power, Seen, World, note_name};
use crate::wires::SILENCE;

impl World {
    /// The lid closes: nothing happens to this member, and others notice its silence after a while.
    pub fn sleep(&mut self, site: usize) {
        if self.sites[site].power != Power::On {
            return;
        }
        self.sites[site].power = Power::Asleep;
        self.see(site, Seen::Sleep);
        self.lose_links(site, SILENCE);
        self.note_due(site);
    }

    /// Switches a machine off; the process ends at once, as in a crash.
    pub fn switch_off(&mut self, site: usize) {
        if self.sites[site].power != Power::Off {
            self.end_life(site);
            self.sites[site].power = Power::Off;
        }
    }

    /// Opens the lid, or switches a machine on.
    pub fn wake(&mut self, site: usize) {
        match std::mem::replace(&mut self.sites[site].power, Power::On) {
            Power::On => {}
            Power::Off => self.schedule(Span(0), Happening::Start(site)),
            Power::Asleep => {
                self.see(site, Seen::Wake);
                if self.sites[site].member.is_none() {
                    self.schedule(Span(0), Happening::Start(site));
                    return;
                }
                // The driver drops every connection, and dials anew.
                for peer in std::mem::take(&mut self.sites[site].stale) {
                    let id = self.sites[peer].founder.id.clone();
                    self.feed(site, Input::Disconnected(id));
                }
                for input in std::mem::take(&mut self.sites[site].deferred) {
                    self.feed(site, input);
                }
                self.feed(site, Input::Wake);
            }
        }
    }

    pub(super) fn start(&mut self, number: usize) {
        let site = &mut self.sites[number];
        let Some(charter) = site.charters.last() else { return };
        let declared = charter.fields().datasets.iter().map(|dataset| dataset.id.clone()).collect();
        if site.member.is_some() {
            return;
        }
        site.starts += 1;
        let Ok(kept) = site.disk.open() else {
            let away = self.away;
            self.schedule(away, Happening::Start(number));
            return;
        };
        let entropy = self.seed.derive(&format!("member/{number}/{}", site.starts));
        let rivals = site.rivals.iter().map(|rival| sha256(&[&rival.0]));
        let notes: Vec<Digest> =
            site.charters.iter().map(|charter| note_name(charter)).chain(rivals).collect();
        let start = Start {
            entropy,
            keys: site.founder.keys(),
            later_keys: site.founder.later_keys(),
            carried: site.carried.clone(),
            ended: site.ended.clone(),
            settings: Settings {
                me: site.founder.id.clone(),
                limits: Some(site.limits.clone()),
                inbox: site.inbox.clone(),
                declared,
                answer_grid: self.answer_grid,
                asks_first: self.asks_first,
                pull_every: self.pull_every,
            },
            charters: site.charters.iter().map(|charter| (charter.clone(), note_name(charter))).collect(),
            rivals: site.rivals.iter().map(|rival| (*rival, sha256(&[&rival.0]))).collect(),
            vocabularies: self.vocabularies.clone(),
            records: kept.records,
            last_signed: kept.last_signed,
            secrets: kept.secrets,
            openings: kept.openings,
            held: notes.into_iter().chain(kept.held).collect(),
            checked: self.checked.clone(),
        };
        let now = self.clock(number);
        let member = match Member::restore(now, start) {
            Ok(member) => member,
            Err(error) if self.watcher.is_some() => return self.see(number, Seen::Stuck(&error)),
            Err(error) => panic!("LAW: what a crash leaves is enough to start from: {error}"),
        };
        self.see(number, Seen::Start(&member));
        let named = member.named_blobs();
        self.sites[number].member = Some(member);
        match self.sites[number].disk.started(&named) {
            Ok(()) => self.drain(number),
            Err(_) => self.crash(number),
        }
    }

    pub(super) fn crash(&mut self, site: usize) {
        self.end_life(site);
        let away = self.away;
        self.schedule(away, Happening::Start(site));
    }

    /// The process ends.
    pub(super) fn end_life(&mut self, site: usize) {
        if self.sites[site].member.take().is_some() {
            self.sites[site].disk.crash();
            self.see(site, Seen::Stop);
        }
        let own = &mut self.sites[site];
        (own.crash_at, own.due) = (None, None);
        own.twisted.clear();
        own.deferred.clear();
        own.stale.clear();
        self.note_due(site);
        // Its machine closes the connections, so the others know at once.
        self.lose_links(site, Span(1));
        self.sites[site].stale.clear();
    }

    /// Gives a member the next version of the charter, or one that joins the whole chain, as its people do:
    /// it is stopped, and starts with it.
    pub fn give_charters(&mut self, site: usize, charters: impl IntoIterator<Item = Arc<Charter>>) {
        self.sites[site].charters.extend(charters);
        self.crash(site);
    }

    /// A member fetched a note: if it was validly signed, it is put in force, or its rival is known. This world
    /// does what the node's folder does.
    pub(super) fn take_version(&mut self, number: usize, note: &[u8]) {
        let Some(charter) = self.signed.get(&sha256(&[note])).cloned() else { return };
        let site = &mut self.sites[number];
        let Some(newest) = site.charters.last() else { return };
        let before = |rivals: &BTreeSet<Digest>| charter.fields().prev.filter(|prev| rivals.contains(prev));
        if charter.fields().prev == Some(newest.hash()) {
            site.charters.push(charter);
        } else if let Some(prev) = before(&site.rivals)
            && charter.fields().condemns.contains(&newest.hash())
            && let Some(right) = self.signed.values().find(|signed| signed.hash() == prev)
        {
            site.rivals.remove(&prev);
            site.rivals.insert(newest.hash());
            site.charters.pop();
            site.charters.extend([right.clone(), charter]);
        } else if charter.version() <= newest.version() {
            site.rivals.insert(charter.hash());
        } else {
            // It follows a version that is not here yet: it is fetched again once that one is.
            return;
        }
        self.crash(number);
    }
}
