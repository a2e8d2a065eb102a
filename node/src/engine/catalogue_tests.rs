//! Every question of the catalogue, and of an asker's own SQL each form, pushed: no person moves the Tally
//! by more than Delta, the worst by nearly as much, and a Tally is the sum of what its people add.
//! Delta, cells and hash of the catalogue are written down, so that no change of it goes unnoticed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use datacoop_policy::question::{BoundQuestion, Narrowing, Question, QuestionDraft};
use datacoop_policy::vocabulary::{Unit, Vocabulary};
use datacoop_policy::{MemberId, Period, adhoc};
use datacoop_protocol::fold::{question_hash, question_value};

use super::adversary::{Adversary, Dice, PURPOSE, Person, example, write};
use super::tally::{for_each_unit, tabulate};
use super::view::view_of;
use super::{Sources, TableWriter, people_vocabulary, table_path};
use crate::home::SHIPPED_VOCABULARIES;
use crate::import::{Cell, kept_columns};
use crate::questions::{catalogue, named, shipped_vocabulary};

/// People of one table.
const PEOPLE: usize = 2_000;

/// Vectors of people by id: pairs of group and steps.
type Vectors = BTreeMap<String, Vec<(usize, Vec<i64>)>>;

fn me() -> MemberId {
    "GB-EDU-1".parse().unwrap()
}

/// A question, and the same with each optional grouping and the first value of each narrowing.
fn bound(draft: &QuestionDraft, vocabulary: &Vocabulary) -> Vec<BoundQuestion> {
    let question = Question::admit(draft.clone(), vocabulary).unwrap();
    let (period, params) = example(draft.period.as_deref(), &draft.param);
    let optional = question.groupings().iter().filter(|by| by.optional);
    let by: Vec<String> = optional.map(|by| by.name.clone()).collect();
    // A value that the groupings have a cell for, or nobody would count.
    let value = |one: &Narrowing| {
        let by = question.groupings().iter().find(|by| by.name == one.column);
        let has_cell = |value: &&String| by.is_none_or(|by| by.cells.contains(value));
        vec![one.values.iter().find(has_cell).unwrap().clone()]
    };
    let narrow: BTreeMap<String, Vec<String>> =
        question.narrowings().iter().map(|one| (one.column.clone(), value(one))).collect();
    let plain = question.bind(&params, period).unwrap();
    let choices = question.choices(&by, &narrow).unwrap();
    if choices.is_empty() {
        return vec![plain];
    }
    // All groupings at once may be more cells than a vector has: then one at a time.
    let all: BTreeMap<String, String> = params.clone().into_iter().chain(choices.clone()).collect();
    let each = choices.into_iter().map(|choice| params.clone().into_iter().chain([choice]).collect());
    let asked = match question.bind(&all, period) {
        Ok(chosen) => vec![chosen],
        Err(_) => each.map(|params: BTreeMap<_, _>| question.bind(&params, period).unwrap()).collect(),
    };
    std::iter::once(plain).chain(asked).collect()
}

/// A table of these people, to ask a question of.
struct Table {
    _folder: tempfile::TempDir,
    sources: Sources,
}

impl Table {
    fn of(question: &BoundQuestion, people: &[Person], dice: &mut Dice) -> Self {
        let vocabulary = question.question().vocabulary();
        let folder = tempfile::tempdir().unwrap();
        let table = table_path(folder.path(), vocabulary, 1);
        write(&table, vocabulary, people, dice);
        let sources = Sources::new(Some(table)).asked(PURPOSE, question.period().last());
        let owner = people_vocabulary(vocabulary).filter(|owner| *owner != vocabulary.name());
        let owner = owner.map(|owner| Arc::new(shipped_vocabulary(owner).unwrap()));
        let sources = sources.with_people(owner.map(|owner| {
            let table = table_path(folder.path(), &owner, 1);
            write_owners(&table, &owner, people, question.period());
            (owner, table)
        }));
        Self { _folder: folder, sources }
    }

    async fn tally(&self, question: &BoundQuestion) -> Vec<i64> {
        tabulate(&self.sources, question, &me()).await.unwrap()
    }

