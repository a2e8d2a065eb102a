//! `datacoop import` as a data manager meets it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// A folder with a node in it, `n`.
    fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let init = ["init", "--id", "GB-EDU-1", "--name", "A", "--host", "a.example", "--people-max", "50"];
        assert!(desk.run(&init).status.success());
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datacoop"));
        command.current_dir(self.folder.path()).args(["--node", "n"]).args(args);
        command.output().expect("the program runs")
    }

    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[args, &["--json"]].concat())).unwrap()
    }

    fn refused(&self, args: &[&str], said: &str) {
        let output = self.run(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    }

    /// The node's own rows of a query, as CSV without its header.
    fn sql(&self, query: &str) -> Vec<String> {
        let text = self.done(&["sql", query, "--csv"]);
        text.lines().skip(1).map(str::to_owned).collect()
    }
}

const PUPILS: &str = "Admission number,Year group,DOB,Pupil Premium indicator,on_roll_from,UPN\n";

/// 30 pupils of Year 7, born 14 March 2014.
fn pupils() -> String {
    let rows = (0..30).map(|n| format!("{n},Year  7,14/03/2014,N,2025-09-01,B801200005001\n"));
    PUPILS.to_owned() + &rows.collect::<String>()
}

/// Both marks of 30 pupils on each of these days.
fn marks(days: &[&str], morning: &str) -> String {
    let mut text = "Adno,Date,Session,Mark\n".to_owned();
    for day in days {
        for n in 0..30 {
            text += &format!("{n},{day},AM,{morning}\n{n},{day},PM,\\\n");
        }
    }
    text
}

/// A workbook as it comes: titles, an empty row, headers with a prefix, dates as Excel's numbers, lower
/// case, spaces, a page number, a total, and a few rows that are wrong.
fn messy_workbook(path: &Path) {
    use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("Marks").unwrap();
    let date = Format::new().set_num_format("dd/mm/yyyy");
    sheet.write_string(0, 0, "Attendance report").unwrap();
    for (at, header) in ["Student: Adno", "Date", "AM/PM", "Mark", "House"].iter().enumerate() {
        sheet.write_string(2, u16::try_from(at).unwrap(), *header).unwrap();
    }
    let mut row = 3;
    for n in 0..40_u32 {
        sheet.write_number(row, 0, f64::from(n)).unwrap();
        sheet.write_with_format(row, 1, ExcelDateTime::from_ymd(2025, 12, 8).unwrap(), &date).unwrap();
        sheet.write_string(row, 2, if n % 2 == 0 { "am " } else { "PM" }).unwrap();
        sheet.write_string(row, 3, ["/", "\\\\", "i", "y4"][n as usize % 4]).unwrap();
        sheet.write_string(row, 4, "Red").unwrap();
        row += 1;
    }
    for (date, mark) in [("31/02/2026", "/"), ("08/12/2025", "@"), ("08/12/1925", "/")] {
        for (at, text) in ["99", date, "AM", mark, "Red"].iter().enumerate() {
            sheet.write_string(row, u16::try_from(at).unwrap(), *text).unwrap();
        }
        row += 1;
    }
    sheet.write_string(row, 0, "Page 1 of 9").unwrap();
    book.save(path).unwrap();
}

#[test]
fn a_dry_run_of_a_messy_workbook_needs_no_node_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    messy_workbook(&folder.path().join("export.xlsx"));
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datacoop"));
        command.current_dir(folder.path()).args([
            "--node",
            "none",
            "import",
            "export.xlsx",
            "--as",
            "attendance",
        ]);
        let output = command.arg("--dry-run").args(more).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = run(&[]);
    for said in [
        "40 of 43 rows would be imported as attendance/1",
        "people: 40",
        "days: 1 from 2025-12-08 to 2025-12-08",
        "marks: authorised 10, not_required 10, present 20",
        "left out: 3 rows",
        "1 bad_date: no date",
        "1 bad_code: a code that is no register code",
        "1 outside_year: of a day this import is not for",
        "export.xlsx row 44, Date: \"31/02/2026\" is not a date",
        "ignored: House",
        "no pupils were imported yet",
        "Nothing was written",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let json: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!((&json["outcome"], &json["rows_refused"]), (&"looked".into(), &3.into()));
    assert_eq!(json["refused_by_kind"]["bad_code"], 1);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["export.xlsx"]);
}

