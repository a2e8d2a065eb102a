//! Exact numbers of a Question's text, and the difference that would matter.

use serde::{Deserialize, Serialize};

/// Largest part of a bound, a resolution or a centre: products of four of them fit 128 bits.
const NUMBER_MAX: u64 = 1_000_000;
/// A billionth is the unit of fixed point.
const ONE: i128 = 1_000_000_000;

/// A whole number, or a decimal or fraction as text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged, expecting = "a whole number, or a text such as \"0.5\" or \"1/8\"")]
pub enum NumberText {
    /// Such as `80`.
    Whole(i64),
    /// Such as `"1/8"` or `"35.46"`.
    Text(String),
}

/// A positive or negative fraction; lowest terms are not needed: only exact multiples are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio {
    /// Above the line.
    pub numerator: i64,
    /// Below; positive.
    pub denominator: i64,
}

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };

    pub(super) fn read(text: &NumberText) -> Option<Self> {
        match text {
            NumberText::Whole(number) => Some(Self { numerator: small(*number)?, denominator: 1 }),
            NumberText::Text(text) => Self::parse(text),
        }
    }

    /// Reads `-3`, `1/8` or `35.46`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some((above, below)) = text.split_once('/') {
            return Some(Self {
                numerator: small(integer(above)?)?,
                denominator: small(integer(below)?).filter(|n| *n > 0)?,
            });
        }
        let Some((whole, part)) = text.split_once('.') else {
            return Some(Self { numerator: small(integer(text)?)?, denominator: 1 });
        };
        let digits = u32::try_from(part.len()).ok().filter(|n| (1..=6).contains(n))?;
        if whole.trim_start_matches('-').is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let numerator = small(integer(&format!("{whole}{part}"))?)?;
        Some(Self { numerator, denominator: 10i64.pow(digits) })
    }

    /// How many steps of `resolution` this is; `None` unless a whole number.
    pub(super) fn steps(self, resolution: Self) -> Option<i64> {
        let above = self.numerator.checked_mul(resolution.denominator)?;
        let below = self.denominator.checked_mul(resolution.numerator)?;
        (below > 0 && above % below == 0).then(|| above / below)
    }

    /// In billionths, rounded towards zero.
    pub fn billionths(self) -> i128 {
        i128::from(self.numerator) * ONE / i128::from(self.denominator)
    }

    /// Whether this is less than the other.
    pub(super) fn is_below(self, other: Self) -> bool {
        let cross = |a: i64, b: i64| i128::from(a) * i128::from(b);
        cross(self.numerator, other.denominator) < cross(other.numerator, self.denominator)
    }
}

fn small(number: i64) -> Option<i64> {
    (number.unsigned_abs() <= NUMBER_MAX).then_some(number)
}

/// A whole number without a plus sign, which would be a second spelling.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= 15 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// What a number of [`Amount`] is a number of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measured {
    /// The figure's own unit.
    Own,
    /// Percentage points: hundredths of a whole.
    Points,
    /// Hundredths of the figure itself: percent is not percentage points.
    Percent,
}

/// A quantity with its unit, such as `2 pp`: the difference that would matter, or an assumed spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Amount {
    /// Billionths of the figure's own unit; of a whole where it is in points; of the figure where it is
    /// in percent.
    pub billionths: i128,
    /// Which of these.
    pub measured: Measured,
}

impl Amount {
    /// Reads `2 pp`, `0.1`, `1.5 points`, `1/8` or `5 %`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '/')).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let ratio = Ratio::parse(digits).filter(|ratio| ratio.numerator > 0)?;
        let word = |unit: &str| unit.chars().all(|c| c.is_alphabetic() || c == ' ' || c == '-');
        let (parts, measured) = match unit.trim() {
            "pp" => (100, Measured::Points),
            "%" => (100, Measured::Percent),
            unit if word(unit) => (1, Measured::Own),
            _ => return None,
        };
        Some(Self { billionths: ratio.billionths() / parts, measured })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_exactly_or_not_at_all() {
        for (text, numerator, denominator) in
            [("80", 80, 1), ("-4", -4, 1), ("1/8", 1, 8), ("35.46", 3546, 100), ("-0.5", -5, 10)]
        {
            assert_eq!(Ratio::parse(text), Some(Ratio { numerator, denominator }), "{text}");
        }
        for text in ["", "-", "+1", ".5", "1.", "1e3", "1/0", "1/-2", "1000001", "0.0000001", "--1", "-.5"] {
            assert_eq!(Ratio::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_matters_has_a_unit() {
        let read = |text: &str| Amount::parse(text).map(|amount| (amount.billionths, amount.measured));
        assert_eq!(read("2 pp"), Some((20_000_000, Measured::Points)));
        assert_eq!(read("14pp"), Some((140_000_000, Measured::Points)));
        assert_eq!(read("0.1"), Some((100_000_000, Measured::Own)));
        assert_eq!(read("1.5 points"), Some((1_500_000_000, Measured::Own)));
        assert_eq!(read("5 %"), Some((50_000_000, Measured::Percent)));
        for text in ["", "pp", "0 pp", "-1", "two", "2 pp.", "1e9", "1 %%"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
