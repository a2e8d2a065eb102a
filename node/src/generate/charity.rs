//! Made-up charities: what they delivered, to whom, and how people fared. Register numbers from 9900001
//! are given to nobody.

use std::io;
use std::path::Path;

use datacoop_policy::{Day, Period};
use serde_json::{Value, json};

use super::dice::{Dice, Key, MILLION};
use super::text::{Encoding, TextFile};
use crate::reference::charities::{CHANGE_MEAN, CHANGE_SD, END_MISSING, INCOME_GBP, PEOPLE};

const NAMES: [&str; 8] = [
    "Lantern Youth Project",
    "Open Kitchen Quillmere",
    "Harbour Mentoring",
    "Second Bridge",
    "Rivermeadow Carers",
    "New Leaf Employment",
    "Wixcombe Befrienders",
    "Bright Steps",
];
const PROGRAMMES: [(&str, &str); 4] = [
    ("Mentoring", "mentoring"),
    ("Food and advice", "advice"),
    ("Into work", "training"),
    ("Friendship groups", "social group"),
];
const MODES: [&str; 4] = ["in_person", "online", "phone", "outreach"];
const AGES: [&str; 8] = ["0-4", "5-10", "11-15", "16-17", "18-24", "25-49", "50-64", "65+"];
const AGE_WEIGHTS: [u32; 8] = [2, 8, 18, 10, 14, 26, 12, 10];
const REFERRERS: [&str; 7] = ["self", "school", "gp", "social_care", "police", "other_vcse", "other"];
const REFERRER_WEIGHTS: [u32; 7] = [34, 22, 12, 12, 3, 10, 7];
const ETHNIC: [&str; 6] = ["White", "Asian", "Black", "Mixed", "Other", "Unknown"];
const NEEDS: [&str; 6] = ["MH", "HOU", "EMP", "FIN", "LON", "EDU"];
/// Measures with their domain, and their lowest and highest score.
const MEASURES: [(&str, &str, i32, i32); 3] = [
    ("SWEMWBS", "wellbeing", 7, 35),
    ("own", "relationships", 0, 10),
    ("Outcomes Star", "employment", 1, 10),
];
/// Purposes that people agree to; some agree to none.
const CONSENT: &str = "demo;benchmarking";
/// Chance that a person agreed.
const AGREED: u32 = 930_000;
/// Longest wait from referral to first contact in days.
const WAIT_MAX: u32 = 60;

/// A made-up charity of a seed.
pub struct Charity {
    /// Counted from 1.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its register number.
    pub org_id: String,
    income: u32,
    people: Vec<Person>,
    activities: Vec<Activity>,
}

struct Person {
    id: String,
    age: &'static str,
    sex: &'static str,
    ethnic: &'static str,
    disabled: bool,
    imd: u32,
    referrer: &'static str,
    referred: Day,
    first: Day,
    needs: String,
    agreed: bool,
}

struct Activity {
    id: String,
    programme: usize,
    day: Day,
    /// In quarters of an hour.
    quarters: u32,
    mode: &'static str,
    people: Vec<usize>,
}

fn hours(quarters: u32) -> String {
    format!("{}.{:02}", quarters / 4, quarters % 4 * 25)
}

