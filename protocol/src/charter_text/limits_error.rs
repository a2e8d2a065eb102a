//! What is wrong with a `limits.toml` or an `inbox.toml`, in a sentence: the line, the field, and what to write
//! instead. The line's own text stays where it is: it may be long, and it is the reader's own file.

use super::TextError;

/// The fields of a file, and what is written there.
pub(super) struct Form {
    /// What a field is called.
    noun: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

/// Every field of a `limits.toml`.
pub(super) const LIMITS: Form = Form { noun: "limit", fields: &FORMS };
/// Every field of an `inbox.toml`.
pub(super) const INBOX: Form = Form {
    noun: "field",
    fields: &[
        ("default", WAY),
        ("rule", "[[rule]] on a line of its own, and its fields below it"),
        ("purposes", NAMES),
        ("questions", NAMES),
        ("datasets", NAMES),
        ("askers", NAMES),
        ("rho_query", LOSS),
        ("then", WAY),
    ],
};
const WAY: &str = "\"accept\", \"ask\" or \"never\"";
const FORMS: [(&str, &str); 16] = [
    ("purposes", NAMES),
    ("questions", NAMES),
    ("datasets", NAMES),
    ("columns", NAMES),
    ("group_by", NAMES),
    ("rho_query", LOSS),
    ("rho_purpose", LOSS),
    ("rho_year", LOSS),
    ("max_cells", COUNT),
    ("min_roster", COUNT),
    ("min_bodies", COUNT),
    ("min_people", COUNT),
    ("min_cosigners", COUNT),
    ("min_step", COUNT),
    ("public", FLAG),
    ("full_noise", FLAG),
];
const NAMES: &str = "a list of names such as [\"a\", \"b\"], or all but some: { except = [\"a\"] }";
const LOSS: &str = "billionths of rho, a whole number such as 20_000_000";
const COUNT: &str = "a whole number from 0 to 4_294_967_295";
const FLAG: &str = "true or false";
/// Most edits between a field and what was meant by it: a letter or two, or a plural.
const EDITS_MAX: usize = 3;
/// Longest name of a field that is repeated to its reader.
const NAME_CHARS_MAX: usize = 40;

/// The error of such a file for its reader.
pub(super) fn field_error(text: &str, error: &toml::de::Error, form: &Form) -> TextError {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.as_bytes().get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let named = field_of(text, line);
    let said = error.message();
    let what = match (&named, form.of(&named)) {
        _ if said.starts_with("missing field") => {
            format!(
                "{} is missing; every rule says what is done, and so does the file for all else",
                tidy(said).trim_start_matches("missing ")
            )
        }
        (name, _) if said.starts_with("duplicate key") => {
            format!("`{name}` stands there twice; keep one of the two")
        }
        (name, Some(written)) if !is_syntax(said) => format!("`{name}` is not understood; write {written}"),
        (name, None) if said.starts_with("unknown field") => form.unknown(name),
        (name, _) if name.is_empty() => format!("{}; write FIELD = VALUE on a line of its own", tidy(said)),
        (name, Some(written)) => format!("`{name}`: {}; write {written}", tidy(said)),
        (name, None) => format!("`{name}`: {}; write FIELD = VALUE on a line of its own", tidy(said)),
    };
    TextError(format!("line {line}: {what}"))
}

/// What stands before the `=` of a line: the field; nothing, where there is none.
fn field_of(text: &str, line: usize) -> String {
    let line = text.lines().nth(line - 1).unwrap_or_default().trim_start_matches('\u{feff}');
    let name = line.split_once('=').map_or(line, |(name, _)| name).trim();
    let name = name.trim_matches(|c| matches!(c, '"' | '[' | ']'));
    if name.starts_with('#') { String::new() } else { name.chars().take(NAME_CHARS_MAX).collect() }
}

/// Whether the text is no TOML at all, so that a field's form is not what is wrong.
fn is_syntax(said: &str) -> bool {
    !["invalid type", "invalid value", "data did not match", "unknown field"]
        .iter()
        .any(|known| said.starts_with(known))
}

impl Form {
    fn of(&self, name: &str) -> Option<&'static str> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, form)| *form)
    }

