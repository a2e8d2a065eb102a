//! One school cannot see it, the cluster can: made-up pupils on an event day and the same weekday before, the real
//! question's cells of them, the noise that a round adds, and the statistics of a Release. Source: SIM.md section 11.
//!
//! A round of real members takes seconds; its Release is the sum of the cells and of the members' noise, which is what
//! 500 worlds are judged by. [`Setting::agrees`] plays one of them through real members and compares sum by sum.
//! Must not know a Question's name, nor where its text comes from.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::derive::{Figures, Status, derive, exact};
use datacoop_policy::query::{Assumptions, Mode, NoiseScale, Terms};
use datacoop_policy::question::{BoundQuestion, Measure};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, Span};
use datacoop_protocol::sampler::discrete_gaussian;
use datacoop_protocol::seed::Seed;
use rand_chacha::ChaCha12Rng;
use rand_core::Rng as _;

use crate::calendar::{HOUR, Holidays, Hours};
use crate::coop::member_id;
use crate::plan::windows::members_of;
use crate::season::{Asking, Crew, Season, Topic};

/// Members, and how many of them took part: fewer than three on either side would show a school.
pub const MEMBERS: usize = 12;
/// Members that took part.
pub const TOOK_PART: usize = 9;
/// Pupils of each school with, and without, the Pupil Premium.
pub const PUPILS: [u32; 2] = [240, 760];
/// Who did not get the Pupil Premium stays away less.
pub const OTHERS: i32 = -8_000;
/// The event day, and the same weekday before.
pub const EVENT_DAY: &str = "2026-11-20";
/// The days that it is compared with.
pub const BASELINE: [&str; 4] = ["2026-10-16", "2026-10-23", "2026-11-06", "2026-11-13"];
/// Days of a world: the baseline, then the event day.
const DAYS: usize = BASELINE.len() + 1;
/// From a headcount's absence bands to sessions (DATA section 9), in percent.
const HEADCOUNT_TO_SESSIONS: u64 = 91;
/// An afternoon is as the morning was, of a million (DATA section 9).
const AFTERNOON_ALIKE: u32 = 900_000;
const MILLION: u32 = 1_000_000;
/// Standard deviation of a hidden shock to a whole school on a day, in millionths: a bus that does not come.
pub const SHOCK: i32 = 10_000;

/// Parts of absence: the upper end of a band in percent, and how many pupils are in it.
pub type Band = (u32, u32);

/// What one member can say alone of a gap from its own exact sums: the gap, and the half-width of chance around it.
pub type Alone<'a> = &'a (dyn Fn(&BoundQuestion, &[i64]) -> Option<(f64, f64)> + Sync);

/// What is asked of whom.
pub struct Setting<'a> {
    /// The question, bound to [`params`].
    pub question: BoundQuestion,
    /// How pupils with, and without, the Pupil Premium spread over bands of absence, as published.
    pub bands: [Vec<Band>; 2],
    /// The statistics of a member's own figures.
    pub alone: Alone<'a>,
    /// All dice come from it.
    pub seed: Seed,
}

/// Parameters of the question.
pub fn params() -> BTreeMap<String, String> {
    let mut held: Vec<String> = (0..TOOK_PART).map(|n| member_id(n).to_string()).collect();
    held.sort_unstable();
    BTreeMap::from([
        ("event_day".to_owned(), EVENT_DAY.to_owned()),
        ("baseline_days".to_owned(), BASELINE.join(",")),
        ("took_part".to_owned(), held.join(",")),
    ])
}

/// The term that the days lie in.
///
/// # Panics
/// Never: it has days.
pub fn period() -> Period {
    let days = Day::parse("2026-09-01").zip(Day::parse("2026-12-18"));
    days.and_then(|(first, last)| Period::new(first, last)).expect("INVARIANT: a term has days")
}

/// Whether a pupil was there, morning and afternoon: the days of [`BASELINE`], then the event day.
pub type Sessions = [[bool; 2]; DAYS];

