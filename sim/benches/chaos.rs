//! How fast the simulated world is, against what SIM.md section 9 asks of two cores: `cargo bench -p datacoop-sim --bench chaos`.
//! `-- --seeds 200` plays all seeds of the target; without, one in ten, and says what all would take.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark fails by panicking, and reads the clock"
)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use datacoop_sim::chaos::{Chaos, seed};
use datacoop_sim::clusters::{Added, one_round};
use datacoop_sim::scenario::Scenario;

/// Seeds of the target, and those that are played unless more are asked for.
const SEEDS: u64 = 200;
const PLAYED: u64 = 20;

fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--seeds");
    let seeds = args.nth(1).map_or(PLAYED, |count| count.parse().unwrap());
    let line = |what: &str, found: String, target: &str| println!("{what:<55} {found:>20}   target {target}");

    let year = Scenario::from_toml(include_str!("../scenarios/school-year.toml")).unwrap();
    let (seconds, outcome) = timed(|| Chaos::new(&year, &seed(1), 0).run());
    assert_eq!(outcome.broken, None);
    line("a school year, 12 members", format!("{seconds:.1} s"), "< 10 s");

    let (seconds, added) = timed(|| {
        let all = Mutex::new(Added::default());
        on_all_cores(5, |number| {
            let one = one_round(number + 1, 200, 50).unwrap();
            let mut all = all.lock().unwrap();
            *all = all.clone().plus(&one);
        });
        all.into_inner().unwrap()
    });
    assert_eq!(added.members, 1_000);
    line("1,000 members (5 clusters of 200) x 1 round, 50 cells", format!("{seconds:.1} s"), "< 60 s");

    let broken = Mutex::new(vec![]);
    let (seconds, ()) = timed(|| {
        on_all_cores(seeds, |number| {
            let play = || {
                let seed = seed(number + 1);
                Chaos::new(&Scenario::random(&seed, 12, 30), &seed, 0).run()
            };
            let (first, second) = (play(), play());
            assert_eq!(first.trace, second.trace, "seed {:#x} is another the second time", number + 1);
            broken.lock().unwrap().extend(first.broken.map(|broken| (number + 1, broken)));
        });
    });
    #[expect(clippy::cast_precision_loss, reason = "a few hundred seeds")]
    let all = seconds * SEEDS as f64 / seeds as f64;
    let found = if seeds == SEEDS { format!("{seconds:.1} s") } else { format!("{all:.0} s by {seeds}") };
    line("200 seeds x 12 members x 30 days, each twice", found, "< 300 s");
    assert!(broken.lock().unwrap().is_empty(), "{:#?}", broken.lock().unwrap());
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
