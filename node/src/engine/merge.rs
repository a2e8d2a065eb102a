//! From rows just read to the next snapshot: put in order, the rest of the old rows kept. Streams
//! within the engine's memory and spills beyond.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datacoop_policy::Day;
use datacoop_policy::sql::identifier;
use datacoop_policy::vocabulary::{Unit, Vocabulary};
use datafusion::dataframe::DataFrame;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::metadata::SortingColumn;
use futures::StreamExt as _;

use super::table::{Part, appear, create_file, properties, schema, unfinished_path};
use super::view::{context, table_of};
use super::{EngineError, UNFINISHED, failed, newest_table, snapshots, snapshots_path, table_path};
use crate::folder::{make_dir, sync_dir};

/// Snapshots that are kept, the newest among them: as many imports can be taken back less one.
pub const SNAPSHOTS_KEPT: usize = 5;

/// Files are ordered on one thread: several sorts at once would leave each other too little memory.
const ONE: usize = 1;

/// Memory that ordering may take; beyond, it spills. A sort holds its rows twice, and an import should
/// stay below 300 MB in all.
const ORDER_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Where the rows of an import are written before they are part of a snapshot. Crash here: removed at
/// the next start. What an earlier import left there goes.
pub fn staging_path(tables: &Path, vocabulary: &Vocabulary) -> Result<PathBuf, EngineError> {
    let path = snapshots_path(tables, vocabulary).join(format!("staged.{UNFINISHED}"));
    for left in [unfinished_path(&path), path.clone()] {
        if left.exists() {
            fs::remove_dir_all(&left).map_err(failed)?;
        }
    }
    Ok(path)
}

/// Orders each file of staged rows by person, day and key. The import has settled which rows there are.
///
/// Errors: the machine failed; the staged files are then of no use.
pub fn order_rows(staged: &Path, vocabulary: &Vocabulary) -> Result<(), EngineError> {
    order_within(staged, vocabulary, ORDER_BYTES_MAX)
}

fn order_within(staged: &Path, vocabulary: &Vocabulary, memory_bytes: usize) -> Result<(), EngineError> {
    block_on(async {
        for part in parts_of(staged)? {
            let file = staged.join(&part);
            let context = context(staged.parent().unwrap_or(staged), ONE, memory_bytes)?;
            let rows = table_of(vocabulary, std::slice::from_ref(&file))?;
            let rows = context.read_table(rows).map_err(failed)?;
            let ordered = staged.join(format!("{part}.{UNFINISHED}"));
            write_ordered(rows, vocabulary, &ordered).await?;
            fs::rename(ordered, &file).map_err(failed)?;
        }
        sync_dir(staged).map_err(failed)
    })
}

/// Makes staged rows the next snapshot, and drops snapshots beyond [`SNAPSHOTS_KEPT`]. Returns its number.
///
/// With `replaced` the days of its stretches are replaced by the staged rows, which should lie in them,
/// and all other rows stay: files of years that neither touches are shared with the snapshot before.
/// Without it, and where a vocabulary has no date column, the staged rows are all there is.
pub fn merge(
    tables: &Path,
    vocabulary: &Vocabulary,
    staged: &Path,
    replaced: Option<&[RangeInclusive<Day>]>,
) -> Result<u64, EngineError> {
    let before = newest_table(tables, vocabulary);
    let number = before.as_ref().map_or(1, |(number, _)| number + 1);
    let target = table_path(tables, vocabulary, number);
    let old = before.map(|(_, folder)| folder);
    match (old, replaced, vocabulary.date_column()) {
        (Some(old), Some(days), Some(date)) => {
            let temporary = unfinished_path(&target);
            if temporary.exists() {
                fs::remove_dir_all(&temporary).map_err(failed)?;
            }
            make_dir(&temporary).map_err(failed)?;
            let sources = Sources { old: &old, staged, date: &date.name, days };
            block_on(sources.fill(vocabulary, &temporary))?;
            appear(&temporary, &target).map_err(failed)?;
            fs::remove_dir_all(staged).map_err(failed)?;
        }
        _ => appear(staged, &target).map_err(failed)?,
    }
    let kept = snapshots(tables, vocabulary);
    for (_, folder) in kept.iter().rev().skip(SNAPSHOTS_KEPT) {
        remove(folder)?;
    }
    Ok(number)
}

/// Takes the newest snapshot back. Returns the one that is in force now, if any.
///
/// Errors: there is none, or the disk says no.
pub fn undo(tables: &Path, vocabulary: &Vocabulary) -> Result<Option<u64>, EngineError> {
    let (_, newest) = newest_table(tables, vocabulary).ok_or_else(|| {
        failed(format!(
            "no import of {} to take back; at most the last {SNAPSHOTS_KEPT} are kept",
            vocabulary.name()
        ))
    })?;
    remove(&newest)?;
    Ok(newest_table(tables, vocabulary).map(|(number, _)| number))
}

/// Crash here: a folder that no longer counts, removed at the next start.
fn remove(folder: &Path) -> Result<(), EngineError> {
    let gone = unfinished_path(folder);
    fs::rename(folder, &gone).map_err(failed)?;
    sync_dir(folder.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    fs::remove_dir_all(&gone).map_err(failed)
}

/// An old snapshot and the rows that replace some days of it.
struct Sources<'a> {
    old: &'a Path,
    staged: &'a Path,
    date: &'a str,
    days: &'a [RangeInclusive<Day>],
}

