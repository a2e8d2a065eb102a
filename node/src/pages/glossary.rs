//! Words that people meet in these pages, in plain English: a page of them, and links that show a meaning to whoever
//! points at one. Needs no script.

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::frame_of;
use crate::driver::Handle;

pub(super) const HERE: &str = "/help/words";
const TITLE: &str = "What the words mean";

/// Its name in addresses, the word, its meaning in one sentence, and more where one is not enough.
const WORDS: [(&str, &str, &str, &str); 18] = [
    ("node", "Node", "This program with its folder, on this computer.", "Records stay in it."),
    (
        "member",
        "Member",
        "One organisation in the co-operative: a school or a charity. It runs one node.",
        "",
    ),
    (
        "charter",
        "Charter",
        "The rules that all members signed: what may be asked, of which records, what for, and how much.",
        "It can be made stricter at once, and looser only after 14 days.",
    ),
    (
        "purpose",
        "Purpose",
        "What a question may be asked for. The charter lists them, and each ends on a day.",
        "",
    ),
    (
        "round",
        "Round",
        "One question on its way: who takes part, who has answered, and when it is opened.",
        "",
    ),
    (
        "release",
        "Release",
        "The answer to one question: sums over all members that took part, with privacy noise in them.",
        "Every member gets it at the same moment.",
    ),
    ("cluster", "Cluster", "The members that are counted in one answer.", ""),
    (
        "privacy-noise",
        "Privacy noise",
        "Random amounts added on purpose, so that an answer tells very little about any one person.",
        "How large it is is known exactly. In a figure it is the thick bar.",
    ),
    (
        "ordinary-chance",
        "Ordinary chance",
        "How much a figure would differ with other children like these: a school's own figure has it too.",
        "In a figure it is in the thin bar.",
    ),
    (
        "likely-range",
        "Likely range",
        "Where the true figure most likely is: privacy noise and ordinary chance together, 95 times in 100.",
        "",
    ),
    (
        "exact",
        "Exact",
        "Counted on this computer, without privacy noise. Only you see it, and only beside an answer.",
        "",
    ),
    (
        "percentage-point",
        "Percentage point",
        "The step from 4 % to 5 % is one percentage point.",
        "Percent of percent would be something else.",
    ),
    (
        "privacy-budget",
        "Privacy budget",
        "How much all answers of a year together may tell of one person. When it is used up, the node refuses.",
        "It is counted in points: a year usually has 100.",
    ),
    (
        "log",
        "Log",
        "What a member did, entry by entry, signed. Others keep copies, so nothing can be changed unseen.",
        "It holds no records.",
    ),
    ("checkpoint", "Checkpoint", "A signed line that says how long a log is and what is in it.", ""),
    ("witness", "Witness", "A member that has seen a log and signs that it was not rewritten.", ""),
    ("certificate", "Certificate", "A file that lets anybody check one answer without asking anybody.", ""),
    (
        "card",
        "Card",
        "What others copy into the charter: your register number, name and public keys. It holds no secret.",
        "",
    ),
];

/// A word that shows what it means to whoever points at it, and leads to the list. `id` is its name in [`WORDS`].
pub(super) fn term(id: &'static str) -> Markup {
    let Some((_, word, meaning, _)) = WORDS.iter().find(|(known, ..)| *known == id) else {
        return html! { (id) };
    };
    html! { a class="term" href={ (HERE) "#" (id) } title=(meaning) { (word.to_lowercase()) } }
}

/// At the end of a page: its words.
pub(super) fn words_here(ids: &[&'static str]) -> Markup {
    html! {
        p class="words-here no-print" {
            "Words on this page: "
            @for (n, id) in ids.iter().enumerate() { @if n > 0 { ", " } (term(id)) }
            "."
        }
    }
}

/// All of them.
pub(super) fn list() -> Markup {
    html! {
        dl class="pairs" {
            @for (id, word, meaning, more) in WORDS {
                dt id=(id) { dfn { (word) } }
                dd { (meaning) @if !more.is_empty() { " " (more) } }
            }
        }
    }
}

pub(super) async fn words(State(handle): State<Handle>) -> Response {
    let body = html! {
        (list())
        p { a href="/help/figures" { "How to read our figures" } }
    };
    frame_of(&handle).await.page(HERE, TITLE, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_has_a_place_of_its_own_and_shows_its_meaning() {
        let shown = list().into_string();
        for (id, word, meaning, _) in WORDS {
            assert_eq!(shown.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
            let link = term(id).into_string();
            assert!(link.contains(&format!("#{id}\"")) && link.contains("title=\""), "{link}");
            assert!(link.contains(&word.to_lowercase()) && meaning.ends_with('.'), "{word}");
        }
    }
}
