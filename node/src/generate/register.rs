//! The register of a made-up school: two marks a day for each pupil on roll, a pupil at a time, so that
//! any number of rows fits in memory.

use datacoop_policy::{Day, Period};

use super::behaviour::{Incident, suspensions};
use super::calendar::{SchoolDay, iso_week};
use super::dice::{Dice, Key, MILLION, below, pick};
use super::effects::{Effect, Planted, PupilDay};
use super::scenario::Scenario;
use super::school::{ABSENCE_MAX, Phase, Pupil, School};
use crate::reference::absence::{
    AUTUMN_WEEK_ABSENCE, AUTUMN_WEEKS, CODES_PER_MILLION, TERM_ABSENCE, TERM_REASONS, WEEKDAY_MULTIPLIER,
};
use crate::reference::codes::{CODES, Class};

/// Chance in a million that an illness goes on for another day: spells are geometric with a mean of 2.2
/// days (DATA section 9).
const GOES_ON: u32 = MILLION - MILLION * 10 / 22;
/// Most likely that a spell begins on a day: beyond, spells are longer instead.
const BEGINS_MAX: u32 = MILLION / 2;
/// Chance that an afternoon repeats the morning (DATA section 9).
const REPEATS: u32 = 900_000;
/// Of the marks `N`, one in ten stays; the others get their reason within this many days (section 9).
const RELABELLED_DAYS: i64 = 5;
/// Days between which a spell of absence does not go on: longer than a weekend.
const GAP_DAYS: i64 = 4;

/// A register code: its place in [`CODES`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Code(u8);

/// Present in the morning.
pub const PRESENT_AM: Code = Code(0);
/// Present in the afternoon.
pub const PRESENT_PM: Code = Code(1);

/// The code of this letter.
pub fn code(text: &str) -> Code {
    let at = CODES.iter().position(|(known, _)| *known == text).expect("INVARIANT: a code in force");
    Code(u8::try_from(at).expect("INVARIANT: few codes"))
}

impl Code {
    /// As a register shows it.
    pub fn text(self) -> &'static str {
        CODES[usize::from(self.0)].0
    }

    /// What it counts as.
    pub fn class(self) -> Class {
        CODES[usize::from(self.0)].1
    }
}

/// One session of one pupil.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Its code.
    pub code: Code,
    /// Minutes late, with `L` and `U`.
    pub minutes_late: Option<u8>,
}

impl Mark {
    /// A code without a remark.
    pub fn of(code: Code) -> Self {
        Self { code, minutes_late: None }
    }
}

/// A pupil's day in the register.
pub struct Row<'a> {
    /// The pupil's place on the roll.
    pub at: usize,
    /// The pupil.
    pub pupil: &'a Pupil,
    /// The day.
    pub day: SchoolDay,
    /// Morning and afternoon.
    pub marks: [Mark; 2],
    /// Effects that touched the day, each with the marks as they would be without it alone.
    pub without: &'a [(Effect, [Mark; 2])],
}

/// Everything that the marks of one school come from.
pub struct Register<'a> {
    school: &'a School,
    days: Vec<(SchoolDay, u32)>,
    key: Key,
    suspensions: Key,
    planted: Planted<'a>,
    reasons: Reasons,
    /// When the register is exported: later, more is known about the reasons.
    exported: Day,
}

impl<'a> Register<'a> {
    /// The register of these days.
    pub fn new(seed: u64, scenario: &'a Scenario, school: &'a School, days: &dyn Fn(Day) -> bool) -> Self {
        let kept: Vec<(SchoolDay, u32)> = school
            .days
            .iter()
            .filter(|day| days(day.day))
            .map(|day| (*day, day_multiplier(school.phase, *day)))
            .collect();
        Self {
            school,
            exported: kept.last().map_or(Day(0), |(day, _)| day.day),
            days: kept,
            key: Key::new(seed, school.number, "attendance", ""),
            suspensions: Key::new(seed, school.number, "suspensions", ""),
            planted: Planted::new(seed, scenario, school),
            reasons: Reasons::new(school.phase),
        }
    }

