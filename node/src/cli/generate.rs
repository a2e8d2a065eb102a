//! `datacoop generate`.

use std::path::PathBuf;

use clap::Args;
use datacoop_policy::{AcademicYear, Day, Period};
use serde_json::Value;

use super::demo::read;
use super::{Common, Printed, Progress};
use crate::error::CommandError;
use crate::generate::scenario::{BUILT_IN, Scenario};
use crate::generate::{CHARITIES, Options, generate};

#[derive(Args)]
pub(super) struct GenerateArgs {
    /// How many schools: of twelve, eight secondary, three primary, one special
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=crate::generate::MEMBERS_MAX))]
    schools: u64,
    /// Seed: the same seed gives the same bytes everywhere
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// New folder to write into, a subfolder a member
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Charities too, with their activities, people, participation and outcomes
    #[arg(long)]
    vcse: bool,
    /// One plain layout for all, and no row wrong on purpose
    #[arg(long)]
    clean: bool,
    /// First day of marks [default: the half-term of the scenario's event day]
    #[arg(long, value_name = "DATE", requires = "to")]
    from: Option<String>,
    /// Last day of marks
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<String>,
    /// A whole academic year of marks, such as 2025/26
    #[arg(long, value_name = "YEAR", conflicts_with_all = ["from", "to"])]
    year: Option<String>,
    /// What to plant and how much of it (TOML) [default: built in; it is written out beside the data]
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
}

pub(super) fn generate_command(common: &Common, args: &GenerateArgs) -> Result<Printed, CommandError> {
    let text = args.scenario.as_ref().map_or(Ok(BUILT_IN.to_owned()), read)?;
    let scenario = Scenario::from_toml(&text).map_err(|error| match &args.scenario {
        Some(path) => CommandError::usage(format!("{}: {error}", path.display())),
        None => CommandError::usage(error),
    })?;
    let period = period(args, &scenario)?;
    let options = Options {
        schools: args.schools,
        charities: if args.vcse { CHARITIES } else { 0 },
        seed: args.seed,
        scenario: (scenario, text),
        period,
        clean: args.clean,
    };
    let progress = Progress::new(common);
    let truth = generate(&options, &args.out, &|what| progress.say(what));
    progress.done();
    let truth = truth?;
    let text = text_of(&truth, args);
    Ok(Printed::new(truth, text))
}

/// The days that are written: they lie in the scenario's academic year.
fn period(args: &GenerateArgs, scenario: &Scenario) -> Result<Period, CommandError> {
    let usage = CommandError::usage;
    let year = scenario.academic_year();
    let day = |text: &String| {
        Day::parse(text).ok_or_else(|| usage(format!("`{text}` is not a date; write 2025-12-31")))
    };
    let period = match (&args.from, &args.to, &args.year) {
        (Some(from), Some(to), _) => {
            let (first, last) = (day(from)?, day(to)?);
            let none = || usage(format!("{first} to {last} is no period inside one academic year"));
            Period::new(first, last).ok_or_else(none)?
        }
        (_, _, Some(text)) => {
            let begins = text.split_once('/').and_then(|(begins, _)| begins.parse().ok());
            let named = begins.map(AcademicYear).filter(|year| year.to_string() == *text);
            let named = named.ok_or_else(|| usage(format!("`{text}` is no academic year; write 2025/26")))?;
            let whole = scenario.whole_year();
            if named == year { whole } else { return Err(other_year(named, year)) }
        }
        (_, _, None) => scenario.half_term(),
    };
    if period.year() == year { Ok(period) } else { Err(other_year(period.year(), year)) }
}

fn other_year(asked: AcademicYear, year: AcademicYear) -> CommandError {
    CommandError {
        hint: Some("name a --scenario with another `year`".into()),
        ..CommandError::usage(format!("the days lie in {asked}, and the scenario is of {year}"))
    }
}

fn text_of(truth: &Value, args: &GenerateArgs) -> String {
    let list = |name: &str| truth[name].as_array().cloned().unwrap_or_default();
    let (members, charities) = (list("members"), list("charities"));
    let sum = |field: &str| members.iter().filter_map(|member| member[field].as_u64()).sum::<u64>();
    let rows = |members: &[Value]| -> u64 {
        let files = members.iter().filter_map(|member| member["files"].as_array()).flatten();
        files.filter_map(|file| file["rows"].as_u64()).sum()
    };
    let out = args.out.display();
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mut said = format!(
        "{} made-up schools with {} pupils, {} to {}: {} rows in {out}\n",
        members.len(),
        sum("pupils"),
        text(&truth["from"]),
        text(&truth["to"]),
        rows(&members)
    );
    for member in &members {
        let layout = member["files"][1]["layout"].as_str().unwrap_or("");
        said += &format!("  {:<34} {:>5} pupils  {layout}\n", text(&member["folder"]), member["pupils"]);
    }
    if !charities.is_empty() {
        said += &format!("{} made-up charities: {} rows\n", charities.len(), rows(&charities));
    }
    said += "\nPlanted, in percentage points of attendance (Pupil Premium pupils and others):\n";
    for effect in list("effects") {
        let change = |premium: bool| {
            let groups = effect["all"].as_array().into_iter().flatten();
            let group = groups.into_iter().find(|group| group["pupil_premium"] == premium);
            group.and_then(|group| group["change_pp"].as_f64()).map_or("-".into(), |pp| format!("{pp:+.2}"))
        };
        said += &format!("  {:<14} {:>7} {:>7}\n", text(&effect["effect"]), change(true), change(false));
    }
    said +=
        &format!("What was planted, exactly: {out}/truth.json; how much was intended: {out}/scenario.toml\n");
    if truth["event_day"].is_object() {
        said += &format!("Ask about it: datacoop demo --data {out} --question event-day\n");
    }
    said
}
