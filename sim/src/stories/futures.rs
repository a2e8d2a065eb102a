//! Four futures: one year, the same schools, children and dice; what differs is who holds rows, who may ask, and who
//! is still there. Numbers come from runs of real members, or of what stands in for them. Stories, not forecasts.
//! Source: SIM.md section 12.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::query::NoiseScale;
use datacoop_policy::question::{BoundQuestion, Question};
use datacoop_policy::{Day, MemberId, Period, PrivacyLoss, Time};
use datacoop_protocol::audit::audit;
use datacoop_protocol::rounds::Kind;

use super::event_day::{EVENT_DAY, GAP, MEMBERS, PUPILS, Setting, TOOK_PART, draw, effect, params};
use crate::calendar::{DAY, Holidays};
use crate::coop::member_id;
use crate::faults::FaultKind;
use crate::scenario::{Ask, Scenario};
use crate::season::{Asking, Crew, Season, Topic};

/// What the planted day does to those with the Pupil Premium, in millionths.
pub const EFFECT: i32 = -50_000;
/// `N` is corrected for days: a day is asked about so long after it (DATA.md, section 11).
const ASKED_AFTER: i64 = 14;
/// Days that a day is compared with.
const COMPARED: usize = 4;
/// Fewest members of a Roster in these worlds: with fewer they would rather not answer.
pub const MIN_ROSTER: u32 = 8;
/// Points of percent in a share of one.
const POINTS: f64 = 100.0;
/// A member that stays to the end in every world: the one whose people tell.
const TELLER: usize = 2;

/// What became of the year.
#[derive(Clone, PartialEq, Debug)]
pub struct Future {
    /// Its name.
    pub name: String,
    /// Questions that were asked.
    pub asked: usize,
    /// Of those, answered.
    pub answered: usize,
    /// How the others ended, or why they were not asked.
    pub why: BTreeMap<String, usize>,
    /// The gap on the planted day in percentage points, and its half-width (95 %); of one school alone where nobody
    /// else's figures are there.
    pub gap: Option<(f64, f64)>,
    /// Days from asking about it to the answer.
    pub days: Option<f64>,
    /// Of the nine schools that took part, how many see it in their own figures.
    pub alone: usize,
    /// What each pupil of the teller's school lost, billionths of rho.
    pub loss: u64,
    /// Pupils whose rows somebody outside their school holds.
    pub rows_elsewhere: u32,
    /// Pupils whose rows one stolen machine reveals.
    pub stolen: u32,
    /// Log entries that an auditor could check, and whether all of them passed; none where there are no logs.
    pub audited: Option<(u64, bool)>,
    /// Logs that hold them.
    pub logs: usize,
}

impl Future {
    /// Whether the answer shows that the day was harder on those with the Pupil Premium.
    pub fn is_seen(&self) -> bool {
        self.gap.is_some_and(|(gap, half)| gap.abs() > half)
    }
}

/// Who holds rows, and who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum World {
    Cooperative,
    Silos,
    OneCollector,
}

fn world_of(scenario: &Scenario) -> World {
    match scenario.name.as_str() {
        "silos" => World::Silos,
        "one-collector" => World::OneCollector,
        _ => World::Cooperative,
    }
}

/// What a question asks about: a Friday, and the school Fridays before it.
fn about(ask: &Ask, begin: Time, holidays: &Holidays) -> Option<(BTreeMap<String, String>, Period)> {
    let latest = (begin + ask.at).day().0 - ASKED_AFTER;
    let friday = |day: &Day| (day.0 + 3).rem_euclid(7) == 4 && holidays.is_school_day(*day);
    let mut fridays = (latest - 100..=latest).rev().map(Day).filter(friday);
    let event = fridays.next()?;
    let mut before: Vec<Day> = fridays.take(COMPARED).collect();
    before.sort_unstable();
    let period = Period::new(*before.first()?, event)?;
    let mut about = params();
    about.insert("event_day".to_owned(), event.to_string());
    about.insert("baseline_days".to_owned(), before.iter().map(Day::to_string).collect::<Vec<_>>().join(","));
    Some((about, period))
}

