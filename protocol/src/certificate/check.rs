//! Checks a certificate: what of it is signed and by whom, then the round by the same code that members run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::charter::Charter;
use datacoop_policy::delegation::Known;
use datacoop_policy::ledger::{Debit, Ledger};
use datacoop_policy::limits::Restricted;
use datacoop_policy::query::{Mode, Query};
use datacoop_policy::refusal::{Refusal, Rule};
use datacoop_policy::verdict::{Facts, Layers, judge, judge_round};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{MemberId, PrivacyLoss, Time};

use super::make::{CanonicalHead, canonical_chain};
use super::summary::summary;
use super::{CERTIFICATE_BYTES_MAX, Certificate, FormError, HEADER, Proved, wrong};
use crate::audit::{Check, Outcome};
use crate::charter_text::open_chain;
use crate::cited::references;
use crate::entry::{Body, Ref};
use crate::fold::{Questions, bind};
use crate::log::cosignature::{policy_text, quorum, witness_keys};
use crate::log::note::{Checkpoint, split_note};
use crate::log::tree::sha256;
use crate::release::{figures, figures_digest};
use crate::rounds::{Kind, Logged, Plan, Round};

/// Every check with its name, in order.
const CHECKS: [(&str, &str); 11] = [
    ("C01", "form"),
    ("C02", "logs"),
    ("C03", "charter"),
    ("C04", "members"),
    ("C05", "purpose"),
    ("C06", "roster"),
    ("C07", "debits"),
    ("C08", "sets"),
    ("C09", "sums"),
    ("C10", "figures"),
    ("C11", "summary"),
];

/// What came of checking a certificate.
pub struct Checked {
    /// C01 to C11.
    pub checks: Vec<Check>,
    /// The charter it holds, if it is one that all founders signed. Whether it is the reader's, only its
    /// fingerprint tells.
    pub charter: Option<Arc<Charter>>,
    /// The round as its entries tell it.
    pub round: Option<Round>,
    /// The summary as it stands.
    pub summary: String,
    /// The head of each log in it that its key signed.
    pub heads: Vec<SignedHead>,
}

impl Checked {
    /// Whether everything could be checked and nothing failed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| matches!(check.outcome, Outcome::Pass | Outcome::Warn))
    }
}

/// A head that a log's key signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedHead {
    /// Whose log.
    pub member: MemberId,
    /// What it says.
    pub checkpoint: Checkpoint,
    /// As signed.
    pub note: String,
}

/// Why a check does not pass, or what it found.
type Finding = Result<String, Trouble>;

enum Trouble {
    Fails(String),
    Warns(String),
    /// What it rests on is not right, or not here.
    Rests,
}

fn fails<T>(text: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Fails(text.into()))
}

/// Checks a certificate.
///
/// Errors: bytes that are no certificate at all: nothing can be said of them. What begins as one and is not
/// right fails its checks.
pub fn check(bytes: &[u8]) -> Result<Checked, FormError> {
    if bytes.len() > CERTIFICATE_BYTES_MAX {
        return wrong(format!("{} bytes; a certificate has at most {CERTIFICATE_BYTES_MAX}", bytes.len()));
    }
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.starts_with(HEADER)) else {
        return wrong(format!(
            "no certificate: it does not begin with `{}`, or is no text",
            HEADER.trim_end()
        ));
    };
    let mut report = Report::default();
    let certificate = match Certificate::parse(text) {
        Ok(certificate) => certificate,
        Err(error) => {
            report.set(1, fails(error.0));
            return Ok(report.finish(None, None, String::new(), vec![]));
        }
    };
    if let Err(text) = check_standing(&certificate) {
        report.set(2, fails(text));
        return Ok(report.finish(None, None, certificate.summary, vec![]));
    }
    let chain = match open_chain(&certificate.charters) {
        Ok(chain) => chain,
        Err(error) => {
            report.set(3, fails(error.0));
            return Ok(report.finish(None, None, certificate.summary, vec![]));
        }
    };
    // The version that the Query names is the last of them: its own rules check it.
    let charter = Arc::new(chain.last().expect("INVARIANT: a chain has its first version").clone());
    let logs = Logs::read(&certificate, &charter);
    report.set(2, logs.check(&certificate, &charter));
    let round = read_round(&certificate, &charter);
    report.set(1, check_form(&certificate, &chain, &logs, round.as_ref()));
    if let Ok(round) = &round {
        check_round(&mut report, &charter, round, &certificate.summary);
    }
    let heads = logs.heads.into_iter().filter_map(|(member, head)| {
        let head = head.ok()?;
        Some(SignedHead { member, checkpoint: head.checkpoint, note: head.note })
    });
    Ok(report.finish(Some(charter), round.ok(), certificate.summary, heads.collect()))
}