/// A pupil's luck on its days, before any event.
struct Luck {
    there: Sessions,
    away: u32,
    stays: u32,
}

/// What a world shows of the gap between groups, and of each group's own dip.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// The gap at those who took part, in the cluster's figures.
    pub cluster: bool,
    /// At how many of those schools its own figures show the gap.
    pub alone: u32,
    /// The dip of pupils with the Pupil Premium.
    pub dip_premium: bool,
    /// The dip of the others.
    pub dip_others: bool,
}

/// Over many worlds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rates {
    /// Worlds.
    pub worlds: u32,
    /// Worlds in which the cluster's figures show the gap.
    pub cluster: u32,
    /// Schools of those that took part, over all worlds, whose own figures show it.
    pub alone: u32,
    /// Worlds in which the dip of those with the Pupil Premium shows.
    pub dip_premium: u32,
    /// And of the others.
    pub dip_others: u32,
}

impl Rates {
    /// Adds a world.
    pub fn add(&mut self, seen: Seen) {
        self.worlds += 1;
        self.cluster += u32::from(seen.cluster);
        self.alone += seen.alone;
        self.dip_premium += u32::from(seen.dip_premium);
        self.dip_others += u32::from(seen.dip_others);
    }

    fn percent(part: u32, of: u32) -> f64 {
        100.0 * f64::from(part) / f64::from(of.max(1))
    }

    /// The cluster, one school alone, the dips with and without the Pupil Premium: percent.
    pub fn percents(&self) -> [f64; 4] {
        let schools = self.worlds * u32::try_from(TOOK_PART).unwrap_or(u32::MAX);
        [
            Self::percent(self.cluster, self.worlds),
            Self::percent(self.alone, schools),
            Self::percent(self.dip_premium, self.worlds),
            Self::percent(self.dip_others, self.worlds),
        ]
    }
}

/// The change of the planted day in millionths, for pupils with and without the Pupil Premium. Of no effect there is
/// none on either: else the gap would be one the other way.
pub fn planted(premium: i32) -> [i32; 2] {
    if premium == 0 { [0, 0] } else { [premium, OTHERS] }
}

