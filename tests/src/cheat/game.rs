//! A co-operative with a cheat in it, and what its honest members make of that.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use datacoop_policy::Time;
use datacoop_policy::charter::CharterDraft;
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, Span};
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::bounds::PIECE_BYTES_MAX;
use datacoop_protocol::entry::{Body, Entry, Lay, QueryBody, Ref};
use datacoop_protocol::fold::{Fold, question_value};
use datacoop_protocol::log::note::{Checkpoint, sign_checkpoint};
use datacoop_protocol::log::tree::{leaf_hash, sha256};
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::rounds::{Ending, Kind, Round};
use datacoop_protocol::seed::Seed;
use datacoop_protocol::wire::{Bytes, Request, Section, encode};
use datacoop_sim::audits::audit;
use datacoop_sim::coop::{Founder, charter_draft, textless_charter, vocabularies};
use datacoop_sim::world::{Way, World};

use super::desk::{Desk, Plot};
use super::{Act, Cheat, LOSS, PEOPLE_MAX};

/// How soon a cheat is back after it changed its disk.
const RESTART: Span = Span(40);

const PERIOD: &str = "2025-09-01..2025-12-19";
const VOCABULARY: &str = r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "exam"
    unit = "row"
    column = [{ name = "sex", type = "text", values = ["F", "M"], group = true }]"#;
const QUESTION: &str = r#"
    id = "how-many"
    version = 1
    title = "How many?"
    vocabulary = "exam/1"
    figure = { kind = "count", of = "n" }
    loss = 5_000_000
    matters = "10"
    measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]
    by = [{ column = "sex", cells = ["F", "M"] }]"#;

/// What a liar makes of a frame; nothing is sent for `None`.
pub type Tell = Box<dyn Fn(Way, Vec<u8>) -> Option<Vec<u8>>>;

/// A co-operative with at most one cheat in it.
pub struct Game {
    /// The world it plays in.
    pub world: World,
    plot: Rc<RefCell<Plot>>,
    seed: Seed,
    members: usize,
    charter: Digest,
    question: String,
}

/// What honest members made of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How the round ended: `released`, an abort's code, or `none`.
    pub ending: String,
    /// Failed checks of the cheat's log, in order.
    pub blamed: Vec<&'static str>,
    /// Codes of the alerts about the cheat's entries, without repeats.
    pub alerts: Vec<String>,
}

fn founder(seed: &Seed, n: usize) -> Founder {
    let addresses = if n < 2 { vec![format!("sim/{n}")] } else { vec![] };
    Founder::new(seed, n, &format!("School {n}"), PEOPLE_MAX, addresses)
}

impl Game {
    /// A world in which the `skip + 1`th member for whom `cheat` does something on an entry of kind `on`
    /// does it. Member `rich`, if any, has a roll of a million.
    pub fn new(
        members: usize,
        seed: u8,
        on: &'static str,
        cheat: Cheat,
        skip: u32,
        rich: Option<usize>,
    ) -> Self {
        Self::of_charter(members, seed, on, cheat, skip, rich, |_| {})
    }

    /// A world in which member `liar` turns what its program sends into something else on the wire, and
    /// otherwise does as it should.
    pub fn with_liar(members: usize, seed: u8, liar: usize, lie: Tell) -> Self {
        let mut game = Self::new(members, seed, "", |_| Act::Pass, 0, None);
        let mut plot = game.plot.borrow_mut();
        (plot.site, plot.done) = (Some(liar), true);
        drop(plot);
        game.world.tamper =
            Some(Box::new(move |site, way, bytes| if site == liar { lie(way, bytes) } else { Some(bytes) }));
        game
    }

