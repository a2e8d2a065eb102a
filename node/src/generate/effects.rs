//! What a scenario does to one day of one pupil. Each effect draws from a stream of its own, addressed
//! by pupil and day, so that a day can be made again with any of them left out.

use datacoop_policy::Day;

use super::calendar::SchoolDay;
use super::dice::{Key, MILLION, below, pick};
use super::register::{Code, Mark, PRESENT_AM, PRESENT_PM, code};
use super::scenario::{Points, Scenario};
use super::school::{Phase, Pupil, School};

/// Fractions of the golden ratio and of the square root of two in parts of 2^32: their multiples spread
/// evenly.
const GOLDEN: u32 = 0x9E37_79B9;
const SILVER: u32 = 0x6A09_E667;

/// An effect on marks, in the order in which they are applied.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effect {
    /// Children come to the tests who would be away.
    TestWeek,
    /// Pupil Premium pupils of one school are away less.
    InvertedGap,
    /// A hard first year in a secondary school.
    TransferDip,
    /// A birthday taken off.
    Birthdays,
    /// The last day before a break taken off.
    LastDay,
    /// A day that keeps children away.
    EventDay,
    /// Some years are not let in.
    Strike,
    /// The school is closed.
    Snow,
}

impl Effect {
    /// All, in order.
    pub const ALL: [Self; 8] = [
        Self::TestWeek,
        Self::InvertedGap,
        Self::TransferDip,
        Self::Birthdays,
        Self::LastDay,
        Self::EventDay,
        Self::Strike,
        Self::Snow,
    ];

    /// As a scenario writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TestWeek => "test_week",
            Self::InvertedGap => "inverted_gap",
            Self::TransferDip => "transfer_dip",
            Self::Birthdays => "birthdays",
            Self::LastDay => "last_day",
            Self::EventDay => "event_day",
            Self::Strike => "strike",
            Self::Snow => "snow",
        }
    }

    /// The intended change of attendance in millionths for those with and without the Pupil Premium;
    /// `None` where it is not one number, as for a share of absences.
    pub fn intended(self, scenario: &Scenario, phase: Phase, premium: bool) -> Option<i32> {
        let by_group = |with: Points, without: Points| if premium { with.0 } else { without.0 };
        match self {
            Self::EventDay => scenario.event_day.as_ref().map(|e| by_group(e.pupil_premium, e.others)),
            Self::LastDay => scenario.last_day.as_ref().map(|e| by_group(e.pupil_premium, e.others)),
            Self::TransferDip => scenario.transfer_dip.as_ref().map(|e| e.all.0),
            Self::Birthdays => scenario.birthdays.as_ref().map(|e| match phase {
                Phase::Secondary => e.secondary.0,
                Phase::Primary | Phase::Special => e.primary.0,
            }),
            Self::TestWeek | Self::InvertedGap | Self::Strike | Self::Snow => None,
        }
    }

    /// Codes of an absence that it causes, and their weights.
    fn codes(self) -> ([Code; 3], [u32; 3]) {
        match self {
            Self::LastDay => ([code("G"), code("I"), code("O")], [70, 20, 10]),
            Self::Birthdays => ([code("O"), code("I"), code("G")], [60, 30, 10]),
            Self::TestWeek
            | Self::InvertedGap
            | Self::TransferDip
            | Self::EventDay
            | Self::Strike
            | Self::Snow => ([code("I"), code("O"), code("C")], [60, 35, 5]),
        }
    }
}

/// Some of the effects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effects(u8);

impl Effects {
    /// And this one.
    #[must_use]
    pub fn with(self, effect: Effect) -> Self {
        Self(self.0 | 1 << effect as u8)
    }

    /// But not this one.
    #[must_use]
    pub fn without(self, effect: Effect) -> Self {
        Self(self.0 & !(1 << effect as u8))
    }

    /// Whether it is among them.
    pub fn has(self, effect: Effect) -> bool {
        self.0 >> effect as u8 & 1 == 1
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// In the order in which they are applied.
    pub fn iter(self) -> impl Iterator<Item = Effect> {
        Effect::ALL.into_iter().filter(move |effect| self.has(*effect))
    }
}

/// Effects of a scenario at one school.
pub struct Planted<'a> {
    scenario: &'a Scenario,
    school: &'a School,
    keys: Vec<Key>,
    here: Effects,
}

/// What effects need to know about a pupil's day besides the scenario.
pub struct PupilDay<'a> {
    /// The pupil.
    pub pupil: &'a Pupil,
    /// The day.
    pub day: SchoolDay,
    /// Chance in a million of being away that day, without any effect.
    pub away: u32,
}

impl<'a> Planted<'a> {
    /// For a school grown from a seed.
    pub fn new(seed: u64, scenario: &'a Scenario, school: &'a School) -> Self {
        let key = |effect: &Effect| Key::new(seed, school.number, "attendance", effect.name());
        let here = Effect::ALL.into_iter().filter(|effect| Self::is_here(scenario, school.number, *effect));
        let here = here.fold(Effects::default(), Effects::with);
        Self { scenario, school, keys: Effect::ALL.iter().map(key).collect(), here }
    }

    /// Whether the school held the event day.
    pub fn took_part(&self) -> bool {
        self.here.has(Effect::EventDay)
    }

