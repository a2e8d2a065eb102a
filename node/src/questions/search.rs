//! Finding a question in a person's own words: the problem first, the field's jargon second.
//!
//! BM25 over title, problem and phrases, English stems, and a small table of words that mean the same
//! in the field. Beside it, each phrase counts as a whole: who says nearly that means that.
//! Source: Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework", for BM25.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

use super::{Catalogued, catalogue};

/// At most this many answers: who reads more reads the list.
pub(super) const FOUND_MAX: usize = 5;
/// Answers with less than this part of the best score are noise.
const SCORE_PART: f64 = 0.3;
/// How fast a word's repetition stops counting, as BM25 has it.
const K1: f64 = 1.2;
/// How much a long text is held against its words.
const B: f64 = 0.5;
/// What one phrase that is wholly said is worth, in units of its words' own weight.
const PHRASE_WEIGHT: f64 = 2.0;
/// Longest text that is looked for, in characters: a sentence or two.
pub(super) const SOUGHT_MAX: usize = 300;

/// Words that say nothing of what is asked.
const STOP: &str = "a about all an and any are as at be been before but by can could did do does doing for from get \
    gets getting give go going had has have having he help helped helping helps her his how i if in into is it its just kind know let like \
    many may me much my need no nor not of on or other our out over own per really s same see she should show so some \
    such t tell than that the their them then there these they this those to too up us use used want was we were what \
    when where which while who why will with would you your";

/// What several words say together, or a short form, as one word. Longest first.
const JOINED: [(&str, &str); 39] = [
    ("persistently absent", "persistent absence"),
    ("free school meals", "disadvantage"),
    ("free school meal", "disadvantage"),
    ("pupil premium", "disadvantage"),
    ("less well off", "disadvantage"),
    ("special educational needs", "sen"),
    ("additional needs", "sen"),
    ("special needs", "sen"),
    ("education health and care plan", "sen"),
    ("non uniform", "nonuniform"),
    ("term time", "termtime"),
    ("in term", "termtime"),
    ("half term", "break"),
    ("end of term", "beforebreak"),
    ("last week of term", "beforebreak"),
    ("last week before", "beforebreak"),
    ("last day before", "beforebreak"),
    ("key stage 2", "ks2"),
    ("key stage two", "ks2"),
    ("progress 8", "progresseight"),
    ("attainment 8", "attainmenteight"),
    ("starting point", "start"),
    ("year seven", "year 7"),
    ("year six", "year 6"),
    ("big school", "secondary"),
    ("day of the week", "weekday"),
    ("days of the week", "weekday"),
    ("day in ten", "persistent"),
    ("10 percent", "persistent"),
    ("10 per cent", "persistent"),
    ("half the time", "severe"),
    ("more than half", "severe"),
    ("mental health", "wellbeing"),
    ("first contact", "contactfirst"),
    ("value for money", "cost"),
    ("day off", "absence"),
    // A verb here, where `send` alone is a pupil's needs.
    ("sends", "refers"),
    ("sending", "refers"),
    ("sent", "refers"),
];

/// Words that mean the same in the field: the first stands for all.
const SAME: [&str; 32] = [
    "absence absent absentee absentees away off missing miss misses missed skip skipping skive skiving",
    "truancy truant truants bunk bunking wagging unauthorised unauthorized authorised authorized authorise",
    "attendance attend attends attending present",
    "disadvantage disadvantaged poor poorer poorest pp ppg fsm fsm6 deprived deprivation premium poverty",
    "sen send ehcp ehc senco disability",
    "gcse gcses grade grades result results exam exams examination examinations",
    "ks2 sats sat",
    "start starting baseline prior",
    "holiday holidays vacation trip trips abroad flight flights",
    "late lateness tardy tardiness punctual punctuality",
    "pupil pupils child children kid kids student students learner learners youngster youngsters",
    "suspension suspensions suspend suspended suspending exclusion exclusions exclude excluded excluding expelled",
    "behaviour behavior misbehave misbehaving misbehaviour naughty bully bullies bullied bullying incident incidents detention detentions",
    "friday fridays monday mondays tuesday tuesdays wednesday wednesdays thursday thursdays weekday weekdays",
    "wait waits waiting queue delay delays delayed backlog",
    "referral referrals refer refers referred referrer",
    "client clients person people beneficiary beneficiaries user users participant participants",
    "cost costs price money spend spending expensive worth sroi",
    "improve improves improved improvement improvements better change changes impact difference mentor mentoring intervention interventions",
    "wellbeing wellness happiness happier anxiety depression",
    "hour hours time dosage",
    "birthday birthdays",
    "maths math mathematics numeracy",
    "english literacy",
    "gap gaps inequality",
    "event events jumper strike strikes snow nonuniform costume dressing",
    "secondary transition transitions transfer",
    "progress progresses valueadded p8 progresseight",
    "attainmenteight a8 attainment",
    "spread distribution distributed histogram quartile quartiles median percentiles",
    "severe severely refuser refusers refusing refusal ebsa",
    "fine fines fined penalty penalties",
];

