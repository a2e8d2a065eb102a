//! `judge`: the only place where the rules meet. Public facts only: no row, count or clock.

use std::collections::BTreeMap;

use crate::charter::{Charter, Member};
use crate::delegation::{Delegation, Known, check_cited};
use crate::id::MemberId;
use crate::ledger::Ledger;
use crate::limits::{Layer, Limits, Restricted, Set};
use crate::loss::PrivacyLoss;
use crate::query::{Answer, Assumptions, Mode, Query, Terms, WINDOW_MAX};
use crate::refusal::{Numbers, Refusal, Rule};
use crate::step::{MemberSet, PastRound, smallest_step};
use crate::time::{AcademicYear, Day, Span, Time};

/// A member debits at most twice for one (question, parameters, period), whatever it is told.
pub const ATTEMPTS_MAX: u32 = 2;
/// And returns a debit of a round with a lot at most so often for one: whoever debits last sees every nonce of a lot and can spoil
/// it, at no cost, until it likes the seats. In league with an asker, 7 corrupt of 24 members would hold all
/// seven seats in one lot of 346,000; in one of these eight, in one question of 43,000.
pub const VOIDED_MAX: u32 = 8;
/// A Query dated further ahead of our clock than this is not from now (CHARTER.md section 3).
pub const CLOCK_SKEW_MAX: Span = Span(600_000);

/// What `judge` may know beside the Query: all of it public.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Now, or when the verdict was written.
    pub now: Time,
    /// Who judges.
    pub me: &'a MemberId,
    /// The charter in force.
    pub charter: &'a Charter,
    /// This member's Ledger.
    pub ledger: &'a Ledger,
    /// Loss of accepted Queries on the same account that are still open.
    pub reserved: PrivacyLoss,
    /// Debits and reservations of the same purpose and account.
    pub purpose_spent: PrivacyLoss,
    /// Unvoided debits so far for the same question, parameters and period; of a Query that supersedes
    /// another only those of such.
    pub attempts: u32,
    /// Debits that returned, of the same, in rounds whose seats a lot decides.
    pub voided: u32,
    /// The Release of the same question, parameters and period that stands.
    pub answer: Option<&'a Answer>,
    /// Rounds of the same question and parameters, lists of members aside, that this member debited.
    pub past: &'a [PastRound],
    /// Whether another round of the same question and parameters was accepted and has not ended.
    pub under_way: bool,
    /// Whether this member declared the dataset; an auditor says yes.
    pub declared: bool,
    /// Whether enough other members were heard of lately to know that we were not cut off; if not, since when.
    pub unheard_since: Option<Day>,
    /// Whether two rival versions of the charter were signed.
    pub conflict: bool,
    /// What members restricted for a while; of a round of others, nothing.
    pub restricted: &'a Restricted,
    /// Members that support the question, of those that the Query cites.
    pub cosigners: u32,
    /// What is known of the delegation that the Query cites, if it cites one.
    pub delegation: Known<'a>,
}

/// The layers whose meet is in force.
#[derive(Clone, Debug)]
pub struct Layers {
    layers: Vec<(Layer, Limits)>,
}

impl Layers {
    /// The floor, the charter under this purpose (a purpose that is not there allows nothing) and,
    /// where known, the member's own limits.
    pub fn new(charter: &Charter, purpose: &str, own: Option<&Limits>) -> Self {
        let by_charter = charter.purpose(purpose).map_or_else(
            || Limits { purposes: Set::none(), ..charter.fields().limits.clone() },
            |purpose| {
                let days = Limits { not_before: purpose.starts, not_after: purpose.expires, ..Limits::top() };
                charter.limits_for(purpose).meet(&days)
            },
        );
        let mut layers =
            vec![(Layer::Floor, Limits::floor()), (Layer::Charter(charter.version()), by_charter)];
        layers.extend(own.map(|limits| (Layer::Member, limits.clone())));
        Self { layers }
    }

