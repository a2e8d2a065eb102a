//! What stands out: of the newest releases those first in which ours surely differs from the cluster, each with a
//! sentence and a small figure. What may be said of ours is decided in [`crate::own`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use maud::{Markup, html};

use super::role::Role;
use crate::driver::Handle;
use crate::figure::{BESIDE_NOTE, Figure, Form, NOT_SHOWN, Row, Who};
use crate::home::Home;
use crate::objections;
use crate::own::basis::Basis;
use crate::own::beside::{Beside, beside};
use crate::own::compare::Comparison;

/// Releases that are looked at: those of a term.
pub(super) const LOOKED_AT: usize = 6;
/// Of them, those that are shown.
const SHOWN_MAX: usize = 3;
/// The rank of what is not compared.
const UNCOMPARED: u8 = 3;
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
        // Before counting: an import meanwhile makes it be counted again.
        let Some(now) = Self::now(handle).await else { return Arc::default() };
        self.beside_as_of(&now, handle, basis).await
    }

    /// By what our records are told apart now.
    async fn now(handle: &Handle) -> Option<Records> {
        let home = handle.home().clone();
        tokio::task::spawn_blocking(move || records(&home)).await.ok()
    }

    async fn beside_as_of(&self, now: &Records, handle: &Handle, basis: &Basis) -> Arc<Vec<Beside>> {
        let kept =
            self.inside().get(&basis.query).filter(|(then, _)| then == now).map(|(_, own)| Arc::clone(own));
        if let Some(own) = kept {
            return own;
        }
        let Ok(ours) = basis.count(handle.home()).await else { return Arc::default() };
        let own = Arc::new(beside(basis, &ours));
        let mut inside = self.inside();
        if inside.len() >= KEPT_MAX {
            inside.clear();
        }
        inside.insert(basis.query.clone(), (now.clone(), Arc::clone(&own)));
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
pub(super) fn rank(row: &Row) -> u8 {
    match row.compared.filter(|_| row.who == Who::Own) {
        Some(comparison) if comparison.is_sure() => 0,
        Some(Comparison::TooUncertain) => 2,
        Some(_) => 1,
        None => UNCOMPARED,
    }
}

/// What a release is about: a gap rather than its sides, and how many people only where nothing else is told.
pub(super) fn main_figure(figures: Vec<Figure>) -> Option<Figure> {
    let (counts, others): (Vec<Figure>, Vec<Figure>) =
        figures.into_iter().partition(|figure| figure.unit.begins_at_zero());
    others.into_iter().next_back().or_else(|| counts.into_iter().next_back())
}

/// The rows of a row's group: the cluster's and ours, and of a pair both its sides.
pub(super) fn group_of(figure: &Figure, row: &Row) -> Vec<Row> {
    // Of a pair the sides belong to the gap: they differ in what stands last.
    let apart = usize::from(figure.form == Form::Dumbbell);
    let group = |row: &Row| row.key[..row.key.len().saturating_sub(apart)].to_vec();
    figure.rows.iter().filter(|other| group(other) == group(row)).cloned().collect()
}

/// The row of ours that asks most to be looked at; of equals the first. `None` where none is compared.
pub(super) fn most(figure: &Figure) -> Option<&Row> {
    figure.rows.iter().filter(|row| rank(row) < UNCOMPARED).min_by_key(|row| rank(row))
}

/// The figure with the group in which ours differs most surely; without such, its first groups and why there is none:
/// `why` where ours was not counted at all.
fn small(query: &str, figure: Figure, why: &str) -> Small {
    let mut figure = figure;
    let noted = std::mem::take(&mut figure.notes).into_iter().find(|note| note.starts_with(NOT_SHOWN));
    let (says, rank) = match most(&figure).cloned() {
        Some(row) => {
            let of = if row.key.is_empty() { String::new() } else { format!("{}. ", row.label()) };
            let said = (format!("{of}{}.", row.says), rank(&row));
            if matches!(figure.form, Form::IntervalRows | Form::Dumbbell) {
                figure.rows = group_of(&figure, &row);
            }
            said
        }
        None => {
            let reason = figure.rows.iter().find(|row| !row.says.is_empty()).map(|row| row.says.clone());
            figure = figure.shortened(ROWS_MAX);
            let reason = reason.or(noted).unwrap_or_else(|| format!("{NOT_SHOWN}{why}"));
            (format!("{BESIDE_NOTE} {}.", reason.trim_end_matches('.')), UNCOMPARED)
        }
    };
    // Said once, above the figure.
    figure.rows.iter_mut().for_each(|row| row.says.clear());
    Small { query: query.to_owned(), says, figure, rank }
}

/// Why ours was not counted.
pub(super) fn why_not_counted(role: Role) -> &'static str {
    match role {
        Role::Auditor => "an auditor does not see the node's own figures",
        Role::Manager => "this node has no records that the question is about",
    }
}

