//! The governors' page: a sheet for people who were not there. What was found stands on top in sentences to be read out
//! aloud; how it was done and how sure it is below; the figure itself on the back. Without our own figures where a
//! group has too few of our people.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use maud::html;

use super::results::Looked;
use super::role::Role;
use super::stands_out::{group_of, main_figure, most, why_not_counted};
use super::told::{cluster, cost};
use super::words::days;
use super::{Shared, frame_of};
use crate::figure::{Cell, Figure, Form, NOT_SHOWN, Number, RANGE_NOTE, Row, Unit, Who};
use crate::own::PEOPLE_FEW;
use crate::own::basis::Basis;
use crate::own::beside::Beside;
use crate::own::compare::Comparison;

/// Rows of a figure on the back of a sheet of Letter paper, which is shorter than A4: each of ours has a sentence of up
/// to four lines beside it.
const ROWS_MAX: usize = 12;
/// Of pairs, which stand three rows to a line.
const PAIR_ROWS_MAX: usize = 12;

pub(super) async fn show(
    State(shared): State<Shared>,
    Extension(role): Extension<Role>,
    Path(id): Path<String>,
) -> Response {
    let frame = frame_of(&shared.handle).await;
    let Looked { release, basis, own: all, told } = match Looked::at(&shared, role, id).await {
        Ok(looked) => looked,
        Err(error) => return frame.error("/results", &error),
    };
    let own: Vec<Beside> = all.iter().filter(|one| !one.is_few()).cloned().collect();
    let figures = basis.figures(&own);
    let (title, count) = (basis.question.question().title().to_owned(), figures.len());
    let Some(figure) = main_figure(figures) else {
        return frame.page("/results", &title, &html! { p { "This release shows nothing." } });
    };
    let missing = match all.is_empty() {
        true => why_not_counted(role).to_owned(),
        false => format!("fewer than {PEOPLE_FEW} of our people are in a group"),
    };
    let found = found(&basis, &told.cooperative, &figure, &missing);
    let few = all.len() > own.len();
    let (figure, left_out) = for_paper(figure);
    let body = html! {
        p class="no-print" { "Print this page with your browser, to paper or as a PDF: two pages." }
        h2 { "What was found" }
        p class="found" id="found" { (found.join(" ")) }
        h2 { "How it was done" }
        p {
            "Each member counted its own records on its own computer, added privacy noise on purpose, and only the sum over "
            (release["accepted"]) " members was ever opened. No record left its member."
        }
        (cluster(&release, &told))
        h2 { "How sure we are" }
        p { (RANGE_NOTE) " The thick bar is privacy noise, the thin one noise and ordinary chance together." }
        (cost(&release))
        h2 { "How to check it" }
        p { "Certificate " (figure.certificate) ". Anybody who knows the co-operative's fingerprint checks it without asking us: " code { "datacoop verify FILE.dcert" } }
        section class="back titled" aria-label="The figure" {
            (figure.html())
            p {
                @if few { "Ours is left out where fewer than " (PEOPLE_FEW) " of our people are in a group. " }
                @if left_out > 0 { (left_out) " more rows are on the result's own page. " }
                @if count > 1 { "What else was counted is on the result's own page." }
            }
        }
    };
    frame.page("/results", &title, &body)
}

/// As many rows as a page holds, with those that are spoken of; and how many are left out.
fn for_paper(mut figure: Figure) -> (Figure, usize) {
    let most_rows = match figure.form {
        Form::IntervalRows => ROWS_MAX,
        Form::Dumbbell => PAIR_ROWS_MAX,
        Form::Strip { .. }
        | Form::SeriesBand { .. }
        | Form::Multiples
        | Form::Matrix
        | Form::Meter
        | Form::Ticks => {
            return (figure, 0);
        }
    };
    let all = figure.rows.len();
    if all > most_rows {
        let spoken = most(&figure).and_then(|row| figure.rows.iter().position(|other| other == row));
        let end = spoken.map_or(0, |at| at + 1).max(most_rows);
        figure.rows = figure.rows.drain(end - most_rows..end).collect();
    }
    let left = all - figure.rows.len();
    (figure, left)
}

