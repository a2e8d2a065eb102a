//! The second step: which column of the file is which, and how its days and marks are meant. Samples
//! show the form of values, never a value.

use std::collections::BTreeMap;

use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::uploads::Upload;
use super::{Desk, HERE, in_page, of, vocabulary_name};
use crate::error::CommandError;
use crate::import::shown::{Asked, Found, Shown};
use crate::import::{Dates, Repair};
use crate::load::{self, Wish};
use crate::pages::form::{Choice, checked_field, sentence, text_field, tick};
use crate::pages::frame::{Frame, Mistake};
use crate::pages::words::{column as column_name, vocabulary};

const TITLE: &str = "Which column is which?";

pub(super) async fn show(State(desk): State<Desk>, Path(id): Path<String>) -> Response {
    let frame = desk.frame().await;
    let page = match of(&desk, &id) {
        Ok(upload) => looked(&desk, upload.wish.clone()).await.map(|shown| (upload, shown)),
        Err(error) => Err(error),
    };
    match page {
        // Why the file cannot be read yet is what the person is here for.
        Ok((upload, shown)) => match shown.problem.clone() {
            Some(problem) => again(&frame, &id, &upload, &shown, &in_page(CommandError::usage(problem))),
            None => frame.page(HERE, TITLE, &form(&id, &upload, &shown, &[])),
        },
        Err(error) => frame.error(HERE, &in_page(error)),
    }
}

/// The form with what is wrong on top, each line leading to the field that mends it.
pub(super) fn again(
    frame: &Frame,
    id: &str,
    upload: &Upload,
    shown: &Shown,
    error: &CommandError,
) -> Response {
    let mistake = |line: &str| Mistake {
        field: field_of(shown, line),
        text: sentence(line).trim_end_matches('.').to_owned(),
    };
    let mistakes: Vec<Mistake> = error.text.lines().map(mistake).collect();
    let body = html! {
        @if let Some(hint) = &error.hint { p { (sentence(hint)) } }
        (form(id, upload, shown, &mistakes))
    };
    frame.form(HERE, TITLE, &mistakes, &body)
}

/// The field that a line in the words of this page is about; of what none mends alone, the whole form.
fn field_of(shown: &Shown, line: &str) -> String {
    let asked = || shown.columns.iter().filter(|column| column.found != Found::Register);
    let column = || match line.contains("none of its columns") {
        true => asked().next(),
        false => asked().find(|column| line.contains(&format!("`{}`", column.name))),
    };
    match line {
        _ if line.contains("under Dates") => "dates".to_owned(),
        _ if has_marks(shown) && line.contains("Lost marks") => "repair".to_owned(),
        _ if has_marks(shown) && line.contains("take the terms from the marks") => "infer-terms".to_owned(),
        _ if line.contains("no period") || line.contains("leave the period") => "replace".to_owned(),
        _ => column().map_or_else(|| "columns-form".to_owned(), |column| format!("column.{}", column.name)),
    }
}

pub(super) async fn looked(desk: &Desk, wish: Wish) -> Result<Shown, CommandError> {
    // Which columns there are hangs on no period, and one that does not read is mended in the form.
    let wish = Wish { replace: None, ..wish };
    desk.aside(move |home| load::columns(home, &wish)).await
}

/// The form, with what was said so far.
fn form(id: &str, upload: &Upload, shown: &Shown, mistakes: &[Mistake]) -> Markup {
    let wish = &upload.wish;
    let is_wrong = |field: &str| mistakes.iter().any(|mistake| mistake.field == field);
    let of_another = |column: &&Asked| column.elsewhere && column.found == Found::Nowhere;
    let (rest, first): (Vec<&Asked>, Vec<&Asked>) = shown.columns.iter().partition(of_another);
    html! {
        p { (upload.name()) ", read as " strong { (vocabulary(vocabulary_name(wish))) } @if let Some(read_as) = &shown.read_as { "; it is " (read_as) } "." }
        p { "What was found is chosen already. Samples show only the form of values: X and x stand for letters, 9 for digits." }
        form method="post" action={ "/data/files/" (id) } id="columns-form" {
            @for column in &first { (select(column, shown, mistakes)) }
            @if !rest.is_empty() {
                details open[rest.iter().any(|column| is_wrong(&format!("column.{}", column.name)))] {
                    summary { (rest.len()) " more columns, which this file need not have" }
                    @for column in &rest { (select(column, shown, mistakes)) }
                }
            }
            h2 { "Days and marks" }
            (choice("dates", "Dates", "Which way round days such as 03/04/2025 are, if the file does not tell.",
                &[("", "As the file tells; else day, month, year"), ("dmy", "Day, month, year: 31/12/2025"), ("mdy", "Month, day, year: 12/31/2025")], dates_code(wish), mistakes))
            @if has_marks(shown) {
                (choice("repair", "Lost marks", "What to do where the afternoon's mark \\ is lost in nearly every row.",
                    &[("", "Stop and ask"), ("pm-present", "Who was present in the morning was present in the afternoon"), ("none", "There is no afternoon register")], repair_code(wish), mistakes))
                (tick("infer-terms", "Take the terms from the marks: breaks are where there are none", wish.infer_terms))
            }
            details open[wish.replace.is_some() || wish.day.is_some() || is_wrong("replace")] {
                summary { "Replace a whole period, or say the day of rows that have none" }
                (text_field("replace", "Period that the file stands for", "Such as 2025-09-01..2025-12-19. All of it is replaced. Leave it empty to replace the days that the file has.", wish.replace.as_deref().unwrap_or("")))
                (text_field("day", "Day of rows without one", "Such as 2025-08-21, the day of the results.", wish.day.as_deref().unwrap_or("")))
            }
            button type="submit" { "Check the rows" }
        }
        (give_up(id))
    }
}

