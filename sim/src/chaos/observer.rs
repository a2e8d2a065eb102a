//! Who sees everything: writes the trace, keeps the book, asks the laws.

use std::collections::{BTreeMap, VecDeque};

use datacoop_policy::Time;
use datacoop_policy::refusal::Rule;
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::log::tree::leaf_hash;
use datacoop_protocol::member::port::{Event, Input, Output};
use datacoop_protocol::member::work::{Computed, Work};
use datacoop_protocol::wire::Record;

use super::Broken;
use crate::coverage::{REPLIES, REQUESTS};
use crate::laws::{self, Book, Fact, Law, Told};
use crate::trace::Trace;
use crate::world::Seen;

/// Frames of each member that are kept, to be sent again by who has its keys.
const FRAMES_KEPT: usize = 4;
pub(super) struct Observer {
    pub(super) trace: Trace,
    pub(super) book: Book,
    pub(super) laws: Vec<Box<dyn Law>>,
    pub(super) broken: Option<Broken>,
    pub(super) counts: BTreeMap<String, u64>,
    /// As `counts`, of names that are known beforehand.
    kinds: BTreeMap<&'static str, u64>,
    /// The last lines when a law was broken.
    pub(super) last: Option<Vec<String>>,
    pub(super) before_release: Option<Vec<String>>,
    pub(super) frames: BTreeMap<usize, VecDeque<Vec<u8>>>,
    /// Requests under way by peer: a lost connection ends all of one.
    asked: BTreeMap<(usize, usize), usize>,
    last_window: Time,
}

impl Observer {
    pub(super) fn new(members: usize, beyond: bool) -> Self {
        Self {
            trace: Trace::default(),
            book: Book::new(members),
            laws: laws::all(beyond),
            broken: None,
            counts: BTreeMap::new(),
            kinds: BTreeMap::new(),
            last: None,
            before_release: None,
            frames: BTreeMap::new(),
            asked: BTreeMap::new(),
            last_window: Time(0),
        }
    }

    /// When the last window closes that anybody opened.
    pub(super) fn last_window(&self) -> Time {
        self.last_window
    }

    pub(super) fn counts(&mut self) -> BTreeMap<String, u64> {
        let mut all = std::mem::take(&mut self.counts);
        for (name, count) in std::mem::take(&mut self.kinds) {
            *all.entry(name.to_owned()).or_default() += count;
        }
        all
    }

    pub(super) fn count(&mut self, kind: &'static str) {
        *self.kinds.entry(kind).or_default() += 1;
    }

    fn tally(&mut self, what: &str, code: &str) {
        *self.counts.entry(format!("{what}/{code}")).or_default() += 1;
    }

    fn judge(&mut self, at: Time, site: usize, fact: &Fact<'_>) {
        // A seat in somebody's hand goes on with its program: what it does binds nobody.
        if self.broken.is_some() || !self.book.is_honest(site) {
            return;
        }
        for law in &mut self.laws {
            if let Err(text) = law.see(&self.book, at, site, fact) {
                let law = law.name().to_owned();
                self.broken = Some(Broken { law, at, member: Some(site), text });
                self.last = Some(self.trace.last());
                return;
            }
        }
    }

    pub(super) fn see(&mut self, at: Time, site: usize, seen: &Seen<'_>) {
        match seen {
            Seen::Start(member) => {
                let own = member.fold().log(member.me()).map_or(0, |log| log.size());
                self.trace.line(at, site, format_args!("starts with {own} entries"));
                self.book.starts(site, own);
                self.judge(at, site, &Fact::Starts(own));
            }
            Seen::Stuck(error) => {
                self.trace.line(at, site, format_args!("cannot start"));
                self.judge(at, site, &Fact::Stuck(&error.0));
            }
            Seen::Input(input, _) => self.see_input(at, site, input),
            Seen::Output(output) => self.see_output(at, site, output),
            Seen::Stop | Seen::Sleep => {
                let what = if matches!(seen, Seen::Stop) { "stops" } else { "sleeps" };
                self.trace.line(at, site, format_args!("{what}"));
                self.book.last_off[site] = Some(Time(u64::MAX - 7_200_000));
                self.asked.retain(|(of, _), _| *of != site);
                self.judge(at, site, &Fact::Answered(usize::MAX));
            }
            Seen::Wake => self.trace.line(at, site, format_args!("wakes")),
        }
        if matches!(seen, Seen::Start(_) | Seen::Wake) {
            self.book.last_off[site] = Some(at);
        }
    }

