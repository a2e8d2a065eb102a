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
/// a whole term's marks tell (weeks, half-terms, days to a break): those columns stay empty.
pub fn write_attendance(
    table: &Path,
    vocabulary: &Vocabulary,
    (seed, scenario, school): (u64, &Scenario, &School),
    days: &dyn Fn(Day) -> bool,
) -> Result<Truth, ImportError> {
    let columns: Vec<String> = kept_columns(vocabulary).iter().map(|column| column.name.clone()).collect();
    let mut writer = TableWriter::create(table, vocabulary)?;
    let last = school.days.iter().rev().map(|day| day.day).find(|day| days(*day)).unwrap_or(Day(0));
    let mut counting = Counting::new(scenario, last);
    let mut cells = vec![];
    attendance_rows(seed, scenario, school, days, &mut |row| {
        counting.row(row);
        for session in 0..2 {
            cells.clear();
            cells.extend(columns.iter().map(|column| mark_cell(column, row, session, last)));
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

fn mark_cell(column: &str, row: &Row<'_>, session: usize, last: Day) -> Cell {
    let Mark { code, minutes_late } = row.marks[session];
    let class = code.class();
    let whether = |truth: bool| Cell::Integer(i64::from(truth));
    match column {
        "date" => date(row.day.day),
        "session" => text(["AM", "PM"][session]),
        "code" => text(code.text()),
        "minutes_late" => minutes_late.map_or(Cell::Null, |minutes| Cell::Integer(i64::from(minutes))),
        "mark_class" => text(class.name()),
        "possible" => whether(class.possible()),
        "attended" => whether(class.attended()),
        "absent" => whether(class.absent()),
        "late" => whether(matches!(code.text(), "L" | "U")),
        "holiday" => whether(code.text() == "G"),
        "weekday" => text(WEEKDAYS[row.day.weekday]),
        other => pupil_cell(other, row.pupil, "", last),
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
