//! `datacoop questions`: what can be asked, found by the problem one has. Needs no node; with one, its
//! own vocabularies can be asked about too.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use datacoop_policy::PrivacyLoss;
use datacoop_policy::adhoc::{self, AdHoc};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::{
    BoundQuestion, PERIODS, QUESTION_BYTES_MAX, Question, QuestionDraft, QuestionError,
};
use datacoop_policy::vocabulary::Vocabulary;
use serde_json::{Value, json};

use super::means::loss_text;
use super::node::store_error;
use super::show::plain;
use super::{Common, Printed};
use crate::clock;
use crate::error::CommandError;
use crate::home::Home;
use crate::loss::Reading;
use crate::questions::expected::expected_rows;
use crate::questions::period::{default_period, example_params};
use crate::questions::reckon::{Cluster, Reckoned, reckon};
use crate::questions::{Catalogued, Found, THEMES, catalogue, named, search, shipped_vocabulary};

#[derive(Subcommand)]
pub(super) enum QuestionsCommand {
    /// List the questions of the catalogue
    List {
        /// Only those of this theme: attendance, attainment, behaviour or people
        #[arg(long)]
        theme: Option<String>,
    },
    /// Show one: what it is for, what it counts and what it cannot tell
    Show {
        /// Its name, such as attendance-rate
        name: String,
        /// Print the definition itself
        #[arg(long)]
        toml: bool,
    },
    /// Say what is wrong with a question of your own, or what was understood
    Check {
        /// The TOML file
        #[arg(required_unless_present = "sql")]
        file: Option<PathBuf>,
        /// A SELECT instead of a file
        #[arg(long, conflicts_with = "file")]
        sql: Option<String>,
        /// With --sql: how long a period will be, which bounds what one person can add
        #[arg(long, value_name = "KIND", requires = "sql", default_value = "half_term", value_parser = period_kind)]
        period: String,
        /// With --sql: print the question's definition
        #[arg(long, requires = "sql")]
        toml: bool,
    },
    /// Find a question in your own words
    Search {
        /// Such as: why are children off on Fridays
        #[arg(required = true)]
        words: Vec<String>,
    },
}

/// A period's kind as a question writes it.
fn period_kind(text: &str) -> Result<String, String> {
    let names: Vec<&str> = PERIODS.iter().map(|(name, _)| *name).collect();
    match names.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("write one of {}", names.join(", "))),
    }
}

pub(super) fn questions(common: &Common, command: QuestionsCommand) -> Result<Printed, CommandError> {
    match command {
        QuestionsCommand::List { theme } => list(theme.as_deref()),
        QuestionsCommand::Show { name, toml } => show(&name, toml),
        QuestionsCommand::Check { file: Some(file), .. } => check_file(common, &file),
        QuestionsCommand::Check { file: None, sql, period, toml } => {
            check_sql(common, sql.as_deref().unwrap_or(""), &period, toml)
        }
        QuestionsCommand::Search { words } => Ok(found(&words.join(" "))),
    }
}

/// A question by name. Errors: none of this name; says which come near.
pub(super) fn find(name: &str) -> Result<&'static Catalogued, CommandError> {
    named(name).ok_or_else(|| {
        let near: Vec<&str> = search(&name.replace('-', " "))
            .iter()
            .take(3)
            .map(|found| found.question.about.id.as_str())
            .collect();
        let hint = match near.as_slice() {
            [] => "list them: datacoop questions list".to_owned(),
            near => format!("near it: {}; list all: datacoop questions list", near.join(", ")),
        };
        CommandError {
            hint: Some(hint),
            ..CommandError::usage(format!("there is no question `{name}` in the catalogue"))
        }
    })
}

fn themes_text() -> String {
    THEMES.iter().map(|(id, _)| *id).collect::<Vec<_>>().join(", ")
}

