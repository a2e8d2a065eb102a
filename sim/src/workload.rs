//! What is asked in chaos, and of what: a charter, one question with a parameter, made-up people. Figures are so
//! large that nothing else in a frame looks like one.

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop_policy::charter::{Charter, CharterDraft, MemberKeys, name_witnesses};
use datacoop_policy::limits::Limits;
use datacoop_policy::query::Assumptions;
use datacoop_policy::question::{BoundQuestion, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, MemberId, Period, PrivacyLoss, Time};
use datacoop_protocol::entry::{Lay, QueryBody};
use datacoop_protocol::fold::question_value;
use datacoop_protocol::json::Value;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::seed::Seed;
use rand_core::Rng as _;

use crate::coop::{Founder, charter_draft, textless_charter, vocabularies};
use crate::scenario::{Ask, Scenario};
use crate::world::Tabulate;

/// What its people declared.
pub(crate) const DATASET: &str = "exam";

/// A vocabulary of one column with so many values.
fn vocabulary_text(cells: usize) -> String {
    format!(
        r#"
    id = "exam"
    version = 1
    title = "Results"
    dataset = "{DATASET}"
    unit = "row"
    column = [{{ name = "kind", type = "text", values = [{}], group = true }}]"#,
        values(cells)
    )
}

/// A question about each value.
fn question_text(cells: usize) -> String {
    format!(
        r#"
    id = "how-many"
    version = 1
    title = "How many?"
    vocabulary = "exam/1"
    figure = {{ kind = "count", of = "n" }}
    param = {{ least = "number" }}
    loss = 5_000_000
    matters = "10"
    measure = [{{ name = "n", sql = "CASE WHEN 1 > :least THEN 1 ELSE 0 END", clamp = [0, 1], resolution = 1 }}]
    by = [{{ column = "kind", cells = [{}] }}]"#,
        values(cells)
    )
}

fn values(cells: usize) -> String {
    (1..=cells).map(|n| format!("\"k{n}\"")).collect::<Vec<_>>().join(", ")
}

/// Each member's roll bound: the largest there is.
const PEOPLE_MAX: u64 = 1_000_000;
/// The least of a member's figures: more than the length of any frame.
const FIGURE_MIN: u64 = 600_000;
/// Fewest members of a Roster, where there are as many.
const ROSTER_MIN: usize = 5;
/// What one question may cost under the first version of the charter, and under the next.
const RHO_QUERY: [u64; 3] = [40_000_000, 39_000_000, 45_000_000];

/// A co-operative of a scenario, before it begins.
pub struct Cast {
    /// Its members.
    pub founders: Vec<Founder>,
    /// The charter's first version.
    pub charter: Arc<Charter>,
    /// The one vocabulary.
    pub vocabularies: BTreeMap<Digest, Arc<Vocabulary>>,
    /// How many members there are.
    pub members: usize,
    question: Value,
}

impl Cast {
    /// The members of a scenario.
    ///
    /// # Panics
    /// If what is compiled in is no vocabulary, question or charter.
    pub fn new(scenario: &Scenario, seed: &Seed) -> Self {
        let text = vocabulary_text(scenario.cells);
        let vocabulary = Vocabulary::from_toml(&text).expect("INVARIANT: it is compiled in");
        let question =
            QuestionDraft::from_toml(&question_text(scenario.cells)).expect("INVARIANT: it is compiled in");
        let hash = sha256(&[text.as_bytes()]);
        let founder = |(n, point): (usize, bool)| {
            let addresses = if point { vec![format!("sim/{n}")] } else { vec![] };
            Founder::new(seed, n, &format!("Member {n}"), PEOPLE_MAX, addresses)
        };
        let points = scenario.members.iter().map(|spec| spec.meeting_point);
        let founders: Vec<Founder> = points.enumerate().map(founder).collect();
        let mut draft =
            charter_draft(&founders.iter().collect::<Vec<_>>(), &[(&vocabulary, hash)], scenario.start);
        name_witnesses(&mut draft.members);
        draft.limits = Limits { rho_query: PrivacyLoss::from_nano(RHO_QUERY[0]), ..draft.limits };
        let charter = textless_charter(draft).expect("INVARIANT: a scenario's members make a charter");
        Self {
            members: founders.len(),
            founders,
            charter,
            vocabularies: vocabularies(&vocabulary, hash),
            question: question_value(&question).expect("INVARIANT: it is compiled in"),
        }
    }

