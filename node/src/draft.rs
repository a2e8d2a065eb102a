//! A first vocabulary for a file of one's own: what its headers and values suggest, with a comment for
//! whatever a person must decide. Must not know the network, and repeats no value that could be
//! somebody's name: a draft is written to be sent around.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use datacoop_policy::vocabulary::{COLUMNS_MAX, Column, Kind, NAME_BYTES_MAX, Unit, Vocabulary};

use crate::import::source::Source;
use crate::import::{folded, read_cell};

/// More different values than this are no closed list that a person would write down.
pub const LIST_MAX: usize = 20;
/// A listed value stands on this many rows on average, or the list may be one of names.
const ROWS_PER_VALUE_MIN: u64 = 3;
/// Longest value of a proposed list: longer ones are sentences.
const VALUE_BYTES_MAX: usize = 40;
/// Words in a header that tell of a person or a place: their values are never listed.
const TELLING: &[&str] = &[
    "name",
    "names",
    "surname",
    "forename",
    "firstname",
    "lastname",
    "fullname",
    "initials",
    "email",
    "phone",
    "mobile",
    "telephone",
    "address",
    "postcode",
    "nhs",
    "nino",
    "parent",
    "carer",
    "sibling",
    "pupil",
    "student",
    "child",
    "learner",
    "candidate",
    "person",
    "client",
    "contact",
    "teacher",
    "tutor",
    "staff",
    "worker",
    "keyworker",
    "doctor",
    "notes",
    "comment",
    "comments",
];

/// What the columns of a file suggest.
#[derive(Clone, PartialEq, Debug)]
pub struct Draft {
    /// The vocabulary, with comments for people.
    pub toml: String,
    /// Its columns.
    pub columns: Vec<Proposed>,
    /// Known vocabularies that the file fits as it is.
    pub fits: Vec<String>,
    /// Columns without a header, by number.
    pub left_out: Vec<usize>,
}

/// What one column of a file suggests.
#[derive(Clone, PartialEq, Debug)]
pub struct Proposed {
    /// The file's own header.
    pub header: String,
    /// The column, as far as values tell.
    pub column: Column,
    /// Known vocabularies that have it.
    pub known: Vec<String>,
    /// What a person must decide.
    pub decide: String,
}

/// Drafts a vocabulary called `id` from a data file. Errors: the row or column, and the remedy.
pub fn draft(id: &str, source: Source, known: &[Vocabulary]) -> Result<Draft, String> {
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.trim(csv::Trim::All).delimiter(source.delimiter).from_reader(source.reader);
    let headers = reader.headers().map_err(|error| problem(&error))?.clone();
    let (mut columns, left_out) = observe_headers(&headers, known)?;
    let mut record = csv::StringRecord::new();
    let mut rows = 0u64;
    while reader.read_record(&mut record).map_err(|error| problem(&error))? {
        rows += 1;
        columns.iter_mut().for_each(|column| column.see(record.get(column.at).unwrap_or("")));
    }
    if rows == 0 {
        return Err("it has a header and no rows; a draft needs rows to look at".into());
    }
    let fits = whole_fits(&columns, known);
    let mut used = BTreeSet::new();
    let best = best_match(&columns, known);
    let proposed: Vec<Proposed> =
        columns.iter().map(|column| column.propose(best.as_deref(), &mut used)).collect();
    let toml = write(id, &proposed, &fits, &left_out, known);
    Vocabulary::from_toml(&toml).map_err(|error| format!("no vocabulary follows from it: {error}"))?;
    Ok(Draft { toml, columns: proposed, fits, left_out })
}

/// A vocabulary's id from a file's name; never that of a known one, whose people it would claim.
pub fn id_from(stem: &str, known: &[Vocabulary]) -> String {
    let id = clean(stem);
    let taken = known.iter().any(|other| other.name().split('/').next() == Some(&id));
    if taken { format!("own_{id}") } else { id }
}

fn problem(error: &csv::Error) -> String {
    let row = error.position().map_or(1, csv::Position::line);
    if let csv::ErrorKind::Utf8 { .. } = error.kind() {
        return format!("row {row}: not UTF-8 text; save it again as CSV in UTF-8");
    }
    if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        return format!(
            "row {row} has {len} fields and the header {expected_len}; remove titles and totals around the table"
        );
    }
    error.to_string()
}

/// What values of one column were seen. Bounded: a long column costs no more than a short one.
struct Seen<'a> {
    at: usize,
    header: String,
    known: Vec<Match<'a>>,
    /// How it could still be read, in order of preference.
    kinds: Vec<Column>,
    filled: u64,
    empty: u64,
    /// Rows by value, case aside, and how it was first written; `None` once they are too many.
    values: Option<BTreeMap<String, (String, u64)>>,
}

