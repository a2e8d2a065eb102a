//! Pages that parse as XML as well as HTML, so that a parser says whether they are whole. Everything
//! that others wrote goes through [`text`]. Must not know what a page says.

use datacoop_policy::{Day, MemberId, Period};

use crate::cli::plain;

/// A text of others inside a page: no tag, no attribute's end, no control or direction mark.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No character of XML.
            '\u{fffe}' | '\u{ffff}' | '\u{61c}' => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// The months' names.
pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day as people write it: 26 November 2026.
pub(crate) fn day_words(day: Day) -> String {
    let written = day.to_string();
    let mut parts = written.rsplitn(3, '-');
    let (Some(date), Some(month), Some(year)) = (parts.next(), parts.next(), parts.next()) else {
        return written;
    };
    let month = month.parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    month.map_or_else(|| written.clone(), |month| format!("{} {month} {year}", date.trim_start_matches('0')))
}

/// A period as people write it: 1 September 2026 to 18 December 2026.
pub(crate) fn period_words(period: Period) -> String {
    match period.first() == period.last() {
        true => day_words(period.first()),
        false => format!("{} to {}", day_words(period.first()), day_words(period.last())),
    }
}

/// Whether clocks in the United Kingdom are an hour ahead at this hour of a day, by UTC.
///
/// Source: Summer Time Order 2002: from the last Sunday of March to the last of October, at 1 in the morning by UTC.
fn is_summer(day: Day, hour: i64) -> bool {
    let year: i64 = day.to_string().split('-').next().and_then(|year| year.parse().ok()).unwrap_or(0);
    // Day 0 was a Thursday, so day 3 a Sunday.
    let last_sunday =
        |month| Day::from_civil(year, month, 31).map(|last| last.0 - (last.0 - 3).rem_euclid(7));
    let (Some(from), Some(until)) = (last_sunday(3), last_sunday(10)) else { return false };
    let hours = |day: i64| 24 * day + 1;
    (hours(from)..hours(until)).contains(&(24 * day.0 + hour))
}

/// A time such as `2026-06-26 10:02`, UTC, as a clock in the United Kingdom shows it.
pub(crate) fn moment_of(text: &str) -> Option<String> {
    let (date, clock) = text.split_once(' ')?;
    let (hour, minute) = clock.split_once(':')?;
    let (date, hour, minute) = (Day::parse(date)?, hour.parse::<i64>().ok()?, minute.parse::<u8>().ok()?);
    let hours = 24 * date.0 + hour + i64::from(is_summer(date, hour));
    let (date, hour) = (Day(hours.div_euclid(24)), hours.rem_euclid(24));
    Some(format!("{} at {hour:02}:{minute:02}", day_words(date)))
}

/// A sentence of the command line with the days and times in it as people say them.
pub(crate) fn dated(sentence: &str) -> String {
    const DAY: usize = "2026-06-26".len();
    const TIME: usize = "2026-06-26 10:02".len();
    const PERIOD: usize = "2026-06-01..2026-06-26".len();
    let (mut out, mut rest) = (String::new(), sentence);
    while let Some(first) = rest.chars().next() {
        let after_word = out.ends_with(|c: char| c.is_alphanumeric() || c == '-');
        let whole = |bytes: usize| {
            let ends = rest.get(bytes..)?.chars().next();
            let is_whole = !after_word && !ends.is_some_and(|c| c.is_alphanumeric() || c == '-');
            rest.get(..bytes).filter(|_| is_whole)
        };
        let period = || whole(PERIOD).and_then(Period::parse).map(|period| (PERIOD, period_words(period)));
        let time = || whole(TIME).and_then(moment_of).map(|said| (TIME, said));
        let day = || whole(DAY).and_then(Day::parse).map(|day| (DAY, day_words(day)));
        let found = period().or_else(time).or_else(day);
        let (bytes, said) = found.unwrap_or_else(|| (first.len_utf8(), first.to_string()));
        out += &said;
        rest = &rest[bytes..];
    }
    out
}

