//! A node whose folder is an old copy, or lost but for its keys: it hears from others how far its own log is
//! before it writes, takes its own entries back, and signs no second history. Source: LOG section 4.

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use common::{LOSS, PERIOD, Story};
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, Span, Time};
use datacoop_protocol::entry::Body;
use datacoop_protocol::member::port::{Event, Input, Output};
use datacoop_protocol::rounds::{Ending, Kind};
use datacoop_protocol::wire::Record;
use datacoop_sim::world::{Disk, Kept, Store, World};

/// Who is restored.
const SITE: usize = 3;

/// A disk that is put back, at its second start, to where it was when it held so many own entries, the
/// newest signed head with it: as a machine's snapshot is.
struct Snapshot {
    disk: Disk,
    own: usize,
    starts: usize,
    records: usize,
    entries: usize,
    signed: Option<(u64, String)>,
    saved: Option<(usize, Option<(u64, String)>)>,
    /// Whether what was signed last does not come back with it.
    unsigned: bool,
    /// Rounds that its owner left alone.
    left: Arc<Mutex<Vec<[u8; 32]>>>,
}

impl Snapshot {
    fn at(own: usize) -> Self {
        let saved = (own == 0).then_some((0, None));
        Self {
            disk: Disk::default(),
            own,
            starts: 0,
            records: 0,
            entries: 0,
            signed: None,
            saved,
            unsigned: false,
            left: Arc::default(),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "it looks at a few outputs of many")]
impl Store for Snapshot {
    fn open(&mut self) -> Result<Kept, String> {
        self.starts += 1;
        if let Some((records, signed)) = self.saved.clone().filter(|_| self.starts == 2) {
            let all = self.disk.open()?.records;
            let mut old = Disk::default();
            let signed = signed.filter(|_| !self.unsigned);
            let stored = all.into_iter().take(records).map(Output::Store);
            for output in stored.chain(signed.map(|(size, note)| Output::Sign { size, note })) {
                old.take(Time(0), output)?;
            }
            self.disk = old;
        }
        self.disk.open()
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        self.disk.started(named)
    }

    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        match &output {
            Output::Store(Record::Entry(_)) => {
                (self.records, self.entries) = (self.records + 1, self.entries + 1)
            }
            Output::Store(record) => {
                self.records += 1;
                if let Record::Left(rounds) = record {
                    self.left.lock().map_err(|error| error.to_string())?.extend(rounds);
                }
            }
            Output::Keep(_) => self.records += 1,
            Output::Sign { size, note } => self.signed = Some((*size, note.clone())),
            _ => {}
        }
        if self.saved.is_none() && self.entries == self.own && matches!(output, Output::Sign { .. }) {
            self.saved = Some((self.records, self.signed.clone()));
        }
        self.disk.take(now, output)
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        self.disk.settle(now)
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.disk.blob(hash)
    }
}

fn restored(own: usize, seed: u8) -> Story {
    restored_from(Snapshot::at(own), seed)
}

fn restored_from(snapshot: Snapshot, seed: u8) -> Story {
    let mut story = Story::watched(7, seed);
    story.world.asks_first = true;
    story.world.away = Span(10_000);
    story.world.set_store(SITE, Box::new(snapshot));
    story.meet();
    let id = story.ask(5, story.query(Mode::Secure, LOSS, 5, PERIOD)).expect("it is asked");
    assert!(story.finish(id, 7));
    story.world.run_until(story.world.now() + Span(70_000));
    assert!(story.wrote(id, SITE, Kind::Contribution));
    story
}

fn restart(story: &mut Story) {
    story.world.crash_before(SITE, story.world.executed(SITE) + 1);
    story.world.run_until(story.world.now() + Span(200_000));
}

