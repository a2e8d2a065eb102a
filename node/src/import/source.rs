//! Data files as programs write them: text in UTF-8, UTF-16 or Windows-1252, split by commas,
//! semicolons or tabs; Excel and OpenDocument workbooks; Parquet; common
//! transfer files; JSON. What comes out is CSV in UTF-8, line for
//! line. Alone imports calamine and the decoder. Must not know vocabularies.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek as _};
use std::path::Path;

use calamine::{Cell, Data, Range, Reader as _, Sheets, XlsxError};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::DecodeReaderBytesBuilder;

use super::csv_text::CsvText;
use super::ctf::{self, CTF_BYTES_MAX, Ctf};
use super::head::HEAD_RECORDS_MAX;
use super::{json, unpacked};
use crate::import::ImportError;

/// How much of a file is looked at to tell its encoding and its delimiter: a header row is shorter.
const HEAD_BYTES: usize = 64 * 1024;
/// How far into a file a web page says that it is one.
const HTML_CHARS: usize = 512;
/// Rows of a sheet: what Excel's own format can hold.
const SHEET_ROWS_MAX: u32 = 1_048_576;
/// Columns of a sheet: as many as that can hold.
const SHEET_COLUMNS_MAX: u32 = 16_384;
/// Cells of the rectangle from a sheet's first cell with something in it to its last: all rows of a sheet, in 24
/// columns. About 2 GB of memory while it is read, and their texts. A file of a few kB with one cell in its last corner claims
/// 17,179,869,184.
const SHEET_CELLS_MAX: u64 = SHEET_ROWS_MAX as u64 * 24;
/// Text in a sheet's cells, with what each takes beside its letters, and as much as a file that is taken in a browser
/// may have for these. A workbook names a text once, however many cells show it.
const SHEET_TEXT_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// What a text takes in memory beside its letters: what an allocator rounds up to, and notes.
const TEXT_AROUND_BYTES: usize = 32;

/// A file, ready to be read as CSV in UTF-8.
pub struct Source {
    /// What to call it: the file's name.
    pub name: String,
    /// The bytes.
    pub reader: Box<dyn Read>,
    /// What fields are split by.
    pub delimiter: u8,
    /// How it was understood, in words; `None` of plain CSV in UTF-8.
    pub read_as: Option<String>,
    /// Columns that no file of this format has, so that none can be asked for them.
    pub lacks: &'static [&'static str],
}

impl Source {
    /// CSV that we made of another format.
    fn made(name: String, text: impl Read + 'static, read_as: String) -> Self {
        Self { name, reader: Box::new(text), delimiter: b',', read_as: Some(read_as), lacks: &[] }
    }
}

/// How well a table's first records fit what is wanted.
pub(super) type Fit<'a> = &'a dyn Fn(Vec<csv::StringRecord>) -> usize;

/// Opens a data file; of a workbook the first sheet with anything in it. Errors: it cannot be read, or
/// is none; each with the remedy.
pub fn open(path: &Path) -> Result<Source, ImportError> {
    open_for(path, &|_| 0)
}

/// Opens a data file; of a workbook the sheet that fits best, of equals the first with anything in it.
pub(super) fn open_for(path: &Path, fit: Fit<'_>) -> Result<Source, ImportError> {
    let name = path
        .file_name()
        .map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let wrong = |error: &dyn std::fmt::Display| ImportError(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(|error| wrong(&error))?;
    let mut head = vec![];
    (&mut file).take(HEAD_BYTES as u64).read_to_end(&mut head).map_err(|error| wrong(&error))?;
    if is_workbook(&head) {
        return open_workbook(path, name, fit);
    }
    if head.starts_with(b"PAR1") {
        return open_parquet(path, name);
    }
    if head.starts_with(b"%PDF") {
        return Err(ImportError(format!(
            "{name} is a PDF; export the report as CSV or as an Excel workbook"
        )));
    }
    let encoding = match encoding_of_head(&head) {
        Some(encoding) => encoding,
        None => {
            file.rewind().map_err(|error| wrong(&error))?;
            if is_utf8(&mut file).map_err(|error| wrong(&error))? { UTF_8 } else { WINDOWS_1252 }
        }
    };
    if !matches!(encoding.name(), "UTF-16LE" | "UTF-16BE") && head.contains(&0) {
        return Err(ImportError(format!("{name} is no text; save it as CSV or as an Excel workbook")));
    }
    file.rewind().map_err(|error| wrong(&error))?;
    let mut start = String::new();
    let decoded_head = decoded(Cursor::new(head), encoding).read_to_string(&mut start);
    if is_html(&start) {
        return Err(ImportError(format!(
            "{name} is a web page, whatever its name says; open it in Excel and save it as .xlsx, or as CSV"
        )));
    }
    if ctf::is_xml(&start) {
        return open_ctf(name, decoded(file, encoding));
    }
    if json::is_json(&start) {
        return open_json(name, decoded(file, encoding));
    }
    let delimiter = decoded_head.map_or(b',', |_| delimiter_of(&start));
    let read_as = describe(encoding, delimiter);
    Ok(Source { name, reader: Box::new(decoded(file, encoding)), delimiter, read_as, lacks: &[] })
}

#[cfg(test)]
impl Source {
    /// A file called `f.csv`, taken as UTF-8 as it stands.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let delimiter = delimiter_of(&String::from_utf8_lossy(bytes));
        Self {
            name: "f.csv".into(),
            reader: Box::new(Cursor::new(bytes.to_vec())),
            delimiter,
            read_as: None,
            lacks: &[],
        }
    }
}