/// What a governor reads out: what was asked; the cluster's figure with its range, and ours beside it; what may be said
/// of the two; and what not. `missing` is why ours is not there, where it is not.
fn found(basis: &Basis, cooperative: &str, figure: &Figure, missing: &str) -> Vec<String> {
    let draft = basis.question.question().draft();
    let asked = format!(
        "About {}, {} of {} members of {cooperative} counted their answer to the question \"{}\".",
        days(&basis.question.period().to_string()),
        basis.accepted,
        basis.roster,
        draft.title
    );
    let rows = spoken_of(figure);
    let own: Vec<&Row> =
        rows.iter().filter(|row| row.who == Who::Own && is_gap_or_plain(figure, row)).collect();
    let mut said = vec![asked];
    let told = own.iter().find(|row| row.cell.value().is_some()).or_else(|| own.first());
    match told {
        Some(told) => {
            said.push(format!("{}; {}.", theirs(figure, &rows), ours(figure, &own)));
            said.push(may_be_said(told));
        }
        None => {
            said.push(format!("{}.", theirs(figure, &rows)));
            said.push(format!("Ours is not shown beside it: {missing}."));
        }
    }
    if !draft.cannot_tell.is_empty() {
        said.push(format!("It cannot tell {}.", listed(&draft.cannot_tell)));
    }
    said
}

/// The rows that are spoken of: those of the group in which ours asks most to be looked at; without such the median of a
/// spread, the first of several pairs, all groups of anything else.
fn spoken_of(figure: &Figure) -> Vec<Row> {
    let first = || match figure.form {
        Form::Strip { .. } => figure.rows.iter().find(|row| row.label().contains("(median)")),
        Form::Dumbbell => figure.rows.first(),
        Form::IntervalRows
        | Form::SeriesBand { .. }
        | Form::Multiples
        | Form::Matrix
        | Form::Meter
        | Form::Ticks => None,
    };
    most(figure).or_else(first).map_or_else(|| figure.rows.clone(), |row| group_of(figure, row))
}

/// Of a pair only the gap is spoken of as ours.
fn is_gap_or_plain(figure: &Figure, row: &Row) -> bool {
    figure.form != Form::Dumbbell || row.gap.is_some()
}

/// A number as it is read out.
fn spoken(unit: &Unit, number: &Number) -> String {
    match unit {
        Unit::Percent => format!("{number}%"),
        Unit::PercentagePoints => format!("{number} percentage points"),
        Unit::Count(words) | Unit::Of(words) => format!("{} {words}", unit.show(number)),
    }
}

/// A number with its range; `group` stands between them.
fn with_range(figure: &Figure, row: &Row, group: &str) -> String {
    let unit = figure.unit_of(row);
    match &row.cell {
        Cell::Estimated { value, low, high, .. } => {
            format!("{}{group} (likely range {})", spoken(unit, value), unit.range(low, high))
        }
        Cell::Exact { value, .. } => format!("{}{group}", spoken(unit, value)),
        Cell::Suppressed | Cell::Refused | Cell::Missing => {
            "not shown, for too few people or too wide a range".into()
        }
    }
}

