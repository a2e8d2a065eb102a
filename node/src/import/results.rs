//! The rules of `attainment`: a row's grade and points, and what all results of a pupil add up to. A
//! file is read twice: what a pupil's rows say together is known only at its end.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use datacoop_policy::vocabulary::Vocabulary;

use super::attainment::{Attainment8, Slot, grade, ks2_average, progress8};
use super::context::Context;
use super::meaning::{Places, Settled, complain, number_at, put, text_at, whole_parts};
use super::{Cell, Complaint, ImportError, Options, ProblemKind, Report};
use crate::reference::ks2;

/// Results of a pupil at one stage, of one kind, on one scale: more is another file than was meant.
const STAGE_MAX: usize = 12;
/// Results of one file kept in memory, about 50 bytes each: a hundred years of a large secondary school.
const RESULTS_MAX: usize = 4_000_000;
/// No row may say a Progress 8 beyond, as the vocabulary's bounds say.
const P8_MAX: f64 = 4.0;

/// One kind of assessment of one subject: stage, kind, scale, subject.
type Which = (Box<str>, Box<str>, Box<str>, Box<str>);

/// Each pupil's best results, in the order of their scale.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Gathered {
    best: HashMap<Box<str>, BTreeMap<Which, i64>>,
}

/// What a pupil's results add up to.
struct Whole {
    ks2_halves: Option<u16>,
    reached: Option<Attainment8>,
}

/// Goes with one file.
pub(super) struct Results {
    places: Places,
    context: Arc<Context>,
    gathered: Gathered,
    results: usize,
    settled: bool,
    taken: HashMap<Box<str>, BTreeMap<Which, ()>>,
    wholes: HashMap<Box<str>, Whole>,
    /// Whether anybody has a key stage 2 average: else none is missing.
    any_ks2: bool,
}

impl Results {
    pub(super) fn new(places: &Places, _vocabulary: &Vocabulary, options: &Options) -> Self {
        let (settled, gathered) = match options.settled.as_deref() {
            Some(Settled::Results(gathered)) => (true, gathered.clone()),
            Some(Settled::Sessions(_) | Settled::Outcomes(_)) | None => (false, Gathered::default()),
        };
        let mut this = Self {
            places: places.clone(),
            context: options.context.clone(),
            gathered,
            results: 0,
            settled,
            taken: HashMap::new(),
            wholes: HashMap::new(),
            any_ks2: !options.context.ks2_halves.is_empty(),
        };
        this.any_ks2 |= this.gathered.best.values().any(|results| of_ks2(results).is_some());
        this
    }

    pub(super) fn complete(&mut self, member: &str, row: &mut [Cell]) -> Result<(), Complaint> {
        let at = |name| self.places.get(name);
        let score = self.read_value(row)?;
        let which: Which =
            ["stage", "assessment_type", "scale", "subject"].map(|name| text_at(row, at(name)).into()).into();
        let pupil: Box<str> = format!("{member}\n{}", text_at(row, at("pupil_id"))).into();
        let copy = || {
            let text = "the pupil has another result in this subject; the best counts";
            complain("subject", ProblemKind::Duplicate, text)
        };
        if !self.settled {
            return self.note(pupil, which, score).map_err(|found| match found {
                None => copy(),
                Some(text) => complain("subject", ProblemKind::OverCap, text),
            });
        }
        match self.gathered.best.get(&pupil).and_then(|results| results.get(&which)) {
            None => {
                let text = format!("the pupil has more than {STAGE_MAX} results at this stage");
                return Err(complain("subject", ProblemKind::OverCap, text));
            }
            Some(best) if *best != score => return Err(copy()),
            Some(_) => {}
        }
        if self.taken.entry(pupil.clone()).or_default().insert(which.clone(), ()).is_some() {
            return Err(copy());
        }
        self.fill(&pupil, &which, row);
        Ok(())
    }

    /// Notes a result, the first time. Errors: it is not the best; or, with a text, one too many.
    fn note(&mut self, pupil: Box<str>, which: Which, score: i64) -> Result<(), Option<String>> {
        let results = self.gathered.best.entry(pupil).or_default();
        let same = |other: &&Which| (&other.0, &other.1, &other.2) == (&which.0, &which.1, &which.2);
        if let Some(best) = results.get_mut(&which) {
            // The worse of the two is left out the second time through; here the later.
            *best = (*best).max(score);
            return Err(None);
        }
        if results.keys().filter(same).count() == STAGE_MAX {
            return Err(Some(format!("the pupil has more than {STAGE_MAX} results at this stage")));
        }
        results.insert(which, score);
        self.results += 1;
        Ok(())
    }