    async fn vectors(&self, question: &BoundQuestion) -> Vectors {
        let mut sql = question.unit_sql();
        if let (false, Unit::Column(unit)) = (sql.has_unit, question.question().vocabulary().unit()) {
            let named = sql.text.replacen("SELECT ", &format!("SELECT \"{unit}\", "), 1);
            sql.text = format!("{named} ORDER BY \"{unit}\"");
            sql.has_unit = true;
        }
        let mut vectors = Vectors::new();
        let view = view_of(&self.sources, question).await.unwrap().unwrap();
        for_each_unit(&view, question, &me(), &sql, &mut |who, groups| {
            let who = who.map_or_else(|| format!("row {}", vectors.len()), str::to_owned);
            let twice = vectors.insert(who, groups.to_vec());
            assert!(twice.is_none(), "rows of one person stand together");
            Ok(())
        })
        .await
        .unwrap();
        vectors
    }
}

/// A table of these people, all of whom count, and of whom it says nothing else.
fn write_owners(table: &Path, owner: &Vocabulary, people: &[Person], period: Period) {
    let mut writer = TableWriter::create(table, owner).unwrap();
    for id in people.iter().filter_map(|person| person.id.as_deref()) {
        let cell = |name: &str| match name {
            "on_roll_from" => Cell::Date(i32::try_from(period.first().0 - 90).unwrap()),
            "consent_purposes" => Cell::Text(PURPOSE.into()),
            name if *owner.unit() == Unit::Column(name.to_owned()) => Cell::Text(id.into()),
            _ => Cell::Null,
        };
        let row: Vec<Cell> = kept_columns(owner).iter().map(|column| cell(&column.name)).collect();
        writer.push(&row).unwrap();
    }
    writer.finish().unwrap();
}

fn add(tally: &mut [i64], vector: &[(usize, Vec<i64>)]) {
    for (group, steps) in vector {
        for (at, step) in steps.iter().enumerate() {
            tally[group * steps.len() + at] += step;
        }
    }
}

fn square(vector: &[(usize, Vec<i64>)]) -> u128 {
    vector.iter().flat_map(|(_, steps)| steps).map(|step| u128::from(step.unsigned_abs()).pow(2)).sum()
}

/// What a person adds is within Delta, the furthest nearly reaches it, and people add up.
async fn push(question: &BoundQuestion, seed: u64) -> Result<(), String> {
    let name = format!("{} by {:?}", question.question().id(), question.group_by());
    let mut dice = Dice(seed);
    let people = Adversary::of(question).people(PEOPLE, &mut dice);
    let table = Table::of(question, &people, &mut dice);
    let vectors = table.vectors(question).await;
    let delta2 = question.sensitivity2();
    let (worst, furthest) = vectors
        .iter()
        .map(|(who, vector)| (who, square(vector)))
        .max_by_key(|(_, square)| *square)
        .ok_or(format!("{name}: nobody of {PEOPLE} people counts"))?;
    if furthest > delta2 {
        return Err(format!("{name}: `{worst}` moves the Tally by {furthest} of at most {delta2}"));
    }
    // 0.95 Delta, squared.
    if furthest * 10_000 < delta2 * 9_025 {
        return Err(format!(
            "{name}: the furthest of {} people moves it by {furthest} of {delta2}",
            vectors.len()
        ));
    }
    let mut sum = vec![0; question.cells()];
    vectors.values().for_each(|vector| add(&mut sum, vector));
    if table.tally(question).await != sum {
        return Err(format!("{name}: the Tally is not what its people add"));
    }
    // Where a row is a person, nobody else's rows could be in it.
    if *question.question().vocabulary().unit() == Unit::Row {
        return Ok(());
    }
    // Without the furthest and most of the others, whoever is left adds what they added before: a person's
    // vector depends on nobody else's rows.
    let stays = |(at, person): &(usize, &Person)| at % 16 == 3 && person.id.as_ref() != Some(worst);
    let rest: Vec<Person> =
        people.iter().enumerate().filter(stays).map(|(_, person)| person.clone()).collect();
    let mut sum = vec![0; question.cells()];
    let left = rest.iter().filter_map(|person| vectors.get(person.id.as_ref()?));
    left.for_each(|vector| add(&mut sum, vector));
    if Table::of(question, &rest, &mut dice).tally(question).await != sum {
        return Err(format!("{name}: people add something else when others are gone"));
    }
    Ok(())
}

