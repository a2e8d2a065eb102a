//! README's tables of what a loss means, from the module that every page and command reads it from.

use datacoop::loss::{Meaning, Reading, YEAR_DEFAULT, repeated, together};
use datacoop_policy::PrivacyLoss;
use datacoop_policy::limits::{FLOOR_RHO_QUERY, FLOOR_RHO_YEAR};
use datacoop_policy::query::{Assumptions, Mode, SECURE_ROSTER_MIN, Terms};

/// The line before the tables.
pub const BEGIN: &str =
    "<!-- numbers: begin; made by datacoop_tests::numbers, compared by the test `arithmetic` -->";
/// The line after them.
pub const END: &str = "<!-- numbers: end -->";
/// What most questions of the catalogue cost.
const QUESTION: PrivacyLoss = PrivacyLoss::from_nano(5_000_000);
/// Weeks of a school year.
const WEEKS: u32 = 39;
/// Roster sizes that are shown.
const MEMBERS: [usize; 7] = [3, 4, 5, 12, 20, 65, 200];

fn short(loss: PrivacyLoss) -> String {
    loss.to_string().trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn row(what: &str, reading: Reading) -> String {
    let (rho, epsilon, factor) = (short(reading.loss), reading.epsilon_text(), reading.factor_text());
    format!("| {what} | {rho} | {epsilon} | {factor} |\n")
}

fn of_one_person() -> String {
    let mut text = "| what one person loses | rho | epsilon at delta 1e-6 | at most so many times as likely |\n| --- | --- | --- | --- |\n".to_owned();
    let rows = [
        ("one question, as most of the catalogue", Reading::of(QUESTION)),
        ("the same once a year for five years, about what does not change", repeated(QUESTION, 5)),
        ("one such question in every school week of a year", repeated(QUESTION, WEEKS)),
        ("the dearest question any charter can allow", Reading::of(FLOOR_RHO_QUERY)),
        ("a year, unless the charter says otherwise", Reading::of(YEAR_DEFAULT)),
        ("the dearest year any charter can allow", Reading::of(FLOOR_RHO_YEAR)),
        ("five default years, as year 7 to year 11", repeated(YEAR_DEFAULT, 5)),
        ("thirteen default years, as reception to year 12", repeated(YEAR_DEFAULT, 13)),
    ];
    rows.into_iter().for_each(|(what, reading)| text += &row(what, reading));
    text
}

fn of_several() -> String {
    let mut text = "| who stands or falls together, in one question | rho | epsilon at delta 1e-6 | at most so many times as likely |\n| --- | --- | --- | --- |\n".to_owned();
    let rows = [
        ("one person at one member", 1),
        ("two siblings, or one person known to 2 members", 2),
        ("three siblings, or one person known to 3 members", 3),
        ("a class of 30", 30),
    ];
    rows.into_iter().for_each(|(what, people)| text += &row(what, together(QUESTION, people)));
    text
}

fn of_members() -> String {
    let mut text = String::from(
        "| members | may collude, f | may vanish, d | honest shares, m | committee, k | noise against one trusted curator | if all others or the whole committee cheat: one question | and a default year |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for n in MEMBERS {
        let mode = if n >= SECURE_ROSTER_MIN as usize { Mode::Secure } else { Mode::FullNoise };
        let terms = Terms::new(n, mode, Assumptions::FLOOR).expect("every size shown has terms");
        let seats =
            if mode == Mode::Secure { terms.committee.to_string() } else { "none: full noise".into() };
        let meaning = |loss| {
            let own = Meaning::new(loss, mode, &terms).own_noise;
            let factor = own.factor().map_or_else(String::new, |_| format!(", {} times", own.factor_text()));
            format!("rho {}, epsilon {}{factor}", short(own.loss), own.epsilon_text())
        };
        let noise = (n as f64 / f64::from(terms.honest)).sqrt();
        text += &format!(
            "| {n} | {} | {} | {} | {seats} | {noise:.2} | {} | {} |\n",
            terms.colluding,
            terms.missing,
            terms.honest,
            meaning(QUESTION),
            meaning(YEAR_DEFAULT)
        );
    }
    text
}

/// The block as it stands in README, markers included.
pub fn block() -> String {
    format!("{BEGIN}\n\n{}\n{}\n{}\n{END}\n", of_one_person(), of_several(), of_members())
}

/// The block of a README, markers included; `None` where a marker is missing.
pub fn block_of(readme: &str) -> Option<&str> {
    let begin = readme.find(BEGIN)?;
    let end = begin + readme[begin..].find(END)? + END.len() + 1;
    readme.get(begin..end)
}
