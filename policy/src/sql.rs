//! The SQL of a Question: a small subset, parsed to our own tree and rendered from it, so that no
//! text of an asker ever reaches a query engine.
//!
//! Allowed: columns, parameters (`:name`), literals, arithmetic, comparison, AND OR NOT, IN, BETWEEN,
//! IS NULL, CASE, COALESCE, NULLIF, ABS, LEAST, GREATEST; over a unit's own rows COUNT, SUM, MIN, MAX,
//! AVG with FILTER; an earlier measure by name. A value that depends on another unit would break the
//! privacy guarantee, so there is no join, subquery or window.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::vocabulary::{Kind, Vocabulary};

/// Longest expression: the longest of the catalogue has 200 bytes.
pub const SQL_BYTES_MAX: usize = 4_000;
/// Deepest nesting; each level is a stack frame of the parser and of the engine.
const DEPTH_MAX: usize = 32;

/// Most tokens: a long chain makes a deep tree, and every level of it is a stack frame somewhere.
const TOKENS_MAX: usize = 300;
/// Longest rendered SQL of one expression: the longest of the catalogue has 1 KB, and an engine that
/// is given gigabytes dies.
pub const RENDERED_BYTES_MAX: usize = 128 * 1024;
/// At most this is written of one node beside its children.
const NODE_BYTES: usize = 64;
/// At most this is written of a parameter: 52 days of 30 bytes, or a quoted text of 1,000.
const PARAM_BYTES: usize = 2_100;

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
const WORDS: [&str; 16] = [
    "AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "CASE", "WHEN", "THEN", "ELSE", "END", "FILTER",
    "WHERE", "TRUE", "FALSE",
];

#[derive(Clone, PartialEq, Debug)]
enum Token {
    Number(String),
    Text(String),
    Param(String),
    Name(String),
    Word(&'static str),
    Mark(&'static str),
}

const MARKS: [&str; 14] = ["<=", ">=", "<>", "!=", "=", "<", ">", "+", "-", "*", "/", "(", ")", ","];

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    if text.len() > SQL_BYTES_MAX {
        return Err(format!("an expression of {} bytes; at most {SQL_BYTES_MAX}", text.len()));
    }
    let mut out = vec![];
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let rest = &text[at..];
        let run = |keep: fn(char) -> bool, from: usize| {
            rest[from..].find(|c| !keep(c)).map_or(rest.len(), |n| n + from)
        };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let (length, token) = if first.is_ascii_whitespace() {
            at += 1;
            continue;
        } else if first.is_ascii_digit() {
            let length = run(|c| c.is_ascii_digit() || c == '.', 0);
            let digits = &rest[..length];
            if digits.matches('.').count() > 1 || digits.ends_with('.') || length > 18 {
                return Err(format!("`{digits}` at character {at} is no number"));
            }
            (length, Token::Number(digits.to_owned()))
        } else if first == ':' {
            let length = run(word, 1);
            (length, Token::Param(rest[1..length].to_owned()))
        } else if first == '\'' {
            let end = rest[1..].find('\'').ok_or_else(|| format!("a text at character {at} has no end"))?;
            (end + 2, Token::Text(rest[1..=end].to_owned()))
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = run(word, 0);
            let upper = rest[..length].to_ascii_uppercase();
            let keyword = WORDS.iter().chain(&CALLS).chain(&AGGREGATES).find(|known| **known == upper);
            (
                length,
                keyword.map_or_else(|| Token::Name(rest[..length].to_owned()), |known| Token::Word(known)),
            )
        } else {
            let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
            let mark = mark
                .ok_or_else(|| format!("`{}` at character {at} is not allowed here", first.escape_debug()))?;
            (mark.len(), Token::Mark(mark))
        };
        if out.len() == TOKENS_MAX {
            return Err(format!("an expression of more than {TOKENS_MAX} words and signs"));
        }
        out.push((at, token));
        at += length;
    }
    Ok(out)
}

