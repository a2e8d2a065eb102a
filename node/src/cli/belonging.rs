//! Members that join, leave, fall silent or come back, as `charter propose`, `diff`, `sign` and `show` put it.
//! Source: CHARTER.md sections 2 and 3, C13, C14.

use std::path::PathBuf;

use datacoop_policy::charter::{
    Charter, CharterDraft, Member, NOTICE_DAYS, SILENT_DAYS, SPONSORS, name_witnesses,
};
use datacoop_policy::{Day, MemberId, Time};
use datacoop_protocol::charter_text::{member_fingerprint, open_card};
use datacoop_protocol::words;
use serde_json::{Value, json};

use super::amend::ProposeArgs;
use super::demo::read;
use super::fingerprint;
use super::why::Seen;
use crate::error::{CommandError, Exit};
use crate::home::Home;

fn unknown(id: &MemberId, parent: &Charter) -> CommandError {
    CommandError::usage(format!("`{id}` is no member of version {}", parent.version()))
        .hint("`datacoop charter show` lists members")
}

/// Puts into a draft of a next version who joins, leaves, has notice, is dormant or is woken.
pub(super) fn change(
    draft: &mut CharterDraft,
    parent: &Charter,
    args: &ProposeArgs,
) -> Result<(), CommandError> {
    let mut joins = 0;
    for path in &args.add {
        joins += usize::from(add(draft, path, &args.sponsor)?);
    }
    if joins == 0 && !args.sponsor.is_empty() {
        return Err(CommandError::usage("nobody joins, so nobody is to be sponsored".into())
            .hint("name the card of who joins with --add, or leave out --sponsor"));
    }
    for id in &args.remove {
        let before = draft.members.len();
        draft.members.retain(|member| member.id != *id);
        if draft.members.len() == before {
            return Err(unknown(id, parent));
        }
    }
    let made = draft.made;
    for id in &args.dormant {
        let member = draft.members.iter_mut().find(|member| member.id == *id);
        mark(member.ok_or_else(|| unknown(id, parent))?, made)?;
    }
    for id in &args.wake {
        let member = draft.members.iter_mut().find(|member| member.id == *id);
        let member = member.ok_or_else(|| unknown(id, parent))?;
        (member.notice, member.dormant) = (None, false);
    }
    if [args.add.len(), args.remove.len(), args.dormant.len(), args.wake.len()].iter().any(|n| *n > 0) {
        name_witnesses(&mut draft.members);
    }
    Ok(())
}

/// Adds the member of a card; of one that stays, what a card may say. Whether it joins.
fn add(draft: &mut CharterDraft, path: &PathBuf, sponsors: &[MemberId]) -> Result<bool, CommandError> {
    let card = open_card(&read(path)?)
        .map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
    if let Some(member) = draft.members.iter_mut().find(|member| member.id == card.id) {
        // What it may do, and who vouched for it, the members said and no card.
        let held = member.clone();
        *member = Member {
            roles: held.roles,
            sponsors: held.sponsors,
            notice: held.notice,
            dormant: held.dormant,
            ..card
        };
        return Ok(false);
    }
    if sponsors.len() != SPONSORS {
        let text = format!("`{}` joins and has {} sponsors; it needs {SPONSORS}", card.id, sponsors.len());
        return Err(CommandError::usage(text).hint(
            "name two voting members of different bodies, neither of its own: --sponsor ID --sponsor ID",
        ));
    }
    draft.members.push(Member { sponsors: sponsors.to_vec(), ..card });
    Ok(true)
}

/// Notice first; dormant once that has stood.
fn mark(member: &mut Member, made: Day) -> Result<(), CommandError> {
    if member.dormant {
        return Err(CommandError::usage(format!("`{}` is dormant already", member.id))
            .hint("`--wake` lets it take part again"));
    }
    match member.notice {
        None => member.notice = Some(made),
        Some(notice) if made.0 - notice.0 >= NOTICE_DAYS => member.dormant = true,
        Some(notice) => {
            let text = format!(
                "`{}` was given notice on {notice}; it can be marked dormant from {} on (rule C14)",
                member.id,
                Day(notice.0 + NOTICE_DAYS)
            );
            return Err(CommandError { exit: Exit::Refused, ..CommandError::usage(text) });
        }
    }
    Ok(())
}

fn joining<'a>(parent: &'a Charter, charter: &'a Charter) -> impl Iterator<Item = &'a Member> {
    charter.members().iter().filter(|member| parent.member(&member.id).is_none())
}

/// The words of everybody who joins.
pub(super) fn words_text(parent: &Charter, charter: &Charter) -> String {
    let one = |member: &Member| {
        format!("The words of {}:\n{}", member.name, fingerprint::lines(&member_fingerprint(member)))
    };
    joining(parent, charter).map(one).collect()
}

