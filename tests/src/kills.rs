//! SIGKILL at random moments, over and over: what was told before must stand after. What this file
//! does *not* do: choose where; `crash` tries every change of the disk one by one.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use datacoop::storage::Storage;
use datacoop_policy::Span;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::seed::Seed;
use datacoop_sim::world::Kept;

use crate::crash::{Cast, LOSS, MEMBERS, Told, begin, folder_in_memory, lock, own_leaves, read_line};
use crate::report::Figure;

/// Rounds that one folder sees before a new one is begun: a log that grows makes starts slow.
pub(crate) const ROUNDS: u64 = 2;
/// Kills one folder may take at most before its rounds must have ended.
const KILLS_MAX: u64 = 400;

/// Kills per change of the program (R1).
const KILLS: u64 = 1_000;

/// How many kills are wanted: `DATACOOP_KILLS`, for a night of ten times as many, or 1,000.
pub fn wanted() -> u64 {
    std::env::var("DATACOOP_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS)
}

/// What came of the kills.
#[derive(Clone, Debug, Default)]
pub struct Kills {
    /// Processes that were killed before they ended.
    pub kills: u64,
    /// Folders whose rounds ended in spite of it.
    pub folders: u64,
    /// Rounds that ended with a release.
    pub rounds: u64,
    /// What was broken.
    pub failures: Vec<String>,
}

/// The program to kill: beside this one, where `cargo test` puts it; else built now, as `cargo run` builds
/// nothing but what it runs.
pub fn victim() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| find_victim().or_else(build_victim).expect("crash-victim can be built")).clone()
}

fn find_victim() -> Option<PathBuf> {
    let own = std::env::current_exe().expect("a program has a path");
    let mut folders = own.ancestors().skip(1).take(2);
    folders.find_map(|folder| Some(folder.join("crash-victim")).filter(|path| path.exists()))
}

fn build_victim() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let release = if cfg!(debug_assertions) { &[][..] } else { &["--release"][..] };
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "-p", "datacoop-tests", "--bin", "crash-victim"])
        .args(release)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    built.ok().filter(|status| status.success()).and_then(|_| find_victim())
}

/// Adds what a victim told. A line that a kill cut off told nobody anything.
pub(crate) fn hear(text: &str, told: &mut [Told]) {
    for line in text.rsplit_once('\n').map_or("", |(whole, _)| whole).lines() {
        if let Some((site, ack)) = read_line(line) {
            told[site].add(&ack);
        }
    }
}

/// Starts the victim and kills it after `after`, or waits for its end. Adds what it told. Whether it
/// ended by itself, and what it said if it failed.
pub(crate) fn one_life(
    folder: &Path,
    life: u64,
    after: Option<Duration>,
    told: &mut [Told],
) -> (bool, Option<String>) {
    let mut child = Command::new(victim())
        .arg(folder)
        .args([life.to_string(), ROUNDS.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the victim starts");
    let mut pipe = child.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).expect("text");
        text
    });
    let began = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait().expect("its status") {
            break Some(status);
        }
        if after.is_some_and(|after| began.elapsed() >= after) {
            child.kill().expect("it dies");
            break None;
        }
        std::thread::sleep(Duration::from_micros(500));
    };
    child.wait().expect("it is dead");
    let text = reader.join().expect("it reads");
    hear(&text, told);
    let failed = ended.filter(|status| !status.success()).map(|status| {
        let mut said = String::new();
        let read = child.stderr.take().map(|mut pipe| pipe.read_to_string(&mut said));
        format!(
            "life {life} ended with {status}: {} ({read:?})",
            said.chars().take(2_000).collect::<String>()
        )
    });
    (ended.is_some(), failed)
}

/// Whether every entry that was told lies in the journals, without starting from them.
pub(crate) fn look(folder: &Path, told: &[Told]) -> Option<String> {
    (0..MEMBERS).find_map(|site| {
        let home = folder.join(site.to_string());
        told[site].leaves().next()?;
        let found = lock(&home).and_then(|_lock| Storage::open(&home));
        match found {
            Err(error) => Some(format!("member {site} does not open: {error}")),
            Ok((_, found)) => {
                let own = own_leaves(&found.records);
                let gone = told[site].leaves().find(|(seq, leaf)| own.get(*seq) != Some(leaf));
                gone.map(|(seq, _)| format!("member {site}: entry {seq}, which was told, is gone or another"))
            }
        }
    })
}

