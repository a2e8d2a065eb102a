//! Papers that a member's data protection officer and the families it serves need: drawn up from the charter
//! in force and the member's own limits, so that they say what the program does. Must not know a clock, a
//! network or a journal: the same configuration and day give the same bytes.
//!
//! Each paper carries a mark: a hash of its own text as drawn up, without the date. Whether it is out of date
//! is whether the same paper would have another mark today. What people fill in does not touch the mark.

mod dpia;
mod facts;
mod five_safes;
mod letter;
mod notice;
mod record;
mod risks;
mod words;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use datacoop_protocol::log::tree::sha256;

pub use facts::{Paused, Source, Standard};

use crate::folder::{StoreError, at, make_dir};
use crate::html::{document, text};
use facts::Facts;

/// Digits of a mark: enough that no two configurations share one by chance, few enough to compare by eye.
const MARK_DIGITS: usize = 32;
/// A paper with what people filled in: far larger is none of ours.
const PAPER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A paper as drawn up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paper {
    /// The file's whole text.
    pub html: String,
    /// Its mark.
    pub mark: String,
}

/// How a paper in a folder stands against what is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It says what would be said today.
    Current,
    /// It would say something else today.
    OutOfDate,
    /// It is not there.
    Missing,
    /// It carries no mark, so that nobody can tell.
    Unmarked,
}

impl State {
    /// For programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::OutOfDate => "out_of_date",
            Self::Missing => "missing",
            Self::Unmarked => "unmarked",
        }
    }
}

/// Every paper by its file name.
pub fn papers(source: &Source<'_>) -> BTreeMap<String, Paper> {
    let still = mains(&Source { spent: &[], ..*source });
    let told = if source.spent.is_empty() { still.clone() } else { mains(source) };
    let drawn = still.into_iter().zip(told).map(|((file, title, still), (_, _, main))| {
        let mark = mark(source, title, &still);
        let html = whole(source, title, &main, &format!(" on {}", source.today), &mark);
        (file.to_owned(), Paper { html, mark })
    });
    drawn.collect()
}

/// File name, title and what stands below the heading, of every paper.
fn mains(source: &Source<'_>) -> [(&'static str, &'static str, String); 5] {
    let facts = Facts::new(source);
    let words = facts.words;
    [
        ("dpia.html", "Data protection impact assessment: draft", dpia::dpia(&facts)),
        ("record-of-processing.html", "Record of processing activities", record::record(&facts)),
        ("privacy-notice.html", "Privacy notice", notice::notice(&facts)),
        (words.letter_file, words.letter_title, letter::letter(&facts)),
        ("five-safes.html", "The Five Safes", five_safes::five_safes(&facts)),
    ]
}

/// The mark of a paper: of all it says but the day.
fn mark(source: &Source<'_>, title: &str, main: &str) -> String {
    let hash = sha256(&[whole(source, title, main, "", "").as_bytes()]).to_string();
    hash.chars().take(MARK_DIGITS).collect()
}

fn whole(source: &Source<'_>, title: &str, main: &str, day: &str, mark: &str) -> String {
    let (charter, name) = (source.charter, &source.me.name);
    let head = format!("<style>\n{}</style>\n", include_str!("papers.css"));
    let footer = format!(
        "<p>Drawn up{day} by datacoop {} for {}, from charter version {} ({}, SHA-256 {}) and our own limits. <span class=\"mark\">mark {mark}</span></p>\n",
        env!("CARGO_PKG_VERSION"),
        text(name),
        charter.version(),
        text(&charter.fields().name),
        charter.hash(),
    );
    document([title, name], &head, "", main, &footer)
}

/// Writes papers into a folder that holds nothing yet, so that nothing people filled in is lost. What was
/// written before an error is removed.
pub fn write(folder: &Path, papers: &BTreeMap<String, Paper>) -> Result<(), StoreError> {
    let shown = folder.display();
    match std::fs::read_dir(folder) {
        Ok(mut entries) => {
            if let Some(entry) = entries.next() {
                let name = entry.map_err(at(folder))?.file_name();
                return Err(StoreError::Wrong(format!(
                    "{shown} holds `{}`; name a new or empty folder, so that nothing filled in is lost",
                    name.to_string_lossy().escape_debug()
                )));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(StoreError::Wrong(format!("{shown} is a file; name a new or empty folder")));
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !folder.is_symlink() => make_dir(folder)?,
        Err(error) => return Err(StoreError::Io(folder.to_owned(), error)),
    }
    let mut written: Vec<PathBuf> = vec![];
    for (name, paper) in papers {
        let path = folder.join(name);
        // Never over a file, nor through a link, that appeared meanwhile.
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        let made = made.inspect(|_| written.push(path.clone()));
        if let Err(error) = made.and_then(|mut file| file.write_all(paper.html.as_bytes())) {
            for path in &written {
                std::fs::remove_file(path).ok();
            }
            return Err(StoreError::Io(path, error));
        }
    }
    Ok(())
}

/// How each paper of a folder stands against those that would be drawn up now.
///
/// Errors: the folder is none, or a paper cannot be read.
pub fn check(folder: &Path, now: &BTreeMap<String, Paper>) -> Result<BTreeMap<String, State>, StoreError> {
    std::fs::read_dir(folder).map_err(at(folder))?;
    let state = |name: &String, paper: &Paper| {
        let path = folder.join(name);
        let size = match std::fs::metadata(&path) {
            Ok(found) if found.is_file() => found.len(),
            Ok(_) => return Err(StoreError::Wrong(format!("{} is no file", path.display()))),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::Missing),
            Err(error) => return Err(StoreError::Io(path, error)),
        };
        if size > PAPER_BYTES_MAX {
            return Ok(State::Unmarked);
        }
        let bytes = std::fs::read(&path).map_err(at(&path))?;
        Ok(match mark_of(&String::from_utf8_lossy(&bytes)) {
            Some(mark) if mark == paper.mark => State::Current,
            Some(_) => State::OutOfDate,
            None => State::Unmarked,
        })
    };
    now.iter().map(|(name, paper)| Ok((name.clone(), state(name, paper)?))).collect()
}

/// The mark that a file carries: the last word of so many digits after the word. A word processor may have
/// written the tags and the spaces around it anew.
fn mark_of(html: &str) -> Option<&str> {
    let is_mark = |word: &str| {
        word.len() == MARK_DIGITS && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let texts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    let words = texts.flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric()));
    let words = words.filter(|word| !word.is_empty());
    let (mut before, mut found) = ("", None);
    for word in words {
        if before == "mark" && is_mark(word) {
            found = Some(word);
        }
        before = word;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_as_word_processors_write_it_and_nothing_else_is_one() {
        let mark = "0123456789abcdef0123456789abcdef";
        let says = |html: &str| mark_of(html).map(str::to_owned);
        assert_eq!(says(&format!("<span class=\"mark\">mark {mark}</span>")).as_deref(), Some(mark));
        assert_eq!(says(&format!("<SPAN>mark</SPAN>\r\n <b>{mark}</b>.")).as_deref(), Some(mark));
        // What the charter says stands before the last line.
        assert_eq!(says(&format!("mark {} and mark {mark}", "f".repeat(32))).as_deref(), Some(mark));
        for none in [
            "",
            "mark",
            "mark 0123",
            &format!("remark {mark}"),
            &format!("mark {mark}0"),
            &format!("mark x {mark}"),
        ] {
            assert_eq!(says(none), None, "{none}");
        }
    }
}
