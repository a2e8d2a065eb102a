//! Writes one made-up school's exports into a folder, and counts what was planted on the way.

use std::io;
use std::path::Path;

use datacoop_policy::{Day, Period};
use serde_json::{Value, json};

use super::attainment::results;
use super::behaviour::incidents;
use super::calendar::{SchoolDay, half_terms, weekday};
use super::dice::Key;
use super::layouts::{CLEAN, LAYOUTS, Layout, Marks, PUPIL_COLUMNS};
use super::register::{Code, Mark, Register, Row, holds};
use super::scenario::Scenario;
use super::school::{ETHNIC, Pupil, School};
use super::text::TextFile;
use super::truth::{Counting, Truth};

const WEEKDAYS: [&str; 5] = ["Mon", "Tue", "Wed", "Thu", "Fri"];
/// Rows of a printed page in reports with titles.
const PAGE_ROWS: usize = 400;

/// One school's files.
pub struct Exports<'a> {
    /// Seed of everything.
    pub seed: u64,
    /// What is planted.
    pub scenario: &'a Scenario,
    /// The school.
    pub school: &'a School,
    /// The days of marks and incidents.
    pub period: Period,
    /// How they are laid out.
    pub layout: Layout,
    /// Whether to leave out rows that are wrong on purpose.
    pub clean: bool,
    /// Whether the afternoon's `\` was lost on the way.
    pub lost_backslash: bool,
}

/// A row that is wrong on purpose: import refuses it, and `truth.json` tells of it.
struct Mess {
    file: &'static str,
    what: &'static str,
}

impl<'a> Exports<'a> {
    /// Of a school, in its own layout unless `clean`.
    pub fn new(seed: u64, scenario: &'a Scenario, school: &'a School, period: Period, clean: bool) -> Self {
        let at = usize::try_from(school.number - 1).expect("INVARIANT: few schools");
        let layout = if clean { CLEAN } else { LAYOUTS[at % LAYOUTS.len()] };
        let lost = scenario.lost_backslash.as_ref().is_some_and(|lost| lost.members.contains(&school.number));
        // Only a row a session shows which session lost its mark.
        let lost_backslash = !clean && lost && matches!(layout.marks, Marks::Long(_));
        Self { seed, scenario, school, period, layout, clean, lost_backslash }
    }

    /// Writes all files into a folder that is there. Returns what was planted, and for `truth.json` each
    /// file with its layout, its rows, and the rows that import has to refuse.
    pub fn write(&self, folder: &Path) -> io::Result<(Truth, Vec<Value>)> {
        let mut files = vec![self.pupils(folder)?];
        let (truth, marks) = self.attendance(folder)?;
        files.extend(marks);
        files.push(self.attainment(folder)?);
        files.push(self.behaviour(folder)?);
        Ok((truth, files))
    }

    fn mess(&self) -> Option<Mess> {
        let mess = |file, what| Some(Mess { file, what });
        match self.school.number % 12 {
            _ if self.clean => None,
            2 => mess("attendance", "a row dated 31/02/2026"),
            3 => mess("attendance", "a row with the code `@`"),
            6 => mess("pupils", "a pupil twice"),
            _ => None,
        }
    }

    fn has_mess(&self, file: &str) -> bool {
        self.mess().is_some_and(|mess| mess.file == file)
    }

    fn told(&self, name: &str, file: &'static str, rows: u64) -> Value {
        let mess = self.mess().filter(|mess| mess.file == file);
        json!({
            "file": name,
            "vocabulary": format!("{file}/1"),
            "layout": self.layout.name,
            "encoding": self.layout.encoding.name(),
            "rows": rows,
            "refused": u64::from(mess.is_some()),
            "mess": mess.map(|mess| mess.what),
            "lost_backslash": self.lost_backslash && file == "attendance",
        })
    }

    fn file(&self, folder: &Path, name: &str) -> io::Result<(TextFile, String)> {
        let extension = if self.layout.separator == '\t' { "txt" } else { "csv" };
        let name = format!("{name}.{extension}");
        Ok((TextFile::create(&folder.join(&name), self.layout.encoding, self.layout.separator)?, name))
    }

