//! What a Release says, for people to read: worked out again by whoever checks it, and compared.

use datacoop_policy::charter::{Charter, deceives};
use datacoop_policy::derive::{FigureCell, FigureValue, Status};

use crate::entry::Body;
use crate::release::figures;
use crate::rounds::{Plan, Round};

/// The delta at which a loss is read as an epsilon. A certificate holds rho and delta: what they come to for
/// a person is shown beside it, as the reading may be improved and a certificate is for ever.
pub const DELTA_TEXT: &str = "1e-6";

/// The summary of a round's Release; `None` while it has none.
pub(super) fn summary(charter: &Charter, round: &Round) -> Option<String> {
    let (plan, asked) = (round.plan()?, round.asked()?);
    let (logged, sums) = round.released()?;
    let Body::Release { sums: told, .. } = &logged.body else { return None };
    let (query, fields) = (&plan.query, charter.fields());
    let question = query.question.question();
    let demo = if fields.demo { " (a demo: its members are made up)" } else { "" };
    let purpose = charter.purpose(&query.purpose)?;
    let mut lines = vec![
        ("release of", format!("{}{demo}", fields.name)),
        ("charter", format!("{} version {}", charter.hash(), charter.version())),
        ("query", round.id.to_string()),
        ("question", question.title().to_owned()),
        (
            "defined by",
            format!(
                "{} version {}, SHA-256 {}",
                question.id(),
                question.draft().version,
                query.question_hash
            ),
        ),
    ];
    let params = query.question.params().iter().map(|(name, value)| format!("{name}={value}"));
    lines.extend(params.map(|param| ("parameter", param)));
    lines.extend([
        ("period", query.period().to_string()),
        ("data", format!("{}, vocabulary {}", query.account.dataset, question.vocabulary().name())),
        ("purpose", format!("{}: {}. {}", purpose.id, purpose.title, purpose.plain)),
        (
            "asked by",
            format!("{}, {}, on {}", query.asker, charter.member(&query.asker)?.name, asked.time.day()),
        ),
        ("why", asked.body.lay.why.clone()),
        ("who benefits", asked.body.lay.benefits.clone()),
        ("who pays", asked.body.lay.pays.clone()),
    ]);
    let old = asked.body.supersedes.iter();
    lines.extend(
        old.map(|old| ("supersedes", format!("the release of query {}: {}", old.query, old.because))),
    );
    lines.extend([
        ("roster", roster(charter, plan, sums.accepted.len())),
        ("privacy loss", format!("rho {} for each person, at delta {DELTA_TEXT}", query.loss)),
        ("noise", noise(plan)),
        ("sums", told.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
    ]);
    let cells = figures(plan, &sums).cells;
    lines.extend(cells.iter().flat_map(|cell| cell.figures.iter().map(|f| ("figure", figure(cell, f)))));
    lines.extend(question.draft().cannot_tell.iter().map(|text| ("cannot tell", text.clone())));
    lines.extend(query.question.clips().into_iter().map(|text| ("cut off", text)));
    let licence = purpose.licence;
    lines.push(("licence", format!("{}, SHA-256 {}", licence.code(), licence.sha256())));
    let lock = [&fields.asset_lock.clause, &fields.asset_lock.stricter];
    let lock = lock.into_iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty());
    lines.extend(lock.map(|line| ("asset lock", line.to_owned())));
    Some(lines.into_iter().map(|(name, text)| format!("{name}: {}\n", one_line(&text))).collect())
}

/// Texts of others make no line of their own, turn none round, and have no gap wide enough to look as if they
/// did where a screen wraps.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ' ' if out.ends_with(' ') => {}
            ' ' => out.push(' '),
            _ if deceives(c) || c.is_whitespace() => out.extend(c.escape_default()),
            _ => out.push(c),
        }
    }
    out
}

fn roster(charter: &Charter, plan: &Plan, accepted: usize) -> String {
    format!(
        "{} members of {} bodies, {accepted} of them in the sums; {}, {} seats",
        plan.members.len(),
        charter.bodies(&plan.members).len(),
        plan.query.mode.code(),
        plan.committee.len()
    )
}

fn noise(plan: &Plan) -> String {
    format!(
        "at least {} shares, each with a standard deviation of {}/256 steps, a step cut in 2^{}",
        plan.terms.honest, plan.noise.noise_std, plan.noise.doublings
    )
}

fn figure(cell: &FigureCell, figure: &FigureValue) -> String {
    let key: Vec<String> = cell.key.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let key = if key.is_empty() { "all".to_owned() } else { key.join(" ") };
    let FigureValue { name, value, low, high, noise, chance, chance_assumed, status, unrounded: _ } = figure;
    if *status == Status::Suppressed {
        return format!("{key}, {name}: suppressed, too few or too noisy");
    }
    let assumed = if *chance_assumed { " (assumed)" } else { "" };
    let chance = chance.as_ref().map_or_else(String::new, |chance| format!(", chance {chance}{assumed}"));
    format!("{key}, {name}: {value}, likely range (95 %) {low} to {high}, noise {noise}{chance}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_others_stays_on_its_line() {
        assert_eq!(
            one_line("a\nfigure: 1\u{2028}b\u{a0}c\u{202e}d\t"),
            "a\\nfigure: 1\\u{2028}b\\u{a0}c\\u{202e}d\\t"
        );
        assert_eq!(one_line("a          figure: 1"), "a figure: 1");
    }
}