fn decoded(bytes: impl Read + 'static, encoding: &'static Encoding) -> impl Read {
    DecodeReaderBytesBuilder::new().encoding(Some(encoding)).strip_bom(true).build(bytes)
}

/// A zip archive, as xlsx and ods are, or an old compound file, as xls is.
fn is_workbook(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0])
}

/// A table in HTML, as some systems write what they call .xls.
fn is_html(head: &str) -> bool {
    let head: String = head.trim_start().chars().take(HTML_CHARS).collect();
    let head = head.to_ascii_lowercase();
    head.starts_with('<') && ["<!doctype html", "<html", "<table"].iter().any(|tag| head.contains(tag))
}

/// The encoding that a file's first bytes give away: a byte order mark, or zeros where UTF-16 has them.
fn encoding_of_head(head: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(head) {
        return Some(encoding);
    }
    let zeros = |first: usize| head.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let pairs = head.len() / 2;
    match (zeros(0), zeros(1)) {
        (0, odd) if pairs > 0 && odd * 2 > pairs => Some(UTF_16LE),
        (even, 0) if pairs > 0 && even * 2 > pairs => Some(UTF_16BE),
        _ => None,
    }
}

/// Whether all of a file is UTF-8: one letter outside ASCII far down tells the encoding of the whole.
fn is_utf8(file: &mut impl Read) -> io::Result<bool> {
    let mut buffer = vec![0; HEAD_BYTES];
    let mut held = 0;
    loop {
        let read = file.read(&mut buffer[held..])?;
        let end = held + read;
        match std::str::from_utf8(&buffer[..end]) {
            Ok(_) => held = 0,
            // A letter cut in two by the block's end is no error yet.
            Err(error) if error.error_len().is_none() && read > 0 => {
                buffer.copy_within(error.valid_up_to()..end, 0);
                held = end - error.valid_up_to();
            }
            Err(_) => return Ok(false),
        }
        if read == 0 {
            return Ok(held == 0);
        }
    }
}

/// What splits most of the first lines: of comma, semicolon and tab the one that stands equally often
/// in the most of them, outside quotes; of equals the one that stands there more often, then the comma.
fn delimiter_of(text: &str) -> u8 {
    const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];
    let mut lines: [BTreeMap<u32, usize>; 3] = Default::default();
    let (mut counts, mut quoted) = ([0; 3], false);
    for byte in text.bytes().chain([b'\n']) {
        quoted ^= byte == b'"';
        if let Some(at) = DELIMITERS.iter().position(|delimiter| *delimiter == byte && !quoted) {
            counts[at] += 1;
        }
        if byte == b'\n' && !quoted {
            for (lines, count) in lines.iter_mut().zip(std::mem::take(&mut counts)) {
                *lines.entry(count).or_default() += usize::from(count > 0);
            }
        }
    }
    let most = |lines: &BTreeMap<u32, usize>| lines.iter().map(|(count, lines)| (*lines, *count)).max();
    let best = (0..DELIMITERS.len()).rev().max_by_key(|at| most(&lines[*at]));
    best.map_or(b',', |at| DELIMITERS[at])
}

fn describe(encoding: &'static Encoding, delimiter: u8) -> Option<String> {
    let split = match delimiter {
        b';' => ", fields split by semicolons",
        b'\t' => ", fields split by tabs",
        _ => "",
    };
    let plain = encoding == UTF_8 && split.is_empty();
    (!plain).then(|| format!("text in {}{split}", encoding.name()))
}

