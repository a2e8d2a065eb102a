//! One figure of every form, of made-up numbers: how to read each, and what the tests draw.

use super::{Cell, Figure, Form, Number, Row, Unit, Who};
use crate::own::compare::Comparison;

/// A number of an example. The texts below are all decimals; any other would show as suppressed.
fn estimated([value, low, high, noise, chance]: [&str; 5]) -> Cell {
    let all = [value, low, high, noise, chance].map(Number::parse);
    let [Some(value), Some(low), Some(high), Some(noise), chance] = all else { return Cell::Suppressed };
    Cell::Estimated { value, low, high, noise, chance }
}

fn exact(value: f64, decimals: usize, chance: Option<f64>) -> Cell {
    Cell::Exact {
        value: Number::of(value, decimals),
        chance: chance.map(|chance| Number::of(chance, decimals)),
    }
}

fn figure(id: &str, title: &str, subtitle: &str, unit: Unit, form: Form, rows: Vec<Row>) -> Figure {
    Figure {
        id: id.into(),
        title: title.into(),
        subtitle: subtitle.into(),
        unit,
        form,
        rows,
        notes: vec![],
        source: "Example".into(),
        certificate: "none, an example".into(),
        demo: true,
    }
}

/// You and the cluster, with a comparison.
fn beside() -> Figure {
    let mut ours = Row::new([("Whose", "Your school")], Who::Own, exact(21.6, 1, Some(2.4)));
    ours.says = "Similar to the cluster: the difference is likely to be between 1.8 percentage points lower and 2.8 higher".into();
    ours.compared = Some(Comparison::Similar);
    let cluster = estimated(["21.1", "20.3", "21.9", "0.5", "0.7"]);
    let rows = vec![ours, Row::new([("Whose", "Cluster (14 members)")], Who::Cluster, cluster)];
    let subtitle = "Persistent absence, secondary, autumn 2025/26; percent";
    figure(
        "g-beside",
        "One pupil in five misses a day in ten",
        subtitle,
        Unit::Percent,
        Form::IntervalRows,
        rows,
    )
}

/// A day's effect, around zero.
fn event() -> Figure {
    let rows = vec![
        Row::new(
            [("Group", "Pupil premium: yes")],
            Who::Cluster,
            estimated(["-4.1", "-5.3", "-2.9", "0.9", "0.8"]),
        ),
        Row::new(
            [("Group", "Pupil premium: no")],
            Who::Cluster,
            estimated(["-0.4", "-1.2", "0.4", "0.6", "0.5"]),
        ),
        Row::new(
            [("Group", "yes minus no")],
            Who::Cluster,
            estimated(["-3.7", "-5.2", "-2.2", "1.1", "1.0"]),
        ),
        Row::new([("Group", "Took part: no")], Who::Cluster, Cell::Suppressed),
    ];
    let subtitle = "Attendance on the day against the same weekday before and after; percentage points";
    figure(
        "g-event",
        "The jumper day kept poorer children away",
        subtitle,
        Unit::PercentagePoints,
        Form::IntervalRows,
        rows,
    )
}

fn strip() -> Figure {
    let parts: [(&str, [&str; 5]); 5] = [
        ("One in ten has at most", ["18", "16", "21", "1.4", "1.5"]),
        ("A quarter have at most", ["32", "30", "34", "1.2", "1.4"]),
        ("Half have at most (median)", ["46", "44", "48", "1.1", "1.4"]),
        ("Three quarters have at most", ["58", "56", "60", "1.2", "1.4"]),
        ("Nine in ten have at most", ["69", "66", "72", "1.8", "2"]),
    ];
    let row = |(name, cell): (&str, [&str; 5])| Row::new([("Part", name)], Who::Cluster, estimated(cell));
    let mut rows: Vec<Row> = parts.into_iter().map(row).collect();
    rows.push(Row::new([("Part", "Half have at most (median)")], Who::Own, exact(49.5, 1, None)));
    let form = Form::Strip { at: vec![0.1, 0.25, 0.5, 0.75, 0.9], counts: "pupils".into() };
    figure(
        "g-strip",
        "The middle half stand between 32 and 58 points",
        "Attainment 8, year 11; points",
        Unit::Of("points".into()),
        form,
        rows,
    )
}

