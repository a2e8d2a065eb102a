//! What was really planted: for each effect, what attendance was with it and without it, counted while
//! the rows are made, in whole numbers.

use std::collections::BTreeMap;

use datacoop_policy::Day;
use serde_json::{Value, json};

use super::effects::{Effect, Planted};
use super::register::{Mark, Row};
use super::scenario::{EventDay, Scenario};
use super::school::{Phase, School};

/// A multiple of every number of sessions that a mean is taken over, one to eight: means of whole
/// sessions are exact in such parts.
pub const PARTS: i64 = 840;

/// Sessions that an effect touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Touched {
    /// Pupils.
    pub pupils: u64,
    /// Possible and attended sessions as they would be without the effect.
    pub without: [u64; 2],
    /// Possible and attended sessions as they are.
    pub with: [u64; 2],
}

impl Touched {
    fn add(&mut self, without: [Mark; 2], with: [Mark; 2]) {
        for (sums, marks) in [(&mut self.without, without), (&mut self.with, with)] {
            for mark in marks {
                let class = mark.code.class();
                sums[0] += u64::from(class.possible());
                sums[1] += u64::from(class.attended());
            }
        }
    }

    /// Of several groups together.
    fn sum(all: impl Iterator<Item = Self>) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            pupils: sum.pupils + one.pupils,
            without: [sum.without[0] + one.without[0], sum.without[1] + one.without[1]],
            with: [sum.with[0] + one.with[0], sum.with[1] + one.with[1]],
        })
    }

    /// Change of attendance in hundredths of a percentage point; `None` without sessions to compare.
    pub fn change(&self) -> Option<i64> {
        let rate = |[possible, attended]: [u64; 2]| {
            let parts = (attended * 1_000_000).checked_div(possible)?;
            i64::try_from(parts).ok()
        };
        Some((rate(self.with)? - rate(self.without)? + 50).div_euclid(100))
    }
}

/// The event day's change as a question measures it: of each pupil, that day less the days before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Measured {
    /// Pupils with both.
    pub pupils: i64,
    /// Sum of their changes in parts of [`PARTS`].
    pub sum: i64,
}

impl Measured {
    /// Mean change in hundredths of a percentage point.
    pub fn mean(&self) -> Option<i64> {
        (2 * self.sum * 10_000 + PARTS * self.pupils).checked_div_euclid(2 * PARTS * self.pupils)
    }
}

/// What was planted at one school.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Truth {
    /// By effect, and whether pupils have the Pupil Premium.
    pub touched: BTreeMap<(Effect, bool), Touched>,
    /// By whether pupils have the Pupil Premium.
    pub measured: BTreeMap<bool, Measured>,
}

/// Counts along while a school's rows are made.
pub struct Counting<'a> {
    last: Day,
    event: Option<&'a EventDay>,
    truth: Truth,
    /// The pupil in hand, its effects, and its possible and attended sessions on the day and before.
    pupil: Option<usize>,
    effects: Vec<Effect>,
    sessions: [[i64; 2]; 2],
    premium: bool,
}

impl<'a> Counting<'a> {
    /// `last` is the last day that is written: it decides who counts.
    pub fn new(scenario: &'a Scenario, last: Day) -> Self {
        Self {
            last,
            event: scenario.event_day.as_ref(),
            truth: Truth::default(),
            pupil: None,
            effects: vec![],
            sessions: Default::default(),
            premium: false,
        }
    }

    /// Takes a row; the rows of one pupil follow each other.
    pub fn row(&mut self, row: &Row<'_>) {
        if self.pupil != Some(row.at) {
            self.end_pupil();
            self.pupil = Some(row.at);
            self.premium = row.pupil.premium;
        }
        if !row.pupil.counts(self.last) {
            return;
        }
        for (effect, without) in row.without {
            let touched = self.truth.touched.entry((*effect, self.premium)).or_default();
            touched.add(*without, row.marks);
            if !self.effects.contains(effect) {
                self.effects.push(*effect);
                touched.pupils += 1;
            }
        }
        let Some(event) = self.event else { return };
        let place = match row.day.day {
            day if day == event.date => 0,
            day if event.baseline.contains(&day) => 1,
            _ => return,
        };
        for mark in row.marks {
            self.sessions[place][0] += i64::from(mark.code.class().possible());
            self.sessions[place][1] += i64::from(mark.code.class().attended());
        }
    }

    fn end_pupil(&mut self) {
        self.effects.clear();
        let rate = |[possible, attended]: [i64; 2]| (attended * PARTS).checked_div(possible);
        let [day, before] = std::mem::take(&mut self.sessions);
        if let Some((day, before)) = rate(day).zip(rate(before)) {
            let measured = self.truth.measured.entry(self.premium).or_default();
            measured.pupils += 1;
            measured.sum += day - before;
        }
    }

    /// What was counted.
    pub fn finish(mut self) -> Truth {
        self.end_pupil();
        self.truth
    }
}

/// Hundredths as a number with two decimals.
fn points(hundredths: i64) -> Value {
    json!(hundredths as f64 / 100.0)
}