/// Outcomes by number; what was not reached rests on something that failed.
#[derive(Default)]
struct Report(BTreeMap<usize, Finding>);

impl Report {
    fn set(&mut self, number: usize, finding: Finding) {
        self.0.insert(number, finding);
    }

    fn finish(
        mut self,
        charter: Option<Arc<Charter>>,
        round: Option<Round>,
        summary: String,
        heads: Vec<SignedHead>,
    ) -> Checked {
        let checks = CHECKS.into_iter().enumerate().map(|(at, (code, name))| {
            let (outcome, text) = match self.0.remove(&(at + 1)) {
                Some(Ok(text)) => (Outcome::Pass, text),
                Some(Err(Trouble::Fails(text))) => (Outcome::Fail, text),
                Some(Err(Trouble::Warns(text))) => (Outcome::Warn, text),
                Some(Err(Trouble::Rests)) | None => {
                    (Outcome::Skip, "rests on what fails or is not here".to_owned())
                }
            };
            Check { code, name, outcome, text, entry: None }
        });
        Checked { checks: checks.collect(), charter, round, summary, heads }
    }
}

/// C02, as far as hashes show it: an author's entries stand under one head. Before any key is looked at: what
/// stands under no head says nothing of a round, so whoever sends it costs its reader no signature.
fn check_standing(certificate: &Certificate) -> Result<(), String> {
    let mut heads: BTreeMap<&MemberId, (&str, Checkpoint)> = BTreeMap::new();
    for proved in certificate.entries.values() {
        let (by, kind) = (&proved.entry.by, proved.entry.body.kind());
        if !heads.contains_key(by) {
            let read = split_note(&proved.proof.note).and_then(|(text, _)| Checkpoint::parse(text));
            let head = read.map_err(|error| format!("the head of `{by}`: {error}"))?;
            heads.insert(by, (&proved.proof.note, head));
        }
        let Some((note, head)) = heads.get(by) else { continue };
        if proved.proof.note != *note {
            return Err(format!("the `{kind}` of `{by}` is proved by another head than its other entries"));
        }
        if proved.entry.seq != proved.proof.index || !proved.proof.holds(proved.leaf(), head) {
            return Err(format!("the `{kind}` of `{by}` does not stand in its log"));
        }
    }
    Ok(())
}

/// The head that each log's entries are proved by.
struct Logs {
    heads: BTreeMap<MemberId, Result<CanonicalHead, String>>,
}

impl Logs {
    fn read(certificate: &Certificate, charter: &Charter) -> Self {
        let mut heads = BTreeMap::new();
        for proved in certificate.entries.values() {
            let by = &proved.entry.by;
            if heads.contains_key(by) {
                continue;
            }
            let read = match charter.member(by) {
                None => Err(format!("`{by}` is no member of the charter")),
                Some(member) => {
                    let log = &member.keys.log;
                    let witnesses = witness_keys(charter, by);
                    CanonicalHead::read(&proved.proof.note, &log.name, &log.key, &witnesses)
                        .map_err(|error| format!("the head of `{by}`: {error}"))
                }
            };
            heads.insert(by.clone(), read);
        }
        Self { heads }
    }

    /// C02: the log's key signed the head that covers each entry, and enough witnesses cosigned it. That it
    /// covers them is seen to already.
    fn check(&self, certificate: &Certificate, charter: &Charter) -> Finding {
        for proved in certificate.entries.values() {
            let by = &proved.entry.by;
            let head = self.heads.get(by).ok_or(Trouble::Rests)?;
            let head = head.as_ref().map_err(|text| Trouble::Fails(text.clone()))?;
            if proved.proof.note != head.note {
                return fails(format!(
                    "the head of `{by}` has other lines than its signatures, in their order"
                ));
            }
        }
        let (mut unwitnessed, mut cosigned, mut needed_all) = (vec![], 0, 0);
        for (by, head) in &self.heads {
            let valid = head.as_ref().map_or(0, |head| head.witnesses.len());
            let named = witness_keys(charter, by).len();
            let needed = quorum(named);
            if valid < needed {
                return fails(format!(
                    "{valid} of {named} witnesses cosigned the log of `{by}`; {needed} are needed"
                ));
            }
            cosigned += valid;
            needed_all += needed;
            if named == 0 {
                unwitnessed.push(by.to_string());
            }
        }
        let (entries, logs) = (certificate.entries.len(), self.heads.len());
        let what = format!("{entries} entries in {logs} logs that their keys signed");
        match unwitnessed.as_slice() {
            [] => Ok(format!("{what}; {cosigned} cosignatures, {needed_all} needed")),
            all if all.len() == logs => Err(Trouble::Warns(format!(
                "{what}; no witnesses named: nobody but the members vouches for this history"
            ))),
            some => Err(Trouble::Warns(format!(
                "{what}; no witnesses named for {}: nobody but they vouches for their history",
                some.join(", ")
            ))),
        }
    }
}