    /// The list of pupils.
    fn pupils(&self, folder: &Path) -> io::Result<Value> {
        let on_roll = |pupil: &&Pupil| pupil.from <= self.period.last();
        let rows = self.school.pupils.iter().filter(on_roll).map(|pupil| self.pupil_cells(pupil));
        let twice = rows.clone().take(usize::from(self.has_mess("pupils")));
        let rows: Vec<Vec<String>> = rows.chain(twice).collect();
        let header: Vec<&str> = self.layout.pupils.into_iter().filter(|name| !name.is_empty()).collect();
        let count = rows.len() as u64;
        if self.layout.workbook {
            let name = "pupils.xlsx";
            workbook(&folder.join(name), &header, &rows)?;
            return Ok(self.told(name, "pupils", count));
        }
        let (mut file, name) = self.file(folder, "pupils")?;
        if self.layout.titles {
            file.row(&[self.school.name.as_str()])?;
            file.row(&["Pupil list for census"])?;
            file.row(&[""; 0])?;
        }
        file.row(&header)?;
        rows.iter().try_for_each(|row| file.row(row))?;
        file.finish()?;
        Ok(self.told(&name, "pupils", count))
    }

    fn pupil_cells(&self, pupil: &Pupil) -> Vec<String> {
        let (layout, truth) = (&self.layout, |truth: bool| self.layout.truth(truth).to_owned());
        let named = PUPIL_COLUMNS.iter().zip(layout.pupils).filter(|(_, header)| !header.is_empty());
        let cell = |column: &str| match column {
            "pupil_id" => pupil.id.clone(),
            "upn" => pupil.upn.clone(),
            "urn" => self.school.urn.clone(),
            "surname" => pupil.surname.to_owned(),
            "forename" => pupil.forename.to_owned(),
            "nc_year" => layout.years.write(pupil.nc_year),
            "tutor_group" => pupil.form.clone(),
            "dob" => layout.days.write(pupil.dob),
            "sex" => pupil.sex.to_owned(),
            "pupil_premium" | "fsm6" => truth(pupil.premium),
            "fsm_now" => truth(pupil.fsm_now),
            "looked_after" => truth(pupil.looked_after),
            "service_child" => truth(pupil.service_child),
            "sen" => pupil.sen.to_owned(),
            "sen_need" => pupil.need.unwrap_or("").to_owned(),
            "eal" => truth(pupil.eal),
            "ethnic_major" => ETHNIC[pupil.ethnic].to_owned(),
            "enrolment_status" => pupil.status.to_owned(),
            "on_roll_from" => layout.days.write(pupil.from),
            // Who leaves later has not left yet when this is written.
            "on_roll_to" => {
                let left = pupil.to.filter(|to| *to <= self.period.last());
                left.map_or_else(String::new, |to| layout.days.write(to))
            }
            "idaci_decile" => pupil.idaci.to_string(),
            _ => unreachable!("INVARIANT: each column of the list is above"),
        };
        named.map(|(column, _)| cell(column)).collect()
    }

