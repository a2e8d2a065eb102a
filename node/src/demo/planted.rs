//! What was planted in made-up data, beside what the co-operative learned of it.

use datacoop_policy::derive::Figures;
use datacoop_policy::question::{BoundQuestion, Figure};
use serde_json::Value;

/// One group's planted change and the answer about it, in percentage points.
pub struct Planted {
    /// Whether it is the group with the Pupil Premium.
    pub pupil_premium: bool,
    /// What the scenario says.
    pub intended: Option<f64>,
    /// What it came to in the rows of those who count.
    pub realised: f64,
    /// The answer's estimate and its likely range; `None` if suppressed.
    pub answer: Option<[f64; 3]>,
    /// Whether the answer is against members that had an ordinary day, not only against days before.
    pub contrast: bool,
}

impl Planted {
    /// Whether the answer's range holds what was planted.
    pub fn holds(&self) -> Option<bool> {
        self.answer.map(|[_, low, high]| (low..=high).contains(&self.realised))
    }
}

/// Compares the answer about an event day with what `truth.json` says was planted; nothing for other
/// questions, for other parameters than the planted ones, or where nothing was planted.
pub(super) fn compare(truth: &Value, question: &BoundQuestion, figures: &Figures) -> Vec<Planted> {
    let asked = question.params().get("event_day").map(String::as_str);
    let Figure::Event { contrast, .. } = question.figure() else { return vec![] };
    if asked.is_none() || truth["event_day"]["event_day"].as_str() != asked {
        return vec![];
    }
    let effects = truth["effects"].as_array().into_iter().flatten();
    let Some(effect) = effects.into_iter().find(|effect| effect["effect"] == "event_day") else {
        return vec![];
    };
    let groups = effect["all"].as_array().into_iter().flatten();
    groups.filter_map(|group| planted(group, contrast.as_deref(), figures)).collect()
}

fn planted(group: &Value, contrast: Option<&str>, figures: &Figures) -> Option<Planted> {
    let premium = group["pupil_premium"].as_bool()?;
    let wanted = |name: &str, value: &str| match name {
        "pupil_premium" => value == premium.to_string(),
        _ => Some(name) == contrast && value == "yes minus no",
    };
    let dimensions = 1 + usize::from(contrast.is_some());
    let cell = figures.cells.iter().find(|cell| {
        cell.key.len() == dimensions && cell.key.iter().all(|(name, value)| wanted(name, value))
    });
    let answer = cell.and_then(|cell| cell.figures.first()).and_then(|figure| {
        let points = |text: &str| text.parse::<f64>().ok().map(|share| share * 100.0);
        Some([points(&figure.value)?, points(&figure.low)?, points(&figure.high)?])
    });
    Some(Planted {
        pupil_premium: premium,
        intended: group["intended_pp"].as_f64(),
        realised: group["change_pp"].as_f64()?,
        answer,
        contrast: contrast.is_some(),
    })
}