/// A column of a known vocabulary that answers to the header.
struct Match<'a> {
    vocabulary: &'a Vocabulary,
    column: &'a Column,
    fits: bool,
}

fn observe_headers<'a>(
    headers: &csv::StringRecord,
    known: &'a [Vocabulary],
) -> Result<(Vec<Seen<'a>>, Vec<usize>), String> {
    let mut columns: Vec<Seen> = vec![];
    let mut left_out = vec![];
    for (at, header) in headers.iter().enumerate() {
        let header: String = header.trim_start_matches('\u{feff}').chars().map(plain_space).collect();
        let header = header.trim().to_owned();
        if header.contains('\u{fffd}') || header.len() > NAME_BYTES_MAX {
            return Err(format!(
                "the header of column {} is no short line of text; is it a CSV file?",
                at + 1
            ));
        }
        if folded(&header).is_empty() {
            left_out.push(at + 1);
            continue;
        }
        // A header stands in the draft, so none may be somebody's data.
        if header.contains('@') || read_cell(&plain("", Kind::Date), false, &header).is_ok() {
            return Err("row 1 holds data; add a row above it that names the columns".into());
        }
        if let Some(other) = columns.iter().find(|other| folded(&other.header) == folded(&header)) {
            return Err(format!(
                "columns {} and {} are both called `{header}`; rename or remove one",
                other.at + 1,
                at + 1
            ));
        }
        columns.push(Seen::new(at, header, known));
    }
    if columns.is_empty() {
        return Err("it has no header; the first row names the columns".into());
    }
    if columns.len() > COLUMNS_MAX {
        return Err(format!("{} columns; remove some, at most {COLUMNS_MAX} are left", columns.len()));
    }
    Ok((columns, left_out))
}

/// Line breaks inside a header are spaces; a NUL tells that this is no text at all.
fn plain_space(c: char) -> char {
    match c {
        '\0' => '\u{fffd}',
        _ if c.is_control() => ' ',
        _ => c,
    }
}

impl<'a> Seen<'a> {
    fn new(at: usize, header: String, known: &'a [Vocabulary]) -> Self {
        let answers = |column: &Column| {
            column.synonyms.iter().chain([&column.name]).any(|name| folded(name) == folded(&header))
        };
        let matches = known.iter().flat_map(|vocabulary| {
            let found = vocabulary.columns().iter().find(|column| answers(column));
            found.map(|column| Match { vocabulary, column, fits: true })
        });
        let mut known: Vec<Match> = matches.collect();
        // Whoever says it of the person first, then those that take it from there.
        known.sort_by_key(|found| found.column.of.is_some());
        let kinds = [Kind::Bool, Kind::Integer, Kind::Number, Kind::Date].map(|kind| plain(&header, kind));
        Self { at, header, known, kinds: kinds.to_vec(), filled: 0, empty: 0, values: Some(BTreeMap::new()) }
    }

    fn see(&mut self, text: &str) {
        if text.is_empty() {
            self.empty += 1;
            return;
        }
        self.filled += 1;
        for known in &mut self.known {
            known.fits = known.fits && read_cell(known.column, false, text).is_ok();
        }
        self.kinds.retain(|column| read_cell(column, false, text).is_ok() && !is_label(column.kind, text));
        if let Some(values) = &mut self.values {
            values.entry(text.to_ascii_lowercase()).or_insert_with(|| (text.to_owned(), 0)).1 += 1;
            if values.len() > LIST_MAX {
                self.values = None;
            }
        }
    }

    /// How the values read on their own.
    fn infer(&self) -> Kind {
        let words = || self.values.iter().flat_map(BTreeMap::keys);
        let truths: BTreeSet<Option<bool>> = words().map(|word| read_bool(word)).collect();
        let both = truths == BTreeSet::from([Some(true), Some(false)]);
        let digits = words().all(|word| word.parse::<i64>().is_ok());
        let can = |kind: Kind| self.filled > 0 && self.kinds.iter().any(|column| column.kind == kind);
        match () {
            // Why: `F` alone may be a sex and 1 a count; both words of a pair say what is meant.
            () if can(Kind::Bool) && both && !digits => Kind::Bool,
            () if can(Kind::Integer) => Kind::Integer,
            () if can(Kind::Number) => Kind::Number,
            () if can(Kind::Date) => Kind::Date,
            () => Kind::Text,
        }
    }

