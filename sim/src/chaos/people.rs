//! What people do beside asking, made to fit what their own node shows them. Must not know who is on, or honest.

use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::{Day, PrivacyLoss, Time};
use datacoop_protocol::acts::{Act, Done, Outcome, Subject, Target, text_blob};
use datacoop_protocol::entry::Ref;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::member::Member;
use datacoop_protocol::member::port::Input;

use crate::faults::{Deed, Narrowing};

/// Half of what a question may cost in scenarios.
const HALF: u64 = 2_500_000;

/// What a member's person does, if there is something to do it about. `command` names it.
pub(super) fn deed(member: &Member, deed: Deed, now: Time, command: u64) -> Option<Input> {
    let me = member.me();
    let (fold, acts) = (member.fold(), member.fold().acts());
    let salt = sha256(&[me.as_str().as_bytes(), &command.to_le_bytes()]);
    let text = text_blob(&salt.0, deed.name())?;
    let hash = sha256(&[&text]);
    // By time and place, never by a leaf's hash: some hang on shares.
    let newest = |is: &dyn Fn(&Done) -> bool| {
        acts.all().filter(|done| is(done)).max_by_key(|done| (done.time, &done.at.log, done.at.index))
    };
    let asked = |own: bool| {
        let rounds = fold.rounds().values().filter_map(|round| round.asked());
        let fitting = rounds.filter(move |asked| (asked.asker == *me) == own);
        fitting.max_by_key(|asked| (asked.time, &asked.at.log, asked.at.index))
    };
    let act = match deed {
        Deed::Propose => Act::Proposal {
            subject: Subject::Question("how-many".to_owned()),
            draft: sha256(&[&salt.0]),
            text: hash,
            charter: fold.charter_at(me, now).hash(),
            replaces: None,
            reviewers: vec![],
        },
        Deed::Support => {
            let other = newest(&|done| done.by != *me && matches!(done.act, Act::Proposal { .. }))?;
            Act::Cosign { proposal: other.at.clone() }
        }
        Deed::Object => Act::Objection { about: asked(false)?.at.clone(), text: hash },
        Deed::Reply => {
            let own: Ref = asked(true)?.at.clone();
            let is_about = |done: &Done| matches!(&done.act, Act::Objection { about, .. } if *about == own);
            Act::Reply { objection: newest(&is_about)?.at.clone(), text: hash }
        }
        Deed::Report => {
            let released = fold.rounds().values().filter_map(|round| round.released());
            let newest = released.max_by_key(|(logged, _)| (logged.time, &logged.at.log, logged.at.index))?;
            let releases = vec![newest.0.at.clone()];
            Act::Report { purpose: "demo".to_owned(), releases, outcome: Outcome::Learnt, text: hash }
        }
        Deed::Restrict => Act::Restriction { target: Target::Purpose("demo".to_owned()) },
    };
    let text = act.text().map(|_| text);
    Some(Input::Act { command, act: Box::new(act), text })
}

/// A yes or no to the newest question that has not ended.
pub(super) fn decide(member: &Member, yes: bool, command: u64) -> Option<Input> {
    let open = member.fold().rounds().values().filter(|round| round.ending().is_none());
    let asked = open.filter_map(|round| Some((round.asked()?, round.id)));
    let (_, query) = asked.max_by_key(|(asked, _)| (asked.time, asked.at.log.clone(), asked.at.index))?;
    Some(Input::Decide { command, query, yes })
}

/// More members, bodies and days than any scenario has.
const MANY: u32 = 10_000;

/// Limits that allow less; `None` of those that allow nothing. What is no limit changes none.
pub(super) fn narrower(narrowing: Narrowing, now: Time) -> Option<Box<Limits>> {
    let (half, today) = (PrivacyLoss::from_nano(HALF), now.day());
    let top = Limits::top();
    let limits = match narrowing {
        Narrowing::Nothing => return None,
        Narrowing::Loss => Limits { rho_query: half, ..top },
        Narrowing::PurposeLoss => Limits { rho_purpose: half, ..top },
        Narrowing::YearLoss => Limits { rho_year: half, ..top },
        Narrowing::Questions => Limits { questions: Set::none(), ..top },
        Narrowing::Datasets => Limits { datasets: Set::none(), ..top },
        Narrowing::Columns => Limits { columns: Set::none(), ..top },
        Narrowing::Groups => Limits { group_by: Set::none(), ..top },
        Narrowing::Later => Limits { not_before: Day(today.0 + i64::from(MANY)), ..top },
        Narrowing::Earlier => Limits { not_after: Day(today.0 - 1), ..top },
        Narrowing::Cells => Limits { max_cells: 1, ..top },
        Narrowing::Noise => Limits { full_noise: false, ..top },
        Narrowing::Cosigners => Limits { min_cosigners: 1, ..top },
        Narrowing::Roster => Limits { min_roster: MANY, ..top },
        Narrowing::Bodies => Limits { min_bodies: MANY, ..top },
        Narrowing::People => Limits { min_people: 1, ..top },
        Narrowing::Step => Limits { min_step: MANY, ..top },
        Narrowing::Data => top,
    };
    Some(Box::new(limits))
}
