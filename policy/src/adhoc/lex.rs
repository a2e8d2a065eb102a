//! One SELECT cut into its clauses. Expressions stay text here: `sql::parse` reads them. Words that
//! lead outside the subset are met first, each with what to write instead.

/// What one item of SELECT is.
pub(super) enum Item {
    /// A column's name.
    Plain(String),
    /// `COUNT(DISTINCT name)`.
    People(String),
    /// Anything else.
    Expression(String),
}

/// A SELECT, cut up.
pub(super) struct Clauses {
    pub(super) select: Vec<Item>,
    pub(super) from: String,
    pub(super) filter: Option<String>,
    pub(super) group_by: Vec<String>,
}

/// Words that lead outside, and what to write instead.
const OUTSIDE: [(&[&str], &str); 16] = [
    (
        &["JOIN", "LATERAL"],
        "there is no JOIN: a person's own columns, such as nc_year or pupil_premium, stand in each vocabulary about them already; see datacoop vocabulary show NAME",
    ),
    (&["UNION", "INTERSECT", "EXCEPT"], "ask one SELECT at a time and put the answers together yourself"),
    (
        &["HAVING"],
        "leave HAVING out: every group is answered, and one too small to show is suppressed; to keep fewer groups, filter rows with WHERE",
    ),
    (
        &["ORDER", "LIMIT", "OFFSET", "FETCH", "TOP"],
        "leave ORDER BY and LIMIT out: sort and cut the answer yourself",
    ),
    (
        &["OVER", "PARTITION", "WINDOW", "LAG", "LEAD", "RANK", "ROW_NUMBER", "NTILE", "DENSE_RANK"],
        "there is no window over other people's rows; aggregate a person's own rows, or GROUP BY",
    ),
    (
        &["MEDIAN", "PERCENTILE_CONT", "PERCENTILE_DISC", "QUANTILE", "APPROX_PERCENTILE", "WITHIN", "MODE"],
        "a median or quantile is no sum; it is asked as counts in bands: datacoop questions show attainment-quartiles --toml",
    ),
    (
        &["STDDEV", "STDDEV_POP", "STDDEV_SAMP", "VARIANCE", "VAR_POP", "VAR_SAMP", "STD"],
        "a spread is asked as a mean and a mean of squares: write a question with figure kind \"spread\"",
    ),
    (
        &["CORR", "REGR_SLOPE", "REGR_INTERCEPT", "COVAR_POP", "COVAR_SAMP"],
        "a line is asked by six sums: datacoop questions show prior-attainment-slope --toml",
    ),
    (
        &["ARRAY_AGG", "STRING_AGG", "LIST", "GROUP_CONCAT", "JSON_AGG", "FIRST_VALUE", "LAST_VALUE"],
        "it would list people's rows, which never leave a member; write COUNT, SUM or AVG",
    ),
    (&["WITH", "RECURSIVE"], "write one SELECT .. FROM .. without WITH"),
    (
        &[
            "INSERT", "UPDATE", "DELETE", "DROP", "CREATE", "ALTER", "COPY", "ATTACH", "PRAGMA", "SET",
            "EXPLAIN", "TRUNCATE", "GRANT",
        ],
        "only SELECT can be asked",
    ),
    (
        &["EXISTS", "ANY", "SOME"],
        "there is no subquery; write the condition on the rows themselves under WHERE",
    ),
    (
        &["LIKE", "ILIKE", "SIMILAR", "REGEXP"],
        "compare with values of the closed list: column IN ('..', '..')",
    ),
    (&["CAST", "TRY_CAST", "CONVERT"], "columns have one type; leave CAST out"),
    (
        &["ROLLUP", "CUBE", "GROUPING", "QUALIFY", "PIVOT"],
        "GROUP BY lists columns; ask each grouping by itself, or add up the groups of the answer",
    ),
    (
        &["NOW", "CURRENT_DATE", "CURRENT_TIMESTAMP", "DATE_TRUNC", "DATE_PART", "EXTRACT", "YEAR", "MONTH"],
        "days are chosen by --period; to split by time, GROUP BY weekday, term_week or half_term",
    ),
];

