//! What a node knows already: vocabularies by name, and what its other tables say of a file's people.

use std::collections::HashMap;
use std::sync::Arc;

use datacoop_policy::vocabulary::{Unit, Vocabulary};
use datacoop_policy::{Day, Digest};

use super::{failed, store};
use crate::engine::{lookup, people_vocabulary};
use crate::error::CommandError;
use crate::home::{Home, shipped};
use crate::import::Report;
use crate::import::context::Context;

/// The vocabulary of this name, the newest if it says no version: the charter's text of it, where the
/// charter names one.
pub(super) fn named(home: &Home, name: &str) -> Result<(Digest, Arc<Vocabulary>), CommandError> {
    let known = home.vocabularies().map_err(store)?;
    let charter = home.charter().map_err(store)?;
    let version = |full: &str| {
        let (id, version) = full.split_once('/')?;
        (id == name).then(|| version.parse::<u32>().ok())?
    };
    let newest = known.values().filter_map(|(_, known)| Some((version(known.name())?, known.name()))).max();
    let full = newest.map_or(name, |(_, full)| full);
    let wanted = charter.and_then(|(_, charter)| charter.vocabulary(full).map(|(hash, _)| hash));
    let mut found = known
        .iter()
        .filter(|(hash, (_, known))| known.name() == full && wanted.is_none_or(|wanted| wanted == **hash));
    if let Some((hash, (_, vocabulary))) = found.next() {
        return Ok((*hash, vocabulary.clone()));
    }
    let mut names: Vec<&str> = known.values().map(|(_, known)| known.name()).collect();
    names.sort_unstable();
    let text = match wanted {
        Some(_) => format!("this node lacks the text that the charter calls `{full}`"),
        None => format!("this node knows no vocabulary `{name}`; it knows {}", names.join(", ")),
    };
    Err(CommandError::usage(text).hint("give a file of your own: --as FILE.toml"))
}

/// Another table of this node: its vocabulary and its newest snapshot.
fn table(home: &Home, name: &str) -> Result<Option<(Arc<Vocabulary>, std::path::PathBuf)>, CommandError> {
    let Some(vocabulary) = home.vocabulary(name, None).map_err(store)? else { return Ok(None) };
    Ok(home.table(&vocabulary).map(|(_, folder)| (vocabulary, folder)))
}

/// Pairs that SQL of ours says of another table; none where there is no such table.
fn pairs(
    home: &Home,
    name: &str,
    sql: &str,
) -> Result<Option<HashMap<String, Option<String>>>, CommandError> {
    let Some((vocabulary, folder)) = table(home, name)? else { return Ok(None) };
    let rows = lookup(&folder, &vocabulary, sql).map_err(failed)?;
    let pair = |mut row: Vec<Option<String>>| {
        let value = row.pop()?;
        Some((row.pop()??, value))
    };
    Ok(Some(rows.into_iter().filter_map(pair).collect()))
}

/// Whole numbers by person; of text that is none, nothing.
fn numbers(pairs: Option<HashMap<String, Option<String>>>) -> HashMap<String, u16> {
    let read = |(id, number): (String, Option<String>)| Some((id, number?.parse().ok()?));
    pairs.into_iter().flatten().filter_map(read).collect()
}

/// What the node's other tables say of the people of a vocabulary's rows.
pub(super) fn context(home: &Home, vocabulary: &Vocabulary, today: Day) -> Result<Context, CommandError> {
    // A vocabulary of one's own has no rules that would ask.
    if !shipped().iter().any(|(_, (_, shipped))| shipped.name() == vocabulary.name()) {
        return Ok(Context::default());
    }
    let mut context = Context::default();
    let owner = people_vocabulary(vocabulary).filter(|owner| *owner != vocabulary.name());
    if let (Some(owner), Unit::Column(unit)) = (owner, vocabulary.unit()) {
        let birthday = if owner == "pupils/1" { "birthday" } else { "NULL" };
        context.people = pairs(home, owner, &format!("SELECT {unit}, {birthday} FROM t"))?;
    }
    let id = vocabulary.name().split('/').next().unwrap_or("");
    if matches!(id, "pupils" | "attainment") {
        let sql = "SELECT pupil_id, CAST(ROUND(MAX(ks2_avg) * 2) AS BIGINT) FROM t WHERE ks2_avg IS NOT NULL \
                   GROUP BY pupil_id";
        context.ks2_halves = numbers(pairs(home, "attainment/1", sql)?);
    }
    if id == "pupils" {
        let year = today.academic_year().0;
        let sql = format!(
            "SELECT pupil_id, CAST(SUM(absent) * 10000 / SUM(possible) AS BIGINT) FROM t WHERE date BETWEEN \
             CAST('{}-09-01' AS DATE) AND CAST('{year}-08-31' AS DATE) GROUP BY pupil_id HAVING SUM(possible) > 0",
            year - 1
        );
        context.prior_absence = numbers(pairs(home, "attendance/1", &sql)?);
    }
    if id == "vcse_participation" {
        context.activities = activities(home)?;
    }
    Ok(context)
}

type Activities = HashMap<String, [Option<Arc<str>>; 3]>;

fn activities(home: &Home) -> Result<Option<Activities>, CommandError> {
    let Some((vocabulary, folder)) = table(home, "vcse_activities/1")? else { return Ok(None) };
    let sql = "SELECT activity_id, programme, activity_type, mode FROM t";
    let rows = lookup(&folder, &vocabulary, sql).map_err(failed)?;
    let said = rows.into_iter().filter_map(|row| {
        let [id, programme, kind, mode] = <[Option<String>; 4]>::try_from(row).ok()?;
        Some((id?, [programme, kind, mode].map(|text| text.map(Arc::from))))
    });
    Ok(Some(said.collect()))
}

/// Says so where there are more people than the charter's public bound allows to count.
pub(super) fn roll_warning(home: &Home, vocabulary: &Vocabulary, report: &Report) -> Option<String> {
    let id = vocabulary.name().split('/').next()?;
    if !home.exists() || !matches!(id, "pupils" | "vcse_beneficiaries") {
        return None;
    }
    let config = home.config().ok()?;
    let charter = home.charter().ok().flatten();
    let bound = charter.and_then(|(_, charter)| Some(charter.member(&config.id.0)?.people_max));
    let bound = bound.unwrap_or(config.people_max);
    (report.rows_kept > bound).then(|| {
        format!(
            "{} people are more than {bound}, the public bound of this member in its charter; have it amended, \
             because sums are cut to what the bound allows",
            report.rows_kept
        )
    })
}

/// Says so where results came after the pupil list, which was read without anybody's starting point.
pub(super) fn pupils_warning(home: &Home, vocabulary: &Vocabulary) -> Option<String> {
    if vocabulary.name() != "attainment/1" {
        return None;
    }
    let (pupils, folder) = table(home, "pupils/1").ok()??;
    let rows = lookup(&folder, &pupils, "SELECT COUNT(ks2_band) FROM t").ok()?;
    (rows.first()?.first()?.as_deref() == Some("0")).then(|| {
        "the pupil list was imported before any results: import it once more, or questions about attendance \
         and behaviour know nobody's starting point"
            .to_owned()
    })
}