/// The round that the entries tell. Errors: they are not those of one Query, or have no Query or Release.
fn read_round(certificate: &Certificate, charter: &Charter) -> Result<Round, FormError> {
    let of = |kind: &str| {
        let mut all = certificate.entries.values().filter(|proved| proved.entry.body.kind() == kind);
        match (all.next(), all.next()) {
            (Some(proved), None) => Ok(proved),
            (Some(_), Some(_)) => wrong(format!("it holds more than one `{kind}`")),
            (None, _) => wrong(format!("it holds no `{kind}`")),
        }
    };
    let (query, _) = (of("query")?, of("release")?);
    let mut round = Round::new(query.leaf());
    for proved in certificate.entries.values() {
        let by = &proved.entry.by;
        let origin = charter.member(by).map_or("", |member| member.keys.log.name.as_str());
        let (at, time, body) = (proved.reference(origin), proved.entry.at, proved.entry.body.clone());
        let Body::Query(body) = body else {
            if body.query() != Some(round.id) {
                return wrong(format!("the `{}` of `{by}` is of another round", body.kind()));
            }
            round.add(by.clone(), Logged { at, time, body });
            continue;
        };
        let hash = sha256(&[certificate.vocabulary.as_bytes()]);
        let bound = Vocabulary::from_toml(&certificate.vocabulary).and_then(|vocabulary| {
            let known = BTreeMap::from([(hash, Arc::new(vocabulary))]);
            bind(charter, &known, &mut Questions::default(), &body, round.id, by, time)
        });
        round.set_query(at, by.clone(), time, *body, bound, 0);
    }
    round.refresh(Some(charter));
    Ok(round)
}

/// The entries that a Release rests on: what it cites, what that cites, and so on; the Query; and where a lot
/// named the seats every debit, as each had a part in it. Errors: one of them is not here.
pub(super) fn needed<'a>(
    round: &'a Round,
    release: &'a Logged,
) -> Result<Vec<(&'a MemberId, Logged)>, FormError> {
    let by_ref: BTreeMap<&Ref, (&MemberId, &Logged)> =
        round.everything().map(|(by, logged)| (&logged.at, (by, logged))).collect();
    let mut next: Vec<&Ref> = vec![&release.at];
    if let Some(plan) = round.plan().filter(|plan| plan.by_lot()) {
        let debits = plan.members.iter().map(|member| round.said(Kind::Debit, member));
        let debits: Option<Vec<&Logged>> = debits.collect();
        let debits = debits.ok_or_else(|| FormError("a debit that had a part in the lot".into()))?;
        next.extend(debits.into_iter().map(|logged| &logged.at));
    }
    let (mut seen, mut found) = (BTreeSet::new(), vec![]);
    while let Some(reference) = next.pop() {
        if !seen.insert(reference) {
            continue;
        }
        let Some((by, logged)) = by_ref.get(reference) else {
            return wrong(format!("entry {} of `{}`", reference.index, reference.log.escape_debug()));
        };
        found.push((*by, (*logged).clone()));
        next.extend(references(&logged.body));
    }
    let asked = round.asked().ok_or_else(|| FormError("the query".into()))?;
    let query = Body::Query(Box::new(asked.body.clone()));
    found.push((&asked.asker, Logged { at: asked.at.clone(), time: asked.time, body: query }));
    Ok(found)
}