fn list(theme: Option<&str>) -> Result<Printed, CommandError> {
    if let Some(theme) = theme
        && !THEMES.iter().any(|(id, _)| *id == theme)
    {
        return Err(CommandError::usage(format!("there is no theme `{theme}`; there are {}", themes_text())));
    }
    let chosen = || catalogue().iter().filter(|q| theme.is_none_or(|theme| q.about.theme == theme));
    let mut text = String::new();
    for (id, title) in THEMES {
        let mut of_theme = chosen().filter(|question| question.about.theme == id).peekable();
        if of_theme.peek().is_none() {
            continue;
        }
        let mut table = two_columns();
        of_theme.for_each(|question| {
            table.add_row([question.about.id.as_str(), question.draft.title.as_str()]);
        });
        text += &format!("{title}\n{}\n\n", trimmed(&table));
    }
    text += "Look at one:        datacoop questions show NAME\nFind by a problem:  datacoop questions search \"why are children off on Fridays\"\n";
    let rows: Vec<Value> = chosen().map(summary).collect();
    Ok(Printed::new(json!({ "schema": "datacoop.questions/1", "questions": rows }), text))
}

fn two_columns() -> Table {
    let mut table = Table::new();
    let style = TableStyle::new().header_separator(LineStyle::none());
    table.load_style(style).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

fn trimmed(table: &Table) -> String {
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn summary(question: &Catalogued) -> Value {
    let Catalogued { about, draft, .. } = question;
    json!({
        "id": about.id,
        "code": about.code,
        "theme": about.theme,
        "title": draft.title,
        "problem": about.problem,
        "vocabulary": draft.vocabulary,
        "period": draft.period,
        "figure": draft.figure.kind,
        "params": draft.param,
    })
}

fn found(words: &str) -> Printed {
    let found = search(words);
    let hit = |found: &Found| {
        let mut json = summary(found.question);
        json["score"] = json!((found.score * 100.0).round() / 100.0);
        json
    };
    let json = json!({
        "schema": "datacoop.question-search/1",
        "words": words,
        "found": found.iter().map(hit).collect::<Vec<_>>(),
        "themes": THEMES.map(|(id, title)| json!({ "id": id, "title": title })),
    });
    let mut text = String::new();
    if found.is_empty() {
        text += &format!("Nothing in the catalogue is about \"{}\". It has questions on:\n", plain(words));
        for (id, title) in THEMES {
            text += &format!("  {id:<11} {title}\n");
        }
        text += "List one theme:  datacoop questions list --theme attendance\nAsk in SQL:      datacoop questions check --sql \"SELECT nc_year, AVG(attended) FROM attendance GROUP BY nc_year\"\n";
        return Printed::new(json, text);
    }
    for hit in &found {
        let Catalogued { about, draft, .. } = hit.question;
        text += &format!("{}\n  {}\n  {}\n", about.id, draft.title, about.problem);
    }
    text += &format!(
        "\nLook closer:          datacoop questions show {0}\nCost and likely error: datacoop ask {0}{1} --plan\n",
        found[0].question.about.id,
        params_text(&found[0].question.draft)
    );
    Printed::new(json, text)
}

/// ` --param subject=...` for each parameter that must be given.
fn params_text(draft: &QuestionDraft) -> String {
    let optional = |name: &str| draft.by.iter().any(|by| by.optional && by.member.as_deref() == Some(name));
    draft.param.keys().filter(|name| !optional(name)).map(|name| format!(" --param {name}=...")).collect()
}

fn show(name: &str, toml: bool) -> Result<Printed, CommandError> {
    let question = find(name)?;
    let Catalogued { about, draft, .. } = question;
    let vocabulary = shipped_vocabulary(&draft.vocabulary)
        .ok_or_else(|| CommandError::failed(format!("`{}` is not shipped", draft.vocabulary)))?;
    let reckoned = reckoned(draft, &vocabulary)?;
    let mut json = checked_json(&reckoned, question.toml);
    json["schema"] = json!("datacoop.question/1");
    json["about"] = json!({
        "code": about.code, "theme": about.theme, "problem": about.problem, "phrases": about.phrases,
        "use": about.answer, "related": about.related, "note": about.note,
    });
    if toml {
        return Ok(Printed::new(json, question.toml.to_owned()));
    }
    let mut text = format!("{}\n\n{}\n", draft.title, about.problem);
    text += &checked_text(&reckoned);
    draft.cannot_tell.iter().for_each(|line| text += &format!("It cannot tell {line}.\n"));
    about.note.iter().for_each(|note| text += &format!("{note}\n"));
    text += &format!("\nWith the answer: {}\n", about.answer);
    text += &format!("See also: {}\n", about.related.join(", "));
    text += &format!("Plan it: datacoop ask {}{} --plan\n", about.id, params_text(draft));
    Ok(Printed::new(json, text))
}

/// Vocabularies that a question may be about: those shipped and this node's own.
pub(super) fn known_vocabularies(common: &Common) -> Result<Vec<Vocabulary>, CommandError> {
    let known = Home::new(&common.node).vocabularies().map_err(store_error)?;
    Ok(known.into_values().map(|(_, vocabulary)| vocabulary.as_ref().clone()).collect())
}

/// The vocabulary that a draft is about. Errors: none of this name is known.
pub(super) fn vocabulary_of<'a>(
    draft: &QuestionDraft,
    known: &'a [Vocabulary],
) -> Result<&'a Vocabulary, String> {
    let found = known.iter().find(|vocabulary| vocabulary.name() == draft.vocabulary);
    found.ok_or_else(|| {
        let mut names: Vec<&str> = known.iter().map(Vocabulary::name).collect();
        names.sort_unstable();
        format!(
            "vocabulary: there is no `{}`; there are {}",
            draft.vocabulary.escape_debug(),
            names.join(", ")
        )
    })
}

