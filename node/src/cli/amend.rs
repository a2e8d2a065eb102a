//! `datacoop charter propose | diff | sign | adopt`: how members change their charter.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use datacoop_policy::charter::{Charter, Class, Lacking, Member, acts_from, amend_min, class_of, succeed};
use datacoop_policy::{Day, Digest, MemberId};
use datacoop_protocol::charter_text::{
    Amendment, TextError, bare_text, charter_toml, lack_text, open_amendment, open_charter, parse_charter,
    sign_charter,
};
use datacoop_protocol::keys::Keys;
use serde_json::{Value, json};

use super::belonging;
use super::charter::write;
use super::demo::read;
use super::join;
use super::node::{confirm, home_of, store_error};
use super::show::{plain, plain_lines};
use super::why::Seen;
use super::{Common, Printed};
use super::{blocked, reviewed};
use crate::clock;
use crate::error::{CommandError, Exit};
use crate::folder::Folder;
use crate::home::Home;

#[derive(clap::Args)]
pub(super) struct ProposeArgs {
    /// The card of a member that joins, or a new card of one that stays; repeat for more
    #[arg(long, value_name = "CARD")]
    pub(super) add: Vec<PathBuf>,
    /// Register number of a member that vouches for whoever joins; name two, of different bodies
    #[arg(long, value_name = "ID")]
    pub(super) sponsor: Vec<MemberId>,
    /// Register number of a member that leaves; repeat for more
    #[arg(long, value_name = "ID")]
    pub(super) remove: Vec<MemberId>,
    /// Register number of a member that has fallen silent: gives it notice, and 60 days later marks it dormant
    #[arg(long, value_name = "ID")]
    pub(super) dormant: Vec<MemberId>,
    /// Register number of a member that takes part again, or whose notice is taken back
    #[arg(long, value_name = "ID")]
    pub(super) wake: Vec<MemberId>,
    /// First day in force [default: today]
    #[arg(long, value_name = "DAY")]
    effective: Option<String>,
    /// Last day in force [default: as now]
    #[arg(long, value_name = "DAY")]
    expires: Option<String>,
    /// Where to write the text; edit it for all other changes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn parse_day(text: &str) -> Result<Day, CommandError> {
    Day::parse(text).ok_or_else(|| CommandError::usage(format!("`{text}` is no day such as 2027-08-31")))
}

/// The newest version that this node holds.
fn held(home: &Home) -> Result<Arc<Charter>, CommandError> {
    let held = home.charter().map_err(store_error)?;
    held.map(|(_, charter)| charter).ok_or_else(|| {
        CommandError::usage("this node has no charter yet".into())
            .hint("found one with `datacoop charter new`, or take one with `datacoop charter adopt FILE`")
    })
}

/// Writes the text of a next version, to be edited and signed.
pub(super) fn propose(common: &Common, args: &ProposeArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let parent = held(&home)?;
    let mut draft = parent.fields().clone();
    let today = clock::now().day();
    (draft.version, draft.prev, draft.made) = (parent.version() + 1, Some(parent.hash()), today);
    draft.condemns.clear();
    draft.effective = args.effective.as_deref().map_or(Ok(today), parse_day)?;
    draft.expires = args.expires.as_deref().map_or(Ok(draft.expires), parse_day)?;
    belonging::change(&mut draft, &parent, args)?;
    let votes = |members: &[Member]| {
        u32::try_from(members.iter().filter(|member| member.votes()).count()).unwrap_or(u32::MAX)
    };
    let (before, voting) = (votes(parent.members()), votes(&draft.members));
    // Where the least was chosen, it stays the least: a quorum that members who left or sleep cannot join blocks all.
    if draft.amend == amend_min(before) || !(amend_min(voting)..=voting).contains(&draft.amend) {
        draft.amend = amend_min(voting);
    }
    let text = charter_toml(&draft);
    let amendment =
        open_amendment(&text, &chain(&home)?).map_err(|error| CommandError::usage(error.to_string()))?;
    write(&args.output, &text)?;
    let path = args.output.display();
    let said = format!(
        "Wrote {path}.\n{}{}\nEdit it for other changes; `datacoop charter diff {path}` says what it comes to. Put it before the members: datacoop propose charter {path}. Then each member runs: datacoop charter sign {path}\n",
        changes_text(&amendment),
        belonging::words_text(&parent, &amendment.charter),
    );
    Ok(Printed::new(amendment_json(&parent, &amendment), plain_lines(&said)))
}