/// The world of children that a day is drawn from, and what was planted on it.
fn children(question: &BoundQuestion) -> (u64, i32) {
    let day = question.params().get("event_day").map_or("", String::as_str);
    let number = Day::parse(day).map_or(0, |day| day.0.unsigned_abs());
    (number, if day == EVENT_DAY { EFFECT } else { 0 })
}

/// Plays a future. `topic` is the setting's question; `scenario` says who is there, who asks when and who leaves.
///
/// Errors: the scenario is not of twelve, or asks about a day that there is not.
pub fn play(setting: &Setting<'_>, topic: &Topic, scenario: &Scenario) -> Result<Future, String> {
    if scenario.members.len() != MEMBERS {
        return Err(format!(
            "`{}` has {} members; these stories are of {MEMBERS}",
            scenario.name,
            scenario.members.len()
        ));
    }
    let (number, _) = children(&setting.question);
    let own = setting.cells(number, &[EFFECT], false).swap_remove(0);
    let alone = own.iter().take(TOOK_PART).filter_map(|cells| (setting.alone)(&setting.question, cells));
    let seen = alone.filter(|(gap, half)| gap.abs() > *half).count();
    let mine = (setting.alone)(&setting.question, &own[TELLER]);
    let future = Future {
        name: scenario.name.clone(),
        asked: scenario.asks.len(),
        answered: 0,
        why: BTreeMap::new(),
        gap: None,
        days: None,
        alone: seen,
        loss: 0,
        rows_elsewhere: 0,
        stolen: PUPILS[0] + PUPILS[1],
        audited: None,
        logs: 0,
    };
    let in_points = |(gap, half): (f64, f64)| (POINTS * gap, POINTS * half);
    match world_of(scenario) {
        World::Silos => Ok(Future { gap: mine.map(in_points), ..future }),
        World::OneCollector => Ok(collected(setting, scenario, &own, future)),
        World::Cooperative => cooperate(setting, topic, scenario, future),
    }
}

/// One body holds all rows, asks what it likes, and adds noise once.
fn collected(setting: &Setting<'_>, scenario: &Scenario, own: &[Vec<i64>], future: Future) -> Future {
    let all = u32::try_from(MEMBERS).unwrap_or(u32::MAX) * (PUPILS[0] + PUPILS[1]);
    let spent: u64 = scenario.asks.iter().map(|ask| ask.loss).sum();
    let loss = PrivacyLoss::from_nano(scenario.asks.first().map_or(1, |ask| ask.loss));
    let gap = NoiseScale::new(setting.question.sensitivity2(), loss, 1).and_then(|noise| {
        let mut sums = draw(&setting.seed, 0, MEMBERS, &noise, setting.question.cells());
        for cells in own {
            sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell << noise.doublings);
        }
        effect(&setting.question, &noise, 1, &sums, GAP)
    });
    Future {
        answered: future.asked,
        gap: gap.map(|(gap, half)| (POINTS * gap, POINTS * half)),
        days: Some(0.0),
        loss: spent,
        rows_elsewhere: all,
        stolen: all,
        ..future
    }
}

