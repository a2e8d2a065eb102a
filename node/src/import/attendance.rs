//! The rules of `attendance`: what a mark counts as, when it was, and one mark for each session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datacoop_policy::Day;

use super::ages::{birthday_offset, weekday};
use super::codes::{Mark, mark};
use super::context::Context;
use super::meaning::{Places, Settled, complain, day_at, number_at, put, shared, text_at};
use super::sessions::{Found, Half, Sessions};
use super::terms::Terms;
use super::{Cell, Complaint, ImportError, Options, ProblemKind, Repair, Report};
use crate::reference::codes::{CODES, Class, LEGACY};

const WEEKDAYS: [&str; 5] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
const NUMBERS: [&str; 14] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14"];

/// Where a row's columns are.
struct At {
    pupil: Option<usize>,
    date: Option<usize>,
    session: Option<usize>,
    code: Option<usize>,
    class: Option<usize>,
    possible: Option<usize>,
    attended: Option<usize>,
    absent: Option<usize>,
    late: Option<usize>,
    holiday: Option<usize>,
    weekday: Option<usize>,
    term_week: Option<usize>,
    half_term: Option<usize>,
    days_to_break: Option<usize>,
    birthday_offset: Option<usize>,
}

/// Texts that many cells share.
struct Texts {
    codes: BTreeMap<&'static str, Arc<str>>,
    weekdays: [Arc<str>; 5],
    numbers: [Arc<str>; 14],
    afternoon: Arc<str>,
}

/// Goes with one file.
pub(super) struct Attendance {
    at: At,
    texts: Texts,
    /// Whether the file has codes; else it says possible, attended and absent itself.
    has_code: bool,
    terms: Terms,
    context: Arc<Context>,
    repair: Repair,
    sessions: Sessions,
    /// Whether this is the second time through.
    settled: bool,
    again: bool,
    too_many: bool,
    kept: BTreeMap<&'static str, u64>,
    /// Days with a session that somebody could have attended.
    open_days: BTreeSet<Day>,
    slashes_moved: u64,
    afternoons_made: u64,
    outside_terms: u64,
}

impl Attendance {
    /// Errors: the file says neither codes nor what they count as.
    pub(super) fn new(
        places: &Places,
        present: &dyn Fn(&str) -> bool,
        options: &Options,
    ) -> Result<Self, ImportError> {
        let has_code = present("code");
        if !has_code && !["possible", "attended", "absent"].iter().all(|name| present(name)) {
            return Err(ImportError(
                "there is no column `code` (also called Mark or Attendance code), and not all of `possible`, \
                 `attended` and `absent`; a file of marks needs the one or the others"
                    .into(),
            ));
        }
        let known = CODES.iter().map(|(code, _)| *code).chain(LEGACY).chain(["-", "?"]);
        let classes = Class::ALL.map(Class::name);
        let texts = Texts {
            codes: known.chain(classes).map(|text| (text, Arc::from(text))).collect(),
            weekdays: shared(WEEKDAYS),
            numbers: shared(NUMBERS),
            afternoon: Arc::from("PM"),
        };
        let mut sessions = Sessions::default();
        let settled = options.settled.as_deref();
        if let Some(Settled::Sessions(known)) = settled {
            sessions = known.clone();
            if options.repair == Repair::PmPresent {
                sessions.repair_afternoons();
            }
        }
        Ok(Self {
            at: At::new(places),
            texts,
            has_code,
            terms: options.terms.clone(),
            context: options.context.clone(),
            repair: options.repair,
            sessions,
            settled: settled.is_some(),
            again: false,
            too_many: false,
            kept: BTreeMap::new(),
            open_days: BTreeSet::new(),
            slashes_moved: 0,
            afternoons_made: 0,
            outside_terms: 0,
        })
    }

