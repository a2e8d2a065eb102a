//! `datacoop sim event-day` and `datacoop sim futures`: stories with numbers from runs.

use clap::Args;
use datacoop_policy::PrivacyLoss;
use datacoop_policy::question::Question;
use datacoop_protocol::log::tree::sha256;
use datacoop_sim::chaos::seed;
use datacoop_sim::scenario::{Scenario, seed_number};
use datacoop_sim::season::Topic;
use datacoop_sim::stories::event_day::{Band, MEMBERS, PUPILS, Rates, Setting, TOOK_PART, params, period};
use datacoop_sim::stories::futures::{Future, MIN_ROSTER, play};
use serde_json::{Value, json};

use super::{Common, Printed, Progress, wrapped};
use crate::error::CommandError;
use crate::loss::{in_points, points_of};
use crate::own::beside::own_gap;
use crate::pretend::in_parallel;
use crate::questions::{named, shipped_vocabulary};
use crate::reference::absence::{BAND_UPPER_PERCENT, BANDS_2022_23};

/// Effects on those with the Pupil Premium, in millionths, as they are told.
const EFFECTS: [i32; 4] = [0, -40_000, -50_000, -60_000];
/// Worlds unless others are wanted.
const WORLDS: u32 = 500;
/// The world that real members play besides.
const PLAYED: u64 = 1;
/// Of a hundred pupils with, and without, the Pupil Premium, how many have special needs, as in made-up schools.
const SEN: [u32; 2] = [30, 16];
const QUESTION: &str = "event-day";
const LOSS: PrivacyLoss = PrivacyLoss::from_nano(5_000_000);
/// Year groups of a secondary school.
const YEARS: std::ops::RangeInclusive<u8> = 7..=11;

/// The four futures that come with the program.
const FUTURES: [(&str, &str); 4] = [
    ("public-good", include_str!("../../../sim/scenarios/futures/public-good.toml")),
    ("silos", include_str!("../../../sim/scenarios/futures/silos.toml")),
    ("one-collector", include_str!("../../../sim/scenarios/futures/one-collector.toml")),
    ("deprioritised", include_str!("../../../sim/scenarios/futures/deprioritised.toml")),
];

#[derive(Args)]
pub(super) struct EventDayArgs {
    /// Made-up worlds
    #[arg(long, value_name = "N", default_value_t = WORLDS, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    worlds: u32,
    /// All dice come from it
    #[arg(long, default_value = "1", value_parser = number)]
    seed: u64,
}

#[derive(Args)]
pub(super) struct FuturesArgs {
    /// One of public-good, silos, one-collector, deprioritised [default: all four]
    name: Option<String>,
    /// All dice come from it
    #[arg(long, default_value = "1", value_parser = number)]
    seed: u64,
}

fn number(text: &str) -> Result<u64, String> {
    seed_number(text).map_err(|error| error.to_string())
}

/// How pupils spread over bands of absence, from what is published of Years 7 to 11.
fn bands(premium: bool) -> Vec<Band> {
    let mut weights = [0u32; BAND_UPPER_PERCENT.len()];
    for row in BANDS_2022_23.iter().filter(|row| YEARS.contains(&row.nc_year) && row.fsm == premium) {
        let sen = SEN[usize::from(!premium)];
        let part = if row.sen { sen } else { 100 - sen };
        weights.iter_mut().zip(row.share).for_each(|(weight, share)| *weight += share * part / 100);
    }
    BAND_UPPER_PERCENT.into_iter().zip(weights).collect()
}

/// The question of the catalogue and what it is asked of.
fn setting(number: u64) -> Result<(Setting<'static>, Topic), CommandError> {
    let usage = |error: datacoop_policy::question::QuestionError| CommandError::failed(error.0);
    let asked = named(QUESTION).ok_or_else(|| CommandError::failed("the question is not shipped".into()))?;
    let vocabulary = shipped_vocabulary(&asked.draft.vocabulary)
        .ok_or_else(|| CommandError::failed(format!("`{}` is not shipped", asked.draft.vocabulary)))?;
    let question = Question::admit(asked.draft.clone(), &vocabulary).map_err(usage)?;
    let question = question.bind(&params(), period()).map_err(usage)?;
    let setting = Setting {
        question,
        bands: [true, false].map(bands),
        alone: &|question, sums| own_gap(question, sums, "pupil_premium"),
        seed: seed(number),
    };
    let topic = setting.topic(&vocabulary, sha256(&[vocabulary.name().as_bytes()]));
    Ok((setting, topic))
}

