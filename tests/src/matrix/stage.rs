//! The stories in which the steps happen, each played by members on the node's real storage; and what must
//! hold at the end of each, wherever the power went.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use datacoop_policy::charter::name_witnesses;
use datacoop_policy::inbox::{InboxRules, Way};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Mode;
use datacoop_policy::{MemberId, QueryId, Span, Time};
use datacoop_protocol::acts::{Act, Target as ActTarget};
use datacoop_protocol::audit::audit;
use datacoop_protocol::entry::{Body, Entry, QueryBody};
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{Tree, leaf_hash};
use datacoop_protocol::member::Member;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::{Ending, Kind, Round};
use datacoop_protocol::wire::{Bytes, Request, Section, encode};
use datacoop_sim::world::World;

use super::felled::{Felled, Shared, Target, put_back, watch};
use crate::crash::{Cast, DiskModel, Left, Tell, Told, begin, folder_in_memory};

/// For longer than any story.
const FOR_EVER: Span = Span(1_000_000_000_000);
/// In which what was told has been told, and what is over is put away.
const SOON: Span = Span(5_000);
/// After which a quiet log's head is cosigned.
const QUIET: Span = Span(70_000);

/// A story.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Plot {
    /// Five members answer a question.
    Secure,
    /// Five that watch each other have begun their logs.
    Watched,
    /// Six answer one in full noise; the first refuses.
    FullNoise,
    /// An hour in which nothing happens.
    Idle,
    /// The answers would come after the time to contribute: every debit returns.
    Voided,
    /// One of the three seats of seven members closes and never opens: the round is over, and that seat may
    /// show what it was sent.
    Unopened,
    /// A member's folder is an old copy from before a round that is under way.
    Restored,
    /// A member that is gone signed two histories.
    TwoHistories,
    /// Five answer a question: two once their persons say yes.
    Asked,
}

impl Plot {
    fn cast(self) -> Cast {
        match self {
            Self::Watched => Cast::of(5, |draft| name_witnesses(&mut draft.members)),
            Self::FullNoise => Cast::of(6, |_| {}),
            // The fewest with three seats, which are the fewest that show what they were sent.
            Self::Unopened => Cast::of(7, |_| {}),
            Self::Secure | Self::Idle | Self::Voided | Self::Restored | Self::TwoHistories | Self::Asked => {
                Cast::of(5, |_| {})
            }
        }
    }

    fn mode(self) -> Mode {
        if self == Self::FullNoise { Mode::FullNoise } else { Mode::Secure }
    }

    fn releases(self) -> bool {
        matches!(self, Self::Secure | Self::FullNoise | Self::TwoHistories | Self::Asked)
    }
}

/// A story while it is played.
pub(super) struct Stage {
    plot: Plot,
    cast: Cast,
    members: usize,
    world: World,
    shared: Rc<RefCell<Shared>>,
    folder: tempfile::TempDir,
    told: Vec<Rc<RefCell<Told>>>,
    /// Members that are gone for good.
    gone: BTreeSet<usize>,
    id: Option<QueryId>,
    /// Every member that would ever have shown what its seat was sent.
    shown: BTreeSet<usize>,
}

impl Stage {
    /// Sets it.
    pub(super) fn new(plot: Plot, shared: Shared) -> Self {
        let cast = plot.cast();
        let members = cast.charter.members().len();
        let folder = folder_in_memory();
        let shared = Rc::new(RefCell::new(shared));
        shared.borrow_mut().disks = (0..members).map(|_| DiskModel::default()).collect();
        let told: Vec<Rc<RefCell<Told>>> = (0..members).map(|_| Rc::default()).collect();
        let mut world = cast.world(begin(), 0);
        world.asks_first = true;
        for (site, told) in told.iter().enumerate() {
            let home = folder.path().join(site.to_string());
            std::fs::create_dir(&home).expect("a folder");
            let told = told.clone();
            let tell: Tell = Box::new(move |ack| told.borrow_mut().add(ack));
            world.set_store(site, Box::new(Felled::new(site, &home, &shared, tell)));
        }
        watch(folder.path(), &shared);
        let (gone, shown) = Default::default();
        Self { plot, cast, members, world, shared, folder, told, gone, id: None, shown }
    }

