//! What the values of a row mean: the last word on a row between reading and writing. Must not know
//! files, headers or formats. Each shipped vocabulary has its rules in a file of its own.

use std::collections::HashMap;
use std::sync::Arc;

use datacoop_policy::Day;
use datacoop_policy::vocabulary::{Column, Unit, Vocabulary};

use super::attendance::Attendance;
use super::behaviour::Behaviour;
use super::charity::{Beneficiaries, Outcomes, Participation};
use super::pupils::Pupils;
use super::results::Results;
use super::sessions::Sessions;
use super::{Cell, Complaint, ImportError, Options, ProblemKind, Report, codes, spelling};

/// Goes with one file, row by row, in the file's order.
pub(super) struct Meaning<'a> {
    rules: Rules,
    vocabulary: &'a Vocabulary,
    places: Places,
    options: Options,
    /// Where the person and the day are in a row.
    unit: Option<usize>,
    date: Option<usize>,
}

/// The rules of one vocabulary.
enum Rules {
    /// Of one that a user wrote: values mean what they say.
    Plain,
    Pupils(Pupils),
    Attendance(Box<Attendance>),
    Results(Box<Results>),
    Behaviour(Behaviour),
    Beneficiaries(Beneficiaries),
    Participation(Participation),
    Outcomes(Box<Outcomes>),
}

/// What the first time through a file told that the second needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Settled {
    Sessions(Sessions),
    Results(super::results::Gathered),
    Outcomes(super::charity::Gathered),
}

/// Which place of a row is which column.
#[derive(Clone, Default)]
pub(super) struct Places(HashMap<String, usize>);

impl Places {
    /// `None` where the vocabulary has no such column.
    pub(super) fn get(&self, name: &str) -> Option<usize> {
        self.0.get(name).copied()
    }
}

/// The text of a cell; empty where there is none.
pub(super) fn text_at(row: &[Cell], at: Option<usize>) -> &str {
    match at.map(|at| &row[at]) {
        Some(Cell::Text(text)) => text,
        Some(Cell::Null | Cell::Number(_) | Cell::Integer(_) | Cell::Bool(_) | Cell::Date(_)) | None => "",
    }
}

/// The number of a cell.
pub(super) fn number_at(row: &[Cell], at: Option<usize>) -> Option<f64> {
    match at.map(|at| &row[at]) {
        Some(Cell::Number(number)) => Some(*number),
        Some(Cell::Integer(number)) => Some(*number as f64),
        Some(Cell::Null | Cell::Text(_) | Cell::Bool(_) | Cell::Date(_)) | None => None,
    }
}

/// A number in whole parts of one.
#[expect(clippy::cast_possible_truncation, reason = "rounded; a cast saturates, and columns have bounds")]
pub(super) fn whole_parts(number: f64, parts: f64) -> i64 {
    (number * parts).round() as i64
}

/// The day of a cell.
pub(super) fn day_at(row: &[Cell], at: Option<usize>) -> Option<Day> {
    match at.map(|at| &row[at]) {
        Some(Cell::Date(day)) => Some(Day(i64::from(*day))),
        Some(Cell::Null | Cell::Text(_) | Cell::Bool(_) | Cell::Number(_) | Cell::Integer(_)) | None => None,
    }
}

/// Puts a value where the vocabulary has a column for it.
pub(super) fn put(row: &mut [Cell], at: Option<usize>, cell: Cell) {
    if let Some(at) = at {
        row[at] = cell;
    }
}

/// A day as a cell.
pub(super) fn date_cell(day: Option<Day>) -> Cell {
    day.and_then(|day| i32::try_from(day.0).ok()).map_or(Cell::Null, Cell::Date)
}

pub(super) fn complain(column: &str, kind: ProblemKind, text: impl Into<String>) -> Complaint {
    Complaint { column: column.to_owned(), kind, text: text.into() }
}

impl<'a> Meaning<'a> {
    /// Begins a file. `columns` are a row's, in order; `present` tells those that the file has.
    ///
    /// Errors: columns of which the file needs one or another.
    pub(super) fn new(
        vocabulary: &'a Vocabulary,
        columns: Vec<&'a Column>,
        present: &dyn Fn(&str) -> bool,
        options: &Options,
    ) -> Result<Self, ImportError> {
        let places = columns.iter().enumerate().map(|(at, column)| (column.name.clone(), at)).collect();
        let places = Places(places);
        let id = vocabulary.name().split('/').next().unwrap_or("");
        let rules = match id {
            "pupils" => Rules::Pupils(Pupils::new(&places, options)),
            "attendance" => Rules::Attendance(Box::new(Attendance::new(&places, present, options)?)),
            "attainment" => Rules::Results(Box::new(Results::new(&places, vocabulary, options))),
            "behaviour" => Rules::Behaviour(Behaviour::new(&places, options)),
            "vcse_beneficiaries" => Rules::Beneficiaries(Beneficiaries::new(&places, present)?),
            "vcse_participation" => Rules::Participation(Participation::new(&places, options)),
            "vcse_outcomes" => Rules::Outcomes(Box::new(Outcomes::new(&places, options))),
            _ => Rules::Plain,
        };
        let unit = match vocabulary.unit() {
            Unit::Column(name) => places.get(name),
            Unit::Row => None,
        };
        let date = vocabulary.date_column().and_then(|column| places.get(&column.name));
        Ok(Self { rules, vocabulary, places, options: options.clone(), unit, date })
    }