#[test]
fn the_same_file_again_changes_nothing_and_another_replaces_only_its_days() {
    let desk = Desk::new();
    desk.write("pupils.csv", &pupils());
    desk.write("term.csv", &marks(&["2025-12-08", "2025-12-09", "2025-12-10"], "/"));
    desk.done(&["import", "pupils.csv", "--as", "pupils"]);
    let first = desk.json(&["import", "term.csv", "--as", "attendance"]);
    assert_eq!(
        (&first["outcome"], &first["snapshot"], &first["rows_kept"]),
        (&"imported".into(), &1.into(), &180.into())
    );
    let again = desk.json(&["import", "term.csv", "--as", "attendance"]);
    assert_eq!((&again["outcome"], &again["snapshot"]), (&"unchanged".into(), &1.into()));
    assert!(desk.done(&["import", "term.csv", "--as", "attendance/1"]).contains("nothing changed"));
    // A correction of two days that leaves out the one between.
    desk.write("fix.csv", &marks(&["2025-12-08", "2025-12-10"], "I"));
    let looked = desk.done(&["import", "fix.csv", "--as", "attendance", "--dry-run"]);
    assert!(looked.contains("  replaces: 120 rows imported before\n"), "{looked}");
    desk.done(&["import", "fix.csv", "--as", "attendance"]);
    let query = "SELECT CAST(date AS VARCHAR) AS day, SUM(absent) AS away FROM attendance GROUP BY date ORDER BY date";
    assert_eq!(desk.sql(query), ["2025-12-08,30", "2025-12-09,0", "2025-12-10,30"]);
    // What was replaced may come back.
    let back = desk.json(&["import", "term.csv", "--as", "attendance"]);
    assert_eq!((&back["outcome"], &back["snapshot"]), (&"imported".into(), &3.into()));
    let undone = desk.done(&["import", "--undo", "--as", "attendance"]);
    assert!(undone.contains("of term.csv") && undone.contains("snapshot 2 is in force again"), "{undone}");
    assert_eq!(desk.sql(query)[0], "2025-12-08,30");
    // A period that the file stands for loses the days it lacks.
    desk.write("one.csv", &marks(&["2025-12-09"], "/"));
    let said = desk.done(&["import", "one.csv", "--as", "attendance", "--replace", "2025-12-08..2025-12-09"]);
    let other = "120 rows imported before, 60 of them of days that this file has no row of; --undo";
    assert!(said.contains(other), "{said}");
    assert_eq!(desk.sql(query), ["2025-12-09,0", "2025-12-10,30"]);
    desk.refused(&["import", "one.csv", "--as", "attendance", "--replace", "2025-12-09"], "is no period");
    desk.refused(
        &["import", "pupils.csv", "--as", "pupils", "--replace", "2025-12-08..2025-12-09"],
        "has no dates",
    );
}

#[test]
fn what_is_left_out_is_kept_aside_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    assert!(desk.done(&["import", "--quarantine"]).contains("Nothing was left out"));
    desk.write("pupils.csv", &pupils());
    desk.done(&["import", "pupils.csv", "--as", "pupils"]);
    let text = marks(&["2025-12-08"], "/") + "stranger,2025-12-08,AM,/\n3,2025-12-08,AM,=1+1\n";
    desk.write("marks.csv", &text);
    let said = desk.done(&["import", "marks.csv", "--as", "attendance"]);
    assert!(said.contains("1 unknown_pupil: about nobody we know") && !said.contains("stranger"), "{said}");
    let listed = desk.json(&["import", "--quarantine"]);
    let file = listed["files"][0]["file"].as_str().unwrap();
    assert_eq!(listed["files"][0]["by_kind"]["unknown_pupil"], 1);
    let path = desk.folder.path().join(file);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read_to_string(&path).unwrap();
    assert!(kept.starts_with("row,column,rule,what,the row as it was\r\n62,Adno,unknown_pupil,"), "{kept}");
    assert!(
        kept.contains("stranger,2025-12-08,AM,/\r\n") && kept.contains(",3,2025-12-08,AM,'=1+1\r\n"),
        "{kept}"
    );
    // A file that is refused as a whole keeps its rows aside too.
    desk.write("bad.csv", "Adno,Date,Session,Mark\n1,2025-12-08,AM,@\n2,2025-12-08,AM,/\n");
    desk.refused(&["import", "bad.csv", "--as", "attendance"], "attendance-1-refused.csv");
}

/// No file in the folder holds these bytes, compressed or not: tables are read through the node's SQL.
#[test]
fn a_date_of_birth_and_a_pupil_number_lie_in_no_written_file() {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let desk = Desk::new();
    desk.write("pupils.csv", &pupils());
    desk.done(&["import", "pupils.csv", "--as", "pupils"]);
    desk.write("marks.csv", &marks(&["2026-03-16"], "/"));
    desk.done(&["import", "marks.csv", "--as", "attendance"]);
    assert_eq!(desk.sql("SELECT DISTINCT birthday_offset FROM attendance"), ["2"]);
    assert_eq!(desk.sql("SELECT DISTINCT birth_month FROM pupils"), ["3"]);
    for column in ["dob", "upn"] {
        let output = desk.run(&["sql", &format!("SELECT {column} FROM pupils")]);
        assert!(!output.status.success(), "{column} was kept");
    }
    let mut files = vec![];
    walk(&desk.path("n"), &mut files);
    assert!(files.iter().any(|path| path.extension().is_some_and(|end| end == "parquet")));
    for path in files {
        let bytes = fs::read(&path).unwrap();
        for needle in ["2014-03-14", "14/03/2014", "B801200005001"] {
            let has = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
            assert!(!has, "{} holds {needle}", path.display());
        }
    }
}