    /// Under what members restricted for a while: part of the charter's layer.
    #[must_use]
    pub fn under(mut self, restricted: &Restricted) -> Self {
        let charter = self.layers.iter_mut().find(|(layer, _)| matches!(layer, Layer::Charter(_)));
        if let Some((_, limits)) = charter {
            *limits = limits.meet(&restricted.limits());
        }
        self
    }

    /// And under a delegation, where one is here.
    #[must_use]
    pub fn delegated(mut self, known: Option<&Delegation>) -> Self {
        self.layers.extend(known.map(|held| (Layer::Delegation, held.limits.clone())));
        self
    }

    /// What all layers allow together.
    pub fn effective(&self) -> Limits {
        self.layers.iter().fold(Limits::top(), |met, (_, limits)| met.meet(limits))
    }
}

/// Decides about a Query, and again with its Roster before the debit.
///
/// Errors: the first rule that fails, with the first layer that fails it alone.
pub fn judge(
    layers: &Layers,
    query: &Query,
    roster: Option<&[MemberId]>,
    facts: &Facts<'_>,
) -> Result<(), Refusal> {
    let Err(Found { rule, sentence, numbers }) = check(&layers.effective(), query, roster, facts) else {
        return Ok(());
    };
    let fails = |limits: &Limits| check(limits, query, roster, facts).is_err_and(|found| found.rule == rule);
    let layer =
        layers.layers.iter().find(|(_, limits)| fails(limits)).map_or(Layer::Floor, |(layer, _)| *layer);
    let layer = if rule.is_own() { Layer::Member } else { layer };
    Err(Refusal { rule, layer, sentence, numbers })
}

/// Whether a Query with its Roster makes a round at all: what floor and charter say, whoever looks
/// and whatever its standing. A round that fails here counts for nobody, so members who collude
/// cannot make up an answer that the others would take for the co-operative's.
pub fn judge_round(charter: &Charter, query: &Query, roster: &[MemberId]) -> Result<(), Refusal> {
    let Some(me) = roster.first() else {
        let sentence = "the Roster is empty".to_owned();
        return Err(Refusal { rule: Rule::Roster, layer: Layer::Floor, sentence, numbers: None });
    };
    // Which Release it supersedes is for each member to see before it debits.
    let answer = query.named_answer();
    let facts = Facts {
        now: query.at,
        me,
        charter,
        ledger: &Ledger::default(),
        reserved: PrivacyLoss::ZERO,
        purpose_spent: PrivacyLoss::ZERO,
        attempts: 0,
        voided: 0,
        answer: answer.as_ref(),
        past: &[],
        under_way: false,
        declared: true,
        unheard_since: None,
        conflict: false,
        restricted: &Restricted::default(),
        cosigners: query.cosigners,
        // Whether it has arrived is no fact of the round: each member checks it before it debits.
        delegation: Known::Unseen,
    };
    judge(&Layers::new(charter, &query.purpose, None), query, Some(roster), &facts)
}

/// Whether limits alone still allow a Query: what a veto between debit and contribution asks.
pub fn in_scope(limits: &Limits, query: &Query, now: Time) -> bool {
    check_scope(limits, query, now).is_ok()
}

/// The rule that fails, and why.
struct Found {
    rule: Rule,
    sentence: String,
    numbers: Option<Numbers>,
}

type Check = Result<(), Found>;

fn no(rule: Rule, sentence: impl Into<String>) -> Check {
    Err(Found { rule, sentence: sentence.into(), numbers: None })
}

/// A rule that compares two numbers.
fn beyond(rule: Rule, asked: impl TryInto<u64>, limit: impl TryInto<u64>, sentence: String) -> Check {
    let number = |n: Option<u64>| n.unwrap_or(u64::MAX);
    let (asked, limit) = (number(asked.try_into().ok()), number(limit.try_into().ok()));
    Err(Found { rule, sentence, numbers: Some(Numbers { asked, limit }) })
}