/// Who joins, for `--json`.
pub(super) fn joins_json(parent: &Charter, charter: &Charter) -> Vec<Value> {
    joining(parent, charter).map(member_json).collect()
}

/// A member, for `--json`.
pub(super) fn member_json(member: &Member) -> Value {
    let sponsors: Vec<&str> = member.sponsors.iter().map(|id| id.as_str()).collect();
    json!({ "id": member.id.as_str(), "name": member.name, "body": member.body,
            "words": words::words(&member_fingerprint(member)), "sponsors": sponsors,
            "notice": member.notice.map(|day| day.to_string()), "dormant": member.dormant })
}

/// What is to be said of a member in a list of them.
pub(super) fn standing_text(member: &Member) -> String {
    let sponsors: Vec<&str> = member.sponsors.iter().map(|id| id.as_str()).collect();
    let vouched = match sponsors.is_empty() {
        true => String::new(),
        false => format!("; sponsored by {}", sponsors.join(" and ")),
    };
    match (member.dormant, member.notice) {
        (true, _) => vouched + "; dormant, not counted",
        (false, Some(notice)) => format!(
            "{vouched}; has notice since {notice}: silent, it may be marked dormant from {} on",
            Day(notice.0 + NOTICE_DAYS)
        ),
        (false, None) => vouched,
    }
}

/// Whoever joins and names this member as its sponsor.
pub(super) fn sponsored<'a>(parent: &'a Charter, charter: &'a Charter, me: &MemberId) -> Vec<&'a Member> {
    joining(parent, charter).filter(|member| member.sponsors.contains(me)).collect()
}

/// What a sponsor says by signing.
pub(super) fn sponsor_text(sponsored: &[&Member]) -> String {
    let one = |member: &&Member| {
        format!(
            "\nYou are a sponsor of {}, {} ({}). By signing you say that\n  - this number stands in the public register under this name and this body;\n  - you rang it, on a number that you did not have from its card, and it read these words to you:\n{}",
            member.name,
            member.id,
            member.body,
            fingerprint::lines(&member_fingerprint(member))
        )
    };
    sponsored.iter().map(one).collect()
}

/// What no text can show, and whoever signs has to look at: that it is of no later day than today, and that
/// whom it marks dormant was told so long ago and was silent for a year, as far as this node's journal goes.
pub(super) fn check(home: &Home, parent: &Charter, new: &Charter, now: Time) -> Result<(), CommandError> {
    // Midnight comes at other hours elsewhere.
    if new.fields().made.0 > now.day().0 + 1 {
        return refuse(format!(
            "it says that it was made on {}, which is not yet: notice would run from a day to come (rule C14)",
            new.fields().made
        ));
    }
    let marked =
        |member: &&Member| member.dormant && parent.member(&member.id).is_some_and(|old| !old.dormant);
    let marked: Vec<&Member> = new.members().iter().filter(marked).collect();
    if marked.is_empty() {
        return Ok(());
    }
    let seen = Seen::read(home, None)?;
    marked.into_iter().try_for_each(|member| {
        check_silent(&seen, member, now)?;
        check_told(&seen, parent, member, now)
    })
}

fn refuse(text: String) -> Result<(), CommandError> {
    Err(CommandError { exit: Exit::Refused, ..CommandError::usage(text) }
        .hint("let whoever wrote it write it again"))
}

/// That notice stood so long by the logs too: whoever wrote the version that gave it dated that.
fn check_told(seen: &Seen, parent: &Charter, member: &Member, now: Time) -> Result<(), CommandError> {
    match seen.fold.told_since(parent, member) {
        Some(day) if now.day().0 - day.0 >= NOTICE_DAYS => Ok(()),
        Some(day) => refuse(format!(
            "members hold the version that gave `{}` notice since {day}; it can be marked dormant from {} on (rule C14)",
            member.id,
            Day(day.0 + NOTICE_DAYS)
        )),
        None => refuse(format!(
            "the logs here do not show that enough members hold the version that gave `{}` notice; it can be marked \
             dormant {NOTICE_DAYS} days after they do (rule C14)",
            member.id
        )),
    }
}

/// That it wrote nothing for a year.
fn check_silent(seen: &Seen, member: &Member, now: Time) -> Result<(), CommandError> {
    let wrote = seen.fold.log(&member.id).and_then(|log| log.last_time(now)).map(Time::day);
    let joined = seen.fold.charters().iter().find(|charter| charter.member(&member.id).is_some());
    let since = wrote.or(joined.map(|charter| charter.fields().effective));
    match since.filter(|since| now.day().0 - since.0 < SILENT_DAYS) {
        Some(since) => {
            let what = if wrote.is_some() { "wrote in its log" } else { "became a member" };
            refuse(format!(
                "`{}` {what} on {since}; it can be marked dormant after {SILENT_DAYS} silent days (rule C14)",
                member.id
            ))
        }
        None => Ok(()),
    }
}
