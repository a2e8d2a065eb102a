//! The papers of a member: they say what its configuration says, all of it and nothing else.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod markup;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use datacoop::loss::Reading;
use datacoop::papers::{Paper, Paused, Source, Standard, State, check, papers, write};
use datacoop_policy::charter::{Charter, CharterDraft, Licence, Publish, Purpose, Role};
use datacoop_policy::delegation::Delegation;
use datacoop_policy::limits::{Limits, Set};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_policy::{Day, PrivacyLoss};
use datacoop_protocol::acts::Target;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::seed::Seed;
use datacoop_sim::coop::{Founder, charter_draft, textless_charter};
use datacoop_tests::{Coop, json};

const VOCABULARY: &str = r#"
id = "rolls"
version = 1
title = "Who is on roll"
dataset = "pupils"
unit = "number"
column = [
  { name = "number", type = "text", required = true, never = true },
  { name = "surname_zz", type = "text", never = true },
  { name = "year_zz", type = "text", values = ["7", "8"], group = true, description = "Year group" },
  { name = "late_zz", type = "integer", low = 0, high = 1, description = "1 where the pupil came late" },
  { name = "born_zz", type = "integer", private = true, low = -7, high = 7 },
  { name = "faith_zz", type = "text", values = ["A", "B"], group = true, sensitive = true },
]
"#;
const PAPERS: [&str; 5] = [
    "dpia.html",
    "five-safes.html",
    "letter-to-parents.html",
    "privacy-notice.html",
    "record-of-processing.html",
];

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn rho(nano: u64) -> PrivacyLoss {
    PrivacyLoss::from_nano(nano)
}

/// A configuration; each number in it stands once, so that a search finds it or does not.
#[derive(Clone)]
struct Scene {
    draft: CharterDraft,
    own: Option<Limits>,
    held: bool,
    pauses: Vec<Paused>,
    leaves: Vec<Delegation>,
    today: Day,
}

impl Scene {
    fn new() -> Self {
        let seed = Seed::new([5; 32]);
        let names = |n: usize| {
            format!(
                "School {}",
                ["Alder", "Beech", "Cedar", "Dogwood", "Elder", "Fir", "Gorse", "Hazel", "Ivy"][n]
            )
        };
        let founders: Vec<Founder> = (0..9).map(|n| Founder::new(&seed, n, &names(n), 777, vec![])).collect();
        let vocabulary = Vocabulary::from_toml(VOCABULARY).unwrap();
        let hash = sha256(&[VOCABULARY.as_bytes()]);
        let founders: Vec<&Founder> = founders.iter().collect();
        let mut draft = charter_draft(&founders, &[(&vocabulary, hash)], day("2026-03-01"));
        draft.demo = false;
        draft.members[0].id = "GB-EDU-000001".parse().unwrap();
        draft.purposes[0].reviewers[0] = draft.members[0].id.clone();
        draft.limits = Limits {
            rho_query: rho(21_000_000),
            rho_purpose: rho(310_000_000),
            rho_year: rho(420_000_000),
            max_cells: 123,
            min_roster: 6,
            min_bodies: 5,
            min_step: 4,
            ..draft.limits
        };
        let purpose = &mut draft.purposes[0];
        (purpose.publish, purpose.licence) = (Publish::PublicAfter(45), Licence::Public1);
        (purpose.title, purpose.plain) = ("Old title".into(), "Old plain words.".into());
        (purpose.affected, purpose.heard) = ("Old affected.".into(), "Old heard.".into());
        purpose.not_for = vec!["old misuse".into()];
        (purpose.starts, purpose.expires, purpose.report_due) =
            (day("2026-03-02"), day("2026-12-24"), day("2026-10-10"));
        Self {
            draft,
            own: Some(Limits::top()),
            held: true,
            pauses: vec![],
            leaves: vec![],
            today: day("2026-05-05"),
        }
    }

    fn charter(&self) -> Arc<Charter> {
        textless_charter(self.draft.clone()).unwrap()
    }

