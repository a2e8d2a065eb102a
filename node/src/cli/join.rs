//! `datacoop charter join`: trust begins with twelve words that came by another way than the charter.
//! Source: CHARTER.md C12.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use datacoop_policy::charter::{Charter, MemberKeys};
use datacoop_protocol::charter_text::{bare_text, open_chain, open_charter, parse_charter};
use datacoop_protocol::words::Words;

use super::amend;
use super::charter::describe;
use super::demo::read;
use super::node::{confirm, home_of, store_error};
use super::show::{plain, plain_lines};
use super::succession::{self, Leaving, charter_id};
use super::{Common, Printed};
use crate::chain::read_versions;
use crate::error::{CommandError, Exit};
use crate::folder::Folder;
use crate::home::Home;

#[derive(clap::Args)]
pub(super) struct JoinArgs {
    /// Every version of the charter, from anybody: its notes in order, or a folder with 1.note, 2.note and on
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The twelve words of your letter of admission [default: asked for]
    #[arg(long, value_name = "WORDS")]
    words: Option<String>,
    /// The keys that the charter lists for this member are lost with its folder: join all the same, to have them
    /// replaced with `datacoop charter rotate`
    #[arg(long)]
    keys_lost: bool,
    /// Of a charter that follows our co-operative: that this node leaves it. Its id, or the first 16 digits
    #[arg(long, value_name = "ID", value_parser = charter_id)]
    leaving: Option<String>,
}

/// Takes a charter whose version 1 has the words that were given.
pub(super) fn join(common: &Common, args: &JoinArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    if let Some((_, held)) = home.charter().map_err(store_error)?.filter(|_| args.leaving.is_none()) {
        let text = format!("this node belongs to {} already", plain(&held.fields().name));
        return Err(CommandError::usage(text)
            .hint("take its later versions with `datacoop charter adopt FILE`; another co-operative needs another node"));
    }
    let (files, notes) = notes(&args.files)?;
    let words = asked(args.words.as_deref())?;
    let place = files.first().map_or_else(String::new, |file| format!(" in {}", file.display()));
    let newest = &newest_of(&home, &notes, &words, args.keys_lost, &place)?;
    let config = home.config().map_err(store_error)?;
    let leaving = succession::leaving(&home, &config, newest, args.leaving.as_deref())?;
    if !common.quiet && !common.json {
        let leaves = leaving.as_ref().map_or_else(String::new, |leaving| format!("\n{}", leaving.text()));
        eprint!("{}", plain_lines(&(describe(newest) + &leaves)));
    }
    confirm(common, &format!("The words are right. Join it as {}", plain(&config.name)))?;
    if let Some(leaving) = &leaving {
        leaving.leave(&home)?;
    }
    amend::take(&home, &files, &notes)
}

/// The newest version of a charter that this node may join: its words are right, and it lists our keys or none.
///
/// Errors: the notes are no chain, are not of these words, or hold other keys of ours.
fn newest_of(
    home: &Home,
    notes: &[String],
    words: &Words,
    keys_lost: bool,
    place: &str,
) -> Result<Charter, CommandError> {
    let chain = open_chain(notes).map_err(|error| CommandError::usage(error.to_string()))?;
    let newest = chain.into_iter().next_back().expect("INVARIANT: a chain has its first version");
    if !words.are_of(&newest.id()) {
        let text = format!(
            "these are not the words of the charter of {}{place}: do not join by it",
            plain(&newest.fields().name),
        );
        return Err(CommandError { exit: Exit::Refused, ..CommandError::usage(text) }
            .hint("compare the words with your letter once more; if they are right, ask whoever sent you the letter for the charter"));
    }
    let config = home.config().map_err(store_error)?;
    let keys = home.all_keys(&config).map_err(store_error)?;
    let held = newest.member(&config.id.0);
    let is_ours = |listed: &MemberKeys| keys.iter().any(|keys| keys.public() == listed);
    if held.is_some_and(|member| !keys_lost && !is_ours(&member.keys)) {
        let text = format!(
            "the charter holds other keys for {} than this node has: its card came from another folder, or somebody uses its number",
            config.id.0
        );
        return Err(CommandError { exit: Exit::Refused, ..CommandError::usage(text) }
            .hint("ring a sponsor, and compare what `datacoop charter fingerprint` shows; if this member's keys are lost, join with --keys-lost"));
    }
    Ok(newest)
}