/// Every rule in order, against one set of limits.
fn check(limits: &Limits, query: &Query, roster: Option<&[MemberId]>, facts: &Facts<'_>) -> Check {
    check_charter(query, facts)?;
    check_year(query, roster.is_none(), facts)?;
    if roster.is_none() {
        check_window(query, facts)?;
    }
    if facts.attempts >= ATTEMPTS_MAX {
        return no(Rule::Attempt, "we took part in this twice already");
    }
    if facts.voided >= VOIDED_MAX {
        return no(
            Rule::Attempt,
            format!("{VOIDED_MAX} rounds of this came to nothing after we had debited"),
        );
    }
    check_scope(limits, query, facts.now)?;
    check_sensitive(query, facts)?;
    check_answer(query, roster, facts)?;
    if facts.cosigners < limits.min_cosigners {
        let (signed, least) = (facts.cosigners, limits.min_cosigners);
        let text = format!("{signed} members co-signed; {least} are needed");
        return beyond(Rule::MinCosigners, signed, least, text);
    }
    check_loss(limits, query, facts)?;
    if !facts.declared {
        return no(Rule::NoData, format!("we declared no {} data", query.account.dataset));
    }
    check_facts(query, facts)?;
    match roster {
        None => check_planned_roster(limits, query, facts),
        Some(roster) => check_roster(limits, query, roster, facts),
    }
}

fn check_charter(query: &Query, facts: &Facts<'_>) -> Check {
    let charter = facts.charter;
    if query.charter != charter.hash() {
        let (theirs, ours) = (query.charter.short(), charter.hash().short());
        return no(Rule::CharterVersion, format!("the Query names charter {theirs}; we hold {ours}"));
    }
    let today = facts.now.day();
    if today > charter.fields().expires || today < charter.fields().effective {
        let (first, last) = (charter.fields().effective, charter.fields().expires);
        return no(Rule::CharterExpired, format!("our charter is in force from {first} to {last}"));
    }
    if let Some(since) = facts.unheard_since {
        return no(Rule::CharterStale, format!("we have not heard from enough members since {since}"));
    }
    if facts.conflict {
        return no(Rule::CharterConflict, "two rival charters exist; members must decide first");
    }
    check_asker(query, facts)?;
    if facts.restricted.members.contains(facts.me) {
        return no(Rule::Roster, "we are suspended");
    }
    Ok(())
}

/// A coordinator asks, and whoever one of them gave leave to.
fn check_asker(query: &Query, facts: &Facts<'_>) -> Check {
    let suspended = |id: &MemberId| facts.restricted.members.contains(id);
    let is_member = facts.charter.member(&query.asker).is_some();
    match &query.delegation {
        Some(cited) if is_member => {
            let asked = (&query.asker, query.at);
            let checked = check_cited(facts.charter, asked, cited, facts.delegation, facts.now);
            checked.or_else(|text| no(Rule::Asker, text))?;
            if cited.by.as_ref().is_some_and(suspended) {
                return no(Rule::Asker, "the coordinator that delegated is suspended");
            }
        }
        None if facts.charter.may_ask(&query.asker) => {}
        Some(_) | None => return no(Rule::Asker, "the asker has no right to ask this"),
    }
    if suspended(&query.asker) {
        return no(Rule::Asker, "the asker is suspended");
    }
    Ok(())
}

fn check_window(query: &Query, facts: &Facts<'_>) -> Check {
    let in_order = query.at <= query.join_by
        && query.join_by <= query.contribute_by
        && query.contribute_by <= query.close_by;
    let in_reach = facts.now <= query.join_by
        && query.close_by <= facts.now + WINDOW_MAX
        && query.at <= facts.now + CLOCK_SKEW_MAX
        && facts.now <= query.at + WINDOW_MAX;
    if !in_order || !in_reach {
        return no(Rule::Window, "its deadlines are past, out of order, or over 30 days ahead");
    }
    Ok(())
}

