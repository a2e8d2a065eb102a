//! A fixture for each way in which files come: every one must give the rows of the plain file.

use super::*;

const MARKS: &str = r##"
    id = "marks"
    version = 1
    title = "Marks"
    dataset = "pupils"
    unit = "pupil_id"
    key = ["pupil_id", "date", "session"]
    column = [
      { name = "pupil_id", type = "text", required = true, never = true, synonyms = ["adno", "admission number", "student id"] },
      { name = "date", type = "date", required = true },
      { name = "session", type = "text", values = ["AM", "PM"], required = true, synonyms = ["session name", "am/pm"] },
      { name = "code", type = "text", values = ["/", "\\", "L", "I", "N", "C1", "#", "-"], synonyms = ["mark", "attendance code"] },
      { name = "nc_year", type = "text", values = ["N2", "R", "7"], group = true, of = "pupils/1", synonyms = ["year group"] },
      { name = "pupil_premium", type = "bool", group = true, of = "pupils/1", synonyms = ["pupil premium eligible", "pupil premium recipients"] },
    ]"##;

/// Two pupils, Monday and Tuesday, one mark a row.
const LONG: &str = "Adno,Date,Session,Mark\n\
    1,08/12/2025,AM,/\n1,08/12/2025,PM,\\\n1,09/12/2025,AM,L\n1,09/12/2025,PM,\\\n\
    2,08/12/2025,AM,I\n2,08/12/2025,PM,I\n2,09/12/2025,AM,/\n2,09/12/2025,PM,N\n";

fn read_source(source: Source, options: &Options) -> (Result<Report, ImportError>, Vec<String>) {
    let vocabulary = Vocabulary::from_toml(MARKS).unwrap();
    let mut rows = vec![];
    let report = read_rows(source, &vocabulary, options, None, &mut |_, row| {
        let text = |cell: &Cell| match cell {
            Cell::Text(text) => text.to_string(),
            Cell::Date(day) => Day(i64::from(*day)).to_string(),
            Cell::Bool(truth) => truth.to_string(),
            Cell::Null => "null".to_owned(),
            Cell::Number(_) | Cell::Integer(_) => unreachable!(),
        };
        rows.push(row.iter().map(text).collect::<Vec<_>>().join(" "));
        Ok(())
    });
    rows.sort();
    (report, rows)
}

fn read(text: &str) -> (Report, Vec<String>) {
    let (report, rows) = read_source(Source::of_bytes(text.as_bytes()), &Options::default());
    (report.unwrap_or_else(|error| panic!("{text}\n{error}")), rows)
}

fn refused(text: &str) -> String {
    read_source(Source::of_bytes(text.as_bytes()), &Options::default()).0.expect_err(text).0
}

/// Reads a file of this name from the disk.
fn read_bytes(name: &str, bytes: &[u8]) -> (Report, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let vocabulary = Vocabulary::from_toml(MARKS).unwrap();
    let source = open(&path, &vocabulary, &Options::default()).unwrap();
    let (report, rows) = read_source(source, &Options::default());
    (report.unwrap_or_else(|error| panic!("{name}: {error}")), rows)
}

/// The rows are those of the long file; returns how many lines were no rows.
fn same(text: &str) -> u64 {
    let (report, rows) = read(text);
    assert_eq!(rows, read(LONG).1, "{text}");
    assert_eq!((report.rows_read, report.rows_kept, report.rows_refused), (8, 8, 0), "{text}");
    report.lines_skipped
}

#[test]
fn the_long_file_is_what_it_says() {
    let (report, rows) = read(LONG);
    assert_eq!(rows[0], "1 2025-12-08 AM / null null");
    assert_eq!(rows[1], "1 2025-12-08 PM \\ null null");
    assert_eq!((rows.len(), report.lines_skipped), (8, 0));
}

#[test]
fn titles_pages_headers_again_totals_and_blank_lines_are_no_rows() {
    let mut lines: Vec<&str> = LONG.lines().collect();
    lines.insert(5, "Adno,Date,Session,Mark");
    lines.insert(5, ",,Page 1 of 9,");
    lines.insert(5, ",,,");
    lines.push("Total,8,,");
    lines.push("Printed on 10/12/2025,,,");
    let text = format!("Attendance report,,,\n\"Smith, John's class\",,,\n,,,\n{}\n", lines.join("\n"));
    assert_eq!(same(&text), 5);
    // A report that writes its titles short, and a problem behind them is named by its own line.
    let text = format!("Attendance report\n\n{}", LONG.replace("2,09/12/2025,PM,N", "2,09/12/2025,PM,ZZ"));
    let error = refused(&text);
    assert!(error.contains("f.csv row 11, Mark: \"ZZ\" is not allowed"), "{error}");
}

