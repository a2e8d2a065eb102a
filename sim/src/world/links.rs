//! Connections, and what is carried over them or lost. Must not know what a frame says.

use datacoop_policy::{MemberId, Span};
use datacoop_protocol::member::port::Input;

use super::{Happening, Power, Sent, World};
use crate::wires::{HANDSHAKE, REQUEST_WAIT, SILENCE};

impl World {
    /// Cuts the way from one to the other, or opens it again: what connection they have is lost once it is missed.
    pub fn cut(&mut self, from: usize, to: usize, is_cut: bool) {
        self.wires.cut(from, to, is_cut);
        if is_cut && self.sites[from].links.remove(&to) {
            self.sites[to].links.remove(&from);
            self.lose_link(from, to, SILENCE);
            self.lose_link(to, from, SILENCE);
        }
    }

    /// An input comes to a member that may be asleep: what its own machine has for it waits, what others sent is
    /// lost with the connection.
    pub(super) fn arrive(&mut self, site: usize, input: Input) {
        // A connection that was lost before its own side heard of it never was.
        if let Input::Connected(peer) = &input
            && self.number.get(peer).is_some_and(|peer| !self.sites[site].links.contains(peer))
        {
            return;
        }
        if self.sites[site].power == Power::On {
            return self.feed(site, input);
        }
        match &input {
            Input::Request { .. }
            | Input::Reply { .. }
            | Input::NoReply { .. }
            | Input::Connected(_)
            | Input::Disconnected(_)
            | Input::DialFailed(_)
            | Input::Wake => {}
            Input::Tabulated(..)
            | Input::Drawn(..)
            | Input::Computed(_)
            | Input::Loaded(..)
            | Input::Ask { .. }
            | Input::Act { .. }
            | Input::Decide { .. }
            | Input::Narrow(_) => self.sites[site].deferred.push(input),
        }
    }

    pub(super) fn dial(&mut self, site: usize, to: &MemberId) {
        let Some(other) = self.number.get(to).copied() else { return };
        let is_cut = self.wires.is_cut(site, other) || self.wires.is_cut(other, site);
        let runs = self.sites[other].member.is_some();
        if !runs || is_cut || self.sites[other].power != Power::On {
            // A machine that is there says no at once; of one that is not nothing is heard.
            let silent = self.wires.is_rough() && (is_cut || self.sites[other].power != Power::On);
            let wait = if silent { HANDSHAKE } else { self.delay() };
            return self.later_by(site, wait, Input::DialFailed(to.clone()));
        }
        let from = self.sites[site].founder.id.clone();
        self.sites[site].links.insert(other);
        self.sites[other].links.insert(site);
        for (at, peer, id) in [(site, other, to), (other, site, &from)] {
            let wait = self.delay();
            if self.sites[at].stale.remove(&peer) {
                self.later_by(at, wait, Input::Disconnected(id.clone()));
            }
            self.later_by(at, wait, Input::Connected(id.clone()));
        }
    }

    pub(super) fn hang_up(&mut self, site: usize, to: &MemberId) {
        let Some(other) = self.number.get(to).copied() else { return };
        let from = self.sites[site].founder.id.clone();
        if self.sites[site].links.remove(&other) {
            self.sites[other].links.remove(&site);
            self.later(site, Input::Disconnected(to.clone()));
            self.later(other, Input::Disconnected(from));
        }
    }

    pub(super) fn carry(&mut self, site: usize, to: &MemberId, input: Input) {
        let (Input::Request { bytes, from, .. } | Input::Reply { bytes, from, .. }) = &input else { return };
        let length = bytes.len();
        if self.keeps {
            self.sent.push(Sent { at: self.now, from: from.clone(), to: to.clone(), bytes: length });
        }
        let Some(other) = self.number.get(to).copied() else { return };
        if !self.sites[site].links.contains(&other) {
            return;
        }
        let copies = self.wires.fate(self.count, site, other, length);
        let Some((last, before)) = copies.split_last() else { return self.lost(site, other, &input) };
        for wait in before {
            let copy = if let Input::Request { from, exchange, bytes } = &input {
                Input::Request { from: from.clone(), exchange: *exchange, bytes: bytes.clone() }
            } else if let Input::Reply { from, exchange, bytes } = &input {
                Input::Reply { from: from.clone(), exchange: *exchange, bytes: bytes.clone() }
            } else {
                return;
            };
            self.later_by(other, *wait, copy);
        }
        self.later_by(other, *last, input);
    }

    /// A message is lost: who asked waits for the reply in vain.
    fn lost(&mut self, site: usize, other: usize, input: &Input) {
        let (asker, answerer, exchange) = if let Input::Request { exchange, .. } = input {
            (site, other, *exchange)
        } else if let Input::Reply { exchange, .. } = input {
            (other, site, *exchange)
        } else {
            return;
        };
        let from = self.sites[answerer].founder.id.clone();
        self.later_by(asker, REQUEST_WAIT, Input::NoReply { from, exchange });
    }

    /// The connections of a member are gone, which each other side notices after so long.
    pub(super) fn lose_links(&mut self, site: usize, noticed: Span) {
        for other in std::mem::take(&mut self.sites[site].links) {
            self.sites[other].links.remove(&site);
            self.sites[site].stale.insert(other);
            self.lose_link(other, site, noticed);
        }
    }

    fn lose_link(&mut self, site: usize, peer: usize, noticed: Span) {
        self.sites[site].stale.insert(peer);
        let life = self.sites[site].starts;
        self.schedule(noticed, Happening::Silence(site, life, peer));
    }
}
