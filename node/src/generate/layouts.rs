//! How schools' systems lay out what they export: which columns, what they are called, how days and
//! truths are written. Each layout is one that import reads (DATA section 3).

use datacoop_policy::Day;

use super::text::Encoding;

/// How a day is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Days {
    /// 2025-12-08.
    Iso,
    /// 08/12/2025.
    British,
    /// 08/12/25.
    ShortYear,
    /// 45999, as Excel counts days.
    Serial,
}

impl Days {
    /// Writes a day.
    pub fn write(self, day: Day) -> String {
        let (year, month, date) = day.civil();
        match self {
            Self::Iso => day.to_string(),
            Self::British => format!("{date:02}/{month:02}/{year:04}"),
            Self::ShortYear => format!("{date:02}/{month:02}/{:02}", year % 100),
            // Excel's day 25,569 is 1970-01-01.
            Self::Serial => (day.0 + 25_569).to_string(),
        }
    }
}

/// How a National Curriculum year is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Years {
    /// `7`, `R`.
    Plain,
    /// `Year  7`, `Reception`, as SIMS pads it.
    Padded,
    /// `Year 07`.
    TwoDigits,
    /// `Y7`.
    Short,
}

impl Years {
    /// Writes a year; 0 is Reception.
    pub fn write(self, year: u8) -> String {
        match (self, year) {
            (Self::Plain | Self::Short, 0) => "R".into(),
            (Self::Padded | Self::TwoDigits, 0) => "Reception".into(),
            (Self::Plain, _) => year.to_string(),
            (Self::Padded, _) => format!("Year {year:>2}"),
            (Self::TwoDigits, _) => format!("Year {year:02}"),
            (Self::Short, _) => format!("Y{year}"),
        }
    }
}