#[test]
fn headers_are_found_through_case_punctuation_and_prefix() {
    same(&LONG.replace("Adno,Date,Session,Mark", "Student: Admission_Number,DATE ,AM/PM,attendance-code"));
    same(&LONG.replace("Adno,Date,Session,Mark", "\u{feff}Pupil: ADNO,Date:,\"Session\nName\",Mark."));
    let error = refused(&LONG.replace("Adno", "Room"));
    assert!(error.contains("no column `pupil_id`; it has `Room`, `Date`"), "{error}");
    assert!(error.contains("--column pupil_id=HEADER"), "{error}");
}

#[test]
fn a_wide_register_is_the_same_table() {
    let body = "1,Ann A,/,\\,L,\\\n2,Bob B,I,I,/,N\n";
    for header in [
        "Adno,Name,Mon 08/12/2025 AM,Mon 08/12/2025 PM,Tue 09/12/2025 AM,Tue 09/12/2025 PM",
        "Adno,Name,08/12/2025 AM,08/12/2025 PM,09/12/2025 AM,09/12/2025 PM",
        "Adno,Name,2025-12-08 (AM),2025-12-08 (PM),2025-12-09 (AM),2025-12-09 (PM)",
        "Adno,Name,AM 08-Dec-2025,PM 08-Dec-2025,AM 09-Dec-2025,PM 09-Dec-2025",
        "Adno,Name,\"Mon\n8 Dec 25\nam\",\"Mon\n8 Dec 25\npm\",\"Tue\n9 Dec 25\nam\",\"Tue\n9 Dec 25\npm\"",
        "Week beginning 08/12/2025,,,,,\nAdno,Name,Mon AM,Mon PM,Tue AM,Tue PM",
        "W/C:,08/12/2025,,,,\nAdno,Name,Monday AM,Monday PM,Tuesday AM,Tuesday PM",
    ] {
        same(&format!("{header}\n{body}"));
    }
    // Merged headers: the day stands over the first of its sessions only.
    assert_eq!(same(&format!(",,08/12/2025,,09/12/2025,\nAdno,Name,AM,PM,AM,PM\n{body}")), 0);
    assert_eq!(same(&format!("Adno,Name,Mon 08/12/2025,,Tue 09/12/2025,\n,,AM,PM,AM,PM\n{body}")), 0);
}

#[test]
fn a_register_with_a_row_a_day_or_a_session_is_the_same_table() {
    same("Adno,Date,AM,PM\n1,08/12/2025,/,\\\n1,09/12/2025,L,\\\n2,08/12/2025,I,I\n2,09/12/2025,/,N\n");
    same("Adno,Date,AM Mark,PM Mark\n1,08/12/25,/,\\\n1,09/12/25,L,\\\n2,08/12/25,I,I\n2,09/12/25,/,N\n");
    same("Adno,Session,08/12/2025,09/12/2025\n1,AM,/,L\n1,PM,\\,\\\n2,AM,I,/\n2,PM,I,N\n");
}

#[test]
fn week_texts_are_ten_marks_or_an_error() {
    let wide =
        |mark: &str| format!("Adno,Week beginning,Marks\n1,08/12/2025,/\\L\\------\n2,08/12/2025,{mark}\n");
    let (report, rows) = read(&wide("II/N------"));
    assert_eq!((report.rows_read, rows.len()), (20, 20));
    let kept: Vec<String> = rows.into_iter().filter(|row| !row.contains(" - ")).collect();
    assert_eq!(kept, read(LONG).1);
    for header in
        ["Adno,w/c 08/12/2025", "WB: 08/12/2025,\nAdno,Marks", "Adno,Week commencing Mon 8 Dec 2025"]
    {
        let text = format!("{header}\n1,/\\L\\------\n2,II/N------\n");
        assert_eq!(read(&text).1, read(&wide("II/N------")).1, "{header}");
    }
    // Blank signs inside and at the ends are marks not made.
    let rows = read(&wide("II/N  ----")).1;
    assert_eq!(rows.iter().filter(|row| row.contains("null null null")).count(), 2);
    for mark in ["II/N-----", "II/N----------", "IIC1/N-----", ""] {
        let error = refused(&wide(mark));
        let count = mark.len();
        assert!(error.contains(&format!("row 3, Marks: it has {count} marks, and a week has 10")), "{error}");
        assert!(error.contains("10 of 20 rows do not fit"), "{error}");
    }
    let error = refused(&wide("II/N------").replace("08/12", "09/12"));
    assert!(error.contains("a week begins on a Monday, and 2025-12-09 is none"), "{error}");
}