/// Rates of each effect over so many worlds.
fn rates(setting: &Setting<'_>, worlds: u32, is_shocked: bool) -> [Rates; EFFECTS.len()] {
    let seen = in_parallel(worlds as usize, &|n| setting.world(n as u64, &EFFECTS, is_shocked, LOSS));
    let mut rates = [Rates::default(); EFFECTS.len()];
    for world in seen {
        rates.iter_mut().zip(world).for_each(|(rates, seen)| rates.add(seen));
    }
    rates
}

pub(super) fn event_day(common: &Common, args: &EventDayArgs) -> Result<Printed, CommandError> {
    let progress = Progress::new(common);
    let (setting, topic) = setting(args.seed)?;
    progress.say("one world through real members");
    let gap = setting.agrees(&topic, PLAYED, EFFECTS[2], LOSS).map_err(|error| {
        CommandError::failed(format!("real members and the worlds do not agree: {error}"))
    })?;
    progress.say("made-up worlds");
    let (plain, shocked) = (rates(&setting, args.worlds, false), rates(&setting, args.worlds, true));
    progress.done();
    let table = |rates: &[Rates; EFFECTS.len()]| -> Vec<Value> {
        let rows = EFFECTS.iter().zip(rates).map(|(effect, rates)| {
            let [cluster, alone, premium, others] = rates.percents().map(|percent| (percent * 10.0).round() / 10.0);
            json!({ "effect_pp": effect / 10_000, "cluster": cluster, "one_school": alone, "dip_pupil_premium": premium, "dip_others": others })
        });
        rows.collect()
    };
    let json = json!({
        "schema": "datacoop.event-day/1",
        "made_up": true,
        "seed": args.seed,
        "worlds": args.worlds,
        "members": MEMBERS,
        "took_part": TOOK_PART,
        "pupils": PUPILS,
        "rho": LOSS.to_string(),
        "percent_found": table(&plain),
        "percent_found_with_a_hidden_shock": table(&shocked),
        "real_members_agree": true,
        "real_members_gap_pp": gap.map(|(gap, half)| [100.0 * gap, 100.0 * half]),
    });
    let mut text = wrapped(&format!(
        "Twelve made-up schools of {} pupils with the Pupil Premium and {} others. Nine held an event day that kept those with the Pupil Premium away, others less. In how many of {} worlds is the gap between the two found: does the range of noise and chance exclude no gap? Question `{QUESTION}`, rho 0.005.",
        PUPILS[0], PUPILS[1], args.worlds
    ));
    text += &rates_text("\nPupils independent of each other", &plain);
    text += &rates_text(
        "\nWith a hidden shock to each school and day (SD 1 point), such as a bus that does not come",
        &shocked,
    );
    text += "\n";
    text += &wrapped(
        "The last two columns are each group's own dip, not the gap: chance takes pupils as independent, so a shock to whole schools makes false alarms of a dip, and cancels out of the gap.",
    );
    if let Some((gap, half)) = gap {
        text += "\n";
        text += &wrapped(&format!(
            "One of these worlds went through {MEMBERS} real members, from question to release: the same sums, cell by cell. There the gap was {:.1} points, give or take {:.1}.",
            100.0 * gap,
            100.0 * half
        ));
    }
    Ok(Printed::new(json, text))
}

fn rates_text(title: &str, rates: &[Rates; EFFECTS.len()]) -> String {
    let mut text =
        format!("{title}\n  effect    cluster   one school alone   dip, Pupil Premium   dip, others\n");
    for (effect, rates) in EFFECTS.iter().zip(rates) {
        let [cluster, alone, premium, others] = rates.percents();
        let effect = effect / 10_000;
        text += &format!(
            "  {effect:>3} pp   {cluster:>6.1} %   {alone:>14.1} %   {premium:>16.1} %   {others:>9.1} %\n"
        );
    }
    text
}

