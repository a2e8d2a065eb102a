//! The public register: whole pages, the certificate's figures, and nothing that is not public.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod markup;

use std::collections::BTreeMap;
use std::sync::Arc;

use datacoop::figure::released::key_words;
use datacoop::register::{Source, files, write};
use datacoop_policy::charter::{Charter, CharterDraft, Licence, Publish, Role};
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::query::Mode;
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, Digest, Span};
use datacoop_protocol::acts::{Act, Findings, Grade, Outcome, Subject, Target, findings_hash, text_blob};
use datacoop_protocol::certificate::check;
use datacoop_protocol::entry::{Body, Entry, Ref};
use datacoop_protocol::fold::Fold;
use datacoop_protocol::keys::Keys;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::release::figures;
use datacoop_sim::coop::vocabularies;
use datacoop_tests::certified::{Scene, Story, VOCABULARY};

const SCENE: Scene = Scene { members: 5, mode: Mode::Secure, witnesses: 0, seed: 77 };
/// The day on which the rounds of a story run.
const DAY: &str = "2025-12-01";

fn site(story: &Story, as_of: &str) -> BTreeMap<String, String> {
    site_of(story, &story.fold(&[]).0, as_of)
}

fn site_of(story: &Story, fold: &Fold, as_of: &str) -> BTreeMap<String, String> {
    let (_, notes) = story.fold(&[]);
    let heads = notes.into_iter().map(|(member, note)| (member, vec![note])).collect();
    files(&Source {
        fold,
        charter_notes: std::slice::from_ref(&story.charter_note),
        heads: &heads,
        vocabulary: &|_| Some(VOCABULARY.to_owned()),
        blob: &|hash| blob(REPORT).filter(|blob| sha256(&[blob]) == *hash),
        as_of: Day::parse(as_of).unwrap(),
        by: Some(&story.charter.members()[1].id),
    })
}

/// What a member reports, with what no page may take for its own.
const REPORT: &str = "We moved the breakfast club.\n<script>alert(1)</script>";

fn blob(text: &str) -> Option<Vec<u8>> {
    text_blob(&[7; 32], text)
}

/// The same logs with something that a member said at the end of its own, at noon of this day.
fn say(fold: &mut Fold, charter: &Charter, member: usize, day: &str, act: Act) -> Ref {
    let by = charter.members()[member].id.clone();
    let at = Day::parse(day).unwrap().start() + Span(43_200_000);
    let seq = fold.log(&by).unwrap().size();
    let entry = Entry { at, by: by.clone(), seq, body: Body::Act(act) };
    fold.append(&by, entry.to_bytes().into());
    fold.log(&by).unwrap().reference(seq).unwrap()
}

fn report(releases: Vec<Ref>) -> Act {
    let text = sha256(&[&blob(REPORT).unwrap()]);
    Act::Report { purpose: "demo".into(), releases, outcome: Outcome::Changed, text }
}

/// A report's words are for everybody once the results are that it could speak of.
#[test]
fn a_report_is_told_and_its_words_once_they_are_public() {
    let later = |draft: &mut CharterDraft| draft.purposes[0].publish = Publish::PublicAfter(90);
    let members = |draft: &mut CharterDraft| {
        let purpose = &mut draft.purposes[0];
        (purpose.publish, purpose.licence) = (Publish::Members, Licence::Members1);
    };
    let told = |change: &dyn Fn(&mut CharterDraft), cites: bool, day: &str, as_of: &str| {
        let story = Story::tell_with(Scene { seed: 83, ..SCENE }, 1, change);
        let mut fold = story.fold(&[]).0;
        let round = fold.round(&story.queries[0]).unwrap();
        let released = round.released().unwrap().0.at.clone();
        say(&mut fold, &story.charter, 1, day, report(if cites { vec![released] } else { vec![] }));
        let made = site_of(&story, &fold, as_of);
        for (name, page) in made.iter().filter(|(name, _)| name.ends_with(".html") || name.ends_with(".xml"))
        {
            check_markup(name, page);
            assert!(!page.contains("<script"), "{name}");
        }
        let pages = ["learnt.html", "purpose-1.html"].map(|name| {
            let page = &made[name];
            (page.contains("Something changed for the people"), page.contains("We moved the breakfast club"))
        });
        assert_eq!(pages[0], pages[1]);
        assert_eq!(made["register.csv"].contains(",outcome,changed,"), pages[0].0);
        assert_eq!(made["feed.xml"].contains("Report on demo"), pages[0].0);
        assert!(pages[0].0 || made["learnt.html"].contains("No report yet"));
        pages[0]
    };
    let at_once = |_: &mut CharterDraft| ();
    assert_eq!(told(&at_once, true, "2025-12-02", "2025-12-02"), (true, true));
    assert_eq!(told(&at_once, true, "2025-12-02", "2025-12-01"), (false, false), "not made yet");
    // After 90 days, as the results: also where it says of none that it speaks of it.
    assert_eq!(told(&later, true, "2025-12-02", "2026-03-01"), (true, false));
    assert_eq!(told(&later, false, "2025-12-02", "2026-03-01"), (true, false));
    assert_eq!(told(&later, true, "2025-12-02", "2026-03-02"), (true, true));
    assert_eq!(told(&members, false, "2025-12-02", "2026-09-01"), (true, false), "for members, for ever");
}

