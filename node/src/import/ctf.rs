//! Common transfer files: the XML by which a school's system tells another's of its pupils, as records.
//! Names, addresses and contacts are passed over unread. Alone with `unpacked` imports the XML reader.
//!
//! Source: the DfE's CTF, versions 19 to 25; elements beyond those below are skipped.

use std::io::BufRead;

use datacoop_policy::Day;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

/// Versions whose pupils, histories and attendance have the elements that we read.
const VERSIONS: std::ops::RangeInclusive<u32> = 19..=25;
/// Elements inside each other: a real file has 8.
const DEPTH_MAX: usize = 32;
/// Elements of a file: 5,000 pupils with 1,000 each.
const ELEMENTS_MAX: u64 = 5_000_000;
/// Largest file in bytes: what 5,000,000 elements take.
pub(super) const CTF_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Entries of one pupil's history of a kind.
const HISTORY_MAX: usize = 1_000;
/// Longest value that we read in bytes.
const VALUE_BYTES_MAX: usize = 200;
/// Free school meals within so many days count as ever: six years, two of them leap years.
const EVER_DAYS: i64 = 6 * 365 + 2;

/// Columns that a pupil's vocabulary may need and no CTF has.
pub(super) const LACKS: &[&str] = &["pupil_premium"];
/// The records' header, in the words of the vocabulary `pupils`.
pub(super) const HEADER: [&str; 15] = [
    "pupil_id",
    "upn",
    "urn",
    "nc_year",
    "dob",
    "sex",
    "ethnic_major",
    "eal",
    "sen",
    "fsm_now",
    "fsm6",
    "looked_after",
    "on_roll_from",
    "on_roll_to",
    "prior_absence_band",
];

/// Whether the beginning of a text is that of XML.
pub(super) fn is_xml(head: &str) -> bool {
    let head = head.trim_start_matches('\u{feff}').trim_start();
    head.starts_with("<?xml") || head.starts_with("<CTfile")
}

/// What a file says before its pupils.
#[derive(Default)]
struct Header {
    version: Option<u32>,
    day: Option<Day>,
    school: [String; 2],
    year: Option<i64>,
}

#[derive(Default)]
struct School {
    id: [String; 2],
    from: String,
    to: String,
}

#[derive(Default)]
struct Year {
    year: Option<i64>,
    possible: Option<u32>,
    absent: [Option<u32>; 2],
}

/// What we read of a pupil.
#[derive(Default)]
struct Pupil {
    upn: String,
    year_group: String,
    birth: String,
    sex: String,
    ethnicity: String,
    language: String,
    in_care: String,
    /// When a provision began, and which.
    sen: Vec<[String; 2]>,
    /// When free meals began and ended.
    meals: Vec<[String; 2]>,
    schools: Vec<School>,
    years: Vec<Year>,
}

/// Reads pupils one by one.
pub(super) struct Ctf<R> {
    reader: Reader<R>,
    buffer: Vec<u8>,
    path: Vec<String>,
    text: String,
    elements: u64,
    header: Header,
    pupil: Option<Pupil>,
    pupils: u64,
    ended: bool,
}

impl<R: BufRead> Ctf<R> {
    /// Begins a file. Errors: it is another kind of XML, or a version that we do not know.
    pub(super) fn new(source: R) -> Self {
        let mut reader = Reader::from_reader(source);
        reader.config_mut().trim_text(true);
        let (buffer, path, text) = (vec![], vec![], String::new());
        let (header, pupil) = (Header::default(), None);
        Self { reader, buffer, path, text, elements: 0, header, pupil, pupils: 0, ended: false }
    }

    /// The next pupil as a record.
    fn pupil(&mut self) -> Result<Option<Vec<String>>, String> {
        loop {
            self.buffer.clear();
            let mut buffer = std::mem::take(&mut self.buffer);
            let event = self.reader.read_event_into(&mut buffer).map_err(|error| error.to_string())?;
            let done = self.take(&event)?;
            let end = matches!(event, Event::Eof);
            drop(event);
            self.buffer = buffer;
            if let Some(pupil) = done {
                self.pupils += 1;
                return Ok(Some(self.record(&pupil)));
            }
            if end {
                return if self.path.is_empty() && self.elements > 0 {
                    Ok(None)
                } else {
                    Err("the file stops in the middle; copy it again".into())
                };
            }
        }
    }

