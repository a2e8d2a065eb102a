//! `datacoop support | object | reply | withdraw | report | pause`: what a member says beside questions and
//! answers. Each is an entry of its log, for good.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use datacoop_policy::Time;
use datacoop_protocol::acts::{OBJECTION_WAITS, RESTRICTION_HOLDS, TEXT_BYTES_MAX, TEXT_SALT_BYTES};
use serde_json::{Value, json};

use super::node::{confirm, home_of};
use super::show::{plain, plain_lines};
use super::{Common, Printed};
use crate::acts::ActRequest;
use crate::client::Client;
use crate::clock;
use crate::error::CommandError;
use crate::follow::clock_text;
use crate::home::Home;

#[derive(Args)]
pub(super) struct SupportArgs {
    /// The proposal's id, or the beginning of it
    id: String,
}

#[derive(Args)]
pub(super) struct ObjectArgs {
    /// Id of a proposal or of a question that was asked, or the beginning of it
    id: String,
    /// Your reason, for all members to read
    #[arg(long, value_name = "TEXT")]
    because: String,
}

#[derive(Args)]
pub(super) struct ReplyArgs {
    /// The objection's id, or the beginning of it
    id: String,
    /// Your answer, for all members to read
    #[arg(long, value_name = "TEXT")]
    text: String,
}

#[derive(Args)]
pub(super) struct WithdrawArgs {
    /// The proposal's id, or the beginning of it
    id: String,
}

#[derive(Args)]
pub(super) struct ReportArgs {
    /// The purpose's id
    purpose: String,
    /// What came of it for the people whom the records describe
    #[arg(long, value_parser = ["changed", "learnt", "nothing"])]
    outcome: String,
    /// What was learnt and what changed, in plain words: a text file
    #[arg(long, value_name = "FILE")]
    text: PathBuf,
    /// A question whose release it is about; repeat for more
    #[arg(long, value_name = "QUERY")]
    release: Vec<String>,
}

#[derive(Subcommand)]
pub(super) enum PauseCommand {
    /// Suspend a member: it neither asks nor takes part; oneself at once and alone
    Member(Paused),
    /// Pause a purpose: nothing is asked for it
    Purpose(Paused),
    /// Pause a dataset: nothing is asked about it
    Dataset(Paused),
}

#[derive(Args)]
pub(super) struct Paused {
    /// Its id, as `datacoop charter show` lists it
    id: String,
}

/// Has a running node do something.
pub(super) fn do_act(home: &Home, request: &ActRequest) -> Result<Value, CommandError> {
    tokio::task::block_in_place(|| Client::new(home)?.post(home, "acts", request))
}

/// A text of bounded length.
pub(super) fn read_bounded(file: &Path) -> Result<String, CommandError> {
    let wrong = |why: String| CommandError::usage(format!("{}: {why}", file.display()));
    let most = TEXT_BYTES_MAX - TEXT_SALT_BYTES;
    let mut bytes = vec![];
    let open = std::fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
    let limit = most as u64 + 1;
    open.take(limit).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() > most {
        return Err(wrong(format!("it has more than {most} bytes; shorten it")));
    }
    String::from_utf8(bytes).map_err(|_| wrong("it is no UTF-8 text; save it as UTF-8".into()))
}

/// A text from the command line: as bounded as a file.
fn checked(text: &str, option: &str) -> Result<(), CommandError> {
    let most = TEXT_BYTES_MAX - TEXT_SALT_BYTES;
    match text.trim().is_empty() {
        true => Err(CommandError::usage(format!("{option} says nothing; say why in a sentence or more"))),
        false if text.len() > most => {
            Err(CommandError::usage(format!("{option} has {} bytes; at most {most} are kept", text.len())))
        }
        false => Ok(()),
    }
}

/// What an id shown to people is: as `proposals` shows it.
fn short(id: &str) -> String {
    plain(&id.to_ascii_lowercase().chars().take(8).collect::<String>())
}

