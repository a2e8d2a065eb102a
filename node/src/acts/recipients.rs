//! Results that this member handed to somebody outside the co-operative: to whom stays in the node's folder, in files
//! that only its owner reads; the log has a salted hash of it, under which licence, and whether they gave a receipt.
//! Source: CHARTER.md section 5, LOG.md section 2 (salt what can be guessed).

use std::path::{Path, PathBuf};

use datacoop_policy::charter::{Licence, is_line};
use datacoop_policy::{Digest, MemberId};
use datacoop_protocol::acts::{Act, TEXT_SALT_BYTES, receipt_hash, recipient_hash};
use datacoop_protocol::entry::Ref;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::member::Member;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{release, write};
use crate::api::stopped;
use crate::clock;
use crate::driver::Handle;
use crate::entropy;
use crate::error::CommandError;
use crate::folder::{StoreError, list, make_dir, read_optional, write_durably};
use crate::home::Home;

/// Longest name of a recipient in bytes: an organisation and a person in it.
const NAME_BYTES_MAX: usize = 300;
/// Longest receipt in bytes: the form with its licence has some two thousand.
pub const RECEIPT_BYTES_MAX: usize = 64 * 1_024;
/// First line of a receipt.
const RECEIPT_HEADER: &str = "datacoop/receipt/v1";

/// Somebody outside that a result was handed to, as this node keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipient {
    /// Who it is: an organisation, a person, or both.
    name: String,
    /// The Query that the result answers.
    query: String,
    /// The entry of the Release, by its leaf hash.
    release: String,
    /// The licence's code.
    licence: String,
    /// The day on which it was handed over.
    day: String,
    /// What hides the name in the log.
    salt: String,
    /// What they signed.
    receipt: Option<String>,
    /// What hides that in the log.
    receipt_salt: Option<String>,
}

impl Recipient {
    fn to(&self) -> Result<Digest, StoreError> {
        let release: Digest = self.release.parse().map_err(StoreError::Wrong)?;
        Ok(recipient_hash(&salt(&self.salt)?, &release, &self.name))
    }

    fn receipt(&self) -> Result<Option<Digest>, StoreError> {
        let both = self.receipt.as_ref().zip(self.receipt_salt.as_ref());
        both.map(|(text, hex)| Ok(receipt_hash(&salt(hex)?, text))).transpose()
    }
}

/// Salts are written as hashes are.
fn salt(hex: &str) -> Result<[u8; TEXT_SALT_BYTES], StoreError> {
    hex.parse::<Digest>().map(|digest| digest.0).map_err(StoreError::Wrong)
}

/// What to write down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AddRequest {
    /// The Query whose result it is, or the beginning of its id.
    pub query: String,
    /// Who has it now.
    pub name: String,
    /// The licence's code.
    pub licence: String,
    /// What they signed.
    pub receipt: Option<String>,
}

/// What a receipt is to say, and from whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FormRequest {
    /// The Query whose result it is, or the beginning of its id.
    pub query: String,
    /// Who is to sign it.
    pub name: String,
}

fn folder(home: &Home) -> PathBuf {
    home.join("recipients")
}

/// Everybody that this node knows of, with the file that says so.
///
/// Errors: the disk's, or a file that is none of ours; its words quote no name.
fn read(home: &Home) -> Result<Vec<(PathBuf, Recipient)>, StoreError> {
    let folder = folder(home);
    if !folder.exists() {
        return Ok(vec![]);
    }
    let mut found = vec![];
    for name in list(&folder)?.into_iter().filter(|name| name.ends_with(".toml")) {
        let path = folder.join(name);
        let bytes = read_optional(&path)?.unwrap_or_default();
        // Why not the parser's words: they quote the line, and a line holds a name.
        let read = String::from_utf8(bytes).ok().and_then(|text| toml::from_str(&text).ok());
        let recipient =
            read.ok_or_else(|| StoreError::Wrong(format!("{}: it is no recipient", path.display())))?;
        found.push((path, recipient));
    }
    Ok(found)
}

