//! What a value can be: exact fractions, ranges worked out of an expression, and an expression as text.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use crate::sql::Expr;
use crate::vocabulary::{Column, Kind};

/// An exact fraction in lowest terms, its lower part positive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fraction {
    above: i64,
    below: i64,
}

impl Fraction {
    pub(super) const ZERO: Self = Self { above: 0, below: 1 };
    pub(super) const ONE: Self = Self { above: 1, below: 1 };

    pub(super) const fn whole(above: i64) -> Self {
        Self { above, below: 1 }
    }

    /// `None` when it does not fit.
    fn new(above: i128, below: i128) -> Option<Self> {
        let common = gcd(above.unsigned_abs(), below.unsigned_abs());
        let common = i128::try_from(common).ok().filter(|common| *common > 0)?;
        let sign = if below < 0 { -1 } else { 1 };
        let read = |part: i128| i64::try_from(sign * part / common).ok();
        (below != 0).then_some(Self { above: read(above)?, below: read(below)? })
    }

    /// Reads a decimal as it stands in SQL.
    fn read(digits: &str) -> Option<Self> {
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let below = 10i128.checked_pow(u32::try_from(part.len()).ok()?)?;
        Self::new(format!("{whole}{part}").parse().ok()?, below)
    }

    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let (a, b) = (i128::from(self.above), i128::from(other.above));
        let (c, d) = (i128::from(self.below), i128::from(other.below));
        Self::new(a.checked_mul(d)?.checked_add(b.checked_mul(c)?)?, c.checked_mul(d)?)
    }

    pub(super) fn negative(self) -> Self {
        Self { above: self.above.saturating_neg(), below: self.below }
    }

    pub(super) fn less(self, other: Self) -> Option<Self> {
        self.plus(other.negative())
    }

    pub(super) fn times(self, other: Self) -> Option<Self> {
        let product = |a: i64, b: i64| i128::from(a).checked_mul(i128::from(b));
        Self::new(product(self.above, other.above)?, product(self.below, other.below)?)
    }

    pub(super) fn over(self, parts: i64) -> Option<Self> {
        Self::new(i128::from(self.above), i128::from(self.below).checked_mul(i128::from(parts))?)
    }

    fn inverse(self) -> Option<Self> {
        Self::new(i128::from(self.below), i128::from(self.above))
    }

    /// As a number of a Question's text.
    pub(super) fn toml(self) -> String {
        if self.below == 1 { self.above.to_string() } else { format!("\"{self}\"") }
    }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        let cross = |a: i64, b: i64| i128::from(a) * i128::from(b);
        cross(self.above, other.below).cmp(&cross(other.above, self.below))
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.below {
            1 => write!(f, "{}", self.above),
            below => write!(f, "{}/{below}", self.above),
        }
    }
}

/// The least and the greatest that a value can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub(super) low: Fraction,
    pub(super) high: Fraction,
}

impl Range {
    fn single(value: Fraction) -> Self {
        Self { low: value, high: value }
    }

    fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    fn negative(self) -> Self {
        Self { low: self.high.negative(), high: self.low.negative() }
    }

    fn plus(self, other: Self) -> Option<Self> {
        Some(Self { low: self.low.plus(other.low)?, high: self.high.plus(other.high)? })
    }

    fn times(self, other: Self) -> Option<Self> {
        let ends =
            [(self.low, other.low), (self.low, other.high), (self.high, other.low), (self.high, other.high)];
        let mut products = ends.into_iter().map(|(a, b)| a.times(b));
        let first = Self::single(products.next()??);
        products.try_fold(first, |hull, product| Some(hull.hull(Self::single(product?))))
    }
}