fn changes_text(amendment: &Amendment) -> String {
    if amendment.changes.is_empty() {
        return "It changes nothing yet.\n".into();
    }
    let of = |class: Class, title: &str| {
        let lines = amendment.changes.iter().filter(|change| change.class == class);
        let lines: String = lines.map(|change| format!("  {}\n", change.text)).collect();
        if lines.is_empty() { lines } else { format!("{title}\n{lines}") }
    };
    of(Class::Tightening, "Tightens") + &of(Class::Loosening, "Loosens")
}

/// When a version would act here, were its signatures first held now.
fn acts_text(parent: &Charter, amendment: &Amendment) -> String {
    let from = acts_from(parent, &amendment.charter, clock::now()).day();
    match class_of(&amendment.changes) {
        Class::Tightening => format!("It only tightens, so it acts at once: held today, from {from} on."),
        Class::Loosening => format!(
            "It loosens, so a node goes by it 14 days after it first holds all signatures: held today, from {from} on."
        ),
    }
}

fn lacking_text(amendment: &Amendment, name: &dyn Fn(&MemberId) -> String) -> String {
    match amendment.lacking.as_slice() {
        [] => "It has the signatures of both versions' members that it needs.\n".into(),
        lacking => lacking.iter().map(|lack| lack_text(lack, name) + "\n").collect(),
    }
}

