//! Changes a `limits.toml` where it must and nowhere else: comments and everything else stay as they are.

use std::collections::BTreeSet;
use std::ops::Range;

use datacoop_policy::limits::{Limits, Set};
use datacoop_protocol::charter_text::parse_limits;
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

/// The fields that this reads, with their places.
#[derive(Deserialize)]
struct Places {
    purposes: Option<Spanned<IgnoredAny>>,
    questions: Option<Spanned<IgnoredAny>>,
    datasets: Option<Spanned<IgnoredAny>>,
}

/// What may be left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// `purposes`.
    Purposes,
    /// `questions`.
    Questions,
    /// `datasets`.
    Datasets,
}

/// A changed text, and how it differs.
#[derive(PartialEq, Eq, Debug)]
pub struct Edit {
    /// The whole text.
    pub text: String,
    /// The lines that go and come, marked `-` and `+`.
    pub diff: Vec<String>,
}

impl Field {
    fn key(self) -> &'static str {
        match self {
            Self::Purposes => "purposes",
            Self::Questions => "questions",
            Self::Datasets => "datasets",
        }
    }

    fn of(self, limits: &Limits) -> &Set {
        match self {
            Self::Purposes => &limits.purposes,
            Self::Questions => &limits.questions,
            Self::Datasets => &limits.datasets,
        }
    }

    fn of_mut(self, limits: &mut Limits) -> &mut Set {
        match self {
            Self::Purposes => &mut limits.purposes,
            Self::Questions => &mut limits.questions,
            Self::Datasets => &mut limits.datasets,
        }
    }
}

/// The text that leaves out one id more; `None` where it leaves it out already.
///
/// Errors: the file does not read, or its form is one that this cannot change by itself.
pub fn leave_out(text: &str, field: Field, id: &str) -> Result<Option<Edit>, String> {
    let limits = parse_limits(text).map_err(|error| error.to_string())?;
    if !field.of(&limits).holds(id) {
        return Ok(None);
    }
    let set = without(field.of(&limits), id);
    changed(text, field, limits, set).map(Some)
}

/// The text that opens no purpose at all, so that nothing is answered; `None` where it opens none already.
///
/// Errors: as of `leave_out`.
pub fn leave_all_out(text: &str) -> Result<Option<Edit>, String> {
    let limits = parse_limits(text).map_err(|error| error.to_string())?;
    if limits.purposes == Set::none() {
        return Ok(None);
    }
    changed(text, Field::Purposes, limits, Set::none()).map(Some)
}

fn changed(text: &str, field: Field, limits: Limits, set: Set) -> Result<Edit, String> {
    let mut wanted = limits;
    *field.of_mut(&mut wanted) = set;
    let value = written(field.of(&wanted));
    let by_hand = || format!("its form is unusual: write `{} = {value}` there by hand", field.key());
    let places: Places = toml::from_str(text).map_err(|_| by_hand())?;
    let place = match field {
        Field::Purposes => places.purposes,
        Field::Questions => places.questions,
        Field::Datasets => places.datasets,
    };
    let changed = match place {
        Some(place) => replaced(text, place.span(), &value).ok_or_else(by_hand)?,
        None => with_line(text, &format!("{} = {value}", field.key())),
    };
    // What came out says exactly what was wanted, or it is not written.
    match parse_limits(&changed) {
        Ok(now) if now == wanted => Ok(Edit { diff: diff(text, &changed), text: changed }),
        Ok(_) | Err(_) => Err(by_hand()),
    }
}

fn without(set: &Set, id: &str) -> Set {
    match set {
        Set::Only(names) => Set::Only(names.iter().filter(|name| *name != id).cloned().collect()),
        Set::Except(names) => Set::Except(names.iter().cloned().chain([id.to_owned()]).collect()),
    }
}

fn written(set: &Set) -> String {
    let list = |names: &BTreeSet<String>| {
        let names: Vec<String> =
            names.iter().map(|name| toml::Value::String(name.clone()).to_string()).collect();
        format!("[{}]", names.join(", "))
    };
    match set {
        Set::Only(names) => list(names),
        Set::Except(names) => format!("{{ except = {} }}", list(names)),
    }
}