/// Of these releases, the newest first, what stands out.
pub(super) async fn stands_out(
    handle: &Handle,
    counted: &Counted,
    newest: Vec<Basis>,
    role: Role,
) -> Vec<Small> {
    let mut all = vec![];
    let now = match role {
        Role::Manager => Counted::now(handle).await,
        Role::Auditor => None,
    };
    for basis in newest {
        let own = match &now {
            Some(now) => counted.beside_as_of(now, handle, &basis).await,
            None => Arc::default(),
        };
        let figure = main_figure(basis.figures(&own));
        all.extend(figure.map(|figure| small(&basis.query, figure, why_not_counted(role))));
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
                p class="lead" { (self.says) }
                (self.figure.html())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::gallery::gallery;

    fn rows(said: &[(&str, Option<Comparison>)]) -> Figure {
        let mut figure = gallery().into_iter().find(|figure| figure.form == Form::IntervalRows).unwrap();
        let cell = figure.rows[0].cell.clone();
        figure.rows = vec![];
        for (n, (says, compared)) in said.iter().enumerate() {
            let key = || [("Year group", format!("Year {n}"))];
            figure.rows.push(Row::new(key(), Who::Cluster, cell.clone()));
            let own = Row::new(key(), Who::Own, cell.clone());
            figure.rows.push(Row { says: (*says).to_owned(), compared: *compared, ..own });
        }
        figure
    }

    #[test]
    fn the_group_that_surely_differs_is_shown_with_its_sentence() {
        let shown = |said: &[(&str, Option<Comparison>)]| small("q", rows(said), "no records");
        let (similar, uncertain) = (Some(Comparison::Similar), Some(Comparison::TooUncertain));
        for sure in [Comparison::Lower, Comparison::Smaller, Comparison::OtherWay] {
            let shown = shown(&[("a", similar), ("b", uncertain), ("c", Some(sure))]);
            assert_eq!((shown.says.as_str(), shown.rank), ("Year 2. c.", 0));
            assert_eq!(shown.figure.rows.len(), 2, "the cluster's and ours");
        }
        let one = shown(&[("Not shown: x", None), ("a", similar)]);
        assert_eq!((one.says.as_str(), one.rank), ("Year 1. a.", 1));
    }

    #[test]
    fn what_is_not_compared_says_why() {
        let not = "Not shown: we have nobody in this group";
        let shown = small("q", rows(&[(not, None); 4]), "no records");
        assert_eq!((shown.rank, shown.figure.rows.len()), (UNCOMPARED, ROWS_MAX));
        assert!(shown.html().into_string().contains("Ours beside the cluster. Not shown: we have nobody"));
        let mut figure = rows(&[("", None)]);
        figure.rows.truncate(1);
        let shown = small("q", figure, why_not_counted(Role::Manager));
        let html = shown.html().into_string();
        assert!(html.contains("Not shown: this node has no records that the question is about."), "{html}");
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