/// C01: everything that belongs into it is in it, in its one form, and nothing else.
fn check_form(
    certificate: &Certificate,
    chain: &[Charter],
    logs: &Logs,
    round: Result<&Round, &FormError>,
) -> Finding {
    let charter = chain.last().ok_or(Trouble::Rests)?;
    let said = |error: &FormError| Trouble::Fails(error.0.clone());
    let round = round.map_err(said)?;
    let again = canonical_chain(&certificate.charters, chain, charter.version());
    if again.as_ref() != Ok(&certificate.charters) {
        return fails("the charter's signatures are not one of each member, in the charter's order");
    }
    let asked = round.asked().ok_or(Trouble::Rests)?;
    let hash = sha256(&[certificate.vocabulary.as_bytes()]);
    if charter.vocabulary(&asked.body.vocabulary).map(|(named, _)| named) != Some(hash) {
        return fails("its blob is not the vocabulary that the question is asked in");
    }
    let policies = logs.heads.keys().filter_map(|by| Some((by.clone(), policy_text(charter, by)?)));
    if policies.collect::<BTreeMap<_, _>>() != certificate.policies {
        return fails("its policies are not those of the charter for the logs in it");
    }
    let (_, release) = round.all(Kind::Release).next().ok_or(Trouble::Rests)?;
    let needed = needed(round, release)
        .map_err(|error| Trouble::Fails(format!("what it rests on is not in it: {}", error.0)))?;
    let needed: BTreeSet<&Ref> = needed.iter().map(|(_, logged)| &logged.at).collect();
    let extra = certificate.entries.values().find(|proved| !needed.contains(&refer(proved, charter)));
    if let Some(Proved { entry, .. }) = extra {
        return fails(format!("the release does not rest on the `{}` of `{}`", entry.body.kind(), entry.by));
    }
    Ok(format!("one form, {} entries, nothing left over", certificate.entries.len()))
}

fn refer(proved: &Proved, charter: &Charter) -> Ref {
    let member = charter.member(&proved.entry.by);
    proved.reference(member.map_or("", |member| member.keys.log.name.as_str()))
}

/// C03 to C11: the round, as its members would judge it.
fn check_round(report: &mut Report, charter: &Charter, round: &Round, told: &str) {
    let Some(asked) = round.asked() else { return };
    let query = match &asked.query {
        Ok(query) => query,
        Err(text) => {
            report.set(3, in_force(charter, asked.body.charter == charter.hash()));
            report.set(5, fails(format!("the query means nothing: {text}")));
            return;
        }
    };
    let members = roster(round);
    let (charter_finding, members_finding, purpose_finding) = judged(charter, round, query, &members);
    report.set(3, charter_finding);
    report.set(4, members_finding);
    report.set(5, purpose_finding);
    report.set(6, check_roster(charter, round, query, &members));
    let Some(plan) = round.plan() else { return };
    report.set(7, check_debits(charter, round, plan));
    report.set(8, check_sets(round, plan));
    report.set(9, check_sums(round, plan));
    report.set(10, check_figures(round, plan));
    report.set(
        11,
        match summary(charter, round) {
            Some(again) if again == told => Ok("follows from rho, delta and the sums".to_owned()),
            Some(_) => fails("it says something else than the release"),
            None => Err(Trouble::Rests),
        },
    );
}

fn in_force(charter: &Charter, named: bool) -> Finding {
    if !named {
        return fails("the query names another charter");
    }
    let (fields, founders) = (charter.fields(), charter.members().len());
    Ok(format!(
        "version {} of {}, signed by all {founders} founders, in force {} to {}; the asset lock stands; no licence is named",
        charter.version(),
        fields.name.escape_debug(),
        fields.effective,
        fields.expires
    ))
}

/// Authors of the verdicts that the Roster names.
fn roster(round: &Round) -> Vec<MemberId> {
    let Some(Body::Roster { verdicts, .. }) = round.roster().map(|logged| &logged.body) else {
        return vec![];
    };
    let by_ref: BTreeMap<&Ref, &MemberId> =
        round.all(Kind::Verdict).map(|(by, logged)| (&logged.at, by)).collect();
    verdicts.iter().filter_map(|reference| by_ref.get(reference).map(|by| (*by).clone())).collect()
}

