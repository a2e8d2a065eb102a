//! A co-operative that lost its quorum cannot be recovered: members found another that names it as `predecessor`, and
//! each leaves by its own hand, with its log and what that spent. Source: CHARTER.md C15.

use std::sync::Arc;

use datacoop_policy::charter::{Charter, Member, NamedKey, Role};
use datacoop_policy::ledger::Ledger;
use datacoop_policy::{Digest, MemberId, PrivacyLoss};
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::note::Checkpoint;
use datacoop_protocol::standing::replay;

use super::node::store_error;
use super::show::plain;
use super::why::Seen;
use crate::chain::Versions;
use crate::entropy;
use crate::error::{CommandError, Exit};
use crate::home::{Config, Home};
use crate::signed;
use crate::succession::GoneOn;

/// Fewest hex digits of a charter's id that name it: 64 bits are out of reach of a chance match.
const ID_DIGITS_MIN: usize = 16;

/// Reads a charter's id, or its beginning.
pub(super) fn charter_id(text: &str) -> Result<String, String> {
    let id = text.to_ascii_lowercase();
    let hex = id.chars().all(|c| c.is_ascii_hexdigit());
    if hex && (ID_DIGITS_MIN..=64).contains(&id.len()) {
        Ok(id)
    } else {
        Err(format!("a charter's id is {ID_DIGITS_MIN} to 64 hex digits"))
    }
}

/// A member that is about to leave a co-operative, or was cut off while it did.
pub(super) enum Leaving {
    /// It is in it.
    From(Box<Leaves>),
    /// It left it, and has not taken the other's charter yet.
    Resumed(GoneOn),
}

/// What it brings.
pub(super) struct Leaves {
    name: String,
    gone: GoneOn,
    spent: Ledger,
}

impl Leaving {
    /// For whoever is asked whether it wants this.
    pub(super) fn text(&self) -> String {
        match self {
            Self::From(leaves) => leaves.text(),
            Self::Resumed(gone) => {
                format!("This node has left {} already; what was cut off goes on.\n", gone.predecessor)
            }
        }
    }

    /// Leaves. The folder is locked.
    pub(super) fn leave(&self, home: &Home) -> Result<(), CommandError> {
        match self {
            Self::From(leaves) => home.go_on(&leaves.gone, &leaves.spent),
            Self::Resumed(gone) => home.finish_going_on(gone),
        }
        .map_err(store_error)
    }
}

impl Leaves {
    fn text(&self) -> String {
        let most = self.spent.accounts().map(|(_, spent)| spent).max().unwrap_or(PrivacyLoss::ZERO);
        format!(
            "This node leaves {} ({}) once this charter is in force here: it answers nobody there any more, and rounds that \
             are open end for it. Its log there ends with {} entries; its next one begins with what was spent, rho {most} of \
             the fullest year. What it holds of the old co-operative is put aside in `before`.\n",
            self.name, self.gone.predecessor, self.gone.head.size
        )
    }
}