/// The log goes on where it was, byte for byte, whatever the folder held; and the Ledger with it.
#[test]
fn an_old_copy_takes_its_own_entries_back_and_goes_on() {
    for own in [0, 2, 3, 4] {
        let mut story = restored(own, 60);
        let id = story.founder(SITE).id;
        let whole = story.world.member(0).unwrap().fold().log(&id).unwrap().entries().to_vec();
        assert!(whole.len() > own);
        restart(&mut story);
        let member = story.world.member(SITE).unwrap();
        assert_eq!(
            member.fold().log(&id).unwrap().entries()[..whole.len()],
            whole,
            "{own} entries were left"
        );
        assert_eq!(story.spent(SITE), LOSS);
        let next = story.ask(5, story.query(Mode::Secure, LOSS, 7, "2025-09-01..2025-11-30")).unwrap();
        assert!(story.finish(next, 7));
        assert!(story.released(next), "all seven took part");
        assert_eq!(story.spent(SITE), 2 * LOSS);
        let bad =
            story.world.events.iter().filter(|(_, event)| {
                matches!(event, Event::SplitView(_) | Event::Halted(_) | Event::Fault(..))
            });
        assert_eq!(bad.count(), 0);
        story.audits_clean(0);
    }
}

/// Without the folder `signed` nothing guards the journal: no meeting point may be away then.
#[test]
fn a_copy_without_its_newest_signed_head_asks_more_of_the_others() {
    for unsigned in [false, true] {
        let mut story = restored_from(Snapshot { unsigned, ..Snapshot::at(4) }, 64);
        story.world.away = Span(900_000);
        story.world.crash_before(1, story.world.executed(1) + 1);
        story.world.run_until(story.world.now() + Span(70_000));
        assert!(story.world.member(1).is_none(), "a meeting point is away");
        story.world.away = Span(10_000);
        restart(&mut story);
        let starting = |story: &Story| story.world.member(SITE).unwrap().starting().is_some();
        assert_eq!(starting(&story), unsigned);
        story.world.run_until(story.world.now() + Span(900_000));
        assert!(!starting(&story));
        story.audits_clean(0);
    }
}

/// A newcomer holds nothing of our log: that it knows no more says nothing.
#[test]
fn an_old_copy_does_not_go_on_at_a_newcomers_word() {
    let mut story = Story::watched(7, 65);
    story.world.asks_first = true;
    story.world.set_store(0, Box::new(Snapshot::at(3)));
    // It comes later, and has never been here.
    story.world.away = Span(800_000);
    story.world.crash_before(6, 0);
    story.meet();
    let id = story.ask(5, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    assert!(story.finish(id, 6));
    story.world.run_until(story.world.now() + Span(70_000));
    let me = story.founder(0).id;
    let log = |story: &Story, at: usize| {
        story.world.member(at).unwrap().fold().log(&me).unwrap().entries().to_vec()
    };
    let whole = log(&story, 1);
    assert!(whole.len() > 3 && story.world.member(6).is_none());
    for (site, away) in [(1, 900_000), (2, 900_000), (3, 900_000), (4, 900_000), (5, 900_000), (0, 1_000)] {
        story.world.away = Span(away);
        story.world.crash_before(site, story.world.executed(site) + 1);
        story.world.run_until(story.world.now() + Span(65_000));
    }
    while story.world.member(6).is_none() {
        story.world.run_until(story.world.now() + Span(10_000));
    }
    story.world.run_until(story.world.now() + Span(130_000));
    assert!(story.world.member(0).unwrap().connected().any(|peer| *peer == story.founder(6).id));
    assert!(story.world.member(0).unwrap().starting().is_some(), "it went on from an old copy");
    story.world.run_until(story.world.now() + Span(1_200_000));
    assert!(story.world.member(0).unwrap().starting().is_none());
    assert_eq!(log(&story, 0)[..whole.len()], whole);
    let bad = story
        .world
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::SplitView(_) | Event::Halted(_)));
    assert_eq!(bad.count(), 0);
    story.audits_clean(0);
}