/// C03, C04 and C05: what floor and charter say of the Query with its Roster. The first rule that is broken
/// fails the check it belongs to; what `judge` would have read after it is skipped.
fn judged(
    charter: &Charter,
    round: &Round,
    query: &Query,
    members: &[MemberId],
) -> (Finding, Finding, Finding) {
    let rests = || Err(Trouble::Rests);
    match judge_round(charter, query, members) {
        Ok(()) => (
            in_force(charter, true),
            check_release_author(charter, round, query, members),
            purpose(charter, query),
        ),
        Err(refusal) => {
            let said = fails(refusal.to_string());
            match check_of(&refusal) {
                3 => (said, rests(), rests()),
                4 if refusal.rule == Rule::Asker => (in_force(charter, true), said, rests()),
                4 => (in_force(charter, true), said, purpose(charter, query)),
                _ => (in_force(charter, true), rests(), said),
            }
        }
    }
}

/// The check that a rule belongs to.
fn check_of(refusal: &Refusal) -> usize {
    match refusal.rule {
        Rule::CharterVersion | Rule::CharterExpired | Rule::CharterStale | Rule::CharterConflict => 3,
        Rule::Asker
        | Rule::MemberFact
        | Rule::Roster
        | Rule::MinBodies
        | Rule::BodyShare
        | Rule::MinPeople
        | Rule::MinStep => 4,
        Rule::Window
        | Rule::Attempt
        | Rule::Purposes
        | Rule::Questions
        | Rule::Datasets
        | Rule::Columns
        | Rule::GroupBy
        | Rule::NotBefore
        | Rule::NotAfter
        | Rule::MaxCells
        | Rule::FullNoise
        | Rule::Answered
        | Rule::Supersedes
        | Rule::MinCosigners
        | Rule::RhoQuery
        | Rule::RhoPurpose
        | Rule::RhoYear
        | Rule::NoData
        | Rule::Clock
        | Rule::TwoHistories
        | Rule::MinRoster => 5,
    }
}

fn check_release_author(charter: &Charter, round: &Round, query: &Query, members: &[MemberId]) -> Finding {
    let (author, release) = round.all(Kind::Release).next().ok_or(Trouble::Rests)?;
    let late = members.contains(author) && release.time > query.close_by;
    if *author != query.asker && !late {
        return fails(format!("`{author}` released it: before its last deadline only the asker may"));
    }
    let bodies = charter.bodies(members).len();
    let by = query.delegation.as_ref().and_then(|cited| cited.by.as_ref());
    let under = |by| format!(" under a delegation by `{by}`, which is in the log of that alone");
    Ok(format!(
        "asked by `{}`{}; {} members of {bodies} bodies; released by `{author}`",
        query.asker,
        by.map_or(String::new(), under),
        members.len()
    ))
}

fn purpose(charter: &Charter, query: &Query) -> Finding {
    let limits = Layers::new(charter, &query.purpose, None).effective();
    let least = limits.min_roster.max(query.min_roster);
    Ok(format!(
        "`{}`; rho {}, at most {}; at least {least} members",
        query.purpose, query.loss, limits.rho_query
    ))
}

/// Judges the Query as a member had to when it wrote an entry: public facts of that moment, as far as they
/// are here.
fn judge_then(
    charter: &Charter,
    query: &Query,
    roster: Option<&[MemberId]>,
    me: &MemberId,
    spent: PrivacyLoss,
    now: Time,
) -> Result<(), Refusal> {
    let mut ledger = Ledger::default();
    ledger.book(&Debit {
        account: query.account.clone(),
        before: PrivacyLoss::ZERO,
        loss: spent,
        after: spent,
    });
    // The older Release, where this one supersedes it, is not here.
    let answer = query.named_answer();
    let facts = Facts {
        now,
        me,
        charter,
        ledger: &ledger,
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
        // It is in the log of whoever gave it, which a certificate does not hold.
        delegation: Known::Unseen,
    };
    judge(&Layers::new(charter, &query.purpose, None), query, roster, &facts)
}

/// C06: the Roster is what its verdicts say, each was lawful when it was given, and the seats follow.
fn check_roster(charter: &Charter, round: &Round, query: &Query, members: &[MemberId]) -> Finding {
    for member in members {
        let verdict = round.said(Kind::Verdict, member).ok_or(Trouble::Rests)?;
        if let Err(refusal) = judge_then(charter, query, None, member, PrivacyLoss::ZERO, verdict.time) {
            return fails(format!("`{member}` should have refused: {refusal}"));
        }
    }
    let Some(plan) = round.plan() else {
        judge_round(charter, query, members).map_err(|_| Trouble::Rests)?;
        return fails("the Roster does not follow from its verdicts");
    };
    if plan.awaits_lot() {
        return fails("the lot that names the seats does not follow from the debits");
    }
    let by = if plan.by_lot() { "by lot" } else { "by hash" };
    let seats = match plan.query.mode {
        Mode::Secure => format!("{} seats named {by}", plan.committee.len()),
        Mode::FullNoise => "no seats, as each member added all the noise".to_owned(),
    };
    Ok(format!("{} verdicts make it; {seats}", plan.members.len()))
}

