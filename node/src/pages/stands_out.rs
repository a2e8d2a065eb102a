//! What stands out: of the newest releases those first in which ours surely differs from the cluster, each with a
//! sentence and a small figure. What may be said of ours is decided in [`crate::own`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use maud::{Markup, html};

use super::role::Role;
use crate::api::rounds::basis_of;
use crate::driver::Handle;
use crate::figure::{Figure, Form, Row, Who};
use crate::home::Home;
use crate::objections;
use crate::own::basis::Basis;
use crate::own::beside::{Beside, beside};
use crate::own::compare::Comparison;

/// Releases that are looked at: those of a term.
pub(super) const LOOKED_AT: usize = 6;
/// Of them, those that are shown.
const SHOWN_MAX: usize = 3;
/// Rows of a small figure where ours does not stand beside it.
const ROWS_MAX: usize = 4;
/// Counts of ours that are kept: a year's releases.
const KEPT_MAX: usize = 64;

/// What was counted, by Query, and of which records.
type ByQuery = BTreeMap<String, (Records, Arc<Vec<Beside>>)>;

/// Our own figures beside releases, kept while the records that they were counted from stay. Secret: no `Debug`.
#[derive(Default)]
pub(super) struct Counted(Mutex<ByQuery>);

/// By what records are told apart: which tables there are and when each was made, for the number of an import that was
/// taken back is given again; and when somebody last objected.
type Records = (Vec<(PathBuf, Option<SystemTime>)>, Option<SystemTime>);

fn records(home: &Home) -> Records {
    let mut tables = vec![];
    names(&home.join("tables"), &mut tables, 3);
    tables.sort();
    let objections = std::fs::metadata(home.join(objections::FILE)).and_then(|file| file.modified());
    (tables, objections.ok())
}

/// Folders of datasets, of vocabularies in them, of snapshots in those.
fn names(folder: &Path, all: &mut Vec<(PathBuf, Option<SystemTime>)>, depth: u8) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        all.push((entry.path(), entry.metadata().and_then(|found| found.modified()).ok()));
        if depth > 1 {
            names(&entry.path(), all, depth - 1);
        }
    }
}

impl Counted {
    fn inside(&self) -> std::sync::MutexGuard<'_, ByQuery> {
        // What it holds is whole after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ours beside a release: counted here and shown here. Nothing where we have no such rows, or to an auditor.
    pub(super) async fn beside(&self, handle: &Handle, basis: &Basis, role: Role) -> Arc<Vec<Beside>> {
        if role == Role::Auditor {
            return Arc::default();
        }
        let home = handle.home().clone();
        // Before counting: an import meanwhile makes it be counted again.
        let Ok(now) = tokio::task::spawn_blocking(move || records(&home)).await else {
            return Arc::default();
        };
        let kept =
            self.inside().get(&basis.query).filter(|(then, _)| *then == now).map(|(_, own)| Arc::clone(own));
        if let Some(own) = kept {
            return own;
        }
        let Ok(ours) = basis.count(handle.home()).await else { return Arc::default() };
        let own = Arc::new(beside(basis, &ours));
        let mut inside = self.inside();
        if inside.len() >= KEPT_MAX {
            inside.clear();
        }
        inside.insert(basis.query.clone(), (now, Arc::clone(&own)));
        own
    }
}

/// A release as Home shows it.
pub(super) struct Small {
    query: String,
    says: String,
    figure: Figure,
    rank: u8,
}

/// How much a row asks to be looked at: less is more.
fn rank(row: &Row) -> u8 {
    let says = |comparison: Comparison| row.says.starts_with(comparison.words());
    match row.who {
        Who::Own if says(Comparison::Higher) || says(Comparison::Lower) => 0,
        Who::Own if says(Comparison::Similar) => 1,
        Who::Own if says(Comparison::TooUncertain) => 2,
        Who::Own | Who::Cluster | Who::Plain => 3,
    }
}

/// What a release is about: a gap rather than its sides, and how many people only where nothing else is told.
fn newest_figure(figures: Vec<Figure>) -> Option<Figure> {
    let (counts, others): (Vec<Figure>, Vec<Figure>) =
        figures.into_iter().partition(|figure| figure.unit.begins_at_zero());
    others.into_iter().next_back().or_else(|| counts.into_iter().next_back())
}