/// What a row's value can be, from the bounds of its columns. Errors: a column without bounds, or a
/// form whose bounds do not follow; both say how to give them.
pub(super) fn range_of(expr: &Expr, columns: &BTreeMap<&str, &Column>) -> Result<Range, String> {
    if let Some((_, range)) = clamped(expr) {
        return Ok(range);
    }
    let too_large =
        || format!("the bounds of {} are too large; write CLAMP({}, 0, 100)", text(expr), text(expr));
    let of = |expr: &Expr| range_of(expr, columns);
    let pair = |a: &Expr, b: &Expr| Ok::<_, String>((of(a)?, of(b)?));
    match expr {
        Expr::Number(digits) => Fraction::read(digits).map(Range::single).ok_or_else(too_large),
        Expr::Name(name) => column_range(name, columns),
        Expr::Negative(a) => Ok(of(a)?.negative()),
        Expr::Binary("+", a, b) => pair(a, b).and_then(|(a, b)| a.plus(b).ok_or_else(too_large)),
        Expr::Binary("-", a, b) => pair(a, b).and_then(|(a, b)| a.plus(b.negative()).ok_or_else(too_large)),
        Expr::Binary("*", a, b) => pair(a, b).and_then(|(a, b)| a.times(b).ok_or_else(too_large)),
        Expr::Binary("/", a, b) => divided(of(a)?, b).ok_or_else(|| {
            format!(
                "{} may divide by nearly nothing; divide by a plain number, or write CLAMP({}, 0, 100)",
                text(expr),
                text(expr)
            )
        }),
        Expr::Case(arms, otherwise) => {
            let values = arms.iter().map(|(_, value)| value).chain(otherwise.as_deref());
            hull_of(values, columns)
        }
        Expr::Call("ABS", items) if items.len() == 1 => {
            let inner = of(&items[0])?;
            let most = inner.high.max(inner.low.negative());
            let least = inner.low.max(inner.high.negative()).max(Fraction::ZERO);
            Ok(Range { low: least, high: most })
        }
        Expr::Call("NULLIF", items) => items.first().map_or_else(|| Err(too_large()), of),
        Expr::Call(_, items) => hull_of(items.iter(), columns),
        Expr::Bool(_)
        | Expr::Not(_)
        | Expr::In(..)
        | Expr::Between(..)
        | Expr::IsNull(..)
        | Expr::Binary(..) => Err(yes_or_no(expr)),
        Expr::Text(_) => Err(format!("{} is a text; sums and means run over numbers", text(expr))),
        Expr::Param(name) => {
            Err(format!("`:{name}`: SQL of your own takes no parameters; write the value itself"))
        }
        Expr::Aggregate(..) => Err("an aggregate stands inside another; write one of them".into()),
    }
}

fn yes_or_no(expr: &Expr) -> String {
    let text = text(expr);
    format!(
        "{text} is a yes or no; write COUNT(*) FILTER (WHERE {text}), or CASE WHEN {text} THEN 1 ELSE 0 END"
    )
}

fn column_range(name: &str, columns: &BTreeMap<&str, &Column>) -> Result<Range, String> {
    let Some(column) = columns.get(name) else {
        let numbers = columns.values().filter(|column| matches!(column.kind, Kind::Number | Kind::Integer));
        let names: Vec<&str> = numbers.map(|column| column.name.as_str()).collect();
        return Err(format!("there is no column `{name}`; numbers are {}", names.join(", ")));
    };
    match column.kind {
        Kind::Bool => return Err(yes_or_no(&Expr::Name(name.to_owned()))),
        Kind::Text => {
            return Err(format!(
                "`{name}` is a text; GROUP BY {name} if its vocabulary allows it, or count rows with COUNT(*) FILTER (WHERE {name} = '..')"
            ));
        }
        Kind::Date => return Err(format!("`{name}` is a day; sums and means run over numbers")),
        Kind::Number | Kind::Integer => {}
    }
    match column.low.zip(column.high) {
        Some((low, high)) => Ok(Range { low: Fraction::whole(low), high: Fraction::whole(high) }),
        None => Err(format!(
            "`{name}` has no bounds in its vocabulary, and one person could be anything; write CLAMP({name}, 0, 100) with bounds that fit"
        )),
    }
}

fn hull_of<'a>(
    mut values: impl Iterator<Item = &'a Expr>,
    columns: &BTreeMap<&str, &Column>,
) -> Result<Range, String> {
    let first =
        values.next().map_or_else(|| Err("an expression without values".into()), |v| range_of(v, columns))?;
    values.try_fold(first, |hull, value| Ok(hull.hull(range_of(value, columns)?)))
}

fn divided(above: Range, below: &Expr) -> Option<Range> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "only plain numbers divide")]
    let below = match below {
        Expr::Number(digits) => Fraction::read(digits)?,
        _ => return None,
    };
    above.times(Range::single(below.inverse()?))
}

