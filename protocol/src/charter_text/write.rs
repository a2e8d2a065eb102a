//! The charter and its parts as TOML.

use std::fmt::{self, Write as _};

use datacoop_policy::charter::{CharterDraft, Member, MemberKeys, Publish, Purpose};
use datacoop_policy::limits::{Limits, Set};

use super::{CHARTER_HEADER, peer_text};
use crate::log::note::{KIND_COSIGNATURE, KIND_ED25519, vkey};

/// A text as a TOML string.
fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quote(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// Who a member is: what does not change while it stays the same one under the same keys.
pub(super) fn identity_toml(member: &Member) -> String {
    format!(
        "id = {}\nname = {}\nbody = {}\n{}",
        quote(member.id.as_str()),
        quote(&member.name),
        quote(&member.body),
        keys_toml(&member.keys)
    )
}

fn keys_toml(keys: &MemberKeys) -> String {
    format!(
        "keys.charter = {}\nkeys.log = {}\nkeys.witness = {}\nkeys.peer = {}\nkeys.seal = {}\n",
        quote(&vkey(&keys.charter, KIND_ED25519)),
        quote(&vkey(&keys.log, KIND_ED25519)),
        quote(&vkey(&keys.witness, KIND_COSIGNATURE)),
        quote(&peer_text(&keys.peer)),
        quote(&keys.seal.to_string()),
    )
}

pub(super) fn member_toml(member: &Member) -> String {
    let sponsors = match member.sponsors.is_empty() {
        true => String::new(),
        false => format!("sponsors = {}\n", list(&member.sponsors)),
    };
    let before = member.goes_on_from.as_ref();
    let before = before
        .map_or_else(String::new, |log| format!("goes_on_from = {}\n", quote(&vkey(log, KIND_ED25519))));
    let notice = member.notice.map(|day| format!("notice = {day}\n")).unwrap_or_default();
    let dormant = if member.dormant { "dormant = true\n" } else { "" };
    format!(
        "id = {}\nname = {}\nbody = {}\nroles = {}\n{}addresses = {}\nwitnesses = {}\npeople_min = {}\npeople_max = {}\n{sponsors}{before}{notice}{dormant}",
        quote(member.id.as_str()),
        quote(&member.name),
        quote(&member.body),
        list(member.roles.iter().map(|role| role.code())),
        keys_toml(&member.keys),
        list(&member.addresses),
        list(&member.witnesses),
        member.people_min,
        member.people_max,
    )
}

fn limits_toml(limits: &Limits, prefix: &str) -> String {
    let mut out = String::new();
    let top = Limits::top();
    let sets = [
        ("purposes", &limits.purposes),
        ("questions", &limits.questions),
        ("datasets", &limits.datasets),
        ("columns", &limits.columns),
        ("group_by", &limits.group_by),
    ];
    for (name, set) in sets {
        let text = match set {
            Set::Except(names) if names.is_empty() => continue,
            Set::Except(names) => format!("{{ except = {} }}", list(names)),
            Set::Only(names) => list(names),
        };
        let _ = writeln!(out, "{prefix}{name} = {text}");
    }
    let numbers = [
        ("rho_query", limits.rho_query.nano(), u64::MAX),
        ("rho_purpose", limits.rho_purpose.nano(), u64::MAX),
        ("rho_year", limits.rho_year.nano(), u64::MAX),
        ("max_cells", u64::from(limits.max_cells), u64::from(top.max_cells)),
        ("min_roster", u64::from(limits.min_roster), 0),
        ("min_bodies", u64::from(limits.min_bodies), 0),
        ("min_people", u64::from(limits.min_people), 0),
        ("min_cosigners", u64::from(limits.min_cosigners), 0),
        ("min_step", u64::from(limits.min_step), 0),
    ];
    for (name, value, _) in numbers.into_iter().filter(|(_, value, loosest)| value != loosest) {
        let _ = writeln!(out, "{prefix}{name} = {value}");
    }
    for (name, allowed) in [("public", limits.public), ("full_noise", limits.full_noise)] {
        let _ = writeln!(out, "{prefix}{name} = {allowed}");
    }
    out
}

fn purpose_toml(purpose: &Purpose) -> String {
    let days = match purpose.publish {
        Publish::Members => String::new(),
        Publish::PublicAfter(days) => format!("public_after_days = {days}\n"),
    };
    let funders = match purpose.funders.as_slice() {
        [] => String::new(),
        funders => format!("funders = {}\n", list(funders)),
    };
    let report = purpose.report.map_or_else(String::new, |report| format!("report = \"{report}\"\n"));
    format!(
        "id = {}\ntitle = {}\nplain = {}\naffected = {}\nheard = {}\nnot_for = {}\n{funders}publish = {}\n{days}licence = {}\nreviewers = {}\nstarts = {}\nexpires = {}\nreport_due = {}\n{report}{}",
        quote(&purpose.id),
        quote(&purpose.title),
        quote(&purpose.plain),
        quote(&purpose.affected),
        quote(&purpose.heard),
        list(&purpose.not_for),
        quote(purpose.publish.code()),
        quote(purpose.licence.code()),
        list(&purpose.reviewers),
        purpose.starts,
        purpose.expires,
        purpose.report_due,
        limits_toml(&purpose.limits, "limits."),
    )
}

/// The text of a charter with these fields. Its hash follows from the text, and so does the id of version 1.
pub fn charter_toml(draft: &CharterDraft) -> String {
    let chain = match draft.prev {
        None => "id = \"genesis\"\nversion = 1\n".to_owned(),
        Some(prev) => format!("id = \"{}\"\nversion = {}\nprev = \"{prev}\"\n", draft.id, draft.version),
    };
    let rivals: Vec<String> = draft.condemns.iter().map(|rival| format!("\"{rival}\"")).collect();
    let chain = match rivals.is_empty() {
        true => chain,
        false => format!("{chain}condemns = [{}]\n", rivals.join(", ")),
    };
    let predecessor = draft.predecessor.map_or_else(String::new, |id| format!("predecessor = \"{id}\"\n"));
    let chain = chain + &predecessor;
    let mut out = format!(
        "{CHARTER_HEADER}[charter]\n{chain}name = {}\nmade = {}\neffective = {}\nexpires = {}\ndemo = {}\n\n[quorum]\namend = {}\nrestrict = {}\n\n[rounds]\ncolluding_percent = {}\nmissing_percent = {}\ncommittee_max = {}\n\n[limits]   # privacy loss in billionths of rho\n{}",
        quote(&draft.name),
        draft.made,
        draft.effective,
        draft.expires,
        draft.demo,
        draft.amend,
        draft.restrict,
        draft.assumed.colluding_percent,
        draft.assumed.missing_percent,
        draft.assumed.committee_max,
        limits_toml(&draft.limits, ""),
    );
    for member in &draft.members {
        let _ = write!(out, "\n[[member]]\n{}", member_toml(member));
    }
    for dataset in &draft.datasets {
        let hashes: Vec<String> = dataset
            .vocabularies
            .iter()
            .map(|(name, hash)| format!("{} = {}", quote(name), quote(&hash.to_string())))
            .collect();
        let (id, unit) = (quote(&dataset.id), quote(&dataset.unit));
        let _ = write!(
            out,
            "\n[[dataset]]\nid = {id}\nunit = {unit}\nvocabularies = {{ {} }}\n",
            hashes.join(", ")
        );
    }
    for purpose in &draft.purposes {
        let _ = write!(out, "\n[[purpose]]\n{}", purpose_toml(purpose));
    }
    let lock = &draft.asset_lock;
    let _ = write!(
        out,
        "\n[asset_lock]\nclause = \"\"\"\n{}\"\"\"\nsuccessor = {}\nstricter = {}\n",
        lock.clause,
        quote(lock.successor.as_str()),
        quote(&lock.stricter)
    );
    out
}
