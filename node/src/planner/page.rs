//! A plan as one page that stands alone: to be kept, sent on, printed.

use datacoop_policy::query::Mode;
use datacoop_sim::plan::mode;
use datacoop_sim::plan::windows::Tried;

use super::told::{WATTS, charter_paragraph, cost, hours_on, lasts, upkeep_line};
use super::{Planned, Priced, Timing};
use crate::figure::{CSS, Cell, Figure, Form, Number, RANGE_NOTE, Row, Unit, Who};
use crate::html::{document, list, paragraphs, table, text};
use crate::loss::in_points;

/// What stands for a certificate under figures of a plan.
const NO_CERTIFICATE: &str = "none: nothing was asked";
/// The count that is pictured.
const PICTURED: f64 = 1_000.0;
/// Hours of a column of the table of hours.
const BLOCK: usize = 3;

impl Planned {
    /// The whole page, which needs no other file and runs no script.
    pub fn page(&self) -> String {
        let wish = &self.wish;
        let title = format!("What {} members would learn", wish.members);
        let head = format!(
            "<style>\n{CSS}{}{}</style>\n",
            include_str!("../pages/pages.css"),
            include_str!("planner.css")
        );
        let mut main = paragraphs(&format!(
            "A forecast for {} organisations with about {} people each, {} in all, worked out by datacoop {}. Nobody's data was used, and nothing was asked.",
            wish.members,
            wish.people,
            self.plan.people,
            env!("CARGO_PKG_VERSION")
        ));
        main += &self.exact_part();
        main += &self.questions_part();
        if let Some(timing) = &self.timing {
            main += &self.timing_part(timing);
        }
        main += &self.hours_figure().html().into_string();
        if let Some(timing) = &self.timing {
            main += &self.upkeep_part(timing);
        }
        main += &format!(
            "<h2>For a charter, or an impact assessment</h2>\n{}",
            paragraphs(&charter_paragraph(self))
        );
        let footer = format!(
            "<p>Drawn up by datacoop {} from the number of members, when their machines run, and published shares of pupils. Simulated starts: {}, seed {}.</p>\n",
            env!("CARGO_PKG_VERSION"),
            wish.starts,
            wish.seed
        );
        document([&title, "datacoop plan"], &head, "", &main, &footer)
    }

    fn exact_part(&self) -> String {
        let draws: Vec<String> = self.draws.iter().map(|draw| (1000 + draw).to_string()).collect();
        let mut out = format!("<h2>How exact</h2>\n{}", self.ways_figure().html().into_string());
        out += &paragraphs(RANGE_NOTE);
        out += &paragraphs(&format!(
            "Twenty answers that there might be if the truth were 1000: {}.",
            draws.join(", ")
        ));
        out += &paragraphs(&format!(
            "In a year of {}: {} questions of {} each, with a fifth kept for rounds that must be asked again.",
            cost(self.wish.year),
            self.plan.questions,
            cost(self.wish.loss)
        ));
        if mode(self.wish.members) == Mode::FullNoise {
            out += &paragraphs(
                "Three or four members add all of the noise each, and can see each other's noisy figures. From five on only sums can be read.",
            );
        }
        out += &match &self.plan.three_fewer {
            Some(fewer) => paragraphs(&format!(
                "If three members leave, a count over the {} that are left is within {:.1} people.",
                fewer.members, fewer.secure_sum
            )),
            None => paragraphs("If three members leave, too few are left."),
        };
        let prices = self.plan.prices.iter().map(|(width, price)| {
            let (spends, a_year) = match price {
                Some((nano, count)) => {
                    (cost(datacoop_policy::PrivacyLoss::from_nano(*nano)), count.to_string())
                }
                None => ("more than one question may cost".to_owned(), "none".to_owned()),
            };
            let percent = self.percent(f64::from(*width));
            vec![format!("\u{b1}{width} people"), format!("{percent:.2}% of all"), text(&spends), a_year]
        });
        out + &table("What another exactness of a count costs", &["Width", "Part", "Cost", "A year"], prices)
    }

    fn figure(
        &self,
        id: &str,
        title: &str,
        subtitle: String,
        unit: Unit,
        form: Form,
        rows: Vec<Row>,
    ) -> Figure {
        Figure {
            id: id.into(),
            title: title.into(),
            subtitle,
            unit,
            form,
            rows,
            notes: vec![],
            source: "Worked out by datacoop sim plan; no data was used".into(),
            certificate: NO_CERTIFICATE.into(),
            demo: false,
        }
    }

    fn ways_figure(&self) -> Figure {
        let rows = self.ways().into_iter().map(|(what, width)| {
            let number = |value: f64| Number::of(value, 1);
            let cell = Cell::Estimated {
                value: Number::of(PICTURED, 0),
                low: number(PICTURED - width),
                high: number(PICTURED + width),
                noise: number(width),
                chance: None,
            };
            Row::new([("Who counts", what)], Who::Plain, cell)
        });
        self.figure(
            "exact",
            "A sum that nobody sees the parts of is nearly as exact as one body that sees all",
            format!(
                "A count of 1,000 people over {} members, for {}; people",
                self.wish.members,
                cost(self.wish.loss)
            ),
            Unit::Of("people".into()),
            Form::IntervalRows,
            rows.collect(),
        )
    }

    fn questions_part(&self) -> String {
        let mut out = "<h2>What each question would show</h2>\n".to_owned();
        out += &paragraphs(
            "For what each usually costs, with 95 % half-widths of its surest and its least sure figure. Charities are taken to work with 100 people each.",
        );
        let wished = self.wish.within.is_some();
        let mut heads = vec!["Question", "Cost", "Surest", "Least sure", "Worth noticing", "Verdict"];
        if wished {
            heads.push("For the wished width");
        }
        let rows = self.questions.iter().map(|priced| self.question_row(priced, wished));
        out + &table("Questions of the catalogue", &heads, rows)
    }

