//! Certificates: what an honest one shows, and that none with anything changed passes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::OnceLock;

use datacoop_policy::query::Mode;
use datacoop_protocol::audit::Outcome;
use datacoop_protocol::certificate::{Certificate, check};
use datacoop_tests::certified::{Parts, Scene, Story};

const SECURE: Scene = Scene { members: 5, mode: Mode::Secure, witnesses: 0, seed: 41 };

fn secure() -> &'static Story {
    static STORY: OnceLock<Story> = OnceLock::new();
    STORY.get_or_init(|| Story::tell(SECURE, 2))
}

/// Codes of the checks that came out so.
fn codes(text: &str, outcome: Outcome) -> Vec<&'static str> {
    let checked = check(text.as_bytes()).unwrap();
    checked.checks.iter().filter(|check| check.outcome == outcome).map(|check| check.code).collect()
}

#[test]
fn an_honest_certificate_passes() {
    let text = secure().certificate(0);
    let checked = check(text.as_bytes()).unwrap();
    assert!(checked.passed(), "{:?}", checked.checks);
    assert_eq!(codes(&text, Outcome::Warn), ["C02"], "nobody but the members vouches for it");
    assert_eq!(codes(&text, Outcome::Pass).len(), 10);
    assert!(checked.summary.contains("figure: sex=F, count: "), "{}", checked.summary);
    // What the asker wrote makes no line of its own.
    assert!(checked.summary.contains(r"why: To see\nfigure: all, count: 1000000"), "{}", checked.summary);
    assert!(checked.summary.contains("rho 0.005000000") && !checked.summary.contains("epsilon"));
    assert_eq!(Parts::of(&text).text(), text);
}

/// Bytes that are changed and checked in full; the test below covers the others.
const CHANGED: usize = 2_000;

/// Two thousand places over the whole file, each bit of a byte in turn.
#[test]
fn a_changed_byte_never_passes() {
    let text = secure().certificate(0);
    for n in 0..CHANGED {
        let at = n * text.len() / CHANGED;
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (n % 8);
        assert!(!check(&bytes).is_ok_and(|checked| checked.passed()), "byte {at}");
    }
}

/// A text that reads as a certificate is the only text of what was read: so a changed byte is refused, or it
/// changes a part of which the checks compare or hash every byte.
#[test]
fn a_certificate_has_one_text() {
    let text = secure().certificate(0);
    let whole = Certificate::parse(&text).unwrap();
    assert_eq!(whole.text(), text);
    for at in (0..text.len()).step_by(7) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let read = Certificate::parse(&changed);
        assert!(read.is_err() || read.is_ok_and(|read| read != whole && read.text() == changed), "byte {at}");
    }
}