fn keep(path: &Path, recipient: &Recipient) -> Result<(), StoreError> {
    let text = toml::to_string_pretty(recipient).map_err(|error| StoreError::Wrong(error.to_string()))?;
    write_durably(path, text.as_bytes())
}

fn failed(error: StoreError) -> CommandError {
    CommandError::failed(error.to_string())
}

/// A result that may be handed on.
struct Handing {
    query: Digest,
    release: Ref,
    title: String,
    /// That of its purpose, under the version that it was asked under.
    licence: Option<Licence>,
    /// Since when, or from when on, everybody has it.
    public: Option<datacoop_policy::Day>,
    me: MemberId,
    own_name: String,
}

fn result(member: &Member, query: &str) -> Result<Handing, CommandError> {
    let fold = member.fold();
    let release = release(fold, query)?;
    let round =
        fold.rounds().values().find(|round| round.released().is_some_and(|(logged, _)| logged.at == release));
    let none = || CommandError::usage("that release is not here any more".into());
    let round = round.ok_or_else(none)?;
    let asked = round.asked().ok_or_else(none)?;
    let charter = fold.charter_named(&asked.body.charter);
    let purpose = charter.and_then(|charter| charter.purpose(&asked.body.purpose));
    let day = round.released().map(|(logged, _)| logged.time.day());
    let question = round.query().map(|query| query.question.question().title().to_owned());
    let me = member.me().clone();
    Ok(Handing {
        query: round.id,
        title: question.unwrap_or_default(),
        licence: purpose.map(|purpose| purpose.licence),
        public: purpose.zip(day).and_then(|(purpose, day)| purpose.publish.public_from(day)),
        own_name: fold.member(&me).map_or_else(String::new, |member| member.name.clone()),
        me,
        release,
    })
}

fn licence_of(code: &str) -> Result<Licence, CommandError> {
    Licence::from_code(code).ok_or_else(|| {
        let known = Licence::ALL.map(Licence::code).join(" or ");
        CommandError::usage(format!("`{}` is no licence; write {known}", code.escape_debug()))
    })
}

fn check_name(name: &str) -> Result<(), CommandError> {
    match !name.is_empty() && is_line(name) && name.len() <= NAME_BYTES_MAX {
        true => Ok(()),
        false => Err(CommandError::usage(format!(
            "a recipient's name is one line of at most {NAME_BYTES_MAX} bytes, without tabs and unseen signs"
        ))),
    }
}

/// Whether a receipt says what it must: of which result, under which licence, by whom, when, and a signature.
fn check_receipt(text: &str, query: &Digest, licence: Licence, name: &str) -> Result<(), CommandError> {
    let wrong = |what: String| {
        Err(CommandError::usage(format!("the receipt {what}"))
            .hint("the form to sign: datacoop recipients form QUERY --to NAME"))
    };
    if text.len() > RECEIPT_BYTES_MAX {
        return wrong(format!("has more than {RECEIPT_BYTES_MAX} bytes"));
    }
    if text.lines().next().map(str::trim_end) != Some(RECEIPT_HEADER) {
        return wrong(format!("does not begin with the line `{RECEIPT_HEADER}`"));
    }
    let said = |field: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        lines.next().map(str::trim).filter(|value| !value.is_empty())
    };
    if said("Query") != Some(&*query.to_string()) {
        return wrong(format!("is not of this result; its line `Query:` has {query}"));
    }
    if said("Licence") != Some(&*format!("{}, SHA-256 {}", licence.code(), licence.sha256())) {
        return wrong(format!(
            "names another licence; its line `Licence:` has {}, SHA-256 {}",
            licence.code(),
            licence.sha256()
        ));
    }
    if said("Name") != Some(name) {
        return wrong("is by somebody else: its line `Name:` has the name that you give with --to".into());
    }
    match ["Date", "Signature"].iter().find(|field| said(field).is_none()) {
        Some(field) => wrong(format!("lacks something on its line `{field}:`")),
        None => Ok(()),
    }
}