/// Weeks, of which one was not measured, and a definition that changed.
fn series() -> Figure {
    let weeks = [93.8, 93.1, 92.2, 91.9, 92.4, 90.1, 0.0, 91.4, 91.9, 92.3, 92.2, 88.7];
    let row = |(n, value): (usize, f64)| {
        let name = format!("Week {}", n + 1);
        let cell = match value > 0.0 {
            true => estimated([
                &format!("{value:.1}"),
                &format!("{:.1}", value - 0.9),
                &format!("{:.1}", value + 0.9),
                "0.6",
                "0.7",
            ]),
            false => Cell::Missing,
        };
        Row::new([("Week".to_owned(), name)], Who::Cluster, cell)
    };
    let rows = weeks.into_iter().enumerate().map(row).collect();
    let form = Form::SeriesBand { breaks: vec![9] };
    let mut series = figure(
        "g-series",
        "Attendance dips before each break",
        "Attendance by week; percent",
        Unit::Percent,
        form,
        rows,
    );
    series.notes.push(
        "Dashed: from week 10 on, study leave counts as attended. No round was asked in week 7.".into(),
    );
    series
}

fn multiples() -> Figure {
    let days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];
    let rows = days.iter().enumerate().flat_map(|(n, day)| {
        (1..=4).map(move |week| {
            #[expect(clippy::cast_precision_loss, reason = "a place on a drawing, not a count")]
            let value = 93.0 - f64::from(week) * 0.3 - (n * n) as f64 * 0.2;
            let cell = [value, value - 1.1, value + 1.1].map(|number| format!("{number:.1}"));
            Row::new(
                [("Day", (*day).to_owned()), ("Week", format!("Week {week}"))],
                Who::Cluster,
                estimated([&cell[0], &cell[1], &cell[2], "0.8", "0.8"]),
            )
        })
    });
    figure(
        "g-multiples",
        "Fridays fall furthest",
        "Attendance by weekday and week; percent",
        Unit::Percent,
        Form::Multiples,
        rows.collect(),
    )
}

fn matrix() -> Figure {
    let bands = ["Low start", "Middle start", "High start"];
    let grades = ["1-3", "4", "5-6", "7-9"];
    let shares = [[58, 24, 14, 0], [22, 27, 38, 13], [0, 11, 36, 49]];
    let rows = bands.iter().zip(shares).flat_map(|(band, shares)| {
        grades.iter().zip(shares).map(move |(grade, share)| {
            let texts = [share, share - 4, share + 4].map(|number: i32| number.to_string());
            let cell = if share == 0 {
                Cell::Suppressed
            } else {
                estimated([&texts[0], &texts[1], &texts[2], "3", "2"])
            };
            Row::new([("Start", *band), ("Grade", *grade)], Who::Cluster, cell)
        })
    });
    figure(
        "g-matrix",
        "From a middle start most reach a 4 or more",
        "GCSE grade by start at age 11; percent of each line",
        Unit::Percent,
        Form::Matrix,
        rows.collect(),
    )
}

fn meter() -> Figure {
    let part = |name: &str, points: u64| {
        Row::new([("Points", name)], Who::Plain, Cell::Exact { value: Number::whole(points), chance: None })
    };
    let rows = vec![part("Used", 37), part("Reserved", 5), part("Left", 58)];
    figure(
        "g-meter",
        "58 points are left until 1 September 2027",
        "Privacy budget of pupils, 2026/27; points of 100",
        Unit::Of("points".into()),
        Form::Meter,
        rows,
    )
}