    fn drawn(&self) -> BTreeMap<String, Paper> {
        let (charter, vocabulary) = (self.charter(), Vocabulary::from_toml(VOCABULARY).unwrap());
        let standard = Standard {
            name: "rolls/1".into(),
            dataset: "pupils".into(),
            vocabulary: Some(Arc::new(vocabulary)),
            is_held: self.held,
        };
        papers(&Source {
            charter: &charter,
            me: &charter.members()[0],
            own: self.own.as_ref(),
            standards: &[standard],
            spent: &[],
            pauses: &self.pauses,
            leaves: &self.leaves,
            today: self.today,
        })
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut scene = Self::new();
        change(&mut scene);
        scene
    }

    fn own(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|scene| change(scene.own.as_mut().unwrap()))
    }

    fn purpose(change: impl FnOnce(&mut Purpose)) -> Self {
        Self::with(|scene| change(&mut scene.draft.purposes[0]))
    }
}

/// All papers as one text; only what stands between tags.
fn words(drawn: &BTreeMap<String, Paper>) -> String {
    let mut out = String::new();
    for paper in drawn.values() {
        out += &text_of(&paper.html);
    }
    out
}

fn text_of(html: &str) -> String {
    let (_, body) = html.split_once("<body>").unwrap();
    let mut out = String::new();
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        // Words of one sentence stay together; blocks and cells do not.
        if !tag.trim_start_matches('/').starts_with("strong") && !out.ends_with('\n') {
            out.push('\n');
        }
        out += text.trim_start_matches('\n');
    }
    out
}

/// A change, what was told before it, and what is after.
type Case<T> = (fn(&mut T), &'static str, &'static str);

/// What is changed is told in its new value everywhere, and in its old one nowhere.
fn check_change(changed: &Scene, old: &str, new: &str) {
    static BEFORE: LazyLock<String> = LazyLock::new(|| words(&Scene::new().drawn()));
    let (before, after) = (&*BEFORE, words(&changed.drawn()));
    assert!(before.contains(old), "`{old}` is not told before");
    assert!(after.contains(new), "`{new}` is not told");
    assert!(!after.contains(old), "`{old}` is still told");
}

#[test]
fn each_limit_is_told_as_it_is_whoever_tightens_it() {
    let shut = "We do not answer questions for this";
    let cases: &[Case<Limits>] = &[
        (|l| l.max_cells = 37, "at most 123", "at most 37"),
        (|l| l.min_roster = 8, "at least 6 members", "at least 8 members"),
        (|l| l.min_bodies = 7, "at least 5 bodies", "at least 7 bodies"),
        (|l| l.min_step = 9, "at least 4 bodies apart", "at least 9 bodies apart"),
        (|l| l.rho_query = rho(17_000_000), "rho 0.021", "rho 0.017"),
        (|l| l.rho_purpose = rho(170_000_000), "rho 0.31", "rho 0.17"),
        (|l| l.rho_year = rho(110_000_000), "rho 0.42", "rho 0.11"),
        (|l| l.not_after = day("2026-11-11"), "until 2026-12-24", "until 2026-11-11"),
        (|l| l.full_noise = false, "noised figures\nyes", "noised figures\nno"),
        (|l| l.full_noise = false, "see our noised figures.", "sums over many members"),
        (|l| l.questions = Set::none(), "We answer questions for this purpose.", shut),
        (|l| l.datasets = Set::none(), "We answer questions for this purpose.", shut),
        (
            |l| l.purposes = Set::none(),
            "We answer questions for this purpose.",
            "our own limits do not open this purpose",
        ),
        (|l| l.public = false, "We answer questions for this purpose.", "which our limits rule out"),
        (
            |l| l.min_people = 50,
            "We answer questions for this purpose.",
            "more people than the members declare",
        ),
        (
            |l| l.min_roster = 10,
            "We answer questions for this purpose.",
            "more members or bodies than there are",
        ),
        (|l| l.min_cosigners = 2, "co-sign\nany number", "co-sign\nat least 2"),
        (|l| l.rho_year = rho(0), "We answer questions for this purpose.", "no room for an answer"),
        (|l| l.not_before = day("2026-06-01"), "We answer questions for this purpose.", "from 2026-06-01 on"),
        (|l| l.columns = Set::only(["year_zz"]), "late_zz", "year_zz"),
    ];
    for (change, old, new) in cases {
        check_change(&Scene::own(change), old.trim_start(), new);
        // The same of a charter's purpose; which purposes a charter names itself, and its days, are its own.
        let in_charter = Scene::purpose(|purpose| change(&mut purpose.limits));
        if textless_charter(in_charter.draft.clone()).is_ok() && !new.contains("our own limits do") {
            check_change(&in_charter, old, new);
        }
    }
}