    fn question_row(&self, priced: &Priced, wished: bool) -> Vec<String> {
        let width = |of: fn((i128, i128)) -> i128| {
            priced.errors.map_or_else(|| "too few people".to_owned(), |both| priced.shown(of(both)))
        };
        let cure = priced.cures.first().filter(|_| !priced.answers());
        let verdict = match cure {
            Some(cure) => format!("{}; would help: {}", priced.verdict(), cure.plain),
            None => priced.verdict().to_owned(),
        };
        let mut row = vec![
            text(&priced.title),
            in_points(priced.loss),
            width(|(least, _)| least),
            width(|(_, most)| most),
            text(&priced.matters),
            text(&verdict),
        ];
        if wished {
            let said = |loss: Option<datacoop_policy::PrivacyLoss>| {
                loss.map_or_else(|| "too dear, or chance is wider".to_owned(), cost)
            };
            row.push(priced.within.map_or_else(
                || "of another kind".to_owned(),
                |within| text(&format!("surest: {}; every one: {}", said(within.surest), said(within.every))),
            ));
        }
        row
    }

    fn timing_part(&self, timing: &Timing) -> String {
        let mut out = "<h2>How long a question must be open</h2>\n".to_owned();
        let lead = match &timing.chosen {
            Some(tried) => {
                let w = tried.windows;
                let waits = tried.wait(50).zip(tried.wait(95)).map_or_else(String::new, |(half, most)| {
                    format!(" Half of the answers came within {}, 95 in 100 within {}.", lasts(half), lasts(most))
                });
                format!("{} school days to join, {} to contribute and {} for the committee to open the sum are the shortest that serve.{waits}", w.join, w.contribute, w.close)
            }
            None => "No windows of up to 14 school days serve. A meeting point that always runs, or machines that run in office hours, would help.".to_owned(),
        };
        out += &paragraphs(&lead);
        out += &self.windows_figure(timing).html().into_string();
        if !timing.what_if.is_empty() {
            let rows = timing
                .what_if
                .iter()
                .map(|(_, words, tried)| Row::new([("What if", *words)], Who::Plain, part_of(tried)));
            let figure = self.figure(
                "what-if",
                "When something is otherwise",
                "The same windows; simulated starts that ended with an answer; percent".into(),
                Unit::Percent,
                Form::IntervalRows,
                rows.collect(),
            );
            out += &figure.html().into_string();
        }
        out
    }

    fn windows_figure(&self, timing: &Timing) -> Figure {
        let all = timing.before.iter().chain(&timing.chosen);
        let rows = all.map(|tried| {
            let w = tried.windows;
            let name = format!("{} to join, {} to contribute, {} to open", w.join, w.contribute, w.close);
            Row::new([("School days".to_owned(), name)], Who::Plain, part_of(tried))
        });
        let mut figure = self.figure(
            "windows",
            "Windows must outlast machines that are off",
            format!(
                "Of up to {} simulated starts over a school year, those that ended with an answer; percent",
                self.wish.starts
            ),
            Unit::Percent,
            Form::IntervalRows,
            rows.collect(),
        );
        figure.notes.push("Windows that plainly fail are given up after a few starts. Ranges say how sure so many starts are.".into());
        figure
    }

    fn hours_figure(&self) -> Figure {
        let rows = hours_on(self).into_iter().flat_map(|(day, on)| {
            let blocks = on.chunks(BLOCK).enumerate().map(move |(n, hours)| {
                let name = format!("{}-{}", n * BLOCK, (n + 1) * BLOCK);
                let mean = hours.iter().sum::<f64>() / hours.len() as f64;
                let cell = Cell::Exact { value: Number::of(mean, 1), chance: None };
                Row::new([("Day".to_owned(), day.to_owned()), ("Hours".to_owned(), name)], Who::Plain, cell)
            });
            blocks.collect::<Vec<_>>()
        });
        self.figure(
            "hours",
            "Who is on when",
            format!("Machines that run, on average, of {}", self.wish.members),
            Unit::Count("machines".into()),
            Form::Matrix,
            rows.collect(),
        )
    }

    fn upkeep_part(&self, timing: &Timing) -> String {
        let Some(all) = timing.upkeep else { return String::new() };
        let questions = self.plan.questions;
        let kinds = [("A meeting point", all.meeting_point), ("Any other member", all.other)];
        let said: Vec<String> = kinds
            .into_iter()
            .filter_map(|(name, upkeep)| Some(format!("{name}: {}.", upkeep_line(&upkeep?, questions))))
            .collect();
        let mut out = format!("<h2>What it takes in a year of {questions} questions</h2>\n");
        out += &list(said.iter().map(String::as_str));
        out + &paragraphs(&format!(
            "Counted in the runs, without what the transport adds. A small computer of {WATTS} W that runs day and night uses {:.0} kWh a year (assumed, not measured).",
            WATTS * 24.0 * 365.0 / 1_000.0
        ))
    }
}

/// The part of starts that ended with an answer, with how sure so many starts are.
fn part_of(tried: &Tried) -> Cell {
    let starts = tried.starts.max(1) as f64;
    let part = tried.released as f64 / starts;
    // One more of each kind, or a part of 0 or 1 would look sure after a single start.
    let near = (tried.released as f64 + 1.0) / (starts + 2.0);
    let half = 1.96 * (near * (1.0 - near) / starts).sqrt();
    Cell::Exact { value: Number::of(100.0 * part, 0), chance: Some(Number::of(100.0 * half, 0)) }
}