    fn see_input(&mut self, at: Time, site: usize, input: &Input) {
        let (kind, peer, bytes) = match input {
            Input::Wake => ("input/wake", None, 0),
            Input::Connected(peer) => ("input/connected", Some(peer), 0),
            Input::Disconnected(peer) => ("input/disconnected", Some(peer), 0),
            Input::DialFailed(peer) => ("input/dial_failed", Some(peer), 0),
            Input::Request { from, bytes, .. } => ("input/request", Some(from), bytes.len()),
            Input::Reply { from, bytes, .. } => ("input/reply", Some(from), bytes.len()),
            Input::NoReply { from, .. } => ("input/no_reply", Some(from), 0),
            Input::Tabulated(..) => ("input/tabulated", None, 0),
            Input::Drawn(..) => ("input/drawn", None, 0),
            Input::Computed(Computed::Proved(..)) => ("input/proved", None, 0),
            Input::Computed(Computed::Checked(..)) => ("input/checked", None, 0),
            Input::Computed(Computed::Decided(..)) => ("input/decided", None, 0),
            Input::Loaded(_, bytes) => ("input/loaded", None, bytes.as_ref().map_or(0, |bytes| bytes.len())),
            Input::Ask { .. } => ("input/ask", None, 0),
            Input::Act { .. } => ("input/act", None, 0),
            Input::Decide { .. } => ("input/decide", None, 0),
            Input::Narrow(_) => ("input/narrow", None, 0),
        };
        self.count(kind);
        let name = peer.map_or("", |peer| peer.as_str());
        self.trace.line(at, site, format_args!("{kind} {name} {bytes}"));
        match input {
            Input::Tabulated(id, Some(tally)) => {
                self.book.tallied(site, *id, &tally.0);
                self.judge(at, site, &Fact::Tallied(*id, &tally.0));
            }
            Input::Drawn(id, Some(noise)) => self.book.drew(site, *id, &noise.0),
            Input::Loaded(hash, _) => self.judge(at, site, &Fact::Loaded(*hash)),
            Input::Reply { from, .. } | Input::NoReply { from, .. } => {
                let asked = self.asked.entry((site, number(from))).or_default();
                let ends = usize::from(*asked > 0);
                *asked -= ends;
                self.judge(at, site, &Fact::Answered(ends));
            }
            Input::Disconnected(peer) => {
                let ends = self.asked.remove(&(site, number(peer))).unwrap_or(0);
                self.judge(at, site, &Fact::Answered(ends));
            }
            Input::Wake
            | Input::Connected(_)
            | Input::DialFailed(_)
            | Input::Request { .. }
            | Input::Tabulated(..)
            | Input::Drawn(..)
            | Input::Computed(_)
            | Input::Ask { .. }
            | Input::Act { .. }
            | Input::Decide { .. }
            | Input::Narrow(_) => {}
        }
    }