    /// Plays it to its end.
    pub(super) fn play(&mut self) {
        self.wait(Span(2_000));
        match self.plot {
            Plot::Secure => {
                self.ask(self.members - 1, Span(0));
                self.until_over();
                self.wait(SOON);
            }
            Plot::Watched => self.wait(QUIET),
            Plot::FullNoise => {
                self.world.set_limits(0, Limits { purposes: Set::none(), ..Limits::top() });
                self.world.give_charters(0, []);
                self.wait(SOON);
                self.ask(self.members - 1, Span(0));
                self.until_over();
                self.wait(SOON);
            }
            Plot::Idle => {
                let act = Act::Restriction { target: ActTarget::Purpose("demo".into()) };
                self.world.input(0, Input::Act { command: 1, act: Box::new(act), text: None });
                self.wait(Span(3_600_000 + 130_000));
            }
            Plot::Voided => {
                self.world.answer_grid = Span(3_600_000);
                (0..self.members).for_each(|site| self.world.give_charters(site, []));
                self.wait(SOON);
                self.ask(self.members - 1, Span(20_000));
                self.wait(Span(140_000));
            }
            Plot::Unopened => self.play_unopened(),
            Plot::Restored => self.play_restored(),
            Plot::TwoHistories => self.play_two_histories(),
            Plot::Asked => self.play_asked(),
        }
    }

    /// Whoever is asked says yes, and again if that was lost.
    fn play_asked(&mut self) {
        let held = [1, 2];
        for site in held {
            self.world.set_inbox(site, InboxRules { rules: vec![], default: Way::Ask });
            self.world.give_charters(site, []);
        }
        self.wait(SOON);
        self.ask(self.members - 1, Span(60_000));
        for command in 100..130 {
            for site in held {
                let inbox = self.world.member(site).map(Member::inbox).unwrap_or_default();
                let waits = inbox.iter().find(|one| one.hold.is_some()).map(|one| one.round.id);
                if let Some(query) = waits {
                    self.world.input(site, Input::Decide { command, query, yes: true });
                }
            }
            self.wait(Span(1_000));
        }
        self.until_over();
        self.wait(SOON);
    }

    /// A seat falls asleep whenever it is to open.
    fn play_unopened(&mut self) {
        self.ask(self.members - 1, Span(20_000));
        let until = self.world.now() + Span(60_000);
        while self.round().is_none_or(|round| round.plan().is_none()) && self.world.now() < until {
            self.wait(Span(2));
        }
        let Some(round) = self.round() else { return };
        let Some(plan) = round.plan() else { return };
        let sleeper = self.site_of(&plan.committee[1]);
        self.world.away = Span(3_000);
        self.shared.borrow_mut().asleep.insert(sleeper, "open");
        self.wait(Span(60_000));
        self.wait(Span(160_000));
    }

    /// A member's folder is put back to where it was before it said anything of the round.
    fn play_restored(&mut self) {
        let site = 3;
        let old = self.shared.borrow().disks[site].left(Left::Written);
        self.ask(self.members - 1, Span(20_000));
        let said = |stage: &Self, kind| {
            let round = stage.world.member(0).and_then(|m| m.fold().round(&stage.id?).cloned());
            round.is_some_and(|round| round.said(kind, &stage.cast.founder(site).id).is_some())
        };
        let until = self.world.now() + Span(60_000);
        while !said(self, Kind::Contribution) && self.world.now() < until {
            self.wait(Span(2));
        }
        self.world.give_charters(site, []);
        put_back(&self.folder.path().join(site.to_string()), &old);
        self.shared.borrow_mut().disks[site] = DiskModel::holding(&old);
        self.wait(Span(160_000));
    }

    /// Who is gone for good signed another history, which comes to one of the others.
    fn play_two_histories(&mut self) {
        self.ask(self.members - 1, Span(0));
        self.until_over();
        self.wait(SOON);
        let liar = 2;
        self.world.away = FOR_EVER;
        self.world.give_charters(liar, []);
        self.gone.insert(liar);
        self.world.away = Span(500);
        self.wait(SOON);
        for _ in 0..3 {
            self.push_other_history(liar, 0);
            self.wait(SOON);
        }
    }

