//! What a plan can say before spending: how sure each figure would be, against the difference that
//! would matter, and what would make it surer. From public facts only, never rows.
//!
//! Source: DATA section 7, "Answerable?". What the figures will be is not known, so the usual is
//! assumed and stated at each kind below; the noise itself is exact.

use super::estimate::{COUNT_MIN, Estimate, Sum, mean_name, most_of, noise_of};
use super::figures::{
    Key, Rows, contrasts, difference, difference_name, quantile_name, rank_error, share_of_rows,
};
use super::fixed::{ONE, decimal, display_step, half_width, hypot, norm, product, ratio, root, round_up};
use crate::loss::PrivacyLoss;
use crate::query::{NoiseScale, Terms};
use crate::question::{BoundQuestion, Figure, FitOf, Level, MeanOf, Measure, Measured, RateOf, Whole};

/// Of the most that a person can add to a rate's whole, what people usually add: pupils are expected
/// for 60 to 65 of a half-term's 80 sessions.
const USUAL_PARTS: (i128, i128) = (3, 4);
/// A clip is usually three standard deviations of what it clips.
const CLIP_DEVIATIONS: i128 = 3;
/// Correlation of what a fit explains with what explains it, as of key stage 2 with GCSE results.
const USUAL_CORRELATION: i128 = ONE / 10 * 6;
/// The largest group, or loss, that a cure names, as a multiple of the one at hand.
const GROWTH_MAX: u64 = 1 << 20;

/// Whether a figure would be sure enough.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Answerable {
    /// The half-width is up to half of what matters.
    Green,
    /// Up to what matters.
    Amber,
    /// Beyond, or the figure would be suppressed.
    Red,
}

impl Answerable {
    /// The closed code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// What would make one figure sure enough, each alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cure {
    /// The least loss that serves; `None` where chance alone is beyond what matters.
    pub loss: Option<PrivacyLoss>,
    /// The least people in a cell, or in its row for a share, that serve, every group grown alike;
    /// `None` where more of them change nothing.
    pub people: Option<u64>,
}

/// Every figure that decides whether a Question is worth asking, and a cure where all are red.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forecast {
    /// In the order of a Release.
    pub figures: Vec<Expected>,
    /// What would help, if no figure would be sure enough.
    pub cure: Option<Cure>,
}

/// How sure one figure of one cell would be. Widths are half-widths (95 %) in billionths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// (grouping, value); a difference says `true minus false`.
    pub key: Vec<(String, String)>,
    /// Such as `rate`, as a Release names it.
    pub name: String,
    /// Of privacy noise; `None` where the figure would be suppressed.
    pub noise: Option<i128>,
    /// Of ordinary chance, where it can be known beforehand.
    pub chance: Option<i128>,
    /// What is compared with what matters: noise for a level; noise and chance for gaps, events, fits
    /// and means that ask for squares.
    pub error: Option<i128>,
    /// What matters, in the figure's own unit, billionths.
    pub matters: i128,
    /// The verdict.
    pub answerable: Answerable,
}

impl Expected {
    /// A width as decimal text, rounded up to three digits.
    pub fn text(width: i128) -> String {
        let fine = (display_step(width) / 100).max(1);
        round_up(width, fine).map_or_else(String::new, |width| decimal(width, fine))
    }
}

/// One figure before it is judged.
struct Guess {
    key: Key,
    name: String,
    estimate: Option<Estimate>,
    counts_chance: bool,
    /// People it rests on, for the cure and for percentages.
    people: u64,
}

