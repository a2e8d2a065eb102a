//! What files of the shipped vocabularies come to mean, column by column.

use std::collections::HashMap;

use super::*;

const PUPILS: &str = include_str!("../vocab/pupils.toml");
const ATTENDANCE: &str = include_str!("../vocab/attendance.toml");
const ATTAINMENT: &str = include_str!("../vocab/attainment.toml");
const BEHAVIOUR: &str = include_str!("../vocab/behaviour.toml");
const PARTICIPATION: &str = include_str!("../vocab/vcse_participation.toml");
const OUTCOMES: &str = include_str!("../vocab/vcse_outcomes.toml");
const BENEFICIARIES: &str = include_str!("../vocab/vcse_beneficiaries.toml");

/// Reads a file as often as it asks for. Rows are `column=value` of the wanted columns.
fn check(
    vocabulary: &str,
    text: &str,
    options: &Options,
    wanted: &str,
) -> (Result<Report, ImportError>, Vec<String>) {
    let vocabulary = Vocabulary::from_toml(vocabulary).unwrap();
    let names: Vec<String> = kept_columns(&vocabulary).iter().map(|column| column.name.clone()).collect();
    let mut options = options.clone();
    loop {
        let mut rows = vec![];
        let report =
            read_rows(Source::of_bytes(text.as_bytes()), &vocabulary, &options, None, &mut |_, row| {
                let shown = wanted.split_whitespace().map(|wanted| {
                    let at = names.iter().position(|name| name == wanted).expect(wanted);
                    match &row[at] {
                        Cell::Null => "-".to_owned(),
                        Cell::Text(text) => text.to_string(),
                        Cell::Number(number) => format!("{number}"),
                        Cell::Integer(number) => number.to_string(),
                        Cell::Bool(truth) => truth.to_string(),
                        Cell::Date(day) => Day(i64::from(*day)).to_string(),
                    }
                });
                rows.push(shown.collect::<Vec<_>>().join(" "));
                Ok(())
            });
        match report {
            Ok(mut report) => match report.again.take() {
                Some(settled) => options.settled = Some(settled),
                None => return (Ok(report), rows),
            },
            Err(error) => return (Err(error), rows),
        }
    }
}

/// Rows that are good, so that one bad row is not one in ten.
fn many(line: impl Fn(usize) -> String) -> String {
    (0..30).map(line).collect()
}

fn plain(vocabulary: &str, text: &str, wanted: &str) -> (Report, Vec<String>) {
    let (report, rows) = check(vocabulary, text, &Options::default(), wanted);
    (report.unwrap(), rows)
}

#[test]
fn a_mark_has_its_class_and_its_place_in_the_year() {
    let text = "Adno,Date,Session,Mark\n\
                1,12/12/2025,AM,/\n1,12/12/2025,PM,\\\n2,12/12/2025,AM,u\n3,12/12/2025,AM,G\n4,12/12/2025,AM,Y4\n\
                5,12/12/2025,AM,\n6,14/08/2024,AM,J\n6,02/09/2024,AM,J\n7,12/12/2025,PM,/\n8,12/12/2025,AM,I02\n";
    let (report, rows) = plain(
        ATTENDANCE,
        text,
        "code mark_class possible attended absent late holiday weekday term_week half_term days_to_break",
    );
    assert_eq!(
        rows,
        [
            "/ present 1 1 0 0 0 Friday 14 2 5",
            "\\ present 1 1 0 0 0 Friday 14 2 5",
            "U unauthorised 1 0 1 1 0 Friday 14 2 5",
            "G unauthorised 1 0 1 0 1 Friday 14 2 5",
            "Y4 not_required 0 0 0 0 0 Friday 14 2 5",
            "- missing 0 0 0 0 0 Friday 14 2 5",
            "J present 1 1 0 0 0 Wednesday - - -",
            "J authorised 1 0 1 0 0 Monday 1 1 39",
            "\\ present 1 1 0 0 0 Friday 14 2 5",
            "I authorised 1 0 1 0 0 Friday 14 2 5",
        ]
    );
    assert_eq!(
        (report.people, report.marks_by_class["present"], report.marks_by_class["missing"]),
        (8, 4, 1)
    );
    assert!(report.notes.iter().any(|note| note.starts_with("1 marks were `/` in an afternoon")));
    assert!(report.days_outside_terms.contains(&Day::parse("2024-08-14").unwrap()));
    assert!(report.days_missing.contains(&Day::parse("2024-09-03").unwrap()));
}

