//! The charter as plain values: members, purposes, limits, asset lock. Its text and signatures live
//! in `protocol`; what a later version may change stands in `change`.

mod belonging;
mod change;
mod form;
mod purpose;
mod renewal;
mod witnesses;

pub use belonging::{NOTICE_DAYS, SILENT_DAYS, SPONSORS};
pub use change::{
    Change, Class, LOOSENING_WAITS, Lacking, VERSIONS_MAX, acts_from, class_of, keys_follow, lacking, succeed,
};
pub use form::{deceives, is_line};
pub use purpose::{FUNDERS_MAX, Licence, NOT_FOR_MAX, PUBLIC_AFTER_DAYS_MAX, Publish, Purpose, REVIEWERS};
pub use renewal::{RENEWAL_WARNING_DAYS, endings, renewals, renewals_reported, unreviewed};
pub use witnesses::{WITNESSES_MAX, name_witnesses};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::id::{Digest, MemberId};
use crate::limits::Limits;
use crate::query::{Assumptions, ROSTER_MAX};
use crate::time::Day;

/// Power lapses: no charter or purpose lasts longer (CHARTER.md F17).
pub const CHARTER_DAYS_MAX: i64 = 400;
/// Purposes and datasets: more than a person can read is no declaration.
pub const PURPOSES_MAX: usize = 256;
/// Meeting points: every member keeps a connection to each.
pub const MEETING_POINTS_MAX: usize = 16;
/// Longest name, title or plain text of a charter, in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Roll bound: no school or charity of England has more people; keeps Tallies far below 2^50.
pub const PEOPLE_MAX: u64 = 1_000_000;

/// What a member may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Role {
    /// Signs charter versions.
    Voting,
    /// Asks and delegates.
    Coordinator,
    /// Cosigns logs.
    Witness,
    /// Holds all logs.
    Auditor,
    /// Objects and co-signs without a vote.
    Observer,
    /// Drafts, never signs.
    Helper,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Voting, Self::Coordinator, Self::Witness, Self::Auditor, Self::Observer, Self::Helper];

    /// As written in the charter.
    pub fn code(self) -> &'static str {
        match self {
            Self::Voting => "voting",
            Self::Coordinator => "coordinator",
            Self::Witness => "witness",
            Self::Auditor => "auditor",
            Self::Observer => "observer",
            Self::Helper => "helper",
        }
    }
}

/// An Ed25519 public key under the name its notes carry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NamedKey {
    /// Such as `hillside.example/datacoop/1`; of a log key, the log's origin.
    pub name: String,
    /// The public key.
    pub key: [u8; 32],
}

/// A member's public keys, one for each job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberKeys {
    /// Signs charters and cards.
    pub charter: NamedKey,
    /// Signs the log's checkpoints.
    pub log: NamedKey,
    /// Cosigns other members' checkpoints.
    pub witness: NamedKey,
    /// Authenticates connections.
    pub peer: [u8; 32],
    /// SHA-256 of the X-Wing public key for transfers.
    pub seal: Digest,
}

/// One organisation in the co-operative.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Its register number.
    pub id: MemberId,
    /// Its name.
    pub name: String,
    /// The organisation that controls it in law.
    pub body: String,
    /// What it may do.
    pub roles: BTreeSet<Role>,
    /// Its keys.
    pub keys: MemberKeys,
    /// Where others reach it; only meeting points list any.
    pub addresses: Vec<String>,
    /// Witnesses of its log.
    pub witnesses: Vec<MemberId>,
    /// Fewest people it says it holds records of, in public.
    pub people_min: u64,
    /// Most: the roll bound of every round.
    pub people_max: u64,
    /// Who vouched for it when it joined: two voting members of other bodies (C13). Founders have none.
    pub sponsors: Vec<MemberId>,
    /// Its log in the co-operative's predecessor, by that log's key: its first log here goes on from there and
    /// carries what it had spent (C15). `None` of who was no member of it.
    pub goes_on_from: Option<NamedKey>,
    /// Day of the version that told it that it would be marked dormant (C14).
    pub notice: Option<Day>,
    /// Silent for a year: not counted, and taking no part, until a version wakes it (C14).
    pub dormant: bool,
}

