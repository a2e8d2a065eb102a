//! Five members on the node's real storage in one process, to be killed. Whoever kills it reads on
//! stdout what each member told the world, one line each, written before what it allows happens, and
//! starts it again on the same folder until it ends by itself, with exit code 0.
//!
//! `crash-victim FOLDER LIFE ROUNDS`: LIFE counts the starts, so that time and dice go on. Exit code 3: the
//! disk refused something, which ends this process as it ends a node; stderr says what.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use datacoop::folder::StoreError;
use datacoop_policy::query::Mode;
use datacoop_policy::{Digest, Span, Time};
use datacoop_protocol::member::port::Output;
use datacoop_sim::world::{Kept, Store};
use datacoop_tests::crash::{Cast, DISK_FAILED, MEMBERS, NodeStore, begin, blamed, line, run_round};

/// A store whose first failure ends the process.
struct Strict(NodeStore);

fn or_end<T>(done: Result<T, String>) -> Result<T, String> {
    if let Err(error) = &done {
        eprintln!("error: {error}");
        std::process::exit(DISK_FAILED);
    }
    done
}

impl Store for Strict {
    fn open(&mut self) -> Result<Kept, String> {
        or_end(self.0.open())
    }

    fn started(&mut self, named: &BTreeSet<Digest>) -> Result<(), String> {
        or_end(self.0.started(named))
    }

    fn take(&mut self, now: Time, output: Output) -> Result<Option<Output>, String> {
        or_end(self.0.take(now, output))
    }

    fn settle(&mut self, now: Time) -> Result<(), String> {
        or_end(self.0.settle(now))
    }

    fn blob(&self, hash: &Digest) -> Option<Arc<[u8]>> {
        self.0.blob(hash)
    }
}

/// Makes a member's folder, which a full disk refuses too.
fn make_home(home: &Path) {
    let made = std::fs::create_dir_all(home);
    let made = made.map_err(|error| StoreError::Io(home.to_owned(), error).to_string());
    or_end(made).expect("INVARIANT: an error ends the process");
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, folder, life, rounds] = args.as_slice() else {
        eprintln!("usage: crash-victim FOLDER LIFE ROUNDS");
        return ExitCode::from(2);
    };
    let number = |text: &String| text.parse::<u64>().expect("a number");
    let (life, rounds) = (number(life), number(rounds));
    let cast = Cast::new();
    let mut world = cast.world(begin() + Span(60_000 * life), life);
    for site in 0..MEMBERS {
        let home = Path::new(folder).join(site.to_string());
        make_home(&home);
        let tell = move |ack: &_| {
            // One write of one line: a pipe takes it whole or not at all.
            std::io::stdout().lock().write_all(line(site, ack).as_bytes()).expect("somebody listens");
        };
        world.set_store(site, Box::new(Strict(NodeStore::new(&home, Box::new(tell)))));
    }
    println!("life {life}");
    for n in 0..rounds {
        if run_round(&cast, &mut world, n, Mode::Secure).is_none() {
            eprintln!("round {n} does not end: {:?}", world.events);
            return ExitCode::FAILURE;
        }
    }
    let blamed = blamed(&world);
    if !blamed.is_empty() {
        eprintln!("{blamed:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
