//! What an expression may name, what it gives, and the SQL that is rendered from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Bound, Expr, RENDERED_BYTES_MAX, RENDERED_DEPTH_MAX, Type, identifier, quoted};
use crate::vocabulary::{Kind, Vocabulary};

/// At most this is written of one node beside its children.
const NODE_BYTES: usize = 64;
/// At most this is written of a parameter: 52 days of 30 bytes, or a quoted text of 1,000.
const PARAM_BYTES: usize = 2_100;

/// A row's number enters a sum as a whole multiple of one in so many, and as so many at most: 2^53 / 2^40,
/// which is 8,192 rows of a person, then add up exactly. No clip may be wider than a million.
///
/// Why: a sum of floats depends on the order of its rows, and that on where other people's rows lie. One
/// person more could move another's sum over the edge of a grid step, which Delta does not cover.
/// Source: Casacuberta, Shoemate, Vadhan & Wagaman 2022 (arXiv:2207.10635), on reordering.
const SUMMED_MAX: u32 = 1 << 20;

/// An earlier measure that an expression may name: it stands for its clipped value.
#[derive(Clone, PartialEq, Debug)]
pub struct ScopeMeasure {
    /// Its name.
    pub name: String,
    /// What it is.
    pub expr: Expr,
    /// Its least value as an SQL number.
    pub low: String,
    /// Its greatest value as an SQL number.
    pub high: String,
}

/// What names mean where an expression stands.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// The columns.
    pub vocabulary: &'a Vocabulary,
    /// Parameters and what they give.
    pub params: &'a BTreeMap<String, Type>,
    /// Earlier measures.
    pub measures: &'a [ScopeMeasure],
    /// Whether rows are grouped into units here: then columns that vary stand inside aggregates only,
    /// and those of one value a person are read as that value.
    pub grouped: bool,
}

