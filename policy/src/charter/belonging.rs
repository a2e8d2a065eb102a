//! Who comes in and who falls silent: two sponsors for whoever joins (CHARTER.md C13), and notice before a
//! member is marked dormant (C14). Signatures are `change`'s; that months were silent only logs can tell.

use std::collections::BTreeSet;

use super::form::look;
use super::{Charter, CharterDraft, CharterError, Member, refuse};
use crate::id::MemberId;

/// Members that vouch for one that joins: they checked its register number and heard its words (C13).
pub const SPONSORS: usize = 2;
/// From the version that gives notice to the one that marks a member dormant (C14).
pub const NOTICE_DAYS: i64 = 60;
/// Without an entry before a member may be marked dormant: twelve months (C14).
pub const SILENT_DAYS: i64 = 365;

/// What one version by itself can be held to.
pub(super) fn check_belonging(draft: &CharterDraft) -> Result<(), CharterError> {
    let dormant: BTreeSet<&MemberId> =
        draft.members.iter().filter(|member| member.dormant).map(|member| &member.id).collect();
    for member in &draft.members {
        let id = &member.id;
        if draft.version == 1 && !member.sponsors.is_empty() {
            return refuse("C13", format!("`{id}`: founders sign version 1 themselves; remove `sponsors`"));
        }
        let sponsors: BTreeSet<&MemberId> = member.sponsors.iter().collect();
        if !(member.sponsors.is_empty() || member.sponsors.len() == SPONSORS && sponsors.len() == SPONSORS) {
            return refuse("C13", format!("`{id}`: name {SPONSORS} different sponsors"));
        }
        match member.notice {
            Some(notice) if draft.version == 1 || notice > draft.made => {
                let text = format!("`{id}`: `notice` is the day on which the version that gives it was made");
                return refuse("C14", text);
            }
            Some(notice) if member.dormant && draft.made.0 - notice.0 < NOTICE_DAYS => {
                let text = format!(
                    "`{id}` was given notice on {notice}; it can be marked dormant {NOTICE_DAYS} days later"
                );
                return refuse("C14", text);
            }
            None if member.dormant => {
                let text = format!(
                    "`{id}` was given no notice; a version with `notice` comes {NOTICE_DAYS} days before `dormant`"
                );
                return refuse("C14", text);
            }
            Some(_) | None => {}
        }
        if let Some(silent) = member.witnesses.iter().find(|witness| dormant.contains(witness)) {
            return refuse("C14", format!("`{id}`: its witness `{silent}` is dormant; name another"));
        }
    }
    Ok(())
}

/// What a version says of who joins and who falls silent, held against the one before it.
pub(super) fn check_step(old: &Charter, new: &Charter) -> Result<(), CharterError> {
    for member in new.members() {
        match old.member(&member.id) {
            None => check_joins(old, new, member)?,
            Some(before) => check_stays(new, before, member)?,
        }
    }
    Ok(())
}

/// Whoever joins names two sponsors: members that vote before and after, of different bodies, neither of its
/// own. A body is the same one in both versions' words, however it is spelt: nobody is made another's sponsor by
/// renaming it.
fn check_joins(old: &Charter, new: &Charter, joins: &Member) -> Result<(), CharterError> {
    let id = &joins.id;
    if joins.notice.is_some() || joins.dormant {
        return refuse("C14", format!("`{id}` joins; it cannot have fallen silent yet"));
    }
    if joins.sponsors.len() != SPONSORS {
        let text =
            format!("`{id}` joins; write `sponsors` with {SPONSORS} voting members of different bodies");
        return refuse("C13", text);
    }
    for charter in [old, new] {
        let own = look(&joins.body);
        let mut bodies = BTreeSet::from([own.clone()]);
        for sponsor in &joins.sponsors {
            let Some(sponsor) = charter.member(sponsor).filter(|member| member.votes()) else {
                let text = format!(
                    "`{sponsor}` sponsors `{id}` and has no vote in version {}; sponsors vote before and after",
                    charter.version()
                );
                return refuse("C13", text);
            };
            let body = look(&sponsor.body);
            if body == own {
                let text = format!(
                    "`{}` sponsors `{id}` of its own body, {}; name a member of another body",
                    sponsor.id, joins.body
                );
                return refuse("C13", text);
            }
            if !bodies.insert(body) {
                let text = format!(
                    "both sponsors of `{id}` are of one body, {}; name members of different bodies",
                    sponsor.body
                );
                return refuse("C13", text);
            }
        }
    }
    Ok(())
}

fn check_stays(new: &Charter, before: &Member, now: &Member) -> Result<(), CharterError> {
    let id = &now.id;
    if now.sponsors != before.sponsors {
        return refuse("C13", format!("`{id}` is a member already; leave its `sponsors` as they are"));
    }
    let made = new.fields().made;
    if let Some(notice) = now.notice.filter(|_| now.notice != before.notice)
        && notice != made
    {
        let text = format!("`{id}` is given notice by this version; write `notice = {made}`, its day");
        return refuse("C14", text);
    }
    // That an earlier version gave it follows: this one's own notice is of its day, and none stands long enough.
    // Whoever was woken is told anew before it can be marked again.
    if before.dormant && !now.dormant && now.notice.is_some_and(|notice| notice != made) {
        return refuse("C14", format!("`{id}` is woken by this version; remove its `notice`"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "belonging_tests.rs"]
mod tests;