    /// The register, in one file or, a column a session, in one for each half-term.
    fn attendance(&self, folder: &Path) -> io::Result<(Truth, Vec<Value>)> {
        let period = self.period;
        let register = Register::new(self.seed, self.scenario, self.school, &|day: Day| holds(period, day));
        let days: Vec<SchoolDay> = register.days().collect();
        let terms = half_terms(self.scenario.academic_year(), false);
        let part = |day: Day| terms.iter().rposition(|(first, _)| *first <= day).unwrap_or(0);
        let mut parts: Vec<Vec<SchoolDay>> = vec![];
        for day in days {
            let same = parts.last().is_some_and(|last| {
                !matches!(self.layout.marks, Marks::Wide) || part(last[0].day) == part(day.day)
            });
            if !same {
                parts.push(vec![]);
            }
            parts.last_mut().expect("INVARIANT: one was just there").push(day);
        }
        let mut sheets = vec![];
        let several = parts.len() > 1;
        for (n, days) in parts.into_iter().enumerate() {
            let name = if several { format!("attendance-{}", n + 1) } else { "attendance".to_owned() };
            let (file, name) = self.file(folder, &name)?;
            sheets.push(MarkSheet { exports: self, file, name, days, rows: 0, page: 0 });
        }
        sheets.iter_mut().try_for_each(MarkSheet::begin)?;
        let mut counting = Counting::new(self.scenario, period.last());
        let mut marks: Vec<(SchoolDay, [Mark; 2])> = vec![];
        for (at, pupil) in self.school.pupils.iter().enumerate() {
            marks.clear();
            register.pupil(at, &mut |row: &Row<'_>| -> io::Result<()> {
                counting.row(row);
                marks.push((row.day, row.marks));
                Ok(())
            })?;
            if !marks.is_empty() {
                sheets.iter_mut().try_for_each(|sheet| sheet.pupil(pupil, &marks))?;
            }
        }
        let mut files = vec![];
        for (n, sheet) in sheets.into_iter().enumerate() {
            let (name, rows) = sheet.end(n == 0)?;
            files.push(self.told(&name, "attendance", rows));
        }
        Ok((counting.finish(), files))
    }

    fn attainment(&self, folder: &Path) -> io::Result<Value> {
        let key = Key::new(self.seed, self.school.number, "attainment", "");
        let (mut file, name) = self.file(folder, "attainment")?;
        file.row(&[self.layout.pupil_id(), "Stage", "Subject", "Assessment type", "Date", "Scale", "Value"])?;
        let mut rows = 0;
        let year = self.scenario.academic_year();
        for (at, pupil) in self.school.pupils.iter().enumerate() {
            if pupil.from > self.period.last() {
                continue;
            }
            for result in results(&key, self.school, year, at) {
                let date = result.date.map_or_else(String::new, |day| self.layout.days.write(day));
                let cells: [&str; 7] = [
                    &pupil.id,
                    result.stage,
                    result.subject,
                    result.assessment,
                    &date,
                    result.scale,
                    &result.value,
                ];
                file.row(&cells)?;
                rows += 1;
            }
        }
        file.finish()?;
        Ok(self.told(&name, "attainment", rows))
    }

    fn behaviour(&self, folder: &Path) -> io::Result<Value> {
        let keys =
            ["suspensions", "behaviour"].map(|table| Key::new(self.seed, self.school.number, table, ""));
        let (mut file, name) = self.file(folder, "behaviour")?;
        file.row(&[self.layout.pupil_id(), "Date", "Type", "Reason", "Points", "Sessions lost", "Slot"])?;
        let mut rows = 0;
        for (at, pupil) in self.school.pupils.iter().enumerate() {
            for incident in incidents(&keys, self.school, at) {
                if !holds(self.period, incident.day) {
                    continue;
                }
                let cells: [&str; 7] = [
                    &pupil.id,
                    &self.layout.days.write(incident.day),
                    incident.kind,
                    incident.reason.unwrap_or(""),
                    &incident.points.to_string(),
                    &incident.sessions_lost().to_string(),
                    incident.slot,
                ];
                file.row(&cells)?;
                rows += 1;
            }
        }
        file.finish()?;
        Ok(self.told(&name, "behaviour", rows))
    }
}

/// One file of marks.
struct MarkSheet<'a, 'b> {
    exports: &'b Exports<'a>,
    file: TextFile,
    name: String,
    days: Vec<SchoolDay>,
    rows: u64,
    page: usize,
}

impl MarkSheet<'_, '_> {
    fn layout(&self) -> &Layout {
        &self.exports.layout
    }

    /// Titles and header.
    fn begin(&mut self) -> io::Result<()> {
        let layout = *self.layout();
        let id = layout.pupil_id();
        if layout.titles {
            self.file.row(&[self.exports.school.name.as_str()])?;
            self.file.row(&["Registration marks", ""])?;
        }
        match layout.marks {
            Marks::Long(headers) => self.file.row(&headers),
            Marks::Daily(headers) => self.file.row(&headers),
            Marks::Weeks => self.file.row(&[id, "Reg", "Week beginning", "Marks"]),
            Marks::Wide => {
                let mut header = vec![id.to_owned(), "Reg".to_owned()];
                for day in &self.days {
                    for session in ["AM", "PM"] {
                        let weekday = WEEKDAYS[day.weekday];
                        header.push(format!("{weekday} {} {session}", layout.days.write(day.day)));
                    }
                }
                self.file.row(&header)
            }
        }
    }

    fn pupil(&mut self, pupil: &Pupil, marks: &[(SchoolDay, [Mark; 2])]) -> io::Result<()> {
        match self.layout().marks {
            Marks::Long(_) => self.long(pupil, marks),
            Marks::Daily(_) => marks.iter().try_for_each(|(day, marks)| {
                let layout = self.exports.layout;
                let [am, pm] = [self.text(marks[0].code, 0), self.text(marks[1].code, 1)];
                self.rows += 1;
                self.file.row(&[&pupil.id, &layout.days.write(day.day), am.as_str(), pm.as_str()])
            }),
            Marks::Wide => self.wide(pupil, marks),
            Marks::Weeks => self.weeks(pupil, marks),
        }
    }

    fn long(&mut self, pupil: &Pupil, marks: &[(SchoolDay, [Mark; 2])]) -> io::Result<()> {
        for (day, marks) in marks {
            let date = self.layout().days.write(day.day);
            for (session, mark) in marks.iter().enumerate() {
                let late = mark.minutes_late.map_or_else(String::new, |minutes| minutes.to_string());
                let text = self.text(mark.code, session);
                self.file.row(&[&pupil.id, date.as_str(), ["AM", "PM"][session], &text, &late])?;
                self.rows += 1;
            }
        }
        Ok(())
    }