    /// As `new`, under a charter that `vary` changed: its members vote, one for each body, unless it says
    /// otherwise.
    pub fn of_charter(
        members: usize,
        seed: u8,
        on: &'static str,
        cheat: Cheat,
        skip: u32,
        rich: Option<usize>,
        vary: impl FnOnce(&mut CharterDraft),
    ) -> Self {
        let seed = Seed::new([seed; 32]);
        let vocabulary = Vocabulary::from_toml(VOCABULARY).expect("a vocabulary");
        let hash = sha256(&[VOCABULARY.as_bytes()]);
        let founders: Vec<Founder> = (0..members).map(|n| founder(&seed, n)).collect();
        let ids: Vec<MemberId> = founders.iter().map(|founder| founder.id.clone()).collect();
        let today = Day::parse("2025-12-01").expect("a day");
        let mut draft = charter_draft(&founders.iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], today);
        vary(&mut draft);
        let charter = textless_charter(draft).expect("a charter");
        let rich = rich.map(|site| ids[site].clone());
        let tabulate = Arc::new(move |id: &MemberId, _: &_| match rich.as_ref() == Some(id) {
            true => vec![1_000_000; 2],
            false => vec![100, 50],
        });
        let vocabularies = vocabularies(&vocabulary, hash);
        let plot = Rc::new(RefCell::new(Plot {
            on,
            cheat,
            skip,
            waits: 0,
            site: None,
            done: false,
            histories: vec![],
            charter: charter.clone(),
            vocabularies: vocabularies.clone(),
            founders: ids,
            blobs: BTreeMap::new(),
        }));
        let start = today.start() + Span(36_000_000);
        let mut world = World::new(seed.clone(), start, founders, charter.clone(), vocabularies, tabulate);
        world.away = RESTART;
        for site in 0..members {
            let desk = Desk {
                site,
                plot: plot.clone(),
                records: vec![],
                last_signed: None,
                secrets: BTreeMap::new(),
                blobs: BTreeMap::new(),
                shares: BTreeMap::new(),
                kept: BTreeMap::new(),
                two_faced: None,
                gone: false,
            };
            world.set_store(site, Box::new(desk));
        }
        let mut game =
            Self { world, plot, seed, members, charter: charter.hash(), question: QUESTION.into() };
        game.world.run_until(game.world.now() + Span(2_000));
        game
    }

    /// A Query as an honest asker would write it.
    pub fn query(&self) -> QueryBody {
        let now = Time::from_seconds(self.world.now().seconds());
        QueryBody {
            question: question_value(&QuestionDraft::from_toml(&self.question).expect("a question"))
                .expect("a question"),
            params: BTreeMap::new(),
            period: Period::parse(PERIOD).expect("a period"),
            vocabulary: "exam/1".into(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: PrivacyLoss::from_nano(LOSS),
            mode: Mode::Secure,
            assumed: Assumptions::FLOOR,
            min_roster: 5,
            join_by: now + Span(20_000),
            contribute_by: now + Span(40_000),
            close_by: now + Span(60_000),
            charter: self.charter,
            supersedes: None,
            cosigners: vec![],
            delegation: None,
        }
    }

    /// The last member asks, and everything that comes of it happens.
    pub fn play(&mut self) {
        let query = self.query();
        let over = query.close_by + Span(180_000);
        self.world.input(self.members - 1, Input::Ask { command: 1, query: Box::new(query) });
        while self.world.now() < over {
            self.world.run_until(self.world.now() + Span(100));
            let histories = std::mem::take(&mut self.plot.borrow_mut().histories);
            if !histories.is_empty() {
                self.send(&histories);
            }
        }
    }

    /// As `play`, but the asker's program is gone once everybody accepted, and a Roster of all goes out
    /// under its keys.
    pub fn play_roster_of_all(&mut self) {
        let query = self.query();
        let (asker, id) = (self.members - 1, self.world_member(self.members - 1));
        let over = query.close_by + Span(180_000);
        self.world.input(asker, Input::Ask { command: 1, query: Box::new(query) });
        let accepts = |game: &Self| -> Vec<Ref> {
            let rounds = game.fold(0).rounds().values();
            let said = rounds.flat_map(|round| round.all(Kind::Verdict));
            let accepted = said.filter(|(_, logged)| matches!(logged.body, Body::Accept { .. }));
            accepted.map(|(_, logged)| logged.at.clone()).collect()
        };
        while accepts(self).len() < self.members {
            assert!(self.world.now() < over, "everybody accepts");
            self.world.run_until(self.world.now() + Span(1));
        }
        self.world.away = over - self.world.now();
        self.world.crash_before(asker, self.world.executed(asker));
        self.world.run_until(self.world.now() + Span(1_000));
        assert!(
            self.world.member(asker).is_none() && self.round().roster().is_none(),
            "it wrote nothing more"
        );
        let body = Body::Roster { query: self.round().id, verdicts: accepts(self) };
        let entry = Entry { at: self.world.now(), seq: self.log_size(0, &id), by: id, body };
        self.send(&[vec![entry.to_bytes()]]);
        self.world.run_until(over);
    }

    /// Gives an honest member a request as if the member at `from` had sent it.
    pub fn request(&mut self, site: usize, from: usize, request: &Request) {
        let (from, bytes) = (self.world_member(from), encode(request));
        self.world.input(site, Input::Request { from, exchange: 7_001, bytes });
    }

    /// The whole log of the member at a site, as an honest member would pass it on.
    pub fn own_sections(&self, site: usize) -> Vec<Section> {
        let log = self.fold(self.honest()[0]).log(&self.world_member(site)).expect("its log");
        log.section(0, PIECE_BYTES_MAX).into_iter().collect()
    }

    /// Whether an honest member holds as much of every honest log as its author does.
    pub fn holds_what_others_hold(&self, site: usize) -> bool {
        let held = |of: &usize| self.log_size(site, &self.world_member(*of)) == self.entries(*of);
        self.honest().iter().all(held)
    }

    /// Entries in the log of an honest member.
    pub fn entries(&self, site: usize) -> u64 {
        self.log_size(site, &self.world_member(site))
    }

    /// Another question: its Rosters and accepted sets have nothing to do with the first one's.
    pub fn play_another(&mut self) {
        self.question =
            QUESTION.replace("how-many", "how-much").replace("[\"F\", \"M\"] }]", "[\"M\", \"F\"] }]");
        self.play();
    }

    /// The member at a site.
    pub fn world_member(&self, site: usize) -> MemberId {
        founder(&self.seed, site).id
    }

    /// The name of a member's log.
    pub fn origin(&self, site: usize) -> String {
        founder(&self.seed, site).keys().public().log.name.clone()
    }

    /// What a member's Ledger says it spent, billionths of rho.
    pub fn spent(&self, site: usize) -> u64 {
        let member = self.world.member(site).expect("an honest member is awake");
        member.standing().ledger().accounts().map(|(_, loss)| loss.nano()).sum()
    }

    /// Who cheated.
    ///
    /// Panics if nobody did: then a test has shown nothing.
    pub fn cheat(&self) -> usize {
        let plot = self.plot.borrow();
        assert!(plot.done, "nobody cheated");
        plot.site.expect("a cheat has a site")
    }

    /// Sends histories of the cheat's log to the honest members, as whoever holds its keys can.
    fn send(&mut self, histories: &[Vec<Vec<u8>>]) {
        let cheat = self.cheat();
        let founder = founder(&self.seed, cheat);
        let id = founder.id.clone();
        // As far as any honest member holds it.
        let longest =
            self.honest().into_iter().max_by_key(|site| self.log_size(*site, &id)).expect("a member");
        let held = self.world.member(longest).expect("awake").fold().log(&id).expect("its log");
        let (from, origin, head, tree) = (held.size(), held.origin.clone(), held.head(), held.tree().clone());
        for site in self.honest() {
            let history = if site % 2 == 0 { histories.first() } else { histories.last() };
            let entries = history.expect("a history").clone();
            let mut tree = tree.clone();
            entries.iter().for_each(|entry| tree.push(leaf_hash(entry)));
            let checkpoint = Checkpoint { origin: origin.clone(), size: tree.size(), root: tree.root() };
            let note = sign_checkpoint(&checkpoint, founder.keys().log());
            let entries = entries.into_iter().map(Bytes).collect();
            let section = Section { log: head, from, entries, note, proof: vec![] };
            let bytes = encode(&Request::Push { sections: vec![section] });
            self.world.input(site, Input::Request { from: id.clone(), exchange: 7_000, bytes });
        }
    }

    fn log_size(&self, site: usize, of: &MemberId) -> u64 {
        self.world.member(site).and_then(|member| member.fold().log(of)).map_or(0, |log| log.size())
    }

    /// Everyone but the cheat.
    pub fn honest(&self) -> Vec<usize> {
        let cheat = self.plot.borrow().site;
        (0..self.members).filter(|site| Some(*site) != cheat).collect()
    }

    fn fold(&self, site: usize) -> &Fold {
        self.world.member(site).expect("an honest member is awake").fold()
    }

    /// The rounds, as an honest member sees them.
    pub fn rounds(&self) -> Vec<Arc<Round>> {
        self.fold(self.honest()[0]).rounds().values().cloned().collect()
    }

    /// The round that was cheated in: the last one asked.
    pub fn round(&self) -> Arc<Round> {
        let rounds = self.rounds();
        rounds.into_iter().max_by_key(|round| round.asked().map(|asked| asked.at.index)).expect("a round")
    }

    /// What came of it. Everything that must hold whatever the cheat was is asserted here.
    pub fn verdict(&self) -> Verdict {
        self.check_honest();
        let cheat = founder(&self.seed, self.cheat()).id;
        Verdict { ending: self.ending(), blamed: self.blamed(&cheat), alerts: self.alerts(&cheat) }
    }

    /// What every honest member must have kept to: its books, one opening, and no word against another.
    pub fn check_honest(&self) {
        for site in self.honest() {
            self.check_books(site);
            self.check_opens(site);
        }
        self.check_events(&founder(&self.seed, self.cheat()).id);
    }

    /// How the round ended: `released`, an abort's code, or `none`.
    pub fn ending(&self) -> String {
        match self.round().ending() {
            Some(Ending::Released(_)) => "released".to_owned(),
            Some(Ending::Aborted(code)) => code.clone(),
            None => "none".to_owned(),
        }
    }

    /// Who is warned of, with the check's code, in an audit of a member's copies. Nobody honest fails a check.
    pub fn warned(&self, site: usize) -> Vec<(MemberId, &'static str)> {
        let plot = self.plot.borrow();
        let blobs = |hash: &Digest| plot.blobs.get(hash).map(|bytes| bytes.to_vec());
        let cheat = founder(&self.seed, self.cheat()).id;
        let mut warned = vec![];
        for report in audit(self.fold(site), &blobs) {
            assert!(report.passed() || report.member == cheat, "somebody honest is blamed: {report:#?}");
            // A02: these charters name no witnesses.
            let warnings = report.checks.iter().filter(|c| c.outcome == Outcome::Warn && c.code != "A02");
            warned.extend(warnings.map(|check| (report.member.clone(), check.code)));
        }
        warned
    }

    /// Audits as a third party would, from one honest member's copies: nobody honest fails a check.
    fn blamed(&self, cheat: &MemberId) -> Vec<&'static str> {
        let plot = self.plot.borrow();
        let blobs = |hash: &Digest| plot.blobs.get(hash).map(|bytes| bytes.to_vec());
        let mut blamed = vec![];
        for report in audit(self.fold(self.honest()[0]), &blobs) {
            if report.member == *cheat {
                let failed = report.checks.iter().filter(|c| c.outcome == Outcome::Fail);
                blamed.extend(failed.map(|check| check.code));
            } else {
                assert!(report.passed(), "somebody honest is blamed: {report:#?}");
            }
        }
        blamed
    }

    /// Alerts of honest members, all of them about the cheat's entries.
    fn alerts(&self, cheat: &MemberId) -> Vec<String> {
        let fold = self.fold(self.honest()[0]);
        let origin = &fold.log(cheat).expect("a log").origin;
        let mut codes = BTreeSet::new();
        for (by, logged) in self.round().alerts().iter().filter(|(by, _)| by != cheat) {
            let Body::Alert { code, subject, .. } = &logged.body else { continue };
            assert_eq!(*subject.log, **origin, "{by} alerts about somebody honest");
            codes.insert(code.clone());
        }
        codes.into_iter().collect()
    }

    /// A Ledger says what its log's debits and voids come to, and a debit returns only where nothing was
    /// contributed under it.
    fn check_books(&self, site: usize) {
        let member = self.world.member(site).expect("awake");
        let mut spent = 0;
        for round in member.fold().rounds().values() {
            let wrote = |kind| round.said(kind, member.me()).is_some();
            let cost = round.asked().map_or(0, |asked| asked.body.loss.nano());
            let over = round.ending().is_some();
            assert!(!(wrote(Kind::Void) && wrote(Kind::Contribution)), "site {site}: void and contribution");
            if wrote(Kind::Debit) && !wrote(Kind::Void) {
                assert!(wrote(Kind::Contribution) || !over, "site {site}: a debit is left hanging");
                spent += cost;
            }
        }
        assert_eq!(self.spent(site), spent, "site {site}: the Ledger");
    }

    /// Nobody honest opens twice, opens and aborts, or opens another set than the rest.
    fn check_opens(&self, site: usize) {
        let member = self.world.member(site).expect("awake");
        for round in member.fold().rounds().values() {
            let again = round.repeats().iter().any(|(by, _)| by == member.me());
            assert!(!again, "site {site} said something twice");
            let opened = round.said(Kind::Open, member.me());
            assert!(opened.is_none() || round.said(Kind::Abort, member.me()).is_none(), "site {site}");
            let sets: BTreeSet<&Vec<Ref>> = self
                .honest()
                .into_iter()
                .filter_map(|other| round.said(Kind::Open, &founder(&self.seed, other).id))
                .filter_map(|logged| {
                    let Body::Open { closes, .. } = &logged.body else { return None };
                    Some(closes)
                })
                .collect();
            assert!(sets.len() <= 1, "two sets were opened");
        }
    }

    /// Faults and split views name the cheat alone.
    fn check_events(&self, cheat: &MemberId) {
        for (by, event) in self.world.events.iter().filter(|(by, _)| by != cheat) {
            if let Event::Fault(who, what) = event {
                assert_eq!(who, cheat, "{by} faults {who}: {what}");
            }
            if let Event::SplitView(split) = event {
                assert_eq!(&split.member, cheat, "{by}");
            }
            assert!(!matches!(event, Event::Halted(_)), "{by} halts");
        }
    }

    /// Honest members that hold a proof of two histories of the cheat's log.
    pub fn split_views(&self) -> usize {
        let cheat = founder(&self.seed, self.cheat()).id;
        let holds = |site: &usize| self.fold(*site).split(&cheat).is_some();
        self.honest().into_iter().filter(holds).count()
    }
}