/// Academic years back from the one it is asked in that a count of everyone may be about: last year's
/// figures are asked for in the autumn.
const YEARS_BACK_MAX: i64 = 1;

/// Each year has a Ledger of its own, so a year must not be made up. Rows without a date are the same rows
/// in every year: they are asked about in the year they are asked in. A count of everyone counts people of
/// today by what they are today, whatever the period: it is about that year or the last. And no year is
/// asked about before it begins. A demo's people are made up, and of one fixed year.
///
/// A verdict goes by its own author's clock, as the asker's date is the asker's word: it may choose which
/// year's Ledger pays. What follows the verdict goes by the Query's, the same for all: a round that is under
/// way when a year ends goes on.
fn check_year(query: &Query, verdict: bool, facts: &Facts<'_>) -> Check {
    let question = query.question.question();
    let dated = question.vocabulary().date_column().is_some();
    let now = if verdict { facts.now } else { query.at };
    let (about, asked) = (query.period().year(), now.day().academic_year());
    if !dated && about != asked {
        let text = format!("its data has no dates, so its period lies in {asked}, the year it is asked in");
        return no(Rule::Window, text);
    }
    if about > asked {
        return no(
            Rule::Window,
            format!("its period lies in {about}, which has not begun; ask about {asked}"),
        );
    }
    let demo = facts.charter.fields().demo;
    if question.counts_everyone() && !demo && about.0 < asked.0 - YEARS_BACK_MAX {
        let last = AcademicYear(asked.0 - YEARS_BACK_MAX);
        let text = format!(
            "it counts everyone, as they are today, so its period lies in {last} or {asked}; to ask about {about}, leave `everyone` out"
        );
        return no(Rule::Window, text);
    }
    Ok(())
}

fn check_scope(limits: &Limits, query: &Query, now: Time) -> Check {
    if !limits.purposes.holds(&query.purpose) {
        return no(Rule::Purposes, format!("the purpose `{}` is not open here", query.purpose));
    }
    let question = query.question.question();
    if !limits.questions.holds(question.id()) {
        return no(Rule::Questions, format!("the question `{}` is not answered here", question.id()));
    }
    if !limits.datasets.holds(&query.account.dataset) {
        return no(Rule::Datasets, format!("the dataset `{}` is not open to this", query.account.dataset));
    }
    if let Some(name) = query.question.columns().into_iter().find(|name| !limits.columns.holds(name)) {
        return no(Rule::Columns, format!("the column `{name}` may not be used"));
    }
    if let Some(name) = query.question.group_by().into_iter().find(|name| !limits.group_by.holds(name)) {
        return no(Rule::GroupBy, format!("results may not be split by `{name}`"));
    }
    let (today, first, last) = (now.day(), limits.not_before, limits.not_after);
    if today < first {
        return no(Rule::NotBefore, format!("this is open from {first}"));
    }
    if today > last {
        return no(Rule::NotAfter, format!("this was open until {last}"));
    }
    let cells = query.question.cells();
    if cells > limits.max_cells as usize {
        return beyond(
            Rule::MaxCells,
            cells,
            limits.max_cells,
            format!("{cells} cells; at most {} are allowed", limits.max_cells),
        );
    }
    if query.mode == Mode::FullNoise && !limits.full_noise {
        return no(Rule::FullNoise, "it would show each member's noised figures");
    }
    Ok(())
}

/// Sensitive columns are open to a purpose that names them, never to one that leaves columns open.
fn check_sensitive(query: &Query, facts: &Facts<'_>) -> Check {
    let purpose = facts.charter.purpose(&query.purpose);
    let named = |name: &str| {
        purpose.is_some_and(|purpose| match &purpose.limits.columns {
            Set::Only(names) => names.contains(name),
            Set::Except(_) => false,
        })
    };
    match query.question.sensitive_columns().into_iter().find(|name| !named(name)) {
        Some(name) => {
            no(Rule::Columns, format!("the column `{name}` is sensitive, and this purpose does not name it"))
        }
        None => Ok(()),
    }
}

