//! A file's records as CSV, with the lines they stand on.

use std::collections::VecDeque;
use std::io::Read;

use csv::StringRecord;

use super::ImportError;
use super::source::Source;

/// Lines of one record: a quoted text has a few, a quote that is never closed has all that follow.
const RECORD_LINES_MAX: u64 = 200;

/// Passes a file on and notes on which lines rows may begin: those that are not blank.
///
/// Why: a csv reader counts the blank lines before a row to the row.
struct Lines<R> {
    source: R,
    offset: u64,
    line: u64,
    at_start: bool,
    /// Byte and number of each line that is not blank, from the current row on.
    starts: VecDeque<(u64, u64)>,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.source.read(buffer)?;
        for byte in &buffer[..length] {
            let ends = matches!(byte, b'\r' | b'\n');
            if self.at_start && !ends {
                self.starts.push_back((self.offset, self.line));
            }
            self.at_start = ends;
            self.line += u64::from(*byte == b'\n');
            self.offset += 1;
        }
        Ok(length)
    }
}

impl<R> Lines<R> {
    fn new(source: R) -> Self {
        Self { source, offset: 0, line: 1, at_start: true, starts: VecDeque::new() }
    }

    /// The line of the row that the reader found from this byte on.
    fn line_from(&mut self, byte: u64) -> u64 {
        while self.starts.front().is_some_and(|(start, _)| *start < byte) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }
}

/// The records of a file, whatever their widths.
pub(super) struct Records {
    name: String,
    /// Columns that no file of this format has.
    pub(super) lacks: &'static [&'static str],
    reader: csv::Reader<Lines<Box<dyn Read>>>,
    /// Read ahead to find the header; given out first.
    ahead: VecDeque<(u64, StringRecord)>,
}

impl Records {
    pub(super) fn new(source: Source) -> Self {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).delimiter(source.delimiter);
        let reader = builder.from_reader(Lines::new(source.reader));
        Self { name: source.name, lacks: source.lacks, reader, ahead: VecDeque::new() }
    }

    /// The first so many records; they come again.
    pub(super) fn peek(&mut self, count: usize) -> Result<&VecDeque<(u64, StringRecord)>, ImportError> {
        while self.ahead.len() < count {
            let mut record = StringRecord::new();
            match self.read(&mut record)? {
                Some(line) => self.ahead.push_back((line, record)),
                None => break,
            }
        }
        Ok(&self.ahead)
    }

    /// The next record and the line it begins on.
    pub(super) fn next(&mut self, record: &mut StringRecord) -> Result<Option<u64>, ImportError> {
        if let Some((line, ahead)) = self.ahead.pop_front() {
            *record = ahead;
            return Ok(Some(line));
        }
        self.read(record)
    }

    fn read(&mut self, record: &mut StringRecord) -> Result<Option<u64>, ImportError> {
        match self.reader.read_record(record) {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => {
                let at = error.position().map(csv::Position::byte);
                let row = at.map(|at| self.reader.get_mut().line_from(at));
                return Err(unreadable(&self.name, row, &error));
            }
        }
        let (first, lines) = match record.position() {
            Some(at) => (at.byte(), self.reader.position().line().saturating_sub(at.line())),
            None => (0, 0),
        };
        let line = self.reader.get_mut().line_from(first);
        if lines > RECORD_LINES_MAX
            && record.iter().any(|field| field.lines().count() as u64 > RECORD_LINES_MAX)
        {
            return Err(ImportError(format!(
                "{} row {line} goes on for {lines} lines: a double quote in it is never closed; remove it",
                self.name
            )));
        }
        Ok(Some(line))
    }
}

/// Why a file cannot be read as CSV, each cause with its own remedy.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are the operating system's, or never happen")]
fn unreadable(name: &str, row: Option<u64>, error: &csv::Error) -> ImportError {
    let row = row.map_or_else(String::new, |row| format!(" row {row}"));
    ImportError(match error.kind() {
        csv::ErrorKind::Utf8 { .. } => {
            format!("{name}{row} is not text in UTF-8; save it again as CSV in UTF-8")
        }
        csv::ErrorKind::Io(error) => format!("{name}: {error}"),
        _ => format!("{name}{row}: {error}"),
    })
}