#[test]
fn headers_of_a_register_that_cannot_be_are_refused() {
    for (header, said) in [
        ("Adno,Mon 09/12/2025 AM", "names a day of the week that 2025-12-09 is not"),
        ("Adno,08/12/2025 AM,Mon 08/12/2025 am", "stands twice"),
        ("Adno,08/12/2025", "names no session; write AM or PM"),
        ("Adno,Mon AM", "is in no week; add a column `Week beginning`"),
        ("Adno,31/02/2025 AM", "there are no columns `date`, `session`; it has `Adno`, `31/02/2025 AM`"),
    ] {
        let error = refused(&format!("{header},x\n1,/,/\n"));
        assert!(error.contains(said), "{header}: {error}");
    }
}

#[test]
fn days_may_be_serials_other_styles_or_the_other_way_round() {
    for (from, to) in
        [("08/12/2025", "45999"), ("08/12/2025", "8-Dec-25"), ("08/12/2025", "2025-12-08T00:00:00")]
    {
        same(&LONG.replace(from, to));
    }
    let american = LONG.replace("08/12/2025", "12/18/2025").replace("09/12/2025", "12/19/2025");
    let error = refused(&american);
    assert!(error.contains("8 of its dates read only as month/day/year, the first in row 2"), "{error}");
    assert!(error.contains("--dates mdy"), "{error}");
    let options = Options { dates: Dates::MonthFirst, ..Options::default() };
    let (report, rows) = read_source(Source::of_bytes(american.as_bytes()), &options);
    assert_eq!((report.unwrap().rows_kept, &*rows[0]), (8, "1 2025-12-18 AM / null null"));
    // A wide register says so by its headers.
    let wide = "Adno,12/18/2025 AM,12/18/2025 PM\n1,/,\\\n";
    let (report, _) = read_source(Source::of_bytes(wide.as_bytes()), &options);
    assert_eq!(report.unwrap().rows_kept, 2);
}

#[test]
fn marks_survive_their_travels() {
    same(&LONG.replace("PM,\\", "PM,\\\\"));
    same(&LONG.replace("PM,\\", "PM,\"\\\"").replace(",I\n", ",i \n").replace(",L\n", ",\u{a0}l\n"));
    // A row that begins with `#` is a row.
    let (report, rows) = read("Mark,Adno,Date,Session\n#,1,08/12/2025,AM\n'-,1,08/12/2025,PM\n");
    assert_eq!(
        (report.rows_kept, rows.join("; ")),
        (2, "1 2025-12-08 AM # null null; 1 2025-12-08 PM - null null".into())
    );
    let error = refused("Adno,Date,Session,Mark\n1,08/12/2025,AM,01/01/1900\n");
    assert!(
        error.contains("row 2, Mark: \"01/01/1900\" is a date where a register mark should be"),
        "{error}"
    );
}

