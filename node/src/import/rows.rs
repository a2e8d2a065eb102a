//! A file's records as CSV, with the lines they stand on.

use std::collections::VecDeque;
use std::io::Read;

use super::ImportError;
use super::source::Source;

/// Passes a file on and notes on which lines rows may begin: those that are not blank.
///
/// Why: a csv reader counts the blank lines before a row to the row.
pub(super) struct Lines<R> {
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
    pub(super) fn line_from(&mut self, byte: u64) -> u64 {
        while self.starts.front().is_some_and(|(start, _)| *start < byte) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }
}

pub(super) type CsvReader<R> = csv::Reader<Lines<R>>;

pub(super) fn csv_reader(source: Source) -> CsvReader<Box<dyn Read>> {
    let mut builder = csv::ReaderBuilder::new();
    builder.trim(csv::Trim::All).delimiter(source.delimiter).from_reader(Lines::new(source.reader))
}

pub(super) fn read_headers<R: Read>(
    name: &str,
    reader: &mut CsvReader<R>,
) -> Result<csv::StringRecord, ImportError> {
    let headers = reader.headers().map_err(|error| unreadable(name, None, &error))?.clone();
    if headers.iter().all(str::is_empty) {
        return Err(ImportError(format!("{name} is empty; it needs a header row and data")));
    }
    Ok(headers)
}

/// Why a file cannot be read as CSV, each cause with its own remedy.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are the operating system's, or never happen")]
pub(super) fn unreadable(name: &str, row: Option<u64>, error: &csv::Error) -> ImportError {
    let row = row.map_or_else(String::new, |row| format!(" row {row}"));
    ImportError(match error.kind() {
        csv::ErrorKind::Utf8 { .. } => {
            format!("{name}{row} is not text in UTF-8; save it again as CSV in UTF-8")
        }
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "{name}{row} has {len} fields, the header {expected_len}; put text that holds a comma into double quotes"
        ),
        _ => format!("{name}: {error}"),
    })
}