fn amendment_json(parent: &Charter, amendment: &Amendment) -> Value {
    let charter = &amendment.charter;
    let changes = amendment.changes.iter();
    let ids = |ids: &[MemberId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let lacking = amendment.lacking.iter().map(|lack| match lack {
        Lacking::Quorum { side, signed, needed, missing } => {
            json!({ "side": side, "signed": signed, "needed": needed, "missing": ids(missing) })
        }
        Lacking::Sponsors { joins, missing } => {
            json!({ "side": "sponsors", "joins": joins.as_str(), "missing": ids(missing) })
        }
        Lacking::Reviewers { needed, missing } => {
            json!({ "side": "reviewers", "needed": needed, "missing": ids(missing) })
        }
    });
    json!({
        "schema": "datacoop.amendment/1",
        "id": charter.id().to_string(),
        "version": charter.version(),
        "hash": charter.hash().to_string(),
        "class": class_of(&amendment.changes).code(),
        "joins": belonging::joins_json(parent, charter),
        "changes": changes.map(|change| json!({ "class": change.class.code(), "text": change.text })).collect::<Vec<_>>(),
        "signed": amendment.signed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "lacking": lacking.collect::<Vec<_>>(),
        "acts_from_if_held_today": acts_from(parent, charter, clock::now()).day().to_string(),
    })
}

/// Opens a text as the next version of what this node holds, or as a version that it holds.
///
/// Errors: this node has no charter yet, or the text is none that may follow.
pub(crate) fn open(home: &Home, text: String) -> Result<Opened, CommandError> {
    let parent = held(home)?;
    let amendment =
        open_amendment(&text, &chain(home)?).map_err(|error| CommandError::usage(error.to_string()))?;
    Ok(Opened { parent, text, amendment })
}

/// The same of a file, which an error names.
fn open_file(home: &Home, file: &PathBuf) -> Result<Opened, CommandError> {
    let text = read(file)?;
    open(home, text).map_err(|error| match error.hint {
        Some(_) => error,
        None => CommandError { text: format!("{}: {}", file.display(), error.text), ..error },
    })
}

/// A text that is to follow the newest version.
pub(crate) struct Opened {
    /// The newest version that this node holds.
    pub(crate) parent: Arc<Charter>,
    /// As it was read, once: what is shown is what is signed.
    pub(crate) text: String,
    /// What it changes, and whose signatures it lacks.
    pub(crate) amendment: Amendment,
}

impl Opened {
    /// What an amendment comes to, as JSON.
    pub(crate) fn json(&self) -> Value {
        amendment_json(&self.parent, &self.amendment)
    }

    /// When it would act here.
    pub(crate) fn acts(&self) -> String {
        acts_text(&self.parent, &self.amendment)
    }

    /// Whose signatures it lacks, by their names.
    pub(crate) fn lacks(&self) -> String {
        let versions = [&self.amendment.charter, &self.parent];
        lacking_text(&self.amendment, &|id| {
            let named = versions.iter().find_map(|charter| charter.member(id));
            named.map_or_else(|| id.to_string(), |member| member.name.clone())
        })
    }

    /// Whoever joins and names this member as its sponsor: what it says by signing.
    pub(crate) fn vouches(&self, me: &MemberId) -> Vec<&Member> {
        belonging::sponsored(&self.parent, &self.amendment.charter, me)
    }
}

/// What keeps this node from signing a text: an objection, a review or a report that is missing, a day to come.
pub(crate) fn may_sign(home: &Home, opened: &Opened) -> Result<(), CommandError> {
    let (seen, now) = (Seen::read(home, None)?, clock::now());
    let (parent, charter) = (&opened.parent, &opened.amendment.charter);
    blocked::check(home, &seen, charter, now)?;
    reviewed::check(home, &seen, parent, charter, now)?;
    belonging::check(home, parent, charter, now)
}

/// Signs a text that [`may_sign`] has nothing against, and no other to follow the same version (C4, durable). Returns
/// the note with what it comes to; once it has all signatures it is the caller's to have it held.
pub(crate) fn sign_opened(home: &Home, opened: &Opened) -> Result<Opened, CommandError> {
    let config = home.config().map_err(store_error)?;
    let all_keys = home.all_keys(&config).map_err(store_error)?;
    let Opened { parent, text, amendment } = opened;
    // What will be signed is tried first, so that a text that cannot be signed binds nobody.
    let note =
        sign_with_all(text, parent, &all_keys).map_err(|error| CommandError::usage(error.to_string()))?;
    home.sign_one(&parent.hash(), &amendment.charter.hash()).map_err(store_error)?;
    let amendment =
        open_amendment(&note, &[&**parent]).map_err(|error| CommandError::failed(error.to_string()))?;
    Ok(Opened { parent: parent.clone(), text: note, amendment })
}

/// Every version that this node holds.
fn chain(home: &Home) -> Result<Vec<Arc<Charter>>, CommandError> {
    Ok(home.charters().map_err(store_error)?.into_iter().map(|(_, charter)| charter).collect())
}

/// What a file would change; without one, what the version in force changed.
pub(super) fn diff(common: &Common, file: Option<&PathBuf>) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let (parent, amendment) = match file {
        Some(file) => {
            let opened = open_file(&home, file)?;
            (opened.parent, opened.amendment)
        }
        None => {
            let chain = home.charters().map_err(store_error)?;
            let [.., (_, parent), (note, _)] = chain.as_slice() else {
                return Err(CommandError::usage("this node holds one version only: nothing changed".into())
                    .hint("name the file of a proposal"));
            };
            let opened = open_amendment(note, &[&**parent]);
            (parent.clone(), opened.map_err(|error| CommandError::failed(error.to_string()))?)
        }
    };
    let said = format!(
        "Version {} of {}, after version {}\n\n{}{}\n{}\n{}",
        amendment.charter.version(),
        amendment.charter.fields().name,
        parent.version(),
        changes_text(&amendment),
        belonging::words_text(&parent, &amendment.charter),
        if file.is_some() { acts_text(&parent, &amendment) + "\n" } else { String::new() },
        lacking_text(&amendment, &MemberId::to_string),
    );
    Ok(Printed::new(amendment_json(&parent, &amendment), plain_lines(&said)))
}

