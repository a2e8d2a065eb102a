//! From noisy sums to figures: means, rates, shares, event effects, each with its interval. Exact
//! integers throughout (billionths), so every member prints the same digits.
//!
//! Source: DATA section 8 (delta method), ROUND section 7. Where a denominator is too noisy for the
//! delta method the suppression rule has removed the figure: its standard error is at most a quarter
//! of it. Fieller intervals come later.

use crate::query::NoiseScale;
use crate::question::{BoundQuestion, Figure, MeanOf, Measure, RateOf, Whole};

/// One in fixed point: a billionth is the unit of every number here.
const ONE: i128 = 1_000_000_000;
/// Noisy counts below this are suppressed: they say more about noise than about people.
pub const COUNT_MIN: i128 = 10;
/// A standard error above a quarter of a count suppresses it.
const ERROR_PARTS_MAX: i128 = 4;
/// Below eight standard errors a denominator bends the interval of what it divides: such ratios are
/// suppressed until Fieller's intervals are here (DATA section 8).
const RATIO_PARTS_MAX: i128 = 8;

/// Whether a figure is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// With its interval.
    Estimated,
    /// Too small or too noisy to show: never zero.
    Suppressed,
}

impl Status {
    /// The closed code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Estimated => "estimated",
            Self::Suppressed => "suppressed",
        }
    }
}

/// One number of a cell, as decimal text; every text is empty where it is suppressed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FigureValue {
    /// Such as `mean`.
    pub name: String,
    /// The estimate, rounded to the noise.
    pub value: String,
    /// Lower end of the likely range (95 %, noise and chance).
    pub low: String,
    /// Upper end.
    pub high: String,
    /// Half-width of the privacy noise alone (95 %).
    pub noise: String,
    /// Half-width of ordinary chance alone, where squares were asked for or a spread is assumed.
    pub chance: Option<String>,
    /// Whether chance rests on the Question's own `pupil_sd` and not on what was released.
    pub chance_assumed: bool,
    /// Shown or not.
    pub status: Status,
}

/// All figures of one cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FigureCell {
    /// (grouping, value), as declared; a contrast says `yes minus no` or `true minus false`.
    pub key: Vec<(String, String)>,
    /// What is shown of it.
    pub figures: Vec<FigureValue>,
}

/// Everything a Release shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Figures {
    /// Cells in order, then contrasts.
    pub cells: Vec<FigureCell>,
}

/// An estimate: value, and the standard errors of noise and chance, in billionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Estimate {
    value: i128,
    noise: i128,
    chance: Option<i128>,
    assumed: bool,
}

impl Estimate {
    fn new(value: i128, noise: i128) -> Self {
        Self { value, noise, chance: None, assumed: false }
    }
}

/// Sums of one group, read by measure name.
struct Group<'a> {
    question: &'a BoundQuestion,
    noise: &'a NoiseScale,
    accepted: u32,
    sums: &'a [i64],
}

