//! What a loss means, for people: of a round, of a log, of the Releases in an audit.

use datacoop_protocol::fold::Fold;
use datacoop_protocol::standing::superseded_by;
use serde_json::{Value, json};

use super::show::plain;
use crate::loss::{Reading, Spent};
use crate::view::meaning;

/// A loss as people read it, from its JSON.
pub(super) fn loss_text(loss: &Value) -> String {
    let rho = loss["rho"].as_str().unwrap_or("");
    let short = if rho.contains('.') { rho.trim_end_matches('0').trim_end_matches('.') } else { rho };
    format!("rho {} (epsilon {})", plain(short), plain(loss["epsilon"].as_str().unwrap_or("")))
}

/// A loss as the most it can change, from its JSON.
pub(crate) fn factor_text(loss: &Value) -> String {
    match loss["factor"].as_str() {
        Some(factor) => format!("{} times", plain(factor)),
        None => "over a million times".to_owned(),
    }
}

/// What a round's loss means for a person, from its JSON: while as many are honest as it assumes, when they
/// are not, and where the person is at several members.
pub(crate) fn meaning_text(loss: &Value) -> String {
    let mut text = format!(
        "Privacy loss for each person: {}. Whatever anybody learns from this\nanswer is at most {} as likely as if that person's record had been left out, save with chance {}.\n",
        loss_text(loss),
        factor_text(loss),
        plain(loss["delta"].as_str().unwrap_or(""))
    );
    text += &format!("{}\n", own_noise_text(loss));
    let known: Vec<String> = loss["known_to"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|known| format!("of {}: {}, at most {}", known["members"], loss_text(known), factor_text(known)))
        .collect();
    if !known.is_empty() {
        text += &format!("A person in the records of several members loses more:\n{}.\n", known.join("; "));
    }
    text
}

fn own_noise_text(loss: &Value) -> String {
    let own = &loss["own_noise"];
    if own["committee"] != true {
        return "The same holds if everyone else colludes: each member added all of the noise itself.".into();
    }
    format!(
        "If everyone else colludes, or the whole committee, a member's own noise still holds it to\n{}, {}.",
        loss_text(own),
        factor_text(own)
    )
}

/// What a log spent, a line an account, and the years together where there are several.
pub(super) fn spent_text(spent: &Spent) -> String {
    if spent.accounts.is_empty() {
        return "SPENT nothing\n".into();
    }
    let mut text = String::new();
    for account in &spent.accounts {
        let debits = if account.debits == 1 { "debit" } else { "debits" };
        let own = match account.unknown {
            0 => format!("had all others colluded: {}", loss_text(&account.own_noise.json())),
            _ => "more had all others colluded; how much follows from the askers' logs".to_owned(),
        };
        text += &format!(
            "SPENT {:<16} {}, in {} {debits}\n                       {own}\n",
            account.account.to_string(),
            reading_text(&account.spent),
            account.debits,
        );
    }
    for sum in spent.years.iter().filter(|sum| sum.years > 1) {
        text += &format!(
            "SPENT {:<16} {}, for a person there in all {} years\n",
            sum.dataset,
            reading_text(&sum.spent),
            sum.years
        );
    }
    text
}

fn reading_text(reading: &Reading) -> String {
    let json = reading.json();
    format!("{}, at most {} as likely", loss_text(&json), factor_text(&json))
}

/// Every Release in these logs with what it means, for programs.
pub(crate) fn releases_json(fold: &Fold) -> Value {
    let released = fold.rounds().values().filter_map(|round| {
        let (plan, (_, sums)) = (round.plan()?, round.released()?);
        Some(json!({
            "query": round.id.to_string(),
            "title": plan.query.question.question().title(),
            "period": plan.query.period().to_string(),
            "account": plan.query.account.to_string(),
            "accepted": sums.accepted.len(),
            "roster": plan.members.len(),
            "loss": meaning(plan),
            "superseded_by": superseded_by(fold, round).map(|id| id.to_string()),
        }))
    });
    released.collect()
}

/// Every Release in these logs with what it means.
pub(super) fn releases_text(fold: &Fold) -> String {
    let mut text = String::new();
    for release in releases_json(fold).as_array().into_iter().flatten() {
        let words = |field: &str| plain(release[field].as_str().unwrap_or(""));
        text += &format!(
            "RELEASE {}  {}, {}, {} of {} members in the sum{}\n{}\n",
            words("query").get(..8).unwrap_or(""),
            words("title"),
            words("period"),
            release["accepted"],
            release["roster"],
            words("superseded_by").get(..8).map_or_else(String::new, |by| format!(", superseded by {by}")),
            meaning_text(&release["loss"])
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use datacoop_policy::{AcademicYear, PrivacyLoss};

    use super::*;
    use crate::loss::{AccountSpent, account, years};

    #[test]
    fn several_years_are_added_up_and_what_cannot_be_known_is_not_guessed() {
        let of = |year, nano, unknown| AccountSpent {
            account: account("pupils", AcademicYear(year)),
            debits: 2,
            spent: Reading::of(PrivacyLoss::from_nano(nano)),
            own_noise: Reading::of(PrivacyLoss::from_nano(4 * nano)),
            unknown,
        };
        let accounts = vec![of(2025, 250_000_000, 0), of(2026, 5_000_000, 1)];
        let years = years(accounts.iter().map(|spent| (&spent.account, spent.spent.loss)));
        let text = spent_text(&Spent { accounts, years });
        assert!(text.contains("had all others colluded: rho 1 (epsilon 7.80)"), "{text}");
        assert!(text.contains("more had all others colluded; how much follows"), "{text}");
        assert!(text.contains("pupils           rho 0.255 (epsilon 3.59), at most 36.3 times as likely, for a person there in all 2 years"), "{text}");
        assert_eq!(spent_text(&Spent::default()), "SPENT nothing\n");
    }
}
