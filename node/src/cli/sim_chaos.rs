//! `datacoop sim chaos`: seeds in parallel, a line each.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Args;
use datacoop_policy::Span;
use datacoop_protocol::log::tree::sha256;
use datacoop_sim::chaos::{Chaos, Outcome, seed};
use datacoop_sim::coverage;
use datacoop_sim::faults::length;
use datacoop_sim::scenario::{CELLS_MAX, DAYS_MAX, MEMBERS_MAX, Scenario, seed_number};
use datacoop_sim::shrink::shrink;
use datacoop_sim::trace::shown_time;
use serde_json::{Value, json};

use super::demo::read;
use super::{Common, Printed, Progress, plain_lines, sim_clusters};
use crate::error::{CommandError, Exit};

/// Members of a scenario that is made from a seed.
const MEMBERS_DEFAULT: u64 = 12;
/// Scenarios that come with the program, by name.
const BUILT_IN: [(&str, &str); 2] = [
    ("autumn-12", include_str!("../../../sim/scenarios/autumn-12.toml")),
    ("school-year", include_str!("../../../sim/scenarios/school-year.toml")),
];

#[derive(Args)]
pub(super) struct ChaosArgs {
    /// How many seeds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seeds: u64,
    /// The first seed, such as 0x2a [default: the scenario's, else 0x1]
    #[arg(long, value_name = "SEED")]
    seed: Option<String>,
    /// Members [default: 12; with --clusters 200 in each]
    #[arg(long, value_parser = clap::value_parser!(u64).range(5..=MEMBERS_MAX as u64))]
    members: Option<u64>,
    /// Days of faults, before all is healed
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// A scenario that comes with the program, or a file (TOML) [default: one made from each seed]
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = ["members", "days"])]
    scenario: Option<String>,
    /// Where a law breaks, find the smallest scenario that breaks it, and write it down
    #[arg(long)]
    shrink: bool,
    /// So many clusters that never meet instead: a round without faults in each, and their answers added up
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "days", "scenario", "shrink", "once", "plan"],
          value_parser = clap::value_parser!(u64).range(1..=1_000))]
    clusters: Option<u64>,
    /// Cells of the answer that clusters add up
    #[arg(long, default_value_t = 50, requires = "clusters", value_parser = clap::value_parser!(u32).range(1..=CELLS_MAX as i64))]
    cells: u32,
    /// Play each seed once: without the proof that it can be done again
    #[arg(long)]
    once: bool,
    /// Print each seed's scenario before it is played
    #[arg(long)]
    plan: bool,
}

/// A seed's outcome, and whether a second run was the same.
struct Played {
    seed: u64,
    outcome: Outcome,
    /// What the second run's trace was, where it was another.
    again: Option<String>,
}

pub(super) fn chaos(common: &Common, args: &ChaosArgs) -> Result<Printed, CommandError> {
    let file = args.scenario.as_deref().map(scenario).transpose()?;
    let first = match &args.seed {
        Some(text) => seed_number(text).map_err(|error| CommandError::usage(format!("--seed: {error}")))?,
        None => file.as_ref().and_then(|scenario| scenario.seed).unwrap_or(1),
    };
    let members = |default: u64| usize::try_from(args.members.unwrap_or(default)).unwrap_or(MEMBERS_MAX);
    if let Some(clusters) = args.clusters {
        let cells = usize::try_from(args.cells).unwrap_or(CELLS_MAX);
        return sim_clusters::clusters(common, first, clusters, members(MEMBERS_MAX as u64), cells);
    }
    let of = |number: u64| match &file {
        Some(scenario) => scenario.clone(),
        None => Scenario::random(&seed(number), members(MEMBERS_DEFAULT), args.days),
    };
    let progress = Progress::new(common);
    let began = Instant::now();
    let mut total = Total::default();
    let broken = play_all(args, first, &of, &progress, &mut |played| {
        total.add(played);
        say(common, &line(common, played))
    })?;
    progress.done();
    if let Some(law) = file.as_ref().and_then(|scenario| scenario.beyond.as_ref()) {
        return Ok(beyond(law, broken.as_ref()));
    }
    if let Some(played) = broken {
        return failed(common, args, &of(played.seed), &played);
    }
    let mut text = total.text(began.elapsed().as_secs_f64());
    let mut code = 0;
    if file.is_none() && coverage::is_due(args.seeds, members(MEMBERS_DEFAULT), args.days) {
        let missing = coverage::missing(&total.counts);
        if !missing.is_empty() {
            text += &format!("\nnever happened, so never tested: {}", missing.join(", "));
            code = Exit::Failed as u8;
        }
    }
    let expected = file.as_ref().map(|scenario| total.falls_short(scenario)).unwrap_or_default();
    for short in expected {
        text += &format!("\nexpected otherwise: {short}");
        code = Exit::Law as u8;
    }
    if common.json && code != 0 {
        eprintln!("{text}");
    }
    let mut printed = Printed::new(Value::Null, text);
    printed.code = code;
    Ok(printed)
}