pub(super) fn futures(common: &Common, args: &FuturesArgs) -> Result<Printed, CommandError> {
    let known = || FUTURES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let chosen: Vec<&(&str, &str)> = FUTURES
        .iter()
        .filter(|(name, _)| args.name.as_deref().is_none_or(|wanted| wanted == *name))
        .collect();
    if chosen.is_empty() {
        let name = args.name.as_deref().unwrap_or("");
        return Err(CommandError::usage(format!("there is no future `{name}`"))
            .hint(&format!("there are {}", known())));
    }
    let progress = Progress::new(common);
    progress.say("a year of each");
    let told = in_parallel(chosen.len(), &|n| {
        let (setting, topic) = setting(args.seed)?;
        let scenario =
            Scenario::from_toml(chosen[n].1).map_err(|error| CommandError::failed(error.to_string()))?;
        play(&setting, &topic, &scenario).map_err(CommandError::failed)
    });
    progress.done();
    let told = told.into_iter().collect::<Result<Vec<Future>, _>>()?;
    let mut text = wrapped(
        "Stories, not forecasts: one year, the same twelve schools, children and dice. On 20 November something kept children with the Pupil Premium away: 5 points of attendance, 0.8 of the others. Numbers come from runs.",
    );
    told.iter().for_each(|future| text += &future_text(future));
    let json = json!({
        "schema": "datacoop.futures/1", "made_up": true, "seed": args.seed,
        "futures": told.iter().map(future_json).collect::<Vec<_>>(),
    });
    Ok(Printed::new(json, text))
}

fn future_json(future: &Future) -> Value {
    json!({
        "name": future.name, "asked": future.asked, "answered": future.answered, "not_answered": future.why,
        "gap_pp": future.gap.map(|(gap, _)| (gap * 10.0).round() / 10.0),
        "half_width_pp": future.gap.map(|(_, half)| (half * 10.0).round() / 10.0),
        "seen": future.is_seen(), "days_to_answer": future.days, "schools_that_see_it_alone": future.alone,
        "rho_each_pupil": PrivacyLoss::from_nano(future.loss).to_string(),
        "points_each_pupil": points_of(PrivacyLoss::from_nano(future.loss)),
        "pupils_whose_rows_others_hold": future.rows_elsewhere, "pupils_one_stolen_machine_reveals": future.stolen,
        "logs": future.logs, "entries_checked": future.audited.map(|(entries, _)| entries),
        "audit_passed": future.audited.map(|(_, passed)| passed),
        "says": lines(future).into_iter().map(|(who, said)| json!({ "who": who, "says": said })).collect::<Vec<_>>(),
    })
}

fn future_text(future: &Future) -> String {
    let mut text = format!("\n{}\n", future.name);
    for (who, said) in lines(future) {
        text += &wrapped(&format!("{who}: {said}"));
    }
    text
}