/// The figure with the group in which ours differs most surely; without ours, its first groups.
fn small(query: &str, figure: Figure) -> Small {
    let mut figure = figure;
    figure.notes.clear();
    let found = figure.rows.iter().filter(|row| rank(row) < 3).min_by_key(|row| rank(row)).cloned();
    // Of a pair the sides belong to the gap: they differ in what stands last.
    let apart = usize::from(figure.form == Form::Dumbbell);
    let group = |row: &Row| row.key[..row.key.len().saturating_sub(apart)].to_vec();
    let (says, rank) = match found.filter(|_| matches!(figure.form, Form::IntervalRows | Form::Dumbbell)) {
        Some(row) => {
            let of_group: Vec<Row> =
                figure.rows.iter().filter(|other| group(other) == group(&row)).cloned().collect();
            figure.rows = of_group;
            // Said once, above the figure.
            figure.rows.iter_mut().for_each(|row| row.says.clear());
            let of = if row.key.is_empty() { String::new() } else { format!("{}. ", row.label()) };
            (format!("{of}{}.", row.says), rank(&row))
        }
        None => {
            figure = figure.shortened(ROWS_MAX);
            (String::new(), 3)
        }
    };
    Small { query: query.to_owned(), says, figure, rank }
}

/// Of these releases, the newest first, what stands out.
pub(super) async fn stands_out(
    handle: &Handle,
    counted: &Counted,
    newest: Vec<String>,
    role: Role,
) -> Vec<Small> {
    let mut all = vec![];
    for id in newest {
        // What cannot be shown here says so on its own page.
        let Ok((_, basis)) = basis_of(handle, id.clone()).await else { continue };
        let own = counted.beside(handle, &basis, role).await;
        all.extend(newest_figure(basis.figures(&own)).map(|figure| small(&id, figure)));
    }
    // Stable: of equals the newest first.
    all.sort_by_key(|one| one.rank);
    all.truncate(SHOWN_MAX);
    all
}

impl Small {
    pub(super) fn html(&self) -> Markup {
        html! {
            section class="out" aria-labelledby={ "out-" (self.figure.id) } {
                h3 id={ "out-" (self.figure.id) } { a href={ "/results/" (self.query) } { (self.figure.title) } }
                @if !self.says.is_empty() { p class="lead" { (self.says) } }
                (self.figure.html())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::gallery::gallery;

    fn rows(says: &[&str]) -> Figure {
        let mut figure = gallery().into_iter().find(|figure| figure.form == Form::IntervalRows).unwrap();
        let cell = figure.rows[0].cell.clone();
        figure.rows = vec![];
        for (n, says) in says.iter().enumerate() {
            let key = || [("Year group", format!("Year {n}"))];
            figure.rows.push(Row::new(key(), Who::Cluster, cell.clone()));
            let mut own = Row::new(key(), Who::Own, cell.clone());
            own.says = (*says).to_owned();
            figure.rows.push(own);
        }
        figure
    }

    #[test]
    fn the_group_that_surely_differs_is_shown_with_its_sentence() {
        let shown = small(
            "q",
            rows(&["Similar to the cluster: a", "Too uncertain to say: b", "Lower than the cluster: c"]),
        );
        assert_eq!((shown.says.as_str(), shown.rank), ("Year 2. Lower than the cluster: c.", 0));
        assert_eq!(shown.figure.rows.len(), 2, "the cluster's and ours");
        let shown = small("q", rows(&["", "Similar to the cluster: a"]));
        assert_eq!((shown.says.as_str(), shown.rank), ("Year 1. Similar to the cluster: a.", 1));
        let shown = small("q", rows(&["", "", "", ""]));
        assert_eq!((shown.says.as_str(), shown.rank, shown.figure.rows.len()), ("", 3, ROWS_MAX));
    }

    #[test]
    fn another_import_or_objection_is_other_records() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        let before = records(&home);
        std::fs::create_dir_all(home.join("tables/pupils/attendance-1/000001")).unwrap();
        let first = records(&home);
        std::fs::create_dir_all(home.join("tables/pupils/attendance-1/000002")).unwrap();
        let second = records(&home);
        // Taken back, and another import gets its number.
        let table = home.join("tables/pupils/attendance-1/000002");
        std::fs::remove_dir(&table).unwrap();
        std::fs::create_dir(&table).unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(1);
        std::fs::File::open(&table).unwrap().set_modified(later).unwrap();
        let again = records(&home);
        assert!(again != second);
        std::fs::write(home.join(objections::FILE), "").unwrap();
        let third = records(&home);
        assert!(before != first && first != second && second != third);
    }
}