#[test]
fn what_was_said_of_a_header_is_remembered_and_more_people_than_the_bound_warn() {
    let desk = Desk::new();
    let rows: String =
        (0..60).map(|n| format!("{n},7,N,2025-09-01,{}\n", if n % 2 == 0 { "F" } else { "M" })).collect();
    desk.write(
        "a.csv",
        &format!("Adno,Year group,Pupil Premium indicator,on_roll_from,Type of child\n{rows}"),
    );
    let args = ["import", "a.csv", "--as", "pupils", "--column", "sex=Type of child"];
    let said = desk.done(&args);
    assert!(said.contains("60 people are more than 50, the public bound"), "{said}");
    assert_eq!(desk.sql("SELECT COUNT(*) FROM pupils WHERE sex = 'F'"), ["30"]);
    desk.write(
        "b.csv",
        &format!(
            "Adno,Year group,Pupil Premium indicator,on_roll_from,Type of child\n{rows}60,7,N,2025-09-01,F\n"
        ),
    );
    desk.done(&["import", "b.csv", "--as", "pupils"]);
    assert_eq!(desk.sql("SELECT COUNT(*) FROM pupils WHERE sex = 'F'"), ["31"]);
    desk.refused(&["import", "a.csv", "--as", "pupils", "--column", "sex"], "is not COLUMN=HEADER");
    desk.refused(&["import", "a.csv", "--as", "nothing"], "knows no vocabulary `nothing`");
}

#[test]
fn a_school_with_dates_of_its_own_writes_them_or_lets_its_marks_tell() {
    let desk = Desk::new();
    // A half-term a week earlier than the rule's.
    let weeks = ["2025-10-06", "2025-10-13", "2025-10-27", "2025-11-03"].map(|monday| {
        let (start, day) = monday.rsplit_once('-').unwrap();
        let day: u32 = day.parse().unwrap();
        (0..5).map(|n| format!("{start}-{:02}", day + n)).collect::<Vec<_>>()
    });
    let days: Vec<&str> = weeks.iter().flatten().map(String::as_str).collect();
    desk.write("marks.csv", &marks(&days, "/"));
    let rule = desk.json(&["import", "marks.csv", "--as", "attendance", "--dry-run"]);
    assert_eq!(rule["days_outside_terms"].as_array().unwrap().len(), 5);
    assert_eq!(rule["school_days_missing"].as_array().unwrap().len(), 5);
    let told = desk.json(&["import", "marks.csv", "--as", "attendance", "--dry-run", "--terms", "infer"]);
    assert_eq!(told["days_outside_terms"].as_array().unwrap().len(), 0, "{told}");
    assert_eq!(told["school_days_missing"].as_array().unwrap().len(), 0);
    desk.write(
        "n/terms.toml",
        "half_term = [{ number = 1, first = \"2025-09-03\", last = \"2025-10-17\" }]\n",
    );
    desk.refused(&["import", "marks.csv", "--as", "attendance"], "list its six half-terms");
}

#[test]
fn results_without_a_day_are_given_one() {
    let desk = Desk::new();
    let ks2: String =
        (0..30).map(|n| format!("{n},KS2,Reading,scaled,100\n{n},KS2,Mathematics,scaled,101\n")).collect();
    let header = "pupil_id,stage,subject,scale,value\n";
    desk.write("ks2.csv", &format!("{header}{ks2}"));
    desk.done(&["import", "ks2.csv", "--as", "attainment", "--day", "2020-07-07"]);
    let gcse: String = (0..30).map(|n| format!("{n},KS4,Mathematics,gcse91,{}\n", n % 9 + 1)).collect();
    desk.write("gcse.csv", &format!("{header}{gcse}"));
    desk.done(&["import", "gcse.csv", "--as", "attainment", "--day", "2025-08-21"]);
    let rows = desk
        .sql("SELECT stage, COUNT(*), MIN(ks2_avg), MAX(a8) FROM attainment GROUP BY stage ORDER BY stage");
    assert_eq!(rows, ["KS2,60,100.5,", "KS4,30,100.5,18"]);
    // A pupil list from before the results knows no starting point; the same file again does.
    let early = Desk::new();
    early.write("pupils.csv", &pupils());
    early.write("ks2.csv", &format!("{header}{ks2}"));
    early.done(&["import", "pupils.csv", "--as", "pupils"]);
    let said = early.done(&["import", "ks2.csv", "--as", "attainment", "--day", "2020-07-07"]);
    assert!(said.contains("import it once more"), "{said}");
    assert!(early.done(&["import", "pupils.csv", "--as", "pupils"]).contains("replaces: 30 rows"));
    assert_eq!(early.sql("SELECT COUNT(*) FROM pupils WHERE ks2_band IS NULL"), ["0"]);
}
