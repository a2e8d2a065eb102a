//! The shipped vocabularies, and `datacoop vocabulary` as a person meets it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use datacoop::home::SHIPPED_VOCABULARIES;
use datacoop_policy::vocabulary::{Kind, Unit, Vocabulary};
use serde_json::Value;

/// A vocabulary's name, dataset, unit and columns, as the standard lists them.
const STANDARD: [(&str, &str, &str, &str); 8] = [
    (
        "pupils/1",
        "pupils",
        "pupil_id",
        "pupil_id upn urn nc_year dob birth_month birthday compulsory_from compulsory_to compulsory_age sex pupil_premium fsm6 fsm_now looked_after \
         service_child sen sen_need eal ethnic_major enrolment_status on_roll_from on_roll_to tutor_group \
         ks2_band prior_absence_band idaci_decile distance_km",
    ),
    (
        "attendance/1",
        "pupils",
        "pupil_id",
        "pupil_id date session code minutes_late mark_class possible attended absent late holiday weekday \
         term_week half_term days_to_break birthday_offset compulsory_age nc_year pupil_premium \
         birth_month sex fsm6 fsm_now looked_after service_child sen sen_need eal ethnic_major ks2_band \
         prior_absence_band idaci_decile distance_km",
    ),
    (
        "attainment/1",
        "pupils",
        "pupil_id",
        "pupil_id stage subject qualification assessment_type date scale value grade points a8_slot ks2_avg \
         ks2_group ks2_band a8 english maths ebacc open p8 basics4 basics5 nc_year pupil_premium birth_month sex \
         fsm6 fsm_now looked_after service_child sen sen_need eal ethnic_major prior_absence_band \
         idaci_decile distance_km",
    ),
    (
        "behaviour/1",
        "pupils",
        "pupil_id",
        "pupil_id date type reason points sessions_lost slot compulsory_age nc_year pupil_premium birth_month \
         sex fsm6 fsm_now looked_after service_child sen sen_need eal ethnic_major ks2_band \
         prior_absence_band idaci_decile distance_km",
    ),
    (
        "vcse_activities/1",
        "activities",
        "activity_id",
        "activity_id org_id programme activity_type start hours mode place_lsoa staff_hours volunteer_hours \
         attendees cost_gbp funder_org_id",
    ),
    (
        "vcse_beneficiaries/1",
        "people",
        "person_id",
        "person_id age_band sex ethnic_major disabled imd_decile referral_source referred_on first_contact \
         last_contact needs consent_purposes consent_expires school_urn",
    ),
    (
        "vcse_participation/1",
        "people",
        "person_id",
        "person_id activity_id date hours programme activity_type mode age_band sex ethnic_major disabled \
         imd_decile referral_source",
    ),
    (
        "vcse_outcomes/1",
        "people",
        "person_id",
        "person_id domain measure timepoint date score change achieved weeks_between tariff_gbp \
         age_band sex ethnic_major disabled imd_decile referral_source",
    ),
];

/// Flags of the standard that protect people: losing one by a slip of the pen must fail a test.
const PROTECTED: [(&str, &str, &str); 12] = [
    ("sensitive", "pupils/1", "looked_after sen_need ethnic_major"),
    ("sensitive", "attendance/1", "code looked_after sen_need ethnic_major"),
    ("sensitive", "attainment/1", "looked_after sen_need ethnic_major"),
    ("sensitive", "behaviour/1", "reason looked_after sen_need ethnic_major"),
    ("sensitive", "vcse_participation/1", "ethnic_major disabled"),
    ("sensitive", "vcse_outcomes/1", "ethnic_major disabled"),
    ("sensitive", "vcse_beneficiaries/1", "ethnic_major disabled needs"),
    ("private", "attendance/1", "birthday_offset"),
    ("private", "pupils/1", "on_roll_from on_roll_to"),
    ("private", "vcse_beneficiaries/1", "referred_on first_contact last_contact"),
    ("never", "pupils/1", "pupil_id upn urn dob birthday compulsory_from compulsory_to tutor_group"),
    ("never", "vcse_beneficiaries/1", "person_id consent_purposes consent_expires school_urn"),
];

/// No shipped text is longer: each is part of every program.
const SHIPPED_BYTES_MAX: usize = 12 * 1024;