/// One bound was crossed on purpose: exactly the stated law breaks, or something is wrong.
fn beyond(law: &str, broken: Option<&Played>) -> Printed {
    let found = broken.and_then(|played| played.outcome.broken.as_ref());
    let as_said = found.is_some_and(|broken| broken.law.starts_with(law));
    let text = match found {
        Some(found) if as_said => format!("{} is lost, as the scenario says: {}", found.law, found.text),
        Some(found) => format!("expected otherwise: {law} was to break; {} did: {}", found.law, found.text),
        None => format!("expected otherwise: {law} was to break, and every law was kept"),
    };
    let mut printed = Printed::new(Value::Null, text);
    printed.code = if as_said { 0 } else { Exit::Law as u8 };
    printed
}

fn scenario(name: &str) -> Result<Scenario, CommandError> {
    let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
    let text = match built_in {
        Some((_, text)) => (*text).to_owned(),
        None if Path::new(name).exists() => read(&PathBuf::from(name))?,
        None => {
            let known: Vec<&str> = BUILT_IN.iter().map(|(known, _)| *known).collect();
            return Err(CommandError::usage(format!("no file and no built-in scenario is called `{name}`"))
                .hint(&format!("built in are {}", known.join(", "))));
        }
    };
    Scenario::from_toml(&text).map_err(|error| CommandError::usage(format!("`{name}`: {error}")))
}

/// Plays the seeds on every core and tells of each in order; the first that breaks a law, or is not the same twice.
fn play_all(
    args: &ChaosArgs,
    first: u64,
    of: &(dyn Fn(u64) -> Scenario + Sync),
    progress: &Progress,
    tell: &mut dyn FnMut(&Played) -> Result<(), CommandError>,
) -> Result<Option<Played>, CommandError> {
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let done: Mutex<BTreeMap<u64, Played>> = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(usize::try_from(args.seeds).unwrap_or(1));
    let mut told = 0;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= args.seeds {
                            return;
                        }
                        let played = play(first.wrapping_add(n), &of(first.wrapping_add(n)), args);
                        if let Ok(mut done) = done.lock() {
                            done.insert(n, played);
                        }
                    }
                })
            })
            .collect();
        loop {
            let over = workers.iter().all(|worker| worker.is_finished());
            let ready = done.lock().ok().and_then(|mut done| done.remove(&told));
            match ready {
                Some(played) if played.outcome.broken.is_some() || played.again.is_some() => {
                    stop.store(true, Ordering::Relaxed);
                    return Ok(Some(played));
                }
                Some(played) => {
                    tell(&played).inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
                    told += 1;
                    progress.say(&format!("{told} of {} seeds", args.seeds));
                }
                None if over && told < args.seeds => {
                    return Err(CommandError::failed(format!(
                        "seed {:#x} ended in a panic",
                        first.wrapping_add(told)
                    )));
                }
                None if over => return Ok(None),
                None => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
        }
    })
}

fn play(number: u64, scenario: &Scenario, args: &ChaosArgs) -> Played {
    // First the seed: or one that hangs is lost.
    if args.plan {
        println!("# seed {number:#x}\n{}", scenario.to_toml());
    }
    let outcome = Chaos::new(scenario, &seed(number), 0).run();
    let again = (!args.once && outcome.broken.is_none())
        .then(|| Chaos::new(scenario, &seed(number), 0).run().trace)
        .filter(|trace| *trace != outcome.trace)
        .map(|trace| trace.to_string());
    Played { seed: number, outcome, again }
}

fn line(common: &Common, played: &Played) -> String {
    let Played { seed, outcome, .. } = played;
    match common.json {
        true => json!({
            "schema": "datacoop.sim/1",
            "seed": format!("{seed:#x}"),
            "trace": outcome.trace.to_string(),
            "events": outcome.events,
            "releases": outcome.releases,
            "aborts": outcome.aborts,
            "laws": if outcome.broken.is_none() { "kept" } else { "broken" },
        })
        .to_string(),
        false => format!(
            "{seed:#x}  laws kept  {} released, {} aborted  {} events  trace {}",
            outcome.releases,
            outcome.aborts,
            outcome.events,
            outcome.trace.short()
        ),
    }
}