static STOPPED: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| STOP.split_whitespace().collect());

static MEANINGS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let stemmer = Stemmer::create(Algorithm::English);
    let groups = SAME.iter().flat_map(|group| {
        let first = group.split_whitespace().next().unwrap_or("");
        let first = stemmer.stem(first).into_owned();
        group.split_whitespace().map(move |word| (word, first.clone()))
    });
    groups.map(|(word, first)| (stemmer.stem(word).into_owned(), first)).collect()
});

/// A question that answers to the words.
#[derive(Clone, Debug)]
pub struct Found {
    /// The question.
    pub question: &'static Catalogued,
    /// How well: only to compare with others of the same search.
    pub score: f64,
}

/// The words of a text by meaning, in order, without those that say nothing.
fn terms(text: &str) -> Vec<String> {
    let spaced: String =
        text.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    let mut spaced = format!(" {} ", spaced.split_whitespace().collect::<Vec<_>>().join(" "));
    for (said, meant) in JOINED {
        spaced = spaced.replace(&format!(" {said} "), &format!(" {meant} "));
    }
    let stemmer = Stemmer::create(Algorithm::English);
    let words = spaced.split_whitespace().filter(|word| !STOPPED.contains(word));
    let stems = words.map(|word| stemmer.stem(word).into_owned());
    stems.map(|stem| MEANINGS.get(&stem).cloned().unwrap_or(stem)).collect()
}

/// A question as the search sees it.
struct Document {
    /// How often each word stands in it; a word of the title or a phrase counts more.
    counts: BTreeMap<String, f64>,
    length: f64,
    phrases: Vec<BTreeSet<String>>,
}

impl Document {
    fn of(question: &Catalogued) -> Self {
        let about = &question.about;
        let fields = std::iter::once((2.0, question.draft.title.as_str()))
            .chain([(1.5, about.problem.as_str()), (2.0, about.id.as_str())])
            .chain(about.phrases.iter().map(|phrase| (1.0, phrase.as_str())));
        let mut counts: BTreeMap<String, f64> = BTreeMap::new();
        let mut length = 0.0;
        for (weight, text) in fields {
            for term in terms(text) {
                *counts.entry(term).or_default() += weight;
                length += weight;
            }
        }
        let whole = about.phrases.iter().chain([&question.draft.title]);
        let phrases = whole.map(|phrase| terms(phrase).into_iter().collect()).collect();
        Self { counts, length, phrases }
    }
}

struct Index {
    documents: Vec<Document>,
    length: f64,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let documents: Vec<Document> = catalogue().iter().map(Document::of).collect();
    let sum: f64 = documents.iter().map(|document| document.length).sum();
    let length = sum / documents.len().max(1) as f64;
    Index { documents, length }
});

impl Index {
    /// How much a word tells: nothing where it stands everywhere.
    fn weight(&self, term: &str) -> f64 {
        let all = self.documents.len() as f64;
        let with = self.documents.iter().filter(|document| document.counts.contains_key(term)).count() as f64;
        (1.0 + (all - with + 0.5) / (with + 0.5)).ln()
    }

    fn score(&self, document: &Document, sought: &BTreeSet<String>) -> f64 {
        let single = sought.iter().map(|term| {
            let count = document.counts.get(term).copied().unwrap_or(0.0);
            let damped = count + K1 * (1.0 - B + B * document.length / self.length);
            self.weight(term) * count * (K1 + 1.0) / damped
        });
        let whole = document.phrases.iter().map(|phrase| self.likeness(phrase, sought));
        single.sum::<f64>() + PHRASE_WEIGHT * whole.fold(0.0, f64::max)
    }

    /// The weight of what a phrase and the words share, times the part it is of all they say.
    fn likeness(&self, phrase: &BTreeSet<String>, sought: &BTreeSet<String>) -> f64 {
        let sum = |terms: &mut dyn Iterator<Item = &String>| terms.map(|term| self.weight(term)).sum::<f64>();
        let shared = sum(&mut phrase.intersection(sought));
        let all = sum(&mut phrase.union(sought));
        if all > 0.0 { shared * shared / all } else { 0.0 }
    }
}

/// The questions that answer to a plain phrase, best first, at most five; none if no word of
/// it stands in the catalogue.
pub fn search(text: &str) -> Vec<Found> {
    let text: String = text.chars().take(SOUGHT_MAX).collect();
    let sought: BTreeSet<String> = terms(&text).into_iter().collect();
    let scored = catalogue()
        .iter()
        .zip(&INDEX.documents)
        .map(|(question, document)| Found { question, score: INDEX.score(document, &sought) });
    let mut found: Vec<Found> = scored.filter(|found| found.score > 0.0).collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let least = found.first().map_or(0.0, |best| best.score * SCORE_PART);
    found.retain(|found| found.score >= least);
    found.truncate(FOUND_MAX);
    found
}