#[test]
fn figures_are_those_that_the_ledger_is_held_to_at_random() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..25 {
        let mut next = |most: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            1 + random % most
        };
        let own = Limits {
            rho_query: rho(next(60_000_000)),
            rho_year: rho(next(900_000_000)),
            max_cells: u32::try_from(next(400)).unwrap(),
            min_roster: u32::try_from(next(9)).unwrap(),
            ..Limits::top()
        };
        let scene = Scene::with(|scene| scene.own = Some(own.clone()));
        let charter = scene.draft.limits.clone();
        let (query, year) = (
            Reading::of(own.rho_query.min(charter.rho_query)),
            Reading::of(own.rho_year.min(charter.rho_year)),
        );
        let drawn = scene.drawn();
        for name in ["dpia.html", "five-safes.html", "record-of-processing.html"] {
            let told = text_of(&drawn[name].html);
            for reading in [query, year] {
                let said =
                    format!("epsilon {} at delta 1e-6 (rho {})", reading.epsilon_text(), reading.rho_text());
                assert!(told.contains(&said), "{name}: {said}");
            }
            assert!(told.contains(&format!("at least {} members", own.min_roster.max(6))), "{name}");
        }
        let told = text_of(&drawn["privacy-notice.html"].html);
        for reading in [query, year] {
            assert!(told.contains(&format!("at most {} times as likely", reading.factor_text())), "{told}");
        }
        assert!(words(&drawn).contains(&format!("at most {}", own.max_cells.min(123))));
    }
}

#[test]
fn what_the_charter_says_of_a_purpose_is_told_and_what_it_said_is_not() {
    let cases: &[Case<Purpose>] = &[
        (|p| p.title = "New title".into(), "Old title", "New title"),
        (|p| p.plain = "New plain\nwords.".into(), "Old plain words.", "New plain"),
        (|p| p.affected = "New affected.".into(), "Old affected.", "New affected."),
        (|p| p.heard = "New heard.".into(), "Old heard.", "New heard."),
        (|p| p.not_for = vec!["new misuse".into()], "old misuse", "new misuse"),
        (|p| p.publish = Publish::PublicAfter(91), "45 days", "91 days"),
        (|p| (p.publish, p.licence) = (Publish::Members, Licence::Members1), "dc-public-1", "dc-members-1"),
        (
            |p| (p.publish, p.licence) = (Publish::Members, Licence::Members1),
            "45 days",
            "Only the members see the results",
        ),
        (|p| p.starts = day("2026-04-04"), "2026-03-02", "2026-04-04"),
        (|p| p.expires = day("2026-12-12"), "2026-12-24", "2026-12-12"),
        (|p| p.report_due = day("2026-10-20"), "2026-10-10", "2026-10-20"),
        (|p| p.reviewers.reverse(), "School Alder and School Beech\n", "School Beech and School Alder\n"),
        (|p| p.funders = vec!["The Oak Fund".into()], "nobody but the members", "The Oak Fund"),
        (|p| p.id = "another-id".into(), "purpose `demo`", "purpose `another-id`"),
    ];
    for (change, old, new) in cases {
        check_change(&Scene::purpose(change), old, new);
    }
}