fn open_ctf(name: String, text: impl Read + 'static) -> Result<Source, ImportError> {
    let wrong = |error: &dyn std::fmt::Display| ImportError(format!("{name}: {error}"));
    let mut pupils = Ctf::new(BufReader::new(text.take(CTF_BYTES_MAX))).peekable();
    // The first pupil, for what is wrong with the whole file to be said at once.
    match pupils.peek() {
        None => return Err(wrong(&"it has no pupils; is it the right file?")),
        Some(Err(error)) => return Err(wrong(error)),
        Some(Ok(_)) => {}
    }
    let header = ctf::HEADER.map(str::to_owned).to_vec();
    let text = CsvText::new(header, pupils).map_err(|error| wrong(&error))?;
    let read_as = "a common transfer file: pupils by UPN, the first of them row 2".into();
    Ok(Source { lacks: ctf::LACKS, ..Source::made(name, text, read_as) })
}

fn open_json(name: String, text: impl Read) -> Result<Source, ImportError> {
    let wrong = |error: &dyn std::fmt::Display| ImportError(format!("{name}: {error}"));
    let (header, records) = json::records(BufReader::new(text)).map_err(|error| wrong(&error))?;
    let text = CsvText::new(header, records.into_iter().map(Ok)).map_err(|error| wrong(&error))?;
    Ok(Source::made(name, text, "JSON: objects, the first of them row 2".into()))
}

fn open_parquet(path: &Path, name: String) -> Result<Source, ImportError> {
    let wrong = |error: &dyn std::fmt::Display| {
        ImportError(format!("{name}: {error}; write it again as Parquet, or save it as CSV"))
    };
    let (header, rows) = crate::engine::parquet_rows(path).map_err(|error| wrong(&error))?;
    let records = rows.map(|row| row.map_err(|error| error.to_string()));
    let text = CsvText::new(header, records).map_err(|error| wrong(&error))?;
    Ok(Source::made(name, text, "a Parquet file".into()))
}

/// A workbook's sheet that fits best, as CSV, a line a row.
fn open_workbook(path: &Path, name: String, fit: Fit<'_>) -> Result<Source, ImportError> {
    let wrong = |error: &dyn std::fmt::Display| {
        ImportError(format!("{name}: {error}; if it opens in Excel, save it again as .xlsx, or as CSV"))
    };
    let claims = |claims: String| ImportError(format!("{name}: {claims}"));
    unpacked::check(path).map_err(claims)?;
    let mut workbook = calamine::open_workbook_auto(path).map_err(|error| wrong(&error))?;
    let names = workbook.sheet_names();
    let mut read =
        |sheet: &str| range_of(&mut workbook, sheet).map_err(|error| wrong(&error))?.map_err(claims);
    // Of all sheets one is held at a time.
    let mut found: Option<(usize, &str)> = None;
    let mut held: Option<(&str, Range<Data>)> = None;
    for sheet in names.iter().map(String::as_str) {
        drop(held.take());
        let range = read(sheet)?;
        if range.is_empty() {
            continue;
        }
        let first = range.rows().take(HEAD_RECORDS_MAX).map(|row| row.iter().map(cell_text).collect());
        let fits = fit(first.collect());
        if found.is_none_or(|(best, _)| fits > best) {
            found = Some((fits, sheet));
        }
        held = Some((sheet, range));
    }
    let Some((_, sheet)) = found else {
        return Err(ImportError(format!("{name} is empty; it needs a header row and data")));
    };
    let range = match held {
        Some((last, range)) if last == sheet => range,
        Some(_) | None => {
            drop(held);
            read(sheet)?
        }
    };
    let (first, _) = range.start().unwrap_or_default();
    if range.end().is_some_and(|(last, _)| last >= SHEET_ROWS_MAX) {
        return Err(ImportError(format!("{name} has more than {SHEET_ROWS_MAX} rows; save it as CSV")));
    }
    // Blank lines keep the row numbers of the sheet.
    let mut bytes = vec![b'\n'; first as usize];
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(&mut bytes);
    for row in range.rows() {
        writer.write_record(row.iter().map(cell_text)).map_err(|error| wrong(&error))?;
    }
    writer.flush().map_err(|error| wrong(&error))?;
    drop(writer);
    let others = names.len() - 1;
    let ignored = if others > 0 { format!("; {others} other sheets were not read") } else { String::new() };
    let read_as = format!("a workbook, sheet `{sheet}`{ignored}");
    Ok(Source::made(name, Cursor::new(bytes), read_as))
}