    fn take(&mut self, event: &Event<'_>) -> Result<Option<Pupil>, String> {
        match event {
            Event::Start(start) => self.begin(start.local_name().as_ref())?,
            Event::Empty(start) => {
                self.begin(start.local_name().as_ref())?;
                return self.end();
            }
            Event::End(_) => return self.end(),
            Event::Text(text) => self.add(text),
            Event::CData(text) => self.add(text),
            Event::GeneralRef(reference) => {
                let text = referred(reference)?;
                self.add(&text);
            }
            Event::DocType(_) => return Err("it has a DTD, which a CTF has not; export it again".into()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::Eof => {}
        }
        Ok(None)
    }

    /// Keeps the text of an element; what is longer than any value of ours is none.
    fn add(&mut self, text: &str) {
        if self.text.len() + text.len() <= VALUE_BYTES_MAX {
            self.text += text;
        }
    }

    fn begin(&mut self, name: &str) -> Result<(), String> {
        self.elements += 1;
        if self.path.len() == DEPTH_MAX || self.elements > ELEMENTS_MAX {
            return Err(format!(
                "it has more than {DEPTH_MAX} elements inside each other, or more than {ELEMENTS_MAX} in all"
            ));
        }
        if self.path.is_empty() && name != "CTfile" {
            return Err(format!(
                "it is XML of another kind, `{}`; export pupils as a CTF, marks and results as CSV",
                name.chars().take(VALUE_BYTES_MAX).collect::<String>().escape_debug()
            ));
        }
        let parent = self.path.last().map_or("", String::as_str);
        match (&mut self.pupil, parent, name) {
            (None, "CTFpupilData", "Pupil") => {
                let version = self.header.version.ok_or("it has no header; export it again")?;
                if !VERSIONS.contains(&version) {
                    let (first, last) = (VERSIONS.start(), VERSIONS.end());
                    return Err(format!(
                        "it is a CTF of version {version}; versions {first} to {last} are read"
                    ));
                }
                self.pupil = Some(Pupil::default());
            }
            (Some(pupil), _, name) => pupil.begin(name)?,
            (None, ..) => {}
        }
        self.text.clear();
        self.path.push(name.to_owned());
        Ok(())
    }

    /// Ends an element; of a pupil gives it back.
    fn end(&mut self) -> Result<Option<Pupil>, String> {
        let name = self.path.pop().ok_or("an element ends that never began")?;
        let parent = self.path.last().map_or("", String::as_str);
        let text = self.text.trim();
        if let Some(pupil) = &mut self.pupil {
            pupil.end(parent, &name, text);
            if name == "Pupil" && parent == "CTFpupilData" {
                self.text.clear();
                return Ok(self.pupil.take());
            }
        } else {
            match (parent, name.as_str()) {
                ("Header", "CTFversion") => {
                    self.header.version = text.split('.').next().and_then(|version| version.parse().ok());
                }
                ("Header", "DateTime") => self.header.day = text.get(..10).and_then(Day::parse),
                ("SourceSchool", "LEA") => self.header.school[0] = text.to_owned(),
                ("SourceSchool", "Estab") => self.header.school[1] = text.to_owned(),
                ("SourceSchool", "AcademicYear") => self.header.year = text.parse().ok(),
                _ => {}
            }
        }
        self.text.clear();
        Ok(None)
    }

    /// A pupil in the words of the vocabulary. Without an admission number, the UPN is the pupil's own.
    fn record(&self, pupil: &Pupil) -> Vec<String> {
        let here = |school: &&School| school.id == self.header.school;
        let school = pupil.schools.iter().filter(here).max_by(|a, b| a.from.cmp(&b.from));
        let (from, to) =
            school.map_or_else(Default::default, |school| (school.from.clone(), school.to.clone()));
        let (now, ever) = meals(&pupil.meals, self.header.day);
        vec![
            pupil.upn.clone(),
            pupil.upn.clone(),
            String::new(),
            pupil.year_group.clone(),
            pupil.birth.clone(),
            pupil.sex.clone(),
            ethnic_group(&pupil.ethnicity).to_owned(),
            other_language(&pupil.language).to_owned(),
            pupil.sen.iter().max().map_or_else(|| "N".to_owned(), |[_, provision]| provision.clone()),
            now.to_string(),
            ever.to_string(),
            pupil.in_care.clone(),
            from,
            to,
            absence_band(&pupil.years, self.header.year).to_owned(),
        ]
    }
}

impl<R: BufRead> Iterator for Ctf<R> {
    type Item = Result<Vec<String>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.pupil();
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

impl Pupil {
    fn begin(&mut self, name: &str) -> Result<(), String> {
        let length = match name {
            "SEN" => grow(&mut self.sen),
            "FSMinstance" => grow(&mut self.meals),
            "School" => grow(&mut self.schools),
            "YearData" => grow(&mut self.years),
            _ => 0,
        };
        if length > HISTORY_MAX {
            return Err(format!("a pupil has more than {HISTORY_MAX} entries `{name}`"));
        }
        Ok(())
    }