/// Each on a worker of its own, as many as there are cores.
async fn push_all(questions: Vec<BoundQuestion>) {
    use futures::StreamExt as _;
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let tasks = questions.into_iter().enumerate().map(|(seed, question)| {
        let task = async move { push(&question, seed as u64).await };
        async { tokio::spawn(task).await.unwrap() }
    });
    let wrong: Vec<String> = futures::stream::iter(tasks)
        .buffer_unordered(workers)
        .filter_map(async |done| done.err())
        .collect()
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_moves_a_catalogue_question_by_more_than_delta() {
    let questions = catalogue().iter().flat_map(|question| {
        let vocabulary = shipped_vocabulary(&question.draft.vocabulary).unwrap();
        bound(&question.draft, &vocabulary)
    });
    push_all(questions.collect()).await;
}

/// An asker's own SQL, one of each form, with the kind of period it is about.
const ADHOC: [(&str, &str); 14] = [
    ("SELECT nc_year, AVG(attended) FROM attendance GROUP BY nc_year", "half_term"),
    (
        "SELECT AVG(CLAMP(minutes_late, 0, 30)) FROM attendance WHERE nc_year IN ('7', '8') GROUP BY nc_year",
        "term",
    ),
    ("SELECT AVG(attended), AVG(absent), COUNT(DISTINCT pupil_id) FROM attendance", "week"),
    (
        "SELECT COUNT(DISTINCT pupil_id) FROM attendance WHERE NOT pupil_premium GROUP BY pupil_premium",
        "week",
    ),
    ("SELECT COUNT(*) FROM attendance WHERE code = 'I'", "half_term"),
    ("SELECT SUM(attended) FROM attendance GROUP BY pupil_premium", "half_term"),
    ("SELECT weekday, SUM(attended) / SUM(possible) FROM attendance GROUP BY weekday", "half_term"),
    ("SELECT COUNT(*) FILTER (WHERE mark_class = 'unauthorised') / COUNT(*) FROM attendance", "half_term"),
    ("SELECT COUNT(*) FROM pupils GROUP BY sex", "year"),
    ("SELECT CLAMP(SUM(hours), 0, 50) FROM vcse_participation", "year"),
    ("SELECT domain, AVG(change) FROM vcse_outcomes GROUP BY domain", "year"),
    ("SELECT SUM(sessions_lost) FROM behaviour GROUP BY sen", "term"),
    ("SELECT COUNT(DISTINCT person_id) FROM vcse_beneficiaries GROUP BY referral_source", "year"),
    ("SELECT sex, AVG(score) FROM exam GROUP BY sex", "year"),
];

/// One row a person.
const EXAM: &str = r#"
    id = "exam"
    version = 1
    title = "Examination results"
    dataset = "exam"
    unit = "row"
    column = [
      { name = "sex", type = "text", values = ["F", "M"], group = true },
      { name = "score", type = "number", low = -4, high = 4 },
    ]"#;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_moves_an_askers_own_sql_by_more_than_delta() {
    let texts = SHIPPED_VOCABULARIES.iter().copied().chain([EXAM]);
    let vocabularies: Vec<Vocabulary> = texts.map(|text| Vocabulary::from_toml(text).unwrap()).collect();
    let known: Vec<&Vocabulary> = vocabularies.iter().collect();
    let questions = ADHOC.iter().flat_map(|(sql, period)| {
        let made = adhoc::compile(sql, &known, period, None).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let vocabulary = known.iter().find(|one| one.name() == made.draft.vocabulary).unwrap();
        bound(&made.draft, vocabulary)
    });
    push_all(questions.collect()).await;
}

/// A pupil of Year 7 with the Pupil Premium: sessions possible, absent, and not possible at all.
type Pupil = (u32, u32, u32);