fn say(common: &Common, line: &str) -> Result<(), CommandError> {
    if common.quiet && !common.json {
        return Ok(());
    }
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::failed(format!("the result was not written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Over all seeds.
#[derive(Default)]
struct Total {
    seeds: u64,
    releases: u64,
    aborts: u64,
    events: u64,
    waits: Vec<Span>,
    counts: BTreeMap<String, u64>,
}

impl Total {
    fn add(&mut self, played: &Played) {
        let outcome = &played.outcome;
        self.seeds += 1;
        self.releases += outcome.releases;
        self.aborts += outcome.aborts;
        self.events += outcome.events;
        self.waits.extend(&outcome.waits);
        for (name, count) in &outcome.counts {
            *self.counts.entry(name.clone()).or_default() += count;
        }
    }

    fn text(&self, seconds: f64) -> String {
        format!(
            "{} seed{}: every law kept; {} rounds released, {} aborted; {} events; {seconds:.1} s",
            self.seeds,
            if self.seeds == 1 { "" } else { "s" },
            self.releases,
            self.aborts,
            self.events
        )
    }

    /// What a scenario expects and did not come about.
    fn falls_short(&self, scenario: &Scenario) -> Vec<String> {
        let mut short = vec![];
        let rounds = self.releases + self.aborts;
        if let Some(least) = scenario.expect.released
            && self.releases * 100 < rounds * u64::from(least)
        {
            short
                .push(format!("at least {least} % of rounds released; it was {} of {rounds}", self.releases));
        }
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let p95 = waits.get((waits.len() * 95).div_ceil(100).max(1) - 1);
        if let (Some(most), Some(p95)) = (scenario.expect.within, p95)
            && p95 >= &most
        {
            short.push(format!("95 % released within {}; it took {}", length(most), length(*p95)));
        }
        short
    }
}

/// A law broke, or a seed was not the same twice: all that is needed to do it again.
fn failed(
    common: &Common,
    args: &ChaosArgs,
    scenario: &Scenario,
    played: &Played,
) -> Result<Printed, CommandError> {
    let number = played.seed;
    if common.json {
        say(common, &line(common, played))?;
    }
    let mut again = format!("datacoop sim chaos --seed {number:#x}");
    match &args.scenario {
        Some(name) => again += &format!(" --scenario {name}"),
        None => again += &format!(" --members {} --days {}", scenario.members.len(), args.days),
    }
    let mut text = match (&played.outcome.broken, &played.again) {
        (Some(broken), _) => {
            let by = broken.member.map(|site| format!(" by member {site}")).unwrap_or_default();
            format!("LAW {}   broken {}{by}: {}", broken.law, shown_time(broken.at), broken.text)
        }
        (None, Some(trace)) => {
            format!("LAW L16 replay   the same seed gave trace {} and then {trace}", played.outcome.trace)
        }
        (None, None) => String::new(),
    };
    let hash = sha256(&[scenario.to_toml().as_bytes()]);
    text += &format!(
        "\nseed {number:#x}   scenario {} (sha256 {})   commit {}   trace {}",
        scenario.name,
        hash.short(),
        option_env!("DATACOOP_COMMIT").unwrap_or("unknown"),
        played.outcome.trace.short()
    );
    if !played.outcome.last.is_empty() {
        let path = trace_file(number, &played.outcome.last)?;
        text += &format!("\nlast {} events: {}", played.outcome.last.len(), path.display());
    }
    text += &format!("\nagain: {again}");
    if let (true, Some(broken)) = (args.shrink, &played.outcome.broken) {
        let path = shrunk(common, scenario, number, &broken.law)?;
        text += &format!("\nsmallest: {}", path.display());
    }
    eprintln!("{}", plain_lines(&text));
    let mut printed = Printed::new(Value::Null, String::new());
    printed.code = Exit::Law as u8;
    Ok(printed)
}

/// Writes down the last events before a law broke.
fn trace_file(number: u64, last: &[String]) -> Result<PathBuf, CommandError> {
    let folder = if Path::new("target").is_dir() { "target/sim" } else { "." };
    let path = Path::new(folder).join(format!("{number:x}.trace"));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, last.join("\n") + "\n"))
        .map_err(|error| CommandError::failed(format!("`{}` was not written: {error}", path.display())))?;
    Ok(path)
}

/// Finds and writes the smallest scenario that breaks the same law.
fn shrunk(common: &Common, scenario: &Scenario, number: u64, law: &str) -> Result<PathBuf, CommandError> {
    let progress = Progress::new(common);
    let mut breaks = |tried: &Scenario| {
        let outcome = Chaos::new(tried, &seed(number), 0).run();
        outcome.broken.is_some_and(|broken| broken.law == law)
    };
    let mut least =
        shrink(scenario, &mut breaks, &mut |left| progress.say(&format!("shrinking: {left} lines are left")));
    progress.done();
    let code = law.split(' ').next().unwrap_or("law").to_lowercase();
    (least.name, least.seed) = (format!("{code}-{number:x}"), Some(number));
    let folder = Path::new("sim/scenarios/regress");
    let folder = if folder.is_dir() { folder } else { Path::new(".") };
    let path = folder.join(format!("{}.toml", least.name));
    let text = format!("# {law}. Cause: not yet known.\n{}", least.to_toml());
    std::fs::write(&path, text)
        .map_err(|error| CommandError::failed(format!("`{}` was not written: {error}", path.display())))?;
    Ok(path)
}