    fn push_other_history(&mut self, author: usize, to: usize) {
        let founder = self.cast.founder(author);
        let Some(log) = self.world.member(to).and_then(|member| member.fold().log(&founder.id)) else {
            return;
        };
        let (origin, head, size) = (log.origin.clone(), log.head(), log.size());
        let mut entries: Vec<Vec<u8>> = log.entries().iter().map(|entry| entry.to_vec()).collect();
        let last = entries.last_mut().expect("a log that was begun");
        let before = Entry::parse(last).expect("an entry");
        let body = Body::Abort { query: self.id.unwrap_or_default(), code: "other".to_owned() };
        *last = Entry { body, ..before }.to_bytes();
        let mut tree = Tree::default();
        entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
        let note = sign_checkpoint(&Checkpoint { origin, size, root: tree.root() }, founder.keys().log());
        let entries = entries.into_iter().map(Bytes).collect();
        let section = Section { log: head, from: 0, entries, note, proof: vec![] };
        let bytes = encode(&Request::Push { sections: vec![section] });
        let from = self.cast.founder(if to == 1 { 0 } else { 1 }).id;
        self.world.input(to, Input::Request { from, exchange: 78, bytes });
    }

    /// Asks until the question stands in some log; windows of this length, or of days.
    fn ask(&mut self, site: usize, window: Span) {
        for command in 0..20 {
            if self.find().is_some() {
                break;
            }
            let mut query = self.cast.query(self.world.now(), 0, self.plot.mode());
            if window > Span(0) {
                self.set_windows(&mut query, window);
            }
            self.world.input(site, Input::Ask { command, query: Box::new(query) });
            self.wait(Span(20));
            let until = self.world.now() + Span(2_000);
            while self.find().is_none() && self.world.now() < until {
                self.wait(Span(20));
            }
        }
    }

    fn set_windows(&self, query: &mut QueryBody, window: Span) {
        let now = Time::from_seconds(self.world.now().seconds());
        query.join_by = now + window;
        query.contribute_by = query.join_by + window;
        query.close_by = query.contribute_by + window;
    }

    /// The one question, as whoever is there knows it.
    fn find(&mut self) -> Option<QueryId> {
        let mut rounds = (0..self.members)
            .filter_map(|site| self.world.member(site))
            .flat_map(|member| member.fold().rounds().values().filter(|round| round.query().is_some()));
        self.id = rounds.next().map(|round| round.id);
        self.id
    }

    fn round(&self) -> Option<Round> {
        let member = (0..self.members).find_map(|site| self.world.member(site))?;
        member.fold().round(&self.id?).map(|round| Round::clone(round))
    }

    fn site_of(&self, member: &MemberId) -> usize {
        (0..self.members).find(|site| self.cast.founder(*site).id == *member).expect("a member")
    }

    fn wait(&mut self, span: Span) {
        let (until, look) = (self.world.now() + span, Span((span.0 / 50).max(1)));
        while self.world.now() < until {
            let next = Time((self.world.now() + look).0.min(until.0));
            self.world.run_until(next);
            let shows = |site: &usize| {
                let member = self.world.member(*site)?;
                let round = member.fold().round(&self.id?)?;
                member.may_show(round).is_ok().then_some(*site)
            };
            self.shown.extend((0..self.members).filter_map(|site| shows(&site)));
        }
    }

    fn until_over(&mut self) {
        let ended = |member: &Member, id: QueryId| {
            member.fold().round(&id).is_some_and(|round| round.ending().is_some())
        };
        let until = self.world.now() + Span(60_000);
        while self.world.now() < until {
            let over = |site| self.world.member(site).zip(self.id).is_some_and(|(m, id)| ended(m, id));
            if (0..self.members).all(over) {
                break;
            }
            self.wait(Span(50));
        }
    }