fn check_file(common: &Common, file: &Path) -> Result<Printed, CommandError> {
    let wrong = |what: String| CommandError {
        hint: Some("see a whole one with: datacoop questions show attendance-rate --toml".into()),
        ..CommandError::usage(format!("{}: {}", file.display(), what.trim_end().replace('\n', " ")))
    };
    let text = read_text(file).map_err(&wrong)?;
    let draft = QuestionDraft::from_toml(&text).map_err(|error| wrong(error.0))?;
    let known = known_vocabularies(common)?;
    let placed = |error: String| wrong(format!("{}{error}", place(&text, &error)));
    let vocabulary = vocabulary_of(&draft, &known).map_err(&placed)?;
    Question::admit(draft.clone(), vocabulary).map_err(|error| placed(error.0))?;
    let reckoned = reckoned(&draft, vocabulary)?;
    let json = checked_json(&reckoned, &text);
    let said = format!(
        "{}\n{}It reads. Plan it: datacoop ask --question {}{} --plan\n",
        plain(&draft.title),
        checked_text(&reckoned),
        file.display(),
        params_text(&draft)
    );
    Ok(Printed::new(json, said))
}

/// A whole text of bounded length. Errors: what is wrong and what to do.
fn read_text(file: &Path) -> Result<String, String> {
    let mut bytes = vec![];
    let limit = QUESTION_BYTES_MAX as u64 + 1;
    let open = File::open(file).map_err(|error| error.to_string())?;
    open.take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > QUESTION_BYTES_MAX {
        return Err(format!("more than {QUESTION_BYTES_MAX} bytes; a question is shorter"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text; save it again in UTF-8".into())
}

/// `line 9: ` where an error begins with a field of the text, and then perhaps names what stands in it.
fn place(text: &str, error: &str) -> String {
    let field = error.split([':', ' ']).next().unwrap_or("").trim_matches('`');
    let field = match field {
        "" => return String::new(),
        "parameter" => "param",
        "in" => "for",
        other => other,
    };
    let named = error.split('`').nth(1).unwrap_or("");
    let begins = |line: &&str| {
        line.trim_start().strip_prefix(field).is_some_and(|rest| rest.trim_start().starts_with(['=', ']']))
    };
    let quoted = [format!("\"{named}\""), format!("'{named}'")];
    let lines = || text.lines().enumerate();
    let from = lines().find(|(_, line)| begins(line)).map(|(at, _)| at);
    let inside = from.and_then(|from| {
        lines().skip(from).find(|(_, line)| !named.is_empty() && quoted.iter().any(|q| line.contains(q)))
    });
    match inside.map(|(at, _)| at).or(from) {
        Some(at) => format!("line {}: ", at + 1),
        None => String::new(),
    }
}

fn check_sql(common: &Common, sql: &str, period: &str, toml: bool) -> Result<Printed, CommandError> {
    let known = known_vocabularies(common)?;
    let made = compile_sql(sql, &known, period)?;
    let vocabulary = vocabulary_of(&made.draft, &known).map_err(CommandError::usage)?;
    let reckoned = reckoned(&made.draft, vocabulary)?;
    let mut json = checked_json(&reckoned, &made.toml);
    json["words"] = json!(made.words);
    let text = match toml {
        true => made.toml,
        false => format!("{}{}", words_text(&made), checked_text(&reckoned)),
    };
    Ok(Printed::new(json, text))
}

/// A Question of an asker's SQL. Errors: what is outside, and what to write instead.
pub(super) fn compile_sql(sql: &str, known: &[Vocabulary], period: &str) -> Result<AdHoc, CommandError> {
    let known: Vec<&Vocabulary> = known.iter().collect();
    adhoc::compile(sql, &known, period, None).map_err(|error| CommandError {
        hint: Some("see what can be asked: datacoop questions list".into()),
        ..CommandError::usage(format!("--sql: {error}"))
    })
}

/// What SQL means here, said back.
pub(super) fn words_text(made: &AdHoc) -> String {
    let mut text = format!("Understood: {}\n", plain(&made.draft.title));
    made.words.iter().for_each(|line| text += &format!("  {}\n", plain(line)));
    text
}

/// A question with a stand-in for its parameters, reckoned for the reference cluster.
struct Checked {
    bound: BoundQuestion,
    cluster: Cluster,
    reckoned: Option<Reckoned>,
}

fn reckoned(draft: &QuestionDraft, vocabulary: &Vocabulary) -> Result<Checked, CommandError> {
    let usage = |error: QuestionError| CommandError::usage(error.0);
    let question = Question::admit(draft.clone(), vocabulary).map_err(usage)?;
    let kind = draft.period.as_deref().unwrap_or("year");
    let (period, _) = default_period(kind, vocabulary.date_column().is_some(), clock::now().day());
    let bound = question.bind(&example_params(&question, period), period).map_err(usage)?;
    let cluster = Cluster::reference(vocabulary.dataset());
    let loss = PrivacyLoss::from_nano(u64::try_from(draft.loss).unwrap_or(0));
    let reckoned = reckon(&bound, &cluster, Mode::Secure, Assumptions::FLOOR, loss);
    Ok(Checked { bound, cluster, reckoned })
}

fn checked_json(checked: &Checked, toml: &str) -> Value {
    let bound = &checked.bound;
    let draft = bound.question().draft();
    json!({
        "schema": "datacoop.question-check/1",
        "id": draft.id,
        "version": draft.version,
        "title": draft.title,
        "vocabulary": draft.vocabulary,
        "period": draft.period,
        "params": draft.param,
        "figure": draft.figure.kind,
        "cells": bound.cells(),
        "sensitivity2": bound.sensitivity2().to_string(),
        "cells_per_unit": bound.cells_per_unit(),
        "reads": bound.columns(),
        "sensitive": bound.sensitive_columns(),
        "by": bound.groupings().iter().map(|by| by.name.as_str()).collect::<Vec<_>>(),
        "optional": bound.question().groupings().iter().filter(|by| by.optional).map(|by| by.name.as_str()).collect::<Vec<_>>(),
        "for": bound.question().narrowings().iter().map(|one| one.column.as_str()).collect::<Vec<_>>(),
        "loss": Reading::of(PrivacyLoss::from_nano(u64::try_from(draft.loss).unwrap_or(0))).json(),
        "matters": draft.matters,
        "cannot_tell": draft.cannot_tell,
        "reference": { "members": checked.cluster.members, "people": checked.cluster.people },
        "expected": checked.reckoned.as_ref().map(Reckoned::json),
        "toml": toml,
    })
}

/// How many figures of a check are shown; a plan shows more.
const FIGURES_SHOWN: usize = 6;

fn checked_text(checked: &Checked) -> String {
    let bound = &checked.bound;
    let draft = bound.question().draft();
    let names = |names: &mut dyn Iterator<Item = String>| {
        let list: Vec<String> = names.map(|name| plain(&name)).collect();
        if list.is_empty() { "nothing".to_owned() } else { list.join(", ") }
    };
    let mut text =
        format!("  Reads            {} of {}\n", names(&mut bound.columns().into_iter()), draft.vocabulary);
    let sensitive = bound.sensitive_columns();
    if !sensitive.is_empty() {
        let list = names(&mut sensitive.into_iter());
        text += &format!("  Sensitive        {list}: the charter's purpose must name them\n");
    }
    text +=
        &format!("  Split by         {}\n", names(&mut bound.groupings().iter().map(|by| by.name.clone())));
    let optional = || bound.question().groupings().iter().filter(|by| by.optional).map(|by| by.name.clone());
    if optional().next().is_some() {
        text += &format!("  On request       {} (--by)\n", names(&mut optional()));
    }
    if !bound.question().narrowings().is_empty() {
        let list = names(&mut bound.question().narrowings().iter().map(|one| one.column.clone()));
        text += &format!("  May be narrowed  by {list} (--for)\n");
    }
    let kind = draft.period.as_deref().unwrap_or("year").replace('_', "-");
    text += &format!("  Period           at most a {kind}\n");
    text += &format!(
        "  Cells            {}; one person changes the sums by at most {} steps squared\n",
        bound.cells(),
        bound.sensitivity2()
    );
    let loss = PrivacyLoss::from_nano(u64::try_from(draft.loss).unwrap_or(0));
    text += &format!("  Costs            {}\n", loss_text(&Reading::of(loss).json()));
    let each = checked.cluster.people / checked.cluster.members.max(1) as u64;
    let unit = if bound.question().vocabulary().dataset() == "pupils" {
        ("schools", "pupils")
    } else {
        ("charities", "people")
    };
    text += &format!(
        "With {} {} of {each} {}, where {} would matter:\n",
        checked.cluster.members,
        unit.0,
        unit.1,
        plain(&draft.matters)
    );
    match &checked.reckoned {
        Some(reckoned) => text += &figures_text(&reckoned.json(), &draft.matters, FIGURES_SHOWN),
        None => text += "  the loss is too small for any noise to serve\n",
    }
    text
}

/// The figures that an answer would show, as a plan's `expected` has them, each with its error and
/// colour; at most `most` of them.
pub(super) fn figures_text(expected: &Value, matters: &str, most: usize) -> String {
    let rows = expected_rows(expected, matters);
    let mut table = two_columns();
    let hidden = rows.len().saturating_sub(most);
    for row in rows.iter().take(most) {
        let group = format!("  {}", plain(&row.group()));
        let error = row.error.as_deref().unwrap_or("too few");
        table.add_row([group, plain(&row.figure), plain(error), plain(&row.colour)]);
    }
    let mut text = trimmed(&table) + "\n";
    if hidden > 0 {
        text += &format!("  ... and {hidden} lines more; --json has all\n");
    }
    text += &format!(
        "  {} clear, {} rough, {} not answerable (green, amber, red)\n",
        expected["green"], expected["amber"], expected["red"]
    );
    for cure in expected["cures"].as_array().into_iter().flatten() {
        text += &format!("  Would help: {}\n", plain(cure["text"].as_str().unwrap_or("")));
    }
    text
}