fn replaced(text: &str, place: Range<usize>, value: &str) -> Option<String> {
    Some(format!("{}{value}{}", text.get(..place.start)?, text.get(place.end..)?))
}

/// A line more, before the first table if there is one.
fn with_line(text: &str, line: &str) -> String {
    let mut at = 0;
    for known in text.split_inclusive('\n') {
        if known.trim_start().starts_with('[') {
            break;
        }
        at += known.len();
    }
    let (before, after) = text.split_at(at);
    let joint = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
    format!("{before}{joint}{line}\n{after}")
}

/// Lines that differ between two texts that share their beginning and their end.
fn diff(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let first = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[first..], &new[first..]);
    let last = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let gone = old[..old.len() - last].iter().map(|line| format!("- {line}"));
    gone.chain(new[..new.len() - last].iter().map(|line| format!("+ {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: &str = "# Ours.\npurposes = [\"exams\", \"demo\"] # two\n# rho_year = 1\n";

    fn left_out(text: &str, field: Field, id: &str) -> String {
        leave_out(text, field, id).unwrap().unwrap().text
    }

    #[test]
    fn one_id_more_is_left_out_and_every_comment_stays() {
        assert_eq!(
            left_out(USUAL, Field::Purposes, "exams"),
            "# Ours.\npurposes = [\"demo\"] # two\n# rho_year = 1\n"
        );
        let first = left_out(USUAL, Field::Questions, "mean");
        assert_eq!(first, format!("{USUAL}questions = {{ except = [\"mean\"] }}\n"));
        let second = leave_out(&first, Field::Questions, "rate").unwrap().unwrap();
        assert!(second.text.ends_with("questions = { except = [\"mean\", \"rate\"] }\n"), "{}", second.text);
        assert_eq!(
            second.diff,
            ["- questions = { except = [\"mean\"] }", "+ questions = { except = [\"mean\", \"rate\"] }"]
        );
        assert_eq!(leave_out(&second.text, Field::Questions, "rate").unwrap(), None);
        assert_eq!(leave_out(USUAL, Field::Purposes, "other").unwrap(), None);
        assert_eq!(left_out("", Field::Datasets, "a\"b"), "datasets = { except = ['a\"b'] }\n");
        assert_eq!(
            left_out("public = true", Field::Datasets, "a"),
            "public = true\ndatasets = { except = [\"a\"] }\n"
        );
    }

    #[test]
    fn all_purposes_are_left_out_at_once() {
        let edit = leave_all_out(USUAL).unwrap().unwrap();
        assert_eq!(edit.text, "# Ours.\npurposes = [] # two\n# rho_year = 1\n");
        assert_eq!(leave_all_out(&edit.text).unwrap(), None);
        assert_eq!(leave_all_out("public = true").unwrap().unwrap().text, "public = true\npurposes = []\n");
        assert!(leave_all_out("purposes = 3").unwrap_err().contains("line 1"));
    }

    #[test]
    fn every_form_is_changed_rightly_or_left_alone() {
        for text in [
            "questions.except = [\"a\"]\n",
            "[questions]\nexcept = [\"a\"]\n",
            "questions = {\n  except = [ # why\n    \"a\",\n  ],\n}\npublic = true\n",
            "'questions' = [\"b\", \"x\"]\r\npublic = true\r\n",
            "public = true\n[purposes]\nexcept = []\n",
        ] {
            match leave_out(text, Field::Questions, "x") {
                Ok(Some(edit)) => {
                    let (old, new) = (parse_limits(text).unwrap(), parse_limits(&edit.text).unwrap());
                    assert!(
                        !new.questions.holds("x") && old.questions.holds("b") == new.questions.holds("b")
                    );
                    assert!(new.meet(&old) == new && new.public == old.public, "{text}");
                }
                Ok(None) => panic!("{text}"),
                Err(why) => assert!(why.contains("by hand"), "{why}"),
            }
        }
        assert!(leave_out("purposes = 3", Field::Purposes, "x").unwrap_err().contains("line 1"));
    }
}
