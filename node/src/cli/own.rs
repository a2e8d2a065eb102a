//! Our own figures beside a release, as text and JSON. Printed here and nowhere else.

use datacoop_policy::question::BoundQuestion;
use serde_json::{Value, json};

use super::show::{plain, table_of, wrapped};
use crate::own::basis::Basis;
use crate::own::beside::{Beside, Place};
use crate::own::given::Checked;
use crate::own::like::{FellBack, Like, Verdict};
use crate::own::progress::{is_progress, official_text, slots};
use crate::own::{PEOPLE_FEW, people_word};

/// Less than this part of the cluster does not show in its figures.
const PART_MIN: f64 = 0.01;

/// Most decimals of a number without a range.
const DECIMALS_MAX: f64 = 6.0;

/// What is true of an exact figure, and why it stays here.
pub(super) fn exact_text(basis: &Basis) -> String {
    let others = basis.accepted.saturating_sub(1);
    let mut text = String::from(
        "Ours is exact: no noise protects the people in it. It was counted here, from the newest import, and \
         neither sent nor logged. Do not publish it with the release.",
    );
    if basis.counts_us {
        text += &format!(
            " Beside the release it would also tell what is left without us: noise still protects the people \
             of the other {others}, but the fewer they are, the more a reader learns about them as schools."
        );
    }
    wrapped(&text)
}

/// Figures that others printed, checked, as scripts read them.
pub(super) fn given_json(all: &[Checked]) -> Value {
    let number = |value: f64| format!("{value:.6}");
    let figures = all.iter().map(|one| {
        json!({
            "name": one.name,
            "given": number(one.given.value),
            "rounding": number(one.given.rounding),
            "ours": number(one.ours),
            "like_ours": number(one.like),
            "low": one.half.map(|half| number(one.like - half)),
            "high": one.half.map(|half| number(one.like + half)),
            "follows_from_our_rows": one.follows(),
            "likely": one.is_likely(),
        })
    });
    Value::Array(figures.collect())
}

/// The same for people.
pub(super) fn given_text(basis: &Basis, all: &[Checked]) -> String {
    let header = ["", "given", "our rows", "apart", "like ours (95 %)", ""].map(str::to_owned).to_vec();
    let row = |one: &Checked| {
        let unit = if one.percent { " %" } else { "" };
        let fine = one.given.rounding * 2.0;
        let show = |value: f64| number(value, fine, one.percent);
        let range = one.half.map(|half| {
            let show = |value: f64| number(value, half, one.percent);
            format!("{} to {}", show(one.like - half), show(one.like + half))
        });
        let reads = match (one.follows(), one.is_likely()) {
            (true, Some(true) | None) => "follows from our rows",
            (true, Some(false)) => "follows, but unlike people like ours",
            (false, Some(true) | None) => "DOES NOT FOLLOW from our rows",
            (false, Some(false)) => "DOES NOT FOLLOW, and unlike people like ours",
        };
        vec![
            plain(&one.name.replace('_', " ")),
            format!("{}{unit}", number(one.given.value, fine * 10.0, one.percent)),
            format!("{}{unit}", show(one.ours)),
            signed(show(one.given.value - one.ours)),
            range.unwrap_or_default(),
            reads.into(),
        ]
    };
    let mut text = String::from("Given figures, checked at home\n\n");
    text += &format!("{}\n\n", table_of(header, all.iter().map(row).collect()));
    let wrong = all.iter().any(|one| !one.follows());
    if wrong {
        text += &wrapped(
            "What does not follow is apart from our rows by more than rounding: an error in data or in a rule. Look \
             for people or results that only one of the two counts.",
        );
    }
    if wrong && is_progress(&basis.question) {
        text += &wrapped(
            "Rules that are often read differently: English doubles only if both were sat, Combined Science fills \
             two slots, an empty slot counts 0, and of a subject sat twice one result counts.",
        );
    }
    text
}