/// The inner expression and the bounds of what `CLAMP(x, a, b)` was rewritten to.
pub(super) fn clamped(expr: &Expr) -> Option<(&Expr, Range)> {
    let Expr::Case(arms, Some(otherwise)) = expr else { return None };
    let [(Expr::Binary("<", x, a), low), (Expr::Binary(">", y, b), high)] = arms.as_slice() else {
        return None;
    };
    let same = x == y && **x == **otherwise && **a == *low && **b == *high;
    let (low, high) = (constant(low)?, constant(high)?);
    (same && low < high).then_some((otherwise, Range { low, high }))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only plain numbers are constants")]
fn constant(expr: &Expr) -> Option<Fraction> {
    match expr {
        Expr::Number(digits) => Fraction::read(digits),
        Expr::Negative(inner) => Some(constant(inner)?.negative()),
        _ => None,
    }
}

/// An aggregate over a person's one row: the value itself.
pub(super) fn of_one_row(expr: &Expr) -> Expr {
    let Expr::Aggregate(word, inner, filter) = expr else { return expr.clone() };
    let one = || Expr::Number("1".into());
    let zero = || Box::new(Expr::Number("0".into()));
    let value = match (*word, inner) {
        ("COUNT", None) | (_, None) => one(),
        ("COUNT", Some(inner)) => Expr::Case(vec![(Expr::IsNull(inner.clone(), true), one())], Some(zero())),
        (_, Some(inner)) => (**inner).clone(),
    };
    match filter {
        None => value,
        Some(filter) if *word == "AVG" => Expr::Case(vec![((**filter).clone(), value)], None),
        Some(filter) => Expr::Case(vec![((**filter).clone(), value)], Some(zero())),
    }
}

/// An expression as text of the allowed SQL, every part in its own brackets.
pub(super) fn text(expr: &Expr) -> String {
    let list = |items: &[Expr]| items.iter().map(text).collect::<Vec<_>>().join(", ");
    let not = |not: &bool| if *not { "NOT " } else { "" };
    match expr {
        Expr::Number(digits) => digits.clone(),
        Expr::Text(inner) => format!("'{inner}'"),
        Expr::Bool(truth) => truth.to_string().to_uppercase(),
        Expr::Param(name) => format!(":{name}"),
        Expr::Name(name) => name.clone(),
        Expr::Negative(a) => format!("-{}", bracketed(a)),
        Expr::Not(a) => format!("NOT {}", bracketed(a)),
        Expr::Binary(op, a, b) => format!("{} {op} {}", bracketed(a), bracketed(b)),
        Expr::In(a, items, n) => format!("{} {}IN ({})", bracketed(a), not(n), list(items)),
        Expr::Between(a, b, c) => format!("{} BETWEEN {} AND {}", bracketed(a), bracketed(b), bracketed(c)),
        Expr::IsNull(a, n) => format!("{} IS {}NULL", bracketed(a), not(n)),
        Expr::Case(arms, otherwise) => {
            let arms: String =
                arms.iter().map(|(when, then)| format!(" WHEN {} THEN {}", text(when), text(then))).collect();
            let otherwise = otherwise.as_ref().map_or(String::new(), |expr| format!(" ELSE {}", text(expr)));
            format!("CASE{arms}{otherwise} END")
        }
        Expr::Call(word, items) => format!("{word}({})", list(items)),
        Expr::Aggregate(word, inner, filter) => {
            let inner = inner.as_ref().map_or("*".into(), |inner| text(inner));
            let filter = filter.as_ref().map_or(String::new(), |f| format!(" FILTER (WHERE {})", text(f)));
            format!("{word}({inner}){filter}")
        }
    }
}

fn bracketed(expr: &Expr) -> String {
    let whole = match expr {
        Expr::Negative(_)
        | Expr::Not(_)
        | Expr::Binary(..)
        | Expr::In(..)
        | Expr::Between(..)
        | Expr::IsNull(..) => false,
        Expr::Number(_) | Expr::Text(_) | Expr::Bool(_) | Expr::Param(_) | Expr::Name(_) | Expr::Case(..) => {
            true
        }
        Expr::Call(..) | Expr::Aggregate(..) => true,
    };
    if whole { text(expr) } else { format!("({})", text(expr)) }
}