    fn end(&mut self, parent: &str, name: &str, text: &str) {
        let number = || text.parse().ok();
        let field = match (parent, name) {
            ("Pupil", "UPN") => Some(&mut self.upn),
            ("Pupil", "DOB") => Some(&mut self.birth),
            ("Pupil", "Sex" | "Gender") => Some(&mut self.sex),
            ("BasicDetails", "Ethnicity") => Some(&mut self.ethnicity),
            (_, "Language") => Some(&mut self.language).filter(|first| first.is_empty()),
            (_, "NCyearActual") => Some(&mut self.year_group),
            ("Pupil", "LookedAfter") | ("LookedAfter", "InCare") => {
                Some(&mut self.in_care).filter(|_| !text.is_empty())
            }
            ("SEN", "StartDate") => self.sen.last_mut().map(|sen| &mut sen[0]),
            ("SEN", "SENprovision") => self.sen.last_mut().map(|sen| &mut sen[1]),
            ("FSMinstance", "FSMstartDate") => self.meals.last_mut().map(|meals| &mut meals[0]),
            ("FSMinstance", "FSMendDate") => self.meals.last_mut().map(|meals| &mut meals[1]),
            ("School", "LEA") => self.schools.last_mut().map(|school| &mut school.id[0]),
            ("School", "Estab") => self.schools.last_mut().map(|school| &mut school.id[1]),
            ("School", "EntryDate") => self.schools.last_mut().map(|school| &mut school.from),
            ("School", "LeavingDate") => self.schools.last_mut().map(|school| &mut school.to),
            _ => None,
        };
        if let Some(field) = field {
            text.clone_into(field);
        }
        if let ("YearData", Some(year)) = (parent, self.years.last_mut()) {
            match name {
                "Year" => year.year = text.parse().ok(),
                "SessionsPossible" => year.possible = number(),
                "SessionsAuthorised" => year.absent[0] = number(),
                "SessionsUnauthorised" => year.absent[1] = number(),
                _ => {}
            }
        }
    }
}

fn grow<T: Default>(entries: &mut Vec<T>) -> usize {
    entries.push(T::default());
    entries.len()
}

/// The characters that a reference stands for: XML's own five, and numbers. There is no DTD, so there
/// are no others.
fn referred(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character.to_string());
    }
    match reference.as_ref() {
        "amp" => Ok("&".into()),
        "lt" => Ok("<".into()),
        "gt" => Ok(">".into()),
        "quot" => Ok("\"".into()),
        "apos" => Ok("'".into()),
        _ => Err("it uses an entity, which a CTF has not; export it again".into()),
    }
}

/// Whether a pupil has free meals on the file's day, and had any in the six years before. A CTF lists
/// them; a pupil without an entry had none.
fn meals(entries: &[[String; 2]], day: Option<Day>) -> (bool, bool) {
    let end = |meals: &[String; 2]| Day::parse(&meals[1]);
    let since = |days: i64| {
        let first = day.map_or(i64::MIN, |day| day.0 - days);
        entries.iter().any(|meals| meals[1].is_empty() || end(meals).is_some_and(|end| end.0 >= first))
    };
    (since(0), since(EVER_DAYS))
}

/// The major group of a code, by its first letter; Chinese is Asian, as in the census since 2011.
fn ethnic_group(code: &str) -> &'static str {
    match (code.to_ascii_uppercase().as_str(), code.as_bytes().first().map(u8::to_ascii_uppercase)) {
        ("", _) => "",
        ("CHNE", _) => "Asian",
        ("NOBT" | "REFU", _) => "Unknown",
        (_, Some(b'W')) => "White",
        (_, Some(b'A')) => "Asian",
        (_, Some(b'B')) => "Black",
        (_, Some(b'M')) => "Mixed",
        (_, Some(b'O')) => "Other",
        _ => "Unknown",
    }
}

/// Whether the first language is another than English; empty where nobody knows.
fn other_language(code: &str) -> &'static str {
    match code.to_ascii_uppercase().as_str() {
        "" | "NOT" | "REF" | "ZZZ" => "",
        "ENG" | "ENB" => "false",
        _ => "true",
    }
}

/// The band of last year's absence: the newest summary of a year before the file's own.
fn absence_band(years: &[Year], now: Option<i64>) -> &'static str {
    let before = years.iter().filter(|year| year.year.zip(now).is_some_and(|(year, now)| year < now));
    let Some(year) = before.max_by_key(|year| year.year) else { return "" };
    let (Some(possible), [Some(authorised), Some(unauthorised)]) = (year.possible, year.absent) else {
        return "";
    };
    if possible == 0 {
        return "";
    }
    let absent = u64::from(authorised) + u64::from(unauthorised);
    match absent * 100 / u64::from(possible) {
        0..5 => "0-5",
        5..10 => "5-10",
        10..20 => "10-20",
        20..50 => "20-50",
        _ => "50+",
    }
}

#[cfg(test)]
#[path = "ctf_tests.rs"]
mod tests;