/// What members stopped and whom they let ask is told while it holds: papers agree with what is answered.
#[test]
fn pauses_and_leave_to_ask_are_told() {
    let paused = |target: Target| {
        Scene::with(|scene| scene.pauses = vec![Paused { target, until: day("2026-06-01") }])
    };
    let answers = "We answer questions for this purpose.";
    let purpose = paused(Target::Purpose("demo".into()));
    check_change(&purpose, answers, "the members paused it until 2026-06-01");
    let data = paused(Target::Dataset("pupils".into()));
    check_change(&data, answers, "the members paused its data until 2026-06-01");
    for scene in [&purpose, &data] {
        let drawn = scene.drawn();
        assert!(
            text_of(&drawn["letter-to-parents.html"].html).contains("At the moment we answer no questions")
        );
        let notice = text_of(&drawn["privacy-notice.html"].html);
        assert!(notice.contains("Stopped for now.") && notice.contains("until 2026-06-01"), "{notice}");
        assert!(columns(scene).values().all(BTreeSet::is_empty), "no column is used");
    }
    let id = |n: usize| Scene::new().charter().members()[n].id.clone();
    check_change(
        &paused(Target::Member(id(0))),
        answers,
        "we are suspended from the co-operative until 2026-06-01",
    );
    let other = paused(Target::Member(id(8)));
    check_change(
        &other,
        "School Hazel and School Ivy. A question",
        "School Ivy is suspended until 2026-06-01",
    );
    // Too few are left for a sum: a pause of members is one of questions.
    let few = Scene::with(|scene| {
        scene.pauses =
            (5..9).map(|n| Paused { target: Target::Member(id(n)), until: day("2026-06-01") }).collect();
    });
    check_change(&few, answers, "the limits ask for more members or bodies than there are");

    let leave = |audience: usize, purposes: Set| Delegation {
        by: id(1),
        audience: id(audience),
        limits: Limits { purposes, ..Limits::top() },
        at: day("2026-05-01").start(),
        until: day("2026-05-20").start(),
        charter: Scene::new().charter().hash(),
        revoked: false,
    };
    let looks_on = |draft: &mut CharterDraft| assert!(draft.members[8].roles.remove(&Role::Coordinator));
    let before = Scene::with(|scene| looks_on(&mut scene.draft));
    assert!(!words(&before.drawn()).contains("let by"));
    let let_ask = Scene::with(|scene| {
        looks_on(&mut scene.draft);
        scene.leaves = vec![leave(8, Set::only(["demo"]))];
    });
    for name in ["dpia.html", "five-safes.html"] {
        let told = text_of(&let_ask.drawn()[name].html);
        assert!(
            told.contains("School Ivy (let by School Beech until 2026-05-20, for demo)"),
            "{name}: {told}"
        );
        assert_ne!(let_ask.drawn()[name].mark, before.drawn()[name].mark, "{name}");
    }
    let suspended = Scene::with(|scene| {
        looks_on(&mut scene.draft);
        scene.leaves = vec![leave(8, Set::all())];
        scene.pauses = vec![Paused { target: Target::Member(id(8)), until: day("2026-06-01") }];
    });
    assert!(!words(&suspended.drawn()).contains("let by"), "whoever is suspended asks nothing");
}