/// The text that a recipient signs, or types back.
pub async fn form(handle: &Handle, request: FormRequest) -> Result<Value, CommandError> {
    check_name(&request.name)?;
    let FormRequest { query, name } = request;
    let of = handle.view(move |member| result(member, &query)).await.ok_or_else(stopped)??;
    let licence = of.licence.ok_or_else(no_licence)?;
    let text = format!(
        "{RECEIPT_HEADER}\nI have received from {} ({}) the result of the question \"{}\".\nI have read the licence below, and keep \
         to it.\n\nQuery: {}\nLicence: {}, SHA-256 {}\nName: {name}\nDate:\nSignature:\n\n{}",
        of.own_name,
        of.me,
        of.title,
        of.query,
        licence.code(),
        licence.sha256(),
        licence.text()
    );
    Ok(
        json!({ "schema": "datacoop.receipt/1", "query": of.query.to_string(), "licence": licence.code(), "text": text }),
    )
}

fn no_licence() -> CommandError {
    CommandError::usage(
        "the version of the charter that it was asked under is not here, so its licence is not known".into(),
    )
    .hint("start the node, and wait until it has that version from the others")
}

/// Writes down that somebody outside has a result, here by name and in the log without; or adds their receipt.
pub async fn add(handle: &Handle, request: AddRequest) -> Result<Value, CommandError> {
    check_name(&request.name)?;
    let licence = licence_of(&request.licence)?;
    let query = request.query.clone();
    let of = handle.view(move |member| result(member, &query)).await.ok_or_else(stopped)??;
    if of.licence.ok_or_else(no_licence)? != licence {
        let right = of.licence.map_or("", Licence::code);
        return Err(CommandError::usage(format!("this result is under the licence {right}"))
            .hint(&format!("hand it on with --licence {right}, or not at all")));
    }
    if let Some(text) = &request.receipt {
        check_receipt(text, &of.query, licence, &request.name)?;
    }
    let home = handle.home();
    let leaf = of.release.leaf.to_string();
    let held = read(home).map_err(failed)?;
    let held = held.into_iter().find(|(_, one)| one.release == leaf && one.name == request.name);
    let known = held.is_some();
    let before = held.as_ref().map(|(_, recipient)| recipient.clone());
    let (path, mut recipient) = held.unwrap_or_else(|| {
        let salt = Digest(entropy::bytes()).to_string();
        let path = folder(home).join(format!("{}.toml", &salt[..16]));
        let recipient = Recipient {
            name: request.name.clone(),
            query: of.query.to_string(),
            release: leaf,
            licence: licence.code().to_owned(),
            day: clock::now().day().to_string(),
            salt: Digest(entropy::bytes()).to_string(),
            receipt: None,
            receipt_salt: None,
        };
        (path, recipient)
    });
    if request.receipt.is_some() && recipient.receipt != request.receipt {
        if recipient.receipt.is_some() {
            return Err(CommandError::usage("another receipt of theirs is kept already".into())
                .hint("read it: datacoop recipients list --receipts"));
        }
        (recipient.receipt, recipient.receipt_salt) =
            (request.receipt, Some(Digest(entropy::bytes()).to_string()));
    }
    make_dir(&folder(home)).map_err(failed)?;
    // Before the entry: of a hash whose name nobody has any more nothing could ever be shown.
    keep(&path, &recipient).map_err(failed)?;
    let (to, receipt) = (recipient.to().map_err(failed)?, recipient.receipt().map_err(failed)?);
    let licence_hash = licence.sha256().parse().map_err(CommandError::failed)?;
    let act = Act::Handover { release: of.release, licence: licence_hash, to, receipt };
    let at = match write(handle, act, None).await {
        Ok(at) => at,
        Err(error) => {
            match before {
                Some(before) => keep(&path, &before).map_err(failed)?,
                None => std::fs::remove_file(&path).map_err(crate::folder::at(&path)).map_err(failed)?,
            }
            return Err(error);
        }
    };
    Ok(json!({ "schema": "datacoop.recipient/1", "query": of.query.to_string(), "to": to.to_string(),
               "entry": at.leaf.to_string(), "known": known, "receipt": recipient.receipt.is_some(),
               "public_from": of.public.map(|day| day.to_string()) }))
}