#[derive(Clone, PartialEq, Debug)]
enum Kind {
    /// A word, upper case.
    Word(String),
    Number,
    Text,
    Mark(char),
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(found) if found == word)
    }

    fn is_mark(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = vec![];
    let mut rest = text.char_indices().peekable();
    while let Some((start, first)) = rest.next() {
        let mut run = |keep: fn(char) -> bool| {
            let mut end = start + first.len_utf8();
            while let Some((at, c)) = rest.next_if(|(_, c)| keep(*c)) {
                end = at + c.len_utf8();
            }
            end
        };
        let (kind, end) = match first {
            _ if first.is_whitespace() => continue,
            _ if first.is_ascii_alphabetic() || first == '_' => {
                let end = run(|c| c.is_ascii_alphanumeric() || c == '_');
                (Kind::Word(text[start..end].to_ascii_uppercase()), end)
            }
            _ if first.is_ascii_digit() => (Kind::Number, run(|c| c.is_ascii_digit() || c == '.')),
            '\'' => {
                run(|c| c != '\'');
                let (at, _) = rest.next().ok_or_else(|| format!("a text at character {start} has no end"))?;
                (Kind::Text, at + 1)
            }
            '"' | '`' => {
                return Err("write names without quotes, and texts in single quotes: 'KS4'".into());
            }
            _ if first == '-' && rest.peek().is_some_and(|(_, c)| *c == '-') => {
                return Err("write no comments into the SQL".into());
            }
            _ => (Kind::Mark(first), start + first.len_utf8()),
        };
        tokens.push(Token { kind, start, end });
    }
    Ok(tokens)
}

/// Cuts a SELECT up. Errors: what is outside, and what to write instead.
pub(super) fn clauses(text: &str) -> Result<Clauses, String> {
    let mut tokens = tokens(text)?;
    while tokens.last().is_some_and(|token| token.is_mark(';')) {
        tokens.pop();
    }
    if tokens.iter().any(|token| token.is_mark(';')) {
        return Err("write one SELECT; `;` stands between two".into());
    }
    refuse_outside(&tokens)?;
    if !tokens.first().is_some_and(|token| token.is("SELECT")) {
        return Err("write SELECT .. FROM vocabulary .. GROUP BY columns".into());
    }
    let at = |word: &str| tokens.iter().position(|token| token.is(word));
    let Some(from) = at("FROM") else {
        return Err("FROM is missing: SELECT AVG(attended) FROM attendance".into());
    };
    let (filter, group) = (where_clause(&tokens), at("GROUP"));
    let end = tokens.len();
    let ordered = [Some(0), Some(from), filter, group, Some(end)];
    if !ordered.iter().flatten().is_sorted() {
        return Err("its clauses stand in this order: SELECT, FROM, WHERE, GROUP BY".into());
    }
    let source = read_from(text, &tokens[from + 1..filter.or(group).unwrap_or(end)])?;
    let filter = filter.map(|at| expanded(text, &tokens[at + 1..group.unwrap_or(end)])).transpose()?;
    let group_by = group.map_or(Ok(vec![]), |at| read_groups(text, &tokens[at + 1..]))?;
    Ok(Clauses { select: read_items(text, &tokens[1..from])?, from: source, filter, group_by })
}

fn refuse_outside(tokens: &[Token]) -> Result<(), String> {
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Word(word) = &token.kind else { continue };
        if let Some((_, instead)) = OUTSIDE.iter().find(|(words, _)| words.contains(&word.as_str())) {
            return Err(format!("{word} is outside of what can be asked: {instead}"));
        }
        let counted = at >= 2 && tokens[at - 1].is_mark('(') && tokens[at - 2].is("COUNT");
        if word == "DISTINCT" && !counted {
            return Err("DISTINCT is outside of what can be asked: groups are distinct already; to count people write COUNT(DISTINCT ..) with the column that names the person".into());
        }
    }
    let selects = tokens.iter().filter(|token| token.is("SELECT")).count();
    if selects > 1 {
        return Err(
            "there is no subquery: write one SELECT, with the condition on the rows themselves under WHERE"
                .into(),
        );
    }
    Ok(())
}

/// The WHERE that is a clause, and not one inside FILTER (WHERE ..).
fn where_clause(tokens: &[Token]) -> Option<usize> {
    let mut depth = 0usize;
    tokens.iter().position(|token| {
        match token.kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth = depth.saturating_sub(1),
            Kind::Mark(_) | Kind::Word(_) | Kind::Number | Kind::Text => {}
        }
        depth == 0 && token.is("WHERE")
    })
}

fn piece<'a>(text: &'a str, tokens: &[Token]) -> &'a str {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => &text[first.start..last.end],
        _ => "",
    }
}

fn read_from(text: &str, tokens: &[Token]) -> Result<String, String> {
    match tokens {
        [] => Err("FROM names a vocabulary: FROM attendance".into()),
        [one] | [one, _, _]
            if !tokens.iter().any(|token| token.is_mark(',')) && matches!(one.kind, Kind::Word(_)) =>
        {
            let name = piece(text, tokens);
            if tokens.len() == 3 && !tokens[1].is_mark('/') {
                return Err(format!(
                    "FROM: write the vocabulary alone, without another name: FROM {}",
                    piece(text, &tokens[..1])
                ));
            }
            Ok(name.to_ascii_lowercase())
        }
        [one, ..] if tokens.iter().any(|token| token.is_mark(',')) => Err(format!(
            "FROM lists several; there is no JOIN: a person's own columns stand in each vocabulary about them already: FROM {}",
            piece(text, std::slice::from_ref(one))
        )),
        [one, ..] => Err(format!(
            "FROM: write the vocabulary alone, without another name: FROM {}",
            piece(text, std::slice::from_ref(one))
        )),
    }
}

