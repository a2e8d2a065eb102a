//! Which column of a file holds which column of a Vocabulary, and a record read by it.

use std::collections::{HashMap, HashSet};

use csv::StringRecord;
use datacoop_policy::vocabulary::{Column, Kind, Vocabulary};

use super::cells::{clean, read_value};
use super::dates::DayReader;
use super::head::{HEAD_RECORDS_MAX, Head, folded, folded_rest};
use super::meaning::Meaning;
use super::register::{self, Mark, Places, Register};
use super::rows::Records;
use super::{Cell, Complaint, ImportError, Options, ProblemKind, backticked, is_needed, read_columns};

/// Stands for the column to split by, which need not be in the vocabulary; no column's name has spaces.
const SPLIT: &str = "the member";
/// Values remembered of a column, so that each is read once: those of a closed list, days, pupils of a
/// class. Beyond, they are forgotten and learnt anew.
const LEARNT_MAX: usize = 4_096;

/// Where a column of the vocabulary stands in the file.
struct Field<'a> {
    at: Option<usize>,
    /// The file's own header.
    header: String,
    column: &'a Column,
    /// Whether every row needs a value.
    needed: bool,
    /// Whether the register's headers say it, not a field of its own.
    by_register: bool,
    learnt: HashMap<Box<str>, Cell>,
}

/// Which field of a record holds which column.
pub(super) struct Layout<'a> {
    head: Head,
    /// Which fields the vocabulary has.
    known: Vec<bool>,
    fields: Vec<Field<'a>>,
    /// How the file holds marks, when not one a row.
    register: Option<(Register, Places)>,
    days: DayReader,
    /// The columns that no two rows share.
    key: &'a [String],
    /// The column to split by, and its header.
    split: Option<(usize, String)>,
    pub(super) ignored: Vec<String>,
}

/// Folded names of a vocabulary's columns, and of what else a file may have.
pub(super) struct Names<'a> {
    by_name: HashMap<String, Vec<usize>>,
    columns: Vec<&'a Column>,
    others: HashSet<String>,
    is_register: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(vocabulary: &'a Vocabulary, options: &Options, by: Option<&str>) -> Self {
        let columns: Vec<&Column> = vocabulary.columns().iter().collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (n, column) in columns.iter().enumerate() {
            for name in column.synonyms.iter().chain([&column.name]) {
                let known = by_name.entry(folded(name)).or_default();
                if !known.contains(&n) {
                    known.push(n);
                }
            }
        }
        let others = options.columns.values().map(String::as_str).chain(by).map(folded).collect();
        let is_register = Places::of(vocabulary).is_some();
        Self { by_name, columns, others, is_register }
    }

    /// The columns that a header may mean.
    fn of(&self, names: &[String]) -> &[usize] {
        let known = |name: &String| {
            let whole = self.by_name.get(&folded(name));
            whole.or_else(|| self.by_name.get(&folded_rest(name)?))
        };
        names.iter().find_map(known).map_or(&[], Vec::as_slice)
    }

    /// How much of a header is known: 4 a column of the vocabulary, and up to 4 one of a register.
    pub(super) fn score(&self, head: &Head) -> usize {
        let known = |at: usize| {
            let told = self.others.contains(&folded(&head.shown[at]));
            if told || !self.of(&head.names[at]).is_empty() {
                return 4;
            }
            if self.is_register { register::likeness(&head.shown[at]) } else { 0 }
        };
        (0..head.shown.len()).map(known).sum()
    }

    /// Whether a header is surely one: the person here named a column of it, or the vocabulary has two. One alone may
    /// be a value, such as `AM` over `PM`.
    pub(super) fn knows(&self, head: &Head) -> bool {
        let named = head.shown.iter().any(|text| self.others.contains(&folded(text)));
        named || head.names.iter().filter(|names| !self.of(names).is_empty()).count() >= 2
    }

    /// The fields that may hold a column.
    pub(super) fn fields(&self, head: &Head, column: &Column) -> Vec<usize> {
        let means = |at: &usize| {
            self.of(&head.names[*at]).iter().any(|known| self.columns[*known].name == column.name)
        };
        (0..head.names.len()).filter(means).collect()
    }
}

/// How well a table's first records fit a vocabulary: how much is known of its header.
pub(super) fn score(records: Vec<StringRecord>, vocabulary: &Vocabulary, options: &Options) -> usize {
    let records = (1..).zip(records).take(HEAD_RECORDS_MAX).collect();
    let names = Names::new(vocabulary, options, None);
    Head::find(&records, &|head| names.score(head)).map_or(0, |(score, _)| score)
}

