//! One value: text in, a typed cell out, or what is wrong with it and what is allowed.

use datacoop_policy::vocabulary::{Column, Kind};

use super::dates::reading;
use super::{Cell, Dates};

/// Most of a value that a message repeats.
const SHOWN_CHARS: usize = 40;

/// A value as it was meant: without the spaces around it, of whatever kind, and without the `'` that
/// keeps a spreadsheet from taking it for a formula.
pub(super) fn clean(text: &str) -> &str {
    let bytes = text.as_bytes();
    // Nearly every value is short and plain: look before calling for the long way.
    let plain = |byte: Option<&u8>| byte.is_none_or(|byte| byte.is_ascii_graphic() && *byte != b'\'');
    if plain(bytes.first()) && plain(bytes.last()) {
        return text;
    }
    let around =
        |c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200d}' | '\u{2060}');
    let text = text.trim_matches(around);
    let formula = |rest: &&str| rest.starts_with(['=', '+', '-', '@', '\t']);
    text.strip_prefix('\'').filter(formula).unwrap_or(text)
}

/// A value as a message repeats it: not at all where it names somebody.
pub(super) fn shown(column: &Column, text: &str) -> String {
    if column.never && column.kind == Kind::Text {
        return format!("the value (hidden here, {} characters)", text.chars().count());
    }
    let short = text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c });
    format!("\"{}\"", short.collect::<String>())
}

/// Reads one value, without spaces around it; days as people in England write them.
pub(crate) fn read_cell(column: &Column, needed: bool, text: &str) -> Result<Cell, String> {
    read_value(column, needed, text, &mut |text| reading(text).by(Dates::DayFirst))
}

/// Reads one value, without spaces around it. Errors: what is wrong and what is allowed.
pub(super) fn read_value(
    column: &Column,
    needed: bool,
    text: &str,
    day: &mut dyn FnMut(&str) -> Option<datacoop_policy::Day>,
) -> Result<Cell, String> {
    if text.is_empty() {
        return if needed { Err("it is empty, and needed".into()) } else { Ok(Cell::Null) };
    }
    match column.kind {
        Kind::Text if column.values.is_empty() => Ok(Cell::Text(text.into())),
        Kind::Text => listed_value(column, text).map(|value| Cell::Text(value.into())),
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(Cell::Bool(true)),
            "false" | "f" | "no" | "n" | "0" => Ok(Cell::Bool(false)),
            _ => Err(format!(
                "{} is neither true nor false; write true, false, yes, no, 1 or 0",
                shown(column, text)
            )),
        },
        Kind::Integer => {
            let number = whole_number(text);
            let number = number.ok_or_else(|| format!("{} is no whole number", shown(column, text)))?;
            in_range(column, number as f64).map(|()| Cell::Integer(number))
        }
        Kind::Number => {
            let number = plain_number(text).and_then(|text| text.parse::<f64>().ok());
            let number = number.filter(|number| number.is_finite());
            let number = number.ok_or_else(|| format!("{} is no number", shown(column, text)))?;
            in_range(column, number).map(|()| Cell::Number(number))
        }
        Kind::Date => {
            let day = day(text).and_then(|day| i32::try_from(day.0).ok());
            day.map(Cell::Date).ok_or_else(|| {
                format!("{} is not a date; write 2025-12-31 or 31/12/2025", shown(column, text))
            })
        }
    }
}

/// The value of a closed list that a text stands for.
fn listed_value<'a>(column: &'a Column, text: &str) -> Result<&'a str, String> {
    let find = |text: &str| column.values.iter().find(|value| value.eq_ignore_ascii_case(text));
    if let Some(value) = find(text).or_else(|| find(&plainer(text))) {
        return Ok(value);
    }
    let other = match column.name.as_str() {
        "nc_year" => year_group(text),
        "sex" => whole_word(text, &[("female", "F"), ("girl", "F"), ("male", "M"), ("boy", "M")]),
        "session" => {
            whole_word(text, &[("morning", "AM"), ("a.m.", "AM"), ("afternoon", "PM"), ("p.m.", "PM")])
        }
        // A backslash that a program escaped.
        "code" if text == "\\\\" => Some("\\".to_owned()),
        "code" if is_day(text) => {
            return Err(format!(
                "{} is a date where a register mark should be: a spreadsheet turned the mark into one; \
                 export it again, and import the export without opening it in a spreadsheet",
                shown(column, text)
            ));
        }
        _ => None,
    };
    let known = other.as_deref().and_then(find).map(String::as_str);
    known.ok_or_else(|| {
        format!("{} is not allowed; allowed: {}", shown(column, text), column.values.join(", "))
    })
}