/// The cluster's figure in these rows: of one group, or from the lowest to the highest.
fn theirs(figure: &Figure, rows: &[Row]) -> String {
    let theirs: Vec<&Row> = rows.iter().filter(|row| row.who != Who::Own).collect();
    let measure = figure.subtitle.split(',').next().unwrap_or_default().to_lowercase();
    if let (Form::Dumbbell, [first, second, gap, ..]) = (&figure.form, theirs.as_slice()) {
        let side = |row: &Row| {
            let value = row.cell.value().map(|value| spoken(figure.unit_of(row), value));
            value.map(|value| format!("{value} for {}", row.label()))
        };
        let sides = side(first).zip(side(second)).map(|(first, second)| format!(" {first} and {second},"));
        return format!(
            "In the cluster the {measure} is{} with a gap between them of {}",
            sides.unwrap_or_default(),
            with_range(figure, gap, "")
        );
    }
    // Quantiles say themselves what they are.
    if let [one] = theirs.as_slice()
        && one.key.last().is_some_and(|(name, _)| name == "Part")
    {
        let at_most = lower(&one.label()).replace(" (median)", "");
        return format!("In the cluster {at_most} {}", with_range(figure, one, ""));
    }
    match ends(&theirs) {
        None => format!("The cluster's {measure} is not shown, for too few people or too wide a range"),
        Some((one, None)) => {
            format!("In the cluster the {measure}{} is {}", of(one), with_range(figure, one, ""))
        }
        Some((least, Some(greatest))) => {
            let part = |row: &Row| with_range(figure, row, &of(row));
            format!("In the cluster the {measure} goes from {} to {}", part(least), part(greatest))
        }
    }
}

/// What stands after a number that is of a group.
fn of(row: &Row) -> String {
    if row.key.is_empty() { String::new() } else { format!(" for {}", row.label()) }
}

/// The row with the least number, and that with the greatest where there are several.
fn ends<'a>(rows: &[&'a Row]) -> Option<(&'a Row, Option<&'a Row>)> {
    let value = |row: &Row| row.cell.value().map_or(0.0, Number::value);
    let mut shown: Vec<&Row> = rows.iter().copied().filter(|row| row.cell.value().is_some()).collect();
    shown.sort_by(|a, b| value(a).total_cmp(&value(b)));
    Some((shown.first()?, shown.get(1..).and_then(|rest| rest.last()).copied()))
}

fn ours(figure: &Figure, rows: &[&Row]) -> String {
    let what = if rows.iter().any(|row| row.gap.is_some()) { "our own gap" } else { "ours" };
    let number =
        |row: &Row| row.cell.value().map_or_else(String::new, |value| spoken(figure.unit_of(row), value));
    match ends(rows) {
        None => format!("{what} is not there, for none of our people are in that group"),
        Some((one, None)) => format!("{what} is {}, counted here and exact", number(one)),
        Some((least, Some(greatest))) => format!(
            "{what} goes from {}{} to {}{}, counted here and exact",
            number(least),
            of(least),
            number(greatest),
            of(greatest)
        ),
    }
}

/// What of ours and the cluster's may be said, and what must not be read into it.
fn may_be_said(row: &Row) -> String {
    let (words, range) = row.says.split_once(": ").unwrap_or((&row.says, ""));
    let words = lower(words);
    match row.compared {
        None => {
            format!("The two are not compared: {}.", row.says.strip_prefix(NOT_SHOWN).unwrap_or(&row.says))
        }
        Some(Comparison::TooUncertain) => format!(
            "Whether they differ is too uncertain to say: {range}; it may not be said that they are the same."
        ),
        Some(Comparison::Similar) => {
            format!(
                "It may be said that ours is {words}: {range}; it may not be said that they are the same."
            )
        }
        Some(
            Comparison::Higher
            | Comparison::Lower
            | Comparison::Smaller
            | Comparison::Wider
            | Comparison::OtherWay
            | Comparison::SmallerOrOther
            | Comparison::Apart,
        ) => format!("It may be said that ours is {words}: {range}; it may not be said why."),
    }
}

