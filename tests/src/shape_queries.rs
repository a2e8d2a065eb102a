//! Queries made by dice, right and wrong in every way that a rule knows: SECURITY S21.

use std::collections::BTreeMap;

use datacoop_policy::query::{Assumptions, Mode};
use datacoop_policy::question::QuestionDraft;
use datacoop_policy::{Digest, MemberId, Period, PrivacyLoss, Span, Time};
use datacoop_protocol::entry::{Lay, QueryBody, Supersedes};
use datacoop_protocol::fold::question_value;
use datacoop_sim::coop::member_id;

use crate::shape::MEMBERS;

/// What the random Queries are about; the columns stand for every kind that a rule treats differently.
pub const VOCABULARY: &str = r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "exam"
    unit = "row"
    column = [
      { name = "sex", type = "text", values = ["F", "M"], group = true },
      { name = "year", type = "text", values = ["7", "8", "9", "10", "11"], group = true },
      { name = "class", type = "text", values = ["A", "B", "C"], group = true },
      { name = "score", type = "number", low = 0, high = 100 },
      { name = "passed", type = "bool" },
      { name = "health", type = "text", values = ["good", "poor"], sensitive = true },
      { name = "remark", type = "text" },
    ]"#;

/// Another dataset: one purpose only may read it, and not every member holds it.
pub const STAFF_VOCABULARY: &str = r#"
    id = "staff"
    version = 1
    title = "Staff"
    dataset = "staff"
    unit = "row"
    column = [{ name = "sex", type = "text", values = ["F", "M"], group = true }]"#;

/// SplitMix64: of a seed the same numbers everywhere.
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// The first of `items` mostly: a Query that breaks every rule shows the first one only.
    fn mostly_first<T: Clone>(&mut self, items: &[T]) -> T {
        let at = if self.below(100) < 88 { 0 } else { self.below(items.len() as u64) };
        items[usize::try_from(at).expect("it is below a length")].clone()
    }

    /// One of them.
    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).expect("it is below a length")].clone()
    }
}

const STAFF_QUESTION: &str = r#"
    id = "again"
    version = 1
    title = "?"
    vocabulary = "staff/1"
    figure = { kind = "count", of = "n" }
    loss = 5_000_000
    matters = "10"
    measure = [{ name = "n", sql = "1", clamp = [0, 1], resolution = 1 }]"#;

fn question(dice: &mut Dice) -> String {
    let good = [
        r#"{ column = "sex", cells = ["F", "M"] }"#,
        r#"{ column = "year", cells = ["7", "8", "9", "10", "11"] }"#,
        r#"{ column = "year", cells = ["7", "8"] }"#,
        r#"{ column = "class", cells = ["A", "B", "C"] }"#,
        r#"{ name = "made", sql = "CASE WHEN passed THEN 'yes' ELSE 'no' END", cells = ["yes", "no"] }"#,
    ];
    let bad = [
        r#"{ column = "sex", cells = ["F", "X"] }"#,
        r#"{ column = "score", cells = ["1"] }"#,
        r#"{ column = "nothing", cells = ["1"] }"#,
    ];
    let by: Vec<&str> = (0..dice.below(4))
        .map(|_| if dice.below(30) == 0 { dice.pick(&bad) } else { dice.pick(&good) })
        .collect();
    let sql = dice.mostly_first(&[
        "1",
        "score",
        "score * 2",
        "nothing",
        "SUM(score)",
        "'text'",
        "score +",
        "1 / 0",
    ]);
    let filter = dice.mostly_first(&[
        "",
        "where = \"passed\"",
        "where = \"sex = 'F'\"",
        "where = \"health = 'poor'\"",
        "where = \"remark = 'x'\"",
        "where = \"score\"",
        "where = \"score > 'x'\"",
    ]);
    let clamp = dice.mostly_first(&["[0, 1]", "[0, 100]", "[-4, 4]", "[1, 0]", "[0, 100000000000]"]);
    let resolution = dice.mostly_first(&["1", "\"1/4\"", "0", "\"1/1000000\""]);
    let id = dice.mostly_first(&["how-many", "how-much", "again"]);
    format!(
        "id = \"{id}\"\nversion = 1\ntitle = \"?\"\nvocabulary = \"exam/1\"\nloss = 5_000_000\nmatters = \"10\"\n{filter}\n\
         figure = {{ kind = \"sum\", of = \"n\" }}\n\
         measure = [{{ name = \"n\", sql = \"{sql}\", clamp = {clamp}, resolution = {resolution} }}]\nby = [{}]\n",
        by.join(", ")
    )
}