/// How marks are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Marks {
    /// A row a session: headers of pupil, day, session, code and minutes late.
    Long([&'static str; 5]),
    /// A row a day with a column for morning and afternoon: headers of pupil, day, morning, afternoon.
    Daily([&'static str; 4]),
    /// A row a pupil, a column a session, a file a half-term: `Mon 08/12/2025 AM`.
    Wide,
    /// A row a pupil and week with ten marks of one character.
    Weeks,
}

/// A kind of file, and how one school's system writes it.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Whose it resembles.
    pub name: &'static str,
    /// Headers of the list of pupils, in the order of [`PUPIL_COLUMNS`]; empty leaves a column out.
    pub pupils: [&'static str; 22],
    /// Marks.
    pub marks: Marks,
    /// How characters become bytes.
    pub encoding: Encoding,
    /// Between cells.
    pub separator: char,
    /// Days.
    pub days: Days,
    /// National Curriculum years.
    pub years: Years,
    /// True and false.
    pub truth: [&'static str; 2],
    /// Lines above the header and below the last row, as printed reports have them.
    pub titles: bool,
    /// The list of pupils is a workbook.
    pub workbook: bool,
    /// Marks in lower case with stray blanks, and `/` in the afternoon.
    pub careless: bool,
}

impl Layout {
    /// What the pupil's own number is called.
    pub fn pupil_id(&self) -> &'static str {
        self.pupils[0]
    }

    /// Writes a truth.
    pub fn truth(&self, truth: bool) -> &'static str {
        self.truth[usize::from(!truth)]
    }
}

/// What a list of pupils tells, by the vocabulary's names; names are in no vocabulary.
pub const PUPIL_COLUMNS: [&str; 22] = [
    "pupil_id",
    "upn",
    "urn",
    "surname",
    "forename",
    "nc_year",
    "tutor_group",
    "dob",
    "sex",
    "pupil_premium",
    "fsm6",
    "fsm_now",
    "looked_after",
    "service_child",
    "sen",
    "sen_need",
    "eal",
    "ethnic_major",
    "enrolment_status",
    "on_roll_from",
    "on_roll_to",
    "idaci_decile",
];

const SIMS: [&str; 22] = [
    "Adno",
    "UPN",
    "URN",
    "Legal Surname",
    "Legal Forename",
    "Year taught in",
    "Reg",
    "DOB",
    "Gender",
    "Pupil Premium indicator",
    "FSM Ever 6",
    "FSM",
    "Looked after",
    "Service child",
    "SEN status",
    "SEN need",
    "EAL",
    "Ethnic major",
    "Enrolment status",
    "On roll from",
    "On roll to",
    "IDACI decile",
];
const ARBOR: [&str; 22] = [
    "Arbor Student ID",
    "Unique Pupil Number",
    "School URN",
    "Student: Last name",
    "Student: First name",
    "Year group",
    "Registration group",
    "Date of birth",
    "Gender",
    "Pupil Premium Eligible",
    "FSM Ever 6",
    "FSM",
    "Looked after",
    "Service child",
    "SEN status",
    "SEN need",
    "EAL",
    "Ethnic major",
    "Enrolment status",
    "On roll from",
    "On roll to",
    "IDACI decile",
];
const BROMCOM: [&str; 22] = [
    "Admission number",
    "UPN",
    "URN",
    "Surname",
    "Forename",
    "NC Year",
    "Form",
    "Date of birth",
    "Gender",
    "Pupil Premium Recipients",
    "FSM Ever 6",
    "FSM",
    "Looked after",
    "Service child",
    "SEN provision",
    "SEN need",
    "EAL",
    "Ethnic major",
    "Enrolment status",
    "On roll from",
    "On roll to",
    "IDACI decile",
];
const SCHOLARPACK: [&str; 22] = [
    "Student ID",
    "UPN",
    "URN",
    "",
    "",
    "Year group",
    "Form",
    "DOB",
    "Gender",
    "Pupil Premium",
    "FSM Ever 6",
    "FSM",
    "",
    "",
    "SEN status",
    "",
    "EAL",
    "",
    "Enrolment status",
    "On roll from",
    "On roll to",
    "",
];

/// Everything by the vocabulary's own names, in UTF-8.
pub const CLEAN: Layout = Layout {
    name: "template",
    pupils: {
        let mut names = PUPIL_COLUMNS;
        names[3] = "";
        names[4] = "";
        names
    },
    marks: Marks::Long(["pupil_id", "date", "session", "code", "minutes_late"]),
    encoding: Encoding::Utf8,
    separator: ',',
    days: Days::Iso,
    years: Years::Plain,
    truth: ["true", "false"],
    titles: false,
    workbook: false,
    careless: false,
};

const SIMS_WIDE: Layout = Layout {
    name: "SIMS, a column a session",
    pupils: SIMS,
    marks: Marks::Wide,
    encoding: Encoding::Windows,
    separator: ',',
    days: Days::British,
    years: Years::Padded,
    truth: ["T", "F"],
    titles: true,
    workbook: false,
    careless: false,
};
const ARBOR_LONG: Layout = Layout {
    name: "Arbor, a row a session",
    pupils: ARBOR,
    marks: Marks::Long(["Arbor Student ID", "Date", "Session", "Mark", "Minutes late"]),
    encoding: Encoding::Utf8Mark,
    separator: ',',
    days: Days::British,
    years: Years::TwoDigits,
    truth: ["Yes", "No"],
    titles: false,
    workbook: false,
    careless: false,
};
const BROMCOM_DAILY: Layout = Layout {
    name: "Bromcom, a row a day",
    pupils: BROMCOM,
    marks: Marks::Daily(["Admission number", "Date", "AM", "PM"]),
    encoding: Encoding::Windows,
    separator: ';',
    days: Days::British,
    years: Years::Short,
    truth: ["Y", "N"],
    titles: false,
    workbook: false,
    careless: false,
};
const SCHOLARPACK_LONG: Layout = Layout {
    name: "ScholarPack, a row a session",
    pupils: SCHOLARPACK,
    marks: Marks::Long(["Student ID", "Date", "Session name", "Attendance code", "Minutes late"]),
    encoding: Encoding::Utf8,
    separator: ',',
    days: Days::ShortYear,
    years: Years::Plain,
    truth: ["1", "0"],
    titles: false,
    workbook: false,
    careless: true,
};

/// Layouts of the first twelve schools; the next twelve have the same.
pub const LAYOUTS: [Layout; 12] = [
    SIMS_WIDE,
    ARBOR_LONG,
    SCHOLARPACK_LONG,
    BROMCOM_DAILY,
    Layout { name: "SIMS, ten marks a week", marks: Marks::Weeks, titles: false, ..SIMS_WIDE },
    Layout { name: "Arbor, as Unicode text", encoding: Encoding::Utf16, separator: '\t', ..ARBOR_LONG },
    CLEAN,
    Layout { name: "Bromcom, with commas", separator: ',', years: Years::Plain, ..BROMCOM_DAILY },
    Layout {
        name: "a workbook of the school's own",
        marks: Marks::Long(["Admission number", "Date", "AM/PM", "Code", "Minutes late"]),
        pupils: BROMCOM,
        days: Days::Serial,
        workbook: true,
        ..CLEAN
    },
    Layout {
        name: "SIMS, a row a session",
        marks: Marks::Long(["Adno", "Date", "Session", "Mark", "Minutes late"]),
        titles: false,
        ..SIMS_WIDE
    },
    Layout { careless: true, ..ARBOR_LONG },
    Layout { encoding: Encoding::Utf8, years: Years::TwoDigits, ..SIMS_WIDE },
];