#[test]
fn which_of_two_headers_is_meant_is_asked_once() {
    let text =
        "Adno,Date,Session,Mark,Pupil Premium Eligible,Pupil Premium Recipients\n1,08/12/2025,AM,/,Y,N\n";
    let error = refused(text);
    let said = "`Pupil Premium Eligible`, `Pupil Premium Recipients` may each be `pupil_premium`; say which";
    assert!(error.contains(said), "{error}");
    assert!(error.contains("--column pupil_premium=\"Pupil Premium Recipients\""), "{error}");
    let told = |column: &str, header: &str| {
        let columns = BTreeMap::from([(column.to_owned(), header.to_owned())]);
        let options = Options { columns, ..Options::default() };
        read_source(Source::of_bytes(text.as_bytes()), &options)
    };
    let (report, rows) = told("pupil_premium", "pupil premium recipients");
    assert_eq!(report.unwrap().columns_ignored, ["Pupil Premium Eligible"]);
    assert_eq!(rows, ["1 2025-12-08 AM / null false"]);
    let error = told("premium", "x").0.unwrap_err().0;
    assert!(error.contains("marks/1 has no column `premium`; it has `pupil_id`"), "{error}");
    let error = told("pupil_premium", "PP").0.unwrap_err().0;
    assert!(error.contains("there is no header `PP` for `pupil_premium`; it has `Adno`"), "{error}");
    // It serves any header that cannot be guessed.
    let columns = BTreeMap::from([("code".to_owned(), "What".to_owned())]);
    let text = LONG.replace("Mark", "What");
    let (report, rows) =
        read_source(Source::of_bytes(text.as_bytes()), &Options { columns, ..Options::default() });
    assert_eq!((report.unwrap().rows_kept, rows), (8, read(LONG).1));
}

#[test]
fn quoted_newlines_and_a_quote_that_is_never_closed() {
    same(&LONG.replace("1,08/12/2025,AM", "\"1\n\",08/12/2025,AM"));
    let long: String = (0..300).map(|n| format!("{n},08/12/2025,AM,/\n")).collect();
    let error = refused(&format!("Adno,Date,Session,Mark\n1,08/12/2025,\"AM,/\n{long}"));
    assert!(error.contains("f.csv row 2 goes on for") && error.contains("is never closed"), "{error}");
}

#[test]
fn rows_that_are_too_short_or_too_long_are_left_out() {
    let many: String = (3..30).map(|n| format!("{n},08/12/2025,AM,/\n")).collect();
    let (report, _) =
        read(&format!("{LONG}{many}50,08/12/2025,AM\n51,08/12/2025,AM,/,x\n52,08/12/2025,AM,/,,\n"));
    let said: Vec<String> = report.problems.iter().map(|problem| problem_text("f.csv", problem)).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("f.csv row 37: it has 3 fields, the header 4; put text"), "{said:?}");
    assert!(said[1].starts_with("f.csv row 38: it has 5 fields, the header 4; put text"), "{said:?}");
    // A comma too many after the header asks for no more.
    same(&LONG.replace("Mark\n", "Mark,,\n"));
}

