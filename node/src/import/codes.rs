//! Register marks: from what a system writes to a code, and what it counts as on a day.
//!
//! Source: see `reference::codes`.

use datacoop_policy::Day;

use crate::reference::codes::{CODES, Class, LEGACY, legacy};

/// A mark of one pupil for one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    /// The code as the vocabulary lists it; `None` where nothing was marked.
    pub(crate) code: Option<&'static str>,
    pub(crate) class: Class,
}

impl Mark {
    /// Whether the pupil came late, before or after the register closed.
    pub(crate) fn late(self) -> bool {
        matches!(self.code, Some("L" | "U"))
    }

    /// Whether it is a family holiday in term time, granted by older rules or not.
    pub(crate) fn holiday(self) -> bool {
        matches!(self.code, Some("G" | "F" | "H"))
    }
}

/// Marks that say nothing about the session.
const UNMARKED: [&str; 2] = ["-", "?"];

/// The code that a register's text stands for: in any case, `\\` for `\`, and the letter of a code
/// with two digits, as older systems wrote `I02` and `X01`. `None`: no code we know.
pub(crate) fn code_of(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let text = if text == "\\\\" { "\\" } else { text };
    let known = || CODES.iter().map(|(code, _)| *code).chain(LEGACY).chain(UNMARKED);
    let find = |wanted: &str| known().find(|code| code.eq_ignore_ascii_case(wanted));
    find(text).or_else(|| {
        let (letter, digits) = text.split_at_checked(1)?;
        let old = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        if old { find(letter).filter(|code| code.as_bytes()[0].is_ascii_alphabetic()) } else { None }
    })
}

/// What a code, as the vocabulary lists it, counts as on a day; an empty one is a missing mark.
///
/// `/` is the morning's mark and `\` the afternoon's: one in the other's place is meant as its own.
pub(crate) fn mark(code: Option<&str>, afternoon: bool, day: Day) -> Option<Mark> {
    let Some(code) = code else { return Some(Mark { code: None, class: Class::Missing }) };
    let code = match code {
        "/" | "\\" if afternoon => "\\",
        "/" | "\\" => "/",
        other => other,
    };
    if let Some((code, class)) = CODES.iter().find(|(known, _)| *known == code) {
        return Some(Mark { code: Some(code), class: *class });
    }
    if let Some(code) = UNMARKED.iter().find(|known| **known == code) {
        return Some(Mark { code: Some(code), class: Class::Missing });
    }
    let code = LEGACY.iter().find(|known| **known == code)?;
    legacy(code, day).map(|class| Mark { code: Some(code), class })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a register's text counts as on a day, in the afternoon.
    fn check(text: &str, day: &str) -> String {
        let day = Day::parse(day).unwrap();
        let Some(code) = code_of(text) else { return "no code".into() };
        let mark = mark(Some(code), true, day).unwrap();
        format!("{} {}", mark.code.unwrap(), mark.class.name())
    }

    #[test]
    fn marks_before_and_after_19_august_2024() {
        for (text, before, after) in [
            ("J", "J present", "J authorised"),
            ("j1", "J1 authorised", "J1 authorised"),
            ("Y", "Y not_required", "Y not_required"),
            ("F", "F authorised", "F authorised"),
            ("h", "H authorised", "H authorised"),
            ("X01", "X not_required", "X not_required"),
            ("I02", "I authorised", "I authorised"),
            ("y4", "Y4 not_required", "Y4 not_required"),
            ("\\\\", "\\ present", "\\ present"),
            (" / ", "\\ present", "\\ present"),
            ("#", "# not_required", "# not_required"),
            ("-", "- missing", "- missing"),
            ("k", "K present", "K present"),
            ("u", "U unauthorised", "U unauthorised"),
            ("A", "no code", "no code"),
            ("I2", "no code", "no code"),
            ("/01", "no code", "no code"),
            ("", "no code", "no code"),
            ("é01", "no code", "no code"),
        ] {
            assert_eq!(
                (check(text, "2024-08-18").as_str(), check(text, "2024-08-19").as_str()),
                (before, after),
                "{text}"
            );
        }
    }

    #[test]
    fn an_afternoon_slash_is_the_afternoons_mark() {
        let day = Day::parse("2025-12-08").unwrap();
        let code = |code, afternoon| mark(Some(code), afternoon, day).unwrap().code;
        assert_eq!(
            (code("/", true), code("/", false), code("\\", false)),
            (Some("\\"), Some("/"), Some("/"))
        );
        assert_eq!(mark(None, true, day).map(|mark| mark.class), Some(Class::Missing));
        assert_eq!(mark(Some("nonsense"), true, day), None);
    }

    #[test]
    fn of_two_marks_the_class_highest_in_the_table_wins() {
        let order = ["/", "V", "I", "N", "X", "-"]
            .map(|code| mark(Some(code), false, Day::parse("2025-12-08").unwrap()).unwrap().class);
        assert!(order.windows(2).all(|pair| pair[0] > pair[1]), "{order:?}");
        assert_eq!(order, Class::ALL);
    }

    #[test]
    fn late_and_holiday_marks() {
        let day = Day::parse("2025-12-08").unwrap();
        let marked = |code| mark(Some(code), false, day).unwrap();
        assert!(marked("L").late() && marked("U").late() && !marked("/").late());
        assert!(marked("G").holiday() && marked("H").holiday() && !marked("C").holiday());
    }
}