fn read_groups(text: &str, tokens: &[Token]) -> Result<Vec<String>, String> {
    let Some((_, rest)) = tokens.split_first().filter(|(by, rest)| by.is("BY") && !rest.is_empty()) else {
        return Err("write GROUP BY and the columns".into());
    };
    let column = |part: &&[Token]| -> Result<String, String> {
        match part {
            [Token { kind: Kind::Word(_), .. }] => Ok(piece(text, part).to_ascii_lowercase()),
            _ => Err(format!(
                "GROUP BY takes columns, not `{}`; to group by a value worked out of rows, write a question with by = [{{ name, sql, cells }}]",
                piece(text, part)
            )),
        }
    };
    split(rest).iter().map(column).collect()
}

/// Parts between commas outside of brackets.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut parts, mut start, mut depth) = (vec![], 0, 0usize);
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth = depth.saturating_sub(1),
            Kind::Mark(',') if depth == 0 => {
                parts.push(&tokens[start..at]);
                start = at + 1;
            }
            Kind::Mark(_) | Kind::Word(_) | Kind::Number | Kind::Text => {}
        }
    }
    parts.push(&tokens[start..]);
    parts
}

fn read_items(text: &str, tokens: &[Token]) -> Result<Vec<Item>, String> {
    split(tokens).into_iter().map(|part| read_item(text, part)).collect()
}

fn read_item(text: &str, tokens: &[Token]) -> Result<Item, String> {
    let tokens = match tokens {
        [rest @ .., as_word, name] if as_word.is("AS") && matches!(name.kind, Kind::Word(_)) => rest,
        whole => whole,
    };
    match tokens {
        [] => Err("SELECT: something is missing beside a comma".into()),
        [one] if one.is_mark('*') => Err(
            "SELECT *: rows never leave a member; write COUNT(*), SUM(column) or AVG(column), with GROUP BY"
                .into(),
        ),
        [Token { kind: Kind::Word(_), .. }] => Ok(Item::Plain(piece(text, tokens).to_ascii_lowercase())),
        [count, open, distinct, name, close]
            if count.is("COUNT") && open.is_mark('(') && distinct.is("DISTINCT") && close.is_mark(')') =>
        {
            Ok(Item::People(piece(text, std::slice::from_ref(name)).to_ascii_lowercase()))
        }
        _ if tokens.iter().any(|token| token.is("DISTINCT")) => {
            Err("COUNT(DISTINCT ..) takes the column that names the person, and stands alone".into())
        }
        _ => Ok(Item::Expression(expanded(text, tokens)?)),
    }
}

/// The text of an expression with `CLAMP(x, a, b)` written out: as a CASE, which keeps a missing value
/// missing.
fn expanded(text: &str, tokens: &[Token]) -> Result<String, String> {
    let Some(at) = tokens.iter().position(|token| token.is("CLAMP")) else {
        return Ok(piece(text, tokens).to_owned());
    };
    let close = closing(&tokens[at + 1..]).map(|close| at + 1 + close);
    let Some(close) = close else { return Err("CLAMP needs brackets: CLAMP(column, 0, 100)".into()) };
    let parts = split(&tokens[at + 2..close]);
    let [x, low, high] = parts.as_slice() else {
        return Err("CLAMP takes a value and two bounds: CLAMP(column, 0, 100)".into());
    };
    let bound = |part: &[Token]| {
        let plain = matches!(part, [Token { kind: Kind::Number, .. }])
            || matches!(part, [minus, Token { kind: Kind::Number, .. }] if minus.is_mark('-'));
        let said = || "CLAMP's bounds are plain numbers: CLAMP(column, 0, 100)".to_owned();
        plain.then(|| piece(text, part).to_owned()).ok_or_else(said)
    };
    let (x, low, high) = (expanded(text, x)?, bound(low)?, bound(high)?);
    let before = piece(text, &tokens[..at]);
    let after = if close + 1 < tokens.len() { expanded(text, &tokens[close + 1..])? } else { String::new() };
    Ok(format!(
        "{before} (CASE WHEN ({x}) < {low} THEN {low} WHEN ({x}) > {high} THEN {high} ELSE {x} END) {after}"
    )
    .trim()
    .to_owned())
}

/// Where the bracket that these tokens open is closed.
fn closing(tokens: &[Token]) -> Option<usize> {
    if !tokens.first()?.is_mark('(') {
        return None;
    }
    let mut depth = 0usize;
    tokens.iter().position(|token| {
        match token.kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth -= 1,
            Kind::Mark(_) | Kind::Word(_) | Kind::Number | Kind::Text => {}
        }
        depth == 0
    })
}