/// A list to choose one of, with what is wrong with it.
fn choice(
    id: &str,
    label: &str,
    hint: &str,
    choices: &[Choice<'_>],
    chosen: &str,
    mistakes: &[Mistake],
) -> Markup {
    checked_field(id, label, hint, mistakes, |described, wrong| {
        html! {
            select id=(id) name=(id) aria-describedby=[described] aria-invalid=[wrong.then_some("true")] {
                @for (value, words) in choices { option value=(value) selected[*value == chosen] { (words) } }
            }
        }
    })
}

/// A way out that leaves nothing behind.
pub(super) fn give_up(id: &str) -> Markup {
    html! {
        form method="post" action={ "/data/files/" (id) "/give-up" } id="give-up-form" {
            button type="submit" class="plain" { "Give this file up and erase it" }
        }
    }
}

fn has_marks(shown: &Shown) -> bool {
    ["session", "code"].iter().all(|name| shown.columns.iter().any(|column| column.name == *name))
}

/// One column of the vocabulary and where it stands.
fn select(column: &Asked, shown: &Shown, mistakes: &[Mistake]) -> Markup {
    let id = format!("column.{}", column.name);
    let hint =
        if column.needed { format!("{}. Needed.", column.description) } else { column.description.clone() };
    if column.found == Found::Register {
        return html! { p class="field" { strong { (column_name(&column.name)) } br; (hint) " It stands in the register's own headers." } };
    }
    let chosen = chosen(&column.found);
    let control = |described: Option<String>, wrong: bool| {
        html! {
            select id=(id) name=(id) aria-describedby=[described] aria-invalid=[wrong.then_some("true")] {
                option value="" selected[chosen.is_none()] {
                    @if matches!(column.found, Found::OneOf(_)) { "Choose one" } @else { "Not in this file" }
                }
                @for (at, header) in shown.headers.iter().enumerate().filter(|(_, header)| !header.text.is_empty()) {
                    option value=(at) selected[chosen == Some(at)] {
                        (header.text) @if !header.samples.is_empty() { " – " (header.samples.join(", ")) }
                    }
                }
            }
        }
    };
    checked_field(&id, &column_name(&column.name), &hint, mistakes, control)
}

fn chosen(found: &Found) -> Option<usize> {
    match found {
        Found::Under(at) => Some(*at),
        Found::Nowhere | Found::OneOf(_) | Found::Register => None,
    }
}

fn dates_code(wish: &Wish) -> &'static str {
    match wish.dates {
        None => "",
        Some(Dates::DayFirst) => "dmy",
        Some(Dates::MonthFirst) => "mdy",
    }
}

fn repair_code(wish: &Wish) -> &'static str {
    match wish.repair {
        None | Some(Repair::Ask) => "",
        Some(Repair::PmPresent) => "pm-present",
        Some(Repair::Nothing) => "none",
    }
}