    /// The days, in order.
    pub fn days(&self) -> impl Iterator<Item = SchoolDay> + '_ {
        self.days.iter().map(|(day, _)| *day)
    }

    /// Gives each day of one pupil, in order.
    pub fn pupil<E>(&self, at: usize, each: &mut dyn FnMut(&Row<'_>) -> Result<(), E>) -> Result<(), E> {
        let pupil = &self.school.pupils[at];
        let mut dice = self.key.dice(at as u64);
        let lost = suspensions(&self.suspensions, self.school, at);
        let mut chain = Chain::default();
        let mut without = vec![];
        for (day, multiplier) in &self.days {
            let away = (u64::from(pupil.absence) * u64::from(*multiplier) / 1000).min(u64::from(ABSENCE_MAX));
            let away = u32::try_from(away).expect("INVARIANT: at most ABSENCE_MAX");
            let base = self.base(pupil, *day, away, &mut chain, &mut dice);
            if !pupil.on_roll(day.day) {
                continue;
            }
            let base = suspended(&lost, day.day, base);
            let on = PupilDay { pupil, day: *day, away };
            let effects = self.planted.active(&on);
            without.clear();
            let mut marks = base;
            if !effects.is_empty() {
                marks = self.planted.apply(&on, base, effects);
                let one_less = |effect| (effect, self.planted.apply(&on, base, effects.without(effect)));
                without.extend(effects.iter().map(one_less));
            }
            each(&Row { at, pupil, day: *day, marks, without: &without })?;
        }
        Ok(())
    }

    /// A day before anything is planted. Four draws, whatever comes of them.
    fn base(
        &self,
        pupil: &Pupil,
        day: SchoolDay,
        away: u32,
        chain: &mut Chain,
        dice: &mut Dice,
    ) -> [Mark; 2] {
        let [stays, repeats, reason, remark] = [dice.bits(), dice.bits(), dice.bits(), dice.bits()];
        let absent = chain.step(day.day, away, stays);
        if absent && !chain.was_absent {
            chain.reason = self.reasons.spell(pupil, day.term, reason);
        }
        chain.was_absent = absent;
        if pupil.status != "C" && day.weekday % 2 == usize::from(pupil.status == "M") {
            // Dual registered: this day is the other school's.
            return [Mark::of(code("D")); 2];
        }
        let roll = below(repeats, MILLION);
        let afternoon = match roll.checked_sub(REPEATS) {
            None => absent,
            Some(rest) => rest * (MILLION / (MILLION - REPEATS)) < away,
        };
        let spell = || self.known(Mark::of(chain.reason), day.day, remark);
        let half = || self.known(self.reasons.half_day(reason), day.day, remark);
        let there = |session| self.reasons.present(session, remark);
        match (absent, afternoon) {
            (true, true) => [spell(); 2],
            (true, false) => [half(), there(1)],
            (false, true) => [there(0), half()],
            (false, false) => [there(0), there(1)],
        }
    }

    /// The mark as it stands when the register is exported: perhaps its reason is not yet known.
    fn known(&self, mark: Mark, day: Day, bits: u32) -> Mark {
        let roll = below(bits, MILLION);
        if roll >= self.reasons.unknown {
            return mark;
        }
        let stays = roll < self.reasons.unknown / 10;
        let delay = 1 + i64::from(roll) % RELABELLED_DAYS;
        if stays || day.0 + delay > self.exported.0 { Mark::of(code("N")) } else { mark }
    }
}

/// Days lost to a suspension.
fn suspended(lost: &[Incident], day: Day, marks: [Mark; 2]) -> [Mark; 2] {
    let out = lost.iter().any(|incident| incident.out.contains(&day));
    marks.map(|mark| if out && mark.code.class().possible() { Mark::of(code("E")) } else { mark })
}

