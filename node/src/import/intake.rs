//! From a file's records to the rows that are kept of them.

use csv::StringRecord;
use datacoop_policy::Day;
use datacoop_policy::vocabulary::Vocabulary;

use super::keys::{KEYS_MAX, Keys, Seen};
use super::layout::Layout;
use super::meaning::Meaning;
use super::quarantine::Quarantine;
use super::register::Mark;
use super::{Cell, Complaint, Each, ImportError, Report, is_kept, read_columns};

/// Takes a file's records one by one.
pub(super) struct Intake<'a> {
    layout: Layout<'a>,
    meaning: Meaning<'a>,
    each: Each<'a>,
    keys: Keys,
    /// Where the key's columns are in a row.
    key: Vec<usize>,
    /// Where the kept columns are in a row.
    kept: Vec<usize>,
    /// Where the day is in a row.
    date: Option<usize>,
    /// The day of the rows counted last, and how many they are: neighbours share a day.
    day: (i32, u64),
    // To be used again: a million rows need no million vectors.
    row: Vec<Cell>,
    more: Vec<Vec<Cell>>,
    written: Vec<Cell>,
    marks: Vec<Mark>,
    quarantine: Option<Quarantine>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        vocabulary: &'a Vocabulary,
        layout: Layout<'a>,
        meaning: Meaning<'a>,
        each: Each<'a>,
        quarantine: Option<Quarantine>,
    ) -> Self {
        let columns = read_columns(vocabulary);
        let place = |name: &str| columns.iter().position(|column| column.name == name);
        let settled = meaning.settles_copies();
        let key = vocabulary.key().iter().filter(|_| !settled).filter_map(|name| place(name)).collect();
        let kept = (0..columns.len()).filter(|at| is_kept(vocabulary, columns[*at])).collect();
        let date = vocabulary.date_column().and_then(|column| place(&column.name));
        let (row, more, written, marks) = (vec![], vec![], vec![], vec![]);
        let (keys, day) = (Keys::default(), (0, 0));
        Self { layout, meaning, each, keys, key, kept, date, day, row, more, written, marks, quarantine }
    }

    /// Takes the record of a file's line. Errors: why the file cannot be imported.
    pub(super) fn take(
        &mut self,
        line: u64,
        record: &StringRecord,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        if self.layout.is_furniture(record) {
            report.lines_skipped += 1;
            return Ok(());
        }
        if let Some(quarantine) = &mut self.quarantine {
            quarantine.at(record);
        }
        let rows = self.layout.register().map_or(1, |(register, _)| register.marks_per_record());
        report.rows_read += rows as u64;
        let mut row = std::mem::take(&mut self.row);
        let taken = match self.layout.read(line, record, &self.meaning, &mut row) {
            Ok(member) if self.layout.register().is_some() => {
                self.take_marks(line, record, member, &mut row, report)
            }
            Ok(member) => self.complete(line, member, &mut row, None, report),
            Err(complaint) => {
                self.refuse(line, None, complaint, rows, report);
                Ok(())
            }
        };
        self.row = row;
        taken
    }

    fn take_marks(
        &mut self,
        line: u64,
        record: &StringRecord,
        member: &str,
        row: &mut Vec<Cell>,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        let mut marks = std::mem::take(&mut self.marks);
        for (at, complaint, rows) in self.layout.marks(line, record, &mut marks) {
            self.refuse(line, Some(at), complaint, rows, report);
        }
        let person = row.clone();
        for mark in &marks {
            row.clone_from(&person);
            match self.layout.read_mark(line, record, mark, &self.meaning, row) {
                Ok(()) => self.complete(line, member, row, Some(mark.at), report)?,
                Err(complaint) => self.refuse(line, Some(mark.at), complaint, 1, report),
            }
        }
        self.marks = marks;
        Ok(())
    }

    /// Hands a row to its meaning, and keeps what comes of it.
    fn complete(
        &mut self,
        line: u64,
        member: &str,
        row: &mut [Cell],
        mark: Option<usize>,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        let mut more = std::mem::take(&mut self.more);
        match self.meaning.complete(member, row, &mut more) {
            Ok(stays) => {
                for row in stays.then_some(&*row).into_iter().chain(more.iter().map(Vec::as_slice)) {
                    self.keep(line, member, row, report)?;
                }
            }
            Err(complaint) => self.refuse(line, mark, complaint, 1, report),
        }
        more.clear();
        self.more = more;
        Ok(())
    }

    fn keep(
        &mut self,
        line: u64,
        member: &str,
        row: &[Cell],
        report: &mut Report,
    ) -> Result<(), ImportError> {
        if !self.key.is_empty() {
            match self.keys.add(member, self.key.iter().map(|at| &row[*at])) {
                Seen::New => {}
                Seen::Before => {
                    self.refuse(line, None, self.layout.copy(), 1, report);
                    return Ok(());
                }
                Seen::Full => {
                    return Err(ImportError(format!(
                        "more than {KEYS_MAX} rows, too many to find copies among; import it in parts"
                    )));
                }
            }
        }
        if let Some(Cell::Date(day)) = self.date.map(|at| &row[at]) {
            if self.day.0 != *day {
                self.count_day(report);
                self.day = (*day, 0);
            }
            self.day.1 += 1;
        }
        self.written.clear();
        self.written.extend(self.kept.iter().map(|at| row[*at].clone()));
        (self.each)(member, &self.written)?;
        report.rows_kept += 1;
        Ok(())
    }

    fn count_day(&self, report: &mut Report) {
        if self.day.1 > 0 {
            *report.rows_by_day.entry(Day(i64::from(self.day.0))).or_default() += self.day.1;
        }
    }

    fn refuse(
        &mut self,
        line: u64,
        mark: Option<usize>,
        complaint: Complaint,
        rows: usize,
        report: &mut Report,
    ) {
        let header = self.layout.header(&complaint.column, mark);
        if let Some(quarantine) = &mut self.quarantine {
            quarantine.keep(line, &header, complaint.kind, &complaint.text);
        }
        report.refuse(line, header, complaint, rows as u64);
    }

    /// Ends the file. Errors: why nothing of it may be imported.
    pub(super) fn finish(self, name: &str, report: &mut Report) -> Result<(), ImportError> {
        self.count_day(report);
        self.quarantine.map_or(Ok(()), Quarantine::finish)?;
        self.layout.finish().map_err(|what| ImportError(format!("{name}: {what}")))?;
        self.meaning.finish(report).map_err(|what| ImportError(format!("{name}: {what}")))
    }
}
