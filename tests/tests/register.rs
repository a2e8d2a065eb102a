//! The public register: whole pages, the certificate's figures, and nothing that is not public.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod markup;

use std::collections::BTreeMap;

use datacoop::register::{Source, files, write};
use datacoop_policy::Day;
use datacoop_policy::charter::{CharterDraft, Licence, Publish};
use datacoop_policy::query::Mode;
use datacoop_protocol::certificate::check;
use datacoop_protocol::release::figures;
use datacoop_tests::certified::{Scene, Story, VOCABULARY};

const SCENE: Scene = Scene { members: 5, mode: Mode::Secure, witnesses: 0, seed: 77 };
/// The day on which the rounds of a story run.
const DAY: &str = "2025-12-01";

fn site(story: &Story, as_of: &str) -> BTreeMap<String, String> {
    let (fold, notes) = story.fold(&[]);
    let heads = notes.into_iter().map(|(member, note)| (member, vec![note])).collect();
    files(&Source {
        fold: &fold,
        charter_notes: std::slice::from_ref(&story.charter_note),
        heads: &heads,
        vocabulary: &|_| Some(VOCABULARY.to_owned()),
        as_of: Day::parse(as_of).unwrap(),
    })
}

/// A page of the site: as any page, and with its ways around.
fn check_markup(name: &str, page: &str) {
    markup::check_page(name, page);
    if name.ends_with(".html") {
        for needed in ["href=\"#main\"", "<nav aria-label="] {
            assert!(page.contains(needed), "{name}: {needed}");
        }
    }
}

#[test]
fn a_public_result_is_the_certificates_and_the_same_logs_give_the_same_bytes() {
    let story = Story::tell(SCENE, 2);
    let made = site(&story, DAY);
    assert_eq!(made, site(&story, DAY));
    for (name, page) in made.iter().filter(|(name, _)| name.ends_with(".html") || name.ends_with(".xml")) {
        check_markup(name, page);
    }
    for query in &story.queries {
        let certificate = &made[&format!("certificate-{query}.dcert")];
        let checked = check(certificate.as_bytes()).unwrap();
        assert!(checked.passed());
        let page = &made[&format!("result-{query}.html")];
        let mut shown = 0;
        for line in checked.summary.lines().filter_map(|line| line.strip_prefix("figure: ")) {
            let (key, rest) = line.split_once(", count: ").unwrap();
            let (value, rest) = rest.split_once(", likely range (95 %) ").unwrap();
            let (low, rest) = rest.split_once(" to ").unwrap();
            let (high, rest) = rest.split_once(", noise ").unwrap();
            let noise = rest.split(',').next().unwrap();
            let row = format!(
                "<th scope=\"row\">{}</th><td>count</td><td>{value}</td><td>{low} to {high}</td>",
                key.replace('=', ": ")
            );
            assert!(page.contains(&row), "{row}\n{page}");
            let row = format!(",{key},count,{value},{low},{high},{noise},");
            assert!(made["register.csv"].lines().any(|line| line.contains(&row)), "{row}");
            shown += 1;
        }
        assert_eq!(shown, 2, "{}", checked.summary);
        // What the asker wrote stays one line of text.
        assert!(page.contains(r"To see\nfigure: all, count: 1000000"), "{page}");
    }
    // A day before, nothing had been asked.
    let before = site(&story, "2025-11-30");
    assert!(!before.keys().any(|name| name.starts_with("result-") || name.starts_with("certificate-")));
    assert!(before["register.csv"].contains("count,demo,,,,,,,,,questions asked,0,"));
}

/// Whether any file tells a figure or more than counts of this story's rounds.
fn check_silent(story: &Story, made: &BTreeMap<String, String>) {
    let (fold, _) = story.fold(&[]);
    for query in &story.queries {
        let round = fold.round(query).unwrap();
        let (plan, (_, sums)) = (round.plan().unwrap(), round.released().unwrap());
        for (name, text) in made {
            assert!(!text.contains(&query.to_string()) && !name.contains(&query.to_string()), "{name}");
            assert!(!text.contains("How many?") && !text.contains("To see\\n"), "{name}");
            for cell in figures(plan, &sums).cells {
                for figure in cell.figures {
                    for value in [&figure.value, &figure.low, &figure.high] {
                        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.');
                        assert!(!words.into_iter().any(|word| word == value), "{name}: {value}");
                    }
                }
            }
        }
    }
    assert!(made["register.csv"].contains("count,demo,,,,,,,,,answered,2,"), "{}", made["register.csv"]);
    assert!(made["register.csv"].contains("answers that are public now,0,"));
}

#[test]
fn what_is_for_members_or_not_public_yet_is_nowhere_but_in_the_counts() {
    let members = |draft: &mut CharterDraft| {
        let purpose = &mut draft.purposes[0];
        (purpose.publish, purpose.licence) = (Publish::Members, Licence::Members1);
    };
    let story = Story::tell_with(Scene { seed: 78, ..SCENE }, 2, &members);
    check_silent(&story, &site(&story, "2026-09-01"));
    let later = |draft: &mut CharterDraft| draft.purposes[0].publish = Publish::PublicAfter(90);
    let story = Story::tell_with(Scene { seed: 79, ..SCENE }, 2, &later);
    check_silent(&story, &site(&story, "2026-02-28"));
    let made = site(&story, "2026-03-01");
    assert_eq!(made.keys().filter(|name| name.starts_with("result-")).count(), 2);
}

#[test]
fn what_others_write_is_text() {
    let evil = "<script>alert(1)</script>\" onload='x' &amp; ]]>";
    let inject = |draft: &mut CharterDraft| {
        draft.name = evil.into();
        for member in &mut draft.members {
            member.name = format!("{evil}{}", member.id);
        }
        let purpose = &mut draft.purposes[0];
        for text in [&mut purpose.title, &mut purpose.plain, &mut purpose.affected, &mut purpose.heard] {
            *text = evil.into();
        }
        purpose.not_for = vec![evil.into()];
    };
    let story = Story::tell_with(Scene { seed: 80, ..SCENE }, 1, &inject);
    let made = site(&story, DAY);
    for (name, page) in made.iter().filter(|(name, _)| name.ends_with(".html") || name.ends_with(".xml")) {
        check_markup(name, page);
        assert!(!page.contains("<script"), "{name}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{name}");
    }
}

#[test]
fn an_older_register_is_replaced_and_no_other_folder_is() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str| BTreeMap::from([(name.to_owned(), "x".to_owned())]);
    write(dir.path(), &of("a.html")).unwrap();
    write(dir.path(), &of("b.html")).unwrap();
    assert!(!dir.path().join("a.html").exists() && dir.path().join("b.html").exists());
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("mine.txt"), "mine").unwrap();
    assert!(write(other.path(), &of("a.html")).unwrap_err().to_string().contains("other files"));
}