/// Our own figures beside the cluster's, as scripts read them.
pub(super) fn beside_json(all: &[Beside]) -> Value {
    let number = |value: f64| format!("{value:.6}");
    let figures = all.iter().map(|one| {
        let key: serde_json::Map<String, Value> =
            one.key.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
        json!({
            "key": key,
            "name": one.cluster.name,
            "ours": one.ours.map(number),
            "chance": one.chance.map(number),
            "people": one.people,
            "few": one.is_few(),
            "place": one.place.map(Place::code),
        })
    });
    Value::Array(figures.collect())
}

/// How our people compare with people like them, as scripts read it.
pub(super) fn like_json(question: &BoundQuestion, likes: &[Like]) -> Value {
    let number = |value: f64| format!("{value:.6}");
    let figures = likes.iter().map(|like| {
        let half = like.half();
        let fell_back =
            like.fell_back.iter().map(|one| json!({ "by": one.groupings, "weight": number(one.weight) }));
        json!({
            "name": like.name,
            "expected": number(like.expected),
            "noise": number(like.noise),
            "ours": number(like.actual),
            "difference": number(like.difference()),
            "chance": like.chance.map(number),
            "low": half.map(|half| number(like.difference() - half)),
            "high": half.map(|half| number(like.difference() + half)),
            "verdict": like.verdict().code(),
            "people": like.people,
            "part_of_cluster": number(like.part),
            "read_off_coarser": fell_back.collect::<Vec<_>>(),
            "each_slot": is_progress(question)
                .then(|| slots(question, &like.name))
                .flatten()
                .map(|slots| number(like.difference() / slots)),
        })
    });
    Value::Array(figures.collect())
}

/// The same for people.
pub(super) fn like_text(basis: &Basis, likes: &[Like]) -> String {
    let question = &basis.question;
    let progress = is_progress(question);
    let (people, word) = (likes.first().map_or(0, |like| like.people), people_word(question));
    let mut text = match progress {
        true => format!("Cluster Progress of our {people} {word}, beside {word} with the same start\n\n"),
        false => format!("Our {people} {word}, and {word} like them in the cluster\n\n"),
    };
    let range = if progress { "range (95 %)" } else { "likely range (95 %)" };
    let mut header = ["", "like ours", "noise", "ours", "difference", range, ""].map(str::to_owned).to_vec();
    if progress {
        header.push("each slot".into());
    }
    let rows = likes.iter().map(|like| like_row(question, progress, like));
    text += &format!("{}\n\n", table_of(header, rows.collect()));
    text += &notes(basis, likes);
    if progress {
        text += &wrapped(
            "Each slot: points over the slots of Attainment 8, as Progress 8 counts them: 10 in all, 2 for \
             English and for maths, 3 for EBacc and for open. Extreme pupils are not floored.",
        );
        text += &wrapped(&official_text(question.period()));
    }
    text
}

fn like_row(question: &BoundQuestion, progress: bool, like: &Like) -> Vec<String> {
    let half = like.half();
    let digits = half.unwrap_or(like.noise);
    let show = |value: f64| number(value, digits, like.percent);
    let (unit, points) = if like.percent { (" %", " pp") } else { ("", "") };
    let difference = like.difference();
    let mut row = vec![
        plain(&like.name.replace('_', " ")),
        format!("{}{unit}", show(like.expected)),
        format!("\u{b1}{}", number(like.noise, like.noise, like.percent)),
        format!("{}{unit}", show(like.actual)),
        format!("{}{points}", signed(show(difference))),
        half.map_or_else(String::new, |half| {
            format!("{} to {}", signed(show(difference - half)), signed(show(difference + half)))
        }),
        match like.verdict() {
            Verdict::Above => "above".into(),
            Verdict::Below => "below".into(),
            Verdict::NotToldApart => "uncertain".into(),
            Verdict::TooFew => format!("fewer than {PEOPLE_FEW} of ours"),
        },
    ];
    if progress {
        let each = slots(question, &like.name).zip(half);
        row.push(each.map_or_else(String::new, |(slots, half)| {
            let show = |value: f64| signed(number(value / slots, half / slots, false));
            format!("{} ({} to {})", show(difference), show(difference - half), show(difference + half))
        }));
    }
    row
}

fn signed(text: String) -> String {
    if text.starts_with('-') || text.chars().all(|c| matches!(c, '0' | '.')) {
        text
    } else {
        format!("+{text}")
    }
}

