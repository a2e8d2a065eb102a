//! Five members on the node's real storage in one process, to be killed. Whoever kills it reads on
//! stdout what each member told the world, one line each, written before what it allows happens, and
//! starts it again on the same folder until it ends by itself, with exit code 0.
//!
//! `crash-victim FOLDER LIFE ROUNDS`: LIFE counts the starts, so that time and dice go on.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use datacoop_policy::Span;
use datacoop_policy::query::Mode;
use datacoop_tests::crash::{Cast, MEMBERS, NodeStore, begin, blamed, line, run_round};

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
        std::fs::create_dir_all(&home).expect("a folder");
        let tell = move |ack: &_| {
            // One write of one line: a pipe takes it whole or not at all.
            std::io::stdout().lock().write_all(line(site, ack).as_bytes()).expect("somebody listens");
        };
        world.set_store(site, Box::new(NodeStore::new(&home, Box::new(tell))));
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