/// Derives the figures. `sums` are in scaled steps, cells row-major, measures innermost.
pub fn derive(question: &BoundQuestion, noise: &NoiseScale, accepted: u32, sums: &[i64]) -> Figures {
    let width = question.measures().len();
    let keys = question.groups();
    let groups: Vec<Group<'_>> =
        sums.chunks(width).map(|sums| Group { question, noise, accepted, sums }).collect();
    let cells = match question.figure() {
        Figure::Histogram { of } => histogram(question, &keys, &groups, of),
        Figure::Event { count, mean, square, contrast } => {
            let effects: Vec<Option<Estimate>> =
                groups.iter().map(|group| group.mean(mean, count, Some(square))).collect();
            let mut cells = plain(&keys, effects.iter().map(|effect| vec![shown("change", *effect)]));
            cells.extend(contrasts(question, &keys, &effects, contrast.as_deref()));
            cells
        }
        Figure::Count { of } => {
            plain(&keys, groups.iter().map(|group| vec![shown("count", group.count(of))]))
        }
        Figure::Sum { of } => plain(&keys, groups.iter().map(|group| vec![shown("sum", group.sum(of))])),
        Figure::Mean(mean) => {
            let figures = |group: &Group<'_>| {
                let means = mean
                    .of
                    .iter()
                    .map(|of| shown("mean", group.mean(of, &mean.count, mean.square.as_deref())));
                means.chain([shown("count", group.count(&mean.count))]).collect()
            };
            plain(&keys, groups.iter().map(figures))
        }
        Figure::Rate(RateOf { of, whole: Whole::Against(against) }) => {
            plain(&keys, groups.iter().map(|group| vec![shown("rate", group.rate(of, against))]))
        }
        Figure::Rate(_)
        | Figure::Gap { .. }
        | Figure::Share { .. }
        | Figure::Quantile { .. }
        | Figure::Transition { .. }
        | Figure::Spread { .. }
        | Figure::Fit(_) => plain(&keys, groups.iter().map(|_| vec![shown("figure", None)])),
    };
    Figures { cells }
}

fn plain(keys: &[Vec<(String, String)>], figures: impl Iterator<Item = Vec<FigureValue>>) -> Vec<FigureCell> {
    keys.iter().zip(figures).map(|(key, figures)| FigureCell { key: key.clone(), figures }).collect()
}

impl Group<'_> {
    fn measure(&self, name: &str) -> Option<(&Measure, i64)> {
        let at = self.question.measures().iter().position(|measure| measure.name == name)?;
        Some((&self.question.measures()[at], *self.sums.get(at)?))
    }

    /// A sum and the standard error of its noise; `None` on overflow.
    fn sum(&self, name: &str) -> Option<Estimate> {
        let (measure, sum) = self.measure(name)?;
        let below = i128::from(measure.resolution.denominator) << self.noise.doublings;
        let step = i128::from(measure.resolution.numerator);
        let value = i128::from(sum).checked_mul(step)?.checked_mul(ONE)? / below;
        Some(Estimate::new(value, noise_of(measure, self.noise, self.accepted)?))
    }

    /// A sum that counts people: suppressed when small or noisy.
    fn count(&self, name: &str) -> Option<Estimate> {
        self.sum(name).filter(is_solid)
    }

    /// X / N, with noise of both and, given squares, the chance of who happened to be there.
    fn mean(&self, of: &str, count: &str, square: Option<&str>) -> Option<Estimate> {
        let (x, n) = (self.sum(of)?, self.sum(count).filter(is_divisor)?);
        let mean = ratio(x.value, n.value)?;
        let noise = ratio(hypot(x.noise, product(mean, n.noise)?)?, n.value)?;
        let chance = match square {
            None => None,
            Some(square) => {
                let squares = self.sum(square)?;
                let spread = ratio(squares.value, n.value)? - product(mean, mean)?;
                // Noise can push the spread to nothing or below: it is never surer than its own noise.
                let least = ratio(squares.noise, n.value)?;
                Some(root(ratio(spread.max(least), n.value)?)?)
            }
        };
        Some(Estimate { value: mean, noise, chance, assumed: false })
    }

    /// A / (A + B). Chance is assumed: the Question's `pupil_sd` over the fewest people that these sums
    /// can be of.
    fn rate(&self, of: &str, against: &str) -> Option<Estimate> {
        let (a, b) = (self.sum(of)?, self.sum(against)?);
        let total = Estimate::new(a.value + b.value, hypot(a.noise, b.noise)?);
        let total = Some(total).filter(is_divisor)?;
        let rate = ratio(a.value, total.value)?;
        let noise = ratio(hypot(product(ONE - rate, a.noise)?, product(rate, b.noise)?)?, total.value)?;
        let people = most_together(self.question).and_then(|most| ratio(total.value, most));
        let chance = match (assumed_sd(self.question), people) {
            (Some(sd), Some(people)) if people > 0 => Some(ratio(sd, root(people)?)?),
            _ => None,
        };
        Some(Estimate { value: rate, noise, chance, assumed: chance.is_some() })
    }
}

