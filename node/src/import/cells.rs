//! One value: text in, a typed cell out, or what is wrong with it and what is allowed.

use datacoop_policy::Day;
use datacoop_policy::sql::quoted;
use datacoop_policy::vocabulary::{Column, Kind};

use super::Cell;

/// Reads one value. Errors: what is wrong and what is allowed.
pub(crate) fn read_cell(column: &Column, needed: bool, text: &str) -> Result<Cell, String> {
    let shown = || quoted(&text.chars().take(40).collect::<String>());
    if text.is_empty() {
        return if needed { Err("it is empty, and needed".into()) } else { Ok(Cell::Null) };
    }
    match column.kind {
        Kind::Text if column.values.is_empty() => Ok(Cell::Text(text.into())),
        Kind::Text => {
            let known = column.values.iter().find(|value| value.eq_ignore_ascii_case(text));
            let allowed = || format!("{} is not allowed; allowed: {}", shown(), column.values.join(", "));
            known.map(|value| Cell::Text(value.as_str().into())).ok_or_else(allowed)
        }
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" => Ok(Cell::Bool(true)),
            "false" | "f" | "no" | "n" | "0" => Ok(Cell::Bool(false)),
            _ => Err(format!("{} is neither true nor false; write true, false, yes, no, 1 or 0", shown())),
        },
        Kind::Integer => {
            let number = text.parse::<i64>().map_err(|_| format!("{} is no whole number", shown()))?;
            in_range(column, number as f64).map(|()| Cell::Integer(number))
        }
        Kind::Number => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            let number = number.ok_or_else(|| format!("{} is no number", shown()))?;
            in_range(column, number).map(|()| Cell::Number(number))
        }
        Kind::Date => {
            let day = Day::parse(text).or_else(|| british_day(text));
            let day = day.and_then(|day| i32::try_from(day.0).ok());
            day.map(Cell::Date)
                .ok_or_else(|| format!("{} is not a date; write 2025-12-31 or 31/12/2025", shown()))
        }
    }
}

fn british_day(text: &str) -> Option<Day> {
    let mut parts = text.split('/').map(|part| part.parse::<i64>().ok());
    let (day, month, year) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || year < 1000 { None } else { Day::from_civil(year, month, day) }
}

fn in_range(column: &Column, number: f64) -> Result<(), String> {
    let (low, high) = (column.low.map(|low| low as f64), column.high.map(|high| high as f64));
    if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
        let end = |end: Option<i64>| end.map_or("any".into(), |end| end.to_string());
        return Err(format!("{number} is outside {} to {}", end(column.low), end(column.high)));
    }
    Ok(())
}