/// What the header of these records most likely is.
pub(super) fn header_of(records: &mut Records, vocabulary: &Vocabulary) -> Result<Vec<String>, ImportError> {
    let names = Names::new(vocabulary, &Options::default(), None);
    let found = Head::find(records.peek(HEAD_RECORDS_MAX)?, &|head| names.score(head));
    Ok(found.map_or_else(Vec::new, |(_, head)| head.shown))
}

impl<'a> Layout<'a> {
    /// Finds the header and what it means; the records up to its end are taken.
    pub(super) fn find(
        name: &str,
        records: &mut Records,
        vocabulary: &'a Vocabulary,
        options: &Options,
        by: Option<&str>,
    ) -> Result<Self, ImportError> {
        let names = Names::new(vocabulary, options, by);
        let first = records.peek(HEAD_RECORDS_MAX)?;
        let found = Head::find(first, &|head| names.score(head));
        let Some((score, head)) = found else {
            return Err(ImportError(format!("{name} is empty; it needs a header row and data")));
        };
        let mut record = StringRecord::new();
        for _ in 0..head.records {
            records.next(&mut record)?;
        }
        Self::new(&names, head, score, vocabulary, options, (by, records.lacks))
            .map_err(|what| ImportError(format!("{name}: {what}")))
    }

    fn new(
        names: &Names<'a>,
        head: Head,
        score: usize,
        vocabulary: &'a Vocabulary,
        options: &Options,
        (by, lacks): (Option<&str>, &[&str]),
    ) -> Result<Self, String> {
        let told = told(&head, vocabulary, options)?;
        let mut fields = vec![];
        let mut used = HashSet::new();
        for column in read_columns(vocabulary) {
            let hits: Vec<usize> = match told.get(column.name.as_str()) {
                Some(at) => at.iter().copied().collect(),
                None => {
                    let hits = names.fields(&head, column).into_iter();
                    hits.filter(|at| !told.values().any(|told| told.as_ref() == Some(at))).collect()
                }
            };
            let at = match hits[..] {
                [] => None,
                [at] => Some(at),
                _ => return Err(which(column, &hits, &head)),
            };
            used.extend(at);
            let header = at.map_or(&column.name, |at| &head.shown[at]).to_owned();
            let needed = is_needed(vocabulary, column) && !lacks.contains(&column.name.as_str());
            fields.push(Field { at, header, column, needed, by_register: false, learnt: HashMap::new() });
        }
        let split = by.map(|by| split_at(&head, by)).transpose()?;
        let split = split.map(|at| (at, head.shown[at].clone()));
        used.extend(split.as_ref().map(|(at, _)| *at));
        for column in vocabulary.columns().iter().filter(|column| column.role.is_some()) {
            used.extend(names.fields(&head, column));
        }
        let mut days = DayReader::new(options.dates);
        let register = find_register(&head, vocabulary, &mut fields, &mut days, &used)?;
        check_missing(&head, vocabulary, &fields)?;
        if score == 0 || fields.iter().all(|field| field.at.is_none()) {
            let it_has = backticked(&head.shown);
            return Err(format!("none of its columns is in {}; it has {it_has}", vocabulary.name()));
        }
        let in_register = |at: &usize| register.as_ref().is_some_and(|(register, _)| register.uses(*at));
        let ignored = (0..head.shown.len()).filter(|at| !used.contains(at) && !in_register(at));
        let ignored = ignored.map(|at| head.shown[at].clone()).filter(|text| !text.is_empty()).collect();
        let known = (0..head.shown.len()).map(|at| used.contains(&at)).collect();
        Ok(Self { head, known, fields, register, days, key: vocabulary.key(), split, ignored })
    }

    /// Each column of the vocabulary that may be read, where it stands, and whether a register's headers say it.
    pub(super) fn places(&self) -> impl Iterator<Item = (&'a Column, Option<usize>, bool)> {
        self.fields.iter().map(|field| (field.column, field.at, field.by_register))
    }

    /// The headers of the file.
    pub(super) fn headers(&self) -> &[String] {
        &self.head.shown
    }

