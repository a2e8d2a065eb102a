//! Delegations: what the command line wants turned into an act, and those that members gave as JSON.

use datacoop_policy::charter::Charter;
use datacoop_policy::delegation::{DELEGATION_MAX, Delegation};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::{Day, MemberId, PrivacyLoss, Span, Time};
use datacoop_protocol::acts::Act;
use datacoop_protocol::acts::delegations::limits_value;
use datacoop_protocol::entry::Ref;
use datacoop_protocol::fold::Fold;
use datacoop_protocol::member::Member;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::shown::name;
use crate::error::CommandError;
use crate::follow::clock_text;

/// What a member is let ask; lists that are empty narrow nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// Register number of the member that may ask.
    pub member: String,
    /// The last day.
    pub until: String,
    /// Purposes it may ask for.
    pub purposes: Vec<String>,
    /// Questions it may ask.
    pub questions: Vec<String>,
    /// Datasets it may ask about.
    pub datasets: Vec<String>,
    /// Most one question may cost, in billionths of rho.
    pub rho_query: Option<u64>,
    /// Most cells of one answer.
    pub max_cells: Option<u32>,
}

impl Wanted {
    /// The act. Errors: no member id or day, or a purpose or dataset that the charter lacks: a mistyped id would
    /// let nothing be asked.
    pub fn act(&self, charter: &Charter, now: Time) -> Result<Act, CommandError> {
        let audience: MemberId = self
            .member
            .parse()
            .map_err(|error| CommandError::usage(error).hint("`datacoop charter show` lists members"))?;
        let fields = charter.fields();
        let purposes: Vec<&str> = fields.purposes.iter().map(|purpose| purpose.id.as_str()).collect();
        let datasets: Vec<&str> = fields.datasets.iter().map(|dataset| dataset.id.as_str()).collect();
        let mut limits = Limits {
            purposes: narrowed("purpose", &self.purposes, Some(&purposes))?,
            questions: narrowed("question", &self.questions, None)?,
            datasets: narrowed("dataset", &self.datasets, Some(&datasets))?,
            ..Limits::top()
        };
        if let Some(nano) = self.rho_query {
            limits.rho_query = PrivacyLoss::from_nano(nano);
        }
        if let Some(cells) = self.max_cells {
            limits.max_cells = cells;
        }
        let until = end_of(&self.until, now)?;
        Ok(Act::Delegation { audience, limits: Box::new(limits), until, charter: charter.hash() })
    }
}

fn narrowed(what: &str, named: &[String], known: Option<&[&str]>) -> Result<Set, CommandError> {
    if named.is_empty() {
        return Ok(Set::all());
    }
    let stranger = known.and_then(|known| named.iter().find(|name| !known.contains(&name.as_str())));
    match (stranger, known) {
        (Some(stranger), Some(known)) => {
            let text = format!("the charter has no {what} `{}`", stranger.escape_debug());
            Err(CommandError::usage(text).hint(&format!("it has: {}", known.join(", "))))
        }
        (Some(_) | None, _) => Ok(Set::only(named.iter().cloned())),
    }
}

/// The last second of a day, or that of the longest delegation where it falls on that day.
fn end_of(day: &str, now: Time) -> Result<Time, CommandError> {
    let last = now + DELEGATION_MAX;
    let usage = |text: String| Err(CommandError::usage(text));
    let Some(until) = Day::parse(day) else {
        return usage(match day.is_empty() {
            true => "choose its last day".to_owned(),
            false => format!("`{}` is no day such as 2027-01-31", day.escape_debug()),
        });
    };
    if until < now.day() || until > last.day() {
        let (first, most) = (now.day(), last.day());
        return usage(format!(
            "--until {until}: a delegation ends within 30 days, so from {first} to {most}"
        ));
    }
    let end = Time((until.start() + Span(86_400_000)).0.saturating_sub(1_000));
    Ok(Time::from_seconds(end.min(last).seconds()))
}

/// Why nothing is asked under a delegation now; `None` if something may be.
fn closed(fold: &Fold, me: &MemberId, held: &Delegation, now: Time) -> Option<String> {
    if held.revoked {
        return Some(format!("taken back by {}", name(fold, &held.by)));
    }
    if now > held.until {
        return Some(format!("ended on {}", clock_text(held.until)));
    }
    held.check(fold.charter_at(me, now)).err()
}

fn one_json(fold: &Fold, me: &MemberId, at: &Ref, held: &Delegation, now: Time) -> Value {
    let asked = fold.rounds().values().filter(|round| {
        let cited = round.asked().and_then(|asked| asked.body.delegation.as_ref());
        cited == Some(at)
    });
    let limits: Value = serde_json::from_slice(&limits_value(&held.limits).to_bytes()).unwrap_or_default();
    let closed = closed(fold, me, held, now);
    json!({
        "id": at.leaf.to_string(),
        "log": at.log,
        "index": at.index,
        "by": held.by.to_string(),
        "by_name": name(fold, &held.by),
        "member": held.audience.to_string(),
        "name": name(fold, &held.audience),
        "given": clock_text(held.at),
        "until": clock_text(held.until),
        "charter": fold.charter_named(&held.charter).map(|charter| charter.version()),
        "limits": limits,
        "open": closed.is_none(),
        "why_closed": closed,
        "asked": asked.map(|round| round.id.to_string()).collect::<Vec<_>>(),
    })
}

/// All delegations that members gave, those that hold first, then by their end, the last first.
pub fn all_json(member: &Member, now: Time) -> Value {
    let (fold, me) = (member.fold(), member.me());
    let mut all: Vec<(bool, Time, Value)> = fold
        .acts()
        .delegations()
        .map(|(at, held)| {
            let json = one_json(fold, me, at, &held, now);
            (json["open"] == true, held.until, json)
        })
        .collect();
    all.sort_by_key(|(open, until, _)| std::cmp::Reverse((*open, *until)));
    let all: Vec<Value> = all.into_iter().map(|(.., json)| json).collect();
    json!({ "schema": "datacoop.delegations/1", "member": me.to_string(), "delegations": all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_to_its_last_second_and_a_month_to_the_second() {
        let now = Day::parse("2026-09-01").map(|day| day.start() + Span(36_000_500)).unwrap();
        let ends = |day: &str| end_of(day, now).map(|until| until.seconds() - now.seconds());
        assert_eq!(ends("2026-09-01").unwrap(), 14 * 3_600 - 1);
        assert_eq!(ends("2026-09-30").unwrap(), (29 * 24 + 14) * 3_600 - 1);
        assert_eq!(ends("2026-10-01").unwrap(), 30 * 24 * 3_600, "no longer than thirty days");
        for bad in ["2026-08-31", "2026-10-02", "soon", ""] {
            assert!(ends(bad).is_err(), "{bad}");
        }
        assert!(ends("2026-10-02").unwrap_err().text.contains("from 2026-09-01 to 2026-10-01"));
    }
}