fn shipped(name: &str) -> Vocabulary {
    let read = SHIPPED_VOCABULARIES.iter().map(|text| Vocabulary::from_toml(text).unwrap());
    read.into_iter().find(|vocabulary| vocabulary.name() == name).unwrap()
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn sorted(text: &str) -> Vec<&str> {
    let mut list = words(text);
    list.sort_unstable();
    list
}

#[test]
fn each_shipped_vocabulary_has_the_columns_of_the_standard() {
    assert_eq!(SHIPPED_VOCABULARIES.len(), STANDARD.len());
    for (name, dataset, unit, columns) in STANDARD {
        let vocabulary = shipped(name);
        assert_eq!(vocabulary.dataset(), dataset, "{name}");
        assert_eq!(*vocabulary.unit(), Unit::Column(unit.into()), "{name}");
        let held: Vec<&str> = vocabulary.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(sorted(&held.join(" ")), sorted(columns), "{name}");
        let unit = vocabulary.column(unit).unwrap();
        assert!(unit.never && unit.required, "{name}");
        assert!(!vocabulary.licence().is_empty() && !vocabulary.owner().is_empty(), "{name}");
    }
}

#[test]
fn a_shipped_column_says_what_it_is_and_groups_only_by_closed_lists() {
    for text in SHIPPED_VOCABULARIES {
        assert!(text.len() <= SHIPPED_BYTES_MAX, "{} bytes", text.len());
        let vocabulary = Vocabulary::from_toml(text).unwrap();
        for column in vocabulary.columns() {
            let place = format!("{} {}", vocabulary.name(), column.name);
            assert!(!column.description.is_empty() && !column.description.ends_with('.'), "{place}");
            assert!(!column.group || column.kind == Kind::Bool || !column.values.is_empty(), "{place}");
            let is_number = matches!(column.kind, Kind::Number | Kind::Integer);
            assert_eq!(is_number, column.low.is_some() && column.high.is_some(), "{place}: bounds");
        }
    }
}

#[test]
fn flags_that_protect_people_are_exactly_those_of_the_standard() {
    for (flag, name, columns) in PROTECTED {
        let vocabulary = shipped(name);
        let flagged = vocabulary.columns().iter().filter(|column| match flag {
            "sensitive" => column.sensitive,
            "private" => column.private,
            _ => column.never,
        });
        let flagged: Vec<&str> = flagged.map(|column| column.name.as_str()).collect();
        assert_eq!(flagged, words(columns), "{flag} {name}");
    }
}

/// What a vocabulary takes from the person's own table means there what it means here.
#[test]
fn a_column_of_another_vocabulary_is_that_column() {
    let mut seen = 0;
    for text in SHIPPED_VOCABULARIES {
        let vocabulary = Vocabulary::from_toml(text).unwrap();
        for column in vocabulary.columns() {
            let Some(of) = &column.of else { continue };
            let owner = shipped(of);
            assert_eq!((owner.dataset(), owner.unit()), (vocabulary.dataset(), vocabulary.unit()));
            let own = owner.column(&column.name).unwrap();
            let place = format!("{} {}", vocabulary.name(), column.name);
            assert_eq!(
                (own.kind, &own.values, &own.synonyms),
                (column.kind, &column.values, &column.synonyms),
                "{place}"
            );
            assert_eq!(
                (own.sensitive, own.private, own.never, own.group),
                (column.sensitive, column.private, column.never, column.group),
                "{place}"
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

/// Import finds a column by its header: two columns that answer to one header would both claim it.
#[test]
fn no_header_means_two_columns_of_one_vocabulary() {
    for text in SHIPPED_VOCABULARIES {
        let vocabulary = Vocabulary::from_toml(text).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for column in vocabulary.columns() {
            for header in column.synonyms.iter().chain([&column.name]) {
                let folded: String =
                    header.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
                assert!(seen.insert(folded), "{} {}: `{header}`", vocabulary.name(), column.name);
            }
        }
    }
}

fn datacoop(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_datacoop");
    Command::new(program).args(args).output().expect("the program runs")
}

fn done(args: &[&str]) -> String {
    let output = datacoop(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn done_json(args: &[&str]) -> Value {
    serde_json::from_str(&done(&[args, &["--json"]].concat())).unwrap()
}

fn refused(args: &[&str], said: &str) {
    let output = datacoop(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(stderr.contains(said), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?}: an error prints no result");
}

const EXAM: &str = r#"id = "exam"
version = 1
title = "Examination results"
dataset = "exam"
unit = "row"
column = [
  { name = "school", type = "text", role = "member" },
  { name = "sex", type = "text", values = ["F", "M"], group = true },
  { name = "score", type = "number", low = -4, high = 4, synonyms = ["result"] },
]
"#;

#[test]
fn list_needs_no_node_and_names_the_eight_standards() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    let text = done(&["vocabulary", "list", "--node", none.to_str().unwrap()]);
    let json = done_json(&["vocabulary", "list", "--node", none.to_str().unwrap()]);
    assert_eq!(json["schema"], "datacoop.vocabularies/1");
    assert_eq!(json["vocabularies"].as_array().unwrap().len(), 8);
    for (name, dataset, unit, columns) in STANDARD {
        let row = text.lines().find(|line| line.trim_start().starts_with(name)).expect(name);
        assert!(row.contains("shipped") && row.contains(dataset), "{row}");
        let found = json["vocabularies"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
        assert_eq!(
            (&found["unit"], &found["dataset"], &found["from"]),
            (&unit.into(), &dataset.into(), &"shipped".into())
        );
        assert_eq!(found["columns"], words(columns).len());
    }
    assert!(!none.exists(), "looking makes no folder");
}

#[test]
fn list_and_show_know_what_was_added_to_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let node = folder.path().join("node");
    std::fs::create_dir_all(node.join("vocabulary")).unwrap();
    datacoop::home::Home::new(&node).add_vocabulary(EXAM).unwrap();
    let node = node.to_str().unwrap();
    let json = done_json(&["vocabulary", "list", "--node", node]);
    let last = json["vocabularies"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        (&last["name"], &last["from"], &last["unit"]),
        (&"exam/1".into(), &"this node".into(), &"row".into())
    );
    assert_eq!(done(&["vocabulary", "show", "exam", "--toml", "--node", node]).trim_end(), EXAM.trim_end());
}

#[test]
fn show_prints_each_column_with_what_it_allows() {
    let text = done(&["vocabulary", "show", "pupils"]);
    for (column, parts) in [
        ("dob", &["date", "never"][..]),
        ("sex", &["F, M, U", "group"]),
        ("nc_year", &["17 in all", "group, required"]),
        ("looked_after", &["bool", "group, sensitive"]),
        ("upn", &["never"]),
    ] {
        let row = text.lines().find(|line| line.trim_start().starts_with(column)).expect(column);
        assert!(parts.iter().all(|part| row.contains(part)), "{row}");
    }
    let row = done(&["vocabulary", "show", "attendance/1"]);
    assert!(row.lines().any(|line| line.contains("minutes_late") && line.contains("0 to 240")), "{row}");
    let json = done_json(&["vocabulary", "show", "pupils/1"]);
    assert_eq!(
        (&json["schema"], &json["columns"][4]["name"]),
        (&"datacoop.vocabulary/1".into(), &"dob".into())
    );
    assert_eq!(json["columns"][4]["flags"], serde_json::json!(["never"]));
    assert_eq!(
        done(&["vocabulary", "show", "attendance", "--toml"]).trim_end(),
        SHIPPED_VOCABULARIES[0].trim_end()
    );
    refused(&["vocabulary", "show", "nothing"], "there is no vocabulary `nothing`; there are attendance/1");
}

#[test]
fn check_says_what_it_understood_and_what_its_writer_may_not_have_meant() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exam.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, EXAM).unwrap();
    let text = done(&["vocabulary", "check", path]);
    for said in ["exam/1: Examination results", "each row is one person", "-4 to 4", "note: no column `date`"]
    {
        assert!(text.contains(said), "{said}: {text}");
    }
    std::fs::write(&file, format!("\u{feff}{EXAM}")).unwrap();
    done(&["vocabulary", "check", path]);
    let odd = EXAM.replace("\"row\"", "\"who\"").replace(", group = true", ", synonyms = [\"Score!\"]");
    let odd = odd.replace("column = [", "column = [\n  { name = \"who\", type = \"text\" },");
    std::fs::write(&file, odd.replace("Examination", "\\u001b[2J")).unwrap();
    let json = done_json(&["vocabulary", "check", path]);
    let notes = json["notes"].to_string();
    for said in ["column `who` names the person", "no column has `group = true`", "means `sex` and `score`"] {
        assert!(notes.contains(said), "{said}: {notes}");
    }
    assert!(!done(&["vocabulary", "check", path]).contains('\u{1b}'), "a stranger's text steers no terminal");
}

#[test]
fn check_names_the_place_of_what_is_wrong_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let path = file.to_str().unwrap();
    refused(&["vocabulary", "check", path], "mine.toml: No such file");
    let with = |from: &str, to: &str| EXAM.replacen(from, to, 1).into_bytes();
    let cases: [(Vec<u8>, &str); 12] = [
        (b"".to_vec(), "mine.toml: it is empty; write id, version"),
        (b" \n\n".to_vec(), "it is empty"),
        (b"sex,score\nF,1\n".to_vec(), "line 1: "),
        (b"PK\x03\x04\xff\xfe".to_vec(), "line 1: not UTF-8 text; save it again in UTF-8"),
        (b"id = \"x\"\ntitle = \"caf\xe9\"\n".to_vec(), "line 2: not UTF-8"),
        (vec![b'#'; 300 * 1024], "a vocabulary is shorter"),
        (with("version = 1", "version = 1\ncolour = 3"), "line 3: unknown field `colour`, expected one of"),
        (with(", role = \"member\"", ", groups = true"), "line 7: unknown field `groups`"),
        (with(", values = [\"F\", \"M\"]", ""), "line 8: column `sex`: to group by it, list its values"),
        (with("\"score\"", "\"sex\""), "line 9: column `sex` stands twice; remove one"),
        (with("\"row\"", "\"pupil\""), "line 5: `unit` is \"row\" or a text column; there is no `pupil`"),
        (with("group = true", "group = true, private = true"), "line 8: column `sex`: private and never"),
    ];
    for (bytes, said) in cases {
        std::fs::write(&file, bytes).unwrap();
        refused(&["vocabulary", "check", path], said);
    }
    let output = datacoop(&["vocabulary", "check", path, "--json"]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&error["schema"], &error["exit"]), (&"datacoop.error/1".into(), &2.into()));
    assert!(error["hint"].as_str().unwrap().contains("vocabulary draft"), "{error}");
}

#[test]
fn a_draft_reads_as_a_vocabulary_and_repeats_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Mock exam.csv");
    let rows: String = (0..60)
        .map(|n| format!("{n},Zoe Quill{n},{},7{},{}.5\n", ["F", "M"][n % 2], ["A", "B", "C"][n % 3], n % 10))
        .collect();
    std::fs::write(&file, format!("Adno,Candidate,Gender,Set,Mark out of ten\n{rows}")).unwrap();
    let text = done(&["vocabulary", "draft", file.to_str().unwrap()]);
    assert!(!text.contains("Quill"), "{text}");
    let drafted = Vocabulary::from_toml(&text).unwrap();
    assert_eq!((drafted.name(), drafted.dataset()), ("mock_exam/1", "pupils"));
    assert_eq!(*drafted.unit(), Unit::Column("pupil_id".into()));
    let of = |name: &str| drafted.column(name).unwrap();
    assert!(of("candidate").never && of("candidate").values.is_empty());
    assert_eq!(of("set").values, ["7A", "7B", "7C"]);
    assert_eq!((of("sex").group, of("mark_out_of_ten").kind), (true, Kind::Number));
    assert!(text.contains("known from pupils/1") && text.contains("decide: "), "{text}");
    let kept = folder.path().join("mock.toml");
    std::fs::write(&kept, &text).unwrap();
    done(&["vocabulary", "check", kept.to_str().unwrap()]);
    let json = done_json(&["vocabulary", "draft", file.to_str().unwrap()]);
    assert_eq!(
        (&json["schema"], &json["columns"][1]["type"]),
        (&"datacoop.vocabulary-draft/1".into(), &"text".into())
    );
    assert_eq!(json["toml"].as_str().unwrap().trim_end(), text.trim_end());
}

#[test]
fn a_draft_of_what_is_no_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("marks.csv");
    let path = file.to_str().unwrap();
    refused(&["vocabulary", "draft", path], "marks.csv: No such file");
    refused(&["vocabulary", "draft", folder.path().to_str().unwrap()], "directory");
    for (bytes, said) in [
        (&b""[..], "marks.csv: it has no header"),
        (b"sex,score\n", "it has a header and no rows"),
        (b"\xff\xfes\0e\0x\0", "it has a header and no rows"),
        (b"sex,school\nF,\0\x01\n", "is no text; save it as CSV or as an Excel workbook"),
        (b"%PDF-1.7", "export the report as CSV"),
        (b"Marks of 7A\nsex,score\nF,1\n", "row 2 has 2 fields and the header 1; remove titles"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        refused(&["vocabulary", "draft", path], said);
    }
}
