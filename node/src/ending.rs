//! What of the charter ends soon, and what it takes to go on: for `status` and `charter show`. Source: CHARTER.md
//! section 4.

use datacoop_policy::Day;
use datacoop_policy::charter::{Charter, endings};
use serde_json::{Value, json};

use crate::cli::plain;

/// What ends within the days that are warned of, the soonest first.
pub(crate) fn endings_json(charter: &Charter, today: Day) -> Value {
    let each = endings(charter, today).into_iter().map(|(on, purpose)| {
        json!({ "what": if purpose.is_some() { "purpose" } else { "charter" },
                "purpose": purpose.map(|purpose| purpose.id.as_str()), "on": on.to_string(),
                "days_left": on.0 - today.0,
                "report_due": purpose.map(|purpose| purpose.report_due.to_string()) })
    });
    each.collect()
}

/// The same for people, a line each.
pub(crate) fn endings_text(endings: &Value) -> String {
    let line = |ending: &Value| {
        let on = plain(ending["on"].as_str().unwrap_or(""));
        let left = match ending["days_left"].as_i64() {
            Some(0) => "today".to_owned(),
            Some(1) => "in 1 day".to_owned(),
            days => format!("in {} days", days.unwrap_or(0)),
        };
        match ending["purpose"].as_str().map(plain) {
            None => format!(
                "The charter ends {left}, on {on}; after that nothing is asked. To go on, change its last day: datacoop charter propose\n"
            ),
            Some(id) => format!(
                "The purpose `{id}` ends {left}, on {on}. No report, no renewal: datacoop report {id}\n"
            ),
        }
    };
    endings.as_array().into_iter().flatten().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_what_ends_when_and_what_it_takes() {
        let endings = json!([
            { "what": "purpose", "purpose": "exams", "on": "2027-08-31", "days_left": 0 },
            { "what": "charter", "purpose": null, "on": "2027-09-01", "days_left": 1 },
        ]);
        let text = endings_text(&endings);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("The purpose `exams` ends today, on 2027-08-31. No report, no renewal"));
        assert!(lines[1].starts_with("The charter ends in 1 day, on 2027-09-01;"), "{text}");
        assert_eq!(endings_text(&Value::Null), "");
    }
}
