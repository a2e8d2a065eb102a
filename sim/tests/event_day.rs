//! An event day that keeps children away: the cluster sees it, one school does not, and of none neither does.

use datacoop_policy::PrivacyLoss;
use datacoop_policy::derive::exact;
use datacoop_policy::question::{BoundQuestion, Question, QuestionDraft};
use datacoop_policy::vocabulary::Vocabulary;
use datacoop_protocol::log::tree::sha256;
use datacoop_protocol::seed::Seed;
use datacoop_sim::season::Topic;
use datacoop_sim::stories::event_day::{Rates, Setting, params, period};

const VOCABULARY: &str = include_str!("../../node/src/vocab/attendance.toml");
const QUESTION: &str = include_str!("../../node/src/questions/catalogue/event-day.toml");
/// Absence bands of Years 7 to 11 with and without free school meals, 2022/23, in hundredths of a percent.
const ENDS: [u32; 11] = [5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 100];
const SHARES: [[u32; 11]; 2] = [
    [2840, 2522, 1474, 820, 505, 345, 249, 190, 156, 124, 774],
    [5139, 2780, 997, 382, 188, 111, 75, 54, 42, 33, 200],
];
const LOSS: u64 = 5_000_000;

fn question() -> BoundQuestion {
    let vocabulary = Vocabulary::from_toml(VOCABULARY).expect("shipped");
    let draft = QuestionDraft::from_toml(QUESTION).expect("shipped");
    Question::admit(draft, &vocabulary).expect("shipped").bind(&params(), period()).expect("shipped")
}

/// A member's own gap, at its own cells of the question.
fn alone(question: &BoundQuestion, sums: &[i64]) -> Option<(f64, f64)> {
    let cells = exact(question, sums).cells;
    let level = |premium: &str| {
        let cell = cells.iter().find(|cell| {
            cell.key
                .iter()
                .all(|(name, value)| value == if name == "pupil_premium" { premium } else { "yes" })
        })?;
        let figure = cell.figures.first()?;
        Some((figure.value.parse::<f64>().ok()?, figure.chance.as_ref()?.parse::<f64>().ok()?))
    };
    let ((a, chance_a), (b, chance_b)) = (level("true")?, level("false")?);
    Some((a - b, chance_a.hypot(chance_b)))
}

fn setting() -> Setting<'static> {
    let bands = SHARES.map(|shares| ENDS.into_iter().zip(shares).collect());
    Setting { question: question(), bands, alone: &alone, seed: Seed::new([5; 32]) }
}

fn topic(setting: &Setting<'_>) -> Topic {
    setting.topic(&Vocabulary::from_toml(VOCABULARY).expect("shipped"), sha256(&[VOCABULARY.as_bytes()]))
}

/// 80 worlds: the standard error of 96 % is 2.2 points, of 5 % 2.4.
#[test]
fn the_cluster_sees_what_one_school_cannot() {
    let (setting, loss) = (setting(), PrivacyLoss::from_nano(LOSS));
    let [mut quiet, mut event, mut shocked] = [Rates::default(); 3];
    for world in 0..80 {
        let seen = setting.world(world, &[0, -50_000], false, loss);
        quiet.add(seen[0]);
        event.add(seen[1]);
        shocked.add(setting.world(world, &[0], true, loss)[0]);
    }
    let [quiet, event, shocked] = [quiet, event, shocked].map(|rates| rates.percents());
    println!("nothing {quiet:?}\nfive points {event:?}\nnothing, with a shock {shocked:?}");
    assert!(event[0] >= 90.0, "the cluster sees it in {} % of worlds", event[0]);
    assert!(event[1] <= 45.0, "one school sees it in {} %", event[1]);
    assert!(quiet[0] <= 10.0 && quiet[1] <= 10.0, "false alarms: {quiet:?}");
    // Not because nobody ever sees anything.
    assert!(event[1] > 15.0 && quiet[0] > 0.0, "{event:?} {quiet:?}");
    // A shock to a whole school is not in the range of a dip: chance takes pupils as independent. The gap cancels it.
    assert!(shocked[0] <= 10.0, "the gap, with a shock: {} %", shocked[0]);
    assert!(shocked[3] > quiet[3] + 3.0 && shocked[3] > 8.0, "the dip of the others: {quiet:?} {shocked:?}");
}

/// What 500 worlds are judged by is what a round of real members releases, sum by sum.
#[test]
fn real_members_release_what_a_world_is_judged_by() {
    let setting = setting();
    let topic = topic(&setting);
    setting.agrees(&topic, 3, -50_000, PrivacyLoss::from_nano(LOSS)).unwrap();
    // Of another world's children they would not.
    let other = Setting { seed: Seed::new([6; 32]), ..setting };
    let cells = other.cells(3, &[-50_000], false).swap_remove(0);
    assert_ne!(cells, self::setting().cells(3, &[-50_000], false).swap_remove(0));
}
