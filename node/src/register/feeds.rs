//! The register for programs: one table, and a feed of new results.

use super::{Public, Register};
use crate::html::text;
use crate::loss::{DELTA_TEXT, Reading};
use crate::safe_csv::safe_csv_line;
use datacoop_policy::derive::Status;

/// Columns of `register.csv`. A row is a count of a purpose, or a figure of a public result.
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

/// An Atom feed (RFC 4287) of the public results, newest first. Times are days: the register tells no more.
pub(super) fn atom(register: &Register<'_>) -> String {
    let fields = register.charter.fields();
    let newest = register.results.iter().map(|result| result.since).max().unwrap_or(fields.made);
    let name = text(&fields.name);
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"en-GB\">\n<id>{}</id>\n<title>{name}: public results</title>\n<updated>{newest}T00:00:00Z</updated>\n<author><name>{name}</name></author>\n<link rel=\"self\" href=\"feed.xml\" />\n<link rel=\"alternate\" type=\"text/html\" href=\"index.html\" />\n",
        uuid(&register.charter.id())
    );
    for result in &register.results {
        let loss = result.round.plan().map(|plan| Reading::of(plan.query.loss));
        let epsilon = loss.map_or_else(String::new, |reading| reading.epsilon_text());
        out += &format!(
            "<entry>\n<id>{}</id>\n<title>{}</title>\n<updated>{}T00:00:00Z</updated>\n<link rel=\"alternate\" type=\"text/html\" href=\"{}\" />\n<summary>For: {}. Privacy loss: epsilon {epsilon} at delta {DELTA_TEXT}.</summary>\n</entry>\n",
            uuid(&result.release.id),
            text(result.release.question.question().title()),
            result.since,
            result.page(),
            text(&result.purpose.title),
        );
    }
    out + "</feed>\n"
}
