//! The same rows straight as tables, without files between: for the demo, and for benchmarks of any size,
//! a pupil at a time.

use std::path::Path;

use datacoop_policy::Day;
use datacoop_policy::vocabulary::Vocabulary;

use super::register::{Mark, Register, Row};
use super::scenario::Scenario;
use super::school::{ETHNIC, Pupil, School};
use super::truth::{Counting, Truth};
use crate::engine::TableWriter;
use crate::import::{Cell, ImportError, kept_columns};
use crate::reference::ks2;

const WEEKDAYS: [&str; 5] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];

/// Gives every day of a school's register, pupil by pupil, for the days that `days` keeps. Holds one
/// pupil's day at a time, so any number of schools fits in memory.
pub fn attendance_rows<E>(
    seed: u64,
    scenario: &Scenario,
    school: &School,
    days: &dyn Fn(Day) -> bool,
    each: &mut dyn FnMut(&Row<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let register = Register::new(seed, scenario, school, days);
    (0..school.pupils.len()).try_for_each(|at| register.pupil(at, each))
}

/// Writes a school's register as a table of `attendance/1`, as import would leave it, but for what only
/// a whole term's marks tell (weeks, half-terms, days to a break): those columns stay empty. `last` is
/// the last day of what will be asked about: it decides who counts.
pub fn write_attendance(
    table: &Path,
    vocabulary: &Vocabulary,
    (seed, scenario, school): (u64, &Scenario, &School),
    days: &dyn Fn(Day) -> bool,
    last: Day,
) -> Result<Truth, ImportError> {
    let columns: Vec<String> = kept_columns(vocabulary).iter().map(|column| column.name.clone()).collect();
    // What a mark says changes from row to row; what a pupil is, is written once for all rows of one.
    let marks: Vec<(usize, MarkColumn)> = columns
        .iter()
        .enumerate()
        .filter_map(|(at, column)| MarkColumn::of(column).map(|column| (at, column)))
        .collect();
    let mut writer = TableWriter::create(table, vocabulary)?;
    let mut counting = Counting::new(scenario, last);
    let (mut cells, mut pupil) = (vec![], None);
    attendance_rows(seed, scenario, school, days, &mut |row| {
        counting.row(row);
        if pupil != Some(row.at) {
            pupil = Some(row.at);
            cells = columns.iter().map(|column| pupil_cell(column, row.pupil, &school.urn, last)).collect();
        }
        for session in 0..2 {
            for (at, column) in &marks {
                cells[*at] = column.cell(row, session);
            }
            writer.push(&cells)?;
        }
        Ok(())
    })?;
    writer.finish()?;
    Ok(counting.finish())
}

fn text(text: &str) -> Cell {
    Cell::Text(text.into())
}

fn date(day: Day) -> Cell {
    i32::try_from(day.0).map_or(Cell::Null, Cell::Date)
}

/// A column of `attendance/1` that a mark fills.
#[derive(Clone, Copy)]
enum MarkColumn {
    Date,
    Session,
    Code,
    MinutesLate,
    MarkClass,
    Possible,
    Attended,
    Absent,
    Late,
    Holiday,
    Weekday,
}

impl MarkColumn {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "date" => Self::Date,
            "session" => Self::Session,
            "code" => Self::Code,
            "minutes_late" => Self::MinutesLate,
            "mark_class" => Self::MarkClass,
            "possible" => Self::Possible,
            "attended" => Self::Attended,
            "absent" => Self::Absent,
            "late" => Self::Late,
            "holiday" => Self::Holiday,
            "weekday" => Self::Weekday,
            _ => return None,
        })
    }

    fn cell(self, row: &Row<'_>, session: usize) -> Cell {
        let Mark { code, minutes_late } = row.marks[session];
        let class = code.class();
        let whether = |truth: bool| Cell::Integer(i64::from(truth));
        match self {
            Self::Date => date(row.day.day),
            Self::Session => text(["AM", "PM"][session]),
            Self::Code => text(code.text()),
            Self::MinutesLate => minutes_late.map_or(Cell::Null, |minutes| Cell::Integer(i64::from(minutes))),
            Self::MarkClass => text(class.name()),
            Self::Possible => whether(class.possible()),
            Self::Attended => whether(class.attended()),
            Self::Absent => whether(class.absent()),
            Self::Late => whether(matches!(code.text(), "L" | "U")),
            Self::Holiday => whether(code.text() == "G"),
            Self::Weekday => text(WEEKDAYS[row.day.weekday]),
        }
    }
}

/// Writes a school's roll as a table of `pupils/1`, as import would leave it.
pub fn write_pupils(
    table: &Path,
    vocabulary: &Vocabulary,
    school: &School,
    last: Day,
) -> Result<(), ImportError> {
    let columns: Vec<String> = kept_columns(vocabulary).iter().map(|column| column.name.clone()).collect();
    let mut writer = TableWriter::create(table, vocabulary)?;
    for pupil in school.pupils.iter().filter(|pupil| pupil.from <= last) {
        let cells: Vec<Cell> =
            columns.iter().map(|column| pupil_cell(column, pupil, &school.urn, last)).collect();
        writer.push(&cells)?;
    }
    writer.finish()
}

fn pupil_cell(column: &str, pupil: &Pupil, urn: &str, last: Day) -> Cell {
    match column {
        "pupil_id" => text(&pupil.id),
        "urn" => text(urn),
        "nc_year" => text(&pupil.year_text()),
        "birth_month" => text(&pupil.dob.civil().1.to_string()),
        "birthday" => {
            let (_, month, day) = pupil.dob.civil();
            text(&format!("{month:02}-{day:02}"))
        }
        "compulsory_age" => Cell::Bool(pupil.compulsory(last)),
        "compulsory_from" => date(pupil.compulsory_from()),
        "compulsory_to" => date(pupil.compulsory_to()),
        "sex" => text(pupil.sex),
        "pupil_premium" | "fsm6" => Cell::Bool(pupil.premium),
        "fsm_now" => Cell::Bool(pupil.fsm_now),
        "looked_after" => Cell::Bool(pupil.looked_after),
        "service_child" => Cell::Bool(pupil.service_child),
        "sen" => text(pupil.sen),
        "sen_need" => pupil.need.map_or(Cell::Null, text),
        "eal" => Cell::Bool(pupil.eal),
        "ethnic_major" => text(ETHNIC[pupil.ethnic]),
        "enrolment_status" => text(pupil.status),
        "on_roll_from" => date(pupil.from),
        "on_roll_to" => pupil.to.filter(|to| *to <= last).map_or(Cell::Null, date),
        "ks2_band" => {
            let halves = pupil.ks2_halves.and_then(|halves| u16::try_from(halves).ok());
            if pupil.nc_year >= 7 { text(ks2::band(halves)) } else { Cell::Null }
        }
        "idaci_decile" => text(&pupil.idaci.to_string()),
        _ => Cell::Null,
    }
}
