//! A text file as a school's system writes it: encoding, separator, quotes. Must not know what is in it.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// How characters become bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-8 with a byte order mark, as Excel's "CSV UTF-8".
    Utf8Mark,
    /// UTF-16, little-endian, with a byte order mark, as Excel's "Unicode text".
    Utf16,
    /// Windows-1252, as Excel's "CSV" in England.
    Windows,
}

impl Encoding {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf8Mark => "UTF-8 with a mark",
            Self::Utf16 => "UTF-16",
            Self::Windows => "Windows-1252",
        }
    }
}

/// A file of rows.
pub struct TextFile {
    out: BufWriter<File>,
    encoding: Encoding,
    separator: char,
    line: String,
}

impl TextFile {
    /// Begins a file.
    pub fn create(path: &Path, encoding: Encoding, separator: char) -> io::Result<Self> {
        let mut out = BufWriter::new(File::create_new(path)?);
        match encoding {
            Encoding::Utf8Mark => out.write_all(b"\xEF\xBB\xBF")?,
            Encoding::Utf16 => out.write_all(b"\xFF\xFE")?,
            Encoding::Utf8 | Encoding::Windows => {}
        }
        Ok(Self { out, encoding, separator, line: String::new() })
    }

    /// Writes a row. Cells are quoted where they must be.
    pub fn row<S: AsRef<str>>(&mut self, cells: &[S]) -> io::Result<()> {
        self.line.clear();
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.line.push(self.separator);
            }
            let cell = cell.as_ref();
            let special = |c: char| c == self.separator || c == '"' || c == '\n' || c == '\r';
            if cell.contains(special) {
                self.line.push('"');
                self.line.push_str(&cell.replace('"', "\"\""));
                self.line.push('"');
            } else {
                self.line.push_str(cell);
            }
        }
        self.line.push_str("\r\n");
        match self.encoding {
            Encoding::Utf8 | Encoding::Utf8Mark => self.out.write_all(self.line.as_bytes()),
            Encoding::Windows => self.out.write_all(&encoding_rs::WINDOWS_1252.encode(&self.line).0),
            Encoding::Utf16 => {
                self.line.encode_utf16().try_for_each(|unit| self.out.write_all(&unit.to_le_bytes()))
            }
        }
    }

    /// Ends the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}