impl Member {
    /// Whether it stores and forwards for others: never who only audits, for what is forwarded are sealed
    /// shares, and an auditor is given logs alone.
    pub fn is_meeting_point(&self) -> bool {
        !self.dormant && !self.addresses.is_empty() && (self.takes_part() || !self.has(Role::Auditor))
    }

    /// Whether it answers Queries and may stand in a Roster: auditors, observers and helpers hold no
    /// data; a school without a vote does. Nobody waits for who is dormant.
    pub fn takes_part(&self) -> bool {
        let looks_on = [Role::Auditor, Role::Observer, Role::Helper].iter().any(|role| self.has(*role));
        !self.dormant && (self.has(Role::Voting) || !looks_on)
    }

    /// Whether it counts where members vote: by its role, unless it is dormant (C14).
    pub fn votes(&self) -> bool {
        self.has(Role::Voting) && !self.dormant
    }

    /// Whether it may ask for a coordinator under a delegation: it takes part, or speaks for the people
    /// affected. Who only audits sees everything already, and who drafts never signs.
    pub fn may_act_for_others(&self) -> bool {
        !self.dormant && (self.takes_part() || self.has(Role::Observer))
    }

    /// Whether it has the role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// People the members hold records of, and the standards those follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dataset {
    /// Such as `pupils`.
    pub id: String,
    /// The privacy unit in words.
    pub unit: String,
    /// Vocabulary name to SHA-256 of its text.
    pub vocabularies: Vec<(String, Digest)>,
}

/// The promise that nothing here is for sale.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AssetLock {
    /// The clause: the compiled-in one, word for word.
    pub clause: String,
    /// What the members add to it.
    pub stricter: String,
    /// Who receives the assets when the co-operative ends.
    pub successor: MemberId,
}

/// The compiled-in clause (CHARTER.md F15): a charter may add to it, never take away.
pub const ASSET_LOCK_CLAUSE: &str = "\
What members make together here serves the people their records describe.
It is never sold, never licensed to one party alone, never used to single out a person or rank a member.
If the co-operative ends, its assets pass to the asset-locked body named below.";

/// The fields of a charter as its text states them, not yet checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CharterDraft {
    /// SHA-256 of version 1's text.
    pub id: Digest,
    /// SHA-256 of this version's text.
    pub hash: Digest,
    /// 1 for genesis.
    pub version: u32,
    /// SHA-256 of the text of the version before; `None` for genesis.
    pub prev: Option<Digest>,
    /// Rivals of the version before that it condemns: they end nowhere, and who followed one comes back.
    pub condemns: Vec<Digest>,
    /// The co-operative that lost its quorum and whose members this one takes in: SHA-256 of its version 1 (C15).
    /// The same in every version.
    pub predecessor: Option<Digest>,
    /// The co-operative's name.
    pub name: String,
    /// Day it was written.
    pub made: Day,
    /// First day in force.
    pub effective: Day,
    /// Last day in force.
    pub expires: Day,
    /// Whether its members are pretend: real and demo nodes refuse each other.
    pub demo: bool,
    /// Signatures an amendment needs.
    pub amend: u32,
    /// Members that can restrict another.
    pub restrict: u32,
    /// What rounds assume.
    pub assumed: Assumptions,
    /// The charter's own limits, purposes aside.
    pub limits: Limits,
    /// Who belongs.
    pub members: Vec<Member>,
    /// What data.
    pub datasets: Vec<Dataset>,
    /// What for.
    pub purposes: Vec<Purpose>,
    /// The asset lock.
    pub asset_lock: AssetLock,
}

