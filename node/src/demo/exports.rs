//! A folder of exports, one subfolder a member, each file read by the importer that nodes use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use datacoop_policy::question::{Question, QuestionDraft, tidy_params};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{AcademicYear, Period};
use datacoop_sim::coop::member_id;
use serde_json::Value;

use super::{
    BODIES_MIN, Cast, MEMBERS_MIN, Progress, Script, members_error, people_max, shipped_of, without_fact,
};
use crate::clock;
use crate::engine::{TableWriter, people_vocabulary, table_path};
use crate::error::CommandError;
use crate::folder::Folder;
use crate::home::Home;
use crate::import::{Repair, SPLIT_MAX};
use crate::load::{Choice, Wish, import};
use crate::pretend::{folder, found, in_parallel};
use crate::questions::shipped_vocabulary;

/// Largest `truth.json` in bytes: one of 899 schools takes less.
const TRUTH_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The attribute whose values the answer's parameters name, which exports cannot say.
const TOOK_PART: &str = "took_part";
/// The vocabularies with rows of the days that `truth.json` names.
const OF_SCHOOL_DAYS: [&str; 2] = ["attendance/1", "behaviour/1"];

/// A folder of exports.
pub struct Exports {
    /// The folder; what `generate` wrote beside the members' folders is used where it is there.
    pub folder: PathBuf,
    /// The question's TOML.
    pub question: String,
    /// Parameters of the question.
    pub params: BTreeMap<String, String>,
    /// The period, unless `truth.json` says one.
    pub period: Option<Period>,
}

/// A member's folder and the files in it that are about one vocabulary each.
struct Subfolder {
    name: String,
    path: PathBuf,
}

/// A shipped vocabulary by its name and version.
fn shipped(name: &str) -> Result<Vocabulary, CommandError> {
    shipped_vocabulary(name).ok_or_else(|| {
        let text = format!("question: it is about `{name}`, and no such vocabulary is shipped");
        CommandError::usage(text)
            .hint("of a vocabulary of your own, ask one spreadsheet: --data FILE --by COLUMN")
    })
}

impl Exports {
    /// Question, parameters and period fit together. Errors: what does not.
    pub(super) fn script(&self) -> Result<Script, CommandError> {
        let usage = CommandError::usage;
        let mut question =
            QuestionDraft::from_toml(&self.question).map_err(|error| usage(format!("question: {error}")))?;
        let vocabulary = shipped(&question.vocabulary)?;
        let (members, without) = self.members(&vocabulary)?;
        if !(MEMBERS_MIN..=SPLIT_MAX).contains(&members.len()) {
            let id = id_of(vocabulary.name());
            let hint = match without.is_empty() {
                true => "a folder of exports has a subfolder for each member".to_owned(),
                false => format!(
                    "the question is about `{}`, and {} of {} subfolders have no file named {id}...",
                    vocabulary.name(),
                    without.len(),
                    members.len() + without.len()
                ),
            };
            return Err(members_error(members.len()).hint(&hint));
        }
        let truth = self.truth()?;
        let period = self.period(&vocabulary, truth.as_ref())?;
        let mut params = tidy_params(&question, &self.params(&question, &members, truth.as_ref())?);
        // Neither side of a member fact may have fewer than so many bodies.
        if let Some(held) = params.get(TOOK_PART).filter(|_| question.param.contains_key(TOOK_PART)) {
            let held = held.split(',').filter(|id| !id.is_empty()).count();
            if held.min(members.len().saturating_sub(held)) < BODIES_MIN {
                without_fact(&mut question, &mut params, TOOK_PART);
            }
        }
        let admitted = Question::admit(question.clone(), &vocabulary);
        let admitted = admitted.map_err(|error| usage(format!("question: {error}")))?;
        admitted
            .bind(&params, period)
            .map_err(|error| usage(format!("question: {error}")).hint(PARAM_HINT))?;
        Ok(Script { vocabulary, question, params, period })
    }

    /// The period as given; of data without dates, the academic year we are in, as the floor has it; else
    /// what `truth.json` says. Results and a charity's figures lie anywhere in its academic year.
    fn period(&self, vocabulary: &Vocabulary, truth: Option<&Value>) -> Result<Period, CommandError> {
        let whole = |year: AcademicYear| Period::parse(&format!("{}-09-01..{}-08-31", year.0, year.0 + 1));
        let known = match (self.period, vocabulary.date_column()) {
            (Some(given), _) => Some(given),
            (None, None) => whole(clock::now().day().academic_year()),
            (None, Some(_)) => {
                let days = truth.and_then(period_of);
                let all = OF_SCHOOL_DAYS.contains(&vocabulary.name());
                if all { days } else { days.and_then(|days| whole(days.year())) }
            }
        };
        known.ok_or_else(|| {
            CommandError::usage(format!("{} does not say which days it is about", self.folder.display()))
                .hint("name a --period FIRST..LAST")
        })
    }

