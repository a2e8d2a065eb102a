//! Made-up schools and charities: what their systems would export, what was planted in it, and the same
//! rows straight as tables. Never near a real node.
//!
//! Deterministic: a seed gives the same bytes everywhere, and another member or effect shifts nobody
//! else's (DATA section 9).

pub mod attainment;
pub mod behaviour;
pub mod calendar;
pub mod charity;
pub mod dice;
pub mod effects;
pub mod files;
pub mod layouts;
pub mod register;
pub mod scenario;
pub mod school;
pub mod tables;
pub mod text;
pub mod truth;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use datacoop_policy::Period;
use serde_json::Value;

use crate::error::CommandError;
use charity::Charity;
use files::Exports;
use scenario::Scenario;
use school::School;
use truth::{MemberTruth, truth_json};

/// Most schools or charities of one folder: their numbers have three digits and keep apart.
pub const MEMBERS_MAX: u64 = 899;

/// Charities that come with schools when asked for: enough for a secure Roster of them alone.
pub const CHARITIES: u64 = 6;

/// What to make.
pub struct Options {
    /// How many schools.
    pub schools: u64,
    /// How many charities.
    pub charities: u64,
    /// Seed of everything.
    pub seed: u64,
    /// What is planted, and its text.
    pub scenario: (Scenario, String),
    /// The days that are written.
    pub period: Period,
    /// One plain layout, and no row wrong on purpose.
    pub clean: bool,
}

/// Writes a folder of exports, one subfolder a member, with `truth.json` and `scenario.toml` beside them.
/// Returns what `truth.json` says.
///
/// Errors: the folder holds something, or cannot be written.
pub fn generate(options: &Options, out: &Path, progress: &dyn Fn(&str)) -> Result<Value, CommandError> {
    make_empty(out)?;
    let failed = |error: std::io::Error| CommandError::failed(format!("{}: {error}", out.display()));
    let (scenario, scenario_text) = &options.scenario;
    let (period, seed) = (options.period, options.seed);
    let schools: Vec<School> =
        (1..=options.schools).map(|number| School::new(seed, number, scenario, None)).collect();
    let mut members = vec![];
    for school in &schools {
        progress(&format!("writing school {} of {}", school.number, options.schools));
        let folder = out.join(school.folder());
        fs::create_dir(&folder).map_err(failed)?;
        let exports = Exports::new(seed, scenario, school, period, options.clean);
        let (truth, files) = exports.write(&folder).map_err(failed)?;
        members.push(MemberTruth::new(seed, scenario, school, truth, files));
    }
    let mut truth = truth_json(seed, scenario, (period.first(), period.last()), &members);
    let mut charities = vec![];
    for number in 1..=options.charities {
        progress(&format!("writing charity {number} of {}", options.charities));
        let charity = Charity::new(seed, number, period);
        let folder = out.join(charity.folder());
        fs::create_dir(&folder).map_err(failed)?;
        let files = charity.write(seed, &folder).map_err(failed)?;
        charities.push(charity.truth(&files));
    }
    truth["charities"] = Value::Array(charities);
    fs::write(out.join("scenario.toml"), scenario_text).map_err(failed)?;
    fs::write(out.join("truth.json"), format!("{truth:#}\n")).map_err(failed)?;
    Ok(truth)
}

/// Makes a folder unless it is there and empty.
fn make_empty(out: &Path) -> Result<(), CommandError> {
    let wrong = |error: std::io::Error| CommandError::usage(format!("{}: {error}", out.display()));
    fs::create_dir_all(out).map_err(wrong)?;
    if fs::read_dir(out).map_err(wrong)?.next().is_none() {
        return Ok(());
    }
    Err(CommandError {
        hint: Some("name a new folder: --out DIR".to_owned()),
        ..CommandError::usage(format!("{} is not empty", out.display()))
    })
}
