//! Steps 5 and 6 of the assessment: what can go wrong, what is done against it, and what is left. The list
//! of what nothing here protects against is told in full: source SECURITY.md section 1, DESIGN.md section 10.

use super::dpia::{SCHOOL_YEARS, SIBLINGS};
use super::facts::Facts;
use super::words::{DPO, fill, loss_words};
use crate::html::{list, table, text};
use crate::loss::{Reading, repeated, together};

/// A risk as we judge it, for people to judge again.
struct Risk {
    what: String,
    likelihood: &'static str,
    severity: &'static str,
    overall: &'static str,
    measures: String,
    left: String,
}

pub(super) fn step_5(facts: &Facts<'_>) -> String {
    let mut out = String::from(
        "<h2>Step 5: risks</h2>\n<p>Likelihood is remote, possible or probable; severity is minimal, significant or severe. The values are a proposal, before the measures of step 6.</p>\n",
    );
    let rows = risks(facts).into_iter().map(|risk| {
        vec![text(&risk.what), risk.likelihood.into(), risk.severity.into(), risk.overall.into()]
    });
    out += &table("Risks to people", &["Risk", "Likelihood", "Severity", "Overall"], rows);
    out + &format!("<p>{}</p>\n", fill(DPO, "whether these values are right here, and risks of our own"))
}

pub(super) fn step_6(facts: &Facts<'_>) -> String {
    let mut out = String::from("<h2>Step 6: measures</h2>\n");
    let rows = risks(facts).into_iter().map(|risk| {
        vec![
            text(&risk.what),
            text(&risk.measures),
            text(&risk.left),
            fill(DPO, "low, medium or high; approved?"),
        ]
    });
    out += &table(
        "What is done, and what is left",
        &["Risk", "Measures", "What is left", "Remaining risk"],
        rows,
    );
    out += "<h3>What none of this protects against</h3>\n";
    let unprotected = unprotected(facts);
    out += &list(unprotected.iter().map(String::as_str));
    out
}

fn risks(facts: &Facts<'_>) -> Vec<Risk> {
    let (words, limits) = (facts.words, facts.bounds());
    let year = Reading::of(limits.rho_year);
    let fields = facts.source.charter.fields();
    vec![
        Risk {
            what: format!("Somebody learns about one {} from the results, alone or with other facts.", words.person),
            likelihood: "possible",
            severity: "significant",
            overall: "medium",
            measures: format!(
                "Noise on every number; what one {} can add is cut; all questions about a set of data draw on one yearly limit, whoever asks: {}. Groups come from closed lists.",
                words.person,
                loss_words(year)
            ),
            left: "A bounded loss, never zero. It adds up over the years.".into(),
        },
        Risk {
            what: format!("Another member or an outsider sees our records, or our exact figures about a few {}.", words.people),
            likelihood: "possible",
            severity: "severe",
            overall: "high",
            measures: format!(
                "No message can carry a record. Sums are over at least {} members of at least {} bodies. Shares are encrypted for those who add up.{}",
                limits.min_roster,
                limits.min_bodies,
                if facts.shows_noised() { " In rounds without shares, other members see our figures with all the noise on them." } else { "" }
            ),
            left: "See below: what is left if others work together.".into(),
        },
        Risk {
            what: "Members that answered subtract themselves, or compare two results over different members.".into(),
            likelihood: "possible",
            severity: "significant",
            overall: "medium",
            measures: format!(
                "Noise is sized so that it is enough while up to {} percent of the members in a sum work together. Results whose members differ must set at least {} bodies apart. The same question over the same days gets the same stored answer.",
                fields.assumed.colluding_percent, limits.min_step
            ),
            left: "A group of friends can learn the sum of the rest.".into(),
        },
        Risk {
            what: "Results are used against a child, a group, or a school; ranked or sold.".into(),
            likelihood: "possible",
            severity: "significant",
            overall: "medium",
            measures: "Purposes are closed and say what is ruled out. All members get the same results at once, so none is worth buying. The asset lock and the licences forbid sale, ranking and looking for one person.".into(),
            left: "After release only contract and law hold, not the program.".into(),
        },
        Risk {
            what: "The computer or its backup is stolen, or used by somebody who may not.".into(),
            likelihood: "possible",
            severity: "severe",
            overall: "high",
            measures: "Files of the node can be read by its owner alone. Other members keep copies of our log, so that a rolled-back copy is noticed and answers nothing.".into(),
            left: "The records are a copy of what we hold anyway. Encrypt the disk; lock the room.".into(),
        },
        Risk {
            what: "Somebody who objects is counted, or cannot object.".into(),
            likelihood: "possible",
            severity: "minimal",
            overall: "low",
            measures: "The list of who objects is applied before anything is computed. It stays here, and so does its length. The letter has a slip.".into(),
            left: "A number that is typed wrongly: the program warns if no record has it.".into(),
        },
        Risk {
            what: "A wrong figure misleads a decision.".into(),
            likelihood: "possible",
            severity: "minimal",
            overall: "low",
            measures: "Every figure has a likely range; too small or too doubtful ones are not shown. What the question cannot tell is written beside it.".into(),
            left: "A member that imports wrong data, or lies within what is possible.".into(),
        },
    ]
}

/// The threat statement, with the figures of this charter.
fn unprotected(facts: &Facts<'_>) -> Vec<String> {
    let (words, limits) = (facts.words, facts.bounds());
    let assumed = facts.source.charter.fields().assumed;
    let year = limits.rho_year;
    let mut all = vec![format!(
        "More than {} percent of the members in a sum working together: the noise that is left thins out.",
        assumed.colluding_percent
    )];
    if let Some((meaning, terms)) = facts.largest_round() {
        all.push(format!(
            "All {} members that add up a sum of {} members working together, or everyone but us: only our own noise is left, and a question at its limit then costs {}.",
            terms.committee,
            terms.n,
            loss_words(meaning.own_noise)
        ));
    }
    all.extend([
        "A member that lies within the range its figures may have.".to_owned(),
        format!("What results over different members tell about one of them, beyond groups of {} bodies. {} stay protected.", limits.min_step, if words.is_school { "Pupils" } else { "People" }),
        format!("Somebody who can see the records here, at the {}.", words.organisation),
        "What somebody does with a published result: that is for contract and law.".to_owned(),
        format!("Those who share secrets: the limit of a year allows for two of one family {}.", loss_words(together(year, SIBLINGS))),
        format!("Several years: {SCHOOL_YEARS} at their limit come to {}.", loss_words(repeated(year, SCHOOL_YEARS))),
        format!("A {} who is in the records of two members that answer: the limit of a year then allows {}.", words.person, loss_words(together(year, 2))),
        "Members see who asked what, by design. An observer of the network sees who talks to whom, and when.".to_owned(),
        "Whoever rents us a computer and can read its memory.".to_owned(),
        "Whoever makes the program: its code is above every charter. It is open, so that others can check it.".to_owned(),
        "A court or an authority that may order our own records.".to_owned(),
        "Quantum computers, against signatures and connections. Shares are also encrypted by a method that is meant to withstand them.".to_owned(),
    ]);
    all
}