    fn see_output(&mut self, at: Time, site: usize, output: &Output) {
        match output {
            Output::Store(record) => self.see_record(at, site, record, true),
            Output::Keep(record) => self.see_record(at, site, record, false),
            Output::Sign { size, note } => {
                self.out(at, site, "output/sign", note.len());
                self.judge(at, site, &Fact::Signed(*size, note));
                self.book.signed[site] = self.book.signed[site].max(*size);
            }
            Output::StoreBlob { bytes, .. } => {
                self.out(at, site, "output/store_blob", bytes.len());
                self.judge(at, site, &Fact::Blob(bytes));
            }
            Output::RemoveShares(_) => self.out(at, site, "output/remove_shares", 0),
            Output::LoadBlob(hash) => {
                self.out(at, site, "output/load_blob", 0);
                self.judge(at, site, &Fact::Loads(*hash));
            }
            Output::KeepSecret(..) => self.out(at, site, "output/keep_secret", 0),
            Output::EraseSecret(_) => self.out(at, site, "output/erase_secret", 0),
            Output::KeepOpening(..) => self.out(at, site, "output/keep_opening", 0),
            Output::EraseOpening(_) => self.out(at, site, "output/erase_opening", 0),
            Output::Dial(to, _) => {
                self.out(at, site, "output/dial", 0);
                self.judge(at, site, &Fact::Dials(number(to)));
            }
            Output::Hangup(_) => self.out(at, site, "output/hangup", 0),
            Output::Request { to, bytes, .. } => {
                let kind = bytes.first().and_then(|kind| REQUESTS.get(usize::from(*kind)));
                self.out(at, site, kind.unwrap_or(&"frame/other"), bytes.len());
                *self.asked.entry((site, number(to))).or_default() += 1;
                let kept = self.frames.entry(site).or_default();
                let mut frame =
                    if kept.len() == FRAMES_KEPT { kept.pop_front() } else { None }.unwrap_or_default();
                frame.clear();
                frame.extend(bytes);
                kept.push_back(frame);
                self.judge(at, site, &Fact::Sends(bytes, number(to), true));
            }
            Output::Reply { to, bytes, .. } => {
                let kind = bytes.first().and_then(|kind| REPLIES.get(usize::from(*kind)));
                self.out(at, site, kind.unwrap_or(&"frame/other"), bytes.len());
                self.judge(at, site, &Fact::Sends(bytes, number(to), false));
            }
            Output::ReplyPiece { .. } => {
                // The frame that the shell makes of it.
                self.count("frame/piece");
                self.out(at, site, "output/reply_piece", 0);
            }
            Output::Tabulate(..) => self.out(at, site, "output/tabulate", 0),
            Output::Draw { query, cells, .. } => {
                self.out(at, site, "output/draw", *cells);
                self.judge(at, site, &Fact::Draws(*query));
            }
            Output::Compute(Work::Prove(_)) => self.out(at, site, "output/prove", 0),
            Output::Compute(Work::Check(_)) => self.out(at, site, "output/check", 0),
            Output::Compute(Work::Decide(_)) => self.out(at, site, "output/decide", 0),
            Output::Tell(event) => self.see_event(at, site, event),
        }
    }

    fn out(&mut self, at: Time, site: usize, kind: &'static str, bytes: usize) {
        self.count(kind);
        self.trace.line(at, site, format_args!("{kind} {bytes}"));
    }

    fn see_record(&mut self, at: Time, site: usize, record: &Record, durable: bool) {
        let kind = if durable { "output/store" } else { "output/keep" };
        match record {
            Record::Entry(bytes) => match Entry::parse(&bytes.0) {
                Ok(entry) => {
                    let told = Told { entry, leaf: leaf_hash(&bytes.0), bytes: bytes.0.clone() };
                    self.count(kind);
                    let decision = self.trace.decision(&told.entry);
                    self.trace.line(at, site, format_args!("writes {} {decision}", told.bytes.len()));
                    self.written(at, site, &told, durable);
                }
                Err(_) => self.out(at, site, "output/unreadable", bytes.0.len()),
            },
            Record::Cosigned(said) => {
                self.out(at, site, kind, said.note.len());
                if durable {
                    self.judge(at, site, &Fact::Cosigned(said));
                }
            }
            Record::Copied(section) => self.out(at, site, kind, section.entries.len()),
            Record::Restored => self.out(at, site, "output/restored", 0),
            Record::Left(rounds) => self.out(at, site, "output/left", rounds.len()),
            Record::Decided { .. } => self.out(at, site, "output/decided", 0),
        }
    }

