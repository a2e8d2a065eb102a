//! A plan in plain English.

use std::fmt::Write as _;

use datacoop_policy::query::Mode;
use datacoop_policy::{Day, PrivacyLoss, Span};
use datacoop_sim::plan::presence::{at_least, on_by_hour};
use datacoop_sim::plan::upkeep::Upkeep;
use datacoop_sim::plan::windows::{SERVED, Tried};
use datacoop_sim::plan::{loss_for, mode};

use super::{Planned, Priced, Timing};
use crate::loss::in_points;

/// Days that stand for their kind, in the calendar of the runs.
const DAYS: [(&str, &str); 3] =
    [("School days", "2026-11-10"), ("Weekdays in the holidays", "2026-10-28"), ("Weekends", "2026-11-14")];
/// Watts of a small computer that runs day and night: assumed, not measured.
pub(super) const WATTS: f64 = 10.0;

/// Billionths as a decimal without trailing zeros.
pub(super) fn rho(nano: u64) -> String {
    let text = format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// As people and as auditors read it.
pub(super) fn cost(loss: PrivacyLoss) -> String {
    format!("{} (rho {})", in_points(loss), rho(loss.nano()))
}

/// How many machines run in each hour of each kind of day, on average.
pub(super) fn hours_on(planned: &Planned) -> Vec<(&'static str, [f64; 24])> {
    let day = |text: &str| Day::parse(text).expect("INVARIANT: it is a day");
    DAYS.map(|(name, text)| (name, on_by_hour(&planned.crew, day(text), &planned.holidays))).to_vec()
}

/// `1.2 MB`.
pub(super) fn bytes(number: f64) -> String {
    match number {
        n if n >= 1e9 => format!("{:.1} GB", n / 1e9),
        n if n >= 1e6 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.0} kB", n / 1e3),
    }
}

/// `3.2 days`, `20 minutes`, or `a minute`.
pub(super) fn lasts(span: Span) -> String {
    let hours = span.0 as f64 / 3_600_000.0;
    match hours {
        h if h * 60.0 <= 1.0 => "a minute".to_owned(),
        h if h < 1.0 => format!("{:.0} minutes", (h * 60.0).ceil()),
        h if h < 1.5 => "an hour".to_owned(),
        h if h < 36.0 => format!("{h:.0} hours"),
        h => format!("{:.1} days", h / 24.0),
    }
}

fn share(tried: &Tried) -> String {
    format!("{} of {}", tried.released, tried.starts)
}

impl Planned {
    /// A width as part of all people.
    pub fn percent(&self, width: f64) -> f64 {
        100.0 * width / self.plan.people as f64
    }

    /// All of it.
    pub fn text(&self) -> String {
        let mut out = self.exact_text();
        out += &self.spending_text();
        out += &self.questions_text();
        if let Some(timing) = &self.timing {
            out += &self.timing_text(timing);
        }
        out += &self.hours_text();
        if let Some(timing) = &self.timing {
            out += &self.upkeep_text(timing);
        }
        out + &format!(
            "\nFor a charter, or an impact assessment\n{}\n",
            crate::cli::wrapped(&charter_paragraph(self)).trim_end()
        )
    }

    fn exact_text(&self) -> String {
        let (wish, exact) = (&self.wish, &self.plan.exact);
        let mut out = format!(
            "{} members with about {} people each: {} in all.\n\nHow exact\n\
             A count of people over all of them, for {}, is right to within (19 times in 20):\n",
            wish.members,
            wish.people,
            self.plan.people,
            cost(wish.loss)
        );
        for (what, width) in self.ways() {
            let _ = writeln!(out, "  +-{width:6.1} people ({:.2} % of all)   {what}", self.percent(width));
        }
        let draws: Vec<String> = self.draws.iter().map(|draw| (1000 + draw).to_string()).collect();
        let _ = writeln!(
            out,
            "Twenty answers that there might be if the truth were 1000 (noise is added on purpose):"
        );
        for line in draws.chunks(10) {
            let _ = writeln!(out, "  {}", line.join("  "));
        }
        let _ = writeln!(
            out,
            "If everybody else were corrupt and worked together, your own people would lose rho {} by such a question.",
            rho(exact.floor_nano)
        );
        out += &match &self.plan.three_fewer {
            Some(fewer) => format!(
                "If three members leave: +-{:.1} people over the {} that are left{}.\n",
                fewer.secure_sum,
                fewer.members,
                if mode(fewer.members) == Mode::FullNoise {
                    ", who then see each other's noisy counts"
                } else {
                    ""
                }
            ),
            None => "If three members leave, too few are left.\n".to_owned(),
        };
        if mode(wish.members) == Mode::FullNoise {
            out += "You are three or four: each adds all the noise itself, and the others see its noisy count. From five on\nonly sums can be read.\n";
        }
        out + "Noise is not all: small groups vary by chance, more than this, and every figure is shown with both.\n"
    }