/// A charter that keeps every rule a version can be checked for by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Charter {
    draft: CharterDraft,
    /// Where each member stands in the text: asked for with every entry that arrives.
    places: BTreeMap<MemberId, usize>,
}

/// Why a text is no charter: the rule's code and a sentence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CharterError {
    /// Such as `C3`.
    pub rule: &'static str,
    /// What is wrong and what to do.
    pub text: String,
}

impl fmt::Display for CharterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (rule {})", self.text, self.rule)
    }
}

/// Rivals that one version condemns: more than two valid ones were never seen to matter.
const CONDEMNS_MAX: usize = 8;

/// Least signatures that make an amendment: floor((n + f) / 2) + 1 with f = floor((n - 1) / 3) (C3).
pub fn amend_min(voting: u32) -> u32 {
    (voting + voting.saturating_sub(1) / 3) / 2 + 1
}

impl Charter {
    /// Checks everything that does not need signatures or an earlier version.
    pub fn admit(draft: CharterDraft) -> Result<Self, CharterError> {
        check_version(&draft)?;
        form::check_texts(&draft)?;
        form::check_addresses(&draft)?;
        check_members(&draft)?;
        check_numbers(&draft)?;
        check_bodies(&draft)?;
        belonging::check_belonging(&draft)?;
        check_quorum(&draft)?;
        check_limits(&draft)?;
        purpose::check_purposes(&draft)?;
        check_asset_lock(&draft)?;
        let places = draft.members.iter().enumerate().map(|(place, member)| (member.id.clone(), place));
        Ok(Self { places: places.collect(), draft })
    }

    /// SHA-256 of version 1's text: the same for ever.
    pub fn id(&self) -> Digest {
        self.draft.id
    }

    /// SHA-256 of this version's text.
    pub fn hash(&self) -> Digest {
        self.draft.hash
    }

    /// 1 for genesis.
    pub fn version(&self) -> u32 {
        self.draft.version
    }

    /// All other fields, read-only.
    pub fn fields(&self) -> &CharterDraft {
        &self.draft
    }

    /// Every member, in the text's order.
    pub fn members(&self) -> &[Member] {
        &self.draft.members
    }

    /// The member with this id.
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.draft.members.get(*self.places.get(id)?)
    }

    /// Whether a Query of this member counts (F14): its role says so, and it is not dormant.
    pub fn may_ask(&self, id: &MemberId) -> bool {
        self.member(id).is_some_and(|member| member.has(Role::Coordinator) && !member.dormant)
    }

    /// The purpose with this id.
    pub fn purpose(&self, id: &str) -> Option<&Purpose> {
        self.draft.purposes.iter().find(|purpose| purpose.id == id)
    }

    /// SHA-256 of a vocabulary's text, and its dataset.
    pub fn vocabulary(&self, name: &str) -> Option<(Digest, &Dataset)> {
        self.draft.datasets.iter().find_map(|dataset| {
            dataset.vocabularies.iter().find(|(known, _)| known == name).map(|(_, hash)| (*hash, dataset))
        })
    }

    /// What the charter allows under a purpose: `[limits]` met with the purpose's own.
    pub fn limits_for(&self, purpose: &Purpose) -> Limits {
        self.draft.limits.meet(&purpose.limits)
    }

    /// Separate bodies among these members.
    pub fn bodies<'a>(&'a self, ids: impl IntoIterator<Item = &'a MemberId>) -> BTreeSet<&'a str> {
        ids.into_iter().filter_map(|id| self.member(id)).map(|member| member.body.as_str()).collect()
    }
}

fn refuse<T>(rule: &'static str, text: impl Into<String>) -> Result<T, CharterError> {
    Err(CharterError { rule, text: text.into() })
}