/// Whether taking this charter means leaving another, and what goes along. `named` is the co-operative that the person
/// at this node says it leaves.
///
/// Errors: it would leave one that the charter does not follow, or nobody said so, or members that were in that one
/// begin with a fresh Ledger.
pub(super) fn leaving(
    home: &Home,
    config: &Config,
    newest: &Charter,
    named: Option<&str>,
) -> Result<Option<Leaving>, CommandError> {
    let held = home.charters().map_err(store_error)?;
    let gone = home.gone_on().map_err(store_error)?;
    let Some((_, last)) = held.last() else {
        return match (gone, named) {
            (Some(gone), _) if gone.charter == newest.id() => Ok(Some(Leaving::Resumed(gone))),
            (Some(gone), _) => Err(CommandError::usage(format!(
                "this node has left its co-operative for another, {}, and takes the charter of that first",
                gone.charter
            ))),
            (None, Some(_)) => {
                Err(CommandError::usage("this node belongs to no co-operative, so it leaves none".into())
                    .hint("run the command without --leaving"))
            }
            (None, None) => Ok(None),
        };
    };
    if last.id() == newest.id() {
        return Ok(None);
    }
    let belongs = format!("this node belongs to {} already ({})", plain(&last.fields().name), last.id());
    match newest.fields().predecessor {
        None => {
            return Err(CommandError::usage(belongs).hint(
                "another co-operative needs another node; one that follows yours, as it lost its quorum, names it: \
                 predecessor = \"ID\" (rule C15)",
            ));
        }
        Some(other) if other != last.id() => {
            let text = format!("{belongs}, and the charter names another predecessor, {other} (rule C15)");
            return Err(CommandError { exit: Exit::Refused, ..CommandError::usage(text) }
                .hint("a node leaves only the co-operative that it belongs to"));
        }
        Some(_) => {}
    }
    match named {
        Some(id) if last.id().to_string().starts_with(id) => {}
        Some(id) => {
            return Err(CommandError::usage(format!("{belongs}, and not to one whose id begins with {id}")));
        }
        None => {
            return Err(CommandError::usage(format!("{belongs}; by this charter it would leave it")).hint(
                &format!(
                    "if that is what your organisation wants, say so: --leaving {}",
                    &last.id().to_string()[..ID_DIGITS_MIN]
                ),
            ));
        }
    }
    check_brings(home, &held, newest)?;
    let leaves = leaves(home, config, last, newest.id())?;
    let listed = newest.member(&config.id.0).and_then(|member| member.goes_on_from.as_ref());
    if listed.is_none_or(|log| log.name != leaves.gone.head.origin) {
        let text = format!(
            "the charter does not say that this member's log goes on from {} (rule C15)",
            leaves.gone.head.origin
        );
        return Err(CommandError::usage(text).hint(&card_hint(&last.id())));
    }
    Ok(Some(Leaving::From(Box::new(leaves))))
}

/// What a member does that brought what it spent to a co-operative in which it never ran: its log there begins with it.
const RUN_ONCE: &str = "run that node once in the co-operative that it is to leave, with `datacoop run`: its log there begins with what was \
     spent before";

/// Why a member that never ran in its co-operative brings nothing from it, and what it does then.
fn never_ran(home: &Home) -> CommandError {
    match home.gone_on() {
        Ok(Some(gone)) => CommandError::usage(format!(
            "this node never ran in its co-operative, so what it spent in {} is not in its log there",
            gone.predecessor
        ))
        .hint(&format!("{RUN_ONCE}; then leave")),
        Ok(None) => CommandError::usage(
            "this node never ran in its co-operative, so it has nothing to bring from there".into(),
        )
        .hint("set up a new node for the other one"),
        Err(error) => store_error(error),
    }
}

fn card_hint(predecessor: &Digest) -> String {
    format!(
        "make its card with `datacoop charter card --leaving {}`, and have the text written again",
        &predecessor.to_string()[..ID_DIGITS_MIN]
    )
}