    fn written(&mut self, at: Time, site: usize, told: &Told, durable: bool) {
        match &told.entry.body {
            Body::Refuse { rule, .. } => self.tally("refusal", rule),
            Body::Alert { code, .. } => self.tally("alert", code),
            Body::Abort { code, .. } => self.tally("abort", code),
            Body::Void { code, .. } => self.tally("void", code),
            Body::Release { .. } | Body::Reveal { .. } if self.before_release.is_none() => {
                self.before_release = self.trace.whole.take();
                // Itself it may differ.
                self.before_release.as_mut().and_then(Vec::pop);
            }
            Body::Genesis { .. }
            | Body::Charter { .. }
            | Body::Query(_)
            | Body::Accept { .. }
            | Body::Roster { .. }
            | Body::Debit { .. }
            | Body::Contribution { .. }
            | Body::Commit { .. }
            | Body::Freeze { .. }
            | Body::Verify { .. }
            | Body::Close { .. }
            | Body::Open { .. }
            | Body::Reveal { .. }
            | Body::Release { .. }
            | Body::Head { .. }
            | Body::Act(_)
            | Body::Split { .. } => {}
        }
        self.tally("entry", told.entry.body.kind());
        if let Body::Query(body) = &told.entry.body {
            self.last_window = self.last_window.max(body.close_by);
        }
        self.book.note(site, told);
        self.judge(at, site, &Fact::Wrote(told, durable));
    }

    /// What somebody who has a member's keys wrote: known, and judged by nobody.
    pub(super) fn forged(&mut self, site: usize, told: &Told) {
        if let Body::Query(body) = &told.entry.body {
            self.last_window = self.last_window.max(body.close_by);
        }
        *self.counts.entry(format!("forged/{}", told.entry.body.kind())).or_default() += 1;
        self.book.note(site, told);
    }

    fn see_event(&mut self, at: Time, site: usize, event: &Event) {
        let (kind, rule): (&'static str, Option<&str>) = match event {
            Event::Asked { .. } => ("event/asked", None),
            Event::Acted { .. } => ("event/acted", None),
            Event::Decided { .. } => ("event/decided", None),
            Event::Waits(_) => ("event/waits", None),
            Event::Answered { .. } => ("event/answered", None),
            Event::Denied { rule, .. } => ("event/denied", Some(rule)),
            Event::Step { kind, .. } => ("event/step", Some(kind)),
            Event::Released(_) => ("event/released", None),
            Event::Aborted(_, code) => ("event/aborted", Some(code)),
            Event::Declined(..) => ("event/declined", None),
            Event::Fault(who, _) => ("event/fault", Some(who.as_str())),
            Event::SplitView(_) => ("event/split_view", None),
            Event::Version { .. } => ("event/version", None),
            Event::Rekeyed => ("event/rekeyed", None),
            Event::Halted(_) => ("event/halted", None),
        };
        if matches!(event, Event::Rekeyed) {
            self.book.rekeyed(site);
        }
        self.count(kind);
        self.trace.line(at, site, format_args!("{kind} {}", rule.unwrap_or("")));
        if let Event::Denied { rule, .. } = event {
            self.tally("denied", rule);
        }
        if let Event::Declined(_, why) = event
            && let Some(rule) = Rule::ALL.iter().find(|rule| why.contains(&format!("(rule {},", rule.code())))
        {
            self.tally("declined", rule.code());
        }
        self.judge(at, site, &Fact::Says(event));
    }

    pub(super) fn judge_end(&mut self, world: &crate::world::World) {
        for law in &mut self.laws {
            if self.broken.is_some() {
                return;
            }
            if let Err(text) = law.end(&self.book, world) {
                let law = law.name().to_owned();
                self.broken = Some(Broken { law, at: world.now(), member: None, text });
            }
        }
    }

    pub(super) fn fail(&mut self, law: &str, at: Time, member: Option<usize>, text: String) {
        if self.broken.is_none() {
            self.broken = Some(Broken { law: law.to_owned(), at, member, text });
        }
    }
}

/// A made-up member's number by its id, counted from 0.
pub(super) fn number(id: &datacoop_policy::MemberId) -> usize {
    id.as_str()
        .rsplit('-')
        .next()
        .and_then(|digits| digits.parse::<usize>().ok())
        .map_or(0, |n| n.saturating_sub(1))
}
