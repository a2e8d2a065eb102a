//! Where a table begins in a file, what its columns are called, and which lines in it are no rows:
//! titles above, merged headers, headers and page numbers repeated inside, totals below.

use std::collections::VecDeque;

use csv::StringRecord;

use super::cells::clean;

/// Records looked through for the header: a report's titles and notes are shorter.
pub(super) const HEAD_RECORDS_MAX: usize = 60;
/// Fewest columns of a table in which a line with one value alone is a title, not a row.
const TITLE_COLUMNS_MIN: usize = 3;
/// What the first value of a line of totals says, folded.
const TOTALS: [&str; 9] = [
    "total",
    "totals",
    "grandtotal",
    "subtotal",
    "average",
    "averages",
    "count",
    "totalpupils",
    "totalstudents",
];
/// Words before a colon that only say whose columns follow.
const PREFIXES: [&str; 5] = ["student", "pupil", "learner", "person", "child"];

/// Case, spaces and punctuation do not tell headers apart.
pub(crate) fn folded(header: &str) -> String {
    header
        .trim_start_matches('\u{feff}')
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// A header without a prefix such as `Student:`, folded.
pub(super) fn folded_rest(header: &str) -> Option<String> {
    let (before, rest) = header.split_once(':')?;
    PREFIXES.contains(&folded(before).as_str()).then(|| folded(rest)).filter(|rest| !rest.is_empty())
}

/// A table's header.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// What each column is called.
    pub(super) shown: Vec<String>,
    /// The texts that may name a column: one, or of merged headers the lower and the upper too.
    pub(super) names: Vec<Vec<String>>,
    /// The values of the lines above.
    pub(super) above: Vec<String>,
    /// Its line in the file.
    pub(super) line: u64,
    /// Records up to its end.
    pub(super) records: usize,
    lines: Vec<Vec<String>>,
}

impl Head {
    /// The header of this record, or of it under the one before: a merged header stands only over the
    /// first of its columns.
    fn of(records: &VecDeque<(u64, StringRecord)>, at: usize, merged: bool) -> Self {
        let cells = |at: usize| -> Vec<String> {
            let whole = |cell: &str| clean(cell).split_whitespace().collect::<Vec<_>>().join(" ");
            records[at].1.iter().map(whole).collect()
        };
        let lower = cells(at);
        let first = if merged { at - 1 } else { at };
        let above = (0..first).flat_map(cells).filter(|cell| !cell.is_empty()).collect();
        let (shown, names, lines) = if merged {
            let upper = cells(first);
            let (shown, names) = merge(&upper, &lower);
            (shown, names, vec![upper, lower])
        } else {
            (lower.clone(), lower.iter().map(|text| vec![text.clone()]).collect(), vec![lower])
        };
        Self { shown, names, above, line: records[at].0, records: at + 1, lines }
    }

    /// The header among a file's first records in which the most is known, the first of equals.
    pub(super) fn find(
        records: &VecDeque<(u64, StringRecord)>,
        known: &dyn Fn(&Head) -> usize,
    ) -> Option<(usize, Self)> {
        let mut best: Option<(usize, Self)> = None;
        for merged in [false, true] {
            for at in usize::from(merged)..records.len() {
                let head = Self::of(records, at, merged);
                let score = known(&head);
                if best.as_ref().is_none_or(|(found, _)| score > *found) {
                    best = Some((score, head));
                }
            }
        }
        // Where nothing is known, the first line with anything in it stands for the header.
        match best {
            Some((0, _)) => (0..records.len())
                .map(|at| Self::of(records, at, false))
                .find(|head| head.shown.iter().any(|text| !text.is_empty()))
                .map(|head| (0, head)),
            best => best,
        }
    }

    /// The first line that looks like a header where nothing is known: of those before it none is as wide.
    pub(super) fn widest(records: &VecDeque<(u64, StringRecord)>) -> Option<Self> {
        let filled = |at: usize| records[at].1.iter().filter(|text| !clean(text).is_empty()).count();
        let most = (0..records.len()).map(filled).max().filter(|most| *most > 0)?;
        // A title stands alone in its line; a header may leave a column or two without a name.
        (0..records.len()).find(|at| filled(*at) * 2 > most).map(|at| Self::of(records, at, false))
    }

    /// Fields that each row has: up to the last that is called something.
    pub(super) fn width(&self) -> usize {
        self.shown.iter().rposition(|text| !text.is_empty()).map_or(0, |at| at + 1)
    }

    /// Whether a record is no row: blank, a title, a page number, a total, or the header again. `known`
    /// tells the fields that the vocabulary has.
    pub(super) fn is_furniture(&self, record: &StringRecord, known: &[bool]) -> bool {
        let cells = record.iter().map(clean).enumerate();
        let mut filled = cells.filter(|(_, text)| !text.is_empty());
        let Some((at, first)) = filled.next() else { return true };
        if is_page(first) || is_total(first) {
            return true;
        }
        if filled.next().is_none() && self.shown.len() >= TITLE_COLUMNS_MIN {
            // A word alone may be a person of whom nothing else is said: that is a row, and a bad one.
            let title = first.contains(char::is_whitespace);
            return title || !known.get(at).is_some_and(|known| *known);
        }
        self.lines.iter().any(|line| {
            let same = |(text, header): (&str, &String)| {
                clean(text) == header || clean(text).split_whitespace().eq(header.split_whitespace())
            };
            record.len() == line.len() && record.iter().zip(line).all(same)
        })
    }
}

fn merge(upper: &[String], lower: &[String]) -> (Vec<String>, Vec<Vec<String>>) {
    let (mut shown, mut names, mut over) = (vec![], vec![], "");
    for at in 0..upper.len().max(lower.len()) {
        let text = |line: &'_ [String]| line.get(at).cloned().unwrap_or_default();
        let own = upper.get(at).map_or("", String::as_str);
        if !own.is_empty() {
            over = own;
        }
        let lower = text(lower);
        let whole = match (over, lower.as_str()) {
            ("", _) => lower.clone(),
            (_, "") => own.to_owned(),
            (over, lower) => format!("{over} {lower}"),
        };
        names.push([&whole, &lower, own].map(str::to_owned).to_vec());
        shown.push(whole);
    }
    (shown, names)
}

/// `Page 1 of 9`, `Page 3`, `1 of 9`.
fn is_page(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(|byte| byte.is_ascii_digit() || byte.eq_ignore_ascii_case(&b'p')) {
        return false;
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    match words[..] {
        ["page", n] => number(n),
        ["page", n, "of" | "/", all] | [n, "of", all] => number(n) && number(all),
        _ => false,
    }
}

fn is_total(text: &str) -> bool {
    // Cheap for what nearly every value is: something else.
    let starts = text.as_bytes().first().is_some_and(|byte| b"tgsacTGSAC".contains(byte));
    starts && TOTALS.contains(&folded(text).as_str())
}
