//! Made-up schools and who is on their rolls. Names, numbers and neighbourhoods are invented: local
//! authority `000` and register numbers from 900001 are given to nobody.

use datacoop_policy::{AcademicYear, Day};

use super::calendar::{SchoolDay, school_days};
use super::dice::{Dice, Key, MILLION};
use super::scenario::Scenario;
use crate::reference::absence::{BAND_UPPER_PERCENT, BANDS_2022_23};
use crate::reference::ks2;
use crate::reference::transition::KS2_BAND_PUPILS;

/// What kind of school.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Reception to Year 6.
    Primary,
    /// Years 7 to 11.
    Secondary,
    /// Years 1 to 11, all with special needs.
    Special,
}

impl Phase {
    /// Its place in tables by phase.
    pub fn at(self) -> usize {
        match self {
            Self::Primary => 0,
            Self::Secondary => 1,
            Self::Special => 2,
        }
    }

    /// As GIAS writes it, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::Special => "special",
        }
    }

    fn years(self) -> std::ops::RangeInclusive<u8> {
        match self {
            Self::Primary => 0..=6,
            Self::Secondary => 7..=11,
            Self::Special => 1..=11,
        }
    }
}

/// What the first twelve schools are, and how many pupils they have at least and at most (DATA section
/// 9: primary about 280, secondary 1,030, small rural 48, special 130); the next twelve are like them.
const KINDS: [(Phase, u32, u32); 12] = [
    (Phase::Secondary, 930, 1130),
    (Phase::Secondary, 930, 1130),
    (Phase::Primary, 240, 320),
    (Phase::Secondary, 930, 1130),
    (Phase::Secondary, 930, 1130),
    (Phase::Secondary, 930, 1130),
    (Phase::Secondary, 930, 1130),
    (Phase::Primary, 240, 320),
    (Phase::Primary, 40, 56),
    (Phase::Secondary, 930, 1130),
    (Phase::Special, 110, 150),
    (Phase::Secondary, 930, 1130),
];

/// Places that do not exist.
const PLACES: [&str; 24] = [
    "Ashmarrow",
    "Birchenby",
    "Corvendale",
    "Dunnowick",
    "Elverstone",
    "Farrowmere",
    "Gildenholt",
    "Hallowfold",
    "Inglesworth",
    "Jessamy Cross",
    "Kettleswick",
    "Larkenby",
    "Marrowdene",
    "Netherquill",
    "Orrinsford",
    "Peverdale",
    "Quillmere",
    "Rushenby",
    "Stavengate",
    "Tansleigh Vale",
    "Underwyke",
    "Vennelford",
    "Wixcombe",
    "Yarrowfold",
];

/// 32 equally likely shares of pupils eligible for free school meals, in thousandths: lognormal with
/// median 20 % and 0.55, kept within 3 to 65 % (DATA section 9).
const FSM_PER_MILLE: [u32; 32] = [
    61, 80, 92, 102, 111, 119, 127, 134, 142, 149, 157, 164, 172, 179, 187, 196, 204, 213, 223, 233, 244,
    255, 268, 282, 298, 316, 337, 362, 393, 436, 503, 650,
];

const FORENAMES: [&str; 32] = [
    "Aisha", "Alfie", "Amelia", "Arjun", "Ava", "Ben", "Callum", "Chloe", "Daniel", "Ella", "Ethan",
    "Fatima", "Freya", "George", "Grace", "Hannah", "Harry", "Ibrahim", "Isla", "Jack", "Jasmine", "Kai",
    "Layla", "Leo", "Mia", "Noah", "Olivia", "Poppy", "Ruby", "Samuel", "Zara", "Zoë",
];
const SURNAMES: [&str; 32] = [
    "Adeyemi",
    "Ahmed",
    "Bailey",
    "Barker",
    "Begum",
    "Bennett",
    "Chen",
    "Clarke",
    "Cooper",
    "Davies",
    "Evans",
    "Foster",
    "Green",
    "Hughes",
    "Hussain",
    "Jackson",
    "Kaur",
    "Khan",
    "Kowalski",
    "Lewis",
    "Mitchell",
    "Murphy",
    "Nguyen",
    "O'Brien",
    "Patel",
    "Renée-Walsh",
    "Roberts",
    "Shah",
    "Taylor",
    "Turner",
    "Walker",
    "Wood",
];

/// Major ethnic groups and their weights.
pub const ETHNIC: [&str; 6] = ["White", "Asian", "Black", "Mixed", "Other", "Unknown"];
const ETHNIC_WEIGHTS: [u32; 6] = [70, 12, 6, 7, 3, 2];
/// Primary needs of pupils with special needs, and their weights.
pub const NEEDS: [&str; 8] = ["SPLD", "MLD", "SEMH", "SLCN", "HI", "PD", "ASD", "OTH"];
const NEED_WEIGHTS: [u32; 8] = [14, 16, 22, 25, 2, 3, 14, 4];
/// Distances from home to school in kilometres, and their weights.
pub const DISTANCES: [&str; 4] = ["0-1", "1-3", "3-5", "5+"];
const DISTANCE_WEIGHTS: [u32; 4] = [35, 40, 15, 10];