/// Who never wrote a word there, as far as it is here, and brought nothing there either, spent nothing and brings
/// nothing: a member that is listed and never ran keeps nobody from leaving. If it did write, whoever audits both
/// co-operatives sees it (`check_predecessor`). Who had gone on from another co-operative and never ran in this one
/// did spend: two moves would leave that behind.
///
/// Errors: a member of the co-operative that is followed would begin with a fresh Ledger, or one brings a log that was
/// not its own there.
pub(super) fn check_brings(home: &Home, held: &Versions, newest: &Charter) -> Result<(), CommandError> {
    let fold = Seen::read(home, None)?.fold;
    let wrote = |id: &MemberId| fold.logs_of(id).iter().any(|log| log.size() > 0);
    let refused = |text: String| CommandError { exit: Exit::Refused, ..CommandError::usage(text) };
    for member in newest.members() {
        let mut was = held.iter().filter_map(|(_, charter)| charter.member(&member.id));
        match &member.goes_on_from {
            None if wrote(&member.id) || was.any(|listed| listed.goes_on_from.is_some()) => {
                let text = format!(
                    "`{}` was a member of the predecessor, and would begin with a fresh Ledger (rule C15)",
                    member.id
                );
                let id = held.last().map(|(_, charter)| charter.id()).unwrap_or_default();
                let hint = card_hint(&id);
                let hint = if wrote(&member.id) { hint } else { format!("{RUN_ONCE}; {hint}") };
                return Err(refused(text).hint(&hint));
            }
            Some(log) if !was.any(|listed| listed.keys.log == *log) => {
                let text = format!(
                    "`{}` brings the log {}, and no version of the predecessor lists it under this key as its own (rule \
                     C15)",
                    member.id, log.name
                );
                return Err(refused(text).hint("ask whoever wrote the text where that card came from"));
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// How our log ends in the co-operative that we belong to, and what it has spent.
///
/// Errors: it is not signed to its end, or never began.
fn leaves(home: &Home, config: &Config, held: &Charter, to: Digest) -> Result<Leaves, CommandError> {
    let seen = Seen::read(home, None)?;
    let me: &MemberId = &config.id.0;
    let log = seen.fold.log(me).filter(|log| log.size() > 0).ok_or_else(|| never_ran(home))?;
    let head = Checkpoint { origin: log.origin.clone(), size: log.size(), root: log.tree().root() };
    let signed = signed::newest(&home.join("signed")).map_err(store_error)?;
    if signed
        .is_none_or(|(size, note)| size != head.size || note.lines().next() != Some(head.origin.as_str()))
    {
        return Err(CommandError::failed(format!("{} is not signed to its end", head.origin))
            .hint("start this node once with `datacoop run`, stop it, and try again"));
    }
    let gone = GoneOn { predecessor: held.id(), charter: to, head };
    let spent = replay(&seen.fold, me).0.ledger().clone();
    Ok(Leaves { name: plain(&held.fields().name), gone, spent })
}

/// The place of this member in a charter that follows its co-operative, under new keys, which lie beside those in use;
/// and those keys. The folder is locked.
pub(super) fn card(
    home: &Home,
    config: &Config,
    named: &str,
    roles: &[Role],
) -> Result<(Member, Keys), CommandError> {
    let held: Option<Arc<Charter>> = home.charter().map_err(store_error)?.map(|(_, charter)| charter);
    let Some(held) = held.filter(|held| held.id().to_string().starts_with(named)) else {
        return Err(CommandError::usage(format!(
            "this node belongs to no co-operative whose id begins with {named}"
        ))
        .hint("`datacoop charter show` says which it belongs to"));
    };
    let seen = Seen::read(home, None)?;
    let log = seen.fold.log(&config.id.0).filter(|log| log.size() > 0).ok_or_else(|| never_ran(home))?;
    let goes_on_from = Some(NamedKey { name: log.origin.clone(), key: log.key() });
    let keys = home.make_next_identity(config, &entropy::bytes()).map_err(store_error)?;
    let mut member = Member { goes_on_from, ..home.card_member(config, &keys) };
    if let Some(listed) = held.member(&config.id.0) {
        member.roles = listed.roles.clone();
    }
    if !roles.is_empty() {
        member.roles = roles.iter().copied().collect();
    }
    Ok((member, keys))
}

/// The co-operative that a founding text is to name, in full. Errors: its beginning alone, and this node does not
/// belong to it.
pub(super) fn predecessor(held: &Versions, named: &str) -> Result<Digest, CommandError> {
    if let Some((_, last)) = held.last().filter(|(_, last)| last.id().to_string().starts_with(named)) {
        return Ok(last.id());
    }
    named.parse().map_err(|_| {
        CommandError::usage(format!(
            "this node does not belong to a co-operative whose id begins with {named}"
        ))
        .hint("give the predecessor's id in full, all 64 digits")
    })
}

/// Whom a charter follows, and which logs go on, for people.
pub(super) fn follows_text(charter: &Charter) -> String {
    let Some(predecessor) = charter.fields().predecessor else { return String::new() };
    let mut text = format!(
        "\nFollows the co-operative {predecessor}, which lost its quorum. Members bring their logs from there, with what \
         they had spent:\n"
    );
    for member in charter.members() {
        text += &match &member.goes_on_from {
            Some(log) => format!("  {:<16} goes on from {}\n", member.id, log.name),
            None => format!("  {:<16} was no member of it\n", member.id),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{join_checked, may_join};
    use crate::pretend;
    use datacoop_protocol::words::{Words, pairs};

    /// Members that took a charter and never ran.
    fn never_ran(root: &std::path::Path) -> Vec<Home> {
        let text = crate::home::SHIPPED_VOCABULARIES[0].to_owned();
        let members: Vec<(String, u64)> = (0..5).map(|n| (format!("School {n}"), 500)).collect();
        let cast = pretend::found(root, &[text], &members).unwrap();
        cast.into_iter().map(|member| member.home).collect()
    }

    #[test]
    fn a_member_that_never_ran_keeps_nobody_from_leaving() {
        let root = tempfile::tempdir().unwrap();
        let home = &never_ran(root.path())[0];
        let held = home.charters().unwrap();
        // As of one that follows it, where nobody brings a log.
        let newest = &held.last().unwrap().1;
        assert!(newest.members().iter().all(|member| member.goes_on_from.is_none()));
        check_brings(home, &held, newest).unwrap();
    }

    /// Moved once with what it had spent, and again before it ran: its log says nothing of that, and nobody goes on
    /// with it as if there were nothing.
    #[test]
    fn a_member_that_moved_and_never_ran_does_not_move_on_afresh() {
        let root = tempfile::tempdir().unwrap();
        let home = &never_ran(root.path())[0];
        let held = home.charters().unwrap();
        let newest = &held.last().unwrap().1;
        let mut draft = newest.fields().clone();
        draft.predecessor = Some(Digest([9; 32]));
        let before = NamedKey { name: "old.example/datacoop/1".into(), key: [7; 32] };
        draft.members[1].goes_on_from = Some(before);
        let moved = (String::new(), Arc::new(Charter::admit(draft).unwrap()));
        let error = check_brings(home, &vec![moved.clone()], newest).unwrap_err();
        assert!(error.text.contains(&format!("`{}` was a member", newest.members()[1].id)), "{}", error.text);
        assert!(error.hint.unwrap().contains("run that node once"));
        // Whichever version lists it so.
        check_brings(home, &vec![moved, held[0].clone()], newest).unwrap_err();
        let mut draft = newest.fields().clone();
        draft.predecessor = Some(Digest([9; 32]));
        let own = newest.members()[1].keys.log.clone();
        draft.members[1].keys.log = NamedKey { name: "new.example/datacoop/1".into(), key: [8; 32] };
        draft.members[1].goes_on_from = Some(own);
        check_brings(home, &held, &Charter::admit(draft).unwrap()).unwrap();
    }

    /// Cut off between leaving and taking the other's charter: set-up goes on, and takes no other.
    #[test]
    fn joining_in_the_browser_goes_on_with_a_move_that_was_cut_off_and_with_no_other() {
        let root = tempfile::tempdir().unwrap();
        let home = &never_ran(root.path())[0];
        let note = std::fs::read_to_string(home.join("charter/1.note")).unwrap();
        let id = home.charter().unwrap().unwrap().1.id();
        let words = Words::parse(&pairs(&id).join(" ")).unwrap();
        let gone = |charter| GoneOn {
            predecessor: Digest([1; 32]),
            charter,
            head: Checkpoint { origin: "a.example/datacoop/1".into(), size: 7, root: Digest([3; 32]) },
        };
        home.go_on(&gone(Digest([2; 32])), &Ledger::default()).unwrap();
        let error = may_join(home, std::slice::from_ref(&note), &words).unwrap_err();
        assert!(error.text.contains("has left its co-operative for another"), "{}", error.text);
        assert!(join_checked(home, std::slice::from_ref(&note), &words).is_err());
        assert!(home.charter().unwrap().is_none());
        home.go_on(&gone(id), &Ledger::default()).unwrap();
        // As a crash leaves it: not all was put aside.
        std::fs::remove_dir_all(home.put_aside(&Digest([1; 32])).join("journal")).unwrap();
        std::fs::write(home.join("journal/00000001"), "old").unwrap();
        may_join(home, std::slice::from_ref(&note), &words).unwrap();
        join_checked(home, &[note], &words).unwrap();
        assert!(home.charter().unwrap().is_some() && !home.join("journal/00000001").exists());
        // It cannot go on from there before it ran, and is told what to do.
        let (config, held) = (home.config().unwrap(), home.charter().unwrap().unwrap().1);
        let leaving = leaves(home, &config, &held, Digest([4; 32])).err().unwrap();
        let card = card(home, &config, &id.to_string(), &[]).err().unwrap();
        for error in [leaving, card] {
            assert!(error.text.contains("never ran") && error.hint.unwrap().contains("run that node once"));
        }
    }
}