impl Scope<'_> {
    /// The type of a whole expression. Errors: an unknown or forbidden name, mixed types, an
    /// aggregate where none may stand, or a column outside one.
    pub fn check(&self, expr: &Expr) -> Result<Type, String> {
        let found = self.type_of(expr, false)?;
        if self.rendered_bytes(expr) > RENDERED_BYTES_MAX {
            return Err("it becomes too long when measures and ABS are written out; nest them less".into());
        }
        if self.rendered_depth(expr) > RENDERED_DEPTH_MAX {
            return Err(
                "it nests too deep, measures written out; write IN (..) for many ORs, and shorter chains"
                    .into(),
            );
        }
        Ok(found)
    }

    fn measure(&self, name: &str) -> Option<&ScopeMeasure> {
        self.measures.iter().find(|measure| measure.name == *name)
    }

    /// A bound on the length of the rendered SQL, without rendering it: ABS writes its value three
    /// times and a measure's name its expression four times, so nesting grows without end.
    pub(super) fn rendered_bytes(&self, expr: &Expr) -> usize {
        let inner = match expr {
            Expr::Number(text) | Expr::Text(text) => 2 * text.len(),
            Expr::Param(_) => PARAM_BYTES,
            Expr::Name(name) => match self.measure(name) {
                Some(measure) => self
                    .rendered_bytes(&measure.expr)
                    .saturating_mul(4)
                    .saturating_add(2 * (measure.low.len() + measure.high.len())),
                None => 2 * name.len(),
            },
            Expr::Bool(_)
            | Expr::Negative(_)
            | Expr::Not(_)
            | Expr::Binary(..)
            | Expr::In(..)
            | Expr::Between(..)
            | Expr::IsNull(..)
            | Expr::Case(..)
            | Expr::Call(..)
            | Expr::Aggregate(..) => {
                let times = if matches!(expr, Expr::Call("ABS", _) | Expr::Aggregate(..)) { 3 } else { 1 };
                let children = expr.children();
                let sum = |sum: usize, child: &&Expr| {
                    sum.saturating_add(self.rendered_bytes(child)).saturating_add(NODE_BYTES)
                };
                children.iter().fold(0, sum).saturating_mul(times)
            }
        };
        inner.saturating_add(NODE_BYTES)
    }

    /// A bound on how often a parser of the rendered SQL calls itself: once for each bracket and argument,
    /// and once for what stands right of a sign.
    pub(super) fn rendered_depth(&self, expr: &Expr) -> usize {
        let own = match expr {
            // `(- CAST(.. AS DOUBLE))`, or `MAX(CAST(.. AS DOUBLE))`.
            Expr::Number(_) | Expr::Text(_) | Expr::Bool(_) | Expr::Param(_) => 3,
            Expr::Name(name) => {
                self.measure(name).map_or(3, |measure| 3 + self.rendered_depth(&measure.expr))
            }
            Expr::IsNull(..) => 1,
            // A day less a day is cast twice.
            Expr::Binary("-", ..) if expr.children().into_iter().any(|side| self.is_day(side, None)) => 4,
            // Chains grow to the left.
            Expr::Binary(_, left, right) => {
                return (self.rendered_depth(left) + 1).max(self.rendered_depth(right) + 2);
            }
            Expr::Call("ABS", _) => 3,
            Expr::Call(..) => 1,
            Expr::Negative(_) | Expr::Not(_) | Expr::In(..) | Expr::Between(..) | Expr::Case(..) => 2,
            Expr::Aggregate(..) => 5,
        };
        own + expr.children().into_iter().map(|child| self.rendered_depth(child)).max().unwrap_or(0)
    }

    fn type_of(&self, expr: &Expr, inside: bool) -> Result<Type, String> {
        let number = |expr: &Expr| self.expect(expr, Type::Number, inside);
        let truth = |expr: &Expr| self.expect(expr, Type::Bool, inside);
        match expr {
            Expr::Number(_) => Ok(Type::Number),
            Expr::Text(_) => Ok(Type::Text),
            Expr::Bool(_) => Ok(Type::Bool),
            Expr::Param(name) => match self.params.get(name) {
                Some(Type::Dates) => Err(format!("`:{name}` is a list of days; write IN (:{name})")),
                Some(found) => Ok(*found),
                None => Err(format!("`:{name}` is not declared under `param`")),
            },
            Expr::Name(name) => self.name_type(name, inside),
            Expr::Negative(a) => number(a),
            Expr::Not(a) => truth(a),
            Expr::Binary("AND" | "OR", a, b) => truth(a).and_then(|_| truth(b)),
            // Why by the look of it and not by its type: asked for twice at each level of a long chain, a
            // type would take for ever.
            Expr::Binary("-", a, b) if self.is_day(a, None) => {
                if self.is_day(b, None) {
                    self.type_of(a, inside).and_then(|_| self.type_of(b, inside)).map(|_| Type::Number)
                } else {
                    Err("from a day only a day can be taken: a date column, its MIN or MAX, or a parameter"
                        .into())
                }
            }
            Expr::Binary("+" | "-" | "*" | "/", a, b) => number(a).and_then(|_| number(b)),
            Expr::Binary(_, a, b) => {
                let left = self.type_of(a, inside)?;
                self.expect(b, left, inside).map(|_| Type::Bool)
            }
            Expr::In(a, list, _) => {
                let left = self.type_of(a, inside)?;
                let days = |item: &&Expr| matches!(item, Expr::Param(name) if self.params.get(name) == Some(&Type::Dates));
                if left != Type::Date && list.iter().any(|item| days(&item)) {
                    return Err("a list of days stands beside something else than a day".into());
                }
                let others = list.iter().filter(|item| !days(item));
                others.into_iter().try_for_each(|item| self.expect(item, left, inside).map(|_| ()))?;
                Ok(Type::Bool)
            }
            Expr::Between(a, b, c) => {
                let left = self.type_of(a, inside)?;
                self.expect(b, left, inside)?;
                self.expect(c, left, inside).map(|_| Type::Bool)
            }
            Expr::IsNull(a, _) => self.type_of(a, inside).map(|_| Type::Bool),
            Expr::Case(arms, otherwise) => {
                // Why the first value once only: nested in each other they would take for ever.
                let result = self.type_of(&arms[0].1, inside)?;
                arms.iter().try_for_each(|(condition, _)| truth(condition).map(|_| ()))?;
                arms[1..].iter().try_for_each(|(_, value)| self.expect(value, result, inside).map(|_| ()))?;
                otherwise.iter().try_for_each(|value| self.expect(value, result, inside).map(|_| ()))?;
                Ok(result)
            }
            Expr::Call("ABS", list) if list.len() == 1 => number(&list[0]),
            Expr::Call("NULLIF", list) if list.len() == 2 => self.same(list, inside),
            Expr::Call("COALESCE" | "LEAST" | "GREATEST", list) => self.same(list, inside),
            Expr::Call(word, list) => Err(format!("{word} does not take {} values", list.len())),
            Expr::Aggregate(word, inner, filter) => {
                self.aggregate_type(word, inner.as_deref(), filter.as_deref(), inside)
            }
        }
    }

    /// Whether an expression is a day at first sight: a date column, its MIN or MAX, or a parameter.
    fn is_day(&self, expr: &Expr, bound: Option<&BTreeMap<String, Bound>>) -> bool {
        if let Expr::Param(name) = expr {
            return match bound {
                Some(bound) => matches!(bound.get(name), Some(Bound::Dates(_))),
                None => self.params.get(name) == Some(&Type::Date),
            };
        }
        let mut inner = expr;
        if let Expr::Aggregate("MIN" | "MAX", Some(of), _) = expr {
            inner = of;
        }
        let Expr::Name(name) = inner else { return false };
        let is_date = |name: &str| self.vocabulary.column(name).is_some_and(|c| c.kind == Kind::Date);
        self.measure(name).is_none() && is_date(name)
    }

    fn aggregate_type(
        &self,
        word: &str,
        inner: Option<&Expr>,
        filter: Option<&Expr>,
        inside: bool,
    ) -> Result<Type, String> {
        if !self.grouped {
            return Err(format!("{word} has nothing to run over here; write the column itself"));
        }
        if inside || inner.is_some_and(Expr::has_aggregate) {
            return Err(format!("{word} stands inside another aggregate; write one of them"));
        }
        if let Some(filter) = filter {
            self.expect(filter, Type::Bool, true)?;
        }
        let of = inner.map(|inner| self.type_of(inner, true)).transpose()?;
        match (word, of) {
            ("COUNT", _) | (_, Some(Type::Number)) => Ok(Type::Number),
            ("MIN" | "MAX", Some(Type::Date)) => Ok(Type::Date),
            _ => Err(format!("{word} runs over numbers")),
        }
    }

    fn same(&self, list: &[Expr], inside: bool) -> Result<Type, String> {
        let first = self.type_of(&list[0], inside)?;
        list[1..].iter().try_for_each(|item| self.expect(item, first, inside).map(|_| ()))?;
        Ok(first)
    }

    fn expect(&self, expr: &Expr, wanted: Type, inside: bool) -> Result<Type, String> {
        let found = self.type_of(expr, inside)?;
        if found == wanted {
            Ok(found)
        } else {
            Err(format!("a {found:?} stands where a {wanted:?} is needed").to_lowercase())
        }
    }

    fn name_type(&self, name: &str, inside: bool) -> Result<Type, String> {
        if self.measure(name).is_some() {
            return if inside {
                Err(format!("measure `{name}` stands inside an aggregate"))
            } else {
                Ok(Type::Number)
            };
        }
        let column = self.vocabulary.column(name).ok_or_else(|| {
            let known: Vec<_> = self.vocabulary.columns().iter().map(|column| column.name.as_str()).collect();
            format!("there is no column `{name}` in {}; it has {}", self.vocabulary.name(), known.join(", "))
        })?;
        if column.never || column.role.is_some() || self.vocabulary.names_unit(name) {
            return Err(format!("the column `{name}` may never stand in a question"));
        }
        if self.grouped && !inside && column.varies {
            return Err(format!(
                "the column `{name}` differs between the rows of one person and stands outside an aggregate; write MAX({name}) or another"
            ));
        }
        Ok(match column.kind {
            Kind::Text => Type::Text,
            Kind::Number | Kind::Integer => Type::Number,
            Kind::Bool => Type::Bool,
            Kind::Date => Type::Date,
        })
    }

    /// The SQL of a checked expression, with parameters bound. Never the asker's text.
    pub fn render(&self, expr: &Expr, bound: &BTreeMap<String, Bound>) -> String {
        self.text(expr, bound, false)
    }

    /// `inside`: within an aggregate.
    fn text(&self, expr: &Expr, bound: &BTreeMap<String, Bound>, inside: bool) -> String {
        let mut out = String::new();
        self.write(expr, bound, inside, &mut out);
        out
    }

    fn write(&self, expr: &Expr, bound: &BTreeMap<String, Bound>, inside: bool, out: &mut String) {
        let sub = |expr: &Expr| self.text(expr, bound, inside);
        let list = |items: &[Expr]| items.iter().map(&sub).collect::<Vec<_>>().join(", ");
        // Why: writing to a String cannot fail, so the results are dropped.
        let _ = match expr {
            Expr::Number(digits) => write!(out, "CAST({digits} AS DOUBLE)"),
            Expr::Text(text) => write!(out, "{}", quoted(text)),
            Expr::Bool(truth) => write!(out, "{truth}"),
            Expr::Param(name) => write!(out, "{}", bound.get(name).map_or("NULL".into(), bound_text)),
            Expr::Name(name) => write!(out, "{}", self.name_text(name, bound, inside)),
            Expr::Negative(a) => write!(out, "(- {})", sub(a)),
            Expr::Not(a) => write!(out, "(NOT {})", sub(a)),
            Expr::Binary("-", a, b) if self.is_day(a, Some(bound)) => {
                let days = |day: &Expr| format!("CAST(CAST({} AS INT) AS DOUBLE)", sub(day));
                write!(out, "({} - {})", days(a), days(b))
            }
            Expr::Binary(op, a, b) => write!(out, "({} {op} {})", sub(a), sub(b)),
            Expr::In(a, items, not) => {
                write!(out, "({} {}IN ({}))", sub(a), if *not { "NOT " } else { "" }, list(items))
            }
            Expr::Between(a, b, c) => write!(out, "({} BETWEEN {} AND {})", sub(a), sub(b), sub(c)),
            Expr::IsNull(a, not) => write!(out, "({} IS {}NULL)", sub(a), if *not { "NOT " } else { "" }),
            Expr::Case(arms, otherwise) => {
                let arms: String = arms
                    .iter()
                    .map(|(when, then)| format!("WHEN {} THEN {} ", sub(when), sub(then)))
                    .collect();
                let otherwise =
                    otherwise.as_ref().map_or(String::new(), |expr| format!("ELSE {} ", sub(expr)));
                write!(out, "(CASE {arms}{otherwise}END)")
            }
            Expr::Call("ABS", items) => {
                let inner = sub(&items[0]);
                write!(out, "(CASE WHEN {inner} < 0 THEN - {inner} ELSE {inner} END)")
            }
            Expr::Call(word, items) => write!(out, "{word}({})", list(items)),
            Expr::Aggregate(word, inner, filter) => {
                let sub = |expr: &Expr| self.text(expr, bound, true);
                let inner =
                    inner.as_ref().map_or("*".into(), |inner| self.in_any_order(word, inner, sub(inner)));
                let filter = filter
                    .as_ref()
                    .map_or(String::new(), |filter| format!(" FILTER (WHERE {})", sub(filter)));
                let call = format!("{word}({inner}){filter}");
                if *word == "COUNT" { write!(out, "CAST({call} AS DOUBLE)") } else { write!(out, "{call}") }
            }
        };
    }

    /// What an aggregate runs over, such that the order of a person's rows makes no difference.
    fn in_any_order(&self, word: &str, inner: &Expr, text: String) -> String {
        let most = format!("CAST({SUMMED_MAX} AS DOUBLE)");
        let otherwise = match word {
            "SUM" | "AVG" if !self.adds_up_exactly(inner) => format!("ROUND({text} * {most}) / {most}"),
            // What is not a number is greater than all others or none, as it comes first or last.
            "MIN" | "MAX" if is_arithmetic(inner) => text.clone(),
            _ => return text,
        };
        format!(
            "CASE WHEN {text} > {most} THEN {most} WHEN {text} < - {most} THEN - {most} ELSE {otherwise} END"
        )
    }

    /// Whether every value is a whole number of a byte or little more: as marks are, of which there are most.
    fn adds_up_exactly(&self, expr: &Expr) -> bool {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "it knows a few forms; of others nothing is assumed"
        )]
        match expr {
            Expr::Number(digits) => digits.parse::<u32>().is_ok_and(|number| number <= SUMMED_MAX),
            Expr::Name(name) => self.vocabulary.column(name).is_some_and(|column| {
                let fits = |bound: Option<i64>| bound.is_some_and(|bound| i8::try_from(bound).is_ok());
                column.kind == Kind::Integer && fits(column.low) && fits(column.high)
            }),
            Expr::Case(arms, otherwise) => {
                let mut values = arms.iter().map(|(_, value)| value).chain(otherwise.as_deref());
                values.all(|value| self.adds_up_exactly(value))
            }
            _ => false,
        }
    }

    fn name_text(&self, name: &str, bound: &BTreeMap<String, Bound>, inside: bool) -> String {
        if let Some(ScopeMeasure { expr, low, high, .. }) = self.measure(name) {
            let inner = self.render(expr, bound);
            return format!(
                "(CASE WHEN {inner} < {low} THEN CAST({low} AS DOUBLE) WHEN {inner} > {high} THEN CAST({high} AS DOUBLE) ELSE {inner} END)"
            );
        }
        let kind = self.vocabulary.column(name).map(|column| column.kind);
        let quoted = identifier(name);
        // Why the cast inside: an engine that names columns without casts takes MAX of either for one.
        let is_number = matches!(kind, Some(Kind::Number | Kind::Integer));
        let value = if is_number { format!("CAST({quoted} AS DOUBLE)") } else { quoted };
        // A person's own value stands on each of their rows: any of them is it.
        match (self.grouped && !inside, kind) {
            (false, _) => value,
            (true, Some(Kind::Bool)) => format!("BOOL_OR({value})"),
            (true, _) => format!("MAX({value})"),
        }
    }
}

/// Whether a number is worked out, and may be none.
fn is_arithmetic(expr: &Expr) -> bool {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others are columns, literals and truths")]
    match expr {
        Expr::Negative(_) | Expr::Binary("+" | "-" | "*" | "/", ..) => true,
        Expr::Case(arms, otherwise) => {
            arms.iter().map(|(_, value)| value).chain(otherwise.as_deref()).any(is_arithmetic)
        }
        Expr::Call(_, list) => list.iter().any(is_arithmetic),
        _ => false,
    }
}

fn bound_text(bound: &Bound) -> String {
    match bound {
        Bound::Text(text) => quoted(text),
        Bound::Number(digits) => match digits.strip_prefix('-') {
            Some(digits) => format!("(- CAST({digits} AS DOUBLE))"),
            None => format!("CAST({digits} AS DOUBLE)"),
        },
        Bound::Dates(days) => {
            days.iter().map(|day| format!("CAST({} AS DATE)", quoted(day))).collect::<Vec<_>>().join(", ")
        }
    }
}
