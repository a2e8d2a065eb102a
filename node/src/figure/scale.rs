//! Where a number stands: the one scale function of every form. Positions are percent of the width, so a
//! figure fits any screen.

/// Steps of a scale, at least; there are at most twice as many and one.
const STEPS_MIN: f64 = 3.0;
/// Where the least value is above this part of the greatest, the axis does not begin at zero.
const ZERO_WITHIN: f64 = 0.4;

/// A scale between two ends that are whole steps.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    /// A scale on which all of these stand; `None` without any.
    pub fn over(values: impl Iterator<Item = f64>, from_zero: bool) -> Option<Self> {
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let mut low = values.iter().copied().reduce(f64::min)?;
        let mut high = values.iter().copied().reduce(f64::max)?;
        if low >= 0.0 && (from_zero || low <= ZERO_WITHIN * high) {
            low = 0.0;
        }
        if high <= 0.0 && (from_zero || high >= ZERO_WITHIN * low) {
            high = 0.0;
        }
        if high - low <= f64::EPSILON * high.abs().max(1.0) {
            let around = (high.abs() / 10.0).max(1.0);
            (low, high) = (low - around, high + around);
        }
        let step = nice((high - low) / STEPS_MIN);
        Some(Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step })
    }

    /// Where a value stands, in percent of the width from the left; beyond an end, at that end.
    pub fn at(&self, value: f64) -> f64 {
        (100.0 * (value - self.low) / (self.high - self.low)).clamp(0.0, 100.0)
    }

    /// The steps' ends with their labels, rising.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place on a drawing, not a count"
        )]
        let decimals = (-self.step.log10().floor()).clamp(0.0, 9.0) as usize;
        let mut ticks = vec![];
        let mut at = self.low;
        while at <= self.high + self.step / 2.0 {
            let label = super::Number::of(at, decimals).to_string();
            ticks.push((at, label));
            at += self.step;
        }
        ticks
    }

    /// Which step's end is zero; the first where none is.
    pub fn zero_tick(&self) -> usize {
        self.ticks().iter().position(|(at, _)| at.abs() < self.step / 2.0).unwrap_or(0)
    }

    /// Where the axis begins, if that is not zero and zero is not on it.
    pub fn is_cut(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }

    /// Whether zero is on it, and no end: then a rule marks it.
    pub fn has_zero_inside(&self) -> bool {
        self.low < 0.0 && self.high > 0.0
    }
}

/// The greatest of 1, 2 and 5 times a power of ten that is at most this.
fn nice(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|digit| digit * power);
    steps.into_iter().find(|step| *step <= most).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_stands_on_the_scale() {
        let cases: [&[f64]; 8] = [
            &[0.2, 0.9],
            &[18.3, 21.9],
            &[-5.3, -2.9],
            &[-1.0, 0.5],
            &[7.0],
            &[0.0],
            &[1e9, 1e9 + 1.0],
            &[1e-7, 3e-7],
        ];
        for values in cases {
            for from_zero in [false, true] {
                let scale = Scale::over(values.iter().copied(), from_zero).unwrap();
                let ticks = scale.ticks();
                assert!((2..=12).contains(&ticks.len()), "{values:?}: {ticks:?}");
                for value in values {
                    assert!(scale.low <= *value && *value <= scale.high, "{values:?}: {scale:?}");
                    assert!((0.0..=100.0).contains(&scale.at(*value)));
                }
                assert!(!from_zero || scale.low <= 0.0);
            }
        }
        assert_eq!(Scale::over([f64::NAN].into_iter(), false), None);
    }

    #[test]
    fn an_axis_says_that_it_does_not_begin_at_zero() {
        let scale = |values: &[f64]| Scale::over(values.iter().copied(), false).unwrap();
        assert!(scale(&[18.0, 24.0]).is_cut());
        assert!(!scale(&[5.0, 24.0]).is_cut());
        assert!(scale(&[-3.0, 2.0]).has_zero_inside() && !scale(&[-3.0, 2.0]).is_cut());
        let labels: Vec<String> = scale(&[18.3, 23.9]).ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["18", "19", "20", "21", "22", "23", "24"]);
    }
}
