//! How far everybody can use these pages: what they aim at, what was tried and how, what was not, and whom to tell.
//! Source: Web Content Accessibility Guidelines 2.2.

use axum::extract::State;
use axum::response::Response;
use maud::html;

use super::frame_of;
use crate::driver::Handle;

pub(super) const HERE: &str = "/help/accessibility";

/// What the journeys of the test suite check on every page that they come to.
const TRIED: [&str; 7] = [
    "axe-core 4.12, an automatic checker, finds nothing against its rules for these guidelines at levels A and AA, nor against its list of good practice: in light and in dark colours.",
    "Every page is whole without scripts, and its forms work without them.",
    "At a width of 320 pixels no page has to be moved sideways; a wide table moves within its own frame.",
    "Whatever is to be pressed is at least 24 pixels high and wide.",
    "Every chart also stands as a table with the same numbers, and a shape or a word stands beside every colour.",
    "Texts, lines and marks have the contrast that the guidelines ask for; it is worked out again from the colours in each test.",
    "What is wrong with a form stands on top, in focus, and leads to the fields.",
];

/// What is known not to be as it should be, or was never tried.
const LACKS: [&str; 5] = [
    "No person who uses a screen reader, a magnifier or speech to steer a computer has tried these pages, and nobody from outside has examined them. Automatic checkers find only a part of what shuts people out.",
    "The exact bytes of a log's entries, its proofs and checkpoints are long runs of letters and digits: hard to listen to, and there is no other form of them.",
    "What is kept or printed as a PDF file is made by your browser. Whether a screen reader reads it in its order was not tried; the page itself can be read.",
    "Some hints from the program name a command to type in a terminal, where there is no form for it yet.",
    "The pages are in English alone.",
];

pub(super) async fn statement(State(handle): State<Handle>) -> Response {
    let frame = frame_of(&handle).await;
    let body = html! {
        p { "These pages are meant to meet the Web Content Accessibility Guidelines 2.2 at level AA. We believe that they nearly do, and cannot promise it: they were tested by programs, and not yet by people who depend on it." }
        h2 { "What was tried" }
        p { "Each time the program is built from its source, a browser goes through these pages as people do (the tests " code { "journeys" } ", " code { "pages" } " and those of " code { "figure" } "):" }
        ul { @for tried in TRIED { li { (tried) } } }
        h2 { "What is not as it should be" }
        ul { @for lacks in LACKS { li { (lacks) } } }
        h2 { "If something shuts you out" }
        p { "Tell the person who looks after this node at " (frame.name) ": what you wanted to do, on which page, and what you use. Ask them for the same in another form; everything on these pages also comes as text from the command line, and results as CSV files. They can pass it on to the makers of the program, whose address stands in its README file." }
        p { "If you are in the United Kingdom and the answer does not help, the Equality Advisory and Support Service gives advice; in Northern Ireland the Equality Commission." }
    };
    frame.page("", "Accessibility", &body)
}