#[test]
fn proposals_pauses_and_leave_to_ask_are_told_without_their_reasons() {
    let story = Story::tell_with(Scene { seed: 84, ..SCENE }, 1, &|draft| {
        draft.members[0].roles.insert(Role::Coordinator);
    });
    let (charter, mut fold) = (&story.charter, story.fold(&[]).0);
    let id = |n: usize| charter.members()[n].id.clone();
    let text = sha256(&[b"reasons"]);
    let proposal = Act::Proposal {
        subject: Subject::Purpose("lateness".into()),
        draft: Digest([1; 32]),
        text,
        charter: charter.hash(),
        replaces: None,
        reviewers: vec![id(1), id(2)],
    };
    let at = say(&mut fold, charter, 0, "2025-12-02", proposal);
    say(&mut fold, charter, 3, "2025-12-03", Act::Cosign { proposal: at.clone() });
    let objection = say(&mut fold, charter, 4, "2025-12-03", Act::Objection { about: at.clone(), text });
    say(&mut fold, charter, 0, "2025-12-04", Act::Reply { objection, text });
    let pause = Act::Restriction { target: Target::Purpose("demo".into()) };
    say(&mut fold, charter, 1, "2025-12-04", pause.clone());
    say(&mut fold, charter, 2, "2025-12-05", pause);
    let limits = Limits { purposes: Set::only(["demo"]), ..Limits::top() };
    let until = Day::parse("2025-12-20").unwrap().start();
    let leave = Act::Delegation { audience: id(3), limits: Box::new(limits), until, charter: charter.hash() };
    let given = say(&mut fold, charter, 0, "2025-12-05", leave);
    say(&mut fold, charter, 0, "2025-12-07", Act::Revocation { delegation: given });

    let on = |day: &str| site_of(&story, &fold, day);
    let name = |n: usize| charter.members()[n].name.clone();
    let before = on("2025-12-01");
    for said in ["Nothing is paused", "Nothing was proposed", "Nobody was given leave"] {
        assert!(before["decided.html"].contains(said), "{said}");
    }
    let made = on("2025-12-05");
    for (name, page) in made.iter().filter(|(name, _)| name.ends_with(".html")) {
        check_markup(name, page);
    }
    let page = &made["decided.html"];
    let cell = |label: &str, value: &str| format!("<td data-label=\"{label}\">{value}</td>");
    for said in [
        "The purpose lateness".to_owned(),
        cell("Supported by", &name(3)),
        cell("Objections", "1, answered"),
        cell("Reviews shown", "0 of 2"),
        cell("Until", "<time datetime=\"2026-01-03\">3 January 2026</time>"),
        cell("Who said so", &format!("{}; {}", name(1), name(2))),
        cell("Now", "holds"),
    ] {
        assert!(page.contains(&said), "{said}\n{page}");
    }
    assert!(
        !page.contains(&format!("\"Objections\">{}", name(4))) && !page.contains(&name(4)),
        "nobody is pressed"
    );
    assert!(
        made["index.html"].contains("Paused until")
            && made["purpose-1.html"].contains("<strong>Paused</strong>")
    );
    let leave_row = format!(",{},,2025-12-05,2025-12-20,{},state,holds,", id(0), id(3));
    let rows =
        ["pause,demo,,,,,,,2026-01-03,,purpose,demo,", ",state,open,", ",supporters,1,", ",objections,1,"];
    for row in rows.into_iter().chain([leave_row.as_str()]) {
        assert!(made["register.csv"].contains(row), "{row}\n{}", made["register.csv"]);
    }
    // A day before the second body said so nothing is paused; what is taken back later held.
    assert!(on("2025-12-04")["decided.html"].contains("Nothing is paused"));
    assert!(on("2025-12-07")["decided.html"].contains(&cell("Now", "taken back")));
    assert!(on("2026-01-05")["decided.html"].contains("Nothing is paused"));
}