#[test]
fn a_file_without_codes_says_itself_what_they_count_as() {
    let text = many(|n| format!("{n},2025-12-12,AM,1,1,0\n")) + "q,2025-12-12,AM,1,1,1\n";
    let (report, rows) = plain(
        ATTENDANCE,
        &format!("pupil_id,date,session,possible,attended,absent\n{text}"),
        "possible attended absent weekday code",
    );
    assert_eq!((rows.len(), rows[0].as_str()), (30, "1 1 0 Friday -"));
    assert!(report.problems[0].text.contains("`possible` must be"), "{:?}", report.problems);
    let without =
        check(ATTENDANCE, "pupil_id,date,session,possible\n1,2025-12-12,AM,1\n", &Options::default(), "");
    let error = without.0.unwrap_err().0;
    assert!(
        error.contains("there is no column `code` (also called Mark") && error.contains("it has `pupil_id`"),
        "{error}"
    );
}

#[test]
fn of_two_marks_for_a_session_the_higher_class_stays_wherever_it_stands() {
    let text = many(|n| format!("{n},2025-12-12,AM,/\n"))
        + "q,2025-12-12,AM,N\nq,2025-12-12,AM,L\nr,2025-12-12,AM,/\nr,2025-12-12,AM,X\n";
    let (report, rows) = plain(ATTENDANCE, &format!("pupil_id,date,session,code\n{text}"), "pupil_id code");
    assert_eq!(rows[30..], ["q L", "r /"]);
    assert_eq!((report.rows_kept, report.refused_by_kind[&ProblemKind::Duplicate]), (32, 2));
    assert_eq!(report.problems.iter().map(|problem| problem.row).collect::<Vec<_>>(), [32, 35]);
}

#[test]
fn what_no_pupil_can_have_is_refused_by_its_cap() {
    let week = |pupil: &str| -> String {
        let days = (1..=7)
            .flat_map(|day| ["AM", "PM"].map(|session| format!("{pupil},2025-12-{day:02},{session},X\n")));
        days.collect()
    };
    // Monday 1 to Sunday 7 December: the weekend's four are too many.
    let text = many(|n| format!("{n},2025-12-12,AM,X\n")) + &week("q");
    let (report, rows) = plain(ATTENDANCE, &format!("pupil_id,date,session,code\n{text}"), "pupil_id");
    assert_eq!((rows.len(), report.refused_by_kind[&ProblemKind::OverCap]), (40, 4));

    let incidents: String = (0..21).map(|n| format!("q,2025-10-{:02},negative,\n", n % 30 + 1)).collect();
    let many_others: String = (0..200).map(|n| format!("{n},2025-10-01,positive,\n")).collect();
    let lost = "r,2025-10-01,suspension,45\nr,2025-11-11,suspension,46\n";
    let suspended: String = (1..=6).map(|n| format!("s,2026-0{n}-10,suspension,1\n")).collect();
    let header = "pupil_id,date,type,sessions_lost\n";
    let (report, _) = plain(BEHAVIOUR, &format!("{header}{many_others}{incidents}{lost}{suspended}"), "");
    let said: Vec<&str> = report.problems.iter().map(|problem| problem.text.as_str()).collect();
    assert_eq!(
        said,
        [
            "the pupil has more than 20 incidents in this term",
            "the pupil has more than 90 sessions lost in this school year",
            "the pupil has more than 5 suspensions in this school year"
        ]
    );

    let hours: String = (1..=9).map(|n| format!("q,a,2025-10-0{n},24\n")).collect();
    let text =
        format!("person_id,activity_id,date,hours\n{}{hours}", many(|n| format!("{n},a,2025-10-01,1\n")));
    let (report, rows) = plain(PARTICIPATION, &text, "person_id");
    assert_eq!(
        (rows.len(), report.problems[0].text.as_str()),
        (38, "the person has more than 200 hours in this year")
    );

    let scores: String = (1..=13).map(|n| format!("q,own,interim,2025-10-{n:02},5\n")).collect();
    let text =
        format!("person_id,measure,timepoint,date,score\n{}{scores}", many(|n| format!("{n},own,end,,5\n")));
    let (report, rows) = plain(OUTCOMES, &text, "person_id");
    assert_eq!((rows.len(), report.refused_by_kind[&ProblemKind::OverCap]), (42, 1));

    let needs = "p,2025-01-01,advice,a;b;c;d\n";
    let text = format!(
        "person_id,first_contact,consent_purposes,needs\n{}{needs}",
        many(|n| format!("{n},2025-01-01,x,a;b\n"))
    );
    let (report, _) = plain(BENEFICIARIES, &text, "");
    assert_eq!(report.problems[0].text, "it has 4 codes; at most 3, split by semicolons");
}

