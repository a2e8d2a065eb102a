//! Numbers as they are shown: decimal text, never rounded again, with the value it stands for.

use std::fmt;

/// A decimal as a Release states it, in the unit of its figure. Its digits are what is shown everywhere;
/// its value only says where a mark stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Number {
    text: String,
    value: f64,
}

impl Number {
    /// Reads a plain decimal, such as `-0.0412`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = !digits.is_empty()
            && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
            && digits.starts_with(|c: char| c.is_ascii_digit());
        let value: f64 = text.parse().ok().filter(|value: &f64| plain && value.is_finite())?;
        Some(Self { text: text.to_owned(), value })
    }

    /// A share of one as percent: the point moves two places and no digit changes.
    pub fn parse_percent(text: &str) -> Option<Self> {
        Self::parse(text)?;
        let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let part = format!("{part:0<2}");
        let (moved, rest) = part.split_at(2);
        let whole = format!("{whole}{moved}");
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        match rest.is_empty() {
            true => Self::parse(&format!("{sign}{whole}")),
            false => Self::parse(&format!("{sign}{whole}.{rest}")),
        }
    }

    /// A number of ours with so many decimals. Not for what a Release states.
    pub fn of(value: f64, decimals: usize) -> Self {
        let text = format!("{value:.decimals$}");
        let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
        let text = if is_zero { text.trim_start_matches('-').to_owned() } else { text };
        Self { value, text }
    }

    /// A whole number.
    pub fn whole(value: u64) -> Self {
        // A position on a page is no sum: the digits are in the text.
        #[expect(clippy::cast_precision_loss, reason = "a place on a drawing, not a count")]
        let near = value as f64;
        Self { text: value.to_string(), value: near }
    }

    /// What it stands for, to place a mark.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Its digits, as CSV and JSON have them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many digits follow its point.
    pub fn decimals(&self) -> usize {
        self.text.split_once('.').map_or(0, |(_, part)| part.len())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text.replace('-', "\u{2212}"))
    }
}

/// What a figure's numbers are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Parts of a hundred.
    Percent,
    /// Differences of percentages.
    PercentagePoints,
    /// How many: never below zero, whatever the noise. Such as `pupils`.
    Count(String),
    /// Anything else, such as `points`.
    Of(String),
}

impl Unit {
    /// The unit of a figure of a Release that is a share of one, or a difference of shares; `None` of any other.
    pub fn of_shares(kind: &str, name: &str) -> Option<Self> {
        match (kind, name) {
            (_, "count") => None,
            ("event", _) | (_, "rate difference") => Some(Self::PercentagePoints),
            (_, "rate" | "share") => Some(Self::Percent),
            _ => None,
        }
    }

    /// A number with its unit.
    pub fn show(&self, number: &Number) -> String {
        match self {
            Self::Percent => format!("{number}%"),
            Self::PercentagePoints => format!("{number} pp"),
            Self::Count(_) if number.value() < 0.0 => "0".to_owned(),
            Self::Count(_) | Self::Of(_) => number.to_string(),
        }
    }

    /// A label of an axis.
    pub fn tick(&self, label: &str) -> String {
        match self {
            Self::Percent => format!("{label}%"),
            Self::PercentagePoints => format!("{label} pp"),
            Self::Count(_) | Self::Of(_) => label.to_owned(),
        }
    }

    /// Both ends of a range.
    pub fn range(&self, low: &Number, high: &Number) -> String {
        match self {
            Self::PercentagePoints => format!("{low} to {}", self.show(high)),
            Self::Percent | Self::Count(_) | Self::Of(_) => {
                format!("{} to {}", self.show(low), self.show(high))
            }
        }
    }

    /// In words, for a caption.
    pub fn words(&self) -> &str {
        match self {
            Self::Percent => "percent",
            Self::PercentagePoints => "percentage points (pp)",
            Self::Count(what) | Self::Of(what) => what,
        }
    }

    /// Whether an axis must begin at zero, because a length says how many.
    pub fn begins_at_zero(&self) -> bool {
        matches!(self, Self::Count(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_keeps_every_digit() {
        for (share, percent) in [
            ("0.2158", "21.58"),
            ("0.2", "20"),
            ("0.21", "21"),
            ("1", "100"),
            ("-0.0412", "-4.12"),
            ("0", "0"),
            ("0.00", "0"),
            ("-0.004", "-0.4"),
            ("12.3456", "1234.56"),
            ("0.000", "0.0"),
        ] {
            assert_eq!(Number::parse_percent(share).unwrap().text(), percent, "{share}");
        }
        for bad in ["", "-", ".5", "1e5", "NaN", "inf", "+1", "1 ", "--1", "1.2.3"] {
            assert_eq!(Number::parse(bad), None, "{bad}");
            assert_eq!(Number::parse_percent(bad), None, "{bad}");
        }
    }

    #[test]
    fn nobody_is_counted_below_zero_and_zero_has_no_sign() {
        let less = Number::parse("-3").unwrap();
        assert_eq!(Unit::Count("pupils".into()).show(&less), "0");
        assert_eq!(less.text(), "-3", "a script sees it");
        assert_eq!(Unit::Of("points".into()).show(&less), "\u{2212}3");
        assert_eq!(Number::of(-0.001, 1).text(), "0.0");
    }
}