/// What a node that belongs to no charter would join by these words.
///
/// Errors: it belongs to one, or has left one for another than this; as [`newest_of`].
pub(crate) fn may_join(home: &Home, notes: &[String], words: &Words) -> Result<Charter, CommandError> {
    checked(home, notes, words).map(|(charter, _)| charter)
}

/// As [`may_join`], and what is left of leaving another co-operative, if that was cut off.
fn checked(home: &Home, notes: &[String], words: &Words) -> Result<(Charter, Option<Leaving>), CommandError> {
    if let Some((_, held)) = home.charter().map_err(store_error)? {
        let text = format!("this node belongs to {} already", plain(&held.fields().name));
        return Err(CommandError::usage(text));
    }
    let newest = newest_of(home, notes, words, false, "")?;
    let config = home.config().map_err(store_error)?;
    let leaving = succession::leaving(home, &config, &newest, None)?;
    Ok((newest, leaving))
}

/// Joins it.
pub(crate) fn join_checked(home: &Home, notes: &[String], words: &Words) -> Result<(), CommandError> {
    let _lock = Folder::open(home.path()).map_err(store_error)?;
    let (_, leaving) = checked(home, notes, words)?;
    if let Some(leaving) = leaving {
        leaving.leave(home)?;
    }
    let names: Vec<PathBuf> = (1..=notes.len()).map(|version| format!("version {version}").into()).collect();
    amend::take(home, &names, notes).map(drop)
}

/// A charter's notes by their versions, whatever order they came in.
///
/// Errors: there is none, or one that is none.
pub(crate) fn notes_in_order(notes: Vec<String>) -> Result<Vec<String>, CommandError> {
    let version = |note: String| {
        let charter =
            parse_charter(bare_text(&note)).map_err(|error| CommandError::usage(error.to_string()))?;
        Ok::<_, CommandError>((charter.version(), note))
    };
    let mut versions = notes.into_iter().map(version).collect::<Result<Vec<_>, _>>()?;
    versions.sort();
    match versions.is_empty() {
        true => Err(CommandError::usage("choose the charter's files: 1.note and those that follow".into())),
        false => Ok(versions.into_iter().map(|(_, note)| note).collect()),
    }
}

/// The notes of files, or those in one folder.
fn notes(files: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<String>), CommandError> {
    if let [folder] = files
        && folder.is_dir()
    {
        let notes = read_versions(folder).map_err(store_error)?;
        if notes.is_empty() {
            let text = format!("{} holds no 1.note", folder.display());
            return Err(CommandError::usage(text)
                .hint("name the notes, or the `charter` folder of a node or of an exported log"));
        }
        let names = (1..=notes.len()).map(|version| folder.join(format!("{version}.note")));
        return Ok((names.collect(), notes));
    }
    let notes = files.iter().map(read).collect::<Result<_, _>>()?;
    Ok((files.to_vec(), notes))
}

/// The words, as they were given or are typed now.
fn asked(given: Option<&str>) -> Result<Words, CommandError> {
    let parse = |text: &str| {
        Words::parse(text).map_err(|error| {
            CommandError::usage(error).hint("they stand in your letter of admission, in six pairs")
        })
    };
    if let Some(given) = given {
        return parse(given);
    }
    if !std::io::stdin().is_terminal() {
        return Err(CommandError::usage("joining needs the twelve words of your letter of admission".into())
            .hint("give them with --words \"...\""));
    }
    eprint!("The twelve words of your letter, on one line: ");
    std::io::stderr().flush().ok();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).ok();
    parse(&line)
}

/// Errors: this node did not found the charter that it is to take, and so has only the words to know it by.
pub(super) fn founded(home: &Home, notes: &[String]) -> Result<(), CommandError> {
    let config = home.config().map_err(store_error)?;
    let keys = home.keys(&config).map_err(store_error)?;
    let first = notes
        .first()
        .filter(|note| parse_charter(bare_text(note)).is_ok_and(|charter| charter.version() == 1));
    let signed = first.and_then(|note| open_charter(note).ok()).is_some_and(|opened| {
        let own = opened.charter.member(&config.id.0).is_some_and(|member| member.keys == *keys.public());
        own && opened.signed.contains(&config.id.0)
    });
    match signed {
        true => Ok(()),
        false => Err(CommandError::usage(
            "this node has no charter, and did not sign version 1 of this one: it joins by the words of its letter (rule C12)".into(),
        )
        .hint("datacoop charter join FILE...")),
    }
}
