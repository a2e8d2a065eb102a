//! Words that several papers share, and what differs between a school and a charity.

use datacoop_policy::charter::{Member, Publish};
use datacoop_policy::vocabulary::Column;

use super::facts::{Standard, Standing, Used};
use crate::html::text;
use crate::loss::{DELTA_TEXT, Reading};

/// Register numbers of schools begin so: org-id.guide's list code of the Department for Education.
const SCHOOL: &str = "GB-EDU-";
/// Who has records of this dataset is a school, whatever its number.
const PUPILS: &str = "pupils";
/// Longest title in a letter of one page.
const CLIP_CHARS: usize = 110;

/// How a school, or another organisation, speaks of itself and of those it serves.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) organisation: &'static str,
    pub(super) person: &'static str,
    pub(super) people: &'static str,
    /// Whom a letter is about, in it; and on its slip.
    pub(super) yours: &'static str,
    pub(super) mine: &'static str,
    pub(super) leader: &'static str,
    pub(super) letter_file: &'static str,
    pub(super) letter_title: &'static str,
    pub(super) greeting: &'static str,
    pub(super) is_school: bool,
}

const AT_SCHOOL: Words = Words {
    organisation: "school",
    person: "pupil",
    people: "pupils",
    yours: "your child",
    mine: "my child",
    leader: "the head teacher",
    letter_file: "letter-to-parents.html",
    letter_title: "A letter to parents and carers",
    greeting: "Dear parent or carer,",
    is_school: true,
};

const ELSEWHERE: Words = Words {
    organisation: "organisation",
    person: "person",
    people: "people",
    yours: "you",
    mine: "me",
    leader: "the chief officer",
    letter_file: "letter-to-people.html",
    letter_title: "A letter to the people we work with",
    greeting: "Hello,",
    is_school: false,
};

impl Words {
    pub(super) fn of(member: &Member, standards: &[Standard]) -> &'static Self {
        let has_pupils = standards.iter().any(|standard| standard.is_held && standard.dataset == PUPILS);
        if has_pupils || member.id.as_str().starts_with(SCHOOL) { &AT_SCHOOL } else { &ELSEWHERE }
    }
}

/// A place that people fill in, and who. The brackets stay when a page loses its style.
pub(super) fn fill(who: &str, what: &str) -> String {
    let what = if what.is_empty() { String::new() } else { format!(": {what}") };
    format!("<strong class=\"fill\">[to be filled in by {}{}]</strong>", text(who), text(&what))
}

/// A paragraph that people fill in.
pub(super) fn fill_paragraph(who: &str, what: &str) -> String {
    format!("<p>{}</p>\n", fill(who, what))
}

/// Who fills in most of what a machine cannot know.
pub(super) const DPO: &str = "the data protection officer";

/// A loss as an officer reads it.
pub(super) fn loss_words(reading: Reading) -> String {
    format!(
        "epsilon {} at delta {DELTA_TEXT} (rho {}); at most {} times as likely",
        reading.epsilon_text(),
        reading.rho_text(),
        reading.factor_text()
    )
}

/// Text of several lines on one.
pub(super) fn one_line(lines: &str) -> String {
    text(&lines.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A line that leaves room for the rest of a letter.
pub(super) fn clipped(line: &str) -> String {
    if line.chars().count() <= CLIP_CHARS {
        return text(line);
    }
    let start: String = line.chars().take(CLIP_CHARS).collect();
    let whole = start.rsplit_once(' ').map_or(start.as_str(), |(before, _)| before);
    format!("{} ...", text(whole))
}

/// Names in a sentence; HTML.
pub(super) fn and_list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    and_html(&names.into_iter().map(text).collect::<Vec<_>>())
}

/// The same of what is HTML already.
pub(super) fn and_html(names: &[String]) -> String {
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

pub(super) fn who_sees(publish: Publish) -> String {
    match publish {
        Publish::Members => "The members alone.".into(),
        Publish::PublicAfter(0) => "Everybody, as soon as the members do.".into(),
        Publish::PublicAfter(days) => format!("The members first; everybody {days} days later."),
    }
}

/// Whether questions for a purpose are answered, as a sentence; HTML.
pub(super) fn standing_words(standing: &Standing) -> String {
    match standing {
        Standing::Open => "We answer questions for this purpose.".to_owned(),
        Standing::From(day) => format!("We answer questions for this purpose from {day} on."),
        Standing::Shut(why) => {
            format!("<strong>We do not answer questions for this purpose:</strong> {}.", text(why))
        }
    }
}

/// A column for people who never saw a table; HTML.
pub(super) fn column_words(column: &Column) -> String {
    let name = text(&column.name.replace('_', " "));
    match column.description.is_empty() {
        true => name,
        // A 0 or 1 is a yes or no to whoever reads on.
        false => match column.description.strip_prefix("1 where ") {
            Some(holds) => format!("{name}: whether {}", text(holds)),
            None => format!("{name}: {}", text(&column.description)),
        },
    }
}

/// The names of columns, one after the other; HTML.
pub(super) fn names(columns: &[&Column]) -> String {
    if columns.is_empty() {
        return "none".to_owned();
    }
    columns.iter().map(|column| text(&column.name)).collect::<Vec<_>>().join(", ")
}

/// The columns of a standard that are marked sensitive, of those in use; HTML.
pub(super) fn sensitive_names(used: &Used<'_>) -> String {
    let marked: Vec<&Column> = used.columns.iter().copied().filter(|column| column.sensitive).collect();
    names(&marked)
}
