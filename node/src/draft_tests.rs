use super::*;
use crate::home::SHIPPED_VOCABULARIES;
use crate::import::source::Source;

fn known() -> Vec<Vocabulary> {
    SHIPPED_VOCABULARIES.iter().map(|text| Vocabulary::from_toml(text).unwrap()).collect()
}

fn drafted(text: &str) -> Draft {
    draft("mine", Source::of_bytes(text.as_bytes()), &known()).unwrap()
}

/// What a column of these values becomes: its type, then its list.
fn check(header: &str, values: &[&str], expected: &str) {
    let rows: String = values.iter().map(|value| format!("\"{value}\",x\n")).collect();
    let draft = drafted(&format!("{header},other thing\n{rows}"));
    let column = &draft.columns[0].column;
    let list = column.values.join("|");
    assert_eq!(format!("{} {list}", column.kind.code()).trim(), expected, "{header}: {values:?}");
    if column.values.is_empty() && column.kind == Kind::Text {
        assert!(column.never && !column.group, "{header}: text without a list stays out of questions");
    }
}

#[test]
fn a_type_follows_from_the_values() {
    check("sat", &["yes", "No", "", "yes"], "bool");
    check("sat", &["T", "F", "t"], "bool");
    check("sat", &["0", "1", "1"], "integer");
    check("set", &["1", "2", "-7"], "integer");
    check("mark", &["1", "2.5", "-7e3"], "number");
    check("mark", &["1", "NaN", "2"], "text");
    check("when", &["2025-12-31", "31/12/2025"], "date");
    check("when", &["2025-12-31", "soon"], "text");
    check("exam number", &["0012", "0013", "0100"], "text");
    check("house", &["", "", ""], "text");
}

#[test]
fn a_list_is_proposed_only_where_values_repeat_and_name_nobody() {
    check("house", &["Red", "Blue", "red", "Blue", "RED", "Blue"], "text Blue|Red");
    check("seen", &["F", "F", "F"], "text F");
    check("house", &["Red", "Blue", "Red", "Blue", "Red"], "text");
    check("Forename", &["Ann", "Ann", "Ann", "Bob", "Bob", "Bob"], "text");
    check("Parent 1", &["Ann", "Ann", "Ann"], "text");
    check("Class teacher", &["Ann", "Ann", "Ann"], "text");
    check("Student: House", &["Red", "Red", "Red"], "text Red");
    check("reached", &["a@b.example", "a@b.example", "a@b.example"], "text");
    let people: Vec<String> = (0..100).map(|n| format!("Person {}", n % 21)).collect();
    check("who", &people.iter().map(String::as_str).collect::<Vec<_>>(), "text");
}

#[test]
fn a_known_header_brings_its_meaning_and_its_flags() {
    let draft = drafted(
        "Adno,Gender,Date of birth,Ethnic major,Ever 6\n1,F,2010-01-01,White,y\n2,M,2010-01-02,Asian,n\n",
    );
    let names: Vec<String> =
        draft.columns.iter().map(|p| format!("{} {}", p.column.name, p.column.flags().join(" "))).collect();
    assert_eq!(
        names,
        ["pupil_id required never", "sex group", "dob never", "ethnic_major group sensitive", "ever_6 group"]
    );
    assert_eq!(draft.columns[1].column.values, ["F", "M", "U"], "the known list, not that of the file");
    assert_eq!(draft.columns[0].column.synonyms, ["Adno"]);
    assert!(draft.columns[1].known.contains(&"pupils/1".to_owned()), "{:?}", draft.columns[1]);
    for said in ["unit = \"pupil_id\"", "dataset = \"pupils\"", "known from pupils/1"] {
        assert!(draft.toml.contains(said), "{said}: {}", draft.toml);
    }
}

#[test]
fn what_does_not_fit_a_known_column_keeps_its_protection_and_says_so() {
    let draft = drafted("upn,looked_after\nA,maybe\nB,maybe\nC,maybe\n");
    let column = &draft.columns[1].column;
    assert_eq!((column.kind, column.flags()), (Kind::Text, vec!["group", "sensitive"]));
    assert!(draft.columns[1].decide.starts_with("some values do not fit what pupils/1 allows"));
    assert_eq!(draft.columns[0].column.flags(), ["never"]);
}

#[test]
fn two_headers_of_one_known_column_stay_two() {
    let draft = drafted("Adno,Student ID\n1,2\n3,4\n");
    assert_eq!(draft.columns[1].column.name, "student_id");
    assert!(draft.columns[1].decide.starts_with("another column is `pupil_id` already"));
}

#[test]
fn people_come_before_what_they_take_part_in() {
    let draft = drafted("activity_id,person_id,hours\na,p,1\nb,p,2\n");
    assert!(draft.toml.contains("unit = \"person_id\""), "{}", draft.toml);
}

#[test]
fn a_file_that_fits_a_known_vocabulary_needs_no_draft() {
    let file = "pupil_id,date,type\n1,2025-11-03,positive\n";
    assert_eq!(drafted(file).fits, ["behaviour/1"]);
    assert!(drafted(&file.replace("positive", "praise")).fits.is_empty());
    assert_eq!(drafted(&file.replace(',', ";")).fits, ["behaviour/1"], "import reads semicolons too");
}

#[test]
fn semicolons_tabs_odd_headers_and_marks_are_read() {
    for separator in [",", ";", "\t"] {
        let text = "\u{feff}a b,É,2024,\"x\n\"\"y\"\"\"\n1,2,3,4\n".replace(',', separator);
        let draft = drafted(&text);
        let names: Vec<&str> = draft.columns.iter().map(|p| p.column.name.as_str()).collect();
        assert_eq!(names, ["a_b", "column", "column_2024", "x_y"], "{separator:?}");
    }
    assert_eq!(drafted("a,,b\n1,2,3\n").left_out, [2]);
}

#[test]
fn what_is_no_table_is_refused_with_its_place_and_the_remedy() {
    let wide =
        vec!["c"; 201].iter().enumerate().map(|(n, c)| format!("{c}{n}")).collect::<Vec<_>>().join(",");
    for (bytes, said) in [
        (&b""[..], "no header"),
        (b",,\n1,2,3\n", "no header"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2\n1,caf\xe9\n", "row 3: not UTF-8 text; save it again as CSV in UTF-8"),
        (b"caf\xe9,b\n1,2\n", "row 1: not UTF-8"),
        (b"a,b\n1,2\n1,2,3\n", "row 3 has 3 fields and the header 2"),
        (b"Mark,mark \n1,2\n", "columns 1 and 2 are both called `mark`"),
        (b"a@b.example,1\n1,2\n", "row 1 holds data"),
        (b"F,2010-01-31\nM,2010-02-01\n", "row 1 holds data"),
        (b"a\0b,c\n1,2\n", "is it a CSV file?"),
        (format!("{wide}\n").as_bytes(), "201 columns"),
    ] {
        let error = draft("mine", Source::of_bytes(bytes), &known()).unwrap_err();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn an_id_follows_from_the_file_and_never_claims_a_known_one() {
    for (stem, id) in
        [("Year 11 mock", "year_11_mock"), ("2024", "column_2024"), ("Pupils", "own_pupils"), ("", "column")]
    {
        assert_eq!(id_from(stem, &known()), id);
    }
}