/// A Query and its asker; the error is that of a text which is no question at all.
pub fn random_query(dice: &mut Dice, now: Time, charter: Digest) -> (Result<QueryBody, String>, MemberId) {
    let asker = if dice.below(50) == 0 {
        "DEMO-999".parse().expect("an id")
    } else {
        dice.pick(&[0, 1, 2, 3, 4].map(member_id))
    };
    // One in ten is the very question that was answered before.
    let lawful = crate::shape::lawful_query(now, charter, Mode::Secure);
    if dice.below(10) == 0 {
        let period = Period::parse(dice.pick(&["2025-09-01..2025-12-19", "2025-09-01..2025-11-30"]))
            .expect("a period");
        // Now and then as a correction, of what is no Release.
        let supersedes = (dice.below(3) == 0)
            .then(|| Supersedes { query: Digest([9; 32]), because: "a mistake".to_owned() });
        return (Ok(QueryBody { period, supersedes, ..lawful }), asker);
    }
    let text = question(dice);
    let staff = dice.below(12) == 0;
    let text = if staff { STAFF_QUESTION.to_owned() } else { text };
    let value = QuestionDraft::from_toml(&text)
        .map_err(|error| error.to_string())
        .and_then(|draft| question_value(&draft).map_err(|error| format!("{error:?}")));
    let vocabulary = if staff { "staff/1" } else { "exam/1" }.to_owned();
    let body = value.map(|question| body(dice, QueryBody { question, vocabulary, ..lawful }, now));
    (body, asker)
}

fn body(dice: &mut Dice, lawful: QueryBody, now: Time) -> QueryBody {
    let periods = [
        "2025-09-01..2025-12-19",
        "2025-10-01..2025-11-30",
        "2024-09-01..2025-07-31",
        "2026-09-01..2026-12-01",
    ];
    let losses = [5_000_000, 1, 0, 2, 9_500_000, 12_000_000, 16_000_000, 50_000_000, 50_000_001, u64::MAX];
    let windows = [
        [20_000, 40_000, 60_000],
        [1_000, 2_000, 3_000],
        [60_000, 40_000, 20_000],
        [20_000, 40_000, 31 * 86_400_000],
        [20_000, 40_000, 30 * 86_400_000],
    ];
    let assumed = [
        Assumptions::FLOOR,
        Assumptions { colluding_percent: 29, ..Assumptions::FLOOR },
        Assumptions { colluding_percent: 40, ..Assumptions::FLOOR },
        Assumptions { colluding_percent: 80, ..Assumptions::FLOOR },
        Assumptions { missing_percent: 0, ..Assumptions::FLOOR },
        Assumptions { committee_max: 2, ..Assumptions::FLOOR },
    ];
    let [join, contribute, close] = dice.mostly_first(&windows);
    let late = if dice.below(40) == 0 { Span(30_000) } else { Span(0) };
    let start = Time(now.0 - late.0);
    QueryBody {
        params: dice.mostly_first(&[BTreeMap::new(), BTreeMap::from([("x".to_owned(), "1".to_owned())])]),
        period: Period::parse(dice.mostly_first(&periods)).expect("a period"),
        vocabulary: dice.mostly_first(&[lawful.vocabulary.as_str(), "exam/2", "other/1"]).into(),
        purpose: dice.mostly_first(&["demo", "wide", "wide", "later", "other", ""]).into(),
        lay: Lay::default(),
        loss: PrivacyLoss::from_nano(dice.mostly_first(&losses)),
        mode: dice.mostly_first(&[Mode::Secure, Mode::FullNoise]),
        assumed: dice.mostly_first(&assumed),
        min_roster: dice.mostly_first(&[5, 0, 2, 3, 4, 6, 200, 201, u32::MAX]),
        join_by: start + Span(join),
        contribute_by: start + Span(contribute),
        close_by: start + Span(close),
        charter: dice.mostly_first(&[lawful.charter, Digest([9; 32])]),
        ..lawful
    }
}

/// A Roster in seven of ten, mostly all members, else the Query is judged before its Roster is known; and
/// whether the member declared the data.
pub fn random_roster(dice: &mut Dice) -> (Option<Vec<MemberId>>, bool) {
    let declared = dice.below(20) > 0;
    if dice.below(10) < 3 {
        return (None, declared);
    }
    let mut roster: Vec<MemberId> = (0..MEMBERS).map(member_id).collect();
    match dice.below(12) {
        0 => roster.truncate(4),
        1 => roster.truncate(2),
        2 => roster.push(roster[0].clone()),
        3 => roster.push("DEMO-999".parse().expect("an id")),
        4 => {
            roster.remove(1);
        }
        5 => {
            roster.remove(2);
        }
        _ => {}
    }
    (Some(roster), declared)
}