fn ticks() -> Figure {
    let counts = [0, 3, 12, 4, 0, 0, 7, 9, 1, 0, 0, 2, 4, 4, 5, 0, 0, 21, 3, 2, 0, 1, 0, 6, 8, 2];
    let row = |(n, count): (usize, u64)| {
        Row::new(
            [("Week".to_owned(), format!("Week {}", n + 1))],
            Who::Plain,
            Cell::Exact { value: Number::whole(count), chance: None },
        )
    };
    let rows = counts.into_iter().enumerate().map(row).collect();
    figure(
        "g-ticks",
        "Most entries fall into three weeks",
        "Log entries by week, half a year; entries",
        Unit::Count("entries".into()),
        Form::Ticks,
        rows,
    )
}

/// Two sides and the gap between them.
fn gap() -> Figure {
    let three = |whose: Who, year: &str, cells: [Cell; 3], says: &str| {
        let key = |side: &str| {
            [("Year group", year.to_owned()), ("Pupil premium", format!("Pupil premium: {side}"))]
        };
        let [first, second, between] = cells;
        let mut gap = Row::new(key("yes minus no"), whose, between).as_gap(Unit::PercentagePoints);
        gap.says = says.into();
        gap.compared = (!says.is_empty()).then_some(Comparison::TooUncertain);
        [Row::new(key("yes"), whose, first), Row::new(key("no"), whose, second), gap]
    };
    let rows = [
        three(
            Who::Cluster,
            "Year 8",
            [
                estimated(["29.6", "27.9", "31.3", "1.1", "1.3"]),
                estimated(["16.2", "15.3", "17.1", "0.6", "0.7"]),
                estimated(["13.4", "11.5", "15.3", "1.3", "1.4"]),
            ],
            "",
        ),
        three(
            Who::Own,
            "Year 8",
            [exact(33.1, 1, Some(6.2)), exact(17.0, 1, Some(3.1)), exact(16.1, 1, Some(6.9))],
            "Too uncertain to say: the difference is likely to be between 4.5 percentage points smaller and 9.9 wider",
        ),
        three(
            Who::Cluster,
            "Year 9",
            [Cell::Suppressed, estimated(["18.0", "17.0", "19.0", "0.7", "0.7"]), Cell::Suppressed],
            "",
        ),
    ];
    let subtitle = "Persistent absence by pupil premium, autumn 2025/26; percent";
    let rows = rows.into_iter().flatten().collect();
    figure("g-gap", "Poorer children miss far more", subtitle, Unit::Percent, Form::Dumbbell, rows)
}

/// How many people lie in each band of a measure.
fn bands() -> Figure {
    let bands: [(&str, [&str; 5]); 4] = [
        ("Under 5% missed", ["412", "396", "428", "14", "8"]),
        ("5 to 10%", ["268", "252", "284", "14", "8"]),
        ("10 to 50%: persistent", ["171", "155", "187", "14", "7"]),
        ("Over 50%: severe", ["13", "2", "24", "10", "5"]),
    ];
    let row = |(name, cell): (&str, [&str; 5])| Row::new([("Band", name)], Who::Cluster, estimated(cell));
    figure(
        "g-bands",
        "One pupil in five misses a tenth or more",
        "Pupils by share of sessions missed, autumn 2025/26; pupils",
        Unit::Count("pupils".into()),
        Form::IntervalRows,
        bands.into_iter().map(row).collect(),
    )
}

/// Every kind of figure once, each with its name, in the order in which a reader meets them.
pub fn named_gallery() -> [(&'static str, Figure); 10] {
    [
        ("You and the cluster: a mark in its band", beside()),
        ("The gap between two groups: a dumbbell", gap()),
        ("A day\u{2019}s effect: both bars around zero", event()),
        ("Bands of a measure", bands()),
        ("How people spread: a strip", strip()),
        ("Over time: a line in its band", series()),
        ("Over time and by group: small multiples", multiples()),
        ("From where to where: a matrix, cells of few people hatched", matrix()),
        ("What is left of the privacy budget: a meter", meter()),
        ("What a log did: a column a week", ticks()),
    ]
}

/// The same without names.
pub fn gallery() -> Vec<Figure> {
    named_gallery().into_iter().map(|(_, figure)| figure).collect()
}
