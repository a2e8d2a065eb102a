//! Puts each fault of `tests/privacy/sabotage.toml` into a copy of the tree and runs the test that must see it.
//!
//! `cargo run -p datacoop-tests --bin sabotage -- [NAME...] [--quick] [--list]`

#![expect(clippy::expect_used, reason = "a machine without folders or cargo has nothing to try")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use datacoop_tests::sabotage::{Mutant, Outcome, Scratch, list};

const USAGE: &str = "usage: sabotage [NAME...] [--quick] [--list]";

fn chosen(args: &[String]) -> Result<Vec<Mutant>, String> {
    let all = list();
    let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    if let Some(wrong) =
        args.iter().find(|arg| arg.starts_with("--") && !["--quick", "--list"].contains(&arg.as_str()))
    {
        return Err(format!("there is no option `{wrong}`; {USAGE}"));
    }
    if let Some(wrong) = names.iter().find(|name| !all.iter().any(|mutant| mutant.name == ***name)) {
        return Err(format!("there is no mutant `{wrong}`; `sabotage --list` names them"));
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let wanted = |mutant: &Mutant| {
        (names.is_empty() || names.iter().any(|name| **name == mutant.name)) && (mutant.quick || !quick)
    };
    Ok(all.into_iter().filter(wanted).collect())
}

/// Runs them; how many a test did not see.
fn run(mutants: &[Mutant]) -> Result<usize, String> {
    let own = std::env::current_exe().expect("a program has a path");
    let target = own.ancestors().nth(2).expect("target/<profile>/sabotage");
    let scratch = Scratch::new(&target.join("sabotage"));
    let mut sound: BTreeMap<&str, bool> = BTreeMap::new();
    for mutant in mutants {
        sound.entry(&mutant.test).or_insert_with(|| scratch.is_sound(mutant));
    }
    let mut unseen = 0;
    for mutant in mutants {
        let begun = Instant::now();
        let outcome = if sound[mutant.test.as_str()] { scratch.try_out(mutant)? } else { Outcome::BadTest };
        let word = match outcome {
            Outcome::Seen => "seen",
            Outcome::Survived => "SURVIVED",
            Outcome::Unbuilt => "DOES NOT COMPILE",
            Outcome::BadTest => "ITS TEST FAILS OR RUNS NOTHING WITHOUT IT",
        };
        println!("{:<36} {word:<10} {:>4} s  {}", mutant.name, begun.elapsed().as_secs(), mutant.test_name());
        if outcome != Outcome::Seen {
            unseen += 1;
            eprintln!("  {}: {}", mutant.file, mutant.claim);
            let output = scratch.output();
            let shown: Vec<&str> = output.lines().filter(|line| line.starts_with("error")).take(5).collect();
            eprintln!("  {}", shown.join("\n  "));
        }
    }
    Ok(unseen)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mutants = match chosen(&args) {
        Ok(mutants) => mutants,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    if args.iter().any(|arg| arg == "--list") {
        for mutant in &mutants {
            println!("{:<36} {:<6} {}", mutant.name, if mutant.quick { "quick" } else { "" }, mutant.claim);
        }
        return ExitCode::SUCCESS;
    }
    match run(&mutants) {
        Ok(0) => {
            println!("{} faults, each seen by its test", mutants.len());
            ExitCode::SUCCESS
        }
        Ok(unseen) => {
            println!("{unseen} of {} faults are not seen", mutants.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}
