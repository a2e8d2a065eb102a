//! Audit openings by command: a seat that the round names writes what it was sent, an auditor checks it
//! beside exported logs, and a seat that shifted a sum is convicted with the cell.
//!
//! Which round names a seat is a lot of one in ten. So the rounds are played in the simulated world until
//! the lot falls as a test needs it, played again on the node's real storage, and the folders that are left
//! are then those of real nodes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use datacoop::clock;
use datacoop::home::{Config, Home, MemberIdText};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{MemberId, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::audit::opening::named_seat;
use datacoop_protocol::charter_text::{charter_toml, parse_charter, sign_charter};
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::port::{Event, Input};
use datacoop_protocol::member::work::{Computed, Work};
use datacoop_protocol::seed::Seed;
use datacoop_sim::coop::{Founder, charter_draft, vocabularies};
use datacoop_sim::world::World;
use datacoop_tests::crash::NodeStore;
use datacoop_tests::{Coop, QUESTION, VOCABULARY, json, program, wait_for};

/// The fewest with three seats, which are the fewest that are opened.
const MEMBERS: usize = 7;
/// Bytes of a cell of an aggregate share.
const CELL: usize = 16;
/// Which cell a liar shifts.
const SHIFTED: usize = 2;

/// One round, and what of it is the same whenever it is played with the same dice.
struct Played {
    world: World,
    id: QueryId,
    /// Sites of the seats, in committee order.
    seats: Vec<usize>,
    named: Option<usize>,
    /// What each seat kept at some time, by site.
    kept: BTreeMap<usize, Vec<u8>>,
}

struct Cast {
    charter_note: String,
    now: Time,
}

fn founders() -> Vec<Founder> {
    let seed = Seed::new([91; 32]);
    let addresses = |n: usize| if n < 2 { vec![format!("/ip4/127.0.0.1/tcp/{}", n + 1)] } else { vec![] };
    (0..MEMBERS).map(|n| Founder::new(&seed, n, &format!("School {n}"), 200, addresses(n))).collect()
}

impl Cast {
    /// Members that found their co-operative today: real nodes look at what it left.
    fn today() -> Self {
        let now = Time(clock::now().0 - 3_600_000);
        let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
        let founders = founders();
        let hash = sha256(&[VOCABULARY.as_bytes()]);
        let refs: Vec<&Founder> = founders.iter().collect();
        let mut draft = charter_draft(&refs, &[(&vocabulary, hash)], now.day());
        draft.demo = false;
        let text = charter_toml(&draft);
        let charter_note =
            founders.iter().fold(text, |note, f| sign_charter(&note, None, &f.keys()).unwrap());
        Self { charter_note, now }
    }

    /// Plays a round with these dice, on real storage below a folder if one is given. The last member with
    /// a seat may shift a cell of its aggregate share.
    fn play(&self, dice: u8, lies: bool, folder: Option<&Path>) -> Played {
        let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
        let hash = sha256(&[VOCABULARY.as_bytes()]);
        let (text, _) = self.charter_note.split_once("\n\n\u{2014}").unwrap();
        let charter = Arc::new(parse_charter(&format!("{text}\n")).unwrap());
        let tabulate = Arc::new(|_: &MemberId, _: &_| vec![100, 40, 60, -7]);
        let known = vocabularies(&vocabulary, hash);
        let (id, now) = (charter.hash(), self.now);
        let mut world = World::new(Seed::new([dice; 32]), now, founders(), charter, known, tabulate);
        if let Some(folder) = folder {
            for site in 0..MEMBERS {
                let store = NodeStore::new(&folder.join(site.to_string()), Box::new(|_| {}));
                world.set_store(site, Box::new(store));
            }
        }
        world.run_work = lies.then(|| -> datacoop_sim::world::RunWork { Arc::new(lie) });
        world.run_until(world.now() + Span(2_000));
        let now = Time::from_seconds(world.now().seconds());
        let query = QueryBody {
            question: question_value(&QuestionDraft::from_toml(QUESTION).unwrap()).unwrap(),
            params: BTreeMap::new(),
            period: Period::new(now.day(), now.day()).unwrap(),
            vocabulary: "exam/1".into(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: PrivacyLoss::from_nano(5_000_000),
            mode: Mode::Secure,
            assumed: Assumptions::FLOOR,
            min_roster: 5,
            join_by: now + Span(20_000),
            contribute_by: now + Span(40_000),
            close_by: now + Span(60_000),
            charter: id,
            supersedes: None,
            cosigners: vec![],
            delegation: None,
        };
        world.input(4, Input::Ask { command: 1, query: Box::new(query) });
        let (mut id, mut kept) = (None, BTreeMap::new());
        let released = |world: &World| {
            world.events.iter().filter(|(_, event)| matches!(event, Event::Released(_))).count() == MEMBERS
        };
        let until = world.now() + Span(50_000);
        while !released(&world) {
            assert!(world.now() < until, "{:?}", world.events);
            world.run_until(world.now() + Span(2));
            id = id.or_else(|| world.events.iter().find_map(|(_, event)| asked(event)));
            let Some(id) = id.filter(|_| folder.is_some()) else { continue };
            for site in 0..MEMBERS {
                let path = folder.unwrap().join(format!("{site}/keys/openings/{id}"));
                if let Ok(bytes) = fs::read(path) {
                    kept.insert(site, bytes);
                }
            }
        }
        world.run_until(world.now() + Span(1_000));
        let id = id.unwrap();
        let round = world.member(0).unwrap().fold().round(&id).unwrap().clone();
        let site = |member: &MemberId| founders().iter().position(|f| f.id == *member).unwrap();
        let seats: Vec<usize> = round.plan().unwrap().committee.iter().map(site).collect();
        let named = named_seat(&round).map(|seat| seats[seat]);
        Played { world, id, seats, named, kept }
    }

    /// A round that names a seat, and the liar's if one lies, left in folders of real nodes.
    fn named(&self, lies: bool) -> Folders {
        let fits = |played: &Played| {
            played.named.is_some() && (!lies || played.named == played.seats.iter().max().copied())
        };
        let dice = (0..=u8::MAX).find(|dice| fits(&self.play(*dice, lies, None)));
        let dir = tempfile::tempdir().unwrap();
        let played = self.play(dice.expect("of 256 rounds one"), lies, Some(dir.path()));
        assert!(fits(&played), "the same dice give the same round");
        let Played { world, id, seats, named, kept } = played;
        drop(world);
        for (site, founder) in founders().iter().enumerate() {
            let config = Config {
                id: MemberIdText(founder.id.clone()),
                name: founder.name.clone(),
                body: founder.name.clone(),
                host: founder.host.clone(),
                people_min: 0,
                people_max: founder.people_max,
                listen: vec![],
                addresses: vec![],
                answer_grid: 250,
            };
            let home = Home::new(&dir.path().join(site.to_string()));
            home.create(&config, &founder.identity).unwrap();
            home.add_vocabulary(VOCABULARY).unwrap();
            home.adopt_charter(&self.charter_note).unwrap();
        }
        let founders = founders();
        Folders { dir, founders, id, seats, named: named.unwrap(), kept, running: vec![] }
    }
}

fn asked(event: &Event) -> Option<QueryId> {
    if let Event::Asked { query, .. } = event { Some(*query) } else { None }
}

/// The last member with a seat shifts a cell of its aggregate share.
fn lie(site: usize, work: Work) -> Computed {
    let liar = matches!(&work, Work::Decide(job) if {
        job.plan.committee.iter().max() == Some(&job.plan.members[site])
    });
    let mut computed = work.run();
    if let (Computed::Decided(_, decided), true) = (&mut computed, liar) {
        // One more, and not one bit: shares are random, and the lot must fall the same way again.
        let cell: &mut [u8; CELL] = decided.share[SHIFTED * CELL..][..CELL].first_chunk_mut().unwrap();
        *cell = (u128::from_le_bytes(*cell) + 1).to_le_bytes();
    }
    computed
}

/// Folders of real nodes after a round that names a seat.
struct Folders {
    dir: tempfile::TempDir,
    founders: Vec<Founder>,
    id: QueryId,
    seats: Vec<usize>,
    named: usize,
    kept: BTreeMap<usize, Vec<u8>>,
    running: Vec<Child>,
}

impl Folders {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, site: usize, args: &[&str]) -> Output {
        let mut command = Command::new(program());
        command.current_dir(self.dir.path()).arg("--node").arg(self.path(&site.to_string())).args(args);
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn start_all(&mut self) {
        for site in 0..MEMBERS {
            let mut command = Command::new(program());
            command.arg("--node").arg(self.path(&site.to_string())).args(["run", "--port", "0", "--quiet"]);
            let log = fs::File::create(self.path(&format!("{site}.log"))).unwrap();
            self.running
                .push(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
            let door = self.path(&format!("{site}/run/api"));
            wait_for("the node's door", || door.exists());
        }
        for site in 0..MEMBERS {
            let output = self.run(site, &["log", "export", &format!("export{site}")]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Checks an opening beside these exports: the exit code, the JSON, the text.
    fn verify(&self, file: &str, exports: std::ops::Range<usize>) -> (i32, serde_json::Value, String) {
        let folders: Vec<String> = exports.map(|site| format!("export{site}")).collect();
        let args = ["verify", "--opening", file].into_iter().chain(folders.iter().map(String::as_str));
        let mut args: Vec<&str> = args.collect();
        let text = self.run(0, &args);
        args.push("--json");
        let printed = self.run(0, &args);
        assert_eq!(text.status.code(), printed.status.code());
        let text = [text.stdout, text.stderr].concat();
        let json = serde_json::from_slice(&printed.stdout).unwrap_or_default();
        (printed.status.code().unwrap(), json, String::from_utf8(text).unwrap())
    }

    fn refuses(&self, site: usize, exit: i32, said: &str) {
        let file = format!("refused{site}");
        let output = self.run(site, &["log", "opening", &self.id.to_string(), "-o", &file, "--yes"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{stderr}");
        assert!(stderr.contains(said), "{stderr}");
        assert!(!self.path(&file).exists());
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        for child in &mut self.running {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

#[test]
fn the_named_seat_shows_what_it_was_sent_and_nothing_else_passes_for_it() {
    let mut folders = Cast::today().named(false);
    folders.start_all();
    let (id, named) = (folders.id.to_string(), folders.named);
    let name = folders.founders[named].id.to_string();
    let write = ["log", "opening", &id[..8], "-o", "shown", "--json"];
    let unasked = folders.run(named, &write);
    assert_eq!(unasked.status.code(), Some(2), "it is secret: nobody writes it by accident");
    let shown = folders.run(named, &[&write[..], &["--yes"]].concat());
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let said = json(&shown);
    assert_eq!((&said["schema"], &said["seat"]), (&"datacoop.opening/1".into(), &name.as_str().into()));
    assert_eq!((&said["seats"], &said["colluding"]), (&3.into(), &2.into()));
    assert_eq!(said["auditor_is_one_of_the_colluding"], true);
    let mode = fs::metadata(folders.path("shown")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read(folders.path("shown")).unwrap(), folders.kept[&named]);

    let (code, json, text) = folders.verify("shown", 0..MEMBERS);
    assert_eq!(
        (code, &json["result"], &json["opening"]["result"]),
        (0, &"pass".into(), &"pass".into()),
        "{text}"
    );
    assert!(text.contains(&format!("PASS opening          the seat of {name} (")), "{text}");
    assert!(text.contains("RESULT PASS"), "{text}");

    // Twice into one file, by another seat, by a member without one: no.
    let again = folders.run(named, &[&write[..], &["--yes"]].concat());
    assert_eq!(again.status.code(), Some(1));
    let other = *folders.seats.iter().find(|site| **site != named).unwrap();
    folders.refuses(other, 6, &format!("names the seat of `{name}`"));
    let none = (0..MEMBERS).find(|site| !folders.seats.contains(site)).unwrap();
    folders.refuses(none, 6, "holds no committee seat");

    // What another seat had kept proves nothing here, right as it is.
    fs::write(folders.path("other"), &folders.kept[&other]).unwrap();
    let (code, json, text) = folders.verify("other", 0..MEMBERS);
    assert_eq!((code, &json["opening"]["result"]), (1, &"fail".into()), "{text}");
    assert!(
        text.contains("refused: the round names the seat of") && text.contains("RESULT FAIL (1)"),
        "{text}"
    );
    assert!(text.contains("WARN opening          others can read the file"), "{text}");

    // Without every log nothing can be said.
    let (code, json, text) = folders.verify("shown", 0..1);
    assert_eq!((code, &json["opening"]["result"]), (2, &"skip".into()), "{text}");

    // A changed byte: no opening, or a wrong one.
    let bytes = fs::read(folders.path("shown")).unwrap();
    for at in [0, 25, bytes.len() / 2, bytes.len() - 3] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        fs::write(folders.path("changed"), &changed).unwrap();
        let (code, _, text) = folders.verify("changed", 0..MEMBERS);
        assert!(code == 1 || code == 2, "byte {at}: {text}");
        assert!(!text.contains("PASS opening"), "byte {at}: {text}");
    }
}

#[test]
fn a_shifted_sum_is_convicted_by_command_with_its_cell() {
    let mut folders = Cast::today().named(true);
    folders.start_all();
    let write = ["log", "opening", &folders.id.to_string(), "-o", "shown", "--yes"];
    let shown = folders.run(folders.named, &write);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let said = String::from_utf8(shown.stdout).unwrap();
    assert!(said.contains("SECRET") && said.contains("one of the 2 members that may collude"), "{said}");
    let (code, json, text) = folders.verify("shown", 0..MEMBERS);
    assert_eq!((code, &json["result"]), (1, &"fail".into()), "{text}");
    assert_eq!((&json["opening"]["cell"], &json["opening"]["result"]), (&SHIFTED.into(), &"fail".into()));
    let name = folders.founders[folders.named].id.to_string();
    assert!(text.contains(&format!("FAIL opening          the seat of {name}")), "{text}");
    assert!(text.contains(&format!("another in cell {SHIFTED}")), "{text}");
    // The logs alone show nothing.
    let logs = json["logs"].as_array().unwrap();
    assert!(logs.iter().all(|log| log["result"] == "pass"), "{json:#}");
}

/// Real nodes all the way: at most one of the three keeps and shows what it was sent.
#[test]
fn of_a_round_of_real_nodes_at_most_one_seat_shows() {
    let mut coop = Coop::found(MEMBERS, 40);
    (0..MEMBERS).for_each(|n| coop.start(n));
    (0..MEMBERS).for_each(|n| coop.wait_connected(n));
    let today = clock::now().day();
    let period = format!("{today}..{today}");
    let ask = ["ask", "--question", "mean.toml", "--period", &period, "--yes", "--json", "--window", "30s"];
    let id = json(&coop.ok(2, &ask))["release"]["query"].as_str().unwrap().to_owned();
    for n in 0..MEMBERS {
        wait_for("the release everywhere", || {
            let seen = coop.run(n, &["results", &id, "--json"]);
            seen.status.success() && json(&seen)["stage"] == "released"
        });
    }
    let kept = |n: &usize| coop.node(*n).join("keys/openings").join(&id).exists();
    let keepers: Vec<usize> = (0..MEMBERS).filter(kept).collect();
    let file = |n: usize| format!("shown{n}");
    let shows = |n: &usize| coop.run(*n, &["log", "opening", &id, "-o", &file(*n), "--yes"]).status.success();
    let shown: Vec<usize> = (0..MEMBERS).filter(shows).collect();
    assert_eq!(keepers, shown);
    assert!(shown.len() <= 1, "{shown:?}");
    for n in 0..MEMBERS {
        coop.ok(n, &["log", "export", &format!("export{n}")]);
    }
    for n in shown {
        let folders: Vec<String> = (0..MEMBERS).map(|n| format!("export{n}")).collect();
        let file = file(n);
        let args = ["verify", "--opening", &file].into_iter().chain(folders.iter().map(String::as_str));
        coop.ok(0, &args.collect::<Vec<_>>());
    }
}