/// Signs a next version. The folder is locked.
pub(super) fn sign(common: &Common, home: &Home, file: &PathBuf) -> Result<Printed, CommandError> {
    let config = home.config().map_err(store_error)?;
    let opened = open_file(home, file)?;
    may_sign(home, &opened)?;
    let vouched = opened.vouches(&config.id.0);
    if !common.quiet && !common.json {
        let said = format!(
            "{}\n{}\n{}",
            changes_text(&opened.amendment),
            opened.acts(),
            belonging::sponsor_text(&vouched)
        );
        eprint!("{}", plain_lines(&said));
    }
    let names: Vec<&str> = vouched.iter().map(|member| member.name.as_str()).collect();
    match names.is_empty() {
        true => confirm(common, "Sign this version for your organisation")?,
        false => {
            confirm(common, &plain(&format!("Sign it, and vouch for {}", names.join(" and for "))))?;
        }
    }
    let signed = sign_opened(home, &opened).map_err(|error| match error.exit == Exit::Usage {
        true => CommandError { text: format!("{}: {}", file.display(), error.text), ..error },
        false => error,
    })?;
    write(file, &signed.text)?;
    let mut json = signed.json();
    let held = signed.amendment.lacking.is_empty();
    json["held"] = json!(held);
    let said = match held {
        true => {
            home.adopt_charter(&signed.text).map_err(store_error)?;
            format!("Signed, with all signatures it needs. {}\n{NEXT}", signed.acts())
        }
        false => format!("Signed. {}", signed.lacks()),
    };
    Ok(Printed::new(json, said))
}

/// Our signature by each of our keys that either version lists: where a version replaces them, the old ones speak among
/// the old members and the new ones among the new.
fn sign_with_all(text: &str, parent: &Charter, all_keys: &[Keys]) -> Result<String, TextError> {
    let (mut note, mut signed) = (text.to_owned(), Err(TextError("this node holds no keys".into())));
    for keys in all_keys {
        match sign_charter(&note, Some(parent), keys) {
            Ok(with) => (note, signed) = (with, Ok(())),
            Err(error) => signed = signed.or(Err(error)),
        }
    }
    signed.map(|()| note)
}

/// What is left to do once a version is held.
const NEXT: &str =
    "Next: give every member the file, who runs `datacoop charter adopt FILE`, and start this node again.\n";

/// Takes versions that others signed, in order.
pub(super) fn adopt(common: &Common, files: &[PathBuf]) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    let before = home.charter().map_err(store_error)?;
    let notes: Vec<String> = files.iter().map(read).collect::<Result<_, _>>()?;
    if before.is_none() {
        join::founded(&home, &notes)?;
    }
    take(&home, files, &notes)
}

/// Puts versions in the folder, in order. The folder is locked, and whoever calls this trusts the first.
pub(super) fn take(home: &Home, files: &[PathBuf], notes: &[String]) -> Result<Printed, CommandError> {
    let mut newest = None;
    for (file, note) in files.iter().zip(notes) {
        let taken = home.adopt_charter(note);
        newest = Some(taken.map_err(|error| CommandError::usage(format!("{}: {error}", file.display())))?);
    }
    let charter = newest.ok_or_else(|| CommandError::usage("name a charter's file".into()))?;
    let config = home.config().map_err(store_error)?;
    let ours = charter.member(&config.id.0).is_some();
    if ours {
        let purposes: Vec<&str> =
            charter.fields().purposes.iter().map(|purpose| purpose.id.as_str()).collect();
        home.write_limits_once(&purposes).map_err(store_error)?;
    }
    let said = format!(
        "Holds version {} of {}.{}\nWhen this node goes by it stands in its log once it runs: datacoop run\n",
        charter.version(),
        charter.fields().name,
        if ours { "" } else { " This node is no member in it." }
    );
    let json = json!({ "schema": "datacoop.charter/1", "id": charter.id().to_string(), "version": charter.version(),
                       "hash": charter.hash().to_string(), "member": ours });
    Ok(Printed::new(json, said))
}