    fn wide(&mut self, pupil: &Pupil, marks: &[(SchoolDay, [Mark; 2])]) -> io::Result<()> {
        let mut cells = vec![pupil.id.clone(), pupil.form.clone()];
        let mut marks = marks.iter().peekable();
        for day in &self.days {
            while marks.next_if(|(marked, _)| marked.day < day.day).is_some() {}
            let here = marks.next_if(|(marked, _)| marked.day == day.day).map(|(_, marks)| *marks);
            for session in 0..2 {
                cells.push(here.map_or_else(String::new, |marks| self.text(marks[session].code, session)));
            }
        }
        self.file.row(&cells)?;
        self.rows += 1;
        let rows = usize::try_from(self.rows).expect("INVARIANT: few rows");
        if self.layout().titles && rows.is_multiple_of(PAGE_ROWS) {
            self.page += 1;
            self.file.row(&[format!("Page {} of 9", self.page)])?;
        }
        Ok(())
    }

    /// Ten characters a week; on days without a mark `#`, closed.
    fn weeks(&mut self, pupil: &Pupil, marks: &[(SchoolDay, [Mark; 2])]) -> io::Result<()> {
        let monday = |day: Day| day.0 - i64::try_from(weekday(day)).expect("INVARIANT: less than 7");
        for week in marks.chunk_by(|(a, _), (b, _)| monday(a.day) == monday(b.day)) {
            let mut text = ['#'; 10];
            for (day, marks) in week {
                for (session, mark) in marks.iter().enumerate() {
                    text[2 * day.weekday + session] = letter(mark.code);
                }
            }
            let start = self.layout().days.write(Day(monday(week[0].0.day)));
            let text: String = text.iter().collect();
            self.file.row(&[pupil.id.as_str(), &pupil.form, &start, &text])?;
            self.rows += 1;
        }
        Ok(())
    }

    /// A mark as this system writes it.
    fn text(&self, code: Code, session: usize) -> String {
        let text = code.text();
        if text == "\\" && self.exports.lost_backslash {
            return String::new();
        }
        if !self.layout().careless {
            return text.to_owned();
        }
        match text {
            "\\" => "/ ".to_owned(),
            "/" if session == 0 => text.to_owned(),
            other => other.to_lowercase(),
        }
    }

    /// Rows wrong on purpose, and the end. Returns name and rows.
    fn end(mut self, first: bool) -> io::Result<(String, u64)> {
        if first
            && self.exports.has_mess("attendance")
            && let Some(pupil) = self.exports.school.pupils.first()
        {
            let day = self.days.first().map_or(self.exports.period.first(), |day| day.day);
            let date = self.layout().days.write(day);
            let cells: [&str; 5] = match self.exports.school.number % 12 {
                2 => [&pupil.id, "31/02/2026", "AM", "/", ""],
                _ => [&pupil.id, &date, "AM", "@", ""],
            };
            self.file.row(&cells)?;
            self.rows += 1;
        }
        self.file.finish()?;
        Ok((self.name, self.rows))
    }
}

/// A code in one character: those of two fall back to the older code of the same class.
fn letter(code: Code) -> char {
    let text = code.text();
    let first = text.chars().next().unwrap_or('-');
    debug_assert!(text.len() == 1 || ['C', 'J', 'Y'].contains(&first), "{text}");
    first
}

/// A workbook with one sheet.
fn workbook(path: &Path, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut book = rust_xlsxwriter::Workbook::new();
    // Why: a workbook carries the time it was made, and the same seed gives the same bytes.
    let made = rust_xlsxwriter::ExcelDateTime::from_ymd(2026, 1, 1).map_err(io::Error::other)?;
    book.set_properties(&rust_xlsxwriter::DocProperties::new().set_creation_datetime(&made));
    let sheet = book.add_worksheet();
    for (column, name) in (0_u16..).zip(header) {
        sheet.write_string(0, column, *name).map_err(io::Error::other)?;
    }
    for (line, row) in (1_u32..).zip(rows) {
        for (column, cell) in (0_u16..).zip(row) {
            // As Excel keeps what was typed: digits are a number, and a day is one too.
            let written = match cell.parse::<u32>() {
                Ok(number) => sheet.write_number(line, column, number),
                Err(_) => sheet.write_string(line, column, cell),
            };
            written.map_err(io::Error::other)?;
        }
    }
    book.save(path).map_err(io::Error::other)
}
