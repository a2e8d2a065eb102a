//! Privacy loss as an exact integer. Source: Bun & Steinke 2016 (arXiv:1605.02065) for zCDP.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// Privacy loss in billionths of zCDP rho.
///
/// An integer, so every member computes the same Ledger in any order of addition.
/// Conversions round up: a debit may overstate the loss, never understate it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct PrivacyLoss {
    rho_nano: u64,
}

impl PrivacyLoss {
    /// Nothing spent.
    pub const ZERO: Self = Self { rho_nano: 0 };

    /// From billionths of rho.
    pub const fn from_nano(rho_nano: u64) -> Self {
        Self { rho_nano }
    }

    /// Billionths of rho.
    pub const fn nano(self) -> u64 {
        self.rho_nano
    }

    /// The loss of a sum that carries `shares` honest noise shares.
    ///
    /// Units: grid steps squared, 256ths of a grid step, members.
    /// Errors: none; an absurd input saturates, and no limit can hold `u64::MAX`.
    /// Source: Kairouz, Liu & Steinke 2021 (arXiv:2102.06387), Prop. 14. We leave out its
    /// correction: below 1e-16 while `noise_std >= 512`, which scaling up by 2^t guarantees.
    pub fn of_gaussian(sensitivity2: u128, noise_std: NonZeroU32, shares: NonZeroU32) -> Self {
        let std = u128::from(noise_std.get());
        let Some(numerator) = sensitivity2.checked_mul(1_000_000_000 * 256 * 256) else {
            return Self { rho_nano: u64::MAX };
        };
        let denominator = 2 * u128::from(shares.get()) * std * std;
        Self { rho_nano: u64::try_from(numerator.div_ceil(denominator)).unwrap_or(u64::MAX) }
    }

    /// Composition of zCDP is addition; saturates.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self { rho_nano: self.rho_nano.saturating_add(other.rho_nano) }
    }

    /// So many times this loss; saturates.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self { rho_nano: self.rho_nano.saturating_mul(count) }
    }

    /// What is left of `self` after `other`; zero when `other` is larger.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self { rho_nano: self.rho_nano.saturating_sub(other.rho_nano) }
    }
}

impl fmt::Display for PrivacyLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.rho_nano / 1_000_000_000, self.rho_nano % 1_000_000_000)
    }
}

impl fmt::Debug for PrivacyLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rho {self}")
    }
}

impl FromStr for PrivacyLoss {
    type Err = String;
    /// Reads a decimal rho such as `0.05`; at most nine decimals, so nothing is rounded away.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("`{}` is not a privacy loss; write rho as a decimal such as 0.005", text.escape_debug())
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 9 || whole.len() > 9 {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let part: u64 = format!("{part:0<9}").parse().map_err(|_| bad())?;
        Ok(Self { rho_nano: whole * 1_000_000_000 + part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(text: &str) -> u64 {
        text.parse::<PrivacyLoss>().map_or(u64::MAX, PrivacyLoss::nano)
    }

    #[test]
    fn a_decimal_rho_is_read_exactly() {
        assert_eq!(loss("0.05"), 50_000_000);
        assert_eq!(loss("1"), 1_000_000_000);
        assert_eq!(loss("0.000000001"), 1);
        assert_eq!(loss("999999999"), 999_999_999_000_000_000, "nine digits are read");
        assert_eq!(PrivacyLoss::from_nano(50_000_000).to_string(), "0.050000000");
        for bad in ["", "-1", "0.", ".5", "1e-3", "0.0000000001", "NaN", "99999999999"] {
            assert!(bad.parse::<PrivacyLoss>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_loss_of_noise_rounds_up() {
        let of = |s2, std, shares| {
            let (std, shares) = (NonZeroU32::new(std), NonZeroU32::new(shares));
            std.zip(shares).map(|(std, shares)| PrivacyLoss::of_gaussian(s2, std, shares).nano())
        };
        // Delta^2 = 1, sigma = 10 exactly, one share: rho = 1 / 200.
        assert_eq!(of(1, 2560, 1), Some(5_000_000));
        // One 256th less noise costs strictly more.
        assert!(of(1, 2559, 1) > of(1, 2560, 1));
        assert_eq!(of(u128::MAX, 1, 1), Some(u64::MAX));
    }
}
