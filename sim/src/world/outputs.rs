//! What members put out: to the disk first, then to whoever does it.

use std::num::NonZeroU32;
use std::sync::Arc;

use datacoop_policy::{QueryId, Span};
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::Member;
use datacoop_protocol::member::port::{Event, Input, Noise, Output, Tally};
use datacoop_protocol::sampler::discrete_gaussian;
use datacoop_protocol::wire::piece;
use zeroize::Zeroizing;

use super::{Seen, Tables, Way, World};
use crate::disk::is_for_disk;

impl World {
    pub(super) fn drain(&mut self, site: usize) {
        while let Some(output) = self.next_output(site) {
            if self.sites[site].crash_at == Some(self.sites[site].executed) {
                self.crash(site);
                return;
            }
            self.sites[site].executed += 1;
            let now = self.clock(site);
            if let Some(watcher) = &mut self.watcher
                && is_for_disk(&output)
            {
                watcher(self.now, site, Seen::Output(&output));
            }
            match self.sites[site].disk.take(now, output) {
                Ok(Some(output)) => {
                    self.see(site, Seen::Output(&output));
                    self.execute(site, output);
                }
                Ok(None) => {}
                Err(_) => return self.crash(site),
            }
        }
        let now = self.clock(site);
        if self.sites[site].member.is_some() && self.sites[site].disk.settle(now).is_err() {
            self.crash(site);
        }
        let due = self.sites[site].member.as_ref().and_then(|member| member.poll_timeout());
        self.sites[site].due = due.map(|(at, _)| at);
        self.note_due(site);
    }

    fn next_output(&mut self, site: usize) -> Option<Output> {
        let Some(twist) = &mut self.twist else {
            return self.sites[site].member.as_mut().and_then(Member::poll_output);
        };
        if self.sites[site].twisted.is_empty() {
            let member = self.sites[site].member.as_mut()?;
            let all: Vec<Output> = std::iter::from_fn(|| member.poll_output()).collect();
            self.sites[site].twisted = twist(site, all).into();
        }
        self.sites[site].twisted.pop_front()
    }

    fn execute(&mut self, site: usize, output: Output) {
        let from = self.sites[site].founder.id.clone();
        match output {
            Output::LoadBlob(hash) => {
                let bytes = self.sites[site].disk.blob(&hash);
                self.later(site, Input::Loaded(hash, bytes));
            }
            Output::Dial(to, _) => self.dial(site, &to),
            Output::Hangup(to) => self.hang_up(site, &to),
            Output::Request { to, exchange, bytes } => {
                let Some(bytes) = self.leaves(site, Way::Request, bytes) else { return };
                if self.keeps {
                    self.frames.push(bytes.clone());
                }
                self.carry(site, &to, Input::Request { from, exchange, bytes });
            }
            Output::Reply { to, exchange, bytes } => {
                let Some(bytes) = self.leaves(site, Way::Reply, bytes) else { return };
                if self.keeps {
                    self.frames.push(bytes.clone());
                }
                self.carry(site, &to, Input::Reply { from, exchange, bytes });
            }
            Output::ReplyPiece { to, exchange, hash, offset } => {
                let own = &self.sites[site];
                let held =
                    own.charters.iter().map(|charter| charter.hash()).chain(own.rivals.iter().copied());
                let note = held.map(|held| held.0).find(|held| sha256(&[held]) == hash);
                let note = note.map(|held| Arc::from(held.as_slice()));
                let blob: Option<Arc<[u8]>> = note.or_else(|| self.sites[site].disk.blob(&hash));
                let piece = piece(blob.as_deref(), offset);
                let Some(bytes) = self.leaves(site, Way::Reply, piece) else { return };
                self.carry(site, &to, Input::Reply { from, exchange, bytes });
            }
            Output::Tabulate(id, question) => {
                let (tally, takes) = match self.sites[site].tables {
                    Tables::After(takes) => (Some((self.tabulate)(&from, &question)), takes),
                    Tables::Unreadable => (None, Span(0)),
                };
                let wait = Span(takes.0 + self.delay().0);
                self.later_by(
                    site,
                    wait,
                    Input::Tabulated(id, tally.map(|tally| Tally(Zeroizing::new(tally)))),
                );
            }
            Output::Draw { query, noise_std, cells } => {
                let noise = self.draw(site, query, noise_std, cells);
                self.later(site, Input::Drawn(query, Some(Noise(Zeroizing::new(noise)))));
            }
            Output::Compute(work) => {
                let computed = match &self.run_work {
                    Some(run) => run(site, work),
                    None => work.run(),
                };
                self.later(site, Input::Computed(computed));
            }
            Output::Tell(event) => {
                let note = if let Event::Version { note, .. } = &event { Some(note.clone()) } else { None };
                let rekeyed = matches!(event, Event::Rekeyed);
                if self.keeps {
                    self.events.push((from, event));
                }
                if rekeyed {
                    self.crash(site);
                }
                if let Some(note) = note {
                    self.take_version(site, &note);
                }
            }
            Output::Store(_)
            | Output::Keep(_)
            | Output::Sign { .. }
            | Output::StoreBlob { .. }
            | Output::RemoveShares(_)
            | Output::KeepSecret(..)
            | Output::EraseSecret(_)
            | Output::KeepOpening(..)
            | Output::EraseOpening(_) => unreachable!("INVARIANT: a store keeps what is the disk's"),
        }
    }

    /// What leaves a member that was to send this frame.
    fn leaves(&mut self, site: usize, way: Way, bytes: Vec<u8>) -> Option<Vec<u8>> {
        match &mut self.tamper {
            Some(tamper) => tamper(site, way, bytes),
            None => Some(bytes),
        }
    }

    fn draw(&self, site: usize, query: QueryId, noise_std: NonZeroU32, cells: usize) -> Vec<i64> {
        if self.noiseless.contains(&site) {
            return vec![0; cells];
        }
        if let Some(draw) = &self.draw_noise {
            return draw(site, noise_std, cells);
        }
        // Fresh in each life: a retry after a crash draws anew.
        let label = format!("noise/{site}/{}/{query}", self.sites[site].starts);
        let mut rng = self.seed.stream(&label);
        (0..cells).map(|_| discrete_gaussian(&mut rng, noise_std)).collect()
    }
}