    /// The effects that touch this pupil on this day.
    pub fn active(&self, on: &PupilDay<'_>) -> Effects {
        let touching = self.here.iter().filter(|effect| self.touches(*effect, on));
        touching.fold(Effects::default(), Effects::with)
    }

    /// Whether an effect can touch anybody at this school.
    fn is_here(scenario: &Scenario, number: u64, effect: Effect) -> bool {
        let among = |members: Option<&Vec<u64>>| members.is_some_and(|members| members.contains(&number));
        match effect {
            Effect::TestWeek => scenario.test_week.is_some(),
            Effect::InvertedGap => scenario.inverted_gap.as_ref().is_some_and(|e| e.member == number),
            Effect::TransferDip => scenario.transfer_dip.is_some(),
            Effect::Birthdays => scenario.birthdays.is_some(),
            Effect::LastDay => scenario.last_day.is_some(),
            Effect::EventDay => scenario.event_day.as_ref().is_some_and(|e| !e.ordinary.contains(&number)),
            Effect::Strike => among(scenario.strike.as_ref().map(|e| &e.members)),
            Effect::Snow => among(scenario.snow.as_ref().map(|e| &e.members)),
        }
    }

    fn touches(&self, effect: Effect, on: &PupilDay<'_>) -> bool {
        let (scenario, day, nc_year) = (self.scenario, on.day.day, on.pupil.nc_year);
        match effect {
            Effect::TestWeek => scenario
                .test_week
                .as_ref()
                .is_some_and(|e| (e.first..=e.last).contains(&day) && nc_year == e.nc_year),
            Effect::InvertedGap => on.pupil.premium,
            Effect::TransferDip => scenario.transfer_dip.as_ref().is_some_and(|e| nc_year == e.nc_year),
            Effect::Birthdays => is_birthday(on.pupil, day),
            Effect::LastDay => on.day.last_before_break,
            Effect::EventDay => scenario.event_day.as_ref().is_some_and(|e| e.date == day),
            Effect::Strike => {
                scenario.strike.as_ref().is_some_and(|e| e.date == day && e.nc_years.contains(&nc_year))
            }
            Effect::Snow => scenario.snow.as_ref().is_some_and(|e| e.date == day),
        }
    }

    /// Applies effects, in order, to the marks of a day.
    pub fn apply(&self, on: &PupilDay<'_>, marks: [Mark; 2], effects: Effects) -> [Mark; 2] {
        effects.iter().fold(marks, |marks, effect| self.apply_one(effect, on, marks))
    }

    fn apply_one(&self, effect: Effect, on: &PupilDay<'_>, marks: [Mark; 2]) -> [Mark; 2] {
        // A stream a day, and steps of the golden ratio from pupil to pupil of a group: each is as likely
        // to be touched as any, and together they are as many as was intended, nearly.
        // Why: coins would plant anything from 3 to 7 points where 5 are meant.
        let stream = u64::try_from(on.day.day.0).unwrap_or(0);
        let mut dice = self.keys[effect as usize].dice(stream);
        let step = |bits: u32, golden: u32| bits.wrapping_add(on.pupil.rank.wrapping_mul(golden));
        let (happens, choice) = (step(dice.bits(), GOLDEN), step(dice.bits(), SILVER));
        let share = |points: Option<Points>| points.map_or(0, |points| points.0.unsigned_abs());
        match effect {
            Effect::Snow => [Mark::of(code("Y4")); 2],
            Effect::Strike => [Mark::of(code("Y3")); 2],
            Effect::TestWeek | Effect::InvertedGap => {
                let recovers = match effect == Effect::TestWeek {
                    true => share(self.scenario.test_week.as_ref().map(|e| e.recovers)),
                    false => share(self.scenario.inverted_gap.as_ref().map(|e| e.recovers)),
                };
                if below(happens, MILLION) < recovers { recovered(marks) } else { marks }
            }
            Effect::TransferDip | Effect::Birthdays | Effect::LastDay | Effect::EventDay => {
                let change = effect.intended(self.scenario, self.school.phase, on.pupil.premium);
                let lost = change.unwrap_or(0).min(0).unsigned_abs();
                // Of those who would be there, as many stay at home as make the whole group's change.
                let there = u64::from(MILLION - on.away.min(MILLION - 1));
                let chance = u64::from(lost) * u64::from(MILLION) / there;
                let stays = u64::from(below(happens, MILLION)) < chance;
                if !stays || !marks[0].code.class().attended() {
                    return marks;
                }
                let (codes, weights) = effect.codes();
                let away = Mark::of(codes[pick(choice, &weights)]);
                marks.map(|mark| if mark.code.class().attended() { away } else { mark })
            }
        }
    }
}

/// Absences become present, but for a suspension.
fn recovered(marks: [Mark; 2]) -> [Mark; 2] {
    let [am, pm] = marks;
    let better = |mark: Mark, present: Code| match mark.code.class().absent() && mark.code != code("E") {
        true => Mark::of(present),
        false => mark,
    };
    [better(am, PRESENT_AM), better(pm, PRESENT_PM)]
}

fn is_birthday(pupil: &Pupil, day: Day) -> bool {
    let ((_, month, date), (_, born_month, born_date)) = (day.civil(), pupil.dob.civil());
    (month, date) == (born_month, born_date)
}