impl Charity {
    /// Makes charity `number` of a seed, at work on the days of a period.
    pub fn new(seed: u64, number: u64, period: Period) -> Self {
        let key = |table: &str| Key::new(seed, number, table, "");
        let mut dice = key("charity").dice(0);
        let at = usize::try_from(number - 1).expect("INVARIANT: few charities");
        let again = if at < NAMES.len() { String::new() } else { format!(" {}", at / NAMES.len() + 1) };
        let income = *dice.of(&INCOME_GBP);
        // Income and people go together; both ends are bounded.
        let people = (PEOPLE.0 + income / 400).min(PEOPLE.1) * dice.between(70, 130) / 100;
        let people = people.clamp(PEOPLE.0, PEOPLE.1);
        let span = u32::try_from(period.last().0 - period.first().0 + 1).expect("INVARIANT: within a year");
        let keys = key("people");
        let people: Vec<Person> =
            (0..people).map(|n| person(&mut keys.dice(u64::from(n)), n, period, span)).collect();
        let keys = key("activities");
        let sessions = (span / 7).max(1) * 3;
        let activities =
            (0..sessions).map(|n| activity(&mut keys.dice(u64::from(n)), n, period, span, &people)).collect();
        let name = format!("{}{again}", NAMES[at % NAMES.len()]);
        Self { number, name, org_id: format!("GB-CHC-{}", 9_900_000 + number), income, people, activities }
    }

    /// Its folder among exports; after the schools'.
    pub fn folder(&self) -> String {
        format!("{:03}-{}", 900 + self.number, self.name.to_lowercase().replace(' ', "-"))
    }

    /// What `truth.json` says of it.
    pub fn truth(&self, files: &[Value]) -> Value {
        json!({
            "folder": self.folder(),
            "name": self.name,
            "org_id": self.org_id,
            "income_gbp": self.income,
            "people": self.people.len(),
            "agreed": self.people.iter().filter(|person| person.agreed).count(),
            "intended_change": f64::from(CHANGE_MEAN) / 1000.0,
            "files": files,
        })
    }

    /// Writes its four files into a folder that is there.
    pub fn write(&self, seed: u64, folder: &Path) -> io::Result<Vec<Value>> {
        let file =
            |name: &str| TextFile::create(&folder.join(format!("{name}.csv")), Encoding::Utf8Mark, ',');
        let told = |name: &str, rows: usize| json!({ "file": format!("{name}.csv"), "vocabulary": format!("vcse_{name}/1"), "rows": rows, "refused": 0 });
        let activities = self.activity_rows();
        let people = self.people_rows();
        let participation = self.participation_rows();
        let outcomes = self.outcome_rows(seed);
        let mut files = vec![];
        for (name, rows) in [
            ("activities", activities),
            ("beneficiaries", people),
            ("participation", participation),
            ("outcomes", outcomes),
        ] {
            let mut out = file(name)?;
            rows.iter().try_for_each(|row| out.row(row))?;
            out.finish()?;
            files.push(told(name, rows.len() - 1));
        }
        Ok(files)
    }

    fn activity_rows(&self) -> Vec<Vec<String>> {
        let header = "activity_id,org_id,programme,activity_type,start,hours,mode,staff_hours,volunteer_hours,attendees,cost_gbp";
        let mut rows = vec![split(header)];
        let cost = self.income / 52 / 3;
        rows.extend(self.activities.iter().map(|activity| {
            let (programme, kind) = PROGRAMMES[activity.programme];
            vec![
                activity.id.clone(),
                self.org_id.clone(),
                programme.to_owned(),
                kind.to_owned(),
                activity.day.to_string(),
                hours(activity.quarters),
                activity.mode.to_owned(),
                hours(activity.quarters * 2),
                hours(activity.quarters * 3),
                activity.people.len().to_string(),
                cost.to_string(),
            ]
        }));
        rows
    }

    fn people_rows(&self) -> Vec<Vec<String>> {
        let header = "person_id,age_band,gender,ethnic_major,disabled,imd_decile,referral_source,referred_on,first_contact,needs,consent_purposes";
        let mut rows = vec![split(header)];
        rows.extend(self.people.iter().map(|person| {
            vec![
                person.id.clone(),
                person.age.to_owned(),
                person.sex.to_owned(),
                person.ethnic.to_owned(),
                if person.disabled { "Yes" } else { "No" }.to_owned(),
                person.imd.to_string(),
                person.referrer.to_owned(),
                person.referred.to_string(),
                person.first.to_string(),
                person.needs.clone(),
                if person.agreed { CONSENT } else { "none" }.to_owned(),
            ]
        }));
        rows
    }