/// What reviewers found is told of the purpose that they reviewed, and of no other wording of it.
#[test]
fn what_reviewers_found_is_told_of_that_wording() {
    let story = Story::tell_with(Scene { seed: 85, ..SCENE }, 1, &|_| ());
    let charter = &story.charter;
    let from = story.charter_note.find("[[purpose]]").unwrap();
    let to = story.charter_note.find("\n[asset_lock]").unwrap();
    let as_agreed = &story.charter_note[from..to];
    let other = as_agreed.replacen("title = \"", "title = \"Another: ", 1);
    let told = |wording: &str, both: bool| {
        let mut fold = story.fold(&[]).0;
        let text = sha256(&[&blob(wording).unwrap()]);
        let reviewers = charter.fields().purposes[0].reviewers.clone();
        let places: Vec<usize> = reviewers
            .iter()
            .map(|id| charter.members().iter().position(|member| member.id == *id).unwrap())
            .collect();
        let author = (0..5).find(|n| !places.contains(n)).unwrap();
        let subject = Subject::Purpose("demo".into());
        let draft = sha256(&[wording.as_bytes()]);
        let proposal =
            Act::Proposal { subject, draft, text, charter: charter.hash(), replaces: None, reviewers };
        let at = say(&mut fold, charter, author, "2025-12-02", proposal);
        let findings = Findings { benefit: Grade::Good, harm: Grade::Doubtful, least_data: Grade::Bad, text };
        for (n, place) in places.into_iter().enumerate() {
            let salt = [u8::try_from(n).unwrap(); 32];
            let hash = findings_hash(&charter.members()[place].id, &at, &salt, &findings);
            let bound = Act::Review { proposal: at.clone(), hash };
            say(&mut fold, charter, place, "2025-12-03", bound);
            if both || n == 0 {
                let shown = Act::Opened { proposal: at.clone(), salt, findings: findings.clone() };
                say(&mut fold, charter, place, "2025-12-04", shown);
            }
        }
        let held = blob(wording).unwrap();
        let (_, notes) = story.fold(&[]);
        let heads = notes.into_iter().map(|(member, note)| (member, vec![note])).collect();
        let made = files(&Source {
            fold: &fold,
            charter_notes: std::slice::from_ref(&story.charter_note),
            heads: &heads,
            vocabulary: &|_| Some(VOCABULARY.to_owned()),
            blob: &|hash| Some(held.clone()).filter(|blob| sha256(&[blob]) == *hash),
            as_of: Day::parse("2025-12-05").unwrap(),
            by: None,
        });
        assert_eq!(made["decided.html"].contains("\"Reviews shown\">2 of 2<"), both);
        let page = &made["purpose-1.html"];
        page.matches("benefit good, care against harm doubtful, least data bad").count()
    };
    assert_eq!(told(as_agreed, true), 2);
    assert_eq!(told(&other, true), 0);
    assert_eq!(told(as_agreed, false), 0, "blind until both are shown");
}

/// The same logs with a second version of the charter, in force from this day on.
fn amended(story: &Story, from: &str, change: &dyn Fn(&mut CharterDraft)) -> Fold {
    let mut draft = story.charter.fields().clone();
    (draft.version, draft.prev, draft.hash) = (2, Some(story.charter.hash()), Digest([2; 32]));
    change(&mut draft);
    let second = Arc::new(Charter::admit(draft).unwrap());
    let hash = sha256(&[VOCABULARY.as_bytes()]);
    let known = vocabularies(&Vocabulary::from_toml(VOCABULARY).unwrap(), hash);
    let mut fold = Fold::with_chain(vec![story.charter.clone(), second.clone()], known);
    for log in story.fold(&[]).0.logs() {
        log.entries().iter().for_each(|entry| drop(fold.append(&log.member, entry.clone())));
        let from = Day::parse(from).unwrap().start();
        let body = Body::Charter { version: 2, hash: second.hash(), note: second.hash(), from };
        let entry = Entry { at: from, by: log.member.clone(), seq: log.size(), body };
        fold.append(&log.member, entry.to_bytes().into());
    }
    fold
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
            let (column, code) = key.split_once('=').unwrap();
            let group = key_words(column, code).1;
            let row =
                page.split("<tr ").find(|row| row.contains(&format!("scope=\"row\">{group}</th>"))).unwrap();
            let row = row.replace('\u{2212}', "-");
            let shown_as =
                [format!("\"Figure\">{value}</td>"), format!("\"Likely range\">{low} to {high}</td>")];
            assert!(
                shown_as.iter().all(|part| row.contains(part)) && row.contains("<svg"),
                "{shown_as:?}\n{row}"
            );
            let row = format!(",{key},count,{value},{low},{high},{noise},");
            assert!(made["register.csv"].lines().any(|line| line.contains(&row)), "{row}");
            shown += 1;
        }
        assert_eq!(shown, 2, "{}", checked.summary);
        // What the asker wrote stays one line of text.
        assert!(page.contains(r"To see\nfigure: all, count: 1000000"), "{page}");
    }
    check_told(&story, &made);
    // A day before, nothing had been asked.
    let before = site(&story, "2025-11-30");
    assert!(before["index.html"].contains("Nothing has been asked this year."), "{}", before["index.html"]);
    assert!(!before.keys().any(|name| name.starts_with("result-") || name.starts_with("certificate-")));
    assert!(before["register.csv"].contains("count,demo,,,,,,,,,questions asked,0,"));
}

