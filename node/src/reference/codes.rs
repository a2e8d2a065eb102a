//! Attendance and absence codes in force in England since 19 August 2024.
//!
//! Sources: The School Attendance (Pupil Registration) (England) Regulations 2024 (SI 2024/208),
//! regulation 10; Department for Education, "Working together to improve school attendance".
//! Contains public sector information licensed under the Open Government Licence v3.0.

use datacoop_policy::Day;

/// What a mark counts as. In order: of two marks for one session the higher counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Class {
    /// No mark, or one that says nothing.
    Missing,
    /// The pupil did not have to attend: the session is not a possible one.
    NotRequired,
    /// Absent without leave.
    Unauthorised,
    /// Absent with leave.
    Authorised,
    /// Elsewhere for an approved educational activity: counts as present.
    Activity,
    /// In school.
    Present,
}

impl Class {
    /// All, the highest first.
    pub const ALL: [Self; 6] = [
        Self::Present,
        Self::Activity,
        Self::Authorised,
        Self::Unauthorised,
        Self::NotRequired,
        Self::Missing,
    ];

    /// As the vocabulary `attendance/1` writes it in `mark_class`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Present | Self::Activity => "present",
            Self::Authorised => "authorised",
            Self::Unauthorised => "unauthorised",
            Self::NotRequired => "not_required",
            Self::Missing => "missing",
        }
    }

    /// Whether the pupil could have attended the session.
    pub const fn possible(self) -> bool {
        !matches!(self, Self::NotRequired | Self::Missing)
    }

    /// Whether it counts as attended.
    pub const fn attended(self) -> bool {
        matches!(self, Self::Present | Self::Activity)
    }

    /// Whether it is an absence, authorised or not.
    pub const fn absent(self) -> bool {
        matches!(self, Self::Authorised | Self::Unauthorised)
    }
}

/// The first day of the present codes; before, `J` was an approved activity.
pub const IN_FORCE: Day = Day(19_954);

/// Each code and what it counts as.
pub const CODES: [(&str, Class); 34] = [
    ("/", Class::Present),
    ("\\", Class::Present),
    ("L", Class::Present),
    ("K", Class::Activity),
    ("V", Class::Activity),
    ("P", Class::Activity),
    ("W", Class::Activity),
    ("B", Class::Activity),
    ("C", Class::Authorised),
    ("C1", Class::Authorised),
    ("C2", Class::Authorised),
    ("E", Class::Authorised),
    ("I", Class::Authorised),
    ("J1", Class::Authorised),
    ("M", Class::Authorised),
    ("R", Class::Authorised),
    ("S", Class::Authorised),
    ("T", Class::Authorised),
    ("G", Class::Unauthorised),
    ("N", Class::Unauthorised),
    ("O", Class::Unauthorised),
    ("U", Class::Unauthorised),
    ("D", Class::NotRequired),
    ("Q", Class::NotRequired),
    ("X", Class::NotRequired),
    ("Y1", Class::NotRequired),
    ("Y2", Class::NotRequired),
    ("Y3", Class::NotRequired),
    ("Y4", Class::NotRequired),
    ("Y5", Class::NotRequired),
    ("Y6", Class::NotRequired),
    ("Y7", Class::NotRequired),
    ("Z", Class::NotRequired),
    ("#", Class::NotRequired),
];

/// Codes of older registers, which systems still hold: family holidays, interviews, unable to attend.
pub const LEGACY: [&str; 4] = ["F", "H", "J", "Y"];

/// What an older code counts as on a day. `J`, once an approved activity, is leave since its successor
/// `J1` came.
pub fn legacy(code: &str, day: Day) -> Option<Class> {
    match code {
        "F" | "H" => Some(Class::Authorised),
        "J" if day < IN_FORCE => Some(Class::Activity),
        "J" => Some(Class::Authorised),
        "Y" => Some(Class::NotRequired),
        _ => None,
    }
}
