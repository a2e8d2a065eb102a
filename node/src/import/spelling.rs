//! What people write for a value of a closed list: other case, spaces and punctuation, whole words for
//! letters. A text that could mean two things is none of ours to guess.

use datacoop_policy::vocabulary::{Column, Kind};

/// Letters and digits in lower case; `&` is `and`.
fn folded(text: &str) -> String {
    let text = text.replace('&', "and");
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The value of the column's list with the same letters and digits.
pub(super) fn same_letters(column: &Column, text: &str) -> Option<String> {
    let wanted = folded(text);
    if wanted.is_empty() {
        return None;
    }
    let mut found = column.values.iter().filter(|value| folded(value) == wanted);
    let value = found.next()?;
    found.next().is_none().then(|| value.clone())
}

/// The value that is meant, by the column's name.
pub(super) fn meant(column: &Column, text: &str) -> Option<String> {
    let meant = match column.name.as_str() {
        "session" => session(text),
        "sex" => by_words(text, &[("U", &["unknown", "not stated", "other"])]),
        "sen" => sen(text),
        "enrolment_status" => enrolment(text),
        "ethnic_major" => ethnic_group(text),
        "weekday" => by_words(text, &WEEKDAYS),
        "stage" => stage(text),
        "score" => by_words(
            text,
            &[("1", &["yes", "y", "true", "achieved"]), ("0", &["no", "n", "false", "not achieved"])],
        ),
        _ => None,
    };
    let meant = meant.map(str::to_owned).or_else(|| same_letters(column, text));
    let listed = |value: &String| column.kind != Kind::Text || column.values.contains(value);
    meant.filter(listed)
}

const WEEKDAYS: [(&str, &[&str]); 5] = [
    ("Monday", &["mon"]),
    ("Tuesday", &["tue", "tues"]),
    ("Wednesday", &["wed"]),
    ("Thursday", &["thu", "thur", "thurs"]),
    ("Friday", &["fri"]),
];

fn by_words(text: &str, words: &[(&'static str, &[&str])]) -> Option<&'static str> {
    let text = folded(text);
    let is = |words: &&(&'static str, &[&str])| words.1.iter().any(|word| folded(word) == text);
    words.iter().find(is).map(|(value, _)| *value)
}

fn session(text: &str) -> Option<&'static str> {
    let words: [(&str, &[&str]); 2] = [
        ("AM", &["a", "morning", "am session", "am registration", "session 1", "1", "am reg"]),
        ("PM", &["p", "afternoon", "pm session", "pm registration", "session 2", "2", "pm reg"]),
    ];
    by_words(text, &words)
}

fn sen(text: &str) -> Option<&'static str> {
    let words: [(&str, &[&str]); 3] = [
        ("N", &["no", "none", "no sen", "no special educational need", "no specified educational need"]),
        ("K", &["support", "sen support", "k sen support", "special educational needs support"]),
        ("E", &["ehcp", "ehc plan", "education health and care plan", "e education health and care plan"]),
    ];
    by_words(text, &words)
}

fn enrolment(text: &str) -> Option<&'static str> {
    let words: [(&str, &[&str]); 3] = [
        ("C", &["current", "single", "single registration", "current single registration", "c current"]),
        (
            "M",
            &[
                "main",
                "main dual registration",
                "current main",
                "current main dual registration",
                "dual main",
            ],
        ),
        (
            "S",
            &[
                "subsidiary",
                "subsidiary dual registration",
                "current subsidiary",
                "current subsidiary dual registration",
                "dual subsidiary",
            ],
        ),
    ];
    by_words(text, &words)
}

/// Major groups by the school census's own codes (four letters) or words.
fn ethnic_group(text: &str) -> Option<&'static str> {
    let folded = folded(text);
    if folded.len() == 4 && folded != "arab" {
        let main: [(&str, &str); 7] = [
            ("whi", "White"),
            ("w", "White"),
            ("m", "Mixed"),
            ("a", "Asian"),
            ("chne", "Asian"),
            ("b", "Black"),
            ("ooth", "Other"),
        ];
        let unknown = matches!(folded.as_str(), "refu" | "nobt");
        return if unknown {
            Some("Unknown")
        } else {
            main.iter().find(|(code, _)| folded.starts_with(code)).map(|(_, group)| *group)
        };
    }
    let words = [
        ("white", "White"),
        ("mixed", "Mixed"),
        ("multiple", "Mixed"),
        ("asian", "Asian"),
        ("chinese", "Asian"),
        ("black", "Black"),
        ("anyotherethnic", "Other"),
        ("other", "Other"),
        ("arab", "Other"),
        ("refused", "Unknown"),
        ("notobtained", "Unknown"),
        ("notknown", "Unknown"),
    ];
    words.iter().find(|(word, _)| folded.starts_with(word)).map(|(_, group)| *group)
}

fn stage(text: &str) -> Option<&'static str> {
    let words: [(&str, &[&str]); 8] = [
        ("KS1", &["key stage 1"]),
        ("KS2", &["key stage 2"]),
        ("KS4", &["key stage 4", "gcse"]),
        ("KS5", &["key stage 5"]),
        ("Y7", &["year 7", "7"]),
        ("Y8", &["year 8", "8"]),
        ("Y9", &["year 9", "9"]),
        ("Y10", &["year 10", "10"]),
    ];
    by_words(text, &words)
}

#[cfg(test)]
mod tests {
    use datacoop_policy::vocabulary::Vocabulary;

    use super::*;

    const PUPILS: &str = include_str!("../vocab/pupils.toml");
    const ATTAINMENT: &str = include_str!("../vocab/attainment.toml");
    const ATTENDANCE: &str = include_str!("../vocab/attendance.toml");
    const BEHAVIOUR: &str = include_str!("../vocab/behaviour.toml");

    fn check(vocabulary: &str, column: &str, text: &str) -> String {
        let vocabulary = Vocabulary::from_toml(vocabulary).unwrap();
        meant(vocabulary.column(column).unwrap(), text).unwrap_or_else(|| "nothing".into())
    }

    #[test]
    fn values_in_other_words() {
        for (vocabulary, column, text, value) in [
            (PUPILS, "sex", "x", "nothing"),
            (PUPILS, "sen", "SEN Support", "K"),
            (PUPILS, "sen", "Education, Health and Care Plan", "E"),
            (PUPILS, "enrolment_status", "Current (Single Registration)", "C"),
            (PUPILS, "ethnic_major", "White - British", "White"),
            (PUPILS, "ethnic_major", "WBRI", "White"),
            (PUPILS, "ethnic_major", "CHNE", "Asian"),
            (PUPILS, "ethnic_major", "REFU", "Unknown"),
            (PUPILS, "ethnic_major", "Martian", "nothing"),
            (ATTENDANCE, "session", "Morning", "AM"),
            (ATTENDANCE, "session", "pm.", "PM"),
            (ATTENDANCE, "session", "lunch", "nothing"),
            (ATTAINMENT, "subject", "Design and Technology", "Design & Technology"),
            (ATTAINMENT, "subject", "english language", "English Language"),
            (ATTAINMENT, "subject", "", "nothing"),
            (ATTAINMENT, "stage", "Key Stage 4", "KS4"),
            (BEHAVIOUR, "type", "Permanent Exclusion", "permanent_exclusion"),
            (BEHAVIOUR, "slot", "off-site", "off_site"),
        ] {
            assert_eq!(check(vocabulary, column, text), value, "{column} {text}");
        }
    }
}