/// Whoever asks again is given the Release that stands. It may be superseded once, by name, and by more than
/// half of those who gave it: or a few could put figures of their own in its place, or two halves two.
fn check_answer(query: &Query, roster: Option<&[MemberId]>, facts: &Facts<'_>) -> Check {
    let (old, answer) = match (query.supersedes, facts.answer) {
        (None, None) => return Ok(()),
        (None, Some(_)) => {
            return no(Rule::Answered, "already answered: read the Release with `datacoop results`");
        }
        (Some(old), answer) => (old, answer),
    };
    let Some(answer) = answer.filter(|answer| answer.corrects || answer.query == old) else {
        let text = "it supersedes what is no Release of this question, these parameters and this period";
        return no(Rule::Supersedes, text);
    };
    if answer.corrects {
        return no(Rule::Supersedes, "the Release was superseded once; that one stands");
    }
    let both = roster.map(|roster| roster.iter().filter(|id| answer.members.contains(id)).count());
    match both {
        // Nobody is named where only the Query is at hand: see `Query::named_answer`.
        Some(both) if 2 * both <= answer.members.len() && !answer.members.is_empty() => no(
            Rule::Supersedes,
            format!(
                "{both} of {} members of the Release that it supersedes take part; more than half of them are needed",
                answer.members.len()
            ),
        ),
        _ => Ok(()),
    }
}

fn check_loss(limits: &Limits, query: &Query, facts: &Facts<'_>) -> Check {
    let asked = query.loss;
    if asked > limits.rho_query || asked == PrivacyLoss::ZERO {
        return beyond(
            Rule::RhoQuery,
            asked.nano(),
            limits.rho_query.nano(),
            format!("it costs rho {asked}; at most {} is allowed", limits.rho_query),
        );
    }
    let left = limits.rho_purpose.less(facts.purpose_spent);
    if asked > left {
        return beyond(
            Rule::RhoPurpose,
            asked.nano(),
            left.nano(),
            format!("it costs rho {asked}; this purpose has {left} left"),
        );
    }
    let left = limits.rho_year.less(facts.ledger.spent(&query.account)).less(facts.reserved);
    if asked > left {
        let year_end = query.account.year.0 + 1;
        return beyond(
            Rule::RhoYear,
            asked.nano(),
            left.nano(),
            format!("it costs rho {asked}; {left} is left until 31 August {year_end}"),
        );
    }
    Ok(())
}

/// Whether the Query's lists of members are lists of charter members.
fn check_facts(query: &Query, facts: &Facts<'_>) -> Check {
    let ids: Vec<MemberId> = facts.charter.members().iter().map(|member| member.id.clone()).collect();
    match query.question.listed_members().iter().find(|id| !ids.contains(id)) {
        Some(stranger) => no(Rule::MemberFact, format!("`{stranger}` is no member")),
        None => Ok(()),
    }
}

/// Before the Roster is known: the minimum the Query itself states.
fn check_planned_roster(limits: &Limits, query: &Query, facts: &Facts<'_>) -> Check {
    if query.min_roster < limits.min_roster {
        let (stated, least) = (query.min_roster, limits.min_roster);
        return beyond(
            Rule::MinRoster,
            stated,
            least,
            format!("it asks for {stated} members; {least} are needed"),
        );
    }
    if facts.under_way {
        return no(Rule::MinStep, "another round of this question is under way; wait until it ends");
    }
    check_assumptions(query, query.min_roster as usize, facts)
}

