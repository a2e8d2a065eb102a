//! Parts of forms: every control has a label, what is wrong stands above them all. Must not know what a
//! form is about.

use maud::{Markup, html};

use super::frame::{Mistake, mistake_of};
use crate::error::CommandError;

/// One choice of a list: its value and its words.
pub(super) type Choice<'a> = (&'a str, &'a str);

/// A labelled control with a hint below its label. The control's id is `id`, that of its hint `{id}-hint`.
pub(super) fn field(id: &str, label: &str, hint: &str, control: &Markup) -> Markup {
    html! {
        div class="field" {
            label for=(id) { (label) }
            @if !hint.is_empty() { p class="hint" id={ (id) "-hint" } { (hint) } }
            (control)
        }
    }
}

/// The id that a control with a hint is described by.
fn described(id: &str, hint: &str) -> Option<String> {
    (!hint.is_empty()).then(|| format!("{id}-hint"))
}

/// A labelled control with a hint and with what is wrong with it, each tied to it. The control gets the ids that
/// describe it, and whether something is wrong.
pub(super) fn checked_field(
    id: &str,
    label: &str,
    hint: &str,
    mistakes: &[Mistake],
    control: impl FnOnce(Option<String>, bool) -> Markup,
) -> Markup {
    let mistake = mistake_of(mistakes, id);
    let mut ids = vec![];
    if !hint.is_empty() {
        ids.push(format!("{id}-hint"));
    }
    if mistake.is_some() {
        ids.push(format!("{id}-error"));
    }
    let described = (!ids.is_empty()).then(|| ids.join(" "));
    html! {
        div class=(if mistake.is_some() { "field wrong" } else { "field" }) {
            label for=(id) { (label) }
            @if !hint.is_empty() { p class="hint" id={ (id) "-hint" } { (hint) } }
            @if let Some(mistake) = mistake { p class="mistake" id={ (id) "-error" } { span class="unseen" { "Error: " } (mistake.text) } }
            (control(described, mistake.is_some()))
        }
    }
}

/// A line of text.
pub(super) fn text_field(id: &str, label: &str, hint: &str, value: &str) -> Markup {
    let control = html! {
        input type="text" id=(id) name=(id) value=(value) autocomplete="off" spellcheck="false" aria-describedby=[described(id, hint)];
    };
    field(id, label, hint, &control)
}

/// A text of several lines.
pub(super) fn text_area(id: &str, label: &str, hint: &str, value: &str, rows: u8) -> Markup {
    let control = html! {
        textarea id=(id) name=(id) rows=(rows) autocomplete="off" aria-describedby=[described(id, hint)] { (value) }
    };
    field(id, label, hint, &control)
}

/// A passphrase, which no browser shows.
pub(super) fn secret_field(id: &str, label: &str, hint: &str, kind: &str) -> Markup {
    let control = html! {
        input type="password" id=(id) name=(id) autocomplete=(kind) aria-describedby=[described(id, hint)];
    };
    field(id, label, hint, &control)
}

/// A list to choose one of.
pub(super) fn select_field(
    id: &str,
    label: &str,
    hint: &str,
    choices: &[Choice<'_>],
    chosen: &str,
) -> Markup {
    let control = html! {
        select id=(id) name=(id) aria-describedby=[described(id, hint)] {
            @for (value, words) in choices {
                option value=(value) selected[*value == chosen] { (words) }
            }
        }
    };
    field(id, label, hint, &control)
}

/// A box to tick.
pub(super) fn tick(id: &str, label: &str, ticked: bool) -> Markup {
    html! {
        div class="tick" {
            input type="checkbox" id=(id) name=(id) value="yes" checked[ticked];
            label for=(id) { (label) }
        }
    }
}

/// What went wrong, on top of a page and in focus.
pub(super) fn error_summary(error: &CommandError) -> Markup {
    let mut lines = error.text.lines();
    let first = lines.next().unwrap_or_default();
    let rest: Vec<&str> = lines.collect();
    html! {
        div class="error" role="alert" id="error" tabindex="-1" autofocus {
            h2 { "There is a problem" }
            p { (sentence(first)) }
            @if !rest.is_empty() { ul { @for line in rest { li { (line) } } } }
            @if let Some(hint) = &error.hint { p { (sentence(hint)) } }
        }
    }
}

/// An error's words as a sentence on a page.
pub(super) fn sentence(text: &str) -> String {
    // A file's name, or what the person typed, stays as it is.
    let is_word = text.split(' ').next().is_some_and(|word| word.chars().all(char::is_alphabetic));
    let mut chars = text.chars();
    let upper = |c: char| if is_word { c.to_uppercase().to_string() } else { c.to_string() };
    let first = chars.next().map(upper).unwrap_or_default();
    let end = if text.ends_with(['.', '?', '!', ':']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_is_said_in_sentences_and_escaped() {
        let error = CommandError::usage("`<b>` is no day\nrow 1: <i>".into()).hint("write 2025-09-01");
        let shown = error_summary(&error).into_string();
        assert!(
            shown.contains(
                "<p>`&lt;b&gt;` is no day.</p><ul><li>row 1: &lt;i&gt;</li></ul><p>Write 2025-09-01.</p>"
            ),
            "{shown}"
        );
    }
}