#[test]
fn lost_afternoon_marks_stop_an_import_until_somebody_decides() {
    let lines: String = (0..100)
        .map(|n| format!("{n},2025-12-12,AM,/\n{n},2025-12-12,PM,{}\n", if n < 5 { "\\" } else { "" }))
        .collect();
    let text = format!("pupil_id,date,session,code\n{lines}");
    let error = check(ATTENDANCE, &text, &Options::default(), "").0.unwrap_err().0;
    assert!(error.contains("of 100 mornings marked `/`, 95 have no afternoon mark"), "{error}");
    assert!(error.contains("--repair pm-present"), "{error}");
    let with = |repair| Options { repair, ..Options::default() };
    let (report, rows) = check(ATTENDANCE, &text, &with(Repair::PmPresent), "session code attended");
    assert_eq!(rows.iter().filter(|row| *row == "PM \\ 1").count(), 100);
    assert!(report.unwrap().notes.iter().any(|note| note.starts_with("95 afternoons were taken as present")));
    let (_, rows) = check(ATTENDANCE, &text, &with(Repair::Nothing), "session code attended");
    assert_eq!(rows.iter().filter(|row| *row == "PM - 0").count(), 95);
    // Afternoons that have no row at all are made.
    let mornings: String = (0..100).map(|n| format!("{n},2025-12-12,AM,/\n")).collect();
    let text = format!("pupil_id,date,session,code\n{mornings}q,2025-12-12,AM,I\n");
    let (report, rows) = check(ATTENDANCE, &text, &with(Repair::PmPresent), "session code");
    assert_eq!((rows.len(), report.unwrap().rows_kept), (201, 201));
}

#[test]
fn what_the_node_knows_gives_marks_their_birthdays_and_refuses_strangers() {
    let people: HashMap<String, Option<String>> =
        (0..30).map(|n| (n.to_string(), (n == 0).then(|| "12-10".to_owned()))).collect();
    let context = Arc::new(Context { people: Some(people), ..Context::default() });
    let options = Options {
        context,
        days: Day::parse("2025-09-01").zip(Day::parse("2026-08-31")),
        ..Options::default()
    };
    let text = many(|n| format!("{n},2025-12-12,AM,/\n")) + "q,2025-12-12,AM,/\n0,2024-12-12,AM,/\n";
    let (report, rows) =
        check(ATTENDANCE, &format!("pupil_id,date,session,code\n{text}"), &options, "birthday_offset");
    assert_eq!((rows.len(), rows[0].as_str(), rows[1].as_str()), (30, "2", "-"));
    let report = report.unwrap();
    assert_eq!(report.refused_by_kind[&ProblemKind::UnknownPupil], 1);
    assert_eq!(report.refused_by_kind[&ProblemKind::OutsideYear], 1);
}