/// Whether a Roster of n makes a safe round: assumptions no weaker than the charter's, noise that
/// serves, and sums of the largest member that fit.
fn check_assumptions(query: &Query, n: usize, facts: &Facts<'_>) -> Check {
    if !query.assumed.covers(&facts.charter.fields().assumed) || !query.assumed.covers(&Assumptions::FLOOR) {
        return no(Rule::Roster, "it assumes less collusion than the charter does");
    }
    let Some(terms) = Terms::new(n, query.mode, query.assumed) else {
        return no(Rule::Roster, format!("no safe round with {n} members follows from its assumptions"));
    };
    let Some(noise) = query.noise(&terms) else {
        return no(Rule::RhoQuery, format!("rho {} is too small for any noise to serve", query.loss));
    };
    let people = facts.charter.members().iter().map(|member| member.people_max).max().unwrap_or(0);
    match noise.tally_max(people, query.question.span_steps_max()) {
        Some(_) => Ok(()),
        None => no(Rule::Roster, "sums of the largest member would not fit; use coarser resolutions"),
    }
}

fn check_roster(limits: &Limits, query: &Query, roster: &[MemberId], facts: &Facts<'_>) -> Check {
    let sorted = roster.windows(2).all(|pair| pair[0] < pair[1]);
    let takes_part = |id: &MemberId| facts.charter.member(id).is_some_and(Member::takes_part);
    let entitled = roster.iter().all(|id| takes_part(id) && !facts.restricted.members.contains(id));
    if !sorted || !entitled || !roster.contains(facts.me) {
        return no(Rule::Roster, "the Roster repeats, omits us, or names a member not entitled");
    }
    let least = limits.min_roster.max(query.min_roster);
    if roster.len() < least as usize {
        return beyond(
            Rule::MinRoster,
            roster.len(),
            least,
            format!("{} members; {least} are needed", roster.len()),
        );
    }
    check_assumptions(query, roster.len(), facts)?;
    let bodies = facts.charter.bodies(roster);
    if bodies.len() < limits.min_bodies as usize {
        return beyond(
            Rule::MinBodies,
            bodies.len(),
            limits.min_bodies,
            format!("{} separate bodies; {} are needed", bodies.len(), limits.min_bodies),
        );
    }
    let places_max =
        Terms::new(roster.len(), query.mode, query.assumed).map_or(0, |terms| terms.body_places_max());
    let members = || roster.iter().filter_map(|id| facts.charter.member(id));
    let mut places_by_body: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members() {
        *places_by_body.entry(&member.body).or_default() += 1;
    }
    for places in places_by_body.into_values() {
        if places > places_max as usize {
            return beyond(
                Rule::BodyShare,
                places,
                places_max,
                format!("one body holds {places} places; {places_max} are allowed"),
            );
        }
    }
    let people: u64 = members().map(|member| member.people_min).sum();
    if people < u64::from(limits.min_people) {
        return beyond(
            Rule::MinPeople,
            people,
            limits.min_people,
            format!("members declare {people} people; {} are needed", limits.min_people),
        );
    }
    check_step(limits, query, roster, facts)
}

/// `min_step`: nothing that Rosters or lists of members set apart is smaller.
fn check_step(limits: &Limits, query: &Query, roster: &[MemberId], facts: &Facts<'_>) -> Check {
    let mut sets = member_sets(query, roster);
    if query.mode == Mode::Secure {
        let past = facts.past.iter().filter(|past| past.counts_for(query.period()));
        sets.extend(past.flat_map(|past| past.sets.clone()));
    }
    match smallest_step(facts.charter, &sets) {
        Some(bodies) if bodies < limits.min_step as usize => beyond(
            Rule::MinStep,
            bodies,
            limits.min_step,
            format!(
                "with earlier rounds of this question, or by its own lists, this sets {bodies} bodies apart; groups need {}",
                limits.min_step
            ),
        ),
        _ => Ok(()),
    }
}

/// The sets of members whose totals a round over these members gives: all of them, and the groups that
/// member facts make.
pub fn member_sets(query: &Query, members: &[MemberId]) -> Vec<MemberSet> {
    let groups = query.question.member_groups(members).into_iter();
    let all = members.iter().cloned().collect();
    [all].into_iter().chain(groups.map(|group| group.into_iter().collect())).collect()
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