fn is_day(text: &str) -> bool {
    let reading = reading(text);
    reading.day_first.or(reading.month_first).is_some()
}

fn whole_word(text: &str, words: &[(&str, &str)]) -> Option<String> {
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
    found.map(|(_, value)| (*value).to_owned())
}

/// One space between words, and one kind of dash.
fn plainer(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2212}'], "-")
}

/// `Year  7`, `Year 07`, `Y7`, `7.0`, `Reception`, `Nursery 2`: a year group without its word. Just
/// `Nursery` may be either of two, so it is none.
fn year_group(text: &str) -> Option<String> {
    let text: String =
        text.chars().filter(|c| !c.is_whitespace() && *c != '-').flat_map(char::to_lowercase).collect();
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if let Some(number) = text.strip_prefix("nursery").or_else(|| text.strip_prefix("yearn")) {
        return matches!(number, "1" | "2").then(|| format!("N{number}"));
    }
    let rests = ["year", "yr", "y", ""].into_iter().filter_map(|word| text.strip_prefix(word));
    rests.filter(|rest| !rest.is_empty()).find_map(|rest| match rest {
        "reception" | "rec" | "r" => Some("R".to_owned()),
        _ if rest.bytes().all(|byte| byte.is_ascii_digit()) => Some(rest.trim_start_matches('0').to_owned()),
        _ => None,
    })
}

/// A number as programs write one: without `,` between thousands, `%` after it or a pound sign before.
fn plain_number(text: &str) -> Option<String> {
    let text = text.replace('\u{2212}', "-");
    let text = text.strip_suffix('%').map_or(text.as_str(), str::trim_end);
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest.trim_start()));
    let rest = rest.strip_prefix('\u{a3}').map_or(rest, str::trim_start);
    if !rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+')) {
        return None;
    }
    let (whole, part) = rest.split_once('.').map_or((rest, None), |(whole, part)| (whole, Some(part)));
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or("");
    let mut number = format!("{sign}{first}");
    let thousands = whole.contains(',');
    if thousands && !(1..=3).contains(&first.len()) {
        return None;
    }
    for group in groups {
        if group.len() != 3 || !group.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        number += group;
    }
    if let Some(part) = part {
        number.push('.');
        number += part;
    }
    Some(number)
}

fn whole_number(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number = plain_number(text)?;
    let (whole, part) = number.split_once('.').unwrap_or((&number, ""));
    if part.bytes().all(|byte| byte == b'0') { whole.parse().ok() } else { None }
}