    fn participation_rows(&self) -> Vec<Vec<String>> {
        let mut rows = vec![split("person_id,activity_id,date,hours")];
        for activity in &self.activities {
            rows.extend(activity.people.iter().map(|at| {
                vec![
                    self.people[*at].id.clone(),
                    activity.id.clone(),
                    activity.day.to_string(),
                    hours(activity.quarters),
                ]
            }));
        }
        rows
    }

    fn outcome_rows(&self, seed: u64) -> Vec<Vec<String>> {
        let key = Key::new(seed, self.number, "outcomes", "");
        let mut rows = vec![split("person_id,domain,measure,timepoint,date,score")];
        for (n, person) in self.people.iter().enumerate() {
            let mut dice = key.dice(n as u64);
            let (measure, domain, low, high) = *dice.of(&MEASURES);
            // Start and end on 0 to 10, in thousandths.
            let start = (4_500 + dice.normal() * 2).clamp(0, 10_000);
            let change = CHANGE_MEAN + dice.normal() * CHANGE_SD / 1000;
            let missing = END_MISSING[usize::from(start < 4_500)] * 1000;
            let weeks = i64::from(dice.between(4, 26));
            let scores = [
                ("baseline", Some(start), person.first),
                (
                    "end",
                    (!dice.chance(missing)).then_some((start + change).clamp(0, 10_000)),
                    Day(person.first.0 + 7 * weeks),
                ),
            ];
            for (timepoint, score, day) in scores {
                let Some(score) = score else { continue };
                let hundredths = low * 100 + score * (high - low) / 100;
                let score = format!("{}.{:02}", hundredths / 100, hundredths % 100);
                let cells = [&person.id, domain, measure, timepoint, &day.to_string(), &score];
                rows.push(cells.map(str::to_owned).to_vec());
            }
        }
        rows
    }
}

fn split(header: &str) -> Vec<String> {
    header.split(',').map(str::to_owned).collect()
}

fn person(dice: &mut Dice, n: u32, period: Period, span: u32) -> Person {
    let wait = dice.below(WAIT_MAX / 2) + dice.below(WAIT_MAX / 2);
    // In the period, and not on its last days: most have been met more than once.
    let first = Day(period.first().0 + i64::from(dice.below(span.div_ceil(2))));
    let mut needs = vec![*dice.of(&NEEDS)];
    let more = *dice.of(&NEEDS);
    if dice.chance(MILLION / 3) && !needs.contains(&more) {
        needs.push(more);
    }
    Person {
        id: format!("P{:04}", n + 1),
        age: AGES[dice.pick(&AGE_WEIGHTS)],
        sex: ["F", "M", "U"][dice.pick(&[55, 42, 3])],
        ethnic: ETHNIC[dice.pick(&[64, 14, 9, 6, 3, 4])],
        disabled: dice.chance(220_000),
        imd: dice.between(1, 10).min(dice.between(1, 10)),
        referrer: REFERRERS[dice.pick(&REFERRER_WEIGHTS)],
        referred: Day(first.0 - i64::from(wait)),
        first,
        needs: needs.join(";"),
        agreed: dice.chance(AGREED),
    }
}

fn activity(dice: &mut Dice, n: u32, period: Period, span: u32, people: &[Person]) -> Activity {
    let day = Day(period.first().0 + i64::from(dice.below(span)));
    let programme = dice.below(4) as usize;
    let quarters = dice.between(4, 12);
    let mode = MODES[dice.pick(&[70, 12, 10, 8])];
    let share = dice.between(50_000, 250_000);
    let known = people.iter().enumerate().filter(|(_, person)| person.first <= day);
    let people = known.filter(|_| dice.chance(share)).map(|(at, _)| at).collect();
    Activity { id: format!("A{:04}", n + 1), programme, day, quarters, mode, people }
}
