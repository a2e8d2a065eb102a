//! Made-up secondary schools and an event day, straight as tables: only the days that are asked about.

use std::collections::BTreeMap;
use std::path::Path;

use datacoop_policy::question::{Question, QuestionDraft, tidy_params};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Period};
use datacoop_sim::coop::member_id;

use super::{BODIES_MIN, Cast, MEMBERS_MIN, Script, members_error, people_max, shipped_of, without_fact};
use crate::error::CommandError;
use crate::generate::scenario::{InvertedGap, Scenario};
use crate::generate::school::{Alike, Phase, School};
use crate::generate::tables::{write_attendance, write_pupils};
use crate::generate::truth::{MemberTruth, truth_json};
use crate::import::SPLIT_MAX;
use crate::pretend::{found, in_parallel};

/// Made-up schools, as large and as mixed as the reference cluster's (DATA section 7).
const ALIKE: Alike = Alike { phase: Phase::Secondary, pupils: 1_000, premium_per_mille: 240 };
const PUPILS_VOCABULARY: &str = include_str!("../vocab/pupils.toml");
const ATTENDANCE: &str = include_str!("../vocab/attendance.toml");
const EVENT_DAY: &str = include_str!("../questions/catalogue/event-day.toml");

/// The event day of the built-in scenario and nothing else; with few members all of them held it.
fn scenario(members: usize) -> Scenario {
    let Scenario { year, event_day, .. } = Scenario::built_in();
    let mut scenario = Scenario::empty(year);
    scenario.event_day = event_day;
    if let Some(event) = scenario.event_day.as_mut().filter(|_| members < 2 * BODIES_MIN) {
        event.ordinary.clear();
    }
    scenario
}

/// What is asked of so many members.
pub(super) fn script(members: usize) -> Result<Script, CommandError> {
    let usage = CommandError::usage;
    if !(MEMBERS_MIN..=SPLIT_MAX).contains(&members) {
        return Err(members_error(members));
    }
    let vocabulary = Vocabulary::from_toml(ATTENDANCE).map_err(usage)?;
    let mut question = QuestionDraft::from_toml(EVENT_DAY).map_err(|error| usage(error.to_string()))?;
    let scenario = scenario(members);
    let event = scenario.event_day.as_ref().expect("INVARIANT: the built-in scenario has an event day");
    let days: Vec<String> = event.baseline.iter().map(Day::to_string).collect();
    let held = (0..members).filter(|n| !event.ordinary.contains(&(*n as u64 + 1)));
    let held: Vec<String> = held.map(|n| member_id(n).to_string()).collect();
    let params = BTreeMap::from([
        ("event_day".to_owned(), event.date.to_string()),
        ("baseline_days".to_owned(), days.join(",")),
        ("took_part".to_owned(), held.join(",")),
    ]);
    let mut params = tidy_params(&question, &params);
    if members < 2 * BODIES_MIN {
        without_fact(&mut question, &mut params, "took_part");
    }
    let period = scenario.half_term();
    Question::admit(question.clone(), &vocabulary).map_err(|error| usage(format!("question: {error}")))?;
    Ok(Script { vocabulary, question, params, period })
}

/// Members with tables of what is asked about.
pub(super) fn cast(root: &Path, script: &Script, members: usize, seed: u64) -> Result<Cast, CommandError> {
    let scenario = scenario(members);
    let event = scenario.event_day.clone().expect("INVARIANT: the built-in scenario has an event day");
    let asked = |day: Day| day == event.date || event.baseline.contains(&day);
    tables(root, (&script.vocabulary, script.period), &scenario, members, seed, &asked)
}

/// Members with tables of every day of a period, of which the last has turned its Pupil Premium gap round: that is
/// to be found in its first chart.
pub(super) fn whole_cast(
    root: &Path,
    about: (&Vocabulary, Period),
    members: usize,
    seed: u64,
) -> Result<Cast, CommandError> {
    let mut scenario = scenario(members);
    scenario.inverted_gap =
        Scenario::built_in().inverted_gap.map(|gap| InvertedGap { member: members as u64, ..gap });
    let asked = |day: Day| about.1.first() <= day && day <= about.1.last();
    tables(root, about, &scenario, members, seed, &asked)
}

/// Schools with tables of the days that `asked` keeps.
fn tables(
    root: &Path,
    (vocabulary, days): (&Vocabulary, Period),
    scenario: &Scenario,
    members: usize,
    seed: u64,
    asked: &(dyn Fn(Day) -> bool + Sync),
) -> Result<Cast, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::failed(error.to_string());
    let schools = in_parallel(members, &|n| School::new(seed, n as u64 + 1, scenario, Some(ALIKE)));
    let named: Vec<(String, u64)> =
        schools.iter().map(|school| (school.name.clone(), people_max(school.pupils.len() as u64))).collect();
    let cast = found(root, &shipped_of(vocabulary.dataset()), &named)?;
    let pupils = Vocabulary::from_toml(PUPILS_VOCABULARY).map_err(CommandError::failed)?;
    let last = days.last();
    let write = |n: usize| {
        let (member, school) = (&cast[n], &schools[n]);
        write_pupils(&member.table_path(&pupils), &pupils, school, last)?;
        write_attendance(&member.table_path(vocabulary), vocabulary, (seed, scenario, school), &asked, last)
    };
    let mut truths = vec![];
    for (truth, school) in in_parallel(members, &write).into_iter().zip(&schools) {
        let truth = truth.map_err(|error| failed(&error))?;
        truths.push(MemberTruth::new(seed, scenario, school, truth, vec![]));
    }
    let truth = truth_json(seed, scenario, (days.first(), days.last()), &truths);
    Ok(Cast { members: cast, said: vec![], truth: Some(truth) })
}