/// What each of six people could say at the end of the year.
fn lines(future: &Future) -> [(&'static str, String); 6] {
    let (silos, collected) = (future.name == "silos", future.rows_elsewhere > 0);
    let gap = match (future.gap, future.is_seen()) {
        (Some((gap, half)), true) => format!(
            "on that day our poorer pupils lost {:.1} points more than others, give or take {half:.1}",
            -gap
        ),
        (Some((gap, half)), false) => format!(
            "our own figures say {:.1} points, give or take {half:.1} by chance alone: that could be nothing",
            -gap
        ),
        (None, _) => "nobody could tell me about that day: the question had no answer".to_owned(),
    };
    let soon = match future.days {
        Some(days) if days > 0.0 => format!("; the answer came {days:.1} days after the question"),
        Some(_) => "; they told us when they liked".to_owned(),
        None => String::new(),
    };
    let manager = match (silos, collected) {
        (true, _) => "no row left this computer, and none came back as knowledge".to_owned(),
        (_, true) => {
            format!("our rows went to one body, which now holds those of {} pupils", future.rows_elsewhere)
        }
        _ => "no row left this computer: only sealed shares of noisy sums did".to_owned(),
    };
    let why: Vec<String> = future.why.iter().map(|(why, count)| format!("{why} {count}")).collect();
    let coordinator = match (silos, collected, why.is_empty()) {
        (true, ..) => "there was nobody to ask".to_owned(),
        (_, true, _) => format!("we may not ask; the body asked {} questions of its own", future.asked),
        (.., true) => format!("we asked {} questions, and all were answered", future.asked),
        _ => format!(
            "we asked {} questions, and {} were answered; the others ended so: {} (a roster needs {MIN_ROSTER})",
            future.asked,
            future.answered,
            why.join(", ")
        ),
    };
    let charity = match (future.answered, collected) {
        (0, _) => "there was nothing that I could show a funder".to_owned(),
        (_, true) => "I can quote what the body chooses to publish, and take it on trust".to_owned(),
        (answered, _) => {
            format!("I can use {answered} results, each with a certificate that my funder checks alone")
        }
    };
    let auditor = match future.audited {
        Some((entries, true)) => format!(
            "I checked {entries} entries of {} logs; every debit, sum and refusal follows",
            future.logs
        ),
        Some((entries, false)) => format!("of {entries} entries of {} logs some do not follow", future.logs),
        None => "there was nothing that I could check".to_owned(),
    };
    let governor = format!(
        "each child's privacy cost {} of 100; one stolen machine reveals the rows of {} pupils",
        in_points(PrivacyLoss::from_nano(future.loss)),
        future.stolen
    );
    let head = match silos {
        true => format!("{gap}; of the nine schools {} saw it alone", future.alone),
        false => gap + &soon,
    };
    [
        ("Head", head),
        ("Data manager", manager),
        ("Coordinator", coordinator),
        ("Charity manager", charity),
        ("Auditor", auditor),
        ("Parent governor", governor),
    ]
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use datacoop_sim::coop::member_id;
    use datacoop_sim::stories::event_day::{BASELINE, EVENT_DAY};

    use super::*;
    use crate::engine::{Sources, table_path, tabulate};
    use crate::import::{Options, import_csv};

    fn played(name: &str) -> Future {
        let (setting, topic) = setting(1).unwrap();
        let (_, text) = FUTURES.iter().find(|(known, _)| *known == name).unwrap();
        play(&setting, &topic, &Scenario::from_toml(text).unwrap()).unwrap()
    }

    /// The two that need no year of members; the others are run by hand.
    #[test]
    fn one_body_sees_what_a_school_does_not_and_loses_everybody_at_once() {
        let (alone, one) = (played("silos"), played("one-collector"));
        assert_eq!((alone.loss, alone.stolen, alone.rows_elsewhere), (0, 1_000, 0));
        assert_eq!((one.stolen, one.rows_elsewhere, one.audited), (12_000, 12_000, None));
        assert!(one.gap.unwrap().1 < alone.gap.unwrap().1, "{alone:?} {one:?}");
        assert!(one.is_seen() && alone.alone < TOOK_PART, "{alone:?} {one:?}");
    }

    /// What worlds are judged by is what a school's own engine makes of its register.
    #[tokio::test]
    async fn the_engine_counts_a_school_as_the_story_does() {
        let (setting, topic) = setting(1).unwrap();
        for (world, school) in [(0, 0), (1, TOOK_PART - 1), (1, TOOK_PART)] {
            let mut csv =
                "pupil_id,date,session,possible,attended,absent,compulsory_age,nc_year,pupil_premium\n"
                    .to_owned();
            for (number, (premium, sessions)) in setting.pupils(world, school, EFFECTS[2], true).enumerate() {
                for (day, there) in BASELINE.into_iter().chain([EVENT_DAY]).zip(sessions) {
                    for (session, there) in ["AM", "PM"].into_iter().zip(there) {
                        let (yes, no) = (u8::from(there), u8::from(!there));
                        writeln!(csv, "{number},{day},{session},1,{yes},{no},true,7,{premium}").unwrap();
                    }
                }
            }
            let folder = tempfile::tempdir().unwrap();
            let source = folder.path().join("register.csv");
            std::fs::write(&source, csv).unwrap();
            let table = table_path(folder.path(), &topic.vocabulary, 1);
            import_csv(&source, &topic.vocabulary, &Options::default(), &table).unwrap();
            let tally =
                tabulate(&Sources::new(Some(table)), &setting.question, &member_id(school)).await.unwrap();
            assert_eq!(
                tally,
                setting.cells(world, &[EFFECTS[2]], true)[0][school],
                "world {world}, school {school}"
            );
        }
    }

    /// A future asks about days that there are, of members that there are.
    #[test]
    fn every_future_reads() {
        for (name, text) in FUTURES {
            let scenario = Scenario::from_toml(text).unwrap();
            assert_eq!((scenario.name.as_str(), scenario.members.len()), (name, MEMBERS));
        }
        let (setting, topic) = setting(1).unwrap();
        let fewer = Scenario { members: vec![], ..Scenario::from_toml(FUTURES[0].1).unwrap() };
        assert!(play(&setting, &topic, &fewer).is_err());
    }
}