    /// A question's entry, asked now under this version of the charter.
    pub fn query(&self, ask: &Ask, now: Time, charter: Digest) -> QueryBody {
        let now = Time::from_seconds(now.seconds());
        let year = now.day().academic_year().0;
        let days = Day::from_civil(year, 9, 1).zip(Day::from_civil(year, 12, 18));
        let period = days.and_then(|(first, last)| Period::new(first, last));
        let members = self.members;
        let whole = |time: Time| Time::from_seconds(time.seconds());
        QueryBody {
            question: self.question.clone(),
            params: BTreeMap::from([("least".to_owned(), ask.least.to_string())]),
            period: period.expect("INVARIANT: an autumn has days"),
            vocabulary: "exam/1".into(),
            purpose: "demo".into(),
            lay: Lay::default(),
            loss: PrivacyLoss::from_nano(ask.loss),
            mode: ask.mode,
            assumed: Assumptions::FLOOR,
            min_roster: u32::try_from(members.min(ROSTER_MIN)).unwrap_or(u32::MAX),
            join_by: whole(now + ask.join),
            contribute_by: whole(now + ask.join + ask.contribute),
            close_by: whole(now + ask.join + ask.contribute + ask.close),
            charter,
            supersedes: None,
            cosigners: vec![],
            delegation: None,
        }
    }
}

/// The next version of the charter: it costs less at most, or more.
///
/// # Panics
/// If it is no charter.
pub fn next_charter(parent: &Charter, tightens: bool) -> Arc<Charter> {
    let most = if tightens { RHO_QUERY[1] } else { RHO_QUERY[2] };
    successor(parent, if tightens { b"less" } else { b"more" }, |draft| {
        draft.limits = Limits { rho_query: PrivacyLoss::from_nano(most), ..draft.limits.clone() };
    })
}

/// The next version of the charter, whose last day is this at the latest.
///
/// # Panics
/// If it is no charter.
pub fn expiring(parent: &Charter, last: Day) -> Arc<Charter> {
    successor(parent, b"expires", |draft| draft.expires = last.min(draft.expires))
}

/// The version that follows one of two rivals and condemns the other.
///
/// # Panics
/// If it is no charter.
pub fn condemning(parent: &Charter, wrong: Digest) -> Arc<Charter> {
    successor(parent, b"condemns", |draft| draft.condemns = vec![wrong])
}

/// The version in which a member has other keys.
///
/// # Panics
/// If it is no charter.
pub fn with_keys(parent: &Charter, id: &MemberId, keys: &MemberKeys) -> Arc<Charter> {
    successor(parent, b"keys", |draft| {
        let member = draft.members.iter_mut().find(|member| member.id == *id);
        member.expect("INVARIANT: a scenario's members are in its charter").keys = keys.clone();
    })
}

fn successor(parent: &Charter, what: &[u8], change: impl FnOnce(&mut CharterDraft)) -> Arc<Charter> {
    let mut draft: CharterDraft = parent.fields().clone();
    (draft.version, draft.prev) = (parent.version() + 1, Some(parent.hash()));
    draft.condemns.clear();
    draft.hash = sha256(&[&parent.hash().0, what]);
    change(&mut draft);
    Charter::admit(draft).map(Arc::new).expect("INVARIANT: a change that charters may make")
}

/// The figures of made-up people: of each member and parameter others, and others in each world of data.
pub fn tabulate(seed: &Seed, world: u64) -> Tabulate {
    let seed = seed.derive(&format!("data/{world}"));
    Arc::new(move |id: &MemberId, question: &BoundQuestion| {
        let label = format!("{id}/{:?}", question.params());
        let (mut rng, room) = (seed.stream(&label), PEOPLE_MAX - FIGURE_MIN);
        let figures = (0..question.cells()).map(|_| FIGURE_MIN + rng.next_u64() % room);
        figures.map(|figure| i64::try_from(figure).unwrap_or(0)).collect()
    })
}