/// Takes what was said and leads on to the check.
pub(super) async fn said(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Response {
    match heard(&desk, &id, &fields).await {
        Ok(()) => Redirect::to(&format!("/data/files/{id}/check")).into_response(),
        Err(error) => desk.frame().await.error(HERE, &in_page(error)),
    }
}

async fn heard(desk: &Desk, id: &str, fields: &BTreeMap<String, String>) -> Result<(), CommandError> {
    let upload = of(desk, id)?;
    // What the file says by itself, and what was said of such files before, need not be said again.
    let unsaid = Wish { columns: BTreeMap::new(), ..upload.wish.clone() };
    let shown = looked(desk, unsaid).await?;
    desk.uploads.set_wish(id, wish_of(upload.wish, &shown, fields)?);
    Ok(())
}

/// The wish that a form comes to. Errors: a value that no form of ours has.
fn wish_of(wish: Wish, shown: &Shown, fields: &BTreeMap<String, String>) -> Result<Wish, CommandError> {
    let word = |name: &str| fields.get(name).map(|value| value.trim()).unwrap_or_default();
    let none = || CommandError::usage("this file has no such column".into()).hint("choose the file again");
    let mut columns = BTreeMap::new();
    for column in shown.columns.iter().filter(|column| column.found != Found::Register) {
        let Some(value) = fields.get(&format!("column.{}", column.name)) else { continue };
        let at: Option<usize> = match value.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| none())?),
        };
        if at == chosen(&column.found) {
            continue;
        }
        let header = at.map(|at| shown.headers.get(at).ok_or_else(none)).transpose()?;
        columns.insert(column.name.clone(), header.map_or_else(String::new, |header| header.text.clone()));
    }
    let filled = |name: &str| Some(word(name)).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(Wish {
        columns,
        dates: match word("dates") {
            "dmy" => Some(Dates::DayFirst),
            "mdy" => Some(Dates::MonthFirst),
            _ => None,
        },
        repair: match word("repair") {
            "pm-present" => Some(Repair::PmPresent),
            "none" => Some(Repair::Nothing),
            _ => None,
        },
        infer_terms: word("infer-terms") == "yes",
        replace: filled("replace"),
        day: filled("day"),
        ..wish
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::shown::Header;

    fn shown() -> Shown {
        let header = |text: &str| Header { text: text.into(), samples: vec![] };
        let asked = |name: &str, found: Found| Asked {
            name: name.into(),
            description: String::new(),
            needed: true,
            elsewhere: false,
            found,
        };
        Shown {
            headers: vec![header("Kid"), header("Mark"), header("Code")],
            columns: vec![
                asked("pupil_id", Found::Nowhere),
                asked("code", Found::OneOf(vec![1, 2])),
                asked("sex", Found::Under(2)),
            ],
            ..Shown::default()
        }
    }

    fn check(fields: &[(&str, &str)]) -> Result<Wish, CommandError> {
        let fields = fields.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let wish = Wish::new(std::path::Path::new("f.csv"), load::Choice::Named("attendance".into()));
        wish_of(wish, &shown(), &fields)
    }

    #[test]
    fn only_what_differs_from_what_was_found_is_said() {
        let wish = check(&[("column.pupil_id", "0"), ("column.code", "1"), ("column.sex", "2")]).unwrap();
        let said: Vec<(&str, &str)> = wish.columns.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(said, [("code", "Mark"), ("pupil_id", "Kid")]);
        let wish = check(&[
            ("column.sex", ""),
            ("column.pupil_id", ""),
            ("dates", "mdy"),
            ("repair", "none"),
            ("day", " "),
        ])
        .unwrap();
        assert_eq!(wish.columns.into_iter().collect::<Vec<_>>(), [("sex".to_owned(), String::new())]);
        assert_eq!(
            (wish.dates, wish.repair, wish.day),
            (Some(Dates::MonthFirst), Some(Repair::Nothing), None)
        );
    }

    #[test]
    fn what_is_wrong_leads_to_the_field_that_mends_it() {
        let marks = |name: &str| Asked {
            name: name.into(),
            description: String::new(),
            needed: true,
            elsewhere: false,
            found: Found::Nowhere,
        };
        let with_marks = Shown { columns: vec![marks("session"), marks("code")], ..Shown::default() };
        for (shown, line, field) in [
            (
                &shown(),
                "f.csv: none of its columns is known by name; choose below which is which",
                "column.pupil_id",
            ),
            (&shown(), "`A`, `B` may each be `code`; choose which below", "column.code"),
            (&shown(), "if all are so, choose month, day, year under Dates; if not", "dates"),
            (&shown(), "`x` is no period in one school year", "replace"),
            (&shown(), "the file is torn", "columns-form"),
            (&shown(), "choose under Lost marks that the pupils were present", "columns-form"),
            (&with_marks, "choose under Lost marks that the pupils were present", "repair"),
        ] {
            assert_eq!(field_of(shown, line), field, "{line}");
        }
    }

    #[test]
    fn a_forged_choice_is_refused() {
        for bad in ["3", "-1", "x", "99999999999999999999"] {
            assert!(check(&[("column.code", bad)]).is_err(), "{bad}");
        }
    }
}