impl Setting<'_> {
    /// The cells of each school in a world, for each effect on those with the Pupil Premium: the same children, so
    /// that nothing but the effect differs.
    pub fn cells(&self, world: u64, effects: &[i32], is_shocked: bool) -> Vec<Vec<Vec<i64>>> {
        let width = self.question.measures().len();
        let mut cells = vec![vec![vec![0i64; self.question.cells()]; MEMBERS]; effects.len()];
        for school in 0..MEMBERS {
            let groups = [true, false].map(|premium| self.group(premium, &member_id(school)));
            for (at, luck) in self.school(world, school, is_shocked) {
                for (cells, effect) in cells.iter_mut().zip(effects) {
                    let steps = self.steps(change(&sessions(&luck, lost(school, *effect, at))));
                    let first = groups[at] * width;
                    for (cell, step) in cells[school][first..first + width].iter_mut().zip(steps) {
                        *cell += step;
                    }
                }
            }
        }
        cells
    }

    /// The pupils of a school in a world, of this effect on those with the Pupil Premium: whether they have that, and
    /// their sessions.
    pub fn pupils(
        &self,
        world: u64,
        school: usize,
        effect: i32,
        is_shocked: bool,
    ) -> impl Iterator<Item = (bool, Sessions)> {
        let pupils = self.school(world, school, is_shocked);
        pupils.map(move |(at, luck)| (at == 0, sessions(&luck, lost(school, effect, at))))
    }

    /// The pupils of a school in a world, by their place in [`PUPILS`].
    fn school(&self, world: u64, school: usize, is_shocked: bool) -> impl Iterator<Item = (usize, Luck)> {
        let mut dice = self.seed.derive(&format!("event-day/{world}")).stream(&format!("data/{school}"));
        let shocks: [i32; DAYS] = std::array::from_fn(|_| if is_shocked { shock(&mut dice) } else { 0 });
        let places = PUPILS.into_iter().enumerate().flat_map(|(at, count)| (0..count).map(move |_| at));
        places.map(move |at| (at, luck(&mut dice, &self.bands[at], &shocks)))
    }

    /// Which group of the question pupils of a school are in.
    fn group(&self, premium: bool, school: &MemberId) -> usize {
        let value = |name: &str| match self.question.groupings().iter().find(|by| by.name == name) {
            Some(by) if by.is_member_fact() => {
                if self.question.has_fact(name, school) { "yes" } else { "no" }.to_owned()
            }
            _ => premium.to_string(),
        };
        let holds = |key: &[(String, String)]| key.iter().all(|(name, cell)| *cell == value(name));
        self.question.groups().iter().position(|key| holds(key)).unwrap_or(0)
    }

    /// A pupil's measures, as the engine has them: one, the change, its square; clipped, in grid steps.
    fn steps(&self, change: f64) -> Vec<i64> {
        let measures = self.question.measures().iter();
        // In the order of the question: n, d and q, of which each is a power of the change.
        measures.zip([1.0, change, change * change]).map(|(measure, value)| grid(measure, value)).collect()
    }

    /// sigma_i and the doublings of a round of all members for this loss.
    ///
    /// # Panics
    /// If no noise serves for the question's own loss.
    pub fn noise(&self, loss: PrivacyLoss) -> NoiseScale {
        let terms =
            Terms::new(MEMBERS, Mode::Secure, Assumptions::FLOOR).expect("INVARIANT: twelve are enough");
        NoiseScale::new(self.question.sensitivity2(), loss, terms.honest)
            .expect("INVARIANT: the loss leaves room")
    }

    /// What a school adds as noise in a world.
    fn draw(&self, world: u64, school: usize, noise: &NoiseScale) -> Vec<i64> {
        draw(&self.seed, world, school, noise, self.question.cells())
    }

    /// The sums of a Release of these cells, in scaled steps.
    pub fn sums(&self, world: u64, cells: &[Vec<i64>], noise: &NoiseScale) -> Vec<i64> {
        let mut sums = vec![0i64; self.question.cells()];
        for (school, own) in cells.iter().enumerate() {
            let added = self.draw(world, school, noise);
            for ((sum, cell), noise_of_cell) in sums.iter_mut().zip(own).zip(added) {
                *sum += (cell << noise.doublings) + noise_of_cell;
            }
        }
        sums
    }

    /// What a world shows.
    fn seen(&self, world: u64, cells: &[Vec<i64>], noise: &NoiseScale) -> Seen {
        let accepted = u32::try_from(MEMBERS).unwrap_or(u32::MAX);
        let sums = self.sums(world, cells, noise);
        let found = |premium: &str| {
            let effect = effect(&self.question, noise, accepted, &sums, premium);
            effect.is_some_and(|(value, half)| value.abs() > half)
        };
        let alone = cells
            .iter()
            .take(TOOK_PART)
            .filter(|own| (self.alone)(&self.question, own).is_some_and(|(gap, half)| gap.abs() > half));
        Seen {
            cluster: found(GAP),
            alone: u32::try_from(alone.count()).unwrap_or(0),
            dip_premium: found("true"),
            dip_others: found("false"),
        }
    }

    /// What a world shows for each effect.
    pub fn world(&self, world: u64, effects: &[i32], is_shocked: bool, loss: PrivacyLoss) -> Vec<Seen> {
        let noise = self.noise(loss);
        self.cells(world, effects, is_shocked).iter().map(|cells| self.seen(world, cells, &noise)).collect()
    }

    /// Plays a world through real members, from question to Release, with the noise of that world: the gap that they
    /// see, and its half-width.
    ///
    /// Errors: it ended otherwise, or with other sums or figures.
    pub fn agrees(
        &self,
        topic: &Topic,
        world: u64,
        lost: i32,
        loss: PrivacyLoss,
    ) -> Result<Option<(f64, f64)>, String> {
        let cells = self.cells(world, &[lost], false).swap_remove(0);
        let scale = self.noise(loss);
        let (sums, count) = (self.sums(world, &cells, &scale), self.question.cells());
        let of: BTreeMap<MemberId, Vec<i64>> = (0..MEMBERS).map(member_id).zip(cells).collect();
        let tabulate =
            Arc::new(move |id: &MemberId, _: &BoundQuestion| of.get(id).cloned().unwrap_or_default());
        let topic = Topic { tabulate, ..topic.clone() };
        let crew = Crew {
            members: members_of(2, &[(Hours::Always, 10)])
                .into_iter()
                .map(|spec| crate::scenario::MemberSpec { lid: 0, loss: 0, ..spec })
                .collect(),
            holidays: Holidays::named("none").ok_or("no calendar")?,
            min_roster: 5,
        };
        let begin = Day::parse(EVENT_DAY).ok_or("no day")?.start() + Span(10 * HOUR);
        let mut season = Season::new(&self.seed.derive("event-day/members"), begin, &crew, &topic);
        let seed = self.seed.clone();
        season.world.draw_noise = Some(Arc::new(move |school, noise_std, cells| {
            draw(&seed, world, school, &NoiseScale { noise_std, ..scale }, cells)
        }));
        let at = begin + Span(HOUR);
        let asking = Asking {
            by: 3,
            params: self.question.params().clone(),
            period: self.question.period(),
            loss,
            join_by: at + Span(HOUR),
            contribute_by: at + Span(2 * HOUR),
            close_by: at + Span(3 * HOUR),
        };
        let number = season.ask(at, asking);
        season.run_until(at + Span(4 * HOUR));
        let round = season.round(number).ok_or_else(|| format!("{:?}", season.outcome(number)))?;
        let (_, released) = round.released().ok_or_else(|| format!("{:?}", season.outcome(number)))?;
        if released.accepted.len() != MEMBERS || released.sums.len() != count {
            return Err(format!("{} members in the sum", released.accepted.len()));
        }
        match released.sums == sums {
            true => Ok(effect(&self.question, &scale, 12, &released.sums, GAP)),
            false => Err("the real members' sums are others".to_owned()),
        }
    }

    /// A topic of this question.
    pub fn topic(&self, vocabulary: &Vocabulary, hash: Digest) -> Topic {
        Topic {
            question: self.question.question().draft().clone(),
            vocabulary: vocabulary.clone(),
            hash,
            people_max: u64::from(PUPILS[0] + PUPILS[1]),
            tabulate: Arc::new(|_, question| vec![0; question.cells()]),
        }
    }
}