fn in_range(column: &Column, number: f64) -> Result<(), String> {
    let (low, high) = (column.low.map(|low| low as f64), column.high.map(|high| high as f64));
    if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
        let end = |end: Option<i64>| end.map_or("any".into(), |end| end.to_string());
        return Err(format!("{number} is outside {} to {}", end(column.low), end(column.high)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use datacoop_policy::vocabulary::Vocabulary;

    const ALL: &str = r##"
        id = "all"
        version = 1
        title = "All"
        dataset = "all"
        unit = "pupil_id"
        column = [
          { name = "pupil_id", type = "text", required = true, never = true },
          { name = "upn", type = "text", values = ["none"], never = true },
          { name = "nc_year", type = "text", values = ["N1", "N2", "R", "7", "10"] },
          { name = "session", type = "text", values = ["AM", "PM"] },
          { name = "sex", type = "text", values = ["F", "M", "U"] },
          { name = "code", type = "text", values = ["/", "\\", "L", "C1", "#", "-"] },
          { name = "band", type = "text", values = ["Less than 80", "80 - 89.5"] },
          { name = "flag", type = "bool" },
          { name = "whole", type = "integer", low = -5000, high = 5000 },
          { name = "number", type = "number" },
          { name = "date", type = "date" },
        ]"##;

    fn check(name: &str, texts: &[&str], wanted: &Cell) {
        let vocabulary = Vocabulary::from_toml(ALL).unwrap();
        for text in texts {
            let read = read_cell(vocabulary.column(name).unwrap(), false, clean(text));
            assert_eq!(read.as_ref(), Ok(wanted), "{name}: {text:?}");
        }
    }

    fn refused(name: &str, texts: &[&str], said: &str) {
        let vocabulary = Vocabulary::from_toml(ALL).unwrap();
        for text in texts {
            let error = read_cell(vocabulary.column(name).unwrap(), false, clean(text)).unwrap_err();
            assert!(error.contains(said), "{name}: {text:?}: {error}");
        }
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    #[test]
    fn year_groups_are_read_by_any_of_their_names() {
        let seven =
            ["7", "07", "7.0", "Year 7", "Year  7", "Year\u{a0}07", "YEAR 7", "Y7", "y07", "Yr 7", "Yr7"];
        check("nc_year", &seven, &text("7"));
        check("nc_year", &["10", "Year 10", "Y10"], &text("10"));
        check("nc_year", &["R", "r", "Reception", "Year R", "YR", "rec"], &text("R"));
        check("nc_year", &["N2", "n2", "Nursery 2", "nursery2"], &text("N2"));
        refused(
            "nc_year",
            &["Nursery", "Year", "70", "0", "N3", "Year 7A", "7B"],
            "is not allowed; allowed: N1",
        );
    }

    #[test]
    fn truth_is_read_by_any_of_its_words_and_no_other() {
        check("flag", &["TRUE", "t", "Y", "Yes ", "yes", "1"], &Cell::Bool(true));
        check("flag", &["False", "F", "n", "no", "0"], &Cell::Bool(false));
        refused("flag", &["Yes - PP", "2", "x"], "is neither true nor false; write true, false");
    }

    #[test]
    fn marks_are_read_in_any_case_and_escaped() {
        check("code", &["/", "/ ", "\u{a0}/"], &text("/"));
        check("code", &["\\", "\\\\"], &text("\\"));
        check("code", &["l", "L"], &text("L"));
        check("code", &["c1"], &text("C1"));
        check("code", &["#"], &text("#"));
        check("code", &["-", "'-"], &text("-"));
        refused("code", &["08/12/2025", "45999"], "is a date where a register mark should be");
        refused("code", &["ZZ"], "\"ZZ\" is not allowed; allowed: /, \\, L");
    }

    #[test]
    fn values_are_read_through_spaces_dashes_and_whole_words() {
        check("band", &["less than  80", "Less\u{a0}than 80 "], &text("Less than 80"));
        check("band", &["80 \u{2013} 89.5"], &text("80 - 89.5"));
        check("session", &["am", "Morning", "A.M."], &text("AM"));
        check("sex", &["Female", "f", "Girl"], &text("F"));
    }

    #[test]
    fn numbers_are_read_with_thousands_percents_and_pounds() {
        check("whole", &["-4", "\u{2212}4", "-4.0"], &Cell::Integer(-4));
        check("whole", &["1,234", "1234", "1234.00", "\u{a3}1,234", "+1234"], &Cell::Integer(1234));
        check("number", &["95.5%", "95.5 %", "95.50"], &Cell::Number(95.5));
        check("number", &["-1,234,567.25"], &Cell::Number(-1_234_567.25));
        refused("whole", &["1,23", "1,2345", ",123", "1.5", "1e3", "--4"], "is no whole number");
        refused(
            "number",
            &["1,5", "inf", "NaN", "1.2.3", "", " - "].map(|t| if t.is_empty() { "x" } else { t }),
            "is no number",
        );
        refused("whole", &["5001"], "5001 is outside -5000 to 5000");
    }

    #[test]
    fn a_value_that_names_somebody_is_not_repeated() {
        refused("upn", &["B801200005001"], "the value (hidden here, 13 characters) is not allowed");
        refused("date", &["31/02/2026"], "\"31/02/2026\" is not a date");
        refused("date", &["a\nb\\"], "\"a b\\\" is not a date");
    }
}
