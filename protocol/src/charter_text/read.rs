//! The texts as TOML: every field known, every rule kept that needs no signature.

use std::collections::{BTreeMap, BTreeSet};

use datacoop_policy::charter::{
    AssetLock, Charter, CharterDraft, Dataset, Licence, Member, MemberKeys, Publish, Purpose, Role, deceives,
};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Assumptions;
use datacoop_policy::{Day, Digest, MemberId, PrivacyLoss};
use serde::Deserialize;

use super::{CHARTER_BYTES_MAX, CHARTER_HEADER, TextError, limits_error, parse_peer, said, wrong};
use crate::log::note::{KIND_COSIGNATURE, KIND_ED25519, parse_vkey};
use crate::log::tree::sha256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    charter: Head,
    quorum: Quorum,
    rounds: Rounds,
    limits: LimitsText,
    member: Vec<MemberText>,
    dataset: Vec<DatasetText>,
    #[serde(default)]
    purpose: Vec<PurposeText>,
    asset_lock: AssetLockText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    id: String,
    version: u32,
    prev: Option<String>,
    #[serde(default)]
    condemns: Vec<String>,
    predecessor: Option<String>,
    name: String,
    made: toml::value::Datetime,
    effective: toml::value::Datetime,
    expires: toml::value::Datetime,
    demo: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quorum {
    amend: u32,
    restrict: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rounds {
    colluding_percent: u32,
    missing_percent: u32,
    committee_max: u32,
}

/// Limits as a layer writes them; what is left out is not tightened.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct LimitsText {
    purposes: Option<SetText>,
    questions: Option<SetText>,
    datasets: Option<SetText>,
    columns: Option<SetText>,
    group_by: Option<SetText>,
    rho_query: Option<u64>,
    rho_purpose: Option<u64>,
    rho_year: Option<u64>,
    max_cells: Option<u32>,
    min_roster: Option<u32>,
    min_bodies: Option<u32>,
    min_people: Option<u32>,
    min_cosigners: Option<u32>,
    min_step: Option<u32>,
    public: Option<bool>,
    full_noise: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum SetText {
    Only(BTreeSet<String>),
    Except { except: BTreeSet<String> },
}

impl SetText {
    pub(super) fn read(self) -> Set {
        match self {
            Self::Only(names) => Set::Only(names),
            Self::Except { except } => Set::Except(except),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberText {
    id: String,
    name: String,
    body: String,
    roles: BTreeSet<String>,
    keys: KeysText,
    addresses: Vec<String>,
    witnesses: Vec<String>,
    people_min: u64,
    people_max: u64,
    #[serde(default)]
    sponsors: Vec<String>,
    goes_on_from: Option<String>,
    notice: Option<toml::value::Datetime>,
    #[serde(default)]
    dormant: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysText {
    charter: String,
    log: String,
    witness: String,
    peer: String,
    seal: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DatasetText {
    id: String,
    unit: String,
    vocabularies: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PurposeText {
    id: String,
    title: String,
    plain: String,
    affected: String,
    heard: String,
    not_for: Vec<String>,
    #[serde(default)]
    funders: Vec<String>,
    publish: String,
    public_after_days: Option<u32>,
    licence: String,
    reviewers: Vec<String>,
    #[serde(default)]
    limits: LimitsText,
    starts: toml::value::Datetime,
    expires: toml::value::Datetime,
    report_due: toml::value::Datetime,
    report: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetLockText {
    clause: String,
    #[serde(default)]
    stricter: String,
    successor: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CardFile {
    pub(super) member: MemberText,
}

fn day(value: &toml::value::Datetime) -> Result<Day, TextError> {
    Day::parse(&value.to_string())
        .ok_or_else(|| TextError(format!("`{value}` is not a day such as 2026-09-01")))
}

impl LimitsText {
    fn read(self) -> Limits {
        let top = Limits::top();
        let set = |text: Option<SetText>| text.map_or_else(Set::all, SetText::read);
        let loss = |nano: Option<u64>| nano.map_or(PrivacyLoss::from_nano(u64::MAX), PrivacyLoss::from_nano);
        Limits {
            purposes: set(self.purposes),
            questions: set(self.questions),
            datasets: set(self.datasets),
            columns: set(self.columns),
            group_by: set(self.group_by),
            rho_query: loss(self.rho_query),
            rho_purpose: loss(self.rho_purpose),
            rho_year: loss(self.rho_year),
            max_cells: self.max_cells.unwrap_or(top.max_cells),
            min_roster: self.min_roster.unwrap_or(0),
            min_bodies: self.min_bodies.unwrap_or(0),
            min_people: self.min_people.unwrap_or(0),
            min_cosigners: self.min_cosigners.unwrap_or(0),
            min_step: self.min_step.unwrap_or(0),
            public: self.public.unwrap_or(true),
            full_noise: self.full_noise.unwrap_or(true),
            ..top
        }
    }
}

/// Reads a member's own `limits.toml`. Errors: an unknown field or another form; then the node
/// answers nothing.
pub fn parse_limits(text: &str) -> Result<Limits, TextError> {
    toml::from_str::<LimitsText>(text)
        .map(LimitsText::read)
        .map_err(|error| limits_error::field_error(text, &error, &limits_error::LIMITS))
}

pub(super) fn parse_member(text: MemberText) -> Result<Member, TextError> {
    let id: MemberId = text.id.parse().map_err(TextError)?;
    let named =
        |key: &str, kind| parse_vkey(key, kind).map_err(|error| TextError(format!("member `{id}`: {error}")));
    let role = |code: &String| {
        let known = Role::ALL.into_iter().find(|role| role.code() == code);
        known.ok_or_else(|| TextError(format!("member `{id}`: `{code}` is no role")))
    };
    let peer = parse_peer(&text.keys.peer).ok_or_else(|| {
        TextError(format!("member `{id}`: `{}` is no peer id", text.keys.peer.escape_debug()))
    })?;
    let keys = MemberKeys {
        charter: named(&text.keys.charter, KIND_ED25519)?,
        log: named(&text.keys.log, KIND_ED25519)?,
        witness: named(&text.keys.witness, KIND_COSIGNATURE)?,
        peer,
        seal: text
            .keys
            .seal
            .parse()
            .map_err(|error| TextError(format!("member `{id}`: seal key: {error}")))?,
    };
    let ids = |ids: &[String]| ids.iter().map(|id| id.parse().map_err(TextError)).collect::<Result<_, _>>();
    let goes_on_from = text.goes_on_from.as_deref().map(|key| named(key, KIND_ED25519)).transpose()?;
    let (witnesses, sponsors) = (ids(&text.witnesses)?, ids(&text.sponsors)?);
    Ok(Member {
        roles: text.roles.iter().map(role).collect::<Result<_, _>>()?,
        id,
        name: text.name,
        body: text.body,
        keys,
        addresses: text.addresses,
        witnesses,
        people_min: text.people_min,
        people_max: text.people_max,
        sponsors,
        goes_on_from,
        notice: text.notice.as_ref().map(day).transpose()?,
        dormant: text.dormant,
    })
}

fn parse_purpose(text: PurposeText) -> Result<Purpose, TextError> {
    let id = text.id;
    let publish = match (text.publish.as_str(), text.public_after_days) {
        ("members", None) => Publish::Members,
        ("members", Some(_)) => {
            return wrong(format!(
                "purpose `{id}`: publish = \"members\" has no `public_after_days`; remove it"
            ));
        }
        ("public-after", Some(days)) => Publish::PublicAfter(days),
        ("public-after", None) => {
            return wrong(format!("purpose `{id}`: publish = \"public-after\" needs `public_after_days`"));
        }
        (other, _) => {
            let other = other.escape_debug();
            return wrong(format!(
                "purpose `{id}`: publish is \"members\" or \"public-after\", not `{other}`"
            ));
        }
    };
    let licence = Licence::from_code(&text.licence).ok_or_else(|| {
        let known = Licence::ALL.map(Licence::code).join(" or ");
        TextError(format!("purpose `{id}`: `{}` is no licence; write {known}", text.licence.escape_debug()))
    })?;
    let report = text.report.map(|report| {
        report.parse().map_err(|error| {
            TextError(format!("purpose `{id}`: `report` is the id of a report, in full: {error}"))
        })
    });
    let reviewers = text.reviewers.iter().map(|id| id.parse().map_err(TextError));
    Ok(Purpose {
        reviewers: reviewers.collect::<Result<_, _>>()?,
        id,
        title: text.title,
        plain: text.plain,
        affected: text.affected,
        heard: text.heard,
        not_for: text.not_for,
        funders: text.funders,
        publish,
        licence,
        limits: text.limits.read(),
        starts: day(&text.starts)?,
        expires: day(&text.expires)?,
        report_due: day(&text.report_due)?,
        report: report.transpose()?,
    })
}

/// Reads the text of one purpose, as it stands in a charter under `[[purpose]]`: whether a charter may have it
/// is for whoever adds it to one.
pub fn parse_purpose_text(text: &str) -> Result<Purpose, TextError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct PurposeFile {
        purpose: Vec<PurposeText>,
    }
    if text.len() > CHARTER_BYTES_MAX || text.chars().any(deceives) {
        return wrong(format!(
            "a purpose has no tabs, control characters or direction marks, and at most {CHARTER_BYTES_MAX} bytes"
        ));
    }
    let file: PurposeFile =
        toml::from_str(text).map_err(|error| TextError(format!("not a purpose: {error}")))?;
    match <[PurposeText; 1]>::try_from(file.purpose) {
        Ok([only]) => parse_purpose(only),
        Err(several) => wrong(format!("{} purposes; propose one at a time", several.len())),
    }
}

/// Reads a charter's text: every field known, every rule kept that needs no signature.
pub fn parse_charter(text: &str) -> Result<Charter, TextError> {
    // Comments too: they are what a member reads before it signs.
    let plain = !text.chars().any(deceives);
    if text.len() > CHARTER_BYTES_MAX || !text.starts_with(CHARTER_HEADER) || !plain {
        return wrong(format!(
            "a charter begins with `{}`, has no tabs, control characters, direction marks or signs that are not seen, and at most {CHARTER_BYTES_MAX} bytes (rule C7)",
            CHARTER_HEADER.trim()
        ));
    }
    let file: File =
        toml::from_str(text).map_err(|error| TextError(format!("not a charter: {error} (rule C7)")))?;
    let hash = sha256(&[text.as_bytes()]);
    let id = match file.charter.id.as_str() {
        "genesis" => hash,
        later => later.parse().map_err(|error| TextError(format!("charter id: {error}")))?,
    };
    let dataset = |text: DatasetText| {
        let hashes = text.vocabularies.into_iter().map(|(name, hash)| {
            let hash =
                hash.parse::<Digest>().map_err(|error| TextError(format!("vocabulary `{name}`: {error}")))?;
            Ok((name, hash))
        });
        Ok(Dataset { id: text.id, unit: text.unit, vocabularies: hashes.collect::<Result<_, TextError>>()? })
    };
    let draft = CharterDraft {
        id,
        hash,
        version: file.charter.version,
        prev: file
            .charter
            .prev
            .map(|hash| hash.parse())
            .transpose()
            .map_err(|error| TextError(format!("charter prev: {error}")))?,
        condemns: file
            .charter
            .condemns
            .iter()
            .map(|hash| hash.parse())
            .collect::<Result<_, _>>()
            .map_err(|error| TextError(format!("charter condemns: {error}")))?,
        predecessor: file
            .charter
            .predecessor
            .map(|hash| hash.parse())
            .transpose()
            .map_err(|error| TextError(format!("charter predecessor: {error} (rule C15)")))?,
        name: file.charter.name,
        made: day(&file.charter.made)?,
        effective: day(&file.charter.effective)?,
        expires: day(&file.charter.expires)?,
        demo: file.charter.demo,
        amend: file.quorum.amend,
        restrict: file.quorum.restrict,
        assumed: Assumptions {
            colluding_percent: file.rounds.colluding_percent,
            missing_percent: file.rounds.missing_percent,
            committee_max: file.rounds.committee_max,
        },
        limits: file.limits.read(),
        members: file.member.into_iter().map(parse_member).collect::<Result<_, _>>()?,
        datasets: file.dataset.into_iter().map(dataset).collect::<Result<_, TextError>>()?,
        purposes: file.purpose.into_iter().map(parse_purpose).collect::<Result<_, TextError>>()?,
        asset_lock: AssetLock {
            clause: file.asset_lock.clause,
            stricter: file.asset_lock.stricter,
            successor: file.asset_lock.successor.parse().map_err(TextError)?,
        },
    };
    Charter::admit(draft).map_err(said)
}