#[test]
fn what_the_charter_says_of_its_members_is_told() {
    let mut cases: Vec<(Scene, &str, &str)> = vec![];
    let mut case = |change: fn(&mut CharterDraft), old, new| {
        cases.push((Scene::with(|scene| change(&mut scene.draft)), old, new));
    };
    case(
        |d| d.members[0].name = "Our New Name".into(),
        "School Alder is a member",
        "Our New Name is a member",
    );
    case(|d| d.members[0].body = "Oak Trust".into(), "Controller\nSchool Alder", "Controller\nOak Trust");
    case(|d| d.members[0].people_max = 555, "at most 777 pupils", "at most 555 pupils");
    case(|d| d.members[3].name = "Renamed".into(), "School Dogwood", "Renamed");
    case(|d| d.name = "Hill and Vale".into(), "A made-up co-operative", "Hill and Vale");
    case(|d| d.expires = day("2026-12-30"), "2027-03-01", "2026-12-30");
    case(|d| d.assumed.colluding_percent = 40, "30 percent", "40 percent");
    let look_on = |draft: &mut CharterDraft| {
        draft.members[8].roles = BTreeSet::from([Role::Auditor]);
        draft.amend = 6;
    };
    case(look_on, "School Hazel and School Ivy. A question", "School Gorse and School Hazel. A question");
    for (scene, old, new) in &cases {
        check_change(scene, old, new);
    }
    let audited = Scene::with(|scene| look_on(&mut scene.draft)).drawn();
    assert!(text_of(&audited["five-safes.html"].html).contains("Audited by: School Ivy."));
    assert!(text_of(&audited["record-of-processing.html"].html).contains("Auditors\nSchool Ivy"));
}

/// The columns that each paper tells of.
fn columns(scene: &Scene) -> BTreeMap<String, BTreeSet<&'static str>> {
    let all = ["surname_zz", "year_zz", "late_zz", "born_zz", "faith_zz"];
    let drawn = scene.drawn().into_iter().filter(|(name, _)| !name.starts_with("letter"));
    let told = |html: &str| {
        let text = text_of(html);
        // A notice for people writes spaces.
        let tells = |name: &str| text.contains(name) || text.contains(&name.replace('_', " "));
        all.into_iter().filter(|name| tells(name)).collect()
    };
    drawn.map(|(name, paper)| (name, told(&paper.html))).collect()
}

#[test]
fn a_column_that_no_question_may_read_is_in_no_paper() {
    let check = |scene: &Scene, wanted: &[&str]| {
        for (name, told) in columns(scene) {
            assert_eq!(told.iter().copied().collect::<Vec<_>>(), wanted, "{name}");
        }
    };
    // A sensitive one is open only to a purpose that names it.
    check(&Scene::new(), &["born_zz", "late_zz", "year_zz"]);
    check(
        &Scene::purpose(|p| p.limits.columns = Set::only(["faith_zz", "year_zz"])),
        &["faith_zz", "year_zz"],
    );
    check(&Scene::own(|own| own.columns = Set::only(["late_zz", "surname_zz"])), &["late_zz"]);
    check(&Scene::with(|scene| scene.held = false), &[]);
    check(&Scene::with(|scene| scene.own = None), &[]);
    check(&Scene::own(|own| own.purposes = Set::only(["another"])), &[]);
    // A private column may be read, never split by.
    let dpia = text_of(&Scene::new().drawn()["dpia.html"].html);
    assert!(dpia.contains("year_zz, late_zz, born_zz\nyear_zz, late_zz\nnone"), "{dpia}");
    let some = Scene::own(|own| own.group_by = Set::only(["year_zz"])).drawn();
    assert!(text_of(&some["dpia.html"].html).contains("year_zz, late_zz, born_zz\nyear_zz\nnone"));
}

#[test]
fn a_node_that_answers_nothing_says_so_in_each_paper() {
    for (scene, why) in [
        (Scene::with(|scene| scene.own = None), "our own limits (limits.toml) are missing or cannot be read"),
        (Scene::with(|scene| scene.today = day("2027-03-02")), "the charter ended on 2027-03-01"),
    ] {
        for (name, paper) in scene.drawn() {
            let text = text_of(&paper.html);
            assert!(text.contains(why), "{name}: {text}");
            assert!(!text.contains("We answer questions for this purpose"), "{name}");
        }
    }
    let before = Scene::with(|scene| scene.today = day("2026-02-01"));
    assert!(words(&before.drawn()).contains("from 2026-03-02 on"));
    let after = Scene::with(|scene| scene.today = day("2026-12-25"));
    assert!(words(&after.drawn()).contains("it was open until 2026-12-24"));
}