async fn cells_of(id: &str, pupils: &[Pupil]) -> BTreeMap<String, i64> {
    let question = named(id).unwrap();
    let vocabulary = shipped_vocabulary(&question.draft.vocabulary).unwrap();
    let question = bound(&question.draft, &vocabulary).remove(0);
    let folder = tempfile::tempdir().unwrap();
    let table = table_path(folder.path(), &vocabulary, 1);
    let mut writer = TableWriter::create(&table, &vocabulary).unwrap();
    for (at, (possible, absent, others)) in pupils.iter().enumerate() {
        for n in 0..possible + others {
            let (is_possible, is_absent) = (n < *possible, n < *absent);
            let whole = |truth: bool| Cell::Integer(i64::from(truth));
            let day = question.period().first().0 + i64::from(n / 2);
            let cell = |name: &str| match name {
                "pupil_id" => Cell::Text(format!("p{at}").into()),
                "date" => Cell::Date(i32::try_from(day).unwrap()),
                "session" => Cell::Text(if n % 2 == 0 { "AM" } else { "PM" }.into()),
                "possible" => whole(is_possible),
                "absent" => whole(is_absent),
                "attended" => whole(is_possible && !is_absent),
                "compulsory_age" | "pupil_premium" => Cell::Bool(true),
                "nc_year" => Cell::Text("7".into()),
                _ => Cell::Null,
            };
            let row: Vec<Cell> = kept_columns(&vocabulary).iter().map(|column| cell(&column.name)).collect();
            writer.push(&row).unwrap();
        }
    }
    writer.finish().unwrap();
    let tally = tabulate(&Sources::new(Some(table)), &question, &me()).await.unwrap();
    let last = |group: &Vec<(String, String)>| group.last().unwrap().1.clone();
    let mut cells = BTreeMap::new();
    for (group, count) in question.groups().iter().zip(tally) {
        *cells.entry(last(group)).or_default() += count;
    }
    cells
}

/// Source: DATA section 2: persistent is a tenth of the pupil's own possible sessions, severe a half.
#[tokio::test]
async fn absence_is_persistent_from_a_tenth_of_a_pupils_own_possible_sessions_and_severe_from_half() {
    let is = |yes, no| BTreeMap::from([("yes".to_owned(), yes), ("no".to_owned(), no)]);
    for (pupil, persistent, severe) in [
        // Exactly a tenth, and as little less as there is in so many sessions.
        ((160, 16, 0), is(1, 0), is(0, 1)),
        ((151, 15, 0), is(0, 1), is(0, 1)),
        ((20, 2, 0), is(1, 0), is(0, 1)),
        ((21, 2, 0), is(0, 1), is(0, 1)),
        // Sessions that were not possible are no part of it.
        ((40, 4, 80), is(1, 0), is(0, 1)),
        ((40, 20, 80), is(1, 0), is(1, 0)),
        ((41, 20, 0), is(1, 0), is(0, 1)),
        // Fewer than 20 possible sessions say nothing.
        ((19, 19, 0), is(0, 0), is(0, 0)),
        ((19, 0, 60), is(0, 0), is(0, 0)),
        ((20, 20, 0), is(1, 0), is(1, 0)),
        ((20, 0, 0), is(0, 1), is(0, 1)),
    ] {
        assert_eq!(cells_of("persistent-absence", &[pupil]).await, persistent, "{pupil:?}");
        assert_eq!(cells_of("severe-absence", &[pupil]).await, severe, "{pupil:?}");
    }
    let school = [(160, 16, 0), (151, 15, 0), (40, 20, 80), (19, 19, 0)];
    assert_eq!(cells_of("persistent-absence", &school).await, is(2, 1));
    assert_eq!(cells_of("severe-absence", &school).await, is(1, 2));
}

/// A shipped question never changes under its version: who stored an answer stored its hash.
#[test]
fn the_catalogue_is_as_it_was_shipped() {
    let mut found = String::new();
    for question in catalogue() {
        let vocabulary = shipped_vocabulary(&question.draft.vocabulary).unwrap();
        let bound = bound(&question.draft, &vocabulary).remove(0);
        let hash = question_hash(&question_value(&question.draft).unwrap());
        writeln!(
            found,
            "{}/{} delta2={} cells={} {hash}",
            question.draft.id,
            question.draft.version,
            bound.sensitivity2(),
            bound.cells()
        )
        .unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/catalogue.txt");
    if std::env::var_os("DATACOOP_WRITE_GOLDEN").is_some() {
        std::fs::write(path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        found, golden,
        "the catalogue has changed: raise a changed question's version, then set DATACOOP_WRITE_GOLDEN=1 once"
    );
}