/// How a Release writes the gap.
pub const GAP: &str = "true minus false";

/// The figure of those who took part, of a group or of the gap between both, and the half-width of noise and chance
/// around it. The figure is in full digits: what a Release shows of it is rounded to a tenth of its range or more, too
/// coarse to count worlds by.
pub fn effect(
    question: &BoundQuestion,
    noise: &NoiseScale,
    accepted: u32,
    sums: &[i64],
    premium: &str,
) -> Option<(f64, f64)> {
    let holds = |(name, value): &(String, String)| match name.as_str() {
        "pupil_premium" => value == premium,
        _ => value == "yes",
    };
    let of = |figures: Figures| {
        let cell =
            figures.cells.into_iter().find(|cell| cell.key.len() == 2 && cell.key.iter().all(holds))?;
        cell.figures.into_iter().next().filter(|figure| figure.status == Status::Estimated)
    };
    let shown = of(derive(question, noise, accepted, sums))?;
    let steps: Vec<i64> = sums.iter().map(|sum| sum >> noise.doublings).collect();
    let value = of(exact(question, &steps))?.value.parse().ok()?;
    let (noise, chance): (f64, f64) = (shown.noise.parse().ok()?, shown.chance.as_ref()?.parse().ok()?);
    Some((value, noise.hypot(chance)))
}