/// While nobody answers nothing is written: an old copy alone cannot know that it is one.
#[test]
fn without_others_nothing_is_written() {
    let mut story = Story::watched(7, 61);
    story.world.asks_first = true;
    story.world.away = Span(100_000_000);
    let site = SITE;
    for other in (0..7).filter(|other| *other != site) {
        story.world.crash_before(other, 0);
    }
    story.meet();
    story.world.run_until(story.world.now() + Span(600_000));
    let member = story.world.member(site).unwrap();
    assert_eq!(member.fold().log(member.me()).unwrap().size(), 0);
    assert_eq!(story.ask(site, story.query(Mode::Secure, LOSS, 5, PERIOD)), None);
    let denied = |(_, event): &(_, Event)| matches!(event, Event::Denied { rule: "starting", .. });
    assert!(story.world.events.iter().any(denied));
}

/// Restored between its debit and the end of a round: what was contributed stays spent, and it says nothing
/// more in that round, for it may have said it already.
#[test]
fn a_round_that_an_old_copy_was_in_is_left_alone() {
    let mut story = Story::watched(7, 62);
    story.world.asks_first = true;
    story.world.away = Span(1_000);
    story.world.set_store(SITE, Box::new(Snapshot::at(3)));
    story.meet();
    let id = story.ask(5, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
    let until = story.world.now() + Span(60_000);
    let site = story.founder(SITE).id;
    let going = |world: &datacoop_sim::world::World| {
        let round = world.member(0).and_then(|member| member.fold().round(&id).cloned());
        round.is_none_or(|round| round.said(Kind::Contribution, &site).is_none())
    };
    assert!(story.world.run_while(until, going));
    let size = |story: &Story| story.world.member(0).unwrap().fold().log(&site).unwrap().size();
    let before = size(&story);
    restart(&mut story);
    assert_eq!(size(&story), before, "nothing more was said");
    assert_eq!(story.spent(SITE), LOSS);
    story.audits_clean(0);
}

/// An abort that says it came after the last deadline has not ended a round yet: it is left alone like any other.
#[test]
fn a_round_with_an_abort_dated_ahead_is_left_alone_too() {
    for ahead in [false, true] {
        let mut story = Story::watched(7, 62);
        story.world.asks_first = true;
        let snapshot = Snapshot::at(3);
        let left = snapshot.left.clone();
        story.world.set_store(SITE, Box::new(snapshot));
        story.meet();
        let query = story.query(Mode::Secure, LOSS, 5, PERIOD);
        let close_by = query.close_by;
        story.world.input(5, Input::Ask { command: 99, query: Box::new(query) });
        let until = story.world.now() + Span(60_000);
        let wants = |site: usize, kind| {
            let by = story.founder(site).id;
            move |world: &World| {
                let rounds = world.member(0).map(|member| member.fold().rounds().values());
                !rounds.into_iter().flatten().any(|round| round.said(kind, &by).is_some())
            }
        };
        let (accepts, contributes) = (wants(6, Kind::Verdict), wants(SITE, Kind::Contribution));
        // One that accepts and does not debit: the others wait for it.
        assert!(story.world.run_while(until, accepts));
        story.world.away = Span(1_000_000);
        story.world.crash_before(6, story.world.executed(6));
        assert!(story.world.run_while(until, contributes));
        let rounds = story.world.member(0).unwrap().fold().rounds();
        let id = *rounds.keys().next().unwrap();
        // The asker is gone, and its keys are not.
        story.world.crash_before(5, story.world.executed(5));
        story.world.run_until(story.world.now() + Span(10));
        if ahead {
            story.forge_at(close_by + Span(9_000), 5, 0, Body::Abort { query: id, code: "close".into() });
        }
        story.world.away = Span(1_000);
        fall(&mut story);
        story.world.run_until(story.world.now() + Span(10_000));
        assert!(story.world.now() < close_by);
        assert_eq!(*left.lock().unwrap(), [id.0], "{ahead}");
    }
}

/// Cuts the power at the next output, which a question brings about. It starts again a second later.
fn fall(story: &mut Story) {
    story.world.crash_before(SITE, story.world.executed(SITE));
    let another = story.query(Mode::Secure, LOSS, 5, "2025-09-01..2025-11-30");
    assert_eq!(story.ask(SITE, another), None);
}

/// What is left alone stays so over later starts, and over one amid the taking back. An asker that is still
/// to write the Roster shows it: it needs no secret for that, so nothing but its own restraint keeps it.
#[test]
fn a_round_that_was_left_alone_stays_so_over_later_starts() {
    for amid in [None, Some(10), Some(11), Some(12), Some(13)] {
        let mut story = Story::watched(7, 63);
        story.world.asks_first = true;
        story.world.set_store(SITE, Box::new(Snapshot::at(2)));
        story.meet();
        // One that does not answer: the Roster waits for `join_by`.
        story.world.away = Span(100_000_000);
        story.world.crash_before(6, story.world.executed(6) + 1);
        story.world.run_until(story.world.now() + Span(61_000));
        assert!(story.world.member(6).is_none());
        story.world.away = Span(1_000);
        let id = story.ask(SITE, story.query(Mode::Secure, LOSS, 5, PERIOD)).unwrap();
        let site = story.founder(SITE).id;
        let said = |world: &World, kind| {
            let round = world.member(0).and_then(|member| member.fold().round(&id).cloned());
            round.is_some_and(|round| round.said(kind, &site).is_some())
        };
        assert!(said(&story.world, Kind::Verdict) && !said(&story.world, Kind::Roster));
        let size = |story: &Story| story.world.member(0).unwrap().fold().log(&site).unwrap().size();
        let before = size(&story);
        fall(&mut story);
        if let Some(outputs) = amid {
            story.world.crash_before(SITE, story.world.executed(SITE) + outputs);
        }
        for _ in 0..2 {
            story.world.run_until(story.world.now() + Span(5_000));
            assert!(story.world.member(SITE).is_some_and(|member| member.starting().is_none()), "{amid:?}");
            fall(&mut story);
        }
        story.world.run_until(story.world.now() + Span(200_000));
        assert!(story.world.member(SITE).is_some_and(|member| member.starting().is_none()), "{amid:?}");
        assert_eq!(size(&story), before, "something was said, {amid:?}");
        story.audits_clean(0);
    }
}

/// But a round of full noise has no seats: nobody but its asker ends it, and would leave the others waiting for ever.
#[test]
fn of_full_noise_the_asker_ends_what_it_left_alone_once_its_time_is_over() {
    let mut story = Story::watched(7, 64);
    story.world.asks_first = true;
    story.world.set_store(SITE, Box::new(Snapshot::at(2)));
    story.meet();
    let query = story.query(Mode::FullNoise, LOSS, 5, PERIOD);
    let close_by = query.close_by;
    story.world.input(SITE, Input::Ask { command: 99, query: Box::new(query) });
    let [site, last] = [SITE, 6].map(|site| story.founder(site).id);
    let round = |world: &World| world.member(0)?.fold().rounds().values().next().cloned();
    let wants = |kind, by: &datacoop_policy::MemberId| {
        let by = by.clone();
        move |world: &World| round(world).is_none_or(|round| round.said(kind, &by).is_none())
    };
    let until = story.world.now() + Span(60_000);
    // One that accepts and does not debit: the others wait for it.
    assert!(story.world.run_while(until, wants(Kind::Verdict, &last)));
    story.world.away = Span(1_000_000);
    story.world.crash_before(6, story.world.executed(6));
    assert!(story.world.run_while(until, wants(Kind::Contribution, &site)));
    story.world.away = Span(1_000);
    fall(&mut story);
    story.world.run_until(close_by);
    let left = round(&story.world).unwrap();
    assert!(left.roster().is_some() && left.said(Kind::Freeze, &site).is_none());
    assert!(left.said(Kind::Abort, &site).is_none(), "it spoke while something may still have come of it");
    story.world.run_until(close_by + Span(200_000));
    let ended = round(&story.world).unwrap();
    assert!(matches!(ended.ending(), Some(Ending::Aborted(code)) if code == "close"), "{:?}", ended.ending());
    assert_eq!(story.spent(SITE), LOSS, "what it contributed stays spent");
    story.audits_clean(0);
}