fn lower(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Such as `why, when or where`.
fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::gallery::gallery;
    use crate::own::beside::beside;
    use crate::own::progress::tests::school;

    fn of_gallery(id: &str) -> Figure {
        gallery().into_iter().find(|figure| figure.id == id).unwrap()
    }

    #[test]
    fn what_was_found_is_a_few_sentences_to_be_read_out() {
        let (basis, ours) = school();
        let own = beside(&basis, &ours);
        for (own, said) in
            [(own.as_slice(), "counted here and exact"), (&[], "Ours is not shown beside it: no records.")]
        {
            let figure = main_figure(basis.figures(own)).unwrap();
            let found = found(&basis, "Hill and Vale", &figure, "no records");
            assert!((2..=4).contains(&found.len()), "{found:?}");
            let text = found.join(" ");
            for part in [
                "4 of 4 members of Hill and Vale",
                "1 September 2025 to 31 August 2026",
                "In the cluster the ",
                "likely range ",
                "which school adds most",
                "It cannot tell ",
                said,
            ] {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert!(found.iter().all(|one| one.ends_with('.') && one.chars().count() < 400), "{found:?}");
            assert!(!text.contains(": ours"), "no row of a table is read out: {text}");
        }
    }

    #[test]
    fn a_pair_is_read_as_two_sides_and_their_gap() {
        let figure = of_gallery("g-gap");
        let own = most(&figure).unwrap();
        let rows = group_of(&figure, own);
        let said = theirs(&figure, &rows);
        assert!(
            said.contains("29.6% for Year 8, Pupil premium: yes and 16.2% for Year 8, Pupil premium: no"),
            "{said}"
        );
        assert!(
            said.ends_with("a gap between them of 13.4 percentage points (likely range 11.5 to 15.3 pp)"),
            "{said}"
        );
        assert_eq!(ours(&figure, &[own]), "our own gap is 16.1 percentage points, counted here and exact");
        assert!(
            may_be_said(own).contains("too uncertain to say")
                && may_be_said(own).contains("4.5 percentage points smaller")
        );
    }

    #[test]
    fn a_spread_is_read_by_its_median_and_groups_from_lowest_to_highest() {
        let strip = of_gallery("g-strip");
        let said = theirs(&strip, &spoken_of(&strip));
        assert_eq!(said, "In the cluster half have at most 46 points (likely range 44 to 48)");
        let event = of_gallery("g-event");
        let said = theirs(&event, &spoken_of(&event));
        assert!(
            said.contains("goes from \u{2212}4.1 percentage points")
                && said.contains("to \u{2212}0.4 percentage points for Pupil premium: no (likely range "),
            "{said}"
        );
        let mut hidden = event;
        hidden.rows.iter_mut().for_each(|row| row.cell = Cell::Suppressed);
        assert!(theirs(&hidden, &hidden.rows).contains("is not shown, for too few people"));
    }

    #[test]
    fn what_may_not_be_said_is_said_too() {
        let row = |says: &str, compared| Row {
            says: says.into(),
            compared,
            ..Row::new([("", "")], Who::Own, Cell::Missing)
        };
        let sure = row(
            "A smaller gap than the cluster: the difference is likely to be between 1 and 3 smaller",
            Some(Comparison::Smaller),
        );
        assert_eq!(
            may_be_said(&sure),
            "It may be said that ours is a smaller gap than the cluster: the difference is likely to be between 1 and 3 smaller; it may not be said why."
        );
        let similar = row("Similar to the cluster: r", Some(Comparison::Similar));
        assert!(may_be_said(&similar).ends_with("it may not be said that they are the same."));
        let none = row("Not shown: we have nobody in this group", None);
        assert_eq!(may_be_said(&none), "The two are not compared: we have nobody in this group.");
    }

    #[test]
    fn paper_has_the_rows_that_are_spoken_of() {
        let mut figure = of_gallery("g-beside");
        let (own, cluster) = (figure.rows[0].clone(), figure.rows[1].clone());
        figure.rows =
            (0..20).flat_map(|_| [cluster.clone(), Row { compared: None, ..own.clone() }]).collect();
        figure.rows[31].compared = Some(Comparison::Lower);
        let (paper, left) = for_paper(figure);
        assert_eq!((paper.rows.len(), left), (ROWS_MAX, 40 - ROWS_MAX));
        assert!(most(&paper).is_some());
    }
}
