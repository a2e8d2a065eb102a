//! From text to the tree.

use super::{AGGREGATES, CALLS, Expr, SQL_BYTES_MAX};

/// Deepest nesting; each level is a stack frame of the parser and of the engine.
const DEPTH_MAX: usize = 32;

/// Most tokens: a long chain makes a deep tree, and every level of it is a stack frame somewhere.
const TOKENS_MAX: usize = 300;

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