#[test]
fn encodings_and_delimiters_give_the_same_table() {
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(LONG.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let titled = format!("Attendance;;;\n{}", LONG.replace(',', ";"));
    let latin = LONG
        .replace("Adno,", "Nom\u{e9},Adno,")
        .replace("\n1,", "\nZo\u{eb},1,")
        .replace("\n2,", "\nNo\u{e9},2,");
    let latin: Vec<u8> = latin.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for bytes in [
        utf16,
        latin,
        format!("\u{feff}{LONG}").into_bytes(),
        LONG.replace(',', "\t").into_bytes(),
        titled.into_bytes(),
        LONG.replace('\n', "\r\n").into_bytes(),
        LONG.replace('\n', "\r").into_bytes(),
    ] {
        let (report, rows) = read_bytes("marks.csv", &bytes);
        assert_eq!((report.rows_kept, rows), (8, read(LONG).1));
    }
}

#[test]
fn of_a_workbook_the_sheet_that_fits_is_read() {
    use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
    let mut book = Workbook::new();
    let notes = book.add_worksheet().set_name("Notes").unwrap();
    notes.write_string(0, 0, "Please read the next sheet").unwrap();
    let sheet = book.add_worksheet().set_name("Marks").unwrap();
    let (date, bold) = (Format::new().set_num_format("dd/mm/yyyy"), Format::new().set_bold());
    sheet.merge_range(0, 0, 0, 5, "Attendance", &bold).unwrap();
    sheet.write_string(3, 0, "Adno").unwrap();
    sheet.write_string(3, 1, "Name").unwrap();
    for (n, day) in [8, 9].into_iter().enumerate() {
        let at = u16::try_from(2 + n * 2).unwrap();
        sheet.merge_range(2, at, 2, at + 1, "", &date).unwrap();
        sheet.write_with_format(2, at, ExcelDateTime::from_ymd(2025, 12, day).unwrap(), &date).unwrap();
        sheet.write_string(3, at, "AM").unwrap();
        sheet.write_string(3, at + 1, "PM").unwrap();
    }
    for (row, (id, marks)) in
        [(1.0, ["/", "\\", "L", "\\"]), (2.0, ["I", "I", "/", "N"])].into_iter().enumerate()
    {
        let row = 4 + u32::try_from(row).unwrap();
        sheet.write_number(row, 0, id).unwrap();
        for (n, mark) in marks.into_iter().enumerate() {
            sheet.write_string(row, u16::try_from(2 + n).unwrap(), mark).unwrap();
        }
    }
    let (report, rows) = read_bytes("marks.xlsx", &book.save_to_buffer().unwrap());
    assert_eq!(rows, read(LONG).1);
    assert_eq!((report.rows_read, report.lines_skipped), (8, 0));
}

#[test]
fn a_parquet_file_is_the_same_table() {
    let vocabulary = Vocabulary::from_toml(MARKS).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (path, table) = (dir.path().join("marks.csv"), dir.path().join("table"));
    std::fs::write(&path, LONG).unwrap();
    import_csv(&path, &vocabulary, &Options::default(), &table).unwrap();
    let file = std::fs::read_dir(&table).unwrap().flatten().next().unwrap();
    let (report, rows) = read_bytes("marks.parquet", &std::fs::read(file.path()).unwrap());
    assert_eq!((report.rows_kept, rows), (8, read(LONG).1));
}

#[test]
fn a_person_of_whom_nothing_is_said_is_a_bad_row_not_a_title() {
    let many: String = (3..30).map(|n| format!("{n},08/12/2025,AM,/\n")).collect();
    let (report, _) = read(&format!("{LONG}{many}77,,,\n7A Mrs Smith,,,\n,,,Year\n"));
    assert_eq!((report.rows_refused, report.lines_skipped), (2, 1), "{:?}", report.problems);
}

#[test]
fn json_is_the_same_table() {
    let mut objects = vec![];
    for line in LONG.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        objects.push(serde_json::json!({
            "student_id": fields[0], "date": fields[1], "session": fields[2], "minutes": null,
            "attendance_code": { "data": { "id": "C9", "code": fields[3] } },
        }));
    }
    let text = serde_json::json!({ "data": objects }).to_string();
    let (report, rows) = read_bytes("attendance.json", text.as_bytes());
    assert_eq!((report.rows_kept, rows), (8, read(LONG).1));
}

#[test]
fn a_week_of_a_workbook_keeps_its_blanks() {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (row, cells) in
        [["Adno", "Week beginning", "Marks"], ["1", "08/12/2025", "/\\  L\\/\\ \\"]].iter().enumerate()
    {
        for (at, text) in cells.iter().enumerate() {
            sheet.write_string(u32::try_from(row).unwrap(), u16::try_from(at).unwrap(), *text).unwrap();
        }
    }
    let (_, rows) = read_bytes("week.xlsx", &book.save_to_buffer().unwrap());
    assert_eq!(rows.len(), 10);
    assert_eq!(rows[3], "1 2025-12-09 PM null null null");
    assert_eq!(rows[4], "1 2025-12-10 AM L null null");
}

/// Pieces of files put together anyhow: an answer or a refusal, never a panic.
#[test]
fn no_file_breaks_the_reader() {
    let pieces = [
        LONG,
        "Adno,Mon 08/12/2025 AM,PM 9/12/25\n",
        "Adno,Week beginning,Marks\n1,08/12/2025,/\\L\\------\n",
        ",",
        "\n",
        "\"",
        ";",
        "\t",
        "\u{e9}",
        "\u{a0}",
        "'-",
        "Page 1 of 9",
        "Total",
        "31/02/2025",
        "45999",
        "12:30",
        "w/c 8 Dec",
        "\r",
        "\u{feff}",
        "\\\\",
        "am",
        "Student:",
        "99999999999999999999",
        "-",
        "8-Dec-",
        "Mon",
        "\u{1f600}m",
    ];
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    for _ in 0..2_000 {
        let text: String = (0..=next(30)).map(|_| pieces[next(pieces.len())]).collect();
        let (report, rows) = read_source(Source::of_bytes(text.as_bytes()), &Options::default());
        if let Ok(report) = report {
            assert_eq!(report.rows_kept, rows.len() as u64, "{text:?}");
            assert_eq!(report.rows_kept + report.rows_refused, report.rows_read, "{text:?}");
        }
    }
}
