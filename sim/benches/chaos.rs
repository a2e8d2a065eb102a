//! How fast the simulated world is, against what SIM.md section 9 asks of two cores: `cargo bench -p datacoop-sim --bench chaos`.
//! `-- --seeds 200` plays all seeds of the target; without, one in ten, and says what all would take.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark fails by panicking, and reads the clock"
)]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use datacoop_sim::chaos::{Chaos, seed};
use datacoop_sim::clusters::{Added, one_round};
use datacoop_sim::coverage::{COVERED_FROM, is_due, missing};
use datacoop_sim::scenario::Scenario;

/// What SIM.md section 9 asks, in seconds: a year of twelve, a thousand members' round, all seeds twice.
const YEAR_MAX: f64 = 10.0;
const THOUSAND_MAX: f64 = 60.0;
const SEEDS_MAX: f64 = 300.0;
/// Seeds of the target, and those that are played unless more are asked for.
const SEEDS: u64 = 200;
const PLAYED: u64 = 20;
const MEMBERS: usize = 12;
/// A thousand members. A charter has at most 200, so five clusters would do; of six each core gets as many.
const CLUSTERS: [usize; 6] = [167, 167, 167, 167, 166, 166];
const DAYS: u32 = 30;

fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--seeds");
    let seeds = args.nth(1).map_or(PLAYED, |count| count.parse().unwrap());
    let line = |what: &str, seconds: f64, how: &str, most: f64| {
        let met = if seconds < most { "met" } else { "missed" };
        println!(
            "{what:<55} {seconds:>7.1} s{how}, at most {most} s: {met}; {} MB at most",
            peak_megabytes()
        );
    };

    let year = Scenario::from_toml(include_str!("../scenarios/school-year.toml")).unwrap();
    let (seconds, outcome) = timed(|| Chaos::new(&year, &seed(1), 0).run());
    assert_eq!(outcome.broken, None);
    line("a school year, 12 members", seconds, "", YEAR_MAX);

    let (seconds, added) = timed(|| {
        let all = Mutex::new(Added::default());
        on_all_cores(CLUSTERS.len() as u64, |number| {
            let members = CLUSTERS[usize::try_from(number).unwrap()];
            let one = one_round(number + 1, members, 50).unwrap();
            let mut all = all.lock().unwrap();
            *all = all.clone().plus(&one);
        });
        all.into_inner().unwrap()
    });
    assert_eq!(added.members, 1_000);
    line("1,000 members (6 clusters) x 1 round, 50 cells", seconds, "", THOUSAND_MAX);

    let (broken, differ) = (Mutex::new(vec![]), Mutex::new(vec![]));
    let counts = Mutex::new(BTreeMap::<String, u64>::new());
    let (seconds, ()) = timed(|| {
        on_all_cores(seeds, |number| {
            let play = || {
                let seed = seed(number + 1);
                Chaos::new(&Scenario::random(&seed, MEMBERS, DAYS), &seed, 0).run()
            };
            let (first, second) = (play(), play());
            if first.trace != second.trace {
                differ.lock().unwrap().push(number + 1);
            }
            let mut counts = counts.lock().unwrap();
            first.counts.iter().for_each(|(what, n)| *counts.entry(what.clone()).or_default() += n);
            broken.lock().unwrap().extend(first.broken.map(|broken| (number + 1, broken)));
        });
    });
    #[expect(clippy::cast_precision_loss, reason = "a few hundred seeds")]
    let all = seconds * SEEDS as f64 / seeds as f64;
    let how = if seeds == SEEDS { String::new() } else { format!(" as {seeds} of them say") };
    line("200 seeds x 12 members x 30 days, each twice", all, &how, SEEDS_MAX);
    assert!(broken.lock().unwrap().is_empty(), "{:#?}", broken.lock().unwrap());
    assert!(differ.lock().unwrap().is_empty(), "other the second time: {:#x?}", differ.lock().unwrap());
    let missing = missing(&counts.lock().unwrap());
    println!("{:<55} {:>20}   target none by {COVERED_FROM}", "what never happened", missing.len());
    assert!(!is_due(seeds, MEMBERS, DAYS) || missing.is_empty(), "{missing:?}");
}

/// The most memory that this process had so far; 0 where the system does not say.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn timed<T>(run: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let done = run();
    (began.elapsed().as_secs_f64(), done)
}

fn on_all_cores(count: u64, run: impl Fn(u64) + Sync) {
    let (next, cores) = (AtomicU64::new(0), std::thread::available_parallelism().map_or(2, usize::from));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    run(number);
                }
            });
        }
    });
}