/// C07: whoever is in the sums debited exactly rho before it contributed, within the year's limit.
fn check_debits(charter: &Charter, round: &Round, plan: &Plan) -> Finding {
    let frozen = round.frozen(plan).ok_or(Trouble::Rests)?;
    for member in &frozen.members {
        let Some(logged) = round.debit(plan, member) else {
            return fails(format!("`{member}` did not debit exactly rho for this Roster"));
        };
        let Body::Debit { debit, .. } = &logged.body else { return Err(Trouble::Rests) };
        if debit.before.plus(debit.loss) != debit.after {
            return fails(format!("the debit of `{member}` does not add up"));
        }
        let roster = Some(plan.members.as_slice());
        if let Err(refusal) = judge_then(charter, &plan.query, roster, member, debit.before, logged.time) {
            return fails(format!("`{member}` should not have debited: {refusal}"));
        }
    }
    Ok(format!("{} members, rho {} each, within the year's limit", frozen.members.len(), plan.query.loss))
}

/// C08: every seat froze and closed with the same sets, which are large enough.
fn check_sets(round: &Round, plan: &Plan) -> Finding {
    let least = round.accepted_min(plan);
    let Some(frozen) = round.frozen(plan) else {
        return fails(format!("no equal freezes of at least {least} lawful contributions"));
    };
    if plan.query.mode == Mode::FullNoise {
        return Ok(format!("{} contributions frozen, at least {least} needed", frozen.members.len()));
    }
    let Some((verifies, _)) = round.verified(plan, &frozen) else {
        return fails("a seat did not verify what was frozen");
    };
    let Some(closed) = round.closed(plan, &verifies) else {
        return fails(format!("no equal closes with at least {least} contributions"));
    };
    Ok(format!(
        "{} equal freezes of {}, equal closes with {}; at least {least} needed",
        frozen.freezes.len(),
        frozen.members.len(),
        closed.accepted.len()
    ))
}

/// C09: what was opened fits its commitments and gives the sums.
fn check_sums(round: &Round, plan: &Plan) -> Finding {
    match plan.query.mode {
        Mode::Secure => round.closed_by_all().map(|_| ()),
        Mode::FullNoise => round.frozen(plan).map(|_| ()),
    }
    .ok_or(Trouble::Rests)?;
    let (_, release) = round.all(Kind::Release).next().ok_or(Trouble::Rests)?;
    let Body::Release { opens, sums: told, .. } = &release.body else { return Err(Trouble::Rests) };
    let Some(sums) = round.sums(plan, Some(opens)) else {
        return fails("what was opened is not what was committed to, or not enough");
    };
    if sums.opens != *opens || sums.sums != *told {
        return fails("the sums are not those of what was opened");
    }
    let what = format!(
        "{} sums follow from {} opens of {} contributions",
        told.len(),
        opens.len(),
        sums.accepted.len()
    );
    let frozen = round.frozen(plan).map_or(0, |frozen| frozen.members.len());
    // Who releases a full-noise round has seen the vectors: of those that were opened it may leave some out.
    if plan.query.mode == Mode::FullNoise && sums.accepted.len() < frozen {
        let left = frozen - sums.accepted.len();
        return Err(Trouble::Warns(format!(
            "{what}; {left} that were frozen are not in them, opened or not"
        )));
    }
    Ok(what)
}

/// C10: the figures and their ranges follow from the sums and the noise.
fn check_figures(round: &Round, plan: &Plan) -> Finding {
    let (_, release) = round.all(Kind::Release).next().ok_or(Trouble::Rests)?;
    let Body::Release { opens, figures: told, .. } = &release.body else { return Err(Trouble::Rests) };
    let sums = round.sums(plan, Some(opens)).ok_or(Trouble::Rests)?;
    if figures_digest(&figures(plan, &sums)) != *told {
        return fails("the figures are not those that follow from the sums");
    }
    // It stands only if its author may write it and its sums are right, as C04 and C09 say.
    round.released().ok_or(Trouble::Rests)?;
    Ok(format!("figures and ranges follow; a share's noise is {}/256 steps", plan.noise.noise_std))
}
