//! What lies in a node's folder: each vocabulary's table, for the person at this computer.

use std::fs;

use datacoop_policy::sql::identifier;
use datacoop_policy::vocabulary::Unit;

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

/// Every vocabulary that has a table here, by name.
///
/// Errors: a table or what is remembered of imports does not read.
pub fn held(home: &Home) -> Result<Vec<Held>, CommandError> {
    let records = Records::read(home).map_err(failed)?;
    let mut all = vec![];
    for (_, vocabulary) in home.vocabularies().map_err(failed)?.into_values() {
        let Some((snapshot, folder)) = home.table(&vocabulary) else { continue };
        let people = match vocabulary.unit() {
            Unit::Column(column) => format!("COUNT(DISTINCT {})", identifier(column)),
            Unit::Row => "NULL".to_owned(),
        };
        let days = vocabulary.date_column().map(|column| identifier(&column.name));
        let day = |which: &str| {
            days.as_ref().map_or("NULL".to_owned(), |day| format!("CAST({which}({day}) AS VARCHAR)"))
        };
        let sql =
            format!("SELECT COUNT(*) AS a, {people} AS b, {} AS c, {} AS d FROM t", day("MIN"), day("MAX"));
        let mut said = lookup(&folder, &vocabulary, &sql).map_err(failed)?.pop().unwrap_or_default();
        said.resize(4, None);
        let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
        let stem = vocabulary.name().replace('/', "-");
        let aside = home.join("quarantine").join(format!("{stem}-{snapshot:06}.csv"));
        all.push(Held {
            vocabulary: vocabulary.name().to_owned(),
            title: vocabulary.title().to_owned(),
            dataset: vocabulary.dataset().to_owned(),
            snapshot,
            rows: number(&said[0]).unwrap_or(0),
            people: number(&said[1]),
            days: said[2].clone().zip(said[3].clone()),
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
