//! Named closed lists: a Question may write a list's name in place of its values, and a parameter of
//! that kind takes one of them. Constants, so that no member can hold another list.
//!
//! Contains public sector information licensed under the Open Government Licence v3.0: bands, grades
//! and subjects are those of the Department for Education's "Key stage 4 performance", key stage 2 to
//! 4 transition matrices 2024.

/// Bands of the average key stage 2 scaled score.
pub const KS2_BANDS: &[&str] = &[
    "Less than 80",
    "80 - 89.5",
    "90 - 95.5",
    "96 - 99.5",
    "100 - 102",
    "102.5 - 104.5",
    "105 - 107",
    "107.5 - 109.5",
    "110 - 113",
    "113.5 - 116.5",
    "117 - 120",
    "No scaled score",
];

/// GCSE grades 9 to 1; U is ungraded, X no grade.
pub const GCSE_GRADES: &[&str] = &["U", "1", "2", "3", "4", "5", "6", "7", "8", "9", "X"];

/// GCSE subjects with a transition matrix.
pub const GCSE_SUBJECTS: &[&str] = &[
    "Ancient History",
    "Art and Design",
    "Biblical Hebrew",
    "Biology",
    "Business",
    "Chemistry",
    "Classical Civilisation",
    "Classical Greek",
    "Computer Science",
    "Dance",
    "Design & Technology",
    "Drama",
    "Economics",
    "Engineering",
    "English Language",
    "English Literature",
    "Film Studies",
    "Food Preparation & Nutrition",
    "French",
    "Geography",
    "German",
    "History",
    "Latin",
    "Mathematics",
    "Media/Film/TV",
    "Music",
    "Other Modern Languages",
    "Other Sciences",
    "Physical Education",
    "Physics",
    "Religious Studies",
    "Social Studies",
    "Spanish",
    "Statistics",
];

/// National Curriculum years, nursery and reception first.
pub const NC_YEARS: &[&str] =
    &["N1", "N2", "R", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14"];

/// Every list by its name.
const LISTS: &[(&str, &[&str])] = &[
    ("gcse_grades", GCSE_GRADES),
    ("gcse_subjects", GCSE_SUBJECTS),
    ("ks2_bands", KS2_BANDS),
    ("nc_years", NC_YEARS),
];

/// The list of this name.
pub fn named(name: &str) -> Option<&'static [&'static str]> {
    LISTS.iter().find(|(known, _)| *known == name).map(|(_, values)| *values)
}

/// The names there are.
pub fn names() -> impl Iterator<Item = &'static str> {
    LISTS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_list_holds_each_value_once() {
        for name in names() {
            let values = named(name).unwrap();
            assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), values.len(), "{name}");
            // A narrowing writes several values with commas between them.
            assert!(values.iter().all(|value| !value.is_empty() && !value.contains(',')), "{name}");
        }
        assert_eq!(named("nobody"), None);
    }
}