/// Noise of a school in a world: the same for whoever asks again.
pub(super) fn draw(seed: &Seed, world: u64, school: usize, noise: &NoiseScale, cells: usize) -> Vec<i64> {
    let mut dice = seed.stream(&format!("event-day/noise/{world}/{school}"));
    (0..cells).map(|_| discrete_gaussian(&mut dice, noise.noise_std)).collect()
}

/// A value clipped to a measure's bounds, in grid steps, rounded half away from zero: as the engine does.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "clamped to bounds far inside an i64"
)]
fn grid(measure: &Measure, value: f64) -> i64 {
    let scaled = value * measure.resolution.denominator as f64 / measure.resolution.numerator as f64;
    scaled.clamp(measure.low_steps as f64, measure.high_steps as f64).round() as i64
}

/// 0 to `n` - 1 out of 32 random bits.
fn below(bits: u32, n: u32) -> u32 {
    u32::try_from((u64::from(bits) * u64::from(n)) >> 32).expect("INVARIANT: less than n")
}

/// Roughly normal, of standard deviation [`SHOCK`]: twelve throws added up.
fn shock(dice: &mut ChaCha12Rng) -> i32 {
    let throws: u32 = (0..12).map(|_| below(dice.next_u32(), MILLION)).sum();
    let centred = i64::from(throws) - 6 * i64::from(MILLION);
    i32::try_from(centred * i64::from(SHOCK) / i64::from(MILLION)).unwrap_or(0)
}

/// A pupil as prone to absence as pupils are, and its days. A shock moves everybody's chance of being there.
fn luck(dice: &mut ChaCha12Rng, bands: &[Band], shocks: &[i32; DAYS]) -> Luck {
    let total = bands.iter().map(|(_, weight)| weight).sum();
    let (mut left, within) = (below(dice.next_u32(), total), dice.next_u32());
    let mut low = 0;
    let mut absence = 0;
    for (high, weight) in bands {
        if left < *weight {
            let inside = low * 10_000 + below(within, (high - low) * 10_000);
            absence = u32::try_from(u64::from(inside) * HEADCOUNT_TO_SESSIONS / 100).unwrap_or(0);
            break;
        }
        left -= weight;
        low = *high;
    }
    let mut away = 0;
    let there = shocks.map(|shock| {
        let chance = i64::from(absence) - i64::from(shock);
        away = u32::try_from(chance.clamp(0, i64::from(MILLION))).unwrap_or(0);
        let [morning, alike, afternoon] = std::array::from_fn(|_| below(dice.next_u32(), MILLION));
        let morning = morning >= away;
        [morning, if alike < AFTERNOON_ALIKE { morning } else { afternoon >= away }]
    });
    Luck { there, away, stays: below(dice.next_u32(), MILLION) }
}

/// How many of a million more stay away on the event day, of pupils at this place in [`PUPILS`].
fn lost(school: usize, effect: i32, at: usize) -> u32 {
    if school < TOOK_PART { planted(effect)[at].unsigned_abs() } else { 0 }
}

/// A pupil's sessions, where so many in a million more stay away on the event day: of those who would be there as many
/// as make that of all.
fn sessions(luck: &Luck, lost: u32) -> Sessions {
    let chance = u64::from(lost) * u64::from(MILLION) / u64::from((MILLION - luck.away).max(1));
    let mut there = luck.there;
    if u64::from(luck.stays) < chance {
        there[DAYS - 1] = [false; 2];
    }
    there
}

/// The pupil's share of the event day's sessions less that of the days before.
fn change(there: &Sessions) -> f64 {
    let share = |days: &[[bool; 2]]| {
        let there = days.iter().flatten().filter(|there| **there).count();
        there as f64 / (2 * days.len()) as f64
    };
    let (before, day) = there.split_at(DAYS - 1);
    share(day) - share(before)
}