    /// Columns of the vocabulary that the file does not have.
    pub(super) fn absent_columns(&self) -> impl Iterator<Item = &'a Column> {
        let absent = self.fields.iter().filter(|field| field.at.is_none() && !field.by_register);
        absent.map(|field| field.column)
    }

    /// Whether the file has a column of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        !self.absent_columns().any(|column| column.name == name)
    }

    /// The file's own header of a column; of a mark's columns that of its field.
    pub(super) fn header(&self, column: &str, mark: Option<usize>) -> String {
        let by_register = |field: &&Field| field.column.name == column && field.by_register;
        if let Some(at) = mark.filter(|_| self.fields.iter().any(|field| by_register(&field))) {
            return self.head.shown[at].clone();
        }
        let split = self.split.as_ref().map(|(_, header)| header).filter(|_| column == SPLIT);
        let field = self.fields.iter().find(|field| field.column.name == column);
        split.or(field.map(|field| &field.header)).map_or(column, String::as_str).to_owned()
    }

    /// Whether a record is no row: blank, a title, a page number, a total, or the header again.
    pub(super) fn is_furniture(&self, record: &StringRecord) -> bool {
        self.head.is_furniture(record, &self.known)
    }

    /// How the file holds marks, when not one a row.
    pub(super) fn register(&self) -> Option<(&Register, Places)> {
        self.register.as_ref().map(|(register, places)| (register, *places))
    }

    /// Reads a record into a row: one cell for each column. Returns the member it belongs to.
    pub(super) fn read<'r>(
        &mut self,
        line: u64,
        record: &'r StringRecord,
        meaning: &Meaning<'_>,
        row: &mut Vec<Cell>,
    ) -> Result<&'r str, Complaint> {
        let wrong = |column: &str, text: String| {
            Err(Complaint { column: column.to_owned(), kind: ProblemKind::BadValue, text })
        };
        let width = self.head.width();
        if record.len() < width || record.iter().skip(width).any(|text| !clean(text).is_empty()) {
            let fields = record.len();
            let advice = "put text that holds a comma or a line break into double quotes";
            return wrong("", format!("it has {fields} fields, the header {width}; {advice}"));
        }
        let member = match &self.split {
            None => "",
            Some((at, _)) => match record.get(*at).map(clean) {
                None | Some("") => {
                    return wrong(SPLIT, "it is empty, so the row belongs to no member; fill it in".into());
                }
                Some(member) => member,
            },
        };
        row.clear();
        for field in &mut self.fields {
            let text = field.at.and_then(|at| record.get(at)).map_or("", clean);
            let by_register = field.by_register;
            row.push(if by_register {
                Cell::Null
            } else {
                field.read(line, text, meaning, &mut self.days)?
            });
        }
        Ok(member)
    }

    /// A record's marks, and what is wrong with some: the field, the complaint, the marks it costs.
    pub(super) fn marks(
        &mut self,
        line: u64,
        record: &StringRecord,
        marks: &mut Vec<Mark>,
    ) -> Vec<(usize, Complaint, usize)> {
        let Self { register, days, .. } = self;
        register.as_ref().map_or_else(Vec::new, |(register, _)| register.marks(line, record, days, marks))
    }

    /// Reads one of a record's marks into its row.
    pub(super) fn read_mark(
        &mut self,
        line: u64,
        record: &StringRecord,
        mark: &Mark,
        meaning: &Meaning<'_>,
        row: &mut [Cell],
    ) -> Result<(), Complaint> {
        let Some((_, places)) = &self.register else { return Ok(()) };
        if let Some(day) = mark.day {
            row[places.date] = i32::try_from(day.0).map_or(Cell::Null, Cell::Date);
        }
        if let Some(session) = mark.session {
            row[places.session] = self.fields[places.session].read(line, session, meaning, &mut self.days)?;
        }
        let text = record.get(mark.at).and_then(|text| text.get(mark.within.clone())).map_or("", clean);
        row[places.code] = self.fields[places.code].read(line, text, meaning, &mut self.days)?;
        Ok(())
    }

    /// What to say of a row whose key stood before.
    pub(super) fn copy(&self) -> Complaint {
        let text = format!("another row has the same {}; keep one", self.key.join(", "));
        Complaint { column: self.key[0].clone(), kind: ProblemKind::Duplicate, text }
    }

    /// At the file's end. Errors: its days read only the other way round.
    pub(super) fn finish(&self) -> Result<(), String> {
        self.days.finish()
    }
}