/// How to read the table.
fn notes(basis: &Basis, likes: &[Like]) -> String {
    let mut text = wrapped(
        "Like ours: the cluster's figures, group by group, weighted by our own mix. The range holds the noise \
         in them and ordinary chance, that of who our people are; above or below is said only where all of it \
         is. About 1 in 20 such ranges misses. Uncertain does not mean that there is no difference.",
    );
    let Some(first) = likes.first() else { return text };
    if !first.fell_back.is_empty() {
        let all: f64 = first.fell_back.iter().map(|one| one.weight).sum();
        let parts: Vec<String> = first.fell_back.iter().map(fell_back_text).collect();
        text += &wrapped(&format!(
            "{} of our mix was read off coarser groups, because the noise drowns theirs: {}.",
            part_text(all),
            parts.join("; ")
        ));
    }
    if basis.counts_us && first.part >= PART_MIN {
        text += &wrapped(&format!(
            "We are about {} of the cluster's figures ourselves, which draws them towards ours.",
            part_text(first.part)
        ));
    }
    for line in &basis.question.question().draft().cannot_tell {
        text += &format!("It cannot tell {}.\n", plain(line));
    }
    text
}

fn fell_back_text(one: &FellBack) -> String {
    let names: Vec<String> = one.groupings.iter().map(|name| plain(&name.replace('_', " "))).collect();
    match names.is_empty() {
        true => format!("{} off the whole cluster", part_text(one.weight)),
        false => format!("{} by {}", part_text(one.weight), names.join(", ")),
    }
}

fn part_text(part: f64) -> String {
    if part < 0.01 { "under 1 %".into() } else { format!("{:.0} %", part * 100.0) }
}

/// A number rounded to its half-width: to the smallest power of ten at least a tenth of it.
fn number(value: f64, half: f64, percent: bool) -> String {
    let times = if percent { 100.0 } else { 1.0 };
    let power = (half * times / 10.0).log10().ceil().max(-DECIMALS_MAX);
    let step = 10f64.powf(power);
    let decimals = (-power).clamp(0.0, DECIMALS_MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=6")]
    let decimals = decimals as usize;
    let text = format!("{:.decimals$}", (value * times / step).round() * step);
    // Minus nothing is nothing.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::results::figures_text;
    use crate::figure::Terminal;
    use crate::own::beside::beside;
    use crate::own::like::like_ours;
    use crate::own::progress::tests::school;

    #[test]
    fn what_a_head_teacher_reads_says_what_it_is_and_fits_the_page() {
        let (basis, ours) = school();
        let progress = like_text(&basis, &like_ours(&basis, &ours).ok().unwrap());
        let figures = basis.figures(&beside(&basis, &ours));
        let beside = figures_text(&figures, Terminal::Drawn);
        for text in [&progress, &beside] {
            assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
        }
        let words = progress.split_whitespace().collect::<Vec<_>>().join(" ");
        for said in [
            "Cluster Progress of our 40 pupils",
            "No official Progress 8 exists for summer 2025 and 2026",
            "a distance from this cluster, not from England",
            "Uncertain does not mean that there is no difference",
            "It cannot tell which school adds most.",
        ] {
            assert!(words.contains(said), "{said}: {progress}");
        }
        let row = |name: &str| progress.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(row("maths points").contains("+1.5") && row("maths points").contains("above"), "{progress}");
        assert!(row("ebacc points").contains("below"), "{progress}");
        assert!(exact_text(&basis).contains("the other 3"));
    }

    #[test]
    fn a_number_has_the_digits_that_its_range_leaves() {
        let check = |value: f64, half: f64, percent: bool, said: &str| {
            assert_eq!(number(value, half, percent), said);
        };
        check(0.887_54, 0.056, true, "89");
        check(0.887_54, 0.0056, true, "88.8");
        check(-0.0004, 0.01, true, "0.0");
        check(-0.4, 0.5, false, "-0.4");
        check(-0.41, 0.09, false, "-0.41");
        check(1234.0, 300.0, false, "1200");
        check(0.25, 0.0, false, "0.250000");
        assert_eq!(signed("0.00".into()), "0.00");
        assert_eq!(signed("0.10".into()), "+0.10");
    }
}