/// Chance that a pupil has an older brother or sister at the school.
const SIBLING_CHANCE: u32 = 250_000;
/// Chance that a pupil is as prone to absence as that one: their correlation (DATA section 9).
const SIBLING_ALIKE: u32 = 300_000;
/// From a headcount's absence bands to sessions (DATA section 9), in percent.
const HEADCOUNT_TO_SESSIONS: u32 = 91;
/// Pupils of special schools are away more than pupils with special needs elsewhere, in percent.
const SPECIAL_MORE: u32 = 140;
/// Nobody is away more than this, in a million: an always absent pupil would be off roll.
pub const ABSENCE_MAX: u32 = 950_000;

/// A pupil as the school's system knows one.
#[derive(Clone, Debug)]
pub struct Pupil {
    /// Admission number.
    pub id: String,
    /// Unique pupil number.
    pub upn: String,
    /// How many with, or without, the Pupil Premium come before on the roll.
    pub rank: u32,
    /// Forename.
    pub forename: &'static str,
    /// Surname.
    pub surname: &'static str,
    /// Date of birth.
    pub dob: Day,
    /// National Curriculum year; 0 is Reception.
    pub nc_year: u8,
    /// `F` or `M`.
    pub sex: &'static str,
    /// Pupil Premium, which is free school meals in the last six years.
    pub premium: bool,
    /// Free school meals today.
    pub fsm_now: bool,
    /// In care.
    pub looked_after: bool,
    /// A parent serves in the armed forces.
    pub service_child: bool,
    /// `N`, `K` or `E`.
    pub sen: &'static str,
    /// Primary need, with special needs.
    pub need: Option<&'static str>,
    /// English is an additional language.
    pub eal: bool,
    /// Place in [`ETHNIC`].
    pub ethnic: usize,
    /// `C`, `M` or `S`.
    pub status: &'static str,
    /// First day on roll.
    pub from: Day,
    /// Last day on roll.
    pub to: Option<Day>,
    /// Tutor group.
    pub form: String,
    /// 1 to 10.
    pub idaci: u32,
    /// Place in [`DISTANCES`].
    pub distance: usize,
    /// Sessions in a million that the pupil is away from over a year, before anything is planted.
    pub absence: u32,
    /// Place of the key stage 2 band, secondary and Year 6 only.
    pub ks2_band: usize,
    /// Twice the average of the key stage 2 scores; `None` without them.
    pub ks2_halves: Option<u32>,
}

impl Pupil {
    /// As a system writes the year: `R`, `1` to `11`.
    pub fn year_text(&self) -> String {
        if self.nc_year == 0 { "R".into() } else { self.nc_year.to_string() }
    }

    /// Whether the pupil is on roll on a day.
    pub fn on_roll(&self, day: Day) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }

    /// The day from which the pupil must attend school: the term after the fifth birthday.
    ///
    /// Source: Education Act 1996, section 8; prescribed days 31 December, 31 March, 31 August.
    pub fn compulsory_from(&self) -> Day {
        let (year, month, _) = self.dob.civil();
        let first = |year, month| Day::from_civil(year, month, 1).expect("INVARIANT: a first of a month");
        match month {
            1..=3 => first(year + 5, 4),
            4..=8 => first(year + 5, 9),
            _ => first(year + 6, 1),
        }
    }

    /// The last day on which the pupil must attend: the last Friday in June of the school year in which
    /// the sixteenth birthday lies.
    ///
    /// Source: The Education (School Leaving Date) Order 1997.
    pub fn compulsory_to(&self) -> Day {
        let (year, month, _) = self.dob.civil();
        let june = Day::from_civil(year + if month >= 9 { 17 } else { 16 }, 6, 30);
        let june = june.expect("INVARIANT: a last of June");
        let weekday = super::calendar::weekday(june);
        Day(june.0 - i64::try_from((weekday + 3) % 7).expect("INVARIANT: less than 7"))
    }

    /// Whether the pupil must attend school on a day.
    pub fn compulsory(&self, day: Day) -> bool {
        (self.compulsory_from()..=self.compulsory_to()).contains(&day)
    }

    /// Whether a question about days that end here counts the pupil (DATA section 1).
    pub fn counts(&self, last: Day) -> bool {
        self.status != "S" && self.on_roll(last) && self.compulsory(last)
    }
}

