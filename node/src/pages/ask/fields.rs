//! What was typed into the blanks of a question: read into terms, or told field by field what is wrong. Must not
//! know how a page looks.

use std::collections::BTreeMap;

use datacoop_policy::question::{Question, QuestionError};
use datacoop_policy::{Day, Period};
use datacoop_protocol::bounds::LAY_BYTES_MAX;

use super::{Askable, Openings};
use crate::api::asking::AskTerms;
use crate::cli::parse_window;
use crate::loss::POINT;
use crate::pages::frame::Mistake;
use crate::pages::words::{column, sentence};
use crate::questions::filled::{Given, fill_in};

/// Time for each stage unless somebody says otherwise: members' people look every few days.
pub(super) const WINDOW: &str = "3d";
/// Most points that can be typed: the floor allows 20 a question.
const POINTS_MAX: u64 = 1_000;

/// What was typed, as it came.
#[derive(Clone, Default)]
pub(super) struct Typed(pub(super) Vec<(String, String)>);

impl Typed {
    /// The value of a field; empty where there is none.
    pub(super) fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// All values of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim())
    }

    /// Whether a box is ticked.
    pub(super) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|known| known == value)
    }
}

/// Reads what was typed. Errors: all that is wrong with it, each with its field.
pub(super) fn read(
    askable: &Askable,
    openings: &Openings,
    typed: &Typed,
    today: Day,
) -> Result<AskTerms, Vec<Mistake>> {
    let mut mistakes = vec![];
    let mut note = |field: &str, text: String| mistakes.push(Mistake { field: field.to_owned(), text });
    let allowed = openings.that_allow(&askable.draft);
    let purpose = match (typed.one("purpose"), allowed.as_slice()) {
        ("", [only]) => Some(only.id.clone()),
        ("", _) => {
            note("purpose", "Choose the purpose that this is for".into());
            None
        }
        // One that is not open is refused by its rule, as from the command line.
        (named, _) => Some(named.to_owned()),
    };
    let period = period(typed).unwrap_or_else(|(field, text)| {
        note(field, text);
        None
    });
    let rho = points(typed).unwrap_or_else(|text| {
        note("points", text);
        None
    });
    let min_members = match typed.one("members") {
        "" => None,
        text => match text.parse() {
            Ok(members) => Some(members),
            Err(_) => {
                note("members", format!("Write a number of members, not \"{text}\""));
                None
            }
        },
    };
    let window = match typed.one("window") {
        "" => WINDOW,
        text => text,
    };
    let window = parse_window(window).map(|window| window.as_secs()).unwrap_or_else(|text| {
        note("window", sentence(&text));
        0
    });
    for (field, what) in [("why", "why"), ("benefits", "who benefits"), ("pays", "who pays")] {
        let bytes = typed.one(field).len();
        if bytes > LAY_BYTES_MAX {
            note(field, format!("Say {what} more briefly: it has {bytes} letters, and {LAY_BYTES_MAX} fit"));
        }
    }
    let some = |name: &str| Some(typed.one(name).to_owned()).filter(|text| !text.is_empty());
    if !typed.one("supersedes").is_empty() && typed.one("because").is_empty() {
        note("because", "Say why the answer must be corrected".into());
    }
    if typed.one("because").len() > LAY_BYTES_MAX {
        note("because", format!("Say it more briefly: {LAY_BYTES_MAX} letters fit"));
    }
    let given = given(askable, typed, period);
    for name in missing(askable, &given) {
        note(&format!("param-{name}"), format!("Fill in: {}", column(name)));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let filled = fill_in(askable.draft.clone(), &askable.vocabulary, given, today);
    let filled = filled.and_then(|filled| {
        filled.question.bind(&filled.params, filled.period)?;
        Ok(filled)
    });
    let filled = filled
        .map_err(|error| vec![Mistake { field: field_of(askable, &error.0), text: sentence(&error.0) }])?;
    Ok(AskTerms {
        params: filled.params,
        period: filled.period.to_string(),
        purpose,
        rho,
        full_noise: false,
        min_members,
        window,
        why: typed.one("why").to_owned(),
        benefits: typed.one("benefits").to_owned(),
        pays: typed.one("pays").to_owned(),
        because: some("because").filter(|_| !typed.one("supersedes").is_empty()),
        supersedes: some("supersedes"),
        under: some("under"),
        force: typed.one("force") == "yes",
    })
}

/// Days that were chosen or typed; typed ones count before a chosen period. Errors: the field, and why.
fn period(typed: &Typed) -> Result<Option<Period>, (&'static str, String)> {
    let (first, last) = (typed.one("first"), typed.one("last"));
    if first.is_empty() && last.is_empty() {
        return match typed.one("period") {
            "" => Ok(None),
            text => Period::parse(text).map(Some).ok_or(("period", "Choose one of the periods".into())),
        };
    }
    let day = |field, text: &str| {
        Day::parse(text).ok_or_else(|| (field, format!("Write a day such as 2026-09-01, not \"{text}\"")))
    };
    let (first, last) = (day("first", first)?, day("last", last)?);
    Period::new(first, last).map(Some).ok_or((
        "last",
        "The last day must not be before the first, and both must lie in one academic year (1 September to 31 August)".into(),
    ))
}

/// Points that were typed, as a loss in billionths of rho.
fn points(typed: &Typed) -> Result<Option<u64>, String> {
    match typed.one("points") {
        "" => Ok(None),
        text => match text.parse::<u64>() {
            Ok(points @ 1..=POINTS_MAX) => Ok(Some(points * POINT.nano())),
            Ok(_) | Err(_) => {
                Err(format!("Write a whole number of points from 1 to {POINTS_MAX}, not \"{text}\""))
            }
        },
    }
}

/// Parameters, splits and narrowings, as the command line would take them.
fn given(askable: &Askable, typed: &Typed, period: Option<Period>) -> Given {
    let draft = &askable.draft;
    let param = |name: &String| {
        let field = format!("param.{name}");
        let values: Vec<&str> = typed.all(&field).filter(|value| !value.is_empty()).collect();
        (!values.is_empty()).then(|| (name.clone(), values.join(",")))
    };
    let narrow = draft.narrowing.iter().filter_map(|one| {
        let values: Vec<String> = typed.all(&format!("for.{}", one.column)).map(str::to_owned).collect();
        (!values.is_empty()).then(|| (one.column.clone(), values))
    });
    Given {
        period,
        params: draft.param.keys().filter_map(param).collect(),
        by: typed.all("by").map(str::to_owned).collect(),
        narrow: narrow.collect::<BTreeMap<_, _>>(),
    }
}

/// Parameters that are not filled in, but those of a split that nobody asked for.
fn missing<'a>(askable: &'a Askable, given: &'a Given) -> impl Iterator<Item = &'a String> {
    let waits = |name: &String| {
        let splits = askable.draft.by.iter().filter(|by| by.optional && by.member.as_ref() == Some(name));
        splits.count() > 0 && !given.by.contains(name)
    };
    askable.draft.param.keys().filter(move |name| !given.params.contains_key(*name) && !waits(name))
}

/// The field that a question's error is about: the parameter that it names, else the period.
fn field_of(askable: &Askable, error: &str) -> String {
    let names = |name: &&String| error.contains(&format!("`{name}`")) || error.contains(&format!(":{name}"));
    match askable.draft.param.keys().find(names) {
        Some(name) => format!("param-{name}"),
        None => "period".to_owned(),
    }
}

/// The blanks of a question, for a form.
pub(super) fn question(askable: &Askable) -> Result<Question, QuestionError> {
    Question::admit(askable.draft.clone(), &askable.vocabulary)
}