/// A sheet's cells, or why it has too many. Of the older .xls and of .ods calamine makes every sheet as it opens the
/// workbook, so nothing is bounded here.
fn range_of<R: Read + io::Seek>(
    workbook: &mut Sheets<R>,
    sheet: &str,
) -> Result<Result<Range<Data>, String>, calamine::Error> {
    match workbook {
        Sheets::Xlsx(book) => match book.worksheet_cells_reader(sheet) {
            // A sheet that is a chart.
            Err(XlsxError::NotAWorksheet(_)) => Ok(Ok(Range::default())),
            Err(error) => Err(error.into()),
            Ok(mut cells) => Ok(bounded(sheet, SHEET_TEXT_BYTES_MAX, || {
                let cell = cells.next_cell()?;
                Ok::<_, XlsxError>(cell.map(|cell| (cell.get_position(), cell.get_value().clone().into())))
            })?),
        },
        Sheets::Xlsb(book) => {
            let mut cells = book.worksheet_cells_reader(sheet)?;
            Ok(bounded(sheet, SHEET_TEXT_BYTES_MAX, || {
                let cell = cells.next_cell()?;
                Ok::<_, calamine::XlsbError>(
                    cell.map(|cell| (cell.get_position(), cell.get_value().clone().into())),
                )
            })?)
        }
        Sheets::Xls(_) | Sheets::Ods(_) => workbook.worksheet_range(sheet).map(Ok),
    }
}

/// Takes cells as they come, and stops before their rectangle, most of it empty, is made where it is too large. Cells
/// with nothing in them count as they come, and widen nothing.
fn bounded<E>(
    sheet: &str,
    text_bytes_max: usize,
    mut next: impl FnMut() -> Result<Option<((u32, u32), Data)>, E>,
) -> Result<Result<Range<Data>, String>, E> {
    let remedy = "delete what lies far from the table and save it again, or save the sheet as CSV";
    let (mut cells, mut text_bytes, mut seen) = (vec![], 0, 0);
    let mut corners: Option<((u32, u32), (u32, u32))> = None;
    while let Some((at, value)) = next()? {
        seen += 1;
        if seen > SHEET_CELLS_MAX {
            return Ok(Err(format!("sheet `{sheet}` has more than {SHEET_CELLS_MAX} cells; {remedy}")));
        }
        if value == Data::Empty {
            continue;
        }
        if at.0 >= SHEET_ROWS_MAX || at.1 >= SHEET_COLUMNS_MAX {
            return Ok(Err(format!(
                "sheet `{sheet}` has a cell in row {} and column {}, and a sheet has at most {SHEET_ROWS_MAX} rows and \
                 {SHEET_COLUMNS_MAX} columns; {remedy}",
                u64::from(at.0) + 1,
                u64::from(at.1) + 1
            )));
        }
        let (low, high) = corners.unwrap_or((at, at));
        let (low, high) = ((low.0.min(at.0), low.1.min(at.1)), (high.0.max(at.0), high.1.max(at.1)));
        corners = Some((low, high));
        let claimed = (u64::from(high.0 - low.0) + 1) * (u64::from(high.1 - low.1) + 1);
        if claimed > SHEET_CELLS_MAX {
            return Ok(Err(format!(
                "sheet `{sheet}` claims {claimed} cells between its first and its last, and at most {SHEET_CELLS_MAX} are \
                 read; {remedy}"
            )));
        }
        if let Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) = &value {
            text_bytes += text.len() + TEXT_AROUND_BYTES;
        }
        if text_bytes > text_bytes_max {
            let most = text_bytes_max / (1024 * 1024);
            return Ok(Err(format!("sheet `{sheet}` has more than {most} MB of text; {remedy}")));
        }
        cells.push(Cell::new(at, value));
    }
    Ok(Ok(Range::from_sparse(cells)))
}

/// A cell as people see it: days as dates, whole numbers without decimals, on one line.
fn cell_text(cell: &Data) -> String {
    match cell {
        Data::Empty | Data::Error(_) => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            let day = text.split_once("T00:00:00").map_or(text.as_str(), |(day, _)| day);
            // Blanks stay: in a week's marks each is one.
            day.replace("\r\n", " ").replace(['\n', '\r'], " ")
        }
        Data::Float(number) => number.to_string(),
        Data::Int(number) => number.to_string(),
        Data::Bool(truth) => truth.to_string(),
        Data::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        Data::DateTime(moment) => moment.as_f64().to_string(),
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