/// What schools are like that are all of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Alike {
    /// Their kind.
    pub phase: Phase,
    /// Pupils of each.
    pub pupils: u32,
    /// Of which so many in a thousand have the Pupil Premium, give or take chance.
    pub premium_per_mille: u32,
}

/// A school and its roll.
#[derive(Clone, Debug)]
pub struct School {
    /// Counted from 1.
    pub number: u64,
    /// Its name.
    pub name: String,
    /// Its register number, from a range that is not in use.
    pub urn: String,
    /// What kind it is.
    pub phase: Phase,
    /// Days on which it is open.
    pub days: Vec<SchoolDay>,
    /// All who are on its roll in the year, by year.
    pub pupils: Vec<Pupil>,
    /// What its teaching adds to a GCSE grade, in thousandths.
    pub grade_effect: i32,
}

impl School {
    /// Its folder among exports: number and name.
    pub fn folder(&self) -> String {
        format!("{:03}-{}", self.number, self.name.to_lowercase().replace(' ', "-"))
    }

    /// Makes school `number` of a seed. `alike` gives all one kind and size instead of a mix.
    pub fn new(seed: u64, number: u64, scenario: &Scenario, alike: Option<Alike>) -> Self {
        let mut dice = Key::new(seed, number, "school", "").dice(0);
        let at = usize::try_from(number - 1).expect("INVARIANT: few schools");
        let (phase, low, high) = KINDS[at % KINDS.len()];
        let drawn = dice.between(low, high);
        let drawn = Alike { phase, pupils: drawn, premium_per_mille: *dice.of(&FSM_PER_MILLE) };
        let Alike { phase, pupils: size, premium_per_mille } = alike.unwrap_or(drawn);
        let fsm = premium_per_mille * 1000;
        let grade_effect = dice.normal() * 35 / 100;
        let late = scenario.other_half_term.as_ref().is_some_and(|other| other.members.contains(&number));
        let days = school_days(scenario.academic_year(), late, &mut dice);
        let roll = Roll { seed, number, phase, fsm, year: scenario.academic_year(), days: &days };
        let pupils = roll.pupils(size);
        let place = PLACES[at % PLACES.len()];
        let again = if at < PLACES.len() { String::new() } else { format!(" {}", at / PLACES.len() + 1) };
        let kind = match phase {
            Phase::Primary => "Primary School",
            Phase::Secondary => "School",
            Phase::Special => "Special School",
        };
        let urn = (900_000 + number).to_string();
        let name = format!("{place}{again} {kind}");
        Self { number, name, urn, phase, days, pupils, grade_effect }
    }
}

struct Roll<'a> {
    seed: u64,
    number: u64,
    phase: Phase,
    /// Chance of the Pupil Premium, in a million.
    fsm: u32,
    year: AcademicYear,
    days: &'a [SchoolDay],
}