/// Everybody outside that this node knows of, and what of it stands in its log; the newest last.
pub async fn all(handle: &Handle) -> Result<Value, CommandError> {
    let mut known = read(handle.home()).map_err(failed)?;
    known.sort_by(|(_, a), (_, b)| (&a.day, &a.name).cmp(&(&b.day, &b.name)));
    let logged = handle.view(|member| {
        let (fold, me) = (member.fold(), member.me().clone());
        let own = fold.acts().all().filter(|done| done.by == me);
        let handed = own.filter_map(|done| {
            if let Act::Handover { to, receipt, .. } = &done.act { Some((*to, *receipt)) } else { None }
        });
        (handed.collect::<Vec<_>>(), titles(fold))
    });
    let (logged, titles) = logged.await.ok_or_else(stopped)?;
    let mut shown = vec![];
    for (_, recipient) in known {
        let (to, receipt) = (recipient.to().map_err(failed)?, recipient.receipt().map_err(failed)?);
        let title = titles.iter().find(|(id, _)| id.to_string() == recipient.query);
        shown.push(json!({
            "name": recipient.name, "query": recipient.query, "title": title.map(|(_, title)| title),
            "licence": recipient.licence, "day": recipient.day, "to": to.to_string(),
            "logged": logged.iter().any(|(known, _)| *known == to),
            "receipt": recipient.receipt, "receipt_logged": receipt.is_some()
                && logged.contains(&(to, receipt)),
        }));
    }
    Ok(json!({ "schema": "datacoop.recipients/1", "recipients": shown }))
}

fn titles(fold: &Fold) -> Vec<(Digest, String)> {
    let rounds = fold.rounds().values().filter_map(|round| Some((round.id, round.query()?)));
    rounds.map(|(id, query)| (id, query.question.question().title().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_says_of_what_under_which_licence_by_whom_and_when() {
        let (query, licence) = (Digest([7; 32]), Licence::Public1);
        let text = format!(
            "{RECEIPT_HEADER}\nQuery: {query}\nLicence: {}, SHA-256 {}\nName: A. Reader\nDate: 3 May\nSignature: A. R.\n",
            licence.code(),
            licence.sha256()
        );
        let said = |text: &str| check_receipt(text, &query, licence, "A. Reader").map_err(|error| error.text);
        assert_eq!(said(&text), Ok(()));
        let wrong = |from: &str, to: &str, what: &str| {
            let changed = text.replace(from, to);
            let error = said(&changed).unwrap_err();
            assert!(changed != text && error.contains(what), "{error}, not {what}");
        };
        wrong("receipt/v1", "receipt/v2", "does not begin");
        wrong("Query: 07", "Query: 08", "is not of this result");
        wrong("dc-public-1", "dc-members-1", "another licence");
        wrong(&licence.sha256()[..4], "0000", "another licence");
        wrong("A. Reader", "B. Reader", "somebody else");
        wrong("Date: 3 May", "Date: ", "`Date:`");
        wrong("Signature: A. R.", "", "`Signature:`");
        assert!(said(&(text + &" ".repeat(RECEIPT_BYTES_MAX))).unwrap_err().contains("more than"));
    }

    #[test]
    fn a_name_is_one_plain_line() {
        assert!(check_name("The Hill Times, A. Reader").is_ok());
        for bad in ["", " A", "A\nB", "A\u{202e}B", &"a".repeat(NAME_BYTES_MAX + 1)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_that_does_not_read_is_an_error_that_quotes_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::new(dir.path());
        assert_eq!(read(&home).unwrap(), []);
        std::fs::create_dir(folder(&home)).unwrap();
        std::fs::write(folder(&home).join("x.toml"), "name = \"Secret Person").unwrap();
        let error = read(&home).unwrap_err().to_string();
        assert!(error.contains("x.toml") && !error.contains("Secret"), "{error}");
    }
}