/// Shows a proposal before something is said of it: whoever speaks should have read it.
fn preview(common: &Common, home: &Home, id: &str) -> Result<(), CommandError> {
    // An id that is none is said before anybody is asked for a yes.
    let seen = tokio::task::block_in_place(|| Client::new(home)?.get(home, &proposal_path(id)?))?;
    if !common.quiet && !common.json && !common.yes {
        eprint!("{}", plain_lines(&super::proposals::detail_text(&seen)));
    }
    Ok(())
}

/// An id as a part of a path.
pub(super) fn proposal_path(id: &str) -> Result<String, CommandError> {
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(CommandError::usage(format!(
            "`{}` is no id of a proposal: an id is hex, or the beginning of it",
            plain(&id.chars().take(64).collect::<String>())
        ))
        .hint("list them: datacoop proposals"));
    }
    Ok(format!("proposals/{id}"))
}

pub(super) fn support(common: &Common, args: &SupportArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    preview(common, &home, &args.id)?;
    confirm(common, "Support it before all members")?;
    let json = do_act(&home, &ActRequest::Support { id: args.id.clone() })?;
    let id = short(&args.id);
    Ok(Printed::new(json, format!("We support {id}. See how it stands: datacoop proposals {id}\n")))
}

pub(super) fn object(common: &Common, args: &ObjectArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    checked(&args.because, "--because")?;
    confirm(common, "Object before all members; the reason stays with them for good")?;
    let request = ActRequest::Object { id: args.id.clone(), because: args.because.clone() };
    let json = do_act(&home, &request)?;
    let until = clock_text(clock::now() + OBJECTION_WAITS);
    let text = format!(
        "We object, as {}. What is proposed to be signed nobody's program signs before {until}, nor before its\nauthor answers; then the members decide. A question waits at every node that has not answered it yet, until whoever\nproposed or asked it answers, or a person there approves it. To keep this node out in any case: datacoop not-us\n",
        short(json["id"].as_str().unwrap_or_default())
    );
    Ok(Printed::new(json, text))
}

pub(super) fn reply(common: &Common, args: &ReplyArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    checked(&args.text, "--text")?;
    confirm(common, "Answer before all members; the answer stays with them for good")?;
    let json = do_act(&home, &ActRequest::Reply { id: args.id.clone(), text: args.text.clone() })?;
    Ok(Printed::new(json, "Answered. Seven days after the objection the members decide; a question it held waits no longer for this.\n".into()))
}

pub(super) fn withdraw(common: &Common, args: &WithdrawArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    preview(common, &home, &args.id)?;
    confirm(common, "Take our proposal back, for good")?;
    let json = do_act(&home, &ActRequest::Withdraw { id: args.id.clone() })?;
    Ok(Printed::new(json, "Taken back. Its text stays with the members.\n".into()))
}

pub(super) fn report(common: &Common, args: &ReportArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let text = read_bounded(&args.text)?;
    checked(&text, &args.text.display().to_string())?;
    confirm(
        common,
        "Report before all members; the text stays with them for good, and everybody may read it once the purpose's results are public",
    )?;
    let request = ActRequest::Report {
        purpose: args.purpose.clone(),
        outcome: args.outcome.clone(),
        text,
        queries: args.release.clone(),
    };
    let json = do_act(&home, &request)?;
    let said = format!(
        "Reported on `{}`. To renew it, a next version of the charter gives it a later last day, and\nreport = \"{}\"\n",
        plain(&args.purpose),
        json["id"].as_str().unwrap_or_default()
    );
    Ok(Printed::new(json, said))
}

pub(super) fn pause(common: &Common, command: PauseCommand) -> Result<Printed, CommandError> {
    let (what, args) = match command {
        PauseCommand::Member(args) => ("member", args),
        PauseCommand::Purpose(args) => ("purpose", args),
        PauseCommand::Dataset(args) => ("dataset", args),
    };
    let home = home_of(common)?;
    let seen = tokio::task::block_in_place(|| Client::new(&home)?.get(&home, "proposals"))?;
    let lacking = lacking(&seen, what, &args.id);
    let effect = effect(what, &plain(&args.id), lacking, clock::now());
    if !common.quiet && !common.json {
        eprint!("{}", plain_lines(&effect));
    }
    confirm(common, "Say so before all members")?;
    let mut json = do_act(&home, &ActRequest::Pause { what: what.into(), id: args.id.clone() })?;
    json["bodies_lacking"] = json!(lacking);
    let text = match lacking {
        0 => format!("The {what} `{}` is paused wherever this entry is known.\n", plain(&args.id)),
        _ => format!(
            "Said. It takes members of {lacking} other {} to say the same: datacoop pause {what} {}\n",
            if lacking == 1 { "body" } else { "bodies" },
            plain(&args.id)
        ),
    };
    Ok(Printed::new(json, text))
}