    /// The closed list that a text column suggests; empty when its values may be names.
    fn list(&self) -> Vec<String> {
        // `Student: House` is about the house.
        let words = clean(self.header.rsplit(':').next().unwrap_or(""));
        let tells = words.split('_').any(|word| TELLING.contains(&word));
        let Some(values) = self.values.as_ref().filter(|_| !tells) else { return vec![] };
        let enough = self.filled >= ROWS_PER_VALUE_MIN * values.len() as u64;
        let plain = |value: &str| {
            value.len() <= VALUE_BYTES_MAX && !value.contains(|c: char| c == '@' || c.is_control())
        };
        if enough && values.values().all(|(value, _)| plain(value)) {
            values.values().map(|(value, _)| value.clone()).collect()
        } else {
            vec![]
        }
    }

    fn propose(&self, best: Option<&str>, used: &mut BTreeSet<String>) -> Proposed {
        let names: Vec<String> = self.known.iter().map(|known| known.vocabulary.name().to_owned()).collect();
        let fitting = || self.known.iter().filter(|known| known.fits && self.filled > 0);
        let adopted =
            fitting().find(|known| Some(known.vocabulary.name()) == best).or_else(|| fitting().next());
        let (mut column, mut decide) = match adopted {
            Some(known) if !used.contains(&known.column.name) => self.adopt(known.column),
            Some(known) => {
                let (column, decide) = self.guess();
                (column, format!("another column is `{}` already: keep one; {decide}", known.column.name))
            }
            None => self.guess(),
        };
        if adopted.is_none() && !names.is_empty() {
            decide = format!("some values do not fit what {} allows; {decide}", names[0]);
        }
        column.name = unused(&column.name, used);
        if folded(&column.name) != folded(&self.header) {
            column.synonyms = vec![self.header.clone()];
        }
        Proposed { header: self.header.clone(), column, known: names, decide }
    }

    /// As a known vocabulary has it, bounds aside: those suit its own scale.
    fn adopt(&self, known: &Column) -> (Column, String) {
        let column = Column {
            low: None,
            high: None,
            derived: false,
            required: known.required && self.empty == 0,
            synonyms: vec![],
            of: None,
            ..known.clone()
        };
        (column, String::new())
    }

    fn guess(&self) -> (Column, String) {
        let mut column = plain(&clean(&self.header), self.infer());
        // Whatever a known vocabulary protects stays protected, although its values differ.
        column.sensitive = self.known.iter().any(|known| known.column.sensitive);
        column.private = self.known.iter().any(|known| known.column.private);
        column.never = self.known.iter().any(|known| known.column.never);
        let decide = match column.kind {
            Kind::Bool => "may results be split by it (group)? is it sensitive?",
            Kind::Integer if self.values.is_some() => {
                "write low and high; to split results by it, make it text and list its values"
            }
            Kind::Integer => "write low and high; if it numbers people, make it text, never and the unit",
            Kind::Number => "write low and high",
            Kind::Date => "is it private? name it `date` if a question's period means it",
            Kind::Text => {
                column.values = self.list();
                column.never |= column.values.is_empty();
                if column.values.is_empty() {
                    "perhaps names, so never in a question; to use it, list its values"
                } else {
                    "is each value right? may results be split by it (group)? is it sensitive?"
                }
            }
        };
        let closed = column.kind == Kind::Bool || !column.values.is_empty();
        let allowed = self.known.is_empty() || self.known.iter().any(|known| known.column.group);
        column.group = closed && allowed && !column.private && !column.never;
        (column, decide.to_owned())
    }
}

fn read_bool(text: &str) -> Option<bool> {
    match read_cell(&plain("", Kind::Bool), false, text) {
        Ok(crate::import::Cell::Bool(truth)) => Some(truth),
        _ => None,
    }
}

/// Digits that are no quantity: 0012 is a number on a list, and would lose its zeros.
fn is_label(kind: Kind, text: &str) -> bool {
    let led = text.len() > 1 && text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    led && matches!(kind, Kind::Integer | Kind::Number)
}

fn plain(name: &str, kind: Kind) -> Column {
    Column {
        name: name.to_owned(),
        kind,
        description: String::new(),
        values: vec![],
        group: false,
        varies: false,
        required: false,
        sensitive: false,
        private: false,
        never: false,
        derived: false,
        low: None,
        high: None,
        synonyms: vec![],
        role: None,
        of: None,
    }
}

/// A name of a-z, 0-9 and _ that begins with a letter.
fn clean(text: &str) -> String {
    let letters = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let spaced: String = text.chars().map(letters).collect();
    let mut name = spaced.split_whitespace().collect::<Vec<_>>().join("_");
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name = format!("column_{name}");
    }
    name.truncate(48);
    name.trim_end_matches('_').to_owned()
}

