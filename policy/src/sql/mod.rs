//! The SQL of a Question: a small subset, parsed to our own tree and rendered from it, so that no
//! text of an asker ever reaches a query engine.
//!
//! Allowed: columns, parameters (`:name`), literals, arithmetic, comparison, AND OR NOT, IN, BETWEEN,
//! IS NULL, CASE, COALESCE, NULLIF, ABS, LEAST, GREATEST; over a unit's own rows COUNT, SUM, MIN, MAX,
//! AVG with FILTER; an earlier measure by name; a day less a day, which is days. A value that depends
//! on another unit would break the privacy guarantee, so there is no join, subquery or window. `parse`
//! reads, `scope` checks and renders.

mod parse;
mod scope;

use std::collections::BTreeSet;

pub use parse::parse;
pub use scope::{Scope, ScopeMeasure};

/// Longest expression: the longest of the catalogue has 200 bytes.
pub const SQL_BYTES_MAX: usize = 4_000;
/// Longest rendered SQL of one expression: the longest of the catalogue has 1 KB, and an engine that
/// is given gigabytes dies.
pub const RENDERED_BYTES_MAX: usize = 128 * 1024;
/// Deepest rendered SQL of one expression, in calls of an engine's parser: DataFusion's takes 50, of which
/// a few stand around each expression. Beyond, members with rows would fail where those without answer.
pub const RENDERED_DEPTH_MAX: usize = 44;

/// What an expression gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// A 64-bit float.
    Number,
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// A day.
    Date,
    /// Some days: only inside IN.
    Dates,
}

/// What a `:name` stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Days, as `2025-12-12`; more than one only inside IN.
    Dates(Vec<String>),
    /// A text.
    Text(String),
    /// A decimal number.
    Number(String),
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Expr {
    /// A decimal number as written.
    Number(String),
    /// A quoted text.
    Text(String),
    /// TRUE or FALSE.
    Bool(bool),
    /// `:name`.
    Param(String),
    /// A column, or an earlier measure.
    Name(String),
    /// Minus.
    Negative(Box<Expr>),
    /// NOT.
    Not(Box<Expr>),
    /// Arithmetic, comparison, AND, OR.
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `a [NOT] IN (..)`.
    In(Box<Expr>, Vec<Expr>, bool),
    /// `a BETWEEN b AND c`.
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a IS [NOT] NULL`.
    IsNull(Box<Expr>, bool),
    /// `CASE WHEN a THEN b .. ELSE c END`.
    Case(Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// COALESCE, NULLIF, ABS, LEAST, GREATEST.
    Call(&'static str, Vec<Expr>),
    /// COUNT, SUM, MIN, MAX, AVG over the unit's own rows; `None` is `COUNT(*)`.
    Aggregate(&'static str, Option<Box<Expr>>, Option<Box<Expr>>),
}

const CALLS: [&str; 5] = ["COALESCE", "NULLIF", "ABS", "LEAST", "GREATEST"];
const AGGREGATES: [&str; 5] = ["COUNT", "SUM", "MIN", "MAX", "AVG"];
impl Expr {
    /// The expressions it is made of.
    pub(crate) fn children(&self) -> Vec<&Expr> {
        match self {
            Self::Number(_) | Self::Text(_) | Self::Bool(_) | Self::Param(_) | Self::Name(_) => vec![],
            Self::Negative(a) | Self::Not(a) | Self::IsNull(a, _) => vec![a],
            Self::Binary(_, a, b) => vec![a, b],
            Self::In(a, list, _) => std::iter::once(a.as_ref()).chain(list).collect(),
            Self::Between(a, b, c) => vec![a, b, c],
            Self::Case(arms, otherwise) => {
                arms.iter().flat_map(|(a, b)| [a, b]).chain(otherwise.as_deref()).collect()
            }
            Self::Call(_, list) => list.iter().collect(),
            Self::Aggregate(_, a, b) => a.as_deref().into_iter().chain(b.as_deref()).collect(),
        }
    }

    /// Every name in it: columns and measures.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.children().into_iter().flat_map(Self::names).collect();
        if let Self::Name(name) = self {
            names.insert(name.clone());
        }
        names
    }

    /// Every name in it but those that stand in a difference of two hidden names: of two private days
    /// only how far apart they are is told. Beside a day that is known, a difference tells the other.
    pub fn names_beside_differences(&self, is_hidden: &dyn Fn(&String) -> bool) -> BTreeSet<String> {
        if let Self::Binary("-", a, b) = self
            && let (Self::Name(a), Self::Name(b)) = (&**a, &**b)
            && is_hidden(a)
            && is_hidden(b)
        {
            return BTreeSet::new();
        }
        let own = if let Self::Name(name) = self { Some(name.clone()) } else { None };
        let below = self.children().into_iter().flat_map(|child| child.names_beside_differences(is_hidden));
        own.into_iter().chain(below).collect()
    }

    /// Every parameter in it.
    pub fn params(&self) -> BTreeSet<String> {
        let mut params: BTreeSet<String> = self.children().into_iter().flat_map(Self::params).collect();
        if let Self::Param(name) = self {
            params.insert(name.clone());
        }
        params
    }

    pub(crate) fn has_aggregate(&self) -> bool {
        matches!(self, Self::Aggregate(..)) || self.children().into_iter().any(Self::has_aggregate)
    }
}

/// A column name as SQL: quoted, so no word is special.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests;