/// Where an organisation stands in public, from an id such as `GB-CHC-200300`.
///
/// Source: org-id.guide, the lists with these prefixes.
pub(crate) fn register_words(id: &MemberId) -> String {
    const REGISTERS: [(&str, &str); 5] = [
        ("GB-CHC-", "the register of charities in England and Wales"),
        ("GB-SC-", "the Scottish Charity Register"),
        ("GB-NIC-", "the register of charities in Northern Ireland"),
        ("GB-COH-", "the register of companies of the United Kingdom"),
        ("GB-EDU-", "the register of schools in England"),
    ];
    let found = REGISTERS.iter().find_map(|(prefix, register)| {
        Some(format!("the organisation with number {} in {register}", id.as_str().strip_prefix(prefix)?))
    });
    found.unwrap_or_else(|| id.to_string())
}

/// With a capital letter.
pub(crate) fn capital(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A day for people and for programs; HTML.
pub(crate) fn day_html(day: Day) -> String {
    format!("<time datetime=\"{day}\">{}</time>", day_words(day))
}

/// A text of several lines as paragraphs.
pub(crate) fn paragraphs(lines: &str) -> String {
    let filled = lines.lines().filter(|line| !line.trim().is_empty());
    filled.map(|line| format!("<p>{}</p>\n", text(line))).collect()
}

/// A list of texts.
pub(crate) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let items: String = items.into_iter().map(|item| format!("<li>{}</li>\n", text(item))).collect();
    format!("<ul>\n{items}</ul>\n")
}

/// Pairs of a name and what it says; the second is HTML.
pub(crate) fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let pairs = pairs.into_iter();
    let all: String = pairs.map(|(name, said)| format!("<dt>{}</dt><dd>{said}</dd>\n", text(name))).collect();
    format!("<dl>\n{all}</dl>\n")
}

/// A table whose first column names its rows; cells are HTML.
pub(crate) fn table(caption: &str, heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let columns: String = heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", text(head))).collect();
    let mut body = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(at, cell)| match at {
            0 => format!("<th scope=\"row\">{cell}</th>"),
            // A narrow screen shows a row as a list, each cell after its column's name.
            _ => format!("<td data-label=\"{}\">{cell}</td>", text(heads.get(at).unwrap_or(&""))),
        });
        body += &format!("<tr>{}</tr>\n", cells.collect::<String>());
    }
    format!(
        "<div class=\"table\" role=\"region\" aria-label=\"{0}\" tabindex=\"0\">\n<table>\n<caption>{0}</caption>\n<thead><tr>{columns}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>\n",
        text(caption)
    )
}

/// A link to a file of this folder whose name we made.
pub(crate) fn link(file: &str, said: &str) -> String {
    format!("<a href=\"{file}\">{}</a>", text(said))
}

/// A whole page: `head` is what follows its title there, `header` and `footer` stand around the text, and
/// `main` begins below the heading. All four are HTML.
pub(crate) fn document(title: [&str; 2], head: &str, header: &str, main: &str, footer: &str) -> String {
    let [title, of] = title.map(text);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\" />\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n<title>{title} - {of}</title>\n{head}</head>\n<body>\n{header}<main id=\"main\">\n<h1>{title}</h1>\n{main}</main>\n<footer>\n{footer}</footer>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_reads_as_people_write_it() {
        let day = Day::parse("2026-09-01").unwrap();
        assert_eq!(day_html(day), "<time datetime=\"2026-09-01\">1 September 2026</time>");
        assert_eq!(day_words(Day::parse("2027-12-31").unwrap()), "31 December 2027");
    }

    #[test]
    fn nothing_that_others_write_is_markup() {
        assert_eq!(text("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
        assert_eq!(text("a\u{202e}b\u{200f}\u{1b}\u{ffff}"), "a\\u{202e}b\\u{200f}\\u{1b}\\u{ffff}");
        assert_eq!(paragraphs("One.\n\n<b>"), "<p>One.</p>\n<p>&lt;b&gt;</p>\n");
    }
}