/// How absent pupils are on a day against the year, in thousandths.
fn day_multiplier(phase: Phase, day: SchoolDay) -> u32 {
    let at = phase.at();
    let weekday = WEEKDAY_MULTIPLIER[at][day.weekday];
    let terms = TERM_ABSENCE[at];
    let term = terms[day.term] * 3000 / terms.iter().sum::<u32>();
    // Special schools have no weekly figures; a primary school's course of the term is nearest.
    let weeks = AUTUMN_WEEK_ABSENCE[at % 2];
    let in_term = match day.term {
        0 => {
            let week = iso_week(day.day).clamp(AUTUMN_WEEKS[0], AUTUMN_WEEKS[AUTUMN_WEEKS.len() - 1]);
            let place = AUTUMN_WEEKS.iter().position(|known| *known >= week).unwrap_or(0);
            let weeks_count = u32::try_from(weeks.len()).expect("INVARIANT: few weeks");
            weeks[place] * 1000 * weeks_count / weeks.iter().sum::<u32>()
        }
        _ => 1000,
    };
    weekday * term / 1000 * in_term / 1000
}

/// Whether a pupil is away, day after day: with exactly the day's chance, and in spells.
struct Chain {
    last: Option<(Day, u32)>,
    was_absent: bool,
    reason: Code,
}

impl Default for Chain {
    fn default() -> Self {
        Self { last: None, was_absent: false, reason: PRESENT_AM }
    }
}

impl Chain {
    /// Whether the pupil is away today. If it was so yesterday with chance `before`, it is so today with
    /// chance `away`: before * goes_on + (1 - before) * begins = away.
    fn step(&mut self, day: Day, away: u32, bits: u32) -> bool {
        let roll = below(bits, MILLION);
        let before = self.last.filter(|(last, _)| day.0 - last.0 <= GAP_DAYS).map(|(_, before)| before);
        self.last = Some((day, away));
        let Some(before) = before.filter(|before| *before > 0) else {
            self.was_absent = false;
            return roll < away;
        };
        let (away, before, million) = (u64::from(away), u64::from(before), u64::from(MILLION));
        let (goes_on, begins) = spell_chances(away, before, million);
        let chance = if self.was_absent { goes_on } else { begins };
        u64::from(roll) < chance
    }
}

fn spell_chances(away: u64, before: u64, million: u64) -> (u64, u64) {
    let usual = u64::from(GOES_ON);
    let still = before * usual / million;
    if still > away {
        return (away * million / before, 0);
    }
    let begins = (away - still) * million / (million - before);
    if begins <= u64::from(BEGINS_MAX) {
        return (usual, begins);
    }
    let fresh = (million - before) / 2;
    (away.saturating_sub(fresh) * million / before, u64::from(BEGINS_MAX))
}

/// Codes and their weights at one kind of school.
struct Reasons {
    /// By term, for Year 11 and for the rest.
    spells: [[Vec<u32>; 3]; 2],
    spell_codes: Vec<Code>,
    half_codes: Vec<Code>,
    half_weights: Vec<u32>,
    /// Chance in a million that an absence begins as `N`.
    unknown: u32,
    late: u32,
    elsewhere: Vec<(Code, u32)>,
}

/// Reasons that take half a day; `I` fills up.
const HALF_DAY: [&str; 4] = ["M", "U", "J1", "I"];
/// Reasons that take whole days.
const WHOLE_DAYS: [&str; 9] = ["I", "C", "C1", "C2", "R", "T", "G", "O", "S"];
/// Where pupils are when present and not in school.
const ELSEWHERE: [&str; 5] = ["V", "B", "P", "W", "K"];

fn per_million(phase: Phase, text: &str) -> u32 {
    let row = CODES_PER_MILLION.iter().find(|(code, _)| *code == text);
    row.map_or(0, |(_, by_phase)| by_phase[phase.at()])
}

