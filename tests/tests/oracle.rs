//! Each question of the catalogue over made-up schools and charities, imported as their own files are:
//! what the node adds up is what a second implementation does, in Python and DuckDB, to the last grid step.
//!
//! The second one reads the questions' TOML and the tables; for a school of clean files it also works out
//! what marks mean a second time, from the files themselves (`tests/oracle`).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use datacoop::engine::{newest_table, tabulate};
use datacoop::generate::charity::Charity;
use datacoop::generate::files::Exports;
use datacoop::generate::scenario::Scenario;
use datacoop::generate::school::{Alike, Phase, School};
use datacoop::home::{Config, Home, MemberIdText, SHIPPED_VOCABULARIES};
use datacoop::load::{Choice, Wish, import};
use datacoop::objections;
use datacoop::questions::{catalogue, shipped_vocabulary};
use datacoop_policy::question::{BoundQuestion, Narrowing, Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{MemberId, Period, lists};
use serde_json::{Value, json};

const SEED: u64 = 7;
/// The purpose that half and more of a made-up charity's people agreed to.
const PURPOSE: &str = "benchmarking";
/// Questions that nobody of these members can answer, with the reason.
const WITHOUT_DATA: [(&str, &str); 0] = [];
/// Questions whose columns `registers.py` works out from a clean export.
const FROM_FILES: [&str; 13] = [
    "attendance-rate",
    "persistent-absence",
    "severe-absence",
    "attendance-gap",
    "attendance-sen",
    "attendance-week",
    "attendance-weekday",
    "event-day",
    "birthdays",
    "term-time-holidays",
    "lateness",
    "absence-spread",
    "authorised-absence",
];

fn oracle(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle").join(file)
}

/// A Python that has DuckDB: `DATACOOP_PYTHON`, else that of the virtual environment under `target`.
fn python() -> Option<PathBuf> {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned();
    let named = std::env::var_os("DATACOOP_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| target.join("python/bin/python3"));
    let has_duckdb = Command::new(&python).args(["-c", "import duckdb, tomllib"]).output();
    if has_duckdb.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let target = target.display();
    let text = format!(
        "NOT TESTED: {} has no duckdb. Do: python3 -m venv {target}/python && {target}/python/bin/pip install -r {}",
        python.display(),
        oracle("requirements.txt").display()
    );
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
    // To the terminal, past the test harness, which keeps what a test that passes prints.
    let mut terminal = std::io::stderr().lock();
    writeln!(terminal, "{text}").unwrap();
    None
}

/// One answer of `tally.py` for each document, in order.
fn ask_oracle(python: &Path, documents: &[Value]) -> Vec<Value> {
    let mut child = Command::new(python)
        .arg(oracle("tally.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let answers: Vec<Value> = answers.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(answers.len(), documents.len());
    answers
}

/// A member's node, and the files its rows came from.
struct Made {
    folder: tempfile::TempDir,
    home: Home,
    id: MemberId,
}

impl Made {
    fn new(id: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(&folder.path().join("node"));
        let id: MemberId = id.parse().unwrap();
        let config = Config {
            id: MemberIdText(id.clone()),
            name: id.to_string(),
            body: id.to_string(),
            host: "node.example".into(),
            people_min: 1,
            people_max: 1_000,
            listen: vec![],
            addresses: vec![],
            answer_grid: 250,
        };
        fs::create_dir(folder.path().join("files")).unwrap();
        fs::create_dir_all(folder.path().join("node/keys")).unwrap();
        home.create(&config, &[7; 32]).unwrap();
        Self { folder, home, id }
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Imports what was written, in the order of its list.
    fn import(self, files: &[Value]) -> Self {
        for file in files {
            let name = |key: &str| file[key].as_str().unwrap();
            let wish = Wish {
                file: self.files().join(name("file")),
                vocabulary: Choice::Named(name("vocabulary").into()),
                columns: BTreeMap::new(),
                dates: None,
                repair: None,
                infer_terms: false,
                replace: None,
                day: None,
            };
            let loaded = import(&self.home, &wish, &mut |_| ());
            loaded.map_err(|error| format!("{file}: {} {:?}", error.text, error.hint)).unwrap();
        }
        self
    }

    fn school(number: u64, phase: Phase, pupils: u32, clean: bool) -> Self {
        let scenario = Scenario::built_in();
        let alike = Alike { phase, pupils, premium_per_mille: 250 };
        let school = School::new(SEED, number, &scenario, Some(alike));
        let made = Self::new(&format!("GB-EDU-{}", school.urn));
        let exports = Exports::new(SEED, &scenario, &school, scenario.whole_year(), clean);
        let (_, files) = exports.write(&made.files()).unwrap();
        if clean {
            say_last_year(&made.files().join("pupils.csv"));
        }
        made.import(&files)
    }

    fn charity(number: u64) -> Self {
        let charity = Charity::new(SEED, number, Scenario::built_in().whole_year());
        let made = Self::new(&charity.org_id);
        let files = charity.write(SEED, &made.files()).unwrap();
        made.import(&files)
    }

    /// The files of each table.
    fn tables(&self) -> BTreeMap<String, Vec<PathBuf>> {
        let read = SHIPPED_VOCABULARIES.iter().map(|text| Vocabulary::from_toml(text).unwrap());
        let tables = read.filter_map(|vocabulary| {
            let (_, folder) = newest_table(&self.home.join("tables"), &vocabulary)?;
            let parts = fs::read_dir(folder).unwrap().map(|part| part.unwrap().path());
            Some((vocabulary.name().to_owned(), parts.collect()))
        });
        tables.collect()
    }

    async fn tally(&self, question: &BoundQuestion) -> Vec<i64> {
        let at = question.period().last();
        let sources = self.home.sources(question.question().vocabulary(), PURPOSE, at, None).unwrap();
        tabulate(&sources, question, &self.id).await.unwrap()
    }

    /// What `tally.py` needs to answer a question over these tables.
    fn document(
        &self,
        question: &BoundQuestion,
        toml: &str,
        tables: &BTreeMap<String, Vec<PathBuf>>,
    ) -> Value {
        let named =
            |text: &&str| (Vocabulary::from_toml(text).unwrap().name().to_owned(), (*text).to_owned());
        let vocabularies: BTreeMap<String, String> = SHIPPED_VOCABULARIES.iter().map(named).collect();
        let closed: BTreeMap<&str, _> = lists::names().map(|name| (name, lists::named(name))).collect();
        let dataset = question.question().vocabulary().dataset();
        json!({
            "vocabularies": vocabularies,
            "question": toml,
            "lists": closed,
            "tables": tables,
            "params": question.params(),
            "first": question.period().first().to_string(),
            "last": question.period().last().to_string(),
            "me": self.id.to_string(),
            "purpose": PURPOSE,
            "at": question.period().last().to_string(),
            "objections": objections::read(self.home.path()).unwrap().remove(dataset).unwrap_or_default(),
        })
    }
}

/// Adds each pupil's absence of last year, as a pupil's record from another school would have it.
fn say_last_year(pupils: &Path) {
    let bands = ["0-5", "5-10", "10-20", "20-50", "50+"];
    let text = fs::read_to_string(pupils).unwrap();
    let said = |(at, line): (usize, &str)| match at {
        0 => format!("{line},prior_absence_band\n"),
        _ => format!("{line},{}\n", bands[at % bands.len()]),
    };
    fs::write(pupils, text.lines().enumerate().map(said).collect::<String>()).unwrap();
}

/// A question of the catalogue with the scenario's days; plain, and with every choice that it offers.
fn bound(draft: &QuestionDraft, took_part: &MemberId) -> Vec<BoundQuestion> {
    let vocabulary = shipped_vocabulary(&draft.vocabulary).unwrap();
    let question = Question::admit(draft.clone(), &vocabulary).unwrap();
    let period = match draft.period.as_deref() {
        Some("week") => "2025-12-08..2025-12-12",
        Some("half_term") => "2025-11-03..2025-12-19",
        Some("term") => "2025-09-01..2025-12-19",
        _ => "2025-09-01..2026-08-31",
    };
    let value = |kind: &str| match kind {
        "date" => "2025-12-12".to_owned(),
        "dates" => "2025-11-28,2025-12-05".to_owned(),
        "members" => took_part.to_string(),
        "gcse_subjects" => "Mathematics".to_owned(),
        other => panic!("no example of a parameter of kind {other}"),
    };
    let params: BTreeMap<String, String> =
        draft.param.iter().map(|(name, kind)| (name.clone(), value(kind))).collect();
    let period = Period::parse(period).unwrap();
    let mut asked = vec![question.bind(&params, period).unwrap()];
    let by: Vec<String> =
        question.groupings().iter().filter(|by| by.optional).map(|by| by.name.clone()).collect();
    let half = |one: &Narrowing| (one.column.clone(), one.values.iter().step_by(2).cloned().collect());
    let narrow: BTreeMap<String, Vec<String>> = question.narrowings().iter().map(half).collect();
    for choices in [question.choices(&by, &BTreeMap::new()), question.choices(&[], &narrow)] {
        let chosen = params.clone().into_iter().chain(choices.unwrap());
        let chosen = question.bind(&chosen.collect(), period);
        // All groupings at once may be more cells than a vector has.
        asked.extend(chosen.ok().filter(|chosen| chosen.params() != &params));
    }
    asked
}

/// A catalogue's questions of these members: ours, and what the oracle is to be asked.
async fn compare(python: &Path, members: &[Made]) -> BTreeSet<String> {
    let (mut ours, mut documents) = (vec![], vec![]);
    for member in members {
        let tables = member.tables();
        for question in catalogue().iter().filter(|one| tables.contains_key(&one.draft.vocabulary)) {
            for bound in bound(&question.draft, &members[0].id) {
                ours.push((question.draft.id.clone(), member.tally(&bound).await));
                documents.push(member.document(&bound, question.toml, &tables));
            }
        }
    }
    let (mut wrong, mut counted) = (vec![], BTreeSet::new());
    for ((document, (id, tally)), theirs) in documents.iter().zip(&ours).zip(ask_oracle(python, &documents)) {
        if theirs["tally"] != json!(tally) {
            let (me, params) = (&document["me"], &document["params"]);
            wrong.push(format!("{id} of {me} {params}:\n  node   {tally:?}\n  oracle {theirs}"));
        }
        if tally.iter().any(|sum| *sum != 0) {
            counted.insert(id.clone());
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), ours.len(), wrong.join("\n"));
    counted
}

#[tokio::test]
async fn each_catalogue_question_is_what_another_program_says() {
    let Some(python) = python() else { return };
    let schools = [
        Made::school(1, Phase::Secondary, 150, true),
        // Layouts of three systems, with rows that import leaves out.
        Made::school(2, Phase::Secondary, 90, false),
        Made::school(3, Phase::Primary, 60, false),
        Made::school(6, Phase::Special, 40, false),
    ];
    let charities = [Made::charity(1), Made::charity(2)];
    let mut counted = compare(&python, &schools).await;
    counted.extend(compare(&python, &charities).await);
    let all = catalogue().iter().map(|question| question.draft.id.as_str());
    let empty: Vec<&str> = all.filter(|id| !counted.contains(*id)).collect();
    assert_eq!(empty, WITHOUT_DATA.map(|(id, _)| id), "questions without anything to count");
    // Some people object: others are counted as before, and both programs leave out the same.
    for (member, vocabulary) in [(&schools[0], "pupils/1"), (&charities[0], "vcse_beneficiaries/1")] {
        let dataset = shipped_vocabulary(vocabulary).unwrap().dataset().to_owned();
        let people = people_of(member, vocabulary);
        let some = people[..people.len() / 3].iter().cloned();
        objections::change(member.home.path(), |all| all.entry(dataset).or_default().extend(some)).unwrap();
    }
    compare(&python, &schools[..1]).await;
    compare(&python, &charities[..1]).await;
}

/// Ids of a member's people, in order, from the file that names them.
fn people_of(member: &Made, vocabulary: &str) -> Vec<String> {
    let name = if vocabulary == "pupils/1" { "pupils.csv" } else { "beneficiaries.csv" };
    let text = fs::read_to_string(member.files().join(name)).unwrap();
    text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn marks_mean_what_another_program_makes_of_the_same_files() {
    let Some(python) = python() else { return };
    let school = Made::school(1, Phase::Secondary, 150, true);
    let out = tempfile::tempdir().unwrap();
    let done = Command::new(&python)
        .arg(oracle("registers.py"))
        .arg(school.files())
        .arg(out.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let table = |name: &str| vec![out.path().join(format!("{name}.parquet"))];
    let tables = BTreeMap::from([
        ("attendance/1".to_owned(), table("attendance")),
        ("pupils/1".to_owned(), table("pupils")),
    ]);
    let (mut ours, mut documents) = (vec![], vec![]);
    for id in FROM_FILES {
        let question = catalogue().iter().find(|question| question.draft.id == id).unwrap();
        let bound = bound(&question.draft, &school.id).remove(0);
        ours.push((id, school.tally(&bound).await));
        documents.push(school.document(&bound, question.toml, &tables));
    }
    for ((id, ours), theirs) in ours.iter().zip(ask_oracle(&python, &documents)) {
        assert!(ours.iter().any(|sum| *sum != 0), "{id}");
        assert_eq!(json!(ours), theirs["tally"], "{id}: {}", theirs["error"]);
    }
}