    fn unknown(&self, name: &str) -> String {
        let nearest = self.fields.iter().map(|(field, _)| (edits(name, field), *field)).min();
        let meant = nearest.filter(|(edits, _)| *edits <= EDITS_MAX).map(|(_, field)| field);
        let (noun, name) = (self.noun, name.escape_debug());
        match meant {
            Some(field) => format!("there is no {noun} `{name}`; did you mean `{field}`?"),
            None => {
                let all: Vec<&str> = self.fields.iter().map(|(field, _)| *field).collect();
                format!(
                    "there is no {noun} `{name}`; there are {}; take the line out or use one of them",
                    all.join(", ")
                )
            }
        }
    }
}

/// What the reader of TOML says, on one line.
fn tidy(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

/// Letters to add, take out or change until one word is the other (Levenshtein 1966).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::parse_limits;
    use super::*;

    fn check(text: &str, said: &str) {
        assert_eq!(parse_limits(text).unwrap_err().to_string(), said, "{text}");
    }

    #[test]
    fn an_error_names_line_field_and_remedy() {
        check("purpose = [\"a\"]", "line 1: there is no limit `purpose`; did you mean `purposes`?");
        check(
            "# ours\npurposes = [\"a\"]\nrho_yaer = 5",
            "line 3: there is no limit `rho_yaer`; did you mean `rho_year`?",
        );
        for bad in ["-1", "0.5", "\"5\"", "99999999999999999999", "[5]"] {
            check(
                &format!("purposes = [\"secret purpose\"]\nrho_query = {bad}"),
                "line 2: `rho_query` is not understood; write billionths of rho, a whole number such as 20_000_000",
            );
        }
        for bad in ["4294967296", "-1", "true"] {
            check(
                &format!("min_roster = {bad}"),
                "line 1: `min_roster` is not understood; write a whole number from 0 to 4_294_967_295",
            );
        }
        for bad in ["\"a\"", "5", "{ but = [\"a\"] }", "[1]", "{ except = \"a\" }"] {
            check(
                &format!("\n\npurposes = {bad}"),
                "line 3: `purposes` is not understood; write a list of names such as [\"a\", \"b\"], or all but some: { except = [\"a\"] }",
            );
        }
        check("public = 1", "line 1: `public` is not understood; write true or false");
        check("public = true\npublic = true", "line 2: `public` stands there twice; keep one of the two");
        let unknown = parse_limits("delegates = 5").unwrap_err().to_string();
        assert!(
            unknown.starts_with("line 1: there is no limit `delegates`; there are purposes, "),
            "{unknown}"
        );
    }

    /// Whatever the text: one line, no more of it than a name, and no panic.
    #[test]
    fn no_error_repeats_the_file() {
        let long = "x".repeat(5_000);
        let texts = [
            format!("rho_query = \"{long}\""),
            format!("{long} = 1"),
            format!("purposes = [\"{long}"),
            format!("purposes = [\n\"a\",\n{long}\n]"),
            format!("[{long}]"),
            "=".into(),
            "purposes".into(),
            "\u{feff}purposes = 1".into(),
            "a\u{202e}b = 1".into(),
            "\u{0}".into(),
            "é = 1\nü".into(),
            "purposes = [\"é\"".into(),
            "rho_query = 20_000_000 rho_year = 5".into(),
            "max_cells = 0x".into(),
        ];
        for text in texts {
            let said = parse_limits(&text).unwrap_err().to_string();
            assert!(said.starts_with("line ") && said.lines().count() == 1, "{said}");
            assert!(said.len() < 400 && said.contains(';'), "{text:.40}: {said}");
        }
    }

    #[test]
    fn every_field_is_known() {
        for (field, form) in FORMS {
            let value = match form {
                NAMES => "[\"a\"]",
                FLAG => "true",
                _ => "7",
            };
            parse_limits(&format!("{field} = {value}")).unwrap();
        }
        let names: Vec<&str> = datacoop_policy::limits::Limits::top().values().map(|(name, _)| name).to_vec();
        let days = ["not_before", "not_after"];
        for name in names {
            assert!(LIMITS.of(name).is_some() != days.contains(&name), "{name}");
        }
        assert_eq!((edits("kitten", "sitting"), edits("", "ab"), edits("ab", "ab")), (3, 2, 0));
    }
}