/// How sure each figure would be that decides whether the Question is worth asking, in cells of these
/// many people (by group, in order; missing ones count as none).
///
/// `None` when the loss is too small for any noise to serve.
pub fn expected(
    question: &BoundQuestion,
    loss: PrivacyLoss,
    terms: &Terms,
    people: &[u64],
) -> Option<Forecast> {
    let mut people = people.to_vec();
    people.resize(question.groups().len(), 0);
    let ask = |people: Vec<u64>, loss: PrivacyLoss| {
        let noise = NoiseScale::new(question.sensitivity2(), loss, terms.honest)?;
        Some(Setting { question, noise: &noise, members: terms.n, people }.guesses())
    };
    let guesses = ask(people.clone(), loss)?;
    let is_red = |guess: &Guess| guess.verdict(question) == Answerable::Red;
    let cure = guesses.iter().all(is_red).then(|| {
        let serves = |guesses: Option<Vec<Guess>>| guesses.into_iter().flatten().find(|guess| !is_red(guess));
        let grow = |number: u64, times: u64| {
            u64::try_from(u128::from(number) * u128::from(times) / u128::from(SCALE_ONE)).unwrap_or(u64::MAX)
        };
        let dearer = |times| PrivacyLoss::from_nano(grow(loss.nano(), times));
        let more = |times| people.iter().map(|people| grow(*people, times)).collect();
        let loss_times = least_scale(|times| serves(ask(people.clone(), dearer(times))).is_some());
        let people_times = least_scale(|times| serves(ask(more(times), loss)).is_some());
        let people = people_times.and_then(|times| serves(ask(more(times), loss)));
        Cure { loss: loss_times.map(dearer), people: people.map(|guess| guess.people) }
    });
    let figures = guesses.into_iter().map(|guess| Expected {
        noise: guess.estimate.map(|estimate| estimate.above),
        chance: guess.estimate.and_then(|estimate| estimate.chance),
        error: guess.error(),
        matters: matters_of(question, guess.people),
        answerable: guess.verdict(question),
        key: guess.key,
        name: guess.name,
    });
    Some(Forecast { figures: figures.collect(), cure })
}

/// A scale of people or loss is a multiple of a thousandth.
const SCALE_ONE: u64 = 1_000;