    /// What must not be, of all that this story holds at its end.
    pub(super) fn judge(&self) -> Vec<String> {
        let mut bad: Vec<String> = self.blamed();
        for site in (0..self.members).filter(|site| !self.gone.contains(site)) {
            let Some(member) = self.world.member(site) else {
                bad.push(format!("member {site} does not start again"));
                continue;
            };
            let told = self.told[site].borrow();
            let of_site = told.broken_by(member).into_iter().chain(told.said_twice());
            bad.extend(of_site.map(|what| format!("member {site}: {what}")));
            if told.early_draws + told.second_secrets > 0 {
                bad.push(format!("member {site}: noise without a debit, or a second time"));
            }
            if let Some(waits) = member.starting() {
                bad.push(format!("member {site}: {waits}"));
            }
            bad.extend(self.left_over(site, member));
        }
        bad.extend(self.ends_badly());
        let wrong = self.world.member(0).map(|member| audit(member.fold(), &|_| None)).unwrap_or_default();
        let gone = |member: &MemberId| self.gone.contains(&self.site_of(member));
        let failed = wrong.iter().filter(|report| !report.passed() && !gone(&report.member));
        bad.extend(failed.map(|report| format!("{report:?}").chars().take(600).collect()));
        bad
    }

    fn blamed(&self) -> Vec<String> {
        let told = self.plot == Plot::TwoHistories;
        let bad = |event: &&(MemberId, Event)| match event.1 {
            Event::SplitView(_) => !told,
            Event::Fault(..) | Event::Halted(_) => true,
            Event::Asked { .. }
            | Event::Acted { .. }
            | Event::Decided { .. }
            | Event::Waits(_)
            | Event::Version { .. }
            | Event::Rekeyed
            | Event::Answered { .. }
            | Event::Denied { .. }
            | Event::Step { .. }
            | Event::Released(_)
            | Event::Aborted(..)
            | Event::Declined(..) => false,
        };
        self.world.events.iter().filter(bad).map(|event| format!("{event:?}")).collect()
    }

    /// Secrets and shares of a round that is over, and openings that nobody may ask for.
    fn left_over(&self, site: usize, member: &Member) -> Vec<String> {
        let Some(round) = self.id.and_then(|id| member.fold().round(&id)) else { return vec![] };
        let Some(ending) = round.ending() else { return vec![format!("member {site}: the round goes on")] };
        let home = self.folder.path().join(site.to_string());
        let lies = |folder: &str| home.join(folder).join(round.id.to_string()).exists();
        let mut bad = vec![];
        for what in ["keys/rounds", "blobs/rounds"] {
            if lies(what) {
                bad.push(format!("member {site}: {what} keeps what is over: {ending:?}"));
            }
        }
        let kept = lies("keys/openings");
        if kept != member.may_show(round).is_ok() {
            let said = member.may_show(round);
            bad.push(format!("member {site}: an opening is there: {kept}; it would be shown: {said:?}"));
        }
        bad
    }

    /// Whether the story has another end than when nothing happens.
    fn ends_badly(&self) -> Vec<String> {
        let mut bad = vec![];
        if self.shown.len() > 1 {
            bad.push(format!("{:?} would all have shown what their seats were sent", self.shown));
        }
        if matches!(self.plot, Plot::Idle | Plot::Watched) {
            return bad;
        }
        let Some(round) = self.round() else { return vec!["nothing was asked".to_owned()] };
        let released = matches!(round.ending(), Some(Ending::Released(_)));
        if self.plot.releases() && !released {
            bad.push(format!("the round does not end with a release: {:?}", round.ending()));
        }
        match self.plot {
            Plot::Unopened if self.shown.len() != 1 => bad.push(format!("shown: {:?}", self.shown)),
            Plot::Voided => {
                for (site, told) in self.told.iter().enumerate().filter(|(_, told)| told.borrow().spent() > 0)
                {
                    bad.push(format!("member {site}: {} spent on nothing", told.borrow().spent()));
                }
            }
            Plot::TwoHistories => {
                let member = (0..self.members).find_map(|site| self.world.member(site));
                if member.is_none_or(|member| member.fold().split(&self.cast.founder(2).id).is_none()) {
                    bad.push("no log holds the evidence of the two histories".to_owned());
                }
            }
            Plot::Secure
            | Plot::Watched
            | Plot::FullNoise
            | Plot::Idle
            | Plot::Unopened
            | Plot::Restored
            | Plot::Asked => {}
        }
        bad
    }

    /// What the members shared.
    pub(super) fn shared(&self) -> std::cell::Ref<'_, Shared> {
        self.shared.borrow()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        datacoop::disk::watch(None);
    }
}

/// Where the power goes, for a message.
pub(super) fn place(target: &Target) -> String {
    format!("{:?} {:?}, number {}", target.step, target.fate, target.after + 1)
}