    pub(super) fn complete(
        &mut self,
        member: &str,
        row: &mut [Cell],
        more: &mut Vec<Vec<Cell>>,
    ) -> Result<(), Complaint> {
        let Some(day) = day_at(row, self.at.date) else { return Ok(()) };
        let half = match text_at(row, self.at.session) {
            "PM" => Half::Afternoon,
            _ => Half::Morning,
        };
        let pupil = text_at(row, self.at.pupil).to_owned();
        let key = format!("{member}\n{pupil}");
        let mark = self.mark(row, &key, day, half)?;
        self.settle(&key, day, half, mark)?;
        self.fill(row, mark, day, &pupil);
        self.count(mark, day);
        if self.settled && half == Half::Morning && self.sessions.adds_afternoon(&key, day) {
            let mut afternoon = row.to_vec();
            put(&mut afternoon, self.at.session, Cell::Text(self.texts.afternoon.clone()));
            let present = Mark { code: Some("\\"), class: Class::Present };
            self.fill(&mut afternoon, present, day, &pupil);
            self.count(present, day);
            self.afternoons_made += 1;
            more.push(afternoon);
        }
        Ok(())
    }

    /// What the row's mark counts as.
    fn mark(&mut self, row: &[Cell], key: &str, day: Day, half: Half) -> Result<Mark, Complaint> {
        if !self.has_code {
            return self.said(row);
        }
        let afternoon = half == Half::Afternoon;
        let code = Some(text_at(row, self.at.code)).filter(|code| !code.is_empty());
        let repairs = self.settled && self.repair == Repair::PmPresent;
        if code.is_none() && afternoon && repairs && self.sessions.is_repaired(key, day) {
            self.afternoons_made += 1;
            return Ok(Mark { code: Some("\\"), class: Class::Present });
        }
        let mark = mark(code, afternoon, day)
            .ok_or_else(|| complain("code", ProblemKind::BadCode, "it is no register code of that day"))?;
        self.slashes_moved += u64::from(matches!(code, Some("/" | "\\")) && code != mark.code);
        Ok(mark)
    }

    /// What a file without codes says itself.
    fn said(&self, row: &[Cell]) -> Result<Mark, Complaint> {
        let is = |at| number_at(row, at).is_some_and(|number| number > 0.0);
        let (possible, attended, absent) = (is(self.at.possible), is(self.at.attended), is(self.at.absent));
        let class = match (possible, attended, absent) {
            (true, true, false) => Class::Present,
            (true, false, true) => Class::Unauthorised,
            (false, false, false) => Class::NotRequired,
            (true, _, _) | (false, _, _) => {
                let text = "`possible` must be `attended` and `absent` together; correct one of the three";
                return Err(complain("possible", ProblemKind::BadValue, text));
            }
        };
        Ok(Mark { code: None, class })
    }

    /// One mark for each session: the highest class.
    fn settle(&mut self, key: &str, day: Day, half: Half, mark: Mark) -> Result<(), Complaint> {
        let plain = matches!(mark.code, Some("/" | "\\"));
        let found = match self.settled {
            true => self.sessions.take(key, day, half, mark.class, plain),
            false => self.sessions.note(key, day, half, mark.class, plain),
        };
        let over = |text: &str| Err(complain("date", ProblemKind::OverCap, text));
        match found {
            Found::New => Ok(()),
            Found::Better => {
                self.again = true;
                Ok(())
            }
            Found::Copy => {
                let text = "another mark of the pupil stands for this session; the higher class counts";
                Err(complain("session", ProblemKind::Duplicate, text))
            }
            Found::OverWeek => {
                over("the pupil has more than 10 sessions in this week; register marks are 2 a day")
            }
            Found::OverYear => over("the pupil has more than 380 sessions in this school year"),
            Found::Full => {
                self.too_many = true;
                over("there are too many pupils in one file")
            }
        }
    }

