//! Fixed-point arithmetic in billionths. Exact integers, so every member computes the same digits;
//! whatever does not fit 128 bits is `None`, and what rests on it is suppressed.

/// One in fixed point: a billionth is the unit of every number here.
pub(super) const ONE: i128 = 1_000_000_000;

/// a / b, rounded towards zero.
pub(super) fn ratio(above: i128, below: i128) -> Option<i128> {
    above.checked_mul(ONE)?.checked_div(below)
}

/// a x b, rounded towards zero.
pub(super) fn product(a: i128, b: i128) -> Option<i128> {
    Some(a.checked_mul(b)? / ONE)
}

/// Square root of a plain number, rounded up.
pub(super) fn root_up(square: u128) -> Option<i128> {
    let root = square.isqrt();
    i128::try_from(if root * root == square { root } else { root + 1 }).ok()
}

/// Square root of a fixed-point number, rounded up; `None` of a negative one.
pub(super) fn root(value: i128) -> Option<i128> {
    root_up(u128::try_from(value.checked_mul(ONE)?).ok()?)
}

/// sqrt(a^2 + b^2), rounded up.
pub(super) fn hypot(a: i128, b: i128) -> Option<i128> {
    norm(&[a, b])
}

/// Square root of the sum of squares, rounded up.
pub(super) fn norm(parts: &[i128]) -> Option<i128> {
    let add = |sum: i128, part: &i128| sum.checked_add(part.checked_mul(*part)?);
    root_up(u128::try_from(parts.iter().try_fold(0, add)?).ok()?)
}

/// 1.96 standard errors, rounded up.
pub(super) fn half_width(error: i128) -> Option<i128> {
    Some((error.checked_mul(196)?.checked_add(99)?) / 100)
}

/// The smallest power of ten at least a tenth of the half-width; digits beyond it are noise.
pub(super) fn display_step(half: i128) -> i128 {
    let mut step: i128 = 1;
    while let Some(next) = step.checked_mul(10).filter(|next| *next < half) {
        step = next;
    }
    step
}

pub(super) fn round_to(value: i128, step: i128) -> Option<i128> {
    value.checked_add(step / 2)?.div_euclid(step).checked_mul(step)
}

pub(super) fn round_down(value: i128, step: i128) -> Option<i128> {
    value.div_euclid(step).checked_mul(step)
}

pub(super) fn round_up(value: i128, step: i128) -> Option<i128> {
    round_down(value.checked_neg()?, step)?.checked_neg()
}

/// A fixed-point number as decimal text, with as many decimals as its step has.
pub(super) fn decimal(value: i128, step: i128) -> String {
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

/// The largest power of ten, at most one, of which every value is a whole multiple: what they need to
/// be written in full.
pub(super) fn exact_step(values: &[i128]) -> i128 {
    let mut step = ONE;
    while step > 1 && values.iter().any(|value| value % step != 0) {
        step /= 10;
    }
    step
}
