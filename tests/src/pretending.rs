//! Nodes of pretend members in this process, and rounds among them: for benchmarks, and for tests that need a log
//! with a year in it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use datacoop::clock;
use datacoop::driver::{AskReply, Node};
use datacoop::engine::TableWriter;
use datacoop::import::Cell;
use datacoop::pretend::{found, start};
use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, Period, PrivacyLoss, QueryId, Span, Time};
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::member::port::Event;

/// Time for each of joining, contributing and closing: far more than a round in one process takes.
const WINDOW: Span = Span::from_seconds(60);

/// Starts so many members; each has a table of these rows, which declares the vocabulary's dataset. Without rows every
/// sum is noise alone.
pub async fn nodes(
    folder: &Path,
    vocabulary: &str,
    members: usize,
    people_max: u64,
    rows: &[Vec<Cell>],
) -> Vec<Node> {
    let named: Vec<(String, u64)> = (0..members).map(|n| (format!("School {n}"), people_max)).collect();
    let cast = found(folder, &[vocabulary.to_owned()], &named).unwrap();
    let vocabulary = Vocabulary::from_toml(vocabulary).unwrap();
    for member in &cast {
        let mut table = TableWriter::create(&member.table_path(&vocabulary), &vocabulary).unwrap();
        rows.iter().for_each(|row| table.push(row).unwrap());
        table.finish().unwrap();
    }
    start(&cast, None).await.unwrap()
}

/// A day of this school year: each number is a period of its own, which no release of another answers.
pub fn nth_day(number: usize) -> Period {
    let year = clock::now().day().academic_year();
    let day = Day(Day::from_civil(year.0, 9, 1).unwrap().0 + i64::try_from(number).unwrap());
    Period::new(day, day).unwrap()
}

/// A question as a pretend member asks it now, at its own loss.
pub fn body(question: &QuestionDraft, period: Period, charter: Digest) -> QueryBody {
    let now = Time::from_seconds(clock::now().seconds());
    QueryBody {
        question: question_value(question).unwrap(),
        params: BTreeMap::new(),
        period,
        vocabulary: question.vocabulary.clone(),
        purpose: "demo".into(),
        lay: Lay::default(),
        loss: PrivacyLoss::from_nano(u64::try_from(question.loss).unwrap()),
        mode: Mode::Secure,
        assumed: Assumptions::FLOOR,
        min_roster: 5,
        join_by: now + WINDOW,
        contribute_by: now + WINDOW + WINDOW,
        close_by: now + WINDOW + WINDOW + WINDOW,
        charter,
        supersedes: None,
        cosigners: vec![],
        delegation: None,
    }
}

/// The last of these members asks; returns once it holds the release.
pub async fn round(nodes: &[Node], question: &QuestionDraft, period: Period) -> QueryId {
    let asker = nodes.last().unwrap().handle();
    let charter = asker.view(|member| member.fold().charter().hash()).await.unwrap();
    let mut events = asker.events();
    let id = match asker.ask(body(question, period, charter)).await.unwrap() {
        AskReply::Asked(id) => id,
        AskReply::Answered(id) => panic!("{id} answers it already"),
        AskReply::Denied(rule, text) => panic!("{rule}: {text}"),
    };
    loop {
        match events.recv().await {
            Ok(Event::Released(done)) if done == id => return id,
            Ok(Event::Aborted(_, code)) => panic!("aborted: {code}"),
            _ => {}
        }
    }
}

/// Entries of all logs that a node holds.
pub async fn entries(node: &Node) -> u64 {
    node.handle().view(|member| member.fold().entries_held()).await.unwrap()
}

/// A vocabulary of two kinds of rows.
pub const PAIR: &str = r#"
id = "pair"
version = 1
title = "A pair"
dataset = "pair"
unit = "row"
column = [{ name = "a", type = "text", values = ["x", "y"], group = true }]
"#;

/// Questions over [`PAIR`].
pub const KINDS: usize = 7;

/// One of a few questions over [`PAIR`], at this loss in billionths of rho: a list of results is one of different
/// titles.
pub fn pair_question(number: usize, rho_nano: u64) -> QuestionDraft {
    let kind = number % KINDS;
    let text = format!(
        r#"
id = "pair-{kind}"
version = 1
title = "How many of kind {kind}?"
vocabulary = "pair/1"
figure = {{ kind = "count", of = "n" }}
loss = {rho_nano}
matters = "20"
measure = [{{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }}]
by = [{{ column = "a", cells = ["x", "y"] }}]
"#
    );
    QuestionDraft::from_toml(&text).unwrap()
}
