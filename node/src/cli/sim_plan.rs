//! `datacoop sim plan`: what members that have not begun would learn, and for how much privacy loss.

use std::path::PathBuf;

use clap::Args;
use datacoop_policy::PrivacyLoss;
use datacoop_policy::limits::{FLOOR_RHO_QUERY, FLOOR_RHO_YEAR};
use datacoop_policy::query::ROSTER_MAX;
use datacoop_sim::calendar::Hours;
use datacoop_sim::plan::TooSmall;
use datacoop_sim::scenario::seed_number;

use super::{Common, Printed, Progress};
use crate::error::CommandError;
use crate::planner::{Planned, Width, Wish};

/// Starts that are played unless more are wanted: with twelve members on two cores, in a release build, about 20 s.
const STARTS: u32 = 40;
/// Meeting points unless others are wanted: one of two may be down.
const MEETING_POINTS: u32 = 2;
const STARTS_MAX: i64 = 10_000;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  datacoop sim plan --schools 12 --pupils 1000 --rho-year 0.25\n  datacoop sim plan --schools 20 --template office=5 --template school_hours=13 --within 2pp -o plan.html"
)]
pub(super) struct PlanArgs {
    /// How many members
    #[arg(long, visible_alias = "members", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=ROSTER_MAX as i64))]
    schools: u32,
    /// People at each, about
    #[arg(long, visible_alias = "people", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pupils: u64,
    /// Privacy loss of one question, zCDP
    #[arg(long, value_name = "RHO", default_value = "0.005", value_parser = rho)]
    rho: u64,
    /// Privacy loss of a year, zCDP
    #[arg(long, value_name = "RHO", default_value = "0.25", value_parser = rho)]
    rho_year: u64,
    /// Likely error you would accept, such as 2pp, 50 or "3 points": what each question costs then
    #[arg(long, value_name = "AMOUNT", value_parser = width)]
    within: Option<Width>,
    /// When machines run: office, school_hours, evenings or always; of some kinds, each with its number
    #[arg(long = "template", value_name = "HOURS[=N]", default_value = "school_hours", value_parser = template)]
    templates: Vec<(Hours, Option<u32>)>,
    /// Members that always run and that others can reach [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=ROSTER_MAX as i64))]
    meeting_points: Option<u32>,
    /// How many moments of a school year a question is asked at, to find how long it must be open; 0 leaves that out
    #[arg(long, value_name = "N", default_value_t = STARTS, value_parser = clap::value_parser!(u32).range(0..=STARTS_MAX))]
    starts: u32,
    /// All dice come from it
    #[arg(long, default_value = "1", value_parser = seed)]
    seed: u64,
    /// Also save as one page that stands alone (.html)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// `0.005` in billionths.
fn rho(text: &str) -> Result<u64, String> {
    let (whole, parts) = text.split_once('.').unwrap_or((text, "0"));
    let digits = !whole.is_empty() && !parts.is_empty() && parts.len() <= 9;
    let digits = digits && whole.bytes().chain(parts.bytes()).all(|byte| byte.is_ascii_digit());
    let nano = digits.then(|| format!("{whole}{parts:0<9}").parse::<u64>().ok()).flatten();
    nano.filter(|nano| *nano > 0).ok_or_else(|| format!("`{text}` is no loss such as 0.005"))
}

fn width(text: &str) -> Result<Width, String> {
    Width::parse(text).ok_or_else(|| format!("`{text}` is no width such as 2pp, 50, 0.2 or \"3 points\""))
}

fn seed(text: &str) -> Result<u64, String> {
    seed_number(text).map_err(|error| error.to_string())
}

/// `office`, or `office=5`.
fn template(text: &str) -> Result<(Hours, Option<u32>), String> {
    let (name, count) = text.split_once('=').map_or((text, None), |(name, count)| (name, Some(count)));
    let known: Vec<&str> = Hours::ALL.iter().map(|(name, _)| *name).collect();
    let hours =
        Hours::named(name).ok_or_else(|| format!("no hours `{name}`; known are {}", known.join(", ")))?;
    match count.map(str::parse::<u32>) {
        None => Ok((hours, None)),
        Some(Ok(count)) if (1..=200).contains(&count) => Ok((hours, Some(count))),
        Some(_) => Err(format!("`{text}`: write how many, such as {name}=5")),
    }
}

impl PlanArgs {
    /// Meeting points, and the others by their hours. Errors: they are not as many as there are members.
    fn machines(&self) -> Result<(u32, Vec<(Hours, u32)>), CommandError> {
        let all = self.schools;
        let points = self.meeting_points.unwrap_or(MEETING_POINTS.min(all.saturating_sub(1)).max(1));
        let said: u32 = self.templates.iter().filter_map(|(_, count)| *count).sum();
        let rest = all.checked_sub(points).and_then(|left| left.checked_sub(said));
        let open = self.templates.iter().filter(|(_, count)| count.is_none()).count();
        let wrong = |text: String| {
            CommandError::usage(text).hint("name one kind without a number: it takes whoever is left")
        };
        match (rest, open) {
            (None, _) => {
                Err(wrong(format!("{points} meeting points and {said} others are more than {all} members")))
            }
            (Some(rest), 0) if rest > 0 => {
                Err(wrong(format!("{points} meeting points and {said} others are fewer than {all} members")))
            }
            (_, 2..) => Err(wrong("several kinds of hours need a number each, but one".to_owned())),
            (Some(rest), _) => {
                let kinds = self.templates.iter().map(|(hours, count)| (*hours, count.unwrap_or(rest)));
                Ok((points, kinds.filter(|(_, count)| *count > 0).collect()))
            }
        }
    }
}

pub(super) fn plan(common: &Common, args: &PlanArgs) -> Result<Printed, CommandError> {
    let (loss, year) = (PrivacyLoss::from_nano(args.rho), PrivacyLoss::from_nano(args.rho_year));
    if loss > FLOOR_RHO_QUERY || year > FLOOR_RHO_YEAR {
        return Err(CommandError::usage(format!(
            "no question may cost more than rho {FLOOR_RHO_QUERY}, and no year more than {FLOOR_RHO_YEAR}"
        )));
    }
    let (meeting_points, kinds) = args.machines()?;
    let wish = Wish {
        members: args.schools,
        people: args.pupils,
        loss,
        year,
        within: args.within.clone(),
        meeting_points,
        kinds,
        starts: args.starts as usize,
        seed: args.seed,
    };
    let progress = Progress::new(common);
    let planned = Planned::of(wish, &|what| progress.say(what));
    progress.done();
    let planned = planned.map_err(|error| match error {
        TooSmall::Members => CommandError::usage(format!(
            "{} members are too few: each would see the other; three is the least, and from five on nobody sees a \
             member's figures",
            args.schools
        ))
        .hint("find another member, or join a co-operative that there is"),
        TooSmall::Loss => CommandError::usage(format!("rho {loss} is too small for any noise to serve")),
    })?;
    let mut text = planned.text();
    if let Some(path) = &args.output {
        std::fs::write(path, planned.page()).map_err(|error| {
            CommandError::failed(format!("`{}` was not written: {error}", path.display()))
        })?;
        text += &format!("\nSaved as a page: {}\n", path.display());
    }
    Ok(Printed::new(planned.json(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_read() {
        assert_eq!(rho("0.005"), Ok(5_000_000));
        assert_eq!(rho("1"), Ok(1_000_000_000));
        assert!(
            rho("-1").is_err() && rho("0.").is_err() && rho("0.0000000001").is_err() && rho("0").is_err()
        );
    }

    #[test]
    fn hours_are_read_with_their_number() {
        assert_eq!(template("office=5"), Ok((Hours::Office, Some(5))));
        assert_eq!(template("always"), Ok((Hours::Always, None)));
        assert!(
            template("nights").is_err() && template("office=0").is_err() && template("office=x").is_err()
        );
    }
}