fn check_version(draft: &CharterDraft) -> Result<(), CharterError> {
    let founds = draft.version == 1;
    if draft.version == 0 || founds != draft.prev.is_none() {
        return refuse("C1", "version 1 has no `prev`, and every later one the hash of the version before");
    }
    if founds != (draft.id == draft.hash) {
        return refuse("C1", "version 1 has `id = \"genesis\"`, and every later one the hash of version 1");
    }
    let rivals: BTreeSet<&Digest> = draft.condemns.iter().collect();
    if rivals.len() != draft.condemns.len()
        || draft.condemns.len() > CONDEMNS_MAX
        || rivals.contains(&draft.hash)
    {
        return refuse("C7", format!("`condemns` lists each rival version once, at most {CONDEMNS_MAX}"));
    }
    if draft.condemns.iter().any(|rival| Some(*rival) == draft.prev || *rival == draft.id) {
        return refuse("C1", "it follows one of two rivals and condemns the other, not the one it follows");
    }
    let follows = draft.members.iter().find(|member| member.goes_on_from.is_some());
    match (draft.predecessor, follows) {
        (None, Some(member)) => {
            return refuse(
                "C15",
                format!(
                    "`{}` goes on from a log of another co-operative, and the charter names none as its \
                     `predecessor`; name it, or let the member start anew elsewhere",
                    member.id
                ),
            );
        }
        (Some(before), _) if before == draft.id => {
            return refuse("C15", "a co-operative is not its own predecessor");
        }
        (Some(_) | None, _) => {}
    }
    if draft.effective < draft.made || draft.expires < draft.effective {
        return refuse("C8", "write made, effective and expires in this order");
    }
    if draft.expires.0 - draft.made.0 > CHARTER_DAYS_MAX {
        return refuse(
            "F17",
            format!("a charter lasts at most {CHARTER_DAYS_MAX} days; set an earlier `expires`"),
        );
    }
    if draft.name.is_empty() || draft.name.len() > TEXT_BYTES_MAX {
        return refuse("C7", "give the co-operative a name");
    }
    Ok(())
}