/// Who publishes it, what was asked by month, points for people and rho for those who know it, and the same as data.
fn check_told(story: &Story, made: &BTreeMap<String, String>) {
    let (index, privacy, rules) = (&made["index.html"], &made["privacy.html"], &made["charter.html"]);
    let by = &story.charter.members()[1];
    assert!(index.contains(&format!("It is published by {}, of {},", by.name, by.body)), "{index}");
    let month = "<th scope=\"row\">December 2025</th><td data-label=\"Asked\">2</td>";
    assert!(index.contains("Asked in the school year 2025/26") && index.contains(month), "{index}");
    for (name, page) in made.iter().filter(|(name, _)| name.ends_with(".html")) {
        let here = format!("<a href=\"{name}\" aria-current=\"page\">");
        let is_place = page.contains(&format!("<li><a href=\"{name}\""));
        assert_eq!(page.contains(&here), is_place, "{name}");
        assert_eq!(page.matches("aria-current").count(), usize::from(is_place), "{name}");
        // Numbers that few people know stand where they are asked for.
        let shown: String =
            page.split("<details>").map(|part| part.rsplit("</details>").next().unwrap()).collect();
        assert!(!shown.contains("epsilon") && !shown.contains("rho 0"), "{name}: {shown}");
        let is_result = name.starts_with("result-");
        assert!(is_result || !shown.contains("class=\"hash\""), "{name}: {shown}");
    }
    assert!(
        privacy.contains("points of the privacy budget") && privacy.contains("zCDP rho 0.0025"),
        "{privacy}"
    );
    assert!(rules.contains(&story.charter.hash().to_string()) && !rules.contains("SHA-256</th>"), "{rules}");
    let json: serde_json::Value = serde_json::from_str(&made["register.json"]).unwrap();
    assert_eq!(
        (json["schema"].as_str(), json["as_of"].as_str()),
        (Some("datacoop.public-register/1"), Some(DAY))
    );
    assert_eq!((&json["counts"]["asked"], &json["months"][0]["counts"]["answered"]), (&2.into(), &2.into()));
    let results = json["results"].as_array().unwrap();
    for query in &story.queries {
        let found = results.iter().find(|result| result["query"] == query.to_string().as_str()).unwrap();
        let checked = check(made[found["certificate"].as_str().unwrap()].as_bytes()).unwrap();
        for figure in found["figures"].as_array().unwrap() {
            let line = format!(
                "{}, likely range (95 %) {} to {}",
                figure["value"], figure["low_95"], figure["high_95"]
            );
            assert!(checked.summary.contains(&line.replace('"', "")), "{line}: {}", checked.summary);
        }
    }
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
fn a_later_version_publishes_nothing_that_was_for_members_and_takes_nothing_back() {
    let members = |draft: &mut CharterDraft| {
        let purpose = &mut draft.purposes[0];
        (purpose.publish, purpose.licence) = (Publish::Members, Licence::Members1);
    };
    let story = Story::tell_with(Scene { seed: 81, ..SCENE }, 2, &members);
    let fold = amended(&story, "2025-12-20", &|draft| {
        let purpose = &mut draft.purposes[0];
        (purpose.publish, purpose.licence) = (Publish::PublicAfter(0), Licence::Public1);
    });
    for day in [DAY, "2026-09-01"] {
        let made = site_of(&story, &fold, day);
        check_silent(&story, &made);
        check_markup("index.html", &made["index.html"]);
    }
    assert!(site_of(&story, &fold, DAY)["purpose-1.html"].contains("Members only"), "the second waits");
    let after = &site_of(&story, &fold, "2026-09-01")["purpose-1.html"];
    assert!(after.contains("Everybody, as soon") && after.contains("Another version of the charter"));
    // The other way: what was public stays, though its purpose is gone.
    let story = Story::tell_with(Scene { seed: 82, ..SCENE }, 2, &|_| ());
    let fold = amended(&story, "2025-12-20", &|draft| draft.purposes.clear());
    for (day, open) in [(DAY, "1 December 2025</time> to "), ("2026-09-01", "not any more")] {
        let made = site_of(&story, &fold, day);
        for query in &story.queries {
            assert!(made.contains_key(&format!("certificate-{query}.dcert")), "{day}");
            assert!(made[&format!("result-{query}.html")].contains("purpose-1.html"), "{day}");
        }
        assert!(made["register.csv"].contains("count,demo,,,,,,,,,answered,2,"), "{day}");
        assert!(made["purpose-1.html"].contains(open), "{day}");
        for (name, page) in made.iter().filter(|(name, _)| name.ends_with(".html")) {
            check_markup(name, page);
        }
    }
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

/// The members' page tells who vouched for whom, who is suspended, and who fell silent.
#[test]
fn members_are_shown_with_their_sponsors_and_how_they_stand() {
    let story = Story::tell_with(Scene { seed: 86, ..SCENE }, 1, &|_| ());
    let (first, mut fold) = (&story.charter, story.fold(&[]).0);
    let id = |n: usize| first.members()[n].id.clone();
    let pause = Act::Restriction { target: Target::Member(id(2)) };
    say(&mut fold, first, 1, "2025-12-02", pause.clone());
    let row = |page: &str, name: &str| {
        let rows = page.split("<tr>").find(|row| row.contains(&format!(">{name}<"))).map(str::to_owned);
        rows.unwrap_or_else(|| panic!("no {name}: {page}"))
    };
    let name = |n: usize| first.members()[n].name.clone();
    let page = site_of(&story, &fold, "2025-12-03")["members.html"].clone();
    assert!(row(&page, &name(2)).contains("Takes part"), "one body stops nobody: {page}");
    say(&mut fold, first, 3, "2025-12-03", pause);
    let page = site_of(&story, &fold, "2025-12-03")["members.html"].clone();
    check_markup("members.html", &page);
    let suspended = row(&page, &name(2));
    assert!(suspended.contains("Suspended until") && suspended.contains("it is a founder"), "{suspended}");
    assert!(row(&page, &name(1)).contains("Takes part") && !page.contains("Dormant:"), "{page}");
    // A later version: one joined, one is dormant, one has notice.
    let made = Day::parse("2026-03-01").unwrap();
    let mut draft = first.fields().clone();
    (draft.version, draft.prev, draft.hash) = (2, Some(first.hash()), Digest([9; 32]));
    (draft.made, draft.effective) = (made, made);
    (draft.members[3].notice, draft.members[3].dormant) = (Some(Day(made.0 - 60)), true);
    draft.members[4].notice = Some(made);
    draft.members.iter_mut().for_each(|member| member.witnesses.clear());
    let mut joins = draft.members[0].clone();
    (joins.id, joins.name) = ("GB-EDU-000099".parse().unwrap(), "A new school".to_owned());
    joins.body = "A new body".to_owned();
    joins.keys = Keys::from_seed([99; 32], "new.demo", 1).public().clone();
    (joins.addresses, joins.sponsors) = (vec![], vec![id(0), id(1)]);
    draft.members.push(joins);
    let second = Arc::new(Charter::admit(draft).unwrap());
    let mut later = Fold::with_chain(vec![first.clone(), second.clone()], Default::default());
    for log in fold.logs() {
        log.entries().iter().for_each(|entry| drop(later.append(&log.member, entry.clone())));
    }
    for member in first.members() {
        let (at, seq) = (made.start(), later.log(&member.id).unwrap().size());
        let body = Body::Charter { version: 2, hash: second.hash(), note: Digest([8; 32]), from: at };
        let entry = Entry { at, by: member.id.clone(), seq, body };
        later.append(&member.id, entry.to_bytes().into());
    }
    let page = site_of(&story, &later, "2026-03-02")["members.html"].clone();
    check_markup("members.html", &page);
    let joined = row(&page, "A new school");
    assert!(joined.contains(&format!("{}; {}", name(0), name(1))), "{joined}");
    assert!(row(&page, &name(3)).contains("Dormant: silent for a year"), "{page}");
    assert!(row(&page, &name(4)).contains("Has notice since"), "{page}");
    assert!(row(&page, &name(2)).contains("Takes part"), "the pause is over: {page}");
}