/// The versions held, the first first, for `charter show`; `state` says how each stands here.
pub(super) fn history(chain: &[(String, Arc<Charter>)], state: &dyn Fn(&Charter) -> String) -> String {
    let mut before: Option<&Charter> = None;
    let mut text = String::new();
    for (_, charter) in chain {
        let what = match before.and_then(|before| succeed(before, charter).ok()) {
            Some(changes) => format!("{} changes, {}", changes.len(), class_of(&changes).code()),
            None => "the founders' own".to_owned(),
        };
        let (version, made) = (charter.version(), charter.fields().made);
        text += &format!("  version {version:<4} made {made}, {what}{}\n", state(charter));
        before = Some(charter);
    }
    text
}

/// Who signed a text or note, and what it lacks in a sentence; a later version is read beside the one before
/// it, if that is held.
pub(super) fn signatures(
    chain: &[(String, Arc<Charter>)],
    text: &str,
    charter: &Charter,
) -> Result<(Vec<MemberId>, String), CommandError> {
    let said = |error: TextError| CommandError::usage(error.to_string());
    let parent = chain.iter().find(|(_, held)| charter.fields().prev == Some(held.hash()));
    if let Some((_, parent)) = parent {
        let opened = open_amendment(text, &[&**parent]).map_err(said)?;
        return Ok((opened.signed.iter().cloned().collect(), lacking_text(&opened, &MemberId::to_string)));
    }
    if charter.version() > 1 {
        let text = format!(
            "Who signed it this node cannot tell: it does not hold version {}.\n",
            charter.version() - 1
        );
        return Ok((vec![], text));
    }
    if bare_text(text).len() == text.len() {
        return Ok((vec![], "Signed by nobody yet.\n".into()));
    }
    let opened = open_charter(text).map_err(said)?;
    let missing: Vec<&str> = opened.missing.iter().map(|id| id.as_str()).collect();
    let said = match missing.is_empty() {
        true => "Signed by all members.\n".into(),
        false => format!("Not yet signed by: {}\n", missing.join(", ")),
    };
    Ok((opened.signed.into_iter().collect(), said))
}

/// A version that was validly signed beside one that is held.
pub(super) struct Rival {
    version: u32,
    hash: Digest,
    /// Who signed both: which no program of ours does (C4).
    both: Vec<MemberId>,
    condemned: bool,
}

impl Rival {
    /// For the people here.
    pub(super) fn text(&self) -> String {
        let version = self.version;
        let mut text = format!("\nTwo rival versions {version} were signed; the other is {}.\n", self.hash);
        for id in &self.both {
            text += &format!("  {id} signed both\n");
        }
        text += &match self.condemned {
            true => "A later version condemns it.\n".to_owned(),
            false => format!(
                "Nobody answers until the members sign a version that follows one of the two and has `condemns = [\"{}\"]`.\n",
                self.hash
            ),
        };
        text
    }

    /// The same.
    pub(super) fn json(&self) -> Value {
        let both: Vec<String> = self.both.iter().map(ToString::to_string).collect();
        json!({ "version": self.version, "hash": self.hash.to_string(), "signed_both": both,
                "condemned": self.condemned })
    }
}

/// What rivals of held versions come to.
pub(super) fn rivals(
    chain: &[(String, Arc<Charter>)],
    rivals: &BTreeMap<Digest, String>,
) -> Result<Vec<Rival>, CommandError> {
    let wrong = |error: TextError| CommandError::failed(format!("charter/rival: {error}"));
    let mut found = vec![];
    for (hash, note) in rivals {
        let charter = parse_charter(bare_text(note)).map_err(wrong)?;
        let place = usize::try_from(charter.version()).unwrap_or(usize::MAX);
        let (Some((_, parent)), Some((held, _))) =
            (place.checked_sub(2).and_then(|at| chain.get(at)), chain.get(place - 1))
        else {
            continue;
        };
        let signed = |note: &str| open_amendment(note, &[&**parent]).map(|opened| opened.signed);
        let (theirs, ours) = (signed(note).map_err(wrong)?, signed(held).map_err(wrong)?);
        found.push(Rival {
            version: charter.version(),
            hash: *hash,
            both: theirs.intersection(&ours).cloned().collect(),
            condemned: chain.iter().any(|(_, later)| later.fields().condemns.contains(hash)),
        });
    }
    Ok(found)
}