/// Parses an expression. Errors: what is not allowed, where, and what to write instead.
pub fn parse(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = parser.or()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expr),
        Some((place, token)) => Err(format!(
            "{} at character {place} does not fit; write one expression of the allowed SQL (no SELECT, join or window)",
            shown(token)
        )),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number(text) | Token::Name(text) => format!("`{text}`"),
        Token::Text(text) => format!("'{text}'"),
        Token::Param(name) => format!("`:{name}`"),
        Token::Word(word) | Token::Mark(word) => format!("`{word}`"),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn eat(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|(_, token)| token == wanted);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &'static str) -> bool {
        self.eat(&Token::Word(word))
    }

    fn mark(&mut self, mark: &'static str) -> bool {
        self.eat(&Token::Mark(mark))
    }

    fn need(&mut self, wanted: Token) -> Result<(), String> {
        if self.eat(&wanted) {
            return Ok(());
        }
        let found = self
            .tokens
            .get(self.at)
            .map_or("the end".into(), |(at, token)| format!("{} at character {at}", shown(token)));
        Err(format!("expected {} before {found}", shown(&wanted)))
    }

    fn or(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("nested more than {DEPTH_MAX} deep"));
        }
        let mut left = self.and()?;
        while self.word("OR") {
            left = Expr::Binary("OR", Box::new(left), Box::new(self.and()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.not()?;
        while self.word("AND") {
            left = Expr::Binary("AND", Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, String> {
        let mut negations = 0;
        while self.word("NOT") {
            negations += 1;
        }
        let inner = self.comparison()?;
        Ok(if negations % 2 == 1 { Expr::Not(Box::new(inner)) } else { inner })
    }

    fn comparison(&mut self) -> Result<Expr, String> {
        let left = self.sum()?;
        for mark in ["<=", ">=", "<>", "!=", "=", "<", ">"] {
            if self.mark(mark) {
                let mark = if mark == "!=" { "<>" } else { mark };
                return Ok(Expr::Binary(mark, Box::new(left), Box::new(self.sum()?)));
            }
        }
        if self.word("IS") {
            let not = self.word("NOT");
            self.need(Token::Word("NULL"))?;
            return Ok(Expr::IsNull(Box::new(left), not));
        }
        if self.word("BETWEEN") {
            let low = self.sum()?;
            self.need(Token::Word("AND"))?;
            return Ok(Expr::Between(Box::new(left), Box::new(low), Box::new(self.sum()?)));
        }
        let not = self.word("NOT");
        if self.word("IN") {
            self.need(Token::Mark("("))?;
            let list = self.list()?;
            return Ok(Expr::In(Box::new(left), list, not));
        }
        if not { Err("expected IN after NOT".into()) } else { Ok(left) }
    }

    /// Expressions up to and with the closing parenthesis.
    fn list(&mut self) -> Result<Vec<Expr>, String> {
        let mut items = vec![self.or()?];
        while self.mark(",") {
            items.push(self.or()?);
        }
        self.need(Token::Mark(")"))?;
        Ok(items)
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let op = if self.mark("+") {
                "+"
            } else if self.mark("-") {
                "-"
            } else {
                return Ok(left);
            };
            left = Expr::Binary(op, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.factor()?;
        loop {
            let op = if self.mark("*") {
                "*"
            } else if self.mark("/") {
                "/"
            } else {
                return Ok(left);
            };
            left = Expr::Binary(op, Box::new(left), Box::new(self.factor()?));
        }
    }

    fn factor(&mut self) -> Result<Expr, String> {
        let mut signs = 0;
        while self.mark("-") {
            signs += 1;
        }
        let inner = self.atom()?;
        Ok(if signs % 2 == 1 { Expr::Negative(Box::new(inner)) } else { inner })
    }

    fn atom(&mut self) -> Result<Expr, String> {
        let Some((at, token)) = self.tokens.get(self.at).cloned() else {
            return Err("the expression ends too early".into());
        };
        self.at += 1;
        match token {
            Token::Number(digits) => Ok(Expr::Number(digits)),
            Token::Text(text) => Ok(Expr::Text(text)),
            Token::Param(name) => Ok(Expr::Param(name)),
            Token::Name(name) if !self.mark("(") => Ok(Expr::Name(name)),
            Token::Name(name) => Err(format!(
                "the function `{name}` at character {at} is not allowed; use {} or {}",
                CALLS.join(", "),
                AGGREGATES.join(", ")
            )),
            Token::Mark("(") => {
                let inner = self.or()?;
                self.need(Token::Mark(")"))?;
                Ok(inner)
            }
            Token::Word("TRUE") => Ok(Expr::Bool(true)),
            Token::Word("FALSE") => Ok(Expr::Bool(false)),
            Token::Word("CASE") => self.case(),
            Token::Word(word) if CALLS.contains(&word) => {
                self.need(Token::Mark("("))?;
                Ok(Expr::Call(word, self.list()?))
            }
            Token::Word(word) if AGGREGATES.contains(&word) => self.aggregate(word),
            Token::Word(_) | Token::Mark(_) => {
                Err(format!("{} at character {at} does not fit here", shown(&token)))
            }
        }
    }

    fn case(&mut self) -> Result<Expr, String> {
        let mut arms = vec![];
        while self.word("WHEN") {
            let condition = self.or()?;
            self.need(Token::Word("THEN"))?;
            arms.push((condition, self.or()?));
        }
        let otherwise = if self.word("ELSE") { Some(Box::new(self.or()?)) } else { None };
        self.need(Token::Word("END"))?;
        if arms.is_empty() { Err("CASE needs a WHEN".into()) } else { Ok(Expr::Case(arms, otherwise)) }
    }

    fn aggregate(&mut self, word: &'static str) -> Result<Expr, String> {
        self.need(Token::Mark("("))?;
        let inner = if word == "COUNT" && self.mark("*") { None } else { Some(Box::new(self.or()?)) };
        self.need(Token::Mark(")"))?;
        let mut filter = None;
        if self.word("FILTER") {
            self.need(Token::Mark("("))?;
            self.need(Token::Word("WHERE"))?;
            filter = Some(Box::new(self.or()?));
            self.need(Token::Mark(")"))?;
        }
        Ok(Expr::Aggregate(word, inner, filter))
    }
}

impl Expr {
    fn children(&self) -> Vec<&Expr> {
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

    /// Every parameter in it.
    pub fn params(&self) -> BTreeSet<String> {
        let mut params: BTreeSet<String> = self.children().into_iter().flat_map(Self::params).collect();
        if let Self::Param(name) = self {
            params.insert(name.clone());
        }
        params
    }

    fn has_aggregate(&self) -> bool {
        matches!(self, Self::Aggregate(..)) || self.children().into_iter().any(Self::has_aggregate)
    }
}

/// What names mean where an expression stands.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// The columns.
    pub vocabulary: &'a Vocabulary,
    /// Parameters and whether they are dates (else texts).
    pub params: &'a BTreeMap<String, Type>,
    /// Earlier measures with their clips as SQL numbers.
    pub measures: &'a [(String, Expr, String, String)],
    /// Whether rows are grouped into units here: then columns stand inside aggregates only.
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
        Ok(found)
    }

    /// A bound on the length of the rendered SQL, without rendering it: ABS writes its value three
    /// times and a measure's name its expression four times, so nesting grows without end.
    fn rendered_bytes(&self, expr: &Expr) -> usize {
        let inner = match expr {
            Expr::Number(text) | Expr::Text(text) => 2 * text.len(),
            Expr::Param(_) => PARAM_BYTES,
            Expr::Name(name) => match self.measures.iter().find(|(measure, ..)| measure == name) {
                Some((_, measure, low, high)) => self
                    .rendered_bytes(measure)
                    .saturating_mul(4)
                    .saturating_add(2 * (low.len() + high.len())),
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
                let times = if matches!(expr, Expr::Call("ABS", _)) { 3 } else { 1 };
                let children = expr.children();
                let sum = |sum: usize, child: &&Expr| {
                    sum.saturating_add(self.rendered_bytes(child)).saturating_add(NODE_BYTES)
                };
                children.iter().fold(0, sum).saturating_mul(times)
            }
        };
        inner.saturating_add(NODE_BYTES)
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
                let result = self.type_of(&arms[0].1, inside)?;
                for (condition, value) in arms {
                    truth(condition)?;
                    self.expect(value, result, inside)?;
                }
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
        list.iter().try_for_each(|item| self.expect(item, first, inside).map(|_| ()))?;
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
        if self.measures.iter().any(|(measure, ..)| measure == name) {
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
        if column.never || column.role.is_some() {
            return Err(format!("the column `{name}` may never stand in a question"));
        }
        if self.grouped && !inside {
            return Err(format!(
                "the column `{name}` stands outside an aggregate; write MAX({name}) or another"
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
        let mut out = String::new();
        self.write(expr, bound, &mut out);
        out
    }

    fn write(&self, expr: &Expr, bound: &BTreeMap<String, Bound>, out: &mut String) {
        let sub = |expr: &Expr| self.render(expr, bound);
        let list = |items: &[Expr]| items.iter().map(&sub).collect::<Vec<_>>().join(", ");
        // Why: writing to a String cannot fail, so the results are dropped.
        let _ = match expr {
            Expr::Number(digits) => write!(out, "CAST({digits} AS DOUBLE)"),
            Expr::Text(text) => write!(out, "{}", quoted(text)),
            Expr::Bool(truth) => write!(out, "{truth}"),
            Expr::Param(name) => write!(out, "{}", bound.get(name).map_or("NULL".into(), bound_text)),
            Expr::Name(name) => write!(out, "{}", self.name_text(name, bound)),
            Expr::Negative(a) => write!(out, "(- {})", sub(a)),
            Expr::Not(a) => write!(out, "(NOT {})", sub(a)),
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
                let inner = inner.as_ref().map_or("*".into(), |inner| sub(inner));
                let filter = filter
                    .as_ref()
                    .map_or(String::new(), |filter| format!(" FILTER (WHERE {})", sub(filter)));
                let call = format!("{word}({inner}){filter}");
                if *word == "COUNT" { write!(out, "CAST({call} AS DOUBLE)") } else { write!(out, "{call}") }
            }
        };
    }

    fn name_text(&self, name: &str, bound: &BTreeMap<String, Bound>) -> String {
        if let Some((_, expr, low, high)) = self.measures.iter().find(|(measure, ..)| measure == name) {
            let inner = self.render(expr, bound);
            return format!(
                "(CASE WHEN {inner} < {low} THEN CAST({low} AS DOUBLE) WHEN {inner} > {high} THEN CAST({high} AS DOUBLE) ELSE {inner} END)"
            );
        }
        let numeric =
            self.vocabulary.column(name).is_some_and(|c| matches!(c.kind, Kind::Number | Kind::Integer));
        if numeric { format!("CAST({} AS DOUBLE)", identifier(name)) } else { identifier(name) }
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

fn bound_text(bound: &Bound) -> String {
    match bound {
        Bound::Text(text) => quoted(text),
        Bound::Dates(days) => {
            days.iter().map(|day| format!("CAST({} AS DATE)", quoted(day))).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::tests::EXAM;

    fn check(text: &str, grouped: bool) -> Result<String, String> {
        let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
        let params = BTreeMap::from([
            ("day".to_owned(), Type::Date),
            ("days".to_owned(), Type::Dates),
            ("who".to_owned(), Type::Text),
        ]);
        let measures = [("m".to_owned(), Expr::Number("2".into()), "0".to_owned(), "1".to_owned())];
        let scope = Scope { vocabulary: &vocabulary, params: &params, measures: &measures, grouped };
        let expr = parse(text)?;
        scope.check(&expr)?;
        let bound = BTreeMap::from([("who".to_owned(), Bound::Text("it's".into()))]);
        Ok(scope.render(&expr, &bound))
    }

    #[test]
    fn what_is_allowed_is_rendered_from_the_tree() {
        for (text, sql) in [
            ("score", "CAST(\"score\" AS DOUBLE)"),
            ("score*score", "(CAST(\"score\" AS DOUBLE) * CAST(\"score\" AS DOUBLE))"),
            (
                "sex = 'F' and not score > -1.5",
                "((\"sex\" = 'F') AND (NOT (CAST(\"score\" AS DOUBLE) > (- CAST(1.5 AS DOUBLE)))))",
            ),
            ("sex IN ('F','M')", "(\"sex\" IN ('F', 'M'))"),
            ("sex = :who", "(\"sex\" = 'it''s')"),
            (
                "case when sex is null then 0 else 1 end",
                "(CASE WHEN (\"sex\" IS NULL) THEN CAST(0 AS DOUBLE) ELSE CAST(1 AS DOUBLE) END)",
            ),
            ("1 - 2 - 3", "((CAST(1 AS DOUBLE) - CAST(2 AS DOUBLE)) - CAST(3 AS DOUBLE))"),
        ] {
            assert_eq!(check(text, false).as_deref(), Ok(sql), "{text}");
        }
        let grouped = "AVG(score) FILTER (WHERE sex = 'F')";
        assert_eq!(
            check(grouped, true).unwrap(),
            "AVG(CAST(\"score\" AS DOUBLE)) FILTER (WHERE (\"sex\" = 'F'))"
        );
        assert!(check("m * m", true).unwrap().contains("CASE WHEN CAST(2 AS DOUBLE) < 0"));
    }

    #[test]
    fn everything_else_is_refused_with_a_remedy() {
        for (text, grouped, said) in [
            ("SELECT 1", false, "does not fit"),
            ("score; drop", false, "not allowed"),
            ("random()", false, "`random`"),
            ("nobody", false, "there is no column `nobody`"),
            ("note = 'x'", false, "never"),
            ("school = 'x'", false, "never"),
            ("AVG(score)", false, "write the column itself"),
            ("score", true, "write MAX(score)"),
            ("AVG(AVG(score))", true, "inside another"),
            ("AVG(sex)", true, "numbers"),
            ("score + sex", false, "stands where"),
            ("score = 'F'", false, "stands where"),
            ("score AND TRUE", false, "stands where"),
            (":nobody", false, "not declared"),
            (":day = :days", false, "write IN (:days)"),
            ("COUNT(:days) = 1", true, "write IN (:days)"),
            ("sex IN (:days)", false, "beside something else"),
            ("'open", false, "no end"),
            ("1..2", false, "no number"),
            ("(1", false, "expected `)`"),
            ("", false, "too early"),
            ("CASE END", false, "WHEN"),
            ("1 2", false, "does not fit"),
            ("ABS(1, 2)", false, "does not take"),
        ] {
            let error = check(text, grouped).expect_err(text);
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(check(&"(".repeat(5000), false).is_err());
        assert!(check(&"(".repeat(100), false).unwrap_err().contains("deep"));
        assert!(check(&"- ".repeat(1500), false).is_err());
    }

    /// Each ABS writes its value three times: thirty of them would be more than any memory holds.
    #[test]
    fn what_grows_too_long_is_refused_before_it_is_rendered() {
        let nested = |n: usize| format!("{}score{}", "ABS(".repeat(n), ")".repeat(n));
        let rendered = check(&nested(4), false).unwrap();
        let expr = parse(&nested(4)).unwrap();
        let vocabulary = Vocabulary::from_toml(EXAM).unwrap();
        let scope =
            Scope { vocabulary: &vocabulary, params: &BTreeMap::new(), measures: &[], grouped: false };
        assert!(rendered.len() <= scope.rendered_bytes(&expr), "the bound holds");
        assert!(check(&nested(30), false).unwrap_err().contains("too long"));
        // Measures of measures grow as fast.
        let long = parse(&format!("0{}", " + 1".repeat(140))).unwrap();
        let measures = [("m".to_owned(), long, "0".to_owned(), "1".to_owned())];
        let scope =
            Scope { vocabulary: &vocabulary, params: &BTreeMap::new(), measures: &measures, grouped: true };
        let expr = parse(&format!("m{}", " * m".repeat(140))).unwrap();
        assert!(scope.check(&expr).unwrap_err().contains("too long"));
    }

    #[test]
    fn no_name_or_text_escapes_its_quotes() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted("a'; DROP"), "'a''; DROP'");
    }
}