    /// What is compared, with the half-width of each.
    pub fn ways(&self) -> [(&'static str, f64); 3] {
        let exact = &self.plan.exact;
        [
            ("with datacoop; rows stay at home", exact.secure_sum),
            ("if one body held everybody's rows", exact.curator),
            ("if each published a noisy count of its own", exact.each_its_own),
        ]
    }

    fn spending_text(&self) -> String {
        let plan = &self.plan;
        let mut out = format!(
            "\nHow many\nIn a year of {}: {} questions of that kind, with a fifth kept for rounds that must be asked again.\n\
             What another exactness of a count costs:\n",
            cost(self.wish.year),
            plan.questions
        );
        let mut prices = plan.prices.clone();
        if let Some(width) = self.wish.within.as_ref().and_then(super::Width::people) {
            prices.retain(|(known, _)| *known != width);
            let usable = plan.year_nano - plan.year_nano / 5;
            let price = loss_for(self.wish.members, width)
                .filter(|nano| *nano <= datacoop_policy::limits::FLOOR_RHO_QUERY.nano());
            prices.push((width, price.map(|nano| (nano, usable / nano.max(1)))));
            prices.sort_unstable();
        }
        for (width, price) in &prices {
            out += &match price {
                Some((nano, count)) => format!(
                    "  +-{width:4} people ({:.2} %)   {}: {count} a year\n",
                    self.percent(f64::from(*width)),
                    cost(PrivacyLoss::from_nano(*nano))
                ),
                None => format!("  +-{width:4} people   more than one question may cost\n"),
            };
        }
        out
    }

    fn questions_text(&self) -> String {
        let mut out = "\nWhat each question would show, for what it usually costs (95 %; surest to least sure figure)\n".to_owned();
        for (dataset, words) in [
            ("pupils", ""),
            ("people", "Charities with 100 people each:\n"),
            ("activities", "Charities' activities:\n"),
        ] {
            let of: Vec<&Priced> = self.questions.iter().filter(|priced| priced.dataset == dataset).collect();
            if !of.is_empty() {
                out += words;
            }
            of.into_iter().for_each(|priced| out += &self.question_line(priced));
        }
        out
    }

    fn question_line(&self, priced: &Priced) -> String {
        let errors = priced.errors.map_or_else(
            || "too few people".to_owned(),
            |(least, most)| match least == most {
                true => priced.shown(least),
                false => format!("{} to {}", priced.shown(least), priced.shown(most)),
            },
        );
        let mut out = format!(
            "  {:<22} {:>9}  {errors:<22}  {}\n",
            priced.id,
            in_points(priced.loss),
            priced.verdict()
        );
        if !priced.answers()
            && let Some(cure) = priced.cures.first()
        {
            let _ = writeln!(out, "      would help: {}", cure.plain);
        }
        if let (Some(within), Some(width)) = (&priced.within, &self.wish.within) {
            let said = |loss: Option<PrivacyLoss>| {
                loss.map_or_else(|| "chance alone is wider, or it costs too much".to_owned(), cost)
            };
            let amount = priced.shown(width.amount.billionths);
            let _ = writeln!(
                out,
                "      within {amount}: its surest figure {}; every figure {}",
                said(within.surest),
                said(within.every)
            );
        }
        out
    }

    fn timing_text(&self, timing: &Timing) -> String {
        let mut out = format!(
            "\nHow long a question must be open\nSimulated with this program's own members over a school year, seed {}. Windows serve if {SERVED} in 100 starts\nend with an answer.\n",
            self.wish.seed
        );
        match &timing.chosen {
            Some(tried) => {
                let w = tried.windows;
                let _ = writeln!(
                    out,
                    "  {} school days to join, {} to contribute, {} for the committee to open the sum: {} starts ended with an answer.",
                    w.join,
                    w.contribute,
                    w.close,
                    share(tried)
                );
                if let (Some(half), Some(most)) = (tried.wait(50), tried.wait(95)) {
                    let _ = writeln!(
                        out,
                        "  Half of the answers came within {}, 95 in 100 within {}.",
                        lasts(half),
                        lasts(most)
                    );
                }
            }
            None => {
                out += "  No windows of up to 14 school days serve: too many machines are off too often. A meeting point that always\n  runs, or members whose machines run in office hours, would help.\n"
            }
        }
        for tried in &timing.before {
            let w = tried.windows;
            let _ = writeln!(
                out,
                "  Too short: {} + {} + {}; {} starts.",
                w.join,
                w.contribute,
                w.close,
                share(tried)
            );
        }
        if let Some(presence) = &timing.presence {
            let all = self.wish.members;
            let (join, both) = (at_least(&presence.join, 0.95), at_least(&presence.contribute, 0.95));
            let _ = writeln!(
                out,
                "  Exactly, from the hours alone: 19 times in 20 at least {join} of {all} join in time, and {both} contribute too; enough\n  of those who joined are there in {:.1} % of rounds.",
                100.0 * presence.enough
            );
        }
        if !timing.what_if.is_empty() {
            out += "What if\n";
        }
        for (_, words, tried) in &timing.what_if {
            let waits =
                tried.wait(50).map_or_else(String::new, |half| format!("; half within {}", lasts(half)));
            let _ = writeln!(out, "  {words}: {} starts ended with an answer{waits}", share(tried));
        }
        out
    }

    fn hours_text(&self) -> String {
        let mut out = format!("\nWho is on when (of {}, on average)\n", self.wish.members);
        for (name, on) in hours_on(self) {
            let mut parts: Vec<(usize, usize, f64)> = vec![];
            for (hour, on) in on.into_iter().enumerate() {
                match parts.last_mut().filter(|(.., before)| (before - on).abs() < 0.05) {
                    Some((_, until, _)) => *until = hour + 1,
                    None => parts.push((hour, hour + 1, on)),
                }
            }
            let parts: Vec<String> =
                parts.iter().map(|(from, until, on)| format!("{from}:00 to {until}:00 {on:.1}")).collect();
            let _ = writeln!(out, "  {name:<25} {}", parts.join("; "));
        }
        out
    }

    fn upkeep_text(&self, timing: &Timing) -> String {
        let Some(all) = timing.upkeep else { return String::new() };
        let questions = self.plan.questions;
        let mut out = format!(
            "\nWhat it takes in a year of {questions} questions (counted in the runs, without what the transport adds)\n"
        );
        let kinds = [("A meeting point", all.meeting_point), ("Any other member", all.other)];
        for (name, upkeep) in kinds {
            let Some(upkeep) = upkeep else { continue };
            let _ = writeln!(out, "  {name:<17} {}", upkeep_line(&upkeep, questions));
        }
        if all.meeting_point.is_some() {
            let _ = writeln!(
                out,
                "  A small computer of {WATTS} W that runs day and night uses {:.0} kWh (assumed, not measured); a computer that is on\n  anyway nothing more.",
                WATTS * 24.0 * 365.0 / 1_000.0
            );
        }
        out
    }
}

/// Traffic, disk and hours in a line.
pub(super) fn upkeep_line(upkeep: &Upkeep, questions: u64) -> String {
    format!(
        "{} over the network ({} a question), {} more on the disk ({} a question); on for {:.0} hours",
        bytes(upkeep.traffic(questions)),
        bytes(upkeep.traffic_each),
        bytes(upkeep.disk(questions)),
        bytes(upkeep.disk_each),
        upkeep.hours
    )
}

/// To be put into a charter or an impact assessment, and changed there.
pub(super) fn charter_paragraph(planned: &Planned) -> String {
    let (wish, exact) = (&planned.wish, &planned.plan.exact);
    let windows =
        planned.timing.as_ref().and_then(|timing| timing.chosen.as_ref()).map(|tried| tried.windows);
    let open = windows.map_or_else(String::new, |w| {
        format!(
            " A question stays open for {} school days: {} to join, {} to contribute, {} until the sum is opened.",
            w.total(), w.join, w.contribute, w.close
        )
    });
    let secrecy = match mode(wish.members) {
        Mode::Secure => format!(
            "No member, and nobody else, can read what one member contributed, as long as at least one of {} committee members is honest; the noise is sized for up to {} of {} members working together. If everybody else did, a member's people would lose rho {} by a question.",
            exact.seats,
            datacoop_policy::query::COLLUDING_PERCENT_MIN * wish.members / 100,
            wish.members,
            rho(exact.floor_nano)
        ),
        Mode::FullNoise => "The members are so few that each adds all of the noise itself, and the others can see its noisy figures.".to_owned(),
    };
    format!(
        "{} organisations with about {} people each ask each other questions; records stay where they are, and only sums with noise added on purpose leave. One question usually costs every person in the records {}, of at most {} in a school year, which allows about {} such questions. A count over all is then within {:.0} people of the truth 19 times in 20 ({:.2} % of {} people); a body that held all records would be within {:.0}. {secrecy}{open} Small groups also vary by chance, and every figure is published with both. This is a forecast from the number of members and when their machines run; no data was used.",
        wish.members,
        wish.people,
        cost(wish.loss),
        cost(wish.year),
        planned.plan.questions,
        exact.secure_sum,
        planned.percent(exact.secure_sum),
        planned.plan.people,
        exact.curator,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_words_of_one_or_several() {
        let hour = 3_600_000;
        for (span, want) in [
            (0, "a minute"),
            (60_000, "a minute"),
            (60_001, "2 minutes"),
            (hour, "an hour"),
            (2 * hour, "2 hours"),
            (36 * hour, "1.5 days"),
        ] {
            assert_eq!(lasts(Span(span)), want);
        }
    }
}