    fn fill(&mut self, row: &mut [Cell], mark: Mark, day: Day, pupil: &str) {
        let at = &self.at;
        let flag = |truth: bool| Cell::Integer(i64::from(truth));
        if self.has_code {
            let text =
                |text: &str| self.texts.codes.get(text).map_or(Cell::Null, |text| Cell::Text(text.clone()));
            put(row, at.code, mark.code.map_or(Cell::Null, text));
            put(row, at.class, text(mark.class.name()));
            put(row, at.possible, flag(mark.class.possible()));
            put(row, at.attended, flag(mark.class.attended()));
            put(row, at.absent, flag(mark.class.absent()));
            put(row, at.late, flag(mark.late()));
            put(row, at.holiday, flag(mark.holiday()));
        }
        let weekday = self.texts.weekdays.get(weekday(day));
        put(row, at.weekday, weekday.map_or(Cell::Null, |text| Cell::Text(text.clone())));
        let place = self.terms.place(day);
        let number = |number: u8| {
            let text = self.texts.numbers.get(usize::from(number).wrapping_sub(1));
            text.map_or(Cell::Null, |text| Cell::Text(text.clone()))
        };
        put(row, at.term_week, place.map_or(Cell::Null, |place| number(place.term_week)));
        put(row, at.half_term, place.map_or(Cell::Null, |place| number(place.half_term)));
        let left = place.map_or(Cell::Null, |place| Cell::Integer(i64::from(place.days_to_break)));
        put(row, at.days_to_break, left);
        self.outside_terms += u64::from(place.is_none());
        let birthday = self.context.people.as_ref().and_then(|people| people.get(pupil)?.as_deref());
        if let Some(birthday) = birthday {
            let offset = birthday_offset(birthday, day);
            put(row, at.birthday_offset, offset.map_or(Cell::Null, Cell::Integer));
        }
    }

    fn count(&mut self, mark: Mark, day: Day) {
        *self.kept.entry(mark.class.name()).or_default() += 1;
        if mark.class.possible() {
            self.open_days.insert(day);
        }
    }

    /// Errors: all afternoons' marks are lost, and nobody said what to do.
    pub(super) fn finish(self, report: &mut Report) -> Result<(), ImportError> {
        if self.too_many {
            return Err(ImportError("there are too many pupils in one file; import it in parts".into()));
        }
        if self.has_code
            && self.repair == Repair::Ask
            && let Some((mornings, blank)) = self.sessions.afternoons_lost()
        {
            return Err(ImportError(format!(
                "of {mornings} mornings marked `/`, {blank} have no afternoon mark: a program between the \
                 register and this file has dropped every `\\`. Export it again, or import it with `--repair \
                 pm-present`, which takes those pupils as present in the afternoon, or with `--repair none`, if \
                 there truly is no afternoon register"
            )));
        }
        report.marks_by_class =
            self.kept.iter().map(|(class, marks)| ((*class).to_owned(), *marks)).collect();
        report.people = self.sessions.pupils();
        report.open_days = self.open_days;
        let mut note = |number: u64, text: &str| {
            if number > 0 {
                report.notes.push(format!("{number} {text}"));
            }
        };
        note(
            self.slashes_moved,
            "marks were `/` in an afternoon or `\\` in a morning; each was taken as its own",
        );
        note(self.afternoons_made, "afternoons were taken as present, as `--repair pm-present` says");
        note(
            self.outside_terms,
            "marks lie outside the term calendar and belong to no half-term; write terms.toml, or use --terms infer",
        );
        if self.context.people.is_none() {
            report.notes.push(
                "no pupils were imported yet: who is on roll and when birthdays are is not known; import them, \
                 then this file again"
                    .into(),
            );
        }
        if !self.settled && (self.again || self.repair == Repair::PmPresent) {
            report.again = Some(Arc::new(Settled::Sessions(self.sessions)));
        }
        Ok(())
    }
}

impl At {
    fn new(places: &Places) -> Self {
        let at = |name| places.get(name);
        Self {
            pupil: at("pupil_id"),
            date: at("date"),
            session: at("session"),
            code: at("code"),
            class: at("mark_class"),
            possible: at("possible"),
            attended: at("attended"),
            absent: at("absent"),
            late: at("late"),
            holiday: at("holiday"),
            weekday: at("weekday"),
            term_week: at("term_week"),
            half_term: at("half_term"),
            days_to_break: at("days_to_break"),
            birthday_offset: at("birthday_offset"),
        }
    }
}