    /// Reads the value on its scale, fills grade and points. Returns its order on the scale.
    fn read_value(&self, row: &mut [Cell]) -> Result<i64, Complaint> {
        let at = |name| self.places.get(name);
        let value = text_at(row, at("value")).to_owned();
        let scale = text_at(row, at("scale")).to_owned();
        let wrong = |said: &str| {
            let shown: String = value.chars().take(20).collect();
            Err(complain(
                "value",
                ProblemKind::BadValue,
                format!("`{shown}` is not on the scale {scale}: {said}"),
            ))
        };
        let within = |low: f64, high: f64| {
            let number = value.parse::<f64>().ok().filter(|number| (low..=high).contains(number));
            number.map(|number| whole_parts(number, 100.0))
        };
        let (score, said) = match scale.as_str() {
            "gcse91" => {
                let Some(grade) = grade(&value) else {
                    return wrong("write 9 to 1, U, X, or two of them for a double award, such as 5-4");
                };
                put(row, at("grade"), Cell::Text(grade.name.into()));
                put(row, at("points"), Cell::Number(f64::from(grade.halves) / 2.0));
                // U is a result, X is none.
                return Ok(if grade.name == "X" { -1 } else { i64::from(grade.halves) });
            }
            "alevel" => {
                let grades = ["X", "U", "E", "D", "C", "B", "A", "A*"];
                let place = grades.iter().position(|grade| value.eq_ignore_ascii_case(grade));
                (place.and_then(|place| i64::try_from(place).ok()), "write A*, A to E, U or X")
            }
            "scaled" => (within(59.0, 130.0), "write 59 to 130"),
            "pct" => (within(0.0, 100.0), "write 0 to 100"),
            "cat4" => (within(59.0, 141.0), "write 59 to 141"),
            "reading_age" => (within(0.0, 30.0), "write years, 0 to 30"),
            _ => (Some(0), ""),
        };
        score.map_or_else(|| wrong(said), Ok)
    }

    /// What all results of the pupil say of each row.
    fn fill(&mut self, pupil: &str, which: &Which, row: &mut [Cell]) {
        let at = |name| self.places.get(name);
        if !self.wholes.contains_key(pupil) {
            let whole = self.add_up(pupil);
            self.wholes.insert(pupil.into(), whole);
        }
        let whole = &self.wholes[pupil];
        // A file that says the average knows more than the results that happen to be here.
        let said =
            number_at(row, at("ks2_avg")).and_then(|average| u16::try_from(whole_parts(average, 2.0)).ok());
        let said = said.filter(|halves| ks2::HALVES.contains(halves));
        let halves = said.or(whole.ks2_halves);
        if let Some(halves) = halves {
            put(row, at("ks2_avg"), Cell::Number(f64::from(halves) / 2.0));
            let group = ks2::group(halves).map(|group| Cell::Text(group.to_string().into()));
            put(row, at("ks2_group"), group.unwrap_or(Cell::Null));
        }
        if halves.is_some() || self.any_ks2 {
            put(row, at("ks2_band"), Cell::Text(ks2::band(halves).into()));
        }
        let Some(reached) = &whole.reached else { return };
        let points = |halves: u16| Cell::Number(f64::from(halves) / 2.0);
        put(row, at("a8"), points(reached.total()));
        put(row, at("english"), points(reached.english));
        put(row, at("maths"), points(reached.maths));
        put(row, at("ebacc"), points(reached.ebacc));
        put(row, at("open"), points(reached.open));
        put(row, at("basics4"), Cell::Bool(reached.basics.is_some_and(|halves| halves >= 8)));
        put(row, at("basics5"), Cell::Bool(reached.basics.is_some_and(|halves| halves >= 10)));
        let progress = halves.and_then(|halves| progress8(reached, halves));
        let cut = progress.map(|progress| Cell::Number(progress.p8.clamp(-P8_MAX, P8_MAX)));
        put(row, at("p8"), cut.unwrap_or(Cell::Null));
        let slot = reached.slots.get(&*which.3).filter(|_| is_gcse(which));
        put(row, at("a8_slot"), slot.map_or(Cell::Null, |slot: &Slot| Cell::Text(slot.name().into())));
    }

    fn add_up(&self, pupil: &str) -> Whole {
        let empty = BTreeMap::new();
        let results = self.gathered.best.get(pupil).unwrap_or(&empty);
        let gcses = results.iter().filter(|(which, _)| is_gcse(which));
        let gcses: BTreeMap<String, u16> =
            gcses.map(|(which, score)| (which.3.to_string(), u16::try_from(*score).unwrap_or(0))).collect();
        let known = pupil.split_once('\n').and_then(|(_, id)| self.context.ks2_halves.get(id).copied());
        Whole {
            ks2_halves: of_ks2(results).or(known),
            reached: (!gcses.is_empty()).then(|| Attainment8::of(&gcses)),
        }
    }

    /// Errors: more results than can be held.
    pub(super) fn finish(self, report: &mut Report) -> Result<(), ImportError> {
        if self.results > RESULTS_MAX {
            return Err(ImportError(format!(
                "more than {RESULTS_MAX} results in one file; import it in parts"
            )));
        }
        report.people = self.gathered.best.len() as u64;
        if !self.settled {
            report.again = Some(Arc::new(Settled::Results(self.gathered)));
        } else if !self.any_ks2 {
            report.notes.push(
                "no key stage 2 results are here, so there is no starting point and no Progress 8".into(),
            );
        }
        Ok(())
    }
}

/// A result that counts in Attainment 8; where a file does not say the kind, it is of examinations.
fn is_gcse((stage, kind, scale, _): &Which) -> bool {
    &**stage == "KS4" && matches!(&**kind, "exam" | "") && &**scale == "gcse91"
}

/// The key stage 2 average in halves, from scaled scores.
fn of_ks2(results: &BTreeMap<Which, i64>) -> Option<u16> {
    let score = |wanted: &str| {
        let found = results.iter().find(|((stage, kind, scale, subject), _)| {
            &**stage == "KS2"
                && matches!(&**kind, "exam" | "")
                && &**scale == "scaled"
                && &**subject == wanted
        });
        found.and_then(|(_, score)| u16::try_from(*score / 100).ok())
    };
    ks2_average(score("Reading"), score("Mathematics"))
}