/// The last word on a folder: each member is started from it and must hold all that it told.
pub(crate) fn judge(cast: &Cast, folder: &Path, told: &[Told]) -> Option<String> {
    (0..MEMBERS).find_map(|site| {
        let home = folder.join(site.to_string());
        let (_, found) = Storage::open(&home).expect("it opens");
        let (records, last_signed) = (found.records, found.last_signed);
        let kept =
            Kept { records, last_signed, secrets: found.secrets, openings: found.openings, held: found.held };
        match cast.restore(site, kept, begin() + Span(86_400_000)) {
            Err(error) => Some(format!("member {site} does not start: {error}")),
            Ok(member) => {
                let spent: u64 = member.standing().ledger().accounts().map(|(_, spent)| spent.nano()).sum();
                let wrong = (spent != ROUNDS * LOSS).then(|| format!("{spent} spent on {ROUNDS} rounds"));
                told[site].broken_by(&member).or(wrong).map(|broken| format!("member {site}: {broken}"))
            }
        }
    })
}

/// Kills until there were `wanted` kills, at moments drawn evenly over the measured life of a process
/// that nobody kills. `part` makes the moments others than those of another run.
pub fn kill(wanted: u64, part: u64) -> Kills {
    let cast = Cast::new();
    let mut all = Kills::default();
    let dice = Seed::new(fresh(part));
    let calm = folder_in_memory();
    let began = Instant::now();
    let mut told = vec![Told::default(); MEMBERS];
    let (_, failed) = one_life(calm.path(), 0, None, &mut told);
    let mut life = began.elapsed();
    all.failures.extend(failed);
    while all.kills < wanted && all.failures.is_empty() {
        let folder = folder_in_memory();
        let mut told = vec![Told::default(); MEMBERS];
        for count in 0.. {
            let drawn: [u8; 32] = dice.bytes(&format!("{}/{count}", all.folders));
            let at = life.mul_f64(f64::from(u16::from_le_bytes([drawn[0], drawn[1]])) / 65_536.0);
            // A folder whose rounds make no way is no crash: let it end.
            let after = (count < KILLS_MAX && all.kills < wanted).then_some(at);
            let began = Instant::now();
            let (ended, failed) = one_life(folder.path(), count, after, &mut told);
            if ended {
                // How fast processes get through depends on what else runs here.
                life = (3 * life + began.elapsed()) / 4;
            }
            all.kills += u64::from(!ended);
            all.failures.extend(failed.or_else(|| look(folder.path(), &told)));
            if ended || !all.failures.is_empty() {
                break;
            }
        }
        all.failures.extend(judge(&cast, folder.path(), &told));
        (all.folders, all.rounds) = (all.folders + 1, all.rounds + ROUNDS);
    }
    all
}

/// A seed that no other run has.
fn fresh(part: u64) -> [u8; 32] {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_nanos();
    sha256(&[&part.to_le_bytes(), &now.to_le_bytes()]).0
}

/// As `kill`, on two threads.
pub fn kill_on_two(wanted: u64) -> Kills {
    std::thread::scope(|scope| {
        let other = scope.spawn(|| kill(wanted / 2, 1));
        let mut one = kill(wanted - wanted / 2, 0);
        let other = other.join().expect("it ran");
        one.kills += other.kills;
        one.folders += other.folders;
        one.rounds += other.rounds;
        one.failures.extend(other.failures);
        one
    })
}

impl Kills {
    /// What was tested, and what it shows.
    pub fn said(&self) -> String {
        format!(
            "{} processes of {MEMBERS} members killed by SIGKILL at random moments over {} rounds: {} failures. \
             Zero failures in N trials show, with 95 % confidence, only a failure rate below 3/N: {:.2} %. A \
             kill is no power cut: the page cache survives it; recorded disks test that.",
            self.kills,
            self.rounds,
            self.failures.len(),
            300.0 / self.kills.max(1) as f64
        )
    }

    /// As a line of the report.
    pub fn figure(&self) -> Figure {
        let failures = self.failures.len() as u64;
        Figure::never(
            "kill -9 of five members loses no told debit, gives no second answer",
            self.kills,
            failures,
        )
    }
}
