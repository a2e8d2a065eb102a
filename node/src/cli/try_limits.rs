//! `datacoop charter try`: what another `limits.toml` would have said to the questions this node decided.
//! Reads the journal and the file; writes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use datacoop_policy::refusal::Refusal;
use datacoop_protocol::charter_text::parse_limits;
use datacoop_protocol::hindsight::{Hindsight, Judged};
use datacoop_protocol::rounds::{Kind, Logged, Round};
use serde_json::{Value, json};

use super::demo::read;
use super::node::home_of;
use super::show::plain;
use super::why::{Seen, refused_by, short, title};
use super::{Common, Printed};
use crate::error::CommandError;

#[derive(Args)]
pub(super) struct TryArgs {
    /// A file of limits, as limits.toml would be
    file: PathBuf,
}

/// How a decision under the file differs from the one that was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    NowRefused,
    NowAccepted,
    Same,
    /// What the node knew then is not in its journal.
    Unknown,
}

impl Change {
    fn code(self) -> &'static str {
        match self {
            Self::NowRefused => "now_refused",
            Self::NowAccepted => "now_accepted",
            Self::Same => "same",
            Self::Unknown => "unknown",
        }
    }
}

/// One question: what was decided, and what would be.
struct Tried<'a> {
    round: &'a Round,
    /// The rule and layer of a refusal that stands in the log.
    was: Option<(String, String)>,
    would: Option<Refusal>,
    /// Whether it would be refused only once the Roster was known.
    with_roster: bool,
    change: Change,
}

/// Compares; `None` where this node decided nothing about a question.
fn tried<'a>(seen: &'a Seen, round: &'a Round) -> Option<Tried<'a>> {
    let logged: &Logged = round.said(Kind::Verdict, &seen.me)?;
    let was = refused_by(&logged.body).map(|(rule, layer)| (plain(rule), plain(layer)));
    let nothing = Hindsight::default();
    let then = seen.decided.get(&round.id).unwrap_or(&nothing);
    let refused =
        |judged: &Option<Judged>| judged.as_ref().and_then(|judged| judged.said.as_ref().err()).cloned();
    // With the Roster only what was debited is compared: a member that declined then wrote no reason.
    let debited = round.said(Kind::Debit, &seen.me).is_some();
    let (first, second) = (refused(&then.verdict), refused(&then.debit).filter(|_| debited));
    let with_roster = first.is_none() && second.is_some();
    let would = first.or(second);
    let change = match (&then.verdict, &was, &would) {
        (None, ..) => Change::Unknown,
        (_, None, Some(_)) => Change::NowRefused,
        (_, Some(_), None) => Change::NowAccepted,
        (_, None, None) | (_, Some(_), Some(_)) => Change::Same,
    };
    Some(Tried { round, was, would, with_roster, change })
}

impl Tried<'_> {
    fn asked(&self) -> String {
        self.round.asked().map_or_else(String::new, |asked| asked.time.day().to_string())
    }

    fn would_text(&self) -> String {
        match &self.would {
            None => "accepted".to_owned(),
            Some(no) if self.with_roster => {
                format!("accepted, and then declined with its Roster. {}", no.told())
            }
            Some(no) => no.told(),
        }
    }

    fn text(&self) -> String {
        let was = match &self.was {
            None => "accepted".to_owned(),
            Some((rule, layer)) => format!("refused (rule {rule}, layer {layer})"),
        };
        let would = self.would_text();
        format!(
            "{}  {}  {}\n    was    {was}\n    would  {would}\n",
            short(self.round),
            self.asked(),
            title(self.round)
        )
    }

    fn json(&self) -> Value {
        json!({
            "query": self.round.id.to_string(),
            "asked": self.asked(),
            "title": title(self.round),
            "change": self.change.code(),
            "was": { "decision": if self.was.is_some() { "refused" } else { "accepted" },
                     "rule": self.was.as_ref().map(|(rule, _)| rule), "layer": self.was.as_ref().map(|(_, layer)| layer) },
            "would": { "decision": if self.would.is_some() { "refused" } else { "accepted" },
                       "rule": self.would.as_ref().map(|no| no.rule.code()),
                       "layer": self.would.as_ref().map(|no| no.layer.code()),
                       "with_roster": self.with_roster,
                       "text": self.would_text() },
        })
    }
}

/// The difference in a sentence or two.
fn head_text(all: &[Tried<'_>]) -> String {
    let of = |change: Change| all.iter().filter(|one| one.change == change).collect::<Vec<_>>();
    let (refused, accepted) = (of(Change::NowRefused), of(Change::NowAccepted));
    let all_of = |n: usize| format!("{n} of {} question{}", all.len(), if all.len() == 1 { "" } else { "s" });
    let mut text = String::new();
    if !refused.is_empty() {
        let mut by_rule: BTreeMap<&str, usize> = BTreeMap::new();
        for rule in refused.iter().filter_map(|one| one.would.as_ref()) {
            *by_rule.entry(rule.rule.code()).or_default() += 1;
        }
        let rules: Vec<String> = by_rule.iter().map(|(rule, n)| format!("{n} by {rule}")).collect();
        text += &format!("{} would now be refused: {}.\n", all_of(refused.len()), rules.join(", "));
    }
    if !accepted.is_empty() {
        text += &format!("{} would now be accepted.\n", all_of(accepted.len()));
    }
    if text.is_empty() {
        text = format!("No difference: {} decided as before.\n", all_of(of(Change::Same).len()));
    }
    let unknown = of(Change::Unknown).len();
    if unknown > 0 {
        text += &format!(
            "Of {} it cannot be told: this node's log was recovered from others.\n",
            all_of(unknown)
        );
    }
    text
}

pub(super) fn try_limits(common: &Common, args: &TryArgs) -> Result<Printed, CommandError> {
    let home = home_of(common)?;
    let limits = parse_limits(&read(&args.file)?)
        .map_err(|error| CommandError::usage(format!("{}: {error}", args.file.display())))?;
    let seen = Seen::read(&home, Some(&limits))?;
    let mut all: Vec<Tried<'_>> =
        seen.fold.rounds().values().filter_map(|round| tried(&seen, round)).collect();
    all.sort_by_key(|one| one.round.asked().map(|asked| asked.time));
    let count = |change: Change| all.iter().filter(|one| one.change == change).count();
    let json = json!({
        "schema": "datacoop.try/1",
        "demo": seen.charter.fields().demo,
        "questions": all.len(),
        "now_refused": count(Change::NowRefused),
        "now_accepted": count(Change::NowAccepted),
        "unknown": count(Change::Unknown),
        "queries": all.iter().map(Tried::json).collect::<Vec<_>>(),
    });
    if all.is_empty() {
        let text =
            "This node has decided about no question yet, so there is nothing to compare.\n".to_owned();
        return Ok(Printed::new(json, text));
    }
    let mut text = head_text(&all);
    for one in all.iter().filter(|one| matches!(one.change, Change::NowRefused | Change::NowAccepted)) {
        text += &format!("\n{}", one.text());
    }
    text += "\nEach is judged by what this node knew and had spent at the time, not by what it would have spent\nunder this file. Nothing was written; to use the file, put it in place of limits.toml and start the\nnode again.\n";
    Ok(Printed::new(json, text))
}