#[test]
fn a_date_of_birth_leaves_a_month_a_birthday_and_the_ages_law_asks_for() {
    let header = "Adno,UPN,Year group,DOB,Pupil Premium indicator,on_roll_from,on_roll_to\n";
    let good = many(|n| format!("{n},B801200005001,Year  7,01/03/2014,N,2025-09-01,\n"));
    let bad = "x,A801200005001,7,01/03/2014,N,2025-09-01,\n\
               y,,7,01/03/2026,N,2025-09-01,\n\
               z,,7,01/03/2014,N,2025-09-01,2025-08-31\n";
    let context = Context {
        ks2_halves: HashMap::from([("0".to_owned(), 199)]),
        prior_absence: HashMap::from([("0".to_owned(), 1_000)]),
        ..Context::default()
    };
    let options = Options { context: Arc::new(context), ..Options::default() };
    let (report, rows) = check(
        PUPILS,
        &format!("{header}{good}{bad}"),
        &options,
        "nc_year birth_month birthday compulsory_from compulsory_to ks2_band prior_absence_band",
    );
    let report = report.unwrap();
    assert_eq!(rows[0], "7 3 03-01 2019-03-31 2030-06-28 96 - 99.5 10-20");
    assert_eq!(rows[1], "7 3 03-01 2019-03-31 2030-06-28 - -");
    let kinds: Vec<ProblemKind> = report.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, [ProblemKind::BadUpn, ProblemKind::BadDate, ProblemKind::BadDate]);
    assert!(report.problems.iter().all(|problem| !problem.text.contains("801200005001")));
    let kept = Vocabulary::from_toml(PUPILS).unwrap();
    assert!(kept_columns(&kept).iter().all(|column| column.name != "dob" && column.name != "upn"));
}

#[test]
fn results_add_up_over_a_pupils_rows() {
    let text = "pupil_id,stage,subject,assessment_type,scale,value\n\
                1,KS2,Reading,exam,scaled,99\n1,KS2,Mathematics,exam,scaled,100\n\
                1,KS4,English Language,exam,gcse91,5\n1,KS4,English Literature,exam,gcse91,6\n\
                1,KS4,Mathematics,exam,gcse91,7\n1,KS4,Combined Science,exam,gcse91,6-5\n\
                1,KS4,History,exam,gcse91,4\n1,KS4,Music,target,gcse91,9\n\
                2,KS4,Mathematics,exam,gcse91,X\n2,KS4,Drama,exam,gcse91,3\n";
    let columns =
        "grade points a8_slot ks2_avg ks2_group ks2_band english maths ebacc open a8 p8 basics4 basics5";
    let (report, rows) = plain(ATTAINMENT, text, columns);
    let whole = "99.5 14 96 - 99.5 12 14 15 5 46 1.054 true true";
    assert_eq!(rows[0], format!("- - - {whole}"));
    assert_eq!(rows[3], format!("6 6 english {whole}"));
    assert_eq!(rows[2], format!("5 5 open {whole}"));
    assert_eq!(rows[5], format!("5 5.5 ebacc {whole}"));
    assert_eq!(rows[7], format!("9 9 - {whole}"), "a target is no result");
    assert_eq!(rows[8], "X 0 maths - - No scaled score 0 0 0 3 3 - false false");
    assert_eq!((report.people, report.rows_kept), (2, 10));
}

#[test]
fn one_result_a_subject_stays_the_best_and_twelve_a_stage() {
    let header = "pupil_id,stage,subject,assessment_type,scale,value\n";
    let others = many(|n| format!("{n},KS4,Music,exam,gcse91,1\n"));
    let (report, rows) = plain(
        ATTAINMENT,
        &format!("{header}{others}q,KS4,History,exam,gcse91,4\nq,KS4,History,exam,gcse91,7\n"),
        "pupil_id grade a8 ks2_band",
    );
    assert_eq!(rows[30..], ["q 7 7 -"], "nobody has a key stage 2 result");
    assert_eq!(report.refused_by_kind[&ProblemKind::Duplicate], 1);
    let subjects = [
        "Biology",
        "Chemistry",
        "Physics",
        "Geography",
        "History",
        "French",
        "German",
        "Spanish",
        "Latin",
        "Music",
        "Drama",
        "Dance",
        "Law",
    ];
    let thirteen: String =
        subjects.iter().map(|subject| format!("q,KS4,{subject},exam,gcse91,5\n")).collect();
    let (report, rows) = plain(
        ATTAINMENT,
        &format!("{header}{}{others}{thirteen}", others.replace("Music", "Drama")),
        "pupil_id",
    );
    assert_eq!(
        (rows.len(), report.problems[0].text.as_str()),
        (72, "the pupil has more than 12 results at this stage")
    );
    for (scale, value) in [
        ("gcse91", "A*"),
        ("scaled", "12"),
        ("pct", "101"),
        ("cat4", "x"),
        ("alevel", "9"),
        ("reading_age", "-1"),
    ] {
        let (report, _) =
            plain(ATTAINMENT, &format!("{header}{others}q,KS2,Reading,exam,{scale},{value}\n"), "");
        assert!(report.problems[0].text.contains("is not on the scale"), "{scale}: {:?}", report.problems);
    }
}