fn unused(name: &str, used: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !used.contains(name));
    let free = free.expect("INVARIANT: numbers do not end");
    used.insert(free.clone());
    free
}

/// Known vocabularies whose required columns the file has, every value of every known column fitting.
fn whole_fits(columns: &[Seen<'_>], known: &[Vocabulary]) -> Vec<String> {
    let fits = known.iter().filter(|vocabulary| {
        let claims: Vec<(&Seen, &Match)> = columns
            .iter()
            .flat_map(|seen| seen.known.iter().map(move |found| (seen, found)))
            .filter(|(_, found)| found.vocabulary.name() == vocabulary.name())
            .collect();
        let held: BTreeSet<&str> = claims.iter().map(|(_, found)| found.column.name.as_str()).collect();
        let whole =
            claims.iter().all(|(seen, found)| found.fits && (seen.empty == 0 || !found.column.required));
        let required = vocabulary.columns().iter().filter(|column| column.required);
        whole
            && held.len() == claims.len()
            && required.into_iter().all(|column| held.contains(column.name.as_str()))
    });
    fits.map(|vocabulary| vocabulary.name().to_owned()).collect()
}

/// The known vocabulary that most columns fit: where several have a column, its meaning is meant.
fn best_match(columns: &[Seen<'_>], known: &[Vocabulary]) -> Option<String> {
    let score = |vocabulary: &Vocabulary| {
        let fits = |found: &Match<'_>| found.fits && found.vocabulary.name() == vocabulary.name();
        columns.iter().filter(|seen| seen.known.iter().any(fits)).count()
    };
    let best = known.iter().rev().max_by_key(|vocabulary| score(vocabulary))?;
    Some(best.name().to_owned())
}

/// The column that names the person, and the dataset of such people. Of several the one that most
/// known vocabularies count by: people come before the things they take part in.
fn unit_of<'a>(columns: &[Proposed], known: &'a [Vocabulary]) -> Option<(&'a str, &'a str)> {
    let mut votes: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for vocabulary in known {
        if let Unit::Column(unit) = vocabulary.unit()
            && columns.iter().any(|proposed| proposed.column.name == *unit)
        {
            *votes.entry((unit, vocabulary.dataset())).or_default() += 1;
        }
    }
    votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(unit, _)| unit)
}

fn write(
    id: &str,
    columns: &[Proposed],
    fits: &[String],
    left_out: &[usize],
    known: &[Vocabulary],
) -> String {
    let (unit, dataset) = unit_of(columns, known).unwrap_or(("row", id));
    let mut text = String::from(
        "# A draft: settle each `decide`, then run `datacoop vocabulary check` on it.\n\
         # Read its headers and lists of values before you send it to anybody.\n",
    );
    for name in fits {
        text += &format!(
            "# The file fits {name} as it is: import it with --vocabulary {name}, without this draft.\n"
        );
    }
    for number in left_out {
        text += &format!("# Column {number} has no header and was left out.\n");
    }
    // Why: writing to a String cannot fail, so the result is dropped.
    let _ = write!(
        text,
        "id = {}\nversion = 1\n\
         title = {}  # decide: say in plain words what the rows are\n\
         dataset = {}  # decide: data about the same people share one dataset, so one Ledger\n\
         unit = {}  # decide: the text column that names the person; \"row\" only if no person has two rows\n\
         column = [\n",
        quoted(id),
        quoted(&format!("Draft of {id}")),
        quoted(dataset),
        quoted(unit),
    );
    columns.iter().for_each(|proposed| text += &column_line(proposed));
    text + "]\n"
}

fn column_line(proposed: &Proposed) -> String {
    let column = &proposed.column;
    let list = |values: &[String]| values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ");
    let mut parts =
        vec![format!("name = {}", quoted(&column.name)), format!("type = \"{}\"", column.kind.code())];
    if !column.values.is_empty() {
        parts.push(format!("values = [{}]", list(&column.values)));
    }
    parts.extend(column.flags().iter().map(|flag| format!("{flag} = true")));
    if !column.description.is_empty() {
        parts.push(format!("description = {}", quoted(&column.description)));
    }
    if !column.synonyms.is_empty() {
        parts.push(format!("synonyms = [{}]", list(&column.synonyms)));
    }
    let mut said = vec![];
    if !proposed.known.is_empty() {
        said.push(format!("known from {}", proposed.known.join(", ")));
    }
    if !proposed.decide.is_empty() {
        said.push(format!("decide: {}", proposed.decide));
    }
    let comment = if said.is_empty() { String::new() } else { format!("  # {}", said.join("; ")) };
    format!("  {{ {} }},{comment}\n", parts.join(", "))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