impl Reasons {
    fn new(phase: Phase) -> Self {
        let absent: u32 =
            CODES.iter().filter(|(_, class)| class.absent()).map(|(c, _)| per_million(phase, c)).sum();
        let present = |n: u32| u64::from(n) * u64::from(MILLION) / u64::from(MILLION - absent);
        let present = |n: u32| u32::try_from(present(n)).expect("INVARIANT: a share of a million");
        let in_term = |text: &str, term: usize| {
            let by_term = TERM_REASONS.iter().find(|(code, _)| *code == text);
            by_term.map_or(1000, |(_, shares)| {
                let terms = shares[phase.at()];
                terms[term] * 3000 / terms.iter().sum::<u32>().max(1)
            })
        };
        let weights = |eleven: bool, term: usize| {
            let weight = |text: &&str| match (*text, eleven) {
                // Study leave is Year 11's alone, one of five years.
                ("S", false) => 0,
                ("S", true) => per_million(phase, text) * 5 * in_term(text, term) / 1000,
                _ => per_million(phase, text) * in_term(text, term) / 1000,
            };
            WHOLE_DAYS.iter().map(weight).collect::<Vec<u32>>()
        };
        let by_term = |eleven| [weights(eleven, 0), weights(eleven, 1), weights(eleven, 2)];
        let short: Vec<u32> = HALF_DAY.iter().map(|text| per_million(phase, text)).collect();
        // Half days are about a tenth of absences: what the short reasons leave of it is illness.
        let rest = (absent / 10).saturating_sub(short[..3].iter().sum());
        Self {
            spells: [by_term(false), by_term(true)],
            spell_codes: WHOLE_DAYS.iter().map(|text| code(text)).collect(),
            half_codes: HALF_DAY.iter().map(|text| code(text)).collect(),
            half_weights: vec![short[0], short[1], short[2], rest],
            // One in ten stays unknown, and that is what is published.
            unknown: u32::try_from(
                u64::from(per_million(phase, "N")) * 10 * u64::from(MILLION) / u64::from(absent),
            )
            .expect("INVARIANT: a share of a million"),
            late: present(per_million(phase, "L")),
            elsewhere: ELSEWHERE.iter().map(|text| (code(text), present(per_million(phase, text)))).collect(),
        }
    }

    fn spell(&self, pupil: &Pupil, term: usize, bits: u32) -> Code {
        self.spell_codes[pick(bits, &self.spells[usize::from(pupil.nc_year == 11)][term])]
    }

    fn half_day(&self, bits: u32) -> Mark {
        let found = self.half_codes[pick(bits, &self.half_weights)];
        // The register closes after half an hour.
        let minutes = u8::try_from(31 + bits % 60).expect("INVARIANT: at most 90");
        Mark { code: found, minutes_late: (found == code("U")).then_some(minutes) }
    }

    fn present(&self, session: usize, bits: u32) -> Mark {
        let mut roll = below(bits, MILLION);
        for (elsewhere, share) in &self.elsewhere {
            if roll < *share {
                return Mark::of(*elsewhere);
            }
            roll -= share;
        }
        // Three of four late marks are in the morning. Other bits: the two sessions are not late together.
        let bits = if session == 0 { bits.wrapping_mul(0x9E37_79B1) } else { bits.wrapping_mul(0x85EB_CA77) };
        let late = if session == 0 { self.late * 3 / 2 } else { self.late / 2 };
        if below(bits, MILLION) < late {
            let minutes = u8::try_from(1 + (bits & 0xFFFF) % 25).expect("INVARIANT: at most 25");
            return Mark { code: code("L"), minutes_late: Some(minutes) };
        }
        Mark::of(if session == 0 { PRESENT_AM } else { PRESENT_PM })
    }
}

/// Whether a period holds a day.
pub fn holds(period: Period, day: Day) -> bool {
    (period.first()..=period.last()).contains(&day)
}