/// A year of real members.
fn cooperate(
    setting: &Setting<'_>,
    topic: &Topic,
    scenario: &Scenario,
    future: Future,
) -> Result<Future, String> {
    // A school's cells of a day are counted once, whoever asks.
    let cells: BTreeMap<u64, Vec<Vec<i64>>> = days_of(setting, scenario)?
        .into_iter()
        .map(|question| children(&question))
        .map(|(number, effect)| (number, setting.cells(number, &[effect], false).swap_remove(0)))
        .collect();
    let numbers: BTreeMap<MemberId, usize> = (0..MEMBERS).map(|n| (member_id(n), n)).collect();
    let tabulate = Arc::new(move |id: &MemberId, question: &BoundQuestion| {
        let (number, _) = children(question);
        let school = numbers.get(id).and_then(|n| cells.get(&number)?.get(*n));
        school.cloned().unwrap_or_else(|| vec![0; question.cells()])
    });
    let crew = Crew {
        members: scenario.members.clone(),
        holidays: scenario.holidays.clone(),
        min_roster: MIN_ROSTER,
    };
    let begin = scenario.begin();
    let mut season = Season::new(&setting.seed, begin, &crew, &Topic { tabulate, ..topic.clone() });
    let mut askings = vec![];
    for ask in &scenario.asks {
        let (params, period) =
            about(ask, begin, &scenario.holidays).ok_or("no school Friday before a question")?;
        let at = begin + ask.at;
        let is_planted = params.get("event_day").is_some_and(|day| day == EVENT_DAY);
        let (join_by, contribute_by) = (at + ask.join, at + ask.join + ask.contribute);
        let loss = PrivacyLoss::from_nano(ask.loss);
        let close_by = contribute_by + ask.close;
        let asking = Asking { by: ask.by, params, period, loss, join_by, contribute_by, close_by };
        askings.push((season.ask(at, asking), is_planted));
    }
    for fault in &scenario.faults {
        let at = begin + fault.at;
        if let FaultKind::Gone(site) = fault.kind {
            season.leave(at, site);
        } else if let FaultKind::Down(site, span) = fault.kind {
            season.keep_down(at, site, at + span);
        } else {
            let kind = fault.kind.name();
            return Err(format!("a future knows `gone` and `meeting_point_down`, not `{kind}`"));
        }
    }
    season.run_until(scenario.end());
    Ok(tell(setting, &season, &askings, future))
}

/// The questions of a year, bound.
fn days_of(setting: &Setting<'_>, scenario: &Scenario) -> Result<Vec<BoundQuestion>, String> {
    let question: Question = setting.question.question().clone();
    let bind = |ask: &Ask| {
        let (params, period) =
            about(ask, scenario.begin(), &scenario.holidays).ok_or("no school Friday before a question")?;
        question.bind(&params, period).map_err(|error| error.0)
    };
    scenario.asks.iter().map(bind).collect()
}

/// What came of the year, from the logs of whoever is left.
fn tell(setting: &Setting<'_>, season: &Season, askings: &[(u64, bool)], mut future: Future) -> Future {
    let mut rounds = BTreeSet::new();
    for (number, is_planted) in askings {
        let outcome = season.outcome(*number);
        let round = season.round(*number);
        match outcome.released {
            Some(wait) => {
                future.answered += 1;
                if *is_planted
                    && let Some(round) = &round
                    && let Some((_, sums)) = round.released()
                    && let Some(plan) = round.plan()
                {
                    let accepted = u32::try_from(sums.accepted.len()).unwrap_or(u32::MAX);
                    let gap = effect(&setting.question, &plan.noise, accepted, &sums.sums, GAP);
                    future.gap = gap.map(|(gap, half)| (POINTS * gap, POINTS * half));
                    future.days = Some(wait.0 as f64 / DAY as f64);
                }
            }
            None => *future.why.entry(outcome.why.unwrap_or_default()).or_default() += 1,
        }
        if let Some(round) = round
            && rounds.insert(round.id)
            && round.said(Kind::Debit, &member_id(TELLER)).is_some()
        {
            future.loss += round.query().map_or(0, |query| query.loss.nano());
        }
    }
    let world = &season.world;
    let Some(member) = world.member(TELLER) else { return future };
    let reports = audit(member.fold(), &|hash| world.blob(TELLER, hash).map(|bytes| bytes.to_vec()));
    let entries = member.fold().logs().map(|log| log.size()).sum();
    future.logs = reports.len();
    future.audited = Some((entries, reports.iter().all(|report| report.passed())));
    future
}