/// What `truth.json` says of one member.
pub struct MemberTruth<'a> {
    /// The school.
    pub school: &'a School,
    /// Its folder.
    pub folder: String,
    /// What was counted.
    pub truth: Truth,
    /// Files, and how each is laid out.
    pub files: Vec<Value>,
    /// Whether it held the event day.
    pub took_part: bool,
}

impl<'a> MemberTruth<'a> {
    /// For a school without files.
    pub fn new(
        seed: u64,
        scenario: &'a Scenario,
        school: &'a School,
        truth: Truth,
        files: Vec<Value>,
    ) -> Self {
        let took_part = Planted::new(seed, scenario, school).took_part();
        Self { school, folder: school.folder(), truth, files, took_part }
    }

    fn json(&self, last: Day) -> Value {
        let count = |filter: &dyn Fn(&super::school::Pupil) -> bool| {
            self.school.pupils.iter().filter(|pupil| pupil.counts(last) && filter(pupil)).count()
        };
        json!({
            "folder": self.folder,
            "name": self.school.name,
            "urn": self.school.urn,
            "phase": self.school.phase.name(),
            "pupils": self.school.pupils.len(),
            "counted": count(&|_| true),
            "pupil_premium": count(&|pupil| pupil.premium),
            "took_part": self.took_part,
            "files": self.files,
        })
    }
}

/// Sessions as `truth.json` has them.
fn touched_json(touched: &Touched) -> Value {
    json!({
        "pupils": touched.pupils,
        "possible_without": touched.without[0],
        "attended_without": touched.without[1],
        "possible": touched.with[0],
        "attended": touched.with[1],
        "change_pp": touched.change().map(points),
    })
}

fn effect_json(effect: Effect, scenario: &Scenario, members: &[MemberTruth<'_>]) -> Option<Value> {
    let mut rows = vec![];
    let mut by_group: BTreeMap<bool, Vec<Touched>> = BTreeMap::new();
    for member in members {
        for premium in [true, false] {
            let Some(touched) = member.truth.touched.get(&(effect, premium)) else { continue };
            by_group.entry(premium).or_default().push(*touched);
            let intended = effect.intended(scenario, member.school.phase, premium);
            let mut row = touched_json(touched);
            row["member"] = json!(member.folder);
            row["pupil_premium"] = json!(premium);
            row["intended_pp"] = json!(intended.map(|size| points(i64::from(size) / 100)));
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return None;
    }
    let all = by_group.into_iter().rev().map(|(premium, groups)| {
        let intended = effect.intended(scenario, Phase::Secondary, premium);
        let mut row = touched_json(&Touched::sum(groups.into_iter()));
        row["pupil_premium"] = json!(premium);
        if effect != Effect::Birthdays {
            row["intended_pp"] = json!(intended.map(|size| points(i64::from(size) / 100)));
        }
        row
    });
    Some(json!({ "effect": effect.name(), "all": all.collect::<Vec<_>>(), "members": rows }))
}

/// Mean changes of the event day, by whether schools took part and pupils have the Pupil Premium.
pub fn measured<'a>(members: impl Iterator<Item = (bool, &'a Truth)>) -> BTreeMap<(bool, bool), Measured> {
    let mut cells: BTreeMap<(bool, bool), Measured> = BTreeMap::new();
    for (took_part, truth) in members {
        for (premium, measured) in &truth.measured {
            let cell = cells.entry((took_part, *premium)).or_default();
            cell.pupils += measured.pupils;
            cell.sum += measured.sum;
        }
    }
    cells
}

/// The whole of `truth.json`.
pub fn truth_json(seed: u64, scenario: &Scenario, days: (Day, Day), members: &[MemberTruth<'_>]) -> Value {
    let effects: Vec<Value> =
        Effect::ALL.iter().filter_map(|effect| effect_json(*effect, scenario, members)).collect();
    let mut out = json!({
        "schema": "datacoop.truth/1",
        "made_up": true,
        "seed": seed,
        "from": days.0.to_string(),
        "to": days.1.to_string(),
        "note": "Counted over pupils who are on roll with status C or M on the last day, and of compulsory school age.",
        "members": members.iter().map(|member| member.json(days.1)).collect::<Vec<_>>(),
        "effects": effects,
    });
    if let Some(event) = &scenario.event_day {
        let cells = measured(members.iter().map(|member| (member.took_part, &member.truth)));
        let cells = cells.iter().map(|((took_part, premium), cell)| {
            let mean = cell.mean().map(points);
            json!({ "took_part": took_part, "pupil_premium": premium, "pupils": cell.pupils, "mean_change_pp": mean })
        });
        out["event_day"] = json!({
            "event_day": event.date.to_string(),
            "baseline_days": event.baseline.iter().map(Day::to_string).collect::<Vec<_>>(),
            "took_part": members.iter().filter(|m| m.took_part).map(|m| m.folder.clone()).collect::<Vec<_>>(),
            "measured": cells.collect::<Vec<_>>(),
        });
    }
    out
}