impl Field<'_> {
    fn read(
        &mut self,
        line: u64,
        text: &str,
        meaning: &Meaning<'_>,
        days: &mut DayReader,
    ) -> Result<Cell, Complaint> {
        if text.is_empty() && !self.needed {
            return Ok(Cell::Null);
        }
        if let Some(cell) = self.learnt.get(text) {
            return Ok(cell.clone());
        }
        let (column, needed) = (self.column, self.needed);
        let mut read = |text: &str| read_value(column, needed, text, &mut |text| days.read(line, text));
        let cell = read(text).or_else(|error| match meaning.other_spelling(column, text) {
            Some(other) => read(&other),
            None => Err(error),
        });
        let kind = match column.kind {
            Kind::Date => ProblemKind::BadDate,
            Kind::Text if column.name == "code" => ProblemKind::BadCode,
            Kind::Text | Kind::Number | Kind::Integer | Kind::Bool => ProblemKind::BadValue,
        };
        let cell = cell.map_err(|text| Complaint { column: column.name.clone(), kind, text })?;
        if matches!(column.kind, Kind::Text | Kind::Date) {
            if self.learnt.len() == LEARNT_MAX {
                self.learnt.clear();
            }
            self.learnt.insert(text.into(), cell.clone());
        }
        Ok(cell)
    }
}

/// Fields that the person here named for columns; `None` of a column that they said the file does not have.
pub(super) fn told<'o>(
    head: &Head,
    vocabulary: &Vocabulary,
    options: &'o Options,
) -> Result<HashMap<&'o str, Option<usize>>, String> {
    let mut told = HashMap::new();
    for (column, header) in &options.columns {
        if vocabulary.column(column).is_none() {
            let names: Vec<String> = vocabulary.columns().iter().map(|column| column.name.clone()).collect();
            return Err(format!(
                "{} has no column `{column}`; it has {}",
                vocabulary.name(),
                backticked(&names)
            ));
        }
        if header.trim().is_empty() {
            told.insert(column.as_str(), None);
            continue;
        }
        let exact = head.shown.iter().position(|shown| shown == header.trim());
        let at = exact.or_else(|| head.shown.iter().position(|shown| folded(shown) == folded(header)));
        let at = at.ok_or_else(|| {
            format!("there is no header `{header}` for `{column}`; it has {}", backticked(&head.shown))
        })?;
        told.insert(column.as_str(), Some(at));
    }
    Ok(told)
}

/// A file must have the columns that every row needs, and the key's: without one of those each row would
/// look like a copy of the first.
fn check_missing(head: &Head, vocabulary: &Vocabulary, fields: &[Field<'_>]) -> Result<(), String> {
    let of_key = |column: &Column| vocabulary.key().contains(&column.name) && !column.derived;
    let missing = fields.iter().filter(|field| field.at.is_none() && !field.by_register);
    let missing = missing.filter(|field| field.needed || of_key(field.column));
    let missing: Vec<String> = missing.map(|field| field.column.name.clone()).collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let there = if missing.len() == 1 { "there is no column" } else { "there are no columns" };
    Err(format!(
        "{there} {}; it has {}; if one of them is, say so: --column {first}=HEADER",
        backticked(&missing),
        backticked(&head.shown)
    ))
}

/// Several headers may be a column: the person here must say which.
fn which(column: &Column, hits: &[usize], head: &Head) -> String {
    let name = &column.name;
    let headers: Vec<String> = hits.iter().map(|at| head.shown[*at].clone()).collect();
    if headers.iter().all(|header| folded(header) == folded(&headers[0])) {
        return format!("column `{name}` stands {} times; remove all but one", hits.len());
    }
    let last = headers.last().map_or("", String::as_str);
    format!("{} may each be `{name}`; say which, such as --column {name}=\"{last}\"", backticked(&headers))
}

fn split_at(head: &Head, by: &str) -> Result<usize, String> {
    let at = head.shown.iter().position(|header| folded(header) == folded(by));
    at.ok_or_else(|| format!("there is no column `{by}` to split by; it has {}", backticked(&head.shown)))
}

/// How the file holds marks, when not one a row; its columns of them are marked as said by it.
fn find_register(
    head: &Head,
    vocabulary: &Vocabulary,
    fields: &mut [Field<'_>],
    days: &mut DayReader,
    used: &HashSet<usize>,
) -> Result<Option<(Register, Places)>, String> {
    let Some(places) = Places::of(vocabulary) else { return Ok(None) };
    let at = [places.date, places.session, places.code].map(|place| fields[place].at);
    let Some(register) = Register::find(head, at, &|at| !used.contains(&at), days)? else { return Ok(None) };
    let by_register = [(places.date, !register.row_date), (places.session, !register.row_session)];
    for (place, is) in by_register.into_iter().chain([(places.code, true)]) {
        fields[place].by_register = is;
        if is {
            fields[place].at = None;
        }
    }
    Ok(Some((register, places)))
}