/// The most that one person adds to all measures under `at_most`, in billionths.
fn most_together(question: &BoundQuestion) -> Option<i128> {
    let (names, total) = question.at_most()?;
    let measure = question.measures().iter().find(|measure| names.contains(&measure.name))?;
    let resolution = measure.resolution;
    (i128::from(total) * ONE)
        .checked_mul(i128::from(resolution.numerator))?
        .checked_div(i128::from(resolution.denominator))
}

/// The Question's assumed spread between people, such as `14 pp`, in billionths.
fn assumed_sd(question: &BoundQuestion) -> Option<i128> {
    let text = question.question().draft().pupil_sd.as_deref()?;
    let (digits, percent) = match text.strip_suffix("pp") {
        Some(digits) => (digits.trim(), 100),
        None => (text.trim(), 1),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |t: &str| !t.is_empty() && t.len() <= 9 && t.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(part) {
        return None;
    }
    let part: i128 = format!("{part:0<9}").parse().ok()?;
    Some((whole.parse::<i128>().ok()? * ONE + part) / percent)
}

/// s_X = sigma_i sqrt(|A|) x resolution / 2^t, rounded up.
fn noise_of(measure: &Measure, noise: &NoiseScale, accepted: u32) -> Option<i128> {
    // Parts of a millionth of a billionth keep the division exact enough; then x sqrt(accepted).
    let base = i128::from(noise.noise_std.get()) * i128::from(measure.resolution.numerator) * ONE * 1_000;
    let one = base.checked_div((256 * i128::from(measure.resolution.denominator)) << noise.doublings)? + 1;
    let root = root_up(u128::from(accepted) * 1_000_000_000_000_000_000)?;
    one.checked_mul(root).map(|value| value / (ONE * 1_000) + 1)
}

fn is_solid(count: &Estimate) -> bool {
    count.value >= COUNT_MIN * ONE && count.noise.saturating_mul(ERROR_PARTS_MAX) <= count.value
}

/// Whether a sum may divide another.
fn is_divisor(count: &Estimate) -> bool {
    count.value >= COUNT_MIN * ONE && count.noise.saturating_mul(RATIO_PARTS_MAX) <= count.value
}

fn ratio(above: i128, below: i128) -> Option<i128> {
    above.checked_mul(ONE)?.checked_div(below)
}

fn product(a: i128, b: i128) -> Option<i128> {
    Some(a.checked_mul(b)? / ONE)
}

fn root_up(square: u128) -> Option<i128> {
    let root = square.isqrt();
    i128::try_from(if root * root == square { root } else { root + 1 }).ok()
}

/// Square root of a fixed-point number, rounded up.
fn root(value: i128) -> Option<i128> {
    root_up(u128::try_from(value.checked_mul(ONE)?).ok()?)
}

/// sqrt(a^2 + b^2), rounded up.
fn hypot(a: i128, b: i128) -> Option<i128> {
    root_up(u128::try_from(a.checked_mul(a)?.checked_add(b.checked_mul(b)?)?).ok()?)
}

/// Counts, and shares of the row over the last grouping.
fn histogram(
    question: &BoundQuestion,
    keys: &[Vec<(String, String)>],
    groups: &[Group<'_>],
    of: &str,
) -> Vec<FigureCell> {
    let bins = question.groupings().last().map_or(1, |by| by.cells.len());
    let counts: Vec<Option<Estimate>> = groups.iter().map(|group| group.sum(of)).collect();
    let share = |row: &[Option<Estimate>], x: Estimate| -> Option<Estimate> {
        let mut total = Estimate::new(0, 0);
        for cell in row {
            let cell = (*cell)?;
            total = Estimate::new(total.value + cell.value, hypot(total.noise, cell.noise)?);
        }
        let total = Some(total).filter(is_divisor)?;
        let p = ratio(x.value, total.value)?;
        let others = i128::try_from(row.len()).ok()? - 1;
        let spread = product(ONE - p, ONE - p)? + others * product(p, p)?;
        let noise = ratio(product(root(spread)?, x.noise)?, total.value)?;
        let inside = p.clamp(0, ONE);
        let chance = root(ratio(product(inside, ONE - inside)?, total.value)?)?;
        Some(Estimate { value: p, noise, chance: Some(chance), assumed: false })
    };
    let rows = counts.chunks(bins).flat_map(|row| row.iter().map(move |x| (row, *x)));
    let figures = rows.map(|(row, x)| {
        vec![shown("count", x.filter(is_solid)), shown("share", x.and_then(|x| share(row, x)))]
    });
    plain(keys, figures)
}

/// The difference of differences: with minus without; and where people are split true or false, the
/// gap between them, among members that took part if a contrast says who did.
fn contrasts(
    question: &BoundQuestion,
    keys: &[Vec<(String, String)>],
    effects: &[Option<Estimate>],
    contrast: Option<&str>,
) -> Vec<FigureCell> {
    let mut cells =
        contrast.map_or_else(Vec::new, |contrast| difference(keys, effects, contrast, ("yes", "no")));
    for by in question.groupings().iter().filter(|by| !by.is_member_fact() && by.cells == ["true", "false"]) {
        let gaps = difference(keys, effects, &by.name, ("true", "false"));
        let took_part = |cell: &FigureCell| {
            cell.key.iter().all(|(name, value)| Some(&**name) != contrast || value == "yes")
        };
        cells.extend(gaps.into_iter().filter(took_part));
    }
    cells
}

/// For each key, the effect where `name` is `plus` less the effect where it is `minus`.
fn difference(
    keys: &[Vec<(String, String)>],
    effects: &[Option<Estimate>],
    name: &str,
    (plus, minus): (&str, &str),
) -> Vec<FigureCell> {
    let with = |key: &[(String, String)], value: &str| -> Vec<(String, String)> {
        key.iter().map(|(n, v)| (n.clone(), if n == name { value.to_owned() } else { v.clone() })).collect()
    };
    let is_plus = |key: &&Vec<(String, String)>| key.iter().any(|(n, v)| n == name && v == plus);
    let find =
        |key: &[(String, String)]| keys.iter().position(|other| other == key).and_then(|at| effects[at]);
    let subtract = |key: &[(String, String)]| -> Option<Estimate> {
        let (a, b) = (find(key)?, find(&with(key, minus))?);
        let chance = match (a.chance, b.chance) {
            (Some(a), Some(b)) => Some(hypot(a, b)?),
            _ => None,
        };
        Some(Estimate { chance, ..Estimate::new(a.value - b.value, hypot(a.noise, b.noise)?) })
    };
    let label = format!("{plus} minus {minus}");
    keys.iter()
        .filter(is_plus)
        .map(|key| FigureCell { key: with(key, &label), figures: vec![shown("difference", subtract(key))] })
        .collect()
}

/// 1.96 standard errors, rounded up.
fn half_width(error: i128) -> Option<i128> {
    Some((error.checked_mul(196)? + 99) / 100)
}

fn shown(name: &str, estimate: Option<Estimate>) -> FigureValue {
    let figure = estimate.and_then(|estimate| {
        let noise = half_width(estimate.noise)?;
        let chance = match estimate.chance {
            Some(chance) => Some(half_width(chance)?),
            None => None,
        };
        let half = hypot(noise, chance.unwrap_or(0))?;
        let step = display_step(half);
        let fine = (step / 10).max(1);
        Some(FigureValue {
            name: name.to_owned(),
            value: decimal(round_to(estimate.value, step), step),
            low: decimal((estimate.value - half).div_euclid(step) * step, step),
            high: decimal(-(-(estimate.value + half)).div_euclid(step) * step, step),
            noise: decimal(-(-noise).div_euclid(fine) * fine, fine),
            chance: chance.map(|chance| decimal(-(-chance).div_euclid(fine) * fine, fine)),
            chance_assumed: estimate.assumed,
            status: Status::Estimated,
        })
    });
    figure.unwrap_or_else(|| FigureValue {
        name: name.to_owned(),
        value: String::new(),
        low: String::new(),
        high: String::new(),
        noise: String::new(),
        chance: None,
        chance_assumed: false,
        status: Status::Suppressed,
    })
}

/// The smallest power of ten at least a tenth of the half-width; digits beyond it are noise.
fn display_step(half: i128) -> i128 {
    let mut step = 1;
    while step * 10 < half {
        step *= 10;
    }
    step
}

fn round_to(value: i128, step: i128) -> i128 {
    (value + step / 2).div_euclid(step) * step
}

/// A fixed-point number as decimal text, with as many decimals as its step has.
fn decimal(value: i128, step: i128) -> String {
    let mut decimals = 9;
    let mut unit = 1;
    while unit < step && decimals > 0 {
        unit *= 10;
        decimals -= 1;
    }
    let sign = if value < 0 { "-" } else { "" };
    let (whole, part) =
        (value.unsigned_abs() / ONE.unsigned_abs(), value.unsigned_abs() % ONE.unsigned_abs());
    if decimals == 0 {
        return format!("{sign}{whole}");
    }
    format!("{sign}{whole}.{}", &format!("{part:09}")[..decimals])
}

/// What a plan can say before spending: the half-width of privacy noise to expect for one figure of
/// a cell with `people` in it, as decimal text. From public facts only.
///
/// Of a histogram it is that of a share of a row whose cells hold as many each; of a rate, that of
/// people who add three quarters of the most that they can, as pupils do in a half-term.
pub fn expected_noise(
    question: &BoundQuestion,
    noise: &NoiseScale,
    members: u32,
    people: u64,
) -> Option<String> {
    let error = |name: &str| {
        let measure = question.measures().iter().find(|measure| measure.name == name)?;
        noise_of(measure, noise, members)
    };
    let people = i128::from(people).checked_mul(ONE)?;
    let error = match question.figure() {
        Figure::Count { of } | Figure::Sum { of } => error(of)?,
        Figure::Histogram { of } => {
            let bins = question.groupings().last().map_or(1, |by| by.cells.len());
            ratio(error(of)?, people.checked_mul(i128::try_from(bins).ok()?)?)?
        }
        Figure::Mean(MeanOf { of, .. }) => ratio(error(of.first()?)?, people)?,
        Figure::Event { mean: of, .. } => ratio(error(of)?, people)?,
        Figure::Gap { .. }
        | Figure::Share { .. }
        | Figure::Quantile { .. }
        | Figure::Transition { .. }
        | Figure::Spread { .. }
        | Figure::Fit(_) => return None,
        Figure::Rate(RateOf { of, .. }) => {
            let usual = most_together(question).map_or(ONE, |most| most / 4 * 3);
            ratio(error(of)?, product(people, usual)?)?
        }
    };
    width_text(error)
}

/// The half-width of ordinary chance to expect in a cell of `people`, where the Question states how
/// much people differ; else it is known only with the answer.
pub fn expected_chance(question: &BoundQuestion, people: u64) -> Option<String> {
    let people = i128::from(people).checked_mul(ONE).filter(|people| *people > 0)?;
    width_text(ratio(assumed_sd(question)?, root(people)?)?)
}

fn width_text(error: i128) -> Option<String> {
    let half = half_width(error)?;
    let fine = (display_step(half) / 100).max(1);
    Some(decimal(-(-half).div_euclid(fine) * fine, fine))
}

#[cfg(test)]
mod tests;
