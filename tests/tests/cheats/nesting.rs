//! Text that goes deeper than a stack: SECURITY.md S03. Frames cannot: no type of one holds itself.

use std::thread;

use datacoop_policy::question::QuestionDraft;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_protocol::charter_text::{open_card, open_charter, parse_charter, parse_limits};
use datacoop_protocol::entry::{Body, Entry};
use datacoop_protocol::json;
use datacoop_protocol::rounds::Kind;
use datacoop_tests::cheat::{Act, Cheat, Game, LOSS, Strike};

/// How deep.
const DEPTH: usize = 10_000;
/// The stack of whoever reads it: a reader that takes a frame of its own for each level overflows it.
const STACK_BYTES: usize = 512 * 1024;

/// Runs a reader on a small stack; whether it refused.
fn refuses<T: 'static>(name: &str, read: impl FnOnce() -> Result<T, String> + Send + 'static) -> String {
    let name = name.to_owned();
    let reader = thread::Builder::new().stack_size(STACK_BYTES).name(name.clone());
    let run = move || read().err();
    let told = reader.spawn(run).unwrap().join().unwrap_or_else(|_| panic!("{name}: it panicked"));
    told.unwrap_or_else(|| panic!("{name}: it was read"))
}

/// One thing in another, so deep.
fn nest(depth: usize, open: &str, inner: &str, close: &str) -> String {
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn an_entry_deeper_than_an_entry_is_refused() {
    let texts = [
        nest(DEPTH, "[", "", "]"),
        nest(DEPTH, "{\"a\":", "1", "}"),
        "[".repeat(60_000),
        nest(DEPTH, "{\"a\":[", "", ""),
    ];
    for text in texts {
        assert!(text.len() <= json::ENTRY_BYTES_MAX, "it is refused for its depth, not its length");
        let (value, entry) = (text.clone(), text);
        let told = refuses("json", move || json::parse(value.as_bytes()).map_err(|error| error.to_string()));
        assert!(told.contains("deep"), "{told}");
        refuses("entry", move || Entry::parse(entry.as_bytes()).map_err(|error| format!("{error:?}")));
    }
}

/// TOML that goes so deep, in every way that it can.
fn deep_texts(depth: usize) -> Vec<String> {
    let dotted = vec!["a"; depth].join(".");
    vec![
        format!("a = {}", nest(depth, "[", "", "]")),
        format!("a = {}", nest(depth, "{ a = ", "1", " }")),
        format!("a = {}", "[".repeat(depth)),
        format!("{dotted} = 1"),
        format!("[{dotted}]\nb = 1"),
        format!("[[{dotted}]]\nb = 1"),
        format!("a = {{ {dotted} = 1 }}"),
    ]
}

type Read = fn(&str) -> Result<(), String>;

/// A text that people are sent, how it begins, and how deep it can go before it is too long.
const READERS: [(&str, &str, usize, Read); 6] = [
    ("charter", "# datacoop/charter/v1\n", DEPTH, |text| said(parse_charter(text))),
    ("signed charter", "# datacoop/charter/v1\n", DEPTH, |text| {
        said(open_charter(&format!("{text}\n\n\u{2014} x AAAA\n")))
    }),
    ("card", "# datacoop/card/v1\n", DEPTH / 40, |text| {
        said(open_card(&format!("{text}\n\n\u{2014} x AAAA\n")))
    }),
    ("limits", "", DEPTH, |text| said(parse_limits(text))),
    ("vocabulary", "", DEPTH / 4, |text| Vocabulary::from_toml(text).map(drop)),
    ("question", "", DEPTH / 4, |text| said(QuestionDraft::from_toml(text))),
];

fn said<T, E: ToString>(read: Result<T, E>) -> Result<(), String> {
    read.map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_text_deeper_than_a_stack_is_refused() {
    for (name, header, depth, read) in READERS {
        for text in deep_texts(depth) {
            let text = format!("{header}{text}");
            let told = refuses(name, move || read(&text));
            let for_its_depth = !told.contains("begins with") && !told.contains("at most");
            assert!(for_its_depth, "{name}: refused before it was read: {told:.300}");
        }
    }
}

/// An entry of the cheat's log, that nobody could have parsed.
fn deep_entry(strike: &mut Strike<'_>) -> Act {
    if !strike.is_plain() {
        return Act::Pass;
    }
    Act::Send(vec![vec![nest(DEPTH, "{\"a\":", "1", "}").into_bytes()]])
}

#[test]
fn a_member_that_logs_a_deep_entry_is_left_out_and_blamed() {
    let mut game = Game::new(12, 61, "contribution", deep_entry, 0, None);
    game.play();
    let verdict = game.verdict();
    assert_eq!((verdict.ending.as_str(), &verdict.blamed[..]), ("released", &["A05"][..]), "{verdict:?}");
    assert_eq!(game.round().released().unwrap().1.accepted.len(), 11);
    assert!(game.honest().into_iter().all(|site| game.spent(site) == LOSS));
}

fn measure(strike: &Strike<'_>, sql: String) -> Act {
    let Body::Query(mut query) = strike.entry.body.clone() else { return Act::Pass };
    let text = String::from_utf8(query.question.to_bytes()).unwrap();
    let (from, to) = ("\"sql\":\"1\"", format!("\"sql\":\"{sql}\""));
    assert!(text.contains(from), "{text}");
    query.question = json::parse(text.replace(from, &to).as_bytes()).unwrap();
    Act::Write(vec![Body::Query(query)])
}

/// A Query whose formula goes deep: every member refuses it, or says nothing, and nobody pays.
#[test]
fn a_deep_formula_is_not_answered() {
    let rows: [(&str, Cheat); 4] = [
        ("parentheses", |strike| measure(strike, nest(DEPTH, "(", "1", ")"))),
        ("functions", |strike| measure(strike, nest(DEPTH, "ABS(", "1", ")"))),
        ("signs", |strike| measure(strike, nest(DEPTH, "- ", "1", ""))),
        ("negations", |strike| measure(strike, nest(DEPTH, "NOT ", "1", ""))),
    ];
    for (name, cheat) in rows {
        let mut game = Game::new(5, 62, "query", cheat, 0, None);
        game.play();
        game.verdict();
        let round = game.round();
        for site in game.honest() {
            let said = round.said(Kind::Verdict, &game.world_member(site)).map(|logged| &logged.body);
            assert!(matches!(said, None | Some(Body::Refuse { .. })), "{name}: {said:?}");
            assert_eq!(game.spent(site), 0, "{name}");
        }
    }
}