#[test]
fn key_stage_2_results_imported_before_give_later_files_their_start() {
    let context =
        Arc::new(Context { ks2_halves: HashMap::from([("1".to_owned(), 240)]), ..Context::default() });
    let options = Options { context, ..Options::default() };
    let text = "pupil_id,stage,subject,scale,value\n1,KS4,Mathematics,gcse91,9\n2,KS4,Mathematics,gcse91,9\n";
    let (_, rows) = check(ATTAINMENT, text, &options, "ks2_group a8 p8 ks2_band");
    assert_eq!(rows, ["34 18 -4 117 - 120", "- 18 - No scaled score"], "Progress 8 is cut at -4");
}

#[test]
fn outcomes_are_put_on_one_scale_and_compared_from_baseline_to_end() {
    let text = "person_id,domain,measure,timepoint,date,score\n\
                1,wellbeing,SWEMWBS,end,2025-12-01,28\n1,wellbeing,SWEMWBS,baseline,2025-10-06,21\n\
                2,health,GAD-7,baseline,2025-10-06,21\n2,health,GAD-7,end,2025-10-20,0\n\
                3,wellbeing,own,baseline,2025-10-06,6\n3,wellbeing,own,end,2025-10-20,4\n\
                4,employment,achieved,end,2025-10-20,yes\n5,wellbeing,own,baseline,2025-10-06,6\n\
                6,wellbeing,own,end,2025-10-20,7\n";
    let (report, rows) = plain(OUTCOMES, text, "person_id timepoint change achieved weeks_between");
    assert_eq!(
        rows,
        [
            "1 end 2.5 true 8",
            "1 baseline - - -",
            "2 baseline - - -",
            "2 end 10 true 2",
            "3 baseline - - -",
            "3 end -2 false 2",
            "4 end - true -",
            "5 baseline - - -",
            "6 end - - -"
        ]
    );
    assert!(
        report.notes.iter().any(|note| note.starts_with("1 baselines have no end score")),
        "{:?}",
        report.notes
    );
    let bad = many(|n| format!("{n},wellbeing,own,end,,5\n")) + "q,wellbeing,SWEMWBS,end,,6\n";
    let (report, _) = plain(OUTCOMES, &format!("person_id,domain,measure,timepoint,date,score\n{bad}"), "");
    assert_eq!(report.problems[0].text, "it is outside SWEMWBS, which goes from 7 to 35");
}

#[test]
fn participation_takes_its_activitys_words_and_people_their_consent() {
    let activities = HashMap::from([(
        "a".to_owned(),
        [Some(Arc::from("Youth")), Some(Arc::from("Football")), Some(Arc::from("in_person"))],
    )]);
    let options = Options {
        context: Arc::new(Context { activities: Some(activities), ..Context::default() }),
        ..Options::default()
    };
    let text = "person_id,activity_id,date,hours\n1,a,2025-10-06,2\n1,b,2025-10-06,2\n";
    let (report, rows) = check(PARTICIPATION, text, &options, "programme activity_type mode");
    assert_eq!(rows, ["Youth Football in_person", "- - -"]);
    assert!(report.unwrap().notes[0].starts_with("1 rows are of activities that were not imported"));
    let (_, rows) = plain(
        BENEFICIARIES,
        "person_id,first_contact,consent_purposes\n1,2025-01-01,\"research , advice\"\n",
        "consent_purposes",
    );
    assert_eq!(rows, ["research;advice"]);
    let error = check(BENEFICIARIES, "person_id,first_contact\n1,2025-01-01\n", &Options::default(), "").0;
    assert!(error.unwrap_err().0.contains("there is no column `consent_purposes`; without it nobody"));
}