impl Roll<'_> {
    fn pupils(&self, size: u32) -> Vec<Pupil> {
        let key = Key::new(self.seed, self.number, "pupils", "");
        let years: Vec<u8> = self.phase.years().collect();
        let groups = u32::try_from(years.len()).expect("INVARIANT: few years");
        let mut pupils: Vec<Pupil> = vec![];
        // What absence was drawn from, so that a brother or sister can be alike.
        let mut bits: Vec<(u32, u32)> = vec![];
        let mut ranks = [0; 2];
        for n in 0..size {
            let mut dice = key.dice(u64::from(n));
            let year = years[(n * groups / size) as usize];
            let sibling = dice.chance(SIBLING_CHANCE).then(|| dice.below(n.max(1)) as usize);
            let sibling = sibling.filter(|at| pupils.get(*at).is_some_and(|other| other.nc_year != year));
            let mut drawn = (dice.bits(), dice.bits());
            if let Some(at) = sibling
                && dice.chance(SIBLING_ALIKE)
            {
                drawn = bits[at];
            }
            let surname = sibling.map(|at| pupils[at].surname);
            let mut pupil = self.pupil(n, year, surname, drawn, &mut dice);
            let rank = &mut ranks[usize::from(pupil.premium)];
            pupil.rank = *rank;
            *rank += 1;
            pupils.push(pupil);
            bits.push(drawn);
        }
        pupils
    }

    fn pupil(
        &self,
        n: u32,
        nc_year: u8,
        surname: Option<&'static str>,
        absence: (u32, u32),
        dice: &mut Dice,
    ) -> Pupil {
        let drawn = *dice.of(&SURNAMES);
        let premium = dice.chance(self.fsm);
        let fsm_now = dice.chance(850_000) && premium;
        let sen = match (self.phase, premium) {
            (Phase::Special, _) => "E",
            (_, true) => ["N", "K", "E"][dice.pick(&[70, 22, 8])],
            (_, false) => ["N", "K", "E"][dice.pick(&[84, 12, 4])],
        };
        let need = NEEDS[dice.pick(&NEED_WEIGHTS)];
        let first = Day::from_civil(self.year.0 - i64::from(nc_year) - 5, 9, 1);
        let first = first.expect("INVARIANT: a first of September");
        let dob = Day(first.0 + i64::from(dice.below(365)));
        let ks2_band = dice.pick(&KS2_BAND_PUPILS[usize::from(!premium)]);
        let within = dice.bits();
        let halves = ks2::BAND_ENDS.get(ks2_band).map(|(_, high)| {
            let low =
                ks2_band.checked_sub(1).map_or(*ks2::HALVES.start(), |before| ks2::BAND_ENDS[before].1 + 1);
            u32::from(low) + super::dice::below(within, u32::from(high - low) + 1)
        });
        let (status, from, to) = self.enrolment(nc_year, dice);
        Pupil {
            id: (10_001 + n).to_string(),
            upn: upn(self.number, first, n),
            rank: 0,
            forename: dice.of::<&str>(&FORENAMES),
            surname: surname.unwrap_or(drawn),
            dob,
            nc_year,
            sex: if dice.chance(MILLION / 2) { "F" } else { "M" },
            premium,
            fsm_now,
            looked_after: dice.chance(8_000) && premium,
            service_child: dice.chance(10_000),
            sen,
            need: (sen != "N").then_some(need),
            eal: dice.chance(200_000),
            ethnic: dice.pick(&ETHNIC_WEIGHTS),
            status,
            from,
            to,
            form: format!("{}{}", nc_year, ["A", "B", "C", "D", "E", "F"][(n % 6) as usize]),
            idaci: if premium { dice.between(1, 6) } else { dice.between(1, 10) },
            distance: dice.pick(&DISTANCE_WEIGHTS),
            absence: self.absence(nc_year, fsm_now, sen != "N", absence),
            ks2_band,
            ks2_halves: halves.filter(|_| nc_year >= 6),
        }
    }

    /// Enrolment status, first and last day on roll: a few join or leave in the year, or are also on
    /// another school's roll.
    fn enrolment(&self, nc_year: u8, dice: &mut Dice) -> (&'static str, Day, Option<Day>) {
        let status = ["C", "M", "S"][dice.pick(&[985, 8, 7])];
        let some_day = |dice: &mut Dice| dice.of(self.days).day;
        let (joined, left) = (some_day(dice), some_day(dice));
        let [joins, leaves] = [dice.chance(15_000), dice.chance(15_000)];
        let years_ago = i64::from(nc_year - *self.phase.years().start());
        let start = Day::from_civil(self.year.0 - years_ago, 9, 1).expect("INVARIANT: a first of September");
        let from = if joins { joined } else { start };
        (status, from, (leaves && left > from).then_some(left))
    }

    /// Sessions in a million: a published band, then anywhere in it.
    fn absence(&self, nc_year: u8, fsm: bool, sen: bool, (band, within): (u32, u32)) -> u32 {
        let year = nc_year.max(1);
        let row = BANDS_2022_23.iter().find(|row| (row.nc_year, row.fsm, row.sen) == (year, fsm, sen));
        let row = row.expect("INVARIANT: there is a row for Years 1 to 11");
        let at = super::dice::pick(band, &row.share);
        let low = at.checked_sub(1).map_or(0, |before| BAND_UPPER_PERCENT[before]) * 10_000;
        let high = BAND_UPPER_PERCENT[at] * 10_000;
        let headcount = low + super::dice::below(within, high - low);
        let more = if self.phase == Phase::Special { SPECIAL_MORE } else { 100 };
        (headcount / 100 * HEADCOUNT_TO_SESSIONS / 100 * more).min(ABSENCE_MAX)
    }
}

/// Letters that a check letter can be (DATA section 3).
const CHECK_LETTERS: &[u8; 23] = b"ABCDEFGHJKLMNPQRTUVWXYZ";

/// A unique pupil number with a right check letter, of local authority `000`, which there is not.
fn upn(school: u64, entry: Day, n: u32) -> String {
    let year = (entry.civil().0 + 5) % 100;
    let digits = format!("000{:04}{year:02}{:03}", school % 10_000, n % 1000);
    let letter = check_letter(&digits).expect("INVARIANT: twelve digits");
    format!("{letter}{digits}")
}

/// The check letter of twelve digits: their sum, weighed by place from 2 on. Source: DATA section 3.
fn check_letter(digits: &str) -> Option<char> {
    let values = digits.chars().map(|digit| digit.to_digit(10)).zip(2..);
    let sum: Option<u32> = values.map(|(digit, place)| digit.map(|digit| digit * place)).sum();
    sum.map(|sum| char::from(CHECK_LETTERS[(sum % 23) as usize]))
}
