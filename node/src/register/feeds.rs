//! The register for programs: one table, and a feed of new results.

use datacoop_protocol::acts::Subject;

use super::decided::{leave_words, outcome_words, subject_words};
use super::pages::points;
use super::said::end_of;
use super::{Public, Register};
use crate::html::text;
use crate::loss::{Reading, points_of};
use crate::safe_csv::safe_csv_line;
use datacoop_policy::derive::Status;

/// Columns of `register.csv`. A row is a count of a purpose, a figure of a public result, or something that a
/// member said beside; of that `asked_by` is whoever said it, `query` its id, `answered_on` until when it holds.
const COLUMNS: [&str; 18] = [
    "row",
    "purpose",
    "query",
    "question",
    "period",
    "asked_by",
    "paid_by",
    "asked_on",
    "answered_on",
    "group",
    "figure",
    "value",
    "low",
    "high",
    "noise",
    "status",
    "rho",
    "epsilon",
];

pub(super) fn csv(register: &Register<'_>) -> String {
    let mut out = safe_csv_line(COLUMNS);
    for purpose in &register.purposes {
        for (name, count) in register.counts_by_purpose[purpose.id.as_str()].each() {
            let count = count.to_string();
            let mut row = [""; COLUMNS.len()];
            (row[0], row[1], row[10], row[11]) = ("count", &purpose.id, name, &count);
            out += &safe_csv_line(row);
        }
    }
    for (name, count) in register.stray.each() {
        let count = count.to_string();
        let mut row = [""; COLUMNS.len()];
        (row[0], row[10], row[11]) = ("count", name, &count);
        out += &safe_csv_line(row);
    }
    register.results.iter().for_each(|result| out += &figures(result));
    out + &said(register)
}

/// What members said beside: a row a report, three a proposal, one a pause and a leave to ask.
fn said(register: &Register<'_>) -> String {
    let now = end_of(register.source.as_of);
    let mut out = String::new();
    let mut row = |kind: &str, cells: &[(&str, &str)]| {
        let value =
            |column: &str| cells.iter().find(|(name, _)| *name == column).map_or("", |(_, value)| value);
        let mut line = COLUMNS.map(value);
        line[0] = kind;
        out += &safe_csv_line(line);
    };
    for report in &register.said.reports {
        let (id, day) = (report.said.at.leaf.to_string(), report.said.time.day().to_string());
        row(
            "report",
            &[
                ("purpose", report.purpose),
                ("query", &id),
                ("asked_by", report.said.by.as_str()),
                ("asked_on", &day),
                ("figure", "outcome"),
                ("value", report.outcome.code()),
            ],
        );
    }
    for proposal in &register.said.proposals {
        let (id, day) = (proposal.said.at.leaf.to_string(), proposal.said.time.day().to_string());
        let purpose = if let Subject::Purpose(id) = proposal.subject { id } else { "" };
        let what = subject_words(proposal.subject);
        let [supporters, objections] =
            [proposal.supporters.len(), proposal.objections].map(|n| n.to_string());
        let figures =
            [("state", proposal.state.code()), ("supporters", &supporters), ("objections", &objections)];
        for (figure, value) in figures {
            let by = proposal.said.by.as_str();
            let said = [("purpose", purpose), ("query", &id), ("question", &what), ("asked_by", by)];
            row(
                "proposal",
                &[&said[..], &[("asked_on", &day), ("figure", figure), ("value", value)]].concat(),
            );
        }
    }
    for pause in &register.said.pauses {
        let ((what, id), until) = (pause.target.parts(), pause.until.map(|until| until.day().to_string()));
        let (purpose, until) = (if what == "purpose" { id } else { "" }, until.unwrap_or_default());
        row("pause", &[("purpose", purpose), ("answered_on", &until), ("figure", what), ("value", id)]);
    }
    for leave in &register.said.leaves {
        let (id, held) = (leave.at.leaf.to_string(), &leave.held);
        let [from, until] = [held.at.day(), held.until.day()].map(|day| day.to_string());
        row(
            "leave",
            &[
                ("query", &id),
                ("asked_by", held.by.as_str()),
                ("asked_on", &from),
                ("answered_on", &until),
                ("group", held.audience.as_str()),
                ("figure", "state"),
                ("value", leave_words(leave, now)),
            ],
        );
    }
    out
}

fn figures(result: &Public<'_>) -> String {
    let (Some(asked), Some(plan)) = (result.round.asked(), result.round.plan()) else {
        return String::new();
    };
    let query = &plan.query;
    let (id, period) = (result.release.id.to_string(), query.period().to_string());
    let days = [asked.time.day(), result.released].map(|day| day.to_string());
    let (rho, epsilon) = (query.loss.to_string(), Reading::of(query.loss).epsilon_text());
    let mut out = String::new();
    for cell in &result.release.figures.cells {
        let key: Vec<String> = cell.key.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let key = key.join(" ");
        for figure in &cell.figures {
            let told = |value: &'_ str| {
                if figure.status == Status::Suppressed { String::new() } else { value.to_owned() }
            };
            let [value, low, high, noise] =
                [&figure.value, &figure.low, &figure.high, &figure.noise].map(|value| told(value));
            out += &safe_csv_line([
                "figure",
                &result.purpose.id,
                &id,
                result.release.question.question().title(),
                &period,
                asked.asker.as_str(),
                &asked.body.lay.pays,
                &days[0],
                &days[1],
                &key,
                &figure.name,
                &value,
                &low,
                &high,
                &noise,
                figure.status.code(),
                &rho,
                &epsilon,
            ]);
        }
    }
    out
}

/// An id for ever: a UUID of version 8 (RFC 9562 section 5.8) from a hash.
fn uuid(hash: &datacoop_policy::Digest) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.0[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// An Atom feed (RFC 4287) of the public results and of the reports, newest first of each. Times are days: the register tells no more.
pub(super) fn atom(register: &Register<'_>) -> String {
    let fields = register.charter.fields();
    let reports = || register.said.reports.iter();
    let days = register.results.iter().map(|result| result.since);
    let newest = days.chain(reports().map(|report| report.said.time.day())).max().unwrap_or(fields.made);
    let name = text(&fields.name);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en-GB\">\n<id>{}</id>\n<title>{name}: results and reports</title>\n<updated>{newest}T00:00:00Z</updated>\n<author><name>{name}</name></author>\n<link rel=\"self\" href=\"feed.xml\" />\n<link rel=\"alternate\" type=\"text/html\" href=\"index.html\" />\n",
        uuid(&register.charter.id())
    );
    for result in &register.results {
        let cost = result.round.plan().map_or_else(String::new, |plan| points(points_of(plan.query.loss)));
        out += &format!(
            "<entry>\n<id>{}</id>\n<title>{}</title>\n<updated>{}T00:00:00Z</updated>\n<link rel=\"alternate\" type=\"text/html\" href=\"{}\" />\n<summary>For: {}. It cost {cost} of the privacy budget at each member that took part.</summary>\n</entry>\n",
            uuid(&result.release.id),
            text(result.release.question.question().title()),
            result.since,
            result.page(),
            text(&result.purpose.title),
        );
    }
    for report in reports() {
        let day = report.said.time.day();
        out += &format!(
            "<entry>\n<id>{}</id>\n<title>Report on {}</title>\n<updated>{day}T00:00:00Z</updated>\n<link rel=\"alternate\" type=\"text/html\" href=\"learnt.html\" />\n<summary>{}</summary>\n</entry>\n",
            uuid(&report.said.at.leaf),
            text(report.purpose),
            outcome_words(report.outcome),
        );
    }
    out + "</feed>\n"
}