    /// Another spelling of a value that its column does not allow, perhaps an empty one of a column
    /// that needs one; it is then read in its place.
    pub(super) fn other_spelling(&self, column: &Column, text: &str) -> Option<String> {
        match self.rules {
            Rules::Plain => spelling::same_letters(column, text),
            Rules::Attendance(_) if column.name == "code" => codes::code_of(text).map(str::to_owned),
            Rules::Pupils(_)
            | Rules::Attendance(_)
            | Rules::Results(_)
            | Rules::Behaviour(_)
            | Rules::Beneficiaries(_)
            | Rules::Participation(_)
            | Rules::Outcomes(_) => spelling::meant(column, text),
        }
    }

    /// Whether rows of one key are told apart here, so that none is refused as a copy.
    pub(super) fn settles_copies(&self) -> bool {
        matches!(self.rules, Rules::Attendance(_))
    }

    /// Works on a row of a member in place: a cell for each column. Returns whether the row stays;
    /// further rows that it stands for go to `more`. Errors: what is wrong with the row, which is then
    /// left out.
    pub(super) fn complete(
        &mut self,
        member: &str,
        row: &mut [Cell],
        more: &mut Vec<Vec<Cell>>,
    ) -> Result<bool, Complaint> {
        if let (Some(at), Some(day)) = (self.date, self.options.day)
            && row[at] == Cell::Null
        {
            row[at] = date_cell(Some(day));
        }
        self.check_day(row)?;
        self.check_person(row)?;
        match &mut self.rules {
            Rules::Plain => {}
            Rules::Pupils(rules) => rules.complete(row)?,
            Rules::Attendance(rules) => rules.complete(member, row, more)?,
            Rules::Results(rules) => rules.complete(member, row)?,
            Rules::Behaviour(rules) => rules.complete(member, row)?,
            Rules::Beneficiaries(rules) => rules.complete(row)?,
            Rules::Participation(rules) => rules.complete(member, row)?,
            Rules::Outcomes(rules) => rules.complete(member, row)?,
        }
        Ok(true)
    }

    fn check_day(&self, row: &[Cell]) -> Result<(), Complaint> {
        let (Some((first, last)), Some(day)) = (self.options.days, day_at(row, self.date)) else {
            return Ok(());
        };
        if (first..=last).contains(&day) {
            return Ok(());
        }
        let text = format!("{day} is not from {first} to {last}, the days this import is for");
        Err(complain("date", ProblemKind::OutsideYear, text))
    }

    /// A row about somebody must be about somebody we know, where the unit's own table is here.
    fn check_person(&self, row: &[Cell]) -> Result<(), Complaint> {
        let owns = matches!(self.rules, Rules::Pupils(_) | Rules::Beneficiaries(_) | Rules::Plain);
        let (Some(people), false) = (&self.options.context.people, owns) else { return Ok(()) };
        if people.contains_key(text_at(row, self.unit)) {
            return Ok(());
        }
        let (Some(unit), dataset) = (self.unit, self.vocabulary.dataset()) else { return Ok(()) };
        let column = self.places.0.iter().find(|(_, at)| **at == unit).map_or("", |(name, _)| name);
        let text =
            format!("nobody of this number is among the {dataset} imported; import them first, or again");
        Err(complain(column, ProblemKind::UnknownPupil, text))
    }

    /// Ends a file: what only all of its rows tell, such as that it must be read again. Errors: why
    /// nothing of it may be imported.
    pub(super) fn finish(self, report: &mut Report) -> Result<(), ImportError> {
        // Only a register has a row for every school day.
        let is_register = matches!(self.rules, Rules::Attendance(_));
        match self.rules {
            Rules::Plain => {}
            Rules::Pupils(rules) => rules.finish(report),
            Rules::Attendance(rules) => rules.finish(report)?,
            Rules::Results(rules) => rules.finish(report)?,
            Rules::Behaviour(rules) => rules.finish(report),
            Rules::Beneficiaries(_) => {}
            Rules::Participation(rules) => rules.finish(report),
            Rules::Outcomes(rules) => rules.finish(report)?,
        }
        if is_register && report.again.is_none() {
            report.compare_days(&self.options.terms);
        }
        Ok(())
    }
}

/// One shared text for each value of a closed list, so that a million cells need no million texts.
pub(super) fn shared<const N: usize>(texts: [&str; N]) -> [Arc<str>; N] {
    texts.map(Arc::from)
}
