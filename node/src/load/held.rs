//! What lies in a node's folder: each vocabulary's table, for the person at this computer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::SystemTime;

use datacoop_policy::sql::identifier;
use datacoop_policy::vocabulary::{Unit, Vocabulary};
use datacoop_policy::{Day, Time};

use super::failed;
use super::records::Records;
use crate::engine::lookup;
use crate::error::CommandError;
use crate::home::Home;

/// A vocabulary's table, as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    /// The vocabulary's name, such as `attendance/1`.
    pub vocabulary: String,
    /// What it is about.
    pub title: String,
    /// The dataset it belongs to.
    pub dataset: String,
    /// The newest snapshot.
    pub snapshot: u64,
    /// Rows in it.
    pub rows: u64,
    /// People that they are about, where rows say so.
    pub people: Option<u64>,
    /// First and last day of its rows, where they have days.
    pub days: Option<(String, String)>,
    /// What is remembered of the import that made it.
    pub last: Option<LastImport>,
}

/// The import that made a snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LastImport {
    /// The file's name.
    pub file: String,
    /// The day, if it was noted.
    pub day: Option<String>,
    /// Rows of the file that were left out.
    pub rows_refused: u64,
    /// Whether they lie aside, to be corrected.
    pub kept_aside: bool,
}

/// What is counted in a table.
#[derive(Clone, Debug)]
pub(crate) struct Totals {
    rows: u64,
    people: Option<u64>,
    days: Option<(String, String)>,
}

/// The totals of tables that were counted, by their folders and when each was made: the number of an import that was
/// taken back is given again.
pub(crate) type Known = BTreeMap<PathBuf, (SystemTime, Totals)>;

/// Those of a table; counted once as long as it stays.
fn totals(home: &Home, vocabulary: &Vocabulary, folder: &Path) -> Result<Totals, CommandError> {
    // Before counting: an import meanwhile makes it be counted again.
    let made = fs::metadata(folder).and_then(|found| found.modified()).ok();
    // What it holds is whole after each statement.
    let known = || home.totals.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, totals)) = known().get(folder).filter(|(then, _)| Some(*then) == made) {
        return Ok(totals.clone());
    }
    let totals = count(vocabulary, folder)?;
    if let Some(made) = made {
        known().insert(folder.to_owned(), (made, totals.clone()));
    }
    Ok(totals)
}

fn count(vocabulary: &Vocabulary, folder: &Path) -> Result<Totals, CommandError> {
    let people = match vocabulary.unit() {
        Unit::Column(column) => format!("COUNT(DISTINCT {})", identifier(column)),
        Unit::Row => "NULL".to_owned(),
    };
    let days = vocabulary.date_column().map(|column| identifier(&column.name));
    let day = |which: &str| {
        days.as_ref().map_or("NULL".to_owned(), |day| format!("CAST({which}({day}) AS VARCHAR)"))
    };
    let sql = format!("SELECT COUNT(*) AS a, {people} AS b, {} AS c, {} AS d FROM t", day("MIN"), day("MAX"));
    let mut said = lookup(folder, vocabulary, &sql).map_err(failed)?.pop().unwrap_or_default();
    said.resize(4, None);
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
    Ok(Totals {
        rows: number(&said[0]).unwrap_or(0),
        people: number(&said[1]),
        days: said[2].clone().zip(said[3].clone()),
    })
}

/// Each dataset that lies here with the day of its newest import: as it was noted, or else when its table was written.
/// Reads no table.
///
/// Errors: what is remembered of imports does not read.
pub fn imported_on(home: &Home) -> Result<BTreeMap<String, Option<Day>>, CommandError> {
    let records = Records::read(home).map_err(failed)?;
    let mut days = BTreeMap::new();
    for (_, vocabulary) in home.vocabularies().map_err(failed)?.into_values() {
        let Some((snapshot, folder)) = home.table(&vocabulary) else { continue };
        let noted = records.of(vocabulary.name(), snapshot).and_then(|(_, day, _)| Day::parse(&day?));
        let day = noted.or_else(|| made_on(&folder));
        let newest: &mut Option<Day> = days.entry(vocabulary.dataset().to_owned()).or_default();
        *newest = day.max(*newest);
    }
    Ok(days)
}

/// The day on which a table was written.
fn made_on(folder: &Path) -> Option<Day> {
    let made = fs::metadata(folder).and_then(|found| found.modified()).ok()?;
    let since = made.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Time(u64::try_from(since.as_millis()).ok()?).day())
}

/// Every vocabulary that has a table here, by name.
///
/// Errors: a table or what is remembered of imports does not read.
pub fn held(home: &Home) -> Result<Vec<Held>, CommandError> {
    let records = Records::read(home).map_err(failed)?;
    let mut all = vec![];
    for (_, vocabulary) in home.vocabularies().map_err(failed)?.into_values() {
        let Some((snapshot, folder)) = home.table(&vocabulary) else { continue };
        let totals = totals(home, &vocabulary, &folder)?;
        let stem = vocabulary.name().replace('/', "-");
        let aside = home.join("quarantine").join(format!("{stem}-{snapshot:06}.csv"));
        all.push(Held {
            vocabulary: vocabulary.name().to_owned(),
            title: vocabulary.title().to_owned(),
            dataset: vocabulary.dataset().to_owned(),
            snapshot,
            rows: totals.rows,
            people: totals.people,
            days: totals.days,
            last: records.of(vocabulary.name(), snapshot).map(|(file, day, rows_refused)| LastImport {
                file,
                day,
                rows_refused,
                kept_aside: fs::exists(&aside).unwrap_or(false),
            }),
        });
    }
    all.sort_by(|a, b| a.vocabulary.cmp(&b.vocabulary));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{TableWriter, table_path};
    use crate::home::shipped;
    use crate::import::Cell;

    #[test]
    fn a_table_that_takes_the_number_of_another_is_counted_anew() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let (_, (_, vocabulary)) = &shipped()[1];
        let folder = table_path(&home.join("tables"), vocabulary, 1);
        for rows in [3_u64, 5] {
            let _ = fs::remove_dir_all(&folder);
            let mut table = TableWriter::create(&folder, vocabulary).unwrap();
            (0..rows).for_each(|row| table.push(&[Cell::Text(format!("p{row}").into())]).unwrap());
            table.finish().unwrap();
            for _ in 0..2 {
                let found = held(&home).unwrap();
                assert_eq!(found.iter().map(|held| held.rows).collect::<Vec<_>>(), [rows]);
                assert_eq!(home.totals.lock().unwrap().len(), 1, "and it is remembered");
            }
        }
    }
}