fn check_members(draft: &CharterDraft) -> Result<(), CharterError> {
    let count = draft.members.len();
    if !(3..=ROSTER_MAX).contains(&count) {
        return refuse("F5", format!("{count} members; a co-operative has 3 to {ROSTER_MAX}"));
    }
    let (mut ids, mut keys, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for member in &draft.members {
        if !ids.insert(&member.id) {
            return refuse("C7", format!("member `{}` stands twice; remove one", member.id));
        }
        let own = &member.keys;
        for key in [own.charter.key, own.log.key, own.witness.key, own.peer, own.seal.0] {
            if !keys.insert(key) {
                return refuse("C7", format!("a key of `{}` stands twice; one key has one job", member.id));
            }
        }
        if let Some(before) = &member.goes_on_from
            && !keys.insert(before.key)
        {
            return refuse(
                "C15",
                format!(
                    "`{}` goes on from a log under a key that stands here already; no two logs share one",
                    member.id
                ),
            );
        }
        let before = member.goes_on_from.as_ref().map(|before| &before.name);
        for name in [&own.charter.name, &own.log.name, &own.witness.name].into_iter().chain(before) {
            if !names.insert(name) {
                return refuse(
                    "C7",
                    format!("key name `{name}` stands twice; give each member a host of its own"),
                );
            }
        }
        if member.people_min > member.people_max || member.people_max > PEOPLE_MAX || member.people_max == 0 {
            return refuse(
                "C7",
                format!("`{}`: people_min..people_max must lie in 0..{PEOPLE_MAX}", member.id),
            );
        }
        if member.body.is_empty() || member.name.len().max(member.body.len()) > TEXT_BYTES_MAX {
            return refuse("C7", format!("`{}`: write its name and its body", member.id));
        }
    }
    if draft.members.iter().filter(|m| m.is_meeting_point()).count() > MEETING_POINTS_MAX {
        return refuse("C7", format!("at most {MEETING_POINTS_MAX} members list addresses"));
    }
    for member in &draft.members {
        if member.witnesses.iter().any(|id| !ids.contains(id) || *id == member.id) {
            return refuse("C7", format!("`{}`: a witness is another member", member.id));
        }
        let distinct: BTreeSet<&MemberId> = member.witnesses.iter().collect();
        if distinct.len() < member.witnesses.len() || distinct.len() > WITNESSES_MAX {
            let text = format!("`{}`: name at most {WITNESSES_MAX} witnesses, each once", member.id);
            return refuse("C7", text);
        }
    }
    Ok(())
}

/// Bodies count in seats, sponsors and Rosters: the same one must not pass for two by another spelling.
fn check_bodies(draft: &CharterDraft) -> Result<(), CharterError> {
    let mut written: BTreeMap<String, &str> = BTreeMap::new();
    for member in &draft.members {
        if !form::is_latin(&member.body) {
            let text = format!(
                "body `{}`: write it in Latin letters, digits and plain signs, as its public register does",
                member.body.escape_debug()
            );
            return refuse("C7", text);
        }
        let before = written.insert(form::look(&member.body), &member.body);
        if let Some(before) = before.filter(|before| *before != member.body) {
            let text = format!("bodies `{before}` and `{}` read alike; write one body one way", member.body);
            return refuse("C7", text);
        }
    }
    Ok(())
}

/// One member per register number: zeros before a number, or a letter that looks like one, make no other (C13).
fn check_numbers(draft: &CharterDraft) -> Result<(), CharterError> {
    let mut written: BTreeMap<Vec<String>, &MemberId> = BTreeMap::new();
    for member in &draft.members {
        let parts = member.id.as_str().split('-').map(|part| part.replace('O', "0").replace('I', "1"));
        let parts: Vec<String> = parts.map(|part| part.trim_start_matches('0').to_owned()).collect();
        let parts = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if let Some(before) = written.insert(parts, &member.id) {
            let text = format!("`{before}` and `{}` are one register number; remove one", member.id);
            return refuse("C13", text);
        }
    }
    Ok(())
}

fn check_quorum(draft: &CharterDraft) -> Result<(), CharterError> {
    let voting: Vec<_> = draft.members.iter().filter(|m| m.votes()).collect();
    let seats = u32::try_from(voting.len()).unwrap_or(u32::MAX);
    let least = amend_min(seats);
    if draft.amend < least || draft.amend > seats {
        return refuse(
            "C3",
            format!("amend = {} of {seats} voting members; write {least} to {seats}", draft.amend),
        );
    }
    if draft.restrict < 2 {
        return refuse("C11", "restrict is 2 or more: no member alone suspends another");
    }
    let most = (voting.len() / 5).max(1);
    for member in &voting {
        let held = voting.iter().filter(|other| other.body == member.body).count();
        if held > most {
            return refuse("C2", format!("body `{}` holds {held} voting seats; at most {most}", member.body));
        }
    }
    Ok(())
}

fn check_limits(draft: &CharterDraft) -> Result<(), CharterError> {
    if !draft.assumed.covers(&Assumptions::FLOOR) {
        return refuse("F21", "colluding_percent >= 30, missing_percent >= 5, committee_max >= 7");
    }
    let floor = Limits::floor();
    if floor.meet(&draft.limits) != draft.limits {
        return refuse("F4", "the charter's limits are looser than the floor; a layer can only tighten");
    }
    if draft.limits.min_roster < 5 && !draft.limits.full_noise {
        return refuse("F5", "min_roster below 5 needs full_noise = true");
    }
    Ok(())
}

fn check_asset_lock(draft: &CharterDraft) -> Result<(), CharterError> {
    if draft.asset_lock.clause != ASSET_LOCK_CLAUSE {
        return refuse("F15", "the asset-lock clause must stand word for word; members add in `stricter`");
    }
    Ok(())
}

#[cfg(test)]
mod bounds_tests;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::limits::Set;
    use crate::loss::PrivacyLoss;

    /// A lawful charter of `n` members, for tests of this crate.
    pub(crate) fn sample(n: usize) -> CharterDraft {
        let key = |i: usize, job: u8| {
            let mut key = [job; 32];
            key[0] = u8::try_from(i).unwrap();
            key
        };
        let named = |i: usize, job: u8, what: &str| NamedKey {
            name: format!("m{i}.example/{what}/1"),
            key: key(i, job),
        };
        let members = (0..n).map(|i| Member {
            id: format!("GB-EDU-{i:06}").parse().unwrap(),
            name: format!("School {i}"),
            body: format!("Trust {i}"),
            roles: BTreeSet::from([Role::Voting, Role::Coordinator]),
            keys: MemberKeys {
                charter: named(i, 1, "charter"),
                log: named(i, 2, "datacoop"),
                witness: named(i, 3, "witness"),
                peer: key(i, 4),
                seal: Digest(key(i, 5)),
            },
            addresses: vec![],
            witnesses: vec![],
            people_min: 900,
            people_max: 1_300,
            sponsors: vec![],
            goes_on_from: None,
            notice: None,
            dormant: false,
        });
        let day = Day::from_civil(2025, 9, 1).unwrap();
        CharterDraft {
            id: Digest([9; 32]),
            hash: Digest([9; 32]),
            version: 1,
            prev: None,
            condemns: vec![],
            predecessor: None,
            name: "Hill and Vale".into(),
            made: day,
            effective: day,
            expires: Day(day.0 + 365),
            demo: false,
            amend: amend_min(u32::try_from(n).unwrap()),
            restrict: 2,
            assumed: Assumptions::FLOOR,
            limits: Limits {
                rho_year: PrivacyLoss::from_nano(250_000_000),
                rho_query: PrivacyLoss::from_nano(20_000_000),
                min_roster: 5,
                ..Limits::floor()
            },
            members: members.collect(),
            datasets: vec![Dataset {
                id: "pupils".into(),
                unit: "pupil".into(),
                vocabularies: vec![("attendance/1".into(), Digest([7; 32]))],
            }],
            purposes: vec![Purpose {
                id: "attendance-2025".into(),
                title: "Attendance".into(),
                plain: "Which days do pupils miss?".into(),
                affected: "Pupils who miss school; their families.".into(),
                heard: "Student council.".into(),
                not_for: vec!["ranking schools".into(), "sale".into()],
                funders: vec![],
                publish: Publish::PublicAfter(90),
                licence: Licence::Public1,
                reviewers: vec!["GB-EDU-000000".parse().unwrap(), "GB-EDU-000001".parse().unwrap()],
                report_due: day,
                report: None,
                limits: Limits { datasets: Set::only(["pupils"]), ..Limits::top() },
                starts: day,
                expires: Day(day.0 + 300),
            }],
            asset_lock: AssetLock {
                clause: ASSET_LOCK_CLAUSE.into(),
                stricter: String::new(),
                successor: "GB-CHC-1".parse().unwrap(),
            },
        }
    }

    /// Gives each purpose what suits its days and the members, for tests that change only those.
    pub(crate) fn suit(draft: &mut CharterDraft) {
        let mut bodies = BTreeSet::new();
        let apart = draft.members.iter().filter(|member| bodies.insert(member.body.clone()));
        let reviewers: Vec<MemberId> = apart.take(REVIEWERS).map(|member| member.id.clone()).collect();
        for purpose in &mut draft.purposes {
            purpose.reviewers.clone_from(&reviewers);
            purpose.report_due = purpose.expires;
        }
    }

    fn check(change: impl FnOnce(&mut CharterDraft), expected: &str) {
        let mut draft = sample(6);
        change(&mut draft);
        let got = Charter::admit(draft).map_or_else(|error| error.rule, |_| "ok");
        assert_eq!(got, expected);
    }

    #[test]
    fn the_sample_is_lawful() {
        check(|_| (), "ok");
    }

    #[test]
    fn the_least_quorum_is_that_of_the_published_table() {
        let table = [
            (3, 2),
            (4, 3),
            (5, 4),
            (6, 4),
            (7, 5),
            (8, 6),
            (10, 7),
            (12, 8),
            (20, 14),
            (50, 34),
            (200, 134),
        ];
        for (n, least) in table {
            assert_eq!(amend_min(n), least, "{n}");
        }
        // By brute force: two quorums of `least` among n share more than f members.
        for n in 3..=200u32 {
            let (least, faulty) = (amend_min(n), (n - 1) / 3);
            assert!(2 * least > n + faulty, "{n}");
            assert!(2 * (least - 1) <= n + faulty, "{n}");
        }
    }

    #[test]
    fn each_rule_refuses_its_own_breach() {
        check(|d| d.version = 2, "C1");
        check(|d| d.version = 0, "C1");
        check(|d| d.prev = Some(Digest([1; 32])), "C1");
        check(|d| (d.version, d.prev) = (2, Some(Digest([1; 32]))), "C1");
        check(|d| (d.version, d.prev, d.id) = (2, Some(Digest([1; 32])), Digest([1; 32])), "ok");
        check(|d| d.id = Digest([1; 32]), "C1");
        check(|d| d.expires = Day(d.made.0 + 400), "ok");
        check(|d| d.expires = Day(d.made.0 + 401), "F17");
        check(|d| d.effective = Day(d.made.0 - 1), "C8");
        check(|d| d.members.truncate(2), "F5");
        check(|d| d.members[1].id = d.members[0].id.clone(), "C7");
        check(|d| d.members[1].keys.log.key = d.members[0].keys.log.key, "C7");
        check(|d| d.members[1].keys.log.key = d.members[1].keys.witness.key, "C7");
        check(|d| d.members[1].keys.log.name = d.members[0].keys.log.name.clone(), "C7");
        check(|d| d.members[0].people_max = 0, "C7");
        check(|d| d.members[0].witnesses = vec![d.members[0].id.clone()], "C7");
        check(|d| d.members[0].witnesses = vec![d.members[1].id.clone(); 2], "C7");
        check(|d| d.amend -= 1, "C3");
        check(|d| d.amend = 7, "C3");
        check(|d| d.members[1].body = d.members[0].body.clone(), "C2");
        check(|d| d.restrict = 1, "C11");
        check(|d| d.assumed.colluding_percent = 29, "F21");
        check(|d| d.assumed.committee_max = 6, "F21");
        check(|d| d.limits.rho_query = PrivacyLoss::from_nano(50_000_001), "F4");
        check(|d| d.limits.min_step = 2, "F4");
        check(|d| d.limits.min_roster = 4, "ok");
        check(|d| (d.limits.min_roster, d.limits.full_noise) = (4, false), "F5");
        check(|d| d.datasets.clear(), "C7");
        check(|d| d.purposes[0].expires = Day(d.purposes[0].starts.0 + 401), "F17");
        check(|d| d.purposes[0].limits.datasets = Set::only(["people"]), "C7");
        check(|d| d.asset_lock.clause = "Anything goes.".into(), "F15");
        check(|d| d.asset_lock.clause.push_str("\nUnless we say otherwise."), "F15");
        check(|d| d.asset_lock.stricter = "Nor lent.".into(), "ok");
    }

    #[test]
    fn a_text_reads_as_what_it_is() {
        let bad = [
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200f}b",
            "a\u{7}b",
            "a\u{1b}[2Jb",
            "a\nb",
            " a",
            "a ",
            "a\u{a0}",
            "a\u{a0}b",
            "a\u{2003}b",
            "a\u{ad}b",
            "a\u{200b}b",
            "a\u{200c}b",
            "a\u{200d}",
            "a\u{2060}b",
            "\u{feff}a",
            "a\u{2028}b",
            "a\u{3164}b",
            "a\u{e0061}b",
        ];
        for text in bad {
            check(|d| d.name = text.into(), "C7");
            check(|d| d.members[0].name = text.into(), "C7");
            check(|d| d.members[0].body = text.into(), "C7");
            check(|d| d.purposes[0].title = text.into(), "C7");
            check(|d| d.datasets[0].unit = text.into(), "C7");
        }
        check(|d| d.purposes[0].plain = "One.\nTwo. ".into(), "ok");
        check(|d| d.purposes[0].plain = "One.\u{202e}".into(), "C7");
        check(|d| d.purposes[0].plain = "One.\u{200b}".into(), "C7");
        check(|d| d.asset_lock.stricter = "\u{2069}".into(), "C7");
        check(|d| d.members[0].name = "Ysgol Gymraeg Llwyn-yr-Eos, Café".into(), "ok");
        check(|d| d.members[0].name = "مدرسة الأمل, 学校, ⚽️".into(), "ok");
    }

    #[test]
    fn an_address_leads_to_the_member_and_not_into_the_dialler() {
        for (address, expected) in [
            ("/ip4/192.0.2.1/tcp/7700", "ok"),
            ("/dns4/node.hillside.example/tcp/443", "ok"),
            ("/ip4/127.0.0.1/tcp/7700", "ok"),
            ("/ip4/0.0.0.0/tcp/7700", "C7"),
            ("/ip4/169.254.169.254/tcp/80", "C7"),
            ("/ip6/::/tcp/7700", "C7"),
            ("/ip6/fe80::1/tcp/7700", "C7"),
            ("/ip6zone/eth0/ip6/fe80::1/tcp/7700", "C7"),
            ("/ip6/::ffff:169.254.169.254/tcp/80", "C7"),
            ("/ip6/fd00:ec2::254/tcp/80", "C7"),
            ("/ip6/2001:db8::1/tcp/7700", "ok"),
        ] {
            check(|d| d.members[0].addresses = vec![address.into()], expected);
        }
        check(|d| d.members[0].addresses = vec!["/dns4/a.example/tcp/1".into(); 8], "ok");
        check(|d| d.members[0].addresses = vec!["/dns4/a.example/tcp/1".into(); 9], "C7");
    }

    #[test]
    fn the_same_people_have_one_ledger_under_any_name() {
        let twin = |d: &mut CharterDraft, hash| {
            let vocabularies = vec![("attendance/2".into(), hash)];
            d.datasets.push(Dataset { id: "others".into(), unit: "pupil".into(), vocabularies });
        };
        check(|d| twin(d, Digest([8; 32])), "ok");
        check(|d| twin(d, Digest([7; 32])), "F4");
    }

    #[test]
    fn the_purposes_of_a_dataset_share_its_year() {
        let parts = |d: &mut CharterDraft, parts: [u64; 2]| {
            let mut other = d.purposes[0].clone();
            other.id = "exams-2025".into();
            d.purposes.push(other);
            for (purpose, part) in d.purposes.iter_mut().zip(parts) {
                purpose.limits.rho_purpose = PrivacyLoss::from_nano(part);
            }
        };
        check(|d| parts(d, [125_000_000, 125_000_000]), "ok");
        check(|d| parts(d, [125_000_000, 125_000_001]), "rho_purpose");
        check(|d| parts(d, [u64::MAX, 1]), "rho_purpose");
        // Of another dataset: a year of its own.
        let apart = |d: &mut CharterDraft| {
            parts(d, [u64::MAX, u64::MAX]);
            let vocabularies = vec![("exam/1".into(), Digest([8; 32]))];
            d.datasets.push(Dataset { id: "exam".into(), unit: "pupil".into(), vocabularies });
            d.purposes[1].limits.datasets = Set::only(["exam"]);
        };
        check(apart, "ok");
    }
}
