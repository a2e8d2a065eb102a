//! A spreadsheet whose rows say which member each belongs to: split into pretend members.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use datacoop_policy::Period;
use datacoop_policy::question::{Question, QuestionDraft, tidy_params};
use datacoop_policy::vocabulary::Vocabulary;

use super::{Cast, MEMBERS_MIN, Script, members_error, people_max};
use crate::clock;
use crate::error::CommandError;
use crate::home::SHIPPED_VOCABULARIES;
use crate::import::{Report, SPLIT_MAX, check_columns, import_split, newest_day, problem_text};
use crate::pretend::found;

/// A spreadsheet to split into pretend members.
pub struct Spreadsheet {
    /// The CSV file.
    pub file: PathBuf,
    /// The column whose values are the members.
    pub by: String,
    /// Its vocabulary's TOML.
    pub vocabulary: String,
    /// The question's TOML.
    pub question: String,
    /// Parameters of the question.
    pub params: BTreeMap<String, String>,
    /// The period, unless the academic year of the newest date; of data without dates, this one.
    pub period: Option<Period>,
}

impl Spreadsheet {
    /// Vocabulary, question, parameters, period and columns fit together. Errors: what does not.
    pub(super) fn script(&self) -> Result<Script, CommandError> {
        let usage = CommandError::usage;
        let vocabulary =
            Vocabulary::from_toml(&self.vocabulary).map_err(|error| usage(format!("vocabulary: {error}")))?;
        let shipped = SHIPPED_VOCABULARIES.iter().find(|text| {
            Vocabulary::from_toml(text).is_ok_and(|shipped| shipped.name() == vocabulary.name())
        });
        if shipped.is_some_and(|text| *text != self.vocabulary) {
            return Err(CommandError {
                hint: Some("raise `version`, or give it another `id`".into()),
                ..usage(format!("vocabulary: another text called `{}` is shipped", vocabulary.name()))
            });
        }
        let draft =
            QuestionDraft::from_toml(&self.question).map_err(|error| usage(format!("question: {error}")))?;
        let question = Question::admit(draft.clone(), &vocabulary)
            .map_err(|error| usage(format!("question: {error}")))?;
        let today = clock::now().day();
        let newest = match (self.period, vocabulary.date_column()) {
            (None, Some(_)) => {
                newest_day(&self.file, &vocabulary, &self.by).map_err(|error| usage(error.0))?
            }
            (Some(_), _) | (None, None) => None,
        };
        let year = newest.unwrap_or(today).academic_year();
        let whole_year = Period::parse(&format!("{}-09-01..{}-08-31", year.0, year.0 + 1));
        let period = self.period.or(whole_year).ok_or_else(|| usage("name a --period".into()))?;
        if vocabulary.date_column().is_none() && period.year() != today.academic_year() {
            let now = today.academic_year();
            return Err(CommandError {
                hint: Some("leave out --period, or give the vocabulary a `date` column".into()),
                ..usage(format!("data without dates is asked about in the academic year we are in, {now}"))
            });
        }
        let params = tidy_params(&draft, &self.params);
        let bound = question.bind(&params, period).map_err(|error| usage(format!("question: {error}")))?;
        check_columns(&self.file, &vocabulary, &self.by, &bound.columns()).map_err(|error| usage(error.0))?;
        Ok(Script { vocabulary, question: draft, params, period })
    }

    /// Splits the file and founds a co-operative of its members.
    pub(super) fn cast(&self, root: &Path, script: &Script) -> Result<Cast, CommandError> {
        let failed = |error: &dyn std::fmt::Display| CommandError::failed(error.to_string());
        let tables = root.join("tables.tmp");
        let table = |n: usize| tables.join(n.to_string());
        let (report, members) = import_split(&self.file, &script.vocabulary, &self.by, &table)
            .map_err(|error| CommandError::usage(error.0))?;
        if !(MEMBERS_MIN..=SPLIT_MAX).contains(&members.len()) {
            return Err(members_error(members.len()));
        }
        let named: Vec<(String, u64)> =
            members.into_iter().map(|(name, rows)| (name, people_max(rows))).collect();
        let members = found(root, std::slice::from_ref(&self.vocabulary), &named)?;
        for (n, member) in members.iter().enumerate() {
            member.move_table(&script.vocabulary, &table(n)).map_err(|error| failed(&error))?;
        }
        std::fs::remove_dir_all(&tables).map_err(|error| failed(&error))?;
        Ok(Cast { members, said: import_said(self, script, &report), truth: None })
    }
}

/// What of a spreadsheet is not in the members' tables, or not in the period.
fn import_said(data: &Spreadsheet, script: &Script, report: &Report) -> Vec<String> {
    let file = data.file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut said: Vec<String> = report.problems.iter().map(|problem| problem_text(&file, problem)).collect();
    said.extend(report.read_as.as_ref().map(|read_as| format!("read as {read_as}")));
    if report.rows_refused > 0 {
        said.push(format!("{} of {} rows were left out", report.rows_refused, report.rows_read));
    }
    if !report.columns_ignored.is_empty() {
        let ignored = report.columns_ignored.join(", ");
        said.push(format!("columns not in the vocabulary, ignored: {ignored}"));
    }
    let outside = report.rows_outside(script.period);
    if outside > 0 {
        said.push(format!(
            "{outside} of {} rows lie outside the period {} and do not count",
            report.rows_kept, script.period
        ));
    }
    said
}