#[test]
fn every_paper_is_whole_and_what_others_write_is_text() {
    let evil = "<script>alert(1)</script>\" onload='x' &amp; ]]> [to be";
    let scene = Scene::with(|scene| {
        scene.draft.name = evil.into();
        scene.draft.members[0].name = evil.into();
        scene.draft.members[0].body = evil.into();
        scene.draft.members[4].name = evil.into();
        let purpose = &mut scene.draft.purposes[0];
        for text in [&mut purpose.title, &mut purpose.plain, &mut purpose.affected, &mut purpose.heard] {
            *text = evil.into();
        }
        purpose.not_for = vec![evil.into()];
        scene.draft.purposes = vec![purpose.clone(); 3];
        for n in 0..3 {
            scene.draft.purposes[n].id = format!("{n}");
            scene.draft.purposes[n].limits.rho_purpose = rho(100_000_000);
        }
    });
    for drawn in [Scene::new().drawn(), scene.drawn(), Scene::with(|scene| scene.own = None).drawn()] {
        assert_eq!(drawn.keys().collect::<Vec<_>>(), PAPERS);
        for (name, paper) in &drawn {
            // Its looks are inside, so that it keeps them when it is sent on.
            let (before, rest) = paper.html.split_once("<style>\n").unwrap();
            let (_, after) = rest.split_once("</style>\n").unwrap();
            markup::check_page(name, &format!("{before}{after}"));
            assert!(!paper.html.contains("<script"), "{name}");
            assert!(!paper.html.contains("http"), "{name}: nothing is fetched");
        }
    }
    assert!(scene.drawn()["dpia.html"].html.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn families_get_short_sentences_and_one_page() {
    let long = Scene::with(|scene| {
        let purpose = &mut scene.draft.purposes[0];
        purpose.title = "Which days do pupils miss, and what brings them back to school after an illness? "
            .repeat(3)
            .trim()
            .into();
        purpose.limits.rho_purpose = rho(10_000_000);
        scene.draft.purposes = vec![purpose.clone(); 7];
        (0..7).for_each(|n| scene.draft.purposes[n].id = format!("{n}"));
    });
    for scene in [&Scene::new(), &long] {
        let letter = text_of(&scene.drawn()["letter-to-parents.html"].html);
        // What an A4 page holds at 10 points with its headings, list and slip.
        let words = letter.split_whitespace().count();
        assert!(words <= 450, "{words} words:\n{letter}");
    }
    assert!(text_of(&long.drawn()["letter-to-parents.html"].html).contains("There are 3 more"));
    for name in ["letter-to-parents.html", "privacy-notice.html"] {
        let text = text_of(&Scene::new().drawn()[name].html).replace("\n[to be filled", " [to be filled");
        let (text, _) = text.split_once("\nDrawn up").unwrap();
        let sentences: Vec<&str> = text.split(['.', '?', '!', '\n', ':', ';']).collect();
        let lengths: Vec<usize> =
            sentences.iter().map(|one| one.split_whitespace().count()).filter(|n| *n > 2).collect();
        let (longest, mean) = (lengths.iter().max().unwrap(), lengths.iter().sum::<usize>() / lengths.len());
        assert!(*longest <= 25 && mean <= 12, "{name}: longest {longest}, mean {mean}");
    }
}

fn states(folder: &Path, scene: &Scene) -> Vec<State> {
    check(folder, &scene.drawn()).unwrap().into_values().collect()
}

#[test]
fn a_paper_is_out_of_date_by_what_is_in_force_and_not_by_what_people_fill_in() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, scene) = (dir.path().join("papers"), Scene::new());
    write(&folder, &scene.drawn()).unwrap();
    let later = Scene::with(|scene| scene.today = day("2026-06-06"));
    assert_ne!(later.drawn(), scene.drawn(), "they carry their day");
    assert_eq!(states(&folder, &later), [State::Current; 5]);
    let dpia = folder.join("dpia.html");
    let filled = std::fs::read_to_string(&dpia).unwrap().replace("[to be filled in by ", "Ann Other, ");
    std::fs::write(&dpia, &filled).unwrap();
    assert_eq!(states(&folder, &scene), [State::Current; 5]);

    for changed in [
        Scene::own(|own| own.min_roster = 7),
        Scene::with(|scene| scene.today = day("2027-01-01")),
        Scene::with(|scene| scene.held = false),
        Scene::with(|scene| scene.own = None),
        Scene::purpose(|purpose| purpose.expires = day("2026-12-12")),
    ] {
        assert_eq!(states(&folder, &changed), [State::OutOfDate; 5]);
    }
    // A change that one paper does not tell of leaves it as it is.
    let heard = states(&folder, &Scene::own(|own| own.min_cosigners = 1));
    assert!(heard[0] == State::OutOfDate && heard[2] == State::Current, "{heard:?}");

    std::fs::write(&dpia, "by hand").unwrap();
    std::fs::remove_file(folder.join("five-safes.html")).unwrap();
    assert_eq!(states(&folder, &scene)[..3], [State::Unmarked, State::Missing, State::Current]);
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let drawn = Scene::new().drawn();
    let folder = dir.path().join("a");
    write(&folder, &drawn).unwrap();
    let again = write(&folder, &drawn).unwrap_err().to_string();
    assert!(again.contains("name a new or empty folder"), "{again}");
    let file = dir.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(write(&file, &drawn).unwrap_err().to_string().contains("is a file"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(dir.path().join("nowhere"), &link).unwrap();
    assert!(write(&link, &drawn).is_err() && !dir.path().join("nowhere").exists());
    assert!(check(&dir.path().join("nowhere"), &drawn).is_err());
    std::fs::create_dir(dir.path().join("b")).unwrap();
    std::fs::create_dir(dir.path().join("b/dpia.html")).unwrap();
    assert!(check(&dir.path().join("b"), &drawn).unwrap_err().to_string().contains("is no file"));
}

#[test]
fn a_member_draws_up_its_papers_and_learns_when_they_are_out_of_date() {
    let coop = Coop::found(3, 4);
    coop.fails(7, &["papers", "out"], 10, "there is no node");
    let made = json(&coop.ok(0, &["papers", "out", "--json"]));
    assert_eq!(made["papers"].as_array().unwrap().len(), 5);
    let checked = json(&coop.ok(0, &["papers", "--check", "out", "--json"]));
    assert_eq!(checked["current"], true);
    coop.fails(0, &["papers", "out"], 1, "name a new or empty folder");
    coop.fails(0, &["papers", "--check", "nowhere"], 1, "nowhere");
    let letter = std::fs::read_to_string(coop.path("out/letter-to-parents.html")).unwrap();
    assert!(letter.contains("Who does well?") && letter.contains("Examination results"), "{letter}");

    let limits = coop.node(0).join("limits.toml");
    let before = std::fs::read_to_string(&limits).unwrap();
    for (text, said) in
        [("purposes = []\n", "do not open this purpose"), ("purposes = 7\n", "cannot be read")]
    {
        std::fs::write(&limits, text).unwrap();
        let late = coop.run(0, &["papers", "--check", "out", "--json"]);
        assert_eq!((late.status.code(), &json(&late)["current"]), (Some(1), &serde_json::json!(false)));
        let folder = format!("out{}", text.len());
        coop.ok(0, &["papers", &folder]);
        let dpia = std::fs::read_to_string(coop.path(&folder).join("dpia.html")).unwrap();
        assert!(dpia.contains(said), "{dpia}");
        // Where the file lies is nobody's business.
        assert!(!dpia.contains(&coop.node(0).display().to_string()));
    }
    std::fs::write(&limits, before).unwrap();
    coop.ok(0, &["papers", "--check", "out"]);

    let init =
        ["init", "--id", "GB-EDU-000009", "--name", "Lone", "--host", "lone.example", "--people-max", "9"];
    coop.ok(7, &init);
    coop.fails(7, &["papers", "lone"], 2, "no charter yet");
}