impl Sources<'_> {
    async fn fill(&self, vocabulary: &Vocabulary, target: &Path) -> Result<(), EngineError> {
        let touched: BTreeSet<String> = self.days.iter().flat_map(years).map(Part::file_name).collect();
        let (old, new) = (parts_of(self.old)?, parts_of(self.staged)?);
        for part in old.union(&new) {
            let (left, right) = (self.old.join(part), self.staged.join(part));
            let stays = touched.contains(part) || Part::Undated.file_name() != *part && new.contains(part);
            match (old.contains(part), new.contains(part)) {
                // Rows without a day are in no period: the newest import of them stands.
                (_, true) if !stays => link(&right, &target.join(part))?,
                (false, _) => link(&right, &target.join(part))?,
                (true, false) if !stays => link(&left, &target.join(part))?,
                (true, _) => self.mix(vocabulary, part, &target.join(part)).await?,
            }
        }
        Ok(())
    }

    /// A file of old rows outside the days and of new rows.
    async fn mix(&self, vocabulary: &Vocabulary, part: &str, target: &Path) -> Result<(), EngineError> {
        let beside = target.parent().and_then(Path::parent).unwrap_or(target);
        let context = context(beside, ONE, ORDER_BYTES_MAX)?;
        context.register_table("old", table_of(vocabulary, &[self.old.join(part)])?).map_err(failed)?;
        context.register_table("new", table_of(vocabulary, &[self.staged.join(part)])?).map_err(failed)?;
        let date = identifier(self.date);
        let outside: Vec<String> = self
            .days
            .iter()
            .map(|days| {
                let (first, last) = (days.start(), days.end());
                format!("{date} NOT BETWEEN CAST('{first}' AS DATE) AND CAST('{last}' AS DATE)")
            })
            .collect();
        let outside = if outside.is_empty() { "TRUE".to_owned() } else { outside.join(" AND ") };
        let sql = format!("SELECT * FROM old WHERE {outside} UNION ALL SELECT * FROM new");
        let rows = context.sql(&sql).await.map_err(failed)?;
        if write_ordered(rows, vocabulary, target).await? == 0 {
            fs::remove_file(target).map_err(failed)?;
        }
        Ok(())
    }
}

/// The academic years that these days touch.
fn years(days: &RangeInclusive<Day>) -> impl Iterator<Item = Part> {
    let (first, last) = (days.start().academic_year().0, days.end().academic_year().0);
    (first..=last).map(|year| Part::Year(datacoop_policy::AcademicYear(year)))
}

/// One file in two snapshots; files never change, so neither can tell.
fn link(from: &Path, to: &Path) -> Result<(), EngineError> {
    // Why not only a link: some file systems have none.
    fs::hard_link(from, to)
        .or_else(|_| {
            fs::copy(from, to)?;
            fs::File::open(to)?.sync_all()
        })
        .map_err(failed)
}

/// Names of a table's files.
pub(super) fn parts_of(folder: &Path) -> Result<BTreeSet<String>, EngineError> {
    let names = crate::folder::list(folder).map_err(failed)?;
    Ok(names.into_iter().filter(|name| name.ends_with(".parquet")).collect())
}

/// Columns in whose order files lie: the person, the day, then the rest of the key. A person's rows lie
/// together, so they are added up without looking far and a name is stored once.
pub(super) fn order(vocabulary: &Vocabulary) -> Vec<String> {
    let mut order = vec![];
    if let Unit::Column(unit) = vocabulary.unit() {
        order.push(unit.clone());
    }
    order.extend(vocabulary.date_column().map(|date| date.name.clone()));
    order.extend(vocabulary.key().iter().filter(|name| !order.contains(name)).cloned().collect::<Vec<_>>());
    order
}

/// Writes rows in the order of a table's files into a new file and syncs it. Returns how many.
pub(super) async fn write_ordered(
    rows: DataFrame,
    vocabulary: &Vocabulary,
    file: &Path,
) -> Result<u64, EngineError> {
    let order = order(vocabulary);
    let exprs = order.iter().map(|name| datafusion::prelude::ident(name).sort(true, false)).collect();
    let rows = if order.is_empty() { rows } else { rows.sort(exprs).map_err(failed)? };
    let table = schema(vocabulary);
    let sorting = order.iter().filter_map(|name| {
        let column_idx = i32::try_from(table.index_of(name).ok()?).ok()?;
        Some(SortingColumn { column_idx, descending: false, nulls_first: false })
    });
    let sorting: Vec<SortingColumn> = sorting.collect();
    let properties = properties().set_sorting_columns((!sorting.is_empty()).then_some(sorting)).build();
    let columns = Arc::new(rows.schema().as_arrow().clone());
    let open = create_file(file).map_err(failed)?;
    let mut writer = ArrowWriter::try_new(open, columns, Some(properties)).map_err(failed)?;
    let mut batches = rows.execute_stream().await.map_err(failed)?;
    let mut count = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch.map_err(failed)?;
        count += batch.num_rows() as u64;
        writer.write(&batch).map_err(failed)?;
    }
    writer.into_inner().map_err(failed)?.sync_all().map_err(failed)?;
    Ok(count)
}

/// Runs engine work from code that is not async, whoever calls it.
///
/// Why its own threads: an import runs on threads of another runtime, on which nothing may wait.
pub(super) fn block_on<T: Send>(
    work: impl Future<Output = Result<T, EngineError>> + Send,
) -> Result<T, EngineError> {
    std::thread::scope(|scope| {
        let own = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
            runtime.block_on(work)
        });
        own.join().unwrap_or_else(|_| Err(failed("the engine broke; this is a fault of the program")))
    })
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