/// The least multiple, in thousandths, that serves; a larger one does too.
fn least_scale(serves: impl Fn(u64) -> bool) -> Option<u64> {
    let mut high = SCALE_ONE;
    while !serves(high) {
        high = high.checked_mul(2).filter(|high| *high <= SCALE_ONE * GROWTH_MAX)?;
    }
    let mut low = high / 2;
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        if serves(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// What matters in the figure's own unit; a percentage is of the people at hand.
fn matters_of(question: &BoundQuestion, people: u64) -> i128 {
    let matters = question.question().matters();
    match matters.measured {
        Measured::Own | Measured::Points => matters.billionths,
        Measured::Percent => matters.billionths.saturating_mul(i128::from(people)),
    }
}

impl Guess {
    fn error(&self) -> Option<i128> {
        let estimate = self.estimate?;
        let chance = if self.counts_chance { estimate.chance.unwrap_or(0) } else { 0 };
        hypot(estimate.above, chance)
    }

    fn verdict(&self, question: &BoundQuestion) -> Answerable {
        let matters = matters_of(question, self.people);
        match self.error() {
            Some(error) if error.saturating_mul(2) <= matters => Answerable::Green,
            Some(error) if error <= matters => Answerable::Amber,
            _ => Answerable::Red,
        }
    }
}

/// A Question with its noise and how many people its groups hold.
struct Setting<'a> {
    question: &'a BoundQuestion,
    noise: &'a NoiseScale,
    members: u32,
    people: Vec<u64>,
}

impl Setting<'_> {
    fn measure(&self, name: &str) -> Option<&Measure> {
        self.question.measures().iter().find(|measure| measure.name == *name)
    }

    fn error(&self, name: &str) -> Option<i128> {
        noise_of(self.measure(name)?, self.noise, self.members)
    }

    /// Greatest distance of a measure's value from 0, billionths.
    fn reach(&self, name: &str) -> Option<i128> {
        let measure = self.measure(name)?;
        let steps = measure.low_steps.unsigned_abs().max(measure.high_steps.unsigned_abs());
        let above = i128::from(steps).checked_mul(i128::from(measure.resolution.numerator))?;
        above.checked_mul(ONE)?.checked_div(i128::from(measure.resolution.denominator))
    }

    /// The assumed spread between people, where the Question states one.
    fn spread(&self) -> Option<i128> {
        self.question.question().pupil_sd().map(|sd| sd.billionths)
    }

    fn guesses(&self) -> Vec<Guess> {
        let keys = self.question.groups();
        match self.question.figure() {
            Figure::Count { of } => self.each(&keys, "count", false, |at| self.count(of, at)),
            Figure::Sum { of } => {
                self.each(&keys, "sum", false, |at| match self.measure(of)?.counts_people() {
                    true => self.count(of, at),
                    false => Estimate::straight(0, self.error(of)?),
                })
            }
            Figure::Mean(mean) => self.means(&keys, mean),
            Figure::Rate(rate) => self.each(&keys, "rate", false, |at| self.rate(rate, at)),
            Figure::Gap { of, across } => self.gaps(&keys, of, across),
            Figure::Histogram { of, over } => self.shares(&keys, of, over, true),
            Figure::Share { of, over } => self.shares(&keys, of, over, false),
            Figure::Transition { of, columns, .. } => self.shares(&keys, of, columns, true),
            Figure::Quantile { of, across, edges, at } => {
                let edges: Vec<i128> = edges.iter().map(|edge| edge.billionths()).collect();
                let Some(rows) = Rows::over(self.question, across) else { return vec![] };
                let each = rows.starts().flat_map(|start| {
                    let edges = &edges;
                    let people = self.people_of(rows, start);
                    let key: Key = keys[start].iter().filter(|(name, _)| name != across).cloned().collect();
                    at.iter().map(move |q| Guess {
                        key: key.clone(),
                        name: quantile_name(*q),
                        estimate: self.quantile(of, people, rows.size, edges, *q),
                        counts_chance: false,
                        people,
                    })
                });
                each.collect()
            }
            Figure::Spread { count, square, mean } => {
                self.each(&keys, "standard deviation", false, |at| self.deviation(count, mean, square, at))
            }
            Figure::Fit(fit) => self.each(&keys, "slope", true, |at| self.slope(fit, at)),
            Figure::Event { count, mean, contrast, .. } => {
                let level = |at: usize| self.mean(mean, count, at);
                let levels: Vec<Option<Estimate>> = (0..keys.len()).map(level).collect();
                let differences = contrasts(self.question, &keys, &levels, contrast.as_deref());
                let mut guesses = self.each(&keys, "change", true, level);
                guesses.extend(self.differences(&keys, "difference", differences));
                guesses
            }
        }
    }

    /// One figure for each group.
    fn each(
        &self,
        keys: &[Key],
        name: &str,
        counts_chance: bool,
        estimate: impl Fn(usize) -> Option<Estimate>,
    ) -> Vec<Guess> {
        let guess = |(at, key): (usize, &Key)| Guess {
            key: key.clone(),
            name: name.to_owned(),
            estimate: estimate(at),
            counts_chance,
            people: self.people.get(at).copied().unwrap_or(0),
        };
        keys.iter().enumerate().map(guess).collect()
    }

    /// Differences rest on the smaller group of the two.
    fn differences(&self, keys: &[Key], name: &str, each: Vec<(Key, Option<Estimate>)>) -> Vec<Guess> {
        let same = |key: &Key, other: &Key| {
            key.iter().zip(other).all(|((_, label), (_, value))| {
                label == value || label.split(" minus ").any(|side| side == value)
            })
        };
        let people = |key: &Key| {
            let in_it = keys.iter().zip(&self.people).filter(|(other, _)| same(key, other));
            in_it.map(|(_, people)| *people).min().unwrap_or(0)
        };
        each.into_iter()
            .map(|(key, estimate)| Guess {
                people: people(&key),
                key,
                name: name.to_owned(),
                estimate,
                counts_chance: true,
            })
            .collect()
    }

    fn whole(&self, at: usize) -> Option<i128> {
        i128::from(*self.people.get(at)?).checked_mul(ONE)
    }

    fn count(&self, of: &str, at: usize) -> Option<Estimate> {
        let sum = Sum { value: self.whole(at)?, error: self.error(of)? };
        Some(sum).filter(Sum::is_solid).and_then(Estimate::of)
    }

    fn means(&self, keys: &[Key], mean: &MeanOf) -> Vec<Guess> {
        let with_chance = mean.square.is_some();
        let each = mean.of.iter().flat_map(|of| {
            self.each(keys, &mean_name(mean, of), with_chance, |at| self.mean(of, &mean.count, at))
        });
        let together = mean.together.iter().flat_map(|name| {
            self.each(keys, &mean_name(mean, name), with_chance, |at| self.mean_together(mean, at))
        });
        each.chain(together).collect()
    }

    fn mean_together(&self, mean: &MeanOf, at: usize) -> Option<Estimate> {
        let errors = mean.of.iter().map(|of| self.error(of)).collect::<Option<Vec<i128>>>()?;
        let people = Sum { value: self.whole(at)?, error: self.error(&mean.count)? };
        self.divided(norm(&errors)?, people, people.value)
    }

    /// A mean near its centre, where the count's noise adds nothing.
    fn mean(&self, of: &str, count: &str, at: usize) -> Option<Estimate> {
        let people = Sum { value: self.whole(at)?, error: self.error(count)? };
        self.divided(self.error(of)?, people, people.value)
    }

    /// A quotient by a sum that stands for so many people, with assumed chance.
    fn divided(&self, error: i128, below: Sum, people: i128) -> Option<Estimate> {
        let below = Some(below).filter(Sum::is_solid)?;
        let chance = match self.spread() {
            Some(sd) => Some(ratio(sd, root(people)?)?),
            None => None,
        };
        Estimate::straight(0, ratio(error, below.value)?)?.with_chance(chance, true)
    }

    /// A rate near 0 or 1, as rates of absence and attendance are, of people who add the usual part.
    fn rate(&self, rate: &RateOf, at: usize) -> Option<Estimate> {
        let usual = most_of(self.question, rate)?.checked_mul(USUAL_PARTS.0)? / USUAL_PARTS.1;
        let people = self.whole(at)?;
        let error = self.error(&rate.of)?;
        let whole = match &rate.whole {
            Whole::Against(others) => {
                others.iter().try_fold(error, |sum, other| hypot(sum, self.error(other)?))?
            }
            Whole::Over(whole) => self.error(whole)?,
        };
        self.divided(error, Sum { value: product(people, usual)?, error: whole }, people)
    }

    fn gaps(&self, keys: &[Key], of: &Level, across: &str) -> Vec<Guess> {
        let levels = |estimate: &dyn Fn(usize) -> Option<Estimate>| (0..keys.len()).map(estimate).collect();
        let columns: Vec<(String, Vec<Option<Estimate>>)> = match of {
            Level::Mean(mean) => {
                let column = |of: &String| levels(&|at| self.mean(of, &mean.count, at));
                let named = |name: &String| difference_name(&mean_name(mean, name));
                let each = mean.of.iter().map(|of| (named(of), column(of)));
                let together = mean.together.iter();
                let together = together.map(|name| (named(name), levels(&|at| self.mean_together(mean, at))));
                each.chain(together).collect()
            }
            Level::Rate(rate) => vec![(difference_name("rate"), levels(&|at| self.rate(rate, at)))],
        };
        let by = self.question.groupings().iter().find(|by| by.name == *across);
        let Some([first, others @ ..]) = by.map(|by| by.cells.as_slice()) else { return vec![] };
        let each = columns.iter().flat_map(|(name, levels)| {
            others.iter().flat_map(move |other| {
                let each = difference(self.question, keys, levels, across, (first, other));
                self.differences(keys, name, each)
            })
        });
        each.collect()
    }

    /// Shares of a row as the people at hand divide it; counts where what matters is no share.
    fn shares(&self, keys: &[Key], of: &str, over: &str, has_counts: bool) -> Vec<Guess> {
        if has_counts && self.question.question().matters().measured != Measured::Points {
            return self.each(keys, "count", false, |at| self.count(of, at));
        }
        let count = |at: usize| Some(Sum { value: self.whole(at)?, error: self.error(of)? });
        let counts: Vec<Option<Sum>> = (0..keys.len()).map(count).collect();
        let shares = share_of_rows(self.question, &counts, over);
        let mut guesses = self.each(keys, "share", false, |at| shares.get(at).copied().flatten());
        if let Some(rows) = Rows::over(self.question, over) {
            let people: Vec<(usize, u64)> =
                rows.starts().map(|start| (start, self.people_of(rows, start))).collect();
            for (start, people) in people {
                rows.row(start).for_each(|at| guesses[at].people = people);
            }
        }
        guesses
    }

    /// People of a row.
    fn people_of(&self, rows: Rows, start: usize) -> u64 {
        rows.row(start)
            .filter_map(|at| self.people.get(at))
            .fold(0, |sum, people| sum.saturating_add(*people))
    }

    /// The noise of a rank, as a width: people are taken to lie evenly between the edges.
    fn quantile(
        &self,
        of: &str,
        people: u64,
        bins: usize,
        edges: &[i128],
        q: crate::question::Ratio,
    ) -> Option<Estimate> {
        let one = self.error(of)?;
        let total = i128::from(people).checked_mul(ONE)?;
        let all = root(i128::try_from(bins).ok()?.checked_mul(ONE)?)?;
        Some(Sum { value: total, error: product(one, all)? }).filter(Sum::is_solid)?;
        let numerator = usize::try_from(q.numerator).ok()?;
        let k = bins.checked_mul(numerator)? / usize::try_from(q.denominator).ok()?;
        let rank = ratio(rank_error(one, k, bins, q)?, total)?;
        let wide = edges.last()?.checked_sub(*edges.first()?)?;
        // No edge is nearer than half a bin.
        let least = wide / i128::try_from(bins).ok()?.checked_mul(2)?;
        let half = half_width(product(rank, wide)?)?.max(least);
        Some(Estimate { value: 0, below: half, above: half, chance: None, assumed: false })
    }

    /// s_V = sqrt(s_Q^2 + V^2 s_N^2) / N of a centred value; the deviation's is that over twice itself.
    fn deviation(&self, count: &str, mean: &str, square: &str, at: usize) -> Option<Estimate> {
        let n = Sum { value: self.whole(at)?, error: self.error(count)? };
        let n = Some(n).filter(Sum::is_straight)?;
        let sd = match self.spread() {
            Some(sd) => sd,
            None => self.reach(mean)? / CLIP_DEVIATIONS,
        };
        let variance = product(sd, sd)?;
        let noise = ratio(hypot(self.error(square)?, product(variance, n.error)?)?, n.value)?;
        let solid = Some(Sum { value: variance, error: noise }).filter(Sum::is_spread)?;
        Estimate::straight(0, ratio(solid.error, sd.checked_mul(2)?)?)
    }

    /// Of centred values whose clips are three standard deviations, correlated as usual.
    fn slope(&self, fit: &FitOf, at: usize) -> Option<Estimate> {
        let n = Sum { value: self.whole(at)?, error: self.error(&fit.count)? };
        let n = Some(n).filter(Sum::is_straight)?;
        let (x, y) = (self.reach(&fit.x)? / CLIP_DEVIATIONS, self.reach(&fit.y)? / CLIP_DEVIATIONS);
        let spread = product(x, x)?;
        Some(Sum { value: spread, error: ratio(self.error(&fit.xx)?, n.value)? }).filter(Sum::is_spread)?;
        let slope = product(USUAL_CORRELATION, ratio(y, x)?)?;
        let error = hypot(self.error(&fit.xy)?, product(slope, self.error(&fit.xx)?)?)?;
        let rest = root(ONE - product(USUAL_CORRELATION, USUAL_CORRELATION)?)?;
        let chance = ratio(product(rest, ratio(y, x)?)?, root(n.value)?)?;
        Estimate::straight(0, ratio(ratio(error, n.value)?, spread)?)?.with_chance(Some(chance), true)
    }
}

/// The half-width of privacy noise to expect for the first kind of figure in cells with `people` each,
/// as decimal text; `None` where it would be suppressed.
pub fn expected_noise(
    question: &BoundQuestion,
    noise: &NoiseScale,
    members: u32,
    people: u64,
) -> Option<String> {
    let people = vec![people; question.groups().len()];
    let guesses = Setting { question, noise, members, people }.guesses();
    let first = |guess: &&Guess| guesses.first().is_some_and(|first| first.name == guess.name);
    let widths = guesses.iter().filter(first).map(|guess| guess.estimate.map(|estimate| estimate.above));
    widths.collect::<Option<Vec<i128>>>()?.into_iter().max().map(Expected::text)
}

/// The half-width of ordinary chance to expect in a cell of `people`, where the Question states how
/// much people differ; else it is known only with the answer.
pub fn expected_chance(question: &BoundQuestion, people: u64) -> Option<String> {
    let people = i128::from(people).checked_mul(ONE).filter(|people| *people >= COUNT_MIN * ONE)?;
    let sd = question.question().pupil_sd()?;
    half_width(ratio(sd.billionths, root(people)?)?).map(Expected::text)
}