/// How many bodies, ours counted as one that says so, a restriction still lacks.
fn lacking(seen: &Value, what: &str, id: &str) -> u64 {
    if what == "member" && seen["member"] == id {
        return 0;
    }
    let all = seen["restrictions"].as_array().into_iter().flatten();
    let known = all.into_iter().find(|one| one["what"] == what && one["id"] == id);
    let said = known.and_then(|one| one["bodies"].as_u64()).unwrap_or(0);
    let ours = known.is_some_and(|one| {
        let by = one["by"].as_array().into_iter().flatten();
        by.into_iter().any(|done| done["body"] == seen["body"])
    });
    let with_ours = said + u64::from(!ours);
    seen["restrict"].as_u64().unwrap_or(0).saturating_sub(with_ours)
}

/// What a restriction does, for how long, and whose word it still needs.
fn effect(what: &str, id: &str, lacking: u64, now: Time) -> String {
    let does = match what {
        "member" => format!("the member `{id}` neither asks nor takes part"),
        "purpose" => format!("nothing is asked for the purpose `{id}`"),
        _ => format!("nothing is asked about the dataset `{id}`"),
    };
    let until = clock_text(now + RESTRICTION_HOLDS);
    let when = match lacking {
        0 => "It takes effect at once".to_owned(),
        1 => "It takes effect once a member of 1 other body says the same".to_owned(),
        more => format!("It takes effect once members of {more} other bodies say the same"),
    };
    format!(
        "For 30 days, until {until}, {does}.\n{when}. It can be repeated once within a year,\nand not be taken back. What was released stays.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_how_many_bodies_a_restriction_lacks() {
        let seen = json!({ "member": "GB-EDU-1", "body": "Ours", "restrict": 3, "restrictions": [
            { "what": "purpose", "id": "demo", "bodies": 1, "by": [{ "body": "Hill" }] },
            { "what": "purpose", "id": "mine", "bodies": 2, "by": [{ "body": "Hill" }, { "body": "Ours" }] },
        ] });
        assert_eq!(lacking(&seen, "purpose", "other"), 2);
        assert_eq!(lacking(&seen, "purpose", "demo"), 1);
        assert_eq!(lacking(&seen, "purpose", "mine"), 1, "another school of our trust adds nothing");
        assert_eq!(lacking(&seen, "dataset", "demo"), 2);
        assert_eq!((lacking(&seen, "member", "GB-EDU-1"), lacking(&seen, "member", "GB-EDU-2")), (0, 2));
        let said = effect("purpose", "demo", 2, Time::from_seconds(0));
        assert!(said.contains("until 1970-01-31 00:00") && said.contains("2 other bodies"), "{said}");
    }

    #[test]
    fn a_text_is_read_whole_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("text");
        let most = TEXT_BYTES_MAX - TEXT_SALT_BYTES;
        std::fs::write(&file, vec![b'a'; most]).unwrap();
        assert_eq!(read_bounded(&file).unwrap().len(), most);
        std::fs::write(&file, vec![b'a'; most + 1]).unwrap();
        assert!(read_bounded(&file).unwrap_err().text.contains("more than 262144 bytes"));
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(read_bounded(&file).unwrap_err().text.contains("UTF-8"));
        assert!(read_bounded(&dir.path().join("nothing")).is_err());
        assert!(checked(" \n", "--because").is_err() && checked("why", "--because").is_ok());
        assert!(checked(&"a".repeat(most + 1), "--because").is_err());
    }
}