    /// Parameters as given, and what is planted where they are not.
    fn params(
        &self,
        question: &QuestionDraft,
        members: &[Subfolder],
        truth: Option<&Value>,
    ) -> Result<BTreeMap<String, String>, CommandError> {
        let mut params = self.params.clone();
        if let Some(given) = params.get_mut(TOOK_PART) {
            *given = ids_of(given, members)?;
        }
        let Some(event) = truth.map(|truth| &truth["event_day"]).filter(|event| event.is_object()) else {
            return Ok(params);
        };
        for name in ["event_day", "baseline_days", TOOK_PART] {
            if !question.param.contains_key(name) || params.contains_key(name) {
                continue;
            }
            let listed = event[name].as_array().into_iter().flatten();
            let texts = event[name].as_str().into_iter().chain(listed.filter_map(Value::as_str));
            let planted = texts.collect::<Vec<_>>().join(",");
            let planted = if name == TOOK_PART { ids_of(&planted, members)? } else { planted };
            params.insert(name.to_owned(), planted);
        }
        Ok(params)
    }

    /// The members' folders that have a file about a vocabulary, by name; and the names of the others,
    /// which have nothing to answer with.
    fn members(&self, vocabulary: &Vocabulary) -> Result<(Vec<Subfolder>, Vec<String>), CommandError> {
        let wrong =
            |error: std::io::Error| CommandError::usage(format!("{}: {error}", self.folder.display()));
        let mut found = vec![];
        for entry in std::fs::read_dir(&self.folder).map_err(wrong)? {
            let path = entry.map_err(wrong)?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') {
                found.push(Subfolder { name, path });
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let (mut members, mut without) = (vec![], vec![]);
        for member in found {
            let about = member.files()?.iter().any(|file| is_about(file, vocabulary.name()));
            if about { members.push(member) } else { without.push(member.name) }
        }
        Ok((members, without))
    }

    /// What `generate` wrote beside the data; `None` beside real exports.
    fn truth(&self) -> Result<Option<Value>, CommandError> {
        let path = self.folder.join("truth.json");
        let wrong =
            |error: &dyn std::fmt::Display| CommandError::usage(format!("{}: {error}", path.display()));
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::metadata(&path).map_err(|error| wrong(&error))?.len();
        if bytes > TRUTH_BYTES_MAX {
            return Err(wrong(&format!("it has {bytes} bytes; at most {TRUTH_BYTES_MAX}")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        serde_json::from_str(&text).map(Some).map_err(|error| wrong(&error))
    }

    /// Imports what the question needs of each member, and founds a co-operative of them.
    pub(super) fn cast(
        &self,
        root: &Path,
        script: &Script,
        progress: Progress<'_>,
    ) -> Result<Cast, CommandError> {
        let truth = self.truth()?;
        let (members, without) = self.members(&script.vocabulary)?;
        let needed = needed(script)?;
        progress(&format!("importing the exports of {} members", members.len()));
        let each = |n: usize| {
            let imported = members[n].import(&Home::new(&folder(root, n)), &needed);
            progress(&format!("{} is imported", members[n].name));
            imported
        };
        let (mut named, mut said) = (vec![], vec![]);
        if !without.is_empty() {
            let (id, names) = (id_of(script.vocabulary.name()), without.join(", "));
            said.push(format!("not asked, because no file of theirs is named {id}...: {names}"));
        }
        for (member, imported) in members.iter().zip(in_parallel(members.len(), &each)) {
            let (people, left_out) = imported?;
            named.push((name_of(&member.name, truth.as_ref()), people_max(people)));
            said.extend(left_out);
        }
        let members = found(root, &shipped_of(script.vocabulary.dataset()), &named)?;
        Ok(Cast { members, said, truth })
    }
}

/// What to do about a parameter that is missing or wrong.
const PARAM_HINT: &str = "give it: --param NAME=VALUE; members by their folders' names";

/// The vocabularies that a question needs, those first that others refer to.
fn needed(script: &Script) -> Result<Vec<Vocabulary>, CommandError> {
    let vocabulary = &script.vocabulary;
    let admitted = Question::admit(script.question.clone(), vocabulary);
    let bound = admitted.and_then(|question| question.bind(&script.params, script.period));
    let columns = bound.map_err(|error| CommandError::usage(format!("question: {error}")))?.columns();
    let mut names: Vec<&str> = vec![];
    // Starting points come from results; what people took part in, from activities.
    if columns.contains("ks2_band") {
        names.push("attainment/1");
    }
    if vocabulary.name() == "vcse_participation/1" {
        names.push("vcse_activities/1");
    }
    names.extend(people_vocabulary(vocabulary));
    names.push(vocabulary.name());
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| seen.insert(*name)).map(shipped).collect()
}

/// Whether a file's name says that it is about a vocabulary: it begins with its id, for charities with
/// or without `vcse_`.
fn is_about(file: &str, vocabulary: &str) -> bool {
    let (file, id) = (file.to_lowercase(), id_of(vocabulary));
    file.starts_with(id) || file.strip_prefix("vcse_").is_some_and(|file| file.starts_with(id))
}

/// What the names of files about a vocabulary begin with.
fn id_of(vocabulary: &str) -> &str {
    let id = vocabulary.split('/').next().unwrap_or(vocabulary);
    id.strip_prefix("vcse_").unwrap_or(id)
}

impl Subfolder {
    /// The names of its files, sorted.
    fn files(&self) -> Result<Vec<String>, CommandError> {
        let wrong = |error: std::io::Error| CommandError::usage(format!("{}: {error}", self.path.display()));
        let mut files: Vec<String> = vec![];
        for entry in std::fs::read_dir(&self.path).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            if entry.path().is_file() {
                files.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        files.sort();
        Ok(files)
    }

    /// Imports the files about these vocabularies into a node's folder. Returns how many people the member
    /// has, and what was left out.
    fn import(&self, home: &Home, needed: &[Vocabulary]) -> Result<(u64, Vec<String>), CommandError> {
        drop(Folder::open(home.path()).map_err(|error| CommandError::failed(error.to_string()))?);
        let files = self.files()?;
        let (mut people, mut said) = (0, vec![]);
        for vocabulary in needed {
            let about: Vec<&String> = files.iter().filter(|file| is_about(file, vocabulary.name())).collect();
            if about.is_empty() {
                // What nobody wrote down is empty, and the question may need it all the same.
                said.push(format!("{}: no file is named {}...", self.name, id_of(vocabulary.name())));
                let table = table_path(&home.join("tables"), vocabulary, 1);
                let empty = TableWriter::create(&table, vocabulary).and_then(TableWriter::finish);
                empty.map_err(|error| CommandError::failed(error.to_string()))?;
                continue;
            }
            let own_table = people_vocabulary(vocabulary).is_none_or(|name| name == vocabulary.name());
            for file in about {
                let loaded = load(home, &self.path.join(file), vocabulary).map_err(|error| CommandError {
                    text: format!("{}/{}", self.name, error.text),
                    ..error
                })?;
                if own_table {
                    people += loaded["rows_kept"].as_u64().unwrap_or(0);
                }
                said.extend(left_out(file, &loaded).into_iter().map(|line| format!("{}/{line}", self.name)));
            }
        }
        Ok((people, said))
    }
}

/// Imports one file as `datacoop import` does. Returns what that says of it.
fn load(home: &Home, file: &Path, vocabulary: &Vocabulary) -> Result<Value, CommandError> {
    // One of the made-up schools has lost its afternoon marks: a person would be asked.
    let wish = Wish {
        repair: Some(Repair::PmPresent),
        ..Wish::new(file, Choice::Named(vocabulary.name().to_owned()))
    };
    Ok(import(home, &wish, &mut |_| {})?.json())
}

/// What there is to say of a file: what was repaired, and rows that were left out.
fn left_out(file: &str, loaded: &Value) -> Vec<String> {
    let texts = |name: &str| {
        let list = loaded[name].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut said: Vec<String> = texts("notes").iter().map(|note| format!("{file}: {note}")).collect();
    said.extend(texts("problems"));
    let refused = loaded["rows_refused"].as_u64().unwrap_or(0);
    if refused > 0 {
        said.push(format!("{file}: {refused} of {} rows were left out", loaded["rows_read"]));
    }
    said
}

/// Members' ids for their folders' names, which may be given instead.
fn ids_of(names: &str, members: &[Subfolder]) -> Result<String, CommandError> {
    let id = |name: &str| {
        let place = members.iter().position(|member| member.name == name);
        let by_id = || (0..members.len()).find(|n| member_id(*n).as_str() == name);
        place.or_else(by_id).map(|n| member_id(n).to_string()).ok_or_else(|| {
            CommandError::usage(format!("{TOOK_PART}: there is no member `{name}`")).hint(PARAM_HINT)
        })
    };
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    Ok(names.map(id).collect::<Result<Vec<_>, _>>()?.join(","))
}

fn period_of(truth: &Value) -> Option<Period> {
    Period::parse(&format!("{}..{}", truth["from"].as_str()?, truth["to"].as_str()?))
}

/// The name of a member: that of made-up data, or its folder's.
fn name_of(folder: &str, truth: Option<&Value>) -> String {
    let lists = ["members", "charities"].into_iter();
    let known = lists.flat_map(|list| truth.and_then(|truth| truth[list].as_array()).into_iter().flatten());
    let named = known.into_iter().find(|member| member["folder"] == folder);
    named.and_then(|member| member["name"].as_str()).unwrap_or(folder).to_owned()
}
